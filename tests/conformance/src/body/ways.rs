//! What can be on the way to a server: only for transports that have one.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::sync::Arc;

use headwaters::wire::{Class, ErrorCode, StreamArn};
use headwaters::{ListShards, Outcome, Transport};
use headwaters_hostile::Proxy;

use super::loads::{check, plain, put_all, record, start};
use super::{Verdict, WAY, now};
use crate::admin::pause;
use crate::arm::{Arm, Setup};
use crate::breaking::{Breaking, Habit, secure};
use crate::stand::{Stand, entry};

/// A stream of the arm to which the way leads through something.
async fn through(arm: &Arm, port: u16, setup: Setup) -> Stand<'_> {
    let stand = arm.stream(2).await;
    let url = Some(format!("http://127.0.0.1:{port}"));
    Stand { way: arm.way(Setup { url, ..setup }), ..stand }
}

pub(super) async fn a_stream_by_its_arn(arm: &Arm) -> Verdict {
    if arm.quirks.no_arn {
        return Verdict::Lacks("ARNs");
    }
    let stand = arm.stream(2).await;
    let arn = format!("arn:aws:kinesis:us-east-1:000000000000:stream/{}", stand.name);
    let arn = StreamArn::new(&arn).expect("a valid ARN");
    let stand = Stand { way: arm.way(Setup { arn: Some(arn), ..Setup::default() }), ..stand };
    let results = stand.put(vec![entry("k", "x")]).await.expect("the request is answered");
    assert!(results[0].is_ok());
    assert_eq!(stand.kinesis_records().await.len(), 1);
    if arm.quirks.no_arn_to_list {
        let page = stand.way.list_shards(ListShards::new(stand.name.clone(), None)).await;
        assert_eq!(page.expect_err("it is refused").code.class(), Class::Permanent);
        return Verdict::Lacks("ARNs in ListShards; that in PutRecords is ok");
    }
    assert_eq!(stand.shards().await.len(), 2);
    let producer = start(&stand, plain());
    let deliveries = put_all(&producer, (0..50).map(record)).await;
    producer.close(None).await;
    assert!(deliveries.iter().all(|one| matches!(one.outcome, Outcome::Stored { .. })));
    Verdict::Held
}

pub(super) async fn through_tls(arm: &Arm) -> Verdict {
    let Some(port) = arm.port() else { return WAY };
    let (secured, pem) = secure(port).await;
    let url = format!("https://localhost:{}", secured.port);
    let setup = Setup { ca_bundle: Some(pem), url: Some(url), ..Setup::default() };
    let stand = Stand { way: arm.way(setup), ..arm.stream(2).await };
    few_records(&stand).await
}

/// The proxy makes tunnels, and sees neither records nor credentials.
pub(super) async fn through_a_proxy(arm: &Arm) -> Verdict {
    let Some(port) = arm.port() else { return WAY };
    let (secured, pem) = secure(port).await;
    let proxy = Proxy::start(secured.port, "200 Connection established").await;
    let setup = Setup {
        ca_bundle: Some(pem),
        proxy: Some(format!("http://127.0.0.1:{}", proxy.port())),
        url: Some(format!("https://localhost:{}", secured.port)),
        ..Setup::default()
    };
    let stand = Stand { way: arm.way(setup), ..arm.stream(2).await };
    let verdict = few_records(&stand).await;
    let asked = proxy.asked();
    let tunnel = format!("CONNECT localhost:{} HTTP/1.1\r\n", secured.port);
    assert!(!asked.is_empty() && asked.iter().all(|head| head.starts_with(&tunnel)), "{asked:?}");
    let seen = [asked.concat().into_bytes(), proxy.passed()].concat();
    for secret in ["AWS4-HMAC-SHA256", "KEY0", "PutRecords", "key-1"] {
        assert!(!seen.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()), "{secret}");
    }
    verdict
}

async fn few_records(stand: &Stand<'_>) -> Verdict {
    let producer = start(stand, plain());
    let deliveries = put_all(&producer, (0..300).map(record)).await;
    producer.close(None).await;
    check(stand, &deliveries, 0).await;
    Verdict::Held
}

/// Every third connection breaks between a request and its answer: what was stored twice is marked, all of it.
pub(super) async fn connections_that_break(arm: &Arm) -> Verdict {
    let Some(port) = arm.port() else { return WAY };
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
        "    {broken} answers lost: {duplicates} copies too many, all of {marked} records that are marked; {requeued} sent again"
    );
    assert!(broken > 3 && duplicates > 0 && marked > 0);
    Verdict::Held
}

/// Something on the way refuses each key after a while: no record notices.
pub(super) async fn credentials_that_are_exchanged(arm: &Arm) -> Verdict {
    let Some(port) = arm.port() else { return WAY };
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

/// The server cannot be reached for a minute, in which records go on coming.
pub(super) async fn an_outage_of_a_minute(arm: &Arm) -> Verdict {
    const DURING: u32 = 300;
    // A whole minute is a tenth of what all tests may take: each transport has it once.
    let is_whole = ["http (JSON) to ferrokinesis", "aws to ferrokinesis"].contains(&arm.name);
    let outage = Duration::from_secs(if is_whole { 60 } else { 6 });
    let Some(port) = arm.port() else { return WAY };
    let breaking = Breaking::start(port, Habit::None).await;
    let stand = through(arm, breaking.port, Setup::default()).await;
    let producer = start(&stand, plain().record_max_buffered_time(Duration::from_millis(20)));
    let mut deliveries = put_all(&producer, (0..50).map(record)).await;
    let requests = producer.stats().engine.requests;
    breaking.down();
    let start = now();
    let mut tickets = Vec::new();
    for number in 50..50 + DURING {
        tickets.push(producer.put(record(number)).await.expect("there is room"));
        while start.elapsed() < outage * (number - 49) / DURING {
            pause().await;
        }
    }
    let in_vain = producer.stats().engine.requests - requests;
    breaking.up().await;
    let back = now();
    for ticket in tickets {
        deliveries.push(ticket.await);
    }
    let recovery = back.elapsed();
    producer.close(None).await;
    assert_eq!(check(&stand, &deliveries, 0).await, 0, "what nobody got is not there twice");
    println!("    {in_vain} requests in vain; all stored {} ms after", recovery.as_millis());
    assert!((3..60).contains(&in_vain), "{in_vain} requests in vain");
    assert!(recovery < Duration::from_secs(30), "{recovery:?}");
    Verdict::Held
}
