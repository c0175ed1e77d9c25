mod answers;
mod attempts;
mod bisection;
mod budget;
mod consumer;
mod doubts;
mod figures;
mod flushes;
mod map;
mod meter;
mod opened;
mod order;
mod outcome;
mod packing;
mod rates;
mod reasons;
mod record;
mod records;
mod requeue;
mod room;
mod scattered;
mod sending;
mod share;
mod waiting;
mod window;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use headwaters_engine::wire::{ErrorCode, HashKey};
use headwaters_engine::{
    BatchId, Config, Instant, Order, ShardPrediction, Stats, Timing, Token, UserRecord,
};

use self::bisection::Case;
use self::budget::Budget;
pub(crate) use self::consumer::consume;
use self::doubts::Doubts;
use self::figures::Figures;
use self::flushes::Flushes;
use self::map::Map;
use self::meter::Meters;
use self::opened::Opened;
use self::order::Lines;
use self::packing::Packing;
use self::rates::Rates;
use self::record::Record;
pub(crate) use self::records::Copies;
use self::records::Records;
use self::room::Room;
use self::share::{Shards, Wanted};
use self::waiting::Waiting;
use self::window::Window;
use crate::application::key_number;
use crate::sometimes::Sometimes;

/// Watches everything that goes into and comes out of an engine, and says what must not be.
///
/// It shares no code with the engine: it counts for itself, and believes only the service's ledger.
#[derive(Debug)]
pub(crate) struct Checker {
    /// Whose engine it is.
    producer: u32,
    config: Config,
    records: Records,
    requests: BTreeMap<BatchId, Request>,
    /// Requests that were refused as a whole, and what of them is sent again in parts.
    cases: Vec<Case>,
    /// User records of those that are in no request.
    suspects_waiting: usize,
    /// All requests that there ever were.
    named: BTreeSet<BatchId>,
    /// Requests of which no record is in flight any more.
    finished: Vec<BatchId>,
    /// What the engine knows of the shards.
    map: Map,
    meters: Meters,
    /// The order of the records that wait.
    lines: Lines,
    opened: Opened,
    packing: Packing,
    rates: Rates,
    waiting: Waiting,
    window: Window,
    budget: Budget,
    doubts: Doubts,
    flushes: Flushes,
    /// Records that the answer just given says are stored: their outcomes are due at once.
    owed: Vec<usize>,
    /// Aggregates that were stored, and perhaps not where all their members belong.
    strays: BTreeSet<(BatchId, usize)>,
    /// Requests that are neither answered nor cancelled, by their start.
    awaited: BTreeSet<(Instant, BatchId)>,
    /// Requests that were answered since the last wait.
    heard: Vec<BatchId>,
    /// Requests that were cancelled before they timed out: their records must be handed back at once.
    cancelled_early: Vec<BatchId>,
    accepted: u64,
    /// Bytes of records without outcomes.
    bytes_open: u64,
    completed: u64,
    /// Records that a purge or a close handed back.
    handed_back: u64,
    /// Of these, those that a close did.
    closed_back: u64,
    /// What the open records of each shard take.
    shards: Shards,
    /// For which shard the engine refused a record because too much waits there, if it has not said since that there is
    /// room.
    wants_share: Option<Wanted>,
    /// How often the engine waited.
    looks: u32,
    /// As `looks`, and never from the beginning again.
    wait_count: u64,
    /// Whether the engine has said all that it has to say.
    is_drained: bool,
    room: Room,
    /// Whether there may have been no room for all attempts of a record.
    was_memory_short: bool,
    /// Whether the last record was refused.
    was_refused: bool,
    /// Records before this one were asked back by a purge.
    purged: usize,
    /// Whether that was since the last wait.
    purges: bool,
    /// By how much, in all, the engine was told too late what time it is.
    delay: Duration,
    told: Instant,
    /// When the transport had new credentials, if that was since the last wait.
    renewed_at: Option<Instant>,
    /// When the engine was first told something since it waited.
    undrained_since: Option<Instant>,
    close_deadline: Option<Instant>,
    closes: bool,
    figures: Figures,
    /// Records that were packed anew since the last wait, but for those whose aggregates were strays.
    repacked: u64,
    /// Records before this one may have been packed with one that has expired or left since, and leave when that was due.
    expired_among: u64,
    /// Records before this one were to leave at once.
    hurried: usize,
    /// The largest record of the application so far.
    largest_record: usize,
    /// The largest Kinesis record that there can be, as far as is known.
    largest: usize,
    pub(crate) sometimes: Sometimes,
}

/// A record as it was put.
#[derive(Debug)]
pub(crate) struct Put {
    hash_key: HashKey,
    is_explicit: bool,
    key: u32,
    /// Bytes of its payload,
    length: usize,
    /// and with its partition key.
    size: usize,
    timing: Timing,
}

impl Put {
    pub(crate) fn new(record: &UserRecord, timing: Timing) -> Self {
        Self {
            hash_key: record.hash_key(),
            is_explicit: record.explicit_hash_key().is_some(),
            key: key_number(record.partition_key()).expect("the application's keys have numbers"),
            length: record.data().len(),
            size: record.data().len() + record.partition_key().len(),
            timing,
        }
    }
}

/// A request that was sent.
#[derive(Debug, Default)]
struct Request {
    /// When it was answered.
    answered_at: Option<Instant>,
    /// Of which request that was refused it is a part, or became the first.
    case: Option<usize>,
    /// Whether the answer has a result for each entry.
    has_results: bool,
    /// How many of its user records are in flight.
    in_flight: usize,
    /// Whether the budget knows how many of its entries failed.
    is_told: bool,
    /// Whether its records were handed back without an answer.
    is_settled: bool,
    /// The shard map by which it was sent.
    generation: u32,
    start: Instant,
    /// The user records of all its entries, one after the other.
    numbers: Vec<usize>,
    parcels: Vec<Parcel>,
}

/// An entry of a request.
#[derive(Debug)]
struct Parcel {
    fate: Fate,
    is_aggregate: bool,
    /// Which of the numbers of its request are its own: up to here, from the end of the one before.
    end: usize,
    /// Its bytes.
    size: usize,
    /// The place in the map of the shard that it was meant for.
    slot: usize,
}

/// What the engine was told about an entry.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Fate {
    Failed(ErrorCode),
    /// Where, by its short name.
    Stored(u64),
    Unknown,
}

/// What a rule was broken by, in words.
pub(crate) type Checked = Result<(), String>;

pub(crate) fn rule(holds: bool, broken: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(broken()) }
}

impl Request {
    /// The user records of one of its entries.
    fn numbers_of(&self, index: usize) -> &[usize] {
        let start = index.checked_sub(1).map_or(0, |before| self.parcels[before].end);
        &self.numbers[start..self.parcels[index].end]
    }
}

impl Checker {
    pub(crate) fn new(producer: u32, config: Config) -> Self {
        let largest = if config.aggregation_enabled() {
            // The outer key is the letter `a`, or that of a record: a little more than the data either way.
            config.aggregation_max_size() + 64
        } else {
            0
        };
        Self {
            producer,
            map: Map::default(),
            meters: Meters::new(config.rate_limit()),
            window: Window::new(&config),
            budget: Budget::new(&config),
            doubts: Doubts::new(&config),
            room: Room::new(config.bounds()),
            lines: Lines::default(),
            records: Records::new(config.order() == Order::PerPartitionKey),
            requests: BTreeMap::new(),
            cases: vec![],
            suspects_waiting: 0,
            named: BTreeSet::new(),
            finished: vec![],
            opened: Opened::default(),
            packing: Packing::new(),
            rates: Rates::default(),
            waiting: Waiting::default(),
            flushes: Flushes::default(),
            owed: vec![],
            strays: BTreeSet::new(),
            awaited: BTreeSet::new(),
            heard: vec![],
            cancelled_early: vec![],
            accepted: 0,
            bytes_open: 0,
            completed: 0,
            handed_back: 0,
            closed_back: 0,
            shards: Shards::default(),
            wants_share: None,
            looks: 0,
            wait_count: 0,
            is_drained: true,
            was_memory_short: false,
            was_refused: false,
            purged: 0,
            purges: false,
            delay: Duration::ZERO,
            told: Instant::ZERO,
            renewed_at: None,
            undrained_since: None,
            close_deadline: None,
            closes: false,
            figures: Figures::default(),
            repacked: 0,
            expired_among: 0,
            hurried: 0,
            largest,
            largest_record: 0,
            sometimes: Sometimes::default(),
            config,
        }
    }

    /// All is over.
    ///
    /// # Errors
    /// What consumers see is not what the outcomes say.
    pub(crate) fn ended(&mut self) -> Result<Copies, String> {
        self.records.ended(&mut self.sometimes)
    }

    /// Since when, in the world's time, the oldest record waits for its outcome.
    pub(crate) fn waits_since(&self) -> Option<Instant> {
        self.records[self.records.first_open()].accepted
    }

    /// The records of some entries of a request that is not forgotten; of all of them, if `indexes` is `None`.
    pub(crate) fn records_of(
        &self,
        batch: BatchId,
        indexes: Option<&[u16]>,
    ) -> impl Iterator<Item = u64> {
        let request = self.requests.get(&batch);
        let all = request.filter(|_| indexes.is_none()).map(|request| &request.numbers[..]);
        let some = move |index: &u16| Some(request?.numbers_of(usize::from(*index)));
        let some = indexes.unwrap_or_default().iter().filter_map(some).flatten();
        all.unwrap_or_default().iter().chain(some).map(|&number| number as u64)
    }

    /// How often the engine has waited.
    pub(crate) const fn wait_count(&self) -> u64 {
        self.wait_count
    }

    /// When, in the world's time, a record was accepted, and where it lies.
    pub(crate) fn put_at(&self, token: Token) -> Option<(Instant, HashKey)> {
        let record = &self.records[usize::try_from(token.0).ok()?];
        Some((record.accepted?, record.hash_key))
    }

    pub(crate) fn accepted(
        &mut self,
        number: usize,
        Put { hash_key, is_explicit, key, length, size, timing }: Put,
        (time, now): (Instant, Instant),
    ) {
        let buffered = timing.max_buffered_time.unwrap_or(self.config.record_max_buffered_time());
        let ttl = timing.ttl.unwrap_or(self.config.record_ttl());
        let expiration = ttl.map(|ttl| now.after(ttl));
        let deadline = now.after(buffered);
        let deadline = match expiration {
            // Half-way, or it would leave only when it expires.
            Some(expiration) if expiration <= deadline => now.after(expiration.since(now) / 2),
            _ => deadline,
        };
        self.sometimes.accepted_without_map += u64::from(self.awaits_first_map());
        self.sometimes.hash_key_on_edge += u64::from(self.map.is_on_edge(hash_key));
        self.sometimes.refused_then_accepted += u64::from(core::mem::take(&mut self.was_refused));
        self.largest = self.largest.max(size);
        self.largest_record = self.largest_record.max(size);
        self.accepted += 1;
        let slot = self.map.slot(hash_key);
        let leave_by = deadline.after(self.linger());
        let due = deadline;
        let size = size as u64;
        self.bytes_open += size;
        let record = Record {
            accepted: Some(time),
            burst: self.packing.burst,
            due,
            expiration,
            has_own_timing: timing != Timing::default(),
            hash_key,
            is_explicit,
            key,
            leave_by,
            length,
            size,
            ..Record::default()
        };
        self.shards.add(slot, &record);
        self.records.push(record);
        self.note_memory();
        self.lined_up(number);
        if self.lines.is_first(hash_key, number) {
            self.waiting.add(slot, leave_by, number);
        }
    }

    /// How much longer than its deadline a record may wait for aggregates of other shards.
    fn linger(&self) -> Duration {
        if !self.config.aggregation_enabled() {
            return Duration::ZERO;
        }
        let fifth = self.config.record_max_buffered_time() / 5;
        fifth.min(Duration::from_millis(50))
    }

    /// How many records a close has handed back.
    pub(crate) const fn closed_back(&self) -> u64 {
        self.closed_back
    }

    /// The engine wanted to hear of the time at `wanted`, if at all, and does so `now`.
    pub(crate) fn note_delay(&mut self, wanted: Option<Instant>, now: Instant) {
        self.packing.burst += 1;
        let Some(wanted) = wanted else { return };
        self.delay += now.since(wanted.max(self.told));
        self.told = now;
        self.undrained_since.get_or_insert(now);
    }

    /// Whether a request is in flight.
    pub(crate) fn is_sending(&self) -> bool {
        !self.awaited.is_empty()
    }

    /// How many records were accepted.
    pub(crate) const fn accepted_count(&self) -> u64 {
        self.accepted
    }

    /// How many records have their outcome, and so have all before them.
    pub(crate) fn first_open(&self) -> u64 {
        self.records.first_open() as u64
    }

    /// How many records were accepted and have no outcome.
    pub(crate) const fn open(&self) -> u64 {
        self.accepted - self.completed
    }

    /// A new map, if it is one, made the engine pack so many records anew.
    pub(crate) const fn repacked(&mut self, records: u64) {
        self.repacked += records;
    }

    /// Everything is asked back.
    pub(crate) fn purge_requested(&mut self) {
        self.purges = true;
        self.settle_unanswered();
        self.purged = usize::try_from(self.accepted).unwrap_or(usize::MAX);
    }

    /// Nobody takes what the engine has to say for a while; what it has decided stays so, whatever comes meanwhile.
    pub(crate) fn interrupted(&mut self, stats: &Stats, now: Instant) {
        self.window_interrupted(stats, now);
        let is_handed_back = stats.buffered + stats.in_flight == 0;
        if is_handed_back && self.close_deadline.is_some_and(|deadline| deadline <= now) {
            self.settle_unanswered();
        }
    }

    fn settle_unanswered(&mut self) {
        self.doubts_forget();
        for request in self.requests.values_mut() {
            request.is_settled |= request.answered_at.is_none();
        }
    }

    /// The engine is to close: what was not sent before leaves at once.
    pub(crate) fn close_requested(&mut self, deadline: Option<Instant>, now: Instant) {
        // Asking again never pushes it away.
        self.close_deadline = self.close_deadline.into_iter().chain(deadline).min();
        self.closes = true;
        self.sometimes.closed_in_flight += u64::from(!self.awaited.is_empty());
        self.hurry(now);
    }

    /// What was accepted so far and never sent need not wait for company any more, unless it waits for the first
    /// map.
    fn hurry(&mut self, now: Instant) {
        self.hurried = usize::try_from(self.accepted).unwrap_or(usize::MAX);
        if !self.awaits_first_map() {
            self.hurry_now(now);
        }
    }

    fn awaits_first_map(&self) -> bool {
        let is_on = self.config.shard_prediction() == ShardPrediction::On;
        is_on && !self.map.exists() && !self.map.has_failed()
    }

    fn hurry_now(&mut self, now: Instant) {
        let (hurried, records) = (self.hurried, &mut self.records);
        self.waiting.change(|_, leave_by, number| {
            let record = &mut records[number];
            if record.sends == 0 && number < hurried {
                record.leave_by = leave_by.min(now);
            }
            (None, record.leave_by)
        });
    }

    /// The engine cancels a request: when it has taken too long, or when nobody waits for it any more.
    pub(crate) fn cancelled(&mut self, batch: BatchId, now: Instant) -> Checked {
        self.window_cancelled(batch, now);
        let start = self.awaited.iter().find(|(_, id)| *id == batch).map(|&(start, _)| start);
        let Some(start) = start else {
            // Its answer came before anybody took the engine's word for it.
            let was_heard = self.heard.contains(&batch);
            let start = self.requests.get(&batch).map(|request| request.start);
            let is_late =
                start.is_some_and(|start| start.after(self.config.request_timeout()) <= now);
            self.note_timeout(is_late, now);
            return rule(was_heard, || format!("{batch} is cancelled and not awaited"));
        };
        self.awaited.remove(&(start, batch));
        let is_late = start.after(self.config.request_timeout()) <= now;
        if !is_late {
            self.cancelled_early.push(batch);
        }
        self.note_timeout(is_late, now);
        Ok(())
    }

    /// A record of a request is not in flight any more.
    fn land(&mut self, batch: BatchId) {
        if let Some(request) = self.requests.get_mut(&batch) {
            request.in_flight -= 1;
            if request.in_flight == 0 {
                self.finished.push(batch);
            }
        }
    }

    /// A request that is late was cancelled for that, unless all are at once.
    fn note_timeout(&mut self, is_late: bool, now: Instant) {
        let closes = self.close_deadline.is_some_and(|deadline| deadline <= now);
        *if self.purges || closes {
            &mut self.figures.timeouts_perhaps
        } else {
            &mut self.figures.timeouts
        } += u64::from(is_late);
    }
}
