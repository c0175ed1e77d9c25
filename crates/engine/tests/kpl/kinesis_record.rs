//! `core/test/kinesis_record_test.cc`: what becomes of user records on their way through the engine, and what
//! `wire` says about the sizes. The KPL removes records from an aggregate again, to make it fit; here nothing is
//! added that does not fit.

use headwaters_engine::wire::aggregate::{Decoded, Encoder, OuterKey, decode};
use headwaters_engine::wire::{Entry, HashKey, PartitionKey};
use headwaters_engine::{Batch, RateLimit, Timing, UserRecord};

use crate::story::{Story, all, buffered, fates, keyed, kpl, millis, packed};

/// How many records the KPL's cases pack.
const RECORDS: u64 = 1_000;

type Keys = fn(u64) -> (String, Option<u128>);

fn user_record(keys: Keys, token: u64) -> UserRecord {
    let (key, hash_key) = keys(token);
    let record = keyed(&key, token, 20);
    match hash_key {
        Some(hash_key) => record.with_explicit_hash_key(HashKey::new(hash_key)),
        None => record,
    }
}

/// Packs records with these keys into one aggregate, and reads it again.
fn pack(keys: Keys) -> Batch {
    let settings = kpl().aggregation_max_size(200_000).rate_limit(RateLimit::Off);
    let mut story = Story::on(1, settings);
    for token in 0..RECORDS {
        story.put(token, user_record(keys, token), Timing::default());
    }
    story.flush(0);
    let batch = story.batch();
    assert_eq!(batch.entries.len(), 1);
    let Decoded::Aggregate(aggregate) = decode(batch.entries[0].data.clone()) else {
        panic!("an aggregate")
    };
    let read = aggregate.members().map(|member| member.and_then(|member| member.to_entry()));
    let read: Vec<Entry> = read.collect::<Result<_, _>>().expect("whole members");
    let put = (0..RECORDS).map(|token| user_record(keys, token).into_entry());
    assert!(read.into_iter().eq(put), "what comes out is what went in");
    let first = user_record(keys, 0).hash_key();
    assert_eq!(batch.entries[0].explicit_hash_key, Some(first), "it belongs where its first does");
    assert_eq!(batch.entries[0].partition_key.as_str(), "a");
    batch
}

fn size(keys: Keys) -> usize {
    pack(keys).entries[0].data.len()
}

/// The KPL gives every entry an explicit hash key; here one that goes plain has it only if the record has.
#[test]
fn kinesis_record_single_record() {
    for hash_key in [None, Some(HashKey::new(123))] {
        let mut story = Story::on(1, kpl());
        let mut record = keyed("my-key", 7, 100);
        if let Some(hash_key) = hash_key {
            record = record.with_explicit_hash_key(hash_key);
        }
        story.put(7, record.clone(), Timing::default());
        story.later(120);
        let batch = story.batch();
        assert_eq!(batch.entries[..], [record.into_entry()], "no envelope around it");
        assert_eq!(batch.entries[0].explicit_hash_key, hash_key);
    }
}

/// Magic, check sum, 1,000 records of 20 bytes with 2 for their length, 2 for the index of the key and 2 around.
const OF_ONE_KEY: usize = 20 + RECORDS as usize * (20 + 2 + 2 + 2);
/// Seven characters, their tag and their length.
const KEY: usize = 9;

#[test]
fn kinesis_record_same_partition_key() {
    assert_eq!(size(|_| ("the-key".into(), None)), OF_ONE_KEY + KEY, "the key is there once");
}

#[test]
fn kinesis_record_different_partition_key() {
    // Indexes from 128 on take a byte more.
    let indexes = RECORDS as usize - 128;
    let different = size(|token| (format!("key{token:04}"), None));
    assert_eq!(different, OF_ONE_KEY + RECORDS as usize * KEY + indexes);
}

#[test]
fn kinesis_record_mixed_partition_key() {
    let mixed = size(|token| (format!("key{:04}", token % 5), None));
    assert_eq!(mixed, OF_ONE_KEY + 5 * KEY, "each key is there once");
}

#[test]
fn kinesis_record_same_ehk() {
    let same = size(|_| ("the-key".into(), Some(1_234_567)));
    assert_eq!(same, OF_ONE_KEY + 2 * KEY + 2 * RECORDS as usize, "the hash key is there once");
}

#[test]
fn kinesis_record_different_ehk() {
    let indexes = RECORDS as usize - 128;
    let different = size(|token| ("the-key".into(), Some(1_000_000 + u128::from(token))));
    let each = (2 + KEY) * RECORDS as usize;
    assert_eq!(different, OF_ONE_KEY + KEY + each + indexes);
}

#[test]
fn kinesis_record_mixed_ehk() {
    let mixed = size(|token| {
        let hash_key = (token % 2 == 0).then(|| 1_000_000 + u128::from(token % 3));
        (format!("key{:04}", token % 5), hash_key)
    });
    assert_eq!(mixed, OF_ONE_KEY + 5 * KEY + 3 * KEY + 2 * RECORDS as usize / 2);
}

fn varied(number: usize) -> Entry {
    Entry {
        data: vec![7; number * 7_919 % 400].into(),
        explicit_hash_key: number.is_multiple_of(3).then(|| HashKey::new(number as u128 % 11)),
        partition_key: PartitionKey::new("x".repeat(1 + number * 31 % 256)).expect("a valid key"),
    }
}

fn encode(records: usize) -> Encoder {
    let mut encoder = Encoder::new(0, OuterKey::Kpl);
    (0..records).for_each(|number| encoder.append((&varied(number)).into()));
    encoder
}

#[test]
fn kinesis_record_accurate_size() {
    for records in 1..300 {
        let mut encoder = encode(records);
        let size = encoder.size();
        let entry = encoder.finish().expect("there are records").seal();
        assert_eq!(size, entry.data.len(), "{records} records");
    }
}

/// The KPL's estimate may be off by a hundredth or 32 bytes. Here there is none: what a size would be is exact.
#[test]
fn kinesis_record_estimated_size() {
    let mut encoder = Encoder::default();
    for number in 0..300 {
        let expected = encoder.size_with((&varied(number)).into());
        encoder.append((&varied(number)).into());
        assert_eq!(encoder.size(), expected, "{number} records and one more");
    }
}

/// The KPL throws when it is to serialize nothing.
#[test]
fn kinesis_record_empty() {
    let mut encoder = Encoder::default();
    assert!(encoder.is_empty());
    assert_eq!((encoder.len(), encoder.size()), (0, 0));
    assert!(encoder.finish().is_none());
}

#[test]
fn kinesis_record_clearing() {
    let mut encoder = Encoder::default();
    let mut make = |records: usize| {
        (0..records).for_each(|number| encoder.append((&varied(number)).into()));
        encoder.finish().expect("there are records").seal()
    };
    let first = make(50);
    assert_eq!(make(3), encode(3).finish().expect("there are records").seal());
    assert_eq!(make(50), first, "nothing is left of the one before");
}

/// The KPL keeps the earliest deadline and expiration, and finds the next ones when a record is removed. What
/// removes a record here is its expiration.
#[test]
fn kinesis_record_deadlines() {
    let mut story = Story::on(1, kpl().rate_limit(RateLimit::Off).max_requests_in_flight(1));
    story.add(0, 10);
    story.later(120);
    let busy = story.batch();
    story.add_timed(1, 10, buffered(millis(70)));
    let mut short = buffered(millis(60));
    short.ttl = Some(Some(millis(500)));
    story.add_timed(2, 10, short);
    story.add_timed(3, 10, buffered(millis(90)));
    story.later(499);
    assert!(story.drain().is_empty(), "there is no free request");
    story.later(1);
    assert_eq!(fates(&story.outcomes()), [(2, "not stored", 0)], "it has expired");
    story.store(&busy);
    let actions = story.drain();
    let [_, headwaters_engine::Action::SendBatch(batch)] = &actions[..] else { panic!("a batch") };
    assert_eq!(packed(batch), [[1, 3]], "the others go on together");
    story.store(batch);
    assert_eq!(fates(&story.outcomes()), all([1, 3], "stored", 1));
}
