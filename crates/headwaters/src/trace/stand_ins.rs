use std::collections::BTreeMap;

use headwaters_engine::wire::{Entry, HashKey, PartitionKey};
use headwaters_engine::{RecordError, UserRecord};

/// Keys and data that stand in for those that a trace does not have: of the same sizes, and the same key for the
/// same key.
#[derive(Debug, Default)]
pub struct StandIns {
    /// Keys too short to say what they stand for, by their length and half of the hash key.
    short: BTreeMap<(usize, u64), u64>,
    /// How many there are of each length.
    lengths: BTreeMap<usize, u64>,
    /// The same the other way round.
    halves: BTreeMap<(usize, u64), u64>,
}

/// So many characters of six bits say half of a hash key.
const DIGITS: usize = 11;
/// From here on a key has characters of several bytes: it may have 256 characters.
const LONG: usize = 257;
const ALPHABET: [u8; 64] = *b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
/// Where characters of four bytes begin.
const WIDE: u32 = 0x1_0000;
/// A character of each number of bytes.
const FILLERS: [char; 4] = ['.', '\u{b7}', '\u{2026}', '\u{1f4a7}'];

impl StandIns {
    /// A record of these sizes, whose hash key begins with this half of one; or has an explicit hash key.
    ///
    /// # Errors
    /// When there is no such record: a key of no byte or of more than 1,024, more data than any stream takes.
    pub(super) fn record(
        &mut self,
        data: usize,
        key: usize,
        half: u64,
        explicit: Option<HashKey>,
    ) -> Result<UserRecord, RecordError> {
        let partition_key = PartitionKey::new(self.key(key, half))?;
        let data = vec![0; data.min(DATA_MAX)].into();
        let entry = Entry { data, explicit_hash_key: explicit, partition_key };
        UserRecord::stand_in(entry, explicit.unwrap_or_else(|| whole(half)))
    }

    /// The hash key of the key for which this one stands in; none of another key.
    pub fn hash_key(&self, key: &PartitionKey) -> Option<HashKey> {
        let (length, text) = (key.len(), key.as_str());
        if length < DIGITS {
            let number = text.bytes().fold(0, |number, byte| number << 7 | u64::from(byte));
            return self.halves.get(&(length, number)).copied().map(whole);
        }
        let half = if length < LONG {
            let digit = |byte| ALPHABET.iter().position(|other| *other == byte);
            text.bytes().take(DIGITS).try_fold(0_u64, |half, byte| {
                half.checked_mul(64)?.checked_add(digit(byte)? as u64)
            })
        } else {
            text.chars().take(4).try_fold(0_u64, |half, char| {
                Some(half << 16 | u64::from(u32::from(char).checked_sub(WIDE)? & 0xFFFF))
            })
        };
        half.map(whole)
    }

    /// A key of so many bytes, one for each half.
    fn key(&mut self, length: usize, half: u64) -> String {
        let mut text = String::new();
        match length {
            0..DIGITS => {
                let number = self.number(length, half);
                let char = |place: usize| char::from((number >> (7 * place) & 0x7F) as u8);
                text.extend((0..length).rev().map(char));
            }
            DIGITS..LONG => {
                let digit = |place: usize| ALPHABET[(half >> (6 * place) & 0x3F) as usize];
                text.extend((0..DIGITS).rev().map(digit).map(char::from));
                text.extend(core::iter::repeat_n('.', length - DIGITS));
            }
            _ => {
                let wide =
                    |place: usize| char::from_u32(WIDE + (half >> (16 * place) & 0xFFFF) as u32);
                text.extend((0..4).rev().filter_map(wide));
                let rest = length.saturating_sub(text.len()).min(KEY_MAX);
                text.extend(core::iter::repeat_n(FILLERS[3], rest / 4));
                text.extend((!rest.is_multiple_of(4)).then(|| FILLERS[rest % 4 - 1]));
            }
        }
        text
    }

    /// Short keys are numbered as they come: of a length there are not more than numbers.
    fn number(&mut self, length: usize, half: u64) -> u64 {
        let next = self.lengths.entry(length).or_default();
        let most = 1_u64.checked_shl(7 * length as u32).map_or(u64::MAX, |all| all - 1);
        let number = *self.short.entry((length, half)).or_insert_with(|| {
            let number = *next & most;
            *next += 1;
            number
        });
        self.halves.entry((length, number)).or_insert(half);
        number
    }
}

/// More than any key has.
const KEY_MAX: usize = 2_048;
/// More than any record has.
const DATA_MAX: usize = 16 * 1024 * 1024;

/// A hash key that begins with this half.
const fn whole(half: u64) -> HashKey {
    HashKey::new((half as u128) << 64)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_key_has_its_length_and_tells_what_it_stands_for() {
        let mut stand_ins = StandIns::default();
        let halves = [0, 1, 0x7FFF_FFFF_FFFF_FFFF, 0xD800_DFFF_FFFF_0000, u64::MAX];
        for length in (1..300).chain(990..=1_024) {
            let mut keys = BTreeSet::new();
            for half in halves.into_iter().chain(halves) {
                let record = stand_ins.record(5, length, half, None).expect("a key of that length");
                let key = record.partition_key();
                assert_eq!((key.len(), record.size()), (length, length + 5));
                assert_eq!(record.hash_key(), whole(half));
                assert_eq!(stand_ins.hash_key(key), Some(whole(half)), "{length} {half:x}");
                keys.insert(key.clone());
            }
            assert_eq!(keys.len(), halves.len(), "{length}");
        }
    }

    #[test]
    fn what_no_record_can_be_is_refused() {
        let mut stand_ins = StandIns::default();
        for (data, key) in [(1, 0), (1, 1_025), (1, usize::MAX), (usize::MAX, 1)] {
            assert!(stand_ins.record(data, key, 1, None).is_err(), "{data} {key}");
        }
        let other = PartitionKey::new("no stand-in").expect("valid");
        assert_eq!(stand_ins.hash_key(&other), None);
        let explicit = Some(HashKey::new(7));
        let record = stand_ins.record(1, 1, 2, explicit).expect("small");
        assert_eq!((record.hash_key(), record.explicit_hash_key()), (HashKey::new(7), explicit));
    }
}
