//! The engine in worlds drawn from seeds. A failure prints the command that shows it again.

use std::env;

use headwaters_sim::{Options, Report, run};

/// How many seeds the ordinary test run lives through.
const SEEDS: u64 = 400;

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is {text:?}; it must be a number")))
}

fn live(seed: u64) -> Report {
    run(&Options::draw(seed)).unwrap_or_else(|failure| panic!("{failure}"))
}

#[test]
fn no_rule_is_broken() {
    if let Some(seed) = number("HEADWATERS_SEED") {
        println!("{:#?}\n{:#?}", Options::draw(seed), live(seed));
        return;
    }
    let seeds = number("HEADWATERS_SEEDS");
    let mut sum = Sum::default();
    (0..seeds.unwrap_or(SEEDS)).for_each(|seed| sum.add(live(seed)));
    println!("{sum:?}");
    // A run in which these never happened would have proved nothing.
    let Sum { stored, not_stored, maybe_stored, handed_back, duplicates, .. } = sum;
    assert!([stored, not_stored, maybe_stored, handed_back, duplicates].iter().all(|&n| n > 100));
    assert!(sum.requeued > 1_000 && sum.timeouts > 100 && sum.ignored_answers > 100);
    assert!(sum.unusable_answers > 100 && sum.throttled > 1_000 && sum.refused > 100);
}

#[test]
fn the_same_seed_is_the_same_world() {
    for seed in (0..SEEDS).step_by(20) {
        assert_eq!(live(seed), live(seed), "seed {seed}");
    }
}

#[derive(Debug, Default)]
struct Sum {
    duplicates: u64,
    handed_back: u64,
    ignored_answers: u64,
    maybe_stored: u64,
    not_stored: u64,
    refused: u64,
    requeued: u64,
    stored: u64,
    throttled: u64,
    timeouts: u64,
    unusable_answers: u64,
    simulated_seconds: u64,
}

impl Sum {
    fn add(&mut self, report: Report) {
        let Report { duplicates, stats, time, .. } = report;
        self.duplicates += duplicates;
        self.handed_back += stats.handed_back;
        self.ignored_answers += stats.ignored_answers;
        self.maybe_stored += stats.maybe_stored;
        self.not_stored += stats.not_stored;
        self.refused += stats.refused;
        self.requeued += stats.requeued;
        self.stored += stats.stored;
        self.throttled += stats.throttled;
        self.timeouts += stats.timeouts;
        self.unusable_answers += stats.unusable_answers;
        self.simulated_seconds += time.as_secs();
    }
}
