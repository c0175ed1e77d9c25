//! `put --resume`: loads that break off in every way, and go on.
#![cfg(unix)]

mod common;

use core::time::Duration;
use std::collections::BTreeMap;
use std::process::{Child, Stdio};
use std::{fs, thread};

use common::serve::Serve;
use common::{Folder, Run, gzip, json_lines, signal};
use serde_json::{Value, json};

/// The numbers of these lines, as records.
fn lines(numbers: core::ops::Range<u32>) -> String {
    numbers.map(|number| format!("{number}\n")).collect()
}

const PUT: [&str; 5] = ["put", "orders", "--output=json", "--progress=never", "--key=k"];

/// A stream, an input, and the state of its load.
struct Load {
    folder: Folder,
    input: Vec<String>,
    server: Serve,
    state: String,
}

impl Load {
    fn new(test: &str) -> Self {
        let (folder, server) = (Folder::of(test), Serve::start(&["--stream", "orders:1"]));
        let state = folder.path("state");
        Self { folder, input: vec![], server, state }
    }

    fn with_lines(test: &str, count: u32) -> Self {
        let mut load = Self::new(test);
        load.input = vec![load.folder.file("input", lines(0..count))];
        load
    }

    fn words<'a>(&'a self, words: &[&'a str]) -> Vec<&'a str> {
        let input = self.input.iter().map(String::as_str);
        let words = words.iter().copied().chain(input);
        PUT.into_iter().chain(["--resume", &self.state]).chain(words).collect()
    }

    fn run(&self, words: &[&str]) -> Run {
        self.server.run(&self.words(words))
    }

    /// Starts a load that takes a while, and waits until its state says that so many records are stored.
    #[expect(clippy::disallowed_methods, reason = "another process writes the file")]
    fn start(&self, words: &[&str], stored: u64) -> Child {
        let mut command = self.server.command(&self.words(words));
        let child = command.stdin(Stdio::null()).spawn().expect("cargo built it");
        let comes = (0..1_000).any(|_| {
            thread::sleep(Duration::from_millis(20));
            self.state()["stored"].as_u64() >= Some(stored)
        });
        assert!(comes, "it is slow: {}", self.state());
        child
    }

    /// The state; whenever it is looked at, it is whole.
    fn state(&self) -> Value {
        let text = fs::read(&self.state).unwrap_or_default();
        if text.is_empty() { Value::Null } else { serde_json::from_slice(&text).expect("JSON") }
    }

    /// How often each number is in the stream.
    fn stored(&self) -> BTreeMap<u32, u32> {
        let tail = ["tail", "orders", "--from=trim-horizon", "--no-follow", "--output=json"];
        let tail = self.server.run(&tail);
        assert_eq!((tail.code, tail.stderr.as_str()), (0, ""));
        let mut stored = BTreeMap::new();
        for line in json_lines(&tail.stdout) {
            let number = line["data_text"].as_str().expect("text").parse().expect("a number");
            *stored.entry(number).or_default() += 1;
        }
        stored
    }

    /// All numbers are there at least once; says how many more there are.
    fn check(&self, count: u32) -> u64 {
        let stored = self.stored();
        assert!(stored.keys().copied().eq(0..count), "{} of {count}", stored.len());
        stored.values().map(|&times| u64::from(times) - 1).sum()
    }
}

#[test]
fn a_load_that_is_killed_goes_on_and_loses_nothing() {
    let load = Load::with_lines("resume_killed", 20_000);
    let mut twice = 0;
    for stored in [2_000, 6_000] {
        let mut child = load.start(&["--rate=8000"], stored);
        child.kill().expect("it runs");
        child.wait().expect("it was started");
        let state = load.state();
        assert_eq!((&state["ended"], &state["complete"]), (&json!(false), &json!(false)));
        // What is noted is stored.
        let (noted, there) = (state["stored"].as_u64(), load.stored());
        assert!(
            there
                .keys()
                .take(noted.expect("a count") as usize)
                .copied()
                .eq(0..noted.expect("a count") as u32)
        );
        twice += there.len() as u64 - noted.expect("a count");
    }
    let before = load.state()["stored"].as_u64().expect("a count");
    let run = load.run(&[]);
    let summary = run.summary();
    assert_eq!((run.code, &summary["resume"]["complete"]), (0, &json!(true)), "{}", run.stderr);
    assert_eq!(
        summary["input"]["records"].as_u64(),
        Some(20_000 - before),
        "no more than is needed"
    );
    assert!(
        run.stderr.contains("going on behind") && run.stderr.contains("the last load broke off: "),
        "{}",
        run.stderr
    );
    // What was stored and not noted is there twice, and nothing else.
    assert!(load.check(20_000) <= twice, "{twice}");
}

#[test]
fn a_load_that_is_stopped_goes_on_behind_what_it_delivered() {
    let mut load = Load::new("resume_stopped");
    let header = format!("n\n{}", lines(5_000..10_000));
    load.input = vec![
        load.folder.file("a", lines(0..5_000)),
        load.folder.file("b.csv", header),
        load.folder.file("c.gz", gzip(&lines(10_000..15_000))),
    ];
    for (stored, name, code) in [(1_000, "INT", 130), (6_500, "TERM", 143), (11_000, "INT", 130)] {
        let child = load.start(&["--rate=4000"], stored);
        signal(&child, name);
        let run = Run::end(child);
        let summary = run.summary();
        assert_eq!(
            (run.code, &summary["resume"]["complete"]),
            (code, &json!(false)),
            "{}",
            run.stderr
        );
        assert_eq!(
            (&summary["resume"]["to_repeat"], &load.state()["ended"]),
            (&json!(0), &json!(true))
        );
        assert!(run.stderr.contains("the same command goes on"), "{}", run.stderr);
        assert!(!run.stderr.contains("broke off"), "{}", run.stderr);
    }
    assert_eq!(load.run(&[]).code, 0);
    assert_eq!(load.check(15_000), 0, "each is there once");
    let again = load.run(&[]);
    assert_eq!((again.code, &again.summary()["input"]["records"]), (0, &json!(0)));
    assert!(again.stderr.contains("nothing is left to put"), "{}", again.stderr);
    assert_eq!(load.check(15_000), 0);
}

#[test]
fn what_failed_is_put_again_and_nothing_else() {
    let load = Load::with_lines("resume_failed", 3_000);
    load.server.faults("[[fault]]\noperations = ['PutRecords']\nfail_entries = { rate = 0.3, code = 'InternalFailure' }\n");
    let fails = ["--aggregate=false", "--retry=linear", "--ttl=150ms"];
    let first = load.run(&fails);
    let report = &first.summary()["resume"];
    let (stored, again) = (report["stored"].as_u64(), report["to_repeat"].as_u64());
    assert!(first.code == 1 && again > Some(0), "{}", first.stderr);
    assert_eq!(stored.zip(again).map(|(stored, again)| stored + again), Some(3_000));

    load.server.faults("");
    let second = load.run(&[]);
    let summary = second.summary();
    assert_eq!(
        (second.code, &summary["resume"]["complete"]),
        (0, &json!(true)),
        "{}",
        second.stderr
    );
    assert_eq!(summary["input"]["records"].as_u64(), again);
    load.check(3_000);
}

#[test]
fn a_state_of_something_else_is_refused_with_what_mends_it() {
    let load = Load::with_lines("resume_refused", 100);
    assert_eq!(load.run(&[]).code, 0);
    let state = fs::read(&load.state).expect("it is there");
    let refused = |words: &[&str], input: &[&str], said: &str| {
        let words = [&PUT[..], &["--resume", &load.state], words, input].concat();
        let run = load.server.run(&words);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{said}: {}", run.stderr);
        assert!(run.stderr.contains(said), "{said}: {}", run.stderr);
        assert_eq!(fs::read(&load.state).expect("it is there"), state, "it is left alone");
    };
    let input = load.input[0].as_str();
    let acks = load.folder.file("acks", "kept");
    let longer = load.folder.file("longer", lines(0..101));
    let other = load.folder.file("other", lines(0..100).replace("99", "98"));
    refused(&["--acks", &acks], &[&longer], "had 290 bytes and has 294 now");
    assert_eq!(fs::read(&acks).expect("it is there"), b"kept", "nothing was begun");
    refused(&[], &[&other], "begins or ends with other bytes");
    refused(&["--input=nul"], &[input], "was read as lines and is now read as nul");
    refused(&["--input=csv", "--no-header"], &[input], "is now read as csv without a header");
    refused(&[], &[input, &other], "of a load of 1 files, and this one is of 2");
    refused(&[], &[input, &other], "name another file for --resume");
    refused(
        &[],
        &["/dev/null"],
        "--resume is for files, which can be read again, and /dev/null is none",
    );

    let elsewhere = Serve::start(&["--stream", "orders:1"]);
    let run = elsewhere.run(&load.words(&[]));
    assert!(
        run.code == 2 && run.stderr.contains("it is of a load into orders at http://"),
        "{}",
        run.stderr
    );
    for (state, said) in [
        (input.to_owned(), "is named for two things"),
        (load.folder.file("text", "no state\n"), "is not the state of a load"),
        (load.folder.file("later", "{\"headwaters_resume\":2}"), "is not the state of a load"),
        (load.folder.path("none/state"), "cannot write"),
        (String::from("/dev/null"), "is no file"),
        (load.folder.path("."), "is no file"),
    ] {
        let run = load.server.run(&[&PUT[..], &["--resume", &state, input]].concat());
        assert!(run.code == 2 && run.stderr.contains(said), "{said}: {}", run.stderr);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_full_for_a_while_costs_nothing() {
    let load = Load::with_lines("resume_full_disk", 12_000);
    let child = load.start(&["--rate=6000"], 1_000);
    // What is written beside the state has no room.
    std::os::unix::fs::symlink("/dev/full", format!("{}.tmp", load.state))
        .expect("the folder is ours");
    let run = Run::end(child);
    assert!(
        run.stderr.contains("No space left on device") && run.stderr.contains("the load goes on"),
        "{}",
        run.stderr
    );
    assert_eq!((run.code, &load.state()["complete"]), (0, &json!(true)));
    assert_eq!(load.check(12_000), 0);
}

#[test]
fn a_state_that_cannot_be_written_to_the_end_is_told_and_the_last_one_serves() {
    let load = Load::with_lines("resume_no_room", 12_000);
    let child = load.start(&["--rate=6000"], 1_000);
    let beside = format!("{}.tmp", load.state);
    // At this moment it may be there.
    while fs::create_dir(&beside).is_err() {}
    fs::write(format!("{beside}/kept"), "").expect("the folder is ours");
    let run = Run::end(child);
    let summary = run.summary();
    assert_eq!((run.code, &summary["stored"]), (255, &json!(12_000)), "{}", run.stderr);
    assert!(
        summary["resume"]["error"].is_string() && run.stderr.contains("it is older than the load"),
        "{}",
        run.stderr
    );

    fs::remove_dir_all(&beside).expect("the folder is ours");
    let noted = load.state()["stored"].as_u64().expect("a count");
    assert!((1_000..12_000).contains(&noted), "{noted}");
    assert_eq!(load.run(&[]).code, 0);
    assert_eq!(load.check(12_000), 12_000 - noted, "what was not noted is there twice");
}
