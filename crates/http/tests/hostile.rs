//! Servers that break, lie and stall: never a panic, never a false "stored", never a false "not stored".
#![allow(clippy::disallowed_methods, reason = "sockets live in real time")]

mod support;

use core::time::Duration;
use std::time::Instant;

use headwaters_transport::{Sent, Transport};
use headwaters_wire::{Certainty, ErrorCode};
use support::{
    Server, Step, answer, builder, code, failure, put, request, sized_request, stored, transport,
};

#[tokio::test]
async fn what_is_stored_is_stored() {
    let server = Server::start([]).await;
    let transport = transport(&server);
    for _ in 0..3 {
        assert_eq!(put(&transport).await, (Ok(()), Sent::Unknown));
    }
    assert_eq!(server.connections(), 1, "the connection is used again");
    let received = server.received();
    assert!(received[0].head.starts_with("POST / HTTP/1.1\r\n"));
    assert_eq!(received[0].header("x-amz-target"), Some("Kinesis_20131202.PutRecords"));
    assert_eq!(received[0].header("host"), Some(&*format!("127.0.0.1:{}", server.port)));
}

/// Each fault, what is said of it, and that nothing else is.
#[tokio::test]
async fn every_fault_is_told_as_what_it_is() {
    use ErrorCode::{ConnectionLost, InternalFailure, UnusableAnswer};
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let whole = stored(1);
    let cut = whole[..whole.len() - 10].to_vec();
    let other = |code: &str| ErrorCode::Other(code.into());
    let cases = [
        // F08: cut answers.
        (Step::ResetAtFirstByte, ConnectionLost),
        (Step::AnswerAndClose(vec![]), ConnectionLost),
        (Step::AnswerAndReset(vec![]), ConnectionLost),
        (Step::AnswerAndClose(cut.clone()), ConnectionLost),
        (Step::AnswerAndReset(cut), ConnectionLost),
        (Step::AnswerAndClose(b"HTTP/1.1 200".to_vec()), ConnectionLost),
        (Step::AnswerAndClose(format!("{chunked}100\r\n{{").into_bytes()), ConnectionLost),
        // F09: answers of another kind.
        (Step::Answer(answer("200 OK", "", "")), UnusableAnswer),
        (Step::Answer(answer("204 No Content", "", "")), UnusableAnswer),
        (
            Step::Answer(answer("200 OK", "Content-Type: text/html\r\n", "<html>ok</html>")),
            UnusableAnswer,
        ),
        (Step::Answer(answer("200 OK", "Content-Encoding: gzip\r\n", "\x1f")), UnusableAnswer),
        (Step::AnswerAndClose(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()), UnusableAnswer),
        (Step::AnswerAndClose(format!("{chunked}zz\r\n").into_bytes()), ConnectionLost),
        // F10 and F11: malformed, and wrong counts.
        (Step::Answer(answer("200 OK", "", "{\"Records\":[{]}")), UnusableAnswer),
        (Step::Answer(answer("200 OK", "", "{\"Records\":[]}")), UnusableAnswer),
        (Step::Answer(stored(2)), UnusableAnswer),
        (Step::Answer(answer("200 OK", "", "{\"Records\":[{}]}")), UnusableAnswer),
        // Errors of the service, and of others.
        (
            Step::Answer(failure("400 Bad Request", "com.amazonaws#ResourceNotFoundException")),
            ErrorCode::ResourceNotFoundException,
        ),
        (Step::Answer(failure("500 Internal Server Error", "InternalFailure")), InternalFailure),
        (Step::Answer(answer("500 Internal Server Error", "", "oops")), InternalFailure),
        (Step::Answer(answer("503 Service Unavailable", "", "")), ErrorCode::ServiceUnavailable),
        (Step::Answer(answer("502 Bad Gateway", "", "<html>")), ErrorCode::ServiceUnavailable),
        (Step::Answer(answer("413 Payload Too Large", "", "")), ErrorCode::RequestEntityTooLarge),
        (Step::Answer(answer("418 I'm a teapot", "", "")), other("HTTP 418")),
        (
            Step::Answer(answer(
                "400 Bad Request",
                "x-amzn-ErrorType: ValidationException:http://x\r\n",
                "",
            )),
            ErrorCode::ValidationException,
        ),
        // F25: redirects.
        (
            Step::Answer(answer("307 Temporary Redirect", "Location: http://127.0.0.1:9/\r\n", "")),
            UnusableAnswer,
        ),
        (
            Step::Answer(answer(
                "301 Moved Permanently",
                "Location: http://attacker.example/\r\n",
                "{}",
            )),
            UnusableAnswer,
        ),
    ];
    for (step, expected) in cases {
        let server = Server::start([step.clone()]).await;
        let transport = transport(&server);
        let (result, sent) = put(&transport).await;
        assert_eq!(result, Err(expected), "{step:?}");
        assert_eq!(sent, Sent::Unknown, "{step:?}");
        // And the transport lives on.
        assert_eq!(put(&transport).await, (Ok(()), Sent::Unknown), "{step:?}");
        assert_eq!(
            server.received().len() + usize::from(matches!(step, Step::ResetAtFirstByte)),
            2
        );
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
async fn nobody_listens() {
    let server = Server::start([]).await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("there are free ports");
    let port = free.local_addr().expect("it listens").port();
    drop(free);
    let transport =
        builder(&format!("http://127.0.0.1:{port}")).build().expect("nothing is missing");
    assert_eq!(put(&transport).await, (Err(ErrorCode::ConnectFailed), Sent::No));
    drop(server);
}

#[tokio::test]
async fn a_reset_before_the_request_is_never_taken_for_stored() {
    let server = Server::start([Step::ResetAtOnce]).await;
    let transport = transport(&server);
    let (result, _) = put(&transport).await;
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
    let transport = transport(&server);
    let result = transport.put_records(sized_request(10, 1024 * 1024)).await;
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
    let transport =
        builder(&format!("http://127.0.0.1:{port}")).build().expect("nothing is missing");
    let result = transport.put_records(sized_request(10, 1024 * 1024)).await;
    assert_eq!(code(&result), Err(ErrorCode::RequestEntityTooLarge));
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_vec();
    for bytes in [vec![], b"HTTP/1.1 2".to_vec(), head] {
        let server = Server::start([Step::Stall(bytes)]).await;
        let transport = builder(&server.url()).request_timeout(Duration::from_millis(200));
        let transport = transport.build().expect("nothing is missing");
        assert_eq!(put(&transport).await, (Err(ErrorCode::RequestTimeout), Sent::Unknown));
    }
}

#[tokio::test]
async fn a_slow_answer_does_not_outlive_the_deadline() {
    let server = Server::start([Step::Drip(stored(1), Duration::from_millis(30))]).await;
    let transport = builder(&server.url()).request_timeout(Duration::from_millis(300));
    let transport = transport.build().expect("nothing is missing");
    let start = Instant::now();
    assert_eq!(put(&transport).await, (Err(ErrorCode::RequestTimeout), Sent::Unknown));
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn memory_stays_below_the_cap() {
    let megabyte = vec![b'x'; 1024 * 1024];
    let chunk = [b"100000\r\n".to_vec(), megabyte.clone(), b"\r\n".to_vec()].concat();
    let header = b"X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n".to_vec();
    let cases = [
        // A body that announces ten gigabytes, one without an end, one in chunks, and a head without an end.
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n".to_vec(), megabyte.clone()),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec(), megabyte),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(), chunk),
        (b"HTTP/1.1 200 OK\r\n".to_vec(), header),
        (vec![], b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()),
    ];
    for (index, (first, rest)) in cases.into_iter().enumerate() {
        let server = Server::start([Step::Endless(first, rest)]).await;
        let transport = builder(&server.url()).request_timeout(Duration::from_millis(1_500));
        let transport = transport.build().expect("nothing is missing");
        let (result, _) = put(&transport).await;
        let error = result.expect_err("this is no answer");
        assert_eq!(error.certainty(), Certainty::MaybeStored, "{index}: {error}");
        if index < 4 {
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
        tokio::time::timeout(Duration::from_millis(200), transport.put_records(request_two));
    assert!(sending.await.is_err(), "nobody answers");
    assert_eq!(departure.sent(), Sent::Unknown);
    assert_eq!(server.received().len(), 1);
    // While it connects: not sent. Nobody accepts, so the handshake of TLS never ends.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("there are free ports");
    let port = silent.local_addr().expect("it listens").port();
    let transport =
        builder(&format!("https://127.0.0.1:{port}")).build().expect("nothing is missing");
    let request_three = request(1);
    let departure = request_three.departure.clone();
    let sending =
        tokio::time::timeout(Duration::from_millis(200), transport.put_records(request_three));
    assert!(sending.await.is_err(), "nobody answers");
    assert_eq!(departure.sent(), Sent::No);
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

#[tokio::test]
async fn an_idle_connection_is_not_kept_for_ever() {
    let server = Server::start([]).await;
    let transport = builder(&server.url()).idle_connections(4, Duration::from_millis(50));
    let transport = transport.build().expect("nothing is missing");
    assert_eq!(put(&transport).await.0, Ok(()));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(put(&transport).await.0, Ok(()));
    assert_eq!(server.connections(), 2);
}
