//! A server, and a client as simple as can be: JSON, a connection for each request.
#![allow(dead_code, reason = "each test binary uses its part")]

use headwaters_server::{Server, ServerBuilder};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A server with a stream `orders` of two shards that takes whatever comes.
pub(crate) async fn server() -> Server {
    start(builder(2)).await
}

pub(crate) fn builder(shards: u32) -> ServerBuilder {
    Server::builder().unlimited().stream("orders", shards).expect("a name")
}

pub(crate) async fn start(builder: ServerBuilder) -> Server {
    builder.start().await.expect("it starts")
}

/// An answer as it came.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    pub(crate) body: Vec<u8>,
    pub(crate) head: String,
    pub(crate) status: u16,
}

impl Raw {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    pub(crate) fn json(&self) -> Value {
        if self.body.is_empty() {
            json!({})
        } else {
            serde_json::from_slice(&self.body).expect("JSON")
        }
    }
}

/// Sends a request as it is; what comes until the connection ends.
pub(crate) async fn exchange(server: &Server, request: &[u8]) -> std::io::Result<Raw> {
    let mut socket = TcpStream::connect(server.address()).await?;
    socket.write_all(request).await?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await?;
    let end = answer
        .windows(4)
        .position(|bytes| bytes == b"\r\n\r\n")
        .ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Ok(Raw { body: answer.split_off(end + 4), head, status })
}

/// A request to the API with this content type.
pub(crate) fn request(operation: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {content_type}\r\n\
         X-Amz-Target: Kinesis_20131202.{operation}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

pub(crate) async fn try_ask(
    server: &Server,
    operation: &str,
    members: &Value,
) -> std::io::Result<Raw> {
    let body = members.to_string();
    exchange(server, &request(operation, "application/x-amz-json-1.1", body.as_bytes())).await
}

/// What the server answers.
pub(crate) async fn ask(server: &Server, operation: &str, members: Value) -> Value {
    let answer = try_ask(server, operation, &members).await.expect("an answer");
    assert_eq!(answer.status, 200, "{operation} {members}: {}", answer.json());
    answer.json()
}

/// Code and message of the refusal.
pub(crate) async fn refusal(server: &Server, operation: &str, members: Value) -> (String, String) {
    let answer = try_ask(server, operation, &members).await.expect("an answer");
    assert_ne!(answer.status, 200, "{operation} {members}");
    let answer = answer.json();
    let text = |name: &str| answer[name].as_str().expect("a text").to_owned();
    (text("__type"), text("message"))
}

/// Asks the control.
pub(crate) async fn control(server: &Server, method: &str, path: &str, body: &str) -> (u16, Value) {
    let head = format!(
        "{method} /_headwaters/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let answer = exchange(server, &[head.as_bytes(), body.as_bytes()].concat()).await;
    let answer = answer.expect("an answer");
    (answer.status, answer.json())
}

/// A request with so many records.
pub(crate) fn records(count: usize) -> Value {
    let record =
        |number: usize| json!({ "Data": "ZGF0YQ==", "PartitionKey": format!("key-{number}") });
    json!({ "StreamName": "orders", "Records": (0..count).map(record).collect::<Vec<_>>() })
}

/// All records of a shard from here on, and the last answer.
pub(crate) async fn read(server: &Server, mut iterator: Value) -> (Vec<Value>, Value) {
    let (mut records, mut answer) = (Vec::new(), json!({}));
    while iterator.is_string() {
        answer = ask(server, "GetRecords", json!({ "ShardIterator": iterator })).await;
        let page = answer["Records"].as_array().expect("a list").clone();
        iterator = if page.is_empty() { Value::Null } else { answer["NextShardIterator"].clone() };
        records.extend(page);
    }
    (records, answer)
}

pub(crate) async fn iterator(server: &Server, shard: u64, kind: &str, more: Value) -> Value {
    let mut request = json!({
        "StreamName": "orders",
        "ShardId": format!("shardId-{shard:012}"),
        "ShardIteratorType": kind,
    });
    request
        .as_object_mut()
        .expect("an object")
        .extend(more.as_object().expect("an object").clone());
    ask(server, "GetShardIterator", request).await["ShardIterator"].clone()
}
