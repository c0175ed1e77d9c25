use core::time::Duration;

use bytes::Bytes;

use crate::{ErrorCode, HashKey, Message, PartitionKey, SequenceNumber, ShardId};

/// One entry of a PutRecords request: what the service stores as one Kinesis record.
///
/// `Debug` prints the sizes of the data and of the key, never their content, nor a hash key's value.
#[derive(Clone, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "adapters build and take it apart; the API's fields")]
pub struct Entry {
    /// The payload; it is base64-encoded on the wire where the protocol is JSON.
    pub data: Bytes,
    /// Overrides the hash of the partition key when the service chooses the shard.
    pub explicit_hash_key: Option<HashKey>,
    /// The routing string.
    pub partition_key: PartitionKey,
}

impl Entry {
    /// What the service counts towards the limits on records, requests and shards: data and partition
    /// key, in bytes.
    pub fn size(&self) -> usize {
        self.data.len() + self.partition_key.len()
    }

    /// The hash key by which the service chooses the shard.
    pub fn hash_key(&self) -> HashKey {
        self.explicit_hash_key.unwrap_or_else(|| HashKey::of(&self.partition_key))
    }
}

impl core::fmt::Debug for Entry {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Entry")
            .field("data", &format_args!("{} bytes", self.data.len()))
            .field("explicit_hash_key", &self.explicit_hash_key.is_some())
            .field("partition_key", &self.partition_key)
            .finish()
    }
}

/// Where the service stored a record.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the two fields of a stored entry in the API")]
pub struct Placement {
    /// The number of the record.
    pub sequence_number: SequenceNumber,
    /// The shard that holds it.
    pub shard: ShardId,
}

/// Why an attempt failed, for one entry or for a whole request.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "what a server says of a failure")]
pub struct AttemptError {
    /// What kind of failure it was.
    pub code: ErrorCode,
    /// What the server said beside the code.
    pub message: Message,
    /// How long the server wants to be left alone, if it said so: the header `x-amz-retry-after` of a request that
    /// failed as a whole.
    pub retry_after: Option<Duration>,
}

impl AttemptError {
    /// An error of this code without words.
    pub const fn new(code: ErrorCode) -> Self {
        Self::with_message(code, Message::NONE)
    }

    /// An error of this code with what the server said.
    pub const fn with_message(code: ErrorCode, message: Message) -> Self {
        Self { code, message, retry_after: None }
    }
}

impl core::fmt::Display for AttemptError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if self.message.is_empty() {
            return self.code.fmt(f);
        }
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl core::error::Error for AttemptError {}
