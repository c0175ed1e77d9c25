use core::num::NonZeroU32;

use headwaters_wire::HashKeyRange;

/// Divides the hash keys evenly among `count` shards, in ascending order, as CreateStream does.
pub(crate) fn divide(count: NonZeroU32) -> impl Iterator<Item = HashKeyRange> {
    (0..count.get()).filter_map(move |index| HashKeyRange::of_even_shard(index, count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec::Vec;
    use headwaters_wire::HashKey;

    fn ranges(count: u32) -> Vec<HashKeyRange> {
        divide(NonZeroU32::new(count).expect("the tests ask for shards")).collect()
    }

    #[test]
    fn ranges_cover_everything_without_gap_or_overlap() {
        for count in [1, 2, 3, 4, 5, 7, 16, 100, 1_000, 4_096, 9_999] {
            let ranges = ranges(count);
            assert_eq!(ranges.len(), count as usize);
            assert_eq!(ranges[0].start(), HashKey::MIN);
            assert_eq!(ranges[ranges.len() - 1].end(), HashKey::MAX);
            for pair in ranges.windows(2) {
                assert_eq!(pair[0].end().value() + 1, pair[1].start().value(), "{count} shards");
            }
        }
    }

    #[test]
    fn ranges_differ_by_less_than_the_number_of_shards() {
        for count in [2, 3, 5, 7, 16, 1_000] {
            let widths: Vec<u128> = ranges(count)
                .iter()
                .map(|range| range.end().value() - range.start().value())
                .collect();
            let smallest = widths[0];
            let (last, others) = widths.split_last().expect("there is a shard");
            assert!(others.iter().all(|&width| width == smallest));
            assert!(last - smallest < u128::from(count), "{count} shards");
        }
    }

    /// The ends that the service reports for streams of one, two and three shards.
    #[test]
    fn ends_are_those_of_the_service() {
        let ends = |count| -> Vec<_> {
            ranges(count).iter().map(|range| range.end().to_string()).collect()
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
}
