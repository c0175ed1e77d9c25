use std::io::{self, IsTerminal, Write};

use indicatif::ProgressBar;

/// Standard error: what the user is told beside the results.
///
/// If it is closed nobody listens, and nothing is done about it.
#[derive(Debug)]
pub(crate) struct Console {
    /// Steps aside while something is written.
    bar: ProgressBar,
    quiet: bool,
}

impl Console {
    pub(crate) const fn new(bar: ProgressBar, quiet: bool) -> Self {
        Self { bar, quiet }
    }

    /// Says what went wrong.
    pub(crate) fn error(&self, text: impl core::fmt::Display) {
        self.write(format_args!("headwaters: error: {text}\n"));
    }

    /// Says what is good to know.
    pub(crate) fn notice(&self, text: impl core::fmt::Display) {
        if !self.quiet {
            self.write(format_args!("headwaters: {text}\n"));
        }
    }

    /// Writes text as it is.
    pub(crate) fn write(&self, text: core::fmt::Arguments<'_>) {
        self.bar.suspend(|| {
            let _ = io::stderr().lock().write_all(text.to_string().as_bytes());
        });
    }

    /// Whether somebody may be looking.
    pub(crate) fn is_terminal() -> bool {
        io::stderr().is_terminal()
    }
}
