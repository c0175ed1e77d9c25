//! What must not allocate, counted.

use core::num::NonZeroU32;
use std::alloc::System;
use std::sync::{Mutex, MutexGuard, PoisonError};

use headwaters_engine::wire::aggregate::{Encoder, OuterKey, Record};
use headwaters_engine::wire::{
    Entry, HashKey, HashKeyRange, ListedShard, PartitionKey, ShardId, ShardPage,
};
use headwaters_engine::{
    Action, Bounds, Config, Engine, Event, Instant, RateLimit, Token, UserRecord,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Tests run side by side, and the allocator counts for all of them.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn entries() -> Vec<Entry> {
    let entry = |number: u32| Entry {
        data: vec![0; 100].into(),
        explicit_hash_key: number.is_multiple_of(5).then(|| HashKey::new(u128::from(number) << 90)),
        partition_key: PartitionKey::new(format!("partition-key-{}", number % 300)).expect("valid"),
    };
    (0..400).map(entry).collect()
}

/// The buffer of an aggregate is allocated when its second record comes, and handed out with it; the tables
/// keep their memory. Appending a record allocates nothing.
#[test]
fn appending_a_record_allocates_nothing() {
    let _alone = alone();
    let entries = entries();
    let mut encoder = Encoder::new(64_000, OuterKey::Kpl);
    entries.iter().for_each(|entry| encoder.append(Record::from(entry)));
    drop(encoder.finish());

    let mut fill = || {
        entries[..2].iter().for_each(|entry| encoder.append(Record::from(entry)));
        let region = Region::new(ALLOCATOR);
        for entry in &entries[2..] {
            encoder.try_append(Record::from(entry), 64_000).expect("it fits");
        }
        let change = region.change();
        assert_eq!(encoder.len(), entries.len());
        drop(encoder.finish());
        change.allocations + change.reallocations
    };
    // What runs the tests allocates, too, when one of them has ended: not in each of three times.
    assert!((0..3).any(|_| fill() == 0), "something is allocated each time");
}

/// An engine that knows the 16 shards of its stream, and limits nothing.
fn engine(aggregates: bool) -> Engine {
    let bounds = Bounds { bytes: usize::MAX / 2, records: usize::MAX };
    let config = Config::builder()
        .aggregation_enabled(aggregates)
        .bounds(bounds)
        .rate_limit(RateLimit::Off)
        .build()
        .expect("valid settings");
    let mut engine = Engine::new(config, Instant::ZERO);
    let Action::ListShards(request) = engine.poll() else { panic!("it asks for the shards") };
    let shard = |index| ListedShard {
        hash_keys: HashKeyRange::of_even_shard(index, SHARDS).expect("one of them"),
        id: ShardId::numbered(index.into()),
    };
    let page = ShardPage { next_token: None, shards: (0..SHARDS.get()).map(shard).collect() };
    let event = Event::ShardsListed { request: request.id, result: Ok(page) };
    engine.handle(event, Instant::ZERO);
    engine
}

const SHARDS: NonZeroU32 = NonZeroU32::new(16).expect("16 is not 0");

/// Records of 100 bytes, as many for each shard, whose payloads and keys are allocated already.
fn records(count: u32) -> Vec<UserRecord> {
    let record = |number: u32| {
        let key = format!("partition-key-{:06}", number / SHARDS);
        let record = UserRecord::new(key, vec![0; 100]).expect("a small record");
        record.with_explicit_hash_key(HashKey::new(u128::from(number % SHARDS) << 124))
    };
    (0..count).map(record).collect()
}

/// Live bytes and allocations per record that is added.
fn cost_of_adding(engine: &mut Engine, records: Vec<UserRecord>) -> (f64, f64) {
    let count = records.len() as f64;
    // The list itself is not freed before the end.
    let mut records = records.into_iter();
    let region = Region::new(ALLOCATOR);
    for (token, record) in (0..).zip(&mut records) {
        engine.add(Token(token), record, Instant::ZERO).expect("room");
    }
    let change = region.change();
    let live = change.bytes_allocated as f64 - change.bytes_deallocated as f64;
    (live / count, (change.allocations + change.reallocations) as f64 / count)
}

/// A record that goes plain takes 128 bytes beside its payload and its key, which it brings along, and its part of the
/// list of the pieces of its queue.
#[test]
fn a_plain_record_takes_128_bytes_and_shares_an_allocation() {
    let _alone = alone();
    let mut engine = engine(false);
    let (bytes, allocations) = cost_of_adding(&mut engine, records(16 * 4_096));
    assert!(bytes <= 129.5, "{bytes} bytes a record");
    assert!(allocations < 0.04, "{allocations} allocations a record");
    println!("{bytes} bytes and {allocations} allocations a record");
}

/// A member of an aggregate takes its bytes there and 32 more, and gives its payload and key back: 100 bytes are
/// copied, the payload, the key and what the allocator needs for them are freed. Of the aggregate that is still open
/// the spare room counts too.
#[test]
fn a_member_takes_its_bytes_in_the_aggregate_and_32_more() {
    let _alone = alone();
    let mut engine = engine(true);
    let count = 16 * 4_000;
    let given = records(count);
    let brought: usize = given.iter().map(UserRecord::size).sum();
    let (bytes, allocations) = cost_of_adding(&mut engine, given);
    let bytes = bytes + brought as f64 / f64::from(count);
    // Head and key: about 30 bytes with keys of 20 bytes that occur once in their aggregate.
    let encoded = 100.0 + 32.0;
    let spare = (16 * (51_200 + 512 * 32)) as f64 / f64::from(count);
    assert!(
        bytes <= encoded + 32.0 + 2.0 + spare,
        "{bytes} bytes a record, {spare} of it spare room"
    );
    // Some for each aggregate of about 350: its bytes, its list of members, itself.
    assert!(allocations < 0.03, "{allocations} allocations a record");
    println!("{bytes} bytes and {allocations} allocations a record");
}
