//! Reserving, tags, whole inputs, flush with a deadline, purge.

mod common;

use core::future::Future;
use core::pin::pin;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::sync::{Arc, Mutex};

use common::{MS, STREAM, build, is_stored, mock, plain, record, start, texts, tokio_now};
use headwaters::mock::{EntryFault, Fault, Mock};
use headwaters::wire::{AttemptError, ErrorCode};
use headwaters::{
    Bounds, Cause, Clock, Config, ConfigBuilder, Instant, ListShards, ListShardsResult, Outcome,
    Producer, PutRecords, PutRecordsResult, RateLimit, RefusedReason, Report, RetryPolicy,
    ShardPrediction, Transport, UserRecord, Why,
};

fn bounded(records: usize) -> ConfigBuilder {
    plain().max_user_record_size(10).bounds(Bounds { bytes: 20_000, records })
}

fn poll_once<F: Future>(future: core::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test(start_paused = true)]
async fn room_that_is_reserved_is_nobody_elses() {
    let mock = mock(MS);
    let producer = start(&mock, build(bounded(2)));
    let permit = producer.reserve().await;
    let first = producer.try_put(record("a")).expect("room for one more");
    let refused = producer.try_put(record("b")).expect_err("the rest is reserved");
    assert_eq!(refused.reason, RefusedReason::Full);
    let second = permit.put(record("c"));
    assert!(is_stored(&first.await) && is_stored(&second.await));

    let [one, other] = [producer.reserve().await, producer.reserve_for(3).await];
    let mut waiting = pin!(producer.put(record("d")));
    assert!(poll_once(waiting.as_mut()).is_pending());
    drop(one);
    let ticket = waiting.await.expect("the room was given back");
    drop(other);
    assert!(is_stored(&ticket.await));
    producer.close(None).await;
    assert_eq!(texts(&mock), ["a", "c", "d"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_a_record_comes_as_the_outcome_of_its_permit() {
    let producer = start(&mock(MS), build(bounded(2)));
    let cause = |delivery: headwaters::Delivery| match delivery.into_outcome() {
        Outcome::NotStored { cause, .. } => cause,
        other => panic!("{other:?}"),
    };
    let large = producer.reserve().await.put(record("123456"));
    assert_eq!(cause(large.await), Cause::RefusedTooLarge { limit: 10 });

    let permit = producer.reserve().await;
    let close = producer.close(Some(10 * MS));
    let (late, _) = tokio::join!(async { permit.put(record("late")).await }, close);
    // The put came first or the close did: in both cases there is an outcome.
    assert!(is_stored(&late) || cause(late) == Cause::Closed);
    let permit = producer.reserve().await;
    assert_eq!(cause(permit.put(record("x")).await), Cause::Closed);
}

/// A byte more than what is kept takes what more it needs, or says that it is not there.
#[tokio::test(start_paused = true)]
async fn a_record_beyond_its_reservation_fits_or_says_so() {
    let room = 2 * Bounds::RECORD_OVERHEAD + 4_000;
    let config = plain().max_user_record_size(2_000).bounds(Bounds { bytes: room, records: 9 });
    let producer = start(&mock(MS), build(config));
    let large = |key: &str| UserRecord::new(key, vec![0; 1_990]).expect("a valid record");
    let small = producer.reserve_for(10).await;
    assert!(is_stored(&small.put(large("a")).await), "there is more");
    let [first, second] = [producer.reserve().await, producer.reserve_for(10).await];
    let held = producer.try_put(large("b")).expect_err("reserved");
    assert_eq!(held.reason, RefusedReason::Full, "it fits when the permits are gone");
    let (first, second) = (first.put(large("c")), second.put(large("d")));
    assert!(is_stored(&first.await) && is_stored(&second.await));
}

#[tokio::test(start_paused = true)]
async fn tags_go_to_the_callback_even_after_it_panicked() {
    let mock = mock(MS);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&heard);
    let producer = Producer::builder()
        .stream(STREAM)
        .transport(mock.clone())
        .config(build(plain()))
        .on_outcome(move |tag, delivery| {
            assert_ne!(tag, 2, "a bug in a callback");
            ear.lock().expect("no panic in here").push((tag, is_stored(&delivery)));
        })
        .start()
        .expect("a runtime");
    for tag in 1..4 {
        producer.put_tagged(record("a"), tag).await.expect("room");
    }
    producer.try_put_tagged(record("b"), u64::MAX).expect("room");
    producer.close(None).await;
    assert_eq!(*heard.lock().expect("no panic"), [(1, true), (3, true), (u64::MAX, true)]);
}

fn records(count: usize) -> impl Iterator<Item = UserRecord> {
    (0..count).map(|number| record(&number.to_string()))
}

fn causes(report: &Report) -> Vec<(u64, Option<Cause>, bool)> {
    let line = |f: &headwaters::Failure| (f.index, f.cause(), f.maybe_stored());
    report.failures.iter().map(line).collect()
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_whole_input_is_delivered_and_only_what_failed_is_sent_again() {
    let mock = mock(MS);
    let failures = [(1, EntryFault::Throttled), (3, EntryFault::Throttled)];
    mock.script([Fault::FailEntries(failures.into_iter().collect()), Fault::LoseAnswer]);
    let producer = start(&mock, build(plain()));
    let report = producer.put_all(records(1_000), 60 * SECOND).await;
    assert!(report.is_complete(), "{report:?}");
    assert_eq!((report.stored, report.taken, report.maybe_duplicates), (1_000, 1_000, 500));
    assert_eq!(producer.put_all(records(0), SECOND).await.stored, 0);
    assert_eq!(producer.stats().outcomes_kept, 0);
}

#[tokio::test(start_paused = true)]
async fn a_report_says_which_were_not_stored_and_why() {
    let mock = mock(MS);
    let retry = RetryPolicy::Linear { max_attempts: 2, step: MS };
    let failures = || Fault::FailEntries([(2, EntryFault::Throttled)].into_iter().collect());
    let again = Fault::FailEntries([(0, EntryFault::Throttled)].into_iter().collect());
    mock.script([failures(), again]);
    let config = plain().retry(retry).max_user_record_size(10);
    let producer = start(&mock, build(config));
    let input = records(4).chain([record("too-large")]).chain(records(1));
    let report = producer.put_all(input, 60 * SECOND).await;
    let expected = [
        (2, Some(Cause::AttemptsExhausted), false),
        (4, Some(Cause::RefusedTooLarge { limit: 10 }), false),
    ];
    assert_eq!(causes(&report), expected);
    assert_eq!((report.stored, report.taken, report.whole), (4, 6, true));
    assert_eq!(report.failures[0].record(), Some(&record("2")));
    assert_eq!(report.failures[1].record(), Some(&record("too-large")));
}

/// The service is silent: what could not be put is left in the input, what was sent is unknown.
#[tokio::test(start_paused = true)]
async fn a_whole_input_ends_in_time() {
    let mock = mock(MS);
    mock.on_request(|_, _| Fault::NeverAnswer);
    let producer = start(&mock, build(bounded(3)));
    let before = tokio_now();
    let mut input = records(200);
    let report = producer.put_all(input.by_ref(), 2 * SECOND).await;
    assert_eq!(tokio_now() - before, 2 * SECOND);
    assert_eq!((report.stored, report.taken, report.whole), (0, 64, false));
    let (pending, refused): (Vec<_>, Vec<_>) =
        report.failures.iter().partition(|failure| failure.why == Why::Pending);
    assert_eq!((pending.len(), refused.len()), (3, 61));
    assert!(pending.iter().all(|failure| failure.maybe_stored() && failure.record().is_none()));
    assert_eq!(refused[0].record(), Some(&record("3")), "in the order of the input");
    assert_eq!(input.next(), Some(record("64")), "the caller has the rest");
}

/// Unsent records come back before the end, and not only then.
#[tokio::test(start_paused = true)]
async fn nothing_is_sent_in_the_last_part_of_the_time() {
    let mock = mock(MS);
    mock.on_request(|_, _| Fault::FailRequest(AttemptError::new(ErrorCode::ServiceUnavailable)));
    let producer = start(&mock, build(plain().retry(RetryPolicy::Kpl)));
    let before = tokio_now();
    let report = producer.put_all(records(3), 10 * SECOND).await;
    let elapsed = tokio_now() - before;
    assert!((8 * SECOND..=9 * SECOND + 10 * MS).contains(&elapsed), "{elapsed:?}");
    assert_eq!(report.failures.len(), 3);
    assert_eq!(report.failures[0].cause(), Some(Cause::Expired));
}

/// On one thread nobody else, the driver included, would have a turn before the room is used up. In real time: the other
/// task never rests, and a clock that is paused would stand still.
#[tokio::test]
async fn who_finds_room_each_time_lets_others_have_their_turn() {
    let producer = start(&mock(MS), build(plain()));
    let turns = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&turns);
    let other = tokio::spawn(async move {
        loop {
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    // Fewer than there is room for.
    let input = |turns: &Arc<AtomicUsize>| {
        let (turns, before) = (Arc::clone(turns), turns.load(Ordering::Relaxed));
        records(300_000).take_while(move |_| turns.load(Ordering::Relaxed) < before + 3)
    };
    let mut puts = [0; 3];
    for record in input(&turns) {
        drop(producer.put(record).await.expect("room for all"));
        puts[0] += 1;
    }
    for record in input(&turns) {
        producer.put_tagged(record, 0).await.expect("room for all");
        puts[1] += 1;
    }
    for record in input(&turns) {
        drop(producer.reserve_for(record.size()).await.put(record));
        puts[2] += 1;
    }
    assert!(puts.iter().all(|puts| *puts < 300_000), "{puts:?}");
    let report = producer.put_all(input(&turns), 30 * SECOND).await;
    assert!(report.is_complete() && report.taken < 300_000, "{}", report.taken);
    other.abort();
    producer.close(None).await;
}

/// Who waits for room is company enough.
#[tokio::test(start_paused = true)]
async fn what_fills_the_room_does_not_wait_for_company() {
    let mock = mock(10 * MS);
    let config = bounded(50).record_max_buffered_time(5 * SECOND);
    let producer = start(&mock, build(config));
    let before = tokio_now();
    for record in records(500) {
        drop(producer.put(record).await.expect("room comes"));
    }
    let (took, requests) = (tokio_now() - before, mock.requests());
    assert!(took < 200 * MS, "nine times a round trip: {took:?}");
    assert_eq!(requests, 9, "and what is held leaves together");
    producer.close(None).await;
    assert_eq!(texts(&mock).len(), 500);
}

/// Where the limiter holds records back, they are to be packed as well as they can be.
#[tokio::test(start_paused = true)]
async fn what_is_held_back_is_not_hurried() {
    let mock = mock(MS);
    let rate = RateLimit::Fixed { percent: 1 };
    let config = plain().rate_limit(rate).shard_prediction(ShardPrediction::On);
    let config = config.aggregation_enabled(true);
    let config = config.bounds(Bounds { bytes: 2_000_000, records: 200 });
    let producer = start(&mock, build(config));
    let before = tokio_now();
    for record in records(8_000) {
        drop(producer.put(record).await.expect("room comes"));
    }
    assert!(tokio_now() - before > SECOND, "it was held back");
    producer.close(None).await;
    let stats = producer.stats().engine;
    assert_eq!(stats.stored, 8_000);
    assert!(stats.entries < 8_000 / 10, "{} aggregates", stats.entries);
}

#[tokio::test(start_paused = true)]
async fn a_close_ends_a_whole_input() {
    let mock = mock(5 * MS);
    let producer = start(&mock, build(bounded(10)));
    let close = async {
        tokio::task::yield_now().await;
        producer.close(None).await
    };
    let (report, closed) = tokio::join!(producer.put_all(records(200), 60 * SECOND), close);
    assert_eq!((report.stored, report.taken, report.whole), (10, 64, false));
    assert_eq!(report.failures[0].cause(), Some(Cause::Closed));
    assert_eq!((report.failures.len(), closed.stats.engine.stored), (54, 10));
}

#[tokio::test(start_paused = true)]
async fn a_flush_with_a_deadline_says_what_it_leaves() {
    let mock = mock(5 * MS);
    mock.script([Fault::None, Fault::NeverAnswer]);
    let producer = start(&mock, build(plain()));
    drop(producer.put(record("a")).await.expect("room"));
    let before = tokio_now();
    assert_eq!(producer.flush_by(SECOND).await, 0);
    assert_eq!(tokio_now() - before, 5 * MS, "it does not wait for its deadline");
    let ticket = producer.put(record("b")).await.expect("room");
    assert_eq!(producer.flush_by(SECOND).await, 1);
    assert_eq!(tokio_now() - before, SECOND + 5 * MS);
    assert!(matches!(ticket.await.outcome, Outcome::Stored { .. }), "it stays in the producer");
    producer.close(None).await;
    assert_eq!(producer.flush_by(SECOND).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_purge_hands_everything_back_and_leaves_the_producer_open() {
    let mock = mock(MS);
    mock.script([Fault::NeverAnswer]);
    let config = plain().collection_max_count(1).max_requests_in_flight(1);
    let producer = start(&mock, build(config));
    let sent = producer.put(record("sent")).await.expect("room");
    tokio::task::yield_now().await;
    let unsent = producer.put(record("unsent")).await.expect("room");
    let purged = producer.purge();
    let purged: Vec<_> = purged.iter().map(|u| (u.record.clone(), u.maybe_stored)).collect();
    assert_eq!(purged, [(record("unsent"), false), (record("sent"), true)]);
    assert!(matches!(sent.await.outcome, Outcome::MaybeStored { cause: Cause::Purged, .. }));
    assert!(matches!(unsent.await.outcome, Outcome::NotStored { cause: Cause::Purged, .. }));
    assert!(is_stored(&producer.put(record("after")).await.expect("open").await));
    assert!(producer.purge().is_empty());
    producer.close(None).await;
    assert!(producer.purge().is_empty());
}

/// A process that was frozen: time has gone on, and the timers have not.
#[derive(Clone, Default)]
struct Frozen(Arc<AtomicU64>);

impl Clock for Frozen {
    fn now(&self) -> Instant {
        Instant::from_nanos(self.0.load(Ordering::Relaxed))
    }

    async fn sleep_until(&self, at: Instant) {
        if at > self.now() {
            core::future::pending().await
        }
    }

    fn frozen(&self) -> Duration {
        self.now().since(Instant::ZERO)
    }
}

/// Notes how many requests had been sent when it was told of a thaw.
struct Thawing {
    mock: Mock<Frozen>,
    told: Arc<Mutex<Vec<u64>>>,
}

impl Transport for Thawing {
    async fn list_shards(&self, request: ListShards) -> ListShardsResult {
        self.mock.list_shards(request).await
    }

    async fn put_records(&self, request: PutRecords) -> PutRecordsResult {
        self.mock.put_records(request).await
    }

    fn thawed(&self) {
        self.told.lock().expect("no panic").push(self.mock.requests());
    }
}

#[tokio::test]
async fn a_thaw_is_noticed_with_the_next_call() {
    let clock = Frozen::default();
    let mock = common::builder(1).build(clock.clone());
    let told = Arc::<Mutex<_>>::default();
    let transport = Arc::new(Thawing { mock: mock.clone(), told: Arc::clone(&told) });
    let builder = Producer::builder().clock(clock.clone()).stream(STREAM).transport(transport);
    let producer = builder.config(build(plain())).start().expect("a runtime");
    let stale = producer.put(record("stale")).await.expect("room");
    tokio::task::yield_now().await;
    let ten_minutes = 600_000_000_000;
    clock.0.store(ten_minutes, Ordering::Relaxed);
    let fresh = producer.put(record("fresh")).await.expect("room");
    let outcome = stale.await.into_outcome();
    assert!(matches!(outcome, Outcome::NotStored { cause: Cause::Expired, .. }), "{outcome:?}");
    producer.flush().await;
    assert!(is_stored(&fresh.await));
    assert_eq!(mock.user_records().len(), 1);
    assert_eq!(*told.lock().expect("no panic"), [0], "once, before anything was sent");
}

/// Nothing to do: the driver is not woken at all.
#[tokio::test(start_paused = true)]
async fn an_idle_producer_sleeps() {
    let producer = start(&mock(MS), Config::default());
    drop(producer.put(record("a")).await.expect("room"));
    producer.flush().await;
    tokio::time::advance(SECOND).await;
    let wakeups = producer.stats().wakeups;
    for _ in 0..100 {
        tokio::time::advance(3_600 * SECOND).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(producer.stats().wakeups, wakeups);
    assert!(wakeups < 10, "{wakeups}");
}
