use core::ops::ControlFlow;
use std::io;

use headwaters_sim::{Line, Plan};
use indicatif::ProgressBar;
use serde_json::json;

use super::figures::Figures;
use super::output::Output;
use super::world::{Lived, live, visit};
use super::{plans, trace};
use crate::args::{ReplayArguments, Trace};
use crate::console::Console;
use crate::exit::{Abort, Exit};
use crate::reports::refuse_input;

/// Runs `headwaters sim replay`.
pub(super) fn replay(arguments: &ReplayArguments) -> Result<Exit, Abort> {
    let plan = plans::of(&arguments.world)?;
    let to = arguments.to.as_deref();
    if let Some(to) = to {
        refuse_input(to, arguments.world.plan.as_slice())?;
    }
    let mut output = Output::open(to)?;
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
    if let Err(broken) = &lived {
        let console = Console::new(ProgressBar::hidden(), false);
        console.error(format_args!("seed {}: {}", plan.seed, broken.rule));
    }
    Ok(exit)
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
