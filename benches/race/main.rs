//! The race: what a record costs its sender in CPU time, with Headwaters and with others, on the same work in the same run.
//!
//! ```text
//! cargo run --release -p headwaters-benches --features sdk --bin race              all rounds; writes docs/benchmarks.md
//! cargo run --release -p headwaters-benches --bin race -- --quick                  whether it works, in seconds; writes nothing
//! ```
//!
//! Each contestant is a process of its own that stays alive through all rounds; the server is in this one. They take turns, each
//! round begins with another one, and each says how much CPU time its process took, its system calls included. Compared are
//! medians of the ratios within rounds, so that what else the machine does touches both sides. Only records count of which the
//! server has said that it stored them; nobody takes part who does not wait for that.
//!
//! `benches/race/install` makes the environment of the contestants in Python; without it, and without the feature `sdk`, they are
//! missing in the tables, which say so.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a command")]

mod arms;
mod contestants;
mod course;
mod figures;
mod goals;
mod machine;
mod plots;
mod report;

use std::process::ExitCode;

use course::Course;

type Failure = Box<dyn core::error::Error>;

const USAGE: &str = "race [--quick] [--rounds N] [--only TEXT]...";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((first, rest)) if first == contestants::ROLE => contestants::run(rest),
        _ => race(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("race: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn race(arguments: &[String]) -> Result<(), Failure> {
    let mut course = Course::default();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value =
            || arguments.next().ok_or_else(|| format!("{argument} wants a value: {USAGE}"));
        match argument.as_str() {
            "--only" => course.only.push(value()?.clone()),
            "--quick" => course.is_quick = true,
            "--rounds" => course.rounds = value()?.parse()?,
            _ => return Err(format!("unknown: {argument}; {USAGE}").into()),
        }
    }
    let results = course.run()?;
    println!("{}", report::tables(&results));
    if course.is_quick || !course.only.is_empty() {
        return Ok(());
    }
    report::write(&results)
}
