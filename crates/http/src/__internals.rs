//! The writers of requests and the readers of answers, for the fuzz targets and benches of this repository.

use bytes::Bytes;
use headwaters_transport::{ListShardsResult, PutRecordsResult};
use headwaters_wire::{Entry, StreamName};

use crate::Protocol;
use crate::answer::{self, EntryResult};
use crate::body::Stream;

/// All results that are there, at most one more than `entries`.
pub fn parse_results(protocol: Protocol, body: &Bytes, entries: usize) -> Option<Vec<EntryResult>> {
    answer::parse_results(protocol, body, entries).ok()
}

/// What a producer gets.
pub fn read_results(protocol: Protocol, body: &Bytes, entries: usize) -> PutRecordsResult {
    answer::read_results(protocol, body, entries)
}

/// What a producer gets.
pub fn read_shard_page(protocol: Protocol, body: &[u8]) -> ListShardsResult {
    answer::read_shard_page(protocol, body)
}

/// Appends the body of a request.
pub fn put_records(protocol: Protocol, body: &mut Vec<u8>, stream: &StreamName, entries: &[Entry]) {
    protocol.put_records(body, Stream::Name(stream), entries);
}
