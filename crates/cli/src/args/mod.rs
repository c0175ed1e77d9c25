//! The command line.

mod aggregate;
mod decode;
mod dry_run;
mod generate;
mod pace;
mod pages;
mod put;
mod serve;
mod service;
mod sim;
mod stream;
mod tail;

use std::path::PathBuf;

pub(crate) use aggregate::{AggregateArguments, Output as AggregateOutput};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
pub(crate) use decode::DecodeArguments;
pub(crate) use generate::{GenArguments, GenForm};
pub(crate) use pace::{Rate, Unit};
pub(crate) use pages::{CompletionsArguments, ManArguments};
pub(crate) use put::{Local, Output, ProgressWhen, PutArguments};
pub(crate) use serve::{ServeArguments, Switch};
pub(crate) use service::{ServiceArguments, StreamArgument};
pub(crate) use sim::{
    PlanArguments, ReplayArguments, RunArguments, ScenarioArguments, Seeds, ShrinkArguments,
    SimCommand, Trace, TraceArguments, World,
};
pub(crate) use stream::{DoctorArguments, Form, ShardsArguments, WhereArguments};
pub(crate) use tail::{From, TailArguments, TailForm};

use crate::exit;

/// Put files into a Kinesis stream and account for every record
#[derive(Debug, Parser)]
#[command(name = "headwaters", version, arg_required_else_help = true, after_help = exit::CODES)]
#[command(before_help = EXAMPLES, help_template = TEMPLATE)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The examples come first: most readers need nothing else.
const TEMPLATE: &str = "\
{about-with-newline}
{before-help}{usage-heading} {usage}

{all-args}{after-help}";

const EXAMPLES: &str = "\
Examples:
  headwaters put orders --local orders.jsonl --key-field .customer.id
  headwaters put orders --local=64 --deadline 10m --failed failed.jsonl orders.csv --key-column id
  headwaters put orders --region eu-central-1 orders.jsonl --key-field .id
  headwaters put orders --local --input records failed.jsonl
  tail -f app.log | headwaters put logs --local --acks -
  headwaters aggregate records.jsonl | headwaters decode
  headwaters tail orders --from trim-horizon --output json
  headwaters where orders customer-17
  headwaters doctor orders
  headwaters serve --stream orders:4 --faults plan.toml
  headwaters sim run --seeds 0..10000";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(before_help = aggregate::EXAMPLES, after_help = exit::FILTER_CODES)]
    #[command(help_template = TEMPLATE)]
    Aggregate(AggregateArguments),
    #[command(before_help = pages::COMPLETIONS_EXAMPLES, after_help = exit::WRITER_CODES)]
    #[command(help_template = TEMPLATE)]
    Completions(CompletionsArguments),
    #[command(before_help = decode::EXAMPLES, after_help = exit::FILTER_CODES)]
    #[command(help_template = TEMPLATE)]
    Decode(DecodeArguments),
    #[command(before_help = stream::DOCTOR_EXAMPLES, after_help = exit::STREAM_CODES)]
    #[command(help_template = TEMPLATE)]
    Doctor(DoctorArguments),
    #[command(before_help = generate::EXAMPLES, after_help = exit::WRITER_CODES)]
    #[command(help_template = TEMPLATE)]
    Gen(GenArguments),
    #[command(before_help = pages::MAN_EXAMPLES, after_help = exit::WRITER_CODES)]
    #[command(help_template = TEMPLATE)]
    Man(ManArguments),
    #[command(before_help = put::FIRST_EXAMPLES, before_long_help = put::EXAMPLES)]
    #[command(after_long_help = exit::CODES, help_template = TEMPLATE)]
    Put(Box<PutArguments>),
    #[command(before_help = serve::EXAMPLES, after_help = exit::SERVE_CODES)]
    #[command(help_template = TEMPLATE)]
    Serve(ServeArguments),
    #[command(before_help = stream::SHARDS_EXAMPLES, after_help = exit::STREAM_CODES)]
    #[command(help_template = TEMPLATE)]
    Shards(ShardsArguments),
    #[command(subcommand, before_help = sim::EXAMPLES, after_help = exit::SIM_CODES)]
    #[command(help_template = TEMPLATE)]
    Sim(SimCommand),
    #[command(before_help = tail::EXAMPLES, after_help = exit::STREAM_CODES)]
    #[command(help_template = TEMPLATE)]
    Tail(TailArguments),
    #[command(before_help = stream::WHERE_EXAMPLES, after_help = exit::STREAM_CODES)]
    #[command(help_template = TEMPLATE)]
    Where(WhereArguments),
}

impl Command {
    /// Looks at what no single argument can tell.
    pub(crate) fn check(&self) -> Result<(), clap::Error> {
        match self {
            Self::Aggregate(arguments) => arguments.check(),
            Self::Put(arguments) => arguments.check(),
            Self::Tail(arguments) => arguments.check(),
            _ => Ok(()),
        }
    }

    /// The input files that are named, if it has an input.
    pub(crate) fn files(&self) -> Option<&[PathBuf]> {
        match self {
            Self::Aggregate(arguments) => Some(&arguments.files),
            Self::Decode(arguments) => Some(&arguments.files),
            Self::Put(arguments) => Some(&arguments.files),
            _ => None,
        }
    }

    /// Its help, as `--help` prints it, for those that have an input.
    pub(crate) fn help(&self) -> impl core::fmt::Display {
        let name = match self {
            Self::Aggregate(_) => "aggregate",
            Self::Decode(_) => "decode",
            _ => "put",
        };
        subcommand(name).render_help()
    }
}

/// The subcommand, as it is after parsing: its usage begins with the whole command.
fn subcommand(name: &str) -> clap::Command {
    let mut command = Arguments::command();
    command.build();
    command.find_subcommand(name).cloned().unwrap_or(command)
}

/// What is wrong with the arguments of a subcommand.
fn refusal(subcommand_name: &str, kind: ErrorKind, text: &str) -> clap::Error {
    subcommand(subcommand_name).error(kind, text)
}

fn size(text: &str) -> Result<usize, String> {
    const UNITS: [(&str, usize); 3] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
    let (number, unit) = UNITS
        .iter()
        .find_map(|&(suffix, unit)| Some((text.strip_suffix(suffix)?.trim_end(), unit)))
        .unwrap_or((text, 1));
    let size = number.parse::<usize>().ok().and_then(|number| number.checked_mul(unit));
    size.ok_or_else(|| String::from("a size is a number of bytes, KiB, MiB or GiB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_begins_with_examples() {
        let mut command = Arguments::command();
        command.build();
        for subcommand in command.get_subcommands_mut().filter(|one| one.get_name() != "help") {
            let help = subcommand.render_help().to_string();
            let examples = help.lines().nth(2).or(help.lines().nth(1));
            assert_eq!(examples, Some("Examples:"), "{help}");
        }
    }

    #[test]
    fn the_command_is_sound() {
        Arguments::command().debug_assert();
    }
}
