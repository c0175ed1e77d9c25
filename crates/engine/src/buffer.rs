use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use crate::held::Held;
use crate::time::Instant;

/// Accepted records that are not in a request.
///
/// New records come with the same settings, so their deadlines and expirations rise with the order of
/// acceptance: a queue holds them, and nothing is sorted. Only retried records need an order of their own.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    fresh: VecDeque<Held>,
    /// Retried records that may leave, by deadline and order of acceptance.
    ready: BTreeMap<(Instant, u64), Held>,
    /// The records in `ready` that can expire: expiration, and key in `ready`.
    ready_expirations: BTreeSet<(Instant, (Instant, u64))>,
    /// Retried records that may not leave yet, by the time from which they may.
    waiting: BTreeMap<(Instant, u64), Held>,
    /// Bytes of `fresh`.
    fresh_bytes: usize,
}

impl Buffer {
    /// Adds a new record, which must have come after all that were added before.
    pub(crate) fn add(&mut self, held: Held) {
        debug_assert!(self.fresh.back().is_none_or(|last| last.sequence < held.sequence));
        self.fresh_bytes += held.record.size();
        self.fresh.push_back(held);
    }

    /// Puts a record back that may leave from `not_before` on.
    pub(crate) fn put_back(&mut self, held: Held, not_before: Instant, now: Instant) {
        if not_before > now {
            self.waiting.insert((not_before, held.sequence), held);
        } else {
            self.make_ready(held);
        }
    }

    fn make_ready(&mut self, held: Held) {
        let key = (held.deadline, held.sequence);
        if let Some(expiration) = held.expiration {
            self.ready_expirations.insert((expiration, key));
        }
        self.ready.insert(key, held);
    }

    /// Lets the records whose wait has ended leave.
    pub(crate) fn end_waits(&mut self, now: Instant) {
        while let Some(entry) = self.waiting.first_entry() {
            if entry.key().0 > now {
                return;
            }
            let held = entry.remove();
            self.make_ready(held);
        }
    }

    /// Takes out one record that has expired. Waiting ones cannot: their wait ends before they expire.
    pub(crate) fn take_expired(&mut self, now: Instant) -> Option<Held> {
        if self.fresh.front().is_some_and(|held| held.is_expired(now)) {
            return self.pop_fresh();
        }
        let &(expiration, key) = self.ready_expirations.first()?;
        if expiration > now { None } else { self.remove_ready(key) }
    }

    /// Takes out the records that leave next: by deadline, then in order of acceptance; at most
    /// `count` of them and `bytes` together, but always one if there is one.
    pub(crate) fn take(&mut self, count: usize, bytes: usize) -> Vec<Held> {
        let mut taken = Vec::with_capacity(count.min(self.leavable()));
        let mut size = 0;
        while taken.len() < count {
            let Some(next) = self.first() else { break };
            let next_size = next.record.size();
            if !taken.is_empty() && size + next_size > bytes {
                break;
            }
            size += next_size;
            taken.extend(self.pop_first());
        }
        taken
    }

    /// Takes out everything, in order of acceptance.
    pub(crate) fn drain(&mut self) -> Vec<Held> {
        self.fresh_bytes = 0;
        self.ready_expirations.clear();
        let mut all: Vec<Held> = self.fresh.drain(..).collect();
        all.extend(core::mem::take(&mut self.ready).into_values());
        all.extend(core::mem::take(&mut self.waiting).into_values());
        all.sort_unstable_by_key(|held| held.sequence);
        all
    }

    /// The record that leaves next.
    fn first(&self) -> Option<&Held> {
        if self.retried_comes_first() {
            return self.ready.first_key_value().map(|(_, held)| held);
        }
        self.fresh.front()
    }

    fn pop_first(&mut self) -> Option<Held> {
        if self.retried_comes_first() {
            let &key = self.ready.first_key_value()?.0;
            return self.remove_ready(key);
        }
        self.pop_fresh()
    }

    fn retried_comes_first(&self) -> bool {
        match (self.fresh.front(), self.ready.first_key_value()) {
            (Some(fresh), Some((&key, _))) => key < (fresh.deadline, fresh.sequence),
            (fresh, _) => fresh.is_none(),
        }
    }

    fn pop_fresh(&mut self) -> Option<Held> {
        let held = self.fresh.pop_front()?;
        self.fresh_bytes -= held.record.size();
        Some(held)
    }

    fn remove_ready(&mut self, key: (Instant, u64)) -> Option<Held> {
        let held = self.ready.remove(&key)?;
        if let Some(expiration) = held.expiration {
            self.ready_expirations.remove(&(expiration, key));
        }
        Some(held)
    }

    /// How many records may leave now.
    pub(crate) fn leavable(&self) -> usize {
        self.fresh.len() + self.ready.len()
    }

    /// Whether the new records alone fill a request of `count` entries or `bytes`. Retried ones do not
    /// count: they leave at their deadlines or ride along, or each failure would bring on the next attempt.
    pub(crate) fn fills(&self, count: usize, bytes: usize) -> bool {
        self.fresh.len() >= count || self.fresh_bytes >= bytes
    }

    /// How many records there are.
    pub(crate) fn len(&self) -> usize {
        self.leavable() + self.waiting.len()
    }

    /// The earliest deadline of a record that may leave.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.first().map(|held| held.deadline)
    }

    /// The earliest expiration of a record that may leave.
    pub(crate) fn next_expiration(&self) -> Option<Instant> {
        let fresh = self.fresh.front().and_then(|held| held.expiration);
        let ready = self.ready_expirations.first().map(|&(expiration, _)| expiration);
        fresh.into_iter().chain(ready).min()
    }

    /// When the next wait ends.
    pub(crate) fn next_wait_end(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|(&(not_before, _), _)| not_before)
    }

    /// Whether a new record was accepted before the record number `sequence`. Retried ones keep their
    /// deadlines, whoever is in a hurry: else a flush or a close would make a storm of the retries.
    pub(crate) fn has_new_before(&self, sequence: u64) -> bool {
        self.fresh.front().is_some_and(|held| held.sequence < sequence)
    }

    /// What must hold between calls.
    #[cfg(debug_assertions)]
    pub(crate) fn invariants(&self) {
        let sizes = self.fresh.iter().map(|held| held.record.size());
        debug_assert_eq!(self.fresh_bytes, sizes.sum::<usize>());
        let can_expire = self.ready.values().filter(|held| held.expiration.is_some()).count();
        debug_assert_eq!(self.ready_expirations.len(), can_expire);
        for (&(not_before, _), held) in &self.waiting {
            debug_assert!(not_before <= held.deadline, "a deadline before the end of the wait");
            debug_assert!(held.expiration.is_none_or(|end| not_before < end));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Token, UserRecord};

    fn held(sequence: u64, deadline: u64, expiration: Option<u64>) -> Held {
        Held {
            record: UserRecord::new("k", "data").expect("a valid record"),
            token: Token(sequence),
            sequence,
            deadline: Instant::from_nanos(deadline),
            expiration: expiration.map(Instant::from_nanos),
            ambiguous: false,
            attempts: 0,
            history: None,
        }
    }

    fn sequences(taken: &[Held]) -> Vec<u64> {
        taken.iter().map(|held| held.sequence).collect()
    }

    #[test]
    fn records_leave_by_deadline_and_then_in_order_of_acceptance() {
        let now = Instant::ZERO;
        let mut buffer = Buffer::default();
        buffer.put_back(held(2, 50, None), now, now);
        buffer.put_back(held(1, 50, None), now, now);
        buffer.put_back(held(3, 101, None), now, now);
        buffer.add(held(4, 100, None));
        buffer.add(held(5, 101, None));
        assert_eq!(sequences(&buffer.take(10, 1_000)), [1, 2, 4, 3, 5]);
        buffer.invariants();
    }

    #[test]
    fn a_batch_ends_before_the_record_that_does_not_fit_but_never_is_empty() {
        let mut buffer = Buffer::default();
        (0..4).for_each(|sequence| buffer.add(held(sequence, 1, None)));
        assert_eq!(sequences(&buffer.take(10, 14)), [0, 1], "5 bytes each");
        assert_eq!(sequences(&buffer.take(1, 14)), [2]);
        assert_eq!(sequences(&buffer.take(10, 0)), [3]);
        assert!(buffer.take(10, 0).is_empty());
    }

    #[test]
    fn waits_end_in_time_and_expired_records_come_out() {
        let now = Instant::ZERO;
        let mut buffer = Buffer::default();
        buffer.put_back(held(1, 30, Some(40)), Instant::from_nanos(20), now);
        buffer.add(held(2, 60, Some(70)));
        buffer.end_waits(Instant::from_nanos(19));
        assert_eq!((buffer.leavable(), buffer.len()), (1, 2));
        assert_eq!(buffer.next_wait_end(), Some(Instant::from_nanos(20)));
        buffer.end_waits(Instant::from_nanos(20));
        assert_eq!(buffer.next_expiration(), Some(Instant::from_nanos(40)));
        assert!(buffer.take_expired(Instant::from_nanos(39)).is_none());
        let late = Instant::from_nanos(70);
        let expired: Vec<u64> =
            core::iter::from_fn(|| buffer.take_expired(late)).map(|held| held.sequence).collect();
        assert_eq!(expired, [2, 1]);
        buffer.invariants();
    }
}
