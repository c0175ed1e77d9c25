use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::iter::FusedIterator;
use core::ops::Range;

use bytes::Bytes;

use super::protobuf::{Malformed, Reader, WireType};
use super::{MAGIC, TRAILER_BYTES, field};
use crate::{Entry, HashKey, HashKeyError, HashKeyRange, PartitionKey, PartitionKeyError};

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
    match Aggregate::parse(&data) {
        Some(aggregate) => Decoded::Aggregate(aggregate),
        None => Decoded::Plain(data),
    }
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

    /// What the Kinesis Client Library makes of the aggregate when it reads it from a shard of this range.
    ///
    /// The KCL goes through the members in order. At the first one whose hash key lies outside the range it gives
    /// up the *whole* aggregate, the members before it included; at a broken one it keeps what came before and
    /// loses the rest. Here nothing is lost: what the KCL would not deliver is in [`KclView::dropped`].
    ///
    /// It reads explicit hash keys as Java does: with a sign if there is one, and numbers of any size. (Java
    /// takes the digits of other scripts too; here they are broken. And it takes an unpaired surrogate in a
    /// partition key for one wrong character, where Rust counts three; no producer writes such keys.)
    pub fn as_kcl(&self, range: HashKeyRange) -> KclView {
        let mut view = KclView { broken: Vec::new(), delivered: Vec::new(), dropped: Vec::new() };
        let mut hashes = Hashes::default();
        let mut goes_on = true;
        for (index, raw) in self.members().raw().enumerate() {
            let member = self.member(index, &raw);
            let hash_key = member.and_then(|member| Ok((hashes.of(&member, &raw)?, member)));
            match hash_key {
                Ok((hash_key, member)) => {
                    let inside = hash_key.is_some_and(|hash_key| range.contains(hash_key));
                    if goes_on && !inside {
                        view.dropped.append(&mut view.delivered);
                    }
                    goes_on &= inside;
                    let to = if goes_on { &mut view.delivered } else { &mut view.dropped };
                    to.push(member);
                }
                Err(error) => {
                    goes_on = false;
                    view.broken.push(BrokenMember { error, index });
                }
            }
        }
        view
    }

    fn text(&self, table: &[Span], index: u64) -> Option<Bytes> {
        let span = table.get(entry(index))?;
        Some(self.body.slice(span.range()))
    }

    fn member(&self, index: usize, raw: &RawRecord) -> Result<Member, Broken> {
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
fn entry(index: u64) -> usize {
    usize::try_from(index & u64::from(u32::MAX)).unwrap_or(usize::MAX)
}

/// An aggregate as the Kinesis Client Library sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KclView {
    /// The members that cannot be read. The KCL stops at the first of them, with an error in its log, unless it
    /// has given up before.
    pub broken: Vec<BrokenMember>,
    /// What the application gets.
    pub delivered: Vec<Member>,
    /// What it does not get, though it can be read: all of an aggregate of which a member lies outside the range,
    /// and what comes behind a broken member.
    pub dropped: Vec<Member>,
}

/// A member that cannot be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct BrokenMember {
    /// Why.
    pub error: Broken,
    /// Its place in the aggregate, counted from 0.
    pub index: usize,
}

/// The hash keys of an aggregate's members. Those of long keys are computed once: many members may share a key
/// that is as long as all of them together.
#[derive(Default)]
struct Hashes {
    hash_keys: BTreeMap<usize, Result<Option<HashKey>, HashKeyError>>,
    keys: BTreeMap<usize, HashKey>,
}

/// Up to this many bytes a key is short: hashing it again costs no more than reading its member.
const SHORT_KEY: usize = 64;

impl Hashes {
    /// The hash key of a member; `None` if it is beyond all hash keys.
    fn of(&mut self, member: &Member, raw: &RawRecord) -> Result<Option<HashKey>, Broken> {
        match (&member.explicit_hash_key, raw.hash_key_index) {
            (Some(text), Some(index)) if text.len() > SHORT_KEY => {
                let hash_key = self.hash_keys.entry(entry(index));
                (*hash_key.or_insert_with(|| java_number(text))).map_err(Broken::HashKey)
            }
            (Some(text), _) => java_number(text).map_err(Broken::HashKey),
            (None, _) if member.partition_key.len() > SHORT_KEY => {
                let hash_key = self.keys.entry(entry(raw.key_index));
                Ok(Some(*hash_key.or_insert_with(|| hash_of_text(&member.partition_key))))
            }
            (None, _) => Ok(Some(hash_of_text(&member.partition_key))),
        }
    }
}

/// A number as Java's `BigInteger` reads it; `None` if it is no hash key for being negative or too large.
fn java_number(text: &[u8]) -> Result<Option<HashKey>, HashKeyError> {
    let (digits, negative) = match text {
        [b'-', digits @ ..] => (digits, true),
        [b'+', digits @ ..] => (digits, false),
        digits => (digits, false),
    };
    match parse_hash_key(digits) {
        Ok(hash_key) if negative && hash_key != HashKey::MIN => Ok(None),
        Ok(hash_key) => Ok(Some(hash_key)),
        Err(HashKeyError::TooLarge) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The hash key of a partition key. The KCL reads the key as text first: what is not UTF-8 is replaced.
fn hash_of_text(key: &[u8]) -> HashKey {
    let text = String::from_utf8_lossy(key);
    HashKey::from_digest(headwaters_md5::digest(text.as_bytes()))
}

/// The members of an aggregate.
#[derive(Clone, Debug)]
pub struct Members<'a> {
    aggregate: &'a Aggregate,
    fields: Fields<'a>,
    next: usize,
}

impl<'a> Members<'a> {
    fn raw(mut self) -> impl Iterator<Item = RawRecord> + 'a {
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

/// A user record inside an aggregate, as it was written: its keys may break rules of the service, for nobody
/// checked them there. Each part keeps the data of the whole Kinesis record alive: copy what is to stay.
///
/// `Debug` prints sizes only.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub struct Member {
    /// The payload.
    pub data: Bytes,
    /// The explicit hash key, if it has one: decimal digits if all is well.
    pub explicit_hash_key: Option<Bytes>,
    /// Its place in the aggregate, counted from 0: the sub-sequence number of the KCL.
    pub index: usize,
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
            None => Ok(hash_of_text(&self.partition_key)),
        }
    }

    /// The partition key as text, if it is text.
    pub fn partition_key_str(&self) -> Option<&str> {
        core::str::from_utf8(&self.partition_key).ok()
    }

    /// The record as an entry that could be put again. Keeps the aggregate's whole data alive.
    ///
    /// # Errors
    /// [`Broken`] when one of its keys breaks a rule of the service.
    pub fn to_entry(&self) -> Result<Entry, Broken> {
        let explicit_hash_key = self.explicit_hash_key.as_deref().map(parse_hash_key).transpose();
        Ok(Entry {
            data: self.data.clone(),
            explicit_hash_key: explicit_hash_key.map_err(Broken::HashKey)?,
            partition_key: PartitionKey::from_utf8(self.partition_key.clone())
                .map_err(Broken::PartitionKey)?,
        })
    }
}

fn parse_hash_key(text: &[u8]) -> Result<HashKey, HashKeyError> {
    match core::str::from_utf8(text) {
        Ok(text) => text.parse(),
        Err(error) => Err(HashKeyError::NotDecimal { offset: error.valid_up_to() }),
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { data, explicit_hash_key, index, partition_key } = self;
        f.debug_struct("Member")
            .field("index", index)
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
struct RawRecord {
    data: Span,
    hash_key_index: Option<u64>,
    key_index: u64,
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
    use crate::aggregate::Encoder;
    use alloc::vec;
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

    /// Half of the data is one key, to which all members of the other half refer.
    #[test]
    fn a_long_key_that_all_share_is_hashed_once() {
        let mut body = b"\x0a\x80\x80\x10".to_vec();
        body.extend_from_slice(&[b'k'; 1 << 18]);
        for _ in 0..(1 << 18) / 6 {
            body.extend_from_slice(b"\x1a\x04\x08\x00\x1a\x00");
        }
        let Decoded::Aggregate(aggregate) = decode(sealed(&body)) else { panic!("valid") };
        // Hashed for each, this would take ten seconds and more.
        assert_eq!(aggregate.as_kcl(HashKeyRange::ALL).delivered.len(), aggregate.len());
    }

    #[test]
    fn nothing_prints_payloads_or_keys() {
        let mut encoder = Encoder::default();
        [1, 2].into_iter().for_each(|key| encoder.append(&entry("k", Some(key))));
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

    /// An aggregate of records with these explicit hash keys, one after the other.
    fn with_hash_keys(texts: &[&str]) -> Aggregate {
        let mut body = b"\x0a\x01k".to_vec();
        for (index, text) in (0..).zip(texts) {
            body.extend_from_slice(&[0x12, u8::try_from(text.len()).expect("short")]);
            body.extend_from_slice(text.as_bytes());
            body.extend_from_slice(&[0x1a, 7, 8, 0, 0x10, index, 0x1a, 1, b'x']);
        }
        let Decoded::Aggregate(aggregate) = decode(sealed(&body)) else { panic!("valid") };
        aggregate
    }

    fn indexes(members: &[Member]) -> Vec<usize> {
        members.iter().map(|member| member.index).collect()
    }

    #[test]
    fn explicit_hash_keys_are_read_as_java_reads_them() {
        let above = "340282366920938463463374607431768211456";
        for outside in ["-1", above] {
            let view = with_hash_keys(&["5", outside, "5"]).as_kcl(HashKeyRange::ALL);
            assert_eq!((indexes(&view.delivered), indexes(&view.dropped)), (vec![], vec![0, 1, 2]));
            assert_eq!(view.broken, []);
        }
        for inside in ["+5", "-0", "000005"] {
            let view = with_hash_keys(&["5", inside, "5"]).as_kcl(HashKeyRange::ALL);
            assert_eq!(indexes(&view.delivered), [0, 1, 2], "{inside}");
        }
    }

    #[test]
    fn at_a_broken_member_the_kcl_keeps_what_came_before_and_here_the_rest_is_not_lost() {
        for broken in ["", "+", "--1", "1x"] {
            let view = with_hash_keys(&["5", broken, "7"]).as_kcl(HashKeyRange::ALL);
            assert_eq!((indexes(&view.delivered), indexes(&view.dropped)), (vec![0], vec![2]));
            assert_eq!((view.broken.len(), view.broken[0].index), (1, 1), "{broken:?}");
        }
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
