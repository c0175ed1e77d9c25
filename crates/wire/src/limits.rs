//! Limits of the service, each with its source.
//!
//! Sizes are in bytes, rates per second. "API reference" is the PutRecords page of the Kinesis API
//! reference as of 2026; "large records" is the page of that name in the developer guide.

/// Most entries in one PutRecords request. Source: API reference, `Records`.
pub const REQUEST_ENTRIES_MAX: usize = 500;

/// Most bytes in one PutRecords request, data and partition keys together.
/// Source: API reference (raised from 5 MiB in October 2025).
pub const REQUEST_BYTES_MAX: usize = 10 * 1024 * 1024;

/// Most bytes in one record (data and partition key) on a stream that was given the largest
/// `MaxRecordSize`. Source: large records.
pub const RECORD_BYTES_MAX: usize = 10 * 1024 * 1024;

/// Most bytes in one record (data and partition key) on a stream whose `MaxRecordSize` was never
/// changed. Source: large records.
pub const RECORD_BYTES_DEFAULT: usize = 1024 * 1024;

/// Most characters in a partition key: Unicode code points, not bytes. Source: API reference.
pub const PARTITION_KEY_CHARS_MAX: usize = 256;

/// Most characters in a stream name. Source: API reference, `StreamName`.
pub const STREAM_NAME_CHARS_MAX: usize = 128;

/// Most characters in a shard id. Source: API reference, `ShardId`.
pub const SHARD_ID_CHARS_MAX: usize = 128;

/// Most bytes in a page token of ListShards. Source: API reference, `NextToken`.
pub const NEXT_TOKEN_BYTES_MAX: usize = 1_048_576;

/// Most shards on one page of ListShards. Source: ListShards, `MaxResults` (10,000); the KPL asks for 1,000.
pub const SHARDS_PER_PAGE_MAX: usize = 10_000;

/// Most digits in a sequence number. Source: API reference, the pattern `0|([1-9]\d{0,128})`.
pub const SEQUENCE_NUMBER_DIGITS_MAX: usize = 129;

/// Records that one shard takes in a second. Source: developer guide, quotas and limits.
pub const SHARD_RECORDS_PER_SECOND: u64 = 1_000;

/// Bytes (data and partition keys) that one shard takes in a second. The guide says 1 MB in some
/// places and 1 MiB in others; the KPL reads it as 1 MiB, and so do we.
pub const SHARD_BYTES_PER_SECOND: u64 = 1024 * 1024;

const _: () = assert!(RECORD_BYTES_DEFAULT <= RECORD_BYTES_MAX);
const _: () = assert!(RECORD_BYTES_MAX <= REQUEST_BYTES_MAX, "any valid record fits a request");
const _: () = assert!(PARTITION_KEY_CHARS_MAX * 4 < RECORD_BYTES_DEFAULT, "a key leaves room");
