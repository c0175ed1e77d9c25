use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use core::time::Duration;

use headwaters_engine::wire::StreamName;
use headwaters_engine::{Action, Engine, Event, FlushId, Instant, RefusedReason, Token};
use headwaters_model::{MaxRecordSize, Stream, StreamOptions};

use crate::application::Application;
use crate::caller::Ending;
use crate::checker::{Checked, Checker};
use crate::network::{Network, News};
use crate::options::Options;
use crate::report::{Failure, Report};
use crate::reshards::Resharder;
use crate::trace::Trace;

/// Lives through a world from its first record to its last answer.
///
/// # Errors
/// [`Failure`] says which rule was broken, and how to see it again.
pub fn run(options: &Options) -> Result<Report, Box<Failure>> {
    let mut world = World::new(options, false);
    let Err(broken) = world.live() else { return Ok(world.report()) };
    // The same again, this time with the lines that led to it.
    let mut world = World::new(options, true);
    let again = world.live();
    let broken = match again {
        Err(same) if same == broken => broken,
        _ => format!("{broken} (and not again: the world is not deterministic)"),
    };
    let lines = world.trace.into_lines();
    Err(Box::new(Failure { broken, lines, options: options.clone() }))
}

/// One engine, one stream, what lies between them, and an application.
#[derive(Debug)]
struct World {
    application: Application,
    checker: Checker,
    engine: Engine,
    network: Network,
    now: Instant,
    resharder: Resharder,
    stage: Stage,
    trace: Trace,
    /// When the application had put its last record.
    ended: Option<Instant>,
    next_flush: u64,
    duplicates: u64,
    hidden: u64,
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
/// How long faults go on after the application's last record,
const HEALED_AFTER: Duration = Duration::from_secs(3);
/// and how long at most, for an application that waits for room may never come to its last record.
const HEALED_AT: Duration = Duration::from_secs(120);
/// Most steps and longest time in a world; work that never ends is a broken rule.
const STEPS_MAX: u64 = 3_000_000;
const TIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);

impl World {
    fn new(options: &Options, keep_trace: bool) -> Self {
        let name = StreamName::new("world").expect("a valid name");
        let mut stream = StreamOptions::new(name, options.shards);
        if options.config.max_user_record_size() > MaxRecordSize::DEFAULT.bytes() {
            stream = stream.max_record_size(MaxRecordSize::MAX);
        }
        if !options.throttling {
            stream = stream.unlimited();
        }
        let caller = options.caller;
        Self {
            application: Application::new(options.seed, caller),
            checker: Checker::new(options.config.clone(), caller.records as usize),
            engine: Engine::new(options.config.clone(), Instant::ZERO),
            network: Network::new(options, Stream::new(stream)),
            now: Instant::ZERO,
            resharder: Resharder::new(options.seed, options.reshards),
            stage: Stage::Putting(Instant::ZERO),
            trace: Trace::new(keep_trace),
            ended: None,
            next_flush: 0,
            duplicates: 0,
            hidden: 0,
        }
    }

    fn report(&self) -> Report {
        Report {
            duplicates: self.duplicates,
            hidden: self.hidden,
            lost_answers: self.network.lost_answers,
            sometimes: self.checker.sometimes,
            stats: self.engine.stats(),
            stored: self.network.model().ledger().len() as u64,
            time: self.now.since(Instant::ZERO),
            trace: self.trace.hash(),
        }
    }

    fn live(&mut self) -> Checked {
        self.drain()?;
        let mut steps = 0_u64;
        while let Some(next) = self.next_at() {
            self.now = self.now.max(next);
            steps += 1;
            if self.now.since(Instant::ZERO) > TIME_MAX || steps > STEPS_MAX {
                return Err(format!("it does not end: {:?}", self.engine.stats()));
            }
            self.heal();
            if self.resharder.next_at().is_some_and(|at| at <= next) {
                self.reshard();
            } else if self.stage == Stage::Putting(next) {
                self.put_burst();
            } else if self.network.next_at() == Some(next) {
                self.hear();
            } else {
                self.tell(Event::TimeAdvanced);
            }
            self.drain()?;
        }
        if self.stage != Stage::Closed || self.checker.has_flushes() {
            return Err(format!("it stands still: {:?}", self.stage));
        }
        let copies = self.checker.ended(self.network.model())?;
        (self.duplicates, self.hidden) = (copies.duplicates, copies.hidden);
        Ok(())
    }

    /// Some time after the application's last record nothing goes wrong any more: now all that is pending
    /// must come to its end.
    fn heal(&mut self) {
        if self.now.since(Instant::ZERO) > HEALED_AT {
            return self.network.heal();
        }
        let ended = *self.ended.get_or_insert(match self.stage {
            Stage::Putting(_) | Stage::Waiting => return,
            Stage::Flushing(_) | Stage::Closing | Stage::Closed => self.now,
        });
        if self.now.since(ended) > HEALED_AFTER {
            self.network.heal();
        }
    }

    /// When something happens next: in the application, in the network, to the stream, or in the engine.
    fn next_at(&self) -> Option<Instant> {
        let caller = match self.stage {
            Stage::Putting(at) => Some(at),
            _ => None,
        };
        let reshard = self.resharder.next_at().filter(|_| self.stage != Stage::Closed);
        let engine = self.engine.wakeup().at;
        [caller, self.network.next_at(), reshard, engine].into_iter().flatten().min()
    }

    fn tell(&mut self, event: Event) {
        self.trace.line(self.now, &event);
        self.engine.handle(event, self.now);
    }

    fn reshard(&mut self) {
        let Self { checker, network, now, resharder, .. } = self;
        if let Some(line) = network.reshard(resharder, &mut checker.sometimes, *now) {
            self.trace.line(self.now, &line);
        }
        self.tell(Event::TimeAdvanced);
    }

    fn hear(&mut self) {
        let ignored = self.engine.stats().ignored_answers;
        match self.network.take(self.now) {
            // Something happened far away; here it is only later.
            None => self.tell(Event::TimeAdvanced),
            Some(News::Cancelled { batch, sent }) => {
                self.tell(Event::BatchCancelled { batch, sent });
                self.checker.over(batch);
                if self.engine.stats().ignored_answers == ignored {
                    self.checker.stopped(batch, sent);
                }
            }
            Some(News::Answer { batch, result }) => {
                self.tell(Event::PutRecordsFinished { batch, result: result.clone() });
                self.checker.over(batch);
                if self.engine.stats().ignored_answers == ignored {
                    self.checker.answered(batch, &result, self.now);
                }
            }
            Some(News::Listed { request, result }) => {
                let before = self.engine.stats().repacked;
                self.tell(Event::ShardsListed { request, result: result.clone() });
                if self.checker.awaits_list(request) {
                    self.checker.listed(result, self.now);
                } else {
                    self.checker.sometimes.list_answer_ignored += 1;
                }
                self.checker.repacked(self.engine.stats().repacked - before);
            }
            Some(News::Ready) => {
                self.tell(Event::TransportReady);
                self.checker.transport_ready();
            }
        }
    }

    fn put_burst(&mut self) {
        for _ in 0..self.application.burst() {
            if self.application.next == self.application.caller.records {
                return self.end();
            }
            let (record, timing) = self.application.record();
            let number = self.application.next;
            let token = Token(u64::from(number));
            match self.engine.add_timed(token, record.clone(), timing, self.now) {
                Ok(()) => {
                    self.checker.accepted(number as usize, record, timing, self.now);
                    self.application.next += 1;
                }
                Err(refused) => {
                    debug_assert_eq!(refused.reason, RefusedReason::Full);
                    self.checker.refused();
                    self.application.in_hand = Some((refused.record, timing));
                    self.stage = Stage::Waiting;
                    return;
                }
            }
        }
        if let Some(deadline) = self.application.flush(self.now) {
            self.flush(deadline);
        }
        self.stage = Stage::Putting(self.application.pause(self.now));
    }

    /// The application has put its last record.
    fn end(&mut self) {
        match self.application.caller.ending {
            Ending::Close => self.close(None),
            Ending::CloseWithin(within) => self.close(Some(self.now.after(within))),
            Ending::Flush => {
                let flush = self.flush(None);
                self.stage = Stage::Flushing(flush);
            }
            Ending::Purge => {
                self.checker.purge_requested();
                self.tell(Event::PurgeRequested);
                self.close(None);
            }
        }
    }

    fn flush(&mut self, deadline: Option<Instant>) -> FlushId {
        let flush = FlushId(self.next_flush);
        self.next_flush += 1;
        self.checker.flush_requested(flush, deadline, self.now);
        self.tell(Event::FlushRequested { flush, deadline });
        flush
    }

    fn close(&mut self, deadline: Option<Instant>) {
        self.stage = Stage::Closing;
        self.checker.close_requested(deadline, self.now);
        self.tell(Event::CloseRequested { deadline });
    }

    /// Does what the engine says until it waits.
    fn drain(&mut self) -> Checked {
        let most = ACTIONS_MAX + ACTIONS_PER_RECORD_MAX * self.checker.open();
        for _ in 0..most {
            let action = self.engine.poll();
            self.trace.line(self.now, &action);
            if let Action::Wait(wakeup) = action {
                return self.checker.waits(wakeup.at, &self.engine.stats(), self.now);
            }
            self.act(action)?;
        }
        Err("it never waits".to_string())
    }

    fn act(&mut self, action: Action) -> Result<(), String> {
        match action {
            Action::CancelBatch(batch) => {
                self.checker.cancelled(batch, self.now)?;
                self.network.cancel(batch, self.now);
            }
            Action::CloseFinished { undelivered } => {
                let purged = self.application.caller.ending == Ending::Purge;
                if !purged && undelivered != self.checker.handed_back() {
                    return Err(format!("closed, {undelivered} handed back"));
                }
                if self.stage != Stage::Closing || self.checker.open() > 0 {
                    return Err(format!("closed with {} records open", self.checker.open()));
                }
                self.stage = Stage::Closed;
            }
            Action::Complete(completion) => self.checker.completed(&completion, self.now)?,
            Action::FlushFinished { flush, pending } => {
                self.checker.flush_finished(flush, pending, self.now)?;
                if self.stage == Stage::Flushing(flush) {
                    self.close(None);
                }
            }
            Action::ListShards(request) => {
                self.checker.list_asked(&request, self.now)?;
                self.network.list(request, self.now);
            }
            Action::Requeue(requeue) => self.checker.requeued(&requeue, self.now)?,
            Action::RoomAvailable => {
                if self.stage == Stage::Waiting {
                    self.stage = Stage::Putting(self.now);
                }
            }
            Action::SendBatch(batch) => {
                self.checker.sent(&batch, self.now)?;
                self.network.send(batch, self.now);
            }
            Action::Wait(_) => {}
        }
        Ok(())
    }
}
