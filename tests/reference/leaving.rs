//! When records leave: what must have left, what may, and when something is due. The rules are for
//! records that go by themselves; where they are packed, some of them are looser.

use core::num::NonZeroU32;
use core::time::Duration;

use headwaters_engine::Instant;
use headwaters_engine::wire::HashKeyRange;

use super::state::{Naive, Place, Record};

/// How many shards the stream has, where they are listed.
pub(crate) const SHARDS: NonZeroU32 = NonZeroU32::new(3).expect("not zero");
/// The longest that aggregates linger. Source: `Config::record_max_buffered_time`.
const LINGER_MAX: Duration = Duration::from_millis(50);
/// More than a member of an aggregate takes beside its payload and its key.
const MEMBER_BYTES: usize = 64;

impl<Id: Copy + Ord> Naive<Id> {
    /// The shard to which a record belongs; without a list of them all are as one.
    pub(crate) fn lane(&self, number: usize) -> u32 {
        if !self.predicts() {
            return 0;
        }
        let key = self.records[number].record.hash_key();
        let has = |shard: &u32| {
            HashKeyRange::of_even_shard(*shard, SHARDS).is_some_and(|range| range.contains(key))
        };
        (0..SHARDS.get()).find(has).expect("the shards have all keys")
    }

    pub(crate) fn buffered(&self) -> impl Iterator<Item = (usize, &Record)> {
        let records = self.records.iter().enumerate();
        records.filter(|(_, record)| record.place == Place::Buffered)
    }

    pub(crate) fn has_free_request(&self) -> bool {
        self.requests.len() < self.config.max_requests_in_flight()
    }

    /// When a record leaves at the latest, if there is a free request. Aggregates linger, but not
    /// until they expire.
    pub(crate) fn due(&self, number: usize) -> Instant {
        let record = &self.records[number];
        if self.hurries(number) {
            return Instant::ZERO;
        }
        if !self.packs() || !record.attempts.is_empty() {
            return record.deadline;
        }
        let linger = self.config.record_max_buffered_time() / 5;
        let lingered = record.deadline.after(linger.min(LINGER_MAX));
        let before = |at: Instant| Instant::from_nanos(at.as_nanos().saturating_sub(1));
        record.expiration.map_or(lingered, |expiration| lingered.min(before(expiration)))
    }

    /// Retries never hurry.
    pub(crate) fn hurries(&self, number: usize) -> bool {
        number < self.hurry_before && self.records[number].attempts.is_empty()
    }

    /// What was packed with a record that expires may leave when that one would have left.
    pub(crate) fn hasten_neighbours(&mut self, expired: usize) {
        if !self.packs() {
            return;
        }
        let is_neighbour = |&(number, record): &(usize, &Record)| {
            record.attempts.is_empty() && self.lane(number) == self.lane(expired)
        };
        let neighbours = self.buffered().filter(is_neighbour).map(|(number, _)| number);
        for number in neighbours.collect::<Vec<_>>() {
            self.records[number].ripe = self.records[number].ripe.min(self.records[expired].ripe);
        }
    }

    /// Whether what was not sent before fills a request, or a shard's part of one. Of records that
    /// are packed it says whether they may.
    fn is_full(&self) -> bool {
        let packs = self.packs();
        let size = |record: &Record| record.record.size() + if packs { MEMBER_BYTES } else { 0 };
        let unsent = || self.buffered().filter(|(_, record)| record.attempts.is_empty());
        let total: usize = unsent().map(|(_, record)| size(record)).sum();
        let of = |lane: u32| {
            let here = unsent().filter(|&(number, _)| self.lane(number) == lane);
            here.map(|(_, record)| size(record)).sum::<usize>()
        };
        unsent().count() >= self.config.collection_max_count()
            || total >= self.config.collection_max_size()
            || self.predicts()
                && (0..SHARDS.get()).any(|lane| of(lane) >= self.config.collection_max_shard_size())
    }

    /// Whether a request may leave now.
    pub(crate) fn may_send(&self) -> bool {
        let is_ripe =
            |(number, record): (usize, &Record)| record.ripe <= self.now || self.hurries(number);
        let ripe = self.buffered().any(is_ripe);
        self.has_free_request() && (ripe || self.is_full())
    }

    /// Whether a request must leave now.
    pub(crate) fn must_send(&self) -> bool {
        let due = self.buffered().any(|(number, _)| self.due(number) <= self.now);
        let is_full = !self.packs() && self.is_full();
        self.has_free_request() && (due || is_full)
    }

    /// When something is to be done, expiry apart.
    pub(crate) fn timers(&self) -> impl Iterator<Item = Instant> {
        let free = self.has_free_request();
        let due = self.buffered().filter(move |_| free).map(|(number, _)| self.due(number));
        let waits = self.records.iter().filter_map(|record| match record.place {
            Place::Waiting { until, .. } => Some(until),
            Place::Buffered | Place::Ended | Place::InFlight => None,
        });
        let timeout = self.config.request_timeout();
        let requests = self.requests.iter().map(move |request| match &request.cancelled {
            Some((_, until)) => *until,
            None => request.start.after(timeout),
        });
        let flushes = self.flushes.iter().filter_map(|flush| flush.deadline);
        let close = self.closing.as_ref().and_then(|closing| closing.deadline);
        due.chain(waits).chain(requests).chain(flushes).chain(close)
    }

    pub(crate) fn expirations(&self) -> impl Iterator<Item = Instant> {
        self.buffered().filter_map(|(_, record)| record.expiration)
    }

    /// The next time at which anything can happen by itself.
    pub(crate) fn next(&self) -> Option<Instant> {
        let ripe = self.buffered().map(|(_, record)| record.ripe);
        let times = self.timers().chain(self.expirations()).chain(ripe);
        times.filter(|&at| at > self.now).min()
    }
}

impl Naive<u64> {
    /// Sends what must leave, as a producer without an engine would.
    pub(crate) fn send_own(&mut self) {
        while self.must_send() {
            let mut numbers: Vec<usize> = self.buffered().map(|(number, _)| number).collect();
            numbers.sort_by_key(|&number| (self.due(number), number));
            let mut size = 0;
            let fits = |&(at, number): &(usize, usize)| {
                size += self.records[number].record.size();
                let fits = size <= self.config.collection_max_size();
                at == 0 || (fits && at < self.config.collection_max_count())
            };
            let entries = numbers.into_iter().enumerate().take_while(fits);
            let entries = entries.map(|(_, number)| vec![number]).collect();
            self.send(self.stats.requests, entries);
        }
    }
}
