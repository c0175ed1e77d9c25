use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use headwaters_engine::Instant;

use crate::checker::{Checked, Checker, consume, rule};
use crate::plan::Plan;
use crate::producer::Producer;
use crate::report::{Failure, Report};
use crate::service::Service;
use crate::trace::{Kind, LastLines, Line, Watch};

/// Lives through a world from its first record to its last answer.
///
/// # Errors
/// [`Failure`] says which rule was broken, and how to see it again.
pub fn run(plan: &Plan) -> Result<Report, Box<Failure>> {
    watch(plan, &mut ())
}

/// As [`run`], before the eyes of somebody.
///
/// # Errors
/// As [`run`].
pub fn watch(plan: &Plan, watcher: &mut impl Watch) -> Result<Report, Box<Failure>> {
    let broken = match World::new(plan).live(watcher) {
        Ok(report) => return Ok(report),
        Err(broken) => broken,
    };
    // The same again, this time with the lines that led to it.
    let mut lines = LastLines::default();
    let broken = match World::new(plan).live(&mut lines) {
        Err(same) if same == broken => broken,
        _ => format!("{broken} (and not again: the world is not deterministic)"),
    };
    Err(Box::new(Failure { broken, lines: lines.0, plan: plan.clone() }))
}

/// The producers of one stream, and the stream.
#[derive(Debug)]
struct World {
    now: Instant,
    producers: Vec<Producer>,
    /// When something happens next to each producer: it changes when it lives, and when all heal.
    next: BTreeSet<(Instant, usize)>,
    service: Service,
    /// How long a record may wait for its outcome then.
    patience: Duration,
    /// Since when nothing goes wrong any more.
    healed: Option<Instant>,
}

/// How long faults go on after the applications' last records,
const HEALED_AFTER: Duration = Duration::from_secs(3);
/// and how long at most, for an application that waits for room may never come to its last record.
const HEALED_AT: Duration = Duration::from_secs(120);
/// After how many stored records a consumer reads them.
const CONSUMED_AT: usize = 64;
/// Most steps and longest time in a world.
const STEPS_MAX: u64 = 100_000_000;
const TIME_MAX: Duration = Duration::from_secs(48 * 60 * 60);

impl World {
    fn new(plan: &Plan) -> Self {
        let service = Service::new(plan);
        let producer = |number| Producer::new(plan, number, &service);
        let producers = (0..plan.producers.get()).map(producer).collect();
        Self {
            now: Instant::ZERO,
            producers,
            next: BTreeSet::new(),
            service,
            patience: plan.patience(),
            healed: None,
        }
    }

    fn live(mut self, watcher: &mut impl Watch) -> Result<Report, alloc::string::String> {
        for producer in &mut self.producers {
            producer.drain(watcher)?;
        }
        self.look_again();
        let mut steps = 0_u64;
        while let Some((next, which)) = self.next() {
            self.now = self.now.max(next);
            steps += 1;
            if self.heal() {
                // What happens next may be something else now.
                continue;
            }
            self.check_end(steps)?;
            self.step(which, watcher)?;
            if self.service.stream.ledger().len() >= CONSUMED_AT {
                self.consume()?;
            }
        }
        self.end()
    }

    /// When something happens next, and to which producer, if it is not to the stream.
    fn next(&self) -> Option<(Instant, Option<usize>)> {
        let next = self.next.first().map(|&(at, which)| (at, Some(which)));
        let change = self.service.next_at().map(|at| (at, None));
        // With nothing left to do for the producers no change of the stream matters.
        next.into_iter().chain(change.filter(|_| next.is_some())).min()
    }

    /// Asks all producers when something happens next.
    fn look_again(&mut self) {
        let producers = self.producers.iter().enumerate();
        self.next = producers.filter_map(|(which, one)| Some((one.next_at()?, which))).collect();
    }

    fn step(&mut self, which: Option<usize>, watcher: &mut impl Watch) -> Checked {
        let Some(which) = which else {
            let sends = self.producers.iter().any(|producer| producer.checker.is_sending());
            if let Some(what) = self.service.change(sends, self.now) {
                watcher.see(Line { at: self.now, kind: Kind::World, producer: None, what: &what });
            }
            return Ok(());
        };
        let producer = &mut self.producers[which];
        self.next.pop_first();
        let live = producer.live(self.now, &mut self.service, watcher);
        self.next.extend(producer.next_at().map(|at| (at, which)));
        live.map_err(|broken| format!("producer {which}: {broken}"))
    }

    /// Once nothing goes wrong any more, all that is pending comes to its end, and in time.
    fn check_end(&self, steps: u64) -> Checked {
        let is_long = self.now.since(Instant::ZERO) > TIME_MAX;
        rule(!is_long && steps <= STEPS_MAX, || "it does not end".into())?;
        let Some(healed) = self.healed else { return Ok(()) };
        let late = self.producers.iter().enumerate().find_map(|(number, producer)| {
            let since = producer.waits_since()?.max(healed);
            (self.now.since(since) > self.patience).then_some((number, producer))
        });
        rule(late.is_none(), || {
            let stats = late.map(|(number, producer)| (number, producer.engine.stats()));
            format!("long after the last fault a record has no outcome: {stats:?}")
        })
    }

    /// Some time after the applications' last records nothing goes wrong any more: now all that is pending
    /// must come to its end. Whether that is so from this moment on.
    fn heal(&mut self) -> bool {
        if self.healed.is_some() {
            return false;
        }
        let is_late = self.now.since(Instant::ZERO) > HEALED_AT;
        let mut ended = self.producers.iter().map(Producer::ended);
        let ended = ended.try_fold(Instant::ZERO, |latest, ended| Some(latest.max(ended?)));
        let heals = is_late || ended.is_some_and(|ended| self.now.since(ended) > HEALED_AFTER);
        if heals {
            self.healed = Some(self.now);
            self.service.heal();
            self.producers.iter_mut().for_each(Producer::heal);
            self.look_again();
        }
        heals
    }

    /// Lets a consumer read what was stored since it read before.
    fn consume(&mut self) -> Checked {
        let ledger = self.service.stream.take_ledger();
        self.service.stored += ledger.len() as u64;
        let mut checkers: Vec<&mut Checker> =
            self.producers.iter_mut().map(|producer| &mut producer.checker).collect();
        consume(ledger, &self.service.stream, &mut checkers)
    }

    fn end(mut self) -> Result<Report, alloc::string::String> {
        self.consume()?;
        let mut report = Report::new(self.now, &self.service);
        for (number, producer) in self.producers.iter_mut().enumerate() {
            producer.check_closed()?;
            let copies = producer.checker.ended();
            report.add(producer, copies.map_err(|broken| format!("producer {number}: {broken}"))?);
        }
        Ok(report)
    }
}
