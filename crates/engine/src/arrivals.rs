use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::ops::Range;
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

/// When records were accepted that were so about at the same time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arrival {
    at: Option<Instant>,
    places: Range<u64>,
}

impl Arrival {
    /// Whether a record is one of these.
    pub(crate) fn has(&self, sequence: u64) -> bool {
        self.places.contains(&sequence)
    }

    /// How long that is ago.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        self.at.map_or(Duration::ZERO, |at| now.since(at))
    }
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

    /// When a record was accepted.
    pub(crate) fn find(&self, sequence: u64) -> Arrival {
        let mut end = u64::MAX;
        for level in &self.levels {
            let after = level.partition_point(|&(place, _)| place <= sequence);
            let end_here = level.get(after).map_or(end, |&(place, _)| place);
            if let Some(&(start, at)) = after.checked_sub(1).and_then(|at| level.get(at)) {
                return Arrival { at: Some(at), places: start..end_here };
            }
            end = end_here;
        }
        Arrival { at: None, places: 0..end }
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
            let age = arrivals.find(sequence).age(now);
            let exact = now.since(at(sequence * 100));
            assert!(age >= exact && age < exact + GAP, "{sequence}: {age:?} for {exact:?}");
            assert!(arrivals.find(sequence).has(sequence));
        }
    }

    #[test]
    fn what_is_long_ago_is_coarser() {
        let mut arrivals = Arrivals::default();
        // Miri is some hundred times slower.
        let records = if cfg!(miri) { 20_000 } else { 10_000_000 };
        for sequence in 0..records {
            arrivals.note(sequence, at(sequence * 1_000));
        }
        let now = at(records * 1_000);
        assert!(arrivals.levels.len() < 20, "1 KiB each");
        for ago in [1, 10, 100, 1_000, records / 100, records - 1] {
            let exact = Duration::from_millis(ago);
            let age = arrivals.find(records - ago).age(now);
            assert!(age >= exact && age <= exact.mul_f64(1.1) + GAP, "{age:?} for {exact:?}");
        }
    }

    #[test]
    fn nobody_has_come() {
        assert_eq!(Arrivals::default().find(3).age(at(7)), Duration::ZERO);
    }
}
