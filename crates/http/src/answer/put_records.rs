use std::borrow::Cow;

use bytes::Bytes;
use headwaters_transport::PutRecordsResult;
use headwaters_wire::{AttemptError, ErrorCode, Message, Placement, SequenceNumber, ShardId};

use super::alike::Alike;
use super::cbor::Cbor;
use super::json::Json;
use super::reader::{Reader, set};
use super::{Malformed, unusable};
use crate::body::Protocol;

/// What became of one entry.
pub(crate) type EntryResult = Result<Placement, AttemptError>;

/// Reads the answer to a PutRecords request of so many entries. The sequence numbers keep `body` alive.
///
/// The count of failed entries in the answer is not believed: the entries say it themselves.
pub(crate) fn read_results(protocol: Protocol, body: &Bytes, entries: usize) -> PutRecordsResult {
    match parse_results(protocol, body, entries) {
        Ok(results) if results.len() == entries => Ok(results),
        Ok(results) => Err(unusable(&format!("{} results for {entries} entries", results.len()))),
        Err(Malformed) => Err(unusable("the answer to PutRecords cannot be read")),
    }
}

/// Reads as many results as there are, but no more than one more than `entries`.
pub(crate) fn parse_results(
    protocol: Protocol,
    body: &Bytes,
    entries: usize,
) -> Result<Vec<EntryResult>, Malformed> {
    match protocol {
        Protocol::Cbor => results(&mut Cbor::new(body), body, entries),
        Protocol::Json => results(&mut Json::new(body), body, entries),
    }
}

fn results<'a>(
    reader: &mut impl Reader<'a>,
    body: &'a Bytes,
    entries: usize,
) -> Result<Vec<EntryResult>, Malformed> {
    let mut results = None;
    reader.object()?;
    while let Some(name) = reader.member()? {
        match &*name {
            "Records" => set(&mut results, records(reader, body, entries)?)?,
            _ => reader.skip()?,
        }
    }
    reader.end()?;
    results.ok_or(Malformed)
}

fn records<'a>(
    reader: &mut impl Reader<'a>,
    body: &'a Bytes,
    entries: usize,
) -> Result<Vec<EntryResult>, Malformed> {
    let mut results: Vec<EntryResult> = Vec::with_capacity(entries);
    let mut alike = Alike::new(body);
    reader.array()?;
    while reader.element()? {
        let rest = reader.rest();
        let result = match alike.read(rest) {
            Some((bytes, result)) => {
                reader.pass(bytes);
                result
            }
            None => {
                let entry = Entry::read(reader)?;
                let result = entry.result(body);
                alike.learn(&rest[..rest.len() - reader.rest().len()], &entry, &result);
                result
            }
        };
        // One too many shows that the count is wrong; the others are only read.
        if results.len() <= entries {
            results.push(result);
        }
    }
    Ok(results)
}

/// An entry of the answer; what is null is not there.
pub(super) struct Entry<'a> {
    code: Option<Cow<'a, str>>,
    message: Option<Cow<'a, str>>,
    pub(super) sequence_number: Option<Cow<'a, str>>,
    pub(super) shard: Option<Cow<'a, str>>,
}

impl<'a> Entry<'a> {
    fn read(reader: &mut impl Reader<'a>) -> Result<Self, Malformed> {
        let (mut code, mut message, mut sequence_number, mut shard) = (None, None, None, None);
        reader.object()?;
        while let Some(name) = reader.member()? {
            let place = match &*name {
                "ErrorCode" => &mut code,
                "ErrorMessage" => &mut message,
                "SequenceNumber" => &mut sequence_number,
                "ShardId" => &mut shard,
                _ => {
                    reader.skip()?;
                    continue;
                }
            };
            set(place, reader.text()?)?;
        }
        Ok(Self {
            code: code.flatten(),
            message: message.flatten(),
            sequence_number: sequence_number.flatten(),
            shard: shard.flatten(),
        })
    }

    /// Stored if there is a placement and no error; failed if there is an error and no sequence number. All
    /// others contradict themselves, and nobody can know.
    fn result(&self, body: &Bytes) -> EntryResult {
        match (&self.sequence_number, &self.shard, &self.code) {
            (Some(number), Some(shard), None) => {
                let digits = match number {
                    Cow::Borrowed(digits) => body.slice_ref(digits.as_bytes()),
                    Cow::Owned(digits) => Bytes::copy_from_slice(digits.as_bytes()),
                };
                placement(digits, shard.as_bytes())
                    .ok_or_else(|| unusable("a sequence number or a shard id breaks the rules"))
            }
            (None, _, Some(code)) => {
                let message = Message::new(self.message.as_deref().unwrap_or_default());
                Err(AttemptError::with_message(ErrorCode::parse_of_server(code), message))
            }
            (Some(_), _, Some(_)) => Err(unusable("a sequence number and an error for one entry")),
            (None, _, None) | (Some(_), None, None) => {
                Err(unusable("neither a placement nor an error for an entry"))
            }
        }
    }
}

pub(super) fn placement(digits: Bytes, shard: &[u8]) -> Option<Placement> {
    let sequence_number = SequenceNumber::from_bytes(digits).ok()?;
    Some(Placement { sequence_number, shard: ShardId::from_bytes(shard).ok()? })
}
