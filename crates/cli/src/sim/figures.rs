use core::fmt;
use core::time::Duration;

use headwaters_sim::{Report, Sometimes};
use indicatif::HumanCount;
use serde::{Serialize, Serializer};

/// What became of worlds in which no rule was broken, all together. These are fields of the JSON, too.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Figures {
    pub(super) worlds: u64,
    /// How much time went by in them.
    #[serde(rename = "simulated_hours", serialize_with = "hours")]
    pub(super) simulated: Duration,
    /// Records that were accepted; the next four are their outcomes.
    records: u64,
    stored: u64,
    not_stored: u64,
    maybe_stored: u64,
    handed_back: u64,
    requests: u64,
    /// Kinesis records in those, sent again or not.
    entries: u64,
    retries: u64,
    throttled: u64,
    timeouts: u64,
    /// Entries that were stored in requests whose answers were lost.
    lost_answers: u64,
    /// Kinesis records that the streams hold.
    kinesis_records: u64,
    /// Copies that consumers see beyond the first of each record.
    duplicates: u64,
    /// Copies that they do not see, in aggregates of which not all members belong to the shard.
    hidden: u64,
    #[serde(serialize_with = "named")]
    sometimes: Sometimes,
}

const SECONDS_PER_HOUR: f64 = 3_600.0;

impl Figures {
    /// What became of one world.
    pub(super) fn of(report: &Report) -> Self {
        let mut figures = Self::default();
        figures.add(report);
        figures
    }

    pub(super) fn add(&mut self, report: &Report) {
        self.worlds += 1;
        self.simulated += report.time;
        for stats in &report.stats {
            self.records += stats.accepted;
            self.stored += stats.stored;
            self.not_stored += stats.not_stored;
            self.maybe_stored += stats.maybe_stored;
            self.handed_back += stats.handed_back;
            self.requests += stats.requests;
            self.entries += stats.entries;
            self.retries += stats.requeued;
            self.throttled += stats.throttled;
            self.timeouts += stats.timeouts;
        }
        self.lost_answers += report.lost_answers;
        self.kinesis_records += report.stored;
        self.duplicates += report.duplicates;
        self.hidden += report.hidden;
        self.sometimes.add(&report.sometimes);
    }

    pub(super) fn simulated_hours(&self) -> f64 {
        self.simulated.as_secs_f64() / SECONDS_PER_HOUR
    }

    /// The hard situations that no world met.
    pub(super) fn never(&self) -> Vec<&'static str> {
        self.sometimes.named().filter(|(_, count)| *count == 0).map(|(name, _)| name).collect()
    }
}

fn hours<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(time.as_secs_f64() / SECONDS_PER_HOUR)
}

fn named<S: Serializer>(sometimes: &Sometimes, to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(sometimes.named())
}

/// Rows, and then the hard situations that were met.
impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |f: &mut fmt::Formatter<'_>, name: &str, count: u64, more: &[(u64, &str)]| {
            write!(f, "{name:<16}{:>14}", HumanCount(count).to_string())?;
            for (count, what) in more.iter().filter(|(count, _)| *count > 0) {
                write!(f, "  ({} {what})", HumanCount(*count))?;
            }
            writeln!(f)
        };
        let (hours, seconds) = (self.simulated_hours(), self.simulated.as_secs_f64());
        if hours < 1.0 {
            writeln!(f, "{:<16}{seconds:>12.3} s", "simulated")?;
        } else {
            writeln!(f, "{:<16}{hours:>12.3} h", "simulated")?;
        }
        row(f, "records", self.records, &[])?;
        row(f, "stored", self.stored, &[])?;
        row(f, "not stored", self.not_stored, &[])?;
        row(f, "maybe stored", self.maybe_stored, &[])?;
        row(f, "handed back", self.handed_back, &[])?;
        let more = [(self.entries, "entries"), (self.timeouts, "timed out")];
        row(f, "requests", self.requests, &more)?;
        row(f, "retries", self.retries, &[(self.throttled, "entries throttled")])?;
        let lost = [(self.lost_answers, "whose answers were lost")];
        row(f, "kinesis records", self.kinesis_records, &lost)?;
        row(f, "duplicates", self.duplicates, &[(self.hidden, "more that consumers drop")])?;
        let met = || self.sometimes.named().filter(|(_, count)| *count > 0);
        if met().next().is_some() {
            writeln!(f, "\nhard situations met")?;
        }
        met().try_for_each(|(name, count)| {
            writeln!(f, "  {name:<34}{:>14}", HumanCount(count).to_string())
        })
    }
}

#[cfg(test)]
mod tests {
    use headwaters_sim::Plan;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn figures_add_up() {
        let mut figures = Figures::default();
        for seed in 0..30 {
            figures.add(&headwaters_sim::run(&Plan::draw(seed)).expect("no rule is broken"));
        }
        let outcomes =
            [figures.stored, figures.not_stored, figures.maybe_stored, figures.handed_back];
        assert_eq!(outcomes.iter().sum::<u64>(), figures.records);
        assert!(figures.worlds == 30 && figures.stored > 0 && figures.simulated_hours() > 0.0);
        let json = serde_json::to_value(&figures).expect("all names are strings");
        let sometimes = json["sometimes"].as_object().expect("an object");
        let zeros = sometimes.values().filter(|count| **count == json!(0)).count();
        assert!(zeros < sometimes.len());
        assert_eq!(zeros, figures.never().len());
        assert_eq!(json["duplicates"], json!(figures.duplicates));
        assert!(json["simulated_hours"].as_f64() == Some(figures.simulated_hours()));
        let met = figures.to_string().lines().filter(|line| line.starts_with("  ")).count();
        assert_eq!(met, sometimes.len() - zeros);
        assert!(json.as_object().is_some_and(|fields| !fields.values().any(Value::is_null)));
    }
}
