//! What every command does when it goes wrong: nobody listens, a permission is missing, the disk is full, nobody reads.
#![cfg(unix)]

mod common;

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};

use common::serve::{KEYS, Serve};
use common::{Folder, Run, headwaters, json_lines, signal};
use serde_json::Value;

/// The commands that look at a stream, with what they need.
const LOOKING: [&[&str]; 4] = [
    &["shards", "orders"],
    &["where", "orders", "key"],
    &["tail", "orders", "--from=trim-horizon", "--no-follow"],
    &["doctor", "orders"],
];

/// Commands that print, and need nobody.
const PRINTING: [&[&str]; 8] = [
    &["gen", "--records=3"],
    &["completions", "bash"],
    &["man"],
    &["man", "tail"],
    &["aggregate"],
    &["decode"],
    &["put", "orders", "--dry-run", "--shards=2"],
    &["put", "orders", "--local"],
];

/// A record as `aggregate` and `decode` read it, and others take for a line.
const INPUT: &str = "{\"partition_key\":\"a\",\"data\":\"b25l\"}\n";

fn end(mut command: Command, input: &str) -> Run {
    let mut child = command.spawn().expect("cargo built it");
    if let Some(mut stdin) = child.stdin.take() {
        // It may end before it has read all.
        let _ = stdin.write_all(input.as_bytes());
    }
    Run::end(child)
}

#[test]
fn nobody_listens() {
    let free = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
    let url = format!("http://{}", free.local_addr().expect("it listens"));
    drop(free);
    let at = ["--endpoint-url", &url, "--region=us-east-1"];
    let dry: &[&str] = &["put", "orders", "--dry-run"];
    let put: &[&str] = &["put", "orders", "--ttl=1s", "--deadline=3s"];
    for words in LOOKING.into_iter().chain([dry, put]) {
        let mut command = headwaters(&[words, &at].concat());
        command.env_clear().envs(KEYS);
        let run = end(command, "x\n");
        let code = match words[0] {
            "doctor" => 1,
            "put" if words == put => 1,
            _ => 255,
        };
        assert_eq!(run.code, code, "{words:?}: {}", run.stderr);
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(said.contains("--endpoint-url") && said.contains("--region"), "{words:?}: {said}");
        assert!(!said.contains("secret") && !said.contains("panicked"), "{words:?}: {said}");
    }
}

#[test]
fn a_missing_permission_is_named() {
    let server = Serve::start(&["--stream", "orders:1"]);
    let shards: &[&str] = &["shards", "orders"];
    let tail: &[&str] = &["tail", "orders", "--no-follow"];
    let put: &[&str] = &["put", "orders"];
    for (words, operation, code) in [
        (shards, "ListShards", 254),
        (&["where", "orders", "a"], "ListShards", 254),
        (tail, "ListShards", 254),
        (tail, "GetShardIterator", 254),
        (tail, "GetRecords", 254),
        // A producer can do without these two.
        (&["doctor", "orders"], "DescribeStreamSummary", 0),
        (&["doctor", "orders"], "ListShards", 0),
        (&["doctor", "orders"], "PutRecords", 1),
        (put, "PutRecords", 254),
        (&["put", "orders", "--dry-run"], "ListShards", 254),
    ] {
        server.faults(&format!("[[fault]]\noperations = ['{operation}']\ndeny = true\n"));
        let run = end(server.command(words), "x\n");
        assert_eq!(run.code, code, "{words:?} without {operation}: {}", run.stderr);
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(said.contains(&format!("kinesis:{operation}")), "{words:?}: {said}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told() {
    let server = Serve::start(&["--stream", "orders:1"]);
    assert_eq!(server.put(&["--key=k"], "x\n").code, 0);
    let looking = LOOKING.map(|words| (words, server.command(words)));
    for (words, mut command) in
        looking.into_iter().chain(PRINTING.map(|words| (words, headwaters(words))))
    {
        let full = OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
        command.stdout(Stdio::from(full));
        let run = end(command, INPUT);
        assert_eq!(run.code, 255, "{words:?}: {}", run.stderr);
        assert!(run.stderr.contains("No space left on device"), "{words:?}: {}", run.stderr);
        assert!(!run.stderr.contains("panicked"), "{words:?}: {}", run.stderr);
    }
}

#[test]
fn whoever_closes_a_pipe_wants_to_know_no_more() {
    let server = Serve::start(&["--stream", "orders:1"]);
    assert_eq!(server.put(&["--key=k"], "x\n").code, 0);
    let looking = LOOKING.map(|words| (words, server.command(words)));
    for (words, mut command) in
        looking.into_iter().chain(PRINTING.map(|words| (words, headwaters(words))))
    {
        let mut child = command.spawn().expect("cargo built it");
        // Before there is anything to read for it, so that it cannot be done already, where it reads.
        drop(child.stdout.take());
        if let Some(mut stdin) = child.stdin.take() {
            let _ = stdin.write_all(INPUT.as_bytes());
        }
        let run = Run::end(child);
        assert_eq!(run.code, 0, "{words:?}: {}", run.stderr);
        let quiet = run.stderr.is_empty() || words[0] == "put";
        assert!(quiet && !run.stderr.contains("panicked"), "{words:?}: {}", run.stderr);
    }
}

#[test]
fn tail_ends_in_order_by_sigterm() {
    let server = Serve::start(&["--stream", "orders:2"]);
    assert_eq!(server.put(&["--key=k"], "x\n").code, 0);
    let mut child =
        server.command(&["tail", "orders", "--from=trim-horizon"]).spawn().expect("built");
    let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut line = String::new();
    output.read_line(&mut line).expect("UTF-8");
    assert!(line.ends_with("k  x\n"), "{line}");
    signal(&child, "TERM");
    let run = Run::end(child);
    drop(output);
    assert_eq!((run.code, run.stderr.as_str()), (143, ""));
}

/// The service lets an iterator live for five minutes; whoever was suspended longer needs another.
#[test]
fn tail_goes_on_behind_the_last_record_when_its_iterator_expires() {
    let server = Serve::start(&["--stream", "orders:1", "--limits=off"]);
    // A page has 10,000: the second is asked for with the iterator of the first.
    let lines: String = (0..12_000).map(|number| format!("{number}\n")).collect();
    let plain = ["--key=k", "--aggregate=false", "--ordered", "--rate-limit=off"];
    assert_eq!(server.put(&plain, &lines).code, 0);
    server.faults(
        "[[fault]]\noperations = ['GetRecords']\nrequests = [1, 3, 4]\nerror = { code = 'ExpiredIteratorException' }\n",
    );
    let words = ["tail", "orders", "--from=trim-horizon", "--no-follow", "--output=json"];
    let run = server.run(&words);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let numbers = json_lines(&run.stdout);
    let number =
        |line: &Value| line["data_text"].as_str().expect("text").parse::<u32>().expect("a number");
    assert!(numbers.iter().map(number).eq(0..12_000), "none is missing, none is there twice");
    let events = server.control("events");
    assert_eq!(events["events"].as_array().map(Vec::len), Some(3), "{events}");
}

#[test]
fn a_list_of_several_pages_is_read_to_its_end() {
    // A page has 1,000 shards.
    let server = Serve::start(&["--stream", "orders:2500"]);
    let run = server.run(&["shards", "orders", "--output=json"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let listed: Value = serde_json::from_str(&run.stdout).expect("one JSON document");
    let shards = listed["shards"].as_array().expect("a list").iter();
    let names: Vec<_> = shards.map(|shard| shard["shard"].as_str().expect("a name")).collect();
    assert_eq!(names.len(), 2_500);
    assert!(names.is_sorted_by(|one, next| one < next), "each is there once");

    let last = "340282366920938463463374607431768211455";
    let place = server.run(&["where", "orders", "--explicit-hash-key", last]);
    assert!(place.stdout.trim_end().ends_with("shardId-000000002499"), "{}", place.stdout);
    let dry = server.put(&["--dry-run", "--key=k"], "x\n").summary();
    assert_eq!(dry["shards"].as_array().map(Vec::len), Some(2_500));
}

/// `--output json` is one document, or one on each line, and nothing else, and has the exit code where there is one to tell.
#[test]
fn json_is_nothing_but_json() {
    let folder = Folder::of("troubles_json");
    let server = Serve::start(&["--stream", "orders:2"]);
    assert_eq!(server.put(&["--key=k"], "x\ny\n").code, 0);
    for words in LOOKING {
        let run = server.run(&[words, &["--output=json"]].concat());
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{words:?}");
        let count = if words[0] == "tail" { 2 } else { 1 };
        assert_eq!(json_lines(&run.stdout).len(), count, "{words:?}: {}", run.stdout);
    }
    let input = folder.file("input", "x\n");
    for words in [&["--dry-run", "--shards=2"][..], &["--local"]] {
        let words = [&["put", "orders", "--output=json"], words, &[&input]].concat();
        end(headwaters(&words), "").summary();
    }
}
