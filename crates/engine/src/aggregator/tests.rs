use alloc::vec;

use super::*;
use crate::config::ConfigBuilder;
use crate::record::Token;

fn at(millis: u64) -> Instant {
    Instant::from_nanos(millis * 1_000_000)
}

fn aggregator(settings: ConfigBuilder) -> Aggregator {
    Aggregator::new(Limits::of(&settings.build().expect("valid settings")))
}

/// A record of so many bytes whose key is `k`; it leaves at 100 ms.
fn held(token: u64, bytes: usize) -> Held {
    let record = UserRecord::new("k", vec![7; bytes]).expect("a small record");
    let times = (Instant::NEVER, at(100));
    Stamp { token: Token(token), sequence: token, expiration: times.0, deadline: times.1 }
        .on(record)
}

/// Packs records of these sizes; the tokens that each closed one had, and of what still is open.
fn pack(aggregator: &mut Aggregator, sizes: &[usize]) -> (Vec<Vec<u64>>, Vec<u64>) {
    let mut spare = Encoders::default();
    let mut closed = Vec::new();
    for (token, bytes) in (0..).zip(sizes) {
        let (before, full) = aggregator.add(held(token, *bytes), &mut spare, 0, at(0));
        closed.extend(before.into_iter().chain(full).map(|record| tokens(&record)));
    }
    let open = aggregator.close(&mut spare, 0, at(0));
    (closed, open.as_ref().map(tokens).unwrap_or_default())
}

fn tokens(record: &KinesisRecord) -> Vec<u64> {
    match record {
        KinesisRecord::Plain(held) => vec![held.claim.token.0],
        KinesisRecord::Aggregate(aggregate) => {
            aggregate.claims.iter().map(|claim| claim.token.0).collect()
        }
    }
}

/// What an aggregate of two such records takes.
fn size_of_two(bytes: usize) -> usize {
    let encoder = Encoder::new(0, OuterKey::Kpl);
    let [one, other] = [held(0, bytes), held(1, bytes)];
    encoder.size_of_two(one.record.as_member(), other.record.as_member())
}

#[test]
fn two_that_fit_exactly_are_full_and_with_a_byte_less_room_they_part() {
    let exact = size_of_two(100);
    let of = |size| pack(&mut aggregator(Config::builder().aggregation_max_size(size)), &[100; 3]);
    assert_eq!(of(exact), (vec![vec![0, 1]], vec![2]));
    assert_eq!(of(exact + 1), (vec![vec![0, 1]], vec![2]), "nothing fits into one byte");
    assert_eq!(of(exact - 1), (vec![vec![0], vec![1]], vec![2]));
}

#[test]
fn a_record_that_fills_it_alone_does_not_wait_and_a_larger_one_passes_by() {
    let of = |sizes: &[usize]| {
        pack(&mut aggregator(Config::builder().aggregation_max_size(1_000)), sizes)
    };
    assert_eq!(of(&[1_000]), (vec![vec![0]], vec![]), "it is full");
    assert_eq!(of(&[999]), (vec![], vec![0]));
    assert_eq!(of(&[10, 1_001, 10]), (vec![vec![1]], vec![0, 2]), "it goes alone");
}

#[test]
fn so_many_records_are_full() {
    let mut aggregator = aggregator(Config::builder().aggregation_max_count(3));
    assert_eq!(pack(&mut aggregator, &[10; 7]), (vec![vec![0, 1, 2], vec![3, 4, 5]], vec![6]));
}

#[test]
fn data_and_outer_key_together_are_a_record_that_the_stream_takes() {
    let size = |outer_key| {
        let config = Config::builder()
            .outer_key(outer_key)
            .max_user_record_size(10_000)
            .aggregation_max_size(20_000)
            .build()
            .expect("valid settings");
        Limits::of(&config).size
    };
    assert_eq!(size(OuterKey::Kpl), 9_999, "one byte of `a`");
    assert_eq!(size(OuterKey::FirstRecord), 8_976, "256 characters of up to four bytes");
}

#[test]
fn what_is_packed_again_knows_no_limits() {
    let config = Config::builder().aggregation_max_count(2).aggregation_max_size(300);
    let limits = aggregator(config).limits;
    let records = (0..5).map(|token| held(token, 200)).collect();
    let again = Aggregator::repack(limits, records, &mut Encoders::default(), 7);
    let Some(KinesisRecord::Aggregate(aggregate)) = again else { panic!("one aggregate") };
    assert_eq!((aggregate.claims.len(), aggregate.generation), (5, 7));
    assert!(Aggregator::repack(limits, vec![], &mut Encoders::default(), 7).is_none());
}

#[test]
fn a_follower_that_does_not_fit_is_given_back() {
    let mut aggregator = aggregator(Config::builder().aggregation_max_size(1_000));
    let mut spare = Encoders::default();
    let mut follow = |bytes, more| aggregator.follow(held(0, bytes), more, &mut spare).is_some();
    assert!(follow(1_001, false), "it has to go alone");
    assert!(!follow(1_000, false), "the first fits always");
    assert!(follow(1, false), "there is no room for a second");
}

#[test]
fn a_hurry_moves_what_is_packed_forward_and_never_back() {
    let linger = Config::builder().build().expect("valid settings").linger();
    let mut aggregator = aggregator(Config::builder());
    aggregator.hasten(at(1));
    assert_eq!(aggregator.due(), None, "nothing is packed");
    let mut spare = Encoders::default();
    aggregator.add(held(0, 10), &mut spare, 0, at(0));
    assert_eq!((aggregator.ripe(), aggregator.due()), (at(100), Some(at(100).after(linger))));
    aggregator.hasten(at(200));
    assert_eq!(aggregator.ripe(), at(100));
    aggregator.hasten(at(40));
    assert_eq!((aggregator.ripe(), aggregator.due()), (at(40), Some(at(40).after(linger))));
}

/// What was made for many records is given back when there are few.
#[test]
fn a_small_aggregate_keeps_no_room_of_a_large_one() {
    let mut aggregator = aggregator(Config::builder());
    let mut spare = Encoders::default();
    let mut room_of = |count: u64| {
        for token in 0..count {
            aggregator.add(held(token, 10), &mut spare, 0, at(0));
        }
        match aggregator.close(&mut spare, 0, at(0)) {
            Some(KinesisRecord::Aggregate(aggregate)) => aggregate.claims.capacity(),
            other => panic!("an aggregate: {other:?}"),
        }
    };
    assert!(room_of(400) >= 400);
    assert!(room_of(20) <= 27, "a quarter and two more");
    assert!(room_of(20) >= 20);
}
