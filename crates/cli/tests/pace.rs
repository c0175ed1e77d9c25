//! `put --rate` and `put --dry-run`.

mod common;

use common::{Folder, outcomes, put};
use serde_json::{Value, json};

/// So many JSON lines with keys of their own.
fn lines(count: u32) -> String {
    (0..count).map(|number| format!("{{\"id\":\"key-{number}\",\"n\":{number}}}\n")).collect()
}

fn estimate(words: &[&str], input: &str) -> Value {
    let words = [&["orders", "--dry-run", "--key-field=.id", "--output=json"], words].concat();
    let run = put(&words, input);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    run.summary()
}

#[test]
fn a_rate_holds_in_records_and_in_bytes() {
    // A line is a byte, and its key another.
    for rate in ["--rate=1000/s", "--rate=2KiB"] {
        let words = ["orders", "--local=64", "--key=k", "--output=json", rate];
        let summary = put(&words, "x\n".repeat(1_200)).summary();
        assert_eq!(outcomes(&summary), [1_200, 0, 0, 0, 0]);
        // The first tenth of a second is not waited for.
        assert!(summary["elapsed_seconds"].as_f64() >= Some(1.07), "{rate}: {summary}");
    }
}

#[test]
fn a_deadline_does_not_wait_for_the_rate() {
    let words = ["orders", "--local=4", "--output=json", "--rate=1", "--deadline=500ms"];
    let summary = put(&words, "x\n".repeat(5)).summary();
    assert_eq!((&summary["stored"], &summary["exit_code"]), (&json!(1), &json!(1)));
    assert_eq!(summary["unread"]["line"], 2);
}

/// What is computed is what a producer makes of the same input when it comes faster than it is sent.
#[test]
fn a_dry_run_says_what_the_load_is() {
    let folder = Folder::of("dry_run");
    let input = folder.file("input.jsonl", lines(20_000));
    for settings in [
        // Until the shards are known the records wait together.
        &["--aggregation-max-size=4KiB", "--linger=2s"][..],
        &["--aggregate=false"],
        &["--aggregation-max-size=64"],
    ] {
        let words = [&[&*input, "--local=16"], settings].concat();
        let dry = estimate(&words, "");
        let load = [&["orders", "--key-field=.id", "--output=json"], &words[..]].concat();
        let real = put(&load, "").summary();
        assert_eq!(real["read_back"]["found"], 20_000);
        assert_eq!(dry["kinesis_records"], real["kinesis_records"], "{settings:?}");
        assert!(dry["requests_at_least"].as_u64() <= real["requests"].as_u64());
        let by_shard = |summary: &Value, name: &str| -> Vec<Value> {
            let shards = summary["shards"].as_array().expect("a list");
            shards.iter().map(|shard| shard[name].clone()).collect()
        };
        for name in ["shard", "kinesis_records", "bytes"] {
            assert_eq!(by_shard(&dry, name), by_shard(&real, name), "{settings:?}");
        }
    }
}

#[test]
fn a_dry_run_says_what_it_costs_and_on_what_assumptions() {
    let dry = estimate(&["--shards=2", "--rate=100/s"], &lines(1_000));
    assert_eq!((&dry["stream"], &dry["dry_run"]), (&json!("orders"), &json!(true)));
    assert_eq!((&dry["input"]["records"], &dry["shards_by"]), (&json!(1_000), &json!("--shards")));
    assert_eq!((&dry["seconds_at_least"], &dry["slowest"]), (&json!(10.0), &json!("--rate")));
    let cost = &dry["cost"];
    assert_eq!(cost["prices"], json!({ "gb-in": 0.08, "put-units": 0.014 }));
    assert_eq!(cost["prices_of"], "us-east-1, November 2025");
    assert!(cost["assumptions"].as_array().is_some_and(|list| !list.is_empty()));
    let units = cost["put_payload_units"].as_f64().expect("a number");
    let usd = |cost: &Value| cost["provisioned_usd"].as_f64().expect("a number");
    assert!((usd(cost) - units * 14e-9).abs() < 1e-15);

    let dearer =
        estimate(&["--shards=2", "--price=put-units=28", "--price=gb-in=1"], &lines(1_000));
    assert!((usd(&dearer["cost"]) - units * 28e-6).abs() < 1e-12);

    let words = ["orders", "--dry-run", "--shards=2", "--key-field=.id"];
    let text = put(&words, lines(1_000)).stdout;
    for said in [
        "nothing was put",
        "at least, by shardId-0",
        "payload units of 25 KiB",
        "On-demand Standard, or of --price",
        "shards by --shards:",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

#[test]
fn a_dry_run_names_bad_input() {
    let words = ["orders", "--dry-run", "--shards=2", "--key-field=.id", "--output=json"];
    let run = put(&words, "{\"id\":1}\n{\n");
    let summary = run.summary();
    assert_eq!(
        (run.code, &summary["rejected"], &summary["input"]["records"]),
        (1, &json!(1), &json!(2))
    );
    assert!(run.stderr.contains("stdin, line 2: the JSON is broken"), "{}", run.stderr);
}

/// Without `--shards` the service is asked for its shards, and for nothing else.
#[cfg(unix)]
#[test]
fn a_dry_run_asks_for_the_shards_and_puts_nothing() {
    use common::serve::Serve;
    let server = Serve::start(&["--stream", "orders:3"]);
    let run = server.put(&["--dry-run", "--key-field=.id"], &lines(100));
    let dry = run.summary();
    assert_eq!((run.code, &dry["shards_by"]), (0, &json!("ListShards")), "{}", run.stderr);
    assert_eq!(dry["shards"].as_array().map(Vec::len), Some(3));
    let tail = server.run(&["tail", "orders", "--from=trim-horizon", "--no-follow"]);
    assert_eq!((tail.code, tail.stdout.as_str()), (0, ""));

    server.faults("[[fault]]\noperations = ['ListShards']\ndeny = true\n");
    let denied = server.put(&["--dry-run"], "x\n");
    assert_eq!((denied.code, denied.stdout.as_str()), (254, ""));
    assert!(denied.stderr.contains("kinesis:ListShards"), "{}", denied.stderr);
}
