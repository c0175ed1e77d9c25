use core::ops::Range;
use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use headwaters::{Clock, Instant, TokioClock};
use headwaters_sim::{Chance, Pairs, Plan, Rng};
use indicatif::HumanCount;

use super::cpu;
use super::doublecheck::live_twice;
use super::figures::Figures;
use super::plans::with_seed;
use super::task::Task;
use super::world::{Broken, Lived, live};
use crate::progress::Far;

/// The worlds of many seeds.
#[derive(Debug)]
pub(super) struct Work {
    clock: TokioClock,
    /// How many of the worlds are lived through twice.
    doublecheck: Chance,
    /// What each world is by, if not by its seed alone.
    plan: Option<Plan>,
    /// How many seeds there are.
    seeds: u64,
    state: Mutex<State>,
}

/// How far it is.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Of all worlds in which a rule was broken, that of the lowest seed.
    pub(super) broken: Option<Box<Broken>>,
    /// Of the threads that have ended.
    pub(super) cpu: Duration,
    pub(super) doublechecked: u64,
    pub(super) figures: Figures,
    is_stopped: bool,
    /// Which faults worlds had together in which no rule was broken.
    pub(super) pairs: Pairs,
    /// Seeds whose worlds are being lived through.
    running: BTreeSet<u64>,
    /// Those that were not begun.
    pub(super) seeds: Range<u64>,
}

impl Work {
    pub(super) fn new(
        plan: Option<Plan>,
        seeds: Range<u64>,
        doublecheck: Chance,
        clock: TokioClock,
    ) -> Self {
        let count = seeds.end - seeds.start;
        let state = Mutex::new(State { seeds, ..State::default() });
        Self { clock, doublecheck, plan, seeds: count, state }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn plan_of(&self, seed: u64) -> Plan {
        self.plan.clone().map_or_else(|| Plan::draw(seed), |plan| with_seed(plan, seed))
    }

    fn is_doublechecked(&self, seed: u64) -> bool {
        Rng::new(seed, "doublecheck").happens(self.doublecheck)
    }
}

impl State {
    /// The next seed. They come in their order: if a rule is broken, all lower seeds have at least begun, and those
    /// come to their end.
    fn begin(&mut self) -> Option<u64> {
        if self.is_stopped || self.broken.is_some() {
            return None;
        }
        let seed = self.seeds.next()?;
        self.running.insert(seed);
        Some(seed)
    }

    fn end(&mut self, seed: u64, lived: Lived, is_doublechecked: bool) {
        self.running.remove(&seed);
        match lived {
            Ok(report) => {
                self.figures.add(&report);
                self.doublechecked += u64::from(is_doublechecked);
            }
            Err(broken) => {
                let lowest = self.broken.as_ref().map(|lowest| lowest.plan.seed);
                if lowest.is_none_or(|lowest| seed < lowest) {
                    self.broken = Some(broken);
                }
            }
        }
    }
}

impl Task for Work {
    fn work(&self) {
        let start = cpu::of_this_thread(self.clock);
        loop {
            // The lock is not held for longer than this.
            let next = self.state().begin();
            let Some(seed) = next else { break };
            let plan = self.plan_of(seed);
            let is_doublechecked = self.is_doublechecked(seed);
            let lived = if is_doublechecked { live_twice(&plan) } else { live(&plan, &mut ()) };
            let mut state = self.state();
            if lived.is_ok() && self.plan.is_none() {
                state.pairs.add(&plan);
            }
            state.end(seed, lived, is_doublechecked);
        }
        self.state().cpu += cpu::of_this_thread(self.clock).saturating_sub(start);
    }

    fn stop(&self) {
        self.state().is_stopped = true;
    }

    fn far(&self) -> Far {
        let elapsed = self.clock.now().since(Instant::ZERO).as_secs_f64();
        let state = self.state();
        let worlds = state.figures.worlds;
        let text = format!(
            "{} of {} worlds, {:.0}/s, {:.1} hours simulated",
            HumanCount(worlds),
            HumanCount(self.seeds),
            if elapsed > 0.0 { worlds as f64 / elapsed } else { 0.0 },
            state.figures.simulated_hours(),
        );
        Far { part: Some((worlds, self.seeds)), text }
    }

    fn under_way(&self) -> String {
        let state = self.state();
        let seeds: Vec<_> = state.running.iter().map(u64::to_string).collect();
        format!("{} worlds, and seeds that had begun: {}", state.figures.worlds, seeds.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(seeds: Range<u64>, doublecheck: u32) -> Work {
        Work::new(None, seeds, Chance::percent(doublecheck), TokioClock::new())
    }

    fn broken(seed: u64) -> Lived {
        Err(Broken::new(&Plan::draw(seed), "a rule", vec![]))
    }

    #[test]
    fn each_seed_is_lived_through_once() {
        let work = work(5..30, 0);
        work.work();
        let state = work.state();
        assert_eq!((state.figures.worlds, state.doublechecked, state.running.len()), (25, 0, 0));
        assert!(state.broken.is_none());
    }

    #[test]
    fn the_lowest_seed_that_breaks_a_rule_is_told() {
        let mut state = State { seeds: 0..100, ..State::default() };
        let [zero, one, two] = [(); 3].map(|()| state.begin().expect("there are more"));
        state.end(one, broken(one), false);
        assert_eq!(state.begin(), None, "no more are begun");
        state.end(two, broken(two), false);
        state.end(zero, broken(zero), false);
        assert_eq!(state.broken.map(|broken| broken.plan.seed), Some(0));
    }

    #[test]
    fn what_is_stopped_begins_no_more() {
        let work = work(0..10, 0);
        work.stop();
        work.work();
        assert_eq!(work.state().figures.worlds, 0);
    }

    #[test]
    fn a_part_is_checked_twice_the_same_seeds_each_time() {
        let checked =
            |percent| (0..1_000).filter(|seed| work(0..1, percent).is_doublechecked(*seed)).count();
        assert_eq!((checked(0), checked(100)), (0, 1_000));
        assert!((200..300).contains(&checked(25)), "{}", checked(25));
        let work = work(0..20, 100);
        work.work();
        assert_eq!(work.state().doublechecked, 20);
    }

    #[test]
    fn a_plan_is_lived_through_with_each_seed() {
        let mut plan = Plan::default();
        plan.caller.records = 3;
        let work = Work::new(Some(plan), 0..7, Chance::NEVER, TokioClock::new());
        assert_eq!((work.plan_of(5).seed, work.plan_of(5).caller.records), (5, 3));
    }
}
