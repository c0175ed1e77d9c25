use std::io::Write;

use headwaters_wire::{Entry, NextToken};

use super::{OPEN_SHARDS, SHARDS_PER_PAGE, Stream};

/// Beside data and key: names, quotes, commas, and an explicit hash key of 39 digits.
const ENTRY_BYTES: usize = 112;
/// Beside the entries; an ARN has at most 2,048 characters.
const FRAME_BYTES: usize = 256;

pub(super) fn put_records(body: &mut Vec<u8>, stream: Stream<'_>, entries: &[Entry]) {
    let encoded = |entry: &Entry| base64_simd::STANDARD.encoded_length(entry.data.len());
    let size = |entry: &Entry| encoded(entry) + entry.partition_key.len() + ENTRY_BYTES;
    body.reserve(entries.iter().map(size).sum::<usize>() + FRAME_BYTES);
    body.extend_from_slice(b"{\"Records\":[");
    for (index, entry) in entries.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        write_entry(body, entry);
    }
    body.extend_from_slice(b"],");
    stream_member(body, stream);
    body.push(b'}');
}

pub(super) fn list_shards(body: &mut Vec<u8>, stream: Stream<'_>, next_token: Option<&NextToken>) {
    match next_token {
        Some(token) => {
            body.extend_from_slice(b"{\"NextToken\":");
            string(body, token.as_str().as_bytes());
        }
        None => {
            let frame = format!("{{\"MaxResults\":{SHARDS_PER_PAGE},\"ShardFilter\":{{\"Type\":");
            body.extend_from_slice(frame.as_bytes());
            string(body, OPEN_SHARDS.as_bytes());
            body.extend_from_slice(b"},");
            stream_member(body, stream);
        }
    }
    body.push(b'}');
}

fn write_entry(body: &mut Vec<u8>, entry: &Entry) {
    body.extend_from_slice(b"{\"Data\":\"");
    base64_simd::STANDARD.encode_append(&entry.data, body);
    body.extend_from_slice(b"\",\"PartitionKey\":");
    string(body, entry.partition_key.as_bytes());
    if let Some(hash_key) = entry.explicit_hash_key {
        body.extend_from_slice(b",\"ExplicitHashKey\":\"");
        write!(body, "{hash_key}").expect("a vector takes everything");
        body.push(b'"');
    }
    body.push(b'}');
}

fn stream_member(body: &mut Vec<u8>, stream: Stream<'_>) {
    let (name, value) = stream.member();
    string(body, name.as_bytes());
    body.push(b':');
    string(body, value.as_bytes());
}

/// A text, which is UTF-8.
fn string(body: &mut Vec<u8>, text: &[u8]) {
    body.push(b'"');
    // All bytes are looked at, so that many are looked at at once: hardly any text has something to escape.
    if text.iter().fold(false, |found, byte| found | must_escape(*byte)) {
        escape(body, text);
    } else {
        body.extend_from_slice(text);
    }
    body.push(b'"');
}

const fn must_escape(byte: u8) -> bool {
    byte < 0x20 || matches!(byte, b'"' | b'\\')
}

fn escape(body: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        match byte {
            b'"' | b'\\' => body.extend_from_slice(&[b'\\', byte]),
            0x20.. => body.push(byte),
            _ => write!(body, "\\u{byte:04x}").expect("a vector takes everything"),
        }
    }
}
