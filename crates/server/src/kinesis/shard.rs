use core::cmp::Ordering;
use core::time::Duration;
use std::collections::VecDeque;

use headwaters_wire::{HashKeyRange, SequenceNumber, ShardId};

use super::records::Record;

/// A shard as consumers see it: where it comes from, when it lived, and what it holds. Its number is its place in the
/// stream's list.
#[derive(Debug)]
pub(crate) struct HostedShard {
    /// When it stopped to take records, and the sequence number that ends it.
    pub(crate) closed: Option<(Duration, SequenceNumber)>,
    pub(crate) id: ShardId,
    /// When it began to take records, and the sequence number that begins it.
    pub(crate) opened: (Duration, SequenceNumber),
    /// The shards that it took over from, in the order of their ranges.
    pub(crate) parents: Vec<ShardId>,
    pub(crate) range: HashKeyRange,
    pub(crate) records: VecDeque<Record>,
}

/// Where in a shard reading goes on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Position {
    /// Behind the record with this number, whether or not it is there still.
    After(SequenceNumber),
    /// With the record of this number, or the next one.
    At(SequenceNumber),
    /// With the oldest record that is there.
    Horizon,
}

impl HostedShard {
    /// The index of the first record at the position.
    pub(crate) fn index_of(&self, position: &Position) -> usize {
        let before = |number: &SequenceNumber, is_after: fn(Ordering) -> bool| {
            self.records
                .partition_point(|record| is_after(compare(&record.sequence_number, number)))
        };
        match position {
            Position::After(number) => before(number, Ordering::is_le),
            Position::At(number) => before(number, Ordering::is_lt),
            Position::Horizon => 0,
        }
    }

    /// The position of the first record that came at this time or later; `last` is the latest number of the stream.
    pub(crate) fn position_at(&self, time: Duration, last: &SequenceNumber) -> Position {
        let index = self.records.partition_point(|record| record.at < time);
        match self.records.get(index) {
            Some(record) => Position::At(record.sequence_number.clone()),
            None => Position::After(last.clone()),
        }
    }

    pub(crate) const fn is_open(&self) -> bool {
        self.closed.is_none()
    }
}

/// Compares two numbers, which no integer type holds.
pub(crate) fn compare(one: &SequenceNumber, other: &SequenceNumber) -> Ordering {
    let (one, other) = (one.as_str(), other.as_str());
    (one.len(), one).cmp(&(other.len(), other))
}
