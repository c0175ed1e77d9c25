//! The order of the records of each hash key, where it is to be kept.

use alloc::collections::btree_set::Iter;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;

use headwaters_engine::wire::HashKey;
use headwaters_engine::{Instant, Order};

use super::record::Ended;
use super::{Checked, Checker, Request, rule};

/// The records without outcomes of each hash key; nothing where no order is to be kept.
#[derive(Debug, Default)]
pub(super) struct Lines {
    open: BTreeMap<HashKey, BTreeSet<usize>>,
    /// When the last record was given up of those hash keys that have others.
    given_up: BTreeMap<HashKey, Instant>,
}

impl Lines {
    /// Whether a record waits for no other one of its hash key.
    pub(super) fn is_first(&self, key: HashKey, number: usize) -> bool {
        self.first(key).is_none_or(|first| first == number)
    }

    fn first(&self, key: HashKey) -> Option<usize> {
        self.open.get(&key)?.first().copied()
    }

    /// A record has its outcome. Returns the one that need not wait any more.
    fn ended(&mut self, key: HashKey, number: usize, given_up: Option<Instant>) -> Option<usize> {
        let open = self.open.get_mut(&key)?;
        let was_first = open.first() == Some(&number);
        open.remove(&number);
        let next = open.first().copied();
        if next.is_none() {
            self.open.remove(&key);
            self.given_up.remove(&key);
        } else if let Some(at) = given_up {
            self.given_up.insert(key, at);
        }
        next.filter(|_| was_first)
    }
}

impl Checker {
    pub(super) fn is_ordered(&self) -> bool {
        self.config.order() == Order::PerPartitionKey
    }

    /// A record was accepted, and hastens those before it.
    pub(super) fn lined_up(&mut self, number: usize) {
        if !self.is_ordered() {
            return;
        }
        let (key, leave_by) = (self.records[number].hash_key, self.records[number].leave_by);
        let open = self.lines.open.entry(key).or_default();
        open.insert(number);
        if self.awaits_first_map() {
            return;
        }
        let slot = self.map.slot(key);
        for &other in self.lines.open[&key].iter().rev().skip(1) {
            let record = &mut self.records[other];
            if record.leave_by <= leave_by {
                break;
            }
            if record.sends == 0 {
                self.sometimes.order_hastened += 1;
                self.waiting.hasten(slot, (record.leave_by, leave_by), other);
                record.leave_by = leave_by;
            }
        }
    }

    /// A record has its outcome: the next one of its hash key need not wait any more.
    pub(super) fn stepped_out(&mut self, number: usize, now: Instant) {
        let record = &self.records[number];
        let (key, sends) = (record.hash_key, record.sends);
        let is_stored = matches!(record.outcome, Some(Ended::Stored { .. }));
        let given_up = (!is_stored).then_some(now);
        let Some(next) = self.lines.ended(key, number, given_up) else { return };
        let is_hurried = next < self.hurried && !self.awaits_first_map();
        let slot = self.map.slot(key);
        let record = &mut self.records[next];
        // The parts of a request that was refused have an order of their own.
        if record.in_flight.is_some() || record.suspect.is_some() {
            return;
        }
        self.sometimes.order_awaited += u64::from(record.leave_by < now);
        self.sometimes.order_kept_through_retries += u64::from(sends > 1 && record.sends == 0);
        record.leave_by =
            if is_hurried && record.sends == 0 { now } else { record.leave_by.max(now) };
        self.waiting.add(slot, record.leave_by, next);
    }

    /// What leaves of a hash key are its oldest records without outcomes, in their order.
    pub(super) fn in_order(&mut self, request: &Request, start: usize) -> Checked {
        if !self.is_ordered() {
            return Ok(());
        }
        let mut lines: BTreeMap<HashKey, Iter<'_, usize>> = BTreeMap::new();
        let mut behind = 0;
        for &number in &request.numbers[start..] {
            let key = self.records[number].hash_key;
            let open = self.lines.open.get(&key);
            let open = open.ok_or_else(|| format!("record {number} has no line"))?;
            behind += u64::from(lines.contains_key(&key));
            let next = lines.entry(key).or_insert_with(|| open.iter()).next();
            rule(next == Some(&number), || {
                format!("record {number} overtakes {next:?}, which has the same hash key")
            })?;
        }
        self.sometimes.order_in_aggregate += behind;
        for next in lines.values_mut().filter_map(Iter::next) {
            // It was packed behind one of these, and now it is not.
            let was_sent = self.records[*next].sends > 0;
            self.sometimes.order_kept_when_repacked += u64::from(was_sent);
        }
        Ok(())
    }

    /// Whether an aggregate may be larger than one that is packed record by record: only so that some of them need not
    /// wait that are behind others in it, or were behind one that has been given up since.
    pub(super) fn may_overfill(&self, members: &[usize]) -> bool {
        let keys = || members.iter().map(|&number| self.records[number].hash_key);
        let distinct: BTreeSet<HashKey> = keys().collect();
        let last = members.iter().filter_map(|&number| self.records[number].accepted).max();
        distinct.len() < members.len()
            || keys().any(|key| self.lines.given_up.get(&key).copied() >= last)
    }

    /// The largest Kinesis record that may wait: where order is kept, an aggregate can have all that is held.
    pub(super) fn largest_waiting(&self) -> usize {
        if !self.is_ordered() || !self.config.aggregation_enabled() {
            return self.largest;
        }
        // What the format adds is less than the records have, keys included, and the outer key is short.
        let all = usize::try_from(self.bytes_open).unwrap_or(usize::MAX).saturating_mul(2) + 64;
        self.largest.max(all.min(self.config.max_user_record_size()))
    }

    /// The shards change: whose order must be kept across that?
    pub(super) fn note_order_in_reshard(&mut self) {
        let waits = |open: &&BTreeSet<usize>| {
            let mut open = open.iter().map(|&number| self.records[number].in_flight);
            open.next().flatten().is_some() && open.next().is_some_and(|place| place.is_none())
        };
        let waiting = self.lines.open.values().filter(waits).count();
        self.sometimes.order_kept_through_reshard += waiting as u64;
    }
}
