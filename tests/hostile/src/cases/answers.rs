//! Answers, and what they are taken for.

use core::time::Duration;

use headwaters_transport::{Sent, Transport};
use headwaters_wire::{Certainty, ErrorCode};

use crate::faults::{faults, wrong_counts};
use crate::{Server, Setup, Step, answer, failure, list, put, request, stored};

/// Connections are used again, and the heads say what they must.
pub async fn what_is_stored_is_stored<T: Transport>(connect: impl Fn(Setup) -> T) {
    let server = Server::start([]).await;
    let transport = connect(Setup::new(server.url()));
    for _ in 0..3 {
        assert_eq!(put(&transport).await, (Ok(()), Sent::Unknown));
    }
    assert_eq!(server.connections(), 1, "the connection is used again");
    let received = &server.received()[0];
    assert!(received.head.starts_with("POST / HTTP/1.1\r\n"), "{}", received.head);
    assert_eq!(received.header("x-amz-target"), Some("Kinesis_20131202.PutRecords"));
    assert_eq!(received.header("host"), Some(&*format!("127.0.0.1:{}", server.port())));
}

/// Each fault, what is said of it, and that nothing else is.
pub async fn every_fault_is_told_as_what_it_is<T: Transport>(connect: impl Fn(Setup) -> T) {
    for (step, told) in faults().into_iter().chain(wrong_counts()) {
        let server = Server::start([step.clone()]).await;
        let transport = connect(Setup::new(server.url()));
        assert_eq!(put(&transport).await, (Err(told), Sent::Unknown), "{step:?}");
        // And the transport lives on; nothing was sent twice.
        assert_eq!(put(&transport).await, (Ok(()), Sent::Unknown), "{step:?}");
        let unread = usize::from(matches!(step, Step::ResetAtFirstByte));
        assert_eq!(server.received().len() + unread, 2, "{step:?}");
    }
}

/// The same faults, in answer to ListShards.
pub async fn no_fault_is_a_list_of_shards<T: Transport>(connect: impl Fn(Setup) -> T) {
    for (step, told) in faults() {
        let server = Server::start([step.clone()]).await;
        let transport = connect(Setup::new(server.url()));
        assert_eq!(list(&transport).await, Err(told), "{step:?}");
        let shards = Step::Answer(answer("200 OK", "", "{\"Shards\":[]}"));
        server.script([shards]);
        assert_eq!(list(&transport).await, Ok(0), "{step:?}");
    }
}

/// At each byte, in order and by a reset.
pub async fn an_answer_that_is_cut_anywhere_is_no_answer<T: Transport>(
    connect: impl Fn(Setup) -> T,
) {
    let whole = stored(1);
    let server = Server::start([]).await;
    let transport = connect(Setup::new(server.url()));
    for end in 0..whole.len() {
        server.script([Step::AnswerAndClose(whole[..end].to_vec())]);
        let error = transport.put_records(request(1)).await.expect_err("it is cut");
        assert_eq!(error.code.certainty(), Certainty::MaybeStored, "{end}: {error}");
    }
    assert_eq!(put(&transport).await.0, Ok(()));
    assert_eq!(server.received().len(), whole.len() + 1, "nothing is sent twice");
}

/// Those for which a client may have types, and those for which it has none, all by their code.
pub async fn errors_of_the_service_are_known_by_their_code<T: Transport>(
    connect: impl Fn(Setup) -> T,
) {
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
    let transport = connect(Setup::new(server.url()));
    for (number, name) in codes.into_iter().enumerate() {
        let namespace = "com.amazonaws.kinesis.v20131202#";
        server.script([Step::Answer(failure("400 Bad Request", &format!("{namespace}{name}")))]);
        let error = transport.put_records(request(1)).await.expect_err("it is an error");
        assert_eq!(error.code, ErrorCode::parse(name));
        assert!(!matches!(error.code, ErrorCode::Other(_)), "{name}");
        assert!(error.message.as_str().contains("so it is"), "{name}: {}", error.message);
        assert_eq!(server.received().len(), number + 1, "{name}: sent once");
    }
}

/// What we call a way that failed it cannot say, not of one entry either: that would be taken for a word that nothing was
/// stored. Nor does a header make a failure of an answer that can be anything.
pub async fn a_server_cannot_say_that_nothing_left<T: Transport>(connect: impl Fn(Setup) -> T) {
    let server = Server::start([]).await;
    let transport = connect(Setup::new(server.url()));
    for code in ["NotSent", "ConnectFailed"] {
        let body = format!(r#"{{"FailedRecordCount":1,"Records":[{{"ErrorCode":"{code}"}}]}}"#);
        server.script([Step::Answer(answer("200 OK", "", &body))]);
        let results = transport.put_records(request(1)).await.expect("an answer");
        let error = results[0].as_ref().expect_err("it was not stored");
        assert_eq!(error.code.certainty(), Certainty::MaybeStored, "{code}: {error}");
    }
    let header = "x-amzn-errortype: ValidationException\r\n";
    server.script([Step::Answer(answer("200 OK", header, "{\"Records\":7}"))]);
    let error = transport.put_records(request(1)).await.expect_err("it cannot be read");
    assert_eq!(error.code.certainty(), Certainty::MaybeStored, "{error}");
}

/// By a header, in milliseconds.
pub async fn a_server_says_how_long_it_wants_to_be_left_alone<T: Transport>(
    connect: impl Fn(Setup) -> T,
) {
    let overloaded = |value: &str| {
        let header = format!("x-amz-retry-after: {value}\r\n");
        Step::Answer(answer("503 Service Unavailable", &header, ""))
    };
    let server = Server::start(["1500", "0", "-1", "soon"].map(overloaded)).await;
    let transport = connect(Setup::new(server.url()));
    for expected in [Some(1_500), Some(0), None, None] {
        let error = transport.put_records(request(1)).await.expect_err("it is overloaded");
        assert_eq!(error.retry_after, expected.map(Duration::from_millis));
    }
}
