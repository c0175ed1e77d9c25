//! What the engine says it takes beside what is allocated, in all states and under all settings.
//!
//! ```text
//! cargo test -p headwaters-tests --test memory -- --nocapture
//! ```

use core::num::NonZeroU32;
use core::time::Duration;
use std::alloc::System;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use headwaters_engine::wire::{
    AttemptError, Entry, ErrorCode, HashKeyRange, ListedShard, Placement, ShardId, ShardPage,
};
use headwaters_engine::{
    Action, Batch, BatchId, Bounds, Config, Engine, Event, Instant, Order, OutagePolicy, RateLimit,
    RetryBudget, RetryPolicy, Token, UserRecord,
};
use headwaters_sim::{Chance, Plan, Rng};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Tests run side by side, and the allocator counts for all of them.
static ALONE: Mutex<()> = Mutex::new(());

fn allocated() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// From here on the figures have to agree.
const MUCH: usize = 1 << 20;

const SIZES: [usize; 4] = [20, 100, 1_024, 50 << 10];

/// An engine and a driver that keeps nothing of what it is given but the shards of the entries.
struct Rig {
    engine: Engine,
    batches: Vec<(BatchId, Vec<u16>)>,
    /// What was allocated before there was an engine.
    before: usize,
    /// The most that was allocated since.
    most: usize,
    name: String,
    now: Instant,
    ranges: Vec<HashKeyRange>,
    tokens: u64,
    /// How often the figures were compared while there was much.
    compared: u64,
    /// The lowest and the highest of what the engine said by what was allocated.
    told: (f64, f64),
}

impl Rig {
    fn new(name: &str, config: Config, shards: NonZeroU32) -> Self {
        let range = |at| HashKeyRange::of_even_shard(at, shards).expect("one of them");
        let ranges = (0..shards.get()).map(range).collect();
        let (batches, name) = (Vec::with_capacity(1_000), name.to_owned());
        let before = allocated();
        let mut rig = Self {
            engine: Engine::new(config, Instant::ZERO),
            batches,
            before,
            most: 0,
            name,
            now: Instant::ZERO,
            ranges,
            tokens: 0,
            compared: 0,
            told: (f64::INFINITY, 0.0),
        };
        rig.drain();
        rig
    }

    /// Puts a record. Its payload and its key are in buffers of their own that are not larger.
    fn put(&mut self, key: u64, size: usize) {
        let key = format!("partition-key-{key:06}").into_boxed_str();
        let record = UserRecord::new(String::from(key), vec![0; size]).expect("a small record");
        // One that is refused is dropped.
        let _ = self.engine.add(Token(self.tokens), record, self.now);
        self.tokens += 1;
    }

    fn put_many(&mut self, bytes: usize, keys: u64, size: usize) {
        for number in 0..bytes / (size + 120) {
            self.put(number as u64 % keys, size);
        }
    }

    /// Does what the engine wants until it waits.
    fn drain(&mut self) {
        self.engine.handle(Event::TimeAdvanced, self.now);
        loop {
            match self.engine.poll() {
                Action::Wait(_) => break,
                Action::ListShards(request) => {
                    let shard = |(number, range): (usize, &HashKeyRange)| ListedShard {
                        hash_keys: *range,
                        id: ShardId::numbered(number as u64),
                    };
                    let shards = self.ranges.iter().enumerate().map(shard).collect();
                    let result = Ok(ShardPage { next_token: None, shards });
                    self.engine
                        .handle(Event::ShardsListed { request: request.id, result }, self.now);
                }
                Action::SendBatch(Batch { id, entries, .. }) => {
                    let shards = entries.iter().map(|entry| self.shard_of(entry)).collect();
                    self.batches.push((id, shards));
                }
                _ => {}
            }
        }
    }

    fn shard_of(&self, entry: &Entry) -> u16 {
        let key = entry.hash_key();
        self.ranges.partition_point(|range| range.end() < key) as u16
    }

    /// Answers a request: each entry is stored, or fails so.
    fn answer(&mut self, batch: usize, mut failure: impl FnMut() -> Option<ErrorCode>) {
        let (batch, shards) = self.batches.swap_remove(batch);
        let mut one = |shard| match failure() {
            Some(code) => Err(AttemptError::new(code)),
            None => Ok(Placement {
                sequence_number: "49590338271490256608559692538361571095921575989136588898"
                    .parse()
                    .expect("digits"),
                shard: ShardId::numbered(shard),
            }),
        };
        let result = Ok(shards.into_iter().map(|shard| one(shard.into())).collect());
        self.engine.handle(Event::PutRecordsFinished { batch, result }, self.now);
        self.drain();
    }

    fn answer_all(&mut self, failure: Option<ErrorCode>) {
        for batch in (0..self.batches.len()).rev() {
            self.answer(batch, || failure.clone());
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now.after(time);
        self.drain();
    }

    /// What is allocated for the engine.
    fn taken(&self) -> usize {
        let mine: usize = self.batches.iter().map(|(_, shards)| shards.capacity() * 2).sum();
        allocated() - self.before - mine
    }

    /// Compares what the engine says with what is allocated.
    fn compare(&mut self, what: &str) -> [f64; 2] {
        let (taken, memory) = (self.taken(), self.engine.memory());
        self.most = self.most.max(taken);
        let stats = self.engine.stats();
        let [told, bounded] =
            [memory, stats.bytes_held as usize].map(|bytes| bytes as f64 / taken as f64);
        if taken >= MUCH {
            self.compared += 1;
            self.told = (self.told.0.min(told), self.told.1.max(told));
            assert!(
                (0.9..=1.1).contains(&told),
                "{}, {what}: {memory} of {taken} ({told:.2}): {stats:?}",
                self.name
            );
        }
        [told, bounded]
    }

    /// Lets everything be stored, and holds that the memory is free again.
    fn end(&mut self) {
        for _ in 0..100_000 {
            if self.engine.is_empty() {
                break;
            }
            self.answer_all(None);
            self.wait(Duration::from_millis(200));
        }
        assert!(
            self.engine.is_empty(),
            "{}: it does not end: {:?}",
            self.name,
            self.engine.stats()
        );
        let left = self.taken();
        assert!(
            self.most < MUCH || left <= self.most / 10,
            "{}: {left} of {} are left",
            self.name,
            self.most
        );
    }
}

/// Everything by itself, with nothing in its way.
#[test]
fn each_state_by_itself() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let shards = NonZeroU32::new(16).expect("not zero");
    for (order, aggregated) in [
        (Order::Unordered, false),
        (Order::Unordered, true),
        (Order::PerPartitionKey, false),
        (Order::PerPartitionKey, true),
    ] {
        println!("{order:?}, {}", if aggregated { "aggregated" } else { "plain" });
        println!("what the engine says, and what its bounds count, by what is allocated");
        for (keys, size) in
            [1_000_000, 1_000, 16].into_iter().flat_map(|keys| SIZES.map(|size| (keys, size)))
        {
            let config = Config::builder()
                .aggregation_enabled(aggregated)
                .bounds(Bounds { bytes: usize::MAX / 2, records: usize::MAX })
                .collection_max_shard_size(usize::MAX)
                .order(order)
                .outage(OutagePolicy::Off)
                .rate_limit(RateLimit::Off)
                .record_max_buffered_time(Duration::from_secs(10))
                .record_ttl(None)
                .retry(RetryPolicy::Linear { max_attempts: 9, step: Duration::from_secs(100) })
                .retry_budget(RetryBudget::Off);
            let config = config.max_requests_in_flight(256).build().expect("valid settings");
            let name = format!("{keys} keys, {size} bytes");
            let mut rig = Rig::new(&name, config, shards);
            let mut figures = Vec::new();
            rig.put_many(4 * MUCH, keys, size);
            figures.push(("buffered", rig.compare("buffered")));
            rig.wait(Duration::from_secs(30));
            figures.push(("in flight", rig.compare("in flight")));
            rig.answer_all(Some(ErrorCode::InternalFailure));
            figures.push(("waiting", rig.compare("waiting")));
            rig.wait(Duration::from_secs(300));
            figures.push(("in flight again", rig.compare("in flight again")));
            print!("  {name:26}");
            for (state, [told, bounded]) in figures {
                print!("  {state} {told:.2} {bounded:.2}");
                // What the bounds count may be more: a record that is packed counts as much as by itself.
                assert!(bounded >= 0.9, "{order:?}, {aggregated}, {name}, {state}: {bounded:.2}");
            }
            println!();
            rig.end();
        }
    }
}

/// Of each buffer that is read one record of 100 bytes is put; the rest of it is of no use to anybody.
#[test]
fn a_payload_that_was_cut_out_of_a_buffer_does_not_keep_it() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    const BUFFER: usize = 64 << 10;
    const RECORDS: usize = 500;
    for (order, copies) in
        [(Order::Unordered, true), (Order::PerPartitionKey, true), (Order::Unordered, false)]
    {
        let mut config = Config::builder().aggregation_enabled(false).order(order);
        if !copies {
            config = config.copy_shared_up_to(0);
        }
        let config = config.build().expect("valid settings");
        let mut rig = Rig::new("slices", config, NonZeroU32::MIN);
        for number in 0..RECORDS {
            let buffer = Bytes::from(vec![0; BUFFER]);
            let key = format!("partition-key-{:06}", number % 100);
            let record = UserRecord::new(key, buffer.slice(1_000..1_100)).expect("a small record");
            rig.engine.add(Token(number as u64), record, rig.now).expect("room");
        }
        let taken = rig.taken();
        println!("{order:?}, copies {copies}: {} bytes a record", taken / RECORDS);
        if copies {
            assert!(taken < RECORDS * 1_000, "{taken} bytes for {RECORDS} records");
        } else {
            assert!(taken > RECORDS * BUFFER, "there is nothing to be won: {taken}");
        }
    }
}

/// Settings as the simulator draws them, and everything that can happen to a record.
fn live(seed: u64) -> (u64, (f64, f64)) {
    let rng = &mut Rng::new(seed, "memory");
    let plan = Plan::draw(seed);
    let mut settings = plan.settings;
    // Else there is never much.
    (settings.bounds_bytes, settings.bounds_records) = (64 << 20, 200_000);
    let config = settings.to_config(seed).expect("valid settings");
    let largest = config.max_user_record_size() - 20;
    let (keys, size) = (rng.pick(&[3, 300, 1_000_000]), rng.pick(&SIZES).min(largest));
    let mut rig = Rig::new(&format!("seed {seed}, {keys} keys, {size} bytes"), config, plan.shards);
    let fails = Chance::percent(rng.pick(&[0, 10, 60]));
    for _ in 0..40 {
        match rng.range(0, 5) {
            0 | 1 => {
                let bytes = rng.up_to(&[100_000, 1_000_000]) as usize;
                for _ in 0..bytes / (size + 120) {
                    rig.put(rng.range(0, keys), size);
                }
                rig.compare("put");
                rig.drain();
            }
            2 => rig.wait(Duration::from_millis(rng.range(0, 200))),
            3 => rig.wait(Duration::from_millis(rng.range(0, 3_000))),
            _ if rig.batches.is_empty() => {}
            _ => {
                let batch = rng.range(0, rig.batches.len() as u64 - 1) as usize;
                let codes =
                    [ErrorCode::InternalFailure, ErrorCode::ProvisionedThroughputExceededException];
                rig.answer(batch, || rng.happens(fails).then(|| rng.pick(&codes)));
            }
        }
        rig.compare("then");
    }
    rig.end();
    (rig.compared, rig.told)
}

#[test]
fn the_figure_agrees_with_the_allocator_under_all_settings() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut compared, mut told) = (0, (f64::INFINITY, 0.0_f64));
    for seed in 0..150 {
        let (times, (least, most)) = live(seed);
        compared += times;
        told = (told.0.min(least), told.1.max(most));
    }
    println!("{compared} times: from {:.3} to {:.3} of what is allocated", told.0, told.1);
    assert!(compared > 1_000, "{compared}");
}
