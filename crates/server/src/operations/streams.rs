//! CreateStream, DeleteStream, DescribeStream, DescribeStreamSummary and ListStreams.

use core::num::NonZeroU32;

use headwaters_model::{ACCOUNT, MaxRecordSize};
use headwaters_wire::StreamName;

use super::{Call, members, shards, tags};
use crate::codec::Writer;
use crate::error::ServiceError;
use crate::kinesis::{Hosted, NewStream, REGION, lock};

/// How many shards an on-demand stream begins with. Source: developer guide, capacity modes.
const ON_DEMAND_SHARDS: NonZeroU32 = NonZeroU32::new(4).expect("4 is not 0");

/// Most names on a page, and how many there are if the request does not say. Source: ListStreams.
const NAMES_MAX: i64 = 10_000;
const NAMES: usize = 100;

/// Most shards in a description, and how many there are if the request does not say. Source: DescribeStream.
const DESCRIBED_MAX: i64 = 10_000;
const DESCRIBED: usize = 100;

pub(super) fn create(call: &Call<'_>, _: &mut Writer) -> Result<(), ServiceError> {
    let fields = call.fields;
    let name = members::stream_name(fields)?;
    let count = members::shard_count(fields, "ShardCount")?;
    let mode = match fields.object("StreamModeDetails")? {
        None => "PROVISIONED",
        Some(details) => match details.text("StreamMode")? {
            Some("ON_DEMAND") => "ON_DEMAND",
            Some("PROVISIONED") => "PROVISIONED",
            Some(other) => {
                let rule = "satisfy enum value set: [PROVISIONED, ON_DEMAND]";
                let other = members::quoted(other);
                return Err(ServiceError::validation("streamModeDetails.streamMode", &other, rule));
            }
            None => return Err(ServiceError::missing("streamModeDetails.streamMode")),
        },
    };
    let shards = match (mode, count) {
        ("ON_DEMAND", None) => ON_DEMAND_SHARDS,
        ("ON_DEMAND", Some(_)) => {
            let words = "ShardCount cannot be specified for streams in mode ON_DEMAND.";
            return Err(ServiceError::argument(words));
        }
        (_, count) => count.ok_or_else(|| ServiceError::missing("shardCount"))?,
    };
    let size = members::bounded(fields, "MaxRecordSizeInKiB", 1_024, 10_240)?;
    let size = size.and_then(|kib| MaxRecordSize::from_kib(kib).ok()).unwrap_or_default();
    let tags = match fields.get("Tags") {
        Some(_) => tags::of_request(fields)?,
        None => Default::default(),
    };
    call.kinesis.create(NewStream { max_record_size: size, mode, name, shards, tags }, call.now)
}

pub(super) fn delete(call: &Call<'_>, _: &mut Writer) -> Result<(), ServiceError> {
    let name = members::stream(call.fields)?;
    call.kinesis.with(&name, call.now, |stream| {
        stream.delete();
        Ok(())
    })
}

pub(super) fn arn(name: &StreamName) -> String {
    format!("arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{name}")
}

/// What every description of a stream has.
fn write_head(writer: &mut Writer, stream: &Hosted) {
    writer.name("StreamName").text(stream.name().as_str());
    writer.name("StreamARN").text(&arn(stream.name()));
    writer.name("StreamStatus").text(stream.status().name());
    writer.name("StreamModeDetails").begin_object();
    writer.name("StreamMode").text(stream.mode);
    writer.end_object();
    writer.name("StreamCreationTimestamp").time(stream.created);
}

/// What both descriptions have beside.
fn write_details(writer: &mut Writer, stream: &Hosted) {
    // The API has whole hours, and no fewer than a day; what is kept shorter is said in the server's own settings.
    let hours = (stream.age().as_secs() / 3_600).max(24);
    writer.name("RetentionPeriodHours").integer(hours as i64);
    writer.name("EnhancedMonitoring").begin_list();
    writer.begin_object();
    writer.name("ShardLevelMetrics").begin_list();
    writer.end_list();
    writer.end_object();
    writer.end_list();
    writer.name("EncryptionType").text("NONE");
}

pub(super) fn describe(call: &Call<'_>, writer: &mut Writer) -> Result<(), ServiceError> {
    let name = members::stream(call.fields)?;
    let limit = members::bounded(call.fields, "Limit", 1, DESCRIBED_MAX)?.unwrap_or(DESCRIBED);
    let after = call.fields.text("ExclusiveStartShardId")?;
    call.kinesis.with(&name, call.now, |stream| {
        writer.name("StreamDescription").begin_object();
        write_head(writer, stream);
        write_details(writer, stream);
        let begin =
            after.map(|id| stream.shards().partition_point(|shard| *shard.id.to_string() <= *id));
        let mut shards = stream.shards().iter().skip(begin.unwrap_or(0));
        writer.name("Shards").begin_list();
        shards.by_ref().take(limit).for_each(|shard| shards::write_shard(writer, shard));
        writer.end_list();
        writer.name("HasMoreShards").boolean(shards.next().is_some());
        writer.end_object();
        Ok(())
    })
}

pub(super) fn describe_summary(call: &Call<'_>, writer: &mut Writer) -> Result<(), ServiceError> {
    let name = members::stream(call.fields)?;
    call.kinesis.with(&name, call.now, |stream| {
        writer.name("StreamDescriptionSummary").begin_object();
        write_head(writer, stream);
        write_details(writer, stream);
        writer.name("OpenShardCount").integer(stream.open_count() as i64);
        writer.name("ConsumerCount").integer(0);
        writer.name("MaxRecordSizeInKiB").integer((stream.max_record_size.bytes() / 1_024) as i64);
        writer.end_object();
        Ok(())
    })
}

pub(super) fn list(call: &Call<'_>, writer: &mut Writer) -> Result<(), ServiceError> {
    let limit = members::bounded(call.fields, "Limit", 1, NAMES_MAX)?.unwrap_or(NAMES);
    let after =
        match (call.fields.text("NextToken")?, call.fields.text("ExclusiveStartStreamName")?) {
            (Some(token), _) => Some(members::name_of("nextToken", token)?),
            (None, Some(name)) => Some(members::name_of("exclusiveStartStreamName", name)?),
            (None, None) => None,
        };
    let all = call.kinesis.all(call.now);
    let behind = |stream: &&std::sync::Arc<std::sync::Mutex<Hosted>>| {
        after.as_ref().is_none_or(|after| lock(stream).name() > after)
    };
    let mut streams = all.iter().filter(behind);
    let page: Vec<_> = streams.by_ref().take(limit).collect();
    writer.name("StreamNames").begin_list();
    page.iter().for_each(|stream| writer.text(lock(stream).name().as_str()));
    writer.end_list();
    writer.name("StreamSummaries").begin_list();
    for stream in &page {
        let mut stream = lock(stream);
        stream.advance(call.now);
        writer.begin_object();
        write_head(writer, &stream);
        writer.end_object();
    }
    writer.end_list();
    let has_more = streams.next().is_some();
    writer.name("HasMoreStreams").boolean(has_more);
    if let Some(last) = page.last().filter(|_| has_more) {
        writer.name("NextToken").text(lock(last).name().as_str());
    }
    Ok(())
}
