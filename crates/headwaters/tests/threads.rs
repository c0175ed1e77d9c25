//! Without a runtime: threads, and drivers that are run by hand.

mod common;

use core::time::Duration;
use std::thread;

use common::{MS, STREAM, build, is_stored, plain, record};
use headwaters::blocking::Producer;
use headwaters::mock::{Fault, Mock, MockBuilder};
use headwaters::{
    Bounds, Config, ConfigBuilder, ListShards, ListShardsResult, Outcome, PutRecords,
    PutRecordsResult, RetryPolicy, ThreadClock, Transport, block_on,
};

fn start(mock: &Mock<ThreadClock>, config: ConfigBuilder) -> Producer {
    let builder = Producer::builder().stream(STREAM).transport(mock.clone());
    Producer::start(builder.config(build(config))).expect("a thread and a valid name")
}

fn mock(builder: MockBuilder) -> Mock<ThreadClock> {
    builder.build(ThreadClock::new())
}

#[test]
fn threads_put_and_wait() {
    let mock = mock(common::builder(4).latency(MS).unlimited());
    let bounds = Bounds { bytes: 2 * 1024 * 1024, records: 100 };
    let config = Config::builder().record_max_buffered_time(2 * MS).bounds(bounds);
    let producer = start(&mock, config);
    thread::scope(|scope| {
        for thread in 0..4 {
            let producer = producer.clone();
            scope.spawn(move || {
                for number in 0..500 {
                    let ticket = producer.put(record(&format!("{thread}-{number}")));
                    let ticket = ticket.expect("open");
                    if number % 50 == 0 {
                        assert!(is_stored(&ticket.wait()));
                    }
                }
            });
        }
    });
    let report = producer.close(None);
    assert_eq!((report.stats.engine.stored, mock.user_records().len()), (2_000, 2_000));
    assert!(producer.try_put(record("late")).is_err());
}

#[test]
fn a_thread_waits_for_what_is_flushed_and_for_no_longer_than_it_says() {
    let mock = mock(common::builder(1).latency(MS));
    mock.script([Fault::None, Fault::NeverAnswer]);
    let producer = start(&mock, plain().record_max_buffered_time(Duration::from_secs(60)));
    let ticket = producer.put(record("a")).expect("room");
    producer.flush();
    assert!(is_stored(&ticket.wait()));
    let ticket = producer.put(record("b")).expect("room");
    assert_eq!(producer.flush_by(20 * MS), 1);
    let report = producer.put_all([record("c")], Duration::from_secs(60));
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(producer.purge().len(), 1);
    assert!(matches!(ticket.wait().outcome, Outcome::MaybeStored { .. }));
}

/// The ways to a real Kinesis need tokio's timers, tasks and sockets.
#[test]
fn a_transport_that_needs_a_runtime_has_one() {
    let mock = mock(common::builder(1).latency(MS));
    let builder = Producer::builder().stream(STREAM).transport(OnTokio(mock));
    let config = plain().record_max_buffered_time(2 * MS);
    let producer = Producer::start(builder.config(build(config))).expect("a thread");
    for round in 0..3 {
        let ticket = producer.put(record(&round.to_string())).expect("room");
        assert!(is_stored(&ticket.wait()), "the producer's own timers go off, too");
    }
    assert_eq!(producer.close(None).stats.engine.stored, 3);
}

struct OnTokio(Mock<ThreadClock>);

impl Transport for OnTokio {
    async fn list_shards(&self, request: ListShards) -> ListShardsResult {
        self.0.list_shards(request).await
    }

    #[expect(clippy::disallowed_methods, reason = "a transport that has tokio's clock")]
    async fn put_records(&self, request: PutRecords) -> PutRecordsResult {
        tokio::spawn(tokio::time::sleep(MS)).await.expect("it ends");
        self.0.put_records(request).await
    }
}

#[test]
fn a_transport_that_panics_on_the_drivers_own_thread_loses_nothing() {
    let config = plain().retry(RetryPolicy::Linear { max_attempts: 2, step: MS });
    let builder = Producer::builder().stream(STREAM).transport(Panics).config(build(config));
    let producer = Producer::start(builder).expect("a thread and a valid name");
    let ticket = producer.put(record("a")).expect("room");
    let delivery = ticket.wait();
    assert!(matches!(delivery.outcome, Outcome::MaybeStored { .. }), "{delivery:?}");
    assert_eq!(delivery.attempts.count(), 2);
}

struct Panics;

impl Transport for Panics {
    async fn list_shards(&self, request: ListShards) -> ListShardsResult {
        panic!("a bug in a transport, asked for {request:?}");
    }

    async fn put_records(&self, request: PutRecords) -> PutRecordsResult {
        panic!("a bug in a transport, asked for {} entries", request.entries.len());
    }
}

#[test]
fn a_driver_that_is_dropped_gives_every_record_its_outcome() {
    let mock = mock(common::builder(1));
    let builder = Producer::builder().stream(STREAM).transport(mock);
    let (producer, driver) = builder.build().expect("a valid name");
    let producer = Producer::from(producer);
    let ticket = producer.put(record("a")).expect("room");
    drop(driver);
    assert!(matches!(ticket.wait().outcome, Outcome::NotStored { .. }));
    assert_eq!(producer.close(None).undelivered.len(), 1);
}

/// The driver is a future like any other: here it shares a thread with its caller.
#[test]
fn a_driver_runs_wherever_it_is_polled() {
    let mock = mock(common::builder(1).latency(MS));
    let builder = Producer::builder().stream(STREAM).transport(mock);
    let (producer, mut driver) = builder.build().expect("a valid name");
    let mut work = Box::pin(async {
        let ticket = producer.put(record("a")).await.expect("room");
        producer.flush().await;
        ticket.await
    });
    let delivery = block_on(core::future::poll_fn(|context| {
        let _ = core::pin::Pin::new(&mut driver).poll(context);
        work.as_mut().poll(context)
    }));
    assert!(is_stored(&delivery));
}
