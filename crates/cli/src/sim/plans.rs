//! Plans as TOML.

use std::path::Path;
use std::{fs, io};

use headwaters_sim::Plan;

use super::output::Output;
use crate::args::{PlanArguments, World};
use crate::exit::{Abort, Exit};
use crate::input::STDIN;

/// Runs `headwaters sim plan`.
pub(super) fn print(arguments: &PlanArguments) -> Result<Exit, Abort> {
    let seed = arguments.seed;
    let mut output = Output::open(None)?;
    let written = output.write(format_args!(
        "# The world of seed {seed}. Times are in milliseconds, chances in a million. A field that is \
         left out is as in\n\
         # a stream of one shard on which nothing goes wrong. To live through it, wherever this is \
         kept:\n\
         # headwaters sim replay --plan FILE\n{}",
        whole(&Plan::draw(seed))
    ));
    output.end(written, Exit::Delivered)
}

/// The plan of a world.
pub(super) fn of(world: &World) -> Result<Plan, Abort> {
    match (&world.plan, world.seed) {
        (Some(path), Some(seed)) => Ok(with_seed(read(path)?, seed)),
        (Some(path), None) => read(path),
        (None, seed) => Ok(Plan::draw(seed.unwrap_or_default())),
    }
}

/// The same with another seed.
pub(super) const fn with_seed(mut plan: Plan, seed: u64) -> Plan {
    plan.seed = seed;
    plan
}

/// The plan in a file, if a world can be made of it.
pub(super) fn read(path: &Path) -> Result<Plan, Abort> {
    let is_stdin = path == Path::new(STDIN);
    let text = if is_stdin { io::read_to_string(io::stdin()) } else { fs::read_to_string(path) };
    let name = if is_stdin { String::from("stdin") } else { path.display().to_string() };
    let text = text.map_err(|error| Abort::usage(format_args!("cannot read {name}: {error}")))?;
    let plan = parse(&text).map_err(|what| Abort::usage(format_args!("{name}{what}")))?;
    plan.check()
        .map_err(|error| Abort { exit: Exit::Configuration, text: format!("{name}: {error}") })?;
    Ok(plan)
}

/// How much of a line is quoted.
const QUOTE_CHARS: usize = 60;

/// # Errors
/// What is wrong, and before it the line where.
fn parse(text: &str) -> Result<Plan, String> {
    toml::from_str(text).map_err(|error| {
        let message = error.message();
        let before = error.span().and_then(|span| text.get(..span.start));
        let Some(before) = before else { return format!(": {message}") };
        let number = before.matches('\n').count();
        let line = text.lines().nth(number).unwrap_or_default().trim();
        let quoted: String = line.chars().take(QUOTE_CHARS).collect();
        format!(", line {}, `{quoted}`: {message}", number + 1)
    })
}

/// All of a plan.
pub(super) fn whole(plan: &Plan) -> String {
    write(plan, |_, _| true)
}

/// The seed, and what is not as in [`Plan::default`].
pub(super) fn differences(plan: &Plan) -> String {
    let usual = table(&Plan::default());
    write(plan, |(part, field), value| {
        let of = part.map_or(Some(&usual), |part| usual.get(part)?.as_table());
        of.and_then(|of| of.get(field)) != Some(value)
    })
}

type Place<'a> = (Option<&'a str>, &'a str);

/// Writes the seed, the other fields, and the parts with theirs, each value on one line.
fn write(plan: &Plan, is_wanted: impl Fn(Place<'_>, &toml::Value) -> bool) -> String {
    let mut table = table(plan);
    table.remove("seed");
    let mut text = format!("seed = {}\n", plan.seed);
    let (parts, fields): (Vec<_>, Vec<_>) = table.iter().partition(|(_, value)| value.is_table());
    for (field, value) in fields {
        if is_wanted((None, field), value) {
            text += &format!("{field} = {value}\n");
        }
    }
    for (part, fields) in parts {
        let fields = fields.as_table().into_iter().flatten();
        let mut wanted =
            fields.filter(|(field, value)| is_wanted((Some(part), field), value)).peekable();
        if wanted.peek().is_some() {
            text += &format!("\n[{part}]\n");
        }
        wanted.for_each(|(field, value)| text += &format!("{field} = {value}\n"));
    }
    text
}

fn table(plan: &Plan) -> toml::Table {
    // In a value of TOML there is no room for the largest seeds.
    let plan = with_seed(plan.clone(), 0);
    toml::Table::try_from(plan).expect("a plan has names for its fields, and small numbers in them")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_as_it_was_written() {
        for seed in (0..2_000).chain([u64::MAX]) {
            let plan = Plan::draw(seed);
            assert_eq!(parse(&whole(&plan)), Ok(plan.clone()));
            assert_eq!(parse(&differences(&plan)), Ok(plan));
        }
        assert_eq!(parse(""), Ok(Plan::default()));
    }

    #[test]
    fn what_is_usual_is_left_out() {
        let mut plan = Plan::default();
        assert_eq!(differences(&plan), "seed = 0\n");
        plan.seed = 4;
        plan.throttling = false;
        plan.caller.records = 7;
        plan.settings.retry = headwaters_sim::Retry::Linear { max_attempts: 2, step_ms: 5 };
        plan.settings.ttl_ms = None;
        let expected = "seed = 4\nthrottling = false\n\n[caller]\nrecords = 7\n\n[settings]\n\
                        retry = { linear = { max_attempts = 2, step_ms = 5 } }\nttl_ms = \"never\"\n";
        assert_eq!(differences(&plan), expected);
    }

    #[test]
    fn faults_are_named_with_their_lines_and_fields() {
        for (text, what) in [
            ("\n\nx", ", line 3, `x`: key with no value"),
            ("records = 3", ", line 1, `records = 3`: unknown field `records`, expected one of"),
            ("[caller]\nrecords = -1", ", line 2, `records = -1`: invalid value: integer `-1`"),
            (
                "producers = 0",
                ", line 1, `producers = 0`: invalid value: integer `0`, expected a n",
            ),
            (
                "[faults]\n\nlost_answer = 1000001",
                ", line 3, `lost_answer = 1000001`: invalid value",
            ),
            (
                "[faults]\nlost_answer = 0.5",
                ", line 2, `lost_answer = 0.5`: invalid type: floating",
            ),
            (
                "[settings]\nttl_ms = \"ever\"",
                ", line 2, `ttl_ms = \"ever\"`: invalid value: string",
            ),
            ("[settings]\nttl_ms = -5", ", line 2, `ttl_ms = -5`: invalid value: integer `-5`"),
            ("[caller]\nsizes = [1]", ", line 2, `sizes = [1]`: invalid length 1"),
            ("[caller]\nkeys = 3\nkeys = 4", ", line 3, `keys = 4`: duplicate key"),
        ] {
            let said = parse(text).expect_err(text);
            assert!(said.starts_with(what), "{text:?}: {said}");
        }
    }

    /// So that whoever reads of a fault finds the field.
    #[test]
    fn what_a_check_names_is_in_the_file() {
        let text = "latency_ms = [9, 8]\nlist_page = 0\n[caller]\nburst = 0\nkeys = 0\nsizes = [1, 0]\n[clock]\njumps = 9999\n\
                    [settings]\naggregation_max_count = 0\naggregation_max_size = 0\nbounds_bytes = 0\n\
                    bounds_records = 0\ncancel_grace_ms = 9999999\ncollection_max_count = 0\n\
                    collection_max_shard_size = 0\ncollection_max_size = 0\n\
                    max_requests_in_flight = 0\nmax_user_record_size = 0\n\
                    record_max_buffered_time_ms = 99999999999999\nrequest_timeout_ms = 0\n\
                    rate_limit = { fixed = { percent = 0 } }\n\
                    retry = { linear = { max_attempts = 0, step_ms = 99999999999999 } }\nttl_ms = 0\n";
        let plan = parse(text).expect("only its numbers are wrong");
        let error = plan.check().expect_err("all of it is wrong");
        let table = text.parse::<toml::Table>().expect("it was parsed");
        for fault in error.faults() {
            let path = fault.field.split('[').next().expect("there is always a first part");
            let mut at = toml::Value::Table(table.clone());
            for name in path.split('.') {
                let Some(inner) = at.get(name) else { panic!("{path} is not in the file") };
                at = inner.clone();
            }
        }
        let lines = text.lines().filter(|line| !line.starts_with('[')).count();
        assert!(error.faults().len() >= lines, "{error}");
    }
}
