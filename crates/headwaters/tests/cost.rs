//! What a record costs in allocations and in memory, counted.

mod common;

use core::time::Duration;
use std::alloc::System;
use std::sync::{Mutex, MutexGuard, PoisonError};

use common::{STREAM, build, builder, record};
use headwaters::blocking::Producer;
use headwaters::{Bounds, Config, RateLimit, ShardShare, ThreadClock, UserRecord};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const RECORDS: usize = 50_000;

fn producer() -> Producer {
    let mock = builder(4).unlimited().build(ThreadClock::new());
    let bounds = Bounds { bytes: 256 * 1024 * 1024, records: 2 * RECORDS };
    // Nothing leaves before it is flushed: what is counted is the hand-over.
    let config = Config::builder()
        .bounds(bounds)
        .collection_max_shard_size(usize::MAX)
        .rate_limit(RateLimit::Off)
        .record_max_buffered_time(Duration::from_secs(60))
        .record_ttl(None)
        .aggregation_max_size(10 * 1024 * 1024)
        .max_user_record_size(10 * 1024 * 1024);
    let builder = Producer::builder().stream(STREAM).transport(mock);
    Producer::start(builder.config(build(config))).expect("a thread")
}

/// Tests run side by side, and the allocator counts for all of them.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A service that never answers, and a caller that puts until there is no room.
#[test]
fn what_is_held_is_within_the_bounds() {
    let _alone = alone();
    let mock = builder(4).build(ThreadClock::new());
    mock.on_request(|_, _| headwaters::mock::Fault::NeverAnswer);
    let bytes = 16 * 1024 * 1024;
    let config = Config::builder()
        .bounds(Bounds { bytes, records: 1_000_000 })
        .record_ttl(None)
        .request_timeout(Duration::from_secs(600))
        .shard_share(ShardShare::Off);
    let builder = Producer::builder().stream(STREAM).transport(mock).config(build(config));
    let producer = Producer::start(builder).expect("a thread");
    drop(producer.put(record("first")).expect("room"));
    let region = Region::new(ALLOCATOR);
    let mut records = 0_u64;
    let make = |number| UserRecord::new(format!("key-{number:08}"), vec![7; 1_000]).expect("valid");
    while let Ok(ticket) = producer.try_put(make(records)) {
        drop(ticket);
        records += 1;
    }
    let change = region.change();
    let live = change.bytes_allocated as i64 - change.bytes_deallocated as i64;
    println!("{live} bytes live for {records} records under a bound of {bytes}");
    assert!(records > 10_000, "{records}");
    assert!(live < bytes as i64, "{live} bytes live");
    assert_eq!(producer.close(Some(Duration::ZERO)).undelivered.len() as u64, records + 1);
}

#[test]
fn a_record_with_its_ticket_allocates_nothing_of_its_own() {
    let _alone = alone();
    let producer = producer();
    assert!(common::is_stored(&{
        let ticket = producer.put(record("first")).expect("room");
        producer.flush();
        ticket.wait()
    }));
    let records: Vec<UserRecord> = (0..RECORDS).map(|n| record(&(n % 512).to_string())).collect();
    let mut tickets = Vec::with_capacity(RECORDS);
    let region = Region::new(ALLOCATOR);
    for record in records {
        tickets.push(producer.put(record).expect("room"));
    }
    let put = region.change();
    producer.flush();
    let region = Region::new(ALLOCATOR);
    for ticket in tickets {
        assert!(common::is_stored(&ticket.wait()));
    }
    let waited = region.change();
    let per = |count: usize| count as f64 / RECORDS as f64;
    let (put, waited) =
        (per(put.allocations + put.reallocations), per(waited.allocations + waited.reallocations));
    println!("{put} allocations a record to put, {waited} to wait for");
    assert!(put <= 0.02, "{put} allocations a record");
    assert!(waited <= 0.02, "{waited} allocations a record");
    assert_eq!(producer.stats().outcomes_kept, 0);
    producer.close(None);
}
