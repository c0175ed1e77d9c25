//! Several producers over one transport, under bounds that they share.

mod common;

use core::time::Duration;
use std::sync::Arc;

use common::{MS, build, is_stored, mock, plain, record, texts, tokio_now};
use headwaters::mock::{Fault, Mock};
use headwaters::wire::{AttemptError, ErrorCode};
use headwaters::{
    Bounds, Cause, Client, ListShards, ListShardsResult, Outcome, Producer, PutRecords,
    PutRecordsResult, RefusedReason, RetryPolicy, TokioClock, Transport, UserRecord,
};

fn client(mock: &Mock<TokioClock>, records: usize) -> Client<AllStreams> {
    let bounds = Bounds { bytes: 4 * 1024 * 1024, records };
    Client::new(AllStreams(mock.clone())).bounds(bounds)
}

fn start(client: &Client<impl Transport>, stream: &str) -> Producer {
    client.producer(stream).config(build(plain())).start().expect("a runtime and a valid name")
}

/// Takes all streams for the one that there is.
struct AllStreams(Mock<TokioClock>);

impl Transport for AllStreams {
    async fn list_shards(&self, request: ListShards) -> ListShardsResult {
        self.0.list_shards(request).await
    }

    async fn put_records(&self, request: PutRecords) -> PutRecordsResult {
        let stream = common::STREAM.try_into().expect("a valid name");
        let renamed = PutRecords::new(stream, request.entries.to_vec());
        request.departure.hold();
        request.departure.leave();
        self.0.put_records(renamed).await
    }
}

#[tokio::test(start_paused = true)]
async fn what_one_stream_holds_another_waits_for() {
    let mock = mock(MS);
    let client = client(&mock, 2);
    let [one, other, third] = ["one", "other", "third"].map(|stream| start(&client, stream));
    let first = one.try_put(record("a")).expect("room");
    let refused = one.try_put(record("d")).expect_err("it would leave nothing");
    assert_eq!(refused.reason, RefusedReason::Full);
    let second = other.try_put(record("b")).expect("it holds nothing");
    let refused = third.try_put(record("c")).expect_err("the others have it all");
    assert_eq!(refused.reason, RefusedReason::Full);
    assert_eq!(client.held().map(|held| held.records), Some(2));
    let (third, fourth) = tokio::join!(third.put(record("c")), one.put(record("d")));
    assert!(is_stored(&first.await) && is_stored(&second.await));
    assert!(is_stored(&third.expect("it waits").await));
    assert!(is_stored(&fourth.expect("it waits").await));
    assert_eq!(client.held(), Some(Bounds { bytes: 0, records: 0 }));
    let mut stored = texts(&mock);
    stored.sort_unstable();
    assert_eq!(stored, ["a", "b", "c", "d"]);

    let large = UserRecord::new("k", vec![0; 5 * 1024 * 1024]).expect("the service takes it");
    let config = plain().max_user_record_size(10 * 1024 * 1024);
    let wide = client.producer("wide").config(build(config)).start().expect("a runtime");
    let refused = wide.put(large).await.expect_err("never");
    assert!(matches!(refused.reason, RefusedReason::TooLarge { .. }), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_closed_producer_does_not_wait_for_a_budget() {
    let mock = mock(MS);
    mock.on_request(|_, _| Fault::NeverAnswer);
    let client = client(&mock, 1);
    let [one, other] = ["one", "other"].map(|stream| start(&client, stream));
    let _held = one.try_put(record("a")).expect("room");
    let put = other.put(record("b"));
    let (put, _) = tokio::join!(put, other.close(None));
    assert_eq!(put.expect_err("closed").reason, RefusedReason::Closed);
    // A permit counts, and what a closed producer gives back is there for the others.
    one.close(Some(MS)).await;
    let third = start(&client, "third");
    let permit = third.reserve().await;
    assert_eq!(client.held().map(|held| held.records), Some(1));
    drop(permit);
    assert_eq!(client.held(), Some(Bounds { bytes: 0, records: 0 }));
}

/// What is more than was kept for it comes out of what all share, or says that it is not there.
#[tokio::test(start_paused = true)]
async fn permits_hold_no_more_than_all_may() {
    let mock = mock(MS);
    mock.on_request(|_, _| Fault::NeverAnswer);
    let bounds = Bounds { bytes: 2 << 20, records: 1_000 };
    let client = Client::new(AllStreams(mock.clone())).bounds(bounds);
    let producer = start(&client, "one");
    let mut permits = Vec::new();
    for _ in 0..20 {
        permits.push(producer.reserve_for(1).await);
    }
    let large = || UserRecord::new("k", vec![0; 500_000]).expect("the service takes it");
    let tickets: Vec<_> = permits.into_iter().map(|permit| permit.put(large())).collect();
    let held = client.held().expect("it has bounds");
    assert!(held.bytes <= bounds.bytes, "{held:?}");
    assert!(held.records >= 2, "some found room: {held:?}");
    for ticket in tickets.into_iter().skip(held.records) {
        let delivery = ticket.await;
        let Outcome::NotStored { cause, .. } = &delivery.outcome else { panic!("{delivery}") };
        assert_eq!(cause, &Cause::RefusedFull);
    }
}

/// The largest record that the stream takes is more than all of it; who waits for that would wait for ever, and so would
/// all behind.
#[tokio::test(start_paused = true)]
async fn a_permit_is_no_larger_than_what_there_can_be() {
    let bounds = Bounds { bytes: 1 << 20, records: 1_000 };
    let client = Client::new(AllStreams(mock(MS))).bounds(bounds);
    let producer = start(&client, "one");
    let permit = producer.reserve().await;
    assert!(is_stored(&permit.put(record("a")).await));
    assert!(is_stored(&producer.put(record("b")).await.expect("room").await));
}

#[tokio::test(start_paused = true)]
async fn what_a_permit_of_a_closed_producer_gives_back_is_told_to_the_others() {
    let mock = mock(MS);
    let client = client(&mock, 1);
    let [one, other] = ["one", "other"].map(|stream| start(&client, stream));
    let permit = one.reserve().await;
    one.close(None).await;
    let waiting = tokio::spawn(async move {
        let ticket = other.put(record("b")).await.expect("room, in the end");
        ticket.await
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    drop(permit);
    assert!(is_stored(&waiting.await.expect("no panic")));
}

#[tokio::test(start_paused = true)]
async fn requests_of_all_streams_pass_one_gate() {
    let mock = mock(100 * MS);
    let client = Client::new(AllStreams(mock.clone())).max_requests_in_flight(1);
    let [one, other] = ["one", "other"].map(|stream| start(&client, stream));
    let before = tokio_now();
    let first = one.put(record("a")).await.expect("room");
    let second = other.put(record("b")).await.expect("room");
    tokio::join!(one.flush(), other.flush());
    assert_eq!(tokio_now() - before, 200 * MS, "one after the other");
    assert!(is_stored(&first.await) && is_stored(&second.await));
}

/// Answers those streams that are not dead, and stores for those that are not hot.
struct SomeDead(AllStreams);

#[expect(clippy::disallowed_methods, reason = "the time of the test")]
impl Transport for SomeDead {
    async fn list_shards(&self, request: ListShards) -> ListShardsResult {
        self.0.list_shards(request).await
    }

    async fn put_records(&self, request: PutRecords) -> PutRecordsResult {
        match request.stream.as_str() {
            name if name.starts_with("dead") => {
                request.departure.leave();
                core::future::pending().await
            }
            name if name.starts_with("hot") => {
                request.departure.leave();
                tokio::time::sleep(20 * MS).await;
                let throttled =
                    AttemptError::new(ErrorCode::ProvisionedThroughputExceededException);
                Ok(request.entries.iter().map(|_| Err(throttled.clone())).collect())
            }
            _ => self.0.put_records(request).await,
        }
    }
}

/// How long a stream takes for its records beside others, and how long a put of it waits at most.
#[expect(clippy::disallowed_methods, reason = "the time of the test")]
async fn time_beside(others: &[&str]) -> (Duration, Duration) {
    let client = Client::new(SomeDead(AllStreams(mock(20 * MS))))
        .bounds(Bounds { bytes: 4 * 1024 * 1024, records: 2_000 })
        .max_requests_in_flight(16);
    let others: Vec<_> = others.iter().map(|stream| start(&client, stream)).collect();
    for other in &others {
        let other = other.clone();
        tokio::spawn(async move { while other.put(record("x")).await.is_ok() {} });
    }
    // They have all they can get, of both.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let alive = start(&client, "alive");
    let (before, mut longest) = (tokio_now(), Duration::ZERO);
    let mut tickets = Vec::new();
    for _ in 0..200 {
        for key in 0..10 {
            let asked = tokio_now();
            tickets.push(alive.put(record(&key.to_string())).await.expect("open"));
            longest = longest.max(tokio_now() - asked);
        }
        tokio::time::sleep(10 * MS).await;
    }
    for ticket in tickets {
        assert!(is_stored(&ticket.await));
    }
    (tokio_now() - before, longest)
}

/// One stream is dead, or throttled in whatever it sends, and its callers put as much as they can: another one hardly
/// notices.
#[tokio::test(start_paused = true)]
async fn a_stream_in_trouble_leaves_room_and_requests_to_others() {
    let (alone, _) = time_beside(&[]).await;
    for others in [&["dead"][..], &["hot"], &["dead-1", "dead-2", "hot"]] {
        let (beside, longest) = time_beside(others).await;
        println!("{others:?}: {beside:?} instead of {alone:?}, puts waited up to {longest:?}");
        assert!(beside <= alone + alone / 10, "{others:?}: {beside:?} instead of {alone:?}");
        assert!(longest <= 20 * MS, "{others:?}: a put waited for {longest:?}");
    }
}

/// What waits at the gate was not sent, for certain.
#[tokio::test(start_paused = true)]
async fn who_waits_at_the_gate_too_long_has_sent_nothing() {
    let mock = mock(MS);
    mock.script([Fault::NeverAnswer]);
    let client = Client::new(AllStreams(mock.clone())).max_requests_in_flight(1);
    let retry = RetryPolicy::Linear { max_attempts: 1, step: MS };
    let config =
        |seconds| build(plain().retry(retry).request_timeout(Duration::from_secs(seconds)));
    let one = client.producer("one").config(config(60)).start().expect("a runtime");
    let other = client.producer("other").config(config(1)).start().expect("a runtime");
    let stuck = one.put(record("stuck")).await.expect("room");
    assert_eq!(one.flush_by(MS).await, 1);
    let waiting = other.put(record("waiting")).await.expect("room");
    let outcome = waiting.await.into_outcome();
    assert!(matches!(outcome, Outcome::NotStored { .. }), "{outcome:?}");
    let outcome = stuck.await.into_outcome();
    assert!(matches!(outcome, Outcome::MaybeStored { .. }), "{outcome:?}");
    // And the gate is open again.
    let last = Arc::new(other).put(record("last")).await.expect("room");
    assert!(is_stored(&last.await));
}
