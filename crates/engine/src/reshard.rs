//! A new shard map: which lanes stay, which are new, and what has to find its lane again.

use alloc::vec::Vec;

use headwaters_wire::HashKeyRange;

use crate::kinesis_record::KinesisRecord;
use crate::lane::Lane;
use crate::lanes::Lanes;
use crate::limiter::Limiter;
use crate::shard_map::ShardMap;
use crate::time::Instant;

impl Lanes {
    /// Takes a new map over; returns what was in the lanes of shards that are no more, or had no shard.
    ///
    /// The lanes of shards that stay are not touched. The limiters of new ones take over what was spent on the
    /// shards whose hash keys they have now, or a reshard would let everybody burst.
    pub(crate) fn install(&mut self, map: ShardMap, now: Instant) -> Vec<KinesisRecord> {
        let mut old: Vec<Option<Lane>> = self.lanes.drain(..).map(Some).collect();
        let unknown = old.pop().flatten();
        let keep = |at: usize| {
            let shard = map.shard(at);
            let old_at = self.map.as_ref()?.position(&shard.id)?;
            old.get_mut(old_at)?.take_if(|lane| lane.shard.as_ref() == Some(shard))
        };
        let kept: Vec<Option<Lane>> = (0..map.len()).map(keep).collect();
        let gone: Vec<Lane> = old.into_iter().flatten().collect();
        for (at, kept) in kept.into_iter().enumerate() {
            let lane = kept.unwrap_or_else(|| {
                let shard = map.shard(at).clone();
                let mut lane = self.settings.lane(Some(shard.clone()), 1);
                match (&self.map, &unknown) {
                    (None, Some(unknown)) => {
                        lane.limiter.inherit_share(&unknown.limiter, map.len() as u32, now);
                    }
                    _ => lane.limiter.inherit(parents(&gone, shard.hash_keys), now),
                }
                lane
            });
            self.lanes.push(lane);
        }
        // What is in flight belongs to the map before.
        self.lanes.iter_mut().for_each(|lane| lane.apart = 0);
        self.lanes.push(self.settings.lane(None, map.len() as u32));
        self.map = Some(map);
        self.generation = self.generation.wrapping_add(1);
        let mut left: Vec<KinesisRecord> =
            gone.into_iter().flat_map(|lane| self.empty(lane, now)).collect();
        // Their next aggregate will linger again.
        for record in left.iter_mut().filter(|record| !record.was_sent()) {
            record.set_deadline(record.deadline().before(self.settings.limits.linger));
        }
        left.extend(unknown.into_iter().flat_map(|lane| self.empty(lane, now)));
        self.recount();
        left
    }

    /// Everything that was in a lane which is no more.
    pub(crate) fn empty(&mut self, mut lane: Lane, now: Instant) -> Vec<KinesisRecord> {
        let generation = self.generation.wrapping_sub(1);
        let open = lane.aggregator.close(&mut self.spare, generation, now);
        let mut left = lane.drain(&mut self.pieces);
        left.extend(open);
        self.records -= left.iter().map(KinesisRecord::records).sum::<usize>();
        if let Some(hastened) = lane.hastened {
            left.iter_mut().for_each(|record| record.set_deadline(record.deadline().min(hastened)));
        }
        left
    }

    /// Everything there is; the lanes stay.
    pub(crate) fn drain(&mut self, now: Instant) -> Vec<KinesisRecord> {
        let shards: Vec<_> = self.lanes.iter().map(|lane| lane.shard.clone()).collect();
        let mut all = Vec::new();
        for (at, shard) in shards.into_iter().enumerate() {
            let mut next = self.settings.lane(shard, 1);
            core::mem::swap(&mut next.limiter, &mut self.lanes[at].limiter);
            let lane = core::mem::replace(&mut self.lanes[at], next);
            all.extend(self.empty(lane, now));
        }
        self.recount();
        all
    }
}

/// The limiters of the lanes that had some of these hash keys.
fn parents(gone: &[Lane], range: HashKeyRange) -> impl Iterator<Item = &Limiter> + Clone {
    gone.iter().filter_map(move |lane| {
        lane.shard.as_ref()?.hash_keys.overlaps(&range).then_some(&lane.limiter)
    })
}
