//! What leaves: within the limits, with nothing in it that must not be sent.

use alloc::format;
use alloc::vec::Vec;

use headwaters_engine::wire::Entry;
use headwaters_engine::wire::aggregate::{
    Aggregate, Decoded, KPL_OUTER_KEY, MAGIC, Member, decode_all,
};
use headwaters_engine::wire::limits::{REQUEST_BYTES_MAX, REQUEST_ENTRIES_MAX};
use headwaters_engine::{Batch, BatchId, Instant, OuterKey, RetryPolicy, ShardPrediction, Stats};

use super::record::{Record, WaitsFor};
use super::{Checked, Checker, Fate, Parcel, Request, rule};
use crate::application::{is_payload, key_number, whose};

impl Checker {
    /// A request leaves.
    pub(crate) fn sent(&mut self, batch: &Batch, stats: &Stats, now: Instant) -> Checked {
        let (count, id) = (batch.entries.len(), batch.id);
        let bytes: usize = batch.entries.iter().map(Entry::size).sum();
        rule(count > 0, || format!("batch {id} is empty"))?;
        rule(count <= REQUEST_ENTRIES_MAX.min(self.config.collection_max_count()), || {
            format!("batch {id} has {count} entries")
        })?;
        rule(bytes <= REQUEST_BYTES_MAX, || format!("batch {id} has {bytes} bytes"))?;
        rule(bytes <= self.config.collection_max_size() || count == 1, || {
            format!("batch {id} has {bytes} bytes, more than the setting")
        })?;
        if !self.map.exists() && self.map.has_failed() {
            self.sometimes.degraded_sending += 1;
        }
        *if count == self.config.collection_max_count() {
            &mut self.sometimes.cut_by_count
        } else if bytes + self.largest > self.config.collection_max_size() {
            &mut self.sometimes.cut_by_bytes
        } else {
            &mut self.sometimes.cut_by_linger
        } += 1;
        let mut request = Request {
            answered_at: None,
            case: None,
            is_told: false,
            has_results: false,
            in_flight: 0,
            is_settled: false,
            generation: self.map.generation,
            numbers: Vec::with_capacity(count),
            parcels: Vec::with_capacity(count),
            start: now,
        };
        let mut aggregates = aggregates(&batch.entries).peekable();
        for (index, entry) in batch.entries.iter().enumerate() {
            let aggregate = aggregates.next_if(|(at, _)| *at == index).map(|(_, one)| one);
            self.entry_sent(entry, aggregate, (id, index), &mut request, now)?;
        }
        self.suspects_sent(id, &mut request)?;
        let parcels = &request.parcels;
        if parcels.iter().any(|parcel| parcel.is_aggregate) {
            let too_large = |entry: &&Entry| entry.data.len() > self.config.aggregation_max_size();
            let plain = batch.entries.iter().filter(too_large).count();
            self.sometimes.sent_plain_for_size += plain as u64;
        }
        self.doubts.elapse(self.map.generation, now);
        self.check_packed(id, &request)?;
        self.check_reason(id, &request, now)?;
        self.check_shares(id, &request, stats, now)?;
        self.window_sent(id, stats, now)?;
        self.doubts_sent(id, &request, self.window.open(), now)?;
        self.figures.requests += 1;
        self.figures.entries += count as u64;
        self.awaited.insert((now, id));
        request.in_flight = request.numbers.len();
        self.requests.insert(id, request);
        rule(self.named.insert(id), || format!("batch {id} is named twice"))
    }

    fn entry_sent(
        &mut self,
        entry: &Entry,
        aggregate: Option<Aggregate>,
        place: (BatchId, usize),
        request: &mut Request,
        now: Instant,
    ) -> Checked {
        let (size, start) = (entry.size(), request.numbers.len());
        rule(size <= self.config.max_user_record_size(), || {
            format!("an entry of {place:?} has {size} bytes, more than the stream takes")
        })?;
        let is_aggregate = aggregate.is_some();
        let slot = if let Some(aggregate) = aggregate {
            let slot = self.aggregate_sent(entry, &aggregate, place, request, now)?;
            let numbers = &request.numbers[start..];
            let hash_keys = numbers.iter().map(|&number| self.records[number].hash_key);
            self.opened.keep(&entry.data, numbers, hash_keys);
            slot
        } else {
            let number = self.record_sent(entry, place, now)?;
            request.numbers.push(number);
            self.map.slot(self.records[number].hash_key)
        };
        self.in_order(request, start)?;
        let (may, is_giant) = self.meters.sent(slot, size, now);
        rule(may, || format!("{place:?} leaves too soon for shard {slot} of the map"))?;
        self.sometimes.giant_into_debt += u64::from(is_giant);
        let end = request.numbers.len();
        request.parcels.push(Parcel { fate: Fate::Unknown, is_aggregate, end, size, slot });
        Ok(())
    }

    /// An aggregate leaves: allowed at all, of the right size, and for one shard.
    fn aggregate_sent(
        &mut self,
        entry: &Entry,
        aggregate: &Aggregate,
        place: (BatchId, usize),
        request: &mut Request,
        now: Instant,
    ) -> Result<usize, alloc::string::String> {
        let config = &self.config;
        let is_on =
            config.shard_prediction() == ShardPrediction::On && config.aggregation_enabled();
        rule(is_on, || format!("{place:?} is an aggregate, and nothing is to be aggregated"))?;
        rule(self.map.exists(), || format!("{place:?} is an aggregate without a map"))?;
        rule(!self.map.is_scattered(), || {
            format!("{place:?} is an aggregate, and the stream distributes by itself")
        })?;
        let (count, size) = (aggregate.len(), entry.data.len());
        rule(count >= 2, || format!("{place:?} is an aggregate of {count}"))?;
        rule(count as u64 <= config.aggregation_max_count(), || {
            format!("{place:?} is an aggregate of {count}")
        })?;
        let is_overfull = size > config.aggregation_max_size();
        rule(!is_overfull || self.is_ordered(), || {
            format!("{place:?} is an aggregate of {size} bytes")
        })?;
        let start = request.numbers.len();
        let (mut first, mut is_explicit) = (None, false);
        for member in aggregate {
            let member = member.and_then(Member::into_entry);
            let member =
                member.map_err(|error| format!("{place:?} has a broken member: {error}"))?;
            request.numbers.push(self.record_sent(&member, place, now)?);
            is_explicit |= member.explicit_hash_key.is_some();
            first.get_or_insert(member.partition_key);
        }
        let outer_key = match (self.config.outer_key(), &first) {
            (OuterKey::FirstRecord, Some(first)) => first.as_str(),
            _ => KPL_OUTER_KEY,
        };
        rule(entry.partition_key.as_str() == outer_key, || {
            format!("{place:?} has the wrong outer key")
        })?;
        let numbers = &request.numbers[start..];
        if is_overfull {
            let is_half = self.records[numbers[0]].spared > 0;
            rule(is_half || self.may_overfill(numbers), || {
                format!("{place:?} has {size} bytes in vain")
            })?;
            self.sometimes.order_overfilled += 1;
        }
        let mut hash_keys = numbers.iter().map(|&number| self.records[number].hash_key);
        let key = hash_keys.next().expect("it has members");
        let slot = self.map.slot(key);
        rule(entry.explicit_hash_key == Some(key), || {
            format!("{place:?} goes to another shard than its first member")
        })?;
        rule(hash_keys.all(|key| self.map.slot(key) == slot), || {
            format!("{place:?} is an aggregate of members of several shards of the map")
        })?;
        self.sometimes.aggregate_with_explicit_hash_keys += u64::from(is_explicit);
        Ok(slot)
    }

    /// A user record leaves, by itself or as a member.
    fn record_sent(
        &mut self,
        entry: &Entry,
        place: (BatchId, usize),
        now: Instant,
    ) -> Result<usize, alloc::string::String> {
        let number = whose(&entry.data)
            .map(|(_, number)| number)
            .filter(|&number| number < self.records.len());
        let number = number.ok_or("a record was invented")?;
        let slot = self.map.slot(self.records[number].hash_key);
        let record = &mut self.records[number];
        rule(record.accepted.is_some(), || format!("record {number} was sent and not accepted"))?;
        rule(is_same(record, self.producer, number, entry), || {
            format!("record {number} was changed")
        })?;
        rule(record.outcome.is_none(), || {
            format!("record {number} was sent again after its outcome {:?}", record.outcome)
        })?;
        rule(record.in_flight.is_none(), || format!("record {number} is in two requests at once"))?;
        rule(!record.is_expired(now), || format!("record {number} was sent after its expiration"))?;
        rule(now >= record.not_before, || {
            format!("record {number} was sent before its wait ended at {}", record.not_before)
        })?;
        self.shards.remove(slot, record);
        record.sends += 1;
        record.starts.note(record.sends, now);
        if let RetryPolicy::Linear { max_attempts, .. } = self.config.retry() {
            rule(record.attempts() <= max_attempts, || {
                format!("record {number} has too many attempts")
            })?;
        }
        match core::mem::take(&mut record.waits_for) {
            WaitsFor::Credentials => self.sometimes.credentials_waited += 1,
            WaitsFor::NewCredentials => self.sometimes.credentials_renewed += 1,
            WaitsFor::Time => {}
        }
        record.in_flight = Some(place);
        self.shards.add(slot, record);
        self.waiting.remove(slot, record.leave_by, number);
        Ok(number)
    }
}

/// Whether an entry is the record as it was put. Two keys of one length and number are the same.
fn is_same(record: &Record, producer: u32, number: usize, entry: &Entry) -> bool {
    entry.data.len() == record.length
        && is_payload(&entry.data, producer, number)
        && (record.length + entry.partition_key.len()) as u64 == record.size
        && key_number(&entry.partition_key) == Some(record.key)
        && entry.explicit_hash_key == record.is_explicit.then_some(record.hash_key)
}

/// The aggregates of a request, in its order, each with the index of its entry. What does not begin as one is none.
fn aggregates(entries: &[Entry]) -> impl Iterator<Item = (usize, Aggregate)> {
    let like = || entries.iter().enumerate().filter(|(_, entry)| entry.data.starts_with(&MAGIC));
    let opened = decode_all(like().map(|(_, entry)| entry.data.clone()));
    like().zip(opened).filter_map(|((index, _), opened)| match opened {
        Decoded::Aggregate(aggregate) => Some((index, aggregate)),
        Decoded::Plain(_) => None,
    })
}
