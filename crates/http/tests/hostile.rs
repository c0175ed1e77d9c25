//! Servers that break, lie and stall: never a panic, never a false "stored", never a false "not stored".
#![allow(clippy::disallowed_methods, reason = "sockets live in real time")]

mod support;

use core::time::Duration;

use headwaters_hostile::{Server, Setup, put, request};
use headwaters_transport::{Sent, Transport};
use support::{builder_for, connect};

headwaters_hostile::tests!(connect);

/// While it connects: not sent. Nobody accepts, so the handshake of TLS never ends.
#[tokio::test]
async fn a_cancel_amid_the_handshake_is_not_sent() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("there are free ports");
    let port = silent.local_addr().expect("it listens").port();
    let transport = connect(Setup::new(format!("https://127.0.0.1:{port}")));
    let request = request(1);
    let departure = request.departure.clone();
    let sending = tokio::time::timeout(Duration::from_millis(200), transport.put_records(request));
    assert!(sending.await.is_err(), "nobody answers");
    assert_eq!(departure.sent(), Sent::No);
}

#[tokio::test]
async fn an_idle_connection_is_not_kept_for_ever() {
    let server = Server::start([]).await;
    let transport = builder_for(&server).idle_connections(4, Duration::from_millis(50));
    let transport = transport.build().expect("nothing is missing");
    assert_eq!(put(&transport).await.0, Ok(()));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(put(&transport).await.0, Ok(()));
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn an_idle_connection_does_not_outlive_a_freeze() {
    let server = Server::start([]).await;
    let transport = builder_for(&server).build().expect("nothing is missing");
    assert_eq!(put(&transport).await.0, Ok(()));
    transport.thawed();
    assert_eq!(put(&transport).await.0, Ok(()));
    assert_eq!(server.connections(), 2);
}
