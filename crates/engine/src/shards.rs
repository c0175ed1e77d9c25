//! What the list of the shards changes: where records are put.

use alloc::vec::Vec;

use headwaters_wire::{AttemptError, ShardPage};

use crate::config::ShardPrediction;
use crate::engine::Engine;
use crate::held::Held;
use crate::kinesis_record::KinesisRecord;
use crate::listing::{ListShards, Listed, ListingId, MapStatus};
use crate::record::UserRecord;
use crate::time::Instant;

impl Engine {
    /// The ListShards request to send now, if one is due and of any use.
    pub(crate) fn next_listing(&mut self) -> Option<ListShards> {
        if self.is_list_wanted() { self.listing.take_request(self.now) } else { None }
    }

    /// When the list of the shards needs attention.
    pub(crate) fn next_listing_at(&self) -> Option<Instant> {
        if self.is_list_wanted() { self.listing.wake_at() } else { None }
    }

    /// An engine that holds nothing asks for the first list, to be ready, but not again before it holds something.
    fn is_list_wanted(&self) -> bool {
        self.awaits_map()
            || (self.config.shard_prediction == ShardPrediction::On && self.room.records() > 0)
    }

    /// A page of the list has come.
    pub(crate) fn shards_listed(
        &mut self,
        request: ListingId,
        result: Result<ShardPage, AttemptError>,
    ) {
        match self.listing.listed(request, result, self.now) {
            Listed::Changed => self.install_map(),
            Listed::Failed => self.settle_strays(false),
            Listed::Ignored => self.stats.ignored_answers += 1,
            Listed::More => {}
            Listed::Unchanged => {
                self.lanes.suspect_none();
                self.settle_strays(true);
            }
        }
        self.lanes.await_map(self.awaits_map());
    }

    /// Whether the first list may still come in time for the records that wait for it.
    pub(crate) fn awaits_map(&self) -> bool {
        self.map_status() == MapStatus::Loading
    }

    /// Gives up a listing that takes too long.
    pub(crate) fn list_elapse(&mut self) {
        if self.listing.elapse(self.now) {
            self.settle_strays(false);
            self.lanes.await_map(self.awaits_map());
        }
    }

    /// There is a new map, or one that predicts again.
    pub(crate) fn install_map(&mut self) {
        let Some(map) = self.listing.map() else { return };
        if self.scattered.is_some() {
            return self.lanes.stand_for(map.len(), self.now);
        }
        self.lanes.await_map(false);
        self.lanes.suspect_none();
        self.lanes.install(map.clone(), self.now);
        self.share_anew();
        self.look_again_at_cases();
        self.settle_strays(true);
    }

    /// Brings what was in lanes that are no more to those where it belongs by now: up to so many records or a little more,
    /// for an aggregate is taken apart as a whole. Whether that is all.
    ///
    /// Where order is kept, the members of an aggregate have passed the turnstile together, and go back to it together.
    pub(crate) fn move_over(&mut self, at_once: usize) -> bool {
        let mut moved = 0;
        while self.lanes.has_gone() {
            if moved > 0 && moved >= at_once {
                return false;
            }
            if let Some(member) = self.lanes.take_member() {
                moved += 1;
                self.place_member(member);
            } else if let Some(record) = self.lanes.take_gone(self.now) {
                moved += record.records();
                let members = self.place_whole(record);
                self.lanes.leave_members(members);
            }
        }
        true
    }

    /// Puts a Kinesis record into the lane where it belongs by now: as it is if all its members belong there,
    /// else its members by themselves.
    pub(crate) fn place(&mut self, record: KinesisRecord) {
        self.place_whole(record).into_iter().for_each(|member| self.place_member(member));
    }

    /// The same, but members that have to be placed by themselves are returned.
    fn place_whole(&mut self, record: KinesisRecord) -> Vec<Held> {
        let members = match record {
            KinesisRecord::Plain(held) if held.claim.past.is_none() => {
                if self.turnstile.is_none() {
                    self.lanes.add(held, self.now);
                    return Vec::new();
                }
                [held].into()
            }
            record => {
                let was_sent = record.was_sent();
                let mut members = match self.settle(record) {
                    Ok(record) => {
                        self.lanes.place(self.lanes.lane_of(&record), record);
                        return Vec::new();
                    }
                    Err(members) => members,
                };
                if was_sent && self.scattered.is_none() {
                    let linger = self.config.linger();
                    let sooner = |held: &mut Held| held.deadline = held.deadline.before(linger);
                    members.iter_mut().for_each(sooner);
                }
                members
            }
        };
        if self.turnstile.is_some() {
            self.line_up_again(members, self.scattered.is_none());
            return Vec::new();
        }
        members
    }

    /// Puts what was a member of an aggregate into the lane where it belongs by now.
    fn place_member(&mut self, held: Held) {
        if self.scattered.is_some() {
            self.lanes.place(self.lanes.unknown(), KinesisRecord::Plain(held));
        } else {
            self.lanes.add(held, self.now);
        }
    }

    /// A Kinesis record for the present map; if it is an aggregate of which not all members belong to one shard, or
    /// nothing is foretold any more, the members.
    pub(crate) fn settle(&mut self, record: KinesisRecord) -> Result<KinesisRecord, Vec<Held>> {
        let mut aggregate = match record {
            KinesisRecord::Aggregate(aggregate)
                if aggregate.generation != self.lanes.generation || self.scattered.is_some() =>
            {
                aggregate
            }
            record => return Ok(record),
        };
        let lanes = &self.lanes;
        let lane_of_first = lanes.predict(aggregate.hash_key());
        let members = aggregate.members();
        let is_elsewhere = |member: &UserRecord| lanes.predict(member.hash_key()) != lane_of_first;
        if self.scattered.is_some() || members.iter().any(is_elsewhere) {
            let members = aggregate.unpack_as(members, &mut self.room);
            self.stats.repacked += members.len() as u64;
            return Err(members);
        }
        aggregate.generation = lanes.generation;
        Ok(KinesisRecord::Aggregate(aggregate))
    }
}
