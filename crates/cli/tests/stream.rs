//! The commands that look at a stream: `shards`, `where`, `tail` and `doctor`, at `headwaters serve`.
#![cfg(unix)]

mod common;

use std::io::{BufRead, BufReader};

use common::serve::{KEYS, Serve};
use common::{Folder, Run, headwaters, json_lines, run, signal};
use serde_json::Value;

fn json(run: &Run) -> Value {
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.stdout);
    serde_json::from_str(&run.stdout).expect("one JSON document")
}

/// The numbers that the records of a tail hold as text.
fn numbers(run: &Run) -> Vec<u32> {
    let lines = json_lines(&run.stdout);
    let number =
        |line: &Value| line["data_text"].as_str().expect("text").parse().expect("a number");
    lines.iter().map(number).collect()
}

fn lines(numbers: core::ops::Range<u32>) -> String {
    numbers.map(|number| format!("{number}\n")).collect()
}

const TAIL: [&str; 6] = ["tail", "orders", "--from", "trim-horizon", "--output", "json"];

fn tail(server: &Serve, words: &[&str]) -> Run {
    server.run(&[&TAIL, words].concat())
}

#[test]
fn where_names_the_shard_that_a_record_lands_on() {
    let folder = Folder::of("stream_where");
    let server = Serve::start(&["--stream", "orders:4"]);
    let listed = json(&server.run(&["shards", "orders", "--output=json"]));
    let shards = listed["shards"].as_array().expect("a list");
    assert_eq!(shards.len(), 4);
    assert!(
        shards.iter().all(|shard| shard["state"] == "open" && shard["share"] == 0.25),
        "{listed}"
    );

    for key in ["customer-17", "customer-18", "\u{e9}"] {
        let acks = folder.path(key);
        assert_eq!(server.put(&["--key", key, "--acks", &acks], "x\n").code, 0);
        let places = json(&server.run(&["where", "orders", key, "--output=json"]));
        assert_eq!(places["keys"][0]["shard"], folder.lines(key)[0]["shard"], "{places}");
    }
    let last = "340282366920938463463374607431768211455";
    let text = server.run(&["where", "orders", "a", "--explicit-hash-key", last]).stdout;
    assert!(
        text.starts_with("KEY  HASH KEY") && text.ends_with("shardId-000000000003\n"),
        "{text}"
    );

    server.faults("[[fault]]\noperations = ['ListShards']\ntimes = 1\nreshard = { shards = 2 }\n");
    let text = server.run(&["shards", "orders"]).stdout;
    assert_eq!(text.matches("closed").count(), 4, "{text}");
    assert!(
        text.contains("50.00 %") && text.contains("shardId-000000000000 shardId-000000000001"),
        "{text}"
    );
    let open = json(&server.run(&["shards", "orders", "--open", "--output=json"]));
    assert_eq!(open["shards"].as_array().map(Vec::len), Some(2));
}

#[test]
fn errors_name_what_mends_them() {
    let server = Serve::start(&["--stream", "orders:1"]);
    let missing = server.run(&["shards", "odrers"]);
    assert_eq!(missing.code, 254);
    assert!(missing.stderr.ends_with("; did you mean orders?\n"), "{}", missing.stderr);
    server.faults("[[fault]]\noperations = ['ListShards']\ndeny = true\n");
    for command in [&["shards", "orders"][..], &["where", "orders", "a"], &["tail", "orders"]] {
        let denied = server.run(command);
        assert_eq!((denied.code, denied.stdout.as_str()), (254, ""));
        assert!(
            denied.stderr.contains("allow these credentials kinesis:ListShards"),
            "{}",
            denied.stderr
        );
    }
    server.faults("[[fault]]\noperations = ['ListShards']\ntimes = 2\nthrottle = true\n");
    assert_eq!(server.run(&["shards", "orders"]).code, 0, "throttles are waited out");
    let url = server.url.clone();
    drop(server);

    let bare = |words: &[&str], keys: &[(&str, &str)]| {
        let mut command = headwaters(words);
        command.env_clear().envs(keys.iter().copied());
        Run::end(command.spawn().expect("cargo built it"))
    };
    let at = ["shards", "orders", "--endpoint-url", &url, "--region=us-east-1"];
    let gone = bare(&at, &KEYS);
    assert_eq!(gone.code, 255);
    assert!(
        gone.stderr.contains("cannot reach the service") && gone.stderr.contains("--endpoint-url")
    );
    let lost = bare(&at[..2], &KEYS);
    assert!(lost.code == 253 && lost.stderr.contains("--region"), "{}", lost.stderr);
    let nobody = bare(&at, &[]);
    assert!(nobody.code == 253 && nobody.stderr.contains("AWS_ACCESS_KEY_ID"), "{}", nobody.stderr);
    for (words, hint) in [
        (&["where", "orders"][..], "<KEY>..."),
        (&["where", "orders", "--explicit-hash-key", "x"], "decimal"),
        (&["tail", "orders", "--from", "noon"], "trim-horizon"),
        (
            &[
                "tail",
                "orders",
                "--from",
                "49590338271490256608559692538361571095921575989136588898",
            ],
            "--shard",
        ),
        (&["shards", "no way"], "stream"),
    ] {
        let wrong = run(words, "");
        assert!(wrong.code == 2 && wrong.stderr.contains(hint), "{words:?} {}", wrong.stderr);
    }
}

#[test]
fn tail_takes_aggregates_apart_and_lets_no_control_character_through() {
    let server = Serve::start(&["--stream", "orders:1"]);
    let records = "{\"partition_key\":\"a\",\"data\":\"b25l\"}\n{\"partition_key\":\"b\",\"data\":\"G1sySg==\"}\n";
    let packed = run(&["aggregate", "-"], records).stdout;
    assert_eq!(packed.lines().count(), 1, "{packed}");
    assert_eq!(server.put(&["--input", "records"], &packed).code, 0);
    assert_eq!(server.put(&["--key", "c"], "three\n").code, 0);

    let all = tail(&server, &["--no-follow"]);
    assert_eq!((all.code, all.stderr.as_str()), (0, ""));
    let all = json_lines(&all.stdout);
    let keys: Vec<_> = all.iter().map(|line| line["partition_key"].as_str()).collect();
    assert_eq!(keys, [Some("a"), Some("b"), Some("c")]);
    assert_eq!(
        (&all[1]["sub_sequence_number"], &all[1]["data"]),
        (&Value::from(1), &Value::from("G1sySg=="))
    );
    assert_eq!(
        (&all[2]["sub_sequence_number"], &all[2]["data_text"]),
        (&Value::Null, &Value::from("three"))
    );

    let text = server.run(&["tail", "orders", "--from=1h", "--limit=2"]);
    assert_eq!(text.code, 0);
    let ends: Vec<_> =
        text.stdout.lines().map(|line| line.split_once("Z  ").expect("a time").1).collect();
    assert_eq!(ends, ["0  a  one", "0  b  \\x1b[2J"]);
    let raw = server.run(&["tail", "orders", "--from=trim-horizon", "--no-follow", "--output=raw"]);
    assert_eq!(raw.stdout, "one\n\u{1b}[2J\nthree\n");

    let number = all[2]["sequence_number"].as_str().expect("a number");
    let shard = ["--shard", "shardId-000000000000"];
    let last =
        server.run(&[&["tail", "orders", "--from", number, "--no-follow"], &shard[..]].concat());
    assert!(
        last.stdout.ends_with("  c  three\n") && last.stdout.lines().count() == 1,
        "{}",
        last.stdout
    );
    let none = tail(&server, &["--shard", "shardId-000000000009"]);
    assert!(
        none.code == 254 && none.stderr.contains("headwaters shards orders"),
        "{}",
        none.stderr
    );
}

#[test]
fn tail_reads_parents_before_their_children() {
    let server = Serve::start(&["--stream", "orders:2"]);
    for (at, change) in [(0, "shards = 5"), (40, "shards = 2"), (80, "split = 'any'")] {
        server.faults(&format!(
            "[[fault]]\noperations = ['PutRecords']\ntimes = 1\nreshard = {{ {change} }}\n"
        ));
        assert_eq!(server.put(&["--key", "k"], &lines(at..at + 40)).code, 0);
    }
    let all = tail(&server, &["--no-follow"]);
    assert_eq!((all.code, all.stderr.as_str()), (0, ""));
    assert!(numbers(&all).into_iter().eq(0..120), "{:?}", numbers(&all));
    let line = &json_lines(&all.stdout)[119];
    let later = tail(&server, &["--from", "1h", "--no-follow"]);
    assert_eq!(later.code, 2, "an option is given once");
    assert_ne!(line["shard"], "shardId-000000000000");
}

#[test]
fn tail_follows_a_reshard_and_waits_out_throttles_until_ctrl_c() {
    let server = Serve::start(&["--stream", "orders:1"]);
    server.faults(
        "[[fault]]\noperations = ['GetRecords']\nrequests = [1, 3]\nthrottle = true\n\
         [[fault]]\noperations = ['GetRecords']\nrequests = [2]\nreset = 'before'\n\
         [[fault]]\noperations = ['PutRecords']\nrequests = [2]\nreshard = { shards = 3 }\n",
    );
    assert_eq!(server.put(&["--key", "k"], "0\n").code, 0);
    let mut child = server.command(&TAIL).spawn().expect("cargo built it");
    let mut output = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let mut next = || output.next().expect("a line").expect("UTF-8");
    assert!(next().contains("\"data_text\":\"0\""));
    assert_eq!(server.put(&["--key", "k"], &lines(1..20)).code, 0);
    let lines: Vec<_> = (1..20).map(|_| next()).collect();
    for (number, line) in (1..).zip(&lines) {
        assert!(line.contains(&format!("\"data_text\":\"{number}\"")), "{line}");
    }
    signal(&child, "INT");
    let ended = Run::end(child);
    assert_eq!(ended.code, 130);
    assert!(ended.stderr.contains("ProvisionedThroughputExceededException"), "{}", ended.stderr);
    assert!(ended.stderr.contains("trying again"), "{}", ended.stderr);
}

#[test]
fn tail_ends_quietly_when_nobody_reads_on_and_says_when_it_may_not() {
    let server = Serve::start(&["--stream", "orders:1"]);
    assert_eq!(server.put(&["--key", "k"], &lines(0..2_000)).code, 0);
    let mut child = server.command(&TAIL).spawn().expect("cargo built it");
    drop(child.stdout.take());
    let more = server.put(&["--key", "k"], &lines(0..1));
    assert_eq!(more.code, 0);
    let ended = Run::end(child);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));

    server.faults("[[fault]]\noperations = ['GetRecords']\ndeny = true\n");
    let denied = tail(&server, &[]);
    assert_eq!(denied.code, 254);
    assert!(denied.stderr.contains("kinesis:GetRecords"), "{}", denied.stderr);
}

#[test]
fn doctor_finds_what_is_wrong() {
    let server = Serve::start(&["--stream", "orders:2"]);
    let well = server.run(&["doctor", "orders", "--output=json"]);
    assert_eq!((well.code, well.stderr.as_str()), (0, ""), "{}", well.stdout);
    let verdict = |run: &Run, check: &str| {
        let report: Value = serde_json::from_str(&run.stdout).expect("one JSON document");
        assert_eq!(report["exit_code"], run.code);
        let findings = report["findings"].as_array().expect("a list").clone();
        let finding = findings.into_iter().find(|finding| finding["check"] == check);
        finding.unwrap_or_else(|| panic!("{check} in {}", run.stdout))
    };
    for check in [
        "credentials",
        "region",
        "endpoint",
        "clock",
        "stream",
        "limits",
        "ListShards",
        "PutRecords",
    ] {
        assert_eq!(verdict(&well, check)["verdict"], "ok", "{}", well.stdout);
    }
    assert_eq!(tail(&server, &["--no-follow"]).stdout, "", "nothing is stored");

    server
        .faults("[[fault]]\noperations = ['PutRecords']\ndeny = true\n[[fault]]\nclock = '-10m'\n");
    let ill = server.run(&["doctor", "orders", "--output=json"]);
    assert_eq!(ill.code, 1);
    let mend = verdict(&ill, "PutRecords")["mend"].clone();
    assert!(mend.as_str().is_some_and(|mend| mend.contains("kinesis:PutRecords")), "{mend}");
    assert_eq!(verdict(&ill, "clock")["verdict"], "fail");
    let text = server.run(&["doctor", "orders", "--no-put"]);
    assert!(text.code == 1 && text.stdout.contains("\nFAIL  clock "), "{}", text.stdout);
    assert!(
        !text.stdout.contains("PutRecords") && text.stdout.contains("-> set this machine's clock")
    );

    let missing = server.run(&["doctor", "order", "--output=json"]);
    let finding = verdict(&missing, "DescribeStreamSummary");
    assert_eq!((missing.code, finding["mend"].as_str()), (1, Some("did you mean orders?")));
}

#[test]
fn made_up_records_go_into_put() {
    let made = run(&["gen", "--records=300", "--keys=5", "--skew=1", "--seed=7"], "");
    assert_eq!((made.code, made.stderr.as_str()), (0, ""));
    let first = &json_lines(&made.stdout)[0];
    assert!(
        first["seq"] == 1 && first["key"].as_str().is_some_and(|key| key.starts_with("key-")),
        "{first}"
    );
    let template =
        ["gen", "-n50", "--seed=7", "--template={seq} {uuid} {choice:a|b}{pad}", "--size=60..90"];
    let sized = run(&template, "");
    assert_eq!(sized.stdout, run(&template, "").stdout, "the seed decides");
    assert!(sized.stdout.lines().all(|line| (60..=90).contains(&line.len())), "{}", sized.stdout);

    let server = Serve::start(&["--stream", "orders:4"]);
    assert_eq!(server.put(&["--key-field", ".key"], &made.stdout).code, 0);
    let records = run(&["gen", "-n20", "--output=records", "--rate=1000"], "").stdout;
    assert_eq!(server.put(&["--input", "records"], &records).code, 0);
    assert_eq!(tail(&server, &["--no-follow"]).stdout.lines().count(), 320);

    for (words, hint) in [
        (&["gen", "--template={nope}"][..], "{choice:a|b}"),
        (&["gen", "--template=x", "--size=9"], "{pad}"),
        (&["gen", "--rate=0"], "a second"),
        (&["gen", "--keys=0"], "1000000"),
    ] {
        let wrong = run(words, "");
        assert!(wrong.code == 2 && wrong.stderr.contains(hint), "{words:?} {}", wrong.stderr);
    }
}

#[test]
fn gen_without_an_end_ends_with_its_reader_its_time_or_ctrl_c() {
    let mut child = headwaters(&["gen"]).spawn().expect("cargo built it");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line).expect("UTF-8");
    let ended = Run::end(child);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    assert_eq!(run(&["gen", "--for=50ms", "--rate=100"], "").stdout.lines().count(), 5);

    let mut child = headwaters(&["gen", "--rate=1"]).spawn().expect("cargo built it");
    let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
    output.read_line(&mut line).expect("UTF-8");
    signal(&child, "INT");
    assert_eq!(Run::end(child).code, 130);
}

#[test]
fn help_fits_a_screen() {
    for name in ["completions", "doctor", "gen", "man", "put", "shards", "tail", "where"] {
        let help = run(&[name, "-h"], "").stdout;
        assert!(help.lines().all(|line| line.len() <= 100) && help.lines().count() <= 45, "{help}");
        assert_eq!(help.lines().nth(2), Some("Examples:"), "{help}");
    }
}

#[test]
fn the_command_describes_itself() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = run(&["completions", shell], "");
        assert!(
            script.code == 0
                && script.stdout.contains("trim-horizon") | script.stdout.contains("tail")
        );
    }
    assert_eq!(run(&["completions", "csh"], "").code, 2);
    let page = run(&["man"], "");
    assert!(
        page.code == 0 && page.stdout.contains(".TH") && page.stdout.contains("headwaters\\-tail"),
        "{}",
        page.stdout
    );
    assert!(run(&["man", "tail"], "").stdout.contains("trim\\-horizon"));
    let wrong = run(&["man", "tial"], "");
    assert!(wrong.code == 2 && wrong.stderr.contains("tail"), "{}", wrong.stderr);
    let folder = Folder::of("stream_man");
    assert_eq!(run(&["man", "--all", &folder.path("")], "").code, 0);
    let written = std::fs::read_to_string(folder.path("headwaters-tail.1")).expect("it is there");
    assert!(written.contains(".TH"), "{written}");
}
