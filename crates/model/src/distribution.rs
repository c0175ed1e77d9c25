/// What decides in which shard a record is stored. Source: UpdateStreamRecordDistributionStrategy,
/// `RecordDistributionStrategy`.
///
/// The service gives this choice for on-demand streams alone; the model has no modes and gives it
/// for every stream.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the two strategies that the service has")]
pub enum Distribution {
    /// The service: partition keys and explicit hash keys decide nothing, and records spread evenly
    /// over the open shards. The service's name for it is `AUTO`.
    ///
    /// The service does not say by which rule. In the model the shards take turns in the order of
    /// their ranges, from request to request and across reshards; one without room for the record
    /// is passed over. If no shard has room, the one whose turn it is throttles.
    Auto,
    /// The producer, by the partition key or the explicit hash key of the entry, as it is unless
    /// something else is said. The service's name for it is `USER_PARTITION_KEY`.
    #[default]
    UserPartitionKey,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Random, Results, entry, id, middle, name, open, options, put};
    use crate::{EntryFault, EntryFaults, Handover, Metering, Shard, ShardLimits, Stream};
    use alloc::vec;
    use alloc::vec::Vec;
    use core::time::Duration;
    use headwaters_wire::{Entry, ErrorCode, HashKey};

    const SECOND: Duration = Duration::from_secs(1);

    /// The numbers of the shards that stored the entries; `None` for what failed.
    fn placed(results: &Results) -> Vec<Option<u64>> {
        results.iter().map(|result| result.as_ref().ok().and_then(|it| it.shard.number())).collect()
    }

    /// Puts as many small entries of one hash key, and says where they are.
    fn put_alike(stream: &mut Stream, count: usize, now: Duration) -> Vec<Option<u64>> {
        placed(&put(stream, &vec![entry(HashKey::MIN, 1); count], now))
    }

    fn auto(shards: u32, limits: ShardLimits) -> Stream {
        Stream::new(options(shards).limits(limits).distribution(Distribution::Auto))
    }

    const TWO_RECORDS: ShardLimits =
        ShardLimits { bytes_per_second: 100, metering: Metering::Bucket, records_per_second: 2 };

    #[test]
    fn keys_decide_by_default_and_the_service_where_it_is_said() {
        let mut stream = Stream::new(options(3));
        assert_eq!(put_alike(&mut stream, 3, SECOND), [Some(0); 3]);
        let mut stream = Stream::new(options(3).distribution(Distribution::Auto));
        assert_eq!(put_alike(&mut stream, 4, SECOND), [0, 1, 2, 0].map(Some));
        assert_eq!(put_alike(&mut stream, 4, SECOND), [1, 2, 0, 1].map(Some), "the turns go on");
        let plain = Entry { explicit_hash_key: None, ..entry(HashKey::MIN, 1) };
        let results = put(&mut stream, &vec![plain; 3], SECOND);
        assert_eq!(placed(&results), [2, 0, 1].map(Some), "partition keys do not decide either");
    }

    #[test]
    fn a_change_takes_effect_at_once_and_both_ways() {
        let mut stream = Stream::new(options(2));
        let strategies = [Distribution::Auto, Distribution::UserPartitionKey, Distribution::Auto];
        let spread = strategies.map(|strategy| {
            assert_eq!(stream.update_distribution(strategy, SECOND), Ok(()));
            put_alike(&mut stream, 4, SECOND)
        });
        let in_turn = [0, 1, 0, 1].map(Some);
        assert_eq!(spread, [in_turn, [Some(0); 4], in_turn]);
    }

    #[test]
    fn a_change_is_refused_while_another_is_under_way() {
        let mut stream = Stream::new(options(2));
        let handover = Handover::ParentUntilDone { until: 9 * SECOND };
        assert_eq!(stream.merge(&id(0), &id(1), handover, SECOND), Ok(()));
        let refused = stream.update_distribution(Distribution::Auto, 8 * SECOND);
        let code = refused.map_err(|error| error.code);
        assert_eq!(code, Err(ErrorCode::ResourceInUseException));
        assert_eq!(put_alike(&mut stream, 3, 8 * SECOND), [Some(0); 3], "nothing has changed");
        assert_eq!(stream.update_distribution(Distribution::Auto, 9 * SECOND), Ok(()));
    }

    #[test]
    fn a_shard_without_room_is_passed_over_until_none_has_any() {
        let mut stream = auto(3, TWO_RECORDS);
        let key_of_1 = stream.shards()[1].range().start();
        assert_eq!(stream.update_distribution(Distribution::UserPartitionKey, SECOND), Ok(()));
        put(&mut stream, &vec![entry(key_of_1, 1); 2], SECOND);
        assert_eq!(stream.update_distribution(Distribution::Auto, SECOND), Ok(()));
        let results = put(&mut stream, &vec![entry(key_of_1, 1); 7], SECOND);
        let [a, b] = [Some(0), Some(2)];
        assert_eq!(placed(&results), [a, b, a, b, None, None, None]);
        let throttled: Vec<u64> = stream.shards().iter().map(Shard::throttled).collect();
        assert_eq!(throttled, [1, 1, 1], "the shards take turns in throttling, too");
        let codes: Vec<_> =
            results.iter().skip(4).map(|r| r.as_ref().map_err(|e| &e.code)).collect();
        assert_eq!(codes, [Err(&ErrorCode::ProvisionedThroughputExceededException); 3]);
    }

    #[test]
    fn room_is_asked_for_by_size() {
        let mut stream = auto(2, ShardLimits { records_per_second: 10, ..TWO_RECORDS });
        let entries = [60, 10, 60, 40, 31, 30].map(|size| entry(HashKey::MIN, size));
        // Shard 0 has 40 bytes left after the first, and shard 1 has 30 after the third.
        let results = put(&mut stream, &entries, SECOND);
        assert_eq!(
            placed(&results),
            [0, 1, 1, 0].map(Some).into_iter().chain([None, Some(1)]).collect::<Vec<_>>()
        );
    }

    #[test]
    fn faults_hit_their_entries_and_stored_ones_are_spread() {
        let mut stream = auto(2, TWO_RECORDS);
        let hidden = EntryFault::InternalFailure { stored: true };
        let faults = EntryFaults::from_iter([
            (0, hidden),
            (1, EntryFault::Throttled),
            (2, EntryFault::InternalFailure { stored: false }),
            (7, hidden),
        ]);
        let entries = vec![entry(HashKey::MIN, 1); 8];
        let results = stream.put_records(&name(), &entries, &faults, SECOND);
        let results = results.expect("a good request");
        assert_eq!(placed(&results), [None, None, None, Some(1), Some(0), Some(1), None, None]);
        let stored: Vec<usize> = stream.ledger().iter().map(|stored| stored.index).collect();
        assert_eq!(stored, [0, 3, 4, 5, 7], "the last one goes into debt");
        assert_eq!(stream.shards().iter().map(Shard::records).sum::<u64>(), 5);
    }

    #[test]
    fn parents_take_turns_until_their_children_do() {
        let mut stream = Stream::new(options(2).distribution(Distribution::Auto));
        let at = middle(&stream, &id(0));
        let handover = Handover::ParentUntilDone { until: 9 * SECOND };
        assert_eq!(stream.split(&id(0), at, handover, SECOND), Ok(()));
        assert_eq!(put_alike(&mut stream, 4, 8 * SECOND), [0, 1, 0, 1].map(Some));
        let mut taken = put_alike(&mut stream, 3, 9 * SECOND);
        taken.sort_unstable();
        assert_eq!((taken, open(&stream)), ([1, 2, 3].map(Some).into(), vec![2, 3, 1]));
        assert_eq!(stream.merge(&id(2), &id(3), Handover::ChildrenAtOnce, 9 * SECOND), Ok(()));
        let mut taken = put_alike(&mut stream, 2, 9 * SECOND);
        taken.sort_unstable();
        assert_eq!((taken, open(&stream)), ([1, 4].map(Some).into(), vec![4, 1]));
    }

    /// Whatever the keys, and however the records are divided among requests.
    #[test]
    fn shards_of_one_age_differ_by_one_record_at_most() {
        let mut random = Random::new(23);
        for shards in [1, 2, 5, 16, 100] {
            let options = options(shards).unlimited().distribution(Distribution::Auto);
            let mut stream = Stream::new(options);
            for _ in 0..50 {
                let entries: Vec<Entry> =
                    (0..1 + random.below(30)).map(|_| entry(random.hash_key(), 1)).collect();
                put(&mut stream, &entries, SECOND);
                let records = stream.shards().iter().map(Shard::records);
                let (fewest, most) = (records.clone().min(), records.max());
                assert!(most <= fewest.map(|fewest| fewest + 1), "{shards}: {fewest:?}, {most:?}");
            }
        }
    }
}
