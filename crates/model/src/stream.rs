mod listing;
mod resharding;

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use headwaters_wire::{AttemptError, Entry, HashKey, Placement, ShardId, StreamName};

use self::resharding::Pending;
use crate::generations::Generations;
use crate::sequence_numbers::SequenceNumbers;
use crate::{EntryFault, EntryFaults, MaxRecordSize, Shard, Stored, StreamOptions, checks, errors};

/// A deterministic model of one stream: requests in, answers out, and a ledger of what was stored.
///
/// Commands: [`advance`](Self::advance), [`list_shards`](Self::list_shards),
/// [`merge`](Self::merge), [`put_records`](Self::put_records), [`split`](Self::split),
/// [`update_max_record_size`](Self::update_max_record_size),
/// [`update_shard_count`](Self::update_shard_count). Getters:
/// [`closed_shards`](Self::closed_shards), [`ledger`](Self::ledger), [`name`](Self::name),
/// [`requests`](Self::requests), [`shard`](Self::shard), [`shard_of`](Self::shard_of),
/// [`shards`](Self::shards).
///
/// Every command takes the time at which it comes, as `now`, from an origin of the caller's. If it
/// lies before that of an earlier command, the earlier time is taken instead. Getters say what
/// holds at the time of the last command.
///
/// `Debug` prints how much there is, not the records.
#[derive(Clone)]
pub struct Stream {
    generations: Generations,
    internal_failure: AttemptError,
    ledger: Vec<Stored>,
    max_record_size: MaxRecordSize,
    name: StreamName,
    /// The latest time that was ever passed in.
    now: Duration,
    /// The change that is under way; its time has not come at `now`.
    pending: Option<Pending>,
    requests: u64,
    sequence_numbers: SequenceNumbers,
}

impl Stream {
    /// A stream without records, at time zero. The hash keys are divided evenly among its shards.
    pub fn new(options: StreamOptions) -> Self {
        let StreamOptions { limits, max_record_size, name, shards } = options;
        Self {
            generations: Generations::new(shards, limits, name.clone()),
            internal_failure: errors::internal_failure(),
            ledger: Vec::new(),
            max_record_size,
            name,
            now: Duration::ZERO,
            pending: None,
            requests: 0,
            sequence_numbers: SequenceNumbers::new(),
        }
    }

    /// Moves the time on to `now`, as every command does first: a change whose time has come is
    /// done then.
    pub fn advance(&mut self, now: Duration) {
        self.now = self.now.max(now);
        self.settle();
    }

    /// Answers one PutRecords request that arrives at `now`: one result per entry, in their order.
    ///
    /// Each entry by itself fails by its fault if it has one, is throttled if its shard has no
    /// room, and is stored otherwise. A throttled entry takes nothing from the shard's limits, so a
    /// smaller one after it may still find room.
    ///
    /// # Errors
    /// The request is refused as a whole, and nothing is stored, if it is for another stream
    /// (`ResourceNotFoundException`), has not 1 to 500 entries (`ValidationException`), or has a
    /// record above the stream's [`MaxRecordSize`] or 10 MiB in total (`InvalidArgumentException`);
    /// the first of these counts.
    pub fn put_records(
        &mut self,
        stream: &StreamName,
        entries: &[Entry],
        faults: &EntryFaults,
        now: Duration,
    ) -> Result<Vec<Result<Placement, AttemptError>>, AttemptError> {
        let request = self.requests;
        self.requests += 1;
        self.advance(now);
        if *stream != self.name {
            return Err(errors::no_such_stream(stream));
        }
        checks::check(entries, self.max_record_size)?;
        let put = |(index, entry)| self.put(entry, faults.get(index), request, index);
        Ok(entries.iter().enumerate().map(put).collect())
    }

    /// Sets at `now` how large a record may be from then on.
    ///
    /// # Errors
    /// Nothing changes if another change is under way (`ResourceInUseException`).
    pub fn update_max_record_size(
        &mut self,
        max_record_size: MaxRecordSize,
        now: Duration,
    ) -> Result<(), AttemptError> {
        self.advance(now);
        self.check_active()?;
        self.max_record_size = max_record_size;
        Ok(())
    }

    /// The shards that took records once and no longer do, in the order of their ids. Their counts
    /// stand still.
    pub fn closed_shards(&self) -> impl Iterator<Item = &Shard> {
        self.generations.closed()
    }

    /// Every record that was stored, in the order of storing, which is that of the sequence
    /// numbers, within each shard and across all generations of shards.
    pub fn ledger(&self) -> &[Stored] {
        &self.ledger
    }

    /// The stream's name.
    pub const fn name(&self) -> &StreamName {
        &self.name
    }

    /// How many PutRecords requests came, refused ones included.
    pub const fn requests(&self) -> u64 {
        self.requests
    }

    /// The shard with this id, open or closed; `None` if there never was one.
    pub fn shard(&self, id: &ShardId) -> Option<&Shard> {
        self.generations.shard(id)
    }

    /// The open shard that `key` belongs to.
    pub fn shard_of(&self, key: HashKey) -> &Shard {
        self.generations.at(key)
    }

    /// The open shards, in the order of their ranges, which cover all hash keys without overlap.
    pub fn shards(&self) -> &[Shard] {
        self.generations.open()
    }

    fn put(
        &mut self,
        entry: &Entry,
        fault: Option<EntryFault>,
        request: u64,
        index: usize,
    ) -> Result<Placement, AttemptError> {
        let hash_key = entry.hash_key();
        let shard = self.generations.at_mut(hash_key);
        match fault {
            None if shard.has_room(entry.size() as u64, self.now) => {
                Ok(self.store(entry, hash_key, request, index))
            }
            None | Some(EntryFault::Throttled) => Err(shard.count_throttled()),
            Some(EntryFault::InternalFailure { stored }) => {
                if stored {
                    self.store(entry, hash_key, request, index);
                }
                Err(self.internal_failure.clone())
            }
        }
    }

    fn store(&mut self, entry: &Entry, hash_key: HashKey, request: u64, index: usize) -> Placement {
        let shard = self.generations.at_mut(hash_key);
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

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("name", &self.name)
            .field("now", &self.now)
            .field("requests", &self.requests)
            .field("ledger", &format_args!("{} records", self.ledger.len()))
            .field("shards", &self.shards().len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ShardLimits;
    use crate::testing::{Random, Results, entry, name, options, put};
    use alloc::format;
    use alloc::vec;
    use headwaters_wire::{ErrorCode, PartitionKey};

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
    fn hash_keys_at_the_edges_of_ranges_go_to_their_shards() {
        for count in [1, 2, 3, 7, 64, 1_000] {
            let mut stream = Stream::new(options(count));
            for (number, shard) in stream.shards().iter().enumerate() {
                assert_eq!(shard.id().number(), Some(number as u64));
                assert_eq!(stream.shard_of(shard.range().start()).id(), shard.id());
                assert_eq!(stream.shard_of(shard.range().end()).id(), shard.id());
            }
            let last = stream.shard_of(HashKey::MAX).id().clone();
            let results = put(&mut stream, &[entry(HashKey::MAX, 1)], SECOND);
            assert_eq!(results[0].as_ref().map(|placement| &placement.shard), Ok(&last));
        }
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
            let limits = ShardLimits { bytes_per_second: 1_000, records_per_second: 2 };
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
    fn a_clock_that_goes_back_leaves_the_stream_at_its_latest_time() {
        let mut stream = Stream::new(options(1));
        for seconds in [3, 1, 4, 0] {
            put(&mut stream, &[entry(HashKey::MIN, 1)], Duration::from_secs(seconds));
        }
        let times: Vec<u64> = stream.ledger().iter().map(|stored| stored.at.as_secs()).collect();
        assert_eq!(times, [3, 3, 4, 4]);
    }

    #[test]
    fn a_throttled_entry_leaves_its_room_to_a_smaller_one() {
        let limits = ShardLimits { bytes_per_second: 100, records_per_second: 10 };
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

    #[test]
    fn the_largest_record_can_be_set_and_changed() {
        let large = [entry(HashKey::MIN, 3 * 1_048_576)];
        let size = MaxRecordSize::from_kib(3 * 1_024).expect("3 MiB lies between 1 and 10");
        let mut stream = Stream::new(options(1).max_record_size(size));
        assert!(put(&mut stream, &large, SECOND)[0].is_ok());
        // Three seconds' worth came out of one: two more seconds pass before the next byte.
        let small = [entry(HashKey::MIN, 1)];
        assert!(put(&mut stream, &small, 3 * SECOND)[0].is_err());
        assert!(put(&mut stream, &small, 3 * SECOND + SECOND / 1_000)[0].is_ok());

        assert_eq!(stream.update_max_record_size(MaxRecordSize::DEFAULT, 9 * SECOND), Ok(()));
        let faults = EntryFaults::default();
        let refused = stream.put_records(&name(), &large, &faults, 9 * SECOND);
        let code = refused.expect_err("it is above 1 MiB now").code;
        assert_eq!(code, ErrorCode::InvalidArgumentException);
        assert_eq!(stream.update_max_record_size(MaxRecordSize::MAX, 9 * SECOND), Ok(()));
        assert!(put(&mut stream, &large, 9 * SECOND)[0].is_ok());
    }

    /// A stream of five shards after 400 requests of all kinds, and its answers.
    fn eventful() -> (Stream, Vec<(Vec<Entry>, EntryFaults, Results)>) {
        let limits = ShardLimits { bytes_per_second: 3_000, records_per_second: 40 };
        let mut stream = Stream::new(options(5).limits(limits));
        let mut random = Random::new(7);
        let mut now = Duration::from_secs(5);
        let mut answers = Vec::new();
        for _ in 0..400 {
            now += Duration::from_millis(random.below(120));
            now -= Duration::from_millis(random.below(20)).min(now);
            let entries: Vec<Entry> = (0..1 + random.below(20))
                .map(|_| entry(random.hash_key(), 1 + random.below(200) as usize))
                .collect();
            let faults = (0..random.below(4))
                .map(|_| {
                    let fault = match random.below(3) {
                        0 => EntryFault::Throttled,
                        kind => EntryFault::InternalFailure { stored: kind == 1 },
                    };
                    (random.below(20) as usize, fault)
                })
                .collect();
            let results = stream.put_records(&name(), &entries, &faults, now);
            answers.push((entries, faults, results.expect("a good request")));
        }
        (stream, answers)
    }

    #[test]
    fn the_ledger_and_the_answers_tell_the_same_story() {
        let (stream, answers) = eventful();
        let mut ledger = stream.ledger().iter();
        let mut throttled = 0;
        for (request, (entries, faults, results)) in (0..).zip(&answers) {
            assert_eq!(results.len(), entries.len());
            for (index, (entry, result)) in entries.iter().zip(results).enumerate() {
                let fault = faults.get(index);
                let hidden = fault == Some(EntryFault::InternalFailure { stored: true });
                throttled += u64::from(result.as_ref().is_err_and(|error| {
                    error.code == ErrorCode::ProvisionedThroughputExceededException
                }));
                assert!(fault.is_none() || result.is_err());
                if result.is_err() && !hidden {
                    continue;
                }
                let stored = ledger.next().expect("the ledger has what was answered");
                assert_eq!((stored.request, stored.index, &stored.entry), (request, index, entry));
                assert_eq!(&stored.placement.shard, stream.shard_of(entry.hash_key()).id());
                assert!(hidden || *result == Ok(stored.placement.clone()));
            }
        }
        assert_eq!(ledger.next(), None, "the ledger has no more than what was answered");
        assert!(stream.ledger().len() > 1_000 && throttled > 500, "the test met both");
        assert_eq!(stream.shards().iter().map(Shard::throttled).sum::<u64>(), throttled);
        for shard in stream.shards() {
            let of_shard = stream.ledger().iter().filter(|s| s.placement.shard == *shard.id());
            let (records, bytes) = of_shard
                .fold((0, 0), |(records, bytes), s| (records + 1, bytes + s.entry.size() as u64));
            assert_eq!((shard.records(), shard.bytes()), (records, bytes));
        }
    }

    #[test]
    fn sequence_numbers_rise_in_the_order_of_the_ledger() {
        let (stream, _) = eventful();
        let numbers: Vec<&str> =
            stream.ledger().iter().map(|s| s.placement.sequence_number.as_str()).collect();
        assert!(numbers.iter().all(|number| number.len() == 56 && !number.starts_with('0')));
        // With equally many digits, the order of texts is the order of numbers.
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn the_same_calls_give_the_same_answers() {
        let [(first, first_answers), (second, second_answers)] = [eventful(), eventful()];
        assert_eq!(first.ledger(), second.ledger());
        assert!(first_answers == second_answers);
    }

    /// Decides again, from the ledger alone: the level of a bucket is followed over all that its
    /// shard stored before, with signed numbers and without the code of the buckets.
    #[test]
    fn limits_decide_as_a_replay_of_the_ledger_does() {
        let limits = ShardLimits { bytes_per_second: 2_500, records_per_second: 30 };
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

    #[test]
    fn debug_prints_no_records() {
        let mut stream = Stream::new(options(2));
        put(&mut stream, &[entry(HashKey::MIN, 5)], SECOND);
        assert_eq!(
            format!("{stream:?}"),
            "Stream { name: StreamName(\"orders\"), now: 1s, requests: 1, ledger: 1 records, \
             shards: 2 }"
        );
    }
}
