use core::str::FromStr;

use aws_sdk_kinesis::operation::list_shards::ListShardsOutput;
use aws_sdk_kinesis::types::Shard;
use headwaters_transport::ListShardsResult;
use headwaters_wire::{HashKey, HashKeyRange, ListedShard, NextToken, ShardId, ShardPage};

use crate::answer::{Malformed, unusable};

/// Shards per page: the service's default and most (ListShards, `MaxResults`).
pub(crate) const SHARDS_PER_PAGE: i32 = 1_000;

/// The page without the shards that are closed, which some servers list in spite of the filter.
pub(crate) fn page(answer: ListShardsOutput) -> ListShardsResult {
    read(answer).map_err(|Malformed| unusable("the answer to ListShards cannot be read"))
}

fn read(answer: ListShardsOutput) -> Result<ShardPage, Malformed> {
    let next_token = match answer.next_token.as_deref() {
        None | Some("") => None,
        Some(token) => Some(NextToken::new(token).map_err(|_| Malformed)?),
    };
    let open = answer.shards.ok_or(Malformed)?.into_iter().filter(is_open);
    Ok(ShardPage {
        next_token,
        shards: open.map(|shard| listed(&shard)).collect::<Result<_, _>>()?,
    })
}

fn is_open(shard: &Shard) -> bool {
    shard.sequence_number_range.as_ref().is_none_or(|range| range.ending_sequence_number.is_none())
}

fn listed(shard: &Shard) -> Result<ListedShard, Malformed> {
    let range = shard.hash_key_range.as_ref().ok_or(Malformed)?;
    let hash_key = |text| HashKey::from_str(text).map_err(|_| Malformed);
    let (start, end) = (hash_key(&range.starting_hash_key)?, hash_key(&range.ending_hash_key)?);
    Ok(ListedShard {
        hash_keys: HashKeyRange::new(start, end).ok_or(Malformed)?,
        id: ShardId::from_str(&shard.shard_id).map_err(|_| Malformed)?,
    })
}
