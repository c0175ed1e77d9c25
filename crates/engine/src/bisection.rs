//! Finds the entries for which a request was refused as a whole.
//!
//! The service looks at some things before it looks at any entry by itself: one record above the stream's limit, and
//! the whole request is refused for good, with nothing stored. Where the code can mean that
//! ([`ErrorCode::may_blame_entry`](headwaters_wire::ErrorCode::may_blame_entry)), the request is cut into halves, and each
//! is sent by itself. What is stored is done; what is refused is halved again; an aggregate that is refused alone goes on
//! as two, each with half of the members; and a user record that is refused alone is given up.
//!
//! The parts of one request (a *case*) are sent one after the other, in the order of the request: nothing in it overtakes.
//! They leave before anything else of their lanes, with nothing else in their requests, and as far as the limiters let
//! them: what these hold back is a part of its own. A part that gets any other answer is no suspect any more, and what of
//! it was not stored is retried like everything else.
//!
//! # Order
//!
//! Where the order of each hash key is kept, what waits in a case has passed the turnstile, and the two halves of an
//! aggregate may have keys in common. As long as parts are refused or stored, all that has passed of those keys is here or
//! in the part that is in flight, and leaves in its order. But what got another answer may have to be sent again, and
//! nothing of its keys must leave before that. So then, and when there is a new map, what is left of the case goes back to
//! the turnstile. There it waits for what is older, is packed once more, and is bisected anew if it is refused again.
//!
//! # What it costs
//!
//! Let the *depth* of a request be the most refusals on the way from it to one user record: one, one more for each
//! halving of its entries, and one for each halving of the members of its largest aggregate. For 500 plain records it
//! is 10. Each record that is at fault costs at most two requests for each halving: 19 requests in all if there is one
//! among 500, the first included.
//!
//! If the stream is at fault, and the code does not tell, halving would end in a request for each record. So the rest of
//! a case is given up when *twice its depth* in refusals have come in a row, and nothing of it was stored between: that is
//! two whole ways down to single records. Several records at fault do not look so, because what lies between them is
//! stored. Only where many in a row are at fault, at least four of eight or seven of 500, can those after them be taken
//! along.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use headwaters_wire::AttemptError;

use crate::action::{Batch, BatchId};
use crate::completion::{Attempt, Cause};
use crate::engine::Engine;
use crate::held::{Claim, Held, Past};
use crate::in_flight::{Cargo, Flight, Load, Request};
use crate::kinesis_record::{Aggregate, KinesisRecord};
use crate::memory::{self, Memory};
use crate::requeues::Requeues;
use crate::time::Instant;

/// How many whole ways down to a single record are refused, one after the other, before the stream is taken to be at
/// fault: after one it may still be that one record.
const WAYS_DOWN_MAX: u32 = 2;

/// The requests that are being bisected.
#[derive(Debug, Default)]
pub(crate) struct Bisection {
    /// By their numbers: the oldest goes first.
    cases: BTreeMap<u64, Case>,
    /// The number of the newest.
    newest: u64,
    /// User records that wait to be sent.
    records: usize,
}

/// What is left of a request that was refused.
#[derive(Debug)]
struct Case {
    /// When the first of its records expires that wait to be sent.
    expiration: Instant,
    /// Whether one of its parts is in flight.
    is_sending: bool,
    /// Its parts, the one that is sent next last.
    parts: Vec<Vec<KinesisRecord>>,
    /// When the limiter lets it go on, as far as is known.
    ready_at: Instant,
    /// How many of its requests were refused since something of it was stored.
    refusals: u32,
    /// With how many of those the stream is taken to be at fault.
    refusals_max: u32,
}

/// What became of a part.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Part {
    /// Whether all of it was stored, and where it belongs.
    pub(crate) is_done: bool,
    /// Whether something of it was stored.
    pub(crate) is_stored: bool,
}

impl Case {
    fn of(load: &Load) -> Self {
        let members = |flight: &Flight| match &flight.cargo {
            Cargo::Aggregate(aggregate) => aggregate.claims.len(),
            Cargo::Plain { .. } => 1,
        };
        let largest = load.flights.iter().map(members).max().unwrap_or(1);
        let depth = 1 + halvings(load.flights.len()) + halvings(largest);
        Self {
            expiration: Instant::NEVER,
            is_sending: false,
            parts: Vec::new(),
            ready_at: Instant::ZERO,
            refusals: 0,
            refusals_max: WAYS_DOWN_MAX * depth,
        }
    }

    fn all(&self) -> impl Iterator<Item = &KinesisRecord> {
        self.parts.iter().flatten()
    }

    /// How many user records wait to be sent.
    fn records(&self) -> usize {
        self.all().map(KinesisRecord::records).sum()
    }

    /// Bytes of memory behind what waits to be sent.
    fn memory(&self) -> usize {
        let of = |part: &Vec<KinesisRecord>| {
            memory::of_vec(part) + part.iter().map(Memory::behind).sum::<usize>()
        };
        self.parts.iter().map(of).sum()
    }

    /// What waits to be sent, in its order.
    fn drain(&mut self) -> Vec<KinesisRecord> {
        core::mem::take(&mut self.parts).into_iter().rev().flatten().collect()
    }

    fn push(&mut self, part: Vec<KinesisRecord>) {
        if !part.is_empty() {
            self.parts.push(part);
        }
    }

    /// Sends these next: first one half of them, then the other.
    fn halve(&mut self, mut records: Vec<KinesisRecord>) {
        let second = records.split_off(records.len().div_ceil(2));
        self.push(second);
        self.push(records);
    }
}

/// How often `count` things can be halved until one is left.
const fn halvings(count: usize) -> u32 {
    usize::BITS - count.saturating_sub(1).leading_zeros()
}

impl Bisection {
    /// Bytes of memory behind it.
    pub(crate) fn memory(&self) -> usize {
        self.cases.values().map(Case::memory).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }

    /// How many user records wait to be sent.
    pub(crate) const fn records(&self) -> usize {
        self.records
    }

    /// A number for a new case.
    const fn name(&mut self) -> u64 {
        self.newest += 1;
        self.newest
    }

    fn take(&mut self, number: u64) -> Option<Case> {
        let case = self.cases.remove(&number)?;
        self.records -= case.records();
        Some(case)
    }

    /// Takes out the oldest.
    fn take_first(&mut self) -> Option<Case> {
        let number = *self.cases.first_key_value()?.0;
        self.take(number)
    }

    /// Puts a case back, unless it is over.
    fn put(&mut self, number: u64, mut case: Case) {
        if case.parts.is_empty() && !case.is_sending {
            return;
        }
        case.expiration = case.all().map(KinesisRecord::expiration).min().unwrap_or(Instant::NEVER);
        self.records += case.records();
        self.cases.insert(number, case);
    }

    /// A part is not refused as a whole: the next one may leave.
    fn answered(&mut self, number: u64, is_stored: bool) {
        let Some(case) = self.cases.get_mut(&number) else { return };
        case.is_sending = false;
        if is_stored {
            case.refusals = 0;
        }
        if case.parts.is_empty() {
            self.cases.remove(&number);
        }
    }

    /// There are new limiters.
    fn look_again(&mut self) {
        self.cases.values_mut().for_each(|case| case.ready_at = Instant::ZERO);
    }

    fn waiting(&self) -> impl Iterator<Item = (u64, &Case)> {
        let waiting = self.cases.iter().filter(|(_, case)| !case.is_sending);
        waiting.map(|(&number, case)| (number, case))
    }

    /// When a part can leave if a request is free.
    pub(crate) fn next_ready(&self) -> Option<Instant> {
        self.waiting().map(|(_, case)| case.ready_at).min()
    }

    /// When something expires that waits to be sent.
    pub(crate) fn next_expiration(&self) -> Option<Instant> {
        let next = self.cases.values().map(|case| case.expiration).min();
        next.filter(|&expiration| expiration != Instant::NEVER)
    }

    /// Takes out everything.
    pub(crate) fn drain(&mut self) -> Vec<KinesisRecord> {
        self.records = 0;
        let cases = core::mem::take(&mut self.cases).into_values();
        cases.flat_map(|mut case| case.drain()).collect()
    }

    /// What must hold between calls.
    #[cfg(debug_assertions)]
    pub(crate) fn invariants(&self) {
        debug_assert_eq!(self.records, self.cases.values().map(Case::records).sum::<usize>());
        for case in self.cases.values() {
            debug_assert!(case.is_sending || !case.parts.is_empty(), "a case is over");
            debug_assert!(case.parts.iter().all(|part| !part.is_empty()));
            debug_assert!(case.refusals < case.refusals_max, "given up in time");
            debug_assert!(case.all().all(|record| record.expiration() >= case.expiration));
            debug_assert!(case.all().all(KinesisRecord::was_sent));
        }
    }
}

impl Engine {
    /// A request was refused as a whole, perhaps for one of its entries.
    pub(crate) fn refused(&mut self, batch: BatchId, request: Request, error: &AttemptError) {
        let Request { load, start, .. } = request;
        let number = load.case.unwrap_or_else(|| self.bisection.name());
        let mut case = self.bisection.take(number).unwrap_or_else(|| Case::of(&load));
        case.is_sending = false;
        case.refusals += 1;
        let is_outdated = load.generation != self.lanes.generation;
        let attempt = Attempt { end: self.now, error: Some(error.clone()), start };
        let mut records: Vec<KinesisRecord> = load.land().collect();
        for record in &mut records {
            Past::note_spared(record.past_mut(), attempt.clone(), &mut self.room);
        }
        let is_over = case.refusals >= case.refusals_max;
        if is_over || matches!(records[..], [KinesisRecord::Plain(_)]) {
            let rest = if is_over { case.drain() } else { Vec::new() };
            let cause = Cause::Permanent(error.code.clone());
            records.into_iter().chain(rest).for_each(|record| self.give_up_all(record, &cause));
        } else {
            let suspects = self.requeue_suspects(batch, records, error);
            case.halve(suspects);
        }
        if self.turnstile.is_some() && is_outdated {
            return self.line_up_case(case);
        }
        self.bisection.put(number, case);
    }

    /// Gives up what has expired of the Kinesis records of a request, and says of the others that they go back; of one
    /// aggregate the halves.
    fn requeue_suspects(
        &mut self,
        batch: BatchId,
        records: Vec<KinesisRecord>,
        error: &AttemptError,
    ) -> Vec<KinesisRecord> {
        let is_alone = records.len() == 1;
        let mut requeues = Requeues::new(batch);
        let mut suspects = Vec::with_capacity(records.len());
        for (index, record) in (0..).zip(records) {
            let Some(record) = self.weed_expired(record) else { continue };
            self.stats.requeued += record.records() as u64;
            requeues.add(index, error.clone(), self.now, self.now);
            match record {
                KinesisRecord::Aggregate(aggregate) if is_alone => {
                    suspects.extend(self.halves(*aggregate));
                }
                record => suspects.push(record),
            }
        }
        self.stats.bisected += u64::from(!suspects.is_empty());
        self.actions.extend(requeues.into_actions());
        suspects
    }

    /// The halves of an aggregate, each packed anew.
    fn halves(&mut self, aggregate: Aggregate) -> impl Iterator<Item = KinesisRecord> {
        let generation = aggregate.generation;
        let mut first = aggregate.unpack(&mut self.room);
        self.stats.repacked += first.len() as u64;
        let second = first.split_off(first.len().div_ceil(2));
        [first, second].into_iter().filter_map(move |half| self.lanes.pack(half, generation))
    }

    /// A part got another answer than that it is refused as a whole, or none.
    pub(crate) fn part_answered(&mut self, number: u64, part: Part) {
        self.bisection.answered(number, part.is_stored);
        if self.turnstile.is_some()
            && !part.is_done
            && let Some(case) = self.bisection.take(number)
        {
            self.line_up_case(case);
        }
    }

    /// There is another map, or none any more, and with it there are new limiters.
    pub(crate) fn look_again_at_cases(&mut self) {
        if self.turnstile.is_none() {
            return self.bisection.look_again();
        }
        while let Some(case) = self.bisection.take_first() {
            self.line_up_case(case);
        }
    }

    /// Lets what is left of a case find its place behind what is older of its hash keys, and leave at once if there is
    /// nothing.
    fn line_up_case(&mut self, mut case: Case) {
        let deadline = self.now.before(self.config.linger());
        let mut members = Vec::new();
        for record in case.drain() {
            if let KinesisRecord::Aggregate(aggregate) = &record {
                self.stats.repacked += aggregate.claims.len() as u64;
            }
            let unpacked = record.unpack(&mut self.room).into_iter();
            members.extend(unpacked.map(|held| Held { deadline, ..held }));
        }
        self.line_up_again(members, false);
    }

    fn weed_expired(&mut self, record: KinesisRecord) -> Option<KinesisRecord> {
        let now = self.now;
        self.weed(record, |claim: &Claim, _| claim.is_expired(now).then_some(Cause::Expired))
    }

    /// Gives up what has expired while it waited to be sent.
    pub(crate) fn expire_suspects(&mut self) {
        while self.bisection.next_expiration().is_some_and(|next| next <= self.now) {
            let is_late = |case: &&Case| case.expiration <= self.now;
            let late = self.bisection.cases.iter().find(|(_, case)| is_late(case));
            let Some(number) = late.map(|(&number, _)| number) else { return };
            let Some(mut case) = self.bisection.take(number) else { return };
            for part in core::mem::take(&mut case.parts) {
                let kept = part.into_iter().filter_map(|record| self.weed_expired(record));
                let kept = kept.collect();
                case.push(kept);
            }
            self.bisection.put(number, case);
        }
    }

    /// Whether a part of a case may leave.
    pub(crate) fn is_part_due(&self) -> bool {
        let ready = self.bisection.next_ready();
        self.has_free_request() && ready.is_some_and(|ready| ready <= self.now)
    }

    /// Makes a batch of the next part of the oldest case that can go on; holds the lanes of the others back.
    pub(crate) fn collect_suspects(&mut self) -> Option<Batch> {
        if self.bisection.is_empty() || !self.has_free_request() {
            return None;
        }
        let waiting: Vec<u64> = self.bisection.waiting().map(|(number, _)| number).collect();
        for number in waiting {
            let mut case = self.bisection.take(number)?;
            let load = self.load_part(&mut case);
            case.is_sending = load.is_some();
            self.bisection.put(number, case);
            if let Some(load) = load {
                return Some(self.start(Load { case: Some(number), ..load }));
            }
        }
        None
    }

    /// Takes as much of the next part as fits into a request and the limiters let pass; `None` if they let nothing pass.
    fn load_part(&mut self, case: &mut Case) -> Option<Load> {
        let now = self.now;
        let mut part = self.settle_part(case.parts.pop()?);
        let (mut lanes, mut size) = (Vec::new(), 0);
        for record in &part {
            let (lane, bytes) = (self.lanes.lane_of(record), record.size());
            let fits = lanes.is_empty()
                || (lanes.len() < self.config.collection_max_count
                    && size + bytes <= self.config.collection_max_size);
            if !fits {
                break;
            }
            let limiter = &mut self.lanes.get_mut(lane).limiter;
            if !limiter.allows(bytes as u64, now) {
                if lanes.is_empty() {
                    let ready = limiter.ready_at(bytes as u64, now);
                    case.ready_at = self.lanes.hold_back(lane, ready);
                }
                break;
            }
            limiter.spend(bytes as u64, now);
            let figures = &mut self.lanes.get_mut(lane).figures;
            figures.entries += 1;
            figures.bytes_sent += bytes as u64;
            lanes.push(lane);
            size += bytes;
        }
        let rest = part.split_off(lanes.len());
        case.push(rest);
        if part.is_empty() {
            return None;
        }
        case.ready_at = Instant::ZERO;
        let shard = |lane| self.lanes.get(lane).shard.as_ref().map(|shard| &shard.id);
        let mut load = Load { generation: self.lanes.generation, ..Load::default() };
        load.records = part.iter().map(KinesisRecord::records).sum();
        load.turns =
            lanes.iter().zip(&part).map(|(&lane, record)| (lane, record.sequence())).collect();
        load.turns.sort_unstable();
        load.turns.dedup_by_key(|&mut (lane, _)| lane);
        let sent = part.into_iter().zip(lanes).map(|(record, lane)| {
            let (cargo, entry) = Cargo::embark(record, shard(lane));
            load.flights.push(Flight { cargo, lane });
            entry
        });
        load.entries = sent.collect::<Vec<_>>().into();
        Some(load)
    }

    /// Takes the aggregates apart of which not all members belong to one shard any more.
    fn settle_part(&mut self, part: Vec<KinesisRecord>) -> Vec<KinesisRecord> {
        let mut settled = Vec::with_capacity(part.len());
        for record in part {
            match self.settle(record) {
                Ok(record) => settled.push(record),
                Err(members) => settled.extend(members.into_iter().map(KinesisRecord::Plain)),
            }
        }
        settled
    }
}
