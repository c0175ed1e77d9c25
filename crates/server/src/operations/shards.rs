//! ListShards, and how a shard is described.

use core::time::Duration;

use headwaters_wire::HashKeyRange;
use headwaters_wire::limits::SHARDS_PER_PAGE_MAX;

use super::{Call, members};
use crate::codec::Writer;
use crate::error::ServiceError;
use crate::kinesis::{Hosted, HostedShard, LIFE, ListToken, ShardFilter};

/// How many shards a page has if the request does not say. Source: ListShards, `MaxResults`.
const PAGE: usize = 1_000;

pub(super) fn list(call: &Call<'_>, writer: &mut Writer) -> Result<(), ServiceError> {
    let fields = call.fields;
    let max =
        members::bounded(fields, "MaxResults", 1, SHARDS_PER_PAGE_MAX as i64)?.unwrap_or(PAGE);
    let token = fields.text("NextToken")?.map(ListToken::read).transpose()?;
    if let Some(token) = &token {
        if fields.get("StreamName").is_some() || fields.get("ExclusiveStartShardId").is_some() {
            let words = "NextToken and StreamName cannot be provided together.";
            return Err(ServiceError::argument(words));
        }
        if token.issued + LIFE < call.now {
            let words = "NextToken is older than 300 seconds";
            return Err(ServiceError::new("ExpiredNextTokenException", words));
        }
    }
    let name = match &token {
        Some(token) => token.stream.clone(),
        None => members::stream(fields)?,
    };
    call.kinesis.with(&name, call.now, |stream| {
        let first = match token {
            Some(token) if token.created != stream.created => {
                return Err(ServiceError::argument("NextToken is invalid."));
            }
            Some(token) => token,
            None => first_page(call, stream)?,
        };
        // A token says behind which shard its page begins; the first page begins with number 0.
        let begin = if first.issued == Duration::ZERO { 0 } else { first.after + 1 };
        let mut shards = stream.shards().iter().enumerate().skip(begin);
        let mut shards =
            shards.by_ref().filter(|(number, shard)| shows(first.filter, *number, shard, stream));
        writer.name("Shards").begin_list();
        let mut last = begin;
        for (number, shard) in shards.by_ref().take(max) {
            write_shard(writer, shard);
            last = number;
        }
        writer.end_list();
        if shards.next().is_some() {
            let next = ListToken { after: last, issued: call.now, ..first };
            writer.name("NextToken").text(&next.print());
        }
        Ok(())
    })
}

/// What the first request asks for, as a token that was issued at no time.
fn first_page(call: &Call<'_>, stream: &Hosted) -> Result<ListToken, ServiceError> {
    let start = call.fields.text("ExclusiveStartShardId")?;
    let filter = match start {
        Some(id) => ShardFilter::After(number_of(id)?),
        None => filter(call)?,
    };
    Ok(ListToken {
        after: 0,
        created: stream.created,
        filter,
        issued: Duration::ZERO,
        stream: stream.name().clone(),
    })
}

fn number_of(id: &str) -> Result<usize, ServiceError> {
    let parsed: Option<headwaters_wire::ShardId> = id.parse().ok();
    let number = parsed.and_then(|id| usize::try_from(id.number()?).ok());
    number.ok_or_else(|| {
        ServiceError::argument(format!("{} is no id of a shard.", members::quoted(id)))
    })
}

fn filter(call: &Call<'_>) -> Result<ShardFilter, ServiceError> {
    let Some(filter) = call.fields.object("ShardFilter")? else { return Ok(ShardFilter::All) };
    let kind = filter.text("Type")?.ok_or_else(|| ServiceError::missing("shardFilter.type"))?;
    let needs =
        |what| ServiceError::argument(format!("{what} must be specified for ShardFilter {kind}."));
    let time = members::time(filter, "Timestamp", call)?;
    Ok(match kind {
        "AFTER_SHARD_ID" => {
            let id = filter.text("ShardId")?.ok_or_else(|| needs("ShardId"))?;
            ShardFilter::After(number_of(id)?)
        }
        "AT_LATEST" => ShardFilter::AtLatest,
        "AT_TIMESTAMP" => ShardFilter::At(time.ok_or_else(|| needs("Timestamp"))?),
        "AT_TRIM_HORIZON" => ShardFilter::AtHorizon,
        "FROM_TIMESTAMP" => ShardFilter::From(time.ok_or_else(|| needs("Timestamp"))?),
        "FROM_TRIM_HORIZON" => ShardFilter::All,
        _ => {
            let rule = "satisfy enum value set: [AFTER_SHARD_ID, AT_TIMESTAMP, AT_TRIM_HORIZON, AT_LATEST, \
                        FROM_TIMESTAMP, FROM_TRIM_HORIZON]";
            return Err(ServiceError::validation("shardFilter.type", &members::quoted(kind), rule));
        }
    })
}

fn shows(filter: ShardFilter, number: usize, shard: &HostedShard, stream: &Hosted) -> bool {
    let closed_after = |time| shard.closed.as_ref().is_none_or(|closed| closed.0 > time);
    let opened_by = |time| shard.opened.0 <= time;
    match filter {
        ShardFilter::After(start) => number > start,
        ShardFilter::All => closed_after(stream.horizon()),
        // A time before the stream was made is that of the first shards.
        ShardFilter::At(time) => {
            let time = time.max(stream.created);
            opened_by(time) && closed_after(time)
        }
        ShardFilter::AtHorizon => opened_by(stream.horizon()) && closed_after(stream.horizon()),
        ShardFilter::AtLatest => shard.is_open(),
        ShardFilter::From(time) => closed_after(time),
    }
}

/// Members of an object for a shard: all that the API has.
pub(super) fn write_shard(writer: &mut Writer, shard: &HostedShard) {
    writer.begin_object();
    writer.name("ShardId").text(&shard.id.to_string());
    // The API has room for two; a change of the whole stream can join more.
    for (member, parent) in ["ParentShardId", "AdjacentParentShardId"].iter().zip(&shard.parents) {
        writer.name(member).text(&parent.to_string());
    }
    write_range(writer, shard.range);
    writer.name("SequenceNumberRange").begin_object();
    writer.name("StartingSequenceNumber").text(shard.opened.1.as_str());
    if let Some((_, ending)) = &shard.closed {
        writer.name("EndingSequenceNumber").text(ending.as_str());
    }
    writer.end_object();
    writer.end_object();
}

pub(super) fn write_range(writer: &mut Writer, range: HashKeyRange) {
    writer.name("HashKeyRange").begin_object();
    writer.name("StartingHashKey").text(&range.start().to_string());
    writer.name("EndingHashKey").text(&range.end().to_string());
    writer.end_object();
}
