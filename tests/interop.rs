//! The aggregated record format against decoders and encoders that others wrote: the packages `aws-kinesis-agg` of
//! PyPI and of npm.
//!
//! `.ci/interop` installs them under `target/interop`. Without them the tests say loudly that they are skipped,
//! and fail where `CI` is set.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use headwaters_engine::wire::aggregate::{Decoded, Encoder, Record, decode};
use headwaters_engine::wire::{Entry, HashKey, PartitionKey};
use serde_json::{Value, json};

/// Somebody else's implementation, running.
struct Other {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Other {
    fn start(program: &str, script: &str, variable: &str, packages: &Path) -> Option<Self> {
        if !packages.exists() {
            assert!(std::env::var_os("CI").is_none(), "{} is missing", packages.display());
            // Not by `eprintln`, which a test that passes keeps to itself.
            let _ = writeln!(std::io::stderr(), "SKIPPED: run `.ci/interop` to check {script}");
            return None;
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop").join(script);
        let mut command = Command::new(program);
        command.arg(script).env(variable, packages).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        Some(Self { child, input, output })
    }

    fn ask(&mut self, work: &Value) -> Value {
        let input = self.input.as_mut().expect("it is piped");
        writeln!(input, "{work}").expect("it reads");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("it writes");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    fn decode(&mut self, data: &[u8]) -> Value {
        self.ask(&json!({ "decode": BASE64.encode(data) }))
    }

    fn encode(&mut self, entries: &[Entry]) -> Bytes {
        let answer = self.ask(&json!({ "encode": describe(entries) }));
        BASE64.decode(answer.as_str().expect("base64")).expect("base64").into()
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

fn interop() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/interop")
}

fn python() -> Option<Other> {
    Other::start("python3", "aggregate.py", "PYTHONPATH", &interop().join("python"))
}

fn node() -> Option<Other> {
    let packages = interop().join("node/node_modules");
    Other::start("node", "aggregate.js", "NODE_PATH", &packages)
}

fn describe(entries: &[Entry]) -> Value {
    let record = |entry: &Entry| {
        json!({
            "partition_key": entry.partition_key.as_str(),
            "explicit_hash_key": entry.explicit_hash_key.map(|key| key.to_string()),
            "data": BASE64.encode(&entry.data),
        })
    };
    entries.iter().map(record).collect()
}

fn entry(key: &str, hash_key: Option<u128>, data: Vec<u8>) -> Entry {
    Entry {
        data: data.into(),
        explicit_hash_key: hash_key.map(HashKey::new),
        partition_key: PartitionKey::new(key).expect("a valid key"),
    }
}

/// Kinds of aggregates. All members of one have an explicit hash key or none has: both packages report the first
/// record's for records that have none. Hash keys are large, for the npm package sorts small ones.
fn kinds() -> Vec<(&'static str, Vec<Entry>)> {
    let large = u128::MAX / 2;
    let many = |count: u32, keys: u32, size: usize, hash_keys: Option<u128>| {
        let entry = |number: u32| {
            let hash_key = hash_keys.map(|keys| large + u128::from(number) % keys);
            entry(&format!("key-{}", number % keys), hash_key, vec![(number % 251) as u8; size])
        };
        (0..count).map(entry).collect::<Vec<_>>()
    };
    vec![
        ("two records", many(2, 2, 5, None)),
        ("one key", many(40, 1, 5, None)),
        ("many keys", many(500, 500, 20, None)),
        ("keys that repeat", many(300, 7, 100, None)),
        ("one explicit hash key", many(40, 3, 5, Some(1))),
        ("many explicit hash keys", many(200, 5, 5, Some(150))),
        ("payloads of 1 KiB", many(49, 49, 1_024, None)),
        ("all bytes", vec![entry("a", None, (0..=255).collect()), entry("b", None, vec![0; 3])]),
        (
            "keys of many bytes",
            vec![
                entry(&"é".repeat(256), None, vec![1]),
                entry(&"\u{1F600}".repeat(200), None, vec![2]),
            ],
        ),
    ]
}

fn encoded(entries: &[Entry]) -> Bytes {
    let mut encoder = Encoder::default();
    entries.iter().for_each(|entry| encoder.append(Record::from(entry)));
    encoder.finish().expect("records").seal().data
}

fn read_what_we_write(mut other: Other) {
    for (kind, entries) in kinds() {
        assert_eq!(other.decode(&encoded(&entries)), describe(&entries), "{kind}");
    }
}

fn write_what_we_read(mut other: Other) {
    for (kind, entries) in kinds() {
        let data = other.encode(&entries);
        let Decoded::Aggregate(aggregate) = decode(data) else { panic!("{kind} is no aggregate") };
        let members = aggregate.members().map(|member| member?.to_entry());
        assert_eq!(members.collect::<Result<Vec<_>, _>>(), Ok(entries), "{kind}");
    }
}

#[test]
fn the_pypi_package_reads_what_we_write() {
    python().into_iter().for_each(read_what_we_write);
}

#[test]
fn the_npm_package_reads_what_we_write() {
    node().into_iter().for_each(read_what_we_write);
}

#[test]
fn we_read_what_the_pypi_package_writes() {
    python().into_iter().for_each(write_what_we_read);
}

#[test]
fn we_read_what_the_npm_package_writes() {
    node().into_iter().for_each(write_what_we_read);
}

/// What is damaged is one plain record to us and to the PyPI package, as to the KCL.
#[test]
fn damaged_aggregates_are_plain_to_both() {
    let Some(mut other) = python() else { return };
    let good = encoded(&kinds()[3].1);
    for (at, kind) in [(good.len() - 1, "trailer"), (40, "body"), (0, "magic")] {
        let mut bad = good.to_vec();
        bad[at] ^= 1;
        assert!(matches!(decode(bad.clone().into()), Decoded::Plain(_)), "{kind}");
        let read = other.decode(&bad);
        let read: Vec<_> =
            read.as_array().expect("a list").iter().map(|r| r["data"].clone()).collect();
        assert_eq!(read, [json!(BASE64.encode(&bad))], "{kind}");
    }
}
