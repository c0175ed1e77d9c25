//! `headwaters aggregate` and `headwaters decode`: there and back.

mod common;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::{Folder, headwaters, json_lines, output, put, run};
use serde_json::{Value, json};

/// What the KPL makes of `("a", "hello")`, `("b", "world", explicit hash key 123)`, `("a", "!")`.
const GOLDEN: &str =
    "84mawgoBYQoBYhIDMTIzGgkIABoFaGVsbG8aCwgBEAAaBXdvcmxkGgUIABoBId1GP/n0saPk0N1N3uXQIDw=";

/// The MD5 of the letter a.
const HASH_OF_A: &str = "16955237001963240173058271559858726497";

fn record(key: &str, data: impl AsRef<[u8]>, hash_key: Option<u128>) -> Value {
    let mut record = json!({"partition_key": key, "data": STANDARD.encode(data)});
    if let Some(hash_key) = hash_key {
        record["explicit_hash_key"] = json!(hash_key.to_string());
    }
    record
}

fn golden_records() -> Vec<Value> {
    vec![record("a", "hello", None), record("b", "world", Some(123)), record("a", "!", None)]
}

/// Records of many keys and sizes, every third with an explicit hash key.
fn many(count: u128) -> Vec<Value> {
    let record = |n: u128| {
        let data = vec![b'x'; usize::try_from(n * 37 % 400).expect("below 400")];
        let hash_key = n.is_multiple_of(3).then(|| n.wrapping_mul(u128::MAX / 7));
        record(&format!("key-{}", n % 50), data, hash_key)
    };
    (0..count).map(record).collect()
}

fn lines(records: &[Value]) -> String {
    records.iter().map(|record| format!("{record}\n")).collect()
}

/// The Kinesis records that `aggregate` makes, and what it printed.
fn aggregate(words: &[&str], records: &[Value]) -> (Vec<Value>, String) {
    let run = run(&[&["aggregate"], words].concat(), lines(records));
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    (json_lines(&run.stdout), run.stdout)
}

/// The user records that `decode` makes.
fn decode(words: &[&str], input: impl AsRef<[u8]>) -> Vec<Value> {
    let run = run(&[&["decode"], words].concat(), input);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    json_lines(&run.stdout)
}

/// What a record was before it was packed.
fn unpacked(line: &Value) -> Value {
    let fields = ["partition_key", "explicit_hash_key", "data"];
    let fields = fields.map(|name| (name.to_owned(), line[name].clone()));
    Value::Object(fields.into_iter().filter(|(_, value)| !value.is_null()).collect())
}

fn size(record: &Value) -> usize {
    STANDARD.decode(record["data"].as_str().expect("a text")).expect("base64").len()
}

#[test]
fn the_bytes_are_those_of_the_kpl() {
    let (made, _) = aggregate(&[], &golden_records());
    let expected = json!({"partition_key": "a", "explicit_hash_key": HASH_OF_A, "data": GOLDEN});
    assert_eq!(made, [expected]);
    let (made, _) = aggregate(&["--outer-key=first"], &golden_records()[1..]);
    assert_eq!(
        (&made[0]["partition_key"], &made[0]["explicit_hash_key"]),
        (&json!("b"), &json!("123"))
    );
}

#[test]
fn there_and_back() {
    for (records, words, aggregates) in [
        (vec![], &[][..], 0),
        (vec![record("k", "", None)], &[], 1),
        (vec![record("\u{e9}\n", [0, 255], Some(u128::MAX))], &[], 1),
        (golden_records(), &[], 1),
        (many(2_000), &[], 9),
        (many(500), &["--max-size=64"], 500),
        (many(500), &["--max-count=7"], 72),
    ] {
        let (made, text) = aggregate(words, &records);
        assert_eq!(made.len(), aggregates, "{words:?}");
        let back = decode(&[], text);
        assert!(back.iter().map(unpacked).eq(records), "{words:?}");
    }
}

#[test]
fn a_single_record_goes_as_it_is() {
    let records = [record("k", "hi", Some(7))];
    let (made, text) = aggregate(&[], &records);
    assert_eq!(made, records);
    assert_eq!(decode(&[], text)[0]["aggregated"], false);
    let records = many(20);
    assert_eq!(aggregate(&["--max-count=1"], &records).0, records);
}

#[test]
fn each_aggregate_stays_in_its_shard_and_in_the_order_of_the_input() {
    let records = many(1_000);
    let (made, text) = aggregate(&["--shards=4", "--max-size=4KiB"], &records);
    let mut seen = Vec::new();
    let mut of_shards: Vec<Vec<Value>> = Vec::new();
    for shard in 0..4 {
        // All user records of an aggregate are kept or dropped: by the shard that it belongs to.
        let lines = decode(&[&format!("--shard={shard}/4")], &text);
        let kept =
            lines.iter().filter(|line| line["aggregated"] == true && line["dropped"].is_null());
        of_shards.push(kept.map(unpacked).collect());
        assert!(!of_shards[shard].is_empty());
        seen.extend(of_shards[shard].iter().map(ToString::to_string));
    }
    let aggregated = decode(&[], &text).iter().filter(|line| line["aggregated"] == true).count();
    assert_eq!(
        seen.len(),
        aggregated,
        "each member belongs to one shard, and none is dropped in all"
    );
    for of_shard in &of_shards {
        let mut input = records.iter();
        assert!(of_shard.iter().all(|record| input.any(|other| other == record)), "in order");
    }
    // What is left at the end comes in the order of the shards.
    let last: Vec<u128> = made[made.len() - 4..]
        .iter()
        .map(|record| record["explicit_hash_key"].as_str().and_then(|key| key.parse().ok()))
        .map(|key| key.expect("all four are aggregates"))
        .collect();
    assert!(last.is_sorted(), "{last:?}");
}

#[test]
fn no_aggregate_is_larger_than_it_may_be_and_each_is_as_full_as_it_can_be() {
    let records = many(2_000);
    for limit in [64, 1_000, 51_200, 10_485_760] {
        let (made, _) = aggregate(&["--max-size", &limit.to_string()], &records);
        let packed: Vec<usize> = made
            .iter()
            .filter(|record| record["data"].as_str().is_some_and(|data| data.starts_with("84maw")))
            .map(size)
            .collect();
        assert!(packed.iter().all(|&size| size <= limit), "{limit}: {packed:?}");
        // The largest record and its key need less than 500 bytes.
        let (_, full) = packed.split_last().unwrap_or((&0, &[]));
        assert!(limit < 1_000 || full.iter().all(|&size| size + 500 > limit), "{limit}: {full:?}");
    }
    let exact = STANDARD.decode(GOLDEN).expect("base64").len();
    let made = |limit: usize| aggregate(&["--max-size", &limit.to_string()], &golden_records()).0;
    assert!(exact < 64, "the golden vector is below the least limit");
    let mut records = golden_records();
    records.push(record("a", vec![b'y'; 64], None));
    let whole = size(&aggregate(&[], &records).0[0]);
    let count = |limit: usize| aggregate(&["--max-size", &limit.to_string()], &records).0.len();
    assert_eq!((count(whole), count(whole - 1), made(64).len()), (1, 2, 1));
}

#[test]
fn a_record_larger_than_an_aggregate_goes_alone() {
    let records = [record("a", "1", None), record("a", [b'x'; 100], None), record("a", "2", None)];
    assert_eq!(aggregate(&["--max-size=64"], &records).0, records);
}

/// As the command line of AWS prints it.
fn get_records() -> String {
    let plain = STANDARD.encode("plain\n");
    format!(
        r#"{{
    "Records": [
        {{
            "SequenceNumber": "49590338271490256608559692538361571095921575989136588898",
            "ApproximateArrivalTimestamp": "2026-08-21T10:00:00.123000+00:00",
            "Data": "{GOLDEN}",
            "PartitionKey": "a"
        }},
        {{
            "SequenceNumber": "49590338271490256608559692540925702759324208523137515618",
            "ApproximateArrivalTimestamp": 1480443759.1,
            "Data": "{plain}",
            "PartitionKey": "b",
            "EncryptionType": "KMS"
        }}
    ],
    "NextShardIterator": "AAAAAAAAAAHsW8zCWf9164uy8Epue6WS3w6wmj4a",
    "MillisBehindLatest": 0
}}
"#
    )
}

#[test]
fn what_the_command_line_of_aws_prints() {
    let number = "49590338271490256608559692538361571095921575989136588898";
    let member = |key: &str, data: &str, sub: u64| {
        json!({"partition_key": key, "data_text": data, "aggregated": true,
            "sub_sequence_number": sub, "sequence_number": number})
    };
    let mut with_hash_key = member("b", "world", 1);
    with_hash_key["explicit_hash_key"] = json!("123");
    let expected = [
        member("a", "hello", 0),
        with_hash_key,
        member("a", "!", 2),
        // With a line end it is not taken for text.
        json!({"partition_key": "b", "data": STANDARD.encode("plain\n"), "aggregated": false,
            "sequence_number": "49590338271490256608559692540925702759324208523137515618"}),
    ];
    assert_eq!(decode(&["--text"], get_records()), expected);
    // Two answers one after the other, one of them on one line; and one record per line.
    let document: Value = serde_json::from_str(&get_records()).expect("JSON");
    let input = format!("{document}{}\n", get_records());
    assert_eq!(decode(&["--text"], input), [&expected[..], &expected].concat());
    let records = document["Records"].as_array().expect("a list");
    assert_eq!(decode(&["--text"], lines(records)), expected);
}

#[test]
fn one_member_outside_the_range_drops_the_aggregate_and_plain_records_stay() {
    let dropped = |range: &str| -> Vec<bool> {
        let lines = decode(&["--range", range], get_records());
        lines.iter().map(|line| line["dropped"] == true).collect()
    };
    assert_eq!(dropped(&format!("123..{HASH_OF_A}")), [false; 4], "both ends are included");
    assert_eq!(dropped(&format!("124..{HASH_OF_A}")), [true, true, true, false]);
    assert_eq!(dropped("0..123"), [true, true, true, false]);
    let lines = decode(&["--shard=1/2"], get_records());
    assert_eq!((&lines[0]["dropped"], &lines[3]["dropped"]), (&json!(true), &Value::Null));
    assert_eq!(lines[0]["data"], STANDARD.encode("hello"), "it is written all the same");
}

#[test]
fn a_broken_member_is_named_and_the_others_are_kept() {
    // Members "one", "two" with the key number 7 of a table of one, "three".
    let key = "84mawgoBYRoHCAAaA29uZRoHCAcaA3R3bxoJCAAaBXRocmVl7gY9qdJR3m533f3MbMzGYg==";
    // Members "one", "two" with the explicit hash key "x".
    let hash_key = "84mawgoBYRIBeBoHCAAaA29uZRoJCAAQABoDdHdvbzb4FER+LnP/+qZil7UXGA==";
    // Members "one", "two" with the explicit hash key 7, one with the key number 5.
    let behind = "84mawgoBYRIBNxoHCAAaA29uZRoJCAAQABoDdHdvGgUIBRoBeAgxRQsY5F1bYaWOUX21PV8=";
    for (data, words, kept, said) in [
        (key, &[][..], 2, "member 2 of 3: the aggregate has no partition key number 7"),
        (hash_key, &[], 1, "member 2 of 2: the hash key has a character that is no digit"),
        (
            behind,
            &["--range=8..9"],
            2,
            "member 3 of 3: the aggregate has no partition key number 5",
        ),
    ] {
        let good = record("k", "good", None);
        let list = json!({"Records": [{"Data": data}, {"Data": "aGk="}]});
        let words = [&["decode", "--text"], words].concat();
        let run = run(&words, format!("{good}\n{list}\n"));
        assert_eq!(run.code, 1, "{}", run.stderr);
        let place = "headwaters: error: stdin, line 2: record 1 of the list";
        assert!(run.stderr.starts_with(&format!("{place}, {said}")), "{}", run.stderr);
        assert_eq!(run.stderr.lines().count(), 1);
        let lines = json_lines(&run.stdout);
        assert_eq!(lines.len(), 1 + kept + 1);
        assert_eq!(
            (&lines[1]["data_text"], &lines[kept + 1]["data_text"]),
            (&json!("one"), &json!("hi"))
        );
    }
}

#[test]
fn keys_and_data_that_are_no_text() {
    // The key FF, and the members "one" and FE.
    let data = "84mawgoB/xoHCAAaA29uZRoFCAAaAf5blz3bPf2d4Kd5GgDVTJY1";
    let lines = decode(&["--text"], json!({ "data": data }).to_string());
    let expected = [
        json!({"partition_key_base64": "/w==", "data_text": "one", "aggregated": true,
            "sub_sequence_number": 0}),
        json!({"partition_key_base64": "/w==", "data": "/g==", "aggregated": true,
            "sub_sequence_number": 1}),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn damaged_data_are_plain() {
    let mut data = STANDARD.decode(GOLDEN).expect("base64");
    for at in 0..data.len() {
        data[at] ^= 1;
        if at % 8 == 0 {
            let input = record("a", &data, None);
            let mut expected = input.clone();
            expected["aggregated"] = json!(false);
            assert_eq!(decode(&[], input.to_string()), [expected], "byte {at}");
        }
        data[at] ^= 1;
    }
    let whole = decode(&[], record("a", &data, None).to_string());
    assert_eq!(whole.len(), 3, "without damage it is an aggregate");
}

#[test]
fn raw_bytes_there_and_back() {
    let bytes = STANDARD.decode(GOLDEN).expect("base64");
    let made = output(&["aggregate", "--format=raw"], lines(&golden_records()));
    assert_eq!((made.status.code(), &made.stdout), (Some(0), &bytes));
    assert_eq!(
        decode(&["--input=raw"], &bytes).iter().map(unpacked).collect::<Vec<_>>(),
        golden_records()
    );

    let folder = Folder::of("raw");
    let [first, second] = [folder.file("1", &bytes), folder.file("2", "hi")];
    let lines = decode(&["--input=raw", "--text", &first, &second], "");
    assert_eq!((lines.len(), &lines[3]), (4, &json!({"data_text": "hi", "aggregated": false})));
}

#[test]
fn raw_is_for_one_kinesis_record() {
    let words = ["aggregate", "--format=raw"];
    for (more, records, count) in [
        ("--max-count=2", golden_records(), "more than one"),
        ("--shards=2", [golden_records(), many(9)].concat(), "more than one"),
        ("--shards=1", vec![], "none"),
    ] {
        let run = run(&[&words[..], &[more]].concat(), lines(&records));
        assert_eq!((run.code, run.stdout.as_str()), (2, ""));
        assert!(run.stderr.contains(&format!("the input makes {count}")), "{}", run.stderr);
    }
}

#[test]
fn bad_lines_are_named_and_the_others_stay() {
    let folder = Folder::of("bad_lines");
    let good = record("k", "hi", None);
    let input =
        format!("{good}\n{{\"data\":\"secret\"}}\n\nsecret\n{{\"data\":\"c2VjcmV0\"}}\n{good}\n");
    let file = folder.file("input", input);
    let made = run(&["aggregate", &file], "");
    let said = made.stderr.replace(&file, "FILE");
    for (said, rule) in said.lines().zip([
        "FILE, line 2: `data` is not base64",
        "FILE, line 4: the JSON is broken at column 1",
        "FILE, line 5: `partition_key` is missing",
    ]) {
        assert!(said.starts_with(&format!("headwaters: error: {rule}")), "{said}");
    }
    assert_eq!((made.code, said.lines().count(), said.contains("secret")), (1, 3, false));
    assert_eq!(decode(&[], made.stdout).len(), 2);

    let read = run(&["decode", &file], "");
    let said = read.stderr.replace(&file, "FILE");
    assert!(said.contains("FILE, line 2: `data` is not base64"), "{said}");
    assert!(said.contains("FILE, line 4: the JSON is broken at column 1"), "{said}");
    assert_eq!((read.code, said.lines().count(), said.contains("secret")), (1, 2, false));
    assert_eq!(json_lines(&read.stdout).len(), 3, "a record may lack its key there");
}

#[test]
fn the_first_ten_are_named_and_the_rest_counted() {
    for command in ["aggregate", "decode"] {
        let run = run(&[command], "{}\n".repeat(25));
        assert_eq!((run.code, run.stderr.lines().count()), (1, 11));
        assert!(run.stderr.ends_with("... and 15 more bad records\n"), "{}", run.stderr);
    }
}

#[test]
fn wrong_usage() {
    for words in [
        &["aggregate", "--max-size=63"][..],
        &["aggregate", "--shards=0"],
        &["aggregate", "no such file"],
        &["decode", "--shard=4/4"],
        &["decode", "--range=2..1"],
        &["decode", "no such file"],
    ] {
        let run = run(words, "");
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{words:?}");
        assert!(!run.stderr.is_empty());
    }
}

#[test]
fn what_put_keeps_can_be_aggregated_and_put() {
    let folder = Folder::of("aggregate_failed");
    let failed = folder.path("failed");
    let run = put(&["orders", "--local=other:1", "--key=k", "--failed", &failed], "a\nb\n");
    assert_eq!(run.code, 254, "{}", run.stderr);
    let made = common::run(&["aggregate", &failed], "");
    assert_eq!((made.code, made.stdout.lines().count()), (0, 1));
    assert_eq!(decode(&["--text"], &made.stdout).len(), 2);
    let run = put(&["orders", "--local=1", "--input=records"], made.stdout);
    assert_eq!(run.code, 0, "{}", run.stderr);
}

#[cfg(unix)]
#[test]
fn a_closed_standard_output_ends_it_quietly() {
    for command in ["aggregate", "decode"] {
        let mut child = headwaters(&[command]).spawn().expect("cargo built it");
        drop(child.stdout.take());
        let mut stdin = child.stdin.take().expect("it is piped");
        let line = format!("{}\n", record("k", vec![b'x'; 60_000], None));
        // It writes until nobody reads any more.
        while std::io::Write::write_all(&mut stdin, line.as_bytes()).is_ok() {}
        let run = common::Run::end(child);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{command}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_input_that_breaks_off_is_told() {
    let folder = Folder::of("breaks_off");
    let good = folder.file("good", record("k", "hi", None).to_string());
    for command in ["aggregate", "decode"] {
        let run = run(&[command, &good, "/proc/self/mem"], "");
        assert_eq!((run.code, run.stdout.lines().count()), (1, 1), "what came before is written");
        assert!(run.stderr.contains("line 1: the input cannot be read on"), "{}", run.stderr);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told() {
    for command in ["aggregate", "decode"] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("it is there");
        let mut child = headwaters(&[command]).stdout(full).spawn().expect("cargo built it");
        let mut stdin = child.stdin.take().expect("it is piped");
        let line = record("k", "hi", None).to_string();
        std::io::Write::write_all(&mut stdin, line.as_bytes()).expect("it reads");
        drop(stdin);
        let run = common::Run::end(child);
        assert_eq!(run.code, 255, "{command}");
        assert!(run.stderr.contains("cannot write stdout: No space left"), "{}", run.stderr);
    }
}

#[test]
fn what_comes_is_written_while_the_input_is_open() {
    use std::io::{BufRead, BufReader, Write};
    let mut child = headwaters(&["decode", "--text"]).spawn().expect("cargo built it");
    let mut stdin = child.stdin.take().expect("it is piped");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped"));
    for number in 1..=3 {
        // A document ends with its bracket, not with its line.
        write!(stdin, "{}", record("k", number.to_string(), None)).expect("it reads");
        let mut line = String::new();
        lines.read_line(&mut line).expect("it writes");
        assert_eq!(json_lines(&line)[0]["data_text"], number.to_string());
    }
    drop(stdin);
    assert_eq!(common::Run::end(child).code, 0);
}
