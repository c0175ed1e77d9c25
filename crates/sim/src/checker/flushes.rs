use alloc::format;
use alloc::vec::Vec;

use headwaters_engine::{FlushId, Instant};

use super::{Checked, Checker, rule};

/// Flushes that were asked for and are not finished.
#[derive(Debug, Default)]
pub(super) struct Flushes {
    flushes: Vec<Flush>,
}

#[derive(Debug)]
struct Flush {
    id: FlushId,
    /// It is about the records before this one.
    barrier: usize,
    deadline: Option<Instant>,
}

impl Checker {
    /// A flush of everything accepted so far.
    pub(crate) fn flush_requested(&mut self, id: FlushId, deadline: Option<Instant>, now: Instant) {
        let barrier = usize::try_from(self.accepted).unwrap_or(usize::MAX);
        self.flushes.flushes.push(Flush { id, barrier, deadline });
        self.hurry(now);
    }

    /// A flush is done, or its deadline has come.
    pub(crate) fn flush_finished(&mut self, id: FlushId, pending: u64, now: Instant) -> Checked {
        let at = self.flushes.flushes.iter().position(|flush| flush.id == id);
        let at = at.ok_or_else(|| format!("{id:?} is not going on"))?;
        let Flush { barrier, deadline, .. } = self.flushes.flushes.remove(at);
        let open = self.records.open_before(barrier);
        rule(pending == open as u64, || {
            format!("{id:?} has {pending} records pending, and really {open}")
        })?;
        rule(pending == 0 || deadline.is_some_and(|deadline| deadline <= now), || {
            format!("{id:?} ends before its deadline with {pending} records pending")
        })?;
        self.sometimes.flush_late += u64::from(pending > 0);
        Ok(())
    }

    /// No flush that is done, or whose deadline has come, is left.
    pub(super) fn check_flushes(&mut self, now: Instant) -> Checked {
        let (open, purged) = (self.records.first_open(), self.purged);
        rule(open >= purged, || format!("record {open} was to be handed back"))?;
        let is_over = |flush: &&Flush| {
            flush.barrier <= open || flush.deadline.is_some_and(|deadline| deadline <= now)
        };
        let over = self.flushes.flushes.iter().find(is_over);
        rule(over.is_none(), || format!("{over:?} is over and not finished"))
    }

    /// Whether flushes are left.
    pub(crate) fn has_flushes(&self) -> bool {
        !self.flushes.flushes.is_empty()
    }
}
