use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::iter::FusedIterator;
use core::ops::Range;

use bytes::Bytes;

use super::member::{Broken, Member};
use super::protobuf::{Malformed, Reader, WireType};
use super::unsealed::Unsealed;
use super::{MAGIC, TRAILER_BYTES, field};

/// What the data of a Kinesis record is. `Debug` prints sizes only.
#[derive(Clone)]
#[expect(clippy::exhaustive_enums, reason = "it is one or the other")]
pub enum Decoded {
    /// An aggregate of user records.
    Aggregate(Aggregate),
    /// One user record, as it is.
    Plain(Bytes),
}

impl fmt::Debug for Decoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aggregate(aggregate) => aggregate.fmt(f),
            Self::Plain(data) => write!(f, "Plain({} bytes)", data.len()),
        }
    }
}

/// Reads the data of a Kinesis record.
///
/// Data is an aggregate exactly when the Kinesis Client Library takes it for one: it starts with the magic, has
/// at least one byte between magic and trailer, the trailer is the MD5 of what lies between, and that is a valid
/// protobuf message. Everything else is plain. Never fails, never copies a payload, allocates for each entry of
/// the tables 8 bytes (at most 8 times the size of `data`, for entries that are empty), and takes time
/// proportional to the size.
///
/// Source: `AggregatorUtil.deaggregate` of the amazon-kinesis-client, 3.x.
pub fn decode(data: Bytes) -> Decoded {
    match Aggregate::parse(&data, headwaters_md5::digest) {
        Some(aggregate) => Decoded::Aggregate(aggregate),
        None => Decoded::Plain(data),
    }
}

/// As [`decode`], for the data of many Kinesis records, whose check sums are computed side by side in SIMD lanes. What they
/// are comes in their order.
pub fn decode_all(records: impl IntoIterator<Item = Bytes>) -> Vec<Decoded> {
    let records: Vec<Bytes> = records.into_iter().collect();
    let mut digests = vec![[0; TRAILER_BYTES]; records.len()];
    let bodies = records.iter().zip(&mut digests);
    headwaters_md5::digest_many(bodies.flat_map(|(data, digest)| Some((sealed(data)?.0, digest))));
    let decode = |(data, digest)| match Aggregate::parse(&data, |_| digest) {
        Some(aggregate) => Decoded::Aggregate(aggregate),
        None => Decoded::Plain(data),
    };
    records.into_iter().zip(digests).map(decode).collect()
}

/// The body and the trailer of what looks like an aggregate: most data that is none is told by its first bytes, without a
/// check sum.
fn sealed(data: &[u8]) -> Option<(&[u8], &[u8; TRAILER_BYTES])> {
    data.strip_prefix(&MAGIC)?.split_last_chunk()
}

/// An aggregate whose message is valid. Its members may still refer to keys that it does not have.
///
/// It and all that comes out of it keep the data of the whole Kinesis record alive. `Debug` prints sizes only.
#[derive(Clone)]
pub struct Aggregate {
    body: Bytes,
    /// Where in `body` the entries of the tables are.
    hash_keys: Vec<Span>,
    keys: Vec<Span>,
    len: usize,
}

/// A Kinesis record has at most 10 MiB; what is longer than a span can say is plain.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    end: u32,
}

impl Span {
    const fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

impl fmt::Debug for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { body, hash_keys, keys, len } = self;
        f.debug_struct("Aggregate")
            .field("body", &format_args!("{} bytes", body.len()))
            .field("hash_keys", &hash_keys.len())
            .field("keys", &keys.len())
            .field("members", len)
            .finish()
    }
}

impl Aggregate {
    /// `digest` says what the MD5 of the body is.
    fn parse(data: &Bytes, digest: impl FnOnce(&[u8]) -> [u8; TRAILER_BYTES]) -> Option<Self> {
        let (body, trailer) = sealed(data)?;
        if digest(body) == *trailer { Self::trusted(data) } else { None }
    }

    /// Reads the data of a Kinesis record that is known to be an aggregate, because we made it, say: without the
    /// check of the trailer, which takes most of [`decode`]'s time. `None` if it cannot be one.
    pub fn trusted(data: &Bytes) -> Option<Self> {
        let end = data.len().checked_sub(TRAILER_BYTES)?;
        if end <= MAGIC.len() || data[..MAGIC.len()] != MAGIC {
            return None;
        }
        Self::of_body(data.slice(MAGIC.len()..end))
    }

    /// Reads what lacks its trailer yet, in a copy: without computing it, which takes most of the time. `None` if it goes
    /// plain.
    pub fn of_unsealed(unsealed: &Unsealed) -> Option<Self> {
        Self::of_body(Bytes::copy_from_slice(unsealed.body()?))
    }

    /// Reads what is between the magic and the trailer.
    pub(super) fn of_body(body: Bytes) -> Option<Self> {
        let (mut keys, mut hash_keys, mut len) = (Vec::new(), Vec::new(), 0);
        u32::try_from(body.len()).ok()?;
        let mut fields = Fields(Reader::new(&body, 0));
        while let Some((field, span)) = fields.next().ok()? {
            match field {
                field::PARTITION_KEY_TABLE => keys.push(span),
                field::EXPLICIT_HASH_KEY_TABLE => hash_keys.push(span),
                field::RECORDS => {
                    RawRecord::parse(&body[span.range()]).ok()?;
                    len += 1;
                }
                _ => {}
            }
        }
        Some(Self { body, hash_keys, keys, len })
    }

    /// How many members there are, broken ones included.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The members, in order. Payloads are slices of the aggregate's data.
    ///
    /// A [`Broken`] member does not end the iteration here, as it does the KCL's.
    pub fn members(&self) -> Members<'_> {
        Members { aggregate: self, fields: Fields(Reader::new(&self.body, 0)), next: 0 }
    }

    fn text(&self, table: &[Span], index: u64) -> Option<Bytes> {
        let span = table.get(entry(index))?;
        Some(self.body.slice(span.range()))
    }

    pub(super) fn member(&self, index: usize, raw: &RawRecord) -> Result<Member, Broken> {
        let key_index = raw.key_index;
        let partition_key =
            self.text(&self.keys, key_index).ok_or(Broken::KeyIndex { index: key_index })?;
        let explicit_hash_key = match raw.hash_key_index {
            None => None,
            Some(index) => {
                let text = self.text(&self.hash_keys, index);
                Some(text.ok_or(Broken::HashKeyIndex { index })?)
            }
        };
        let data = self.body.slice(raw.data.range());
        Ok(Member { data, explicit_hash_key, index, partition_key })
    }
}

/// The entry of a table that an index means: the KCL looks at the lower 32 bits only.
pub(super) fn entry(index: u64) -> usize {
    usize::try_from(index & u64::from(u32::MAX)).unwrap_or(usize::MAX)
}

/// The members of an aggregate.
#[derive(Clone, Debug)]
pub struct Members<'a> {
    aggregate: &'a Aggregate,
    fields: Fields<'a>,
    next: usize,
}

impl<'a> Members<'a> {
    pub(super) fn raw(mut self) -> impl Iterator<Item = RawRecord> + 'a {
        core::iter::from_fn(move || self.next_raw())
    }

    /// The next record. The message was parsed before, so nothing in it is malformed now.
    fn next_raw(&mut self) -> Option<RawRecord> {
        loop {
            let (field, span) = self.fields.next().ok()??;
            if field == field::RECORDS {
                let mut record = RawRecord::parse(&self.aggregate.body[span.range()]).ok()?;
                record.data.start += span.start;
                record.data.end += span.start;
                return Some(record);
            }
        }
    }
}

impl Iterator for Members<'_> {
    type Item = Result<Member, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        let raw = self.next_raw()?;
        let index = self.next;
        self.next += 1;
        Some(self.aggregate.member(index, &raw))
    }
}

impl FusedIterator for Members<'_> {}

impl<'a> IntoIterator for &'a Aggregate {
    type IntoIter = Members<'a>;
    type Item = Result<Member, Broken>;

    fn into_iter(self) -> Members<'a> {
        self.members()
    }
}

impl Reader<'_> {
    /// Where the bytes of a field with a length are.
    fn span(&mut self) -> Result<Span, Malformed> {
        let length = self.bytes()?.len();
        let at = |at: usize| u32::try_from(at).map_err(|_| Malformed);
        Ok(Span { start: at(self.at() - length)?, end: at(self.at())? })
    }
}

/// The fields of a message that have a length, and where their values are; others are read over.
#[derive(Clone)]
struct Fields<'a>(Reader<'a>);

impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}", self.0.at())
    }
}

impl Fields<'_> {
    fn next(&mut self) -> Result<Option<(u32, Span)>, Malformed> {
        while let Some((field, wire_type)) = self.0.field()? {
            if wire_type == WireType::Length {
                let span = self.0.span()?;
                return Ok(Some((field, span)));
            }
            self.0.skip(field, wire_type)?;
        }
        Ok(None)
    }
}

/// A record's message. Where a field comes twice the last one counts, as in all of protobuf.
pub(super) struct RawRecord {
    data: Span,
    pub(super) hash_key_index: Option<u64>,
    pub(super) key_index: u64,
}

impl RawRecord {
    fn parse(message: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(message, 1);
        let (mut data, mut hash_key_index, mut key_index) = (None, None, None);
        while let Some((field, wire_type)) = reader.field()? {
            match (field, wire_type) {
                (field::PARTITION_KEY_INDEX, WireType::Varint) => {
                    key_index = Some(reader.varint()?);
                }
                (field::EXPLICIT_HASH_KEY_INDEX, WireType::Varint) => {
                    hash_key_index = Some(reader.varint()?);
                }
                (field::DATA, WireType::Length) => {
                    data = Some(reader.span()?);
                }
                (field::TAGS, WireType::Length) => check_tag(reader.bytes()?)?,
                _ => reader.skip(field, wire_type)?,
            }
        }
        // Both are required: without them the message is no message.
        Ok(Self {
            data: data.ok_or(Malformed)?,
            hash_key_index,
            key_index: key_index.ok_or(Malformed)?,
        })
    }
}

/// A tag has a key; nothing else is asked of it.
fn check_tag(message: &[u8]) -> Result<(), Malformed> {
    let mut fields = Fields(Reader::new(message, 2));
    let mut has_key = false;
    while let Some((field, _)) = fields.next()? {
        has_key |= field == field::TAG_KEY;
    }
    if has_key { Ok(()) } else { Err(Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::testing::{entry, sealed};
    use crate::aggregate::{Encoder, Record};
    use crate::{HashKey, HashKeyRange, PartitionKey, PartitionKeyError};
    use alloc::format;
    use alloc::vec::Vec;

    fn members(body: &[u8]) -> Result<Vec<Member>, Option<Broken>> {
        match decode(sealed(body)) {
            Decoded::Aggregate(aggregate) => {
                aggregate.members().collect::<Result<_, _>>().map_err(Some)
            }
            Decoded::Plain(_) => Err(None),
        }
    }

    /// Three keys, of which `b` has the explicit hash key 123.
    const GOLDEN: &[u8] = b"\x0a\x01a\x0a\x01b\x12\x03123\x1a\x09\x08\x00\x1a\x05hello\
        \x1a\x0b\x08\x01\x10\x00\x1a\x05world\x1a\x05\x08\x00\x1a\x01!";

    #[test]
    fn what_the_kpl_writes_is_read() {
        let read = members(GOLDEN).expect("valid");
        let read: Vec<_> = read
            .iter()
            .map(|m| (&m.partition_key[..], m.explicit_hash_key.as_deref(), &m.data[..]))
            .collect();
        let b = (&b"b"[..], Some(&b"123"[..]), &b"world"[..]);
        assert_eq!(read, [(&b"a"[..], None, &b"hello"[..]), b, (b"a", None, b"!")]);
    }

    #[test]
    fn whatever_is_no_aggregate_is_plain() {
        let good = sealed(GOLDEN);
        assert!(matches!(decode(good.clone()), Decoded::Aggregate(_)));
        for length in 0..good.len() {
            assert!(matches!(decode(good.slice(..length)), Decoded::Plain(_)), "cut to {length}");
        }
        for at in 0..good.len() {
            let mut bad = good.to_vec();
            bad[at] ^= 1;
            assert!(matches!(decode(bad.into()), Decoded::Plain(_)), "byte {at} differs");
        }
        assert!(matches!(decode(sealed(b"")), Decoded::Plain(_)), "no byte between");
    }

    #[test]
    fn many_are_what_they_are_one_by_one() {
        let good = sealed(GOLDEN);
        let mut bad = good.to_vec();
        bad[7] ^= 1;
        let records = [good.clone(), Bytes::new(), bad.into(), sealed(b""), good.slice(1..), good];
        let is_aggregate = |decoded: &Decoded| matches!(decoded, Decoded::Aggregate(_));
        let decoded = decode_all(records.iter().cloned());
        let kinds: Vec<bool> = decoded.iter().map(is_aggregate).collect();
        assert_eq!(kinds, [true, false, false, false, false, true]);
        for (together, data) in decoded.iter().zip(records) {
            assert_eq!(format!("{together:?}"), format!("{:?}", decode(data)));
        }
    }

    #[test]
    fn a_trusted_aggregate_needs_no_right_trailer() {
        let mut data = sealed(GOLDEN).to_vec();
        *data.last_mut().expect("a trailer") ^= 1;
        let aggregate = Aggregate::trusted(&data.into()).expect("an aggregate");
        let read: Result<Vec<_>, _> = aggregate.members().collect();
        assert_eq!(read.map_err(Some), members(GOLDEN));
        assert!(Aggregate::trusted(&sealed(b"")).is_none(), "no byte between");
        assert!(Aggregate::trusted(&sealed(GOLDEN).slice(1..)).is_none(), "no magic");
    }

    #[test]
    fn messages_without_what_is_required_are_plain() {
        let plain: [(&[u8], &str); 7] = [
            (b"\x1a\x02\x08\x00", "no data"),
            (b"\x1a\x03\x1a\x01x", "no key index"),
            (b"\x1a\x09\x08\x00\x1a\x01x\x22\x02\x12\x00", "a tag without a key"),
            (b"\x1a\x05\x08\x00\x1a\x05x", "a length beyond the end"),
            (b"\x1a\x06\x08\x00\x1a\x01x\x2c", "a group that was never opened"),
            (b"\x00\x00", "field number 0"),
            (b"\x0f", "wire type 7"),
        ];
        for (body, why) in plain {
            assert_eq!(members(body), Err(None), "{why}");
        }
    }

    #[test]
    fn unknown_fields_and_any_order_are_fine_and_the_last_value_counts() {
        let body = b"\x1a\x0e\x08\x07\x1a\x01x\x08\x00\x1a\x01y\x22\x02\x0a\x00\x48\x05\x0a\x01k";
        let read = members(body).expect("valid");
        assert_eq!((&read[0].partition_key[..], &read[0].data[..]), (&b"k"[..], &b"y"[..]));
        assert_eq!(members(b"\x48\x05"), Ok(Vec::new()), "an aggregate of none");
    }

    #[test]
    fn a_broken_member_is_named_and_the_others_are_read() {
        let body =
            b"\x0a\x01k\x1a\x05\x08\x00\x1a\x01x\x1a\x05\x08\x01\x1a\x01y\x1a\x05\x08\x00\x1a\x01z";
        let Decoded::Aggregate(aggregate) = decode(sealed(body)) else { panic!("valid") };
        let read: Vec<_> = aggregate.members().map(|member| member.map(|m| m.index)).collect();
        assert_eq!(read, [Ok(0), Err(Broken::KeyIndex { index: 1 }), Ok(2)]);
        let body = b"\x0a\x01k\x1a\x07\x08\x00\x10\x05\x1a\x01x";
        assert_eq!(members(body), Err(Some(Broken::HashKeyIndex { index: 5 })));
    }

    #[test]
    fn groups_may_be_as_deep_as_elsewhere_counting_the_messages_around_them() {
        let groups = |depth| [&[0x4B].repeat(depth)[..], &[0x4C].repeat(depth)].concat();
        let record = |depth| {
            let inner = [&groups(depth)[..], b"\x08\x00\x1a\x01x"].concat();
            let length = inner.len();
            let length = [u8::try_from(length % 128 + 128).expect("a byte"), (length / 128) as u8];
            [&b"\x0a\x01k\x1a"[..], &length, &inner].concat()
        };
        assert!(members(&record(99)).is_ok());
        assert_eq!(members(&record(100)), Err(None));
    }

    #[test]
    fn nothing_prints_payloads_or_keys() {
        let mut encoder = Encoder::default();
        [1, 2].into_iter().for_each(|key| encoder.append(Record::from(&entry("k", Some(key)))));
        let secret = alloc::format!("{encoder:?}");
        let unsealed = encoder.finish().expect("two records");
        let secret = secret + &alloc::format!("{unsealed:?}");
        let data = unsealed.seal().data;
        let decoded = decode(data.clone());
        let Decoded::Aggregate(aggregate) = &decoded else { panic!("an aggregate") };
        let all = alloc::format!("{secret}{decoded:?}{:?}", aggregate.members());
        let all = all
            + &alloc::format!(
                "{:?}{:?}",
                decode(data.slice(1..)),
                aggregate.as_kcl(HashKeyRange::ALL)
            );
        assert!(!all.contains("data\"") && !all.contains("100, 97, 116, 97"), "{all}");
    }

    #[test]
    fn members_become_entries_if_their_keys_are_valid() {
        let read = members(GOLDEN).expect("valid");
        assert_eq!(
            read[1].to_entry().map(|entry| entry.explicit_hash_key),
            Ok(Some(HashKey::new(123)))
        );
        let empty = Member { partition_key: Bytes::new(), ..read[0].clone() };
        assert_eq!(empty.to_entry(), Err(Broken::PartitionKey(PartitionKeyError::Empty)));
        let odd = Member { partition_key: Bytes::from_static(b"\xff"), ..read[0].clone() };
        let replaced = PartitionKey::new("\u{FFFD}").expect("a valid key");
        assert_eq!(odd.hash_key(), Ok(HashKey::of(&replaced)), "as the KCL hashes it");
    }
}
