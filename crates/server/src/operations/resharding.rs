//! SplitShard, MergeShards, UpdateShardCount and UpdateMaxRecordSize.

use headwaters_model::MaxRecordSize;
use headwaters_wire::ShardId;

use super::{Call, members, streams};
use crate::codec::Writer;
use crate::error::ServiceError;
use crate::kinesis::{Change, Hosted};

pub(super) fn split(call: &Call<'_>, _: &mut Writer) -> Result<(), ServiceError> {
    let name = members::stream(call.fields)?;
    let id = members::required(call.fields, "ShardToSplit")?;
    let key = members::required(call.fields, "NewStartingHashKey")?;
    let new_starting = members::hash_key("NewStartingHashKey", key)?;
    call.kinesis.check_shards(1, call.now)?;
    call.kinesis.with(&name, call.now, |stream| {
        stream.check_active()?;
        let shard = open_shard(stream, id)?;
        Ok(stream.change(Change::Split { new_starting, shard })?)
    })
}

pub(super) fn merge(call: &Call<'_>, _: &mut Writer) -> Result<(), ServiceError> {
    let name = members::stream(call.fields)?;
    let id = members::required(call.fields, "ShardToMerge")?;
    let adjacent = members::required(call.fields, "AdjacentShardToMerge")?;
    call.kinesis.with(&name, call.now, |stream| {
        stream.check_active()?;
        let (shard, adjacent) = (open_shard(stream, id)?, open_shard(stream, adjacent)?);
        Ok(stream.change(Change::Merge { adjacent, shard })?)
    })
}

/// A shard that was closed is as good as none.
fn open_shard(stream: &Hosted, id: &str) -> Result<ShardId, ServiceError> {
    let shard = stream.shard(id).filter(|shard| shard.is_open());
    let none =
        || ServiceError::no_such_shard(&members::quoted(id).replace('\'', ""), stream.name());
    shard.map(|shard| shard.id.clone()).ok_or_else(none)
}

pub(super) fn update_shard_count(call: &Call<'_>, writer: &mut Writer) -> Result<(), ServiceError> {
    let name = members::stream(call.fields)?;
    let kind = members::required(call.fields, "ScalingType")?;
    if kind != "UNIFORM_SCALING" {
        let rule = "satisfy enum value set: [UNIFORM_SCALING]";
        return Err(ServiceError::validation("scalingType", &members::quoted(kind), rule));
    }
    let count = members::shard_count(call.fields, "TargetShardCount")?;
    let count = count.ok_or_else(|| ServiceError::missing("targetShardCount"))?;
    let target = count.get() as usize;
    let more = |open: usize| target.saturating_sub(open);
    let open = call.kinesis.with(&name, call.now, |stream| Ok(stream.open_count()))?;
    call.kinesis.check_shards(more(open), call.now)?;
    let current = call.kinesis.with(&name, call.now, |stream| {
        stream.check_active()?;
        let current = stream.open_count();
        let beyond = |way: &str, bound: &str| {
            Err(ServiceError::argument(format!(
                "UpdateShardCount cannot scale {way} {bound} your current open shard count. Current open shard count: \
                 {current} Target shard count: {target}"
            )))
        };
        if target > current * 2 {
            return beyond("up over", "double");
        }
        if target * 2 < current {
            return beyond("down below", "half");
        }
        stream.change(Change::Resize { count })?;
        Ok(current)
    })?;
    writer.name("StreamName").text(name.as_str());
    writer.name("CurrentShardCount").integer(current as i64);
    writer.name("TargetShardCount").integer(target as i64);
    writer.name("StreamARN").text(&streams::arn(&name));
    Ok(())
}

pub(super) fn update_max_record_size(call: &Call<'_>, _: &mut Writer) -> Result<(), ServiceError> {
    let name = members::stream(call.fields)?;
    let kib = members::bounded(call.fields, "MaxRecordSizeInKiB", 1_024, 10_240)?;
    let kib = kib.ok_or_else(|| ServiceError::missing("maxRecordSizeInKiB"))?;
    let size = MaxRecordSize::from_kib(kib);
    let size = size.map_err(|error| ServiceError::argument(error.to_string()))?;
    call.kinesis.with(&name, call.now, |stream| {
        stream.check_active()?;
        Ok(stream.set_max_record_size(size)?)
    })
}
