use alloc::vec::Vec;

use super::protobuf::{Packed, varint_len};

/// A table of distinct strings in the order of their first use, in its encoded form.
#[derive(Clone, Debug)]
pub(super) struct KeyTable {
    /// The tag before each entry.
    tag: u8,
    encoded: Vec<u8>,
    /// Where in `encoded` each entry's text starts and ends.
    spans: Vec<(u32, u32)>,
    /// Open addressing: index + 1 of the entry whose hash leads here, or 0. A power of two long.
    slots: Vec<u32>,
    /// Records of one key often come in a row.
    last: u32,
}

/// Where a key is in a table, or would be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// Its index, or the one that it would get.
    pub(super) index: u32,
    /// Whether it is there.
    pub(super) known: bool,
    /// Where its hash leads if it is not, or `NO_SLOT` if no slot is free near by.
    slot: u32,
}

const NO_SLOT: u32 = u32::MAX;

const SLOTS_MIN: usize = 64;

/// How many slots are tried. Keys that were chosen to collide cost an entry of their own beyond that, which
/// the format allows, and never more time.
const PROBES_MAX: u32 = 16;

impl KeyTable {
    pub(super) const fn new(tag: u8) -> Self {
        Self { tag, encoded: Vec::new(), spans: Vec::new(), slots: Vec::new(), last: 0 }
    }

    pub(super) fn clear(&mut self) {
        self.encoded.clear();
        self.spans.clear();
        self.slots.fill(0);
        self.last = 0;
    }

    /// The encoded entries.
    pub(super) fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// How many bytes a new entry for `key` takes.
    pub(super) const fn entry_len(key: &[u8]) -> usize {
        1 + varint_len(key.len() as u64) + key.len()
    }

    /// The index that the next new entry gets.
    pub(super) fn next_index(&self) -> u32 {
        u32::try_from(self.spans.len()).unwrap_or(u32::MAX)
    }

    #[inline]
    pub(super) fn find(&self, key: &[u8]) -> Found {
        if self.text(self.last) == Some(key) {
            return Found { index: self.last, known: true, slot: NO_SLOT };
        }
        self.find_by_hash(key)
    }

    fn find_by_hash(&self, key: &[u8]) -> Found {
        let unknown = |slot| Found { index: self.next_index(), known: false, slot };
        let Some(mask) = u32::try_from(self.slots.len()).ok().and_then(|len| len.checked_sub(1))
        else {
            return unknown(NO_SLOT);
        };
        let start = hash(key);
        for probe in 0..PROBES_MAX {
            let slot = start.wrapping_add(probe) & mask;
            let Some(&entry) = self.slots.get(slot as usize) else { break };
            let Some(index) = entry.checked_sub(1) else { return unknown(slot) };
            if self.text(index) == Some(key) {
                return Found { index, known: true, slot };
            }
        }
        unknown(NO_SLOT)
    }

    /// The index of `key`, which `find` has just looked for.
    #[inline]
    pub(super) fn place(&mut self, key: &[u8], found: Found) -> u32 {
        if !found.known {
            self.insert(key, found.slot);
        }
        self.last = found.index;
        found.index
    }

    fn insert(&mut self, key: &[u8], slot: u32) {
        let index = self.next_index();
        match u8::try_from(key.len()) {
            Ok(short @ ..0x80) => self.encoded.extend_from_slice(&[self.tag, short]),
            _ => {
                self.encoded.push(self.tag);
                let varint = Packed::default().varint(key.len() as u64);
                varint.write(&mut self.encoded);
            }
        }
        let start = self.encoded.len();
        self.encoded.extend_from_slice(key);
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        self.spans.push((offset(start), offset(self.encoded.len())));
        if self.spans.len() * 2 > self.slots.len() {
            self.grow();
        } else if let Some(slot) = self.slots.get_mut(slot as usize) {
            *slot = index + 1;
        }
    }

    fn grow(&mut self) {
        let slots = (self.slots.len() * 2).max(SLOTS_MIN);
        self.slots.clear();
        self.slots.resize(slots, 0);
        for index in 0..self.next_index() {
            let start = self.text(index).map_or(0, hash);
            let mask = slots - 1;
            let slot = |probe| start.wrapping_add(probe) as usize & mask;
            if let Some(free) = (0..PROBES_MAX).map(slot).find(|&slot| self.slots[slot] == 0) {
                self.slots[free] = index + 1;
            }
        }
    }

    fn text(&self, index: u32) -> Option<&[u8]> {
        let &(start, end) = self.spans.get(index as usize)?;
        self.encoded.get(start as usize..end as usize)
    }
}

/// A quick hash; nothing depends on its quality but speed.
#[inline]
fn hash(key: &[u8]) -> u32 {
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
    let mix = |hash: u64, word: u64| {
        let product = u128::from(hash ^ word) * u128::from(FACTOR);
        u64::try_from((product ^ (product >> 64)) & u128::from(u64::MAX)).unwrap_or(0)
    };
    let (words, rest) = key.as_chunks::<8>();
    let mut hash =
        words.iter().fold(key.len() as u64, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    hash = mix(hash, u64::from_le_bytes(last));
    u32::try_from(hash >> 32).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;

    fn index_of(table: &mut KeyTable, key: &str) -> u32 {
        let found = table.find(key.as_bytes());
        table.place(key.as_bytes(), found)
    }

    #[test]
    fn each_key_has_one_index_in_the_order_of_first_use() {
        let mut table = KeyTable::new(0x0A);
        let keys: Vec<String> = (0..5_000).map(|number| format!("key-{number}")).collect();
        for round in 0..2 {
            for (expected, key) in (0..).zip(&keys) {
                assert_eq!(index_of(&mut table, key), expected, "round {round}");
            }
        }
        assert_eq!(
            table.encoded().len(),
            keys.iter().map(|k| KeyTable::entry_len(k.as_bytes())).sum()
        );
        table.clear();
        assert_eq!(index_of(&mut table, "key-9"), 0);
        assert_eq!(table.encoded(), b"\x0A\x05key-9");
    }

    #[test]
    fn keys_that_collide_cost_entries_and_not_time() {
        let mut table = KeyTable::new(0x0A);
        // All slots near every hash are taken by somebody else.
        index_of(&mut table, "first");
        table.slots.fill(1);
        let before = table.spans.len();
        assert_eq!(index_of(&mut table, "second"), 1);
        index_of(&mut table, "third");
        assert_eq!(index_of(&mut table, "second"), 3, "not found, so written again");
        assert_eq!(table.spans.len(), before + 3);
    }
}
