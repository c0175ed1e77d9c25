//! A trace of a producer: replayed it gives the same, it tells no secret, and whatever becomes of it the producer goes on.

mod common;

use core::time::Duration;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use headwaters::mock::{EntryFault, EntryFaults, Fault, Handover, Mock};
use headwaters::trace::{Replay, Replayed, Trace, TraceEnd, TraceError, TraceFault, TraceWatch};
use headwaters::wire::{AttemptError, ErrorCode, HashKey, Message};
use headwaters::{
    Bounds, Clock, Config, ConfigBuilder, Order, OuterKey, Producer, RetryPolicy, Timing,
    TokioClock, UserRecord,
};

use common::{MS, STREAM, build, builder};

/// A file in memory.
#[derive(Clone, Debug, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Memory {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("nobody panics").clone()).expect("text")
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Numbers that look drawn, and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

const PAYLOAD: &str = "PAYLOADCANARY";
const KEY: &str = "KEYCANARY";
const MESSAGE: &str = "MESSAGECANARY";

/// Now and then something goes wrong.
fn faults(mock: &Mock<TokioClock>, seed: u64) {
    let mut numbers = Numbers(seed);
    let error =
        |code: &str| AttemptError::with_message(ErrorCode::parse(code), Message::new(MESSAGE));
    mock.on_request(move |_, entries| match numbers.below(14) {
        0 => Fault::LoseAnswer,
        1 => Fault::LoseRequest,
        2 => Fault::RefuseConnection,
        3 => Fault::NeverAnswer,
        4 => Fault::DelayAnswer(900 * MS),
        5 => Fault::WrongCount(entries.len() + 1),
        6 => Fault::FailRequest(error("ServiceUnavailable")),
        7 => Fault::FailRequest(AttemptError {
            retry_after: Some(300 * MS),
            ..error("SomethingCanaryException")
        }),
        8 => Fault::FailRequest(error("ValidationException")),
        9 => {
            let stored = numbers.below(2) == 0;
            let at = numbers.below(entries.len() as u64) as usize;
            // What the service says of a throttled entry names its shard.
            let throttled = (0..entries.len()).map(|index| (index, EntryFault::Throttled));
            let faults = throttled.chain([(at, EntryFault::InternalFailure { stored })]);
            Fault::FailEntries(EntryFaults::from_iter(faults))
        }
        _ => Fault::None,
    });
}

fn record(numbers: &mut Numbers) -> UserRecord {
    let number = numbers.below(40);
    let key = match numbers.below(8) {
        0 => char::from(b'a' + number as u8 % 20).to_string(),
        1 => format!("{KEY}{}", "ü".repeat(200 + number as usize)),
        _ => format!("{KEY}-{number}"),
    };
    let size = numbers.below(3_000) as usize;
    let record = UserRecord::new(key, PAYLOAD.repeat(1 + size / 13)).expect("valid");
    match numbers.below(10) {
        0 => record.with_explicit_hash_key(HashKey::new(u128::MAX / 7 * u128::from(number % 8))),
        _ => record,
    }
}

fn reshard(mock: &Mock<TokioClock>, shards: u32) {
    let shards = shards.try_into().expect("not zero");
    mock.update_shard_count(shards, Handover::ChildrenAtOnce)
        .expect("no other change is under way");
}

/// A load in which much goes wrong, and its trace.
async fn load(config: Config, seed: u64) -> String {
    let clock = TokioClock::new();
    let mock = builder(3).latency(40 * MS).page_size(2).build(clock);
    faults(&mock, seed);
    let memory = Memory::default();
    let trace = Trace::to(memory.clone());
    let watch = trace.watch();
    let made =
        Producer::builder().stream(STREAM).transport(mock.clone()).config(config).trace(trace);
    let producer = made.start().expect("a runtime and a valid name");
    let mut numbers = Numbers(seed ^ 0xABCD);
    for round in 0..30 {
        let many: Vec<_> = (0..numbers.below(60)).map(|_| record(&mut numbers)).collect();
        match numbers.below(4) {
            0 => drop(producer.put_all(many, 20 * MS).await),
            1 => {
                for record in many {
                    let timing = Timing {
                        max_buffered_time: Some(numbers.below(50) as u32 * MS),
                        ttl: [None, Some(None), Some(Some(2_000 * MS))][numbers.below(3) as usize],
                    };
                    drop(producer.try_put_timed(record, timing));
                }
            }
            2 => {
                for record in many {
                    let permit = producer.reserve_for(record.size()).await;
                    drop(permit.put(record));
                }
            }
            _ => {
                for record in many {
                    drop(producer.try_put(record));
                }
            }
        }
        match round {
            6 => reshard(&mock, 5),
            12 => drop(producer.purge()),
            15 => producer.flush().await,
            17 => reshard(&mock, 2),
            20 => drop(producer.flush_by(10 * MS).await),
            _ => clock.sleep_until(clock.now().after(numbers.below(200) as u32 * MS)).await,
        }
    }
    producer.close(Some(1_000 * MS)).await;
    assert_eq!(wait(&watch), Some(TraceEnd::Closed));
    assert_eq!(watch.bytes(), memory.text().len() as u64);
    memory.text()
}

fn wait(watch: &TraceWatch) -> Option<TraceEnd> {
    watch.wait(Duration::from_secs(30))
}

fn replay(trace: &str) -> Result<Replayed, TraceError> {
    Replay::new(trace.as_bytes()).and_then(|replay| replay.run(&mut ()))
}

fn configs() -> Vec<ConfigBuilder> {
    let usual = || Config::builder().request_timeout(500 * MS).cancel_grace(50 * MS);
    let small = Bounds { bytes: 1_200_000, records: 60 };
    vec![
        usual(),
        usual().order(Order::PerPartitionKey),
        usual().order(Order::PerPartitionKey).aggregation_enabled(false),
        usual().aggregation_enabled(false).bounds(small).retry(RetryPolicy::Kpl),
        usual().outer_key(OuterKey::FirstRecord).aggregation_max_size(5_000),
        Config::kpl().into_builder().record_ttl(Some(700 * MS)).request_timeout(200 * MS),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_replay_says_the_same_action_by_action() {
    for (seed, config) in (1..).zip(configs()) {
        let trace = load(build(config), seed).await;
        let replayed = match replay(&trace) {
            Ok(replayed) => replayed,
            Err(error) => panic!("seed {seed}: {error}"),
        };
        assert_eq!(replayed.end, Some(TraceEnd::Closed));
        assert!(replayed.actions > 200 && replayed.records > 500, "{replayed:?}");
        assert_eq!(replayed.lines, trace.lines().count() as u64);
        assert!(replayed.engine.is_empty());
        // It tells of sizes and numbers.
        for canary in [PAYLOAD, KEY, MESSAGE, "Canary", STREAM] {
            assert!(!trace.contains(canary), "{canary}");
        }
    }
}

/// Traces that are kept, in `tests/traces`: those of bug reports, too. `README.md` there says how they are made anew.
#[tokio::test(start_paused = true)]
async fn every_kept_trace_is_what_the_engine_does() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/traces");
    if std::env::var_os("HEADWATERS_BLESS").is_some_and(|value| value == "1") {
        let config = configs().swap_remove(1).seed(4_711);
        let trace = load(build(config), 12).await;
        std::fs::write(folder.join("troubles.trace"), trace).expect("a folder that can be written");
    }
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("the folder of the traces") {
        let path = entry.expect("a readable folder").path();
        if path.extension().is_none_or(|extension| extension != "trace") {
            continue;
        }
        count += 1;
        let replayed = Replay::open(&path).and_then(|replay| replay.run(&mut ()));
        match replayed {
            Ok(replayed) => assert!(replayed.actions > 100, "{}", path.display()),
            Err(error) => panic!("{}: {error}; see README.md beside it", path.display()),
        }
    }
    assert!(count > 1, "{count} traces");
}

#[tokio::test(start_paused = true)]
async fn a_line_that_differs_is_named() {
    let trace = load(Config::default(), 9).await;
    let lines: Vec<&str> = trace.lines().collect();
    let at = lines.iter().position(|line| line.starts_with("< stored")).expect("one is stored");
    let changed = lines[at].replace("n=", "n=1");
    let other = trace.replacen(&format!("{}\n", lines[at]), &format!("{changed}\n"), 1);
    let error = replay(&other).expect_err("it was changed");
    assert_eq!(error.line, at as u64 + 1);
    assert!(matches!(error.fault, TraceFault::Differs { .. }), "{error}");
    // Other settings, other actions.
    let other =
        trace.replace("set record_max_buffered_time 100 ms", "set record_max_buffered_time 1 ms");
    assert!(matches!(
        replay(&other).expect_err("other settings").fault,
        TraceFault::Differs { .. }
    ));
    // One that breaks off is as good, as far as it goes.
    let torn = replay(&trace[..trace.len() / 2]).expect("the first half");
    assert_eq!(torn.end, None);
}

#[test]
fn what_is_no_trace_is_refused_with_its_line() {
    let head = "headwaters-trace 1\nstart 0\n";
    for (text, line, what) in [
        ("", 1, "it is no trace"),
        ("{}\n", 1, "it is no trace"),
        ("headwaters-trace 2\n", 1, "it is a trace of another version"),
        ("headwaters-trace 1\nset seed\n", 2, "a setting has no value"),
        ("headwaters-trace 1\nset sed 1\nstart 0\n", 3, "`sed` is no setting, but `seed` is"),
        ("headwaters-trace 1\nset seed 1\n", 3, "it ends too early"),
        (&format!("{head}dance\n"), 3, "nothing begins like that"),
        (&format!("{head}> dance\n"), 3, "there is no such event"),
        (&format!("{head}> answer 0.0 12\n"), 3, "there was no such request"),
        (&format!("{head}+ 1 1 0 ff\n"), 3, "there is no such record"),
        (&format!("{head}+ 1 99999999999 1 ff\n"), 3, "there is no such record"),
        (&format!("{head}> purge now\n"), 3, "it goes on too long"),
        (&format!("{head}1.5 > purge\n"), 3, "nothing begins like that"),
        (&format!("{head}< list 7 first\n"), 3, "the engine differs"),
    ] {
        let error = replay(text).expect_err(text);
        assert!(error.line == line && error.to_string().contains(what), "{text:?}: {error}");
    }
}

/// Whoever writes a trace can make a replay end early, and nothing worse.
#[tokio::test(start_paused = true)]
async fn whatever_is_in_a_trace_nothing_panics() {
    let trace = load(Config::default(), 21).await;
    let (mut numbers, mut agreed) = (Numbers(5), 0);
    for _ in 0..200 {
        let mut bytes = trace.clone().into_bytes();
        for _ in 0..=numbers.below(3) {
            let at = numbers.below(bytes.len() as u64) as usize;
            let others = b"0123456789 \n+<>=!*.#~:-af";
            bytes[at] = others[numbers.below(others.len() as u64) as usize];
        }
        agreed += u32::from(Replay::new(&bytes[..]).and_then(|replay| replay.run(&mut ())).is_ok());
    }
    assert!(agreed < 100, "{agreed} are as good as they were");
}

/// Takes so many bytes and no more.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        if taken == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Puts so many records of no size, and closes.
async fn put(trace: Trace, records: u32) -> headwaters::CloseReport {
    let mock = builder(4).unlimited().build(TokioClock::new());
    let producer = Producer::builder().stream(STREAM).transport(mock).trace(trace).start();
    let producer = producer.expect("a runtime and a valid name");
    for number in 0..records {
        drop(producer.put(common::record(&format!("k{}", number % 100))).await);
    }
    producer.close(None).await
}

#[tokio::test]
async fn a_full_disk_ends_the_trace_and_nothing_else() {
    let trace = Trace::to(Full(300_000));
    let watch = trace.watch();
    let closed = put(trace, 20_000).await;
    assert_eq!(closed.stats.engine.stored, 20_000);
    assert_eq!(wait(&watch), Some(TraceEnd::Failed(io::ErrorKind::StorageFull)));
}

#[tokio::test]
async fn a_trace_ends_at_its_limit_with_a_whole_line() {
    for limit in [0, 10, 5_000, 700_000] {
        let memory = Memory::default();
        let trace = Trace::to(memory.clone()).limit(limit);
        let watch = trace.watch();
        let closed = put(trace, 20_000).await;
        assert_eq!(closed.stats.engine.stored, 20_000);
        assert_eq!(wait(&watch), Some(TraceEnd::Limit));
        let text = memory.text();
        assert!(text.ends_with("end limit\n") && text.len() as u64 <= limit.max(10), "{limit}");
        if limit >= 5_000 {
            assert!(text.len() as u64 > limit - 200, "{} of {limit}", text.len());
            assert_eq!(replay(&text).expect("the beginning").end, Some(TraceEnd::Limit));
        }
    }
}

/// Takes nothing before it may.
struct Stuck(Arc<(Mutex<bool>, Condvar)>);

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (may, told) = &*self.0;
        let may = may.lock().expect("nobody panics");
        drop(told.wait_while(may, |may| !*may).expect("nobody panics"));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn nobody_waits_for_a_file_that_takes_nothing() {
    let may = Arc::new((Mutex::new(false), Condvar::new()));
    let trace = Trace::to(Stuck(Arc::clone(&may)));
    let watch = trace.watch();
    let closed = put(trace, 400_000).await;
    assert_eq!(closed.stats.engine.stored, 400_000);
    assert_eq!(watch.end(), None, "it is still stuck");
    *may.0.lock().expect("nobody panics") = true;
    may.1.notify_all();
    assert_eq!(wait(&watch), Some(TraceEnd::Slow));
    assert!(watch.bytes() > 16_000_000 && watch.bytes() < 18_000_000, "{}", watch.bytes());
}
