//! A stream as it is kept on disk.

use core::num::NonZeroU32;
use core::time::Duration;
use std::collections::BTreeMap;

use headwaters_model::MaxRecordSize;
use headwaters_wire::{PartitionKey, SequenceNumber, ShardId, StreamName};
use serde::{Deserialize, Serialize};

use super::hosted::{Change, Hosted, NewStream, Status};
use super::records::Record;
use super::settings::Settings;
use super::shard::HostedShard;

/// What a stream is made of again: how it began, all changes since, and its records.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeptStream {
    /// Nanoseconds since the beginning of 1970, as are all times but those of records.
    created: u64,
    history: Vec<KeptChange>,
    last_sequence_number: String,
    max_record_size_kib: usize,
    name: String,
    on_demand: bool,
    shards: Vec<KeptShard>,
    shards_at_first: NonZeroU32,
    tags: BTreeMap<String, String>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct KeptChange {
    at: u64,
    change: WhatChanged,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum WhatChanged {
    Merge { adjacent: String, shard: String },
    Resize(NonZeroU32),
    Split { new_starting: String, shard: String },
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct KeptShard {
    closed: Option<(u64, String)>,
    opened: (u64, String),
    parents: Vec<String>,
    records: Vec<KeptRecord>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct KeptRecord {
    /// Milliseconds since the beginning of 1970.
    at: u64,
    /// In base64.
    data: String,
    partition_key: String,
    sequence_number: String,
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl KeptStream {
    /// `None` if it is being deleted.
    pub(crate) fn of(stream: &Hosted) -> Option<Self> {
        let mark = |(time, number): &(Duration, SequenceNumber)| (nanos(*time), number.to_string());
        let shard = |shard: &HostedShard| KeptShard {
            closed: shard.closed.as_ref().map(mark),
            opened: mark(&shard.opened),
            parents: shard.parents.iter().map(ShardId::to_string).collect(),
            records: shard.records.iter().map(KeptRecord::of).collect(),
        };
        let change = |(at, change): &(Duration, Change)| KeptChange {
            at: nanos(*at),
            change: WhatChanged::of(change),
        };
        (stream.status() != Status::Deleting).then(|| Self {
            created: nanos(stream.created),
            history: stream.history.iter().map(change).collect(),
            last_sequence_number: stream.last.to_string(),
            max_record_size_kib: stream.max_record_size.bytes() / 1_024,
            name: stream.name().as_str().to_owned(),
            on_demand: stream.mode == "ON_DEMAND",
            shards: stream.shards().iter().map(shard).collect(),
            shards_at_first: stream.shards_at_first,
            tags: stream.tags.clone(),
        })
    }

    /// The stream; `None` if what is kept fits no stream.
    pub(crate) fn restore(self, settings: Settings) -> Option<Hosted> {
        let new = NewStream {
            max_record_size: MaxRecordSize::from_kib(self.max_record_size_kib).ok()?,
            mode: if self.on_demand { "ON_DEMAND" } else { "PROVISIONED" },
            name: StreamName::new(&self.name).ok()?,
            shards: self.shards_at_first,
            tags: self.tags,
        };
        let mut stream = Hosted::new(new, settings, Duration::from_nanos(self.created));
        stream.resume_after(self.last_sequence_number.parse().ok()?);
        for KeptChange { at, change } in self.history {
            stream.repeat(change.parse()?, Duration::from_nanos(at)).ok()?;
        }
        let mut records = Vec::new();
        for (number, kept) in self.shards.into_iter().enumerate() {
            let KeptShard { closed, opened, parents, records: of_shard } = kept;
            let mark = |(time, number): (u64, String)| {
                Some((Duration::from_nanos(time), number.parse::<SequenceNumber>().ok()?))
            };
            let closed = match closed {
                Some(closed) => Some(mark(closed)?),
                None => None,
            };
            let parents = parents.iter().map(|id| id.parse().ok()).collect::<Option<_>>()?;
            stream.restore_shard(number, mark(opened)?, closed, parents)?;
            for record in of_shard {
                records.push((number, record.parse()?));
            }
        }
        stream.restore_records(records)?;
        Some(stream)
    }
}

impl WhatChanged {
    fn of(change: &Change) -> Self {
        match change {
            Change::Merge { adjacent, shard } => {
                Self::Merge { adjacent: adjacent.to_string(), shard: shard.to_string() }
            }
            Change::Resize { count } => Self::Resize(*count),
            Change::Split { new_starting, shard } => {
                Self::Split { new_starting: new_starting.to_string(), shard: shard.to_string() }
            }
        }
    }

    fn parse(self) -> Option<Change> {
        Some(match self {
            Self::Merge { adjacent, shard } => {
                Change::Merge { adjacent: adjacent.parse().ok()?, shard: shard.parse().ok()? }
            }
            Self::Resize(count) => Change::Resize { count },
            Self::Split { new_starting, shard } => Change::Split {
                new_starting: new_starting.parse().ok()?,
                shard: shard.parse().ok()?,
            },
        })
    }
}

impl KeptRecord {
    fn of(record: &Record) -> Self {
        Self {
            at: u64::try_from(record.at.as_millis()).unwrap_or(u64::MAX),
            data: base64_simd::STANDARD.encode_to_string(&record.data),
            partition_key: record.partition_key.as_str().to_owned(),
            sequence_number: record.sequence_number.to_string(),
        }
    }

    fn parse(self) -> Option<Record> {
        let data = base64_simd::STANDARD.decode_to_vec(self.data).ok()?;
        Some(Record {
            at: Duration::from_millis(self.at),
            data: data.into(),
            partition_key: PartitionKey::new(self.partition_key).ok()?,
            sequence_number: self.sequence_number.parse().ok()?,
        })
    }
}
