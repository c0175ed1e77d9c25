use headwaters_wire::limits::{SHARD_BYTES_PER_SECOND, SHARD_RECORDS_PER_SECOND};

/// How much one shard takes before it throttles.
///
/// Each limit is a token bucket as deep as one second's worth, full at the start: a burst of one
/// second's worth goes through, then the rate holds. A limit of 0 throttles everything.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the two limits that a shard has")]
pub struct ShardLimits {
    /// Bytes per second, data and partition keys together; 1 MiB by default
    /// ([`SHARD_BYTES_PER_SECOND`]). A record larger than one second's worth passes when the bucket
    /// is full, and what follows waits until its debt is paid.
    pub bytes_per_second: u64,
    /// Records per second; 1,000 by default ([`SHARD_RECORDS_PER_SECOND`]).
    pub records_per_second: u64,
}

impl Default for ShardLimits {
    fn default() -> Self {
        Self {
            bytes_per_second: SHARD_BYTES_PER_SECOND,
            records_per_second: SHARD_RECORDS_PER_SECOND,
        }
    }
}
