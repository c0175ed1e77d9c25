//! A new shard map: which lanes stay, which are new, and what has to find its lane again.
//!
//! That may be all that waits, each record to be packed anew, and a driver that shares the engine behind a lock cannot hold
//! it for so long. So the lanes that are no more are kept as they are, and emptied one Kinesis record after the other, and
//! what is taken apart one member after the other, as many at once as the driver likes. What comes meanwhile goes into the
//! new lanes, and nothing leaves those before the last record has found its own: so nothing waits longer than if all were
//! moved at once, and packs as well.
//!
//! In order they stay all the same, where it is kept: what is on its way has passed the turnstile, and what has not waits
//! behind it, wherever it is. A further map that comes meanwhile adds the lanes that it ends to those that are to be emptied.

use alloc::vec::Vec;

use headwaters_wire::HashKeyRange;

use crate::held::Held;
use crate::kinesis_record::KinesisRecord;
use crate::lane::Lane;
use crate::lanes::Lanes;
use crate::limiter::Limiter;
use crate::shard_map::ShardMap;
use crate::time::Instant;

impl Lanes {
    /// Takes a new map over. What was in the lanes of shards that are no more, or had no shard, has to find its lane:
    /// [`take_gone`](Self::take_gone).
    ///
    /// The lanes of shards that stay are not touched. The limiters of new ones take over what was spent on the
    /// shards whose hash keys they have now, or a reshard would let everybody burst.
    pub(crate) fn install(&mut self, map: ShardMap, now: Instant) {
        let mut old: Vec<Option<Lane>> = self.lanes.drain(..).map(Some).collect();
        let unknown = old.pop().flatten();
        let keep = |at: usize| {
            let shard = map.shard(at);
            let old_at = self.map.as_ref()?.position(&shard.id)?;
            old.get_mut(old_at)?.take_if(|lane| lane.shard.as_ref() == Some(shard))
        };
        let kept: Vec<Option<Lane>> = (0..map.len()).map(keep).collect();
        let mut gone: Vec<Lane> = old.into_iter().flatten().collect();
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
        gone.extend(unknown);
        self.leave(gone);
        self.recount();
    }

    /// Takes note of lanes that are no more. They are not emptied at once: that may take long.
    pub(crate) fn leave(&mut self, gone: Vec<Lane>) {
        self.gone.extend(gone.into_iter().filter(|lane| !lane.is_empty()));
    }

    /// Whether something was in lanes that are no more, and has to find its lane.
    pub(crate) fn has_gone(&self) -> bool {
        !self.gone.is_empty() || !self.members.as_slice().is_empty()
    }

    /// Takes note of what was in an aggregate of such a lane, and has to find its lane by itself.
    pub(crate) fn leave_members(&mut self, members: Vec<Held>) {
        self.records += members.len();
        self.members = members.into_iter();
    }

    /// Takes one of those out.
    pub(crate) fn take_member(&mut self) -> Option<Held> {
        let member = self.members.next()?;
        self.records -= 1;
        Some(member)
    }

    /// Takes a Kinesis record out of a lane that is no more.
    pub(crate) fn take_gone(&mut self, now: Instant) -> Option<KinesisRecord> {
        let lane = self.gone.front_mut()?;
        // It is of a map before, whichever that is.
        let generation = self.generation.wrapping_sub(1);
        let next = lane.pop_first(&mut self.pieces);
        let mut record =
            next.or_else(|| lane.aggregator.close(&mut self.spare, generation, now))?;
        if let Some(hastened) = lane.hastened {
            record.set_deadline(record.deadline().min(hastened));
        }
        // Its next aggregate will linger again.
        if lane.shard.is_some() && self.map.is_some() && !record.was_sent() {
            record.set_deadline(record.deadline().before(self.settings.limits.linger));
        }
        if lane.is_empty() {
            self.gone.pop_front();
        }
        self.records -= record.records();
        Some(record)
    }

    /// Everything there is; the lanes stay.
    pub(crate) fn drain(&mut self, now: Instant) -> Vec<KinesisRecord> {
        let shards: Vec<_> = self.lanes.iter().map(|lane| lane.shard.clone()).collect();
        let mut full = Vec::new();
        for (at, shard) in shards.into_iter().enumerate() {
            let mut next = self.settings.lane(shard, 1);
            let lane = &mut self.lanes[at];
            core::mem::swap(&mut next.limiter, &mut lane.limiter);
            core::mem::swap(&mut next.figures, &mut lane.figures);
            full.push(core::mem::replace(&mut self.lanes[at], next));
        }
        self.leave(full);
        self.recount();
        let members = core::mem::take(&mut self.members).map(KinesisRecord::Plain);
        self.records -= members.len();
        let mut all: Vec<KinesisRecord> = members.collect();
        all.extend(core::iter::from_fn(|| self.take_gone(now)));
        all
    }
}

/// The limiters of the lanes that had some of these hash keys. Lanes of shards are in the order of their hash keys, and no two
/// have the same: so they are found, and not looked for one by one, or a map of thousands of new shards would take seconds.
fn parents(gone: &[Lane], range: HashKeyRange) -> impl Iterator<Item = &Limiter> + Clone {
    let hash_keys = |lane: &Lane| lane.shard.as_ref().map(|shard| shard.hash_keys);
    let first = gone.partition_point(|lane| {
        hash_keys(lane).is_some_and(|hash_keys| hash_keys.end() < range.start())
    });
    let some = gone[first..].iter();
    some.take_while(move |lane| hash_keys(lane).is_some_and(|hash_keys| hash_keys.overlaps(&range)))
        .map(|lane| &lane.limiter)
}
