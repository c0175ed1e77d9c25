use headwaters_engine::wire::Entry;
use headwaters_engine::wire::aggregate::{Decoded, decode};

use crate::rng::{Chance, Rng};

/// Tells the records that the service refuses, with everything that is in a request with them.
///
/// Which ones these are follows from what is in them: a record that is refused once is refused each time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Poison {
    seed: u64,
}

impl Poison {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Whether a request with these entries is refused, if so many of the records are.
    pub(crate) fn is_in(self, entries: &[Entry], chance: Chance) -> bool {
        chance != Chance::NEVER && entries.iter().any(|entry| self.is_entry(entry, chance))
    }

    fn is_entry(self, entry: &Entry, chance: Chance) -> bool {
        match decode(entry.data.clone()) {
            Decoded::Plain(data) => self.is_record(&data, chance),
            Decoded::Aggregate(aggregate) => aggregate
                .members()
                .any(|member| member.is_ok_and(|member| self.is_record(&member.data, chance))),
        }
    }

    /// The number of its producer and its own are in the first bytes of each record.
    fn is_record(self, data: &[u8], chance: Chance) -> bool {
        let label = data.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        Rng::new(self.seed ^ label, "poison").happens(chance)
    }
}
