//! Producers that put many records.

use core::time::Duration;
use std::collections::BTreeMap;

use bytes::Bytes;
use headwaters::wire::HashKey;
use headwaters::{
    Bounds, Cause, Config, ConfigBuilder, Delivery, Order, Outcome, Producer, RateLimit,
    RetryPolicy, Transport, UserRecord,
};

use super::Verdict;
use crate::admin::pause;
use crate::arm::Arm;
use crate::stand::{Held, Stand};

pub(super) fn config() -> ConfigBuilder {
    Config::builder()
        .record_ttl(None)
        .request_timeout(Duration::from_secs(30))
        .retry(RetryPolicy::default())
}

pub(super) fn plain() -> ConfigBuilder {
    config().aggregation_enabled(false)
}

pub(super) fn producer<T: Transport>(way: T, stream: &str, config: ConfigBuilder) -> Producer {
    let config = config.build().expect("a valid configuration");
    let builder = Producer::builder().config(config).stream(stream).transport(way);
    builder.start().expect("there is a runtime")
}

pub(super) fn start(stand: &Stand<'_>, config: ConfigBuilder) -> Producer {
    producer(stand.way.clone(), stand.name.as_str(), config)
}

/// Record number so and so, under one of 100 keys: its data say both.
pub(super) fn record(number: u32) -> UserRecord {
    let key = format!("key-{}", number % 100);
    let data = format!("{number:08} {}", "x".repeat((number % 90) as usize));
    UserRecord::new(key, data).expect("a valid record")
}

/// Puts records, and brings what became of them, in their order.
pub(super) async fn put_all(
    producer: &Producer,
    records: impl Iterator<Item = UserRecord>,
) -> Vec<Delivery> {
    let mut tickets = Vec::new();
    for record in records {
        tickets.push(producer.put(record).await.expect("it is accepted"));
    }
    let mut deliveries = Vec::new();
    for ticket in tickets {
        deliveries.push(ticket.await);
    }
    deliveries
}

/// Every record is stored and there, and there twice only if its outcome says that it may be. How many copies
/// there are beyond one of each.
pub(super) async fn check(stand: &Stand<'_>, deliveries: &[Delivery], first: u32) -> usize {
    let mut copies: BTreeMap<Bytes, usize> = BTreeMap::new();
    for held in stand.user_records().await {
        *copies.entry(held.data).or_default() += 1;
    }
    let mut duplicates = 0;
    for (index, delivery) in deliveries.iter().enumerate() {
        let number = first + u32::try_from(index).expect("few records");
        let found = copies.remove(record(number).data()).unwrap_or(0);
        let Outcome::Stored { maybe_duplicate, .. } = delivery.outcome else {
            panic!("record {number} is not stored: {:?}", delivery.outcome);
        };
        assert!(found > 0, "record {number} is not there");
        assert!(found == 1 || maybe_duplicate, "record {number} is there {found} times");
        duplicates += found - 1;
    }
    assert!(copies.is_empty(), "there is what nobody put");
    duplicates
}

fn count(arm: &Arm, most: u32) -> u32 {
    if arm.quirks.slow { most / 10 } else { most }
}

async fn load(arm: &Arm, shards: u32, records: u32, config: ConfigBuilder) -> Verdict {
    let stand = arm.stream(shards).await;
    let producer = start(&stand, config);
    let deliveries = put_all(&producer, (0..records).map(record)).await;
    let report = producer.close(None).await;
    assert!(report.undelivered.is_empty());
    check(&stand, &deliveries, 0).await;
    Verdict::Held
}

pub(super) async fn plain_records(arm: &Arm) -> Verdict {
    load(arm, 4, count(arm, 3_000), plain()).await
}

pub(super) async fn packed_records(arm: &Arm) -> Verdict {
    load(arm, 4, count(arm, 20_000), config()).await
}

/// Each of them alone in its request, beside some that are packed.
pub(super) async fn large_records_beside_small_ones(arm: &Arm) -> Verdict {
    if arm.quirks.faulty {
        return Verdict::Lacks("certainty: what was lost may be stored");
    }
    const MEGABYTE: usize = 1024 * 1024;
    if arm.quirks.no_large_records {
        return Verdict::Lacks("records beyond a megabyte");
    }
    if arm.quirks.slow {
        return Verdict::Lacks("the speed for them");
    }
    let size = 10 * MEGABYTE;
    let stand = arm.stream_of_large_records(2).await;
    let bounds = Bounds { bytes: 80 * MEGABYTE, records: 1_000 };
    let producer = start(
        &stand,
        config().bounds(bounds).max_user_record_size(size).rate_limit(RateLimit::Off),
    );
    let large = |byte| UserRecord::new("large", vec![byte; size - 5]).expect("a valid record");
    let records = [large(1)].into_iter().chain((0..20).map(record)).chain([large(2)]);
    let mut deliveries = put_all(&producer, records).await;
    producer.close(None).await;
    let held = stand.user_records().await;
    for (index, byte) in [(21, 2), (0, 1)] {
        let delivery = deliveries.remove(index);
        assert!(matches!(delivery.outcome, Outcome::Stored { .. }), "{:?}", delivery.outcome);
        let whole =
            |held: &&Held| held.data.len() == size - 5 && held.data.iter().all(|&at| at == byte);
        assert_eq!(held.iter().filter(whole).count(), 1, "it is there, once");
    }
    assert_eq!(deliveries.len(), 20, "those between");
    assert!(deliveries.iter().all(|one| matches!(one.outcome, Outcome::Stored { .. })));
    assert_eq!(held.len(), 22);
    Verdict::Held
}

pub(super) async fn few_records_at_a_time(arm: &Arm) -> Verdict {
    let stand = arm.stream(2).await;
    let producer = start(&stand, config().record_max_buffered_time(Duration::from_millis(20)));
    let mut deliveries = Vec::new();
    for number in 0..10 {
        deliveries.extend(put_all(&producer, (number..=number).map(record)).await);
    }
    producer.close(None).await;
    check(&stand, &deliveries, 0).await;
    Verdict::Held
}

pub(super) async fn explicit_hash_keys_packed(arm: &Arm) -> Verdict {
    let stand = arm.stream(3).await;
    let producer = start(&stand, config());
    let ends: Vec<HashKey> = stand
        .shards()
        .await
        .iter()
        .flat_map(|shard| [shard.hash_keys.start(), shard.hash_keys.end()])
        .collect();
    let records = (0..300)
        .map(|number| record(number).with_explicit_hash_key(ends[number as usize % ends.len()]));
    let deliveries = put_all(&producer, records).await;
    producer.close(None).await;
    check(&stand, &deliveries, 0).await;
    Verdict::Held
}

/// The first copies of the records of a key lie in the order in which they were put. A reshard moves a key to
/// another shard, of which the stream holds everything later: a child has a higher number than its parents.
async fn check_order(stand: &Stand<'_>) {
    let mut held = stand.user_records().await;
    held.sort_by(|one, other| one.shard.cmp(&other.shard));
    let mut seen: BTreeMap<Vec<u8>, Vec<Bytes>> = BTreeMap::new();
    for held in held {
        let copies = seen.entry(held.key).or_default();
        if !copies.contains(&held.data) {
            copies.push(held.data);
        }
    }
    for (key, copies) in seen {
        assert!(copies.is_sorted(), "{}: {copies:?}", String::from_utf8_lossy(&key));
    }
}

async fn ordered(arm: &Arm, records: u32, config: ConfigBuilder) -> Verdict {
    let stand = arm.stream(3).await;
    let producer = start(&stand, config.order(Order::PerPartitionKey));
    let deliveries = put_all(&producer, (0..records).map(record)).await;
    producer.close(None).await;
    check(&stand, &deliveries, 0).await;
    check_order(&stand).await;
    Verdict::Held
}

pub(super) async fn keys_in_order_packed(arm: &Arm) -> Verdict {
    ordered(arm, count(arm, 5_000), config()).await
}

pub(super) async fn keys_in_order_plain(arm: &Arm) -> Verdict {
    ordered(arm, count(arm, 1_000), plain()).await
}

pub(super) async fn more_than_a_shard_takes(arm: &Arm) -> Verdict {
    if arm.quirks.no_throttling {
        return Verdict::Lacks("limits of its shards");
    }
    load(arm, 1, 4_000, plain()).await
}

pub(super) async fn two_producers_on_one_stream(arm: &Arm) -> Verdict {
    let stand = arm.stream(2).await;
    let half = count(arm, 1_500);
    let (one, other) = (start(&stand, plain()), start(&stand, config()));
    let (first, second) = tokio::join!(
        put_all(&one, (0..half).map(record)),
        put_all(&other, (half..2 * half).map(record))
    );
    tokio::join!(one.close(None), other.close(None));
    check(&stand, &[first, second].concat(), 0).await;
    Verdict::Held
}

/// Puts records while `change` changes the stream.
async fn amid(
    stand: &Stand<'_>,
    config: ConfigBuilder,
    records: u32,
    change: impl Future<Output = ()>,
) {
    let producer = start(stand, config.record_max_buffered_time(Duration::from_millis(50)));
    let load = async {
        let mut deliveries = Vec::new();
        // In ten parts, so that some are put before the change and some behind it.
        for part in 0..10 {
            let numbers = part * records / 10..(part + 1) * records / 10;
            deliveries.extend(put_all(&producer, numbers.map(record)).await);
            pause().await;
        }
        deliveries
    };
    let (deliveries, ()) = tokio::join!(load, change);
    producer.close(None).await;
    check(stand, &deliveries, 0).await;
}

pub(super) async fn a_split_amid_the_load(arm: &Arm) -> Verdict {
    let stand = arm.stream(2).await;
    let change = async {
        pause().await;
        stand.split(&stand.shards().await[0]).await;
    };
    amid(&stand, config(), count(arm, 5_000), change).await;
    assert_eq!(stand.shards().await.len(), 3);
    Verdict::Held
}

pub(super) async fn a_merge_amid_the_load(arm: &Arm) -> Verdict {
    let stand = arm.stream(3).await;
    let change = async {
        pause().await;
        let shards = stand.shards().await;
        stand.merge(&shards[0], &shards[1]).await;
    };
    amid(&stand, config(), count(arm, 5_000), change).await;
    assert_eq!(stand.shards().await.len(), 2);
    Verdict::Held
}

pub(super) async fn many_reshards_amid_an_ordered_load(arm: &Arm) -> Verdict {
    let stand = arm.stream(1).await;
    let change = async {
        for _ in 0..3 {
            pause().await;
            let shards = stand.shards().await;
            stand.split(&shards[shards.len() / 2]).await;
        }
        pause().await;
        let shards = stand.shards().await;
        stand.merge(&shards[0], &shards[1]).await;
    };
    amid(&stand, config().order(Order::PerPartitionKey), count(arm, 3_000), change).await;
    assert_eq!(stand.shards().await.len(), 3);
    check_order(&stand).await;
    Verdict::Held
}

pub(super) async fn a_stream_that_is_not_there_fails_for_good(arm: &Arm) -> Verdict {
    // An attempt whose answer was lost may have been stored, for all that a producer knows.
    if arm.quirks.faulty {
        return Verdict::Lacks("certainty: what was lost may be stored");
    }
    let stand = arm.stream(1).await;
    let producer = producer(stand.way.clone(), "nowhere", config());
    let deliveries = put_all(&producer, (0..5).map(record)).await;
    producer.close(None).await;
    for delivery in deliveries {
        let Outcome::NotStored { cause, .. } = &delivery.outcome else {
            panic!("{:?}", delivery.outcome);
        };
        assert!(matches!(cause, Cause::Permanent(_)), "{cause:?}");
    }
    Verdict::Held
}
