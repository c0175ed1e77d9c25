use core::fmt;

use indicatif::{HumanBytes, HumanCount};
use serde::Serialize;

use super::cost::{Cost, PRICES_OF, usd};
use super::spread::{ShardTotal, Total};
use crate::acks::Place;
use crate::args::{PutArguments, Rate, Unit};
use crate::exit::Exit;
use crate::summary::Input;

/// What a load would be: the text, and the object of `--output json`, whose fields these are.
#[derive(Serialize)]
pub(super) struct Estimate<'a> {
    stream: &'a str,
    dry_run: bool,
    pub(super) input: Input,
    pub(super) rejected: u64,
    kinesis_records: u64,
    /// Of the Kinesis records: data and partition keys.
    bytes: u64,
    requests_at_least: u64,
    seconds_at_least: f64,
    /// What it is that takes so long.
    slowest: String,
    cost: Cost,
    shards_by: &'static str,
    shards: Vec<Shard>,
    /// Where the input begins that could not be read.
    pub(super) unread: Option<Place<'a>>,
    pub(super) exit_code: u8,
}

#[derive(Serialize)]
struct Shard {
    shard: String,
    records: u64,
    kinesis_records: u64,
    bytes: u64,
    /// Which part of all bytes, from 0 to 1.
    share: f64,
}

impl<'a> Estimate<'a> {
    pub(super) fn new(arguments: &'a PutArguments, total: Total) -> Self {
        let (kinesis_records, bytes) = total.sent();
        let (seconds_at_least, slowest) = slowest(&total, arguments.rate);
        let shard = |shard: ShardTotal| Shard {
            share: if bytes == 0 { 0.0 } else { shard.bytes as f64 / bytes as f64 },
            shard: shard.id,
            records: shard.records,
            kinesis_records: shard.kinesis_records,
            bytes: shard.bytes,
        };
        Self {
            stream: arguments.stream.name.as_str(),
            dry_run: true,
            input: Input { records: total.records, bytes: total.record_bytes, empty_lines: 0 },
            rejected: 0,
            kinesis_records,
            bytes,
            requests_at_least: total.requests.count,
            seconds_at_least,
            slowest,
            cost: Cost::new(total.counted, arguments.dry_run.prices()),
            shards_by: match (arguments.dry_run.shards, &arguments.local) {
                (Some(_), _) => "--shards",
                (None, Some(_)) => "--local",
                (None, None) => "ListShards",
            },
            shards: total.shards.into_iter().map(shard).collect(),
            unread: None,
            exit_code: Exit::Delivered.code(),
        }
    }
}

/// How long it takes at least, and by what.
fn slowest(total: &Total, rate: Option<Rate>) -> (f64, String) {
    let (shard, seconds) = total
        .slowest()
        .map_or((String::new(), 0.0), |(shard, seconds)| (shard.id.clone(), seconds));
    let by_rate = rate.map_or(0.0, |Rate { per_second, unit }| {
        let amount = match unit {
            Unit::Bytes => total.record_bytes,
            Unit::Records => total.records,
        };
        amount as f64 / per_second.get() as f64
    });
    if by_rate > seconds { (by_rate, String::from("--rate")) } else { (seconds, shard) }
}

impl fmt::Display for Estimate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |f: &mut fmt::Formatter<'_>, name, value: String, more: String| {
            writeln!(f, "{}", format!("{name:<16}{value:>12}  {more}").trim_end())
        };
        let count = |count| HumanCount(count).to_string();
        writeln!(f, "{:<16}{:>12}  (dry run: nothing was put)", "stream", self.stream)?;
        let input = &self.input;
        row(f, "input", count(input.records), format!("({})", HumanBytes(input.bytes)))?;
        if self.rejected > 0 {
            row(f, "rejected", count(self.rejected), String::new())?;
        }
        row(
            f,
            "kinesis records",
            count(self.kinesis_records),
            format!("({})", HumanBytes(self.bytes)),
        )?;
        row(f, "requests", count(self.requests_at_least), String::from("at least"))?;
        let seconds = format!("{:.1} s", self.seconds_at_least);
        row(f, "time", seconds, format!("at least, by {}", self.slowest))?;
        self.write_cost(f)?;
        if let Some(unread) = &self.unread {
            writeln!(f, "{:<16}from {unread} on", "unread")?;
        }
        writeln!(f, "\nshards by {}:", self.shards_by)?;
        write_shards(f, &self.shards)
    }
}

impl Estimate<'_> {
    fn write_cost(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cost {
            provisioned_usd, put_payload_units, on_demand_usd, on_demand_gib, prices, ..
        } = &self.cost;
        let (units, million) = (HumanCount(*put_payload_units), prices.million_put_units);
        let provisioned = usd(*provisioned_usd);
        let unit = if *put_payload_units == 1 { "unit" } else { "units" };
        writeln!(
            f,
            "{:<16}{provisioned:>12}  provisioned: {units} payload {unit} of 25 KiB at ${million} a \
             million",
            "cost"
        )?;
        let (on_demand, price) = (usd(*on_demand_usd), prices.gib_in);
        writeln!(
            f,
            "{:<16}{on_demand:>12}  on demand: {on_demand_gib:.6} GiB, records in whole KiB, at ${price} a GiB",
            ""
        )?;
        writeln!(
            f,
            "{:<16}Prices of {PRICES_OF}, of On-demand Standard, or of --price;\n\
             {:<16}without the hours of shards or stream.",
            "", ""
        )
    }
}

fn write_shards(f: &mut fmt::Formatter<'_>, shards: &[Shard]) -> fmt::Result {
    let width = shards.iter().map(|shard| shard.shard.len()).max().unwrap_or_default().max(5);
    writeln!(
        f,
        "{:<width$}{:>16}{:>18}{:>16}{:>10}",
        "shard", "records", "kinesis records", "bytes", "share"
    )?;
    for Shard { shard, records, kinesis_records, bytes, share } in shards {
        let share = share * 100.0;
        writeln!(f, "{shard:<width$}{records:>16}{kinesis_records:>18}{bytes:>16}{share:>8.2} %")?;
    }
    Ok(())
}
