use headwaters::wire::{AttemptError, HashKey, HashKeyRange};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::client::Client;

/// A shard as ListShards describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Shard {
    #[serde(rename = "AdjacentParentShardId")]
    other_parent: Option<String>,
    hash_key_range: Range,
    #[serde(rename = "ParentShardId")]
    parent: Option<String>,
    sequence_number_range: Option<Numbers>,
    #[serde(rename = "ShardId")]
    pub(super) id: String,
}

/// A range of hash keys, in decimal digits.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Range {
    ending_hash_key: String,
    starting_hash_key: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Numbers {
    ending_sequence_number: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    next_token: Option<String>,
    shards: Vec<Shard>,
}

/// Which shards are listed.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) enum Filter {
    /// All that can still be read.
    All,
    /// Those that are open, or were at that time or later, in seconds since 1970.
    From(f64),
    /// Those that are open.
    Open,
}

impl Range {
    /// The hash keys, if the service's digits are such a range; else all there are.
    pub(super) fn keys(&self) -> HashKeyRange {
        let range = || {
            let (start, end) = (self.starting_hash_key.parse(), self.ending_hash_key.parse());
            HashKeyRange::new(start.ok()?, end.ok()?)
        };
        let all = || HashKeyRange::new(HashKey::new(0), HashKey::new(u128::MAX));
        range().or_else(all).expect("0 is not behind the last")
    }
}

impl Shard {
    pub(super) fn keys(&self) -> HashKeyRange {
        self.hash_key_range.keys()
    }

    pub(super) fn is_open(&self) -> bool {
        self.sequence_number_range
            .as_ref()
            .is_none_or(|numbers| numbers.ending_sequence_number.is_none())
    }

    /// The shards of which it was made, if there were any: they may be gone by now.
    pub(super) fn parents(&self) -> Vec<String> {
        [&self.parent, &self.other_parent].into_iter().flatten().cloned().collect()
    }

    /// Which part of all hash keys is its own, from 0 to 1.
    pub(super) fn share(&self) -> f64 {
        let keys = self.keys();
        (keys.end().value() - keys.start().value()) as f64 / u128::MAX as f64
    }
}

/// The shards of the stream, all pages.
pub(super) async fn list(client: &Client, filter: Filter) -> Result<Vec<Shard>, AttemptError> {
    let mut request = match filter {
        Filter::All => Map::new(),
        Filter::From(time) => filter_of(json!({ "Type": "FROM_TIMESTAMP", "Timestamp": time })),
        Filter::Open => filter_of(json!({ "Type": "AT_LATEST" })),
    };
    let mut all = Vec::new();
    loop {
        let page: Page = client.ask("ListShards", Value::Object(request)).await?;
        all.extend(page.shards);
        match page.next_token {
            Some(token) if !token.is_empty() => {
                request = Map::new();
                request.insert(String::from("NextToken"), Value::String(token));
            }
            _ => break,
        }
    }
    if matches!(filter, Filter::Open) {
        // Some servers do not know the filter.
        all.retain(Shard::is_open);
    }
    Ok(all)
}

fn filter_of(filter: Value) -> Map<String, Value> {
    Map::from_iter([(String::from("ShardFilter"), filter)])
}
