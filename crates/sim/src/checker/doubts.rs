//! Who leaves apart, because requests with something for their shards are late.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use headwaters_engine::wire::ListedShard;
use headwaters_engine::{BatchId, Config, Instant, OutagePolicy, Stats};

use super::{Checked, Checker, Request, rule};

/// Of which shards nobody knows whether they answer.
#[derive(Debug)]
pub(super) struct Doubts {
    is_on: bool,
    /// How long a request usually takes.
    usual: Duration,
    /// Requests that have not ended.
    flying: BTreeMap<BatchId, Flight>,
    /// By their places in the map.
    slots: Vec<Slot>,
}

#[derive(Debug)]
struct Flight {
    generation: u32,
    is_apart: bool,
    /// Whether its shards are doubted for it, as far as they are to be.
    is_known: bool,
    late_at: Instant,
    slots: Vec<usize>,
    start: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    answered_at: Instant,
    /// Requests that left apart.
    apart: u32,
    is_doubted: bool,
    /// Whether one of those was answered since it is doubted.
    is_slow: bool,
}

const NO_DOUBT: Slot =
    Slot { answered_at: Instant::ZERO, apart: 0, is_doubted: false, is_slow: false };
const USUAL_MIN: Duration = Duration::from_millis(125);
const FACTOR: u32 = 4;
/// Most requests apart for a shard that answers, only late.
const SLOW_MAX: u32 = 4;

impl Doubts {
    pub(super) fn new(config: &Config) -> Self {
        let has_places = config.max_requests_in_flight() > 1;
        let is_on = has_places && config.outage() == OutagePolicy::Probe;
        Self { is_on, usual: USUAL_MIN, flying: BTreeMap::new(), slots: Vec::new() }
    }

    /// Whether something for this place in the map leaves apart.
    pub(super) fn is_doubted(&self, slot: usize) -> bool {
        self.slots.get(slot).is_some_and(|slot| slot.is_doubted)
    }

    fn doubted(&self) -> usize {
        self.slots.iter().filter(|slot| slot.is_doubted).count()
    }

    /// What shares no request with others may have to wait for one, while so many requests may be in flight.
    pub(super) fn may_hold_back(&self, slot: usize, open: u64) -> bool {
        self.is_doubted(slot) && (self.slots[slot].apart > 0 || self.is_full(open))
    }

    /// Whether no other request may leave apart.
    fn is_full(&self, open: u64) -> bool {
        let apart = self.flying.values().filter(|flight| flight.is_apart).count() as u64;
        apart >= (open / 2).max(1)
    }

    /// What is late shows by now.
    pub(super) fn elapse(&mut self, generation: u32, now: Instant) {
        for flight in self.flying.values_mut() {
            if flight.late_at <= now && !core::mem::replace(&mut flight.is_known, true) {
                doubt(&mut self.slots, flight, generation);
            }
        }
    }

    /// A request has come to its end. Returns how many shards are trusted again.
    fn ended(&mut self, batch: BatchId, is_answered: bool, generation: u32, now: Instant) -> usize {
        let Some(flight) = self.flying.remove(&batch) else { return 0 };
        let time = now.since(flight.start);
        if is_answered {
            let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
            let (usual, more) = (nanos(self.usual), nanos(time.min(2 * self.usual)));
            self.usual = Duration::from_nanos(usual - usual / 8 + more / 8).max(USUAL_MIN);
        }
        let is_late = flight.late_at <= now;
        if is_late && !flight.is_known {
            doubt(&mut self.slots, &flight, generation);
        }
        let mut trusted = 0;
        if flight.generation != generation {
            return trusted;
        }
        for slot in flight.slots {
            // There is none without a map.
            let Some(slot) = self.slots.get_mut(slot) else { break };
            if is_answered && !is_late {
                trusted += usize::from(slot.is_doubted);
                (slot.answered_at, slot.is_doubted) = (now, false);
            }
            if flight.is_apart {
                slot.apart -= 1;
                slot.is_slow |= is_answered;
            }
        }
        trusted
    }
}

/// A request is late: whoever was not answered since it left is doubted.
fn doubt(slots: &mut [Slot], flight: &Flight, generation: u32) {
    if slots.len() < 2 || flight.generation != generation {
        return;
    }
    for &slot in &flight.slots {
        let slot = &mut slots[slot];
        if slot.answered_at <= flight.start && !slot.is_doubted {
            (slot.is_doubted, slot.is_slow) = (true, false);
        }
    }
}

impl Checker {
    /// A request leaves: what is doubted leaves apart.
    pub(super) fn doubts_sent(
        &mut self,
        batch: BatchId,
        request: &Request,
        open: u64,
        now: Instant,
    ) -> Checked {
        if !self.doubts.is_on {
            return Ok(());
        }
        let mut slots: Vec<usize> = request.parcels.iter().map(|parcel| parcel.slot).collect();
        slots.sort_unstable();
        slots.dedup();
        let doubted = slots.iter().copied().find(|&slot| self.doubts.is_doubted(slot));
        let doubted = doubted.filter(|_| request.case.is_none());
        if let Some(slot) = doubted {
            rule(slots.len() == 1, || {
                format!("{batch} has something for {slots:?}, and {slot} is doubted")
            })?;
            rule(!self.doubts.is_full(open), || {
                format!("{batch} leaves apart, and of {open} requests many do: {:?}", self.doubts)
            })?;
            let Slot { apart, is_slow, .. } = self.doubts.slots[slot];
            rule(apart < if is_slow { SLOW_MAX } else { 1 }, || {
                format!("{batch} leaves apart beside {apart} others for {slot}")
            })?;
            self.doubts.slots[slot].apart += 1;
            self.sometimes.left_apart += 1;
            self.sometimes.left_apart_together += u64::from(apart > 0);
        }
        let flight = Flight {
            generation: self.map.generation,
            is_apart: doubted.is_some(),
            is_known: false,
            late_at: now.after(FACTOR * self.doubts.usual),
            slots,
            start: now,
        };
        self.doubts.flying.insert(batch, flight);
        Ok(())
    }

    /// A request has come to its end, with a result for each entry or without.
    pub(super) fn doubts_ended(&mut self, batch: BatchId, is_answered: bool, now: Instant) {
        let trusted = self.doubts.ended(batch, is_answered, self.map.generation, now);
        self.sometimes.trusted_again += trusted as u64;
    }

    /// Nobody waits for what is in flight.
    pub(super) fn doubts_forget(&mut self) {
        self.doubts.flying.clear();
        self.doubts.slots.fill(NO_DOUBT);
    }

    /// There is another map, or none that decides: shards that stay are doubted as before.
    pub(super) fn doubts_anew(&mut self, before: &[ListedShard], after: &[ListedShard]) {
        let slots = core::mem::take(&mut self.doubts.slots);
        let known = |shard: &ListedShard| {
            let at = before.iter().position(|other| other == shard)?;
            slots.get(at).map(|slot| Slot { apart: 0, ..*slot })
        };
        self.doubts.slots = after.iter().map(|shard| known(shard).unwrap_or(NO_DOUBT)).collect();
    }

    /// The engine waits, and says how many shards are doubted.
    pub(super) fn check_doubts(&mut self, stats: &Stats, now: Instant) -> Checked {
        self.doubts.elapse(self.map.generation, now);
        if self.is_closed_back(now) {
            return Ok(());
        }
        let (says, is) = (stats.lanes_apart, self.doubts.doubted() as u64);
        rule(says == is, || format!("{says} lanes are apart, and really {is}: {:?}", self.doubts))
    }
}
