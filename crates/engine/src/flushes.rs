use alloc::collections::VecDeque;

use crate::action::FlushId;
use crate::time::Instant;

/// The flushes that are going on: barriers in the order of acceptance.
#[derive(Debug, Default)]
pub(crate) struct Flushes {
    /// By barrier, which rises.
    flushes: VecDeque<Flush>,
}

#[derive(Debug)]
struct Flush {
    id: FlushId,
    /// The flush covers the records whose number is below this.
    barrier: u64,
    deadline: Option<Instant>,
    /// How many of its records are still held, those of the flush before it not counted.
    pending: u64,
}

impl Flushes {
    /// Starts a flush of everything accepted before record number `barrier`: `held` records.
    pub(crate) fn start(
        &mut self,
        id: FlushId,
        barrier: u64,
        held: u64,
        deadline: Option<Instant>,
    ) {
        let counted: u64 = self.flushes.iter().map(|flush| flush.pending).sum();
        let pending = held - counted;
        self.flushes.push_back(Flush { id, barrier, deadline, pending });
    }

    /// Notes that the record with this number is not held any more.
    #[inline]
    pub(crate) fn completed(&mut self, sequence: u64) {
        if self.flushes.is_empty() {
            return;
        }
        let first = self.flushes.partition_point(|flush| flush.barrier <= sequence);
        if let Some(flush) = self.flushes.get_mut(first) {
            flush.pending -= 1;
        }
    }

    /// The next flush that is done.
    #[inline]
    pub(crate) fn take_done(&mut self) -> Option<FlushId> {
        if self.flushes.front()?.pending > 0 {
            return None;
        }
        self.flushes.pop_front().map(|flush| flush.id)
    }

    /// The next flush whose deadline has come, and how many of its records are still held.
    pub(crate) fn take_late(&mut self, now: Instant) -> Option<(FlushId, u64)> {
        let is_late = |flush: &Flush| flush.deadline.is_some_and(|deadline| deadline <= now);
        let at = self.flushes.iter().position(is_late)?;
        let pending = self.flushes.iter().take(at + 1).map(|flush| flush.pending).sum();
        let late = self.flushes.remove(at)?;
        // Its records belong to every later flush as well.
        if let Some(next) = self.flushes.get_mut(at) {
            next.pending += late.pending;
        }
        Some((late.id, pending))
    }

    /// What must hold between calls: the barriers rise, and no more is pending than is held.
    #[cfg(debug_assertions)]
    pub(crate) fn invariants(&self, held: usize) {
        let barriers = self.flushes.iter().map(|flush| flush.barrier);
        debug_assert!(barriers.is_sorted());
        let pending: u64 = self.flushes.iter().map(|flush| flush.pending).sum();
        debug_assert!(pending <= held as u64, "{pending} of {held} pending");
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.flushes.iter().filter_map(|flush| flush.deadline).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flush_is_done_when_its_records_and_the_earlier_flushes_are() {
        let mut flushes = Flushes::default();
        flushes.start(FlushId(1), 3, 3, None);
        flushes.start(FlushId(2), 5, 5, None);
        flushes.completed(4);
        flushes.completed(3);
        assert_eq!(flushes.take_done(), None, "flush 2 covers the records of flush 1");
        (0..3).for_each(|sequence| flushes.completed(sequence));
        assert_eq!(flushes.take_done(), Some(FlushId(1)));
        assert_eq!(flushes.take_done(), Some(FlushId(2)));
        flushes.completed(9);
        assert_eq!(flushes.take_done(), None);
    }

    #[test]
    fn a_late_flush_leaves_its_records_to_the_next() {
        let mut flushes = Flushes::default();
        flushes.start(FlushId(1), 3, 3, Some(Instant::from_nanos(7)));
        flushes.start(FlushId(2), 5, 5, None);
        flushes.completed(0);
        assert_eq!(flushes.take_late(Instant::from_nanos(6)), None);
        assert_eq!(flushes.take_late(Instant::from_nanos(7)), Some((FlushId(1), 2)));
        (1..4).for_each(|sequence| flushes.completed(sequence));
        assert_eq!(flushes.take_done(), None);
        flushes.completed(4);
        assert_eq!(flushes.take_done(), Some(FlushId(2)));
    }
}
