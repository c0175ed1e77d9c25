//! Puts Kinesis records of all lanes together into one request.

use alloc::boxed::Box;
use alloc::vec::Vec;

use headwaters_wire::aggregate::Unsealed;
use headwaters_wire::{Entry, HashKey};

use crate::check_sums::CheckSums;
use crate::held::{Claim, Held};
use crate::in_flight::{Cargo, Flight, Load};
use crate::kinesis_record::{Aggregate, Content, KinesisRecord, NOTHING};
use crate::lane::Lane;
use crate::lanes::Lanes;
use crate::queue::Pieces;
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

    /// What an entry costs: its bytes, or its part of the number of entries if that is more. One that is larger
    /// than a request goes alone, and costs all of it: so nothing waits for more than some turns.
    fn cost(&self, size: usize) -> usize {
        size.max(self.size_max / self.count_max).min(self.size_max)
    }

    /// One lane's turn.
    fn ask(&mut self, at: u32, lanes: &mut Lanes, now: Instant) -> Turn {
        let share = self.share();
        let mut ready = None;
        let turn = lanes.serve(at, |lane, pieces, only_due| {
            let (entries, size, records) = (self.entries.len(), self.size, self.records);
            let oldest = lane.first().map(KinesisRecord::sequence);
            lane.deficit += share;
            let turn = loop {
                let Some(size) = lane.next_size(only_due, now) else {
                    lane.deficit = 0;
                    break Turn::Done;
                };
                let cost = self.cost(size);
                if cost > lane.deficit {
                    break Turn::More;
                }
                if !lane.limiter.allows(size as u64, now) {
                    lane.deficit = 0;
                    ready = Some(lane.limiter.ready_at(size as u64, now));
                    break Turn::Done;
                }
                if !self.has_room(size) {
                    self.is_full = true;
                    // What is left of its share does not add up over requests.
                    lane.deficit = lane.deficit.min(share);
                    break Turn::More;
                }
                lane.deficit -= cost;
                lane.limiter.spend(size as u64, now);
                self.take_first((lane, at), size, pieces);
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

    fn has_room(&self, size: usize) -> bool {
        self.entries.is_empty()
            || (self.entries.len() < self.count_max && self.size + size <= self.size_max)
    }

    /// Takes the Kinesis record that leaves the lane next.
    #[inline(always)]
    fn take_first(
        &mut self,
        (lane, at): (&mut Lane, u32),
        size: usize,
        pieces: &mut Pieces<KinesisRecord>,
    ) {
        if self.entries.is_empty() {
            self.entries.reserve(self.entries_max);
            self.flights.reserve(self.entries_max);
        }
        self.size += size;
        if let Some((stamp, hash_key)) = lane.first_new() {
            // Nearly every plain record: its parts go straight from the queue to where they belong.
            self.records += 1;
            self.add_plain(|| stamp.claim(), hash_key, size, at);
            push_with(&mut self.entries, || lane.pop_new(pieces));
        } else {
            match lane.pop_first(pieces) {
                None => {}
                Some(KinesisRecord::Aggregate(mut aggregate)) => {
                    aggregate.sent_to = lane.shard.as_ref().map(|shard| shard.id.clone());
                    self.add_aggregate(aggregate, at);
                }
                Some(KinesisRecord::Plain(Held { record, claim, .. })) => {
                    self.records += 1;
                    self.add_plain(|| claim, record.hash_key(), size, at);
                    self.entries.push(record.into_entry());
                }
            }
        }
        self.is_full = self.entries.len() >= self.count_max || self.size >= self.size_max;
    }

    #[inline(always)]
    fn add_plain(
        &mut self,
        claim: impl FnOnce() -> Claim,
        hash_key: HashKey,
        size: usize,
        lane: u32,
    ) {
        let size = size as u32;
        push_with(&mut self.flights, || Flight {
            cargo: Cargo::Plain { claim: claim(), hash_key, size },
            lane,
        });
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

/// Pushes what `make` makes. The room is made first, so that nothing can fail once there is a value: so it is built
/// where it belongs, while [`Vec::push`] would have it built, kept for the case of failure, and copied.
#[inline(always)]
fn push_with<T>(to: &mut Vec<T>, make: impl FnOnce() -> T) {
    to.extend(core::iter::once_with(make));
}
