use core::sync::atomic::{AtomicBool, Ordering};
use std::io::{self, IsTerminal, Stderr, Write};
use std::panic;
use std::sync::Once;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

/// The terminal behind the standard error, with a screen of our own; dropping it gives it back as it was.
pub(super) struct Screen {
    pub(super) terminal: Terminal<CrosstermBackend<Stderr>>,
}

impl Screen {
    /// Whether there is a terminal.
    pub(super) fn is_there() -> bool {
        io::stderr().is_terminal()
    }

    /// Takes the terminal. A panic gives it back too, before it says why.
    pub(super) fn take() -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |panic| {
                give_back();
                before(panic);
            }));
        });
        enable_raw_mode()?;
        IS_TAKEN.store(true, Ordering::Release);
        // From here on it is given back, whatever fails.
        let screen =
            Terminal::new(CrosstermBackend::new(io::stderr())).map(|terminal| Self { terminal });
        let screen = screen.inspect_err(|_| give_back())?;
        execute!(io::stderr(), EnterAlternateScreen, Hide)?;
        Ok(screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Whether the terminal is ours: it is given back once, for a second time would move the cursor over what was written since.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// If the terminal is gone there is nobody to tell.
fn give_back() {
    if !IS_TAKEN.swap(false, Ordering::AcqRel) {
        return;
    }
    let _ = execute!(io::stderr(), Show, LeaveAlternateScreen);
    let _ = disable_raw_mode();
    let _ = io::stderr().flush();
}
