//! How a run can end: in time, out of time, interrupted, with reports that cannot be written.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStderr, Stdio};

use common::{Folder, Run, command, json_lines, outcomes, put, start};
use serde_json::json;

/// As many records as this, one byte each.
fn records(count: usize) -> String {
    "x\n".repeat(count)
}

/// The seconds that the command took, by its own account.
fn elapsed(run: &Run) -> f64 {
    run.summary()["elapsed_seconds"].as_f64().expect("a number")
}

#[test]
fn wrong_usage() {
    for (words, said) in [
        (&["orders", "--region", "x@y"][..], "label of a host name"),
        (&["orders", "--endpoint-url", "http://me:secret@host"], "no user"),
        (&["arn:aws:kinesis:eu-west-1:1:stream/x"], "the account is not 12 digits"),
        (&["orders", "--local", "--profile", "x"], "cannot be used with"),
        (&["orders", "--local", "--acks=-", "--output=json"], "both want the standard output"),
        (&["or ders", "--local"], "outside [a-zA-Z0-9_.-]"),
        (&["orders", "--local", "--key", ""], "the partition key is empty"),
        (&["--local"], "<STREAM>"),
        (&["orders", "--local", "--frobnicate"], "unexpected argument"),
    ] {
        let run = put(words, "x\n");
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{words:?}");
        assert!(run.stderr.contains(said), "{words:?}: {}", run.stderr);
    }
}

#[test]
fn settings_out_of_their_bounds() {
    for (setting, said) in [
        ("--ttl=5ms", "`record_ttl` is 5 ms; it must be from 100 ms"),
        (
            "--max-bytes=1KiB",
            "`bounds.bytes` is 1024; it must be at least 1049104 (the largest record must fit, see `max_user_record_size`)",
        ),
        ("--aggregation-max-size=10", "`aggregation_max_size` is 10; it must be from 64"),
        ("--rate-limit=0", "`rate_limit.percent` is 0; it must be from 1"),
    ] {
        let run = put(&["orders", "--local", setting], "x\n");
        assert_eq!((run.code, run.stdout.as_str()), (253, ""));
        assert!(run.stderr.contains(said), "{}", run.stderr);
    }
}

#[test]
fn files_that_cannot_be_opened_stop_it_before_anything_is_sent() {
    let folder = Folder::of("cannot_be_opened");
    let good = folder.file("good", "x\n");
    let failed = folder.path("failed");
    let missing = folder.path("missing");
    let nowhere = folder.path("missing/failed");
    let directory = folder.path(".");
    let cases = [
        (vec![&good, &missing], &missing, "cannot read"),
        (vec![&good, &directory], &directory, "cannot read"),
    ];
    for (files, culprit, said) in cases {
        let mut words = vec!["orders", "--local", "--failed", &failed];
        words.extend(files.iter().map(|file| file.as_str()));
        let run = put(&words, "");
        assert_eq!((run.code, run.stdout.as_str()), (2, ""));
        assert!(run.stderr.contains(&format!("{said} {culprit}: ")), "{}", run.stderr);
        assert!(!fs::exists(&failed).expect("we may look"), "nothing was begun");
    }
    for report in ["--failed", "--acks"] {
        let run = put(&["orders", "--local", report, &nowhere, &good], "");
        assert_eq!((run.code, run.stdout.as_str()), (2, ""));
        assert!(run.stderr.contains(&format!("cannot write {nowhere}: ")), "{}", run.stderr);
    }
}

#[test]
fn reports_do_not_overwrite_what_is_needed() {
    let folder = Folder::of("do_not_overwrite");
    let input = folder.file("input", "x\n");
    let kept = folder.file("kept", "{\"data\":\"\"}\n");
    for (words, said) in [
        (&["--failed", &input][..], "is named for two things"),
        (&["--acks", &input], "is named for two things"),
        (&["--failed", &kept], "may hold what an earlier load did not deliver"),
    ] {
        let run = put(&[&["orders", "--local", &input], words].concat(), "");
        assert_eq!(run.code, 2);
        assert!(run.stderr.contains(said), "{}", run.stderr);
    }
    let both = folder.path("both");
    let run = put(&["orders", "--local", "--acks", &both, "--failed", &both, &input], "");
    assert!(run.code == 2 && run.stderr.contains("is named for two things"), "{}", run.stderr);
    assert_eq!(fs::read(&input).expect("it is there"), b"x\n");
    assert!(!fs::read(&kept).expect("it is there").is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_cannot_be_read_on_ends_the_input_and_no_more() {
    let folder = Folder::of("cannot_be_read_on");
    let [first, last] = ["first", "last"].map(|name| folder.file(name, "a\nb\n"));
    // It can be opened, but there is nothing at its beginning.
    let broken = "/proc/self/mem";
    let run = put(&["orders", "--local", "-q", "--output=json", &first, broken, &last], "");
    let summary = run.summary();
    assert_eq!((run.code, outcomes(&summary)), (1, [2, 0, 0, 0, 0]));
    assert!(
        run.stderr.contains("/proc/self/mem, line 1: the input cannot be read on: "),
        "{}",
        run.stderr
    );
    assert_eq!(summary["unread"], json!({"file": broken, "line": 1, "offset": 0}));
}

#[test]
fn a_stream_that_does_not_exist() {
    let folder = Folder::of("no_such_stream");
    let failed = folder.path("failed");
    let words = ["orders", "--local=other:2", "--output=json", "--failed", &failed];
    let run = put(&words, "a\nb\n");
    assert_eq!((run.code, outcomes(&run.summary())), (254, [0, 2, 0, 0, 0]));
    let said = "the service refused: ResourceNotFoundException: Stream orders";
    assert!(run.stderr.contains(said), "{}", run.stderr);

    // What it kept can be put where a stream is.
    let run = put(&["orders", "--local", "--input=records", "--output=json", &failed], "");
    assert_eq!((run.code, outcomes(&run.summary())), (0, [2, 0, 0, 0, 0]));
}

#[test]
fn a_stream_that_does_not_exist_is_not_fed_for_ever() {
    let folder = Folder::of("not_fed_for_ever");
    let input = folder.file("input", records(2_000_000));
    let run = put(&["orders", "--local=other:2", "--output=json", &input], "");
    let summary = run.summary();
    assert_eq!(
        (run.code, &summary["stopped"]),
        (254, &json!("the service refuses whatever comes"))
    );
    let read = summary["input"]["records"].as_u64().expect("a count");
    assert_eq!(outcomes(&summary), [0, read, 0, 0, 0]);
    assert!(read < 2_000_000, "it stops");
    let unread = json!({"file": input, "line": read + 1, "offset": 2 * read});
    assert_eq!(summary["unread"], unread, "and says where");
}

#[test]
fn a_bad_record_beside_a_refusal_is_told_apart() {
    let run = put(&["orders", "--local=other:2", "--input=jsonl", "--output=json"], "1\n{\n");
    assert_eq!((run.code, outcomes(&run.summary())), (1, [0, 1, 0, 0, 1]));
}

#[test]
fn a_deadline_hands_back_what_is_left_and_it_can_be_put_again() {
    let folder = Folder::of("deadline");
    let (failed, again) = (folder.path("failed"), folder.path("again"));
    let words = ["orders", "--local=1", "--aggregate=false", "--deadline=2s", "--output=json"];
    let run = put(&[&words[..], &["--failed", &failed]].concat(), records(10_000));
    let summary = run.summary();
    let [stored, not_stored, maybe_stored, handed_back, rejected] = outcomes(&summary);
    assert_eq!((run.code, not_stored, maybe_stored, rejected), (1, 0, 0, 0));
    assert!(stored >= 1_000 && handed_back > 0, "{summary}");
    // Delivering all of it would take 9 s.
    assert!(elapsed(&run) < 6.0, "{summary}");
    let kept = folder.lines("failed");
    assert_eq!(kept.len() as u64, handed_back);
    assert!(
        kept.iter()
            .all(|line| line["cause"].as_str().is_some_and(|cause| cause.contains("closed")))
    );

    let words = ["orders", "--local=64", "--input=records", "--output=json", "--failed", &again];
    let run = put(&[&words[..], &[&failed]].concat(), "");
    assert_eq!((run.code, outcomes(&run.summary())), (0, [handed_back, 0, 0, 0, 0]));
    assert!(folder.lines("again").is_empty());
}

#[test]
fn a_deadline_does_not_wait_for_the_input() {
    let mut child = start(&["orders", "--local", "--deadline=500ms", "--output=json", "--key=k"]);
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(b"a\nb\nunfinished").expect("it reads");
    // The pipe stays open until it has ended.
    let run = Run::end(child);
    drop(stdin);
    let summary = run.summary();
    assert_eq!((run.code, outcomes(&summary)), (1, [2, 0, 0, 0, 0]), "{}", run.stderr);
    assert_eq!(summary["stopped"], "the deadline came");
    assert_eq!(summary["unread"], json!({"file": "stdin", "line": 3, "offset": 4}));
    // Without a deadline it would wait for ever.
    assert!(elapsed(&run) < 8.0, "{summary}");
}

#[test]
fn linear_retries_end_and_report_the_rest() {
    let folder = Folder::of("linear");
    let (acks, failed) = (folder.path("acks"), folder.path("failed"));
    let words = ["orders", "--local=1", "--aggregate=false", "--retry=linear", "--ttl=200ms"];
    let reports = ["--output=json", "--acks", &acks, "--failed", &failed];
    let run = put(&[&words[..], &reports].concat(), records(3_000));
    let summary = run.summary();
    let [stored, not_stored, ..] = outcomes(&summary);
    assert!(run.code == 1 && not_stored > 0, "{summary}");
    assert_eq!(stored + not_stored, 3_000);
    let acks = folder.lines("acks");
    assert!(acks.iter().map(|ack| ack["line"].as_u64()).eq((1..=3_000).map(Some)));
    let not: Vec<_> = acks.iter().filter(|ack| ack["outcome"] == "not_stored").collect();
    assert_eq!(
        (not.len(), folder.lines("failed").len()),
        (not_stored as usize, not_stored as usize)
    );
    let cause = not[0]["cause"].as_str().expect("a text");
    assert!(cause.contains("ended") && cause.contains("ProvisionedThroughputExceeded"), "{cause}");
}

#[test]
fn what_is_throttled_may_fail_at_once() {
    let words = ["orders", "--local=1", "--aggregate=false", "--fail-if-throttled"];
    let run = put(&[&words[..], &["--output=json"]].concat(), records(3_000));
    let summary = run.summary();
    let [stored, not_stored, ..] = outcomes(&summary);
    assert!(run.code == 1 && not_stored > 0, "{summary}");
    assert_eq!((stored + not_stored, &summary["retries"]), (3_000, &json!(0)));
    assert_eq!((&summary["entries"], &summary["throttled"]), (&json!(3_000), &json!(not_stored)));
}

#[test]
fn a_rate_limit_below_what_a_shard_takes_keeps_it_from_throttling() {
    let words = ["orders", "--local=1", "--aggregate=false", "--rate-limit=90", "--key=k"];
    let mut child = start(&[&words[..], &["--acks=-"]].concat());
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(records(1_800).as_bytes()).expect("it reads");
    let mut acks = BufReader::new(child.stdout.as_mut().expect("it is piped"));
    // The input stays open until the number of shards is known.
    acks.read_line(&mut String::new()).expect("it writes");
    drop(stdin);
    let rest = rest(acks);
    let run = Run::end(child);
    assert_eq!((run.code, json_lines(&rest).len()), (0, 1_799));
    let sent_once = "retries                    0\n";
    assert!(run.stderr.contains(sent_once), "{}", run.stderr);
    assert!(run.stderr.contains("(1,800 entries)"), "{}", run.stderr);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_stops_the_load_in_order() {
    let folder = Folder::of("full_disk");
    let input = folder.file("input", records(20_000));
    for report in ["--failed", "--acks"] {
        let words = ["orders", "--local=other:4", "--output=json", report, "/dev/full", &input];
        let run = put(&words, "");
        let summary = run.summary();
        outcomes(&summary);
        assert_eq!(run.code, 255);
        let lost = summary["reports"][0]["lost"].as_u64().expect("a count");
        assert_eq!(lost, summary["input"]["records"], "all of them were refused");
        let said = format!(
            "cannot write /dev/full: No space left on device (os error 28); {lost} records"
        );
        assert!(run.stderr.contains(&said), "{}", run.stderr);
    }
    // A single line is as lost as many.
    let run = put(&["orders", "--local", "--output=json", "--acks=/dev/full"], "x\n");
    assert_eq!((run.code, &run.summary()["reports"][0]["lost"]), (255, &json!(1)));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_ends_the_reading_of_an_input_without_end() {
    let mut child = start(&["orders", "--local=64", "--output=json", "--acks=/dev/full"]);
    let mut stdin = child.stdin.take().expect("it is piped");
    // It writes until nobody reads any more.
    while stdin.write_all(b"x\n").is_ok() {}
    let run = Run::end(child);
    let summary = run.summary();
    assert_eq!((run.code, &summary["stopped"]), (255, &json!("a report could not be written")));
    outcomes(&summary);
}

#[test]
fn acks_on_the_standard_output_leave_it_to_them() {
    let run = put(&["orders", "--local", "--key=k", "--acks=-"], "a\nb\n");
    assert_eq!(run.code, 0);
    let lines: Vec<_> = json_lines(&run.stdout).iter().map(|ack| ack["line"].clone()).collect();
    assert_eq!(lines, [json!(1), json!(2)]);
    assert!(run.stderr.contains("stored") && run.stderr.contains("read back"), "{}", run.stderr);
}

/// Nobody reads the acks: what is not written by the deadline is told, and the command ends all the
/// same.
#[test]
fn a_report_that_is_not_taken_does_not_hold_it_up() {
    let words = ["orders", "--local=64", "--key-field=i", "--acks=-", "--deadline=2s"];
    let mut child = start(&words);
    let mut stdin = child.stdin.take().expect("it is piped");
    let input: String = (0..10_000).map(|number| format!("{{\"i\":{number}}}\n")).collect();
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    assert_eq!(child.wait().expect("it was started").code(), Some(255));
    let said = rest(BufReader::new(child.stderr.take().expect("it is piped")));
    assert!(said.contains("cannot write stdout: it does not take the lines in time"), "{said}");
}

#[test]
fn acks_come_while_the_input_is_open() {
    let mut child = start(&["orders", "--local", "--key=k", "--acks=-"]);
    let mut stdin = child.stdin.take().expect("it is piped");
    let mut acks = BufReader::new(child.stdout.take().expect("it is piped"));
    for number in 1..=3 {
        writeln!(stdin, "record {number}").expect("it reads");
        let mut line = String::new();
        acks.read_line(&mut line).expect("it writes");
        assert_eq!(json_lines(&line)[0]["line"], number);
    }
    drop(stdin);
    assert_eq!(Run::end(child).code, 0);
}

#[test]
fn records_of_one_aggregate_are_acknowledged_one_by_one() {
    let mut child = start(&["orders", "--local=1", "--key=k", "--acks=-"]);
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(b"a\nb\nc\n").expect("it reads");
    let mut acks = BufReader::new(child.stdout.as_mut().expect("it is piped"));
    let mut text = String::new();
    // The input stays open: they wait for company until the shards are listed.
    for _ in 1..=3 {
        acks.read_line(&mut text).expect("it writes");
    }
    drop(stdin);
    let acks = json_lines(&text);
    for (ack, line) in acks.iter().zip(1..) {
        assert_eq!((&ack["line"], &ack["outcome"]), (&json!(line), &json!("stored")));
        assert_eq!(ack["sequence_number"], acks[0]["sequence_number"]);
    }
    let run = Run::end(child);
    assert_eq!((run.code, acks.len()), (0, 3));
    for row in ["stored                     3", "kinesis records            1"] {
        assert!(run.stderr.contains(row), "{}", run.stderr);
    }
    assert!(run.stderr.contains("read back       3 records, as reported"), "{}", run.stderr);
}

#[cfg(unix)]
#[test]
fn a_closed_standard_output_is_no_accident() {
    for (output, code) in [("--output=text", 0), ("--output=json", 0), ("--acks=-", 255)] {
        let mut child = start(&["orders", "--local", "--key=k", output]);
        drop(child.stdout.take());
        let mut stdin = child.stdin.take().expect("it is piped");
        stdin.write_all(b"a\n").expect("it reads");
        drop(stdin);
        let run = Run::end(child);
        assert_eq!(run.code, code, "{output}: {}", run.stderr);
        assert!(run.stderr.contains("Broken pipe"), "{output}: {}", run.stderr);
        assert!(!run.stderr.contains("panicked"), "{output}: {}", run.stderr);
    }
}

#[test]
fn a_closed_standard_error_is_no_accident() {
    let mut child = command(&["orders", "--local"]).stderr(Stdio::piped()).spawn().expect("built");
    drop(child.stderr.take());
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(b"a\n").expect("it reads");
    drop(stdin);
    let run = Run::end(child);
    assert!(run.code == 0 && run.stdout.contains("read back"), "{}", run.stdout);
}

#[test]
fn progress_goes_to_standard_error_only_where_it_is_wanted() {
    let words = ["orders", "--local=1", "--aggregate=false", "--key=k"];
    let run = put(&[&words[..], &["--progress=always"]].concat(), records(2_500));
    assert_eq!(run.code, 0);
    assert!(
        run.stderr.contains(" records, ")
            && run.stderr.contains(" throttled in 1 of 1 shards, 0 bad"),
        "{}",
        run.stderr
    );
    let run = put(&words, records(2_500));
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
}

/// Starts a load that does not end by itself, and waits until its first record is stored.
#[cfg(unix)]
fn endless(
    words: &[&str],
    input: &str,
) -> (Child, BufReader<ChildStderr>, std::process::ChildStdin) {
    let words = [&["orders", "--acks=-", "--key=k"], words].concat();
    let mut child = start(&words);
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(input.as_bytes()).expect("it reads");
    let mut acks = BufReader::new(child.stdout.as_mut().expect("it is piped"));
    let mut line = String::new();
    acks.read_line(&mut line).expect("it writes");
    assert!(line.contains("\"stored\""), "{line}");
    let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
    (child, stderr, stdin)
}

fn rest(mut reader: impl BufRead) -> String {
    let mut text = String::new();
    reader.read_to_string(&mut text).expect("it writes UTF-8");
    text
}

#[cfg(unix)]
#[test]
fn a_signal_stops_the_reading_delivers_and_reports() {
    for (signal, code, reason) in [("INT", 130, "interrupted"), ("TERM", 143, "terminated")] {
        let (child, stderr, stdin) = endless(&["--local=4"], "a\nb\nunfinished");
        common::signal(&child, signal);
        let run = Run::end(child);
        drop(stdin);
        let said = rest(stderr);
        assert_eq!(run.code, code, "{said}");
        assert!(said.contains("stopping: no more is read"), "{said}");
        assert!(said.contains(&format!("stopped         {reason}")), "{said}");
        assert!(said.contains("unread          from stdin, line 3 (byte 4) on"), "{said}");
        assert!(said.contains("stored                     2"), "{said}");
        assert!(said.contains("read back"), "{said}");
    }
}

#[cfg(unix)]
#[test]
fn a_second_signal_stops_at_once() {
    // The rest would take the shard half a minute.
    let (child, mut stderr, stdin) = endless(&["--local=1", "--aggregate=false"], &records(30_000));
    common::signal(&child, "INT");
    let mut line = String::new();
    while !line.contains("stopping") {
        line.clear();
        assert!(stderr.read_line(&mut line).expect("it writes UTF-8") > 0, "it says that it stops");
    }
    common::signal(&child, "INT");
    let run = Run::end(child);
    drop(stdin);
    let said = rest(stderr);
    assert_eq!(run.code, 130, "{said}");
    assert!(said.contains("records are left without an outcome"), "{said}");
    assert!(!said.contains("read back"), "{said}");
}
