//! Figures through the facade of the crate `metrics`, under names that follow the KPL's (`docs/guide.md` maps them).

use core::mem;
use core::time::Duration;

use headwaters_engine::wire::{Entries, ErrorCode, ShardId, StreamName};
use headwaters_engine::{Cause, Instant, Outcome, Stats as EngineStats, Stored};
use headwaters_transport::PutRecordsResult;
use metrics::{
    Counter, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use crate::shared::Shared;
use crate::stats::Stats;
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
    /// How many records each had that were stored together.
    packed: Vec<u64>,
    shards: Vec<(ShardId, u64)>,
}

/// Up to how many shards each has figures of its own, unless the builder says otherwise.
pub(crate) const SHARDS_MAX: usize = 100;

impl Tally {
    /// Notes what became of so many records.
    pub(crate) fn note(&mut self, account: &Account, records: u64) {
        self.attempts.push(account.attempts.count());
        let cause = match &account.outcome {
            Outcome::Stored { shard, .. } => {
                add(&mut self.shards, shard, records);
                return self.packed.push(records);
            }
            Outcome::MaybeStored { cause, .. } | Outcome::NotStored { cause, .. } => cause,
        };
        // What is sent again has been counted when it failed.
        let last = account.last_error();
        match (cause, last) {
            (Cause::Permanent(code), _) => self.error(code, records),
            (Cause::AttemptsExhausted | Cause::Throttled, Some(error)) => {
                self.error(&error.code, records);
            }
            _ => {}
        }
    }

    /// Notes records that were stored at once.
    pub(crate) fn stored(&mut self, stored: &Stored) {
        for (_, placement) in stored.iter() {
            self.attempts.push(1);
            add(&mut self.shards, &placement.shard, 1);
            self.packed.push(1);
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
        ("kinesis_producer_retries_put_off_total", "Retries that had to wait for the budget."),
        ("kinesis_producer_timeouts_total", "Requests that were not answered in time."),
        ("kinesis_producer_wakeups_total", "Times that the producer's task was woken."),
        ("kinesis_producer_wire_records_stored_total", "Kinesis records that were stored."),
    ] {
        describe_counter!(name, what);
    }
    for (name, what) in [
        ("kinesis_producer_bytes_stored_total", "Bytes of user records that were stored."),
        ("kinesis_producer_wire_bytes_stored_total", "Bytes of Kinesis records that were stored."),
    ] {
        describe_counter!(name, Unit::Bytes, what);
    }
    for (name, what) in [
        ("kinesis_producer_records_pending", "User records without an outcome yet."),
        ("kinesis_producer_puts_waiting", "Calls that wait for room."),
        ("kinesis_producer_shards_held_back", "Shards whose limiters let nothing pass now."),
    ] {
        describe_gauge!(name, what);
    }
    let bytes = "Memory that is held for records.";
    describe_gauge!("kinesis_producer_bytes_pending", Unit::Bytes, bytes);
    for (name, what) in [
        ("kinesis_producer_aggregation_factor", "User records in a Kinesis record."),
        ("kinesis_producer_attempts", "Attempts that a Kinesis record took."),
        ("kinesis_producer_batch_records", "Kinesis records in a request."),
    ] {
        describe_histogram!(name, what);
    }
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
        self.tell_counters(now, &before);
        let (stream, engine) = (|| self.stream.clone(), &now.engine);
        for (state, level) in [("buffered", engine.buffered), ("in_flight", engine.in_flight)] {
            let gauge =
                gauge!("kinesis_producer_records_pending", "stream" => stream(), "state" => state);
            gauge.set(level as f64);
        }
        for (name, level) in [
            ("kinesis_producer_bytes_pending", engine.bytes_held),
            ("kinesis_producer_puts_waiting", now.puts_waiting),
            ("kinesis_producer_shards_held_back", engine.lanes_held_back),
        ] {
            gauge!(name, "stream" => stream()).set(level as f64);
        }
        self.tell_tally(engine, tally);
    }

    fn tell_counters(&self, now: &Stats, before: &Stats) {
        let Stats { engine: now, wakeups, .. } = now;
        let Stats { engine: before, wakeups: wakeups_before, .. } = before;
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
            ("kinesis_producer_bytes_stored_total", now.bytes_stored, before.bytes_stored),
            ("kinesis_producer_admission_refused_total", now.refused, before.refused),
            ("kinesis_producer_requests_total", now.requests, before.requests),
            ("kinesis_producer_retries_total", now.requeued, before.requeued),
            ("kinesis_producer_retries_put_off_total", now.retries_put_off, before.retries_put_off),
            ("kinesis_producer_throttled_total", now.throttled, before.throttled),
            ("kinesis_producer_timeouts_total", now.timeouts, before.timeouts),
            ("kinesis_producer_wakeups_total", *wakeups, *wakeups_before),
            ("kinesis_producer_wire_records_total", now.entries, before.entries),
        ] {
            add(counter!(name, "stream" => stream()), now, before);
        }
    }

    /// Tells for how long the oldest record of each shard in a request was held.
    pub(crate) fn tell_dwell(&self, dwell: &[Duration]) {
        for time in dwell {
            let name = "kinesis_producer_buffer_seconds";
            histogram!(name, "stream" => self.stream.clone()).record(*time);
        }
    }

    fn tell_tally(&self, now: &EngineStats, tally: Tally) {
        let Tally { attempts, codes, packed, shards } = tally;
        for count in attempts {
            histogram!("kinesis_producer_attempts", "stream" => self.stream.clone()).record(count);
        }
        for records in packed {
            let name = "kinesis_producer_aggregation_factor";
            histogram!(name, "stream" => self.stream.clone()).record(records as f64);
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
}

/// A request that is under way.
#[derive(Debug)]
pub(crate) struct Flight {
    entries: Entries,
    start: Instant,
}

impl Flight {
    pub(crate) fn start(entries: &Entries, shared: &Shared) -> Self {
        let name = "kinesis_producer_batch_records";
        histogram!(name, "stream" => shared.stream.to_string()).record(entries.len() as f64);
        Self { entries: entries.clone(), start: shared.now() }
    }

    /// Tells how long it took to be answered, and what the service stored of it.
    pub(crate) fn end(&self, result: &PutRecordsResult, shared: &Shared) {
        let stream = || shared.stream.to_string();
        let name = "messaging_client_operation_duration_seconds";
        histogram!(name, "stream" => stream()).record(shared.now().since(self.start));
        let Ok(results) = result else { return };
        let results = self.entries.iter().zip(results);
        let stored = results.filter(|(_, result)| result.is_ok()).map(|(entry, _)| entry.size());
        let (records, bytes) =
            stored.fold((0, 0), |(records, bytes), size| (records + 1, bytes + size));
        let name = "kinesis_producer_wire_records_stored_total";
        counter!(name, "stream" => stream()).increment(records);
        let name = "kinesis_producer_wire_bytes_stored_total";
        counter!(name, "stream" => stream()).increment(bytes as u64);
    }
}
