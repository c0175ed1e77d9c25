use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use headwaters_wire::{AttemptError, Entries, ErrorCode};

use crate::action::{Action, Batch, BatchId, Wakeup, WakeupReason};
use crate::answers::Answer;
use crate::arrivals::{Arrival, Arrivals};
use crate::bisection::Bisection;
use crate::bounds::{Bounds, Room};
use crate::budget::Budget;
use crate::closing::Closing;
use crate::collector::Collector;
use crate::completion::Cause;
use crate::config::{Config, ShardPrediction};
use crate::doubts::Doubts;
use crate::event::{Event, Sent};
use crate::flushes::Flushes;
use crate::held::Claim;
use crate::in_flight::{InFlight, Load, Timers};
use crate::lanes::Lanes;
use crate::listing::{Listing, MapStatus};
use crate::order::{Order, Turnstile};
use crate::random::Random;
use crate::scattered::Scattered;
use crate::share::Shares;
use crate::stats::{ShardStats, Stats};
use crate::strays::Stray;
use crate::time::Instant;
use crate::waits::Waits;
use crate::window::Window;

/// A Kinesis producer without input and output, for one stream.
///
/// - **Commands and events**: [`add`](Self::add), [`handle`](Self::handle);
/// - **output**: [`poll`](Self::poll), until it says [`Action::Wait`];
/// - **getters**: [`wakeup`](Self::wakeup), [`stats`](Self::stats), [`shard_stats`](Self::shard_stats),
///   [`listing_error`](Self::listing_error), [`config`](Self::config).
///
/// Every call that brings a time may bring any time: the engine's own never goes back. Everything that is
/// due happens in `poll`, so calling it late only delays.
#[derive(Debug)]
pub struct Engine {
    pub(crate) config: Config,
    pub(crate) now: Instant,
    /// What is to be done, and does not come out of the rooms below by itself.
    pub(crate) actions: VecDeque<Action>,
    /// Answers that have come and are not read to their end.
    pub(crate) answers: VecDeque<Box<Answer>>,
    /// User records in those.
    pub(crate) answered: usize,
    pub(crate) arrivals: Arrivals,
    pub(crate) bisection: Bisection,
    pub(crate) budget: Budget,
    pub(crate) closing: Option<Closing>,
    pub(crate) doubts: Doubts,
    /// How the last request failed as a whole, if none was answered since.
    pub(crate) failure: Option<AttemptError>,
    pub(crate) flushes: Flushes,
    pub(crate) in_flight: InFlight,
    pub(crate) lanes: Lanes,
    pub(crate) listing: Listing,
    pub(crate) next_sequence: u64,
    pub(crate) random: Random,
    pub(crate) room: Room,
    /// Whether the stream distributes by itself.
    pub(crate) scattered: Option<Scattered>,
    pub(crate) shares: Shares,
    /// How many records had been accepted when memory was given back the last time.
    pub(crate) shrunk: u64,
    pub(crate) stats: Stats,
    pub(crate) strays: Vec<Stray>,
    /// `None` where records overtake each other.
    pub(crate) turnstile: Option<Turnstile>,
    pub(crate) waits: Waits,
    pub(crate) window: Window,
}

impl Engine {
    /// An engine that holds nothing yet.
    pub fn new(config: Config, now: Instant) -> Self {
        let mut random = Random::new(config.seed);
        let mut lanes = Lanes::new(&config);
        lanes.await_map(config.shard_prediction == ShardPrediction::On);
        // Numbers of its own, so that its draws do not change the others.
        let pauses = Random::new(!config.seed);
        Self {
            actions: VecDeque::new(),
            answers: VecDeque::new(),
            answered: 0,
            arrivals: Arrivals::default(),
            bisection: Bisection::default(),
            budget: Budget::new(&config),
            closing: None,
            doubts: Doubts::new(&config),
            failure: None,
            flushes: Flushes::default(),
            in_flight: InFlight::default(),
            lanes,
            listing: Listing::new(random.next(), config.request_timeout),
            next_sequence: 0,
            now,
            random,
            room: Room::new(config.bounds, Bounds::overhead_of(config.order)),
            scattered: None,
            shares: Shares::new(config.shard_share, config.bounds),
            shrunk: 0,
            stats: Stats::default(),
            strays: Vec::new(),
            turnstile: (config.order == Order::PerPartitionKey).then(Turnstile::default),
            waits: Waits::default(),
            window: Window::new(config.outage, config.max_requests_in_flight, pauses),
            config,
        }
    }

    /// Takes note of what happened.
    pub fn handle(&mut self, event: Event, now: Instant) {
        self.advance(now);
        if !matches!(event, Event::PutRecordsFinished { .. } | Event::TimeAdvanced) {
            // Whatever else happened, it happened after the answers that have come.
            self.read_answers();
        }
        match event {
            Event::BatchCancelled { batch, sent } => self.batch_cancelled(batch, sent),
            Event::BoundsChanged(bounds) => {
                self.room.set(bounds);
                self.shares.set(bounds);
                self.announce_room();
            }
            Event::CloseRequested { deadline } => self.close(deadline),
            Event::FlushRequested { flush, deadline } => {
                let held = self.room.records() as u64;
                self.flushes.start(flush, self.next_sequence, held, deadline);
                self.lanes.hurry(self.next_sequence, self.now);
                self.finish_flushes();
            }
            Event::PurgeRequested => self.hand_back(&Cause::Purged),
            Event::PutRecordsFinished { batch, result } => self.put_records_finished(batch, result),
            Event::RecordAdded { token, record, timing } => {
                if let Err(refused) = self.add_timed(token, record, timing, now) {
                    self.actions.push_back(Action::Complete(refused.into_completion(token)));
                }
            }
            Event::ShardsListed { request, result } => self.shards_listed(request, result),
            Event::TimeAdvanced => {}
            Event::TransportReady => {
                self.waits.end_for_credentials(self.now);
                self.window.credentials_renewed(self.now);
            }
        }
        self.check();
    }

    /// What to do next.
    pub fn poll(&mut self) -> Action {
        self.next_action(true, usize::MAX)
    }

    /// The same, for a driver that shares the engine behind a lock which it is to hold for a short time only.
    ///
    /// - A batch may lack [check sums](Batch::unsealed), which the driver computes without the lock. Until
    ///   [`seal`](Self::seal) has them the batch cannot be sent.
    /// - Where a new list of the shards brings records to other lanes it is about so many of them for each call, `at_once`,
    ///   and at least one. As long as there are more, [`Action::Wait`] says that there is something to poll
    ///   now: its time is the present one, its reason [`WakeupReason::Actions`]. Whatever is called meanwhile is legal;
    ///   nothing is sent before all have found their lanes.
    pub fn poll_unsealed(&mut self, at_once: usize) -> Action {
        self.next_action(false, at_once)
    }

    /// Takes the check sums that a batch lacks, and returns it to be sent. `None` if it is not to be sent any more (say
    /// [`Event::BatchCancelled`], then), or lacks none.
    pub fn seal(&mut self, batch: BatchId, check_sums: &[[u8; 16]]) -> Option<Batch> {
        let entries = self.in_flight.seal(batch, check_sums)?;
        Some(Batch { entries, id: batch, dwell: Vec::new(), unsealed: None })
    }

    #[inline(always)]
    fn next_action(&mut self, seals: bool, at_once: usize) -> Action {
        loop {
            if let Some(action) = self.actions.pop_front() {
                return action;
            }
            if let Some(stored) = self.read_stored() {
                return Action::Stored(stored);
            }
            if self.read_entry() {
                continue;
            }
            self.elapse();
            if let Some(action) = self.actions.pop_front() {
                return action;
            }
            if !self.lanes.has_gone() {
                break;
            }
            if !self.move_over(at_once) {
                self.check();
                return Action::Wait(self.wakeup());
            }
        }
        if let Some(request) = self.next_listing() {
            return Action::ListShards(request);
        }
        if let Some(batch) = self.collect_suspects() {
            return Action::SendBatch(batch);
        }
        while self.is_batch_due() {
            let held_back = self.lanes.held_back();
            if let Some(batch) = self.collect(seals) {
                return Action::SendBatch(batch);
            }
            debug_assert!(self.lanes.held_back() > held_back, "what is due leaves or is held back");
        }
        if self.has_share_again() {
            return Action::RoomAvailable;
        }
        self.shrink();
        self.check();
        Action::Wait(self.wakeup())
    }

    /// When the engine wants to hear of the time: what [`Action::Wait`] would say, without draining. A time
    /// that has come means that there is something to [`poll`](Self::poll).
    ///
    /// The answer changes with every call to `add`, `handle` and `poll`.
    pub fn wakeup(&self) -> Wakeup {
        let is_due = self.lanes.has_gone()
            || self.is_batch_due()
            || self.is_part_due()
            || self.has_share_free();
        if !self.actions.is_empty() || !self.answers.is_empty() || is_due {
            return Wakeup { at: Some(self.now), reason: WakeupReason::Actions };
        }
        let mut wakeup = Wakeup::IDLE;
        let opens_at = self.window.opens_at(self.in_flight.requests());
        let waits_for_request = self.lanes.records() + self.bisection.records() > 0;
        if let Some(opens_at) = opens_at.filter(|_| waits_for_request) {
            let pause = (opens_at > self.now).then_some(opens_at);
            let full = pause.filter(|_| self.is_full());
            let when_open = |at: Instant| pause.map_or(at, |pause| at.max(pause));
            wakeup = wakeup
                .sooner(full, WakeupReason::Pause)
                .sooner(self.lanes.next_due().map(when_open), WakeupReason::Deadline)
                .sooner(self.next_apart().map(|(due, _)| when_open(due)), WakeupReason::Deadline)
                .sooner(self.lanes.next_unblocked().map(when_open), WakeupReason::Limiter)
                .sooner(self.bisection.next_ready().map(when_open), WakeupReason::Limiter);
            if pause.is_some() && wakeup.at == pause {
                wakeup.reason = WakeupReason::Pause;
            }
        }
        let close = self.closing.as_ref().and_then(|closing| closing.deadline);
        let waiting = self.turnstile.as_ref().and_then(Turnstile::next_expiration);
        wakeup
            .sooner(self.waits.next(), WakeupReason::Retry)
            .sooner(self.lanes.next_expiration(), WakeupReason::Expiration)
            .sooner(waiting, WakeupReason::Expiration)
            .sooner(self.bisection.next_expiration(), WakeupReason::Expiration)
            .sooner(self.in_flight.next_timeout(), WakeupReason::RequestTimeout)
            .sooner(self.in_flight.next_grace(), WakeupReason::CancelGrace)
            .sooner(self.flushes.next_deadline(), WakeupReason::Flush)
            .sooner(close, WakeupReason::Close)
            .sooner(self.next_listing_at(), WakeupReason::Listing)
    }

    /// How the last request failed as a whole, if none was answered since; a close or a purge that gave it up does not count.
    pub const fn last_failure(&self) -> Option<&AttemptError> {
        self.failure.as_ref()
    }

    /// Whether requests have failed so often in a row that only one at a time is sent, until one is answered
    /// ([`Stats::probing`]).
    pub const fn is_probing(&self) -> bool {
        self.window.is_probing()
    }

    /// Whether something that is held makes room without anybody's doing: it is on its way, or was told to leave
    /// (a flush), its shard's limiter holds it back, or it waits for its next attempt or for the first list of the shards. What
    /// only waits for company does not count.
    pub fn makes_room(&self) -> bool {
        self.in_flight.requests() > 0
            || self.is_probing()
            || self.lanes.held_back() > 0
            || self.lanes.has_hurried(self.next_sequence)
            || self.waits.records() > 0
            || self.bisection.records() > 0
            || self.awaits_map()
    }

    /// Counters and levels.
    pub fn stats(&self) -> Stats {
        let in_flight = self.in_flight.records() + self.answered + self.stray_records();
        let behind = self.turnstile.as_ref().map_or(0, Turnstile::waiting);
        let buffered =
            self.lanes.records() + self.waits.records() + self.bisection.records() + behind;
        Stats {
            aggregates_cut: self.lanes.cuts,
            behind: behind as u64,
            buffered: buffered as u64,
            bytes_held: self.room.bytes() as u64,
            in_flight: in_flight as u64,
            lanes_apart: self.lanes.in_doubt() as u64,
            lanes_held_back: self.lanes.held_back() as u64,
            listings: self.listing.requests(),
            listings_failed: self.listing.failures(),
            probing: self.window.is_probing(),
            requests_allowed: self.window.allowed() as u64,
            requests_failed_in_a_row: self.window.failures(),
            requests_in_flight: self.in_flight.requests() as u64,
            shard_map: self.map_status(),
            shards: self.listing.map().map_or(0, |map| map.len() as u64),
            ..self.stats
        }
    }

    /// How it stands with each shard, in the order of their hash keys. What goes to no known shard comes last.
    pub fn shard_stats(&self) -> impl Iterator<Item = ShardStats> {
        self.lanes.lanes.iter().map(|lane| {
            let (levels, rates) = (lane.limiter.levels(self.now), lane.limiter.rates_ppm(self.now));
            let figures = lane.figures;
            ShardStats {
                byte_level: levels.map(|[_, bytes]| bytes),
                byte_rate_ppm: rates.map(|[_, bytes]| bytes),
                bytes_sent: figures.bytes_sent,
                bytes_waiting: lane.held() as u64,
                dwell: figures.dwell,
                entries: figures.entries,
                failed: figures.failed,
                is_apart: lane.doubt.is_some(),
                is_held_back: lane.marks.blocked.is_some(),
                record_level: levels.map(|[records, _]| records),
                record_rate_ppm: rates.map(|[records, _]| records),
                request_time: figures.request_time,
                shard: lane.shard.as_ref().map(|shard| shard.id.clone()),
                stored: figures.stored,
                throttled: figures.throttled,
            }
        })
    }

    /// Why the shards could not be listed the last time; `None` if they could.
    pub const fn listing_error(&self) -> Option<&AttemptError> {
        self.listing.fault()
    }

    /// The time: the latest that the engine was told.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// The settings.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// How much the engine holds, of its [`Bounds`].
    pub const fn held(&self) -> Bounds {
        Bounds { bytes: self.room.bytes(), records: self.room.records() }
    }

    /// Whether it was asked to close, and takes no more records.
    pub const fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// Whether the engine holds no record.
    pub const fn is_empty(&self) -> bool {
        self.room.records() == 0
    }

    pub(crate) fn map_status(&self) -> MapStatus {
        match self.config.shard_prediction {
            ShardPrediction::On if self.scattered.is_some() => MapStatus::Scattered,
            ShardPrediction::On => self.listing.status(),
            ShardPrediction::Off => MapStatus::Off,
        }
    }

    pub(crate) fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// Does what has become due.
    fn elapse(&mut self) {
        let now = self.now;
        while let Some(records) = self.waits.take_due(now) {
            for record in records {
                self.lanes.wait_here(record.hash_key(), record.room());
                self.place(record);
            }
        }
        self.list_elapse();
        while let Some((lane, record)) = self.lanes.take_expired(now) {
            let expired = |claim: &Claim, _| claim.is_expired(now).then_some(Cause::Expired);
            if let Some(rest) = self.weed(record, expired) {
                self.lanes.place(lane, rest);
            }
        }
        self.expire_waiting();
        self.expire_suspects();
        self.in_flight.skip_answered();
        while let Some(batch) = self.in_flight.take_timed_out(now) {
            self.stats.timeouts += 1;
            self.cancel(batch, ErrorCode::RequestTimeout);
            self.in_flight.skip_answered();
        }
        while let Some(batch) = self.in_flight.take_silent(now) {
            self.batch_cancelled(batch, Sent::Unknown);
            self.in_flight.skip_answered();
        }
        self.read_answers();
        self.doubt_late();
        while let Some((flush, pending)) = self.flushes.take_late(now) {
            self.actions.push_back(Action::FlushFinished { flush, pending });
        }
        self.end_close();
        // As long as nothing can leave, what is being packed goes on filling.
        if self.has_free_request() && !self.lanes.has_gone() {
            self.lanes.elapse(now);
        }
    }

    pub(crate) fn has_free_request(&self) -> bool {
        self.window.opens_at(self.in_flight.requests()).is_some_and(|at| at <= self.now)
    }

    /// Whether what may leave fills a request.
    fn is_full(&self) -> bool {
        let Config { collection_max_count, collection_max_size, .. } = self.config;
        self.lanes.fills(collection_max_count, collection_max_size)
    }

    fn is_batch_due(&self) -> bool {
        self.has_free_request()
            && (self.is_full()
                || self.lanes.next_due().is_some_and(|due| due <= self.now)
                || self.next_apart().is_some_and(|(due, _)| due <= self.now))
    }

    /// The lane that could leave apart now.
    fn due_apart(&self) -> Option<(Instant, u32)> {
        self.next_apart().filter(|&(due, _)| due <= self.now)
    }

    /// Makes a batch of what leaves next; `None` if the limiters let nothing pass.
    fn collect(&mut self, seals: bool) -> Option<Batch> {
        self.lanes.elapse(self.now);
        let collector =
            Collector::new(self.config.collection_max_count, self.config.collection_max_size);
        let due_apart = self.due_apart();
        let apart = due_apart.filter(|&lane| self.lanes.is_turn_apart(lane, self.now));
        if let Some((_, at)) = apart {
            self.lanes.ripen(at, self.now);
        }
        let cut = if apart.is_some() {
            self.lanes.why_due(apart)
        } else {
            self.lanes.why(
                self.config.collection_max_count,
                self.config.collection_max_size,
                self.now,
            )
        };
        let mut load = collector.collect(apart.map(|(_, at)| at), &mut self.lanes, self.now)?;
        match apart {
            Some(first) => self.lanes.note_turn_apart(first),
            None if due_apart.is_some() => self.lanes.pass_over(),
            None => {}
        }
        if seals {
            load.seal();
        }
        self.stats.requests_cut.note(cut);
        Some(self.start(load))
    }

    /// Makes a batch of this.
    pub(crate) fn start(&mut self, load: Load) -> Batch {
        self.stats.requests += 1;
        self.stats.entries += load.entries.len() as u64;
        let mut arrival = Arrival::default();
        let mut dwell = Vec::with_capacity(load.turns.len());
        for &(lane, oldest) in &load.turns {
            if !arrival.has(oldest) {
                arrival = self.arrivals.find(oldest);
            }
            let age = arrival.age(self.now);
            self.stats.dwell.note(age);
            dwell.push(age);
            self.lanes.get_mut(lane).figures.dwell.note(age);
        }
        let timeout = self.now.after(self.config.request_timeout);
        let timers = Timers { late_at: self.doubts.late_at(self.now), timeout };
        let unsealed = load.unsealed.clone();
        // What lacks something is nobody else's.
        let entries = if unsealed.is_none() { load.entries.clone() } else { Entries::default() };
        let id = self.in_flight.start(load, self.now, timers);
        Batch { entries, id, dwell, unsealed }
    }

    /// Forgets records that have their outcomes.
    #[inline]
    pub(crate) fn release(&mut self, records: usize, room: usize) {
        self.room.forget(records, room);
        self.announce_room();
        self.finish_flushes();
        self.finish_close();
    }

    #[inline]
    pub(crate) fn announce_room(&mut self) {
        if self.room.announce() {
            self.actions.push_back(Action::RoomAvailable);
        }
    }

    #[inline]
    pub(crate) fn finish_flushes(&mut self) {
        while let Some(flush) = self.flushes.take_done() {
            self.actions.push_back(Action::FlushFinished { flush, pending: 0 });
        }
    }

    pub(crate) fn cancel(&mut self, batch: BatchId, reason: ErrorCode) {
        let grace = self.now.after(self.config.cancel_grace);
        if self.in_flight.cancel(batch, reason, grace) {
            self.actions.push_back(Action::CancelBatch(batch));
        }
    }

    /// What must hold after each call, in debug builds of a size that allows it.
    pub(crate) fn check(&self) {
        #[cfg(debug_assertions)]
        {
            let stats = self.stats();
            let ended = stats.stored + stats.not_stored + stats.maybe_stored + stats.handed_back;
            debug_assert_eq!(stats.accepted, ended + stats.buffered + stats.in_flight);
            debug_assert_eq!(self.room.records() as u64, stats.buffered + stats.in_flight);
            let foretells = self.listing.map().is_some() && self.scattered.is_none();
            debug_assert_eq!(self.lanes.map.is_some(), foretells);
            // Walking everything after each call would make large tests quadratic.
            const WALKED_MAX: usize = 64;
            if self.room.records() <= WALKED_MAX {
                self.lanes.invariants();
                self.flushes.invariants(self.room.records());
                self.in_flight.invariants();
                self.waits.invariants();
                if let Some(turnstile) = &self.turnstile {
                    turnstile.invariants(self.room.records());
                }
                self.bisection.invariants();
                self.share_invariants();
            }
            self.budget.invariants();
            self.window.invariants();
        }
    }
}
