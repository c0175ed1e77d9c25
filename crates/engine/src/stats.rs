use headwaters_wire::ShardId;

use crate::figures::{Cuts, Times};
use crate::listing::MapStatus;

/// What the engine has done and holds: counters since its start, and levels of now.
///
/// At any time `accepted = stored + not_stored + maybe_stored + handed_back + buffered + in_flight`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Records that were accepted.
    pub accepted: u64,
    /// Why aggregates were ended, of those that were not taken apart before by a reshard.
    pub aggregates_cut: Cuts,
    /// Those buffered records that wait for the outcomes of older ones of their keys now
    /// ([`Order::PerPartitionKey`](crate::Order::PerPartitionKey)).
    pub behind: u64,
    /// Requests that were refused as a whole, perhaps for one of their entries, and went back to be sent in parts.
    pub bisected: u64,
    /// Records that wait in the buffer now, for company, for a retry, for their turn or to be sent as part of a request
    /// that was refused.
    pub buffered: u64,
    /// Bytes held now, bookkeeping included: what [`Bounds`](crate::Bounds) are compared with. It counts for each record
    /// what it takes by itself; what all of them take, some of them packed, is
    /// [`Engine::memory`](crate::Engine::memory).
    pub bytes_held: u64,
    /// Bytes of the records that were stored, data and partition keys.
    pub bytes_stored: u64,
    /// How long the oldest record that a request had for a shard had been held when it left, for the first time or again;
    /// to a millisecond, and to some percent of what is long.
    pub dwell: Times,
    /// Entries (Kinesis records) that were sent, again and again included.
    pub entries: u64,
    /// Records that a purge or the deadline of a close gave back, whatever is known of them.
    pub handed_back: u64,
    /// Answers that no request was waiting for any more.
    pub ignored_answers: u64,
    /// Records that are in requests now, or whose answers wait for a list of the shards.
    pub in_flight: u64,
    /// Lanes that leave apart now: requests with something of them were late, or have not been answered at all, so
    /// that they share none with others ([`OutagePolicy`](crate::OutagePolicy)).
    pub lanes_apart: u64,
    /// Lanes that their limiters hold back now. There is a lane for each shard, and one for records whose shard is
    /// not known.
    pub lanes_held_back: u64,
    /// ListShards requests that were sent.
    pub listings: u64,
    /// ListShards requests that failed, or brought a list that cannot be.
    pub listings_failed: u64,
    /// Records that may have been stored.
    pub maybe_stored: u64,
    /// Records that were not stored.
    pub not_stored: u64,
    /// Whether requests fail one after the other, so that one at a time leaves to find out when they are answered again
    /// ([`OutagePolicy`](crate::OutagePolicy)).
    pub probing: bool,
    /// How often a record was refused. A put that waits for room can be refused many times.
    pub refused: u64,
    /// How long requests took until they were answered, whatever the answer; not those that were cancelled.
    pub request_time: Times,
    /// Requests that were sent.
    pub requests: u64,
    /// How many requests may be in flight now: fewer than
    /// [`Config::max_requests_in_flight`](crate::Config::max_requests_in_flight) while some fail.
    pub requests_allowed: u64,
    /// Why requests were made; those that were sent as parts of a refused one are not among them.
    pub requests_cut: Cuts,
    /// Requests that failed as a whole since the last one that was answered entry by entry; refusals that concern one
    /// request alone, or credentials, do not count.
    pub requests_failed_in_a_row: u64,
    /// Requests in flight now.
    pub requests_in_flight: u64,
    /// Members of aggregates that were packed anew, or go each by itself: their shard was split or merged, a neighbour
    /// expired, the stream distributes by itself, or they were refused together.
    pub repacked: u64,
    /// Records that were put back for another attempt, as parts of refused requests too.
    pub requeued: u64,
    /// Records, of those that were put back, that have to wait longer because there were too many
    /// ([`RetryBudget`](crate::RetryBudget)).
    pub retries_put_off: u64,
    /// How it stands with the list of the shards.
    pub shard_map: MapStatus,
    /// How many shards the list has.
    pub shards: u64,
    /// Records that were stored.
    pub stored: u64,
    /// Entries that failed because the service wants less.
    pub throttled: u64,
    /// Requests that were cancelled because no answer came in time.
    pub timeouts: u64,
    /// Answers with another number of results than entries.
    pub unusable_answers: u64,
    /// Entries that were stored in another shard than predicted.
    pub wrong_shard: u64,
}

impl Stats {
    /// Rises when the meaning of a field changes, here or in [`ShardStats`]; not when there is a new one.
    pub const VERSION: u32 = 1;
}

/// How it stands with one shard: levels of now, and counters since it came into the list of the shards. Whatever is answered
/// after another list has come counts for none.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ShardStats {
    /// How many bytes the limiter would let pass now, less than none while it owes some; `None` without a limit.
    pub byte_level: Option<i64>,
    /// The rate at which the shard is fed in bytes, in millionths of the 1 MiB a second that it promises; `None`
    /// without a limit.
    pub byte_rate_ppm: Option<u64>,
    /// Bytes that were sent, again and again included.
    pub bytes_sent: u64,
    /// Bytes that wait for the shard now, bookkeeping included: in the buffer, for a retry, or behind others
    /// ([`ShardShare`](crate::ShardShare)).
    pub bytes_waiting: u64,
    /// As in [`Stats::dwell`].
    pub dwell: Times,
    /// Entries that were sent, again and again included.
    pub entries: u64,
    /// Of these, those that failed, and not because the shard throttled them.
    pub failed: u64,
    /// Whether it shares no requests with others, because it answers late or not at all.
    pub is_apart: bool,
    /// Whether the limiter holds back what waits.
    pub is_held_back: bool,
    /// How many records the limiter would let pass now, less than none while it owes some; `None` without a limit.
    pub record_level: Option<i64>,
    /// As `byte_rate_ppm`, in records, of 1,000 a second.
    pub record_rate_ppm: Option<u64>,
    /// How long requests that had something for the shard took until they were answered.
    pub request_time: Times,
    /// Which shard; `None` for what goes to no known shard: there the rates are those of each of as many shards as the
    /// stream is taken to have.
    pub shard: Option<ShardId>,
    /// Entries that were stored, and where they belong.
    pub stored: u64,
    /// Entries that the shard throttled.
    pub throttled: u64,
}
