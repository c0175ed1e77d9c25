use core::num::NonZeroU16;
use std::sync::Arc;
use std::thread;

use headwaters::{Clock, Instant, TokioClock};
use headwaters_sim::Chance;
use indicatif::{HumanCount, ProgressBar};

use super::output::Output;
use super::plans;
use super::story::{self, Story};
use super::summary::{FaultPairs, Summary};
use super::task::attend;
use super::work::Work;
use crate::args::{RunArguments, Seeds};
use crate::console::Console;
use crate::exit::{Abort, Exit};
use crate::stop::{Reason, Signal};
use crate::summary::reason;

/// How many lines of the trace are told of a world in which a rule is broken: all that are kept.
const TRACE_LINES: usize = usize::MAX;

/// Runs `headwaters sim run`.
pub(super) fn run(arguments: &RunArguments) -> Result<Exit, Abort> {
    let plan = arguments.plan.as_deref().map(plans::read).transpose()?;
    let clock = TokioClock::new();
    let Seeds(seeds) = arguments.seeds.clone();
    let doublecheck = Chance::percent(arguments.doublecheck.unwrap_or(0));
    let work = Arc::new(Work::new(plan, seeds, doublecheck, clock));
    let jobs = arguments.jobs.map_or_else(processors, NonZeroU16::get);
    let signal = attend(&work, jobs, arguments.progress, clock)?;
    let (summary, exit) = summary(arguments, &work, jobs, signal, clock);
    tell(arguments.json, &summary, exit)
}

fn processors() -> u16 {
    thread::available_parallelism()
        .ok()
        .and_then(|count| u16::try_from(count.get()).ok())
        .unwrap_or(1)
}

fn summary(
    arguments: &RunArguments,
    work: &Work,
    jobs: u16,
    signal: Option<Signal>,
    clock: TokioClock,
) -> (Summary, Exit) {
    let Seeds(seeds) = &arguments.seeds;
    let state = work.state();
    let broken = state.broken.as_ref().map(|broken| {
        let again = story::again(&broken.plan, arguments.plan.as_deref());
        Story::new(broken, again, TRACE_LINES)
    });
    // A signal that came when the last world had begun stopped nothing.
    let signal = signal.filter(|_| !state.seeds.is_empty());
    let exit = match (&broken, signal) {
        (Some(_), _) => Exit::Broken,
        (None, Some(signal)) => signal.into(),
        (None, None) => Exit::Delivered,
    };
    let cpu_seconds = state.cpu.as_secs_f64();
    let rate = state.figures.simulated_hours() / (cpu_seconds / 60.0);
    let summary = Summary {
        seeds: format!("{}..{}", seeds.start, seeds.end),
        jobs,
        figures: state.figures.clone(),
        doublechecked: state.doublechecked,
        fault_pairs: FaultPairs::of(&state.pairs),
        elapsed_seconds: clock.now().since(Instant::ZERO).as_secs_f64(),
        cpu_seconds,
        simulated_hours_per_cpu_minute: if rate.is_finite() { rate } else { 0.0 },
        never: state.figures.never(),
        stopped: signal.map(|signal| reason(Reason::Signal(signal))),
        broken,
        exit_code: exit.code(),
    };
    (summary, exit)
}

/// The results go to the standard output: the summary, or the world in which a rule is broken.
fn tell(is_json: bool, summary: &Summary, exit: Exit) -> Result<Exit, Abort> {
    let mut output = Output::open(None)?;
    let written = match &summary.broken {
        _ if is_json => output.write(json(summary)),
        Some(story) => output.write(story),
        None => output.write(summary),
    };
    let ended = output.end(written, exit);
    if let Some(Story { again, rule, seed, .. }) = &summary.broken {
        let console = Console::new(ProgressBar::hidden(), false);
        let worlds = HumanCount(summary.figures.worlds);
        console.error(format_args!("seed {seed}: {rule}"));
        console.notice(format_args!("in {worlds} other worlds no rule was broken"));
        console.notice(format_args!("again: {again}"));
    }
    ended
}

fn json(summary: &Summary) -> String {
    serde_json::to_string(summary).expect("all names are strings") + "\n"
}
