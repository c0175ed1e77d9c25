use core::fmt;
use core::time::Duration;
use std::collections::VecDeque;

use bytes::Bytes;
use headwaters_wire::{PartitionKey, SequenceNumber};

use super::shard::HostedShard;

/// A record that consumers can read. `Debug` prints sizes.
#[derive(Clone)]
pub(crate) struct Record {
    pub(crate) at: Duration,
    pub(crate) data: Bytes,
    pub(crate) partition_key: PartitionKey,
    pub(crate) sequence_number: SequenceNumber,
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("at", &self.at)
            .field("data", &format_args!("{} bytes", self.data.len()))
            .field("partition_key", &self.partition_key)
            .field("sequence_number", &self.sequence_number)
            .finish()
    }
}

/// How long records are kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "age and size are what there is to say")]
pub struct Retention {
    /// Records older than this are gone; 24 hours by default, as the service's streams have.
    pub age: Duration,
    /// The most memory that the records of one stream take, in bytes: the oldest give way. 256 MiB by default. The
    /// service has no such limit.
    pub bytes: usize,
}

impl Default for Retention {
    fn default() -> Self {
        Self { age: Duration::from_secs(24 * 3_600), bytes: 256 << 20 }
    }
}

/// What a record takes beside its data and its key: its entry in the shard, and its sequence number.
const RECORD_OVERHEAD: usize = size_of::<Record>() + 56;

/// When the records of a stream came: they go as they came, request by request, for those of one request share a
/// buffer.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    arrivals: VecDeque<Arrival>,
    bytes: usize,
}

#[derive(Debug)]
struct Arrival {
    at: Duration,
    bytes: usize,
    /// The numbers of shards, and how many records each of them got.
    counts: Box<[(u32, u32)]>,
}

impl Arrivals {
    /// Counts what one request left: a buffer of so many bytes, and records in these shards, in any order.
    pub(crate) fn add(&mut self, at: Duration, buffer: usize, shards: &mut [u32]) {
        if shards.is_empty() {
            return;
        }
        shards.sort_unstable();
        let same = shards.chunk_by(|one, other| one == other);
        let counts: Box<[_]> = same.map(|run| (run[0], run.len() as u32)).collect();
        let bytes = buffer + shards.len() * RECORD_OVERHEAD + size_of_val(&*counts);
        self.bytes += bytes + size_of::<Arrival>();
        self.arrivals.push_back(Arrival { at, bytes: bytes + size_of::<Arrival>(), counts });
    }

    /// Lets go of what is too old at `now`, and of the oldest that is too much.
    pub(crate) fn trim(&mut self, retention: Retention, now: Duration, shards: &mut [HostedShard]) {
        let is_over =
            |arrival: &Arrival, bytes| bytes > retention.bytes || arrival.at + retention.age < now;
        while self.arrivals.front().is_some_and(|oldest| is_over(oldest, self.bytes)) {
            let oldest = self.arrivals.pop_front().expect("it was looked at");
            self.bytes -= oldest.bytes;
            for &(shard, count) in &oldest.counts {
                let records = &mut shards[shard as usize].records;
                records.drain(..count as usize);
                // A shard that gets fewer, or is closed, does not keep the room that it once needed.
                if records.len() * 4 < records.capacity() {
                    records.shrink_to(records.len() * 2);
                }
            }
        }
    }

    /// The memory that the records take, in bytes.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use headwaters_wire::{HashKeyRange, ShardId};

    use super::*;

    #[test]
    fn a_shard_keeps_no_room_for_what_is_gone() {
        const RECORDS: usize = 10_000;
        let number: SequenceNumber = "1".parse().expect("a digit");
        let record = |seconds| Record {
            at: Duration::from_secs(seconds),
            data: Bytes::new(),
            partition_key: PartitionKey::new("key").expect("a valid key"),
            sequence_number: number.clone(),
        };
        let mut shards = [HostedShard {
            closed: None,
            id: ShardId::numbered(0),
            opened: (Duration::ZERO, number.clone()),
            parents: Vec::new(),
            range: HashKeyRange::ALL,
            records: (0..RECORDS).map(|_| record(0)).chain([record(5)]).collect(),
        }];
        let mut arrivals = Arrivals::default();
        arrivals.add(Duration::ZERO, 0, &mut [0; RECORDS]);
        arrivals.add(Duration::from_secs(5), 0, &mut [0]);
        let retention = Retention { age: Duration::from_secs(1), ..Retention::default() };
        arrivals.trim(retention, Duration::from_secs(3), &mut shards);
        let records = &shards[0].records;
        assert_eq!(records.len(), 1);
        assert!(records.capacity() < 10, "room for {}", records.capacity());
    }
}
