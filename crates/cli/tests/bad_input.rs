//! Bad input: named by file, place and rule, kept, and never in the way of the rest.

mod common;

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::{Folder, outcomes, put};
use serde_json::{Value, json};

/// Puts a file with bad records; gives what was said and what was kept.
fn put_bad(test: &str, input: &[u8], words: &[&str], expected: [u64; 2]) -> (String, Vec<Value>) {
    let folder = Folder::of(test);
    let (file, failed) = (folder.file("input", input), folder.path("failed"));
    let fixed = ["orders", "--local=64", "--output=json", "-q", "--failed", &failed, &file];
    let run = put(&[&fixed[..], words].concat(), "");
    let [stored, rejected] = expected;
    assert_eq!(outcomes(&run.summary()), [stored, 0, 0, 0, rejected], "{}", run.stderr);
    assert_eq!(run.code, 1);
    assert!(!run.stderr.contains("secret"), "content is never printed: {}", run.stderr);
    for line in folder.lines("failed") {
        assert_eq!((&line["outcome"], &line["file"]), (&json!("rejected"), &json!(file)));
        let cause = line["cause"].as_str().expect("a text");
        assert!(!cause.contains("secret"), "nor written beside the data: {cause}");
    }
    (run.stderr.replace(&file, "FILE"), folder.lines("failed"))
}

fn data(line: &Value) -> Vec<u8> {
    STANDARD.decode(line["data"].as_str().expect("there are data")).expect("base64")
}

#[test]
fn keys_that_break_the_rules() {
    let long = "é".repeat(257);
    let input = format!(
        "{{\"id\":\"\",\"x\":\"secret\"}}\n{{\"id\":\"{long}\"}}\n{{\"id\":null}}\n\
         {{\"id\":[\"secret\"]}}\n\
         {{\"id\":{{}}}}\n{{\"x\":\"secret\"}}\n{{\"id\":\"good\"}}\n"
    );
    let (said, kept) = put_bad("bad_keys", input.as_bytes(), &["--key-field", ".id"], [1, 6]);
    let rules = [
        "FILE, line 1: the partition key is empty; it must have 1 to 256 characters",
        "FILE, line 2: the partition key has 257 characters; it may have 1 to 256",
        "FILE, line 3: `.id` is null;",
        "FILE, line 4: `.id` is an array;",
        "FILE, line 5: `.id` is an object;",
        "FILE, line 6: `.id` is missing;",
    ];
    for (said, rule) in said.lines().zip(rules) {
        assert!(said.starts_with(&format!("headwaters: error: {rule}")), "{said}");
    }
    assert_eq!(said.lines().count(), rules.len());
    for (line, input) in kept.iter().zip(input.lines()) {
        assert_eq!(data(line), input.as_bytes());
        assert_eq!(line["partition_key"], Value::Null, "a key that is not valid is not kept");
    }
}

#[test]
fn hash_keys_that_break_the_rules() {
    let input = b"{\"h\":\"secret\"}\n{\"h\":-1}\n{\"h\":1e3}\n\
        {\"h\":340282366920938463463374607431768211456}\n{}\n{\"h\":1}";
    let words = ["--key=k", "--hash-key-field=.h"];
    let (said, kept) = put_bad("bad_hash_keys", input, &words, [1, 5]);
    for (number, rule) in [
        (1, "no digit at byte 0"),
        (2, "no digit at byte 0"),
        (3, "no digit at byte 1"),
        (4, "2^128"),
        (5, "missing"),
    ] {
        let line = said.lines().nth(number - 1).expect("a line each");
        assert!(line.contains(&format!("FILE, line {number}: ")) && line.contains(rule), "{line}");
    }
    assert!(kept.iter().all(|line| line["partition_key"].is_null()));
}

#[test]
fn broken_json_and_broken_text() {
    let input = b"{\"a\":\"secret\"\n{\"a\":\"\xff\"}\n{\"a\":1}\n";
    let (said, kept) = put_bad("broken_json", input, &["--input=jsonl", "--key=k"], [1, 2]);
    assert!(said.contains("FILE, line 1: the JSON is broken at column 13: EOF"), "{said}");
    assert!(said.contains("FILE, line 2: the text is not UTF-8 from byte 6"), "{said}");
    assert_eq!(data(&kept[1]), b"{\"a\":\"\xff\"}");
    assert_eq!((&kept[1]["line"], &kept[1]["offset"]), (&json!(2), &json!(14)));

    let input = b"a,b\n1,secret,3\n\xff,2\n,2\n4,5\n";
    let (said, _) = put_bad("broken_csv", input, &["--key-column", "a"], [1, 3]);
    assert!(said.contains("FILE, line 2: the row has 3 fields; the first row has 2"), "{said}");
    assert!(said.contains("FILE, line 3: the text is not UTF-8"), "{said}");
    assert!(said.contains("FILE, line 4: the partition key is empty"), "{said}");
}

#[test]
fn a_length_that_the_file_does_not_keep() {
    let input = b"\0\0\0\x01a\0\0\0\x09secret";
    let (said, kept) = put_bad("truncated", input, &["--input=length", "--key=k"], [1, 1]);
    let rule = "FILE, record 2: the length says 9 bytes, but the input ends after 6";
    assert!(said.contains(rule), "{said}");
    assert_eq!(
        (data(&kept[0]), &kept[0]["record"], &kept[0]["offset"]),
        (b"secret".to_vec(), &json!(2), &json!(5))
    );
}

/// 1 MiB, data and partition key together: what a stream takes by default.
const LIMIT: usize = 1024 * 1024;

#[test]
fn records_above_the_limit_of_the_stream() {
    let fits = "x".repeat(LIMIT - 1);
    let with_its_key_too_large = "y".repeat(LIMIT);
    let far_too_large = "z".repeat(5 * LIMIT);
    let input = [&fits, &with_its_key_too_large, &far_too_large, "end"].join("\n");
    let (said, kept) = put_bad("too_large", input.as_bytes(), &["--key=k"], [2, 2]);
    assert!(
        said.contains(
            "FILE, line 2: the record has 1048577 bytes; the stream takes at most 1048576"
        )
    );
    assert!(said.contains("FILE, line 3: the record has 5242880 bytes"), "{said}");
    assert_eq!((kept[0]["partition_key"].as_str(), data(&kept[0]).len()), (Some("k"), LIMIT));
    let place = (&kept[1]["data"], &kept[1]["line"], &kept[1]["offset"], &kept[1]["length"]);
    assert_eq!(place, (&Value::Null, &json!(3), &json!(2 * LIMIT + 1), &json!(5 * LIMIT)));
}

#[test]
fn the_first_ten_are_named_and_the_rest_counted() {
    let input = "{\n".repeat(25);
    let (said, kept) =
        put_bad("many_bad", input.as_bytes(), &["--input=jsonl", "--key=k"], [0, 25]);
    assert_eq!(said.lines().count(), 11);
    assert!(said.contains("line 10:") && said.ends_with("... and 15 more bad records\n"), "{said}");
    assert_eq!(kept.len(), 25);
}

#[test]
fn what_is_kept_names_the_problem_again_until_it_is_mended() {
    let folder = Folder::of("mended");
    let input = folder.file("input.jsonl", "{\"id\":\"\"}\n{\"id\":\"a\"}\n{\"id\":1\n");
    let [failed, again, last] = ["failed", "again", "last"].map(|name| folder.path(name));
    let run = put(&["orders", "--local", "--key-field=id", "--failed", &failed, &input], "");
    assert_eq!(run.code, 1, "{}", run.stderr);

    let words = ["orders", "--local", "--input=records", "--output=json"];
    let run = put(&[&words[..], &["--failed", &again, &failed]].concat(), "");
    assert_eq!((run.code, outcomes(&run.summary())), (1, [0, 0, 0, 0, 2]));
    assert!(run.stderr.contains("line 1: `partition_key` is missing"), "{}", run.stderr);
    let [kept, kept_again] = ["failed", "again"].map(|name| folder.lines(name));
    assert!(kept.iter().map(data).eq(kept_again.iter().map(data)), "the data stay what they are");

    let mended = fs::read_to_string(&again).expect("it is there");
    fs::write(&again, mended.replace("{\"data\"", "{\"partition_key\":\"a\",\"data\""))
        .expect("ours");
    let run = put(&[&words[..], &["--failed", &last, &again]].concat(), "");
    assert_eq!((run.code, outcomes(&run.summary())), (0, [2, 0, 0, 0, 0]), "{}", run.stderr);
    assert!(folder.lines("last").is_empty());
}

#[test]
fn a_column_that_is_not_there_is_wrong_usage_and_says_nothing_of_the_rows() {
    let folder = Folder::of("no_such_column");
    let input = folder.file("input.csv", "secret,other\n1,2\n");
    let run = put(&["orders", "--local", "--key-column=id", "--output=json", &input], "");
    assert_eq!((run.code, outcomes(&run.summary())), (2, [0; 5]));
    assert!(run.stderr.contains("the header has 2 columns, and `id` is neither"), "{}", run.stderr);
    assert!(!run.stderr.contains("secret"));
}
