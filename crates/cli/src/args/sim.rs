use core::num::NonZeroU16;
use core::ops::Range;
use core::str::FromStr;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand, ValueEnum};

use super::{Form, ProgressWhen, TEMPLATE};
use crate::exit;

pub(super) const EXAMPLES: &str = "\
Examples:
  headwaters sim run --seeds 0..10000
  headwaters sim replay 4711 | less
  headwaters sim plan 4711 > world.toml
  headwaters sim replay --plan world.toml --trace none
  headwaters sim shrink 4711 --to small.toml
  headwaters sim scenario outage hot-shard
  headwaters sim trace load.trace --set record_max_buffered_time=1s";

/// Live through simulated worlds, in which the engine meets what can go wrong
#[derive(Debug, Subcommand)]
pub(crate) enum SimCommand {
    #[command(after_help = exit::SIM_CODES, help_template = TEMPLATE)]
    Plan(PlanArguments),
    #[command(after_help = exit::SIM_CODES, help_template = TEMPLATE)]
    #[command(before_help = TRACE)]
    Replay(ReplayArguments),
    #[command(after_help = exit::SIM_CODES, help_template = TEMPLATE)]
    Run(RunArguments),
    #[command(after_help = exit::SIM_CODES, help_template = TEMPLATE)]
    Scenario(ScenarioArguments),
    #[command(after_help = exit::SIM_CODES, help_template = TEMPLATE)]
    Shrink(ShrinkArguments),
    #[command(after_help = exit::SIM_CODES, help_template = TEMPLATE)]
    Trace(TraceArguments),
}

/// Print the plan of a seed as TOML, to be edited
#[derive(Args, Debug)]
pub(crate) struct PlanArguments {
    /// The seed
    #[arg(value_name = "SEED")]
    pub(crate) seed: u64,
}

/// One world.
#[derive(Args, Debug)]
#[group(required = true, multiple = true)]
pub(crate) struct World {
    /// The seed of the world; with --plan it takes the place of the plan's
    #[arg(value_name = "SEED")]
    pub(crate) seed: Option<u64>,

    /// A file with the plan of the world, as `headwaters sim plan` prints it: a
    /// field that it does not name is as in a stream of one shard on which
    /// nothing goes wrong. `-` is the standard input
    #[arg(long, value_name = "FILE", verbatim_doc_comment)]
    pub(crate) plan: Option<PathBuf>,
}

const TRACE: &str = "\
The trace has a line for each event. In columns: the time in seconds, the
producer, < for what its engine said, > for what it was told, * for what no
engine knows of, and what it was in words, the first of which names it.

As JSON lines, each an object:
  at_ns     the world's time in nanoseconds
  producer  its number from 0, or null if it happened to the stream
  kind      action (said), event (told) or world
  name      the first of the words
  words     the others, as they are
The last line has one field: `report`, with the figures of the world, or
`broken`, with the rule that was broken.";

/// Live through one world and print what happens in it, and its report
#[derive(Args, Debug)]
pub(crate) struct ReplayArguments {
    #[command(flatten)]
    pub(crate) world: World,

    /// The form of the trace
    #[arg(long, value_name = "FORM", default_value = "columns")]
    pub(crate) trace: Trace,

    /// Write the trace to this file, and only the report to the standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,

    /// Write a page of HTML about the world to this file, with pictures
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Trace {
    /// For people
    Columns,
    /// A JSON object per line
    Jsonl,
    /// No trace
    None,
}

/// Live through the worlds of many seeds, until a rule is broken
#[derive(Args, Debug)]
pub(crate) struct RunArguments {
    /// The seeds, from A up to B, without B
    #[arg(long, value_name = "A..B")]
    pub(crate) seeds: Seeds,

    /// How many worlds at a time [default: as many as there are processors]
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroU16>,

    /// Live through this part of the worlds, or through all, a second time: the
    /// same must happen
    #[arg(long, value_name = "PERCENT", default_missing_value = "100", num_args = 0..=1)]
    #[arg(require_equals = true, value_parser = clap::value_parser!(u32).range(0..=100))]
    #[arg(verbatim_doc_comment)]
    pub(crate) doublecheck: Option<u32>,

    /// Live by this plan, each time with another seed: a file as `headwaters sim
    /// plan` prints it. `-` is the standard input
    #[arg(long, value_name = "FILE", verbatim_doc_comment)]
    pub(crate) plan: Option<PathBuf>,

    /// Print one JSON object, and nothing else on the standard output
    #[arg(long)]
    pub(crate) json: bool,

    /// Whether to show progress on standard error
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(crate) progress: ProgressWhen,
}

/// Live through worlds that have names, and say whether they reach their figures
///
/// Each stands in a file with a plan and the figures that it must reach. It is lived through
/// with the settings of the file, and once more with the KPL's strategy in their place, so that
/// its figures stand beside ours.
#[derive(Args, Debug)]
pub(crate) struct ScenarioArguments {
    /// Which of them; --list says which there are
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(crate::sim::SCENARIOS))]
    #[arg(required_unless_present_any = ["all", "file", "list"], hide_possible_values = true)]
    pub(crate) names: Vec<String>,

    /// All of them
    #[arg(long, conflicts_with = "names")]
    pub(crate) all: bool,

    /// One of your own, in a file like those of the others: crates/cli/scenarios
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,

    /// Say what there is, and live through nothing
    #[arg(long, conflicts_with_all = ["names", "all", "file"])]
    pub(crate) list: bool,

    /// As much of them as takes a moment
    #[arg(long)]
    pub(crate) short: bool,

    /// The whole of them, which takes minutes; the default
    #[arg(long, conflicts_with = "short")]
    pub(crate) full: bool,

    /// How many at a time [default: 1]
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroU16>,

    /// Write a page of HTML about one of them to this file, with pictures
    #[arg(long, value_name = "FILE", conflicts_with = "all")]
    pub(crate) report: Option<PathBuf>,

    /// How the figures are printed
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(crate) output: Form,

    /// Whether to show progress on standard error
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(crate) progress: ProgressWhen,
}

/// Find a simpler plan by which the same rule is broken, and print it
#[derive(Args, Debug)]
pub(crate) struct ShrinkArguments {
    #[command(flatten)]
    pub(crate) world: World,

    /// Write it to this file instead of the standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,

    /// Whether to show progress on standard error
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(crate) progress: ProgressWhen,
}

/// Replay the trace of a real producer, and say whether the engine does the same
///
/// With --set also what would have become of the load with other settings, in a model: the shards that were
/// listed take what the service promises, and a request takes as long as the one that was sent
/// last before it in the trace, and fails as a whole if that did.
#[derive(Args, Debug)]
pub(crate) struct TraceArguments {
    /// The trace, as `headwaters put --trace` writes it
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// Another setting, by the name that it has in a file of settings; may be
    /// given again: --set retry=linear --set retry.step=50ms
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting, verbatim_doc_comment)]
    pub(crate) set: Vec<(String, String)>,

    /// Write a page of HTML about the load to this file, with pictures
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,

    /// How the figures are printed
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(crate) output: Form,
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it is a name, `=`, and a value")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// Some seeds: at least one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Seeds(pub(crate) Range<u64>);

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || String::from("it is two numbers, the second one larger: 0..1000");
        let (first, end) = text.split_once("..").ok_or_else(wrong)?;
        let (Ok(first), Ok(end)) = (first.parse(), end.parse()) else { return Err(wrong()) };
        if first < end { Ok(Self(first..end)) } else { Err(wrong()) }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Arguments, Command};

    fn parse(words: &str) -> Result<SimCommand, clap::Error> {
        let words = ["headwaters", "sim"].into_iter().chain(words.split_whitespace());
        match Arguments::try_parse_from(words)?.command {
            Command::Sim(command) => Ok(command),
            other => unreachable!("{other:?}"),
        }
    }

    fn run(words: &str) -> RunArguments {
        match parse(&format!("run {words}")).expect(words) {
            SimCommand::Run(arguments) => arguments,
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn seeds_are_a_range_without_its_end() {
        assert_eq!(run("--seeds 0..1").seeds, Seeds(0..1));
        assert_eq!(run("--seeds 7..18446744073709551615").seeds, Seeds(7..u64::MAX));
        for seeds in ["1..1", "2..1", "5", "..5", "1..", "1..=2", "a..b", "-1..3"] {
            let error = parse(&format!("run --seeds={seeds}")).expect_err(seeds).to_string();
            assert!(error.contains("the second one larger: 0..1000"), "{error}");
        }
    }

    #[test]
    fn all_or_a_part_is_checked_twice() {
        let doublecheck = |words: &str| run(&format!("--seeds 0..9 {words}")).doublecheck;
        assert_eq!(doublecheck(""), None);
        assert_eq!(doublecheck("--doublecheck"), Some(100));
        assert_eq!(doublecheck("--doublecheck=5"), Some(5));
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_reason() {
        for (words, reason) in [
            ("run", "--seeds <A..B>"),
            ("run --seeds 0..9 --jobs 0", "number would be zero"),
            ("run --seeds 0..9 --doublecheck=101", "101 is not in 0..=100"),
            ("replay", "<SEED|--plan <FILE>>"),
            ("replay -1", "unexpected argument"),
            ("replay 1 --trace xml", "possible values: columns, jsonl, none"),
            ("scenario", "<NAME>..."),
            ("scenario outages", "a similar value exists: 'outage'"),
            ("scenario outage --all", "cannot be used with"),
            ("scenario --all --short --full", "cannot be used with"),
            ("shrink", "<SEED|--plan <FILE>>"),
            ("trace", "<FILE>"),
            ("trace t --set seed", "it is a name, `=`, and a value"),
            ("plan", "<SEED>"),
            ("plan 18446744073709551616", "number too large"),
        ] {
            let error = parse(words).expect_err(words).to_string();
            assert!(error.contains(reason), "{words}: {error}");
        }
    }
}
