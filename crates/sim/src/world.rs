use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use bytes::BytesMut;
use headwaters_engine::wire::{PartitionKey, StreamName};
use headwaters_engine::{
    Action, Engine, Event, FlushId, Instant, RefusedReason, Stats, Token, UserRecord,
};
use headwaters_model::{Stream, StreamOptions};

use crate::checker::{Checked, Checker};
use crate::network::{Network, News};
use crate::options::{Caller, Ending, Options};
use crate::rng::Rng;
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

/// What became of a world in which no rule was broken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// Copies that the service stored beyond the first of each record.
    pub duplicates: u64,
    /// Entries that were stored in requests whose answers were lost.
    pub lost_answers: u64,
    /// The engine's figures at the end.
    pub stats: Stats,
    /// Records in the service's ledger.
    pub stored: u64,
    /// How much time went by in the world.
    pub time: Duration,
    /// A hash of everything that happened, in order.
    pub trace: u64,
}

/// A rule that was broken.
#[derive(Debug)]
#[non_exhaustive]
pub struct Failure {
    /// Which rule, and by what.
    pub broken: String,
    /// The last events and actions before it.
    pub lines: VecDeque<String>,
    /// The world in which it happened.
    pub options: Options,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { broken, lines, options } = self;
        writeln!(f, "{options:#?}")?;
        lines.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        writeln!(f, "seed {}: {broken}", options.seed)?;
        if !options.drawn {
            return f.write_str("again: run the same test");
        }
        let replay = "cargo test -p headwaters-tests --test sim -- --nocapture";
        write!(f, "again: HEADWATERS_SEED={} {replay}", options.seed)
    }
}

impl core::error::Error for Failure {}

/// One engine, one stream, what lies between them, and an application.
#[derive(Debug)]
struct World {
    caller: Caller,
    checker: Checker,
    engine: Engine,
    keys: Vec<PartitionKey>,
    network: Network,
    now: Instant,
    rng: Rng,
    stage: Stage,
    trace: Trace,
    /// When the application had put its last record.
    ended: Option<Instant>,
    /// The record that the application puts next, if it was refused before.
    in_hand: Option<UserRecord>,
    next_record: u32,
    duplicates: u64,
}

/// How far the application is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    /// It goes on putting at this time.
    Putting(Instant),
    /// It waits for room.
    Waiting,
    Flushing,
    Closing,
    Closed,
}

/// Most actions between two waits: several for each record held, and some for each of an answer's. No
/// engine may go on for ever.
const ACTIONS_PER_RECORD_MAX: u64 = 10;
const ACTIONS_MAX: u64 = 10 * 500;
/// How long faults go on after the application's last record.
const HEALED_AFTER: Duration = Duration::from_secs(3);
/// Most steps and longest time in a world; work that never ends is a broken rule.
const STEPS_MAX: u64 = 3_000_000;
const TIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);

impl World {
    fn new(options: &Options, keep_trace: bool) -> Self {
        let name = StreamName::new("world").expect("a valid name");
        let mut stream = StreamOptions::new(name, options.shards);
        if !options.throttling {
            stream = stream.unlimited();
        }
        let Caller { keys, records, .. } = options.caller;
        let key = |number| PartitionKey::new(format!("key-{number}")).expect("a valid key");
        Self {
            caller: options.caller,
            checker: Checker::new(options.config.clone(), records as usize),
            engine: Engine::new(options.config.clone(), Instant::ZERO),
            keys: (0..keys).map(key).collect(),
            network: Network::new(options, Stream::new(stream)),
            now: Instant::ZERO,
            rng: Rng::new(options.seed, "caller"),
            stage: Stage::Putting(Instant::ZERO),
            trace: Trace::new(keep_trace),
            ended: None,
            in_hand: None,
            next_record: 0,
            duplicates: 0,
        }
    }

    fn report(&self) -> Report {
        Report {
            duplicates: self.duplicates,
            lost_answers: self.network.lost_answers,
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
            if self.stage == Stage::Putting(next) {
                self.put_burst();
            } else if self.network.next_at() == Some(next) {
                self.hear();
            } else {
                self.tell(Event::TimeAdvanced);
            }
            self.drain()?;
        }
        if self.stage != Stage::Closed {
            return Err(format!("it stands still: {:?}", self.stage));
        }
        self.duplicates = self.checker.ended(self.network.model())?;
        Ok(())
    }

    /// Some time after the application's last record nothing goes wrong any more: now all that is pending
    /// must come to its end.
    fn heal(&mut self) {
        let ended = *self.ended.get_or_insert(match self.stage {
            Stage::Putting(_) | Stage::Waiting => return,
            Stage::Flushing | Stage::Closing | Stage::Closed => self.now,
        });
        if self.now.since(ended) > HEALED_AFTER {
            self.network.heal();
        }
    }

    /// When something happens next: in the application, in the network, or in the engine.
    fn next_at(&self) -> Option<Instant> {
        let caller = match self.stage {
            Stage::Putting(at) => Some(at),
            _ => None,
        };
        let engine = self.engine.wakeup().at;
        [caller, self.network.next_at(), engine].into_iter().flatten().min()
    }

    fn tell(&mut self, event: Event) {
        self.trace.line(self.now, &event);
        self.engine.handle(event, self.now);
    }

    fn hear(&mut self) {
        match self.network.take(self.now) {
            // Something happened far away; here it is only later.
            None => self.tell(Event::TimeAdvanced),
            Some(News::Cancelled { batch, sent }) => {
                self.tell(Event::BatchCancelled { batch, sent });
                self.checker.over(batch);
            }
            Some(News::Answer { batch, result }) => {
                let ignored = self.engine.stats().ignored_answers;
                self.tell(Event::PutRecordsFinished { batch, result: result.clone() });
                self.checker.over(batch);
                if self.engine.stats().ignored_answers == ignored {
                    self.checker.answered(batch, &result);
                }
            }
        }
    }

    fn put_burst(&mut self) {
        let burst = self.rng.range(1, u64::from(self.caller.burst));
        for _ in 0..burst {
            if self.next_record == self.caller.records {
                return self.end();
            }
            let record = match self.in_hand.take() {
                Some(record) => record,
                None => self.make_record(),
            };
            let number = self.next_record as usize;
            match self.engine.add(Token(u64::from(self.next_record)), record, self.now) {
                Ok(()) => {
                    self.checker.accepted(number, self.now);
                    self.next_record += 1;
                }
                Err(refused) => {
                    debug_assert_eq!(refused.reason, RefusedReason::Full);
                    self.in_hand = Some(refused.record);
                    self.stage = Stage::Waiting;
                    return;
                }
            }
        }
        let pause = u64::try_from(self.caller.pause.as_nanos()).unwrap_or(u64::MAX);
        let pause = Duration::from_nanos(self.rng.range(0, pause));
        self.stage = Stage::Putting(self.now.after(pause));
    }

    fn make_record(&mut self) -> UserRecord {
        let (smallest, largest) = self.caller.sizes;
        let size = self.rng.range(u64::from(smallest), u64::from(largest));
        let mut data = BytesMut::zeroed(usize::try_from(size).unwrap_or(usize::MAX));
        data[..8].copy_from_slice(&u64::from(self.next_record).to_be_bytes());
        let key = self.rng.pick(&self.keys);
        UserRecord::new(key, data.freeze()).expect("a valid record")
    }

    /// The application has put its last record.
    fn end(&mut self) {
        match self.caller.ending {
            Ending::Close => self.close(None),
            Ending::CloseWithin(within) => self.close(Some(self.now.after(within))),
            Ending::Flush => {
                self.stage = Stage::Flushing;
                self.tell(Event::FlushRequested { flush: FlushId(1), deadline: None });
            }
            Ending::Purge => {
                self.tell(Event::PurgeRequested);
                self.close(None);
            }
        }
    }

    fn close(&mut self, deadline: Option<Instant>) {
        self.stage = Stage::Closing;
        self.tell(Event::CloseRequested { deadline });
    }

    /// Does what the engine says until it waits.
    fn drain(&mut self) -> Checked {
        let stats = self.engine.stats();
        let most = ACTIONS_MAX + ACTIONS_PER_RECORD_MAX * (stats.buffered + stats.in_flight);
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

    fn act(&mut self, action: Action) -> Checked {
        match action {
            Action::CancelBatch(batch) => {
                self.checker.cancelled(batch, self.now)?;
                self.network.cancel(batch, self.now);
            }
            Action::CloseFinished { undelivered } => {
                let purged = self.caller.ending == Ending::Purge;
                if !purged && undelivered != self.checker.handed_back() {
                    return Err(format!("closed, {undelivered} handed back"));
                }
                if self.stage != Stage::Closing || self.checker.open() > 0 {
                    return Err(format!("closed with {} records open", self.checker.open()));
                }
                self.stage = Stage::Closed;
            }
            Action::Complete(completion) => self.checker.completed(&completion, self.now)?,
            Action::FlushFinished { pending, .. } => {
                if self.stage != Stage::Flushing || pending + self.checker.open() > 0 {
                    return Err(format!("flushed with {} records open", self.checker.open()));
                }
                self.close(None);
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
