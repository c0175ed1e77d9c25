use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;
use headwaters_wire::aggregate::{Aggregate as Packed, Unsealed};
use headwaters_wire::{Entry, HashKey, PartitionKey, ShardId};

use crate::bounds::Room;
use crate::held::{Claim, Held, Joiner, Past};
use crate::record::UserRecord;
use crate::time::Instant;

/// What becomes one entry of a request: a user record as it is, or an aggregate of several.
#[derive(Debug)]
pub(crate) enum KinesisRecord {
    Aggregate(Box<Aggregate>),
    Plain(Held),
}

/// Several user records of one shard, packed together.
#[derive(Debug)]
pub(crate) struct Aggregate {
    /// What is kept of its members, in their order.
    pub(crate) claims: Vec<Claim>,
    pub(crate) content: Content,
    /// When it leaves the buffer at the latest, if a request is free and the limiter allows it.
    pub(crate) deadline: Instant,
    /// When the first of its members expires.
    pub(crate) expiration: Instant,
    /// The shard map by which it was packed.
    pub(crate) generation: u32,
    /// The hash keys of its members, in their order, if they are kept; else none.
    pub(crate) keys: Vec<HashKey>,
    /// Its own failed attempts; its members may have had others before they were packed.
    pub(crate) past: Option<Arc<Past>>,
    /// The room that its members take, in bytes.
    pub(crate) room: usize,
    /// The lowest place of a member in the order of acceptance.
    pub(crate) sequence: u64,
    /// The shard for which it was sent the last time: all its members belong there.
    pub(crate) sent_to: Option<ShardId>,
    /// Bytes of data and outer partition key.
    pub(crate) size: usize,
}

/// The bytes of an aggregate, without or with their check sum.
#[derive(Debug)]
pub(crate) enum Content {
    Sealed(Entry),
    /// `None` only while it is being sealed.
    Unsealed(Option<Unsealed>),
}

/// Stands in for an entry that is being made.
pub(crate) const NOTHING: Entry = Entry {
    data: Bytes::new(),
    explicit_hash_key: None,
    partition_key: PartitionKey::KPL_OUTER_KEY,
};

impl KinesisRecord {
    pub(crate) fn deadline(&self) -> Instant {
        match self {
            Self::Aggregate(aggregate) => aggregate.deadline,
            Self::Plain(held) => held.deadline,
        }
    }

    pub(crate) fn set_deadline(&mut self, deadline: Instant) {
        match self {
            Self::Aggregate(aggregate) => aggregate.deadline = deadline,
            Self::Plain(held) => held.deadline = deadline,
        }
    }

    /// When the first of its user records expires.
    pub(crate) fn expiration(&self) -> Instant {
        match self {
            Self::Aggregate(aggregate) => aggregate.expiration,
            Self::Plain(held) => held.claim.expiration,
        }
    }

    /// The lowest place of its user records in the order of acceptance.
    pub(crate) fn sequence(&self) -> u64 {
        match self {
            Self::Aggregate(aggregate) => aggregate.sequence,
            Self::Plain(held) => held.claim.sequence,
        }
    }

    /// The hash key that decides on the shard.
    pub(crate) fn hash_key(&self) -> HashKey {
        match self {
            Self::Aggregate(aggregate) => aggregate.hash_key(),
            Self::Plain(held) => held.record.hash_key(),
        }
    }

    /// The room that its user records take, in bytes.
    pub(crate) fn room(&self) -> usize {
        match self {
            Self::Aggregate(aggregate) => aggregate.room,
            Self::Plain(held) => held.room(),
        }
    }

    /// What the service counts: the bytes of data and partition key.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Aggregate(aggregate) => aggregate.size,
            Self::Plain(held) => held.record.size(),
        }
    }

    /// Whether it was in a request before.
    pub(crate) fn was_sent(&self) -> bool {
        match self {
            Self::Aggregate(aggregate) => aggregate.was_sent(),
            Self::Plain(held) => held.claim.past.is_some(),
        }
    }

    /// Whether one of its user records was in no request before.
    pub(crate) fn has_unsent(&self) -> bool {
        match self {
            Self::Aggregate(aggregate) => {
                aggregate.past.is_none()
                    && aggregate.claims.iter().any(|claim| claim.past.is_none())
            }
            Self::Plain(held) => held.claim.past.is_none(),
        }
    }

    /// How many attempts that count for the retry policy the one of its user records had that had most.
    pub(crate) fn attempts(&self) -> u32 {
        match self {
            Self::Aggregate(aggregate) => {
                let earlier = aggregate.claims.iter().map(|claim| Past::count(claim.past.as_ref()));
                let earlier = earlier.max().unwrap_or(0);
                earlier.saturating_add(Past::count(aggregate.past.as_ref()))
            }
            Self::Plain(held) => Past::count(held.claim.past.as_ref()),
        }
    }

    /// Its own failed attempts.
    pub(crate) fn past_mut(&mut self) -> &mut Option<Arc<Past>> {
        match self {
            Self::Aggregate(aggregate) => &mut aggregate.past,
            Self::Plain(held) => &mut held.claim.past,
        }
    }

    /// Its user records as they were before they were packed.
    pub(crate) fn unpack(self, room: &mut Room) -> Vec<Held> {
        match self {
            Self::Aggregate(aggregate) => aggregate.unpack(room),
            Self::Plain(held) => [held].into(),
        }
    }

    /// How many user records it has.
    pub(crate) fn records(&self) -> usize {
        match self {
            Self::Aggregate(aggregate) => aggregate.claims.len(),
            Self::Plain(_) => 1,
        }
    }
}

impl Aggregate {
    /// Whether one of its members was in a request before.
    pub(crate) fn was_sent(&self) -> bool {
        self.past.is_some() || self.claims.iter().any(|claim| claim.past.is_some())
    }

    /// The hash key that decides on the shard.
    pub(crate) fn hash_key(&self) -> HashKey {
        match &self.content {
            Content::Sealed(entry) => entry.hash_key(),
            Content::Unsealed(Some(unsealed)) => unsealed.hash_key(),
            Content::Unsealed(None) => NOTHING.hash_key(),
        }
    }

    /// The entry to send, its check sum included.
    pub(crate) fn seal(&mut self) -> Entry {
        if let Content::Unsealed(unsealed) = &mut self.content
            && let Some(unsealed) = unsealed.take()
        {
            self.content = Content::Sealed(unsealed.seal());
        }
        match &self.content {
            Content::Sealed(entry) => entry.clone(),
            Content::Unsealed(_) => NOTHING,
        }
    }

    /// Its members as they were before they were packed, sharing their data.
    pub(crate) fn members(&self) -> Vec<UserRecord> {
        let packed = match &self.content {
            Content::Sealed(entry) => Packed::trusted(&entry.data),
            // Without a check sum that nobody may ever read.
            Content::Unsealed(unsealed) => unsealed.as_ref().and_then(Packed::of_unsealed),
        };
        let Some(aggregate) = packed else { return Vec::new() };
        // What was encoded from valid records has valid members.
        let entries: Vec<Entry> =
            aggregate.members().filter_map(|member| member.ok()?.to_entry().ok()).collect();
        if self.keys.len() == entries.len() {
            let keys = self.keys.iter().copied();
            return entries
                .into_iter()
                .zip(keys)
                .map(|(e, key)| UserRecord::hashed(e, key))
                .collect();
        }
        UserRecord::from_entries(entries).unwrap_or_default()
    }

    /// Its members as records of their own again, each with the whole past and in a buffer of its own: one that is
    /// left must not keep the others alive.
    pub(crate) fn unpack(self, room: &mut Room) -> Vec<Held> {
        let members = self.members();
        self.unpack_as(members, room)
    }

    /// The same, of [`members`](Self::members) that are known already.
    pub(crate) fn unpack_as(self, records: Vec<UserRecord>, room: &mut Room) -> Vec<Held> {
        assert_eq!(records.len(), self.claims.len(), "an aggregate gives back what was packed");
        let (deadline, past) = (self.deadline, self.past);
        let mut join = Joiner::new(past.as_ref());
        let held = |(record, mut claim): (UserRecord, Claim)| {
            claim.past = join.join(claim.past, room);
            Held { record: record.detached(), claim, deadline }
        };
        let held = records.into_iter().zip(self.claims).map(held).collect();
        join.end(room);
        Past::forget(past, room);
        held
    }
}
