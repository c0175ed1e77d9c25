//! What the engine costs per record: accepted, batched, answered, completed.
//!
//! `cargo bench -p headwaters-benches`. No limit is set yet: records are neither aggregated nor limited, and the
//! goals are for an engine that does all that.

use core::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use headwaters_benches::{Service, config, drive, records};
use headwaters_engine::{Engine, Instant};

const PAYLOAD: usize = 100;

fn plain(c: &mut Criterion) {
    let mut group = c.benchmark_group("plain");
    for (backlog, failing) in [(2_000, None), (50_000, None), (50_000, Some(5))] {
        let service = Service::new(failing);
        let name = if failing.is_some() { "one in five throttled" } else { "all stored" };
        group.throughput(Throughput::Elements(backlog as u64));
        group.bench_function(BenchmarkId::new(name, backlog), |b| {
            let all = records(backlog, PAYLOAD);
            b.iter_batched(
                || (Engine::new(config(backlog), Instant::ZERO), all.clone()),
                |(mut engine, records)| {
                    let completed = drive(&mut engine, records, &service);
                    assert_eq!(black_box(completed), backlog);
                    engine
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, plain);
criterion_main!(benches);
