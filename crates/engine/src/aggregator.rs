use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use headwaters_wire::HashKey;
use headwaters_wire::aggregate::{Encoder, KPL_OUTER_KEY, OuterKey};
use headwaters_wire::limits::{PARTITION_KEY_CHARS_MAX, SHARD_BYTES_PER_SECOND};

use crate::config::Config;
use crate::held::{Claim, Held, Stamp};
use crate::kinesis_record::{Aggregate, Content, KinesisRecord};
use crate::lanes::LIMITER_POLL;
use crate::memory::{self, Memory};
use crate::order::Order;
use crate::record::UserRecord;
use crate::time::Instant;

/// Packs the user records of one shard. What they are packed into goes on filling until it is full or due.
#[derive(Debug)]
pub(crate) struct Aggregator {
    limits: Limits,
    /// When what is packed leaves at the latest.
    due: Instant,
    expiration: Instant,
    open: Open,
    /// From when on it may leave with others: the earliest deadline of its members.
    ripe: Instant,
    room: usize,
    sequence: u64,
    /// How many records the last aggregate had: the next will have about as many.
    usual: usize,
}

/// For how many records a new aggregate gets room at once: 16 KiB, less than its encoder takes.
const CLAIMS_AT_ONCE_MAX: usize = 512;

/// What ends an aggregate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How much room a new aggregate gets at once.
    capacity: usize,
    pub(crate) count: usize,
    /// Whether the hash keys of what is packed are kept, and not computed again when it is taken apart.
    pub(crate) keeps_keys: bool,
    /// Whether records of one hash key are kept in their order.
    keeps_order: bool,
    /// The most bytes of an aggregate of records that waited for one predecessor, at present and at all.
    most_behind: usize,
    most_behind_max: usize,
    pub(crate) linger: Duration,
    pub(crate) outer_key: OuterKey,
    pub(crate) size: usize,
}

/// Encoders that are not in use keep their memory here.
#[derive(Debug, Default)]
pub(crate) struct Encoders(
    #[expect(clippy::vec_box, reason = "they go to and fro, and are large")] Vec<Box<Encoder>>,
);

impl Encoders {
    /// Bytes of memory behind it.
    pub(crate) fn memory(&self) -> usize {
        self.0.iter().map(|encoder| size_of::<Encoder>() + encoder.memory()).sum()
    }
}

/// Whether a record was packed with those that are there, and what that changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Joined {
    /// It was, and what is packed is due or expires earlier now.
    Changed,
    /// It was, and now nothing more fits.
    Full,
    /// It was not.
    No,
    /// It was, and nothing else changed.
    Unnoticed,
}

#[derive(Debug)]
enum Open {
    Empty,
    /// Alone it goes plain, so it stays as it is until a second comes.
    One(Held),
    Many {
        claims: Vec<Claim>,
        encoder: Box<Encoder>,
        /// Their hash keys, if they are to be kept; else none.
        keys: Vec<HashKey>,
    },
}

impl Limits {
    pub(crate) fn of(config: &Config) -> Self {
        // Data and partition key together must be a record that the stream takes.
        let key = match config.outer_key {
            OuterKey::Kpl => KPL_OUTER_KEY.len(),
            _ => PARTITION_KEY_CHARS_MAX * 4,
        };
        let largest = config.max_user_record_size.saturating_sub(key);
        let size = config.aggregation_max_size.min(largest);
        Self {
            capacity: size,
            count: usize::try_from(config.aggregation_max_count).unwrap_or(usize::MAX),
            keeps_keys: config.order == Order::PerPartitionKey,
            keeps_order: config.order == Order::PerPartitionKey,
            most_behind: size,
            most_behind_max: config.collection_max_shard_size.clamp(size, largest),
            linger: config.linger(),
            outer_key: config.outer_key,
            size,
        }
    }
}

impl Aggregator {
    pub(crate) const fn new(limits: Limits) -> Self {
        Self {
            limits,
            due: Instant::NEVER,
            expiration: Instant::NEVER,
            open: Open::Empty,
            ripe: Instant::NEVER,
            room: 0,
            sequence: u64::MAX,
            usual: 0,
        }
    }

    /// Adds a record; returns what is complete thereby: what was there before if the two do not fit together,
    /// or all of it if it is full now.
    pub(crate) fn add(
        &mut self,
        held: Held,
        spare: &mut Encoders,
        generation: u32,
        now: Instant,
    ) -> (Option<KinesisRecord>, Option<KinesisRecord>) {
        if held.record.data().len() > self.limits.size {
            // It goes alone, whatever is there already.
            return (None, Some(KinesisRecord::Plain(held)));
        }
        let before = match self.pack(held, self.limits.size, spare) {
            None => None,
            Some(held) => {
                let before = self.close(spare, generation, now);
                self.pack(held, self.limits.size, spare);
                before
            }
        };
        let full = self.is_full(false);
        (before, if full { self.close(spare, generation, now) } else { None })
    }

    /// Packs a new record with two or more that are there, which is the common case and copies nothing but the
    /// payload; [`add`](Self::add) does it in every case.
    #[inline]
    pub(crate) fn join(&mut self, record: &UserRecord, stamp: Stamp) -> Joined {
        if record.data().len() > self.limits.size {
            return Joined::No;
        }
        let Open::Many { claims, encoder, keys } = &mut self.open else { return Joined::No };
        if encoder.try_append(record.as_member(), self.limits.size).is_err() {
            return Joined::No;
        }
        if self.limits.keeps_keys {
            keys.push(record.hash_key());
        }
        claims.push(stamp.claim());
        let full = claims.len() >= self.limits.count || encoder.size() >= self.limits.size;
        let before = (self.due, self.expiration);
        self.note(stamp, Held::room_of(record));
        if full {
            Joined::Full
        } else if before == (self.due, self.expiration) {
            Joined::Unnoticed
        } else {
            Joined::Changed
        }
    }

    /// Notes the times, the place and the room of a record that was packed.
    #[inline(always)]
    fn note(&mut self, Stamp { sequence, expiration, deadline, .. }: Stamp, room: usize) {
        self.room += room;
        self.sequence = self.sequence.min(sequence);
        if deadline >= self.ripe && expiration >= self.expiration {
            return;
        }
        self.ripe = self.ripe.min(deadline);
        self.expiration = self.expiration.min(expiration);
        self.set_due();
    }

    #[inline(always)]
    fn set_due(&mut self) {
        let lingered = self.ripe.after(self.limits.linger);
        // Where the expiration is near the record leaves without lingering.
        self.due = if self.expiration <= lingered { self.ripe } else { lingered };
    }

    /// Packs a record whose predecessor is there; gives it back if it does not fit, and then it has to wait until that
    /// is stored. See [`most`](Self::most).
    pub(crate) fn follow(&mut self, held: Held, more: bool, spare: &mut Encoders) -> Option<Held> {
        if held.record.data().len() > self.limits.size {
            return Some(held);
        }
        self.pack(held, self.most(more), spare)
    }

    /// Whether nothing more is to follow.
    pub(crate) fn is_full(&self, more: bool) -> bool {
        self.len() >= self.limits.count || self.size() >= self.most(more)
    }

    /// Requests for its shard take so long. What waited for one predecessor may take what the shard takes in that time and
    /// until its limiter is looked at, and a quarter more: then one hash key can have all of a shard. Larger aggregates would
    /// only be throttled more dearly, for each stands or falls as a whole.
    pub(crate) fn note_request_time(&mut self, time: Duration) {
        if !self.limits.keeps_order {
            // Nothing waits for a predecessor.
            return;
        }
        let micros = time.saturating_add(LIMITER_POLL).as_micros().saturating_mul(5) / 4;
        let bytes = micros.saturating_mul(u128::from(SHARD_BYTES_PER_SECOND)) / 1_000_000;
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        self.limits.most_behind = bytes.clamp(self.limits.size, self.limits.most_behind_max);
    }

    /// Most bytes of what is packed: where `more` records waited for the same predecessor it may be more than usual, or no
    /// more than a usual aggregate of them would be stored in each round trip.
    const fn most(&self, more: bool) -> usize {
        if more { self.limits.most_behind } else { self.limits.size }
    }

    /// Packs a record with those that are there; gives it back if it makes more than `most` bytes.
    fn pack(&mut self, held: Held, most: usize, spare: &mut Encoders) -> Option<Held> {
        let (stamp, room) = (held.stamp(), held.room());
        match core::mem::replace(&mut self.open, Open::Empty) {
            Open::Empty => self.open = Open::One(held),
            Open::One(first) => {
                let mut encoder = spare.0.pop().unwrap_or_else(|| {
                    Box::new(Encoder::new(self.limits.capacity, self.limits.outer_key))
                });
                let [one, other] = [&first, &held].map(|held| held.record.as_member());
                if encoder.size_of_two(one, other) > most {
                    spare.0.push(encoder);
                    self.open = Open::One(first);
                    return Some(held);
                }
                encoder.append(one);
                encoder.append(other);
                // With a little more room than was usual.
                let usual = self.usual.min(CLAIMS_AT_ONCE_MAX);
                let mut claims = Vec::with_capacity(usual + usual / 8 + 2);
                let mut keys = Vec::new();
                if self.limits.keeps_keys {
                    keys.extend([first.record.hash_key(), held.record.hash_key()]);
                }
                claims.extend([first.claim, held.claim]);
                self.open = Open::Many { claims, encoder, keys };
            }
            Open::Many { mut claims, mut encoder, mut keys } => {
                let fits = encoder.try_append(held.record.as_member(), most).is_ok();
                if !fits {
                    self.open = Open::Many { claims, encoder, keys };
                    return Some(held);
                }
                if self.limits.keeps_keys {
                    keys.push(held.record.hash_key());
                }
                claims.push(held.claim);
                self.open = Open::Many { claims, encoder, keys };
            }
        }
        self.note(stamp, room);
        None
    }

    /// Packs records again that were packed together before, whatever the limits are; `None` if there are none.
    pub(crate) fn repack(
        limits: Limits,
        records: Vec<Held>,
        spare: &mut Encoders,
        generation: u32,
    ) -> Option<KinesisRecord> {
        let mut aggregator = Self::new(Limits { linger: Duration::ZERO, ..limits });
        for held in records {
            aggregator.pack(held, usize::MAX, spare);
        }
        aggregator.close(spare, generation, Instant::ZERO)
    }

    /// Takes out what is packed.
    pub(crate) fn close(
        &mut self,
        spare: &mut Encoders,
        generation: u32,
        now: Instant,
    ) -> Option<KinesisRecord> {
        let Self { due, expiration, ripe, room, sequence, limits, .. } = *self;
        let open = core::mem::replace(&mut self.open, Open::Empty);
        *self = Self::new(limits);
        // The KPL's rule for the second stage: not before the records' own deadline, and not at once.
        let deadline = due.min(ripe.max(now.after(limits.linger)));
        match open {
            Open::Empty => None,
            Open::One(held) => Some(KinesisRecord::Plain(Held { deadline, ..held })),
            Open::Many { mut claims, mut encoder, keys } => {
                let size = encoder.size() + encoder.outer_key_len();
                let unsealed = encoder.finish();
                spare.0.push(encoder);
                self.usual = claims.len();
                // A little spare room is worth less than the piece of memory that would be left over.
                if claims.capacity() > self.usual + self.usual / 4 + 2 {
                    claims.shrink_to_fit();
                }
                Some(KinesisRecord::Aggregate(Box::new(Aggregate {
                    claims,
                    content: Content::Unsealed(unsealed),
                    deadline,
                    expiration,
                    generation,
                    keys,
                    past: None,
                    room,
                    sent_to: None,
                    sequence,
                    size,
                })))
            }
        }
    }

    /// Bytes of memory behind it.
    pub(crate) fn memory(&self) -> usize {
        match &self.open {
            Open::Empty => 0,
            Open::One(held) => held.behind(),
            Open::Many { claims, encoder, keys } => {
                memory::of_claims(claims)
                    + memory::of_vec(keys)
                    + size_of::<Encoder>()
                    + encoder.memory()
            }
        }
    }

    /// How many records are packed.
    pub(crate) fn len(&self) -> usize {
        match &self.open {
            Open::Empty => 0,
            Open::One(_) => 1,
            Open::Many { claims, .. } => claims.len(),
        }
    }

    fn size(&self) -> usize {
        match &self.open {
            Open::Empty => 0,
            Open::One(held) => held.record.data().len(),
            Open::Many { encoder, .. } => encoder.size(),
        }
    }

    /// What must hold between calls.
    #[cfg(debug_assertions)]
    pub(crate) fn invariants(&self) {
        if let Open::Many { claims, encoder, keys } = &self.open {
            let expected = if self.limits.keeps_keys { claims.len() } else { 0 };
            debug_assert_eq!(keys.len(), expected);
            debug_assert!(
                claims.len() > 1 && claims.len() == encoder.len(),
                "a claim for each member"
            );
            let first = claims.iter().map(|claim| claim.sequence).min();
            debug_assert_eq!(first, Some(self.sequence));
            let expiration = claims.iter().map(|claim| claim.expiration).min();
            debug_assert_eq!(expiration, Some(self.expiration));
        }
        debug_assert!(self.ripe <= self.due && (self.len() > 0) == (self.room > 0));
    }

    /// When what is packed leaves at the latest; `None` if nothing is.
    pub(crate) fn due(&self) -> Option<Instant> {
        (self.len() > 0).then_some(self.due)
    }

    /// The room that what is packed takes, in bytes.
    pub(crate) const fn room(&self) -> usize {
        self.room
    }

    pub(crate) const fn ripe(&self) -> Instant {
        self.ripe
    }

    pub(crate) const fn expiration(&self) -> Instant {
        self.expiration
    }

    /// The place of the first packed record in the order of acceptance, which names what is packed.
    pub(crate) fn leader(&self) -> Option<u64> {
        match &self.open {
            Open::Empty => None,
            Open::One(held) => Some(held.claim.sequence),
            Open::Many { claims, .. } => claims.first().map(|claim| claim.sequence),
        }
    }

    /// The place of the last packed record.
    pub(crate) fn last(&self) -> Option<u64> {
        match &self.open {
            Open::Empty => None,
            Open::One(held) => Some(held.claim.sequence),
            Open::Many { claims, .. } => claims.last().map(|claim| claim.sequence),
        }
    }

    /// Lets what is packed leave no later than at `deadline`.
    pub(crate) fn hasten(&mut self, deadline: Instant) {
        if self.len() > 0 && deadline < self.ripe {
            self.ripe = deadline;
            self.set_due();
        }
    }

    /// The lowest place of a packed record in the order of acceptance; the highest number if there is none.
    pub(crate) const fn sequence(&self) -> u64 {
        self.sequence
    }
}

#[cfg(test)]
mod tests;
