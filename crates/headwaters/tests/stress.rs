//! Many callers, little room, a transport that stalls, dies and comes back; calls that are given up wherever they wait.

mod common;

use core::pin::pin;
use core::task::Poll;
use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::Arc;

use common::{MS, build, mock, plain, record, start, texts};
use headwaters::mock::{Fault, Mock};
use headwaters::{Bounds, Outcome, Producer, RetryPolicy, TokioClock};

const SECOND: Duration = Duration::from_secs(1);
const TASKS: usize = 64;
const EACH: usize = 50;

/// Polls a future so many times, each time it is woken, then drops it; `None` if it was not ready by then.
async fn give_up_after<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    core::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

fn small() -> Bounds {
    Bounds { bytes: 20_000, records: 20 }
}

fn producer(mock: &Mock<TokioClock>) -> Producer {
    let config = plain()
        .bounds(small())
        .collection_max_count(5)
        .max_user_record_size(100)
        .record_max_buffered_time(10 * MS)
        .record_ttl(None)
        .request_timeout(SECOND)
        .retry(RetryPolicy::Exponential { base: 100 * MS, cap: SECOND });
    start(mock, build(config))
}

/// The 64 tasks keep their tickets and never look at them.
#[tokio::test(start_paused = true)]
async fn nothing_is_lost_where_everything_goes_wrong() {
    let mock = mock(5 * MS);
    mock.on_request(|number, _| match number {
        20..25 => Fault::NeverAnswer,
        40..60 => Fault::RefuseConnection,
        70..75 => Fault::LoseAnswer,
        _ => Fault::None,
    });
    let producer = producer(&mock);
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let producer = producer.clone();
            tokio::spawn(async move {
                let mut tickets = Vec::new();
                for number in 0..EACH {
                    let record = record(&format!("{task}-{number}"));
                    tickets.push(producer.put(record).await.expect("open"));
                    let held = producer.stats().engine;
                    assert!(held.bytes_held <= small().bytes as u64, "{held:?}");
                    assert!(held.buffered + held.in_flight <= small().records as u64, "{held:?}");
                }
                tickets
            })
        })
        .collect();
    let mut tickets = Vec::new();
    for task in tasks {
        tickets.extend(task.await.expect("no panic"));
    }
    let report = producer.close(None).await;
    let all = (TASKS * EACH) as u64;
    let stats = report.stats;
    assert_eq!((stats.engine.accepted, stats.engine.stored), (all, all), "{stats:?}");
    assert_eq!(stats.outcomes_kept, all, "they wait for whoever has the tickets");
    let stored = texts(&mock);
    let distinct: BTreeSet<_> = stored.iter().collect();
    assert_eq!(distinct.len() as u64, all);
    let mut doubtful = 0;
    for ticket in tickets {
        let Outcome::Stored { maybe_duplicate, .. } = ticket.await.outcome else {
            panic!("stored")
        };
        doubtful += usize::from(maybe_duplicate);
    }
    let is_repeated = |text: &&&String| stored.iter().filter(|other| other == *text).count() > 1;
    let repeated = distinct.iter().filter(is_repeated).count();
    assert!((1..=doubtful).contains(&repeated), "{repeated} repeated, {doubtful} announced");
    // Some for each request: its answer, its deadline, its limiter; none in between.
    assert!(stats.wakeups <= 8 * stats.engine.requests, "{stats:?}");
}

#[tokio::test(start_paused = true)]
async fn a_put_that_is_given_up_has_put_nothing() {
    let mock = mock(5 * MS);
    let producer = Arc::new(producer(&mock));
    let mut expected = BTreeSet::new();
    for polls in 0..6 {
        // There is no room at first.
        for number in 0..20 {
            let text = format!("{polls}-{number}");
            drop(producer.put(record(&text)).await.expect("open"));
            expected.insert(text);
        }
        let calls: Vec<_> = (0..5)
            .map(|call| {
                let producer = Arc::clone(&producer);
                tokio::spawn(async move {
                    let text = format!("{polls}-x{call}");
                    let put = give_up_after(polls, producer.put(record(&text))).await;
                    put.map(|ticket| (ticket.expect("open"), text))
                })
            })
            .collect();
        let behind = producer.put(record(&format!("{polls}-behind"))).await.expect("open");
        expected.insert(format!("{polls}-behind"));
        for call in calls {
            if let Some((ticket, text)) = call.await.expect("no panic") {
                drop(ticket);
                expected.insert(text);
            }
        }
        drop(behind.await);
    }
    producer.close(None).await;
    assert_eq!(texts(&mock).into_iter().collect::<BTreeSet<_>>(), expected);
}

/// Whatever is given up, and after however many polls, what was accepted is delivered and others go on.
#[tokio::test(start_paused = true)]
async fn calls_that_are_given_up_leave_nothing_behind() {
    for polls in 0..12 {
        let mock = mock(5 * MS);
        let producer = producer(&mock);
        let input = (0..100).map(|number| record(&number.to_string()));
        drop(give_up_after(polls, producer.put_all(input, 60 * SECOND)).await);
        drop(give_up_after(polls, producer.reserve()).await);
        drop(give_up_after(polls, producer.put_tagged(record("tagged"), 1)).await);
        let _ = give_up_after(polls, producer.flush()).await;
        let _ = give_up_after(polls, producer.flush_by(MS)).await;
        let ticket = producer.put(record("ticket")).await.expect("open");
        drop(give_up_after(polls, ticket).await);
        drop(give_up_after(polls, producer.close(None)).await);
        let stats = producer.close(None).await.stats;
        if polls > 0 {
            assert!(producer.put(record("late")).await.is_err(), "a close goes on");
        }
        assert_eq!(stats.engine.accepted, stats.engine.stored, "{stats:?}");
        assert_eq!(texts(&mock).len() as u64, stats.engine.stored);
        assert_eq!((stats.outcomes_kept, stats.puts_waiting), (0, 0), "{stats:?}");
    }
}
