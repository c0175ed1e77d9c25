use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use headwaters::TokioClock;
use headwaters_sim::Plan;
use indicatif::{HumanCount, ProgressBar};

use super::output::Output;
use super::plans;
use super::story::{self, Story};
use super::task::{Task, attend};
use super::world::{Broken, live};
use crate::args::ShrinkArguments;
use crate::console::Console;
use crate::exit::{Abort, Exit};
use crate::progress::Far;
use crate::reports::refuse_input;

/// How many lines of the trace are told: a plan that is simple enough has no more.
const TRACE_LINES: usize = 30;

/// Runs `headwaters sim shrink`.
pub(super) fn shrink(arguments: &ShrinkArguments) -> Result<Exit, Abort> {
    let plan = plans::of(&arguments.world)?;
    let to = arguments.to.as_deref();
    if let Some(to) = to {
        refuse_input(to, arguments.world.plan.as_slice())?;
    }
    let shrinking = Arc::new(Shrinking::new(plan));
    let signal = attend(&shrinking, 1, arguments.progress, TokioClock::new())?;
    let found = shrinking.found.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(broken) = found else {
        let text = format!("no rule is broken in the world of seed {}", shrinking.plan.seed);
        return Err(Abort::usage(text));
    };
    let exit = signal.map_or(Exit::Delivered, Exit::from);
    let mut output = Output::open(to)?;
    let again = story::again(&broken.plan, to);
    let written = output.write(Story::new(&broken, again.clone(), TRACE_LINES));
    let exit = output.end(written, exit)?;
    let console = Console::new(ProgressBar::hidden(), false);
    let worlds = HumanCount(shrinking.worlds.load(Ordering::Relaxed));
    console.notice(format_args!("the simplest of {worlds} worlds; again: {again}"));
    Ok(exit)
}

/// The search for a simpler plan.
#[derive(Debug)]
struct Shrinking {
    /// What it ended with; `None` before that, and if no rule is broken.
    found: Mutex<Option<Box<Broken>>>,
    is_stopped: AtomicBool,
    plan: Plan,
    /// How many worlds were lived through.
    worlds: AtomicU64,
}

impl Shrinking {
    const fn new(plan: Plan) -> Self {
        Self {
            found: Mutex::new(None),
            is_stopped: AtomicBool::new(false),
            plan,
            worlds: AtomicU64::new(0),
        }
    }
}

impl Task for Shrinking {
    fn work(&self) {
        let simplest = headwaters_sim::shrink(&self.plan, |plan| {
            // Then nothing simpler is found any more.
            if self.is_stopped.load(Ordering::Relaxed) {
                return None;
            }
            self.worlds.fetch_add(1, Ordering::Relaxed);
            live(plan, &mut ()).err().map(|broken| broken.rule)
        });
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = live(&simplest, &mut ()).err();
    }

    fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    fn far(&self) -> Far {
        let worlds = HumanCount(self.worlds.load(Ordering::Relaxed));
        Far { part: None, text: format!("{worlds} worlds tried") }
    }

    fn under_way(&self) -> String {
        String::from("no simpler plan is known yet")
    }
}

#[cfg(test)]
mod tests {
    use headwaters_sim::Chance;

    use super::*;

    /// A world that takes longer than two days counts as one that never ends.
    #[test]
    fn what_is_left_of_a_plan_breaks_the_same_rule() {
        let mut plan = Plan::draw(7);
        plan.caller.burst = 1;
        plan.caller.ends_early = Chance::NEVER;
        plan.caller.pause_ms = 3_600_000;
        plan.caller.records = 300;
        let shrinking = Shrinking::new(plan);
        shrinking.work();
        let found = shrinking.found.lock().expect("nobody panicked").take();
        let Broken { lines, plan, rule } = *found.expect("it does not end");
        assert!(rule.starts_with("it does not end") && !lines.is_empty(), "{rule}");
        let mut expected = Plan::default();
        expected.seed = 7;
        expected.caller.keys = 1;
        expected.caller.pause_ms = 3_600_000;
        expected.caller.records = plan.caller.records;
        assert_eq!(plan, expected);
        assert!((80..120).contains(&plan.caller.records), "{}", plan.caller.records);
        assert!(shrinking.worlds.load(Ordering::Relaxed) > 10);
    }

    #[test]
    fn what_is_stopped_finds_what_it_has() {
        let mut plan = Plan::default();
        plan.caller.pause_ms = 3_600_000;
        let shrinking = Shrinking::new(plan.clone());
        shrinking.stop();
        shrinking.work();
        let found = shrinking.found.lock().expect("nobody panicked").take();
        assert_eq!(found.map(|broken| broken.plan), Some(plan));
    }

    #[test]
    fn where_no_rule_is_broken_there_is_nothing_to_find() {
        let shrinking = Shrinking::new(Plan::default());
        shrinking.work();
        assert_eq!(*shrinking.found.lock().expect("nobody panicked"), None);
    }
}
