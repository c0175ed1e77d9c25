//! What the service says when it does not do what it is asked for. The words matter to people who
//! read them in logs, and to programs that look for the shard in them.

use alloc::format;

use headwaters_wire::limits::{REQUEST_BYTES_MAX, REQUEST_ENTRIES_MAX, SHARDS_PER_PAGE_MAX};
use headwaters_wire::{AttemptError, ErrorCode, HashKey, Message, ShardId, StreamName};

use crate::{MaxRecordSize, RequestFault, Shard};

/// The account that every modelled stream belongs to, as its errors name it.
pub const ACCOUNT: &str = "000000000000";

/// The key that a modelled stream would be encrypted with.
const KEY: &str = "arn:aws:kms:us-east-1:000000000000:key/00000000-0000-0000-0000-000000000000";

/// Who puts into and lists every modelled stream.
const USER: &str = "User: arn:aws:iam::000000000000:user/producer";

/// What refuses a request as a whole. Words about a key are those of the key service, which Kinesis
/// passes on.
pub(crate) fn refusal(fault: RequestFault, stream: &StreamName) -> AttemptError {
    let with = |words: &str| error(fault.code(), words);
    match fault {
        RequestFault::AccessDeniedException => denied("PutRecords", stream),
        RequestFault::ExpiredTokenException => {
            with("The security token included in the request is expired")
        }
        RequestFault::InternalFailure => internal_failure(),
        RequestFault::InvalidSignatureException => with(
            "The request signature we calculated does not match the signature you provided. Check \
             your AWS Secret Access Key and signing method. Consult the service documentation for \
             details.",
        ),
        RequestFault::KMSAccessDeniedException => with(&format!(
            "{USER} is not authorized to perform: kms:GenerateDataKey on resource: {KEY}"
        )),
        RequestFault::KMSDisabledException => with(&format!("{KEY} is disabled.")),
        RequestFault::KMSInvalidStateException => with(&format!("{KEY} is pending deletion.")),
        RequestFault::KMSNotFoundException => with(&format!("Key '{KEY}' does not exist")),
        RequestFault::KMSOptInRequired => {
            with("The AWS Access Key Id needs a subscription for the service")
        }
        RequestFault::KMSThrottlingException => with(
            "You have exceeded the rate at which you may call KMS. Reduce the frequency of your \
             calls.",
        ),
        RequestFault::LimitExceededException
        | RequestFault::ProvisionedThroughputExceededException => {
            stream_throttled(fault.code(), stream)
        }
        RequestFault::MissingAuthenticationToken => with("Missing Authentication Token"),
        RequestFault::ResourceInUseException => updating(stream),
        RequestFault::ResourceNotFoundException => no_such_stream(stream),
        RequestFault::ThrottlingException => with("Rate exceeded"),
        RequestFault::UnrecognizedClientException => {
            with("The security token included in the request is invalid.")
        }
        RequestFault::IncompleteSignature
        | RequestFault::InvalidAction
        | RequestFault::InvalidArgumentException
        | RequestFault::MalformedHttpRequestException
        | RequestFault::RequestAbortedException
        | RequestFault::RequestEntityTooLarge
        | RequestFault::RequestExpired
        | RequestFault::SerializationException
        | RequestFault::ServiceUnavailable
        | RequestFault::ValidationException => with(""),
    }
}

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
pub(crate) fn record_size(index: usize, size: usize, max: MaxRecordSize) -> AttemptError {
    let max = max.bytes();
    error(
        ErrorCode::InvalidArgumentException,
        &format!("Record {index} has {size} bytes, which exceeds the limit of {max}"),
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

pub(crate) fn no_such_shard(shard: &ShardId, stream: &StreamName) -> AttemptError {
    error(
        ErrorCode::ResourceNotFoundException,
        &format!("Could not find shard {shard} in stream {stream} under account {ACCOUNT}."),
    )
}

pub(crate) fn split_key(shard: &Shard, key: HashKey, stream: &StreamName) -> AttemptError {
    let (id, start, end) = (shard.id(), shard.range().start(), shard.range().end());
    error(
        ErrorCode::InvalidArgumentException,
        &format!(
            "NewStartingHashKey {key} used in SplitShard() on shard {id} in stream {stream} under \
             account {ACCOUNT} is not both greater than one plus the shard's StartingHashKey \
             {start} and less than the shard's EndingHashKey {end}."
        ),
    )
}

pub(crate) fn not_adjacent(
    shard: &ShardId,
    adjacent: &ShardId,
    stream: &StreamName,
) -> AttemptError {
    error(
        ErrorCode::InvalidArgumentException,
        &format!(
            "Shards {shard} and {adjacent} in stream {stream} under account {ACCOUNT} are not an \
             adjacent pair of shards eligible for merging"
        ),
    )
}

pub(crate) fn updating(stream: &StreamName) -> AttemptError {
    error(
        ErrorCode::ResourceInUseException,
        &format!("Stream {stream} under account {ACCOUNT} not ACTIVE, instead in state UPDATING"),
    )
}

pub(crate) fn listing_denied(stream: &StreamName) -> AttemptError {
    denied("ListShards", stream)
}

pub(crate) fn listing_throttled(stream: &StreamName) -> AttemptError {
    stream_throttled(ErrorCode::LimitExceededException, stream)
}

fn denied(action: &str, stream: &StreamName) -> AttemptError {
    error(
        ErrorCode::AccessDeniedException,
        &format!(
            "{USER} is not authorized to perform: kinesis:{action} on resource: \
             arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/{stream} because no identity-based policy \
             allows the kinesis:{action} action"
        ),
    )
}

fn stream_throttled(code: ErrorCode, stream: &StreamName) -> AttemptError {
    error(code, &format!("Rate exceeded for stream {stream} under account {ACCOUNT}."))
}

/// The service's documents do not give its words for this one.
pub(crate) fn expired_token() -> AttemptError {
    error(ErrorCode::ExpiredNextTokenException, "NextToken is older than 300 seconds")
}

/// The service's documents do not give its words for this one.
pub(crate) fn wrong_token() -> AttemptError {
    error(ErrorCode::InvalidArgumentException, "NextToken is not one of this stream's")
}

pub(crate) fn max_results(value: usize) -> AttemptError {
    let bound = if value == 0 {
        "greater than or equal to 1".into()
    } else {
        format!("less than or equal to {SHARDS_PER_PAGE_MAX}")
    };
    error(
        ErrorCode::ValidationException,
        &format!(
            "1 validation error detected: Value '{value}' at 'maxResults' failed to satisfy \
             constraint: Member must have value {bound}"
        ),
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
    AttemptError::with_message(code, Message::new(message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::name;
    use alloc::string::ToString;
    use headwaters_wire::HashKeyRange;

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
            (
                no_such_shard(&ShardId::numbered(5), &stream),
                "ResourceNotFoundException: Could not find shard shardId-000000000005 in stream \
                 orders under account 000000000000.",
            ),
            (
                not_adjacent(&ShardId::numbered(0), &ShardId::numbered(2), &stream),
                "InvalidArgumentException: Shards shardId-000000000000 and shardId-000000000002 in \
                 stream orders under account 000000000000 are not an adjacent pair of shards \
                 eligible for merging",
            ),
            (
                split_key(&shard(0), HashKey::new(1), &stream),
                "InvalidArgumentException: NewStartingHashKey 1 used in SplitShard() on shard \
                 shardId-000000000000 in stream orders under account 000000000000 is not both \
                 greater than one plus the shard's StartingHashKey 0 and less than the shard's \
                 EndingHashKey 340282366920938463463374607431768211455.",
            ),
            (
                updating(&stream),
                "ResourceInUseException: Stream orders under account 000000000000 not ACTIVE, \
                 instead in state UPDATING",
            ),
            (
                listing_throttled(&stream),
                "LimitExceededException: Rate exceeded for stream orders under account \
                 000000000000.",
            ),
            (
                listing_denied(&stream),
                "AccessDeniedException: User: arn:aws:iam::000000000000:user/producer is not \
                 authorized to perform: kinesis:ListShards on resource: \
                 arn:aws:kinesis:us-east-1:000000000000:stream/orders because no identity-based \
                 policy allows the kinesis:ListShards action",
            ),
        ];
        for (error, words) in cases {
            assert_eq!(error.to_string(), words);
        }
    }

    #[test]
    fn whole_requests_are_refused_in_the_words_of_the_service() {
        let cases = [
            (
                RequestFault::AccessDeniedException,
                "AccessDeniedException: User: arn:aws:iam::000000000000:user/producer is not \
                 authorized to perform: kinesis:PutRecords on resource: \
                 arn:aws:kinesis:us-east-1:000000000000:stream/orders because no identity-based \
                 policy allows the kinesis:PutRecords action",
            ),
            (
                RequestFault::ExpiredTokenException,
                "ExpiredTokenException: The security token included in the request is expired",
            ),
            (RequestFault::InternalFailure, "InternalFailure: Internal Service Failure."),
            (
                RequestFault::KMSAccessDeniedException,
                "KMSAccessDeniedException: User: arn:aws:iam::000000000000:user/producer is not \
                 authorized to perform: kms:GenerateDataKey on resource: arn:aws:kms:us-east-1:\
                 000000000000:key/00000000-0000-0000-0000-000000000000",
            ),
            (
                RequestFault::KMSDisabledException,
                "KMSDisabledException: arn:aws:kms:us-east-1:000000000000:key/\
                 00000000-0000-0000-0000-000000000000 is disabled.",
            ),
            (
                RequestFault::ProvisionedThroughputExceededException,
                "ProvisionedThroughputExceededException: Rate exceeded for stream orders under \
                 account 000000000000.",
            ),
            (
                RequestFault::ResourceNotFoundException,
                "ResourceNotFoundException: Stream orders under account 000000000000 not found.",
            ),
            (RequestFault::ServiceUnavailable, "ServiceUnavailable"),
            (RequestFault::ThrottlingException, "ThrottlingException: Rate exceeded"),
        ];
        for (fault, words) in cases {
            assert_eq!(fault.error(&name()).to_string(), words);
        }
    }

    #[test]
    fn the_longest_names_are_not_cut_off() {
        let stream = StreamName::new(&"s".repeat(128)).expect("a valid name");
        let shard_id = ShardId::numbered(u64::MAX);
        let cases = [
            (throttled(&shard_id, &stream), " under account 000000000000."),
            (not_adjacent(&shard_id, &shard_id, &stream), " eligible for merging"),
            (split_key(&shard(u64::MAX), HashKey::MAX, &stream), "768211455."),
            (listing_denied(&stream), " the kinesis:ListShards action"),
            (refusal(RequestFault::InvalidSignatureException, &stream), " for details."),
        ];
        for (error, end) in cases {
            assert!(error.message.as_str().ends_with(end), "{error}");
        }
    }

    fn shard(number: u64) -> Shard {
        Shard::new(ShardId::numbered(number), HashKeyRange::ALL, None, &name())
    }
}
