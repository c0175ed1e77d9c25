use core::num::NonZeroU32;
use core::str::FromStr;

use headwaters::wire::limits::{SHARD_BYTES_PER_SECOND, SHARD_RECORDS_PER_SECOND};
use headwaters::wire::{HashKey, HashKeyRange};

/// The shards of a stream that divide the hash keys evenly, as CreateStream makes them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Shards(NonZeroU32);

/// Most shards of a stream: the largest quota that an account has by default. Source: developer
/// guide, quotas and limits.
const SHARDS_MAX: u32 = 20_000;

impl Shards {
    /// How many there are.
    pub(crate) const fn count(self) -> NonZeroU32 {
        self.0
    }

    /// The index of the shard that `key` belongs to.
    pub(crate) fn index_of(self, key: HashKey) -> u32 {
        let last = self.0.get() - 1;
        // How many hash keys the first has; an only shard has one more than a `u128` holds, which wraps to 0.
        let width = self.range(0).map_or(0, |first| first.end().value().wrapping_add(1));
        let index = key.value().checked_div(width).unwrap_or(0);
        u32::try_from(index).map_or(last, |index| index.min(last))
    }

    /// The hash keys of the shard at this index, if there is one.
    pub(crate) fn range(self, index: u32) -> Option<HashKeyRange> {
        HashKeyRange::of_even_shard(index, self.0)
    }
}

/// How many seconds one shard needs for so much: by records or by bytes, whichever is longer.
pub(crate) fn shard_seconds(records: u64, bytes: u64) -> f64 {
    let records = records as f64 / SHARD_RECORDS_PER_SECOND as f64;
    records.max(bytes as f64 / SHARD_BYTES_PER_SECOND as f64)
}

impl FromStr for Shards {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let count = text.parse().ok().filter(|count: &NonZeroU32| count.get() <= SHARDS_MAX);
        count.map(Self).ok_or_else(|| format!("SHARDS is a number from 1 to {SHARDS_MAX}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shards(count: u32) -> Shards {
        count.to_string().parse().expect("the tests ask for shards")
    }

    /// The ends that the service reports for streams of one, two and three shards.
    #[test]
    fn ends_are_those_of_the_service() {
        let ends = |count| -> Vec<_> {
            let range = |index| shards(count).range(index).expect("there is such a shard");
            (0..count).map(|index| range(index).end().to_string()).collect()
        };
        const MAX: &str = "340282366920938463463374607431768211455";
        assert_eq!(ends(1), [MAX]);
        assert_eq!(ends(2), ["170141183460469231731687303715884105727", MAX]);
        assert_eq!(
            ends(3),
            [
                "113427455640312821154458202477256070484",
                "226854911280625642308916404954512140969",
                MAX
            ]
        );
    }

    #[test]
    fn both_ends_of_each_shard_belong_to_it_and_the_next_begins_behind_it() {
        for count in [1, 2, 3, 7, 16, 1_000, SHARDS_MAX] {
            let shards = shards(count);
            let mut next = Some(0);
            for index in 0..count {
                let range = shards.range(index).expect("there is such a shard");
                assert_eq!(Some(range.start().value()), next);
                assert_eq!(shards.index_of(range.start()), index, "{count} shards");
                assert_eq!(shards.index_of(range.end()), index, "{count} shards");
                next = range.end().value().checked_add(1);
            }
            assert_eq!((next, shards.range(count)), (None, None));
        }
    }
}
