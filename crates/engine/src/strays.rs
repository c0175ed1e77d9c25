//! Aggregates that were stored in another shard than the one they were packed for.
//!
//! The Kinesis Client Library drops an aggregate as a whole when one of its members does not belong to the shard
//! it was read from. Whether that is so only the shard map can tell, and the map is what has just proved to be
//! old: so such an aggregate waits for the next one.

use alloc::boxed::Box;
use alloc::vec::Vec;

use headwaters_wire::{AttemptError, ErrorCode, Placement};

use crate::action::BatchId;
use crate::completion::{Attempt, Cause};
use crate::engine::Engine;
use crate::held::{Claim, Held, Past};
use crate::kinesis_record::{Aggregate, KinesisRecord};
use crate::listing::MapStatus;
use crate::requeues::Requeues;
use crate::retry;

/// An aggregate that was stored, and where.
#[derive(Debug)]
pub(crate) struct Stray {
    pub(crate) aggregate: Box<Aggregate>,
    pub(crate) attempt: Attempt,
    pub(crate) batch: BatchId,
    pub(crate) index: u16,
    pub(crate) placement: Placement,
}

impl Engine {
    /// Decides about an aggregate that was stored in another shard than predicted, or lets it wait.
    pub(crate) fn judge(&mut self, mut stray: Stray) {
        match self.is_whole(&mut stray) {
            Some(true) => return self.deliver(stray),
            Some(false) => {}
            None => {
                // The shard is newer than the map, whenever that was made.
                let lane = self.lanes.predict(stray.aggregate.seal().hash_key());
                if let Some(predicted) = self.lanes.shard(lane) {
                    self.listing.invalidate(predicted, self.now, self.now);
                }
            }
        }
        let status = self.map_status();
        if status.is_loading() {
            self.strays.push(stray);
        } else {
            self.send_again(stray, status == MapStatus::Ready);
        }
    }

    /// Whether all members of an aggregate belong to the shard that stored it; `None` if nobody knows.
    fn is_whole(&self, stray: &mut Stray) -> Option<bool> {
        let range = self.listing.range_of(&stray.placement.shard)?;
        Some(stray.aggregate.members().iter().all(|member| range.contains(member.hash_key())))
    }

    /// How many user records wait in strays.
    pub(crate) fn stray_records(&self) -> usize {
        self.strays.iter().map(|stray| stray.aggregate.claims.len()).sum()
    }

    /// Decides about those that wait: there is a fresh map, or none to pack them by for a while.
    pub(crate) fn settle_strays(&mut self, map_is_fresh: bool) {
        for mut stray in core::mem::take(&mut self.strays) {
            if self.is_whole(&mut stray) == Some(true) {
                self.deliver(stray);
            } else {
                self.send_again(stray, map_is_fresh);
            }
        }
    }

    /// Sends the members of an aggregate again: packed by a fresh map, but without one each by itself, which is right
    /// wherever it is stored. So they go, too, if they went astray before: a service that puts aggregates where no
    /// map says would get them for ever.
    fn send_again(&mut self, mut stray: Stray, map_is_fresh: bool) {
        let Stray { batch, index, .. } = stray;
        let error = AttemptError::new(ErrorCode::WrongShard);
        let had_strayed = |claim: &Claim| Past::has_strayed(claim.past.as_ref());
        let packs = map_is_fresh && !stray.aggregate.claims.iter().any(had_strayed);
        if !packs {
            let lane = self.lanes.predict(stray.aggregate.seal().hash_key());
            self.lanes.suspect(lane);
            // Until the next list; and where these records are stored as foretold nothing else asks for one.
            if let Some(shard) = self.lanes.shard(lane) {
                self.listing.invalidate(shard, self.now, self.now);
            }
        }
        let members = self.unpack_stray(stray);
        let half = self.now.after(self.config.record_max_buffered_time / 2);
        let retry = self.config.retry;
        let mut again: Vec<Held> = Vec::new();
        for held in members {
            if !retry.allows(Past::count(held.claim.past.as_ref())) {
                self.give_up(held, Cause::AttemptsExhausted);
            } else if held.claim.is_expired(self.now) {
                self.give_up(held, Cause::Expired);
            } else {
                let deadline = retry::leave_by(half, held.claim.expiration, self.now);
                again.push(Held { deadline, ..held });
            }
        }
        let Some(deadline) = again.iter().map(|held| held.deadline).max() else { return };
        self.stats.repacked += again.len() as u64;
        self.stats.requeued += again.len() as u64;
        let mut requeues = Requeues::new(batch);
        requeues.add(index, error, self.now, deadline);
        self.actions.extend(requeues.into_actions());
        if packs {
            let linger = self.config.linger();
            again.iter_mut().for_each(|held| held.deadline = held.deadline.before(linger));
        }
        if self.turnstile.is_some() {
            return self.line_up_again(again, packs);
        }
        for held in again {
            if packs {
                self.lanes.add(held, self.now);
            } else {
                let lane = self.lanes.predict(held.record.hash_key());
                self.lanes.place(lane, KinesisRecord::Plain(held));
            }
        }
    }

    /// The members of a stray aggregate, which count as having failed.
    fn unpack_stray(&mut self, Stray { mut aggregate, attempt, .. }: Stray) -> Vec<Held> {
        let error = Some(AttemptError::new(ErrorCode::WrongShard));
        Past::note(&mut aggregate.past, Attempt { error, ..attempt }, &mut self.room);
        aggregate.unpack(&mut self.room)
    }

    /// Gives up everything that waits for a map.
    pub(crate) fn give_up_strays(&mut self, cause: &Cause) {
        for stray in core::mem::take(&mut self.strays) {
            for held in self.unpack_stray(stray) {
                self.give_up(held, cause.clone());
            }
        }
    }
}
