use headwaters_wire::limits::{SHARD_BYTES_PER_SECOND, SHARD_RECORDS_PER_SECOND};

/// How much one shard takes before it throttles.
///
/// A limit of 0 throttles everything.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the two limits that a shard has")]
pub struct ShardLimits {
    /// Bytes per second, data and partition keys together; 1 MiB by default
    /// ([`SHARD_BYTES_PER_SECOND`]). A record larger than one second's worth passes when nothing
    /// of it is used.
    pub bytes_per_second: u64,
    /// How it counts.
    pub metering: Metering,
    /// Records per second; 1,000 by default ([`SHARD_RECORDS_PER_SECOND`]).
    pub records_per_second: u64,
}

/// How a shard counts what it takes in a second. The service does not say how it does; both kinds are found among
/// servers that take its place.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the two ways to count by the second")]
pub enum Metering {
    /// Each limit is a token bucket as deep as one second's worth, full at the start: a burst of one second's worth goes
    /// through, then the rate holds. What is larger than a second's worth leaves a debt, and what follows waits until it is
    /// paid.
    #[default]
    Bucket,
    /// Each second of the clock begins anew, whatever was used of the one before: all of a second's worth may come at its
    /// first moment, and then nothing until its end.
    Window,
}

impl Default for ShardLimits {
    fn default() -> Self {
        Self {
            bytes_per_second: SHARD_BYTES_PER_SECOND,
            metering: Metering::Bucket,
            records_per_second: SHARD_RECORDS_PER_SECOND,
        }
    }
}
