//! TLS, proxies, credentials and clocks: what lies between a producer and its endpoint.
#![allow(clippy::disallowed_methods, reason = "sockets live in real time")]

mod support;

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::sync::Arc;
use std::time::SystemTime;

use headwaters_hostile::{Proxy, Server, Setup, Step, answer, failure, put, request, stored};
use headwaters_http::{
    BuildError, Credentials, CredentialsError, CredentialsFuture, Endpoint, HttpTransport,
    Protocol, ProvideCredentials, Region,
};
use headwaters_transport::{ListShards, Sent, Transport};
use headwaters_wire::{ErrorCode, StreamArn, StreamName};
use support::{builder, builder_for, credentials};

#[tokio::test]
async fn a_tunnel_is_asked_for_word_by_word() {
    let server = Server::start([]).await;
    let proxy = Proxy::start(server.port(), "200 Connection established").await;
    let url = format!("http://user:p%40ss@127.0.0.1:{}", proxy.port());
    let setup = Setup::new("http://localhost:4567");
    let transport =
        builder(Setup { proxy: Some(url), ..setup }).build().expect("nothing is missing");
    assert_eq!(put(&transport).await, (Ok(()), Sent::Unknown));
    let expected = "CONNECT localhost:4567 HTTP/1.1\r\nHost: localhost:4567\r\n\
                    Proxy-Authorization: Basic dXNlcjpwQHNz\r\n\r\n";
    assert_eq!(proxy.asked(), [expected]);
}

/// Hands out a new key each time it is asked, unless it has none.
struct Rotating(Arc<AtomicU64>);

const NONE: u64 = 1_000;

impl ProvideCredentials for Rotating {
    fn credentials(&self) -> CredentialsFuture<'_> {
        let number = self.0.fetch_add(1, Ordering::AcqRel);
        Box::pin(async move {
            if number >= NONE {
                return Err(CredentialsError::new("the vault is closed"));
            }
            Credentials::new(format!("KEY{number}"), "secret")?
                .with_session_token(format!("T{number}"))
        })
    }
}

#[tokio::test]
async fn refused_credentials_are_exchanged() {
    let expired = Step::Answer(failure("400 Bad Request", "ExpiredTokenException"));
    let server = Server::start([Step::Answer(stored(1)), expired]).await;
    let asked = Arc::new(AtomicU64::new(0));
    let transport = builder_for(&server).credentials(Rotating(Arc::clone(&asked)));
    let transport = transport.build().expect("nothing is missing");
    assert_eq!(put(&transport).await.0, Ok(()));
    assert_eq!(put(&transport).await.0, Err(ErrorCode::ExpiredTokenException));
    assert_eq!(put(&transport).await.0, Ok(()));
    let received = server.received();
    let tokens: Vec<_> = received.iter().map(|one| one.header("x-amz-security-token")).collect();
    assert_eq!(tokens, [Some("T0"), Some("T0"), Some("T1")]);
    let authorization = received[2].header("authorization").expect("it is signed");
    assert!(authorization.contains("KEY1/"), "{authorization}");
}

#[tokio::test]
async fn without_credentials_nothing_is_sent() {
    let server = Server::start([]).await;
    let asked = Arc::new(AtomicU64::new(NONE));
    let transport = builder_for(&server).credentials(Rotating(Arc::clone(&asked)));
    let transport = transport.build().expect("nothing is missing");
    let waiting = request(1);
    let departure = waiting.departure.clone();
    let error = transport.put_records(waiting).await.expect_err("there are none");
    assert_eq!(error.code, ErrorCode::MissingAuthenticationToken);
    assert!(error.to_string().contains("the vault is closed"), "{error}");
    assert_eq!(departure.sent(), Sent::No);
    asked.store(0, Ordering::Release);
    assert_eq!(put(&transport).await.0, Ok(()));
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn a_clock_that_is_off_is_learned() {
    let date = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    let body = "{\"__type\":\"InvalidSignatureException\",\"message\":\"Signature expired\"}";
    let refusal = Step::Answer(answer("400 Bad Request", date, body));
    let server = Server::start([refusal.clone(), Step::Answer(stored(1)), refusal]).await;
    let asked = Arc::new(AtomicU64::new(0));
    let hour_late = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777 - 3_600);
    let transport = builder_for(&server)
        .credentials(Rotating(Arc::clone(&asked)))
        .wall_clock(move || hour_late)
        .build()
        .expect("nothing is missing");
    let error = transport.put_records(request(1)).await.expect_err("it is refused");
    assert!(error.to_string().contains("clock is off"), "{error}");
    assert_eq!(put(&transport).await.0, Ok(()));
    assert_eq!(asked.load(Ordering::Acquire), 1, "the credentials are not to blame");
    // The same again, though the time is right now: they are.
    assert_eq!(put(&transport).await.0, Err(ErrorCode::InvalidSignatureException));
    assert_eq!(put(&transport).await.0, Ok(()));
    assert_eq!(asked.load(Ordering::Acquire), 2);
    let dates = server.received();
    let dates: Vec<_> = dates.iter().map(|one| one.header("x-amz-date")).collect();
    assert_eq!(dates[..2], [Some("19941106T074937Z"), Some("19941106T084937Z")]);
}

#[tokio::test]
async fn plain_http_stays_on_this_machine() {
    let endpoint = |url| {
        HttpTransport::builder()
            .credentials(credentials())
            .endpoint(Endpoint::new(url).expect("valid"))
            .region(Region::new("us-east-1").expect("valid"))
    };
    assert_eq!(endpoint("http://10.0.0.1").build().map(drop), Err(BuildError::PlainHttp));
    assert!(endpoint("http://10.0.0.1").allow_plain_http().build().is_ok());
    assert!(endpoint("http://localhost:4567").build().is_ok());
    let through = |proxy| {
        let proxy = headwaters_http::Proxy::new(proxy).expect("valid");
        endpoint("http://localhost:4567").proxy(proxy).build().map(drop)
    };
    assert_eq!(through("http://proxy.example:3128"), Err(BuildError::PlainHttp));
    assert_eq!(through("http://127.0.0.1:3128"), Ok(()));
}

#[tokio::test]
async fn a_stream_arn_names_the_stream_and_the_account() {
    let arn =
        StreamArn::new("arn:aws:kinesis:eu-west-1:123456789012:stream/orders").expect("valid");
    let transport = HttpTransport::builder().credentials(credentials()).stream_arn(arn.clone());
    let transport = transport.build().expect("the region is in the ARN");
    assert_eq!(
        transport.endpoint().to_string(),
        "https://123456789012.data-kinesis.eu-west-1.amazonaws.com"
    );
    let elsewhere = HttpTransport::builder()
        .credentials(credentials())
        .region(Region::new("us-east-1").expect("valid"))
        .stream_arn(arn.clone());
    assert_eq!(elsewhere.build().map(drop), Err(BuildError::StreamElsewhere));

    let shards = "{\"Shards\":[]}";
    let server = Server::start([
        Step::Answer(stored(1)),
        Step::Answer(answer("200 OK", "", shards)),
        Step::Answer(answer("200 OK", "", shards)),
    ])
    .await;
    let transport = HttpTransport::builder()
        .credentials(credentials())
        .endpoint(Endpoint::new(&server.url()).expect("valid"))
        .stream_arn(arn);
    let transport = transport.build().expect("nothing is missing");
    assert_eq!(put(&transport).await.0, Ok(()));
    for name in ["orders", "others"] {
        let stream = StreamName::new(name).expect("a valid name");
        transport.list_shards(ListShards::new(stream, None)).await.expect("an empty page");
    }
    let bodies: Vec<serde_json::Value> = server
        .received()
        .iter()
        .map(|received| serde_json::from_slice(&received.body).expect("JSON"))
        .collect();
    for body in &bodies[..2] {
        assert_eq!(body["StreamARN"], "arn:aws:kinesis:eu-west-1:123456789012:stream/orders");
        assert!(body.get("StreamName").is_none());
    }
    assert_eq!(bodies[2]["StreamName"], "others");
    assert_eq!(bodies[1]["ShardFilter"]["Type"], "AT_LATEST");
    assert_eq!(bodies[1]["MaxResults"], 1_000);
}

#[tokio::test]
async fn cbor_says_that_it_is() {
    // The map of two members: a count of 0, and one record that was stored.
    let body = b"\xa2\x71FailedRecordCount\x00\x67Records\x81\xa2\x6eSequenceNumber\x6242\x67ShardId\x74shardId-000000000001";
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    let server = Server::start([Step::Answer([head.as_bytes(), body].concat())]).await;
    let transport =
        builder_for(&server).protocol(Protocol::Cbor).build().expect("nothing is missing");
    assert_eq!(put(&transport).await.0, Ok(()));
    assert_eq!(server.received()[0].header("content-type"), Some("application/x-amz-cbor-1.1"));
    // Some answer in JSON, and say so.
    let json = "Content-Type: application/x-amz-json-1.1\r\n";
    let refusal = "{\"__type\":\"ResourceNotFoundException\"}";
    server
        .script([Step::Answer(answer("400 Bad Request", json, refusal)), Step::Answer(stored(1))]);
    assert_eq!(put(&transport).await.0, Err(ErrorCode::ResourceNotFoundException));
    assert_eq!(put(&transport).await.0, Ok(()));
}

#[tokio::test]
async fn debug_prints_no_secret() {
    let server = Server::start([]).await;
    let proxy = Some(String::from("http://user:password@127.0.0.1:1"));
    let builder = builder(Setup { proxy, ..Setup::new(server.url()) });
    let before = format!("{builder:?}");
    let text = format!("{before} {:?}", builder.build().expect("nothing is missing"));
    for secret in ["wJalr", "AQoDYXdz", "AKIDEXAMPLE", "password", "dXNlcjpwYXNzd29yZA"] {
        assert!(!text.contains(secret), "{text}");
    }
}
