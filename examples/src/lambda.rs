//! A Lambda that loads what an event lists, and tells what was not stored before its own time is up.
//!
//! The producer lives as long as the instance does. Between invocations it is frozen, so nothing is left to the
//! background: each invocation ends when all of its records have their outcomes, or a margin before its deadline.
//! The clock goes on while the instance is frozen: what expired meanwhile is not sent after the thaw.

use core::num::NonZeroU32;
use core::time::Duration;
use std::time::SystemTime;

use headwaters::mock::Mock;
use headwaters::{Failure, Producer, TokioClock, UserRecord};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

#[cfg(target_os = "linux")]
type Clock = headwaters::BootClock<TokioClock>;
#[cfg(not(target_os = "linux"))]
type Clock = TokioClock;

fn clock() -> Clock {
    #[cfg(target_os = "linux")]
    return headwaters::BootClock::new(TokioClock::new());
    #[cfg(not(target_os = "linux"))]
    return TokioClock::new();
}

/// What is kept of the time for the answer to Lambda.
const MARGIN: Duration = Duration::from_millis(500);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let clock = clock();
    let shards = NonZeroU32::new(4).ok_or("four is not zero")?;
    // Here goes the transport to your stream.
    let kinesis = Mock::builder("orders".try_into()?, shards).build(clock);
    let producer = Producer::builder().clock(clock).stream("orders").transport(kinesis).start()?;
    let load = |event| load(&producer, event);
    lambda_runtime::run(service_fn(load)).await
}

/// Loads `{"records": [{"key": "...", "data": "..."}, ...]}`.
async fn load(producer: &Producer, event: LambdaEvent<Value>) -> Result<Value, Error> {
    let within = time_left(event.context.deadline());
    let listed = event.payload["records"].as_array().ok_or("`records` is no list")?;
    let text = |record: &Value, name: &str| record[name].as_str().map(String::from);
    let records: Option<Vec<_>> =
        listed.iter().map(|record| Some((text(record, "key")?, text(record, "data")?))).collect();
    let records = records.ok_or("a record has no `key` or no `data`")?;
    let records: Result<Vec<_>, _> =
        records.into_iter().map(|(key, data)| UserRecord::new(key, data)).collect();

    let report = producer.put_all(records?, within).await;
    // What went wrong is in the words: not only that the time was up, but what the last attempt met.
    let failure = |failure: &Failure| {
        let why = failure.to_string();
        json!({ "index": failure.index, "maybe_stored": failure.maybe_stored(), "why": why })
    };
    let failures: Vec<_> = report.failures.iter().map(failure).collect();
    Ok(json!({ "stored": report.stored, "taken": report.taken, "failures": failures }))
}

#[expect(clippy::disallowed_methods, reason = "Lambda's deadline is a time of day")]
fn time_left(deadline: SystemTime) -> Duration {
    let left = deadline.duration_since(SystemTime::now()).unwrap_or_default();
    left.saturating_sub(MARGIN)
}
