use core::fmt;
use core::time::Duration;
use std::collections::HashMap;

use headwaters::trace::{Action, Engine, Token};
use headwaters::{EngineStats, Instant, Outcome};
use headwaters_sim::Latencies;
use indicatif::{HumanBytes, HumanCount};
use serde::Serialize;

/// Adds up what became of a load.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    bytes_held: usize,
    latencies: Latencies,
    longest: Duration,
    maybe_twice: u64,
    /// When those were put that have no outcome.
    open: HashMap<u64, Instant>,
    records_held: usize,
}

/// What became of a load.
#[derive(Clone, Debug, Default, Serialize)]
pub(in crate::sim) struct Figures {
    accepted: u64,
    stored: u64,
    maybe_twice: u64,
    not_stored: u64,
    maybe_stored: u64,
    handed_back: u64,
    requests: u64,
    entries: u64,
    throttled: u64,
    retries: u64,
    timeouts: u64,
    p50_ms: f64,
    p99_ms: f64,
    longest_ms: f64,
    bytes_held_max: usize,
    records_held_max: usize,
}

impl Tally {
    pub(super) fn put(&mut self, at: Instant, Token(token): Token) {
        self.open.insert(token, at);
    }

    pub(super) fn refused(&mut self, Token(token): Token) {
        self.open.remove(&token);
    }

    pub(super) fn said(&mut self, at: Instant, action: &Action, engine: &Engine) {
        self.look(engine);
        let is_twice =
            |outcome: &Outcome| matches!(outcome, Outcome::Stored { maybe_duplicate: true, .. });
        let (is_stored, tokens) = match action {
            Action::Complete(completion) => {
                if is_twice(&completion.outcome) {
                    self.maybe_twice += completion.tokens.len() as u64;
                }
                (matches!(completion.outcome, Outcome::Stored { .. }), &completion.tokens[..])
            }
            Action::Stored(stored) => (true, stored.tokens()),
            _ => return,
        };
        for Token(token) in tokens {
            let Some(put) = self.open.remove(token) else { continue };
            if is_stored {
                let took = at.since(put);
                self.latencies.note(took);
                self.longest = self.longest.max(took);
            }
        }
    }

    pub(super) fn look(&mut self, engine: &Engine) {
        let held = engine.held();
        self.bytes_held = self.bytes_held.max(held.bytes);
        self.records_held = self.records_held.max(held.records);
    }

    pub(super) fn figures(&self, stats: &EngineStats) -> Figures {
        let ms = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
        Figures {
            accepted: stats.accepted,
            stored: stats.stored,
            maybe_twice: self.maybe_twice,
            not_stored: stats.not_stored,
            maybe_stored: stats.maybe_stored,
            handed_back: stats.handed_back,
            requests: stats.requests,
            entries: stats.entries,
            throttled: stats.throttled,
            retries: stats.requeued,
            timeouts: stats.timeouts,
            p50_ms: ms(self.latencies.quantile(500_000)),
            p99_ms: ms(self.latencies.quantile(990_000)),
            longest_ms: ms(self.longest),
            bytes_held_max: self.bytes_held,
            records_held_max: self.records_held,
        }
    }
}

/// Figures of several loads, side by side.
#[derive(Debug, Default)]
pub(super) struct Columns(Vec<(&'static str, Figures)>);

impl Columns {
    pub(super) fn add(&mut self, name: &'static str, figures: Figures) {
        self.0.push((name, figures));
    }

    pub(super) fn json(&self) -> String {
        let name = |name: &str| name.replace(" --", "_");
        let columns = self.0.iter().map(|(of, figures)| {
            let figures = serde_json::to_value(figures).expect("all names are strings");
            (name(of), figures)
        });
        serde_json::Value::Object(columns.collect()).to_string()
    }
}

impl Figures {
    /// For people: names and values.
    pub(in crate::sim) fn rows(&self) -> [(&'static str, String); 16] {
        let count = |count: u64| HumanCount(count).to_string();
        [
            ("records", count(self.accepted)),
            ("stored", count(self.stored)),
            ("maybe twice", count(self.maybe_twice)),
            ("not stored", count(self.not_stored)),
            ("maybe stored", count(self.maybe_stored)),
            ("handed back", count(self.handed_back)),
            ("requests", count(self.requests)),
            ("entries", count(self.entries)),
            ("throttled", count(self.throttled)),
            ("retries", count(self.retries)),
            ("timed out", count(self.timeouts)),
            ("latency, median", shown(self.p50_ms)),
            ("latency, 99 %", shown(self.p99_ms)),
            ("latency, longest", shown(self.longest_ms)),
            ("held at most", HumanBytes(self.bytes_held_max as u64).to_string()),
            ("records held", count(self.records_held_max as u64)),
        ]
    }
}

impl fmt::Display for Columns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<16}", "")?;
        self.0.iter().try_for_each(|(name, _)| write!(f, "{name:>14}"))?;
        writeln!(f)?;
        let columns: Vec<_> = self.0.iter().map(|(_, figures)| figures.rows()).collect();
        for row in 0..columns.first().map_or(0, |column| column.len()) {
            write!(f, "{:<16}", columns[0][row].0)?;
            columns.iter().try_for_each(|column| write!(f, "{:>14}", column[row].1))?;
            writeln!(f)?;
        }
        Ok(())
    }
}

fn shown(millis: f64) -> String {
    if millis < 10_000.0 { format!("{millis:.1} ms") } else { format!("{:.1} s", millis / 1e3) }
}
