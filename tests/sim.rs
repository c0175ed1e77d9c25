//! The engine in worlds drawn from seeds. A failure prints the command that shows it again.

use std::path::Path;
use std::{env, fs, thread};

use headwaters_sim::{Plan, Report, Sometimes, TraceHash, run, watch};

/// How many seeds the ordinary test run lives through.
const SEEDS: u64 = 3_000;

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is {text:?}; it must be a number")))
}

/// The plan of a seed. Miri is some hundred times slower: there the same things happen to fewer and smaller records.
fn plan(seed: u64) -> Plan {
    let mut plan = Plan::draw(seed);
    if cfg!(miri) {
        let caller = &mut plan.caller;
        (caller.records, caller.keys) = (caller.records.min(60), caller.keys.min(20));
        caller.sizes.1 = caller.sizes.1.min(600);
    }
    plan
}

fn live(seed: u64) -> Report {
    run(&plan(seed)).unwrap_or_else(|failure| panic!("{failure}"))
}

/// Lives through all seeds, on all processors. The sum is the same in whatever order they come.
fn live_all(seeds: u64) -> Sum {
    let threads = thread::available_parallelism().map_or(1, |count| count.get());
    let mut sum = Sum::default();
    thread::scope(|scope| {
        let some = |first| {
            move || {
                let mut sum = Sum::default();
                (first..seeds).step_by(threads).for_each(|seed| sum.add(&live(seed)));
                sum
            }
        };
        let parts: Vec<_> = (0..threads as u64).map(|first| scope.spawn(some(first))).collect();
        for part in parts {
            sum.join(&part.join().expect("no rule is broken"));
        }
    });
    sum
}

#[test]
fn no_rule_is_broken() {
    if let Some(seed) = number("HEADWATERS_SEED") {
        println!("{:#?}\n{:#?}", Plan::draw(seed), live(seed));
        return;
    }
    let seeds = number("HEADWATERS_SEEDS").unwrap_or(SEEDS);
    let sum = live_all(seeds);
    println!("{sum:#?}");
    if seeds < SEEDS {
        return;
    }
    // A run in which these never happened would have proved nothing.
    let never: Vec<_> = sum.sometimes.named().filter(|(_, count)| *count == 0).collect();
    assert!(never.is_empty(), "never met: {never:?}");
    let Sum { stored, not_stored, maybe_stored, handed_back, duplicates, hidden, .. } = sum;
    let outcomes = [stored, not_stored, maybe_stored, handed_back, duplicates, hidden];
    assert!(outcomes.iter().all(|&count| count > 100), "{outcomes:?}");
    assert!(sum.requeued > 1_000 && sum.timeouts > 100 && sum.ignored_answers > 100);
    assert!(sum.unusable_answers > 100 && sum.throttled > 1_000 && sum.refused > 100);
}

#[test]
fn the_same_seed_is_the_same_world() {
    for seed in (0..SEEDS).step_by(50) {
        let [one, other] = [(); 2].map(|()| {
            let mut hash = TraceHash::default();
            let report = watch(&Plan::draw(seed), &mut hash).expect("no rule is broken");
            (report, hash)
        });
        assert_eq!(one, other, "seed {seed}");
    }
}

/// Worlds that show what once went wrong, or would if it were done otherwise: each file tells its story.
#[test]
fn worlds_with_a_story_hold() {
    let worlds = Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds");
    let mut files: Vec<_> = fs::read_dir(worlds)
        .expect("the worlds are there")
        .map(|file| file.expect("a readable directory").path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "there are worlds");
    for file in files {
        let text = fs::read_to_string(&file).expect("a readable file");
        assert!(text.starts_with("# "), "{} tells its story", file.display());
        let plan: Plan =
            toml::from_str(&text).unwrap_or_else(|fault| panic!("{}: {fault}", file.display()));
        run(&plan).unwrap_or_else(|failure| panic!("{}: {failure}", file.display()));
    }
}

macro_rules! sum {
    ($( $name:ident, )*) => {
        #[derive(Debug, Default)]
        struct Sum {
            $( $name: u64, )*
            duplicates: u64,
            hidden: u64,
            simulated_seconds: u64,
            sometimes: Sometimes,
        }

        impl Sum {
            fn add(&mut self, report: &Report) {
                for stats in &report.stats {
                    $( self.$name += stats.$name; )*
                }
                self.duplicates += report.duplicates;
                self.hidden += report.hidden;
                self.simulated_seconds += report.time.as_secs();
                self.sometimes.add(&report.sometimes);
            }

            fn join(&mut self, other: &Self) {
                $( self.$name += other.$name; )*
                self.duplicates += other.duplicates;
                self.hidden += other.hidden;
                self.simulated_seconds += other.simulated_seconds;
                self.sometimes.add(&other.sometimes);
            }
        }
    };
}

sum! {
    entries, handed_back, ignored_answers, maybe_stored, not_stored, refused, repacked, requests, requeued, stored,
    throttled, timeouts, unusable_answers,
}
