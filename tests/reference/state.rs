//! What the reference knows, and what it can tell of it.

use core::fmt;
use core::num::NonZeroU32;

use headwaters_engine::wire::{AttemptError, Certainty, ErrorCode, HashKeyRange};
use headwaters_engine::{
    Attempt, Attempts, Bounds, Config, FlushId, Instant, Outcome, RefusedReason, ShardPrediction,
    Stats, Token, UserRecord,
};

use super::transition::Put;

/// What the attempts of a record take. Source: `Bounds::bytes`.
pub(crate) const ATTEMPTS_BYTES: usize =
    size_of::<Attempts>() + Attempts::KEPT_MAX * size_of::<Attempt>();

/// How many shards the stream has, where they are listed.
pub(crate) const SHARDS: NonZeroU32 = NonZeroU32::new(3).expect("not zero");

/// All that is known of the engine.
#[derive(Clone)]
pub(crate) struct Naive<Id> {
    pub(crate) bounds: Bounds,
    pub(crate) close_at: Option<Instant>,
    /// How many `CloseFinished` are still to come.
    pub(crate) closes: usize,
    /// How many there were.
    pub(crate) commands: u64,
    pub(crate) config: Config,
    /// The waits that were drawn: of which entry, until when.
    pub(crate) draws: Vec<(Id, usize, Instant)>,
    pub(crate) flushes: Vec<Flush>,
    /// Requests that had their answers.
    pub(crate) gone: Vec<Id>,
    /// Records below this number do not wait for company.
    pub(crate) hurry_before: usize,
    pub(crate) is_closing: bool,
    pub(crate) now: Instant,
    pub(crate) owed: Vec<Owed<Id>>,
    /// What was accepted, in that order: the place is a record's number.
    pub(crate) records: Vec<Record>,
    /// In the order in which they left.
    pub(crate) requests: Vec<Request<Id>>,
    pub(crate) stats: Stats,
    /// How many records the close handed back.
    pub(crate) undelivered: u64,
    /// Whether somebody was refused since room was last announced.
    pub(crate) wants_room: bool,
}

#[derive(Clone)]
pub(crate) struct Record {
    /// Start, end, error.
    pub(crate) attempts: Vec<(Instant, Instant, Option<AttemptError>)>,
    pub(crate) deadline: Instant,
    pub(crate) expiration: Option<Instant>,
    pub(crate) keeps_attempts: bool,
    /// Once it was sent: the number of the first record of its Kinesis record.
    pub(crate) pack: Option<usize>,
    pub(crate) place: Place,
    /// When it may leave without company: at its deadline, or at that of a neighbour that expired.
    pub(crate) ripe: Instant,
    pub(crate) record: UserRecord,
    pub(crate) token: Token,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    Buffered,
    Ended,
    InFlight,
    Waiting { for_credentials: bool, until: Instant },
}

#[derive(Clone)]
pub(crate) struct Request<Id> {
    /// Why it is being cancelled, and until when that may take.
    pub(crate) cancelled: Option<(ErrorCode, Instant)>,
    /// The numbers of the records of each entry; nothing once they were handed back.
    pub(crate) entries: Vec<Vec<usize>>,
    pub(crate) id: Id,
    pub(crate) start: Instant,
}

#[derive(Clone)]
pub(crate) struct Flush {
    pub(crate) barrier: usize,
    pub(crate) deadline: Option<Instant>,
    pub(crate) id: FlushId,
}

/// Something that time brings, what goes first of it before the rest.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Due<Id> {
    /// A record need not wait any more.
    Return(usize),
    Expiration(usize),
    Timeout(Id),
    /// A cancel was not answered in time.
    Silence(Id),
    /// The deadline of a flush, by its place among them.
    Flush(usize),
    Close,
}

/// Something that the engine must say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Owed<Id> {
    Cancel(Id),
    CloseFinished { undelivered: u64 },
    FlushFinished { barrier: usize, flush: FlushId, pending: u64 },
    Outcome { number: usize, outcome: Outcome },
    Refusal { put: Put, reason: RefusedReason },
    Requeue { deadline: Instant, error: AttemptError, id: Id, index: usize, not_before: Instant },
    RoomAvailable,
}

impl<Id> Naive<Id> {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            bounds: config.bounds(),
            close_at: None,
            closes: 0,
            commands: 0,
            config,
            draws: Vec::new(),
            flushes: Vec::new(),
            gone: Vec::new(),
            hurry_before: 0,
            is_closing: false,
            now: Instant::ZERO,
            owed: Vec::new(),
            records: Vec::new(),
            requests: Vec::new(),
            stats: Stats::default(),
            undelivered: 0,
            wants_room: false,
        }
    }

    /// Whether records are packed.
    pub(crate) fn packs(&self) -> bool {
        self.config.aggregation_enabled() && self.predicts()
    }

    pub(crate) fn predicts(&self) -> bool {
        self.config.shard_prediction() == ShardPrediction::On
    }

    /// The shard to which a record belongs; without a list of them all are as one.
    pub(crate) fn lane(&self, number: usize) -> u32 {
        if !self.predicts() {
            return 0;
        }
        let key = self.records[number].record.hash_key();
        let has = |shard: &u32| {
            HashKeyRange::of_even_shard(*shard, SHARDS).is_some_and(|range| range.contains(key))
        };
        (0..SHARDS.get()).find(has).expect("the shards have all keys")
    }

    /// How many records below this number have no outcome.
    pub(crate) fn held(&self, barrier: usize) -> usize {
        let below = self.records.iter().take(barrier);
        below.filter(|record| record.place != Place::Ended).count()
    }

    pub(crate) fn bytes(&self) -> usize {
        let held = self.records.iter().filter(|record| record.place != Place::Ended);
        let bytes = |record: &Record| {
            let attempts = if record.keeps_attempts { ATTEMPTS_BYTES } else { 0 };
            record.record.size() + Bounds::RECORD_OVERHEAD + attempts
        };
        held.map(bytes).sum()
    }
}

impl<Id: Copy> Naive<Id> {
    /// All that time brings, and when.
    pub(crate) fn agenda(&self) -> Vec<(Instant, Due<Id>)> {
        let mut agenda = Vec::new();
        for (number, record) in self.records.iter().enumerate() {
            match record.place {
                Place::Buffered => {
                    agenda.extend(record.expiration.map(|at| (at, Due::Expiration(number))));
                }
                Place::Waiting { until, .. } => agenda.push((until, Due::Return(number))),
                Place::Ended | Place::InFlight => {}
            }
        }
        for Request { cancelled, id, start, .. } in &self.requests {
            agenda.push(match cancelled {
                Some((_, until)) => (*until, Due::Silence(*id)),
                None => (start.after(self.config.request_timeout()), Due::Timeout(*id)),
            });
        }
        let flushes = self.flushes.iter().enumerate();
        agenda.extend(flushes.filter_map(|(at, flush)| Some((flush.deadline?, Due::Flush(at)))));
        agenda.extend(self.close_at.map(|at| (at, Due::Close)));
        agenda
    }

    /// What has become due, and goes before everything else that has.
    pub(crate) fn due(&self) -> Option<Due<Id>> {
        let due = self.agenda().into_iter().filter(|(at, _)| *at <= self.now);
        due.map(|(_, due)| due).min_by_key(Due::rank)
    }
}

impl<Id> Due<Id> {
    const fn rank(&self) -> u8 {
        match self {
            Self::Return(_) => 0,
            Self::Expiration(_) => 1,
            Self::Timeout(_) => 2,
            Self::Silence(_) => 3,
            Self::Flush(_) => 4,
            Self::Close => 5,
        }
    }
}

impl Record {
    pub(crate) const fn new(
        record: UserRecord,
        token: Token,
        deadline: Instant,
        expiration: Option<Instant>,
    ) -> Self {
        Self {
            attempts: Vec::new(),
            deadline,
            expiration,
            keeps_attempts: false,
            pack: None,
            place: Place::Buffered,
            ripe: deadline,
            record,
            token,
        }
    }

    /// Whether an attempt may have stored it.
    pub(crate) fn is_ambiguous(&self) -> bool {
        let mut errors = self.attempts.iter().filter_map(|attempt| attempt.2.as_ref());
        errors.any(|error| error.code.certainty() == Certainty::MaybeStored)
    }
}

/// What it begins with; the rest follows from that.
impl<Id> fmt::Debug for Naive<Id> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Naive").field("config", &self.config).finish_non_exhaustive()
    }
}
