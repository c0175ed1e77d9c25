//! The front door over the mock, mostly in virtual time.

mod common;

use core::num::NonZeroU32;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Waker};
use core::time::Duration;
use std::sync::{Arc, Mutex};

use common::log::Log;
use common::{MS, STREAM, build, builder, is_stored, mock, plain, record, start, texts, tokio_now};
use headwaters::mock::{EntryFault, Fault, Mock};
use headwaters::wire::{AttemptError, ErrorCode};
use headwaters::{
    Bounds, Cause, Config, ListShards, ListShardsResult, Outcome, Producer, PutRecords,
    PutRecordsResult, RefusedReason, RetryPolicy, StartError, TokioClock, Transport, UserRecord,
};

#[tokio::test(start_paused = true)]
async fn a_record_is_stored_after_its_wait_for_company() {
    let mock = mock(20 * MS);
    let producer = start(&mock, build(plain()));
    let before = tokio_now();
    let delivery = producer.put(record("a")).await.expect("room").await;
    assert!(is_stored(&delivery), "{delivery:?}");
    assert_eq!(tokio_now() - before, 120 * MS, "100 ms in the buffer, 20 ms on the way");
    assert_eq!((delivery.attempts.count(), texts(&mock)), (1, vec!["a".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn only_the_failed_entries_are_sent_again() {
    let mock = mock(MS);
    let failures = [(1, EntryFault::Throttled), (3, EntryFault::Throttled)];
    mock.script([Fault::FailEntries(failures.into_iter().collect())]);
    let producer = start(&mock, build(plain()));
    let mut tickets = Vec::new();
    for text in ["a", "b", "c", "d", "e"] {
        tickets.push(producer.put(record(text)).await.expect("room"));
    }
    let mut attempts = Vec::new();
    for ticket in tickets {
        let delivery = ticket.await;
        assert!(is_stored(&delivery), "{delivery:?}");
        attempts.push(delivery.attempts.count());
    }
    assert_eq!(attempts, [1, 2, 1, 2, 1]);
    assert_eq!(texts(&mock), ["a", "c", "e", "b", "d"]);
    assert_eq!(mock.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_told_of() {
    let mock = mock(MS);
    mock.script([Fault::LoseAnswer]);
    let producer = start(&mock, build(plain()));
    let delivery = producer.put(record("a")).await.expect("room").await;
    assert!(matches!(delivery.outcome, Outcome::Stored { maybe_duplicate: true, .. }));
    assert_eq!(texts(&mock), ["a", "a"], "and it was stored twice indeed");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_does_not_exist_fails_at_once() {
    let mock = mock(MS);
    let elsewhere = Producer::builder().stream("elsewhere").transport(mock).start();
    let producer = elsewhere.expect("a runtime and a valid name");
    let delivery = producer.put(record("a")).await.expect("room").await;
    let Outcome::NotStored { cause, record: back } = delivery.clone().into_outcome() else {
        panic!("not stored")
    };
    assert_eq!(cause, Cause::Permanent(ErrorCode::ResourceNotFoundException));
    assert_eq!((back, delivery.attempts.count()), (record("a"), 1));
}

#[tokio::test(start_paused = true)]
async fn a_silent_service_is_given_up_and_tried_again() {
    let mock = mock(MS);
    mock.script([Fault::NeverAnswer]);
    let producer = start(&mock, build(plain()));
    let before = tokio_now();
    let delivery = producer.put(record("a")).await.expect("room").await;
    assert!(matches!(delivery.outcome, Outcome::Stored { maybe_duplicate: true, .. }));
    // In the buffer, until the timeout, the wait of the retry policy, the round trip: the cancel is answered at
    // once, for the driver drops the request.
    assert_eq!(tokio_now() - before, 100 * MS + 6_000 * MS + 100 * MS + MS);
    let codes: Vec<_> =
        delivery.attempts.kept().iter().map(|a| a.error.as_ref().map(|e| &e.code)).collect();
    assert_eq!(codes, [Some(&ErrorCode::RequestTimeout), None]);
}

fn small() -> Config {
    let bounds = Bounds { bytes: 10_000, records: 2 };
    let config = plain().max_user_record_size(4).bounds(bounds);
    build(config)
}

#[tokio::test(start_paused = true)]
async fn put_waits_for_room_and_try_put_hands_the_record_back() {
    let mock = mock(MS);
    let producer = start(&mock, small());
    let first = producer.try_put(record("a")).expect("room");
    let _second = producer.try_put(record("b")).expect("room");
    let refused = producer.try_put(record("c")).expect_err("no room");
    assert_eq!((refused.reason, refused.record), (RefusedReason::Full, record("c")));

    // A put that is given up while it waits has accepted nothing.
    let waiting = tokio::spawn({
        let producer = producer.clone();
        async move { drop(producer.put(record("x")).await) }
    });
    tokio::task::yield_now().await;
    waiting.abort();

    let third = producer.put(record("c")).await.expect("it waits");
    assert!(is_stored(&first.await) && is_stored(&third.await));
    producer.close(None).await;
    assert_eq!(texts(&mock), ["a", "b", "c"]);
    let refused = producer.try_put(record("large")).expect_err("closed");
    assert_eq!(refused.reason, RefusedReason::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_record_beyond_the_streams_limit_comes_back() {
    let producer = start(&mock(MS), small());
    let refused = producer.put(record("abc")).await.expect_err("6 bytes with its key");
    assert_eq!(refused.reason, RefusedReason::TooLarge { limit: 4 });
    assert_eq!(producer.stats().engine.refused, 1);
}

#[tokio::test(start_paused = true)]
async fn flush_waits_for_all_that_came_before_it() {
    let mock = mock(5 * MS);
    mock.script([Fault::FailRequest(AttemptError::new(ErrorCode::ServiceUnavailable))]);
    let producer = start(&mock, build(plain()));
    for text in ["a", "b"] {
        drop(producer.put(record(text)).await.expect("room"));
    }
    let before = tokio_now();
    let flush = producer.flush();
    // What comes after a flush may ride along; the flush does not wait for it.
    let (_, late) = tokio::join!(flush, producer.put(record("late")));
    assert_eq!(tokio_now() - before, 110 * MS, "two round trips and one wait of 100 ms");
    assert_eq!(producer.stats().engine.stored + producer.stats().engine.buffered, 3);
    let late = late.expect("room").await;
    assert!(matches!(late.outcome, Outcome::Stored { .. }), "{late:?}");
    assert_eq!(producer.stats().engine.stored, 3, "dropped tickets drop no records");
    producer.flush().await;
}

#[tokio::test(start_paused = true)]
async fn close_ends_in_time_and_hands_back() {
    let mock = mock(MS);
    mock.script([Fault::NeverAnswer]);
    let config = plain().collection_max_count(1).max_requests_in_flight(1);
    let producer = start(&mock, build(config));
    let sent = producer.put(record("sent")).await.expect("room");
    tokio::task::yield_now().await;
    let unsent = producer.put(record("unsent")).await.expect("room");
    let before = tokio_now();
    let (report, again) =
        tokio::join!(producer.close(Some(300 * MS)), producer.close(Some(Duration::from_secs(60))));
    assert_eq!(tokio_now() - before, 300 * MS, "the nearer deadline counts");
    assert_eq!(report, again);
    let undelivered: Vec<_> =
        report.undelivered.iter().map(|u| (u.record.clone(), u.maybe_stored)).collect();
    assert_eq!(undelivered, [(record("unsent"), false), (record("sent"), true)]);
    assert!(matches!(sent.await.outcome, Outcome::MaybeStored { cause: Cause::Closed, .. }));
    assert!(matches!(unsent.await.outcome, Outcome::NotStored { cause: Cause::Closed, .. }));
    assert_eq!((report.stats.engine.handed_back, report.stats.engine.accepted), (2, 2));
    assert_eq!(producer.close(None).await, report, "closing again tells the same");
    producer.flush().await;
}

#[tokio::test(start_paused = true)]
async fn a_close_wakes_those_who_wait_for_room() {
    let mock = mock(MS);
    mock.script([Fault::NeverAnswer]);
    let producer = start(&mock, small());
    let _first = producer.try_put(record("a")).expect("room");
    let _second = producer.try_put(record("b")).expect("room");
    let before = tokio_now();
    let put = async {
        let refused = producer.put(record("c")).await.expect_err("closed");
        (refused.reason, tokio_now() - before)
    };
    let (put, _) = tokio::join!(put, producer.close(Some(10 * MS)));
    assert_eq!(put, (RefusedReason::Closed, Duration::ZERO), "not only when the close ends");
}

#[tokio::test(start_paused = true)]
async fn a_close_sends_at_once_what_waits_for_company() {
    let mock = mock(MS);
    let producer = start(&mock, build(plain()));
    let ticket = producer.put(record("a")).await.expect("room");
    let before = tokio_now();
    producer.close(None).await;
    assert_eq!(tokio_now() - before, MS, "one round trip");
    assert!(is_stored(&ticket.await));
}

/// The retry keeps its wait of 100 ms, its deadline is the same, and the flush sees it through.
#[tokio::test(start_paused = true)]
async fn attempts_say_when_they_were() {
    let mock = mock(4 * MS);
    mock.script([Fault::FailRequest(AttemptError::new(ErrorCode::ThrottlingException))]);
    let producer = start(&mock, build(plain()));
    let ticket = producer.put(record("a")).await.expect("room");
    producer.flush().await;
    let delivery = ticket.await;
    let attempts = &delivery.attempts;
    let times = attempts.kept().iter().map(|attempt| attempt.end.since(attempt.start));
    assert_eq!(times.collect::<Vec<_>>(), [4 * MS, 4 * MS]);
    let [first, second] = attempts.kept() else { panic!("two attempts") };
    assert_eq!(second.start.since(first.end), 100 * MS);
}

/// A connection that is not made before the timeout has sent nothing: that is certain, and stays so.
#[tokio::test(start_paused = true)]
async fn a_request_that_never_left_leaves_no_doubt() {
    let retry = RetryPolicy::Linear { max_attempts: 2, step: MS };
    let config = plain().request_timeout(200 * MS).retry(retry);
    let transport = Stuck { sent_again: mock(MS), first: Mutex::new(true) };
    let builder = Producer::builder().stream(STREAM).transport(Arc::new(transport));
    let producer = builder.config(build(config)).start().expect("a runtime");
    let delivery = producer.put(record("a")).await.expect("room").await;
    assert!(is_stored(&delivery), "{delivery:?}");
    let code = delivery.attempts.kept()[0].error.as_ref().map(|error| &error.code);
    assert_eq!(code, Some(&ErrorCode::NotSent));
}

/// Holds the first request for ever and sends the others.
struct Stuck {
    sent_again: Mock<TokioClock>,
    first: Mutex<bool>,
}

impl Transport for Stuck {
    async fn list_shards(&self, request: ListShards) -> ListShardsResult {
        self.sent_again.list_shards(request).await
    }

    async fn put_records(&self, request: PutRecords) -> PutRecordsResult {
        if core::mem::take(&mut *self.first.lock().expect("no panic")) {
            request.departure.hold();
            return core::future::pending().await;
        }
        self.sent_again.put_records(request).await
    }
}

/// All answers come in the same moment, and each is heard.
#[tokio::test(start_paused = true)]
async fn answers_that_come_together_are_all_heard() {
    let mock = mock(5 * MS);
    let config = plain().collection_max_count(1);
    let producer = start(&mock, build(config));
    let mut tickets = Vec::new();
    for number in 0..20 {
        tickets.push(producer.put(record(&number.to_string())).await.expect("room"));
    }
    let before = tokio_now();
    for ticket in tickets {
        let delivery = ticket.await;
        assert!(is_stored(&delivery) && delivery.attempts.count() == 1, "{delivery:?}");
    }
    assert_eq!((mock.requests(), tokio_now() - before), (20, 5 * MS));
}

/// Small records come all the time; the large one is served in its turn.
#[tokio::test(start_paused = true)]
async fn a_large_record_is_not_overtaken_for_ever() {
    let bounds = Bounds { bytes: 8_000, records: 100 };
    let config = Config::builder().max_user_record_size(5_000).bounds(bounds);
    let producer = start(&mock(MS), build(config));
    let small = tokio::spawn({
        let producer = producer.clone();
        async move {
            for number in 0..2_000 {
                drop(producer.put(record(&number.to_string())).await);
            }
        }
    });
    tokio::task::yield_now().await;
    let large = UserRecord::new("large", vec![0; 4_900]).expect("a valid record");
    let ticket = producer.put(large).await.expect("its turn comes");
    assert!(producer.stats().engine.accepted < 1_000, "{:?}", producer.stats());
    assert!(is_stored(&ticket.await));
    small.abort();
}

/// Many puts with room for one record: every wake-up counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_wake_up_is_lost_where_there_is_room_for_one() {
    let mock = mock(Duration::ZERO);
    let bounds = Bounds { bytes: 2 * 1024 * 1024, records: 1 };
    let config = Config::builder().record_max_buffered_time(Duration::ZERO).bounds(bounds);
    let producer = start(&mock, build(config));
    let tasks = (0..4).map(|task| {
        let producer = producer.clone();
        tokio::spawn(async move {
            for number in 0..500 {
                drop(producer.put(record(&format!("{task}-{number}"))).await.expect("open"));
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.expect("no panic");
    }
    assert_eq!(producer.close(None).await.stats.engine.stored, 2_000);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_producer_says_what_it_leaves_and_goes_on() {
    let mock = mock(MS);
    // Whoever is the first to warn asks once whether anybody listens, and that may be another test, where nobody does.
    let first = start(&mock, build(plain()));
    drop(first.put(record("before")).await.expect("room"));
    drop(first);
    let (log, _guard) = Log::listen();
    let producer = start(&mock, build(plain()));
    let ticket = producer.put(record("a")).await.expect("room");
    drop(producer.clone());
    assert_eq!(log.warned("records"), [0; 0], "other handles are left");
    drop(producer);
    assert_eq!(log.warned("records"), [1]);
    assert!(is_stored(&ticket.await));
}

#[test]
fn a_runtime_that_stops_leaves_no_ticket_without_an_outcome() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build();
    let first = runtime().expect("a runtime");
    let (sent, unsent, producer) = first.block_on(async {
        let mock = mock(Duration::ZERO);
        mock.script([Fault::NeverAnswer]);
        let config = plain().collection_max_count(1).max_requests_in_flight(1);
        let producer = start(&mock, build(config));
        let sent = producer.put(record("sent")).await.expect("room");
        tokio::task::yield_now().await;
        (sent, producer.put(record("unsent")).await.expect("room"), producer)
    });
    drop(first);
    runtime().expect("a runtime").block_on(async {
        assert!(matches!(sent.await.outcome, Outcome::MaybeStored { .. }));
        assert!(matches!(unsent.await.outcome, Outcome::NotStored { .. }));
        assert!(producer.put(record("late")).await.is_err());
        producer.flush().await;
        assert_eq!(producer.close(None).await.undelivered.len(), 2);
    });
}

/// Another thread's call may be the one that finds that all is over, while the driver's runtime does not run: it leaves the
/// rest to the driver, which is then gone.
#[test]
fn a_close_that_ends_beside_a_runtime_that_stops_is_told() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime");
    let (tagged, told) = std::sync::mpsc::channel();
    let producer = runtime.block_on(async {
        let builder = Producer::builder().stream(STREAM).transport(mock(Duration::ZERO));
        let builder = builder.config(build(plain())).on_outcome(move |tag, _| {
            let _ = tagged.send(tag);
        });
        let producer = builder.start().expect("a runtime and a valid name");
        tokio::task::yield_now().await;
        producer
    });
    producer.try_put_tagged(record("a"), 7).expect("room");
    let mut close = Box::pin(producer.close(None));
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    assert!(close.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    assert_eq!(producer.purge().len(), 1);
    drop(runtime);
    assert!(woken.0.load(Ordering::Relaxed), "who closes it is told");
    assert!(close.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    assert_eq!(told.try_recv(), Ok(7), "and so is who gave it a callback");
}

#[derive(Default)]
struct Woken(AtomicBool);

impl std::task::Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Panics;

impl Transport for Panics {
    async fn list_shards(&self, request: ListShards) -> ListShardsResult {
        panic!("a bug in a transport, asked for {request:?}");
    }

    async fn put_records(&self, request: PutRecords) -> PutRecordsResult {
        assert!(request.entries.is_empty(), "a bug in a transport");
        Ok(Vec::new())
    }
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_panics_loses_nothing() {
    let retry = RetryPolicy::Linear { max_attempts: 2, step: MS };
    let config = build(plain().retry(retry));
    let builder = Producer::builder().stream(STREAM).transport(Panics).config(config);
    let producer = builder.start().expect("a runtime and a valid name");
    let delivery = producer.put(record("a")).await.expect("room").await;
    let Outcome::MaybeStored { cause, record: back } = delivery.into_outcome() else {
        panic!("unknown")
    };
    assert_eq!((cause, back), (Cause::AttemptsExhausted, record("a")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_share_a_producer() {
    let mock = builder(8).unlimited().build(TokioClock::new());
    let bounds = Bounds { bytes: 2 * 1024 * 1024, records: 700 };
    let config = Config::builder().record_max_buffered_time(MS).bounds(bounds);
    let producer = start(&mock, build(config));
    let tasks = (0..8).map(|task| {
        let producer = producer.clone();
        tokio::spawn(async move {
            for number in 0..2_000 {
                let text = format!("{task}-{number}");
                let ticket = producer.put(record(&text)).await.expect("not closed");
                if number % 100 == 0 {
                    assert!(is_stored(&ticket.await));
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.expect("no panic");
    }
    let report = producer.close(None).await;
    assert_eq!((report.stats.engine.stored, report.undelivered.len()), (16_000, 0));
    let mut stored = texts(&mock);
    assert_eq!(
        (stored.len(), report.stats.engine.timeouts),
        (16_000, 0),
        "once each, every answer heard"
    );
    stored.sort_unstable();
    stored.dedup();
    assert_eq!(stored.len(), 16_000);
}

#[test]
fn what_is_missing_is_named() {
    let name = || STREAM.try_into().expect("a valid name");
    let clock = TokioClock::new;
    let mock = || Mock::builder(name(), NonZeroU32::MIN).build(clock());
    let error = Producer::builder().stream(STREAM).transport(mock()).start();
    assert_eq!(error.err(), Some(StartError::NoRuntime));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let _guard = runtime.enter();
    let error = Producer::builder().transport(mock()).start();
    assert_eq!(error.err(), Some(StartError::StreamMissing));
    let error = Producer::builder().stream("a b").transport(mock()).start();
    let message = error.expect_err("a space").to_string();
    assert_eq!(message, "the stream name has a character outside [a-zA-Z0-9_.-] at byte 1");
}

#[test]
fn handles_can_be_shared_between_threads() {
    fn shared<T: Clone + Send + Sync + 'static>() {}
    fn sent<T: Send + Sync + Unpin + 'static>() {}
    shared::<Producer>();
    sent::<headwaters::Ticket>();
}
