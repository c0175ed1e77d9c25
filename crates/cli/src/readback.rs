use core::hash::Hasher;
use std::collections::HashMap;
use std::hash::DefaultHasher;

use headwaters::wire::{Entry, HashKey};
use headwaters::{Outcome, UserRecord};
use serde::Serialize;

/// What a stream must hold, if the outcomes are true: records as digests, so that it stays small.
#[derive(Debug, Default)]
pub(crate) struct ReadBack {
    records: HashMap<Digest, Copies>,
}

/// 128 bits of partition key, explicit hash key and data.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Digest(u128);

/// Equal records: how many there should be, and how many there are.
#[derive(Clone, Copy, Debug, Default)]
struct Copies {
    found: u32,
    /// Stored or not: nobody knows. Or stored, maybe more than once.
    uncertain: bool,
    maybe_stored: u32,
    stored: u32,
}

/// What the stream holds, against what was reported.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub(crate) struct Comparison {
    /// Records that the stream holds.
    pub(crate) found: u64,
    /// Reported as stored, and not there.
    pub(crate) missing: u64,
    /// There, and reported neither as stored nor as maybe stored.
    pub(crate) unexpected: u64,
    /// There once more than they were put.
    pub(crate) duplicates: u64,
    /// Those of them that no `maybe_duplicate` and no `maybe_stored` explains.
    pub(crate) unexplained_duplicates: u64,
    /// Reported as maybe stored, and there.
    pub(crate) maybe_stored_found: u64,
}

impl Comparison {
    /// Whether the outcomes explain everything.
    pub(crate) const fn explained(&self) -> bool {
        self.missing == 0 && self.unexpected == 0 && self.unexplained_duplicates == 0
    }
}

impl Digest {
    pub(crate) fn of(record: &UserRecord) -> Self {
        Self::of_entry(record.as_entry())
    }

    fn of_entry(entry: &Entry) -> Self {
        let half = |salt: u8| {
            let mut hasher = DefaultHasher::new();
            hasher.write_u8(salt);
            // Its length keeps the key apart from what follows.
            hasher.write_usize(entry.partition_key.len());
            hasher.write(entry.partition_key.as_bytes());
            hasher.write_u8(u8::from(entry.explicit_hash_key.is_some()));
            hasher.write_u128(entry.explicit_hash_key.map_or(0, HashKey::value));
            hasher.write(&entry.data);
            u128::from(hasher.finish())
        };
        Self(half(0) << 64 | half(1))
    }
}

impl ReadBack {
    /// Takes note of what was reported.
    pub(crate) fn report(&mut self, digest: Digest, outcome: &Outcome) {
        let copies = self.records.entry(digest).or_default();
        match outcome {
            Outcome::MaybeStored { .. } => {
                copies.maybe_stored += 1;
                copies.uncertain = true;
            }
            Outcome::NotStored { .. } => {}
            Outcome::Stored { maybe_duplicate, .. } => {
                copies.stored += 1;
                copies.uncertain |= maybe_duplicate;
            }
        }
    }

    /// Compares it with what the stream holds.
    pub(crate) fn compare<'a>(mut self, stream: impl Iterator<Item = &'a Entry>) -> Comparison {
        let mut comparison = Comparison::default();
        for entry in stream {
            comparison.found += 1;
            self.records.entry(Digest::of_entry(entry)).or_default().found += 1;
        }
        // Only sums leave this loop: its order does not matter.
        for copies in self.records.values() {
            copies.add_to(&mut comparison);
        }
        comparison
    }
}

impl Copies {
    fn add_to(self, comparison: &mut Comparison) {
        comparison.missing += u64::from(self.stored.saturating_sub(self.found));
        let beyond = self.found.saturating_sub(self.stored);
        let maybe_stored = beyond.min(self.maybe_stored);
        comparison.maybe_stored_found += u64::from(maybe_stored);
        let surplus = u64::from(beyond - maybe_stored);
        if self.stored + self.maybe_stored == 0 {
            comparison.unexpected += surplus;
            return;
        }
        comparison.duplicates += surplus;
        if !self.uncertain {
            comparison.unexplained_duplicates += surplus;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwaters::Cause;
    use headwaters::wire::ShardId;

    fn record(key: &str, data: &'static str) -> UserRecord {
        UserRecord::new(key.to_owned(), data).expect("a valid record")
    }

    fn stored(maybe_duplicate: bool) -> Outcome {
        let sequence_number = "1".parse().expect("a digit");
        Outcome::Stored { maybe_duplicate, sequence_number, shard: ShardId::numbered(0) }
    }

    fn compare(reported: &[(&UserRecord, Outcome)], stream: &[&UserRecord]) -> Comparison {
        let mut read_back = ReadBack::default();
        for (record, outcome) in reported {
            read_back.report(Digest::of(record), outcome);
        }
        read_back.compare(stream.iter().map(|record| record.as_entry()))
    }

    #[test]
    fn equal_records_are_counted() {
        let (a, b) = (record("a", "x"), record("b", "x"));
        let reported = [(&a, stored(false)), (&a, stored(false)), (&b, stored(false))];
        let comparison = compare(&reported, &[&b, &a, &a]);
        assert_eq!(comparison, Comparison { found: 3, ..Comparison::default() });
        assert!(comparison.explained());
        let comparison = compare(&reported, &[&b, &a]);
        assert_eq!((comparison.missing, comparison.explained()), (1, false));
        let comparison = compare(&reported, &[&b, &a, &a, &a]);
        assert_eq!((comparison.unexplained_duplicates, comparison.explained()), (1, false));
    }

    #[test]
    fn only_uncertain_outcomes_explain_duplicates_and_gains() {
        let a = record("a", "x");
        let comparison = compare(&[(&a, stored(true))], &[&a, &a, &a]);
        assert_eq!((comparison.duplicates, comparison.explained()), (2, true));
        let maybe = Outcome::MaybeStored { cause: Cause::Expired, record: a.clone() };
        assert!(compare(&[(&a, maybe.clone())], &[]).explained());
        let comparison = compare(&[(&a, maybe)], &[&a, &a]);
        assert_eq!((comparison.maybe_stored_found, comparison.duplicates), (1, 1));
        assert!(comparison.explained());
        let not = Outcome::NotStored { cause: Cause::Expired, record: a.clone() };
        let comparison = compare(&[(&a, not)], &[&a]);
        assert_eq!((comparison.unexpected, comparison.explained()), (1, false));
        assert_eq!(compare(&[], &[&a]).unexpected, 1);
    }

    #[test]
    fn whatever_differs_changes_the_digest() {
        let plain = record("ab", "c");
        let hashed = plain.clone().with_explicit_hash_key(HashKey::MIN);
        let digests = [&plain, &hashed, &record("a", "bc"), &record("ab", "d")].map(Digest::of);
        for (at, digest) in digests.iter().enumerate() {
            assert!(!digests[..at].contains(digest));
        }
    }
}
