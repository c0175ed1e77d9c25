//! Streams that distribute records over their shards by themselves, whatever the keys: how the engine finds out, how
//! it goes on, and how it finds back.

use alloc::vec::Vec;

use headwaters_wire::{HashKey, ShardId};

use crate::engine::Engine;
use crate::lane::Lane;
use crate::lanes::Lanes;
use crate::time::Instant;

/// The stream distributes by itself: what speaks against it by now.
#[derive(Debug, Default)]
pub(crate) struct Scattered {
    /// How many records in a row, sent since the proof, were stored in shards to which they belong.
    in_row: u32,
}

/// How many records in a row must be stored where they belong before keys are taken to decide again. A service that
/// spreads them evenly over two shards, which is the case that is hardest to tell, gets so many right by chance once
/// in 2^64 times. With one shard everything is right, and aggregates are, too.
const IN_ROW: u32 = 64;

/// A Kinesis record that was stored.
pub(crate) struct Sighting<'a> {
    /// The hash key under which it was sent.
    pub(crate) hash_key: HashKey,
    /// Whether it was sent by the present map; while the stream is scattered, whether it was sent in that state.
    pub(crate) is_recent: bool,
    /// The lane that it left.
    pub(crate) lane: u32,
    /// Where it is.
    pub(crate) shard: &'a ShardId,
    /// When it was sent.
    pub(crate) start: Instant,
}

impl Engine {
    /// Whether a Kinesis record was stored in the shard that was foretold; if not, what that says of the shard map, or
    /// of the stream.
    pub(crate) fn check_shard(&mut self, sighting: &Sighting<'_>) -> bool {
        let &Sighting { hash_key, is_recent, lane, shard, start } = sighting;
        let predicted = self.lanes.shard(lane).filter(|_| is_recent);
        if predicted == Some(shard) {
            return true;
        }
        if self.listing.map().is_none() {
            self.lanes.note_shard(shard, self.now);
            return false;
        }
        let belongs = self.listing.range_of(shard).map(|range| range.contains(hash_key));
        if let Some(scattered) = &mut self.scattered {
            if belongs.is_none() {
                self.listing.doubt(shard, start, self.now);
            }
            if is_recent && scattered.ends(belongs == Some(true)) {
                self.scattered = None;
                self.install_map();
            }
            return false;
        }
        self.stats.wrong_shard += u64::from(predicted.is_some());
        if belongs == Some(false) {
            // Or the stream was deleted and made anew, with the same names for other shards.
            self.listing.doubt(shard, start, self.now);
            self.scatter();
        } else if let Some(predicted) = predicted {
            self.listing.invalidate(predicted, start, self.now);
        }
        false
    }

    /// The stream has proved to distribute by itself: nothing that was packed for one shard will be sent as it is.
    fn scatter(&mut self) {
        self.scattered = Some(Scattered::default());
        self.lanes.scatter(self.now);
        self.share_anew();
        self.look_again_at_cases();
        self.settle_strays(false);
    }
}

impl Scattered {
    /// Notes whether a record belongs to the shard that stored it; true if keys decide again.
    const fn ends(&mut self, belongs: bool) -> bool {
        self.in_row = if belongs { self.in_row + 1 } else { 0 };
        self.in_row == IN_ROW
    }
}

impl Lanes {
    /// Forgets the map, and with it all lanes but the one without a shard; what is in the others has to find it.
    ///
    /// That one's limiter stands for all shards of the map, and takes over what was spent on any of them.
    fn scatter(&mut self, now: Instant) {
        let shards = self.map.take().map_or(1, |map| map.len());
        let mut lane = self.settings.lane(None, shards as u32);
        lane.limiter.inherit(self.lanes.iter().map(|lane| &lane.limiter), now);
        let old: Vec<Lane> = core::mem::replace(&mut self.lanes, [lane].into());
        self.generation = self.generation.wrapping_add(1);
        // Nothing is being packed any more.
        self.is_hurrying = false;
        self.leave(old);
        self.recount();
    }

    /// The lane without a shard stands for so many shards from now on.
    pub(crate) fn stand_for(&mut self, shards: usize, now: Instant) {
        let unknown = self.unknown();
        self.get_mut(unknown).limiter.set_shards(shards as u32, now);
    }
}

#[cfg(test)]
mod tests {
    use headwaters_wire::{HashKeyRange, ListedShard};

    use super::*;
    use crate::config::Config;
    use crate::limiter::RateLimit;
    use crate::shard_map::ShardMap;

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    fn map(shards: u32) -> ShardMap {
        let count = shards.try_into().expect("a map has a shard");
        let shard = |number: u32| ListedShard {
            hash_keys: HashKeyRange::of_even_shard(number, count).expect("below the count"),
            id: ShardId::numbered(number.into()),
        };
        ShardMap::new((0..shards).map(shard).collect()).expect("shards for all hash keys")
    }

    #[test]
    fn it_ends_after_a_row_without_a_gap() {
        let mut scattered = Scattered::default();
        assert!((1..IN_ROW).all(|_| !scattered.ends(true)));
        assert!(!scattered.ends(false), "the last one is elsewhere");
        assert!((1..IN_ROW).all(|_| !scattered.ends(true)));
        assert!(scattered.ends(true));
    }

    /// To and fro nothing is forgotten: two shards of a thousand records a second.
    #[test]
    fn limiters_take_over_what_was_spent() {
        let config = Config::builder().rate_limit(RateLimit::Fixed { percent: 100 });
        let mut lanes = Lanes::new(&config.build().expect("valid settings"));
        lanes.install(map(2), at(0));
        let spend = |lanes: &mut Lanes, lane, records: u32| {
            (0..records).for_each(|_| lanes.get_mut(lane).limiter.spend(0, at(0)));
        };
        let left = |lanes: &Lanes, lane, now| {
            let mut limiter = lanes.get(lane).limiter.clone();
            (0..)
                .take_while(|_| limiter.allows(0, now).then(|| limiter.spend(0, now)).is_some())
                .count()
        };
        spend(&mut lanes, 0, 900);
        spend(&mut lanes, 1, 300);
        let generation = lanes.generation;
        lanes.scatter(at(0));
        assert!(!lanes.has_gone() && lanes.map.is_none());
        assert_eq!((lanes.lanes.len(), lanes.generation), (1, generation + 1));
        assert_eq!(left(&lanes, 0, at(0)), 800);
        assert_eq!(left(&lanes, 0, at(100)), 1_000, "two shards' rate");
        lanes.stand_for(4, at(0));
        assert_eq!([at(0), at(100)].map(|now| left(&lanes, 0, now)), [800, 1_200]);
        lanes.install(map(4), at(0));
        assert_eq!([0, 1, 2, 3].map(|lane| left(&lanes, lane, at(0))), [200; 4]);
    }
}
