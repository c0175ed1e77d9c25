use alloc::boxed::Box;

use smallvec::SmallVec;

use headwaters_engine::wire::{Certainty, HashKey};
use headwaters_engine::{BatchId, Cause, Instant};

use super::attempts::Starts;
use super::bisection::Suspect;

/// What is known about a record of the application.
#[derive(Debug)]
pub(super) struct Record {
    /// When, in the world's time; all other times are those of its producer's clock.
    pub(super) accepted: Option<Instant>,
    /// Attempts that may have stored it.
    pub(super) ambiguous: u32,
    /// Records of one burst were accepted one after the other, and nothing else happened meanwhile.
    pub(super) burst: u64,
    /// Copies that consumers have got.
    pub(super) copies: u32,
    /// When it may leave by itself, at the earliest.
    pub(super) due: Instant,
    pub(super) expiration: Option<Instant>,
    /// The first copy that consumers have seen, counted over all records; 0 if there is none.
    pub(super) first: u64,
    pub(super) has_own_timing: bool,
    pub(super) hash_key: HashKey,
    /// In which request it is, and in which entry of it.
    pub(super) in_flight: Option<(BatchId, usize)>,
    /// Whether it was put with its hash key.
    pub(super) is_explicit: bool,
    /// The number of its partition key.
    pub(super) key: u32,
    /// When it must have left if a request is free and the limiter allows it.
    pub(super) leave_by: Instant,
    /// Bytes of its payload.
    pub(super) length: usize,
    pub(super) not_before: Instant,
    pub(super) outcome: Option<Ended>,
    pub(super) sends: u32,
    /// Of these, those whose requests were refused as a whole and that count for no policy.
    pub(super) spared: u32,
    /// What is known of it if its latest request was one of those.
    pub(super) suspect: Option<Box<Suspect>>,
    /// In bytes, its key included.
    pub(super) size: u64,
    /// When its requests left.
    pub(super) starts: Starts,
    /// Where consumers see it.
    pub(super) visible: SmallVec<[u64; 2]>,
    pub(super) waits_for: WaitsFor,
    pub(super) was_stray: bool,
}

/// What a record that failed waits for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum WaitsFor {
    /// For credentials, whose end the policy sets.
    Credentials,
    /// It waited for credentials, and the transport has new ones.
    NewCredentials,
    #[default]
    Time,
}

#[derive(Debug)]
pub(super) enum Ended {
    /// However it ended, that is long ago.
    Forgotten,
    MaybeStored(Cause),
    NotStored(Cause),
    Stored {
        maybe_duplicate: bool,
        place: u64,
    },
}

impl Ended {
    pub(super) const fn cause(&self) -> Option<&Cause> {
        match self {
            Self::MaybeStored(cause) | Self::NotStored(cause) => Some(cause),
            Self::Forgotten | Self::Stored { .. } => None,
        }
    }
}

impl Record {
    /// Notes that an attempt ended without having stored it, as far as is known.
    pub(super) fn failed(&mut self, certainty: Certainty) {
        self.ambiguous += u32::from(certainty == Certainty::MaybeStored);
    }

    /// How many attempts it had that count for the retry policy.
    pub(super) const fn attempts(&self) -> u32 {
        self.sends - self.spared
    }

    pub(super) fn is_expired(&self, now: Instant) -> bool {
        self.expiration.is_some_and(|expiration| expiration <= now)
    }
}

impl Default for Record {
    fn default() -> Self {
        Self {
            accepted: None,
            ambiguous: 0,
            burst: 0,
            copies: 0,
            due: Instant::ZERO,
            expiration: None,
            first: 0,
            has_own_timing: false,
            hash_key: HashKey::MIN,
            in_flight: None,
            is_explicit: false,
            key: 0,
            leave_by: Instant::ZERO,
            length: 0,
            not_before: Instant::ZERO,
            outcome: None,
            sends: 0,
            spared: 0,
            suspect: None,
            size: 0,
            starts: Starts::default(),
            visible: SmallVec::new(),
            waits_for: WaitsFor::Time,
            was_stray: false,
        }
    }
}
