//! The hand-over under many interleavings of threads: nobody waits for ever, nothing is lost.
//!
//! `RUSTFLAGS='--cfg shuttle' cargo test -p headwaters --test shuttle`
#![cfg(shuttle)]

use core::time::Duration;

use headwaters::wire::{Placement, ShardId};
use headwaters::{
    Bounds, Client, Clock, CloseReport, Config, Driver, Instant, ListShards, ListShardsResult,
    Outcome, Producer, PutRecords, PutRecordsResult, RateLimit, ShardPrediction, Transport,
    UserRecord,
};
use shuttle::future::block_on;
use shuttle::thread;

const ITERATIONS: usize = 2_000;

/// Time stands still: whatever happens, happens because somebody is told.
struct Still;

impl Clock for Still {
    fn now(&self) -> Instant {
        Instant::ZERO
    }

    async fn sleep_until(&self, at: Instant) {
        if at > Instant::ZERO {
            core::future::pending().await
        }
    }
}

/// Stores everything, after the other threads had their chance.
struct AtOnce;

impl Transport for AtOnce {
    async fn list_shards(&self, _: ListShards) -> ListShardsResult {
        panic!("nothing is foretold")
    }

    async fn put_records(&self, request: PutRecords) -> PutRecordsResult {
        shuttle::future::yield_now().await;
        let placement = Placement {
            sequence_number: "1".parse().expect("a digit"),
            shard: ShardId::numbered(0),
        };
        Ok(request.entries.iter().map(|_| Ok(placement.clone())).collect())
    }
}

/// Room for so many records, each of which leaves at once.
fn config(records: usize) -> Config {
    Config::builder()
        .aggregation_enabled(false)
        .bounds(Bounds { bytes: 4 * 1024 * 1024, records })
        .rate_limit(RateLimit::Off)
        .record_max_buffered_time(Duration::ZERO)
        .shard_prediction(ShardPrediction::Off)
        .build()
        .expect("valid settings")
}

fn start(records: usize) -> (Producer, thread::JoinHandle<()>) {
    let builder = Producer::with_clock(Still).stream("orders").transport(AtOnce);
    let (producer, driver) = builder.config(config(records)).build().expect("a valid name");
    (producer, drive(driver))
}

fn drive(driver: Driver) -> thread::JoinHandle<()> {
    thread::spawn(move || block_on(driver))
}

fn record() -> UserRecord {
    UserRecord::new("k", "v").expect("a valid record")
}

fn check(report: &CloseReport, stored: u64) {
    let stats = report.stats.engine;
    assert_eq!((stats.accepted, stats.stored, report.undelivered.len()), (stored, stored, 0));
}

#[test]
fn every_ticket_has_its_outcome() {
    let world = || {
        let (producer, driver) = start(2);
        let caller = |awaits: bool| {
            let producer = producer.clone();
            thread::spawn(move || {
                for _ in 0..2 {
                    let ticket = block_on(producer.put(record())).expect("open");
                    if awaits {
                        assert!(matches!(block_on(ticket).outcome, Outcome::Stored { .. }));
                    }
                }
            })
        };
        let callers = [caller(true), caller(false)];
        callers.into_iter().for_each(|caller| caller.join().expect("no panic"));
        check(&block_on(producer.close(None)), 4);
        driver.join().expect("no panic");
    };
    shuttle::check_random(world, ITERATIONS);
}

#[test]
fn who_waits_for_room_gets_it_or_is_told_of_the_close() {
    let world = || {
        let (producer, driver) = start(1);
        let callers = [(); 3].map(|()| {
            let producer = producer.clone();
            thread::spawn(move || {
                let put = block_on(producer.put(record()));
                put.is_ok_and(|ticket| matches!(block_on(ticket).outcome, Outcome::Stored { .. }))
            })
        });
        let report = block_on(producer.close(None));
        let stored = callers.map(|caller| caller.join().expect("no panic"));
        check(&report, stored.into_iter().filter(|stored| *stored).count() as u64);
        driver.join().expect("no panic");
    };
    shuttle::check_random(world, ITERATIONS);
}

#[test]
fn a_place_that_is_given_up_goes_to_the_next() {
    let world = || {
        let (producer, driver) = start(1);
        let other = producer.clone();
        let fickle = thread::spawn(move || {
            let mut put = Box::pin(other.put(record()));
            let once = core::future::poll_fn(|context| {
                let poll = put.as_mut().poll(context);
                core::task::Poll::Ready(poll.is_ready())
            });
            block_on(once)
        });
        let other = producer.clone();
        let reserving = thread::spawn(move || {
            let permit = block_on(other.reserve_for(2));
            thread::yield_now();
            drop(permit);
        });
        let ticket = block_on(producer.put(record())).expect("open");
        assert!(matches!(block_on(ticket).outcome, Outcome::Stored { .. }));
        let accepted = fickle.join().expect("no panic");
        reserving.join().expect("no panic");
        check(&block_on(producer.close(None)), 1 + u64::from(accepted));
        driver.join().expect("no panic");
    };
    shuttle::check_random(world, ITERATIONS);
}

#[test]
fn flushes_and_whole_inputs_end_while_others_put() {
    let world = || {
        let (producer, driver) = start(2);
        let other = producer.clone();
        let flushing = thread::spawn(move || {
            drop(block_on(other.put(record())).expect("open"));
            block_on(other.flush());
            other.stats().engine.stored
        });
        let input = core::iter::repeat_with(record).take(3);
        let report = block_on(producer.put_all(input, Duration::from_secs(1)));
        assert!(report.is_complete() && report.stored == 3, "{report:?}");
        assert!(flushing.join().expect("no panic") >= 1);
        check(&block_on(producer.close(None)), 4);
        driver.join().expect("no panic");
    };
    shuttle::check_random(world, ITERATIONS);
}

#[test]
fn a_driver_that_goes_leaves_nobody_waiting() {
    let world = || {
        let builder = Producer::with_clock(Still).stream("orders").transport(AtOnce);
        let (producer, mut driver) = builder.config(config(1)).build().expect("a valid name");
        let gone = thread::spawn(move || {
            let once = core::future::poll_fn(|context| {
                let _ = core::pin::Pin::new(&mut driver).poll(context);
                core::task::Poll::Ready(())
            });
            block_on(once);
            drop(driver);
        });
        for _ in 0..2 {
            if let Ok(ticket) = block_on(producer.put(record())) {
                drop(block_on(ticket));
            }
        }
        gone.join().expect("no panic");
        let stats = block_on(producer.close(None)).stats.engine;
        assert_eq!(stats.accepted, stats.stored + stats.handed_back);
    };
    shuttle::check_random(world, ITERATIONS);
}

#[test]
fn a_shared_budget_is_passed_on() {
    let world = || {
        let bounds = Bounds { bytes: 4 * 1024 * 1024, records: 1 };
        let client = Client::new(AtOnce).bounds(bounds).max_requests_in_flight(1);
        let sides = ["one", "other"].map(|stream| {
            let builder = client.producer_with_clock(stream, Still).config(config(2));
            let (producer, driver) = builder.build().expect("a valid name");
            (producer, drive(driver))
        });
        let callers = sides.each_ref().map(|(producer, _)| {
            let producer = producer.clone();
            thread::spawn(move || {
                for _ in 0..2 {
                    drop(block_on(producer.put(record())).expect("open"));
                }
            })
        });
        callers.into_iter().for_each(|caller| caller.join().expect("no panic"));
        for (producer, driver) in sides {
            check(&block_on(producer.close(None)), 2);
            driver.join().expect("no panic");
        }
        assert_eq!(client.held().map(|held| held.records), Some(0));
    };
    shuttle::check_random(world, ITERATIONS);
}
