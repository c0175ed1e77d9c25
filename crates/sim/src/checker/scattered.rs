//! Streams that distribute records by themselves: what each place proves where something was stored.

use alloc::vec::Vec;

use headwaters_engine::wire::{HashKey, ShardId};
use headwaters_engine::{Instant, ShardPrediction};

use super::Checker;
use super::map::Map;

/// After so many records in a row that are where they belong keys are taken to decide.
const IN_ROW: u32 = 64;

impl Map {
    /// Whether a hash key belongs to a shard, by this list or the one before; `None` if neither has the shard.
    fn belongs(&self, key: HashKey, shard: &ShardId) -> Option<bool> {
        let mut known = self.shards().iter().chain(&self.previous);
        known.find(|known| known.id == *shard).map(|known| known.hash_keys.contains(key))
    }
}

impl Checker {
    /// Something with this hash key is in this shard. It was sent by that generation of the map, and perhaps foretold
    /// to be in another one, by a request of that time.
    pub(super) fn learn(
        &mut self,
        key: HashKey,
        shard: &ShardId,
        generation: u32,
        contradiction: Option<(ShardId, Instant)>,
        now: Instant,
    ) {
        if self.config.shard_prediction() == ShardPrediction::Off || !self.map.exists() {
            return;
        }
        let belongs = self.map.belongs(key, shard);
        match (self.map.in_row, belongs) {
            (None, Some(false)) => {
                self.map.doubt();
                self.sometimes.auto_recognised += 1;
                self.scatter(Some(0), now);
            }
            (None, _) => {
                if contradiction.is_some() || belongs.is_none() {
                    self.map.doubt();
                }
                if let Some((foretold, sent_at)) = contradiction {
                    self.map.contradict(foretold, sent_at);
                }
            }
            (Some(in_row), _) => {
                if belongs.is_none() {
                    self.map.doubt();
                }
                if generation != self.map.generation {
                    return;
                }
                let in_row = if belongs == Some(true) { in_row + 1 } else { 0 };
                self.map.in_row = Some(in_row);
                if in_row == IN_ROW {
                    self.sometimes.auto_ended += 1;
                    self.scatter(None, now);
                }
            }
        }
    }

    /// Keys decide no more, or again: what waits has another place, and so has what was spent.
    fn scatter(&mut self, in_row: Option<u32>, now: Instant) {
        self.map.in_row = in_row;
        self.map.generation += 1;
        self.weigh_again();
        let shards = self.map.len();
        let after = if self.map.is_scattered() { Vec::new() } else { self.map.shards().to_vec() };
        self.doubts_anew(&[], &after);
        if self.map.is_scattered() {
            // What was packed with one that was due earlier goes by itself, and is still due when that was.
            self.expired_among = self.accepted;
            self.meters.pool(shards, now);
            self.packing.end();
            self.find_slots(None, now);
        } else {
            self.meters.share(shards, now);
            self.packing.start(self.accepted);
            // What goes plain so far is packed now, and waits for others.
            self.find_slots(Some(now), now);
        }
    }
}
