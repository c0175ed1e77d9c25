//! Servers that break, lie and stall: never a panic, never a false "stored", never a false "not stored".
#![allow(clippy::disallowed_methods, reason = "sockets live in real time")]

mod support;

use core::time::Duration;
use std::time::Instant;

use headwaters_aws::AwsTransport;
use headwaters_aws::aws_sdk_kinesis::Client;
use headwaters_aws::aws_sdk_kinesis::config::retry::RetryConfig;
use headwaters_aws::aws_sdk_kinesis::config::timeout::TimeoutConfig;
use headwaters_aws::aws_sdk_kinesis::config::{IdentityCache, StalledStreamProtectionConfig};
use headwaters_transport::{Sent, Transport};
use headwaters_wire::{Certainty, ErrorCode};
use support::{
    Server, Step, answer, code, config, failure, nobody, put, request, sized_request, stored,
    transport, transport_to,
};

/// Each fault, what is said of it, and that nothing else is.
#[tokio::test]
async fn every_fault_is_told_as_what_it_is() {
    use ErrorCode::{ConnectionLost, InternalFailure, UnusableAnswer};
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let whole = stored(1);
    let cut = whole[..whole.len() - 10].to_vec();
    let other = |code: &str| ErrorCode::Other(code.into());
    let cases = [
        // Cut answers.
        (Step::ResetAtFirstByte, ConnectionLost),
        (Step::AnswerAndClose(vec![]), ConnectionLost),
        (Step::AnswerAndReset(vec![]), ConnectionLost),
        (Step::AnswerAndClose(cut.clone()), ConnectionLost),
        (Step::AnswerAndReset(cut), ConnectionLost),
        (Step::AnswerAndClose(b"HTTP/1.1 200".to_vec()), ConnectionLost),
        (Step::AnswerAndClose(format!("{chunked}100\r\n{{").into_bytes()), ConnectionLost),
        // Answers of another kind.
        (Step::Answer(answer("200 OK", "", "")), UnusableAnswer),
        (Step::Answer(answer("204 No Content", "", "")), UnusableAnswer),
        (
            Step::Answer(answer("200 OK", "Content-Type: text/html\r\n", "<html>ok</html>")),
            UnusableAnswer,
        ),
        (Step::Answer(answer("200 OK", "Content-Encoding: gzip\r\n", "\x1f")), UnusableAnswer),
        (Step::AnswerAndClose(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()), UnusableAnswer),
        (Step::AnswerAndClose(format!("{chunked}zz\r\n").into_bytes()), ConnectionLost),
        // Malformed, and wrong counts.
        (Step::Answer(answer("200 OK", "", "{\"Records\":[{]}")), UnusableAnswer),
        (Step::Answer(answer("200 OK", "", "{\"Records\":[]}")), UnusableAnswer),
        (Step::Answer(answer("200 OK", "", "{}")), UnusableAnswer),
        (Step::Answer(stored(2)), UnusableAnswer),
        (Step::Answer(answer("200 OK", "", "{\"Records\":[{}]}")), UnusableAnswer),
        // Errors of others than the service.
        (Step::Answer(failure("500 Internal Server Error", "InternalFailure")), InternalFailure),
        (Step::Answer(answer("500 Internal Server Error", "", "oops")), InternalFailure),
        (Step::Answer(answer("503 Service Unavailable", "", "")), ErrorCode::ServiceUnavailable),
        (Step::Answer(answer("502 Bad Gateway", "", "<html>")), ErrorCode::ServiceUnavailable),
        (Step::Answer(answer("413 Payload Too Large", "", "")), ErrorCode::RequestEntityTooLarge),
        (Step::Answer(answer("429 Too Many Requests", "", "")), ErrorCode::ThrottlingException),
        (Step::Answer(answer("408 Request Timeout", "", "")), ErrorCode::RequestTimeout),
        (Step::Answer(answer("418 I'm a teapot", "", "")), other("HTTP 418")),
        (Step::Answer(failure("400 Bad Request", "BrandNewException")), other("BrandNewException")),
        (
            Step::Answer(answer(
                "400 Bad Request",
                "x-amzn-ErrorType: ValidationException:http://x\r\n",
                "",
            )),
            ErrorCode::ValidationException,
        ),
        (
            Step::Answer(answer(
                "400 Bad Request",
                "x-amzn-ErrorType: ValidationException\r\n",
                "<html>",
            )),
            ErrorCode::ValidationException,
        ),
    ];
    for (step, expected) in cases {
        let server = Server::start([step.clone()]).await;
        let transport = transport(&server);
        assert_eq!(put(&transport).await, (Err(expected), Sent::Unknown), "{step:?}");
        // And the transport lives on; nothing was sent twice.
        assert_eq!(put(&transport).await, (Ok(()), Sent::Unknown), "{step:?}");
        let unread = usize::from(matches!(step, Step::ResetAtFirstByte));
        assert_eq!(server.received().len() + unread, 2, "{step:?}");
    }
}

/// The errors of the service that its client has types for, and those that it has none for, all by their code.
#[tokio::test]
async fn errors_of_the_service_are_known_by_their_code() {
    let codes = [
        "AccessDeniedException",
        "ExpiredTokenException",
        "InternalFailureException",
        "InvalidArgumentException",
        "InvalidSignatureException",
        "KMSAccessDeniedException",
        "KMSDisabledException",
        "KMSInvalidStateException",
        "KMSNotFoundException",
        "KMSOptInRequired",
        "KMSThrottlingException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "ResourceNotFoundException",
        "SerializationException",
        "ServiceUnavailable",
        "ThrottlingException",
        "UnrecognizedClientException",
        "ValidationException",
    ];
    let server = Server::start([]).await;
    let transport = transport(&server);
    for (number, name) in codes.into_iter().enumerate() {
        let namespace = "com.amazonaws.kinesis.v20131202#";
        server.script([Step::Answer(failure("400 Bad Request", &format!("{namespace}{name}")))]);
        let error = transport.put_records(request(1)).await.expect_err("it is an error");
        assert_eq!(error.code, ErrorCode::parse(name));
        assert!(!matches!(error.code, ErrorCode::Other(_)), "{name}");
        assert_eq!(error.message.as_str(), "so it is", "{name}");
        assert_eq!(server.received().len(), number + 1, "{name}: sent once");
    }
}

#[tokio::test]
async fn a_server_says_how_long_it_wants_to_be_left_alone() {
    let overloaded = |value: &str| {
        Step::Answer(answer(
            "503 Service Unavailable",
            &format!("x-amz-retry-after: {value}\r\n"),
            "",
        ))
    };
    let server = Server::start(["1500", "0", "-1", "soon"].map(overloaded)).await;
    let transport = transport(&server);
    for expected in [Some(1_500), Some(0), None, None] {
        let error = transport.put_records(request(1)).await.expect_err("it is overloaded");
        assert_eq!(error.retry_after, expected.map(Duration::from_millis));
    }
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_costs_nothing() {
    // The server closes after each answer, without saying so.
    let server = Server::start([]).await.otherwise(Step::AnswerAndClose(stored(1)));
    let transport = transport(&server);
    for _ in 0..20 {
        assert_eq!(put(&transport).await, (Ok(()), Sent::Unknown));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(server.received().len(), 20, "nothing is sent twice");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Server::start([]).await;
    for status in ["301 Moved Permanently", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let location = format!("Location: {}/\r\n", elsewhere.url());
        let server = Server::start([Step::Answer(answer(status, &location, "{}"))]).await;
        let result = put(&transport(&server)).await;
        assert_eq!(result, (Err(ErrorCode::UnusableAnswer), Sent::Unknown), "{status}");
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn nobody_listens() {
    let transport = transport_to(&nobody());
    assert_eq!(put(&transport).await, (Err(ErrorCode::ConnectFailed), Sent::No));
}

#[tokio::test]
async fn a_name_that_nobody_has() {
    // A name that is reserved for this.
    let transport = transport_to("http://headwaters.invalid");
    assert_eq!(put(&transport).await, (Err(ErrorCode::ConnectFailed), Sent::No));
}

#[tokio::test]
async fn a_connection_that_is_never_made() {
    // A listener whose queue is full takes no further connection.
    let socket = tokio::net::TcpSocket::new_v4().expect("there are sockets");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("there are free ports");
    let listener = socket.listen(1).expect("it listens");
    let address = listener.local_addr().expect("it listens");
    let mut queue = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(300), tokio::net::TcpStream::connect(address))
            .await
    {
        queue.push(stream);
    }
    let hasty = transport_to(&format!("http://{address}"));
    let patient = hasty.clone().request_timeout(Duration::from_millis(200));
    let hasty = hasty.connect_timeout(Duration::from_millis(200));
    assert_eq!(put(&hasty).await, (Err(ErrorCode::ConnectFailed), Sent::No));
    assert_eq!(put(&patient).await, (Err(ErrorCode::NotSent), Sent::No));
    // A cancel meanwhile: not sent.
    let request = request(1);
    let departure = request.departure.clone();
    let waiting = tokio::time::timeout(Duration::from_millis(100), hasty.put_records(request));
    assert!(waiting.await.is_err(), "nobody answers");
    assert_eq!(departure.sent(), Sent::No);
}

#[tokio::test]
async fn a_reset_before_the_request_is_never_taken_for_stored() {
    let server = Server::start([Step::ResetAtOnce]).await;
    let (result, _) = put(&transport(&server)).await;
    // Which of them depends on who is faster.
    let code = result.expect_err("nothing was stored");
    assert!(
        [ErrorCode::NotSent, ErrorCode::ConnectionLost, ErrorCode::ConnectFailed].contains(&code),
        "{code}"
    );
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn a_reset_amid_a_large_request() {
    let server = Server::start([Step::ResetAtFirstByte]).await;
    let result = transport(&server).put_records(sized_request(10, 1024 * 1024)).await;
    assert_eq!(code(&result), Err(ErrorCode::ConnectionLost));
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_request_counts() {
    // The server reads one byte, refuses, and keeps the connection open for a while.
    let listener =
        tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("there are free ports");
    let port = listener.local_addr().expect("it listens").port();
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut socket, _) = listener.accept().await.expect("somebody comes");
        socket.read_u8().await.expect("a byte");
        let refusal = failure("413 Payload Too Large", "RequestEntityTooLargeException");
        socket.write_all(&refusal).await.expect("somebody reads");
        let mut sink = vec![0; 64 * 1024];
        while socket.read(&mut sink).await.is_ok_and(|bytes| bytes > 0) {}
    });
    let transport = transport_to(&format!("http://127.0.0.1:{port}"));
    let result = transport.put_records(sized_request(10, 1024 * 1024)).await;
    assert_eq!(code(&result), Err(ErrorCode::RequestEntityTooLarge));
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_vec();
    for bytes in [vec![], b"HTTP/1.1 2".to_vec(), head] {
        let server = Server::start([Step::Stall(bytes)]).await;
        let transport = transport(&server).request_timeout(Duration::from_millis(200));
        assert_eq!(put(&transport).await, (Err(ErrorCode::RequestTimeout), Sent::Unknown));
    }
}

#[tokio::test]
async fn a_deadline_holds_without_the_clients_own_timer() {
    let server = Server::start([]).await.otherwise(Step::Stall(vec![]));
    // All that would ask for a timer when the client is made.
    let mut config = config(&server.url())
        .identity_cache(IdentityCache::no_cache())
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .timeout_config(TimeoutConfig::disabled());
    config.set_sleep_impl(None);
    let client = Client::from_conf(config.build());
    let transport = AwsTransport::new(client).request_timeout(Duration::from_millis(200));
    assert_eq!(put(&transport).await, (Err(ErrorCode::RequestTimeout), Sent::Unknown));
}

#[tokio::test]
async fn a_slow_answer_does_not_outlive_the_deadline() {
    let server = Server::start([Step::Drip(stored(1), Duration::from_millis(30))]).await;
    let transport = transport(&server).request_timeout(Duration::from_millis(300));
    let start = Instant::now();
    assert_eq!(put(&transport).await, (Err(ErrorCode::RequestTimeout), Sent::Unknown));
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn memory_stays_below_the_cap() {
    let megabyte = vec![b'x'; 1024 * 1024];
    let chunk = [b"100000\r\n".to_vec(), megabyte.clone(), b"\r\n".to_vec()].concat();
    let header = b"X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n".to_vec();
    let failed = b"HTTP/1.1 500 Oh\r\nConnection: close\r\n\r\n".to_vec();
    let cases = [
        // A body that announces ten gigabytes, two without an end, one in chunks, and a head without an end.
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n".to_vec(), megabyte.clone()),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec(), megabyte.clone()),
        (failed, megabyte),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(), chunk),
        (b"HTTP/1.1 200 OK\r\n".to_vec(), header),
        (vec![], b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()),
    ];
    for (index, (first, rest)) in cases.into_iter().enumerate() {
        let server = Server::start([Step::Endless(first, rest)]).await;
        let transport = transport(&server).request_timeout(Duration::from_millis(1_500));
        let (result, _) = put(&transport).await;
        let error = result.expect_err("this is no answer");
        assert_eq!(error.certainty(), Certainty::MaybeStored, "{index}: {error}");
        if index < 5 {
            assert_eq!(error, ErrorCode::UnusableAnswer, "{index}");
            // What the sockets hold comes on top of the cap.
            assert!(server.written() < 16 * 1024 * 1024, "{index}: {} bytes", server.written());
        }
    }
}

#[tokio::test]
async fn a_cancel_says_what_is_known() {
    // Nothing is polled: nothing is sent.
    let server = Server::start([]).await.otherwise(Step::Stall(vec![]));
    let transport = transport(&server);
    let request_one = request(1);
    let departure = request_one.departure.clone();
    drop(transport.put_records(request_one));
    assert_eq!(departure.sent(), Sent::No);
    // In flight: unknown.
    let request_two = request(1);
    let departure = request_two.departure.clone();
    let sending =
        tokio::time::timeout(Duration::from_millis(300), transport.put_records(request_two));
    assert!(sending.await.is_err(), "nobody answers");
    assert_eq!(departure.sent(), Sent::Unknown);
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn a_server_goes_down_and_comes_back() {
    let listener =
        tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("there are free ports");
    let server = Server::new(&listener, []);
    let accepting = server.clone();
    let first = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.expect("somebody comes");
        let number = accepting.connect();
        accepting.serve(socket, number).await;
    });
    let transport = transport(&server);
    assert_eq!(put(&transport).await.0, Ok(()));
    first.abort();
    let _ = first.await;
    assert_eq!(put(&transport).await, (Err(ErrorCode::ConnectFailed), Sent::No));
    let back = Server::start_at(server.port, []).await;
    assert_eq!(put(&transport).await.0, Ok(()));
    assert_eq!(back.received().len(), 1);
}
