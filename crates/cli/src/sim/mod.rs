//! `headwaters sim`: worlds drawn from seeds or planned by hand, lived through, replayed, and made simpler.

mod cpu;
mod doublecheck;
mod figures;
mod output;
mod plans;
mod recorded;
mod replay;
mod report;
mod run;
mod scenario;
mod shrink;
mod story;
mod summary;
mod task;
mod trace;
mod work;
mod world;

use indicatif::ProgressBar;

pub(crate) use self::recorded::write_page;
pub(crate) use self::scenario::NAMES as SCENARIOS;

use crate::args::SimCommand;
use crate::console::Console;
use crate::exit::{Abort, Exit};

/// Runs `headwaters sim`.
pub(crate) fn sim(command: &SimCommand) -> Exit {
    let done = match command {
        SimCommand::Plan(arguments) => plans::print(arguments),
        SimCommand::Replay(arguments) => replay::replay(arguments),
        SimCommand::Run(arguments) => run::run(arguments),
        SimCommand::Scenario(arguments) => scenario::scenario(arguments),
        SimCommand::Shrink(arguments) => shrink::shrink(arguments),
        SimCommand::Trace(arguments) => recorded::trace(arguments),
    };
    done.unwrap_or_else(|Abort { exit, text }| {
        Console::new(ProgressBar::hidden(), false).error(text);
        exit
    })
}
