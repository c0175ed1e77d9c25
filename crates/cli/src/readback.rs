use core::hash::Hasher;
use std::collections::HashMap;
use std::hash::DefaultHasher;

use headwaters::mock::{ShardReport, Stored};
use headwaters::wire::aggregate::{Decoded, decode};
use headwaters::wire::{Entry, HashKey, HashKeyRange, ShardId};
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
    /// User records that a consumer of the stream gets.
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
        Self::of_entry(&record.to_entry())
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

    /// Compares it with what the stream holds, whose shards are these.
    pub(crate) fn compare(self, stream: &[Stored], shards: &[ShardReport]) -> Comparison {
        let ranges: HashMap<&ShardId, HashKeyRange> =
            shards.iter().map(|shard| (&shard.id, shard.range)).collect();
        self.compare_entries(stream.iter().map(|stored| {
            let range = ranges.get(&stored.placement.shard);
            (&stored.entry, *range.expect("the shards of a stream within the command stay"))
        }))
    }

    /// Compares it with Kinesis records, each with the range of its shard.
    fn compare_entries<'a>(
        mut self,
        stream: impl Iterator<Item = (&'a Entry, HashKeyRange)>,
    ) -> Comparison {
        let mut comparison = Comparison::default();
        for (entry, range) in stream {
            self.find(entry, range);
        }
        // Only sums leave this loop: its order does not matter.
        for copies in self.records.values() {
            copies.add_to(&mut comparison);
        }
        comparison
    }

    /// Takes note of what a consumer gets of a Kinesis record.
    fn find(&mut self, entry: &Entry, range: HashKeyRange) {
        let digest = Digest::of_entry(entry);
        // What was put may look like an aggregate itself.
        if let Some(copies) = self.records.get_mut(&digest) {
            copies.found += 1;
            return;
        }
        match decode(entry.data.clone()) {
            Decoded::Aggregate(aggregate) => {
                let members = aggregate.as_kcl(range).delivered;
                for member in members.iter().filter_map(|member| member.to_entry().ok()) {
                    self.records.entry(Digest::of_entry(&member)).or_default().found += 1;
                }
            }
            Decoded::Plain(_) => self.records.entry(digest).or_default().found += 1,
        }
    }
}

impl Copies {
    fn add_to(self, comparison: &mut Comparison) {
        comparison.found += u64::from(self.found);
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
    use headwaters::wire::aggregate::Encoder;

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
        let entries: Vec<Entry> = stream.iter().map(|record| record.to_entry()).collect();
        read_back.compare_entries(entries.iter().map(|entry| (entry, HashKeyRange::ALL)))
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
    fn what_a_consumer_gets_of_aggregates_counts() {
        let low = record("a", "x").with_explicit_hash_key(HashKey::MIN);
        let high = record("a", "y").with_explicit_hash_key(HashKey::MAX);
        let aggregate = |records: &[&UserRecord]| {
            let mut encoder = Encoder::default();
            records.iter().for_each(|record| encoder.append((&record.to_entry()).into()));
            encoder.finish().expect("there are records").seal()
        };
        let compare = |reported: &[&UserRecord], entry: &Entry, range| {
            let mut read_back = ReadBack::default();
            for record in reported {
                read_back.report(Digest::of(record), &stored(false));
            }
            read_back.compare_entries([(entry, range)].into_iter())
        };
        let both = aggregate(&[&low, &high]);
        let comparison = compare(&[&low, &high], &both, HashKeyRange::ALL);
        assert_eq!(comparison, Comparison { found: 2, ..Comparison::default() });
        // In a shard to which one of them does not belong, consumers drop them both.
        let middle = HashKey::new(1 << 127);
        let shard = HashKeyRange::new(HashKey::MIN, middle).expect("in order");
        let comparison = compare(&[&low, &high], &both, shard);
        assert_eq!((comparison.found, comparison.missing), (0, 2));
        // It was put as it is.
        let looks_so = UserRecord::from_entry(both.clone()).expect("small");
        let comparison = compare(&[&looks_so], &both, HashKeyRange::ALL);
        assert_eq!(comparison, Comparison { found: 1, ..Comparison::default() });
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
