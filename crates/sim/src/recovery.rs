use core::time::Duration;

use headwaters_engine::Instant;

use crate::checker::Checker;

/// How long it takes after an outage until every record has an outcome that had piled up in it, and until the records that
/// came after them do not wait any more either.
#[derive(Debug)]
pub(crate) struct Recovery {
    /// When the outage ends.
    end: Instant,
    /// How many records there were then, and how many of them had no outcome.
    piled_up: Option<(u64, u64)>,
    took: Duration,
    caught_up: Duration,
}

/// Of the records that had piled up, one in so many may be open when that is over: the usual number of open records
/// rises and falls.
const USUAL: u64 = 20;

impl Recovery {
    pub(crate) const fn new(end: Instant) -> Self {
        Self { end, piled_up: None, took: Duration::ZERO, caught_up: Duration::ZERO }
    }

    /// Looks at what has an outcome by `time`.
    pub(crate) fn see(&mut self, checker: &Checker, time: Instant) {
        if time < self.end || self.end == Instant::ZERO {
            return;
        }
        let (records, open) =
            *self.piled_up.get_or_insert_with(|| (checker.accepted_count(), checker.open()));
        if self.took == Duration::ZERO && checker.first_open() >= records {
            self.took = time.since(self.end);
        }
        if self.caught_up == Duration::ZERO && checker.open() <= open / USUAL {
            self.caught_up = time.since(self.end);
        }
    }

    /// How many records had piled up.
    pub(crate) fn backlog(&self) -> u64 {
        self.piled_up.map_or(0, |(_, open)| open)
    }

    /// Until when they had their outcomes.
    pub(crate) const fn took(&self) -> Duration {
        self.took
    }

    /// Until when hardly any record waited.
    pub(crate) const fn caught_up(&self) -> Duration {
        self.caught_up
    }
}
