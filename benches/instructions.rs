//! How many instructions the hot paths take, which is the same on a busy machine and on an idle one.
//!
//! ```text
//! cargo run --release -p headwaters-benches --bin instructions                a table beside `benches/instructions.txt`
//! cargo run --release -p headwaters-benches --bin instructions -- --check     and it fails if one has changed by more than 2 %
//! cargo run --release -p headwaters-benches --bin instructions -- --save      they are the new baseline
//! ```
//!
//! With `--light` the baseline is `benches/instructions-light.txt`, which is that of a build with as little optimising as
//! `.ci/run` has time for: there the table shows what a change did to each of them, and fails nothing.
//!
//! Each case is run under callgrind, in a process of its own, and only what happens in [`counted`] is counted: the second run, when
//! all is allocated that will be used again. Valgrind knows no AVX-512, so what is counted are the AVX2 ways. Another compiler gives
//! other numbers, so the baseline names its own. The cause of a change tells `callgrind_annotate`, on the files in `target/instructions`.
#![expect(clippy::print_stdout, reason = "it reports")]

use core::fmt::Write as _;
use core::hint::black_box;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use bytes::Bytes;
use headwaters_benches::{Service, drive, engine, hashed_records, records, settings};
use headwaters_engine::wire::aggregate::{self, Encoder, OuterKey, Unsealed};
use headwaters_engine::wire::{Entry, HashKey, PartitionKey, StreamName};
use headwaters_engine::{Config, UserRecord};
use headwaters_http::__internals::{parse_results, put_records};
use headwaters_http::Protocol;

/// What changes by more than this many percent is shown as changed.
const TOLERANCE: f64 = 2.0;

const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.txt");
const LIGHT_BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions-light.txt");
const OUTPUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/instructions");

type Work = Box<dyn FnMut()>;
type Case = (&'static str, fn() -> Work);

/// The cases, by their names. What is made here is not counted.
const CASES: [Case; 13] = [
    ("wire: 480 hash keys", || hash_keys(480)),
    ("wire: 1 hash key", || hash_keys(1)),
    ("wire: aggregate of 400 x 100 B", || aggregate(400, 100)),
    ("wire: aggregate of 49 x 1 KiB", || aggregate(49, 1_024)),
    ("wire: seal 16 aggregates of 50 KB", seal),
    ("engine: 2,000 plain", || drives(false, None)),
    ("engine: 2,000 plain, one in five throttled", || drives(false, Some(5))),
    ("engine: 2,000 aggregated", || drives(true, None)),
    ("http: write 500 x 100 B, JSON", || write(Protocol::Json, 100)),
    ("http: write 500 x 1 KiB, JSON", || write(Protocol::Json, 1_024)),
    ("http: write 500 x 100 B, CBOR", || write(Protocol::Cbor, 100)),
    ("http: read 500 stored", || read(0)),
    ("http: read 500, 50 throttled", || read(50)),
];

fn entries(count: usize, size: usize) -> Vec<Entry> {
    let entry = |number: usize| Entry {
        data: Bytes::from(vec![(number % 251) as u8; size]),
        explicit_hash_key: None,
        partition_key: PartitionKey::new(format!("partition-key-of-32-bytes-{number:06}"))
            .expect("a valid key"),
    };
    (0..count).map(entry).collect()
}

fn hash_keys(count: usize) -> Work {
    let (entries, mut hash_keys) = (entries(count, 1), vec![HashKey::new(0); count]);
    Box::new(move || {
        HashKey::of_many(entries.iter().map(|entry| &entry.partition_key), &mut hash_keys);
        black_box(&hash_keys);
    })
}

fn pack(encoder: &mut Encoder, entries: &[(Entry, HashKey)]) -> Unsealed {
    for (Entry { data, partition_key, .. }, hash_key) in entries {
        let hash_key = *hash_key;
        let record = aggregate::Record { data, hash_key, is_explicit: false, partition_key };
        encoder.append(record);
    }
    encoder.finish().expect("it is not empty")
}

fn hashed(entries: Vec<Entry>) -> Vec<(Entry, HashKey)> {
    entries.into_iter().map(|entry| (entry.clone(), entry.hash_key())).collect()
}

fn aggregate(count: usize, size: usize) -> Work {
    let entries = hashed(entries(count, size));
    let mut encoder = Encoder::new(52_000, OuterKey::Kpl);
    Box::new(move || drop(black_box(pack(&mut encoder, &entries))))
}

fn seal() -> Work {
    let entries = hashed(entries(49, 1_024));
    let mut encoder = Encoder::new(52_000, OuterKey::Kpl);
    let aggregates: Vec<Unsealed> = (0..16).map(|_| pack(&mut encoder, &entries)).collect();
    Box::new(move || drop(black_box(Unsealed::digest_all(&aggregates))))
}

fn drives(aggregated: bool, failing: Option<usize>) -> Work {
    const COUNT: usize = 2_000;
    let config: Config =
        settings(COUNT).aggregation_enabled(aggregated).build().expect("valid settings");
    let all = if aggregated { hashed_records(COUNT, 100) } else { records(COUNT, 100) };
    let (mut engine, service) = (engine(config), Service::new(failing));
    // Three: one before the count, and one to spare.
    let mut copies: Vec<Vec<UserRecord>> = (0..3).map(|_| all.clone()).collect();
    Box::new(move || {
        let records = copies.pop().expect("one for each run");
        assert_eq!(drive(&mut engine, records, &service), COUNT);
    })
}

fn write(protocol: Protocol, size: usize) -> Work {
    let (entries, mut body) = (entries(500, size), Vec::new());
    let stream = StreamName::new("orders").expect("a valid name");
    Box::new(move || {
        body.clear();
        put_records(protocol, &mut body, &stream, &entries);
        black_box(&body);
    })
}

/// As the service writes it: records and failures of all shards, one after the other.
fn read(failed: usize) -> Work {
    let stored = |shard: usize| {
        format!(
            r#"{{"SequenceNumber":"495434630765480075771050927030395603599752285183950126{shard:02}","ShardId":"shardId-0000000000{shard:02}"}}"#
        )
    };
    let throttled = |shard: usize| {
        format!(
            r#"{{"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"Rate exceeded for shard shardId-0000000000{shard:02} in stream orders under account 111111111111."}}"#
        )
    };
    let entry = |index: usize| {
        let shard = index * 7 % 16;
        if index * failed % 500 < failed { throttled(shard) } else { stored(shard) }
    };
    let entries: Vec<String> = (0..500).map(entry).collect();
    let text = format!("{{\"FailedRecordCount\":{failed},\"Records\":[{}]}}", entries.join(","));
    let body = Bytes::from(text);
    Box::new(move || {
        let results = parse_results(Protocol::Json, &body, 500);
        assert_eq!(black_box(results).map(|results| results.len()), Some(500));
    })
}

/// What callgrind counts: it looks for the name of this function.
#[inline(never)]
fn counted(work: &mut Work) {
    work();
}

fn run(case: &str) {
    let (_, make) = CASES.iter().find(|(name, _)| *name == case).expect("one of the cases");
    let mut work = make();
    work();
    counted(&mut work);
}

/// Runs a case under callgrind; what it counted, if there is valgrind and it worked.
fn count(case: &str) -> Option<u64> {
    let name: String =
        case.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let output = Path::new(OUTPUT).join(name);
    fs::create_dir_all(OUTPUT).ok()?;
    let status = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*instructions::counted*"])
        .arg(format!("--callgrind-out-file={}", output.display()))
        .arg(std::env::current_exe().ok()?)
        .args(["--case", case])
        .stderr(Stdio::null())
        .status();
    if !status.ok()?.success() {
        return None;
    }
    let text = fs::read_to_string(output).ok()?;
    let totals = text.lines().find_map(|line| line.strip_prefix("totals: "))?;
    totals.trim().parse().ok()
}

fn rustc() -> String {
    let output = Command::new("rustc").arg("--version").output();
    output.map_or_else(|_| String::new(), |out| String::from_utf8_lossy(&out.stdout).trim().into())
}

/// The numbers in the file, by case, and the compiler that they are of.
fn read_baseline(path: &str) -> (BTreeMap<String, u64>, String) {
    let text = fs::read_to_string(path).unwrap_or_default();
    let compiler = text.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or_default();
    let number = |line: &str| {
        let (count, case) = line.trim().split_once(' ')?;
        Some((case.to_owned(), count.parse().ok()?))
    };
    (text.lines().filter_map(number).collect(), compiler.to_owned())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if let [flag, case] = &arguments[..]
        && flag == "--case"
    {
        run(case);
        return ExitCode::SUCCESS;
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        CASES.iter().for_each(|(case, _)| run(case));
        println!(
            "instructions: each case was run, and none was counted: there is no valgrind here"
        );
        return ExitCode::SUCCESS;
    }
    let baseline = if has("--light") { LIGHT_BASELINE } else { BASELINE };
    let changed = compare(baseline, has("--save"));
    if changed > 0 && has("--check") { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Prints the table; how many have changed.
fn compare(baseline: &str, save: bool) -> usize {
    let (before, compiler) = read_baseline(baseline);
    let mut text = format!("# {}\n", rustc());
    if compiler != rustc() {
        println!("the baseline is of {compiler}, this is {}", rustc());
    }
    let mut changed = 0;
    println!("{:44} {:>12} {:>12} {:>9}", "instructions", "before", "now", "change");
    for (case, _) in CASES {
        let now = count(case).expect("valgrind runs it");
        let _ = writeln!(text, "{now:>12} {case}");
        let Some(&before) = before.get(case) else {
            println!("{case:44} {:>12} {now:>12}", "-");
            continue;
        };
        let percent = (now as f64 / before as f64 - 1.0) * 100.0;
        let mark = if percent.abs() > TOLERANCE { " CHANGED" } else { "" };
        changed += usize::from(!mark.is_empty());
        println!("{case:44} {before:>12} {now:>12} {percent:>8.2}%{mark}");
    }
    if save {
        fs::write(baseline, text).expect("the repository can be written");
    }
    changed
}
