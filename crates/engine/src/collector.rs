//! Puts Kinesis records of all lanes together into one request.

use alloc::boxed::Box;
use alloc::vec::Vec;

use headwaters_wire::Entry;
use headwaters_wire::aggregate::Unsealed;

use crate::check_sums::CheckSums;
use crate::held::{Claim, Held};
use crate::in_flight::{Cargo, Flight, Load};
use crate::kinesis_record::{Aggregate, Content, KinesisRecord, NOTHING};
use crate::lane::Lane;
use crate::lanes::Lanes;
use crate::limiter::Allowance;
use crate::queue::{Pieces, push_with};
use crate::time::Instant;

/// A lane's share of a request, when others wait: one in so many.
const LANES_PER_REQUEST: usize = 8;

/// A request in the making.
#[derive(Debug)]
pub(crate) struct Collector {
    count_max: usize,
    size_max: usize,
    entries: Vec<Entry>,
    /// Most entries that there can be.
    entries_max: usize,
    flights: Vec<Flight>,
    is_full: bool,
    records: usize,
    size: usize,
    /// The lanes that had their turns, and the oldest record that each sent, by its place in the order of acceptance.
    turns: Vec<(u32, u64)>,
    /// Aggregates whose check sums are still to be made, all at once, and where they go.
    unsealed: Vec<(usize, Unsealed)>,
}

/// Whether a lane goes on after its turn.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Turn {
    /// It has nothing more, or its limiter lets nothing more pass.
    Done,
    /// It has more.
    More,
}

/// What a lane may send in its turn, and what of the request is left.
#[derive(Debug)]
struct Quota {
    /// What its limiter lets pass.
    allowance: Allowance,
    count_left: usize,
    /// Bytes of its share (deficit round robin).
    deficit: usize,
    /// Whether the request is still empty: then an entry may be larger than a request.
    is_first: bool,
    /// What an entry costs at least: its part of the number of entries.
    least_cost: usize,
    size_left: usize,
    size_max: usize,
}

/// Why a lane's turn ends.
#[derive(Clone, Copy, Debug)]
enum Stop {
    /// The request is full.
    Full,
    /// The limiter does not let so many bytes pass.
    Limiter(u64),
    /// It has nothing more that may leave.
    Nothing,
    /// Its share is used.
    Share,
}

impl Quota {
    /// Takes an entry of `size` bytes from it.
    ///
    /// An entry costs its bytes, or its part of the number of entries if that is more. One that is larger than a request
    /// goes alone, and costs all of it: so nothing waits for more than some turns.
    #[inline(always)]
    fn take(&mut self, size: usize) -> Result<(), Stop> {
        let cost = size.max(self.least_cost).min(self.size_max);
        if cost > self.deficit {
            return Err(Stop::Share);
        }
        if !self.allowance.allows(size as u64) {
            return Err(Stop::Limiter(size as u64));
        }
        if !self.is_first && (self.count_left == 0 || size > self.size_left) {
            return Err(Stop::Full);
        }
        self.is_first = false;
        self.allowance.take(size as u64);
        self.deficit -= cost;
        self.count_left -= 1;
        self.size_left = self.size_left.saturating_sub(size);
        Ok(())
    }

    const fn is_full(&self) -> bool {
        self.count_left == 0 || self.size_left == 0
    }
}

impl Collector {
    /// A request of at most `count_max` entries and `size_max` bytes; one that is larger goes alone.
    pub(crate) fn new(count_max: usize, size_max: usize) -> Self {
        Self {
            count_max,
            size_max,
            entries: Vec::new(),
            entries_max: count_max,
            flights: Vec::new(),
            is_full: false,
            records: 0,
            size: 0,
            turns: Vec::new(),
            unsealed: Vec::new(),
        }
    }

    /// Takes what is due, the earliest first, and then what may ride along; `None` if the limiters let nothing
    /// pass.
    ///
    /// Each lane in its turn may send its share (deficit round robin), so that none has to wait for a busier
    /// one; the turns go round until the request is full or nothing is left.
    ///
    /// A lane that leaves `apart` leaves alone.
    pub(crate) fn collect(
        mut self,
        apart: Option<u32>,
        lanes: &mut Lanes,
        now: Instant,
    ) -> Option<Load> {
        // Each lane that is asked gives at least one entry in the end, or is held back by its limiter and asked
        // no more.
        let mut waiting: Vec<u32> = match apart {
            Some(apart) => [apart].into(),
            None => lanes.queued(self.count_max, now).collect(),
        };
        let first = lanes.first_queued(now);
        self.entries_max = self.count_max.min(lanes.records);
        let mut asked = waiting.len();
        self.turns.reserve(asked);
        while !self.is_full && !waiting.is_empty() {
            waiting.retain(|&lane| !self.is_full && self.ask(lane, lanes, now) == Turn::More);
            if waiting.is_empty() && asked == self.count_max && apart.is_none() {
                waiting.extend(lanes.queued(self.count_max, now));
                asked = waiting.len();
            }
        }
        if self.entries.is_empty() {
            return None;
        }
        if let Some(apart) = apart {
            lanes.get_mut(apart).apart += 1;
            lanes.mark(apart);
        } else {
            let last = self.turns.last().filter(|_| self.is_full);
            lanes.note_turn(first, last.map(|&(lane, _)| lane));
        }
        Some(Load { is_apart: apart.is_some(), ..self.into_load(lanes.generation) })
    }

    /// What a lane may send in its turn.
    const fn share(&self) -> usize {
        self.size_max.div_ceil(LANES_PER_REQUEST)
    }

    /// One lane's turn.
    fn ask(&mut self, at: u32, lanes: &mut Lanes, now: Instant) -> Turn {
        let mut ready = None;
        let turn = lanes.serve(at, |lane, pieces, only_due| {
            let (entries, size, records) = (self.entries.len(), self.size, self.records);
            let oldest = lane.first().map(KinesisRecord::sequence);
            let mut quota = self.quota(lane, now);
            let stop = loop {
                if let Some(stop) = self.take_run((lane, at), &mut quota, pieces, (only_due, now)) {
                    break stop;
                }
                // What is next is none of a run.
                let Some(size) = lane.next_size(only_due, now) else { break Stop::Nothing };
                if let Err(stop) = quota.take(size) {
                    break stop;
                }
                self.take((lane, at), size, pieces);
            };
            lane.limiter.settle(&quota.allowance);
            (self.is_full, lane.deficit) = (quota.is_full(), quota.deficit);
            let turn = match stop {
                Stop::Nothing => {
                    lane.deficit = 0;
                    Turn::Done
                }
                Stop::Limiter(size) => {
                    lane.deficit = 0;
                    ready = Some(lane.limiter.ready_at(size, now));
                    Turn::Done
                }
                Stop::Share => Turn::More,
                Stop::Full => {
                    self.is_full = true;
                    // What is left of its share does not add up over requests.
                    lane.deficit = lane.deficit.min(self.share());
                    Turn::More
                }
            };
            let sent = self.entries.len() - entries;
            if sent > 0 {
                self.turns.extend(oldest.map(|oldest| (at, oldest)));
                lane.figures.entries += sent as u64;
                lane.figures.bytes_sent += (self.size - size) as u64;
            }
            (turn, self.records - records)
        });
        match ready {
            Some(ready) => lanes.block(at, ready),
            None => lanes.mark(at),
        }
        turn
    }

    /// What a lane may send now.
    fn quota(&self, lane: &mut Lane, now: Instant) -> Quota {
        Quota {
            allowance: lane.limiter.allowance(now),
            count_left: self.count_max - self.entries.len(),
            deficit: lane.deficit + self.share(),
            is_first: self.entries.is_empty(),
            least_cost: self.size_max / self.count_max,
            size_left: self.size_max.saturating_sub(self.size),
            size_max: self.size_max,
        }
    }

    /// Takes plain records that were not sent before, as many as leave one after the other. Why no more of them may
    /// leave; `None` if something else is next.
    fn take_run(
        &mut self,
        (lane, at): (&mut Lane, u32),
        quota: &mut Quota,
        pieces: &mut Pieces<KinesisRecord>,
        (only_due, now): (bool, Instant),
    ) -> Option<Stop> {
        let latest = if only_due { now } else { Instant::NEVER };
        loop {
            self.reserve();
            let (mut count, mut size, mut stop) = (0, 0, None);
            for Held { record, claim: Claim { token, sequence, expiration, .. }, .. } in
                lane.run(latest)
            {
                let bytes = record.size();
                if let Err(why) = quota.take(bytes) {
                    stop = Some(why);
                    break;
                }
                count += 1;
                size += bytes;
                push_with(&mut self.flights, || {
                    let (token, sequence, expiration) = (*token, *sequence, *expiration);
                    let claim = Claim { token, sequence, expiration, past: None };
                    let (hash_key, size) = (record.hash_key(), bytes as u32);
                    Flight { cargo: Cargo::Plain { claim, hash_key, size }, lane: at }
                });
            }
            if count > 0 {
                self.size += size;
                self.records += count;
                lane.take_run((count, size), pieces, &mut self.entries);
            }
            if stop.is_some() || count == 0 {
                return stop;
            }
        }
    }

    /// Makes room for all entries that there can be.
    fn reserve(&mut self) {
        if self.entries.is_empty() {
            self.entries.reserve(self.entries_max);
            self.flights.reserve(self.entries_max);
        }
    }

    /// Takes the Kinesis record that leaves the lane next.
    fn take(
        &mut self,
        (lane, at): (&mut Lane, u32),
        size: usize,
        pieces: &mut Pieces<KinesisRecord>,
    ) {
        self.reserve();
        self.size += size;
        match lane.pop_first(pieces) {
            None => {}
            Some(KinesisRecord::Aggregate(mut aggregate)) => {
                aggregate.sent_to = lane.shard.as_ref().map(|shard| shard.id.clone());
                self.add_aggregate(aggregate, at);
            }
            Some(KinesisRecord::Plain(Held { record, claim, .. })) => {
                self.records += 1;
                let (hash_key, size) = (record.hash_key(), size as u32);
                self.flights
                    .push(Flight { cargo: Cargo::Plain { claim, hash_key, size }, lane: at });
                self.entries.push(record.into_entry());
            }
        }
    }

    fn add_aggregate(&mut self, mut aggregate: Box<Aggregate>, lane: u32) {
        self.records += aggregate.claims.len();
        match &mut aggregate.content {
            Content::Sealed(entry) => self.entries.push(entry.clone()),
            Content::Unsealed(unsealed) => {
                let unsealed = unsealed.take().map(|unsealed| (self.entries.len(), unsealed));
                self.unsealed.extend(unsealed);
                self.entries.push(NOTHING);
            }
        }
        self.flights.push(Flight { cargo: Cargo::Aggregate(aggregate), lane });
    }

    fn into_load(self, generation: u32) -> Load {
        let Self { mut entries, mut flights, records, mut turns, unsealed, .. } = self;
        // Most requests that are not full are far from it.
        entries.shrink_to_fit();
        flights.shrink_to_fit();
        // A lane can have several turns.
        turns.sort_unstable();
        turns.dedup_by_key(|&mut (lane, _)| lane);
        turns.shrink_to_fit();
        let unsealed = (!unsealed.is_empty()).then(|| CheckSums::new(unsealed));
        let entries = entries.into();
        let is_apart = false;
        Load { case: None, entries, flights, generation, is_apart, records, turns, unsealed }
    }
}

#[cfg(test)]
mod tests {
    use headwaters_wire::limits::SHARD_BYTES_PER_SECOND;

    use super::*;
    use crate::limiter::{Limiter, RateLimit};

    fn quota(percent: u32) -> Quota {
        let mut limiter = Limiter::new(RateLimit::Fixed { percent }, 1);
        Quota {
            allowance: limiter.allowance(Instant::ZERO),
            count_left: 3,
            deficit: 1_000,
            is_first: true,
            least_cost: 10,
            size_left: 500,
            size_max: 500,
        }
    }

    #[test]
    fn an_entry_costs_its_bytes_or_its_part_of_the_entries() {
        let mut quota = quota(100);
        assert!(quota.take(60).is_ok());
        assert_eq!((quota.deficit, quota.count_left, quota.size_left), (940, 2, 440));
        assert!(quota.take(1).is_ok());
        assert_eq!((quota.deficit, quota.size_left), (930, 439), "a part of the entries");
        quota.deficit = 30;
        assert!(matches!(quota.take(31), Err(Stop::Share)));
        assert!(quota.take(30).is_ok(), "the last of its share");
        assert!(quota.is_full(), "there are three entries");
        assert!(matches!(quota.take(0), Err(Stop::Share)), "for which it has nothing left");
        quota.deficit = 10;
        assert!(matches!(quota.take(0), Err(Stop::Full)));
    }

    #[test]
    fn one_that_is_larger_than_a_request_costs_all_of_it_and_goes_first() {
        let mut large = quota(100);
        assert!(large.take(900).is_ok());
        assert_eq!((large.deficit, large.size_left), (500, 0));
        assert!(large.is_full());
        let mut small = quota(100);
        assert!(small.take(100).is_ok() && !small.is_full());
        assert!(matches!(small.take(401), Err(Stop::Full)));
        assert!(small.take(400).is_ok() && small.is_full(), "to the byte");
    }

    #[test]
    fn what_the_limiter_does_not_let_pass_stays() {
        let mut quota =
            Quota { deficit: 1 << 21, size_left: 1 << 21, size_max: 1 << 21, ..quota(1) };
        assert!(quota.take(10_000).is_ok());
        let more = SHARD_BYTES_PER_SECOND as usize / 100;
        assert!(matches!(quota.take(more), Err(Stop::Limiter(bytes)) if bytes == more as u64));
        assert_eq!(
            (quota.count_left, quota.size_left),
            (2, (1 << 21) - 10_000),
            "nothing is taken"
        );
    }
}
