use std::collections::{BTreeSet, HashMap};

use headwaters::wire::PartitionKey;

/// The keys that come most often, in bounded memory: space-saving, by Metwally, Agrawal and El Abbadi (2005).
///
/// A key that is not counted yet takes the place, and the count, of the one that came least: so a count is never too low,
/// and too high by no more than what was taken over.
#[derive(Debug)]
pub(super) struct TopKeys {
    /// By count, for the least of them.
    by_count: BTreeSet<(u64, usize)>,
    places: HashMap<PartitionKey, usize>,
    slots: Vec<Slot>,
    total: u64,
}

#[derive(Debug)]
struct Slot {
    count: u64,
    key: PartitionKey,
    /// The count that was taken over.
    over: u64,
}

/// How many keys are counted: whichever has a five-hundredth part of all records is among them.
const KEYS_MAX: usize = 500;

impl TopKeys {
    pub(super) fn new() -> Self {
        Self { by_count: BTreeSet::new(), places: HashMap::new(), slots: Vec::new(), total: 0 }
    }

    /// Counts a record of this key.
    pub(super) fn add(&mut self, key: &PartitionKey) {
        self.total += 1;
        if let Some(&place) = self.places.get(key) {
            return self.count(place);
        }
        let place = if self.slots.len() < KEYS_MAX {
            self.slots.push(Slot { count: 0, key: key.clone(), over: 0 });
            self.by_count.insert((0, self.slots.len() - 1));
            self.slots.len() - 1
        } else {
            let (_, least) = *self.by_count.first().expect("it is full, so there are keys");
            let slot = &mut self.slots[least];
            self.places.remove(&slot.key);
            (slot.over, slot.key) = (slot.count, key.clone());
            least
        };
        self.places.insert(key.clone(), place);
        self.count(place);
    }

    fn count(&mut self, place: usize) {
        let slot = &mut self.slots[place];
        self.by_count.remove(&(slot.count, place));
        slot.count += 1;
        self.by_count.insert((slot.count, place));
    }

    /// The keys that have at least this part of all records for certain, with that part; most first, up to so many.
    pub(super) fn top(&self, keys: usize, least: f64) -> Vec<(PartitionKey, f64)> {
        let share = |slot: &Slot| (slot.count - slot.over) as f64 / self.total.max(1) as f64;
        let slots = self.by_count.iter().rev().map(|&(_, place)| &self.slots[place]);
        let mut shares: Vec<_> = slots.map(|slot| (slot.key.clone(), share(slot))).collect();
        shares.retain(|&(_, share)| share >= least);
        shares.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        shares.truncate(keys);
        shares
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> PartitionKey {
        PartitionKey::new(text).expect("a valid key")
    }

    #[test]
    fn few_keys_are_counted_exactly() {
        let mut keys = TopKeys::new();
        for (text, times) in [("a", 1), ("b", 5), ("c", 2)] {
            (0..times).for_each(|_| keys.add(&key(text)));
        }
        assert_eq!(keys.top(2, 0.0), [(key("b"), 0.625), (key("c"), 0.25)]);
        assert_eq!(keys.top(9, 0.2).len(), 2);
        assert_eq!(TopKeys::new().top(5, 0.0), []);
    }

    #[test]
    fn a_heavy_key_is_found_among_millions_in_bounded_memory() {
        let mut keys = TopKeys::new();
        for number in 0..200_000 {
            keys.add(&key(&number.to_string()));
            if number % 20 == 0 {
                keys.add(&key("heavy"));
            }
        }
        assert_eq!(
            (keys.slots.len(), keys.places.len(), keys.by_count.len()),
            (KEYS_MAX, KEYS_MAX, KEYS_MAX)
        );
        let top = keys.top(5, 0.01);
        assert_eq!((top.len(), &top[0].0), (1, &key("heavy")));
        // It has 10,000 of 210,000; what is said is no more than that.
        assert!((0.04..=0.0477).contains(&top[0].1), "{}", top[0].1);
    }
}
