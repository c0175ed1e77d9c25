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
use super::report::Page;
use super::story::word;
use super::task::attend;
use crate::args::{Form, ScenarioArguments};
use crate::console::Console;
use crate::exit::{Abort, Exit};
use crate::reports::refuse_input;

/// Runs `headwaters sim scenario`.
pub(super) fn scenario(arguments: &ScenarioArguments) -> Result<Exit, Abort> {
    if arguments.list {
        return list(arguments.output);
    }
    let scenarios = wanted(arguments)?;
    let page = arguments.report.as_deref().map(|to| {
        refuse_input(to, arguments.file.as_slice())?;
        Ok((word(to), Output::open(Some(to))?))
    });
    let page = page.transpose()?;
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
        Form::Json => {
            output.write(json(&Verdicts { scenarios: &verdicts, exit_code: exit.code() }))
        }
        Form::Text => verdicts.iter().try_for_each(|verdict| output.write(verdict)),
    };
    let ended = output.end(written, exit);
    if let (Some((name, to)), [verdict]) = (page, &verdicts[..]) {
        let again = format!("{} --report {name}", again(arguments));
        let Scenario { about, plan, .. } = &work.scenarios[0];
        let title = format!("Scenario {}", verdict.name);
        Page { title, about, again, figures: verdict.html(), plan }.write(to)?;
    }
    let console = Console::new(ProgressBar::hidden(), false);
    misses.iter().for_each(|miss| console.error(miss));
    ended
}

/// Those that are asked for.
fn wanted(arguments: &ScenarioArguments) -> Result<Vec<Scenario>, Abort> {
    let length = if arguments.short { Length::Short } else { Length::Full };
    let is_wanted = |name: &&str| arguments.all || arguments.names.iter().any(|one| one == name);
    let named = NAMES.iter().copied().filter(is_wanted).map(|name| Scenario::named(name, length));
    let own = arguments.file.iter().map(|path| Scenario::read(path, length));
    let scenarios = named.map(Ok).chain(own).collect::<Result<Vec<_>, _>>()?;
    if arguments.report.is_some() && scenarios.len() != 1 {
        return Err(Abort::usage("--report is about one scenario"));
    }
    Ok(scenarios)
}

/// The command that lives through one scenario again.
fn again(arguments: &ScenarioArguments) -> String {
    let which = match &arguments.file {
        Some(file) => format!("--file {}", word(file)),
        None => arguments.names.join(" "),
    };
    let short = if arguments.short { " --short" } else { "" };
    format!("headwaters sim scenario {which}{short}")
}

/// The object of `--output json`.
#[derive(Serialize)]
struct Verdicts<'a> {
    scenarios: &'a [Verdict],
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
