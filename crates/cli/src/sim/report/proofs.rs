//! What held in a world, how often that was looked at, and what it met.

use core::fmt::{self, Write};

use headwaters::EngineStats;
use headwaters_sim::Report;
use indicatif::HumanCount;

/// Writes both tables.
pub(super) fn write(to: &mut String, report: &Report) -> fmt::Result {
    writeln!(
        to,
        "<h2>What held</h2>\n<p class=\"soft\">Each rule, and how often it was held against what happened.</p>"
    )?;
    writeln!(
        to,
        "<div class=\"scroll\"><table><tr><th></th><th>rule</th><th class=\"number\">held</th><th>for each of</th></tr>"
    )?;
    for (number, rule, times, what) in held(report) {
        let times = HumanCount(times);
        writeln!(
            to,
            "<tr><td>{number}</td><td>{rule}</td><td class=\"number\">{times}</td><td>{what}</td></tr>"
        )?;
    }
    writeln!(
        to,
        "</table></div>\n<h2>What it met</h2>\n<p class=\"soft\">Situations that are hard to get right.</p>"
    )?;
    writeln!(to, "<div class=\"scroll\"><table>")?;
    for (name, count) in report.sometimes.named().filter(|(_, count)| *count > 0) {
        let (name, count) = (name.replace('_', " "), HumanCount(count));
        writeln!(to, "<tr><td>{name}</td><td class=\"number\">{count}</td></tr>")?;
    }
    let never = report.sometimes.named().filter(|(_, count)| *count == 0);
    let never: Vec<String> = never.map(|(name, _)| name.replace('_', " ")).collect();
    writeln!(
        to,
        "</table></div>\n<details><summary>{} it never met</summary><p>{}</p></details>",
        never.len(),
        never.join(", ")
    )
}

/// The rules of `docs/invariants.md` that the checkers of a world watch: each with what it is counted by.
fn held(report: &Report) -> [(&'static str, &'static str, u64, &'static str); 12] {
    let sum = |of: fn(&EngineStats) -> u64| report.stats.iter().map(of).sum::<u64>();
    let accepted = sum(|stats| stats.accepted);
    let requests = sum(|stats| stats.requests);
    let entries = sum(|stats| stats.entries);
    let retried = sum(|stats| stats.requeued);
    let listings = sum(|stats| stats.listings);
    let waits = report.waits;
    [
        ("I01", "An accepted record has exactly one outcome.", accepted, "record"),
        ("I03, I14", "What is held is what has no outcome, and within the bounds.", waits, "wait"),
        ("I04", "A request breaks no limit, and is not empty.", requests, "request"),
        (
            "I05, I06",
            "What lies in the stream is explained by an attempt, and what is stored lies there.",
            report.stored,
            "Kinesis record",
        ),
        ("I08", "No attempt starts after the record's expiration.", entries, "entry"),
        (
            "I09",
            "Members of an aggregate belong to one shard, and it decodes to what was put.",
            entries,
            "entry",
        ),
        (
            "I10",
            "What is stored was said to be, with a sequence number.",
            sum(|stats| stats.stored),
            "stored record",
        ),
        (
            "I11",
            "A retry waits as long as the policy and the budget say.",
            retried,
            "record put back",
        ),
        (
            "I12, I13",
            "The engine waits for no time that has come, and for nothing if it holds nothing.",
            waits,
            "wait",
        ),
        ("I15, I16", "Where a request is free only a limiter keeps what is due.", waits, "wait"),
        ("I17", "A list of shards that divides not all hash keys is not used.", listings, "list"),
        ("I21", "Every figure of the engine is what the checker counted.", waits, "wait"),
    ]
}
