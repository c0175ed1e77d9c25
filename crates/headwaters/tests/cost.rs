//! What a record costs in allocations and in memory, counted.

mod common;

use core::time::Duration;
use std::alloc::System;

use common::{STREAM, build, builder, record};
use headwaters::blocking::Producer;
use headwaters::{Bounds, Config, RateLimit, ThreadClock, UserRecord};
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

/// One test, for the allocator counts for all.
#[test]
fn a_record_with_its_ticket_allocates_nothing_of_its_own() {
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
