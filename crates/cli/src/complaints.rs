use core::cell::Cell;
use core::fmt::Display;

use crate::console::Console;
use crate::input::{Files, Position};

/// Names the bad records of the input: the first ones with their rule, the rest by their number.
pub(crate) struct Complaints<'a> {
    console: &'a Console,
    count: Cell<u64>,
    files: Files,
}

/// How many bad records are named one by one.
const NAMED_MAX: u64 = 10;

impl<'a> Complaints<'a> {
    pub(crate) const fn new(console: &'a Console, files: Files) -> Self {
        Self { console, count: Cell::new(0), files }
    }

    /// Says what is wrong with the record there, or counts it.
    pub(crate) fn add(&self, position: Position, what: impl Display) {
        self.count.set(self.count.get() + 1);
        if self.count.get() <= NAMED_MAX {
            self.console.error(format_args!("{}: {what}", self.files.place(position)));
        }
    }

    /// Whether there was none.
    pub(crate) const fn is_empty(&self) -> bool {
        self.count.get() == 0
    }

    /// Says how many were not named.
    pub(crate) fn end(&self) {
        let withheld = self.count.get().saturating_sub(NAMED_MAX);
        if withheld > 0 {
            self.console.error(format_args!("... and {withheld} more bad records"));
        }
    }
}
