//! Whoever asks why is told: by the outcome, by the report, and in the log while there is no outcome yet.

mod common;

use core::time::Duration;

use common::log::Log;
use common::{MS, build, mock, plain, record, start};
use headwaters::mock::{Fault, ListFault};
use headwaters::wire::{AttemptError, ErrorCode, Message};
use headwaters::{MapStatus, RetryPolicy};

const SECOND: Duration = Duration::from_secs(1);

/// A service that nobody can reach.
fn refused(message: &str) -> Fault {
    let error = AttemptError::with_message(ErrorCode::ConnectFailed, Message::new(message));
    Fault::FailRequest(error)
}

#[tokio::test(start_paused = true)]
async fn an_outcome_says_what_went_wrong_last() {
    let mock = mock(MS);
    mock.on_request(|_, _| refused("no route to host"));
    let retry = RetryPolicy::Linear { max_attempts: 2, step: MS };
    let producer = start(&mock, build(plain().retry(retry)));
    let delivery = producer.put(record("a")).await.expect("room").await;
    assert_eq!(
        delivery.to_string(),
        "not stored: no attempts are left (see `retry`), after 2 attempts; the last: ConnectFailed: no route to host"
    );
    let error = delivery.last_error().expect("it failed");
    assert_eq!(
        (&error.code, error.message.as_str()),
        (&ErrorCode::ConnectFailed, "no route to host")
    );

    mock.on_request(|_, _| Fault::None);
    let stored = producer.put(record("b")).await.expect("room").await;
    assert!(stored.to_string().starts_with("stored on shardId-00000000000"), "{stored}");
    assert_eq!(stored.last_error(), None);
}

#[tokio::test(start_paused = true)]
async fn a_report_and_what_a_close_hands_back_say_it_too() {
    let mock = mock(MS);
    mock.on_request(|_, _| refused("no route to host"));
    let retry = RetryPolicy::Linear { max_attempts: u32::MAX, step: 50 * MS };
    let producer = start(&mock, build(plain().retry(retry)));
    let report = producer.put_all([record("a")], 2 * SECOND).await;
    let [failure] = &report.failures[..] else { panic!("{report:?}") };
    let said = failure.to_string();
    assert!(said.starts_with("record 0: not stored: its time to live ended"), "{said}");
    assert!(said.ends_with("; the last: ConnectFailed: no route to host"), "{said}");
    assert_eq!(failure.last_error().map(|error| &error.code), Some(&ErrorCode::ConnectFailed));

    let late = producer.put(record("b")).await.expect("room");
    let report = producer.close(Some(10 * MS)).await;
    assert_eq!(
        report.undelivered[0].last_error, None,
        "one at a time is tried, and this was not the one"
    );
    assert_eq!(report.last_error.expect("none was answered").message.as_str(), "no route to host");
    drop(late);

    let producer = start(&mock, build(plain().retry(retry)));
    let ticket = producer.put(record("b")).await.expect("room");
    let report = producer.close(Some(SECOND)).await;
    let [undelivered] = &report.undelivered[..] else { panic!("{report:?}") };
    let error = undelivered.last_error.as_ref().expect("it was tried");
    assert_eq!(error.message.as_str(), "no route to host");
    assert!(ticket.await.to_string().contains("the producer was closed, after "));
    let late = producer.put(record("c")).await.expect_err("closed");
    assert_eq!(late.to_string(), "the producer is closed");
}

#[tokio::test(start_paused = true)]
async fn what_was_never_sent_says_so() {
    let producer = start(&mock(MS), build(plain().record_max_buffered_time(10 * SECOND)));
    let ticket = producer.put(record("a")).await.expect("room");
    let report = producer.close(Some(Duration::ZERO)).await;
    assert_eq!(report.undelivered[0].last_error, None);
    assert_eq!(ticket.await.to_string(), "not stored: the producer was closed, before it was sent");
}

#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "the time that passes is tokio's")]
async fn the_log_is_told_once_when_an_outage_begins_and_ends() {
    let (log, _guard) = Log::listen();
    let mock = mock(MS);
    mock.on_request(|_, _| refused("no route to host"));
    let producer = start(&mock, build(plain()));
    let ticket = producer.put(record("a")).await.expect("room");
    tokio::time::sleep(2 * SECOND).await;
    let [line] = &log.lines()[..] else { panic!("{:?}", log.lines()) };
    assert!(line.starts_with("WARN ") && line.contains("code=ConnectFailed"), "{line}");
    assert!(line.contains("reason=\"no route to host\""), "{line}");

    mock.on_request(|_, _| Fault::None);
    drop(ticket.await);
    let [_, line] = &log.lines()[..] else { panic!("{:?}", log.lines()) };
    assert!(line.starts_with("INFO ") && line.contains("answered again"), "{line}");
    producer.close(None).await;
}

/// A service that takes requests and says nothing is an outage as well.
#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "the time that passes is tokio's")]
async fn the_log_is_told_of_silence_too() {
    let (log, _guard) = Log::listen();
    let mock = mock(MS);
    mock.on_request(|_, _| Fault::NeverAnswer);
    let producer = start(&mock, build(plain().request_timeout(SECOND)));
    for name in ["a", "b", "c"] {
        drop(producer.put(record(name)).await.expect("room"));
        tokio::time::sleep(200 * MS).await;
    }
    tokio::time::sleep(5 * SECOND).await;
    let [line] = &log.lines()[..] else { panic!("{:?}", log.lines()) };
    assert!(line.starts_with("WARN ") && line.contains("code=RequestTimeout"), "{line}");
    let report = producer.close(Some(SECOND)).await;
    assert_eq!(report.last_error.map(|error| error.code), Some(ErrorCode::RequestTimeout));
}

/// Whoever closes gives up what is under way; that is nobody's failure.
#[tokio::test(start_paused = true)]
async fn a_close_is_no_error_of_the_service() {
    let mock = mock(MS);
    mock.on_request(|_, _| Fault::NeverAnswer);
    let producer = start(&mock, build(plain()));
    drop(producer.put(record("a")).await.expect("room"));
    let report = producer.close(Some(SECOND)).await;
    assert_eq!((report.last_error, report.undelivered.len()), (None, 1));
}

/// What a server says can have anything in it.
#[tokio::test(start_paused = true)]
async fn the_log_does_not_repeat_what_a_server_says() {
    let (log, _guard) = Log::listen();
    let mock = mock(MS);
    let message = Message::new("the secret is 12345");
    let error = AttemptError::with_message(ErrorCode::ServiceUnavailable, message);
    mock.on_request(move |_, _| Fault::FailRequest(error.clone()));
    let producer = start(&mock, build(plain()));
    let delivery = producer.put_all([record("a")], 2 * SECOND).await;
    assert!(delivery.failures[0].to_string().contains("12345"), "whoever asks is told");
    let lines = log.lines();
    assert!(lines.len() == 1 && !lines[0].contains("12345"), "{lines:?}");
    producer.close(None).await;
}

/// Nothing is known of the shards, and the figures say so by name.
#[tokio::test(start_paused = true)]
async fn the_figures_say_that_there_is_no_list_of_the_shards() {
    let mock = mock(MS);
    mock.fail_listings(ListFault::Denied);
    let producer = start(&mock, headwaters::Config::default());
    drop(producer.put(record("a")).await.expect("room").await);
    let stats = producer.stats();
    assert!(matches!(stats.engine.shard_map, MapStatus::Unavailable { .. }));
    assert!(stats.to_json().contains("\"shard_map\":\"unavailable\""));
    producer.close(None).await;
}
