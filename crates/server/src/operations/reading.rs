//! GetShardIterator and GetRecords.

use headwaters_model::ACCOUNT;
use headwaters_wire::SequenceNumber;

use super::{Call, members};
use crate::codec::Writer;
use crate::error::ServiceError;
use crate::kinesis::{Hosted, HostedShard, LIFE, Position, ShardIterator};

/// Most records that one request gives. Source: GetRecords, `Limit`.
const RECORDS_MAX: usize = 10_000;

pub(super) fn get_shard_iterator(call: &Call<'_>, writer: &mut Writer) -> Result<(), ServiceError> {
    let fields = call.fields;
    let name = members::stream(fields)?;
    let (id, kind) =
        (members::required(fields, "ShardId")?, members::required(fields, "ShardIteratorType")?);
    let number = fields.text("StartingSequenceNumber")?;
    let timestamp = members::time(fields, "Timestamp", call)?;
    let iterator = call.kinesis.with(&name, call.now, |stream| {
        stream.check_serves()?;
        let shard = stream.shard(id).ok_or_else(|| ServiceError::no_such_shard(id, &name))?;
        let needs =
            |what| ServiceError::argument(format!("Must specify {what} for {kind} iterator."));
        let numbered = || {
            let number = number.ok_or_else(|| needs("StartingSequenceNumber"))?;
            sequence_number(number, shard, stream)
        };
        let position = match kind {
            "AFTER_SEQUENCE_NUMBER" => Position::After(numbered()?),
            "AT_SEQUENCE_NUMBER" => Position::At(numbered()?),
            "AT_TIMESTAMP" => {
                let time = timestamp.ok_or_else(|| needs("Timestamp"))?;
                if time > stream.now() {
                    return Err(ServiceError::argument(
                        "The timestampInMillis parameter cannot be in the future.",
                    ));
                }
                shard.position_at(time, &stream.last)
            }
            "LATEST" => Position::After(stream.last.clone()),
            "TRIM_HORIZON" => Position::Horizon,
            _ => return Err(wrong_kind(kind)),
        };
        Ok(ShardIterator {
            created: stream.created,
            issued: call.now,
            position,
            shard: place(shard),
            stream: name.clone(),
        })
    })?;
    writer.name("ShardIterator").text(&iterator.print());
    Ok(())
}

fn wrong_kind(kind: &str) -> ServiceError {
    let rule = "satisfy enum value set: [AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER, TRIM_HORIZON]";
    ServiceError::validation("shardIteratorType", &members::quoted(kind), rule)
}

/// The model numbers its shards.
fn place(shard: &HostedShard) -> usize {
    shard.id.number().and_then(|number| usize::try_from(number).ok()).unwrap_or(usize::MAX)
}

fn sequence_number(
    text: &str,
    shard: &HostedShard,
    stream: &Hosted,
) -> Result<SequenceNumber, ServiceError> {
    let number = text.parse().ok().filter(|_| text == "0" || !text.starts_with('0'));
    number.ok_or_else(|| {
        let (id, name) = (&shard.id, stream.name());
        let text = members::quoted(text);
        ServiceError::argument(format!(
            "StartingSequenceNumber {text} used in GetShardIterator on shard {id} in stream {name} under account \
             {ACCOUNT} is invalid."
        ))
    })
}

pub(super) fn get_records(call: &Call<'_>, writer: &mut Writer) -> Result<(), ServiceError> {
    let limit =
        members::bounded(call.fields, "Limit", 1, RECORDS_MAX as i64)?.unwrap_or(RECORDS_MAX);
    let iterator = ShardIterator::read(members::required(call.fields, "ShardIterator")?)?;
    if iterator.issued + LIFE < call.now {
        let (age, life) = ((call.now - iterator.issued).as_millis(), LIFE.as_millis());
        let words = format!(
            "Iterator expired. The iterator is {age} ms old; it can be used for {life} ms."
        );
        return Err(ServiceError::new("ExpiredIteratorException", words));
    }
    let name = &iterator.stream;
    let page = call.kinesis.with(name, call.now, |stream| {
        stream.check_serves()?;
        let shard = stream.shards().get(iterator.shard);
        let shard = shard.filter(|_| stream.created == iterator.created);
        let shard = shard.ok_or_else(|| ServiceError::argument("Invalid ShardIterator."))?;
        Ok(stream.read(shard, &iterator.position, limit))
    })?;
    writer.name("Records").begin_list();
    for record in &page.records {
        writer.begin_object();
        writer.name("SequenceNumber").text(record.sequence_number.as_str());
        writer.name("ApproximateArrivalTimestamp").time(record.at);
        writer.name("Data").blob(&record.data);
        writer.name("PartitionKey").text(record.partition_key.as_str());
        writer.end_object();
    }
    writer.end_list();
    match &page.children {
        None => {
            let next = ShardIterator { issued: call.now, position: page.next, ..iterator.clone() };
            writer.name("NextShardIterator").text(&next.print());
        }
        Some(children) => {
            writer.name("ChildShards").begin_list();
            for child in children {
                writer.begin_object();
                writer.name("ShardId").text(&child.id.to_string());
                writer.name("ParentShards").begin_list();
                child.parents.iter().for_each(|parent| writer.text(&parent.to_string()));
                writer.end_list();
                super::shards::write_range(writer, child.range);
                writer.end_object();
            }
            writer.end_list();
        }
    }
    writer.name("MillisBehindLatest").integer(page.behind.as_millis() as i64);
    Ok(())
}
