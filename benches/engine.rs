//! What the engine costs per user record: accepted, packed or not, batched, answered, completed. The limiters of 16
//! shards are asked for each Kinesis record and agree; figures are kept. The service's side (an answer for each
//! entry) is in the time as well.
//!
//! `cargo bench -p headwaters-benches --bench engine`. Goals, on a machine with AVX-512: plain 45 ns a record, with
//! 50,000 buffered at most 1.5 times as long as with 2,000 (nothing may depend on how much is held but the memory it
//! lies in); aggregated 110 ns at 100 bytes and 280 ns at 1 KiB (one copy and two MD5 of each byte's share).
//!
//! What a plain record takes is moves of its parts (128 bytes in a lane, 152 in a request), and what is the driver's and the
//! caller's: the answer, and the counts of references of payload and key. With 20 MB of fresh memory in each run, as in the last
//! case, page faults are most of what is measured.

use core::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use headwaters_benches::{Service, drive, engine, hashed_records, records, settings};
use headwaters_engine::{Config, UserRecord};

fn run(c: &mut Criterion, name: &str, failing: Option<usize>, config: &Config, all: &[UserRecord]) {
    let service = Service::new(failing);
    let mut group = c.benchmark_group("engine");
    group.throughput(Throughput::Elements(all.len() as u64));
    group.bench_function(BenchmarkId::new(name, all.len()), |b| {
        // One engine for all: a producer lives long, and its queues have the room they need.
        let mut engine = engine(config.clone());
        b.iter_batched(
            || all.to_vec(),
            |records| {
                let completed = drive(&mut engine, records, &service);
                assert_eq!(black_box(completed), all.len());
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn plain(c: &mut Criterion) {
    for (count, failing) in [(2_000, None), (50_000, None), (50_000, Some(5))] {
        let config = settings(count).aggregation_enabled(false).build().expect("valid settings");
        let name = if failing.is_some() { "plain, one in five throttled" } else { "plain" };
        run(c, name, failing, &config, &records(count, 100));
    }
}

fn aggregated(c: &mut Criterion) {
    for (size, count) in [(100, 50_000), (1_024, 20_000)] {
        let config = settings(count).build().expect("valid settings");
        run(c, &format!("aggregated, {size} bytes"), None, &config, &hashed_records(count, size));
    }
}

criterion_group!(benches, plain, aggregated);
criterion_main!(benches);
