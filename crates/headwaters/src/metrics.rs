//! Figures through the facade of the crate `metrics`, under names that follow the KPL's (`docs/guide.md` maps them).

use core::mem;

use headwaters_engine::wire::{ErrorCode, ShardId, StreamName};
use headwaters_engine::{Cause, Outcome, Stats};
use metrics::{
    Counter, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use crate::ticket::Account;

/// Tells what a producer does, from its driver and without its lock.
#[derive(Debug)]
pub(crate) struct Meter {
    before: Stats,
    /// Up to how many shards each has figures of its own.
    shards_max: usize,
    stream: String,
}

/// What there is to tell of outcomes since the last time, gathered under the lock: numbers only.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    attempts: Vec<u32>,
    codes: Vec<(ErrorCode, u64)>,
    shards: Vec<(ShardId, u64)>,
}

/// Up to how many shards each has figures of its own, unless the builder says otherwise.
pub(crate) const SHARDS_MAX: usize = 100;

impl Tally {
    /// Notes what became of so many records.
    pub(crate) fn note(&mut self, account: &Account, records: u64) {
        self.attempts.push(account.attempts.count());
        match &account.outcome {
            Outcome::Stored { shard, .. } => add(&mut self.shards, shard, records),
            Outcome::NotStored { cause: Cause::Permanent(code), .. } => self.error(code, records),
            Outcome::MaybeStored { .. } | Outcome::NotStored { .. } => {}
        }
    }

    /// Notes that so many entries failed.
    pub(crate) fn error(&mut self, code: &ErrorCode, entries: u64) {
        add(&mut self.codes, code, entries);
    }
}

/// Says what the figures are, to recorders that pass it on.
fn describe() {
    for (name, what) in [
        ("kinesis_producer_records_accepted_total", "User records that were taken on."),
        ("kinesis_producer_records_total", "User records that have their outcome."),
        ("kinesis_producer_shard_records_total", "User records that a shard stored."),
        ("kinesis_producer_admission_refused_total", "User records that were not taken on."),
        ("kinesis_producer_requests_total", "PutRecords requests."),
        ("kinesis_producer_wire_records_total", "Kinesis records sent, again and again included."),
        ("kinesis_producer_retries_total", "User records that were sent again."),
        ("kinesis_producer_throttled_total", "Kinesis records that were throttled."),
        ("kinesis_producer_errors_total", "Kinesis records that failed, each time they did."),
    ] {
        describe_counter!(name, what);
    }
    describe_gauge!("kinesis_producer_records_pending", "User records without an outcome yet.");
    let bytes = "Memory that is held for records.";
    describe_gauge!("kinesis_producer_bytes_pending", Unit::Bytes, bytes);
    describe_histogram!("kinesis_producer_attempts", "Attempts that a Kinesis record took.");
    for (name, what) in [
        ("kinesis_producer_buffer_seconds", "How long records waited to be sent."),
        ("messaging_client_operation_duration_seconds", "How long a PutRecords request took."),
    ] {
        describe_histogram!(name, Unit::Seconds, what);
    }
}

fn add<T: Clone + PartialEq>(counts: &mut Vec<(T, u64)>, what: &T, count: u64) {
    match counts.iter_mut().find(|(other, _)| other == what) {
        Some((_, sum)) => *sum += count,
        None => counts.push((what.clone(), count)),
    }
}

impl Meter {
    pub(crate) fn new(stream: &StreamName) -> Self {
        let stream = stream.to_string();
        describe();
        Self { before: Stats::default(), shards_max: SHARDS_MAX, stream }
    }

    pub(crate) const fn set_shards_max(&mut self, shards: usize) {
        self.shards_max = shards;
    }

    /// Tells how it stands now, and what happened since.
    pub(crate) fn tell(&mut self, now: &Stats, tally: Tally) {
        let before = mem::replace(&mut self.before, *now);
        let stream = || self.stream.clone();
        let add = |counter: Counter, now: u64, before: u64| {
            if now > before {
                counter.increment(now - before);
            }
        };
        let outcomes = [
            ("stored", now.stored, before.stored),
            ("not_stored", now.not_stored, before.not_stored),
            ("maybe_stored", now.maybe_stored, before.maybe_stored),
            ("handed_back", now.handed_back, before.handed_back),
        ];
        for (outcome, now, before) in outcomes {
            let name = "kinesis_producer_records_total";
            add(counter!(name, "stream" => stream(), "outcome" => outcome), now, before);
        }
        for (name, now, before) in [
            ("kinesis_producer_records_accepted_total", now.accepted, before.accepted),
            ("kinesis_producer_admission_refused_total", now.refused, before.refused),
            ("kinesis_producer_requests_total", now.requests, before.requests),
            ("kinesis_producer_retries_total", now.requeued, before.requeued),
            ("kinesis_producer_throttled_total", now.throttled, before.throttled),
            ("kinesis_producer_wire_records_total", now.entries, before.entries),
        ] {
            add(counter!(name, "stream" => stream()), now, before);
        }
        for (state, level) in [("buffered", now.buffered), ("in_flight", now.in_flight)] {
            let gauge =
                gauge!("kinesis_producer_records_pending", "stream" => stream(), "state" => state);
            gauge.set(level as f64);
        }
        gauge!("kinesis_producer_bytes_pending", "stream" => stream()).set(now.bytes_held as f64);
        self.tell_tally(now, tally);
        self.tell_times(now, &before);
    }

    fn tell_tally(&self, now: &Stats, Tally { attempts, codes, shards }: Tally) {
        for count in attempts {
            histogram!("kinesis_producer_attempts", "stream" => self.stream.clone()).record(count);
        }
        for (code, count) in codes {
            // A code that is not in the table may be anything: it has no label of its own.
            let code = match code {
                ErrorCode::Other(_) => String::from("other"),
                code => code.to_string(),
            };
            let name = "kinesis_producer_errors_total";
            counter!(name, "stream" => self.stream.clone(), "code" => code).increment(count);
        }
        if usize::try_from(now.shards).is_ok_and(|shards| shards <= self.shards_max) {
            for (shard, count) in shards {
                let name = "kinesis_producer_shard_records_total";
                let shard = shard.to_string();
                counter!(name, "stream" => self.stream.clone(), "shard" => shard).increment(count);
            }
        }
    }

    /// The engine keeps sums of times: what is recorded is the mean of what came since the last time, as often as it
    /// came.
    fn tell_times(&self, now: &Stats, before: &Stats) {
        for (name, now, before) in [
            ("kinesis_producer_buffer_seconds", now.dwell, before.dwell),
            ("messaging_client_operation_duration_seconds", now.request_time, before.request_time),
        ] {
            let count = now.count - before.count;
            if count > 0 {
                let mean = (now.total - before.total).as_secs_f64() / count as f64;
                let histogram = histogram!(name, "stream" => self.stream.clone());
                histogram.record_many(mean, usize::try_from(count).unwrap_or(usize::MAX));
            }
        }
    }
}
