//! What grows with what: the cost of a record with the number of shards and of partition keys, and memory with what is held.
//!
//! `cargo bench -p headwaters-benches --bench scale`. CPU time of the thread, cases in turns, medians of the ratios within a turn.
//! Goals:
//!
//! - from 16 to 16,384 shards (the issue said 10,000), and from 1 to 1,000 partition keys per shard: at most 1.5 times the cost. Nothing
//!   that is done for a record may go through all shards or all keys; what remains is that tables of 16,384 lanes do not lie in the
//!   cache. Aggregates are as full on both sides, for with so many shards there are not enough records for large ones.
//! - a million records of 100 bytes that wait: 250 MB plain and 160 MB aggregated, as the system counts it. Plain that is twice the payload
//!   and key, with what the allocator puts beside each; aggregated it is the packed bytes and 8 for each record's owner. When all is
//!   delivered, a tenth of it may be left: of what is allocated, for what the allocator gives back to the system is its own affair.
#![expect(clippy::print_stdout, reason = "it reports")]

use core::time::Duration;
use std::alloc::System;
use std::fs;
use std::process::Command;
use std::sync::Arc;

use headwaters::{
    ListShards, ListShardsResult, Producer, PutRecords, PutRecordsResult, Transport, UserRecord,
};
use headwaters_benches::{
    SHARDS, Service, drive, engine_of_shards, hashed_records, records, settings, shards, thread_cpu,
};
use headwaters_engine::wire::HashKey;
use headwaters_engine::{Config, Order};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::sync::watch;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const MANY_SHARDS: u32 = 16_384;
/// Records of one shard, where there are many.
const RECORDS_PER_SHARD: u64 = 12;

/// One side of a comparison: an engine at work.
struct Side {
    config: Config,
    records: Vec<UserRecord>,
    shards: u32,
}

impl Side {
    /// CPU nanoseconds per record.
    fn cost(&self) -> f64 {
        let service = Service::of_shards(self.shards, None);
        let mut engine = engine_of_shards(self.config.clone(), self.shards);
        // Once before it counts: a producer lives long.
        drive(&mut engine, self.records.clone(), &service);
        let records = self.records.clone();
        let before = thread_cpu();
        assert_eq!(drive(&mut engine, records, &service), self.records.len());
        (thread_cpu() - before).as_nanos() as f64 / self.records.len() as f64
    }
}

/// Prints both, and how many times the cost of the first the second is.
fn compare(what: &str, few: &Side, many: &Side, rounds: usize) {
    let mut costs: Vec<(f64, f64)> = (0..rounds).map(|_| (few.cost(), many.cost())).collect();
    costs.sort_by(|(one, other), (one2, other2)| (other / one).total_cmp(&(other2 / one2)));
    let (few, many) = costs[rounds / 2];
    println!("{what:58} {few:6.0} ns, {many:6.0} ns: {:.2} times (goal 1.5)", many / few);
}

fn shard_growth(count: usize, rounds: usize) {
    for aggregated in [false, true] {
        let config = settings(count)
            .aggregation_enabled(aggregated)
            .aggregation_max_count(RECORDS_PER_SHARD)
            .build()
            .expect("valid settings");
        let records = records(count, 100);
        let side = |shards| Side { config: config.clone(), records: records.clone(), shards };
        let how = if aggregated { "aggregated by 12" } else { "plain" };
        let what = format!("16 and {MANY_SHARDS} shards, {how}");
        compare(&what, &side(SHARDS), &side(MANY_SHARDS), rounds);
    }
}

/// Records under so many keys for each shard, one key after the other.
fn keyed(count: usize, per_shard: usize) -> Vec<UserRecord> {
    let mut found = vec![0; SHARDS as usize];
    let wanted = |record: &UserRecord| {
        let shard = HashKey::of(&record.to_entry().partition_key).value() >> 124;
        found[shard as usize] += 1;
        found[shard as usize] <= per_shard
    };
    // Twice as many as needed, so that each shard gets its share.
    let many = hashed_records(2 * SHARDS as usize * per_shard.max(100), 100);
    let keys: Vec<UserRecord> = many.into_iter().filter(wanted).collect();
    assert_eq!(keys.len(), SHARDS as usize * per_shard);
    keys.into_iter().cycle().take(count).collect()
}

fn key_growth(count: usize, rounds: usize) {
    let ways = [
        ("plain", settings(count).aggregation_enabled(false)),
        ("aggregated", settings(count)),
        ("in order", settings(count).order(Order::PerPartitionKey)),
    ];
    for (how, config) in ways {
        let config = config.build().expect("valid settings");
        let side =
            |keys| Side { config: config.clone(), records: keyed(count, keys), shards: SHARDS };
        compare(&format!("1 and 1,000 keys per shard, {how}"), &side(1), &side(1_000), rounds);
    }
}

/// A service that keeps everybody waiting until it is told otherwise.
struct Late {
    open: watch::Receiver<bool>,
    service: Service,
}

impl Transport for Late {
    async fn list_shards(&self, _: ListShards) -> ListShardsResult {
        Ok(shards())
    }

    async fn put_records(&self, request: PutRecords) -> PutRecordsResult {
        let mut open = self.open.clone();
        open.wait_for(|open| *open).await.expect("it is told");
        self.service.answer_entries(&request.entries)
    }
}

/// Bytes of this process in memory.
fn resident() -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it is there");
    line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") * 1_024.0
}

/// Bytes of it that are allocated.
fn allocated() -> f64 {
    let stats = ALLOCATOR.stats();
    (stats.bytes_allocated - stats.bytes_deallocated) as f64
}

/// Holds so many records, each with a payload and a key of its own, and lets them go.
async fn hold(count: usize, aggregated: bool) {
    let (open, opened) = watch::channel(true);
    let late = Late { open: opened, service: Service::new(None) };
    let config = settings(2 * count)
        .aggregation_enabled(aggregated)
        .copy_shared_up_to(4_096)
        .request_timeout(Duration::from_secs(600))
        .build()
        .expect("valid settings");
    let builder = Producer::builder().stream("orders").transport(late).config(config);
    let producer = Arc::new(builder.start().expect("a runtime"));
    let record = |number| {
        let key = format!("key-{number:012}");
        UserRecord::new(key, vec![number as u8; 100]).expect("a small record")
    };
    // Once it has stored one it knows its shards.
    drop(producer.put(record(count)).await.expect("room").await);
    open.send(false).expect("it listens");
    let (before, allocated_before) = (resident(), allocated());
    let putting = Arc::clone(&producer);
    let all = tokio::spawn(async move {
        putting.put_all((0..count).map(record), Duration::from_secs(3_600)).await
    });
    while producer.stats().engine.accepted <= count as u64 {
        tokio::task::yield_now().await;
    }
    let (held, allocated_held) = (resident() - before, allocated() - allocated_before);
    open.send(true).expect("it listens");
    assert!(all.await.expect("no panic").is_complete());
    let (left, allocated_left) = (resident() - before, allocated() - allocated_before);
    let (how, goal) = if aggregated { ("aggregated", 160) } else { ("plain", 250) };
    let [held, left, allocated_held, allocated_left] =
        [held, left, allocated_held, allocated_left].map(|bytes| bytes / 1e6);
    println!(
        "{count} records of 100 bytes, {how}: {held:.0} MB (goal {goal} for a million), {left:.0} left after;"
    );
    println!("  allocated {allocated_held:.0} MB, {allocated_left:.0} left after");
}

fn memory(how: &str, count: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a thread").block_on(hold(count, how == "aggregated"));
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, how, count] = &arguments[..]
        && flag == "--hold"
    {
        return memory(how, count.parse().expect("a number"));
    }
    let is_test = arguments.iter().any(|argument| argument == "--test");
    let (count, held, rounds) = if is_test { (32_000, 10_000, 1) } else { (196_608, 1_000_000, 7) };
    shard_growth(count, rounds);
    key_growth(count, rounds);
    for how in ["plain", "aggregated"] {
        // In a process of its own: what an allocator has once, it keeps.
        let mut command = Command::new(std::env::current_exe().expect("there is one"));
        let status = command.args(["--hold", how, &held.to_string()]).status();
        assert!(status.expect("it starts").success());
    }
}
