use std::io::Write;

use headwaters_wire::{Entry, NextToken};

use super::{OPEN_SHARDS, SHARDS_PER_PAGE, Stream};

/// Beside data and key: names, lengths, and an explicit hash key of 39 digits.
const ENTRY_BYTES: usize = 96;
const FRAME_BYTES: usize = 256;

/// The kinds of items that requests are made of. Source: RFC 8949, 3.1.
const UNSIGNED: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;

pub(super) fn put_records(body: &mut Vec<u8>, stream: Stream<'_>, entries: &[Entry]) {
    let size = |entry: &Entry| entry.data.len() + entry.partition_key.len() + ENTRY_BYTES;
    body.reserve(entries.iter().map(size).sum::<usize>() + FRAME_BYTES);
    head(body, MAP, 2);
    text(body, "Records");
    head(body, ARRAY, entries.len());
    for entry in entries {
        write_entry(body, entry);
    }
    stream_member(body, stream);
}

pub(super) fn list_shards(body: &mut Vec<u8>, stream: Stream<'_>, next_token: Option<&NextToken>) {
    match next_token {
        Some(token) => {
            head(body, MAP, 1);
            text(body, "NextToken");
            text(body, token.as_str());
        }
        None => {
            head(body, MAP, 3);
            text(body, "MaxResults");
            head(body, UNSIGNED, SHARDS_PER_PAGE as usize);
            text(body, "ShardFilter");
            head(body, MAP, 1);
            text(body, "Type");
            text(body, OPEN_SHARDS);
            stream_member(body, stream);
        }
    }
}

fn write_entry(body: &mut Vec<u8>, entry: &Entry) {
    head(body, MAP, if entry.explicit_hash_key.is_some() { 3 } else { 2 });
    text(body, "Data");
    head(body, BYTES, entry.data.len());
    body.extend_from_slice(&entry.data);
    text(body, "PartitionKey");
    // The key is UTF-8.
    head(body, TEXT, entry.partition_key.len());
    body.extend_from_slice(entry.partition_key.as_bytes());
    if let Some(hash_key) = entry.explicit_hash_key {
        text(body, "ExplicitHashKey");
        // How many digits there are shows when they are written; two bytes of head hold any number of them.
        body.extend_from_slice(&[TEXT << 5 | 24, 0]);
        let start = body.len();
        write!(body, "{hash_key}").expect("a vector takes everything");
        body[start - 1] = (body.len() - start) as u8;
    }
}

fn stream_member(body: &mut Vec<u8>, stream: Stream<'_>) {
    let (name, value) = stream.member();
    text(body, name);
    text(body, value);
}

fn text(body: &mut Vec<u8>, value: &str) {
    head(body, TEXT, value.len());
    body.extend_from_slice(value.as_bytes());
}

/// The beginning of an item: its kind, and a number in the shortest form.
fn head(body: &mut Vec<u8>, kind: u8, number: usize) {
    let kind = kind << 5;
    let bytes = (number as u64).to_be_bytes();
    match number {
        0..=23 => body.push(kind | bytes[7]),
        24..=0xff => body.extend_from_slice(&[kind | 24, bytes[7]]),
        0x100..=0xffff => {
            body.push(kind | 25);
            body.extend_from_slice(&bytes[6..]);
        }
        0x1_0000..=0xffff_ffff => {
            body.push(kind | 26);
            body.extend_from_slice(&bytes[4..]);
        }
        _ => {
            body.push(kind | 27);
            body.extend_from_slice(&bytes);
        }
    }
}
