//! `HttpTransport::call`: any operation, asked once.
#![allow(clippy::disallowed_methods, reason = "sockets live in real time")]

mod support;

use headwaters_hostile::{Server, Setup, Step, answer, failure, nobody, put};
use headwaters_http::Protocol;
use headwaters_wire::{Class, ErrorCode};
use support::{builder_for, connect};

const JSON: &str = "Content-Type: application/x-amz-json-1.1\r\n";

#[tokio::test]
async fn it_brings_the_json_of_the_answer_whatever_the_protocol_of_the_transport_is() {
    for protocol in [Protocol::Json, Protocol::Cbor] {
        let names = "{\"StreamNames\":[\"orders\"],\"HasMoreStreams\":false}";
        let server = Server::start([Step::Answer(answer("200 OK", JSON, names))]).await;
        let transport =
            builder_for(&server).protocol(protocol).build().expect("nothing is missing");
        assert_eq!(transport.call("ListStreams", "{\"Limit\":7}").await.expect("an answer"), names);
        let [request] = &server.received()[..] else { panic!("it is asked once") };
        assert_eq!(request.header("x-amz-target"), Some("Kinesis_20131202.ListStreams"));
        assert_eq!(request.header("content-type"), Some("application/x-amz-json-1.1"));
        assert!(request.header("authorization").is_some_and(|value| value.contains("Signature=")));
        assert_eq!(request.body, b"{\"Limit\":7}");
    }
}

#[tokio::test]
async fn a_failure_is_what_the_service_says_and_is_not_tried_again() {
    for (status, code, class) in [
        ("400 Bad Request", "ResourceNotFoundException", Class::Permanent),
        ("400 Bad Request", "ProvisionedThroughputExceededException", Class::Throttled),
        ("503 Service Unavailable", "ServiceUnavailable", Class::Transient),
        ("400 Bad Request", "ExpiredTokenException", Class::Credentials),
    ] {
        let server = Server::start([]).await.otherwise(Step::Answer(failure(status, code)));
        let transport = builder_for(&server).build().expect("nothing is missing");
        let error = transport.call("GetRecords", "{}").await.expect_err(code);
        assert_eq!((error.code.as_str(), error.code.class()), (code, class));
        assert_eq!((error.message.as_str(), server.received().len()), ("so it is", 1));
    }
}

#[tokio::test]
async fn what_is_no_answer_is_unusable_and_what_does_not_come_is_lost() {
    let cbor = answer("200 OK", "Content-Type: application/x-amz-cbor-1.1\r\n", "\u{1}");
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{".to_vec();
    for (step, code) in [
        (Step::Answer(cbor), ErrorCode::UnusableAnswer),
        (Step::AnswerAndClose(cut.clone()), ErrorCode::ConnectionLost),
        (Step::AnswerAndReset(cut), ErrorCode::ConnectionLost),
        (Step::AnswerAndReset(vec![]), ErrorCode::ConnectionLost),
        (Step::Stall(vec![]), ErrorCode::RequestTimeout),
    ] {
        let server = Server::start([]).await.otherwise(step.clone());
        let transport = connect(Setup::new(server.url()).within(500));
        let error = transport.call("GetRecords", "{}").await.expect_err("no answer");
        assert_eq!(error.code, code, "{step:?}");
    }
    let error = connect(Setup::new(nobody())).call("GetRecords", "{}").await.expect_err("nobody");
    assert_eq!(error.code, ErrorCode::ConnectFailed);
}

#[tokio::test]
async fn an_answer_is_bounded() {
    let spaces = vec![b' '; 64 * 1024];
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let chunk = [b"10000\r\n", &spaces[..], b"\r\n"].concat();
    let server = Server::start([Step::Endless(head, chunk)]).await;
    let transport = builder_for(&server).build().expect("nothing is missing");
    let error = transport.call("GetRecords", "{}").await.expect_err("it has no end");
    assert_eq!(error.code, ErrorCode::UnusableAnswer);
    assert!(server.written() < 64 << 20, "{}", server.written());
}

#[tokio::test]
async fn the_clock_of_the_server_is_seen_in_any_answer() {
    let date = "Date: Sat, 01 Jan 2000 00:00:00 GMT\r\n";
    let server = Server::start([Step::Answer(answer("200 OK", date, "{}"))]).await;
    let transport = builder_for(&server).build().expect("nothing is missing");
    assert_eq!(transport.clock_offset(), None);
    transport.call("ListStreams", "{}").await.expect("an answer");
    assert!(transport.clock_offset().is_some_and(|seconds| seconds < -800_000_000));
    // Others use the same connections.
    assert_eq!(put(&transport).await.0, Ok(()));
    assert_eq!(server.connections(), 1);
}
