use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use headwaters_engine::{
    Action, Engine, Event, FlushId, Instant, RefusedReason, ShardStats, Token, WakeupReason,
};

use crate::application::Application;
use crate::caller::Ending;
use crate::checker::{Checked, Checker, Put};
use crate::clock::Clock;
use crate::network::{Network, News};
use crate::plan::Plan;
use crate::recovery::Recovery;
use crate::resizes::Resizes;
use crate::rng::{Chance, Rng, millis};
use crate::service::Service;
use crate::trace::{Kind, Line, Step, Watch, What};
use crate::waits::Waits;

/// One engine with its application, its clock, its way to the service, and what watches over it.
#[derive(Debug)]
pub(crate) struct Producer {
    number: u32,
    application: Application,
    pub(crate) checker: Checker,
    clock: Clock,
    pub(crate) engine: Engine,
    /// How many records find other lanes at a time, if its driver gives the engine away in between.
    at_once: Option<u32>,
    /// Whether it may be packing records anew because the list of the shards has come.
    repacks: bool,
    pub(crate) network: Network,
    /// The world's time.
    time: Instant,
    /// What its clock shows, and the latest that it has shown: the engine's time never goes back.
    shown: Instant,
    now: Instant,
    stage: Stage,
    /// When the engine wants to hear of the time, if it has said all that it has to say.
    wakeup: Option<Instant>,
    /// Until then nobody takes what the engine has to say.
    busy_until: Option<Instant>,
    rng: Rng,
    next_flush: u64,
    /// Closes that were asked for and are not finished.
    closes: u32,
    /// When the application had put its last record.
    ended: Option<Instant>,
    pub(crate) recovery: Recovery,
    resizes: Resizes,
    /// When it is to end, whatever it has left to put.
    until: Option<Instant>,
    pub(crate) waits: Waits,
}

/// How far the application is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    /// It goes on putting at this time.
    Putting(Instant),
    /// It waits for room.
    Waiting,
    /// It waits for the end of this flush.
    Flushing(FlushId),
    Closing,
    Closed,
}

/// Most actions between two waits: several for each record without an outcome, and some for each of an answer's. No
/// engine may go on for ever.
const ACTIONS_PER_RECORD_MAX: u64 = 10;
const ACTIONS_MAX: u64 = 10 * 500;

/// For how long others have the engine between the pieces of a reshard, at most, for each record of a piece: about as long
/// as that takes, so that a reshard takes as long in small pieces as in large ones.
const LOCKED_PER_RECORD_MAX: Duration = Duration::from_nanos(800);

/// What the engine says next to a driver that makes check sums by itself, and lets others have the engine between the pieces
/// of a reshard: about `at_once` records each ([`Engine::poll_unsealed`]).
///
/// # Panics
/// The engine does not know the batch that it has just made.
pub fn poll_in_pieces(engine: &mut Engine, at_once: usize) -> Action {
    let mut action = engine.poll_unsealed(at_once);
    if let Action::SendBatch(batch) = &mut action
        && let Some(unsealed) = batch.unsealed.take()
    {
        let check_sums = unsealed.compute();
        drop(unsealed);
        let sealed = engine.seal(batch.id, &check_sums);
        batch.entries = sealed.expect("nothing has happened meanwhile").entries;
    }
    action
}

impl Producer {
    pub(crate) fn new(plan: &Plan, number: u32, service: &Service) -> Self {
        // Each producer draws from numbers of its own.
        let seed = Rng::new(plan.seed, &format!("producer-{number}")).next();
        let config = plan.settings.to_config(seed).expect("settings within their bounds");
        let mut clock = Clock::new(plan.clock, &mut Rng::new(seed, "clock"));
        let mut checker = Checker::new(number, config.clone());
        let now = clock.read(Instant::ZERO, &mut checker.sometimes);
        let shift = plan.shifts.get(number as usize).copied().unwrap_or_default();
        let at = |ms| Instant::ZERO.after(millis(ms));
        let application = Application::new(seed, number, plan.caller);
        let waits = Waits::new(plan.faults.dead_shards, application.hot(), &service.stream);
        Self {
            number,
            application,
            checker,
            clock,
            engine: Engine::new(config.clone(), now),
            at_once: Rng::new(seed, "driver").pick(&[None, Some(1), Some(16), Some(256)]),
            repacks: false,
            network: Network::new(plan, seed, &config, service.name.clone()),
            time: Instant::ZERO,
            shown: now,
            now,
            stage: Stage::Putting(at(shift.from_ms)),
            wakeup: None,
            busy_until: None,
            rng: Rng::new(seed, "producer"),
            next_flush: 0,
            closes: 0,
            ended: None,
            recovery: Recovery::new(Instant::ZERO.after(millis(plan.faults.outage_ms.1))),
            resizes: Resizes::new(plan, seed),
            until: shift.until_ms.map(at),
            waits,
        }
    }

    /// Since when the application has had nothing more to put.
    pub(crate) const fn ended(&self) -> Option<Instant> {
        self.ended
    }

    /// Whether all is done; if not, how far it is.
    pub(crate) fn check_closed(&self) -> Checked {
        if self.stage == Stage::Closed && !self.checker.has_flushes() {
            return Ok(());
        }
        Err(format!("producer {} stands still: {:?}", self.number, self.stage))
    }

    /// Since when its oldest record waits for an outcome.
    pub(crate) fn waits_since(&self) -> Option<Instant> {
        self.checker.waits_since()
    }

    /// From now on nothing goes wrong any more.
    pub(crate) fn heal(&mut self) {
        self.clock.heal();
        self.network.heal();
        self.resizes.end();
    }

    /// When something happens next: in the application, in the network, or in the engine.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        let caller = match self.stage {
            Stage::Putting(at) => Some(self.until.map_or(at, |until| until.min(at))),
            Stage::Waiting => self.until,
            _ => None,
        };
        let engine = match self.busy_until {
            None => self.wakeup.map(|at| self.clock.when(at).max(self.time)),
            busy => busy,
        };
        let resize = self.resizes.next_at().filter(|_| self.stage != Stage::Closed);
        let next = [caller, self.network.next_at(), engine, resize].into_iter().flatten().min();
        next.map(|at| at.max(self.clock.frozen_until()))
    }

    /// Lives on to `time`, which is when the next thing happens.
    pub(crate) fn live(
        &mut self,
        time: Instant,
        service: &mut Service,
        watch: &mut impl Watch,
    ) -> Checked {
        self.time = time;
        self.recovery.see(&self.checker, time);
        self.shown = self.clock.read(time, &mut self.checker.sometimes);
        self.trace_faults(watch);
        if self.clock.frozen_until() > time {
            return Ok(());
        }
        self.now = self.now.max(self.shown);
        if self.busy_until.is_some_and(|until| until <= time) {
            self.busy_until = None;
        }
        if let Some(bounds) = self.resizes.take(time).filter(|_| self.stage != Stage::Closed) {
            self.tell(Event::BoundsChanged(bounds), watch);
            self.checker.resized(bounds, &self.engine.stats());
            return if self.busy_until.is_some() { Ok(()) } else { self.drain(watch) };
        }
        match self.stage {
            Stage::Putting(_) | Stage::Waiting if self.until.is_some_and(|end| end <= time) => {
                self.end_shift(watch)?;
            }
            Stage::Putting(at) if at <= time => self.put_burst(watch)?,
            _ if self.network.next_at().is_some_and(|at| at <= time) => self.hear(service, watch),
            _ => self.tell(Event::TimeAdvanced, watch),
        }
        if self.busy_until.is_some() {
            return Ok(());
        }
        self.drain(watch)
    }

    /// Says what went wrong.
    fn trace_faults(&mut self, watch: &mut impl Watch) {
        for name in core::mem::take(&mut self.clock.faults_seen) {
            self.trace(Kind::World, &format_args!("fault {name}"), watch);
        }
        for (name, batch) in core::mem::take(&mut self.network.faults_seen) {
            self.trace(Kind::World, &format_args!("fault {name} {batch}"), watch);
        }
    }

    fn follow(&self, what: What<'_>, watch: &mut impl Watch) {
        watch.follow(Step::new(self.time, self.number, what));
    }

    fn trace(&self, kind: Kind, what: &dyn fmt::Display, watch: &mut impl Watch) {
        watch.see(Line { at: self.time, kind, producer: Some(self.number), what });
    }

    fn tell(&mut self, event: Event, watch: &mut impl Watch) {
        self.trace(Kind::Event, &event, watch);
        self.note_delay();
        self.checker.stirred();
        self.engine.handle(event, self.shown);
    }

    /// What nobody woke the engine for in time comes late, and that is not its fault.
    fn note_delay(&mut self) {
        self.checker.note_delay(self.engine.wakeup().at, self.now);
    }

    fn hear(&mut self, service: &mut Service, watch: &mut impl Watch) {
        let ignored = self.engine.stats().ignored_answers;
        let news = self.network.take(self.time, service);
        self.trace_faults(watch);
        match news {
            // Something happened far away; here it is only later.
            None => self.tell(Event::TimeAdvanced, watch),
            Some(News::Cancelled { batch, sent }) => {
                self.tell(Event::BatchCancelled { batch, sent }, watch);
                if self.engine.stats().ignored_answers == ignored {
                    self.checker.stopped(batch, sent, self.now);
                }
                self.checker.over(batch);
            }
            Some(News::Answer { batch, result }) => {
                let copy = result.clone();
                self.tell(Event::PutRecordsFinished { batch, result }, watch);
                if self.engine.stats().ignored_answers > ignored {
                    self.checker.sometimes.late_answer += 1;
                } else {
                    self.checker.note_rates(batch, &copy, self.engine.shard_stats());
                    self.checker.answered(batch, &copy, self.now);
                }
                self.checker.over(batch);
            }
            Some(News::Listed { request, result }) => {
                let shards: Vec<ShardStats> = self.engine.shard_stats().collect();
                let before = self.engine.stats().repacked;
                self.repacks = true;
                self.tell(Event::ShardsListed { request, result: result.clone() }, watch);
                let is_ignored = self.engine.stats().ignored_answers > ignored;
                self.checker.list_answered(request, result, is_ignored, self.now);
                self.checker.repacked(self.engine.stats().repacked - before);
                self.checker.note_inheritance(&shards, self.engine.shard_stats());
            }
            Some(News::Ready) => {
                self.tell(Event::TransportReady, watch);
                self.checker.transport_ready(self.now);
            }
        }
    }

    fn put_burst(&mut self, watch: &mut impl Watch) -> Checked {
        self.note_delay();
        for _ in 0..self.application.burst() {
            if self.application.next == self.application.caller.records {
                return self.end(watch);
            }
            if let Err(reason) = self.put(watch)? {
                if !matches!(reason, RefusedReason::Full | RefusedReason::ShardFull) {
                    return Err(format!("a record was refused: {reason:?}"));
                }
                self.checker.sometimes.refused += 1;
                self.stage = Stage::Waiting;
                return if self.application.ends_early() { self.end(watch) } else { Ok(()) };
            }
        }
        if let Some(deadline) = self.application.flush(self.now) {
            self.flush(deadline, watch);
        }
        if self.application.purges() {
            self.checker.sometimes.purged_midway += 1;
            self.checker.purge_requested();
            self.tell(Event::PurgeRequested, watch);
        }
        if self.application.ends_early() {
            return self.end(watch);
        }
        self.stage = Stage::Putting(self.application.pause(self.time));
        Ok(())
    }

    /// Puts the next record.
    fn put(&mut self, watch: &mut impl Watch) -> Result<Result<(), RefusedReason>, String> {
        let (record, timing) = self.application.record();
        let number = self.application.next;
        let token = Token(u64::from(number));
        let put = Put::new(&record, timing);
        match self.engine.add_timed(token, record, timing, self.shown) {
            Ok(()) => {
                self.checker.accepted(number as usize, put, (self.time, self.now));
                self.checker.accepted_share(number as usize, self.engine.held().bytes as u64)?;
                self.application.next += 1;
                self.follow(What::Accepted(token.0), watch);
                Ok(Ok(()))
            }
            Err(refused) => {
                self.checker.refused(&refused, &self.engine.stats())?;
                self.application.in_hand = Some((refused.record, timing));
                Ok(Err(refused.reason))
            }
        }
    }

    /// The application's time is over, whatever it has left to put.
    fn end_shift(&mut self, watch: &mut impl Watch) -> Checked {
        self.ended = Some(self.time);
        self.checker.purge_requested();
        self.tell(Event::PurgeRequested, watch);
        self.close(None, watch)
    }

    /// The application has put its last record.
    fn end(&mut self, watch: &mut impl Watch) -> Checked {
        self.ended = Some(self.time);
        match self.application.caller.ending {
            Ending::Close => self.close(None, watch),
            Ending::CloseWithin(within) => self.close(Some(self.now.after(millis(within))), watch),
            Ending::Flush => {
                let flush = self.flush(None, watch);
                self.stage = Stage::Flushing(flush);
                Ok(())
            }
            Ending::Purge => {
                self.checker.purge_requested();
                self.tell(Event::PurgeRequested, watch);
                self.close(None, watch)
            }
        }
    }

    fn flush(&mut self, deadline: Option<Instant>, watch: &mut impl Watch) -> FlushId {
        let flush = FlushId(self.next_flush);
        self.next_flush += 1;
        self.checker.flush_requested(flush, deadline, self.now);
        self.tell(Event::FlushRequested { flush, deadline }, watch);
        flush
    }

    fn close(&mut self, deadline: Option<Instant>, watch: &mut impl Watch) -> Checked {
        self.stage = Stage::Closing;
        self.checker.close_requested(deadline, self.now);
        self.tell(Event::CloseRequested { deadline }, watch);
        self.closes += 1;
        if self.rng.happens(Chance::percent(25)) {
            // Once more: that brings the deadline nearer, if anything.
            let within = self.rng.pick(&[None, Some(millis(20)), Some(millis(20_000))]);
            let deadline = within.map(|within| self.now.after(within));
            self.checker.close_requested(deadline, self.now);
            self.tell(Event::CloseRequested { deadline }, watch);
            self.closes += 1;
        }
        if self.application.next == self.application.caller.records {
            return Ok(());
        }
        // It takes nothing any more.
        match self.put(watch)? {
            Err(RefusedReason::Closed) => self.checker.sometimes.put_after_close += 1,
            other => return Err(format!("a record after the close: {other:?}")),
        }
        Ok(())
    }

    /// Does what the engine says until it waits, or until the application has too many outcomes at once.
    pub(crate) fn drain(&mut self, watch: &mut impl Watch) -> Checked {
        self.checker.stirred();
        let most = ACTIONS_MAX + ACTIONS_PER_RECORD_MAX * self.checker.open();
        let (mut outcomes, pause) = self.application.caller.outcomes;
        for _ in 0..most {
            let mut told = 0;
            for action in self.poll().one_by_one() {
                self.trace(Kind::Action, &action, watch);
                if let Action::Wait(wakeup) = action {
                    if let (Some(at_once), WakeupReason::Actions) = (self.at_once, wakeup.reason) {
                        self.give_away(at_once);
                        return Ok(());
                    }
                    self.repacks = false;
                    self.wakeup = wakeup.at;
                    watch.look(self.time, self.number, &self.engine);
                    self.checker.check_rates(self.engine.shard_stats(), self.now)?;
                    let stats = self.engine.stats();
                    self.checker.check_shards(self.engine.shard_stats(), stats.bytes_held)?;
                    return self.checker.waits(wakeup.at, &stats, self.now);
                }
                told += u32::from(matches!(action, Action::Complete(_)));
                self.act(action, watch)?;
            }
            if told > 0 && pause > 0 {
                outcomes = outcomes.saturating_sub(told);
                if outcomes == 0 {
                    self.checker.sometimes.outcomes_read_slowly += 1;
                    self.checker.interrupted(&self.engine.stats(), self.now);
                    self.busy_until = Some(self.rng.time_after(self.time, millis(pause)));
                    return Ok(());
                }
            }
        }
        Err("it never waits".to_string())
    }

    /// What the engine says next.
    fn poll(&mut self) -> Action {
        // Only then, for all figures are put together to know one.
        let before = self.repacks.then(|| self.engine.stats().repacked);
        let action = match self.at_once {
            Some(at_once) => poll_in_pieces(&mut self.engine, at_once as usize),
            None => self.engine.poll(),
        };
        if let Some(before) = before {
            self.checker.repacked(self.engine.stats().repacked - before);
        }
        action
    }

    /// The engine has more to do now. Others have it first.
    fn give_away(&mut self, at_once: u32) {
        self.checker.sometimes.moved_in_pieces += 1;
        self.checker.interrupted(&self.engine.stats(), self.now);
        self.busy_until = Some(self.rng.time_after(self.time, LOCKED_PER_RECORD_MAX * at_once));
    }

    fn act(&mut self, action: Action, watch: &mut impl Watch) -> Checked {
        match action {
            Action::CancelBatch(batch) => {
                self.checker.cancelled(batch, self.now)?;
                self.network.cancel(batch, self.time);
            }
            Action::CloseFinished { undelivered } => {
                if undelivered != self.checker.closed_back() {
                    return Err(format!("closed, {undelivered} handed back"));
                }
                if self.stage != Stage::Closing || self.checker.open() > 0 {
                    return Err(format!("closed with {} records open", self.checker.open()));
                }
                self.closes -= 1;
                if self.closes == 0 {
                    self.stage = Stage::Closed;
                }
            }
            Action::Complete(completion) => {
                self.checker.completed(&completion, self.now)?;
                self.waits.note(&completion, &self.checker, self.time);
                self.follow(What::Completed(&completion), watch);
            }
            Action::FlushFinished { flush, pending } => {
                self.checker.flush_finished(flush, pending, self.now)?;
                if self.stage == Stage::Flushing(flush) {
                    self.close(None, watch)?;
                }
            }
            Action::ListShards(request) => {
                self.checker.list_asked(&request, self.now)?;
                self.network.list(request, self.time);
            }
            Action::Requeue(requeue) => {
                self.checker.requeued(&requeue, self.now)?;
                let records = &mut self.checker.records_of(requeue.batch, Some(&requeue.indexes));
                self.follow(What::Requeued { code: &requeue.cause.code, records }, watch);
            }
            Action::RoomAvailable => {
                self.checker.room_available();
                if self.stage == Stage::Waiting {
                    self.stage = Stage::Putting(self.time);
                }
            }
            Action::SendBatch(batch) => {
                self.checker.sent(&batch, &self.engine.stats(), self.now)?;
                let id = batch.id;
                self.network.send(batch, self.time);
                self.trace_faults(watch);
                let records = &mut self.checker.records_of(id, None);
                self.follow(What::Sent { batch: id, records }, watch);
            }
            // They come one by one.
            Action::Stored(_) | Action::Wait(_) => {}
        }
        Ok(())
    }
}
