use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use super::protobuf::{Malformed, Reader, WireType};
use super::{MAGIC, TRAILER_BYTES, field};
use crate::{Entry, HashKey, HashKeyError, HashKeyRange, PartitionKey, PartitionKeyError};

/// What the data of a Kinesis record is.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "it is one or the other")]
pub enum Decoded {
    /// An aggregate of user records.
    Aggregate(Aggregate),
    /// One user record, as it is.
    Plain(Bytes),
}

/// Reads the data of a Kinesis record.
///
/// Data is an aggregate exactly when the Kinesis Client Library takes it for one: it starts with the magic, has
/// at least one byte between magic and trailer, the trailer is the MD5 of what lies between, and that is a valid
/// protobuf message. Everything else is plain. Never fails, never copies a payload, allocates at most a few
/// times the size of `data`, and takes time proportional to it.
///
/// Source: `AggregatorUtil.deaggregate` of the amazon-kinesis-client, 3.x.
pub fn decode(data: Bytes) -> Decoded {
    match Aggregate::parse(&data) {
        Some(aggregate) => Decoded::Aggregate(aggregate),
        None => Decoded::Plain(data),
    }
}

/// An aggregate whose message is valid. Its members may still refer to keys that it does not have.
#[derive(Clone, Debug)]
pub struct Aggregate {
    body: Bytes,
    /// Where in `body` the entries of the tables are.
    hash_keys: Vec<Span>,
    keys: Vec<Span>,
    len: usize,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    start: usize,
    end: usize,
}

impl Aggregate {
    fn parse(data: &Bytes) -> Option<Self> {
        let end = data.len().checked_sub(TRAILER_BYTES)?;
        if end <= MAGIC.len() || data[..MAGIC.len()] != MAGIC {
            return None;
        }
        let body = data.slice(MAGIC.len()..end);
        if headwaters_md5::digest(&body)[..] != data[end..] {
            return None;
        }
        let (mut keys, mut hash_keys, mut len) = (Vec::new(), Vec::new(), 0);
        let mut fields = Fields(Reader::new(&body));
        while let Some((field, span)) = fields.next().ok()? {
            match field {
                field::PARTITION_KEY_TABLE => keys.push(span),
                field::EXPLICIT_HASH_KEY_TABLE => hash_keys.push(span),
                field::RECORDS => {
                    RawRecord::parse(&body[span.start..span.end]).ok()?;
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

    /// The members, in order: the index in this order is the sub-sequence number of the KCL. Payloads are
    /// slices of the aggregate's data.
    ///
    /// A [`Broken`] member ends the iteration, as it ends the KCL's.
    pub fn members(&self) -> Members<'_> {
        Members { aggregate: self, fields: Fields(Reader::new(&self.body)), ended: false }
    }

    /// What the Kinesis Client Library makes of the aggregate when it reads it from a shard of this range.
    ///
    /// The KCL checks the members in order and, at the first one whose hash key lies outside the range, gives
    /// up the *whole* aggregate, the members before it included: nothing is delivered, and nothing is logged.
    /// At a broken member it keeps what came before and loses the rest. Here nothing is lost: what the KCL
    /// would not deliver is in [`KclView::dropped`].
    pub fn as_kcl(&self, range: HashKeyRange) -> KclView {
        let mut view = KclView { broken: None, delivered: Vec::new(), dropped: Vec::new() };
        let mut outside = false;
        for member in self.members() {
            match member.and_then(|member| Ok((member.hash_key()?, member))) {
                Ok((hash_key, member)) => {
                    outside |= !range.contains(hash_key);
                    view.delivered.push(member);
                }
                Err(broken) => {
                    // The KCL gets here only if it has not given up before.
                    view.broken = (!outside).then_some(broken);
                    break;
                }
            }
        }
        if outside {
            core::mem::swap(&mut view.delivered, &mut view.dropped);
        }
        view
    }

    fn text(&self, table: &[Span], index: u64) -> Option<Bytes> {
        // The KCL looks at the lower 32 bits only.
        let span = table.get(usize::try_from(index & u64::from(u32::MAX)).ok()?)?;
        Some(self.body.slice(span.start..span.end))
    }
}

/// An aggregate as the Kinesis Client Library sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KclView {
    /// The member at which the KCL stops with an error in its log, if there is one.
    pub broken: Option<Broken>,
    /// What the application gets.
    pub delivered: Vec<Member>,
    /// What it does not get, for one of the members lies outside the range of the shard.
    pub dropped: Vec<Member>,
}

/// The members of an aggregate.
#[derive(Clone, Debug)]
pub struct Members<'a> {
    aggregate: &'a Aggregate,
    fields: Fields<'a>,
    ended: bool,
}

impl Iterator for Members<'_> {
    type Item = Result<Member, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            // The message was parsed before: it is not malformed now.
            let (field, span) = self.fields.next().ok()??;
            if field == field::RECORDS {
                let member = self.aggregate.member(span);
                self.ended = member.is_err();
                return Some(member);
            }
        }
        None
    }
}

impl Aggregate {
    fn member(&self, span: Span) -> Result<Member, Broken> {
        let record = RawRecord::parse(&self.body[span.start..span.end]);
        let record = record.map_err(|Malformed| Broken::KeyIndex { index: 0 })?;
        let index = record.key_index;
        let partition_key = self.text(&self.keys, index).ok_or(Broken::KeyIndex { index })?;
        let explicit_hash_key = match record.hash_key_index {
            None => None,
            Some(index) => {
                let text = self.text(&self.hash_keys, index);
                Some(text.ok_or(Broken::HashKeyIndex { index })?)
            }
        };
        let (start, end) = (span.start + record.data.start, span.start + record.data.end);
        Ok(Member { data: self.body.slice(start..end), explicit_hash_key, partition_key })
    }
}

/// A user record inside an aggregate, as it was written: its keys may break rules of the service, for nobody
/// checked them there.
///
/// `Debug` prints sizes only.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub struct Member {
    /// The payload.
    pub data: Bytes,
    /// The explicit hash key, if it has one: decimal digits if all is well.
    pub explicit_hash_key: Option<Bytes>,
    /// The partition key: UTF-8 if all is well.
    pub partition_key: Bytes,
}

impl Member {
    /// The hash key that decides to which shard the record belongs.
    ///
    /// # Errors
    /// [`Broken::HashKey`] when the explicit hash key is no decimal number below 2^128.
    pub fn hash_key(&self) -> Result<HashKey, Broken> {
        match &self.explicit_hash_key {
            Some(text) => parse_hash_key(text).map_err(Broken::HashKey),
            // Like the KCL, which reads a key as text first: what is not UTF-8 is replaced.
            None => {
                let text = String::from_utf8_lossy(&self.partition_key);
                let bytes: &[u8] = match &text {
                    Cow::Borrowed(_) => &self.partition_key,
                    Cow::Owned(text) => text.as_bytes(),
                };
                Ok(HashKey::from_digest(headwaters_md5::digest(bytes)))
            }
        }
    }

    /// The record as an entry that could be put again. Keeps the aggregate's whole data alive.
    ///
    /// # Errors
    /// [`Broken`] when one of its keys breaks a rule of the service.
    pub fn to_entry(&self) -> Result<Entry, Broken> {
        let explicit_hash_key = self.explicit_hash_key.as_ref().map(parse_hash_key).transpose();
        Ok(Entry {
            data: self.data.clone(),
            explicit_hash_key: explicit_hash_key.map_err(Broken::HashKey)?,
            partition_key: PartitionKey::from_utf8(self.partition_key.clone())
                .map_err(Broken::PartitionKey)?,
        })
    }
}

fn parse_hash_key(text: &Bytes) -> Result<HashKey, HashKeyError> {
    match core::str::from_utf8(text) {
        Ok(text) => text.parse(),
        Err(error) => Err(HashKeyError::NotDecimal { offset: error.valid_up_to() }),
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { data, explicit_hash_key, partition_key } = self;
        f.debug_struct("Member")
            .field("data", &format_args!("{} bytes", data.len()))
            .field("explicit_hash_key", &explicit_hash_key.is_some())
            .field("partition_key", &format_args!("{} bytes", partition_key.len()))
            .finish()
    }
}

/// Why a member cannot be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Broken {
    /// Its explicit hash key is none.
    HashKey(HashKeyError),
    /// It refers to an explicit hash key that the aggregate does not have.
    HashKeyIndex {
        /// The index, counted from 0.
        index: u64,
    },
    /// It refers to a partition key that the aggregate does not have.
    KeyIndex {
        /// The index, counted from 0.
        index: u64,
    },
    /// Its partition key breaks a rule of the service.
    PartitionKey(PartitionKeyError),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HashKey(error) => error.fmt(f),
            Self::HashKeyIndex { index } => {
                write!(f, "the aggregate has no explicit hash key number {index}")
            }
            Self::KeyIndex { index } => {
                write!(f, "the aggregate has no partition key number {index}")
            }
            Self::PartitionKey(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for Broken {}

/// The fields of a message that have a length, and where their values are; others are read over.
#[derive(Clone, Debug)]
struct Fields<'a>(Reader<'a>);

impl Fields<'_> {
    fn next(&mut self) -> Result<Option<(u32, Span)>, Malformed> {
        while let Some((field, wire_type)) = self.0.field()? {
            if wire_type == WireType::Length {
                let length = self.0.bytes()?.len();
                let end = self.0.at();
                return Ok(Some((field, Span { start: end - length, end })));
            }
            self.0.skip(field, wire_type)?;
        }
        Ok(None)
    }
}

/// A record's message. Where a field comes twice the last one counts, as in all of protobuf.
struct RawRecord {
    data: Span,
    hash_key_index: Option<u64>,
    key_index: u64,
}

impl RawRecord {
    fn parse(message: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(message);
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
                    let length = reader.bytes()?.len();
                    data = Some(Span { start: reader.at() - length, end: reader.at() });
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
    let mut fields = Fields(Reader::new(message));
    let mut has_key = false;
    while let Some((field, _)) = fields.next()? {
        has_key |= field == field::TAG_KEY;
    }
    if has_key { Ok(()) } else { Err(Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::Encoder;
    use md5::{Digest, Md5};

    /// An aggregate of this body, with the trailer it needs.
    fn sealed(body: &[u8]) -> Bytes {
        let mut data = MAGIC.to_vec();
        data.extend_from_slice(body);
        data.extend_from_slice(&Md5::digest(body));
        data.into()
    }

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
    fn a_broken_member_ends_the_iteration() {
        let body =
            b"\x0a\x01k\x1a\x05\x08\x00\x1a\x01x\x1a\x05\x08\x01\x1a\x01y\x1a\x05\x08\x00\x1a\x01z";
        let Decoded::Aggregate(aggregate) = decode(sealed(body)) else { panic!("valid") };
        let read: Vec<_> = aggregate.members().collect();
        assert_eq!(read.len(), 2);
        assert_eq!(read[1], Err(Broken::KeyIndex { index: 1 }));
        assert_eq!(aggregate.len(), 3);
        let body = b"\x0a\x01k\x1a\x07\x08\x00\x10\x05\x1a\x01x";
        assert_eq!(members(body), Err(Some(Broken::HashKeyIndex { index: 5 })));
    }

    fn entry(key: &'static str, hash_key: Option<u128>) -> Entry {
        Entry {
            data: Bytes::from_static(b"data"),
            explicit_hash_key: hash_key.map(HashKey::new),
            partition_key: PartitionKey::new(key).expect("a valid key"),
        }
    }

    #[test]
    fn the_kcl_drops_an_aggregate_for_one_member_and_here_it_is_not_lost() {
        let mut encoder = Encoder::default();
        [5, 6, 20].into_iter().for_each(|key| encoder.append(&entry("k", Some(key))));
        let data = encoder.finish().expect("three records").seal().data;
        let Decoded::Aggregate(aggregate) = decode(data) else { panic!("an aggregate") };
        let range = |start, end| HashKeyRange::new(HashKey::new(start), HashKey::new(end));
        let all = aggregate.as_kcl(range(5, 20).expect("a range"));
        assert_eq!((all.delivered.len(), all.dropped.len()), (3, 0));
        let none = aggregate.as_kcl(range(5, 19).expect("a range"));
        assert_eq!((none.delivered.len(), none.dropped.len()), (0, 3));
    }

    #[test]
    fn at_a_broken_member_the_kcl_keeps_what_came_before() {
        let body = b"\x0a\x01k\x12\x01x\x1a\x05\x08\x00\x1a\x01x\x1a\x07\x08\x00\x10\x00\x1a\x01y";
        let Decoded::Aggregate(aggregate) = decode(sealed(body)) else { panic!("valid") };
        let everything = HashKeyRange::new(HashKey::MIN, HashKey::MAX).expect("a range");
        let view = aggregate.as_kcl(everything);
        assert_eq!((view.delivered.len(), view.dropped.len()), (1, 0));
        assert_eq!(view.broken, Some(Broken::HashKey(HashKeyError::NotDecimal { offset: 0 })));
        let nothing = HashKeyRange::new(HashKey::MAX, HashKey::MAX).expect("a range");
        let view = aggregate.as_kcl(nothing);
        assert_eq!((view.delivered.len(), view.dropped.len(), view.broken), (0, 1, None));
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
