//! What requests cost to write and answers to read, against the least that it can cost and against serde_json.
//!
//! Goals for 500 records: a request in JSON at least 80 % as fast as the base64 alone at 1 KiB; the usual answer read
//! and turned into results 2.5 times faster than serde_json reads it into borrowed texts and makes nothing of them.

use core::hint::black_box;
use std::borrow::Cow;

use bytes::Bytes;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use headwaters_engine::wire::{Entry, PartitionKey, StreamName};
use headwaters_http::__internals::{parse_results, put_records};
use headwaters_http::Protocol;
use serde::Deserialize;

const RECORDS: usize = 500;

fn entries(size: usize) -> Vec<Entry> {
    let entry = |number: usize| Entry {
        data: Bytes::from(vec![u8::try_from(number % 251).unwrap_or(0); size]),
        explicit_hash_key: None,
        partition_key: PartitionKey::new(format!("partition-key-of-32-bytes-{number:06}"))
            .expect("a valid key"),
    };
    (0..RECORDS).map(entry).collect()
}

fn write(criterion: &mut Criterion) {
    let stream = StreamName::new("orders").expect("a valid name");
    for (size, name) in [(100, "100 B"), (1_024, "1 KiB"), (10_240, "10 KiB")] {
        let entries = entries(size);
        let mut group = criterion.benchmark_group(format!("write/{name}"));
        group.throughput(Throughput::Elements(RECORDS as u64));
        let mut body = Vec::new();
        for (protocol, name) in [(Protocol::Json, "json"), (Protocol::Cbor, "cbor")] {
            group.bench_function(name, |b| {
                b.iter(|| {
                    body.clear();
                    put_records(protocol, &mut body, &stream, black_box(&entries));
                    black_box(body.len())
                });
            });
        }
        floors(&mut group, &entries);
        group.finish();
    }
}

/// What no writer can do without.
fn floors(group: &mut BenchmarkGroup<'_, WallTime>, entries: &[Entry]) {
    let mut buffer = Vec::new();
    group.bench_function("base64 of the payload", |b| {
        b.iter(|| {
            buffer.clear();
            for entry in black_box(entries) {
                base64_simd::STANDARD.encode_append(&entry.data, &mut buffer);
            }
            black_box(buffer.len())
        });
    });
    group.bench_function("memcpy of the payload", |b| {
        b.iter(|| {
            buffer.clear();
            entries.iter().for_each(|entry| buffer.extend_from_slice(black_box(&entry.data)));
            black_box(buffer.len())
        });
    });
}

/// The answer in the form of serde_json, which copies no text unless it must.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    #[serde(borrow)]
    records: Vec<Result<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Result<'a> {
    #[serde(borrow)]
    sequence_number: Option<Cow<'a, str>>,
    #[serde(borrow)]
    shard_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    error_code: Option<Cow<'a, str>>,
}

fn answer(failed: usize) -> Bytes {
    let stored = r#"{"SequenceNumber":"49543463076548007577105092703039560359975228518395012686","ShardId":"shardId-000000000003"}"#;
    let throttled = r#"{"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"Rate exceeded for shard shardId-000000000003 in stream orders under account 111111111111."}"#;
    let entry = |index: usize| if index % RECORDS < failed { throttled } else { stored };
    let entries: Vec<&str> = (0..RECORDS).map(entry).collect();
    format!("{{\"FailedRecordCount\":{failed},\"Records\":[{}]}}", entries.join(",")).into()
}

fn read(criterion: &mut Criterion) {
    for (failed, name) in [(0, "all stored"), (50, "a tenth throttled")] {
        let body = answer(failed);
        let mut group = criterion.benchmark_group(format!("read/{name}"));
        group.throughput(Throughput::Elements(RECORDS as u64));
        group.bench_function("parser", |b| {
            b.iter(|| {
                parse_results(Protocol::Json, black_box(&body), RECORDS).expect("it is valid")
            });
        });
        group.bench_function("serde_json, borrowed", |b| {
            b.iter(|| {
                let answer: Answer<'_> =
                    serde_json::from_slice(black_box(&body)).expect("it is valid");
                let stored = |result: &&Result<'_>| {
                    result.sequence_number.is_some()
                        && result.shard_id.is_some()
                        && result.error_code.is_none()
                };
                answer.records.iter().filter(stored).count()
            });
        });
        group.finish();
    }
}

criterion_group!(benches, write, read);
criterion_main!(benches);
