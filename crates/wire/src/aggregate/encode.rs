use alloc::vec::Vec;

use bytes::Bytes;

use super::head::{Head, ShortHead};
use super::key_table::{Found, KeyTable};
use super::protobuf::{WireType, tag, varint_len};
use super::record::Record;
use super::unsealed::Unsealed;
use super::{KPL_OUTER_KEY, MAGIC, TRAILER_BYTES, field};
use crate::limits::RECORD_BYTES_MAX;
use crate::{Entry, HashKey, PartitionKey};

/// Packs user records into one Kinesis record, append-only: each payload is copied once.
///
/// The records must belong to one shard: the service stores the whole aggregate where its first record
/// belongs, and consumers drop an aggregate with members outside the range of the shard they read it from.
///
/// The bytes are those of the KPL: first the partition keys, then the explicit hash keys, then the records. One
/// encoder can make many aggregates and keeps its tables' memory between them. `Debug` prints sizes only.
///
/// A record that goes plain while its payload is itself an aggregate will be taken apart by consumers: so it is
/// with the KPL.
pub struct Encoder {
    /// How much room to give an aggregate's records, at most.
    capacity: usize,
    count: usize,
    /// The first record stays as it is until a second comes: alone it goes plain.
    first: Option<First>,
    hash_keys: KeyTable,
    /// How much room the tables and the magic get before the records; grows with the aggregates that were made.
    headroom: usize,
    keys: KeyTable,
    outer_key: OuterKey,
    /// The room, then the encoded records.
    records: Vec<u8>,
    /// The aggregate's, once there are two records.
    size: usize,
    /// How much room the records of the last aggregate took: those of the next may be as few.
    usual: usize,
}

/// The first record, and where the aggregate goes for its sake.
struct First {
    entry: Entry,
    hash_key: HashKey,
}

impl First {
    const fn record(&self) -> Record<'_> {
        let Self { entry: Entry { data, explicit_hash_key, partition_key }, hash_key } = self;
        let is_explicit = explicit_hash_key.is_some();
        Record { data, hash_key: *hash_key, is_explicit, partition_key }
    }
}

/// Which partition key an aggregate goes under. It decides nothing about the shard, for an aggregate always has
/// an explicit hash key.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum OuterKey {
    /// That of its first record. Consumers that spread work by the outer key (a Lambda with a
    /// parallelization factor, say) then spread aggregates too; but records of one key can sit in
    /// aggregates with different outer keys, so such consumers may see them out of order.
    FirstRecord,
    /// The letter `a`, as the KPL does. Consumers that spread work by the outer key get it all in one place,
    /// in order.
    #[default]
    Kpl,
}

/// The record does not fit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Full {
    /// What the size would be with it.
    pub size: usize,
}

impl core::fmt::Display for Full {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "with this record the aggregate would have {} bytes", self.size)
    }
}

impl core::error::Error for Full {}

/// What a record needs in its aggregate.
struct Need {
    hash_key: Option<(Decimal, Found)>,
    head: Head,
    key: Found,
    /// Bytes that the aggregate grows by.
    total: usize,
}

const KEY_TAG: u8 = tag(field::PARTITION_KEY_TABLE, WireType::Length);
const HASH_KEY_TAG: u8 = tag(field::EXPLICIT_HASH_KEY_TABLE, WireType::Length);

/// Room for the tables of an encoder's first aggregate; later ones get what the last needed.
const HEADROOM: usize = 256;

impl Encoder {
    /// An encoder for aggregates of about `capacity` bytes, under outer keys of this kind.
    pub fn new(capacity: usize, outer_key: OuterKey) -> Self {
        Self {
            capacity,
            count: 0,
            first: None,
            hash_keys: KeyTable::new(HASH_KEY_TAG),
            headroom: HEADROOM,
            keys: KeyTable::new(KEY_TAG),
            outer_key,
            records: Vec::new(),
            size: 0,
            usual: capacity,
        }
    }

    /// How many records there are.
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The exact size of the data that [`finish`](Self::finish) would make now: 0 without a record, the
    /// payload's size with one, the aggregate's with more. The outer partition key comes on top, as in
    /// [`Entry::size`].
    pub fn size(&self) -> usize {
        match (self.count, &self.first) {
            (0, _) | (1, None) => 0,
            (1, Some(first)) => first.entry.data.len(),
            _ => self.size,
        }
    }

    /// Bytes of memory behind it: what is encoded, room that is kept ready, and the tables, which keep theirs.
    pub fn memory(&self) -> usize {
        self.records.capacity() + self.keys.memory() + self.hash_keys.memory()
    }

    /// What [`size`](Self::size) would be with one more record.
    pub fn size_with(&self, record: Record<'_>) -> usize {
        match (self.count, &self.first) {
            (0, _) | (1, None) => record.data.len(),
            (1, Some(first)) => self.size_of_two(first.record(), record),
            _ => self.size + self.need(record).total,
        }
    }

    /// The outer partition key's bytes that go with the aggregate, or with the one record that goes plain.
    pub fn outer_key_len(&self) -> usize {
        match (&self.first, self.outer_key) {
            (None, _) => 0,
            (Some(_), OuterKey::Kpl) if self.count > 1 => KPL_OUTER_KEY.len(),
            (Some(first), _) => first.entry.partition_key.len(),
        }
    }

    /// Adds a record, if the size stays within `size_max`. The first record is always taken.
    ///
    /// # Errors
    /// [`Full`] says how large it would get; nothing has changed then.
    // Inlined and taken apart, so that no record is written to memory to be read again: that takes 3 ns (measured).
    #[inline]
    pub fn try_append(&mut self, record: Record<'_>, size_max: usize) -> Result<(), Full> {
        let Record { data, hash_key, is_explicit, partition_key } = record;
        let short = self.count >= 2
            && data.len() <= ShortHead::DATA_MAX
            && self.keys.next_index() <= ShortHead::INDEX_MAX
            && !is_explicit;
        if short {
            self.try_append_short(data, partition_key.as_bytes(), size_max)
        } else {
            self.try_append_any(data, hash_key, is_explicit, partition_key, size_max)
        }
    }

    /// Adds a record with a short head.
    fn try_append_short(&mut self, data: &[u8], text: &[u8], size_max: usize) -> Result<(), Full> {
        let key = self.keys.find(text);
        let head = ShortHead::new(key.index, data.len() as u32);
        let new = if key.known { 0 } else { KeyTable::entry_len(text) };
        let size = self.size + new + head.len() + data.len();
        if size > size_max {
            return Err(Full { size });
        }
        self.size = size;
        self.count += 1;
        if new > 0 {
            self.keys.insert(text, key);
        }
        head.push(&mut self.records);
        self.records.extend_from_slice(data);
        Ok(())
    }

    /// Adds a record.
    pub fn append(&mut self, record: Record<'_>) {
        let full = self.try_append(record, usize::MAX);
        debug_assert_eq!(full, Ok(()), "no size is above that");
    }

    #[inline(never)]
    fn try_append_any(
        &mut self,
        data: &Bytes,
        hash_key: HashKey,
        is_explicit: bool,
        partition_key: &PartitionKey,
        size_max: usize,
    ) -> Result<(), Full> {
        let record = Record { data, hash_key, is_explicit, partition_key };
        if self.count < 2 {
            return self.try_begin(record, size_max);
        }
        let need = self.need(record);
        let size = self.size + need.total;
        if size > size_max {
            return Err(Full { size });
        }
        self.write(record, &need);
        self.count += 1;
        Ok(())
    }

    /// Adds one of the first two records.
    fn try_begin(&mut self, record: Record<'_>, size_max: usize) -> Result<(), Full> {
        let Some(first) = self.first.take() else {
            self.first = Some(First { entry: record.to_entry(), hash_key: record.hash_key });
            self.count = 1;
            return Ok(());
        };
        let size = self.size_of_two(first.record(), record);
        let fits = size <= size_max;
        if fits {
            self.start();
            self.write(first.record(), &self.need(first.record()));
            self.write(record, &self.need(record));
            self.count = 2;
        }
        self.first = Some(first);
        if fits { Ok(()) } else { Err(Full { size }) }
    }

    /// Takes the records out as one Kinesis record; `None` without any. Its trailer is still to be computed:
    /// [`Unsealed::seal`], or [`Unsealed::seal_all`] for many at once. The encoder is empty afterwards.
    pub fn finish(&mut self) -> Option<Unsealed> {
        let First { entry, hash_key } = self.first.take()?;
        if core::mem::take(&mut self.count) == 1 {
            return Some(Unsealed::plain(entry));
        }
        let partition_key = match self.outer_key {
            OuterKey::FirstRecord => entry.partition_key,
            OuterKey::Kpl => PartitionKey::KPL_OUTER_KEY,
        };
        let (data, start) = self.take_data();
        // Where the first record belongs, all of them do.
        Some(Unsealed::aggregate(data, start, hash_key, partition_key))
    }

    /// Room for the tables in front, and for the records behind it.
    fn start(&mut self) {
        let records = self.usual.saturating_add(self.usual / 4).min(self.capacity);
        let room = self.headroom.saturating_add(records).saturating_add(ShortHead::ROOM);
        self.records = Vec::with_capacity(room.min(RECORD_BYTES_MAX));
        self.records.resize(self.headroom, 0);
        self.size = MAGIC.len() + TRAILER_BYTES;
    }

    /// Puts the magic and the tables into the room in front of the records, and a trailer to fill in behind them.
    /// Returns the bytes and where in them the data starts.
    fn take_data(&mut self) -> (Vec<u8>, usize) {
        let tables = [self.keys.encoded(), self.hash_keys.encoded()];
        let front = MAGIC.len() + tables[0].len() + tables[1].len();
        let mut data = core::mem::take(&mut self.records);
        self.usual = data.len() - self.headroom;
        if front > self.headroom {
            // The keys took more room than those before them: move the records once, and remember.
            let more = front - self.headroom;
            data.reserve_exact(more + TRAILER_BYTES);
            data.splice(..0, core::iter::repeat_n(0, more));
            self.headroom = front;
        }
        let start = self.headroom - front;
        let mut at = start;
        for part in [&MAGIC[..], tables[0], tables[1]] {
            data[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        data.extend_from_slice(&[0; TRAILER_BYTES]);
        // Tables vary: keep a little more room than this one took, and not much more.
        self.headroom = front + front / 4;
        self.keys.clear();
        self.hash_keys.clear();
        (data, start)
    }

    fn need(&self, record: Record<'_>) -> Need {
        let new_len =
            |text: &[u8], found: Found| if found.known { 0 } else { KeyTable::entry_len(text) };
        let text = record.partition_key.as_bytes();
        let key = self.keys.find(text);
        let mut total = new_len(text, key);
        let hash_key = record.explicit_hash_key().map(|hash_key| {
            let decimal = Decimal::of(hash_key);
            let found = self.hash_keys.find(decimal.as_bytes());
            total += new_len(decimal.as_bytes(), found);
            (decimal, found)
        });
        let hash_key_index = hash_key.as_ref().map(|(_, found)| found.index);
        let head = Head { data: record.data.len(), hash_key: hash_key_index, key: key.index };
        total += head.len() + record.data.len();
        Need { hash_key, head, key, total }
    }

    /// What [`size`](Self::size) would be with these two alone, without making it. The encoder must be empty.
    pub fn size_of_two(&self, first: Record<'_>, second: Record<'_>) -> usize {
        let alone = self.need(first).total;
        let mut with = self.need(second).total;
        // In an empty table nothing is found; what the two share is counted twice.
        const { assert!(varint_len(0) == varint_len(1), "a second index is as short as the first") };
        if first.partition_key == second.partition_key {
            with -= KeyTable::entry_len(second.partition_key.as_bytes());
        }
        if let (Some(one), Some(two)) = (first.explicit_hash_key(), second.explicit_hash_key())
            && one == two
        {
            with -= KeyTable::entry_len(Decimal::of(two).as_bytes());
        }
        MAGIC.len() + alone + with + TRAILER_BYTES
    }

    fn write(&mut self, record: Record<'_>, need: &Need) {
        if !need.key.known {
            self.keys.insert(record.partition_key.as_bytes(), need.key);
        }
        if let Some((decimal, found)) = &need.hash_key
            && !found.known
        {
            self.hash_keys.insert(decimal.as_bytes(), *found);
        }
        need.head.push(&mut self.records);
        self.records.extend_from_slice(record.data);
        self.size += need.total;
    }
}

impl core::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Encoder")
            .field("records", &self.count)
            .field("size", &self.size())
            .finish_non_exhaustive()
    }
}

impl Default for Encoder {
    /// For aggregates of the KPL's default size, 50 KiB, under its outer key.
    fn default() -> Self {
        Self::new(51_200, OuterKey::Kpl)
    }
}

/// A hash key in decimal, without an allocation.
struct Decimal {
    digits: [u8; 39],
    start: usize,
}

impl Decimal {
    fn of(hash_key: HashKey) -> Self {
        /// Most decimal digits that a `u64` surely holds: dividing one is much faster than dividing a `u128`.
        const DIGITS: usize = 19;
        let mut decimal = Self { digits: [b'0'; 39], start: 39 };
        let mut rest = hash_key.value();
        let mut end = decimal.digits.len();
        while rest > 0 {
            let part = rest % 10_u128.pow(19);
            rest /= 10_u128.pow(19);
            let mut part = u64::try_from(part).unwrap_or(0);
            decimal.start = end;
            while part > 0 {
                decimal.start -= 1;
                decimal.digits[decimal.start] = b'0' + (part % 10).to_le_bytes()[0];
                part /= 10;
            }
            end = end.saturating_sub(DIGITS);
        }
        // Zero has a digit too.
        decimal.start = decimal.start.min(decimal.digits.len() - 1);
        decimal
    }

    fn as_bytes(&self) -> &[u8] {
        &self.digits[self.start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::{Aggregate, Decoded, decode};
    use crate::{HashKey, PartitionKey};
    use alloc::format;
    use alloc::vec;
    use alloc::vec::Vec;
    use bytes::Bytes;

    fn entry(key: &str, hash_key: Option<u128>, data: &[u8]) -> Entry {
        Entry {
            data: Bytes::copy_from_slice(data),
            explicit_hash_key: hash_key.map(HashKey::new),
            partition_key: PartitionKey::new(key).expect("a valid key"),
        }
    }

    fn hex(data: &[u8]) -> alloc::string::String {
        data.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Built by hand from the format's description.
    #[test]
    fn the_golden_vector() {
        let mut encoder = Encoder::default();
        encoder.append(Record::from(&entry("a", None, b"hello")));
        encoder.append(Record::from(&entry("b", Some(123), b"world")));
        encoder.append(Record::from(&entry("a", None, b"!")));
        let aggregate = encoder.finish().expect("three records").seal();
        assert_eq!(
            hex(&aggregate.data),
            "f3899ac20a01610a016212033132331a0908001a0568656c6c6f1a0b080110001a05776f726c641a0508001a0121\
             dd463ff9f4b1a3e4d0dd4ddee5d0203c"
        );
        assert_eq!(aggregate.partition_key.as_str(), "a");
        let first = HashKey::of(&PartitionKey::new("a").expect("a valid key"));
        assert_eq!(aggregate.explicit_hash_key, Some(first));
    }

    #[test]
    fn one_record_goes_plain_and_is_not_copied() {
        let mut encoder = Encoder::default();
        let alone = entry("key", None, b"payload");
        encoder.append(Record::from(&alone));
        assert_eq!((encoder.size(), encoder.outer_key_len()), (7, 3));
        let sealed = encoder.finish().expect("one record").seal();
        assert_eq!((&sealed, sealed.data.as_ptr()), (&alone, alone.data.as_ptr()));
        assert!(encoder.finish().is_none() && encoder.is_empty());
    }

    /// Sizes are exact before and after each append, for few keys and for many, with explicit hash keys and
    /// without; and one encoder makes many aggregates.
    #[test]
    fn sizes_are_exact() {
        let mut encoder = Encoder::default();
        for (distinct, hash_keys, records) in
            [(1, 0, 5), (300, 200, 700), (7, 3, 2), (5_000, 1, 9_000)]
        {
            let mut put = Vec::new();
            for number in 0..records {
                let hash_key =
                    (hash_keys > 0 && number % 3 == 0).then(|| number % hash_keys * 1_000);
                let data = vec![7; usize::try_from(number * 37 % 300).expect("small")];
                let record = entry(&format!("key-{}", number % distinct), hash_key, &data);
                let before = encoder.size_with(Record::from(&record));
                encoder.append(Record::from(&record));
                assert_eq!(encoder.size(), before, "record {number} of {distinct} keys");
                put.push(record);
            }
            let size = encoder.size();
            let aggregate = encoder.finish().expect("records").seal();
            assert_eq!(aggregate.data.len(), size);
            let Decoded::Aggregate(read) = decode(aggregate.data) else { panic!("an aggregate") };
            let read: Vec<Entry> = read
                .members()
                .map(|member| member.and_then(|m| m.to_entry()).expect("valid"))
                .collect();
            assert_eq!(read, put);
        }
    }

    #[test]
    fn a_record_that_does_not_fit_changes_nothing() {
        let mut encoder = Encoder::default();
        let entry = entry("k", None, &[0; 100]);
        let large = Record::from(&entry);
        assert_eq!(encoder.try_append(large, 10), Ok(()), "the first is always taken");
        let two = encoder.size_with(large);
        assert_eq!(encoder.try_append(large, two - 1), Err(Full { size: two }));
        assert_eq!(encoder.try_append(large, two), Ok(()));
        let three = encoder.size_with(large);
        assert_eq!(encoder.try_append(large, three - 1), Err(Full { size: three }));
        assert_eq!((encoder.len(), encoder.size()), (2, two));
        assert_eq!(encoder.try_append(large, three), Ok(()));
    }

    /// What two have in common is written once, and counted once before they are.
    #[test]
    fn what_two_records_share_counts_once() {
        for (keys, hash_keys) in [
            (["a", "a"], [Some(77), Some(77)]),
            (["a", "b"], [Some(77), Some(77)]),
            (["a", "a"], [Some(77), Some(78)]),
            (["a", "b"], [None, Some(77)]),
        ] {
            let mut encoder = Encoder::default();
            let [first, second] = [0, 1].map(|at| entry(keys[at], hash_keys[at], b"data"));
            let foreseen = encoder.size_of_two(Record::from(&first), Record::from(&second));
            encoder.append(Record::from(&first));
            encoder.append(Record::from(&second));
            let third = Record::from(&second);
            let three = encoder.size_with(third);
            assert_eq!(encoder.try_append(third, three - 1), Err(Full { size: three }));
            let data = encoder.finish().expect("two records").seal().data;
            assert_eq!(data.len(), foreseen, "{keys:?} {hash_keys:?}");
        }
    }

    /// One that was finished early does not keep the room for a full one, nor does its encoder forget its own.
    #[test]
    fn memory_is_told_and_what_is_not_needed_is_given_back() {
        let mut encoder = Encoder::new(100_000, OuterKey::Kpl);
        let data = [7; 1_000];
        for (records, round) in [(90, 0), (2, 1)] {
            let all: Vec<Entry> =
                (0..records).map(|n| entry(&format!("key-{n}"), None, &data)).collect();
            all.iter().for_each(|one| encoder.append(Record::from(one)));
            let tables = records * "key-00".len();
            assert!(encoder.memory() >= encoder.size() + tables, "round {round}");
            let unsealed = encoder.finish().expect("records");
            let sealed = unsealed.body().map_or(0, <[u8]>::len);
            assert!(unsealed.memory() >= sealed);
            let kept = Vec::from(unsealed.seal().data).capacity();
            // What is left in front is as long as the tables of the one before.
            assert!(kept <= sealed + sealed / 16 + 1_000, "{kept} for {sealed}");
        }
        encoder.append(Record::from(&entry("key", None, &data)));
        assert_eq!(encoder.finish().map(|plain| plain.memory()), Some(1_003));
        let tables = |encoder: &Encoder| encoder.keys.memory() + encoder.hash_keys.memory();
        for number in 0..10_000 {
            let key = format!("key-{number}");
            encoder.append(Record::from(&entry(&key, Some(number), b"")));
        }
        let (tables, records) =
            (tables(&encoder), 10_000 * b"\x1a\x06\x08\x01\x10\x01\x1a\x00".len());
        assert!(encoder.memory() >= tables + records, "both tables and the records");
    }

    #[test]
    fn hash_keys_are_written_as_they_print() {
        let powers = (0..39).map(|exponent| 10_u128.pow(exponent));
        for value in powers.flat_map(|power| [power - 1, power, power + 1]).chain([0, u128::MAX]) {
            let text = format!("{value}");
            assert_eq!(Decimal::of(HashKey::new(value)).as_bytes(), text.as_bytes());
        }
    }

    #[test]
    fn many_are_sealed_as_each_alone() {
        let make = |records: u128| {
            let mut encoder = Encoder::default();
            (0..records)
                .for_each(|n| encoder.append(Record::from(&entry("k", Some(n), &[1; 700]))));
            encoder.finish().expect("records")
        };
        let shapes = [1, 2, 60, 1, 7, 300];
        let apart: Vec<Entry> = shapes.into_iter().map(|records| make(records).seal()).collect();
        assert_eq!(Unsealed::seal_all(shapes.into_iter().map(make).collect()), apart);
        for (records, sealed) in shapes.into_iter().zip(apart) {
            let members = |aggregate: Aggregate| aggregate.members().collect::<Vec<_>>();
            let before = Aggregate::of_unsealed(&make(records)).map(members);
            assert_eq!(before, Aggregate::trusted(&sealed.data).map(members), "{records} members");
            assert_eq!(before.is_some(), records > 1);
        }
    }

    #[test]
    fn the_outer_key_can_be_the_first_records() {
        let mut encoder = Encoder::new(1_000, OuterKey::FirstRecord);
        encoder.append(Record::from(&entry("first", Some(9), b"1")));
        encoder.append(Record::from(&entry("second", Some(10), b"2")));
        assert_eq!(encoder.outer_key_len(), 5);
        let aggregate = encoder.finish().expect("two records").seal();
        assert_eq!(aggregate.partition_key.as_str(), "first");
        assert_eq!(aggregate.explicit_hash_key, Some(HashKey::new(9)));
        let mut kpl = Encoder::default();
        kpl.append(Record::from(&entry("first", None, b"1")));
        kpl.append(Record::from(&entry("second", None, b"2")));
        assert_eq!(kpl.outer_key_len(), 1);
    }
}
