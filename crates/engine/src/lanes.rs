#[cfg(debug_assertions)]
mod invariants;
mod turns;
mod way;

use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::{IntoIter, Vec};
use core::time::Duration;

use headwaters_wire::{HashKey, ListedShard, ShardId};

use self::turns::Turns;
use crate::aggregator::{Aggregator, Encoders, Joined, Limits};
use crate::config::Config;
use crate::doubts::Doubt;
use crate::figures::{Cut, Cuts};
use crate::held::{Held, Stamp};
use crate::kinesis_record::KinesisRecord;
use crate::lane::{Lane, Marks};
use crate::limiter::{Limiter, RateLimit};
use crate::memory::{self, Memory};
use crate::queue::Pieces;
use crate::record::UserRecord;
use crate::shard_map::ShardMap;
use crate::time::Instant;

/// All lanes: one for each shard of the map, and one for records whose shard is not known. Says which of them
/// has something to do, and when.
#[derive(Debug)]
pub(crate) struct Lanes {
    /// In the order of the map; the last is that of records whose shard is not known.
    pub(crate) lanes: Vec<Lane>,
    pub(crate) map: Option<ShardMap>,
    /// Lanes that are no more, and what they still have; none of them is empty.
    pub(crate) gone: VecDeque<Lane>,
    /// Members of an aggregate of theirs that was taken apart.
    pub(crate) members: IntoIter<Held>,
    /// Counts the maps, and how often a stream that was scattered began or ended to be.
    pub(crate) generation: u32,
    /// Lanes that may send something, by when it is due.
    queued: BTreeSet<(Instant, u32)>,
    /// Which of those comes first next.
    turns: Turns,
    /// Lanes that are packing something and may send it, by when it is due.
    filling: BTreeSet<(Instant, u32)>,
    /// Lanes in doubt that may send something, by when it is due.
    apart: BTreeSet<(Instant, u32)>,
    /// Lanes whose limiters let nothing pass before this time.
    blocked: BTreeSet<(Instant, u32)>,
    /// Lanes that hold what can expire, by a time that is not after the first expiration.
    expiring: BTreeSet<(Instant, u32)>,
    /// Kinesis records, and their bytes, that were not sent before and may leave.
    unsent: usize,
    unsent_size: usize,
    /// Records accepted before this one do not wait for company.
    hurry_before: u64,
    /// When it was last said that they are.
    hurried_at: Instant,
    /// Whether some of those were packed since this was last looked at.
    pub(crate) is_hurrying: bool,
    /// User records in all lanes, and in those that are no more.
    pub(crate) records: usize,
    /// Why aggregates were ended.
    pub(crate) cuts: Cuts,
    pub(crate) spare: Encoders,
    pub(crate) pieces: Pieces<KinesisRecord>,
    pub(crate) settings: Settings,
    /// Shards that answers have named while there was no map.
    seen: BTreeSet<ShardId>,
    /// Whether records wait for the first map: then none of them leaves before its deadline.
    awaits_map: bool,
}

#[derive(Debug)]
pub(crate) struct Settings {
    aggregate: bool,
    copy_shared_up_to: usize,
    full_at: usize,
    pub(crate) limits: Limits,
    rate_limit: RateLimit,
}

impl Settings {
    /// Copies a record that may keep a larger buffer in memory.
    pub(crate) fn own(&self, record: &mut UserRecord) {
        if self.is_shared(record) {
            *record = record.detached();
        }
    }

    /// Whether a record may keep a larger buffer in memory, and is to be copied.
    #[inline(always)]
    fn is_shared(&self, record: &UserRecord) -> bool {
        let data = record.data();
        data.len() <= self.copy_shared_up_to && !data.is_empty() && !data.is_unique()
    }

    /// An empty lane with a limiter for so many shards.
    pub(crate) fn lane(&self, shard: Option<ListedShard>, shards: u32) -> Lane {
        Lane::new(shard, Limiter::new(self.rate_limit, shards), Aggregator::new(self.limits))
    }
}

/// How often lanes that their limiters hold back are looked at: they send what has become possible since,
/// together, rather than each record by itself. The KPL polls its limiters as often.
pub(crate) const LIMITER_POLL: Duration = Duration::from_millis(25);

/// How many shards the stream is taken to have as long as nothing is known: a new on-demand stream has four.
pub(crate) const SHARDS_ASSUMED: u32 = 4;

/// Most shards that are remembered while there is no map; the default quota of an account is 20,000.
const SHARDS_SEEN_MAX: usize = 20_000;

impl Lanes {
    pub(crate) fn new(config: &Config) -> Self {
        let settings = Settings {
            aggregate: config.aggregation_enabled,
            copy_shared_up_to: config.copy_shared_up_to,
            full_at: config.collection_max_shard_size,
            limits: Limits::of(config),
            rate_limit: config.rate_limit,
        };
        Self {
            lanes: [settings.lane(None, SHARDS_ASSUMED)].into(),
            map: None,
            gone: VecDeque::new(),
            members: IntoIter::default(),
            generation: 0,
            queued: BTreeSet::new(),
            turns: Turns::FIRST,
            filling: BTreeSet::new(),
            apart: BTreeSet::new(),
            blocked: BTreeSet::new(),
            expiring: BTreeSet::new(),
            unsent: 0,
            unsent_size: 0,
            hurry_before: 0,
            hurried_at: Instant::ZERO,
            is_hurrying: false,
            records: 0,
            cuts: Cuts::default(),
            spare: Encoders::default(),
            pieces: Pieces::new(),
            settings,
            seen: BTreeSet::new(),
            awaits_map: false,
        }
    }

    /// Says whether records wait for the first map.
    pub(crate) fn await_map(&mut self, awaits_map: bool) {
        if core::mem::replace(&mut self.awaits_map, awaits_map) != awaits_map {
            let is_hurried = |lane: &Lane| lane.is_hurried(self.hurry_before);
            self.is_hurrying |= self.lanes.iter().any(is_hurried);
            self.recount();
        }
    }

    /// Learns from an answer, while there is no list of the shards, that there is this one: the stream is taken to
    /// have as many shards as have been seen.
    pub(crate) fn note_shard(&mut self, shard: &ShardId, now: Instant) {
        if self.seen.len() >= SHARDS_SEEN_MAX || self.seen.contains(shard) {
            return;
        }
        self.seen.insert(shard.clone());
        let shards = u32::try_from(self.seen.len()).unwrap_or(u32::MAX).max(SHARDS_ASSUMED);
        let unknown = self.unknown();
        self.get_mut(unknown).limiter.set_shards(shards, now);
    }

    /// Counts what the lanes hold, and notes it in the sets.
    pub(crate) fn recount(&mut self) {
        (self.unsent, self.unsent_size) = (0, 0);
        let Self { apart, blocked, expiring, filling, queued, .. } = self;
        [apart, blocked, expiring, filling, queued].into_iter().for_each(BTreeSet::clear);
        for at in 0..self.lanes.len() as u32 {
            let lane = &mut self.lanes[at as usize];
            lane.marks = Marks { blocked: lane.marks.blocked, ..Marks::default() };
            if let Some(until) = lane.marks.blocked {
                self.blocked.insert((until, at));
            }
            if lane.rides_along() {
                self.unsent += lane.unsent();
                self.unsent_size += lane.unsent_size();
            }
            self.mark(at);
        }
    }

    /// The lane of the shard that has this hash key.
    pub(crate) fn predict(&self, key: HashKey) -> u32 {
        match &self.map {
            Some(map) => map.predict(key) as u32,
            None => self.unknown(),
        }
    }

    /// The lane where a Kinesis record belongs.
    pub(crate) fn lane_of(&self, record: &KinesisRecord) -> u32 {
        self.predict(record.hash_key())
    }

    /// The lane of records whose shard is not known.
    pub(crate) fn unknown(&self) -> u32 {
        (self.lanes.len() - 1) as u32
    }

    pub(crate) fn get(&self, lane: u32) -> &Lane {
        &self.lanes[lane as usize]
    }

    pub(crate) fn get_mut(&mut self, lane: u32) -> &mut Lane {
        &mut self.lanes[lane as usize]
    }

    /// The shard that a lane of the present map belongs to.
    pub(crate) fn shard(&self, lane: u32) -> Option<&ShardId> {
        self.lanes.get(lane as usize)?.shard.as_ref().map(|shard| &shard.id)
    }

    /// Whether the records of a lane are packed together.
    #[inline(always)]
    pub(crate) fn packs(&self, at: u32) -> bool {
        self.settings.aggregate && at != self.unknown() && !self.get(at).is_suspect
    }

    /// Lets the records of a lane go by themselves until there is a new list of the shards.
    pub(crate) fn suspect(&mut self, at: u32) {
        self.get_mut(at).is_suspect = true;
    }

    /// There is a new list of the shards, and it says what the map says or has been installed.
    pub(crate) fn suspect_none(&mut self) {
        self.lanes.iter_mut().for_each(|lane| lane.is_suspect = false);
    }

    /// Takes a record that is not packed any more: for its shard's aggregate, or by itself.
    pub(crate) fn add(&mut self, mut held: Held, now: Instant) {
        let at = self.predict(held.record.hash_key());
        self.records += 1;
        if self.packs(at) {
            self.fill(at, held, now);
        } else {
            self.settings.own(&mut held.record);
            self.push(at, KinesisRecord::Plain(held));
        }
    }

    /// Packs a new record with those of its shard.
    #[inline(always)]
    fn join(&mut self, at: u32, record: UserRecord, stamp: Stamp, now: Instant) {
        let lane = &mut self.lanes[at as usize];
        match lane.aggregator.join(&record, stamp) {
            Joined::Unnoticed
                if lane.aggregator.sequence() >= self.hurry_before
                    && lane.unsent_size() < self.settings.full_at => {}
            Joined::Changed | Joined::Unnoticed => self.note_packed(at),
            Joined::Full => {
                self.close_full(at, now);
                self.mark(at);
            }
            Joined::No => self.fill(at, stamp.on(record), now),
        }
    }

    /// Packs a record with those of its shard.
    fn fill(&mut self, at: u32, held: Held, now: Instant) {
        let aggregator = &mut self.lanes[at as usize].aggregator;
        let (before, full) = aggregator.add(held, &mut self.spare, self.generation, now);
        if let Some(record) = before {
            self.note_cut(&record, Cut::Size);
            self.push(at, record);
        }
        if let Some(record) = full {
            let is_many = record.records() >= self.settings.limits.count;
            self.note_cut(&record, if is_many { Cut::Count } else { Cut::Size });
            self.push(at, record);
        }
        self.note_packed(at);
    }

    /// Notes that something was packed. What is in a hurry leaves together, when all of it is packed.
    pub(crate) fn note_packed(&mut self, at: u32) {
        self.is_hurrying |= self.get(at).aggregator.sequence() < self.hurry_before;
        self.mark(at);
    }

    pub(crate) fn push(&mut self, at: u32, mut record: KinesisRecord) {
        if record.sequence() < self.hurry_before && !self.awaits_map {
            record.set_deadline(record.deadline().min(self.hurried_at));
        }
        self.put(at, |lane, pieces| lane.add(record, pieces));
    }

    /// Changes what is in a lane, and counts afterwards what may leave; [`mark`](Self::mark) when done with it.
    #[inline(always)]
    fn change<T>(
        &mut self,
        at: u32,
        change: impl FnOnce(&mut Lane, &mut Pieces<KinesisRecord>) -> T,
    ) -> T {
        let lane = &mut self.lanes[at as usize];
        let (unsent, unsent_size) = (lane.unsent(), lane.unsent_size());
        let result = change(lane, &mut self.pieces);
        if lane.rides_along() {
            self.unsent = self.unsent - unsent + lane.unsent();
            self.unsent_size = self.unsent_size - unsent_size + lane.unsent_size();
        }
        result
    }

    /// Puts something into a lane, and notes what that changes.
    fn put(&mut self, at: u32, put: impl FnOnce(&mut Lane, &mut Pieces<KinesisRecord>)) {
        let first = |lanes: &Self| lanes.get(at).first().map(KinesisRecord::sequence);
        let before = first(self);
        self.change(at, put);
        if first(self) == before { self.mark(at) } else { self.look_again(at) }
    }

    /// Notes what has changed in a lane of which something else leaves first now: the limiter may let that pass.
    fn look_again(&mut self, at: u32) {
        if self.get(at).marks.blocked.is_some() {
            self.unblock(at);
        } else {
            self.mark(at);
        }
    }

    /// Packs records again that were packed together before, by the map of that `generation`; `None` if there
    /// are none.
    pub(crate) fn pack(&mut self, records: Vec<Held>, generation: u32) -> Option<KinesisRecord> {
        Aggregator::repack(self.settings.limits, records, &mut self.spare, generation)
    }

    /// Takes a Kinesis record as it is. One that was sent before waits for its deadline, whatever else there is.
    pub(crate) fn place(&mut self, lane: u32, record: KinesisRecord) {
        self.records += record.records();
        if record.was_sent() {
            self.put(lane, |lane, _| lane.insert(record));
        } else {
            self.push(lane, record);
        }
    }

    /// Ends the aggregate that is being packed.
    fn close(&mut self, at: u32, cut: Cut, now: Instant) {
        let aggregator = &mut self.lanes[at as usize].aggregator;
        if let Some(record) = aggregator.close(&mut self.spare, self.generation, now) {
            self.note_cut(&record, cut);
            self.push(at, record);
        }
    }

    /// Ends the aggregate that is being packed, if it is ripe, for a lane that leaves apart.
    pub(crate) fn ripen(&mut self, at: u32, now: Instant) {
        if self.get(at).aggregator.ripe() <= now {
            self.close(at, Cut::Time, now);
        }
    }

    /// Ends the aggregate that is being packed, to which nothing more can be added.
    pub(crate) fn close_full(&mut self, at: u32, now: Instant) {
        let is_many = self.get(at).aggregator.len() >= self.settings.limits.count;
        self.close(at, if is_many { Cut::Count } else { Cut::Size }, now);
    }

    fn note_cut(&mut self, record: &KinesisRecord, cut: Cut) {
        if let KinesisRecord::Aggregate(_) = record {
            self.cuts.note(cut);
        }
    }

    /// Lets records that were accepted before number `before` leave without waiting for company.
    pub(crate) fn hurry(&mut self, before: u64, now: Instant) {
        self.hurry_before = self.hurry_before.max(before);
        self.hurried_at = now;
        self.is_hurrying = false;
        for at in 0..self.lanes.len() as u32 {
            if self.get(at).aggregator.sequence() < self.hurry_before {
                self.close(at, Cut::Flush, now);
            }
            if !self.awaits_map {
                self.lanes[at as usize].hurry(now);
            }
            self.mark(at);
        }
    }

    /// Notes in the sets what has changed in a lane.
    pub(crate) fn mark(&mut self, at: u32) {
        let lane = &mut self.lanes[at as usize];
        let (old, mut new) = (lane.marks, lane.marks);
        if old.blocked.is_none() {
            // What is for all shards together is not too much for one.
            let for_one = if lane.shard.is_some() { self.settings.full_at } else { usize::MAX };
            let at_once = (for_one, self.hurry_before);
            // As long as the first map may come in time, nothing leaves before its deadline.
            let (full_at, hurry_before) = if self.awaits_map { (usize::MAX, 0) } else { at_once };
            new.queued = lane.due(full_at, hurry_before);
            if lane.hastened.is_some() {
                new.queued =
                    lane.hastened_due(new.queued).filter(|_| !self.awaits_map).or(new.queued);
            }
            new.filling = lane.aggregator.due();
        } else {
            (new.queued, new.filling) = (None, None);
        }
        new.apart = None;
        if lane.doubt.is_some() {
            new.apart = lane.leaves_apart(new.queued.into_iter().chain(new.filling).min());
            (new.queued, new.filling) = (None, None);
        }
        // An old mark that comes too early does no harm, and need not be moved each time.
        new.expiring = match (old.expiring, lane.next_expiration()) {
            (Some(old), Some(next)) if old <= next => Some(old),
            (_, next) => next,
        };
        if old == new {
            return;
        }
        lane.marks = new;
        move_mark(&mut self.queued, at, old.queued, new.queued);
        move_mark(&mut self.filling, at, old.filling, new.filling);
        move_mark(&mut self.apart, at, old.apart, new.apart);
        move_mark(&mut self.expiring, at, old.expiring, new.expiring);
    }

    /// Holds a lane back until its limiter lets pass, at `ready`, what goes before all that is in the lane; returns when
    /// to look again.
    pub(crate) fn hold_back(&mut self, at: u32, ready: Instant) -> Instant {
        if self.get(at).marks.blocked.is_none() {
            self.block(at, ready);
        }
        looked_at(ready)
    }

    /// Holds a lane back until its limiter lets something pass, at `ready`.
    pub(crate) fn block(&mut self, at: u32, ready: Instant) {
        let until = looked_at(ready);
        debug_assert!(self.get(at).marks.blocked.is_none(), "blocked twice");
        self.hold(at, |lane| lane.marks.blocked = Some(until));
        self.blocked.insert((until, at));
        self.mark(at);
    }

    /// Lets the lanes go on whose limiters let something pass, and ends the aggregates that are ripe.
    pub(crate) fn elapse(&mut self, now: Instant) {
        if self.is_hurrying {
            self.hurry(self.hurry_before, now);
        }
        while let Some(&(until, at)) = self.blocked.first()
            && until <= now
        {
            self.unblock(at);
        }
        while let Some(&(_, at)) = self.filling.first()
            && self.get(at).aggregator.ripe() <= now
        {
            self.close(at, Cut::Time, now);
        }
    }

    fn unblock(&mut self, at: u32) {
        if let Some(until) = self.get(at).marks.blocked {
            self.blocked.remove(&(until, at));
            self.hold(at, |lane| lane.marks.blocked = None);
        }
        self.mark(at);
    }

    /// Lets a lane leave apart from now on, or no longer.
    pub(crate) fn set_doubt(&mut self, at: u32, doubt: Option<Doubt>) {
        self.hold(at, |lane| lane.doubt = doubt);
        self.mark(at);
    }

    /// Changes whether what is in a lane may ride along with others, and counts what may.
    fn hold(&mut self, at: u32, change: impl FnOnce(&mut Lane)) {
        let lane = &mut self.lanes[at as usize];
        if lane.rides_along() {
            self.unsent -= lane.unsent();
            self.unsent_size -= lane.unsent_size();
        }
        change(lane);
        if lane.rides_along() {
            self.unsent += lane.unsent();
            self.unsent_size += lane.unsent_size();
        }
    }

    /// Takes out a Kinesis record of which something has expired, and the lane in which it was.
    pub(crate) fn take_expired(&mut self, now: Instant) -> Option<(u32, KinesisRecord)> {
        loop {
            let &(_, at) = self.expiring.first().filter(|(expiration, _)| *expiration <= now)?;
            if self.get(at).aggregator.expiration() <= now {
                self.close(at, Cut::Time, now);
            }
            if let Some(record) = self.take_from(at, |lane, pieces| lane.take_expired(now, pieces))
            {
                // What the limiter held back may have been just this.
                self.unblock(at);
                return Some((at, record));
            }
            // The mark came too early.
            let next = self.get(at).next_expiration();
            let old = core::mem::replace(&mut self.lanes[at as usize].marks.expiring, next);
            move_mark(&mut self.expiring, at, old, next);
        }
    }

    /// Lets `serve` take Kinesis records out of a lane that its limiter does not hold back, and counts afterwards
    /// what is left; call [`mark`](Self::mark) or [`block`](Self::block) when done with the lane. `serve` is told
    /// whether only what is due may leave: so it is as long as the first map may come in time.
    #[inline(always)]
    pub(crate) fn serve<T>(
        &mut self,
        at: u32,
        serve: impl FnOnce(&mut Lane, &mut Pieces<KinesisRecord>, bool) -> (T, usize),
    ) -> T {
        let only_due = self.awaits_map;
        let (result, records) = self.change(at, |lane, pieces| serve(lane, pieces, only_due));
        self.records -= records;
        result
    }

    fn take_from(
        &mut self,
        at: u32,
        take: impl FnOnce(&mut Lane, &mut Pieces<KinesisRecord>) -> Option<KinesisRecord>,
    ) -> Option<KinesisRecord> {
        let record = self.change(at, take)?;
        self.records -= record.records();
        self.mark(at);
        Some(record)
    }

    /// Whether all records that were accepted before number `before` were told to leave without waiting for company.
    pub(crate) const fn has_hurried(&self, before: u64) -> bool {
        self.hurry_before >= before
    }

    /// How many lanes their limiters hold back.
    pub(crate) fn held_back(&self) -> usize {
        self.blocked.len()
    }

    /// How many user records there are.
    pub(crate) const fn records(&self) -> usize {
        self.records
    }

    /// Gives back what memory is kept for more of the same.
    pub(crate) fn shrink(&mut self) {
        self.lanes.iter_mut().for_each(|lane| lane.shrink(&mut self.pieces));
        self.spare = Encoders::default();
    }

    /// Bytes of memory behind it.
    pub(crate) fn memory(&self) -> usize {
        let lanes: usize = self.lanes.iter().chain(&self.gone).map(Lane::memory).sum();
        let members = self.members.as_slice();
        let behind: usize = members.iter().map(Memory::behind).sum();
        lanes
            + memory::of_vec(&self.lanes)
            + self.spare.memory()
            + self.pieces.memory()
            + size_of_val(members)
            + behind
    }
}

/// When a lane is looked at whose limiter lets something pass at `ready`.
fn looked_at(ready: Instant) -> Instant {
    let poll = LIMITER_POLL.as_nanos() as u64;
    Instant::from_nanos(ready.as_nanos().div_ceil(poll).saturating_mul(poll))
}

fn move_mark(
    set: &mut BTreeSet<(Instant, u32)>,
    lane: u32,
    old: Option<Instant>,
    new: Option<Instant>,
) {
    if old == new {
        return;
    }
    if let Some(old) = old {
        set.remove(&(old, lane));
    }
    if let Some(new) = new {
        set.insert((new, lane));
    }
}
