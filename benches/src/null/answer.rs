use core::fmt::Write;
use std::time::SystemTime;

use headwaters_engine::wire::ShardId;
use headwaters_http::sigv4::http_date;

use super::request::Protocol;
use crate::{SHARDS, shards};

/// Writes answers, into a buffer that is used again.
pub(super) struct Answers {
    /// What is said of an entry, for each shard: in JSON and in CBOR.
    entries: [Vec<Vec<u8>>; 2],
    written: Vec<u8>,
}

/// As long as the service's.
const SEQUENCE_NUMBER: &str = "49590338271490256608559692538361571095921575989136588898";

impl Default for Answers {
    fn default() -> Self {
        let json = |shard: &String| {
            format!(r#"{{"SequenceNumber":"{SEQUENCE_NUMBER}","ShardId":"{shard}"}},"#).into_bytes()
        };
        let cbor = |shard: &String| {
            let mut entry = vec![0xa2];
            for text in ["SequenceNumber", SEQUENCE_NUMBER, "ShardId", shard] {
                cbor_text(&mut entry, text);
            }
            entry
        };
        let ids = (0..SHARDS).map(|shard| ShardId::numbered(shard.into()).to_string());
        let ids: Vec<String> = ids.collect();
        let entries = [ids.iter().map(json).collect(), ids.iter().map(cbor).collect()];
        Self { entries, written: Vec::new() }
    }
}

fn cbor_text(to: &mut Vec<u8>, text: &str) {
    match text.len() {
        length @ 0..24 => to.push(0x60 | length as u8),
        length => to.extend_from_slice(&[0x78, length as u8]),
    }
    to.extend_from_slice(text.as_bytes());
}

impl Answers {
    /// All were stored, in these shards.
    pub(super) fn stored(&mut self, protocol: Protocol, shards: &[u8]) -> &[u8] {
        let entries = &self.entries[usize::from(protocol == Protocol::Cbor)];
        let entry = |shard: &u8| entries[usize::from(*shard)].as_slice();
        let (mut frame, close) = (
            Vec::new(),
            match protocol {
                Protocol::Cbor => &b""[..],
                Protocol::Json => b"]}",
            },
        );
        match protocol {
            Protocol::Cbor => {
                frame.push(0xa2);
                cbor_text(&mut frame, "FailedRecordCount");
                frame.push(0);
                cbor_text(&mut frame, "Records");
                frame.push(0x99);
                frame.extend_from_slice(&(shards.len() as u16).to_be_bytes());
            }
            Protocol::Json => frame.extend_from_slice(br#"{"FailedRecordCount":0,"Records":["#),
        }
        let comma = usize::from(protocol == Protocol::Json && !shards.is_empty());
        let length: usize = shards.iter().map(|shard| entry(shard).len()).sum();
        let length = frame.len() + length - comma + close.len();
        self.written.clear();
        head(&mut self.written, protocol, length);
        self.written.extend_from_slice(&frame);
        for shard in shards {
            self.written.extend_from_slice(entry(shard));
        }
        self.written.truncate(self.written.len() - comma);
        self.written.extend_from_slice(close);
        &self.written
    }

    /// The shards of the stream. Nobody asks for anything else.
    pub(super) fn shards(&mut self) -> &[u8] {
        let mut text = String::from(r#"{"Shards":["#);
        for (index, shard) in shards().shards.iter().enumerate() {
            let (start, end) = (shard.hash_keys.start(), shard.hash_keys.end());
            let comma = if index > 0 { "," } else { "" };
            write!(
                text,
                r#"{comma}{{"HashKeyRange":{{"StartingHashKey":"{start}","EndingHashKey":"{end}"}},"ShardId":"{}","SequenceNumberRange":{{"StartingSequenceNumber":"{SEQUENCE_NUMBER}"}}}}"#,
                shard.id
            )
            .expect("a string takes everything");
        }
        text.push_str("]}");
        self.written.clear();
        head(&mut self.written, Protocol::Json, text.len());
        self.written.extend_from_slice(text.as_bytes());
        &self.written
    }
}

fn head(to: &mut Vec<u8>, protocol: Protocol, length: usize) {
    let kind = match protocol {
        Protocol::Cbor => "cbor",
        Protocol::Json => "json",
    };
    let date = http_date(unix());
    // As many headers as the service sends.
    let head = format!(
        "HTTP/1.1 200 OK\r\nx-amzn-RequestId: e2a8f0a4-6b2c-4c1e-9f3e-1f6d0c5b7a90\r\n\
         Date: {date}\r\nContent-Type: application/x-amz-{kind}-1.1\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    to.extend_from_slice(head.as_bytes());
}

#[expect(clippy::disallowed_methods, reason = "a server says what time it is")]
fn unix() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs().cast_signed())
}
