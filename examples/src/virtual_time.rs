//! The engine alone, under virtual time: an hour of a producer that has more than its shard takes, in a moment.
//!
//! Time is a parameter, so this loop jumps to whatever the engine waits for. The same run gives the same figures.

#![expect(clippy::print_stdout, reason = "an example says what it does")]

use core::time::Duration;
use std::collections::BTreeMap;

use headwaters_engine::wire::{
    AttemptError, Entry, ErrorCode, HashKeyRange, ListedShard, Placement, ShardId, ShardPage,
};
use headwaters_engine::{
    Action, Batch, Config, Engine, Event, Instant, PutRecordsResult, Token, UserRecord,
};

const HOUR: Duration = Duration::from_secs(3_600);
const ROUND_TRIP: Duration = Duration::from_millis(25);
const RECORD_EVERY: Duration = Duration::from_millis(5);

/// A shard that stores 100 entries in each second, and throttles the others.
#[derive(Default)]
struct Shard {
    second: u64,
    stored: usize,
}

impl Shard {
    fn put_records(&mut self, entries: &[Entry], now: Instant) -> PutRecordsResult {
        let second = now.since(Instant::ZERO).as_secs();
        if self.second != second {
            *self = Self { second, stored: 0 };
        }
        let store = |_| {
            self.stored += 1;
            if self.stored > 100 {
                return Err(AttemptError::new(ErrorCode::ProvisionedThroughputExceededException));
            }
            let sequence_number = self.stored.to_string().parse().expect("digits");
            Ok(Placement { sequence_number, shard: ShardId::numbered(0) })
        };
        Ok(entries.iter().map(store).collect())
    }
}

fn main() {
    let config = Config::builder().aggregation_enabled(false).seed(1).build();
    let mut engine = Engine::new(config.expect("valid settings"), Instant::ZERO);
    let mut shard = Shard::default();
    // Requests on their way, by when they are answered; the number keeps those of one moment apart.
    let mut in_flight: BTreeMap<(Instant, u64), Batch> = BTreeMap::new();
    let (mut now, mut next_record, mut requests) = (Instant::ZERO, Instant::ZERO, 0);
    let end = now.after(HOUR);
    while now < end {
        let wakeup = loop {
            match engine.poll() {
                Action::SendBatch(batch) => {
                    requests += 1;
                    in_flight.insert((now.after(ROUND_TRIP), requests), batch);
                }
                Action::ListShards(request) => {
                    let all =
                        ListedShard { hash_keys: HashKeyRange::ALL, id: ShardId::numbered(0) };
                    let page = ShardPage { next_token: None, shards: vec![all] };
                    let event = Event::ShardsListed { request: request.id, result: Ok(page) };
                    engine.handle(event, now);
                }
                Action::Wait(wakeup) => break wakeup.at,
                _ => {}
            }
        };
        let answer = in_flight.keys().next().map(|(at, _)| *at);
        now = [wakeup, answer, Some(next_record)].into_iter().flatten().min().unwrap_or(end);
        engine.handle(Event::TimeAdvanced, now);
        while let Some(first) = in_flight.first_entry().filter(|first| first.key().0 <= now) {
            let batch = first.remove();
            let result = shard.put_records(&batch.entries, now);
            engine.handle(Event::PutRecordsFinished { batch: batch.id, result }, now);
        }
        if next_record <= now {
            let record = UserRecord::new("key", "data").expect("a valid record");
            // A refusal gives the record back; here it is dropped.
            let _ = engine.add(Token(0), record, now);
            next_record = next_record.after(RECORD_EVERY);
        }
    }
    let stats = engine.stats();
    println!(
        "an hour, 200 records a second, into a shard that takes 100: {} stored, {} expired, {} throttled \
         on the way",
        stats.stored, stats.not_stored, stats.throttled
    );
}
