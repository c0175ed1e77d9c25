use core::fmt;
use core::num::NonZeroU32;
use core::str::FromStr;

use crate::PartitionKey;

/// A point in the space of 128 bits that the shards of a stream divide among themselves.
///
/// A record's hash key is the MD5 of its partition key read as a big-endian number, unless the record
/// carries an explicit hash key. Parsed from and printed as decimal, as the service does.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct HashKey {
    // Two halves rather than one `u128`, whose alignment of 16 would make every record larger.
    high: u64,
    low: u64,
}

impl HashKey {
    /// The largest hash key, 2^128 - 1.
    pub const MAX: Self = Self::new(u128::MAX);
    /// The smallest hash key, 0.
    pub const MIN: Self = Self::new(0);

    /// The hash key with this value: every value is valid.
    pub const fn new(value: u128) -> Self {
        let [high, low] = [value >> 64, value & u64::MAX as u128];
        Self { high: high as u64, low: low as u64 }
    }

    /// The hash key that the service derives from a partition key: its MD5 (about 75 ns).
    pub fn of(key: &PartitionKey) -> Self {
        Self::from_digest(headwaters_md5::digest(key.as_bytes()))
    }

    /// The hash keys of many partition keys, side by side in SIMD lanes: from about ten keys on, several times
    /// faster than one after the other, and never slower. Stops with whichever of the two ends first.
    ///
    /// ```
    /// use headwaters_wire::{HashKey, PartitionKey};
    ///
    /// let keys = [PartitionKey::new("a")?, PartitionKey::new("b")?];
    /// let mut hash_keys = [HashKey::MIN; 2];
    /// HashKey::of_many(&keys, &mut hash_keys);
    /// assert_eq!(hash_keys[1], HashKey::of(&keys[1]));
    /// # Ok::<(), headwaters_wire::PartitionKeyError>(())
    /// ```
    pub fn of_many<'a>(keys: impl IntoIterator<Item = &'a PartitionKey>, hash_keys: &mut [Self]) {
        let mut keys = keys.into_iter();
        for chunk in hash_keys.chunks_mut(HASHED_AT_ONCE) {
            let mut digests = [[0; 16]; HASHED_AT_ONCE];
            let texts = keys.by_ref().take(chunk.len()).map(PartitionKey::as_bytes);
            let mut hashed = 0;
            headwaters_md5::digest_many(texts.zip(&mut digests).map(|(text, digest)| {
                hashed += 1;
                (text, digest)
            }));
            for (hash_key, digest) in chunk.iter_mut().zip(digests).take(hashed) {
                *hash_key = Self::from_digest(digest);
            }
        }
    }

    /// A digest read as a big-endian number.
    pub(crate) const fn from_digest(digest: [u8; 16]) -> Self {
        Self::new(u128::from_be_bytes(digest))
    }

    /// The value.
    pub const fn value(self) -> u128 {
        (self.high as u128) << 64 | self.low as u128
    }
}

/// How many keys are hashed in one go: a whole number of every machine's lanes, and 4 KiB of digests.
const HASHED_AT_ONCE: usize = 256;

impl fmt::Display for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value().fmt(f)
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HashKey({self})")
    }
}

impl From<u128> for HashKey {
    fn from(value: u128) -> Self {
        Self::new(value)
    }
}

impl FromStr for HashKey {
    type Err = HashKeyError;

    /// Reads decimal digits only: no sign, no spaces. Leading zeros are allowed and dropped, as the KPL
    /// does.
    fn from_str(text: &str) -> Result<Self, HashKeyError> {
        if text.is_empty() {
            return Err(HashKeyError::Empty);
        }
        if let Some(offset) = text.bytes().position(|byte| !byte.is_ascii_digit()) {
            return Err(HashKeyError::NotDecimal { offset });
        }
        text.parse().map(Self::new).map_err(|_| HashKeyError::TooLarge)
    }
}

/// Why a text is not a [`HashKey`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum HashKeyError {
    /// There is no digit.
    Empty,
    /// There is something other than `0` to `9` at `offset`.
    NotDecimal {
        /// Where, in bytes from 0.
        offset: usize,
    },
    /// The number is 2^128 or more.
    TooLarge,
}

impl fmt::Display for HashKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const RULE: &str = "an explicit hash key is a decimal number from 0 to 2^128 - 1";
        match self {
            Self::Empty => write!(f, "the hash key is empty; {RULE}"),
            Self::NotDecimal { offset } => {
                write!(f, "the hash key has a character that is no digit at byte {offset}; {RULE}")
            }
            Self::TooLarge => write!(f, "the hash key is 2^128 or more; {RULE}"),
        }
    }
}

impl core::error::Error for HashKeyError {}

/// The hash keys that belong to one shard: from `start` to `end`, both included.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct HashKeyRange {
    start: HashKey,
    end: HashKey,
}

impl HashKeyRange {
    /// All hash keys there are.
    pub const ALL: Self = Self { start: HashKey::MIN, end: HashKey::MAX };

    /// The range from `start` to `end`, both included; `None` if `start` lies above `end`.
    pub fn new(start: HashKey, end: HashKey) -> Option<Self> {
        (start <= end).then_some(Self { start, end })
    }

    /// The range of shard number `index` of a stream whose `count` shards divide the hash keys evenly, as
    /// CreateStream makes them: each has `floor(2^128 / count)` hash keys, and the last one also has the few
    /// that are left over. `None` if there is no such shard.
    pub fn of_even_shard(index: u32, count: NonZeroU32) -> Option<Self> {
        let last = count.get() - 1;
        let shards = u128::from(count.get());
        // 2^128 is one more than a `u128` holds, so the division is made with 2^128 - 1 and then mended.
        // Divided by 1 it wraps to 0, which does no harm: that range starts at 0 and ends with the last key.
        let divides_evenly = u128::MAX % shards == shards - 1;
        let width = (u128::MAX / shards).wrapping_add(divides_evenly.into());
        if index > last {
            return None;
        }
        let start = u128::from(index) * width;
        let end = if index == last { u128::MAX } else { start + (width - 1) };
        Self::new(HashKey::new(start), HashKey::new(end))
    }

    /// Whether `key` lies in the range.
    pub fn contains(&self, key: HashKey) -> bool {
        self.start <= key && key <= self.end
    }

    /// Whether some hash key lies in both ranges.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.start <= other.end && other.start <= self.end
    }

    /// The largest hash key of the range.
    pub const fn end(&self) -> HashKey {
        self.end
    }

    /// The smallest hash key of the range.
    pub const fn start(&self) -> HashKey {
        self.start
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    /// The vector of the KPL's own test (`user_record_test.cc`, HashKeyFromPartitionKey).
    #[test]
    fn hash_key_of_abcd_is_the_kpls() {
        let key = PartitionKey::new("abcd").expect("a valid key");
        assert_eq!(HashKey::of(&key).to_string(), "301716283811389038011477436469853762335");
    }

    #[test]
    fn many_at_once_are_the_same_as_one_by_one() {
        let key = |n: usize| PartitionKey::new(alloc::format!("{n:0>width$}", width = n % 90 + 1));
        let keys: alloc::vec::Vec<_> = (0..1_000).flat_map(key).collect();
        let mut hash_keys = alloc::vec![HashKey::MAX; 1_010];
        HashKey::of_many(&keys, &mut hash_keys);
        let expected = keys.iter().map(HashKey::of);
        assert!(hash_keys[..1_000].iter().copied().eq(expected));
        assert_eq!(hash_keys[1_000..], [HashKey::MAX; 10], "there is no key for the last ten");
    }

    #[test]
    fn decimal_text_only() {
        assert_eq!("007".parse(), Ok(HashKey::new(7)));
        assert_eq!(u128::MAX.to_string().parse(), Ok(HashKey::MAX));
        let above = "340282366920938463463374607431768211456";
        assert_eq!(above.parse::<HashKey>(), Err(HashKeyError::TooLarge));
        assert_eq!("+1".parse::<HashKey>(), Err(HashKeyError::NotDecimal { offset: 0 }));
        assert_eq!("1 ".parse::<HashKey>(), Err(HashKeyError::NotDecimal { offset: 1 }));
        assert_eq!("".parse::<HashKey>(), Err(HashKeyError::Empty));
    }

    /// As the service divides a stream of three shards.
    #[test]
    fn even_shards_divide_all_hash_keys() {
        let bounds = |index, count: u32| {
            let range = HashKeyRange::of_even_shard(index, NonZeroU32::new(count)?)?;
            Some((range.start().value(), range.end().value()))
        };
        let third = 113_427_455_640_312_821_154_458_202_477_256_070_485;
        assert_eq!(bounds(0, 3), Some((0, third - 1)));
        assert_eq!(bounds(1, 3), Some((third, 2 * third - 1)));
        assert_eq!(bounds(2, 3), Some((2 * third, u128::MAX)), "and what is left over");
        assert_eq!(bounds(3, 3), None);
        assert_eq!(bounds(0, 1), Some((0, u128::MAX)));
        assert_eq!(bounds(0, 2), Some((0, u128::MAX / 2)));
        assert_eq!(bounds(1, 2), Some((u128::MAX / 2 + 1, u128::MAX)));
    }

    #[test]
    fn ranges_include_both_ends() {
        let range = HashKeyRange::new(HashKey::new(5), HashKey::new(9)).expect("5 is below 9");
        let inside: alloc::vec::Vec<u128> =
            (0..15).filter(|&key| range.contains(HashKey::new(key))).collect();
        assert_eq!(inside, [5, 6, 7, 8, 9]);
        assert_eq!(HashKeyRange::new(HashKey::new(2), HashKey::new(1)), None);
        let overlapping: alloc::vec::Vec<u128> = (0..15)
            .filter(|&at| {
                let other = HashKeyRange::new(HashKey::new(at), HashKey::new(at + 1));
                other.is_some_and(|other| range.overlaps(&other) && other.overlaps(&range))
            })
            .collect();
        assert_eq!(overlapping, [4, 5, 6, 7, 8, 9]);
    }
}
