//! Servers that are slow, silent, or never end.

use core::time::Duration;
use std::time::Instant;

use headwaters_transport::{Sent, Transport};
use headwaters_wire::{Certainty, ErrorCode};
use tokio::time::timeout;

use crate::{Server, Setup, Step, put, request, stored};

/// Before the answer, in its head and in its body.
pub async fn silence_ends_at_the_deadline<T: Transport>(connect: impl Fn(Setup) -> T) {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_vec();
    for bytes in [vec![], b"HTTP/1.1 2".to_vec(), head] {
        let server = Server::start([Step::Stall(bytes)]).await;
        let transport = connect(Setup::new(server.url()).within(200));
        assert_eq!(put(&transport).await, (Err(ErrorCode::RequestTimeout), Sent::Unknown));
    }
}

/// A byte now and then.
pub async fn a_slow_answer_does_not_outlive_the_deadline<T: Transport>(
    connect: impl Fn(Setup) -> T,
) {
    let server = Server::start([Step::Drip(stored(1), Duration::from_millis(30))]).await;
    let transport = connect(Setup::new(server.url()).within(300));
    let start = Instant::now();
    assert_eq!(put(&transport).await, (Err(ErrorCode::RequestTimeout), Sent::Unknown));
    assert!(start.elapsed() < Duration::from_secs(5));
}

/// What a server gets rid of while a transport still wants it.
const CAP: usize = 16 * 1024 * 1024;

/// Answers without an end: no more of them is read than a bound and what the sockets hold.
pub async fn memory_stays_below_the_cap<T: Transport>(connect: impl Fn(Setup) -> T) {
    let megabyte = vec![b'x'; 1024 * 1024];
    let chunk = [b"100000\r\n".to_vec(), megabyte.clone(), b"\r\n".to_vec()].concat();
    let header = b"X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n".to_vec();
    let bodies = [
        // It announces ten gigabytes; two have no end; one is in chunks.
        (&b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n"[..], megabyte.clone()),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", megabyte.clone()),
        (b"HTTP/1.1 500 Oh\r\nConnection: close\r\n\r\n", megabyte),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunk),
        // A head without an end.
        (b"HTTP/1.1 200 OK\r\n", header),
    ];
    for (index, (first, rest)) in bodies.into_iter().enumerate() {
        let server = Server::start([Step::Endless(first.to_vec(), rest)]).await;
        let transport = connect(Setup::new(server.url()).within(5_000));
        let (result, sent) = put(&transport).await;
        assert_eq!((result, sent), (Err(ErrorCode::UnusableAnswer), Sent::Unknown), "{index}");
        assert!(server.written() < CAP, "{index}: {} bytes", server.written());
    }
    // Nothing of this is kept, so that only the deadline ends it.
    let rest = b"HTTP/1.1 100 Continue\r\n\r\n".to_vec();
    let server = Server::start([Step::Endless(vec![], rest)]).await;
    let transport = connect(Setup::new(server.url()).within(1_500));
    let error = put(&transport).await.0.expect_err("this is no answer");
    assert_eq!(error.certainty(), Certainty::MaybeStored, "{error}");
}

/// Before it is polled, and in flight.
pub async fn a_cancel_says_what_is_known<T: Transport>(connect: impl Fn(Setup) -> T) {
    let server = Server::start([]).await.otherwise(Step::Stall(vec![]));
    let transport = connect(Setup::new(server.url()));
    let unpolled = request(1);
    let departure = unpolled.departure.clone();
    drop(transport.put_records(unpolled));
    assert_eq!(departure.sent(), Sent::No);
    let in_flight = request(1);
    let departure = in_flight.departure.clone();
    let sending = timeout(Duration::from_millis(300), transport.put_records(in_flight));
    assert!(sending.await.is_err(), "nobody answers");
    assert_eq!(departure.sent(), Sent::Unknown);
    assert_eq!(server.received().len(), 1);
}
