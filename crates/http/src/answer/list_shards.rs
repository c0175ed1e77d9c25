use core::str::FromStr;
use std::borrow::Cow;

use headwaters_transport::ListShardsResult;
use headwaters_wire::{HashKey, HashKeyRange, ListedShard, NextToken, ShardId, ShardPage};

use super::cbor::Cbor;
use super::json::Json;
use super::reader::{Reader, set};
use super::texts::texts;
use super::{Malformed, unusable};
use crate::body::Protocol;

/// Reads the answer to a ListShards request; without the shards that are closed, which some servers list
/// in spite of the filter.
pub(crate) fn read_shard_page(protocol: Protocol, body: &[u8]) -> ListShardsResult {
    let page = match protocol {
        Protocol::Cbor => page(&mut Cbor::new(body)),
        Protocol::Json => page(&mut Json::new(body)),
    };
    page.map_err(|Malformed| unusable("the answer to ListShards cannot be read"))
}

fn page<'a>(reader: &mut impl Reader<'a>) -> Result<ShardPage, Malformed> {
    let (mut next_token, mut listed) = (None, None);
    reader.object()?;
    while let Some(name) = reader.member()? {
        match &*name {
            "NextToken" => set(&mut next_token, reader.text()?)?,
            "Shards" => set(&mut listed, shards(reader)?)?,
            _ => reader.skip()?,
        }
    }
    reader.end()?;
    let next_token = match next_token.flatten().as_deref() {
        None | Some("") => None,
        Some(token) => Some(NextToken::new(token).map_err(|_| Malformed)?),
    };
    Ok(ShardPage { next_token, shards: listed.ok_or(Malformed)? })
}

fn shards<'a>(reader: &mut impl Reader<'a>) -> Result<Vec<ListedShard>, Malformed> {
    let mut shards = Vec::new();
    reader.array()?;
    while reader.element()? {
        shards.extend(shard(reader)?);
    }
    Ok(shards)
}

/// A shard; `None` if it is closed.
fn shard<'a>(reader: &mut impl Reader<'a>) -> Result<Option<ListedShard>, Malformed> {
    let (mut id, mut hash_keys, mut is_closed) = (None, None, None);
    reader.object()?;
    while let Some(name) = reader.member()? {
        match &*name {
            "HashKeyRange" => {
                let [start, end] = texts(reader, ["StartingHashKey", "EndingHashKey"])?;
                let range = HashKeyRange::new(hash_key(start)?, hash_key(end)?);
                set(&mut hash_keys, range.ok_or(Malformed)?)?;
            }
            "SequenceNumberRange" => {
                let [end] = texts(reader, ["EndingSequenceNumber"])?;
                set(&mut is_closed, end.is_some())?;
            }
            "ShardId" => {
                let text = reader.text()?.ok_or(Malformed)?;
                set(&mut id, ShardId::from_str(&text).map_err(|_| Malformed)?)?;
            }
            _ => reader.skip()?,
        }
    }
    let (id, hash_keys) = (id.ok_or(Malformed)?, hash_keys.ok_or(Malformed)?);
    Ok((!is_closed.unwrap_or(false)).then_some(ListedShard { hash_keys, id }))
}

fn hash_key(text: Option<Cow<'_, str>>) -> Result<HashKey, Malformed> {
    HashKey::from_str(&text.ok_or(Malformed)?).map_err(|_| Malformed)
}
