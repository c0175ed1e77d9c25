use core::str::FromStr;

use bytes::Bytes;
use headwaters::mock::Mock;
use headwaters::wire::aggregate::{Decoded, decode};
use headwaters::wire::{
    Entry, HashKey, HashKeyRange, ListedShard, NextToken, PartitionKey, SequenceNumber, ShardId,
    StreamName,
};
use headwaters::{ListShards, PutRecords, PutRecordsResult, TokioClock, Transport};
use serde_json::{Value, json};

use crate::admin::Admin;
use crate::arm::{Arm, Way};

/// One stream, and the ways to it.
#[derive(Debug)]
pub(crate) struct Stand<'a> {
    pub(crate) arm: &'a Arm,
    pub(crate) name: StreamName,
    pub(crate) way: Way,
}

/// A record that the stream holds, as a consumer gets it.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Held {
    pub(crate) key: Vec<u8>,
    pub(crate) data: Bytes,
    pub(crate) shard: ShardId,
    pub(crate) sequence_number: String,
}

impl Stand<'_> {
    /// Puts entries, in one request.
    pub(crate) async fn put(&self, entries: Vec<Entry>) -> PutRecordsResult {
        self.way.put_records(PutRecords::new(self.name.clone(), entries)).await
    }

    /// The open shards, in the order of their hash keys, over all pages.
    pub(crate) async fn shards(&self) -> Vec<ListedShard> {
        self.shards_from(None).await
    }

    /// Those of this page and the ones behind it.
    pub(crate) async fn shards_from(&self, mut token: Option<NextToken>) -> Vec<ListedShard> {
        let mut shards = Vec::new();
        loop {
            let page = self.way.list_shards(ListShards::new(self.name.clone(), token)).await;
            let page = page.expect("the shards can be listed");
            shards.extend(page.shards);
            token = page.next_token;
            if token.is_none() {
                shards.sort_by_key(|shard| shard.hash_keys.start());
                return shards;
            }
        }
    }

    /// Splits a shard in the middle, and waits until that is done.
    pub(crate) async fn split(&self, shard: &ListedShard) {
        let (start, end) = (shard.hash_keys.start().value(), shard.hash_keys.end().value());
        let middle = HashKey::new(start + (end - start) / 2 + 1);
        match (&self.way, self.arm.admin()) {
            (Way::Aws(_) | Way::Http(_), Some(admin)) => {
                let request = json!({
                    "StreamName": self.name.as_str(),
                    "ShardToSplit": shard.id.to_string(),
                    "NewStartingHashKey": middle.to_string(),
                });
                self.change(&admin, "SplitShard", &request).await;
            }
            (Way::Mock(mock), _) => {
                mock.split(&shard.id, middle, handover()).expect("it can be split");
            }
            (Way::Aws(_) | Way::Http(_), None) => unreachable!("a server has an admin"),
        }
    }

    /// Merges two shards, and waits until that is done.
    pub(crate) async fn merge(&self, shard: &ListedShard, adjacent: &ListedShard) {
        match (&self.way, self.arm.admin()) {
            (Way::Aws(_) | Way::Http(_), Some(admin)) => {
                let request = json!({
                    "StreamName": self.name.as_str(),
                    "ShardToMerge": shard.id.to_string(),
                    "AdjacentShardToMerge": adjacent.id.to_string(),
                });
                self.change(&admin, "MergeShards", &request).await;
            }
            (Way::Mock(mock), _) => {
                mock.merge(&shard.id, &adjacent.id, handover()).expect("they can be merged");
            }
            (Way::Aws(_) | Way::Http(_), None) => unreachable!("a server has an admin"),
        }
    }

    async fn change(&self, admin: &Admin, operation: &str, request: &Value) {
        admin.ask(operation, request).await;
        admin.settle(self.name.as_str()).await;
    }

    /// The Kinesis records that the stream holds, shard by shard in the order of their sequence numbers, and
    /// the range of each one's shard.
    pub(crate) async fn kinesis_records(&self) -> Vec<(Held, HashKeyRange)> {
        match (&self.way, self.arm.admin()) {
            (Way::Mock(mock), _) => of_mock(mock),
            (Way::Aws(_) | Way::Http(_), Some(admin)) => {
                of_server(&admin, self.name.as_str()).await
            }
            (Way::Aws(_) | Way::Http(_), None) => unreachable!("a server has an admin"),
        }
    }

    /// The user records that the Kinesis Client Library makes of these.
    pub(crate) async fn user_records(&self) -> Vec<Held> {
        let mut records = Vec::new();
        for (held, range) in self.kinesis_records().await {
            match decode(held.data.clone()) {
                Decoded::Aggregate(aggregate) => {
                    for member in aggregate.as_kcl(range).delivered {
                        let entry = member.to_entry().expect("what a producer packs is valid");
                        let key = entry.partition_key.as_bytes().to_vec();
                        records.push(Held { key, data: entry.data, ..held.clone() });
                    }
                }
                Decoded::Plain(_) => records.push(held),
            }
        }
        records
    }
}

fn handover() -> headwaters::mock::Handover {
    headwaters::mock::Handover::ChildrenAtOnce
}

fn of_mock(mock: &Mock<TokioClock>) -> Vec<(Held, HashKeyRange)> {
    let shards = mock.shards();
    let range = |id: &ShardId| shards.iter().find(|shard| shard.id == *id).map(|shard| shard.range);
    let held = |stored: headwaters::mock::Stored| {
        let shard = stored.placement.shard;
        let held = Held {
            key: stored.entry.partition_key.as_bytes().to_vec(),
            data: stored.entry.data,
            shard: shard.clone(),
            sequence_number: stored.placement.sequence_number.to_string(),
        };
        (held, range(&shard).unwrap_or(HashKeyRange::ALL))
    };
    mock.records().into_iter().map(held).collect()
}

async fn of_server(admin: &Admin, stream: &str) -> Vec<(Held, HashKeyRange)> {
    use base64::Engine;
    let mut records = Vec::new();
    for shard in admin.shards(stream).await {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let id = text(&shard["ShardId"]);
        let hash_key = |name: &str| {
            HashKey::from_str(&text(&shard["HashKeyRange"][name])).expect("a hash key")
        };
        let range = HashKeyRange::new(hash_key("StartingHashKey"), hash_key("EndingHashKey"));
        let shard_id = ShardId::from_str(&id).expect("a shard id");
        for record in admin.records(stream, &id).await {
            let data = base64::prelude::BASE64_STANDARD.decode(text(&record["Data"]));
            let held = Held {
                key: text(&record["PartitionKey"]).into_bytes(),
                data: data.expect("base64").into(),
                shard: shard_id.clone(),
                sequence_number: text(&record["SequenceNumber"]),
            };
            records.push((held, range.expect("in order")));
        }
    }
    records
}

/// An entry with this key and these data.
pub(crate) fn entry(key: &str, data: impl Into<Bytes>) -> Entry {
    let partition_key = PartitionKey::new(key).expect("a valid key");
    Entry { data: data.into(), explicit_hash_key: None, partition_key }
}

/// Sequence numbers are compared as the numbers that they are, which no integer type holds.
pub(crate) fn before(one: &SequenceNumber, other: &SequenceNumber) -> bool {
    let (one, other) = (one.as_str(), other.as_str());
    (one.len(), one) < (other.len(), other)
}
