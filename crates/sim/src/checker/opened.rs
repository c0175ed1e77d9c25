//! Aggregates that were opened when they left, and need not be opened again by who reads them.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::mem;

use bytes::Bytes;
use headwaters_engine::wire::{HashKey, HashKeyRange};

/// Aggregates that left and that nobody has read, by where their bytes lie.
///
/// Bytes that are held here do not change, and nothing else comes to lie where they are: what lies there was looked at
/// already, member by member.
#[derive(Debug, Default)]
pub(super) struct Opened {
    new: BTreeMap<usize, Contents>,
    old: BTreeMap<usize, Contents>,
    taken: u32,
}

/// What is in an aggregate.
#[derive(Debug)]
pub(super) struct Contents {
    data: Bytes,
    /// The lowest and the highest hash key of its members.
    hash_keys: (HashKey, HashKey),
    /// Its members, as they were put.
    pub(super) numbers: Vec<usize>,
}

/// So many of the new ones are kept, and as many old ones: some are never stored.
const KEPT: usize = 256;
/// One in so many is read by the consumer as if nobody had opened it.
const READ: u32 = 16;

impl Opened {
    /// These records are all that is in an aggregate, as they were put.
    pub(super) fn keep(
        &mut self,
        data: &Bytes,
        numbers: &[usize],
        hash_keys: impl Iterator<Item = HashKey> + Clone,
    ) {
        let (Some(lowest), Some(highest)) = (hash_keys.clone().min(), hash_keys.max()) else {
            return;
        };
        if self.new.len() == KEPT {
            self.old = mem::take(&mut self.new);
        }
        let contents =
            Contents { data: data.clone(), hash_keys: (lowest, highest), numbers: numbers.into() };
        self.new.insert(data.as_ptr().addr(), contents);
    }

    /// What is in these bytes, if it is known and need not be read.
    pub(super) fn take(&mut self, data: &Bytes) -> Option<Contents> {
        let at = data.as_ptr().addr();
        let contents = self.new.remove(&at).or_else(|| self.old.remove(&at))?;
        self.taken = self.taken.wrapping_add(1);
        let is_read = self.taken.is_multiple_of(READ) || contents.data.len() != data.len();
        (!is_read).then_some(contents)
    }
}

impl Contents {
    /// Whether a consumer of a shard of this range sees the members: all of them, or none if one does not belong there.
    pub(super) fn is_visible(&self, range: HashKeyRange) -> bool {
        range.contains(self.hash_keys.0) && range.contains(self.hash_keys.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(high: u128) -> HashKey {
        HashKey::new(high << 120)
    }

    #[test]
    fn what_left_is_known_once_by_its_bytes_and_not_by_what_they_say() {
        let mut opened = Opened::default();
        let data = Bytes::from(b"some".to_vec());
        opened.keep(&data, &[4, 2], [key(9), key(3)].into_iter());
        assert!(opened.take(&Bytes::copy_from_slice(&data)).is_none(), "the same in other bytes");
        let contents = opened.take(&data).expect("it is known");
        assert_eq!(contents.numbers, [4, 2]);
        let sees =
            |from, to| contents.is_visible(HashKeyRange::new(key(from), key(to)).expect("a range"));
        assert!(sees(3, 9) && !sees(4, 9) && !sees(3, 8));
        assert!(opened.take(&data).is_none(), "a second copy is read");
    }

    #[test]
    fn some_are_read_all_the_same_and_old_ones_are_forgotten() {
        let mut opened = Opened::default();
        let all: Vec<Bytes> = (0..5 * KEPT).map(|_| Bytes::from(b"some".to_vec())).collect();
        for data in &all {
            opened.keep(data, &[1], [key(0)].into_iter());
        }
        let known = all.iter().filter(|data| opened.take(data).is_some()).count();
        let kept = 2 * KEPT;
        assert_eq!(known, kept - kept / READ as usize);
    }
}
