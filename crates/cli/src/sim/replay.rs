use core::ops::ControlFlow;
use std::io;

use headwaters_sim::{Line, Plan};
use indicatif::ProgressBar;
use serde_json::json;

use super::figures::Figures;
use super::output::Output;
use super::report::Page;
use super::world::{Lived, live, visit};
use super::{plans, story, trace};
use crate::args::{ReplayArguments, Trace};
use crate::console::Console;
use crate::exit::{Abort, Exit};
use crate::reports::refuse_input;

/// Runs `headwaters sim replay`.
pub(super) fn replay(arguments: &ReplayArguments) -> Result<Exit, Abort> {
    let plan = plans::of(&arguments.world)?;
    let to = arguments.to.as_deref();
    for to in to.into_iter().chain(arguments.report.as_deref()) {
        refuse_input(to, arguments.world.plan.as_slice())?;
    }
    let mut output = Output::open(to)?;
    let page = arguments.report.as_deref().map(|to| Output::open(Some(to))).transpose()?;
    let lived = match write_trace(&plan, arguments.trace, &mut output) {
        ControlFlow::Continue(lived) => lived,
        // Nobody needs the rest of a trace that cannot be written.
        ControlFlow::Break(error) => return output.end(Err(error), Exit::Delivered),
    };
    let exit = if lived.is_ok() { Exit::Delivered } else { Exit::Broken };
    let is_json = arguments.trace == Trace::Jsonl;
    let mut written = if is_json { output.write(last_line(&lived)) } else { Ok(()) };
    if to.is_some() {
        output.end(written, exit)?;
        (output, written) = (Output::open(None)?, Ok(()));
    }
    if let Ok(report) = &lived
        && (to.is_some() || !is_json)
    {
        let gap = if to.is_none() && arguments.trace == Trace::Columns { "\n" } else { "" };
        let report = format!("{gap}{:<16}{:>14}\n{}", "seed", plan.seed, Figures::of(report));
        written = written.and_then(|()| output.write(report));
    }
    output.end(written, exit)?;
    if let Some(page) = page {
        write_page(&plan, arguments, page)?;
    }
    if let Err(broken) = &lived {
        let console = Console::new(ProgressBar::hidden(), false);
        console.error(format_args!("seed {}: {}", plan.seed, broken.rule));
    }
    Ok(exit)
}

fn write_page(plan: &Plan, arguments: &ReplayArguments, to: Output) -> Result<(), Abort> {
    let again = story::again(plan, arguments.world.plan.as_deref());
    let file = arguments.report.as_deref().map(story::word).unwrap_or_default();
    let page = Page {
        title: format!("The world of seed {}", plan.seed),
        about: "A simulated world, in which the engine meets what can go wrong",
        again: format!("{again} --report {file}"),
        figures: String::new(),
        plan,
    };
    page.write(to)
}

/// Lives through the world, line by line, as long as the lines can be written.
fn write_trace(plan: &Plan, form: Trace, output: &mut Output) -> ControlFlow<io::Error, Lived> {
    let mut write = |line: &dyn core::fmt::Display| match output.write(line) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    };
    match form {
        Trace::Columns => visit(plan, |line: Line<'_>| write(&format_args!("{line}\n"))),
        Trace::Jsonl => visit(plan, |line: Line<'_>| write(&trace::json(&line))),
        Trace::None => ControlFlow::Continue(live(plan, &mut ())),
    }
}

/// What a trace in JSON ends with.
fn last_line(lived: &Lived) -> String {
    let line = match lived {
        Ok(report) => json!({ "report": Figures::of(report) }),
        Err(broken) => json!({ "broken": broken.rule }),
    };
    format!("{line}\n")
}
