use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use headwaters_wire::{Entries, Entry, ErrorCode, HashKey, ShardId};

use crate::action::BatchId;
use crate::check_sums::{CheckSums, Digest};
use crate::held::{Claim, Held};
use crate::kinesis_record::{Aggregate, Content, KinesisRecord};
use crate::memory;
use crate::record::UserRecord;
use crate::time::Instant;

/// The requests that the driver has not answered for yet.
#[derive(Debug)]
pub(crate) struct InFlight {
    slots: Vec<Slot>,
    free: Vec<u32>,
    requests: usize,
    records: usize,
    /// Requests that left apart.
    apart: usize,
    /// No request is late before, of those that are not known to be.
    late_from: Instant,
    /// When requests time out; rising, for each waits equally long. Answered ones are skipped.
    timeouts: VecDeque<(Instant, BatchId)>,
    /// When the engine stops waiting for the answer to a cancel; likewise.
    graces: VecDeque<(Instant, BatchId)>,
}

impl Default for InFlight {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            requests: 0,
            records: 0,
            apart: 0,
            late_from: Instant::NEVER,
            timeouts: VecDeque::new(),
            graces: VecDeque::new(),
        }
    }
}

/// What happens if a request gets no answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timers {
    /// When it is late, so that its lanes are in doubt.
    pub(crate) late_at: Instant,
    /// When it is given up.
    pub(crate) timeout: Instant,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    request: Option<Request>,
}

/// A batch that was sent.
#[derive(Debug)]
pub(crate) struct Request {
    /// Why it is being cancelled, if it is.
    pub(crate) cancelled: Option<ErrorCode>,
    /// When it is late; [`Instant::ZERO`] once its lanes know.
    pub(crate) late_at: Instant,
    pub(crate) load: Load,
    pub(crate) start: Instant,
}

/// What a request carries.
#[derive(Debug, Default)]
pub(crate) struct Load {
    /// The case of which it is a part, if it is bisected.
    pub(crate) case: Option<u64>,
    /// What was sent.
    pub(crate) entries: Entries,
    /// What is kept beside each entry, in their order; nothing if they were purged.
    pub(crate) flights: Vec<Flight>,
    /// The shard map by which it was sent.
    pub(crate) generation: u32,
    /// Whether it is of one lane alone, because of a doubt.
    pub(crate) is_apart: bool,
    /// How many user records it has.
    pub(crate) records: usize,
    /// The lanes that it left, and the oldest record from each, by its place in the order of acceptance.
    pub(crate) turns: Vec<(u32, u64)>,
    /// Aggregates among the entries that lack their check sums, and are not there as long as they do.
    pub(crate) unsealed: Option<CheckSums>,
}

/// What is kept of a Kinesis record while its entry is on the way.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) cargo: Cargo,
    /// The lane that it left.
    pub(crate) lane: u32,
}

#[derive(Debug)]
pub(crate) enum Cargo {
    Aggregate(Box<Aggregate>),
    /// With the bytes that the service counts; 10 MiB at most.
    Plain {
        claim: Claim,
        hash_key: HashKey,
        size: u32,
    },
}

impl Cargo {
    /// The hash key of what was sent as this entry.
    pub(crate) fn hash_key(&self, entry: &Entry) -> HashKey {
        match self {
            // Its explicit one.
            Self::Aggregate(_) => entry.hash_key(),
            Self::Plain { hash_key, .. } => *hash_key,
        }
    }

    /// What is kept of a Kinesis record that was sent before and is sent again to this shard, and the entry.
    pub(crate) fn embark(record: KinesisRecord, shard: Option<&ShardId>) -> (Self, Entry) {
        match record {
            KinesisRecord::Aggregate(mut aggregate) => {
                aggregate.sent_to = shard.cloned();
                let entry = aggregate.seal();
                (Self::Aggregate(aggregate), entry)
            }
            KinesisRecord::Plain(Held { record, claim, .. }) => {
                let (hash_key, size) = (record.hash_key(), record.size() as u32);
                (Self::Plain { claim, hash_key, size }, record.into_entry())
            }
        }
    }

    /// The Kinesis record again, as it was before it was sent as this entry.
    pub(crate) fn land(self, entry: &Entry) -> KinesisRecord {
        match self {
            Self::Aggregate(aggregate) => KinesisRecord::Aggregate(aggregate),
            Self::Plain { claim, hash_key, .. } => {
                let record = UserRecord::hashed(entry.clone(), hash_key);
                KinesisRecord::Plain(Held { record, claim, deadline: Instant::NEVER })
            }
        }
    }
}

impl Load {
    /// Makes the check sums that are missing.
    pub(crate) fn seal(&mut self) {
        if let Some(unsealed) = &self.unsealed {
            let digests = unsealed.compute();
            self.seal_with(&digests);
        }
    }

    /// Takes the check sums that are missing; false if none are, or it is another number of them.
    pub(crate) fn seal_with(&mut self, digests: &[Digest]) -> bool {
        let Some(unsealed) = self.unsealed.take() else { return false };
        let aggregates = unsealed.into_aggregates();
        if aggregates.len() != digests.len() {
            self.unsealed = Some(CheckSums::new(aggregates));
            return false;
        }
        let entries = self.entries.get_mut().expect("nobody has them before they are sealed");
        for ((at, unsealed), digest) in aggregates.into_iter().zip(digests) {
            let entry = unsealed.seal_with(*digest);
            if let Cargo::Aggregate(aggregate) = &mut self.flights[at].cargo {
                aggregate.content = Content::Sealed(entry.clone());
            }
            entries[at] = entry;
        }
        true
    }

    /// The Kinesis records again.
    pub(crate) fn land(self) -> impl Iterator<Item = KinesisRecord> {
        let Self { entries, flights, .. } = self;
        flights.into_iter().enumerate().map(move |(at, flight)| flight.cargo.land(&entries[at]))
    }
}

impl InFlight {
    /// Notes that a request leaves now, and names its batch.
    pub(crate) fn start(&mut self, load: Load, now: Instant, timers: Timers) -> BatchId {
        let Timers { late_at, timeout } = timers;
        self.records += load.records;
        self.requests += 1;
        self.apart += usize::from(load.is_apart);
        self.late_from = self.late_from.min(late_at);
        let request = Some(Request { cancelled: None, late_at, load, start: now });
        let id = if let Some(slot) = self.free.pop() {
            let generation = self.slots[slot as usize].generation;
            self.slots[slot as usize].request = request;
            BatchId { slot, generation }
        } else {
            let slot = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
            self.slots.push(Slot { generation: 0, request });
            BatchId { slot, generation: 0 }
        };
        self.timeouts.push_back((timeout, id));
        id
    }

    /// Ends a request; `None` if there is none of that name any more.
    pub(crate) fn finish(&mut self, id: BatchId) -> Option<Request> {
        let slot = self.slots.get_mut(id.slot as usize)?;
        if slot.generation != id.generation {
            return None;
        }
        let mut request = slot.request.take()?;
        // A generation that runs out takes its slot with it, so that no name is ever used twice.
        if let Some(next) = slot.generation.checked_add(1) {
            slot.generation = next;
            self.free.push(id.slot);
        }
        self.records -= request.load.records;
        self.requests -= 1;
        self.apart -= usize::from(request.load.is_apart);
        request.load.seal();
        Some(request)
    }

    /// Marks a request as being cancelled; false if it already is, or is gone.
    pub(crate) fn cancel(&mut self, id: BatchId, reason: ErrorCode, grace: Instant) -> bool {
        match self.get_mut(id) {
            Some(request) if request.cancelled.is_none() => {
                request.cancelled = Some(reason);
                self.graces.push_back((grace, id));
                true
            }
            _ => false,
        }
    }

    /// Takes the load out of all requests, which stay until they are answered.
    pub(crate) fn drain(&mut self) -> Vec<(BatchId, Instant, Load)> {
        (self.records, self.apart) = (0, 0);
        let slots = self.slots.iter_mut().enumerate();
        slots
            .filter_map(|(slot, Slot { generation, request })| {
                let request = request.as_mut()?;
                let slot = u32::try_from(slot).unwrap_or(u32::MAX);
                let id = BatchId { slot, generation: *generation };
                request.load.seal();
                Some((id, request.start, core::mem::take(&mut request.load)))
            })
            .collect()
    }

    /// The next request whose timeout has come.
    pub(crate) fn take_timed_out(&mut self, now: Instant) -> Option<BatchId> {
        let at = self.next_timeout()?;
        if at > now { None } else { self.timeouts.pop_front().map(|(_, id)| id) }
    }

    /// The next cancelled request that the engine has waited for long enough.
    pub(crate) fn take_silent(&mut self, now: Instant) -> Option<BatchId> {
        let at = self.next_grace()?;
        if at > now { None } else { self.graces.pop_front().map(|(_, id)| id) }
    }

    /// Forgets the timers of requests that are gone, so that the next ones are of requests that are not.
    pub(crate) fn skip_answered(&mut self) {
        while let Some(&(_, id)) = self.timeouts.front() {
            if self.get(id).is_some_and(|request| request.cancelled.is_none()) {
                break;
            }
            self.timeouts.pop_front();
        }
        while let Some(&(_, id)) = self.graces.front() {
            if self.get(id).is_some() {
                break;
            }
            self.graces.pop_front();
        }
    }

    /// Takes the check sums that a request lacks, and says what to send; `None` if it lacks none, or is not to be sent
    /// any more.
    pub(crate) fn seal(&mut self, id: BatchId, digests: &[Digest]) -> Option<Entries> {
        let request = self.get_mut(id)?;
        let sealed = request.load.seal_with(digests) && request.cancelled.is_none();
        sealed.then(|| request.load.entries.clone())
    }

    pub(crate) fn get(&self, id: BatchId) -> Option<&Request> {
        let slot = self.slots.get(id.slot as usize)?;
        if slot.generation == id.generation { slot.request.as_ref() } else { None }
    }

    fn get_mut(&mut self, id: BatchId) -> Option<&mut Request> {
        let slot = self.slots.get_mut(id.slot as usize)?;
        if slot.generation == id.generation { slot.request.as_mut() } else { None }
    }

    /// The next request that is late, and is not known to be: when it left, and what it carries.
    pub(crate) fn take_late(&mut self, now: Instant) -> Option<(Instant, &Load)> {
        if now < self.late_from {
            return None;
        }
        let requests = self.slots.iter_mut().filter_map(|slot| slot.request.as_mut());
        let unknown = requests.filter(|request| request.late_at > Instant::ZERO);
        let Some(first) = unknown.min_by_key(|request| request.late_at) else {
            self.late_from = Instant::NEVER;
            return None;
        };
        self.late_from = first.late_at;
        if now < first.late_at {
            return None;
        }
        first.late_at = Instant::ZERO;
        Some((first.start, &first.load))
    }

    /// How many requests left apart.
    pub(crate) const fn apart(&self) -> usize {
        self.apart
    }

    /// How many user records are in requests.
    pub(crate) const fn records(&self) -> usize {
        self.records
    }

    /// How many requests there are.
    pub(crate) const fn requests(&self) -> usize {
        self.requests
    }

    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.timeouts.front().map(|&(at, _)| at)
    }

    pub(crate) fn next_grace(&self) -> Option<Instant> {
        self.graces.front().map(|&(at, _)| at)
    }

    /// Bytes of memory behind it.
    pub(crate) fn memory(&self) -> usize {
        let requests = self.slots.iter().filter_map(|slot| slot.request.as_ref());
        let of = |Load { entries, flights, turns, unsealed, .. }: &Load| {
            let unsealed = unsealed.as_ref().map_or(0, CheckSums::memory);
            memory::of_load(entries, flights) + memory::of_vec(turns) + unsealed
        };
        let loads = requests.map(|request| of(&request.load));
        memory::of_vec(&self.slots) + loads.sum::<usize>()
    }

    /// What must hold between calls.
    #[cfg(debug_assertions)]
    pub(crate) fn invariants(&self) {
        let requests = self.slots.iter().filter_map(|slot| slot.request.as_ref());
        let apart = requests.clone().filter(|request| request.load.is_apart).count();
        debug_assert_eq!(self.apart, apart);
        debug_assert_eq!(self.records, requests.map(|request| request.load.records).sum::<usize>());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> Timers {
        Timers { late_at: Instant::NEVER, timeout: Instant::from_nanos(nanos) }
    }

    #[test]
    fn a_name_is_good_for_one_answer() {
        let mut in_flight = InFlight::default();
        let first = in_flight.start(Load::default(), Instant::ZERO, at(0));
        assert!(in_flight.finish(first).is_some());
        assert!(in_flight.finish(first).is_none(), "answered already");
        let second = in_flight.start(Load::default(), Instant::ZERO, at(0));
        assert_ne!(first, second, "the slot is used again, the name is not");
        assert!(in_flight.finish(first).is_none());
        assert_eq!(in_flight.requests(), 1);
    }

    #[test]
    fn a_slot_retires_before_its_names_repeat() {
        let mut in_flight = InFlight::default();
        let id = in_flight.start(Load::default(), Instant::ZERO, at(0));
        in_flight.slots[0].generation = u32::MAX;
        assert!(in_flight.finish(BatchId { generation: u32::MAX, ..id }).is_some());
        let next = in_flight.start(Load::default(), Instant::ZERO, at(0));
        assert_eq!((next.slot, in_flight.requests()), (1, 1));
    }

    #[test]
    fn timers_of_answered_requests_are_skipped() {
        let mut in_flight = InFlight::default();
        let first = in_flight.start(Load::default(), Instant::ZERO, at(5));
        let second = in_flight.start(Load::default(), Instant::ZERO, at(6));
        in_flight.finish(first);
        in_flight.skip_answered();
        assert_eq!(in_flight.next_timeout(), Some(Instant::from_nanos(6)));
        assert_eq!(in_flight.take_timed_out(Instant::from_nanos(5)), None);
        assert_eq!(in_flight.take_timed_out(Instant::from_nanos(6)), Some(second));
        assert!(in_flight.cancel(second, ErrorCode::RequestTimeout, Instant::from_nanos(9)));
        assert!(!in_flight.cancel(second, ErrorCode::RequestTimeout, Instant::from_nanos(9)));
        assert_eq!(in_flight.take_silent(Instant::from_nanos(9)), Some(second));
    }
}
