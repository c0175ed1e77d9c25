use core::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};

use indicatif::ProgressBar;

/// Standard error: what the user is told beside the results.
///
/// If it is closed nobody listens, and nothing is done about it.
#[derive(Debug)]
pub(crate) struct Console {
    /// Steps aside while something is written.
    bar: ProgressBar,
    /// What is said while the screen is somebody else's; nothing while it is not.
    held: RefCell<Option<VecDeque<String>>>,
    quiet: bool,
}

/// How much is kept of what is said meanwhile: the latest.
const HELD_MAX: usize = 1_000;

impl Console {
    pub(crate) const fn new(bar: ProgressBar, quiet: bool) -> Self {
        Self { bar, held: RefCell::new(None), quiet }
    }

    /// From now on nothing is written, and what is said is kept.
    pub(crate) fn hold(&self) {
        self.held.borrow_mut().get_or_insert_default();
    }

    /// Writes what was kept, and from now on everything.
    pub(crate) fn release(&self) {
        for text in self.held.take().into_iter().flatten() {
            self.write(format_args!("{text}"));
        }
    }

    /// The latest lines that are kept.
    pub(crate) fn last(&self, lines: usize) -> Vec<String> {
        let held = self.held.borrow();
        let all = held.iter().flatten();
        let skipped = held.as_ref().map_or(0, VecDeque::len).saturating_sub(lines);
        all.skip(skipped).map(|text| text.trim_end().to_owned()).collect()
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
        if let Some(held) = &mut *self.held.borrow_mut() {
            if held.len() == HELD_MAX {
                held.pop_front();
            }
            return held.push_back(text.to_string());
        }
        self.bar.suspend(|| {
            let _ = io::stderr().lock().write_all(text.to_string().as_bytes());
        });
    }

    /// Whether somebody may be looking.
    pub(crate) fn is_terminal() -> bool {
        io::stderr().is_terminal()
    }
}
