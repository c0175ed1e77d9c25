//! `headwaters sim trace`: the trace of a real producer, replayed, and what other settings would have made of it.

mod figures;
mod service;
mod spectator;
mod tape;
mod what_if;

use core::fmt::Write;
use std::path::Path;

use headwaters::trace::{Replay, Replayed, TraceError, TraceFault};
use headwaters::{Config, Settings};
use indicatif::HumanCount;

use self::figures::Columns;
pub(super) use self::spectator::Spectator;
use self::tape::Tape;
use super::output::Output;
use super::report::load_page;
use crate::args::{Form, TraceArguments};
use crate::connect::configuration;
use crate::exit::{Abort, Exit};
use crate::reports::refuse_input;

/// Runs `headwaters sim trace`.
pub(super) fn trace(arguments: &TraceArguments) -> Result<Exit, Abort> {
    let TraceArguments { file, report, set, output } = arguments;
    if let Some(report) = report {
        refuse_input(report, core::slice::from_ref(file))?;
    }
    let replay = open(file)?;
    let recorded = replay.config().clone();
    let config = changed(&recorded, set)?;
    let mut tape = Tape::new(replay.start(), !set.is_empty());
    let replayed = replay.run(&mut tape).map_err(|error| differs(file, &error))?;
    let mut columns = Columns::default();
    columns.add("recorded", tape.figures(&replayed.engine.stats()));
    if !set.is_empty() {
        columns.add("modelled", what_if::live(&tape, &recorded, &replayed.stand_ins));
        columns.add("with --set", what_if::live(&tape, &config, &replayed.stand_ins));
    }
    if let Some(report) = report {
        write_page(file, report, "The trace of a producer")?;
    }
    let text = match output {
        Form::Json => columns.json() + "\n",
        Form::Text => text(&replayed, &columns),
    };
    let mut output = Output::open(None)?;
    let written = output.write(text);
    output.end(written, Exit::Delivered)
}

fn text(replayed: &Replayed, columns: &Columns) -> String {
    let Replayed { actions, end, events, lines, records, .. } = replayed;
    let [actions, events, lines, records] =
        [actions, events, lines, records].map(|n| HumanCount(*n));
    let mut text = String::new();
    // Writing into a text cannot fail.
    let _ = writeln!(
        text,
        "all {actions} actions agree ({lines} lines, {records} puts, {events} other events)"
    );
    let _ = match end {
        None => writeln!(text, "the trace breaks off, as one of a process that was killed does"),
        Some(headwaters::trace::TraceEnd::Closed) => Ok(()),
        Some(end) => writeln!(text, "the trace is not whole: {end}"),
    };
    let _ = write!(text, "\n{columns}");
    text
}

fn open(file: &Path) -> Result<Replay<std::io::BufReader<std::fs::File>>, Abort> {
    Replay::open(file).map_err(|error| differs(file, &error))
}

/// The engine does otherwise, or the file is none that could be replayed.
fn differs(file: &Path, error: &TraceError) -> Abort {
    let exit = match error.fault {
        TraceFault::Differs { .. } => Exit::Broken,
        _ => Exit::Usage,
    };
    Abort { exit, text: format!("{}: {error}", file.display()) }
}

/// These settings, but for what is set.
fn changed(config: &Config, set: &[(String, String)]) -> Result<Config, Abort> {
    let pairs = set.iter().map(|(name, value)| (name, value));
    let settings = Settings::over(config.clone()).named(pairs).read();
    settings.map(|settings| settings.config).map_err(|error| configuration(error.to_string()))
}

/// Writes a page of HTML about the load of a trace: as far as it goes, if it is not whole.
pub(crate) fn write_page(trace: &Path, to: &Path, title: &str) -> Result<(), Abort> {
    let page = Output::open(Some(to))?;
    let replay = open(trace)?;
    let config = replay.config().clone();
    let mut spectator = Spectator::new(replay.start());
    let replayed = replay.run(&mut spectator);
    load_page(title, &config, &spectator, replayed.as_ref(), page)
}
