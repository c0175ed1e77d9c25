use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use headwaters_wire::{Entry, ListedShard};

use crate::aggregator::Aggregator;
use crate::bounds::Bounds;
use crate::doubts::Doubt;
use crate::figures::Figures;
use crate::held::{Held, Stamp};
use crate::kinesis_record::{KinesisRecord, NOTHING};
use crate::limiter::Limiter;
use crate::memory::{self, Memory};
use crate::queue::{Pieces, Queue, push_with};
use crate::record::UserRecord;
use crate::time::Instant;

/// The Kinesis records of one shard that wait for a request, and what is still being packed for it.
///
/// What comes in the order of its deadlines and expirations, as nearly everything does, is held in a queue;
/// only retried records and those with a timing of their own need an order of their own.
#[derive(Debug)]
pub(crate) struct Lane {
    /// `None` for the lane of records whose shard is not known.
    pub(crate) shard: Option<ListedShard>,
    pub(crate) limiter: Limiter,
    pub(crate) figures: Figures,
    pub(crate) aggregator: Aggregator,
    /// Why it shares no requests with others; `None` if it does.
    pub(crate) doubt: Option<Doubt>,
    /// How many requests are in flight that it shares with nobody because of a doubt.
    pub(crate) apart: u32,
    /// When a request with something of it was last answered in time.
    pub(crate) answered_at: Instant,
    /// Whether aggregates for it go astray, and no map says why: then its records go by themselves.
    pub(crate) is_suspect: bool,
    /// By when all that waits is to leave, because something of it has successors that are in a hurry.
    pub(crate) hastened: Option<Instant>,
    /// Room of what waits elsewhere to come into the lane: for a retry, or behind others of its hash key.
    pub(crate) elsewhere: usize,
    /// Bytes that the lane may still send before it is the next lane's turn (deficit round robin).
    pub(crate) deficit: usize,
    /// What came in order and was not sent before.
    fresh: Queue<KinesisRecord>,
    fresh_size: usize,
    /// Deadline and expiration of the last of those.
    last: (Instant, Instant),
    /// The others, by deadline and place in the order of acceptance.
    ordered: BTreeMap<Key, KinesisRecord>,
    /// How many of those have user records that were not sent before, and their bytes.
    late: usize,
    late_size: usize,
    /// Room that all of these take.
    room: usize,
    /// Those in `ordered` that can expire.
    expirations: BTreeSet<(Instant, Key)>,
    /// Under what the lane is found in the sets of `Lanes`.
    pub(crate) marks: Marks,
}

type Key = (Instant, u64);

/// Where a lane is noted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Marks {
    /// When it is to leave apart, if it is in doubt and may.
    pub(crate) apart: Option<Instant>,
    /// Until when its limiter lets nothing pass.
    pub(crate) blocked: Option<Instant>,
    /// When something of it expires at the earliest.
    pub(crate) expiring: Option<Instant>,
    /// When what is being packed is due.
    pub(crate) filling: Option<Instant>,
    /// When the first of its Kinesis records is due.
    pub(crate) queued: Option<Instant>,
}

impl Lane {
    pub(crate) fn new(
        shard: Option<ListedShard>,
        limiter: Limiter,
        aggregator: Aggregator,
    ) -> Self {
        Self {
            shard,
            limiter,
            figures: Figures::default(),
            aggregator,
            doubt: None,
            apart: 0,
            answered_at: Instant::ZERO,
            is_suspect: false,
            hastened: None,
            deficit: 0,
            elsewhere: 0,
            fresh: Queue::new(),
            fresh_size: 0,
            last: (Instant::ZERO, Instant::ZERO),
            late: 0,
            late_size: 0,
            room: 0,
            ordered: BTreeMap::new(),
            expirations: BTreeSet::new(),
            marks: Marks::default(),
        }
    }

    /// Whether what has this deadline and this expiration may come last in the queue.
    #[inline(always)]
    pub(crate) fn is_in_order(&self, deadline: Instant, expiration: Instant) -> bool {
        self.fresh.is_empty() || (self.last.0 <= deadline && self.last.1 <= expiration)
    }

    /// Adds a new record of `size` bytes that goes plain and is in order.
    #[inline(always)]
    pub(crate) fn append(
        &mut self,
        record: UserRecord,
        size: usize,
        stamp: Stamp,
        pieces: &mut Pieces<KinesisRecord>,
    ) {
        self.fresh_size += size;
        self.room += size + Bounds::RECORD_OVERHEAD;
        self.last = (stamp.deadline, stamp.expiration);
        self.fresh.push_with(pieces, || KinesisRecord::Plain(stamp.on(record)));
    }

    /// Adds a Kinesis record that was not sent before.
    pub(crate) fn add(&mut self, record: KinesisRecord, pieces: &mut Pieces<KinesisRecord>) {
        if !self.is_in_order(record.deadline(), record.expiration()) {
            return self.insert(record);
        }
        self.fresh_size += record.size();
        self.room += record.room();
        self.last = (record.deadline(), record.expiration());
        self.fresh.push_with(pieces, || record);
    }

    /// Adds a Kinesis record wherever its deadline belongs.
    pub(crate) fn insert(&mut self, record: KinesisRecord) {
        let key = (record.deadline(), record.sequence());
        if record.expiration() != Instant::NEVER {
            self.expirations.insert((record.expiration(), key));
        }
        if record.has_unsent() {
            self.late += 1;
            self.late_size += record.size();
        }
        self.room += record.room();
        let twin = self.ordered.insert(key, record);
        debug_assert!(twin.is_none(), "two records with one place in the order of acceptance");
    }

    /// The Kinesis record that leaves next.
    #[inline]
    pub(crate) fn first(&self) -> Option<&KinesisRecord> {
        if self.takes_ordered() {
            return self.ordered.first_key_value().map(|(_, record)| record);
        }
        self.fresh.front()
    }

    /// The size of the Kinesis record that leaves next; `None` if none may leave now: with `only_due` nothing rides
    /// along before its deadline.
    pub(crate) fn next_size(&self, only_due: bool, now: Instant) -> Option<usize> {
        let first = self.first()?;
        (!only_due || first.deadline() <= now).then(|| first.size())
    }

    /// The plain records without a past that leave next, one after the other, and may leave by `latest`, if there are
    /// such: nearly all plain records are. These are all that can be seen at once, not all there are.
    #[inline]
    pub(crate) fn run(&self, latest: Instant) -> impl Iterator<Item = &Held> {
        let ordered = self.ordered.first_key_value();
        let ordered = ordered.map_or((Instant::NEVER, u64::MAX), |(&key, _)| key);
        self.fresh.run().iter().map_while(move |record| match record {
            KinesisRecord::Plain(held)
                if held.claim.past.is_none()
                    && held.deadline <= latest
                    && (held.deadline, held.claim.sequence) < ordered =>
            {
                Some(held)
            }
            _ => None,
        })
    }

    /// Takes the first `count` records out of which [`run`](Self::run) spoke, of so many bytes: puts their entries
    /// to the others.
    ///
    /// Room first, then the value: so it goes straight from the queue to where it belongs. It has no part that would have
    /// to be dropped, so none is laid aside.
    #[inline]
    pub(crate) fn take_run(
        &mut self,
        (count, size): (usize, usize),
        pieces: &mut Pieces<KinesisRecord>,
        entries: &mut Vec<Entry>,
    ) {
        self.fresh_size -= size;
        self.room -= size + count * Bounds::RECORD_OVERHEAD;
        self.fresh.take_run(count, pieces, |mut records| {
            for _ in 0..count {
                push_with(entries, || match records.next() {
                    Some(KinesisRecord::Plain(Held { record, claim, .. })) => {
                        core::mem::forget(claim.past);
                        record.into_entry()
                    }
                    other => {
                        drop(other);
                        NOTHING
                    }
                });
            }
        });
    }

    #[inline]
    pub(crate) fn pop_first(
        &mut self,
        pieces: &mut Pieces<KinesisRecord>,
    ) -> Option<KinesisRecord> {
        if self.takes_ordered() {
            let &key = self.ordered.first_key_value()?.0;
            return self.remove(key);
        }
        self.pop_fresh(pieces)
    }

    #[inline]
    fn takes_ordered(&self) -> bool {
        match (self.fresh.front(), self.ordered.first_key_value()) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(fresh), Some((&key, _))) => key < (fresh.deadline(), fresh.sequence()),
        }
    }

    #[inline(always)]
    fn pop_fresh(&mut self, pieces: &mut Pieces<KinesisRecord>) -> Option<KinesisRecord> {
        let record = self.fresh.pop_front(pieces)?;
        self.fresh_size -= record.size();
        self.room -= record.room();
        Some(record)
    }

    fn remove(&mut self, key: Key) -> Option<KinesisRecord> {
        let record = self.ordered.remove(&key)?;
        self.room -= record.room();
        if record.has_unsent() {
            self.late -= 1;
            self.late_size -= record.size();
        }
        if record.expiration() != Instant::NEVER {
            self.expirations.remove(&(record.expiration(), key));
        }
        Some(record)
    }

    /// Takes out a Kinesis record of which something has expired.
    pub(crate) fn take_expired(
        &mut self,
        now: Instant,
        pieces: &mut Pieces<KinesisRecord>,
    ) -> Option<KinesisRecord> {
        if self.fresh.front().is_some_and(|record| record.expiration() <= now) {
            return self.pop_fresh(pieces);
        }
        let &(expiration, key) = self.expirations.first()?;
        if expiration > now { None } else { self.remove(key) }
    }

    /// When the lane has something to send, if its limiter lets it pass; the origin of time if it has enough
    /// of it to be sent at once: `full_at` bytes that were not sent before, or one that was accepted before
    /// the record number `hurry_before`.
    ///
    /// Retried records keep their deadlines, whoever is in a hurry: else a flush or a close would make a storm
    /// of the retries.
    pub(crate) fn due(&self, full_at: usize, hurry_before: u64) -> Option<Instant> {
        let hurries = self.fresh.front().is_some_and(|fresh| fresh.sequence() < hurry_before);
        if hurries || self.unsent_size() >= full_at {
            return Some(Instant::ZERO);
        }
        let fresh = self.fresh.front().map(KinesisRecord::deadline);
        let ordered = self.ordered.first_key_value().map(|(&(deadline, _), _)| deadline);
        fresh.into_iter().chain(ordered).min()
    }

    /// Lets all that waits leave no later than at `deadline`.
    pub(crate) fn hasten(&mut self, deadline: Instant) {
        self.hastened = Some(self.hastened.map_or(deadline, |hastened| hastened.min(deadline)));
    }

    /// When the lane has something to send: at `due`, or earlier because it is to be hastened, until nothing waits.
    pub(crate) fn hastened_due(&mut self, due: Option<Instant>) -> Option<Instant> {
        if due.is_none() {
            self.hastened = None;
        }
        due.into_iter().chain(self.hastened).min()
    }

    /// Whether something that was accepted before the record number `before` is not in the queue and was not sent before.
    pub(crate) fn is_hurried(&self, before: u64) -> bool {
        let is_late = |record: &KinesisRecord| record.has_unsent() && record.sequence() < before;
        self.aggregator.sequence() < before || self.late > 0 && self.ordered.values().any(is_late)
    }

    /// Lets what came out of order and was not sent before leave now, and what is packed with it. The queue needs no
    /// such thing: see [`due`](Self::due).
    ///
    /// Not before what was due already: where one flush follows the other, and more comes than leaves, retries would wait
    /// for ever.
    pub(crate) fn hurry(&mut self, now: Instant) {
        let late = self.ordered.iter().filter(|(_, record)| record.has_unsent());
        let late: Vec<Key> = late.map(|(&key, _)| key).filter(|key| key.0 > now).collect();
        for key in late {
            if let Some(mut record) = self.remove(key) {
                record.set_deadline(now);
                self.insert(record);
            }
        }
    }

    /// When something of it expires.
    pub(crate) fn next_expiration(&self) -> Option<Instant> {
        let fresh = self.fresh.front().map(KinesisRecord::expiration);
        let ordered = self.expirations.first().map(|&(expiration, _)| expiration);
        let open = Some(self.aggregator.expiration());
        let next = [fresh, ordered, open].into_iter().flatten().min();
        next.filter(|&expiration| expiration != Instant::NEVER)
    }

    /// How many Kinesis records there are that were not sent before.
    pub(crate) fn unsent(&self) -> usize {
        self.fresh.len() + self.late
    }

    /// Bytes of those.
    pub(crate) const fn unsent_size(&self) -> usize {
        self.fresh_size + self.late_size
    }

    /// How many of those came in order.
    pub(crate) fn in_order(&self) -> usize {
        self.fresh.len()
    }

    /// The room that all takes which waits for its shard, in bytes.
    pub(crate) const fn held(&self) -> usize {
        self.room + self.aggregator.room() + self.elsewhere
    }

    /// Whether what it has may ride along in a request with others.
    #[inline(always)]
    pub(crate) const fn rides_along(&self) -> bool {
        self.marks.blocked.is_none() && self.doubt.is_none()
    }

    /// Whether it has nothing at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.ordered.is_empty() && self.aggregator.len() == 0
    }

    /// How many user records it has.
    #[cfg(debug_assertions)]
    pub(crate) fn records(&self) -> usize {
        let all = self.fresh.iter().chain(self.ordered.values());
        all.map(KinesisRecord::records).sum::<usize>() + self.aggregator.len()
    }

    /// Gives back what memory it can, if it is empty.
    pub(crate) fn shrink(&mut self, pieces: &mut Pieces<KinesisRecord>) {
        self.fresh.shrink(pieces);
    }

    /// Bytes of memory behind it.
    pub(crate) fn memory(&self) -> usize {
        let records = self.fresh.iter().chain(self.ordered.values());
        self.fresh.memory()
            + memory::of_tree::<Key, KinesisRecord>(self.ordered.len())
            + memory::of_tree::<(Instant, Key), ()>(self.expirations.len())
            + records.map(Memory::behind).sum::<usize>()
            + self.aggregator.memory()
    }

    /// What must hold between calls.
    #[cfg(debug_assertions)]
    pub(crate) fn invariants(&self) {
        self.aggregator.invariants();
        self.limiter.invariants();
        debug_assert_eq!(
            self.fresh_size,
            self.fresh.iter().map(KinesisRecord::size).sum::<usize>()
        );
        let all = self.fresh.iter().chain(self.ordered.values());
        debug_assert_eq!(self.room, all.map(KinesisRecord::room).sum::<usize>());
        let late = self.ordered.values().filter(|record| record.has_unsent());
        debug_assert_eq!(
            (self.late, self.late_size),
            (late.clone().count(), late.map(KinesisRecord::size).sum())
        );
        let can_expire =
            self.ordered.values().filter(|record| record.expiration() != Instant::NEVER).count();
        debug_assert_eq!(self.expirations.len(), can_expire);
        for (first, second) in self.fresh.iter().zip(self.fresh.iter().skip(1)) {
            debug_assert!(first.deadline() <= second.deadline(), "the queue is in order");
            debug_assert!(first.expiration() <= second.expiration(), "the queue is in order");
        }
    }
}
