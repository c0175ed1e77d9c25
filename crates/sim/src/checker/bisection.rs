//! Requests that are refused as a whole: what of them goes back, and in which parts.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;

use headwaters_engine::wire::ErrorCode;
use headwaters_engine::{BatchId, Completion, Instant, Requeue, Stats};

use super::record::Ended;
use super::{Checked, Checker, Request, rule};

/// What a request became that was refused as a whole, perhaps for one of its entries.
#[derive(Debug)]
pub(super) struct Case {
    /// User records that were refused alone.
    alone: u64,
    /// Whether what was left of it went back to wait as everything else does.
    is_over: bool,
    /// The most refusals from it down to one user record, itself included.
    depth: u32,
    /// Requests that were refused since something of it was stored.
    refusals: u32,
    /// Its latest request.
    request: BatchId,
    /// Whether something of it was stored.
    was_stored: bool,
    /// User records that are in no request, by their places in the first one.
    waiting: BTreeMap<usize, usize>,
}

/// A record of a request that was refused.
#[derive(Clone, Debug)]
pub(super) struct Suspect {
    case: usize,
    /// With what code.
    code: ErrorCode,
    /// By which map that request was sent.
    generation: u32,
    /// Whether it was alone.
    is_alone: bool,
    /// In how many entries it goes next, at most.
    most: usize,
    /// With how many user records in one entry, if it was the only one.
    members: Option<usize>,
    /// Its place among the user records of the first request.
    place: usize,
    /// Whether it was ever refused as a member of an aggregate.
    was_packed: bool,
}

/// The largest record that a stream takes unless it is told to take larger ones.
const LIMIT: &str = "1048576";

impl Case {
    /// Two whole ways down to one record were refused, and nothing was stored between.
    const fn blames_stream(&self) -> bool {
        self.refusals >= 2 * self.depth
    }
}

fn halvings(mut count: usize) -> u32 {
    let mut halvings = 0;
    while count > 1 {
        count = count.div_ceil(2);
        halvings += 1;
    }
    halvings
}

impl Request {
    fn largest(&self) -> usize {
        let sizes = (0..self.parcels.len()).map(|index| self.numbers_of(index).len());
        sizes.max().unwrap_or(0)
    }
}

impl Checker {
    /// A request leaves: what was refused together goes alone, and at most half of it.
    pub(super) fn suspects_sent(&mut self, batch: BatchId, request: &mut Request) -> Checked {
        let case_of = |number: &usize| self.records[*number].suspect.as_ref().map(|one| one.case);
        let case = request.numbers.first().and_then(case_of);
        rule(request.numbers.iter().all(|number| case_of(number) == case), || {
            format!("{batch} has suspects of {case:?}, and other records")
        })?;
        let Some(at) = case else { return Ok(()) };
        let count = request.parcels.len();
        for suspect in request.numbers.iter().filter_map(|&at| self.records[at].suspect.as_ref()) {
            // Of a new map a whole aggregate may have been taken apart.
            let is_old = suspect.generation != request.generation;
            let members = request.numbers.len();
            let is_small =
                count <= suspect.most && suspect.members.is_none_or(|most| members <= most);
            rule(is_small || is_old, || {
                format!(
                    "{batch} has {count} entries of {members}, more than half of what was refused"
                )
            })?;
        }
        let case = &mut self.cases[at];
        self.suspects_waiting -= request.numbers.len();
        let suspects = request.numbers.iter().filter_map(|&at| self.records[at].suspect.as_ref());
        let places: Vec<usize> = suspects.map(|one| one.place).collect();
        for place in &places {
            case.waiting.remove(place);
        }
        let first = case.waiting.first_key_value().map(|(&place, _)| place);
        let is_overtaken = first.is_some_and(|first| places.iter().any(|&place| place > first));
        rule(!is_overtaken, || format!("{batch} overtakes what was refused before it"))?;
        case.request = batch;
        request.case = Some(at);
        Ok(())
    }

    /// A request was refused for good, perhaps for one of its entries.
    pub(super) fn request_refused(&mut self, batch: BatchId, code: &ErrorCode) {
        let Some(request) = self.requests.get_mut(&batch) else { return };
        let (entries, records) = (request.parcels.len(), request.numbers.len());
        let earlier = request.case.filter(|&at| !self.cases[at].is_over);
        let at = earlier.unwrap_or(self.cases.len());
        request.case = Some(at);
        if earlier.is_none() {
            let depth = 1 + halvings(entries) + halvings(request.largest());
            self.cases.push(Case {
                alone: 0,
                is_over: false,
                depth,
                refusals: 0,
                request: batch,
                was_stored: false,
                waiting: BTreeMap::new(),
            });
        }
        let case = &mut self.cases[at];
        case.refusals += 1;
        case.alone += u64::from(records == 1);
        let mut places = 0..;
        for (index, parcel) in request.parcels.iter().enumerate() {
            for (&number, place) in request.numbers_of(index).iter().zip(&mut places) {
                let record = &mut self.records[number];
                if record.outcome.is_some() {
                    continue;
                }
                record.spared += 1;
                let before = record.suspect.take();
                record.suspect = Some(Box::new(Suspect {
                    case: at,
                    code: code.clone(),
                    generation: request.generation,
                    is_alone: records == 1,
                    most: entries.div_ceil(2),
                    members: (entries == 1).then(|| records.div_ceil(2)),
                    place: before
                        .as_ref()
                        .filter(|one| one.case == at)
                        .map_or(place, |one| one.place),
                    was_packed: parcel.is_aggregate || before.is_some_and(|one| one.was_packed),
                }));
            }
        }
    }

    /// Something of a request was stored.
    pub(super) fn part_stored(&mut self, batch: BatchId) {
        if let Some(at) = self.requests.get(&batch).and_then(|request| request.case) {
            self.cases[at].refusals = 0;
            self.cases[at].was_stored = true;
        }
    }

    /// Entries of a request that was refused as a whole go back, to be sent in parts and at once.
    pub(super) fn suspects_requeued(
        &mut self,
        requeue: &Requeue,
        request: &Request,
        now: Instant,
    ) -> Result<u64, alloc::string::String> {
        let Requeue { batch, cause, deadline, indexes, not_before, .. } = requeue;
        let at = request.case.ok_or_else(|| format!("{batch} was not refused as a whole"))?;
        rule(request.numbers.len() > 1, || format!("{batch} has nothing that can be apart"))?;
        rule(!self.cases[at].blames_stream(), || format!("{batch} goes on: {:?}", self.cases[at]))?;
        rule(request.answered_at == Some(*not_before) && deadline == not_before, || {
            format!("{batch} waits from {:?} until {not_before}", request.answered_at)
        })?;
        let mut again = 0;
        for &index in indexes {
            let place = (*batch, usize::from(index));
            let before = again;
            for &number in request.numbers_of(place.1) {
                let record = &mut self.records[number];
                if record.outcome.is_some() {
                    let is_expired =
                        matches!(record.outcome, Some(Ended::NotStored(_) | Ended::MaybeStored(_)));
                    rule(is_expired, || format!("record {number} was refused and is stored"))?;
                    continue;
                }
                let is_suspect = record.suspect.as_ref().is_some_and(|one| one.code == cause.code);
                rule(record.in_flight == Some(place) && is_suspect, || {
                    format!("record {number} was requeued from nowhere")
                })?;
                rule(!record.is_expired(*not_before), || format!("record {number} has expired"))?;
                let slot = self.map.slot(record.hash_key);
                self.shards.land(slot, record);
                record.not_before = *not_before;
                let place = record.suspect.as_ref().map(|one| one.place);
                self.cases[at].waiting.extend(place.map(|place| (place, number)));
                again += 1;
            }
            rule(again > before, || format!("{place:?} was requeued and is empty"))?;
        }
        self.figures.bisected += 1;
        let waiting = usize::try_from(again).unwrap_or(usize::MAX);
        self.suspects_waiting += waiting;
        self.figures.requeued += again;
        if request.generation != self.map.generation {
            self.case_over(at, now);
        }
        Ok(again)
    }

    /// A part of a request that was refused was not stored, or not where it belongs, and for no refusal of the same kind.
    pub(super) fn part_failed(&mut self, batch: BatchId, now: Instant) {
        if let Some(case) = self.requests.get(&batch).and_then(|request| request.case) {
            self.case_over(case, now);
        }
    }

    /// There is a new map, or none any more.
    pub(super) fn cases_over(&mut self, now: Instant) {
        (0..self.cases.len()).for_each(|at| self.case_over(at, now));
    }

    /// Where order is kept, what is left of a request waits for what is older of its hash keys, and is no suspect any
    /// more.
    pub(super) fn case_over(&mut self, at: usize, now: Instant) {
        if !self.is_ordered() || core::mem::replace(&mut self.cases[at].is_over, true) {
            return;
        }
        for number in core::mem::take(&mut self.cases[at].waiting).into_values() {
            self.suspects_waiting -= 1;
            let record = &mut self.records[number];
            (record.suspect, record.leave_by) = (None, now);
            let slot = self.map.slot(record.hash_key);
            if self.lines.is_first(record.hash_key, number) {
                self.waiting.add(slot, now, number);
            } else {
                self.sometimes.order_kept_in_bisection += 1;
            }
        }
    }

    /// Whether a record may be given up for good with this code: it was refused alone, or the stream is at fault.
    pub(super) fn may_give_up(&self, number: usize, code: &ErrorCode) -> bool {
        let Some(suspect) = &self.records[number].suspect else { return false };
        let case = &self.cases[suspect.case];
        // What waited for its turn was refused with another code, perhaps.
        (suspect.is_alone && suspect.code == *code) || case.blames_stream()
    }

    /// A record has its outcome.
    pub(super) fn suspect_ended(&mut self, number: usize, is_waiting: bool) {
        if let Some(suspect) = &self.records[number].suspect {
            self.cases[suspect.case].waiting.remove(&suspect.place);
            self.suspects_waiting -= usize::from(is_waiting);
        }
    }

    /// A record was given up because its request was refused.
    pub(super) fn note_given_up(&mut self, number: usize, completion: &Completion) {
        let record = &self.records[number];
        let Some(suspect) = &record.suspect else { return };
        let case = &self.cases[suspect.case];
        if !suspect.is_alone {
            self.sometimes.stream_at_fault += 1;
            return;
        }
        self.sometimes.bisected_poison += u64::from(case.was_stored);
        self.sometimes.poison_in_aggregate += u64::from(suspect.was_packed);
        self.sometimes.two_poisons_in_one_request += u64::from(case.was_stored && case.alone == 2);
        let error = completion.attempts.last().and_then(|attempt| attempt.error.as_ref());
        let says = error.map(|error| error.message.as_str());
        let has_limit = says.is_some_and(|message| message.contains(LIMIT));
        self.sometimes.record_above_changed_limit_alone +=
            u64::from(has_limit && record.size > (1 << 20));
    }

    /// What is left of refused requests, and waits to leave.
    pub(super) fn suspects(&self) -> impl Iterator<Item = usize> {
        let cases = if self.suspects_waiting == 0 { &[][..] } else { &self.cases[..] };
        cases.iter().flat_map(|case| case.waiting.values().copied())
    }

    /// A request that was refused, and of which a part should leave.
    pub(super) fn idle_case(&self) -> Option<&Case> {
        if self.suspects_waiting == 0 {
            return None;
        }
        self.cases.iter().filter(|case| !case.waiting.is_empty()).find(|case| {
            let request = self.requests.get(&case.request);
            request.is_none_or(|request| request.answered_at.is_some() || request.in_flight == 0)
        })
    }

    /// A part of a request that was refused waits for the part before it, for the window or for a limiter, and then the
    /// engine wants to be woken.
    pub(super) fn check_suspects(
        &mut self,
        at: Option<Instant>,
        stats: &Stats,
        now: Instant,
    ) -> Checked {
        if !self.window.is_open(now) || self.idle_case().is_none() {
            return Ok(());
        }
        let free_by = self.meters.free_by(now);
        let is_held_back = stats.lanes_held_back > 0 && at.is_some_and(|at| at <= free_by);
        rule(is_held_back, || {
            let idle = self.idle_case();
            format!(
                "a request is free at {now}, it waits until {at:?}, and suspects wait: {idle:?}"
            )
        })
    }
}
