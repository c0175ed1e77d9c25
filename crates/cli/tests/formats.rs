//! Each format of the input, from file to record.
//!
//! What the command makes of its input is seen in what it keeps of records that the service
//! refuses: a stream that is not there refuses them all.

mod common;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::{Folder, outcomes, put, run};
use serde_json::Value;

/// Key, explicit hash key and data of each record that the command would put.
fn records(test: &str, name: &str, input: &[u8], words: &[&str]) -> Vec<(String, String, String)> {
    let folder = Folder::of(test);
    let (file, failed) = (folder.file(name, input), folder.path("failed"));
    let fixed = ["orders", "--local=other:1", "--failed", &failed, &file];
    let run = put(&[&fixed[..], words].concat(), "");
    assert_eq!(run.code, 254, "{}", run.stderr);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let data = |line: &Value| STANDARD.decode(text(&line["data"])).expect("it is base64");
    let record = |line: &Value| {
        let data = String::from_utf8(data(line)).expect("the tests have text");
        (text(&line["partition_key"]), text(&line["explicit_hash_key"]), data)
    };
    folder.lines("failed").iter().map(record).collect()
}

fn expect(records: &[(String, String, String)], expected: &[(&str, &str, &str)]) {
    let records: Vec<_> =
        records.iter().map(|(key, hash, data)| (&key[..], &hash[..], &data[..])).collect();
    assert_eq!(records, expected);
}

#[test]
fn lines_and_one_key() {
    let found = records("lines_and_one_key", "input", b"one\r\n\n two\nend", &["--key", "k"]);
    expect(&found, &[("k", "", "one"), ("k", "", " two"), ("k", "", "end")]);
}

#[test]
fn json_lines_and_fields() {
    let input = br#"{"a": {"b": "x"}, "h": 340282366920938463463374607431768211455}
{"a": {"b": 1.0}, "h": "7"}
"#;
    let words = ["--key-field", ".a.b", "--hash-key-field", "h"];
    let found = records("json_lines_and_fields", "input", input, &words);
    let max = u128::MAX.to_string();
    let lines: Vec<&str> = core::str::from_utf8(input).expect("text").lines().collect();
    expect(&found, &[("x", &max, lines[0]), ("1.0", "7", lines[1])]);
}

#[test]
fn csv_by_extension_and_columns() {
    let input = b"id,text\n1,\"a,\nb\"\n\n2,\"plain\"\n";
    let by_name = records("csv_by_name", "input.csv", input, &["--key-column", "id"]);
    expect(&by_name, &[("1", "", "1,\"a,\nb\""), ("2", "", "2,plain")]);
    let words = ["--key-column", "2", "--no-header"];
    let by_number = records("csv_by_number", "input.csv", b"1,x\n2,y\n", &words);
    expect(&by_number, &[("x", "", "1,x"), ("y", "", "2,y")]);
    let all_the_same = records("csv_key", "input.csv", b"id\n1\n", &["--key", "k"]);
    expect(&all_the_same, &[("k", "", "1")]);
}

#[test]
fn nul_and_length() {
    let found = records("nul", "input", b"a\nb\0\0c", &["--key", "k", "--input", "nul"]);
    expect(&found, &[("k", "", "a\nb"), ("k", "", ""), ("k", "", "c")]);
    let input = b"\0\0\0\x02\r\n\0\0\0\0\0\0\0\x01x";
    let found = records("length", "input", input, &["--key", "k", "--input", "length"]);
    expect(&found, &[("k", "", "\r\n"), ("k", "", ""), ("k", "", "x")]);
}

#[test]
fn records_as_the_command_keeps_them() {
    let input =
        br#"{"partition_key":"a","explicit_hash_key":"7","data":"aGk=","outcome":"not_stored"}"#;
    let found = records("records", "input", input, &["--input", "records"]);
    expect(&found, &[("a", "7", "hi")]);
}

#[test]
fn a_random_key_for_each_record_and_the_user_knows() {
    let found = records("random_keys", "input", b"a\nb\nc\n", &[]);
    let mut keys: Vec<&str> = found.iter().map(|(key, _, _)| &key[..]).collect();
    assert!(keys.iter().all(|key| key.len() == 32), "{keys:?}");
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 3);

    let notice = "no key is given";
    let run = put(&["orders", "--local"], "a\nb\n");
    assert_eq!((run.code, run.stderr.matches(notice).count()), (0, 1), "{}", run.stderr);
    let run = put(&["orders", "--local", "--quiet"], "a\nb\n");
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let run = put(&["orders", "--local", "--key", "k"], "a\nb\n");
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
}

#[test]
fn files_and_the_standard_input_in_their_order() {
    let folder = Folder::of("files_in_order");
    let first = folder.file("first.jsonl", "{\"id\": 1}\n\n{\"id\": 2}\n");
    let second = folder.file("second.csv", "id,x\n\n3,y\n");
    let acks = folder.path("acks");
    let words = ["orders", "--local=16", "--output=json", "--acks", &acks];
    let run = put(&[&words[..], &[&first, "-", &second]].concat(), "five\r\nsix");
    assert_eq!(run.code, 0, "{}", run.stderr);

    let places: Vec<_> = folder
        .lines("acks")
        .iter()
        .map(|ack| {
            assert_eq!(ack["outcome"], "stored");
            let text = ack["file"].as_str().expect("a name").to_owned();
            (text, ack["line"].as_u64(), ack["offset"].as_u64())
        })
        .collect();
    let expected = [
        (first.clone(), Some(1), Some(0)),
        (first, Some(3), Some(11)),
        (String::from("stdin"), Some(1), Some(0)),
        (String::from("stdin"), Some(2), Some(6)),
        (second, Some(3), Some(6)),
    ];
    assert_eq!(places, expected);
    let summary = run.summary();
    assert_eq!(outcomes(&summary), [5, 0, 0, 0, 0]);
    assert_eq!(
        (&summary["input"]["empty_lines"], &summary["read_back"]["found"]),
        (&1.into(), &5.into())
    );
}

#[test]
fn the_summary_adds_up_and_acks_name_shard_and_number() {
    let folder = Folder::of("summary_adds_up");
    let acks = folder.path("acks");
    let input: String = (0..2_000).map(|n| format!("{{\"id\": {n}, \"h\": {n}}}\n")).collect();
    let words = ["orders", "--local=8", "--aggregate=false", "--key-field", "id", "--output=json"];
    let run = put(&[&words[..], &["--acks", &acks]].concat(), &input);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let summary = run.summary();
    assert_eq!(outcomes(&summary), [2_000, 0, 0, 0, 0]);
    let shards = summary["shards"].as_array().expect("a list");
    assert_eq!(shards.len(), 8);
    let sum =
        |name: &str| shards.iter().map(|shard| shard[name].as_u64().expect("a count")).sum::<u64>();
    assert_eq!(summary["kinesis_records"], 2_000);
    assert_eq!(
        (sum("kinesis_records"), sum("bytes")),
        (2_000, summary["input"]["bytes"].as_u64().expect("a count"))
    );

    let acks = folder.lines("acks");
    assert!(acks.iter().map(|ack| ack["line"].as_u64()).eq((1..=2_000).map(Some)));
    for ack in &acks {
        assert!(ack["shard"].as_str().is_some_and(|shard| shard.starts_with("shardId-")), "{ack}");
        assert!(ack["sequence_number"].is_string() && ack["attempts"].as_u64() >= Some(1), "{ack}");
        assert_eq!(ack["maybe_duplicate"], false);
    }
}

/// The read-back looks into aggregates, but what was put as one is no more than a record.
#[test]
fn aggregates_in_the_input_are_records_like_others() {
    let two = "{\"partition_key\":\"a\",\"data\":\"aGk=\"}\n".repeat(2);
    let aggregate = run(&["aggregate"], &two).stdout;
    for words in [&["--aggregate=false"][..], &[]] {
        let words = [&["orders", "--local", "--input=records", "--output=json"], words].concat();
        let run = put(&words, &aggregate);
        assert_eq!((run.code, outcomes(&run.summary())), (0, [1, 0, 0, 0, 0]), "{}", run.stderr);
        assert_eq!(run.summary()["read_back"]["found"], 1);
    }
}

#[test]
fn an_explicit_hash_key_chooses_the_shard() {
    let folder = Folder::of("hash_key_chooses");
    let acks = folder.path("acks");
    let max = u128::MAX;
    let input = format!("{{\"h\":0}}\n{{\"h\":\"{max}\"}}\n{{\"h\":{max}}}\n");
    let words = ["orders", "--local=4", "--key=k", "--hash-key-field=.h", "--acks", &acks];
    assert_eq!(put(&words, input).code, 0);
    let shards: Vec<_> = folder.lines("acks").iter().map(|ack| ack["shard"].to_string()).collect();
    assert_eq!(shards[1], shards[2]);
    assert!(shards[0].ends_with("0\"") && shards[1].ends_with("3\""), "{shards:?}");
}

#[test]
fn an_empty_input_is_all_delivered() {
    let run = put(&["orders", "--local", "--output=json", "--key=k"], "");
    assert_eq!((run.code, outcomes(&run.summary())), (0, [0; 5]));
}
