//! What the engine may choose: when records leave, and with whom. The rules are for records that go
//! by themselves; where they are packed, some of them are looser.

use core::time::Duration;

use headwaters_engine::Instant;

use super::state::{Due, Naive, Place, Record, SHARDS};

/// The longest that aggregates linger. Source: `Config::record_max_buffered_time`.
const LINGER_MAX: Duration = Duration::from_millis(50);
/// More than a member of an aggregate takes beside its payload and its key.
const MEMBER_BYTES: usize = 64;

impl<Id: Copy + Ord> Naive<Id> {
    pub(crate) fn buffered(&self) -> impl Iterator<Item = (usize, &Record)> {
        let records = self.records.iter().enumerate();
        records.filter(|(_, record)| record.place == Place::Buffered)
    }

    pub(crate) fn has_free_request(&self) -> bool {
        self.requests.len() < self.config.max_requests_in_flight()
    }

    /// When a record leaves at the latest, if there is a free request. Aggregates linger, but not
    /// until they expire.
    pub(crate) fn leaves_by(&self, number: usize) -> Instant {
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
        let (lane, ripe) = (self.lane(expired), self.records[expired].ripe);
        let is_neighbour = |&(number, record): &(usize, &Record)| {
            self.packs() && record.attempts.is_empty() && self.lane(number) == lane
        };
        let neighbours = self.buffered().filter(is_neighbour).map(|(number, _)| number);
        for number in neighbours.collect::<Vec<_>>() {
            self.records[number].ripe = self.records[number].ripe.min(ripe);
        }
    }

    /// Whether what was not sent before fills a request, or a shard's part of one. Of records that
    /// are packed it says whether they may.
    fn is_full(&self) -> bool {
        let more = if self.packs() { MEMBER_BYTES } else { 0 };
        let unsent = self.buffered().filter(|(_, record)| record.attempts.is_empty());
        let unsent = unsent.map(|(at, record)| (self.lane(at), record.record.size() + more));
        let unsent: Vec<(u32, usize)> = unsent.collect();
        let sum = |is: &dyn Fn(u32) -> bool| -> usize {
            unsent.iter().filter(|(lane, _)| is(*lane)).map(|(_, size)| size).sum()
        };
        let most = self.config.collection_max_shard_size();
        unsent.len() >= self.config.collection_max_count()
            || sum(&|_| true) >= self.config.collection_max_size()
            || self.predicts() && (0..SHARDS.get()).any(|of| sum(&|lane| lane == of) >= most)
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
        let due = self.buffered().any(|(number, _)| self.leaves_by(number) <= self.now);
        let is_full = !self.packs() && self.is_full();
        self.has_free_request() && (due || is_full)
    }

    /// When something is to be done, expiry apart.
    pub(crate) fn timers(&self) -> impl Iterator<Item = Instant> {
        let agenda = self.agenda().into_iter();
        let agenda = agenda.filter(|(_, due)| !matches!(due, Due::Expiration(_)));
        let free = self.has_free_request();
        let leaving = self.buffered().filter(move |_| free);
        agenda.map(|(at, _)| at).chain(leaving.map(|(number, _)| self.leaves_by(number)))
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
            numbers.sort_by_key(|&number| (self.leaves_by(number), number));
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
