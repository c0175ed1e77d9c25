use alloc::vec;
use alloc::vec::Vec;

use super::protobuf::{Packed, varint_len};

/// A table of distinct strings in the order of their first use, in its encoded form.
pub(super) struct KeyTable {
    /// The tag before each entry.
    tag: u8,
    encoded: Vec<u8>,
    /// Where in `encoded` each entry's text starts and ends.
    spans: Vec<(u32, u32)>,
    /// Open addressing, a power of two long.
    slots: Vec<Slot>,
    /// Records of one key often come in a row.
    last: u32,
}

/// An entry whose hash leads here, or near by.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// Of the entry's text: most of what is not equal is told apart by it.
    hash: u32,
    /// 1 + the entry's index; 0 if there is none.
    entry: u32,
}

/// Where a key is in a table, or would be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// Its index, or the one that it would get.
    pub(super) index: u32,
    /// Whether it is there.
    pub(super) known: bool,
    /// Its hash, if that was asked for.
    hash: u32,
    /// The free slot to which it leads, or `NO_SLOT` if there is none near by.
    slot: u32,
}

const NO_SLOT: u32 = u32::MAX;

const SLOTS_MIN: usize = 64;

/// How many slots are tried. Keys that were chosen to collide cost an entry of their own beyond that, which
/// the format allows, and never more time.
const PROBES_MAX: usize = 64;

impl KeyTable {
    pub(super) const fn new(tag: u8) -> Self {
        Self { tag, encoded: Vec::new(), spans: Vec::new(), slots: Vec::new(), last: 0 }
    }

    pub(super) fn clear(&mut self) {
        self.encoded.clear();
        self.spans.clear();
        self.slots.fill(Slot::default());
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

    #[inline(always)]
    pub(super) fn find(&self, key: &[u8]) -> Found {
        if self.text(self.last).is_some_and(|last| equal(last, key)) {
            return Found { index: self.last, known: true, hash: 0, slot: NO_SLOT };
        }
        self.find_by_hash(key)
    }

    // Inlined, for what it returns must stay in registers: a detour through memory costs a third of the
    // whole append (measured).
    #[inline(always)]
    fn find_by_hash(&self, key: &[u8]) -> Found {
        let hash = hash(key);
        for slot in probes(hash, self.slots.len()) {
            let Some(&Slot { hash: other, entry }) = self.slots.get(slot) else { break };
            let Some(index) = entry.checked_sub(1) else {
                let slot = u32::try_from(slot).unwrap_or(NO_SLOT);
                return Found { index: self.next_index(), known: false, hash, slot };
            };
            if other == hash && self.text(index).is_some_and(|text| equal(text, key)) {
                return Found { index, known: true, hash, slot: NO_SLOT };
            }
        }
        Found { index: self.next_index(), known: false, hash, slot: NO_SLOT }
    }

    /// The index of `key`, which `find` has just looked for.
    #[inline]
    pub(super) fn place(&mut self, key: &[u8], found: Found) -> u32 {
        if !found.known {
            self.insert(key, found);
        }
        self.last = found.index;
        found.index
    }

    fn insert(&mut self, key: &[u8], Found { index, hash, slot, .. }: Found) {
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
        let new = Slot { hash, entry: index + 1 };
        if let Some(slot) = self.slots.get_mut(slot as usize) {
            *slot = new;
        }
        if self.spans.len() * 2 > self.slots.len() {
            self.grow(new);
        }
    }

    /// Makes room for more entries, of which `new` may not be in a slot yet.
    fn grow(&mut self, new: Slot) {
        let slots = (self.slots.len() * 2).max(SLOTS_MIN);
        let old = core::mem::replace(&mut self.slots, vec![Slot::default(); slots]);
        // It is in the old slots unless there was none for it.
        let new = (!old.iter().any(|slot| slot.entry == new.entry)).then_some(new);
        for entry in old.into_iter().chain(new).filter(|slot| slot.entry > 0) {
            let free = |&slot: &usize| self.slots.get(slot).is_some_and(|slot| slot.entry == 0);
            if let Some(free) = probes(entry.hash, slots).find(free) {
                self.slots[free] = entry;
            }
        }
    }

    fn text(&self, index: u32) -> Option<&[u8]> {
        let &(start, end) = self.spans.get(index as usize)?;
        self.encoded.get(start as usize..end as usize)
    }
}

/// The slots to try for a hash, in a table of so many.
#[inline]
fn probes(hash: u32, slots: usize) -> impl Iterator<Item = usize> {
    let mask = slots.wrapping_sub(1);
    (0..PROBES_MAX).map(move |probe| (hash as usize).wrapping_add(probe) & mask)
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
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
    let mix = |hash: u64, word: [u8; 8]| {
        let product = u128::from(hash ^ u64::from_le_bytes(word)) * u128::from(FACTOR);
        u64::try_from((product ^ (product >> 64)) & u128::from(u64::MAX)).unwrap_or(0)
    };
    let mut hash = key.len() as u64;
    if let Some(&end) = key.last_chunk::<8>() {
        // The end may overlap the last whole word: that harms nothing, and needs no copy.
        let (words, _) = key[..key.len() - 1].as_chunks::<8>();
        hash = words.iter().fold(hash, |hash, &word| mix(hash, word));
        hash = mix(hash, end);
    } else {
        let mut word = [0; 8];
        word.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
        hash = mix(hash, word);
    }
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
        table.slots.fill(Slot { hash: 0, entry: 1 });
        let before = table.spans.len();
        assert_eq!(index_of(&mut table, "second"), 1);
        index_of(&mut table, "third");
        assert_eq!(index_of(&mut table, "second"), 3, "not found, so written again");
        assert_eq!(table.spans.len(), before + 3);
    }
}
