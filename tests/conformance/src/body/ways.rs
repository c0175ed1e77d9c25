//! What can be on the way to a server: only for transports that have one.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::sync::Arc;

use headwaters::Outcome;
use headwaters::wire::{ErrorCode, StreamArn};

use super::Verdict;
use super::loads::{check, plain, put_all, record, start};
use crate::admin::pause;
use crate::arm::{Arm, Setup};
use crate::breaking::{Breaking, Habit, secure};
use crate::stand::{Stand, entry};

/// A stream of the arm to which the way leads through something.
async fn through(arm: &Arm, port: u16, setup: Setup) -> Stand<'_> {
    let stand = arm.stream(2).await;
    let url = Some(format!("http://127.0.0.1:{port}"));
    let way = arm.way(Setup { url, ..setup }).expect("it can do that");
    Stand { way, ..stand }
}

pub(super) async fn a_stream_by_its_arn(arm: &Arm) -> Verdict {
    if arm.quirks.no_arn {
        return Verdict::Skipped;
    }
    let stand = arm.stream(2).await;
    let arn = format!("arn:aws:kinesis:us-east-1:000000000000:stream/{}", stand.name);
    let arn = StreamArn::new(&arn).expect("a valid ARN");
    let way = arm.way(Setup { arn: Some(arn), ..Setup::default() }).expect("it can do that");
    let stand = Stand { way, ..stand };
    assert_eq!(stand.shards().await.len(), 2);
    let results = stand.put(vec![entry("k", "x")]).await.expect("the request is answered");
    assert!(results[0].is_ok());
    Verdict::Held
}

pub(super) async fn through_tls(arm: &Arm) -> Verdict {
    let Some(port) = arm.port() else { return Verdict::Skipped };
    let (secured, pem) = secure(port).await;
    let url = format!("https://localhost:{}", secured.port);
    let setup = Setup { ca_bundle: Some(pem), url: Some(url), ..Setup::default() };
    let Some(way) = arm.way(setup) else { return Verdict::Skipped };
    let stand = Stand { way, ..arm.stream(2).await };
    let producer = start(&stand, plain());
    let deliveries = put_all(&producer, (0..300).map(record)).await;
    producer.close(None).await;
    check(&stand, &deliveries, 0).await;
    Verdict::Held
}

/// Every third connection breaks between a request and its answer: what was stored twice is marked, all of it.
pub(super) async fn connections_that_break(arm: &Arm) -> Verdict {
    let Some(port) = arm.port() else { return Verdict::Skipped };
    let breaking = Breaking::start(port, Habit::BreakEveryThirdAnswer).await;
    let stand = through(arm, breaking.port, Setup::default()).await;
    let config =
        plain().collection_max_count(20).record_max_buffered_time(Duration::from_millis(10));
    let producer = start(&stand, config);
    let deliveries = put_all(&producer, (0..600).map(record)).await;
    let requeued = producer.close(None).await.stats.engine.requeued;
    let duplicates = check(&stand, &deliveries, 0).await;
    let marked = deliveries.iter().filter(|delivery| {
        matches!(delivery.outcome, Outcome::Stored { maybe_duplicate: true, .. })
    });
    let (marked, broken) = (marked.count(), breaking.broken());
    println!(
        "    {broken} answers lost: {duplicates} duplicates, {marked} marked, {requeued} sent again"
    );
    assert!(broken > 3 && duplicates > 0 && marked > 0);
    Verdict::Held
}

/// Something on the way refuses each key after a while: no record notices.
pub(super) async fn credentials_that_are_exchanged(arm: &Arm) -> Verdict {
    let Some(port) = arm.port() else { return Verdict::Skipped };
    let breaking = Breaking::start(port, Habit::RefuseFirstKeys).await;
    let asked = Arc::new(AtomicU64::new(0));
    let setup = Setup { keys: Some(Arc::clone(&asked)), ..Setup::default() };
    let stand = through(arm, breaking.port, setup).await;
    let producer = start(&stand, plain());
    let deliveries = put_all(&producer, (0..100).map(record)).await;
    producer.close(None).await;
    assert_eq!(check(&stand, &deliveries, 0).await, 0, "what is refused is not stored");
    assert!(breaking.broken() > 0 && asked.load(Ordering::Acquire) > 2);
    let refused = deliveries.iter().flat_map(|delivery| delivery.attempts.kept()).any(|attempt| {
        let error = attempt.error.as_ref();
        error.is_some_and(|error| error.code == ErrorCode::ExpiredTokenException)
    });
    assert!(refused, "the attempts tell of it");
    Verdict::Held
}

/// The server cannot be reached for some seconds.
pub(super) async fn an_outage(arm: &Arm) -> Verdict {
    let Some(port) = arm.port() else { return Verdict::Skipped };
    let breaking = Breaking::start(port, Habit::None).await;
    let stand = through(arm, breaking.port, Setup::default()).await;
    let producer = start(&stand, plain().record_max_buffered_time(Duration::from_millis(20)));
    let before = put_all(&producer, (0..50).map(record)).await;
    breaking.down();
    let outage = async {
        for _ in 0..60 {
            pause().await;
        }
        breaking.up().await;
    };
    let (during, ()) = tokio::join!(put_all(&producer, (50..150).map(record)), outage);
    producer.close(None).await;
    check(&stand, &[before, during].concat(), 0).await;
    Verdict::Held
}
