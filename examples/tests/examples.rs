//! The examples do what they say.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

fn output(program: &str) -> String {
    let output = Command::new(program).output().expect("it was built");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn the_engine_runs_in_a_loop_over_threads() {
    let said = output(env!("CARGO_BIN_EXE_engine_threads"));
    assert!(said.starts_with("10000 records stored"), "{said}");
}

#[test]
fn a_producer_runs_on_another_runtime() {
    assert_eq!(output(env!("CARGO_BIN_EXE_on_smol")), "1000 of 1000 records stored\n");
}

#[test]
fn an_hour_passes_in_a_moment_and_always_in_the_same_way() {
    let said = output(env!("CARGO_BIN_EXE_virtual_time"));
    assert!(said.starts_with("an hour, 200 records a second"), "{said}");
    assert_eq!(said, output(env!("CARGO_BIN_EXE_virtual_time")));
}

/// One request, as Lambda's runtime API gets it: its path and its body.
fn request(stream: &TcpStream) -> (String, String) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).expect("a request");
    let path = line.split(' ').nth(1).expect("a path").to_owned();
    let mut length = 0;
    let mut is_chunked = false;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).expect("a header");
        let header = header.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
        is_chunked |= header == "transfer-encoding: chunked";
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    if is_chunked {
        read_chunks(&mut reader, &mut body);
    }
    (path, String::from_utf8(body).expect("text"))
}

fn read_chunks(reader: &mut impl BufRead, body: &mut Vec<u8>) {
    loop {
        let mut size = String::new();
        reader.read_line(&mut size).expect("a size");
        let size = usize::from_str_radix(size.trim(), 16).expect("a number");
        let mut chunk = vec![0; size + 2];
        reader.read_exact(&mut chunk).expect("a chunk");
        body.extend_from_slice(&chunk[..size]);
        if size == 0 {
            return;
        }
    }
}

fn invocation(number: usize, payload: &Value, milliseconds: u128) -> String {
    #[expect(clippy::disallowed_methods, reason = "Lambda's deadline is a time of day")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
    let body = payload.to_string();
    format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\n\
         lambda-runtime-aws-request-id: {number}\r\nlambda-runtime-deadline-ms: {}\r\n\
         lambda-runtime-invoked-function-arn: arn:aws:lambda:eu-central-1:123456789012:function:load\r\n\
         content-length: {}\r\n\r\n{body}",
        now + milliseconds,
        body.len()
    )
}

/// A stand-in for Lambda's runtime API: gives one invocation after the other, and takes the answers.
fn answers(invocations: &[(Value, u128)]) -> Vec<Value> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let mut lambda = Command::new(env!("CARGO_BIN_EXE_lambda"))
        .env("AWS_LAMBDA_RUNTIME_API", &address)
        .env("AWS_LAMBDA_FUNCTION_NAME", "load")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "log")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", "log")
        .spawn()
        .expect("it was built");
    let mut answers = Vec::new();
    let mut next = 0;
    while answers.len() < invocations.len() {
        let (mut stream, _) = listener.accept().expect("a connection");
        let (path, body) = request(&stream);
        if path.ends_with("/invocation/next") {
            let (payload, milliseconds) = &invocations[next];
            next += 1;
            let said = invocation(next, payload, *milliseconds);
            stream.write_all(said.as_bytes()).expect("it listens");
        } else {
            assert!(path.ends_with(&format!("/{}/response", answers.len() + 1)), "{path}: {body}");
            answers.push(serde_json::from_str(&body).expect("JSON"));
            let said = "HTTP/1.1 202 Accepted\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(said.as_bytes()).expect("it listens");
        }
    }
    lambda.kill().expect("it runs until it is killed");
    lambda.wait().expect("it was killed");
    answers
}

#[test]
fn a_lambda_answers_when_all_is_stored_or_its_time_is_up() {
    let records: Vec<_> = (0..700).map(|n| json!({ "key": n.to_string(), "data": "x" })).collect();
    let payload = json!({ "records": records });
    let answers = answers(&[(payload.clone(), 30_000), (payload, 0)]);
    assert_eq!(answers[0], json!({ "stored": 700, "taken": 700, "failures": [] }));
    assert_eq!(answers[1]["stored"], 0, "there was no time: {}", answers[1]);
}
