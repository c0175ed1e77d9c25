use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a producer never asks: streams are made, split and read with it. As simple as can be, so that it
/// shares nothing with what is tested: JSON, a connection for each request, nothing signed.
#[derive(Clone, Debug)]
pub(crate) struct Admin {
    port: u16,
}

impl Admin {
    /// Of the server on this port.
    pub(crate) const fn new(port: u16) -> Self {
        Self { port }
    }

    /// Asks, again and again as long as the stream is being changed or the server wants less.
    ///
    /// # Panics
    /// The server refuses.
    pub(crate) async fn ask(&self, operation: &str, request: &Value) -> Value {
        for _ in 0..200 {
            match self.try_ask(operation, request).await {
                Ok((200, answer)) => return answer,
                Ok((_, answer)) if is_passing(&answer) => {}
                other => panic!("{operation} {request}: {other:?}"),
            }
            pause().await;
        }
        panic!("{operation} {request}: the server does not come round");
    }

    /// Asks once: the status and the answer.
    ///
    /// # Errors
    /// There is no answer.
    pub(crate) async fn try_ask(
        &self,
        operation: &str,
        request: &Value,
    ) -> std::io::Result<(u16, Value)> {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let body = request.to_string();
        let head = format!(
            "POST / HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\nContent-Length: {}\r\n\
             Content-Type: application/x-amz-json-1.1\r\nX-Amz-Target: Kinesis_20131202.{operation}\r\n\
             X-Amz-Date: 20260101T000000Z\r\nAuthorization: AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/\
             kinesis/aws4_request, SignedHeaders=host;x-amz-date, Signature=x\r\n\r\n",
            self.port,
            body.len()
        );
        socket.write_all(&[head.as_bytes(), body.as_bytes()].concat()).await?;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let is_chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        let body = if is_chunked { unchunked(body) } else { body.to_owned() };
        Ok((status, serde_json::from_str(&body).unwrap_or(Value::Null)))
    }

    /// Makes a stream, and waits until it is there.
    pub(crate) async fn create(&self, stream: &str, shards: u32) {
        self.ask("CreateStream", &json!({ "StreamName": stream, "ShardCount": shards })).await;
        self.settle(stream).await;
    }

    /// Asks for records of 10 MiB. Not all servers know of it, or heed it.
    pub(crate) async fn allow_large_records(&self, stream: &str) {
        let summary = self.ask("DescribeStreamSummary", &json!({ "StreamName": stream })).await;
        let arn = &summary["StreamDescriptionSummary"]["StreamARN"];
        let request = json!({ "StreamARN": arn, "MaxRecordSizeInKiB": 10 * 1024 });
        let (_, answer) = self.try_ask("UpdateMaxRecordSize", &request).await.expect("an answer");
        println!("    UpdateMaxRecordSize: {answer}");
        self.settle(stream).await;
    }

    /// Waits until a change is done.
    pub(crate) async fn settle(&self, stream: &str) {
        for _ in 0..200 {
            let summary = self.ask("DescribeStreamSummary", &json!({ "StreamName": stream })).await;
            if summary["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE" {
                return;
            }
            pause().await;
        }
        panic!("{stream}: the change does not end");
    }

    /// All shards, the closed ones too.
    pub(crate) async fn shards(&self, stream: &str) -> Vec<Value> {
        let answer = self.ask("ListShards", &json!({ "StreamName": stream })).await;
        answer["Shards"].as_array().cloned().expect("a list of shards")
    }

    /// All records of a shard.
    pub(crate) async fn records(&self, stream: &str, shard: &str) -> Vec<Value> {
        let request =
            json!({ "StreamName": stream, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON" });
        let answer = self.ask("GetShardIterator", &request).await;
        let mut iterator = answer["ShardIterator"].clone();
        let (mut records, mut empty) = (Vec::new(), 0);
        // A page may be empty before the end.
        while empty < 2 && iterator.is_string() {
            let answer = self.ask("GetRecords", &json!({ "ShardIterator": iterator })).await;
            let page = answer["Records"].as_array().cloned().expect("a list of records");
            empty = if page.is_empty() { empty + 1 } else { 0 };
            records.extend(page);
            iterator = answer["NextShardIterator"].clone();
        }
        records
    }
}

fn is_passing(answer: &Value) -> bool {
    let code = answer["__type"].as_str().unwrap_or_default();
    ["ResourceInUseException", "LimitExceededException", "ProvisionedThroughputExceededException"]
        .iter()
        .any(|passing| code.ends_with(passing))
}

fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        let Some(chunk) = rest.get(..size).filter(|chunk| !chunk.is_empty()) else { break };
        whole.push_str(chunk);
        body = rest[size..].trim_start_matches("\r\n");
    }
    whole
}

#[expect(clippy::disallowed_methods, reason = "the servers live in real time")]
pub(crate) async fn pause() {
    tokio::time::sleep(core::time::Duration::from_millis(50)).await;
}
