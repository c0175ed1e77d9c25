//! How the shards of a stream change.

use core::num::NonZeroU32;
use core::time::Duration;

use headwaters_wire::{AttemptError, HashKey, ShardId};

use super::Stream;
use crate::reshard::Reshard;
use crate::{Handover, Shard, errors};

/// A change that is not done yet.
#[derive(Clone)]
pub(super) struct Pending {
    pub(super) reshard: Reshard,
    pub(super) until: Duration,
}

impl Stream {
    /// SplitShard at `now`: two new shards take over from `shard`, the upper one of which starts
    /// with `new_starting`.
    ///
    /// # Errors
    /// Nothing changes if there is no open shard of this id (`ResourceNotFoundException`), if
    /// `new_starting` does not lie above the second and below the last hash key of the shard
    /// (`InvalidArgumentException`), or if another change is under way (`ResourceInUseException`);
    /// the first of these counts.
    pub fn split(
        &mut self,
        shard: &ShardId,
        new_starting: HashKey,
        handover: Handover,
        now: Duration,
    ) -> Result<(), AttemptError> {
        self.advance(now);
        let reshard = Reshard::split(self.open_shard(shard)?, new_starting, &self.name)?;
        self.reshard(reshard, handover)
    }

    /// MergeShards at `now`: one new shard takes over from `shard` and from `adjacent`, whose range
    /// must begin where that of `shard` ends.
    ///
    /// # Errors
    /// Nothing changes if one of them is no open shard (`ResourceNotFoundException`), if `adjacent`
    /// does not follow `shard` (`InvalidArgumentException`; the service wants this order, too), or
    /// if another change is under way (`ResourceInUseException`); the first of these counts.
    pub fn merge(
        &mut self,
        shard: &ShardId,
        adjacent: &ShardId,
        handover: Handover,
        now: Duration,
    ) -> Result<(), AttemptError> {
        self.advance(now);
        let (shard, adjacent) = (self.open_shard(shard)?, self.open_shard(adjacent)?);
        let reshard = Reshard::merge(shard, adjacent, &self.name)?;
        self.reshard(reshard, handover)
    }

    /// UpdateShardCount at `now`, as on-demand streams also do by themselves: `target` shards with
    /// even ranges take over from the open ones, except from those whose ranges fit already.
    ///
    /// All of it is one change: the short-lived shards that the service makes on the way are left
    /// out, and so is its rule that the target be at most double and at least half of the count.
    ///
    /// # Errors
    /// Nothing changes if another change is under way (`ResourceInUseException`).
    pub fn update_shard_count(
        &mut self,
        target: NonZeroU32,
        handover: Handover,
        now: Duration,
    ) -> Result<(), AttemptError> {
        self.advance(now);
        self.reshard(Reshard::even(self.shards(), target), handover)
    }

    fn reshard(&mut self, reshard: Reshard, handover: Handover) -> Result<(), AttemptError> {
        self.check_active()?;
        let until = match handover {
            Handover::ChildrenAtOnce => self.now,
            Handover::ParentUntilDone { until } => until,
        };
        self.pending = Some(Pending { reshard, until });
        self.settle();
        Ok(())
    }

    /// A stream takes one change at a time.
    pub(super) fn check_active(&self) -> Result<(), AttemptError> {
        if self.pending.is_some() { Err(errors::updating(&self.name)) } else { Ok(()) }
    }

    /// Ends the change that is under way if its time has come.
    pub(super) fn settle(&mut self) {
        if let Some(Pending { reshard, .. }) = self.pending.take_if(|it| it.until <= self.now) {
            self.generations.replace(reshard);
        }
    }

    fn open_shard(&self, id: &ShardId) -> Result<&Shard, AttemptError> {
        self.generations.open_shard(id).ok_or_else(|| errors::no_such_shard(id, &self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Random, entry, id, middle, open, options, put};
    use crate::{MaxRecordSize, ShardLimits, Stored};
    use alloc::collections::BTreeMap;
    use alloc::vec;
    use alloc::vec::Vec;
    use headwaters_wire::{ErrorCode, HashKeyRange};

    const AT_ONCE: Handover = Handover::ChildrenAtOnce;
    const SECOND: Duration = Duration::from_secs(1);

    fn split(stream: &mut Stream, number: u64, now: Duration) {
        let at = middle(stream, &id(number));
        stream.split(&id(number), at, AT_ONCE, now).expect("an open shard is split in the middle");
    }

    /// The shard that a record with this hash key is stored in.
    fn shard_of_put(stream: &mut Stream, key: HashKey, now: Duration) -> ShardId {
        let result = put(stream, &[entry(key, 1)], now).remove(0);
        result.expect("there is room").shard
    }

    #[test]
    fn a_split_makes_two_children_that_take_over_at_once() {
        let mut stream = Stream::new(options(3));
        let parent = stream.shards()[1].clone();
        let at = middle(&stream, &id(1));
        let below = HashKey::new(at.value() - 1);
        assert_eq!(shard_of_put(&mut stream, at, SECOND), id(1));
        assert_eq!(stream.split(&id(1), at, AT_ONCE, SECOND), Ok(()));

        assert_eq!(open(&stream), [0, 3, 4, 2]);
        let ranges = [&stream.shards()[1], &stream.shards()[2]].map(Shard::range);
        let [start, end] = [parent.range().start(), parent.range().end()];
        assert_eq!(ranges.map(Some), [HashKeyRange::new(start, below), HashKeyRange::new(at, end)]);
        for (key, child) in [(start, 3), (below, 3), (at, 4), (end, 4)] {
            assert_eq!(shard_of_put(&mut stream, key, SECOND), id(child));
        }
        let closed: Vec<&Shard> = stream.closed_shards().collect();
        assert_eq!(closed.iter().map(|shard| shard.id()).collect::<Vec<_>>(), [&id(1)]);
        assert_eq!((closed[0].range(), closed[0].records()), (parent.range(), 1));
        assert_eq!(stream.shard(&id(1)).map(Shard::records), Some(1));
        assert!(stream.shard(&id(5)).is_none());
    }

    #[test]
    fn a_merge_makes_one_child() {
        let mut stream = Stream::new(options(3));
        let upper = stream.shards()[2].range();
        let start = stream.shards()[1].range().start();
        assert_eq!(stream.merge(&id(1), &id(2), AT_ONCE, SECOND), Ok(()));
        assert_eq!(open(&stream), [0, 3]);
        assert_eq!(Some(stream.shards()[1].range()), HashKeyRange::new(start, upper.end()));
        assert_eq!(shard_of_put(&mut stream, HashKey::MAX, SECOND), id(3));
        assert_eq!(stream.shard(&id(2)).map(Shard::range), Some(upper));
    }

    #[test]
    fn parents_take_records_until_the_change_is_done() {
        let until = 10 * SECOND;
        let handover = Handover::ParentUntilDone { until };
        let nearly = until - Duration::from_nanos(1);
        let mut stream = Stream::new(options(2));
        assert_eq!(stream.merge(&id(0), &id(1), handover, SECOND), Ok(()));
        for now in [SECOND, 5 * SECOND, nearly] {
            assert_eq!(shard_of_put(&mut stream, HashKey::MIN, now), id(0));
            assert_eq!(shard_of_put(&mut stream, HashKey::MAX, now), id(1));
            assert_eq!((open(&stream), stream.closed_shards().count()), (vec![0, 1], 0));
            assert!(stream.shard(&id(2)).is_none(), "the child is not there yet");
        }
        assert_eq!(shard_of_put(&mut stream, HashKey::MIN, until), id(2));
        assert_eq!((open(&stream), stream.closed_shards().count()), (vec![2], 2));
        let records = [0, 1, 2].map(|number| stream.shard(&id(number)).map(Shard::records));
        assert_eq!(records, [Some(3), Some(3), Some(1)]);
    }

    #[test]
    fn a_change_is_done_when_time_passes_it_or_when_it_lies_in_the_past() {
        let mut stream = Stream::new(options(1));
        let at = middle(&stream, &id(0));
        let handover = Handover::ParentUntilDone { until: 10 * SECOND };
        assert_eq!(stream.split(&id(0), at, handover, SECOND), Ok(()));
        stream.advance(9 * SECOND);
        assert_eq!(open(&stream), [0]);
        stream.advance(60 * SECOND);
        assert_eq!(open(&stream), [1, 2]);
        // The clock of the stream stands at 60 s, whatever the caller says.
        assert_eq!(stream.merge(&id(1), &id(2), handover, SECOND), Ok(()));
        assert_eq!(open(&stream), [3]);
    }

    #[test]
    fn one_change_at_a_time() {
        let mut stream = Stream::new(options(4));
        let handover = Handover::ParentUntilDone { until: 10 * SECOND };
        let two = NonZeroU32::new(2).expect("2 is not 0");
        let at = middle(&stream, &id(2));
        assert_eq!(stream.merge(&id(0), &id(1), handover, SECOND), Ok(()));
        let now = 9 * SECOND;
        let refused = [
            stream.split(&id(2), at, AT_ONCE, now),
            stream.merge(&id(2), &id(3), AT_ONCE, now),
            stream.update_shard_count(two, AT_ONCE, now),
            stream.update_max_record_size(MaxRecordSize::MAX, now),
        ];
        for refused in refused {
            let code = refused.map_err(|error| error.code);
            assert_eq!(code, Err(ErrorCode::ResourceInUseException));
        }
        assert_eq!(open(&stream), [0, 1, 2, 3]);
        assert_eq!(stream.split(&id(2), at, AT_ONCE, 10 * SECOND), Ok(()));
        assert_eq!(open(&stream), [4, 5, 6, 3]);
        assert_eq!(stream.update_max_record_size(MaxRecordSize::MAX, 10 * SECOND), Ok(()));
        assert_eq!(stream.update_shard_count(two, AT_ONCE, 10 * SECOND), Ok(()));
    }

    #[test]
    fn wrong_changes_are_refused_and_change_nothing() {
        let mut stream = Stream::new(options(4));
        split(&mut stream, 3, SECOND);
        let range = stream.shards()[1].range();
        let [start, end] = [range.start(), range.end()].map(HashKey::value);
        let expect = |result: Result<(), AttemptError>, code| {
            assert_eq!(result.map_err(|error| error.code), Err(code));
        };
        for key in [0, start - 1, start, start + 1, end, end + 1, u128::MAX] {
            let refused = stream.split(&id(1), HashKey::new(key), AT_ONCE, SECOND);
            expect(refused, ErrorCode::InvalidArgumentException);
        }
        let named: ShardId = "blue.1".parse().expect("a valid id");
        // Number 3 is closed, and 6 was never there.
        for missing in [&id(3), &id(6), &named] {
            let not_found = ErrorCode::ResourceNotFoundException;
            expect(stream.split(missing, HashKey::new(7), AT_ONCE, SECOND), not_found.clone());
            expect(stream.merge(missing, &id(0), AT_ONCE, SECOND), not_found.clone());
            expect(stream.merge(&id(0), missing, AT_ONCE, SECOND), not_found);
        }
        for (shard, adjacent) in [(0, 2), (1, 0), (1, 1), (5, 0)] {
            let refused = stream.merge(&id(shard), &id(adjacent), AT_ONCE, SECOND);
            expect(refused, ErrorCode::InvalidArgumentException);
        }
        assert_eq!(open(&stream), [0, 1, 2, 4, 5]);
        assert_eq!(stream.split(&id(1), HashKey::new(end - 1), AT_ONCE, SECOND), Ok(()));
        assert_eq!(stream.split(&id(0), HashKey::new(2), AT_ONCE, SECOND), Ok(()));
        assert_eq!(open(&stream), [8, 9, 6, 7, 2, 4, 5], "refused changes use up no ids");
    }

    #[test]
    fn children_start_with_all_their_room() {
        let limits = ShardLimits {
            bytes_per_second: 1_000,
            records_per_second: 10,
            ..ShardLimits::default()
        };
        let mut stream = Stream::new(options(2).limits(limits));
        let stored = |stream: &mut Stream, key| {
            let results = put(stream, &vec![entry(key, 1); 20], SECOND);
            results.iter().filter(|result| result.is_ok()).count()
        };
        let keys = [HashKey::MIN, HashKey::new(middle(&stream, &id(0)).value())];
        assert_eq!([stored(&mut stream, keys[0]), stored(&mut stream, HashKey::MAX)], [10, 10]);
        split(&mut stream, 0, SECOND);
        assert_eq!(keys.map(|key| stored(&mut stream, key)), [10, 10]);
        assert_eq!(stored(&mut stream, HashKey::MAX), 0, "the other shard goes on as it was");
        assert_eq!(stream.merge(&id(2), &id(3), AT_ONCE, SECOND), Ok(()));
        assert_eq!(stored(&mut stream, HashKey::MIN), 10);
        let counts = [0, 2, 3, 4].map(|number| {
            stream.shard(&id(number)).map(|shard| (shard.records(), shard.throttled()))
        });
        assert_eq!(counts, [Some((10, 10)); 4], "each generation keeps its counts");
    }

    #[test]
    fn a_new_shard_count_makes_even_ranges_and_leaves_what_fits() {
        let mut stream = Stream::new(options(4));
        let mut next = 4;
        for count in [8, 4, 5, 3, 1, 2] {
            let count = NonZeroU32::new(count).expect("the counts are not 0");
            assert_eq!(stream.update_shard_count(count, AT_ONCE, SECOND), Ok(()));
            let numbers: Vec<u64> = (next..next + u64::from(count.get())).collect();
            assert_eq!(open(&stream), numbers);
            let ranges = stream.shards().iter().map(Shard::range);
            assert!(ranges.eq(crate::ranges::divide(count)));
            next += u64::from(count.get());
        }
        split(&mut stream, next - 2, SECOND);
        assert_eq!(open(&stream), [next, next + 1, next - 1]);
        let two = NonZeroU32::new(2).expect("2 is not 0");
        for _ in 0..2 {
            assert_eq!(stream.update_shard_count(two, AT_ONCE, SECOND), Ok(()));
            assert_eq!(open(&stream), [next + 2, next - 1], "the upper half fits already");
        }
    }

    /// What came of the changes and of the records of a run.
    #[derive(Debug, Default, Eq, PartialEq)]
    struct Story {
        changes: Vec<Result<(), ErrorCode>>,
        /// Where each record was stored.
        placed: Vec<ShardId>,
    }

    /// Changes of all kinds at random, and records among them; `check` sees every state.
    fn eventful(seed: u64, mut check: impl FnMut(&Stream)) -> (Stream, Story) {
        let mut random = Random::new(seed);
        let mut stream = Stream::new(options(1 + random.below(6) as u32).unlimited());
        let (mut now, mut story) = (Duration::ZERO, Story::default());
        for _ in 0..300 {
            now += Duration::from_millis(random.below(400));
            stream.advance(now);
            let until = now + Duration::from_millis(random.below(1_000));
            let handover = match random.below(2) {
                0 => AT_ONCE,
                _ => Handover::ParentUntilDone { until },
            };
            let at = random.below(stream.shards().len() as u64) as usize;
            let shard = stream.shards()[at].id().clone();
            let outcome = match random.below(40) {
                0 => {
                    let target = NonZeroU32::MIN.saturating_add(random.below(12) as u32);
                    stream.update_shard_count(target, handover, now)
                }
                1..20 => match stream.shards().get(at + 1).map(|next| next.id().clone()) {
                    Some(adjacent) => stream.merge(&shard, &adjacent, handover, now),
                    None => continue,
                },
                _ => {
                    // Mostly inside the shard; sometimes, and at its ends, not.
                    let keys = [middle(&stream, &shard), random.hash_key()];
                    let key = keys[usize::from(random.below(5) == 0)];
                    stream.split(&shard, key, handover, now)
                }
            };
            story.changes.push(outcome.map_err(|error| error.code));
            for _ in 0..random.below(4) {
                let key = random.hash_key();
                let placed = shard_of_put(&mut stream, key, now);
                let open = stream.shards().iter().find(|shard| shard.range().contains(key));
                assert_eq!(open.map(Shard::id), Some(&placed), "the open shard of the key");
                assert_eq!(stream.shard_of(key).id(), &placed);
                story.placed.push(placed);
            }
            check(&stream);
        }
        (stream, story)
    }

    #[test]
    fn open_shards_cover_everything_after_any_changes() {
        let (mut fewest, mut most) = (usize::MAX, 0);
        let mut met = [0; 3];
        for seed in 0..40 {
            let mut known: BTreeMap<ShardId, HashKeyRange> = BTreeMap::new();
            let (stream, story) = eventful(seed, |stream| {
                let shards = stream.shards();
                let (first, last) = (&shards[0], &shards[shards.len() - 1]);
                assert_eq!(first.range().start(), HashKey::MIN);
                assert_eq!(last.range().end(), HashKey::MAX);
                for pair in shards.windows(2) {
                    let [end, start] = [pair[0].range().end(), pair[1].range().start()];
                    assert_eq!(end.value().checked_add(1), Some(start.value()));
                }
                for shard in shards {
                    let range = *known.entry(shard.id().clone()).or_insert(shard.range());
                    assert_eq!(range, shard.range(), "a shard never changes its range");
                }
                (fewest, most) = (fewest.min(shards.len()), most.max(shards.len()));
            });
            for change in story.changes {
                met[match change {
                    Ok(()) => 0,
                    Err(ErrorCode::InvalidArgumentException) => 1,
                    Err(ErrorCode::ResourceInUseException) => 2,
                    Err(code) => panic!("{code} is no answer to a change of open shards"),
                }] += 1;
            }
            let closed = stream.closed_shards();
            let mut ever: Vec<&ShardId> =
                stream.shards().iter().chain(closed).map(Shard::id).collect();
            ever.sort();
            let numbers: Vec<ShardId> = (0..ever.len() as u64).map(id).collect();
            assert!(ever.into_iter().eq(&numbers), "ids count up, each is there once");
            for (id, range) in &known {
                assert_eq!(stream.shard(id).map(Shard::range), Some(*range));
            }
        }
        assert!(met.iter().all(|&count| count > 500), "{met:?}: done, wrong, at a wrong time");
        assert!(fewest == 1 && most > 20, "from {fewest} to {most} shards is one-sided");
    }

    #[test]
    fn records_go_to_the_open_shard_of_their_key_and_stay_there() {
        for seed in 0..10 {
            let (stream, story) = eventful(seed, |_| {});
            assert!(story.placed.len() > 300 && stream.closed_shards().count() > 20);
            assert!(stream.ledger().iter().map(|s| &s.placement.shard).eq(&story.placed));
            let mut records: BTreeMap<&ShardId, Vec<&Stored>> = BTreeMap::new();
            for stored in stream.ledger() {
                let shard = stream.shard(&stored.placement.shard).expect("it was there once");
                assert!(shard.range().contains(stored.entry.hash_key()));
                records.entry(shard.id()).or_default().push(stored);
            }
            for shard in stream.shards().iter().chain(stream.closed_shards()) {
                let records = records.get(shard.id()).map_or(0, Vec::len);
                assert_eq!(shard.records(), records as u64);
            }
            let numbers = stream.ledger().iter().map(|s| s.placement.sequence_number.as_str());
            assert!(numbers.is_sorted_by(|before, after| before < after));
        }
    }

    #[test]
    fn the_same_changes_give_the_same_stream() {
        for seed in 0..5 {
            let [(first, story), (second, again)] = [0, 1].map(|_| eventful(seed, |_| {}));
            assert_eq!(story, again);
            assert_eq!(first.ledger(), second.ledger());
            assert_eq!(open(&first), open(&second));
            let closed = |stream: &Stream| -> Vec<_> {
                stream.closed_shards().map(|s| (s.id().clone(), s.range(), s.records())).collect()
            };
            assert_eq!(closed(&first), closed(&second));
        }
    }
}
