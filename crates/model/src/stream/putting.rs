//! How records are put into a stream.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use headwaters_wire::{AttemptError, Entry, HashKey, Placement, StreamName};

use super::Stream;
use crate::{Distribution, EntryFault, EntryFaults, RequestFault, Stored, checks, errors};

/// One entry on its way to a shard.
struct Arrival<'a> {
    entry: &'a Entry,
    /// What decides the shard; `None` if the service does.
    hash_key: Option<HashKey>,
    index: usize,
    request: u64,
}

impl Stream {
    /// Answers one PutRecords request that arrives at `now`: one result per entry, in their order.
    ///
    /// Each entry by itself fails by its fault if it has one, is throttled if its shard has no
    /// room, and is stored otherwise. A throttled entry takes nothing from the shard's limits, so a
    /// smaller one after it may still find room.
    ///
    /// # Errors
    /// The request is refused as a whole, and nothing is stored, if it is for another stream
    /// (`ResourceNotFoundException`), has not 1 to 500 entries (`ValidationException`), or has a
    /// record above the stream's [`MaxRecordSize`](crate::MaxRecordSize) or 10 MiB in total
    /// (`InvalidArgumentException`); the first of these counts.
    pub fn put_records(
        &mut self,
        stream: &StreamName,
        entries: &[Entry],
        faults: &EntryFaults,
        now: Duration,
    ) -> Result<Vec<Result<Placement, AttemptError>>, AttemptError> {
        let request = self.count_request(now);
        if *stream != self.name {
            return Err(errors::no_such_stream(stream));
        }
        checks::check(entries, self.max_record_size)?;
        let mut hash_keys = match self.distribution {
            Distribution::Auto => None,
            Distribution::UserPartitionKey => Some(hash_keys(entries)),
        };
        let put = |(index, entry)| {
            let hash_key = hash_keys.as_mut().and_then(Iterator::next);
            self.put(&Arrival { entry, hash_key, index, request }, faults.get(index))
        };
        Ok(entries.iter().enumerate().map(put).collect())
    }

    /// Refuses one PutRecords request that arrives at `now`, whatever is in it, and says what its
    /// caller gets. The request is counted; nothing is stored, and no shard counts anything.
    ///
    /// For a request that is stored and denied all the same, [put](Self::put_records) it and give
    /// its caller the [error](RequestFault::error) of the fault instead of the answer.
    pub fn refuse(&mut self, fault: RequestFault, now: Duration) -> AttemptError {
        self.count_request(now);
        fault.error(&self.name)
    }

    /// Counts a request that arrives at `now` and returns its number.
    fn count_request(&mut self, now: Duration) -> u64 {
        self.advance(now);
        let request = self.requests;
        self.requests += 1;
        request
    }

    fn put(
        &mut self,
        arrival: &Arrival<'_>,
        fault: Option<EntryFault>,
    ) -> Result<Placement, AttemptError> {
        let size = arrival.entry.size() as u64;
        let position = match arrival.hash_key {
            Some(key) => self.generations.position(key),
            None => self.generations.take_turn(size, self.now),
        };
        let shard = self.generations.open_mut(position);
        match fault {
            None if shard.has_room(size, self.now) => Ok(self.store(arrival, position)),
            None | Some(EntryFault::Throttled) => Err(shard.count_throttled()),
            Some(EntryFault::InternalFailure { stored }) => {
                if stored {
                    self.store(arrival, position);
                }
                Err(self.internal_failure.clone())
            }
        }
    }

    fn store(&mut self, arrival: &Arrival<'_>, position: usize) -> Placement {
        let &Arrival { entry, index, request, .. } = arrival;
        let shard = self.generations.open_mut(position);
        shard.count_stored(entry.size() as u64, self.now);
        let placement =
            Placement { sequence_number: self.sequence_numbers.take(), shard: shard.id().clone() };
        self.ledger.push(Stored {
            at: self.now,
            entry: entry.clone(),
            index,
            placement: placement.clone(),
            request,
        });
        placement
    }
}

/// The hash key of each entry. Those of partition keys are computed side by side: one by one they
/// would cost more than all else that is done for an entry.
fn hash_keys(entries: &[Entry]) -> impl Iterator<Item = HashKey> {
    let keys = || {
        let plain = entries.iter().filter(|entry| entry.explicit_hash_key.is_none());
        plain.map(|entry| &entry.partition_key)
    };
    let mut hashed = vec![HashKey::MIN; keys().count()];
    HashKey::of_many(keys(), &mut hashed);
    let mut hashed = hashed.into_iter();
    entries.iter().map(move |entry| {
        let of_key = || hashed.next().expect("there is one for each entry without its own");
        entry.explicit_hash_key.unwrap_or_else(of_key)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ShardLimits;
    use crate::testing::{Random, Results, entry, name, options, put};
    use alloc::string::ToString;
    use headwaters_wire::{ErrorCode, PartitionKey, ShardId};

    const SECOND: Duration = Duration::from_secs(1);

    fn stored_count(results: &Results) -> usize {
        results.iter().filter(|result| result.is_ok()).count()
    }

    #[test]
    fn refused_requests_store_nothing_and_are_counted() {
        let mut stream = Stream::new(options(2));
        let other = StreamName::new("other").expect("a valid name");
        let small = entry(HashKey::MIN, 10);
        let faults = EntryFaults::from_iter([(0, EntryFault::InternalFailure { stored: true })]);
        let cases = [
            (&other, vec![small.clone()], ErrorCode::ResourceNotFoundException),
            (&name(), vec![], ErrorCode::ValidationException),
            (&name(), vec![small.clone(); 501], ErrorCode::ValidationException),
            (
                &name(),
                vec![small.clone(), entry(HashKey::MIN, 1_048_577)],
                ErrorCode::InvalidArgumentException,
            ),
            (
                &name(),
                vec![entry(HashKey::MIN, 1_000_000); 11],
                ErrorCode::InvalidArgumentException,
            ),
        ];
        for (name, entries, code) in &cases {
            let refused = stream.put_records(name, entries, &faults, SECOND);
            assert_eq!(refused.map_err(|error| error.code), Err(code.clone()));
        }
        assert!(stream.ledger().is_empty());
        assert!(stream.shards().iter().all(|shard| (shard.records(), shard.throttled()) == (0, 0)));
        assert_eq!(stream.requests(), 5);

        put(&mut stream, &[small], SECOND);
        assert_eq!((stream.ledger()[0].request, stream.requests()), (5, 6));
    }

    #[test]
    fn the_partition_key_decides_unless_there_is_an_explicit_hash_key() {
        let mut stream = Stream::new(options(16));
        let key = PartitionKey::new("abcd").expect("a valid key");
        let plain = Entry {
            data: bytes::Bytes::new(),
            explicit_hash_key: None,
            partition_key: key.clone(),
        };
        let explicit = Entry { explicit_hash_key: Some(HashKey::MIN), ..plain.clone() };
        let results = put(&mut stream, &[plain, explicit], SECOND);
        let shards: Vec<ShardId> = results.into_iter().flatten().map(|p| p.shard).collect();
        // MD5 of "abcd" begins with the hexadecimal digit e.
        assert_eq!(shards, [ShardId::numbered(0xe), ShardId::numbered(0)]);
    }

    #[test]
    fn every_entry_goes_to_the_shard_of_its_own_hash_key() {
        let mut stream = Stream::new(options(1_000).unlimited());
        let mut random = Random::new(29);
        for count in 1..=100 {
            let entries: Vec<Entry> = (0..count)
                .map(|_| Entry {
                    data: bytes::Bytes::new(),
                    explicit_hash_key: (random.below(3) == 0).then(|| random.hash_key()),
                    partition_key: PartitionKey::new(random.below(1_000_000).to_string())
                        .expect("a valid key"),
                })
                .collect();
            let results = put(&mut stream, &entries, SECOND);
            for (entry, result) in entries.iter().zip(results) {
                let shard = result.expect("there is no limit").shard;
                assert_eq!(&shard, stream.shard_of(entry.hash_key()).id());
            }
        }
    }

    #[test]
    fn faults_fail_their_entries_and_no_others() {
        let mut stream = Stream::new(options(1));
        let entries: Vec<Entry> = (1..=4).map(|size| entry(HashKey::MIN, size)).collect();
        let faults = EntryFaults::from_iter([
            (0, EntryFault::Throttled),
            (1, EntryFault::InternalFailure { stored: false }),
            (2, EntryFault::InternalFailure { stored: true }),
            (4, EntryFault::Throttled),
        ]);
        let results =
            stream.put_records(&name(), &entries, &faults, SECOND).expect("a good request");
        let codes: Vec<_> = results.iter().map(|r| r.as_ref().err().map(|e| &e.code)).collect();
        assert_eq!(
            codes,
            [
                Some(&ErrorCode::ProvisionedThroughputExceededException),
                Some(&ErrorCode::InternalFailure),
                Some(&ErrorCode::InternalFailure),
                None
            ]
        );
        assert_eq!(
            results[1].as_ref().map_err(|error| error.message.as_str()),
            Err("Internal Service Failure.")
        );
        let stored: Vec<_> = stream.ledger().iter().map(|s| (s.index, s.entry.size())).collect();
        assert_eq!(stored, [(2, 3), (3, 4)]);
        let shard = &stream.shards()[0];
        assert_eq!((shard.records(), shard.bytes(), shard.throttled()), (2, 7, 1));
    }

    #[test]
    fn a_fault_that_stores_counts_towards_the_limits_and_one_that_does_not_takes_nothing() {
        for (fault, room_left) in [
            (EntryFault::InternalFailure { stored: true }, 0),
            (EntryFault::InternalFailure { stored: false }, 2),
            (EntryFault::Throttled, 2),
        ] {
            let limits = ShardLimits {
                bytes_per_second: 1_000,
                records_per_second: 2,
                ..ShardLimits::default()
            };
            let mut stream = Stream::new(options(1).limits(limits));
            let faults = EntryFaults::from_iter((0..3).map(|index| (index, fault)));
            let entries = vec![entry(HashKey::MIN, 1); 10];
            let results = stream.put_records(&name(), &entries, &faults, SECOND);
            assert_eq!(stored_count(&results.expect("a good request")), room_left, "{fault:?}");
        }
    }

    #[test]
    fn a_burst_of_one_second_goes_through_and_then_the_rate_holds() {
        let mut stream = Stream::new(options(1));
        let entries = vec![entry(HashKey::MIN, 10); 500];
        let mut counts = [SECOND; 4].map(|now| stored_count(&put(&mut stream, &entries, now)));
        assert_eq!(counts, [500, 500, 0, 0]);
        counts = [1_100, 1_200, 1_100, 1_250]
            .map(|millis| stored_count(&put(&mut stream, &entries, Duration::from_millis(millis))));
        assert_eq!(counts, [100, 100, 0, 50]);
        assert_eq!(stream.shards()[0].throttled(), 8 * 500 - 1_250);
    }

    #[test]
    fn a_shard_takes_1_mib_in_a_second_to_the_byte() {
        let mut stream = Stream::new(options(1));
        let entries = [1_048_575, 1, 1].map(|size| entry(HashKey::MIN, size));
        let results = put(&mut stream, &entries, SECOND);
        let stored: Vec<bool> = results.iter().map(Result::is_ok).collect();
        assert_eq!(stored, [true, true, false]);
    }

    #[test]
    fn a_throttled_entry_leaves_its_room_to_a_smaller_one() {
        let limits =
            ShardLimits { bytes_per_second: 100, records_per_second: 10, ..ShardLimits::default() };
        let mut stream = Stream::new(options(1).limits(limits));
        let entries = [80, 30, 20, 1].map(|size| entry(HashKey::MIN, size));
        let results = put(&mut stream, &entries, SECOND);
        let stored: Vec<bool> = results.iter().map(Result::is_ok).collect();
        assert_eq!(stored, [true, false, true, false]);
    }

    #[test]
    fn without_limits_everything_is_stored() {
        let mut stream = Stream::new(options(1).unlimited());
        let entries = vec![entry(HashKey::MIN, 20_000); 500];
        for _ in 0..10 {
            assert_eq!(stored_count(&put(&mut stream, &entries, Duration::ZERO)), 500);
        }
    }

    /// Decides again, from the ledger alone: the level of a bucket is followed over all that its
    /// shard stored before, with signed numbers and without the code of the buckets.
    #[test]
    fn limits_decide_as_a_replay_of_the_ledger_does() {
        let limits = ShardLimits {
            bytes_per_second: 2_500,
            records_per_second: 30,
            ..ShardLimits::default()
        };
        let mut stream = Stream::new(options(2).limits(limits));
        let mut random = Random::new(3);
        let (mut now, mut decisions) = (Duration::ZERO, [0; 2]);
        for _ in 0..1_000 {
            now += Duration::from_nanos(random.below(20_000_000));
            let entry = entry(random.hash_key(), 1 + random.below(160) as usize);
            let shard = stream.shard_of(entry.hash_key()).id();
            let past: Vec<&Stored> =
                stream.ledger().iter().filter(|s| s.placement.shard == *shard).collect();
            let records = level(limits.records_per_second, &past, now, |_| 1);
            let bytes = level(limits.bytes_per_second, &past, now, Entry::size);
            let expected = records >= NANOS && bytes >= entry.size() as i128 * NANOS;
            assert_eq!(put(&mut stream, &[entry], now)[0].is_ok(), expected);
            decisions[usize::from(expected)] += 1;
        }
        assert!(decisions.iter().all(|&count| count > 100), "{decisions:?} is one-sided");
    }

    const NANOS: i128 = 1_000_000_000;

    /// The level at `now`, in billionths of a token, of a bucket from which `past` took its `cost`.
    fn level(rate: u64, past: &[&Stored], now: Duration, cost: fn(&Entry) -> usize) -> i128 {
        let depth = i128::from(rate) * NANOS;
        let at = |level: i128, elapsed: Duration| {
            depth.min(level + elapsed.as_nanos() as i128 * i128::from(rate))
        };
        let (level, last) = past.iter().fold((depth, Duration::ZERO), |(level, last), stored| {
            let spent = cost(&stored.entry) as i128 * NANOS;
            (at(level, stored.at - last) - spent, stored.at)
        });
        at(level, now - last)
    }
}
