//! What the service says when it does not store. The words matter to people who read them in logs,
//! and to programs that look for the shard in them.

use alloc::format;

use headwaters_wire::limits::{RECORD_BYTES_DEFAULT, REQUEST_BYTES_MAX, REQUEST_ENTRIES_MAX};
use headwaters_wire::{AttemptError, ErrorCode, Message, ShardId, StreamName};

/// The account that every modelled stream belongs to.
const ACCOUNT: &str = "000000000000";

pub(crate) fn internal_failure() -> AttemptError {
    error(ErrorCode::InternalFailure, "Internal Service Failure.")
}

pub(crate) fn no_such_stream(stream: &StreamName) -> AttemptError {
    error(
        ErrorCode::ResourceNotFoundException,
        &format!("Stream {stream} under account {ACCOUNT} not found."),
    )
}

pub(crate) fn no_entries() -> AttemptError {
    entry_count("greater than or equal to 1")
}

pub(crate) fn too_many_entries() -> AttemptError {
    entry_count(&format!("less than or equal to {REQUEST_ENTRIES_MAX}"))
}

/// The service's documents do not give its words for this one.
pub(crate) fn record_size(index: usize, size: usize) -> AttemptError {
    error(
        ErrorCode::InvalidArgumentException,
        &format!(
            "Record {index} has {size} bytes, which exceeds the limit of {RECORD_BYTES_DEFAULT}"
        ),
    )
}

pub(crate) fn request_size() -> AttemptError {
    let megabytes = REQUEST_BYTES_MAX / (1024 * 1024);
    error(
        ErrorCode::InvalidArgumentException,
        &format!("Records size exceeds {megabytes} MB limit"),
    )
}

pub(crate) fn throttled(shard: &ShardId, stream: &StreamName) -> AttemptError {
    error(
        ErrorCode::ProvisionedThroughputExceededException,
        &format!("Rate exceeded for shard {shard} in stream {stream} under account {ACCOUNT}."),
    )
}

/// The service also prints the entries here; this project prints no payloads.
fn entry_count(bound: &str) -> AttemptError {
    error(
        ErrorCode::ValidationException,
        &format!(
            "1 validation error detected: Value at 'records' failed to satisfy constraint: \
             Member must have length {bound}"
        ),
    )
}

fn error(code: ErrorCode, message: &str) -> AttemptError {
    AttemptError { code, message: Message::new(message) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::name;

    #[test]
    fn the_words_are_those_of_the_service() {
        let stream = name();
        let cases = [
            (
                throttled(&ShardId::numbered(3), &stream),
                "ProvisionedThroughputExceededException: Rate exceeded for shard \
                 shardId-000000000003 in stream orders under account 000000000000.",
            ),
            (internal_failure(), "InternalFailure: Internal Service Failure."),
            (
                no_such_stream(&stream),
                "ResourceNotFoundException: Stream orders under account 000000000000 not found.",
            ),
        ];
        for (error, words) in cases {
            assert_eq!(alloc::string::ToString::to_string(&error), words);
        }
    }

    #[test]
    fn the_longest_names_are_not_cut_off() {
        let stream = StreamName::new(&"s".repeat(128)).expect("a valid name");
        let error = throttled(&ShardId::numbered(u64::MAX), &stream);
        assert!(error.message.as_str().ends_with(" under account 000000000000."));
    }
}
