//! `headwaters sim scenario`: worlds with a name, and the figures that each of them must reach.

mod expectation;
mod figure;
mod file;
mod verdict;
mod work;

use std::sync::Arc;

use headwaters::TokioClock;
use indicatif::ProgressBar;
use serde::Serialize;

pub(crate) use self::file::NAMES;
use self::file::{Length, Scenario};
use self::verdict::Verdict;
use self::work::Work;
use super::output::Output;
use super::task::attend;
use crate::args::{Form, ScenarioArguments};
use crate::console::Console;
use crate::exit::{Abort, Exit};

/// Runs `headwaters sim scenario`.
pub(super) fn scenario(arguments: &ScenarioArguments) -> Result<Exit, Abort> {
    if arguments.list {
        return list(arguments.output);
    }
    let length = if arguments.short { Length::Short } else { Length::Full };
    let is_wanted = |name: &&str| arguments.all || arguments.names.iter().any(|one| one == name);
    let scenarios = NAMES.iter().copied().filter(is_wanted);
    let mut scenarios: Vec<_> = scenarios.map(|name| Scenario::named(name, length)).collect();
    scenarios.extend(
        arguments
            .file
            .iter()
            .map(|path| Scenario::read(path, length))
            .collect::<Result<Vec<_>, _>>()?,
    );
    let clock = TokioClock::new();
    let work = Arc::new(Work::new(scenarios, clock));
    let jobs = arguments.jobs.map_or(1, core::num::NonZeroU16::get);
    let signal = attend(&work, jobs, arguments.progress, clock)?;
    let verdicts = work.verdicts();
    let misses: Vec<String> = verdicts.iter().flat_map(Verdict::misses).collect();
    let exit = match signal {
        _ if !misses.is_empty() => Exit::Missed,
        Some(signal) => signal.into(),
        None => Exit::Delivered,
    };
    let mut output = Output::open(None)?;
    let written = match arguments.output {
        Form::Json => output.write(json(&Verdicts { scenarios: verdicts, exit_code: exit.code() })),
        Form::Text => verdicts.iter().try_for_each(|verdict| output.write(verdict)),
    };
    let ended = output.end(written, exit);
    let console = Console::new(ProgressBar::hidden(), false);
    misses.iter().for_each(|miss| console.error(miss));
    ended
}

/// The object of `--output json`.
#[derive(Serialize)]
struct Verdicts {
    scenarios: Vec<Verdict>,
    exit_code: u8,
}

fn list(form: Form) -> Result<Exit, Abort> {
    let mut scenarios = NAMES.iter().map(|name| Scenario::named(name, Length::Full));
    let mut output = Output::open(None)?;
    let written = match form {
        Form::Json => {
            let about = |one: Scenario| serde_json::json!({ "name": one.name, "about": one.about });
            output.write(json(&scenarios.map(about).collect::<Vec<_>>()))
        }
        Form::Text => scenarios.try_for_each(|Scenario { name, about, .. }| {
            output.write(format_args!("{name:<26}{about}\n"))
        }),
    };
    output.end(written, Exit::Delivered)
}

fn json(what: &impl Serialize) -> String {
    serde_json::to_string(what).expect("all names are strings") + "\n"
}
