//! What many MD5s at once cost, at each level of this machine, against one after the other.
//!
//! `cargo bench -p headwaters-benches --bench md5`. Compare within a group and a run. Goals against
//! the best of the other crates: keys in batches of 32 at least 8 times as fast on AVX-512 and 6
//! times on AVX2; 32 trailers of 50 KB 12 and 8 times; and not slower with one message.

use core::hint::black_box;
use core::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use headwaters_md5::{Digest, Level};
use md5::Digest as _;

/// A group of functions that hash the same messages.
fn compare(c: &mut Criterion, name: &str, throughput: Throughput, messages: &[Vec<u8>]) {
    let mut group = c.benchmark_group(name);
    group.throughput(throughput);
    group.warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_millis(300));
    group.sample_size(20);
    one_by_one(&mut group, "md-5", messages, |message| md5::Md5::digest(message).into());
    one_by_one(&mut group, "fast-md5", messages, fast_md5::digest);
    one_by_one(&mut group, "md5-simd", messages, md5_simd::digest);
    one_by_one(&mut group, "own one", messages, headwaters_md5::digest);
    for level in Level::available() {
        let mut digests = vec![[0; 16]; messages.len()];
        group.bench_function(level.to_string(), |b| {
            b.iter(|| {
                let messages = black_box(messages).iter().map(Vec::as_slice);
                level.digest_many(messages.zip(&mut digests));
                black_box(&digests);
            });
        });
    }
    group.finish();
}

/// Hashes one message after the other.
fn one_by_one(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    messages: &[Vec<u8>],
    digest: impl Fn(&[u8]) -> Digest,
) {
    group.bench_function(name, |b| {
        b.iter(|| {
            for message in black_box(messages) {
                black_box(digest(message));
            }
        });
    });
}

/// Messages of these lengths.
fn messages(lengths: impl IntoIterator<Item = usize>) -> Vec<Vec<u8>> {
    (0..=u8::MAX).cycle().zip(lengths).map(|(number, length)| vec![number; length]).collect()
}

fn bytes(messages: &[Vec<u8>]) -> Throughput {
    Throughput::Bytes(messages.iter().map(|message| message.len() as u64).sum())
}

fn keys(c: &mut Criterion) {
    for count in [1, 2, 3, 32, 480] {
        for length in [8, 16, 32] {
            let messages = messages([length].repeat(count));
            let name = format!("md5 keys, {count} of {length} bytes");
            compare(c, &name, Throughput::Elements(count as u64), &messages);
        }
    }
}

fn trailers(c: &mut Criterion) {
    for count in [1, 2, 24, 32, 64] {
        let messages = messages([50 * 1024].repeat(count));
        compare(c, &format!("md5 trailers, {count} of 50 KB"), bytes(&messages), &messages);
    }
}

fn mixed(c: &mut Criterion) {
    // 7,919 is prime: the lengths take turns without a pattern.
    for count in [2, 3, 5, 9, 17, 33, 64, 480] {
        let messages = messages((0..count).map(|number| (number + 1) * 7_919 % 301));
        compare(c, &format!("md5 mixed, {count} of 0 to 300 bytes"), bytes(&messages), &messages);
    }
    let messages = messages((0..200).map(|number| 10_240 + number * 7_919 % 40_960));
    compare(c, "md5 mixed, 200 of 10 to 50 KB", bytes(&messages), &messages);
}

criterion_group!(benches, keys, trailers, mixed);
criterion_main!(benches);
