use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use crate::time::Instant;

/// When records were accepted, by their places in the order of acceptance: for measuring, to a millisecond, and to some
/// percent of what is long ago. So no record has to carry it.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    /// The places of some records, and when they were accepted; the newest come first, each later level is older and half
    /// as dense.
    levels: Vec<VecDeque<(u64, Instant)>>,
    /// When the next one is to be marked.
    next: Instant,
}

/// Shortest time between two marks.
const GAP: Duration = Duration::from_millis(1);
/// Most marks of a level: 1 KiB, and an error of a thirtieth.
const LEVEL_MAX: usize = 64;

impl Arrivals {
    /// A record was accepted.
    #[inline(always)]
    pub(crate) fn note(&mut self, sequence: u64, now: Instant) {
        if now >= self.next {
            self.mark(sequence, now);
        }
    }

    #[cold]
    fn mark(&mut self, sequence: u64, now: Instant) {
        self.next = now.after(GAP);
        let mut mark = (sequence, now);
        for level in &mut self.levels {
            level.push_back(mark);
            if level.len() <= LEVEL_MAX {
                return;
            }
            // Of the two oldest the second is forgotten: what it stood for, the first does.
            let Some(oldest) = level.pop_front() else { return };
            level.pop_front();
            mark = oldest;
        }
        self.levels.push(VecDeque::from([mark]));
    }

    /// How long it is ago that a record was accepted.
    pub(crate) fn age(&self, sequence: u64, now: Instant) -> Duration {
        for level in &self.levels {
            let after = level.partition_point(|&(place, _)| place <= sequence);
            if let Some(&(_, at)) = after.checked_sub(1).and_then(|at| level.get(at)) {
                return now.since(at);
            }
        }
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Instant {
        Instant::from_nanos(micros * 1_000)
    }

    #[test]
    fn to_a_millisecond() {
        let mut arrivals = Arrivals::default();
        for sequence in 0..600 {
            arrivals.note(sequence, at(sequence * 100));
        }
        let now = at(60_000);
        for sequence in [0, 1, 9, 10, 234, 599] {
            let age = arrivals.age(sequence, now);
            let exact = now.since(at(sequence * 100));
            assert!(age >= exact && age < exact + GAP, "{sequence}: {age:?} for {exact:?}");
        }
    }

    #[test]
    fn what_is_long_ago_is_coarser() {
        let mut arrivals = Arrivals::default();
        let records = 10_000_000;
        for sequence in 0..records {
            arrivals.note(sequence, at(sequence * 1_000));
        }
        let now = at(records * 1_000);
        assert!(arrivals.levels.len() < 20, "1 KiB each");
        for ago in [1, 10, 100, 1_000, 100_000, 9_999_999] {
            let exact = Duration::from_millis(ago);
            let age = arrivals.age(records - ago, now);
            assert!(age >= exact && age <= exact.mul_f64(1.1) + GAP, "{age:?} for {exact:?}");
        }
    }

    #[test]
    fn nobody_has_come() {
        assert_eq!(Arrivals::default().age(3, at(7)), Duration::ZERO);
    }
}
