use alloc::vec::Vec;

use super::protobuf::{push_varint, varint_len};

/// A table of distinct strings in the order of their first use, in its encoded form.
pub(super) struct KeyTable {
    encoded: Vec<u8>,
    entries: Vec<TableEntry>,
    /// Open addressing, a power of two long: 1 + the index of an entry whose hash leads here or near by, or 0.
    slots: Vec<u32>,
    /// The tag before each entry.
    tag: u8,
}

#[derive(Clone, Copy, Debug)]
struct TableEntry {
    /// Of the text: most of what is not equal is told apart by it.
    hash: u32,
    /// Where in the encoded entries the text starts and ends.
    start: u32,
    end: u32,
}

/// Where a key is in a table, or would be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// Its index, or the one that it would get.
    pub(super) index: u32,
    /// Whether it is there.
    pub(super) known: bool,
    hash: u32,
    /// The free slot to which it leads, or `NO_SLOT` if there is none near by.
    slot: u32,
}

const NO_SLOT: u32 = u32::MAX;

const SLOTS_MIN: usize = 64;

/// The fewer slots are taken, the better is it foreseen that the next one is free.
const SLOTS_PER_ENTRY: usize = 4;

/// How many slots are tried. Keys that were chosen to collide cost an entry of their own beyond that, which
/// the format allows, and never more time.
const PROBES_MAX: u32 = 64;

impl KeyTable {
    pub(super) const fn new(tag: u8) -> Self {
        Self { encoded: Vec::new(), entries: Vec::new(), slots: Vec::new(), tag }
    }

    /// Bytes of memory behind it.
    pub(super) const fn memory(&self) -> usize {
        self.encoded.capacity()
            + self.entries.capacity() * size_of::<TableEntry>()
            + self.slots.capacity() * size_of::<u32>()
    }

    pub(super) fn clear(&mut self) {
        // Filling no slots at all takes 65 ns on some machines (measured): a masked store to where nothing is.
        if self.entries.is_empty() {
            return;
        }
        self.encoded.clear();
        self.entries.clear();
        self.slots.fill(0);
    }

    /// The encoded entries.
    pub(super) fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// The index that the next new entry gets.
    #[inline]
    pub(super) const fn next_index(&self) -> u32 {
        self.entries.len() as u32
    }

    /// How many bytes a new entry for `key` takes.
    #[inline]
    pub(super) const fn entry_len(key: &[u8]) -> usize {
        1 + varint_len(key.len() as u64) + key.len()
    }

    // Inlined, for what it returns must stay in registers: a detour through memory costs a third of the
    // whole append (measured).
    #[inline(always)]
    pub(super) fn find(&self, key: &[u8]) -> Found {
        let hash = hash(key);
        for at in probes(hash, self.slots.len()) {
            let Some(&slot) = self.slots.get(at as usize) else { break };
            let Some(index) = slot.checked_sub(1) else {
                return Found { index: self.next_index(), known: false, hash, slot: at };
            };
            if let Some(entry) = self.entries.get(index as usize)
                && entry.hash == hash
                && let Some(text) = self.encoded.get(entry.start as usize..entry.end as usize)
                && equal(text, key)
            {
                return Found { index, known: true, hash, slot: NO_SLOT };
            }
        }
        Found { index: self.next_index(), known: false, hash, slot: NO_SLOT }
    }

    /// Adds `key`, which `find` has just looked for and not found.
    #[inline(always)]
    pub(super) fn insert(&mut self, key: &[u8], found: Found) {
        self.insert_at(key, found.hash, found.slot);
    }

    #[inline(never)]
    fn insert_at(&mut self, key: &[u8], hash: u32, slot: u32) {
        match u8::try_from(key.len()) {
            Ok(short @ ..0x80) => self.encoded.extend_from_slice(&[self.tag, short]),
            _ => {
                self.encoded.push(self.tag);
                push_varint(&mut self.encoded, key.len() as u64);
            }
        }
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let start = offset(self.encoded.len());
        self.encoded.extend_from_slice(key);
        let end = offset(self.encoded.len());
        self.entries.push(TableEntry { hash, start, end });
        let count = self.next_index();
        if let Some(slot) = self.slots.get_mut(slot as usize) {
            *slot = count;
        }
        if count as usize * SLOTS_PER_ENTRY > self.slots.len() {
            self.grow();
        }
    }

    #[cold]
    fn grow(&mut self) {
        let slots = (self.slots.len() * 2).max(SLOTS_MIN);
        self.slots.clear();
        self.slots.resize(slots, 0);
        for (entry, count) in self.entries.iter().zip(1..) {
            let mut probes = probes(entry.hash, slots);
            if let Some(free) = probes.find(|&slot| self.slots[slot as usize] == 0) {
                self.slots[free as usize] = count;
            }
        }
    }
}

/// The slots to try for a hash, in a table of so many.
#[inline(always)]
fn probes(hash: u32, slots: usize) -> impl Iterator<Item = u32> {
    let mask = (slots as u32).wrapping_sub(1);
    (0..PROBES_MAX).map(move |probe| hash.wrapping_add(probe) & mask)
}

/// Equality by the ends first: keys tend to begin alike, and most are no longer than both ends.
#[inline(always)]
fn equal(one: &[u8], two: &[u8]) -> bool {
    if one.len() != two.len() {
        return false;
    }
    let ends = (one.last_chunk::<8>(), two.last_chunk::<8>());
    let (Some(one_end), Some(two_end)) = ends else { return one == two };
    one_end == two_end
        && one.first_chunk::<8>() == two.first_chunk()
        && (one.len() <= 16 || one == two)
}

/// A quick hash; nothing depends on its quality but speed.
#[inline(always)]
fn hash(key: &[u8]) -> u32 {
    let (head, tail) = match (key.first_chunk(), key.last_chunk()) {
        (Some(_), Some(tail)) if key.len() > 16 => (hash_of_pairs(key), u64::from_le_bytes(*tail)),
        // From 8 to 16 bytes the ends are all there is.
        (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
        _ => (padded(key), 0),
    };
    let hash = mix(head, tail ^ key.len() as u64);
    (hash >> 32) as u32 ^ hash as u32
}

/// The hash of what is before the last 8 bytes, and of some of these perhaps.
fn hash_of_pairs(key: &[u8]) -> u64 {
    let (pairs, _) = key[..key.len() - 1].as_chunks::<16>();
    let (rest, _) = key[pairs.len() * 16..].as_chunks::<8>();
    let hash = pairs.iter().fold(0, |hash, pair| {
        let pair = u128::from_le_bytes(*pair);
        mix(hash ^ pair as u64, (pair >> 64) as u64)
    });
    rest.first().map_or(hash, |rest| mix(hash, u64::from_le_bytes(*rest)))
}

/// Fewer than 8 bytes, with zeros behind.
#[cold]
fn padded(key: &[u8]) -> u64 {
    let mut word = [0; 8];
    word.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    u64::from_le_bytes(word)
}

#[inline(always)]
fn mix(one: u64, two: u64) -> u64 {
    let product = u128::from(one ^ 0x9E37_79B9_7F4A_7C15) * u128::from(two ^ 0xD1B5_4A32_D192_ED03);
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;

    fn index_of(table: &mut KeyTable, key: &str) -> u32 {
        let found = table.find(key.as_bytes());
        if !found.known {
            table.insert(key.as_bytes(), found);
        }
        found.index
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
    fn the_memory_behind_it_is_that_of_its_three_parts() {
        let mut table = KeyTable::new(0x0A);
        assert_eq!(table.memory(), 0);
        for number in 0..1_000 {
            index_of(&mut table, &format!("key-{number:03}"));
        }
        let least = 1_000 * (9 + size_of::<TableEntry>() + size_of::<u32>());
        assert!((least..3 * least).contains(&table.memory()), "{} of {least}", table.memory());
    }

    #[test]
    fn every_byte_of_a_key_counts() {
        for length in 1..100 {
            let key: Vec<u8> = (1..=length).collect();
            for at in 0..key.len() {
                let mut other = key.clone();
                other[at] ^= 1;
                assert_ne!(hash(&key), hash(&other), "byte {at} of {length}");
            }
            assert_ne!(hash(&key), hash(&key[1..]), "length {length}");
        }
    }

    #[test]
    fn keys_that_collide_cost_entries_and_not_time() {
        let mut table = KeyTable::new(0x0A);
        // All slots near every hash are taken by somebody else.
        index_of(&mut table, "first");
        table.slots.fill(1);
        let before = table.next_index();
        assert_eq!(index_of(&mut table, "second"), 1);
        index_of(&mut table, "third");
        assert_eq!(index_of(&mut table, "second"), 3, "not found, so written again");
        assert_eq!(table.next_index(), before + 3);
    }
}
