use headwaters_wire::ErrorCode;

use crate::server::{Step, answer, failure, stored};

/// What a server does with a request, and the code that says so.
pub(crate) type Fault = (Step, ErrorCode);

/// All that can be said in a table, of any request. Each comes once the whole request is there, or its first
/// byte: nobody knows then whether it was stored, unless the code says it.
pub(crate) fn faults() -> Vec<Fault> {
    broken().into_iter().chain(unusable()).chain(of_others()).collect()
}

/// Answers that are cut.
fn broken() -> Vec<Fault> {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let whole = stored(1);
    let cut = whole[..whole.len() - 10].to_vec();
    [
        Step::ResetAtFirstByte,
        Step::AnswerAndClose(vec![]),
        Step::AnswerAndReset(vec![]),
        Step::AnswerAndClose(cut.clone()),
        Step::AnswerAndReset(cut),
        Step::AnswerAndClose(b"HTTP/1.1 200".to_vec()),
        Step::AnswerAndClose(format!("{chunked}100\r\n{{").into_bytes()),
        Step::AnswerAndClose(format!("{chunked}zz\r\n").into_bytes()),
    ]
    .into_iter()
    .map(|step| (step, ErrorCode::ConnectionLost))
    .collect()
}

/// Answers of another kind, and malformed ones.
fn unusable() -> Vec<Fault> {
    let deep = "[".repeat(60_000);
    let html = answer("200 OK", "Content-Type: text/html\r\n", "<html>ok</html>");
    [
        Step::Answer(answer("200 OK", "", "")),
        Step::Answer(answer("204 No Content", "", "")),
        Step::Answer(html),
        Step::Answer(answer("200 OK", "Content-Encoding: gzip\r\n", "\x1f")),
        Step::AnswerAndClose(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
        Step::Answer(answer("200 OK", "", "{\"Records\":[{]}")),
        Step::Answer(answer("200 OK", "", "{\"Shards\":[{]}")),
        Step::Answer(answer("200 OK", "", "{}")),
        Step::Answer(answer("200 OK", "", "null")),
        Step::Answer(answer("200 OK", "", &deep)),
        Step::Answer(answer("200 OK", "", &format!("{{\"Records\":{deep}"))),
        Step::Answer(answer("200 OK", "", &format!("{{\"Shards\":{deep}"))),
        Step::Answer(answer("307 Temporary Redirect", "Location: http://127.0.0.1:9/\r\n", "")),
        Step::Answer(answer(
            "301 Moved Permanently",
            "Location: http://attacker.example/\r\n",
            "{}",
        )),
    ]
    .into_iter()
    .map(|step| (step, ErrorCode::UnusableAnswer))
    .collect()
}

/// Errors of the service that none of its clients has a type for, and of what stands before it.
fn of_others() -> Vec<Fault> {
    use ErrorCode::{InternalFailure, ServiceUnavailable, ValidationException};
    let other = |code: &str| ErrorCode::Other(code.into());
    let typed = |headers: &str, body: &str| answer("400 Bad Request", headers, body);
    [
        (failure("500 Internal Server Error", "InternalFailure"), InternalFailure),
        (answer("500 Internal Server Error", "", "oops"), InternalFailure),
        (answer("503 Service Unavailable", "", ""), ServiceUnavailable),
        (answer("502 Bad Gateway", "", "<html>"), ServiceUnavailable),
        (answer("413 Payload Too Large", "", ""), ErrorCode::RequestEntityTooLarge),
        (answer("429 Too Many Requests", "", ""), ErrorCode::ThrottlingException),
        (answer("408 Request Timeout", "", ""), ErrorCode::RequestTimeout),
        (answer("418 I'm a teapot", "", ""), other("HTTP 418")),
        (failure("400 Bad Request", "BrandNewException"), other("BrandNewException")),
        (typed("x-amzn-ErrorType: ValidationException:http://x\r\n", ""), ValidationException),
        (typed("x-amzn-ErrorType: ValidationException\r\n", "<html>"), ValidationException),
    ]
    .map(|(answer, told)| (Step::Answer(answer), told))
    .into()
}

/// Answers to PutRecords that do not fit to the one entry of the request.
pub(crate) fn wrong_counts() -> Vec<Fault> {
    let records = |records: &str| {
        let body = format!("{{\"FailedRecordCount\":0,\"Records\":[{records}]}}");
        Step::Answer(answer("200 OK", "", &body))
    };
    let placed = "\"SequenceNumber\":\"42\",\"ShardId\":\"shardId-000000000001\"";
    [
        Step::Answer(stored(2)),
        records(""),
        records("{}"),
        records("null"),
        records("{\"SequenceNumber\":\"42\"}"),
        records("{\"SequenceNumber\":\"\",\"ShardId\":\"shardId-000000000001\"}"),
        records(&format!("{{{placed},\"ErrorCode\":\"InternalFailure\"}}")),
    ]
    .into_iter()
    .map(|step| (step, ErrorCode::UnusableAnswer))
    .collect()
}
