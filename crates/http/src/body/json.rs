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
            string(body, token.as_str());
        }
        None => {
            let frame = format!("{{\"MaxResults\":{SHARDS_PER_PAGE},\"ShardFilter\":{{\"Type\":");
            body.extend_from_slice(frame.as_bytes());
            string(body, OPEN_SHARDS);
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
    string(body, entry.partition_key.as_str());
    if let Some(hash_key) = entry.explicit_hash_key {
        body.extend_from_slice(b",\"ExplicitHashKey\":\"");
        write!(body, "{hash_key}").expect("a vector takes everything");
        body.push(b'"');
    }
    body.push(b'}');
}

fn stream_member(body: &mut Vec<u8>, stream: Stream<'_>) {
    let (name, value) = stream.member();
    string(body, name);
    body.push(b':');
    string(body, value);
}

fn string(body: &mut Vec<u8>, text: &str) {
    body.push(b'"');
    let must_escape = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(must_escape) {
        let (plain, from) = rest.split_at(at);
        body.extend_from_slice(plain);
        let byte = from[0];
        match byte {
            b'"' | b'\\' => body.extend_from_slice(&[b'\\', byte]),
            _ => write!(body, "\\u{byte:04x}").expect("a vector takes everything"),
        }
        rest = &from[1..];
    }
    body.extend_from_slice(rest);
    body.push(b'"');
}
