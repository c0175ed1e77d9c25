//! Answers of servers: what the HTTP transport reads in them, and what a slow and simple reader finds.

use bytes::Bytes;
use headwaters_engine::wire::{
    AttemptError, ErrorCode, HashKey, HashKeyRange, ListedShard, Message, NextToken, Placement,
    ShardPage,
};
use headwaters_http::__internals::{parse_results, read_results, read_shard_page};
use headwaters_http::{Endpoint, Protocol, Proxy, Region};

use crate::documents::Document;

/// What became of an entry.
type EntryResult = Result<Placement, AttemptError>;

/// More entries than a request can have.
const MANY: usize = 600;

/// Any bytes, as the JSON answer to PutRecords.
///
/// # Panics
/// The parser and serde_json do not agree.
pub fn put_records_json(bytes: &[u8]) {
    let body = Bytes::copy_from_slice(bytes);
    let parsed = parse_results(Protocol::Json, &body, MANY);
    if let Some(document) = Document::of_json(bytes) {
        let expected = document.ok().and_then(|document| results(&document));
        agree(parsed.as_deref(), expected.as_deref());
    }
    let count = parsed.as_ref().map_or(1, Vec::len);
    for entries in [0, 1, count.saturating_sub(1), count, count + 1] {
        check_read(Protocol::Json, &body, entries, parsed.as_deref());
    }
}

/// Any bytes, as the CBOR answer to PutRecords.
///
/// # Panics
/// The parser and ciborium do not agree.
pub fn put_records_cbor(bytes: &[u8]) {
    let body = Bytes::copy_from_slice(bytes);
    let parsed = parse_results(Protocol::Cbor, &body, MANY);
    if let Some(expected) = Document::of_cbor(bytes).as_ref().and_then(results) {
        // What lies deeper than anybody needs is refused.
        if parsed.is_some() || !is_deep(bytes) {
            agree(parsed.as_deref(), Some(&expected));
        }
    }
    let count = parsed.as_ref().map_or(1, Vec::len);
    for entries in [0, 1, count, count + 1] {
        check_read(Protocol::Cbor, &body, entries, parsed.as_deref());
    }
}

/// Any bytes, as the answer to ListShards in JSON and in CBOR.
///
/// # Panics
/// The parser does not agree with serde_json or ciborium.
pub fn list_shards(bytes: &[u8]) {
    let read = read_shard_page(Protocol::Json, bytes).ok();
    if let Some(document) = Document::of_json(bytes) {
        assert_eq!(read, document.ok().and_then(|document| page(&document)));
    }
    let read = read_shard_page(Protocol::Cbor, bytes).ok();
    if let Some(expected) = Document::of_cbor(bytes).as_ref().and_then(page)
        && (read.is_some() || !is_deep(bytes))
    {
        assert_eq!(read, Some(expected));
    }
}

/// Any text, as an endpoint, a proxy, a region and an ARN.
///
/// # Panics
/// One that is taken does not print as itself, or could be taken for another host by somebody else.
pub fn endpoint_and_arn(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    if let Ok(endpoint) = Endpoint::new(text) {
        let printed = endpoint.to_string();
        assert_eq!(Endpoint::new(&printed).as_ref(), Ok(&endpoint), "{text:?}");
        let (_, authority) = printed.split_once("://").expect("a scheme");
        let rest = text.split_once("://").expect("a scheme").1.trim_end_matches('/');
        let host = rest.to_ascii_lowercase();
        let is_same = host == authority
            || host.strip_suffix(":443") == Some(authority)
            || host.strip_suffix(":80") == Some(authority);
        // Ports may have leading zeros, IPv6 addresses many forms.
        assert!(is_same || host.contains(":0") || host.starts_with('['), "{text:?} {printed:?}");
        let clean = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
        assert!(authority.bytes().all(clean), "{text:?}");
    }
    if let Ok(region) = Region::new(text) {
        assert_eq!(region.as_str(), text);
        let endpoint = Endpoint::new(&format!("https://kinesis.{text}.amazonaws.com"));
        assert!(endpoint.is_ok_and(|endpoint| endpoint.to_string().ends_with(".amazonaws.com")));
    }
    let _ = Proxy::new(text);
    if let Ok(arn) = headwaters_engine::wire::StreamArn::new(text) {
        assert_eq!(arn.as_str(), text);
        assert!(Region::new(arn.region()).is_ok(), "{text:?}");
    }
}

/// What a producer gets is what was parsed, if the count is right, and "maybe stored" if not.
fn check_read(protocol: Protocol, body: &Bytes, entries: usize, parsed: Option<&[EntryResult]>) {
    let read = read_results(protocol, body, entries);
    match parsed.filter(|parsed| parsed.len() == entries && entries <= MANY) {
        Some(parsed) => agree(read.as_deref().ok(), Some(parsed)),
        None => assert_eq!(read.map_err(|error| error.code), Err(ErrorCode::UnusableAnswer)),
    }
}

/// The words of an answer that is of no use are our own: they need not be the same.
fn agree(found: Option<&[EntryResult]>, expected: Option<&[EntryResult]>) {
    let plain = |result: &EntryResult| match result {
        Err(error) if error.code == ErrorCode::UnusableAnswer => {
            Err(AttemptError::new(ErrorCode::UnusableAnswer))
        }
        other => other.clone(),
    };
    let found = found.map(|results| results.iter().map(plain).collect::<Vec<_>>());
    let expected = expected.map(|results| results.iter().map(plain).collect::<Vec<_>>());
    assert_eq!(found, expected);
}

/// Whether something may lie deeper than the transport reads.
fn is_deep(bytes: &[u8]) -> bool {
    bytes.len() > 100
}

fn results(document: &Document) -> Option<Vec<EntryResult>> {
    let records = document.array("Records")?;
    // All of them are read, but one more than there can be is enough.
    let results: Option<Vec<EntryResult>> = records.iter().map(result).collect();
    results.map(|mut results| {
        results.truncate(MANY + 1);
        results
    })
}

fn result(entry: &Document) -> Option<EntryResult> {
    let (number, shard) = (entry.text("SequenceNumber")?, entry.text("ShardId")?);
    let (code, message) = (entry.text("ErrorCode")?, entry.text("ErrorMessage")?);
    let unusable = Err(AttemptError::new(ErrorCode::UnusableAnswer));
    Some(match (number, shard, code) {
        (Some(number), Some(shard), None) => match (number.parse(), shard.parse()) {
            (Ok(sequence_number), Ok(shard)) => Ok(Placement { sequence_number, shard }),
            _ => unusable,
        },
        (None, _, Some(code)) => Err(AttemptError::with_message(
            ErrorCode::parse_of_server(code),
            Message::new(message.unwrap_or_default()),
        )),
        _ => unusable,
    })
}

fn page(document: &Document) -> Option<ShardPage> {
    let next_token = match document.text("NextToken")? {
        None | Some("") => None,
        Some(token) => Some(NextToken::new(token).ok()?),
    };
    let listed: Option<Vec<Option<ListedShard>>> =
        document.array("Shards")?.iter().map(shard).collect();
    Some(ShardPage { next_token, shards: listed?.into_iter().flatten().collect() })
}

/// `Some(None)` for one that is closed.
fn shard(shard: &Document) -> Option<Option<ListedShard>> {
    let id = shard.text("ShardId")??.parse().ok()?;
    let range = shard.member("HashKeyRange")?;
    let bound = |name: &str| range.text(name)??.parse::<HashKey>().ok();
    let (start, end) = (bound("StartingHashKey")?, bound("EndingHashKey")?);
    let hash_keys = HashKeyRange::new(start, end)?;
    let has_numbers = shard.members()?.iter().any(|(name, _)| name == "SequenceNumberRange");
    let is_closed =
        has_numbers && shard.member("SequenceNumberRange")?.text("EndingSequenceNumber")?.is_some();
    Some((!is_closed).then_some(ListedShard { hash_keys, id }))
}
