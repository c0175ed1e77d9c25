mod listing;
mod putting;
mod resharding;

use alloc::vec::{self, Vec};
use core::time::Duration;
use core::{fmt, mem};

use headwaters_wire::limits::REQUEST_ENTRIES_MAX;
use headwaters_wire::{AttemptError, HashKey, SequenceNumber, ShardId, StreamName};

use self::resharding::Pending;
use crate::generations::Generations;
use crate::sequence_numbers::SequenceNumbers;
use crate::{Distribution, MaxRecordSize, Shard, Stored, StreamOptions, errors};

/// A deterministic model of one stream: requests in, answers out, and a ledger of what was stored.
///
/// Commands: [`advance`](Self::advance), [`drain_ledger`](Self::drain_ledger),
/// [`list_shards`](Self::list_shards), [`merge`](Self::merge),
/// [`next_sequence_number`](Self::next_sequence_number), [`put_records`](Self::put_records),
/// [`refuse`](Self::refuse), [`resume_after`](Self::resume_after), [`split`](Self::split),
/// [`take_ledger`](Self::take_ledger),
/// [`update_distribution`](Self::update_distribution),
/// [`update_max_record_size`](Self::update_max_record_size),
/// [`update_shard_count`](Self::update_shard_count). Getters:
/// [`closed_shards`](Self::closed_shards), [`ledger`](Self::ledger), [`name`](Self::name),
/// [`requests`](Self::requests), [`shard`](Self::shard), [`shard_of`](Self::shard_of),
/// [`shards`](Self::shards).
///
/// Every command about requests and shards takes the time at which it comes, as `now`, from an origin of
/// the caller's. If it lies before that of an earlier command, the earlier time is taken instead.
/// Getters say what holds at the time of the last command.
///
/// `Debug` prints how much there is, not the records.
#[derive(Clone)]
pub struct Stream {
    distribution: Distribution,
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
        let StreamOptions { distribution, limits, max_record_size, name, shards } = options;
        Self {
            distribution,
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

    /// Hands out what is in the ledger, as [`take_ledger`](Self::take_ledger) does, and keeps its room: for
    /// callers who keep the records themselves.
    pub fn drain_ledger(&mut self) -> vec::Drain<'_, Stored> {
        self.ledger.drain(..)
    }

    /// The sequence number whose turn it is: no record gets it. It says where a shard begins or ends.
    pub fn next_sequence_number(&mut self) -> SequenceNumber {
        self.sequence_numbers.take()
    }

    /// Gives records numbers above `last` from now on: for a stream that goes on where another one of its
    /// name ended. A number that is not above all that were given does nothing.
    pub fn resume_after(&mut self, last: &SequenceNumber) {
        self.sequence_numbers.resume_after(last);
    }

    /// Hands out the ledger and begins an empty one, so that what has been looked at need not be
    /// kept. What is taken, put end to end, is what [`ledger`](Self::ledger) would have been; the
    /// counts of shards and requests go on, and so do the sequence numbers.
    pub fn take_ledger(&mut self) -> Vec<Stored> {
        // Who takes it time and again takes about as much each time.
        let room = self.ledger.len().min(REQUEST_ENTRIES_MAX);
        mem::replace(&mut self.ledger, Vec::with_capacity(room))
    }

    /// Sets at `now` what decides in which shards records are stored from then on, as
    /// UpdateStreamRecordDistributionStrategy does.
    ///
    /// # Errors
    /// Nothing changes if another change is under way (`ResourceInUseException`).
    pub fn update_distribution(
        &mut self,
        distribution: Distribution,
        now: Duration,
    ) -> Result<(), AttemptError> {
        self.advance(now);
        self.check_active()?;
        self.distribution = distribution;
        Ok(())
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

    /// Every record that was stored and not [taken](Self::take_ledger), in the order of storing,
    /// which is that of the sequence numbers, within each shard and across all generations of
    /// shards.
    ///
    /// A shard's records, in the order in which they came to it, are those that have its id in
    /// [`placement`](Stored::placement).
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

    /// The open shard that `key` belongs to, which is where its records go under
    /// [`Distribution::UserPartitionKey`].
    pub fn shard_of(&self, key: HashKey) -> &Shard {
        self.generations.at(key)
    }

    /// The open shards, in the order of their ranges, which cover all hash keys without overlap.
    pub fn shards(&self) -> &[Shard] {
        self.generations.open()
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
    use crate::testing::{Random, Results, entry, name, options, put};
    use crate::{EntryFault, EntryFaults, ShardLimits};
    use alloc::format;
    use headwaters_wire::{Entry, ErrorCode};

    const SECOND: Duration = Duration::from_secs(1);

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
    fn a_clock_that_goes_back_leaves_the_stream_at_its_latest_time() {
        let mut stream = Stream::new(options(1));
        for seconds in [3, 1, 4, 0] {
            put(&mut stream, &[entry(HashKey::MIN, 1)], Duration::from_secs(seconds));
        }
        let times: Vec<u64> = stream.ledger().iter().map(|stored| stored.at.as_secs()).collect();
        assert_eq!(times, [3, 3, 4, 4]);
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
        eventful_with(|_| {})
    }

    /// The same, with a look at the stream after each request.
    fn eventful_with(
        mut look: impl FnMut(&mut Stream),
    ) -> (Stream, Vec<(Vec<Entry>, EntryFaults, Results)>) {
        let limits = ShardLimits {
            bytes_per_second: 3_000,
            records_per_second: 40,
            ..ShardLimits::default()
        };
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
            look(&mut stream);
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

    #[test]
    fn a_ledger_that_is_taken_bit_by_bit_is_the_same_ledger() {
        let (kept, answers) = eventful();
        let (mut taken, mut requests) = (Vec::new(), 0_u32);
        let (mut rest, same_answers) = eventful_with(|stream| {
            requests += 1;
            if requests.is_multiple_of(7) {
                taken.extend(stream.take_ledger());
                assert!(stream.ledger().is_empty());
            }
        });
        assert!(!rest.ledger().is_empty(), "some came after the last time");
        taken.extend(rest.take_ledger());
        assert_eq!(taken, kept.ledger());
        assert!(answers == same_answers);
        let counts = |stream: &Stream| -> Vec<_> {
            stream.shards().iter().map(|s| (s.records(), s.bytes(), s.throttled())).collect()
        };
        assert_eq!(counts(&rest), counts(&kept));
        assert_eq!(rest.requests(), kept.requests());
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
