//! What neighbours cost each other: shards that are dead, hot or slow, records that are large, a stream that is
//! resharded, keys whose order is kept. Times are from the acceptance of a record to its outcome, and a round trip to
//! the service takes 25 ms.
//!
//! ```text
//! cargo test -p headwaters-tests --test fairness -- --nocapture
//! ```
#![expect(clippy::print_stdout, reason = "the figures, for those who ask with --nocapture")]

mod fairness {
    pub(crate) mod stage;
}

use core::time::Duration;

use fairness::stage::{Pace, Source, Stage, Trouble, keys, quantile};
use headwaters_engine::{Bounds, Config, ConfigBuilder, Order, RateLimit};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// So much that nothing is refused, whoever holds what.
const ROOMY: Bounds = Bounds { bytes: 1 << 30, records: 10_000_000 };

fn ours() -> ConfigBuilder {
    Config::builder().bounds(ROOMY)
}

fn kpl() -> ConfigBuilder {
    Config::kpl().into_builder().bounds(ROOMY)
}

fn build(builder: ConfigBuilder) -> Config {
    builder.build().expect("valid settings")
}

fn print(name: &str, sorted: &[f64]) -> f64 {
    let [half, most, p99] = [0.5, 0.95, 0.99].map(|part| quantile(sorted, part));
    println!("{name:60} p50 {half:8.1}  p95 {most:8.1}  p99 {p99:8.1} ms");
    p99
}

/// For each shard a source with 20 keys, and 100 records of 200 bytes in a second.
fn each_shard(shards: u32) -> Vec<Source> {
    let source = |keys| Source { keys, pace: Pace::Every(millis(10)), size: 200 };
    keys(shards, 20).into_iter().map(source).collect()
}

/// The shard in trouble, and its source.
const SICK: usize = 7;

/// What the neighbours of a shard have of it.
struct Beside {
    /// The p99 of their times, in ms.
    p99: f64,
    /// Entries that were sent to it in vain.
    in_vain: u64,
    /// Records for them that there was no room for.
    refused: u64,
}

fn beside(name: &str, shards: u32, config: &Config, change: impl FnOnce(&mut Stage)) -> Beside {
    let mut stage = Stage::new(config.clone(), shards, each_shard(shards));
    change(&mut stage);
    stage.live_until(seconds(50));
    let at_first = stage.latencies(|source| source != SICK, seconds(0), seconds(5));
    println!("{:60} in the first 5 s: p99 {:.1} ms", "", quantile(&at_first, 0.99));
    let p99 = print(name, &stage.latencies(|source| source != SICK, seconds(5), seconds(45)));
    let refused = stage.refused.iter().sum::<u64>() - stage.refused[SICK];
    println!("{:60} {} entries in vain, {refused} refused", "", stage.in_vain);
    Beside { p99, in_vain: stage.in_vain, refused }
}

fn with(trouble: Trouble) -> impl Fn(&mut Stage) {
    move |stage| stage.troubles = [(SICK as u64, trouble)].into()
}

const DEAD: [Trouble; 2] = [Trouble::Throttles, Trouble::Fails];

#[test]
fn healthy_shards_keep_their_times_beside_a_dead_one() {
    for aggregated in [true, false] {
        let kind = if aggregated { "aggregated" } else { "plain" };
        let config = build(ours().aggregation_enabled(aggregated));
        let healthy = beside(&format!("64 shards, {kind}"), 64, &config, |_| ());
        for trouble in DEAD {
            let dead =
                beside(&format!("64 shards, {kind}, one {trouble:?}"), 64, &config, with(trouble));
            assert!(dead.p99 <= 1.2 * healthy.p99, "{} beside {}", dead.p99, healthy.p99);
            let config = build(kpl().aggregation_enabled(aggregated));
            let name = format!("64 shards, {kind}, one {trouble:?}, as the KPL");
            let kpl = beside(&name, 64, &config, with(trouble));
            assert!(dead.in_vain < kpl.in_vain, "the KPL does not wait");
        }
    }
}

/// Half a minute of what is put for the dead shard takes more than this, and 0.2 s of what is put for all others less
/// than half of it.
const TIGHT: Bounds = Bounds { bytes: 1_200_000, records: 100_000 };

#[test]
fn a_dead_shard_does_not_fill_the_buffer() {
    for aggregated in [true, false] {
        let config = build(ours().aggregation_enabled(aggregated).bounds(TIGHT));
        let kind = if aggregated { "aggregated" } else { "plain" };
        let healthy = beside(&format!("1.2 MB, {kind}"), 64, &config, |_| ());
        assert_eq!(healthy.refused, 0, "there is room for all");
        for trouble in DEAD {
            let dead =
                beside(&format!("1.2 MB, {kind}, one {trouble:?}"), 64, &config, with(trouble));
            assert_eq!(dead.refused, 0, "there is room for all but one");
            assert!(dead.p99 <= 1.2 * healthy.p99, "{} beside {}", dead.p99, healthy.p99);
        }
    }
}

/// The answer to a request comes when all shards have said theirs, so whoever shares one with a slow shard waits for
/// it: until the first such request is late, and the shard leaves apart.
#[test]
fn healthy_shards_keep_their_times_beside_a_slow_one() {
    const SLOW: Duration = seconds(1);
    for aggregated in [true, false] {
        let kind = if aggregated { "aggregated" } else { "plain" };
        let config = build(ours().aggregation_enabled(aggregated));
        let healthy = beside(&format!("64 shards, {kind}"), 64, &config, |_| ());
        for trouble in [Trouble::Slow(SLOW), Trouble::FailsLate(SLOW)] {
            let name = format!("64 shards, {kind}, one {trouble:?}");
            let slow = beside(&name, 64, &config, with(trouble));
            assert!(slow.p99 <= 1.2 * healthy.p99, "{} beside {}", slow.p99, healthy.p99);
        }
    }
}

/// Its requests end without an answer, and so does every request in which one of its records is. What left with it before
/// the first request was late must wait until that is given up; after that nobody shares a request with it.
#[test]
fn healthy_shards_keep_their_times_beside_one_that_is_silent() {
    let silent = Trouble::FailsLate(seconds(10));
    for aggregated in [true, false] {
        let kind = if aggregated { "aggregated" } else { "plain" };
        for (settings, of) in [(kpl(), ", as the KPL"), (ours(), "")] {
            let config = build(settings.aggregation_enabled(aggregated));
            let healthy = beside(&format!("64 shards, {kind}{of}"), 64, &config, |_| ());
            let name = format!("64 shards, {kind}, one silent{of}");
            let dead = beside(&name, 64, &config, with(silent));
            let is_kept = dead.p99 <= 1.2 * healthy.p99;
            assert!(is_kept || !of.is_empty(), "{} beside {}", dead.p99, healthy.p99);
        }
    }
}

#[test]
fn a_hot_shard_costs_its_neighbours_nothing() {
    // Five times what a shard takes.
    let heat = |stage: &mut Stage| {
        stage.set(SICK, Pace::Every(Duration::from_micros(200)), 1_024);
    };
    for aggregated in [true, false] {
        let kind = if aggregated { "aggregated" } else { "plain" };
        let config = build(ours().aggregation_enabled(aggregated));
        let cool = beside(&format!("16 shards, {kind}"), 16, &config, |_| ());
        let hot = beside(&format!("16 shards, {kind}, one hot"), 16, &config, heat);
        assert!(hot.p99 <= 1.05 * cool.p99, "{} beside {}", hot.p99, cool.p99);
        let config = build(kpl().aggregation_enabled(aggregated));
        beside(&format!("16 shards, {kind}, one hot, as the KPL"), 16, &config, heat);
    }
}

/// A shard takes 1 MiB in a second: who has large records for it waits for them, and nobody else.
#[test]
fn large_records_do_not_delay_small_ones_of_other_shards() {
    const LARGE: usize = 4;
    let cases = [None, Some((1 << 20, millis(500))), Some((5 << 20, millis(3_000)))];
    for aggregated in [true, false] {
        let kind = if aggregated { "aggregated" } else { "plain" };
        let config = build(ours().aggregation_enabled(aggregated).max_user_record_size(10 << 20));
        let mut without = None;
        for large in cases {
            let mut sources = each_shard(16);
            if let Some((size, pause)) = large {
                // Together for the first shards, of which each gets less than half of what it takes.
                let keys = sources[..LARGE].iter().flat_map(|source| source.keys.clone());
                let keys = keys.collect();
                sources.push(Source { keys, pace: Pace::Every(pause), size: size - 20 });
            }
            let mut stage = Stage::new(config.clone(), 16, sources);
            stage.live_until(seconds(65));
            let (from, until) = (seconds(5), seconds(55));
            let name = match large {
                Some((size, _)) => format!("{kind}, beside large ones of {} MiB", size >> 20),
                None => format!("{kind}, without large ones"),
            };
            let others = stage.latencies(|source| (LARGE..16).contains(&source), from, until);
            let others = print(&format!("{name}: other shards"), &others);
            let same = stage.latencies(|source| source < LARGE, from, until);
            print(&format!("{name}: the same shards"), &same);
            if large.is_some() {
                let large = stage.latencies(|source| source == 16, from, until);
                print(&format!("{name}: the large ones"), &large);
            }
            let without = *without.get_or_insert(others);
            assert!(others <= 1.05 * without, "{others} beside {without}");
        }
    }
}

/// 80 percent of what four shards take.
#[test]
fn order_and_times_are_kept_when_4_shards_become_64() {
    const AT: u64 = 20;
    for (order, count) in
        [(Order::PerPartitionKey, 500), (Order::PerPartitionKey, 50), (Order::Unordered, 500)]
    {
        let keys = keys(4, count).into_iter().flatten().collect();
        let source = Source { keys, pace: Pace::Every(Duration::from_micros(150)), size: 500 };
        let mut stage = Stage::new(build(ours().order(order)), 4, vec![source]);
        stage.live_until(seconds(AT));
        stage.reshard(64);
        stage.live_until(seconds(AT + 15));
        let p99 = |name, from, until| {
            let times = stage.latencies(|_| true, seconds(from), seconds(until));
            print(&format!("{order:?}, {} keys: {name}", 4 * count), &times)
        };
        let before = p99("before", 5, AT);
        let first = p99("the first second on 64 shards", AT, AT + 1);
        p99("from then on", AT + 1, AT + 14);
        assert!(first <= 3.0 * before, "{first} after {before}");
        stage.finish();
        let (stats, overtaken) = (stage.stats(), stage.check_ledger());
        println!(
            "{:60} {} packed anew, {} in other shards, {overtaken} overtaken",
            "", stats.repacked, stats.wrong_shard
        );
        assert!(stats.repacked > 0, "some were under way");
    }
}

/// As fast as 16 shards take it, for 10 s, in MiB/s.
fn full_rate(order: Order, keys_per_shard: usize, size: usize) -> f64 {
    let keys = keys(16, keys_per_shard).into_iter().flatten().collect();
    let source = Source { keys, pace: Pace::Full, size };
    let mut stage = Stage::new(build(Config::builder().order(order)), 16, vec![source]);
    stage.live_until(seconds(15));
    stage.throughput(size, seconds(5), seconds(15))
}

#[test]
fn order_costs_no_throughput() {
    for size in [100, 1_000] {
        for keys in [600, 10, 1] {
            let [with, without] = [Order::PerPartitionKey, Order::Unordered]
                .map(|order| full_rate(order, keys, size));
            println!(
                "{:5} keys, {size:4} bytes: {with:5.2} MiB/s ordered, {without:5.2} unordered, {:.0} %",
                16 * keys,
                100.0 * with / without
            );
            assert!(with >= 0.95 * without, "{with} of {without}");
        }
    }
}

/// Within a shard nobody overtakes: a record of 5 MiB takes five seconds of what its shard takes, and the service stores
/// nothing else there meanwhile. Who is fed no faster than that loses nothing, and small records wait no longer than large
/// ones, and the time of one.
#[test]
fn small_records_wait_no_longer_than_the_large_ones_of_their_shard() {
    for aggregated in [true, false] {
        let rate = RateLimit::Adaptive { ceiling_percent: 100 };
        let config = ours().aggregation_enabled(aggregated).rate_limit(rate);
        let config = build(config.max_user_record_size(10 << 20));
        let mut sources = each_shard(4);
        let keys = sources.iter().flat_map(|source| source.keys.clone()).collect();
        sources.push(Source { keys, pace: Pace::Every(millis(3_000)), size: (5 << 20) - 20 });
        let mut stage = Stage::new(config, 4, sources);
        stage.live_until(seconds(65));
        let (from, until) = (seconds(5), seconds(55));
        let kind = if aggregated { "aggregated" } else { "plain" };
        let small = stage.latencies(|source| source < 4, from, until);
        let small = print(&format!("{kind}, small ones"), &small);
        let large = stage.latencies(|source| source == 4, from, until);
        let large = print(&format!("{kind}, large ones of 5 MiB on the same shards"), &large);
        assert!(small <= large + 5_000.0, "{small} beside {large}");
        let stats = stage.stats();
        assert_eq!((stats.throttled, stats.not_stored + stats.maybe_stored), (0, 0));
    }
}
