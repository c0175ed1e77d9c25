use alloc::sync::Arc;

use headwaters_wire::{Certainty, ErrorCode};

use crate::bounds::{Bounds, Room};
use crate::completion::{Attempt, Attempts};
use crate::record::{Token, UserRecord};
use crate::time::Instant;

/// A user record that the engine has accepted and has no outcome for yet.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) record: UserRecord,
    pub(crate) claim: Claim,
    /// When it leaves the buffer at the latest, if a request is free and the limiter allows it.
    pub(crate) deadline: Instant,
}

/// What acceptance adds to a user record: [`Held`] but for the record, and for a past.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub(crate) token: Token,
    pub(crate) sequence: u64,
    pub(crate) expiration: Instant,
    pub(crate) deadline: Instant,
}

/// What the engine keeps of a user record beside its content: whom to tell, when it came, how long it lives.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) token: Token,
    /// Place in the order of acceptance.
    pub(crate) sequence: u64,
    /// When it is too late to send it; [`Instant::NEVER`] for never.
    pub(crate) expiration: Instant,
    /// What happened to it in earlier attempts. Most records never have any.
    pub(crate) past: Option<Arc<Past>>,
}

/// Failed attempts. The members of an aggregate share one, and go on sharing it when they are packed anew.
#[derive(Debug)]
pub(crate) struct Past {
    /// What is kept of them; where there is no room, only their number is.
    attempts: Attempts,
    /// Whether one of them may have stored the record.
    ambiguous: bool,
    /// How many of them do not count for the retry policy.
    spared: u32,
    /// How much room it takes, in bytes.
    room: usize,
    /// Whether one of them was stored as part of an aggregate that consumers drop.
    strayed: bool,
}

/// Joins what several records had each with what they had in common later: records that shared a past go on
/// sharing it.
#[derive(Debug)]
pub(crate) struct Joiner<'a> {
    later: Option<&'a Arc<Past>>,
    last: Option<(Arc<Past>, Arc<Past>)>,
}

impl<'a> Joiner<'a> {
    pub(crate) const fn new(later: Option<&'a Arc<Past>>) -> Self {
        Self { later, last: None }
    }

    pub(crate) fn join(
        &mut self,
        earlier: Option<Arc<Past>>,
        room: &mut Room,
    ) -> Option<Arc<Past>> {
        let (Some(mine), Some(_)) = (&earlier, self.later) else {
            return Past::joined(earlier, self.later, room);
        };
        if let Some((same, joined)) = &self.last
            && Arc::ptr_eq(same, mine)
        {
            let joined = Arc::clone(joined);
            Past::forget(earlier, room);
            return Some(joined);
        }
        let mine = Arc::clone(mine);
        let joined = Past::joined(earlier, self.later, room)?;
        let last = self.last.replace((mine, Arc::clone(&joined)));
        Self::drop_pair(last, room);
        Some(joined)
    }

    /// Gives back the room of what nobody has any more.
    pub(crate) fn end(self, room: &mut Room) {
        Self::drop_pair(self.last, room);
    }

    fn drop_pair(pair: Option<(Arc<Past>, Arc<Past>)>, room: &mut Room) {
        if let Some((earlier, joined)) = pair {
            Past::forget(Some(earlier), room);
            Past::forget(Some(joined), room);
        }
    }
}

// The memory per record is a promise: payload, key and 128 bytes for one that goes plain.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Held>() <= 128 && size_of::<Claim>() <= 32);

impl Stamp {
    #[inline(always)]
    pub(crate) fn on(self, record: UserRecord) -> Held {
        Held { record, claim: self.claim(), deadline: self.deadline }
    }

    #[inline(always)]
    pub(crate) fn claim(self) -> Claim {
        let Self { token, sequence, expiration, .. } = self;
        Claim { token, sequence, expiration, past: None }
    }
}

impl Held {
    /// What acceptance added to the record.
    #[inline(always)]
    pub(crate) fn stamp(&self) -> Stamp {
        let Claim { token, sequence, expiration, .. } = self.claim;
        Stamp { token, sequence, expiration, deadline: self.deadline }
    }

    /// The room that a record takes, in bytes.
    pub(crate) fn room(&self) -> usize {
        Self::room_of(&self.record)
    }

    pub(crate) fn room_of(record: &UserRecord) -> usize {
        record.size() + Bounds::RECORD_OVERHEAD
    }
}

impl Claim {
    pub(crate) fn is_expired(&self, now: Instant) -> bool {
        self.expiration <= now
    }
}

impl Past {
    /// Notes a failed attempt; keeps what it can of it.
    pub(crate) fn note(past: &mut Option<Arc<Self>>, attempt: Attempt, room: &mut Room) {
        let mut mine = match past.take().map(Arc::try_unwrap) {
            Some(Ok(mine)) => mine,
            // Others go on with what they have in common so far.
            Some(Err(shared)) => shared.copy(room),
            None => Self::with_room(room),
        };
        let code = attempt.error.as_ref().map(|error| &error.code);
        mine.ambiguous |= code.map(ErrorCode::certainty) == Some(Certainty::MaybeStored);
        mine.strayed |= code == Some(&ErrorCode::WrongShard);
        if mine.room > 0 {
            mine.attempts.push(attempt);
        } else {
            mine.attempts.count_one();
        }
        *past = Some(Arc::new(mine));
    }

    /// Notes a failed attempt that tells nothing of this record: the request was refused as a whole, and is bisected.
    pub(crate) fn note_spared(past: &mut Option<Arc<Self>>, attempt: Attempt, room: &mut Room) {
        Self::note(past, attempt, room);
        if let Some(past) = past.as_mut().and_then(Arc::get_mut) {
            past.spared = past.spared.saturating_add(1);
        }
    }

    fn copy(&self, room: &mut Room) -> Self {
        let Self { ambiguous, spared, strayed, .. } = *self;
        let mut copy = Self { ambiguous, spared, strayed, ..Self::with_room(room) };
        copy.attempts.extend(&self.attempts, copy.room > 0);
        copy
    }

    fn with_room(room: &mut Room) -> Self {
        let taken = if room.take_more(Attempts::BYTES) { Attempts::BYTES } else { 0 };
        let attempts = Attempts::default();
        Self { attempts, ambiguous: false, spared: 0, room: taken, strayed: false }
    }

    /// The past of a record that had `earlier` attempts before those of `later`.
    pub(crate) fn joined(
        earlier: Option<Arc<Self>>,
        later: Option<&Arc<Self>>,
        room: &mut Room,
    ) -> Option<Arc<Self>> {
        let (Some(first), Some(second)) = (&earlier, later) else {
            return earlier.or_else(|| later.cloned());
        };
        let mut joined = first.copy(room);
        joined.ambiguous |= second.ambiguous;
        joined.spared = joined.spared.saturating_add(second.spared);
        joined.strayed |= second.strayed;
        joined.attempts.extend(&second.attempts, joined.room > 0);
        Self::forget(earlier, room);
        Some(Arc::new(joined))
    }

    /// Gives the room of a past back, unless others share it.
    pub(crate) fn forget(past: Option<Arc<Self>>, room: &mut Room) {
        if let Some(past) = past.and_then(Arc::into_inner) {
            room.give_back(past.room);
        }
    }

    /// How many attempts there were that count for the retry policy.
    pub(crate) fn count(past: Option<&Arc<Self>>) -> u32 {
        past.map_or(0, |past| past.attempts.count().saturating_sub(past.spared))
    }

    /// Whether one of them may have stored the record.
    pub(crate) fn is_ambiguous(past: Option<&Arc<Self>>) -> bool {
        past.is_some_and(|past| past.ambiguous)
    }

    /// Whether one of them was stored as part of an aggregate that consumers drop.
    pub(crate) fn has_strayed(past: Option<&Arc<Self>>) -> bool {
        past.is_some_and(|past| past.strayed)
    }

    /// Bytes of memory that it takes, with the two counts of its [`Arc`].
    pub(crate) fn memory(&self) -> usize {
        size_of::<Self>() + 2 * size_of::<usize>() + self.attempts.memory()
    }

    /// The attempts, for a completion.
    pub(crate) fn attempts(past: Option<&Arc<Self>>) -> Attempts {
        past.map(|past| past.attempts.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(room: &mut Room) -> Arc<Past> {
        let mut past = None;
        let attempt = Attempt { end: Instant::ZERO, error: None, start: Instant::ZERO };
        Past::note(&mut past, attempt, room);
        past.expect("it has one attempt")
    }

    /// Attempts are kept as long as there is room for them; their number always is.
    #[test]
    fn a_past_that_has_no_room_keeps_the_number_of_its_attempts() {
        for (records, kept) in [(3, 2), (2, 0)] {
            let bytes = records * Attempts::BYTES;
            let mut room = Room::new(Bounds { bytes, records: 1 }, 0);
            let (first, second) = (past(&mut room), past(&mut room));
            let joined = Past::joined(Some(first), Some(&second), &mut room).expect("two");
            let attempts = Past::attempts(Some(&joined));
            assert_eq!((attempts.count(), attempts.kept().len()), (2, kept), "{records}");
        }
    }
}
