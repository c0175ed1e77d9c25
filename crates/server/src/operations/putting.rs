//! PutRecord and PutRecords.

use core::fmt::Write;
use core::ops::Range;
use std::borrow::Cow;

use bytes::Bytes;
use headwaters_model::EntryFaults;
use headwaters_wire::limits::{PARTITION_KEY_CHARS_MAX, REQUEST_ENTRIES_MAX};
use headwaters_wire::{AttemptError, Entry, HashKey, PartitionKey, PartitionKeyError, Placement};

use super::{Call, members};
use crate::codec::{Fields, Protocol, Value, Writer};
use crate::error::ServiceError;
use crate::kinesis::Incoming;

/// What a fault plan does to records that are put.
#[derive(Clone, Debug, Default)]
pub(crate) struct Twist {
    /// Which entries fail.
    pub(crate) entries: EntryFaults,
    /// How many entries the answer says have failed, instead of the truth.
    pub(crate) failed_count: Option<u64>,
    /// How many results the answer has more than the request has entries, or fewer.
    pub(crate) more_results: i64,
}

type EntryResult = Result<Placement, AttemptError>;

pub(super) fn put_record(call: &Call<'_>, writer: &mut Writer) -> Result<(), ServiceError> {
    let name = members::stream(call.fields)?;
    let incoming = incoming(call, &[Raw::of(call.fields, None)?])?;
    let put = |stream: &mut crate::kinesis::Hosted| {
        stream.check_serves()?;
        Ok(stream.put(&incoming, &call.twist.entries)?)
    };
    let mut results = call.kinesis.with(&name, call.now, put)?;
    write_placement(writer, &results.remove(0)?, &mut String::new());
    Ok(())
}

pub(super) fn put_records(call: &Call<'_>, writer: &mut Writer) -> Result<(), ServiceError> {
    let name = members::stream(call.fields)?;
    let records = call.fields.list("Records")?.ok_or_else(|| ServiceError::missing("records"))?;
    let bound = match records.len() {
        0 => Some(String::from("have length greater than or equal to 1")),
        1..=REQUEST_ENTRIES_MAX => None,
        _ => Some(format!("have length less than or equal to {REQUEST_ENTRIES_MAX}")),
    };
    if let Some(bound) = bound {
        // The service prints the records here; this project prints no payloads.
        return Err(ServiceError::validation("records", "at", &bound));
    }
    let raw = records.iter().enumerate();
    let raw = raw.map(|(index, record)| Raw::of(record.as_object("Records")?, Some(index + 1)));
    let raw: Vec<Raw<'_>> = raw.collect::<Result<_, _>>()?;
    let incoming = incoming(call, &raw)?;
    let results = call.kinesis.with(&name, call.now, |stream| {
        stream.check_serves()?;
        Ok(stream.put(&incoming, &call.twist.entries)?)
    })?;
    write_results(writer, results, call.twist);
    Ok(())
}

fn write_results(writer: &mut Writer, mut results: Vec<EntryResult>, twist: &Twist) {
    if twist.more_results != 0
        && let Some(last) = results.last().cloned()
    {
        let count = results.len() as i64 + twist.more_results;
        results.resize(usize::try_from(count).unwrap_or(0), last);
    }
    let failed = results.iter().filter(|result| result.is_err()).count() as u64;
    writer.name("FailedRecordCount").integer(twist.failed_count.unwrap_or(failed) as i64);
    writer.name("Records").begin_list();
    let mut shard = String::new();
    for result in &results {
        writer.begin_object();
        match result {
            Ok(placement) => write_placement(writer, placement, &mut shard),
            Err(error) => {
                writer.name("ErrorCode").text(error.code.as_str());
                writer.name("ErrorMessage").text(error.message.as_str());
            }
        }
        writer.end_object();
    }
    writer.end_list();
}

/// `shard` is a buffer that is used again.
fn write_placement(writer: &mut Writer, placement: &Placement, shard: &mut String) {
    shard.clear();
    write!(shard, "{}", placement.shard).expect("a string takes everything");
    writer.name("SequenceNumber").text(placement.sequence_number.as_str());
    writer.name("ShardId").text(shard);
}

/// A record as the request has it.
struct Raw<'a> {
    data: &'a Value<'a>,
    explicit_hash_key: Option<HashKey>,
    partition_key: &'a Cow<'a, str>,
    /// Its number in the request, from 1, for messages.
    place: Option<usize>,
}

impl<'a> Raw<'a> {
    fn of(fields: &'a Fields<'a>, place: Option<usize>) -> Result<Self, ServiceError> {
        let missing = |name| ServiceError::missing(&member(place, name));
        let data = fields.get("Data").ok_or_else(|| missing("data"))?;
        fields.text("PartitionKey")?.ok_or_else(|| missing("partitionKey"))?;
        let Some(Value::Text(partition_key)) = fields.get("PartitionKey") else {
            return Err(missing("partitionKey"));
        };
        let explicit = fields.text("ExplicitHashKey")?;
        let explicit = explicit.map(|text| members::hash_key("ExplicitHashKey", text));
        Ok(Self { data, explicit_hash_key: explicit.transpose()?, partition_key, place })
    }
}

fn member(place: Option<usize>, name: &str) -> String {
    place.map_or_else(|| name.to_owned(), |place| format!("records.{place}.member.{name}"))
}

/// The entries. In CBOR they are slices of the body; in JSON all of a request are decoded into one buffer.
fn incoming(call: &Call<'_>, raw: &[Raw<'_>]) -> Result<Incoming, ServiceError> {
    match call.protocol {
        Protocol::Cbor => of_cbor(call.body, raw),
        Protocol::Json => of_json(raw),
    }
}

fn of_cbor(body: &Bytes, raw: &[Raw<'_>]) -> Result<Incoming, ServiceError> {
    let entry = |raw: &Raw<'_>| {
        let Value::Blob(data) = raw.data else { return Err(not_a_blob()) };
        let key = match raw.partition_key {
            Cow::Borrowed(text) => body.slice_ref(text.as_bytes()),
            Cow::Owned(text) => Bytes::copy_from_slice(text.as_bytes()),
        };
        let data = match data {
            Cow::Borrowed(data) => body.slice_ref(data),
            Cow::Owned(data) => Bytes::copy_from_slice(data),
        };
        made(raw, data, key)
    };
    let entries = raw.iter().map(entry).collect::<Result<_, _>>()?;
    Ok(Incoming { buffer: body.len(), entries })
}

fn of_json(raw: &[Raw<'_>]) -> Result<Incoming, ServiceError> {
    let text = |raw: &Raw<'_>| match raw.data {
        Value::Text(text) => text.len(),
        _ => 0,
    };
    let size = |raw: &Raw<'_>| text(raw) / 4 * 3 + raw.partition_key.len();
    let mut buffer = Vec::with_capacity(raw.iter().map(size).sum());
    let mut places: Vec<[Range<usize>; 2]> = Vec::with_capacity(raw.len());
    for raw in raw {
        let Value::Text(data) = raw.data else { return Err(not_a_blob()) };
        let start = buffer.len();
        let decoded = base64_simd::STANDARD.decode_append(data.as_bytes(), &mut buffer);
        decoded.map_err(|_| not_a_blob())?;
        let end = buffer.len();
        buffer.extend_from_slice(raw.partition_key.as_bytes());
        places.push([start..end, end..buffer.len()]);
    }
    let whole = Bytes::from(buffer);
    let entry = |(raw, [data, key]): (&Raw<'_>, [Range<usize>; 2])| {
        made(raw, whole.slice(data), whole.slice(key))
    };
    let entries = raw.iter().zip(places).map(entry).collect::<Result<_, _>>()?;
    Ok(Incoming { buffer: whole.len(), entries })
}

fn not_a_blob() -> ServiceError {
    ServiceError::serialization("Data: the value can not be converted to a Blob")
}

fn made(raw: &Raw<'_>, data: Bytes, key: Bytes) -> Result<Entry, ServiceError> {
    let partition_key = PartitionKey::from_utf8(key).map_err(|error| {
        let bound = match error {
            PartitionKeyError::Empty => String::from("have length greater than or equal to 1"),
            _ => format!("have length less than or equal to {PARTITION_KEY_CHARS_MAX}"),
        };
        ServiceError::validation(&member(raw.place, "partitionKey"), "at", &bound)
    })?;
    Ok(Entry { data, explicit_hash_key: raw.explicit_hash_key, partition_key })
}
