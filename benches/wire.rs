//! What packing records costs, against the least it can cost (one copy of the payload) and against prost.
//!
//! Goals: at most 3 times the copy for records of 100 bytes, 1.3 times for 1 KiB; 8 times faster than prost.
//! What bounds them: the copy with a head of 7 bytes before each payload, and nothing else, is 1.19 times the copy at 1 KiB,
//! and the bare copy itself is no more than 6.4 (49 keys) and 4.7 (8 keys) times faster than prost there.

use core::hint::black_box;

use bytes::Bytes;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use headwaters_engine::wire::aggregate::{self, Encoder, OuterKey};
use headwaters_engine::wire::{Entry, HashKey, PartitionKey};
use headwaters_tests::messages::{AggregatedRecord, Record};
use prost::Message;

/// An aggregate of the KPL's size, 50 KiB: so many records, of so many bytes, under so many keys.
const SHAPES: [(usize, usize, usize); 4] =
    [(400, 100, 400), (400, 100, 8), (49, 1_024, 49), (49, 1_024, 8)];

fn entries(count: usize, size: usize, keys: usize) -> Vec<Entry> {
    let entry = |number: usize| Entry {
        data: Bytes::from(vec![u8::try_from(number % 251).unwrap_or(0); size]),
        explicit_hash_key: None,
        partition_key: PartitionKey::new(format!("partition-{:06}", number % keys)).expect("valid"),
    };
    (0..count).map(entry).collect()
}

fn memcpy(group: &mut BenchmarkGroup<'_, WallTime>, entries: &[Entry], name: &str) {
    let mut buffer: Vec<u8> = Vec::with_capacity(64 * 1024);
    group.bench_function(format!("memcpy of the payload/{name}"), |b| {
        b.iter(|| {
            buffer.clear();
            entries.iter().for_each(|entry| buffer.extend_from_slice(black_box(&entry.data)));
            black_box(buffer.len())
        });
    });
}

/// Without the trailer and the hash keys: these are MD5's, which has a bench of its own.
fn append(group: &mut BenchmarkGroup<'_, WallTime>, entries: &[Entry], name: &str) {
    let mut encoder = Encoder::new(52_000, OuterKey::Kpl);
    let entries: Vec<(&Entry, HashKey)> =
        entries.iter().map(|entry| (entry, entry.hash_key())).collect();
    group.bench_function(format!("append/{name}"), |b| {
        b.iter(|| {
            for &(entry, hash_key) in &entries {
                let Entry { data, explicit_hash_key, partition_key } = black_box(entry);
                let is_explicit = explicit_hash_key.is_some();
                let record = aggregate::Record { data, hash_key, is_explicit, partition_key };
                let _ = encoder.try_append(record, usize::MAX);
            }
            encoder.finish()
        });
    });
}

fn prost(group: &mut BenchmarkGroup<'_, WallTime>, entries: &[Entry], name: &str) {
    group.bench_function(format!("prost build and encode/{name}"), |b| {
        b.iter(|| {
            let mut message = AggregatedRecord::default();
            let mut keys = std::collections::HashMap::new();
            for entry in black_box(entries) {
                let key = entry.partition_key.as_str();
                let index = *keys.entry(key).or_insert_with(|| {
                    message.partition_key_table.push(key.to_owned());
                    message.partition_key_table.len() as u64 - 1
                });
                let data = entry.data.to_vec();
                let (partition_key_index, explicit_hash_key_index) = (index, None);
                message.records.push(Record { partition_key_index, explicit_hash_key_index, data });
            }
            message.encode_to_vec()
        });
    });
}

fn encode(c: &mut Criterion) {
    for (count, size, keys) in SHAPES {
        let entries = entries(count, size, keys);
        let mut group = c.benchmark_group("aggregate");
        group.throughput(Throughput::Elements(count as u64));
        let name = format!("{count} x {size} B, {keys} keys");
        memcpy(&mut group, &entries, &name);
        append(&mut group, &entries, &name);
        prost(&mut group, &entries, &name);
        group.finish();
    }
}

criterion_group!(benches, encode);
criterion_main!(benches);
