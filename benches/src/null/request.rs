use bytes::Bytes;
use headwaters_engine::wire::{HashKey, PartitionKey};
use memchr::memmem;

use crate::SHARDS;

/// How a body is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Protocol {
    Cbor,
    Json,
}

/// The shard of each entry of a PutRecords request.
pub(super) fn shards_of_entries(protocol: Protocol, body: &[u8]) -> Vec<u8> {
    match protocol {
        Protocol::Cbor => cbor(body).unwrap_or_default(),
        Protocol::Json => json(body),
    }
}

fn shard(key: &[u8], explicit_hash_key: Option<&[u8]>) -> u8 {
    let explicit =
        explicit_hash_key.and_then(|digits| core::str::from_utf8(digits).ok()?.parse().ok());
    let hash_key = explicit.map(HashKey::new).or_else(|| {
        let key = PartitionKey::from_utf8(Bytes::copy_from_slice(key)).ok()?;
        Some(HashKey::of(&key))
    });
    hash_key.map_or(0, |key| (key.value() >> (128 - SHARDS.ilog2())) as u8)
}

/// An entry ends with a brace, which neither base64 has nor any key that comes here.
fn json(body: &[u8]) -> Vec<u8> {
    let mut shards = Vec::with_capacity(500);
    let mut start = 0;
    for end in memchr::memchr_iter(b'}', body) {
        let entry = &body[start..end];
        if let Some(key) = text(entry, b"\"PartitionKey\"") {
            shards.push(shard(key, text(entry, b"\"ExplicitHashKey\"")));
        }
        start = end + 1;
    }
    shards
}

/// The text of the member of this name.
fn text<'a>(entry: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = &entry[memmem::find(entry, name)? + name.len()..];
    let rest = &rest[memchr::memchr(b'"', rest)? + 1..];
    Some(&rest[..memchr::memchr(b'"', rest)?])
}

/// As the transport over HTTP writes it: lengths come first, and the entries before all else.
fn cbor(body: &[u8]) -> Option<Vec<u8>> {
    let mut rest = body;
    item(&mut rest)?;
    if bytes(&mut rest)? != b"Records" {
        return None;
    }
    let entries = item(&mut rest)?;
    let mut shards = Vec::with_capacity(entries);
    for _ in 0..entries {
        let (mut key, mut explicit) = (None, None);
        for _ in 0..item(&mut rest)? {
            match bytes(&mut rest)? {
                b"PartitionKey" => key = Some(bytes(&mut rest)?),
                b"ExplicitHashKey" => explicit = Some(bytes(&mut rest)?),
                _ => {
                    bytes(&mut rest)?;
                }
            }
        }
        shards.push(shard(key?, explicit));
    }
    Some(shards)
}

/// The number in the head of an item.
fn item(rest: &mut &[u8]) -> Option<usize> {
    let (first, after) = rest.split_first()?;
    let wide = match first & 31 {
        number @ 0..24 => {
            *rest = after;
            return Some(number.into());
        }
        24 => 1,
        25 => 2,
        26 => 4,
        _ => return None,
    };
    let (number, after) = after.split_at_checked(wide)?;
    *rest = after;
    Some(number.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}

/// A text, or bytes.
fn bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = item(rest)?;
    let (bytes, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(bytes)
}
