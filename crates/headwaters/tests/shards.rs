//! What the list of the shards brings: aggregates, and a way through a reshard.

mod common;

use core::future::{pending, poll_fn};
use core::num::NonZeroU32;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Poll};
use core::time::Duration;
use std::sync::Arc;

use common::{MS, STREAM, build, builder, is_stored, mock, plain, record, start, texts, tokio_now};
use headwaters::mock::{Fault, Handover, ListFault, Mock};
use headwaters::wire::{AttemptError, Class, ErrorCode};
use headwaters::{
    Cause, Config, Delivery, ListShards, ListShardsResult, MapStatus, Outcome, Producer,
    PutRecords, PutRecordsResult, RetryPolicy, Ticket, Timing, TokioClock, Transport,
};

const SECOND: Duration = Duration::from_secs(1);

async fn put_all(producer: &Producer, texts: &[&str]) -> Vec<Ticket> {
    let mut tickets = Vec::new();
    for text in texts {
        tickets.push(producer.put(record(text)).await.expect("room"));
    }
    tickets
}

async fn all(tickets: Vec<Ticket>) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    for ticket in tickets {
        deliveries.push(ticket.await);
    }
    deliveries
}

#[tokio::test(start_paused = true)]
async fn the_records_of_an_aggregate_have_tickets_of_their_own() {
    let mock = builder(1).latency(10 * MS).build(TokioClock::new());
    let producer = start(&mock, Config::default());
    let before = tokio_now();
    let deliveries = all(put_all(&producer, &["a", "b"]).await).await;
    assert_eq!(tokio_now() - before, 130 * MS, "100 ms for company, 20 ms more, the round trip");

    let [aggregate] = &mock.records()[..] else { panic!("one Kinesis record") };
    for delivery in &deliveries {
        assert!(is_stored(delivery) && delivery.attempts.count() == 1, "{delivery:?}");
        let Outcome::Stored { sequence_number, shard, .. } = &delivery.outcome else { panic!() };
        assert_eq!(*sequence_number, aggregate.placement.sequence_number);
        assert_eq!(*shard, aggregate.placement.shard);
    }
    assert_eq!((texts(&mock), deliveries.len()), (vec!["a".to_owned(), "b".to_owned()], 2));
    let stats = producer.stats().engine;
    assert_eq!((stats.stored, stats.entries, stats.requests, stats.shards), (2, 1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_aggregate_that_is_refused_comes_back_record_by_record() {
    let mock = builder(1).build(TokioClock::new());
    mock.script([Fault::FailRequest(AttemptError::new(ErrorCode::AccessDeniedException))]);
    let producer = start(&mock, Config::default());
    let deliveries = all(put_all(&producer, &["a", "b"]).await).await;
    assert_eq!((mock.requests(), producer.stats().engine.entries), (1, 1));
    for (delivery, text) in deliveries.into_iter().zip(["a", "b"]) {
        let Outcome::NotStored { cause, record: back } = delivery.into_outcome() else {
            panic!("refused")
        };
        assert_eq!(cause, Cause::Permanent(ErrorCode::AccessDeniedException));
        assert_eq!(back, record(text));
    }
}

#[tokio::test(start_paused = true)]
async fn a_close_hands_an_aggregate_back_record_by_record() {
    let mock = builder(1).build(TokioClock::new());
    mock.script([Fault::NeverAnswer]);
    let producer = start(&mock, Config::default());
    let tickets = put_all(&producer, &["a", "b"]).await;
    let report = producer.close(Some(SECOND)).await;
    let undelivered: Vec<_> =
        report.undelivered.iter().map(|it| (it.record.clone(), it.maybe_stored)).collect();
    assert_eq!(undelivered, [(record("a"), true), (record("b"), true)]);
    for delivery in all(tickets).await {
        assert!(matches!(delivery.outcome, Outcome::MaybeStored { cause: Cause::Closed, .. }));
    }
}

#[tokio::test(start_paused = true)]
async fn all_pages_of_the_list_are_asked_for() {
    let mock = builder(5).page_size(2).latency(MS).build(TokioClock::new());
    let producer = start(&mock, Config::default());
    all(put_all(&producer, &["a"]).await).await;
    assert_eq!((mock.listings(), producer.stats().engine.shards), (3, 5));
    assert_eq!(producer.stats().engine.shard_map, MapStatus::Ready);
}

/// Whatever the service does meanwhile, a consumer gets each record once.
#[tokio::test(start_paused = true)]
async fn a_reshard_in_mid_load_loses_and_repeats_nothing() {
    let later = Handover::ParentUntilDone { until: 4 * SECOND };
    for handover in [Handover::ChildrenAtOnce, later] {
        let mock = builder(2).latency(10 * MS).build(TokioClock::new());
        let producer = start(&mock, Config::default());
        let mut tickets = Vec::new();
        for number in 0..10_000 {
            if number == 3_000 {
                let target = NonZeroU32::new(5).expect("not zero");
                assert_eq!(mock.update_shard_count(target, handover), Ok(()));
            }
            if number == 7_000 {
                tokio::time::advance(4 * SECOND).await;
                let shards = mock.shards();
                let merged = mock.merge(&shards[0].id, &shards[1].id, Handover::ChildrenAtOnce);
                assert_eq!(merged, Ok(()));
            }
            if number % 10 == 0 {
                tokio::time::advance(MS).await;
            }
            let text = format!("record {number:05}");
            tickets.push(producer.put(record(&text)).await.expect("room"));
        }
        let deliveries = all(tickets).await;
        let is_stored = |it: &Delivery| matches!(it.outcome, Outcome::Stored { .. });
        assert!(deliveries.iter().all(is_stored));
        let mut stored = texts(&mock);
        stored.sort_unstable();
        let expected = (0..10_000).map(|number| format!("record {number:05}"));
        assert!(stored.into_iter().eq(expected), "{handover:?}: {:?}", producer.stats());

        let stats = producer.stats().engine;
        assert!(stats.wrong_shard > 0 && stats.repacked > 0, "the test is one: {stats:?}");
        assert_eq!((stats.shards, stats.shard_map), (4, MapStatus::Ready), "{handover:?}");
        assert!(mock.listings() < 10, "{} listings", mock.listings());
        assert!(stats.entries < 200, "and it went on packing: {stats:?}");
    }
}

/// Unlike tokio's it comes back when each task that is ready has had one turn.
async fn yield_now() {
    let mut turns = 0;
    let once = |context: &mut Context<'_>| {
        turns += 1;
        context.waker().wake_by_ref();
        if turns == 1 { Poll::Pending } else { Poll::Ready(()) }
    };
    poll_fn(once).await;
}

/// What waits is packed anew in pieces, between which others have the producer, and the driver brings it to its end by itself.
#[tokio::test(start_paused = true)]
async fn others_put_while_a_reshard_is_under_way() {
    const RECORDS: usize = 20_000;
    let mock = builder(1).latency(SECOND).build(TokioClock::new());
    let settings = Config::builder().aggregation_max_count(100).record_ttl(None);
    let settings = settings.collection_max_shard_size(4 << 20);
    let settings = settings.record_max_buffered_time(60 * SECOND);
    let producer = start(&mock, settings.build().expect("valid settings"));
    let mut tickets = put_all(&producer, &["before"]).await;
    producer.flush().await;
    let target = NonZeroU32::new(8).expect("not zero");
    assert_eq!(mock.update_shard_count(target, Handover::ChildrenAtOnce), Ok(()));
    // That is stored elsewhere, and so the shards are listed again.
    tickets.extend(put_all(&producer, &["behind"]).await);
    producer.flush().await;
    for number in 0..RECORDS {
        tickets.push(producer.put(record(&format!("record {number:05}"))).await.expect("room"));
    }
    // From the first piece of which somebody hears, until all are moved.
    let other = producer.clone();
    let watch = tokio::spawn(async move {
        let (mut seen, mut turns, mut tickets) = (Vec::new(), 0, Vec::new());
        while seen.last().is_none_or(|&repacked| repacked < RECORDS as u64) {
            yield_now().await;
            let repacked = other.stats().engine.repacked;
            turns += 1;
            if repacked == 0 && turns % 20 == 0 {
                tokio::time::advance(MS).await;
            } else if repacked > 0 && seen.last() != Some(&repacked) {
                seen.push(repacked);
                tickets.push(other.put(record("meanwhile")).await.expect("room"));
            }
        }
        (seen, tickets)
    });
    let (seen, meanwhile) = watch.await.expect("it does not panic");
    tickets.extend(meanwhile);
    assert!(seen.len() > 5, "{seen:?}");
    let longest = seen.windows(2).map(|pair| pair[1] - pair[0]).max();
    assert!(longest < Some(RECORDS as u64 / 3), "{seen:?}");
    assert!(all(tickets).await.iter().all(is_stored));
    assert_eq!(texts(&mock).len(), 2 + RECORDS + seen.len());
}

#[tokio::test(start_paused = true)]
async fn without_permission_to_list_records_go_one_by_one_and_the_producer_says_so() {
    let mock = builder(1).build(TokioClock::new());
    mock.fail_listings(ListFault::Denied);
    let producer = start(&mock, Config::default());
    let deliveries = all(put_all(&producer, &["a", "b"]).await).await;
    assert!(deliveries.iter().all(is_stored));
    assert_eq!((mock.records().len(), mock.listings()), (2, 1));
    let MapStatus::Unavailable { class: Class::Permanent, failures: 1 } =
        producer.stats().engine.shard_map
    else {
        panic!("{:?}", producer.stats());
    };

    // Once it is mended, the producer finds out by itself.
    mock.fail_listings(None);
    tokio::time::advance(300 * SECOND).await;
    let deliveries = all(put_all(&producer, &["c", "d"]).await).await;
    assert!(deliveries.iter().all(is_stored));
    assert_eq!((mock.records().len(), mock.listings()), (3, 2));
    assert_eq!(texts(&mock), ["a", "b", "c", "d"]);
}

/// Never answers its first listing; counts the listings that are under way.
struct Deaf {
    listings: AtomicUsize,
    mock: Mock<TokioClock>,
    waiting: Arc<AtomicUsize>,
}

/// Counts down when it is dropped.
struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Transport for Deaf {
    async fn list_shards(&self, request: ListShards) -> ListShardsResult {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(Arc::clone(&self.waiting));
        if self.listings.fetch_add(1, Ordering::Relaxed) == 0 {
            return pending().await;
        }
        assert_eq!(self.waiting.load(Ordering::Relaxed), 1, "the one before is dropped");
        self.mock.list_shards(request).await
    }

    async fn put_records(&self, request: PutRecords) -> PutRecordsResult {
        self.mock.put_records(request).await
    }
}

fn start_deaf() -> (Arc<Deaf>, Producer) {
    let (listings, waiting) = Default::default();
    let deaf = Arc::new(Deaf { listings, mock: mock(MS), waiting });
    let producer = Producer::builder().stream(STREAM).transport(Arc::clone(&deaf)).start();
    (deaf, producer.expect("a runtime and a valid name"))
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_is_never_answered_is_dropped_for_the_next_one() {
    let (deaf, producer) = start_deaf();
    let before = tokio_now();
    let deliveries = all(put_all(&producer, &["a"]).await).await;
    assert!(is_stored(&deliveries[0]) && tokio_now() - before < SECOND, "it holds nothing up");
    assert_eq!(deaf.waiting.load(Ordering::Relaxed), 1);
    // Its timeout is 6 s, and the wait before the next one at most 1 s.
    while deaf.listings.load(Ordering::Relaxed) == 1 {
        all(put_all(&producer, &["b"]).await).await;
    }
    all(put_all(&producer, &["c"]).await).await;
    assert!((6 * SECOND..8 * SECOND).contains(&(tokio_now() - before)));
    assert_eq!((deaf.waiting.load(Ordering::Relaxed), producer.stats().engine.shards), (0, 4));
}

#[tokio::test(start_paused = true)]
async fn a_close_drops_the_listing() {
    let (deaf, producer) = start_deaf();
    tokio::task::yield_now().await;
    assert_eq!(deaf.waiting.load(Ordering::Relaxed), 1);
    let before = tokio_now();
    producer.close(None).await;
    tokio::task::yield_now().await;
    assert_eq!((deaf.waiting.load(Ordering::Relaxed), tokio_now() - before), (0, Duration::ZERO));
}

/// How long each of some producers waits before its second attempt.
async fn waits(config: &Config) -> Vec<Duration> {
    let mut waits = Vec::new();
    for _ in 0..10 {
        let mock = mock(MS);
        mock.script([Fault::FailRequest(AttemptError::new(ErrorCode::ServiceUnavailable))]);
        let producer = start(&mock, config.clone());
        let attempts = producer.put(record("a")).await.expect("room").await.attempts.clone();
        let [first, second] = attempts.kept() else { panic!("two attempts") };
        waits.push(second.start.since(first.end));
    }
    waits
}

#[tokio::test(start_paused = true)]
async fn each_producer_has_chances_of_its_own_unless_it_has_a_seed() {
    let retry = RetryPolicy::Exponential { base: 1_000 * SECOND, cap: 1_000 * SECOND };
    let config = plain().retry(retry).record_ttl(None);
    let mut own = waits(&build(config.clone())).await;
    own.sort_unstable();
    own.dedup();
    assert!(own.len() > 1, "{own:?}");
    let mut seeded = waits(&build(config.seed(7))).await;
    seeded.dedup();
    assert_eq!(seeded.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_record_may_have_a_timing_of_its_own() {
    let mock = mock(MS);
    let producer = start(&mock, build(plain()));
    let before = tokio_now();
    let at_once = Timing { max_buffered_time: Some(Duration::ZERO), ttl: None };
    let delivery = producer.put_timed(record("a"), at_once).await.expect("room").await;
    assert!(is_stored(&delivery));
    assert_eq!(tokio_now() - before, MS);
    let too_late = Timing { max_buffered_time: None, ttl: Some(Some(Duration::ZERO)) };
    let delivery = producer.put_timed(record("b"), too_late).await.expect("room").await;
    assert!(matches!(delivery.outcome, Outcome::NotStored { cause: Cause::Expired, .. }));
}
