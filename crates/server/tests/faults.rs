//! What goes wrong on command, and what is told about it.

mod support;

use std::time::Instant;

use headwaters_server::{FaultPlan, Server};
use serde_json::{Value, json};
use support::{ask, builder, control, iterator, read, records, refusal, server, start, try_ask};

async fn with(plan: &str) -> Server {
    let server = server().await;
    server.set_faults(FaultPlan::from_toml(plan).expect("a valid plan"));
    server
}

/// How many records the stream holds.
async fn held(server: &Server) -> usize {
    let mut count = 0;
    for shard in 0..2 {
        let from = iterator(server, shard, "TRIM_HORIZON", json!({})).await;
        count += read(server, from).await.0.len();
    }
    count
}

fn errors(answer: &Value) -> Vec<usize> {
    let results = answer["Records"].as_array().expect("a list").iter().enumerate();
    results
        .filter(|(_, result)| result.get("ErrorCode").is_some())
        .map(|(index, _)| index)
        .collect()
}

fn outcomes(server: &Server) -> Vec<String> {
    let report: Value = serde_json::from_str(&server.events(0)).expect("JSON");
    let events = report["events"].as_array().expect("a list");
    events.iter().map(|event| event["outcome"].as_str().expect("a text").to_owned()).collect()
}

#[tokio::test]
async fn entries_fail_by_index_by_step_and_by_rate() {
    let server = with("[[fault]]\noperations = ['PutRecords']\nrequests = [2]\nfail_entries = { indexes = [1, 3] }").await;
    assert_eq!(ask(&server, "PutRecords", records(5)).await["FailedRecordCount"], 0);
    let answer = ask(&server, "PutRecords", records(5)).await;
    assert_eq!((errors(&answer), &answer["FailedRecordCount"]), (vec![1, 3], &json!(2)));
    assert_eq!(answer["Records"][1]["ErrorCode"], "ProvisionedThroughputExceededException");
    assert_eq!(held(&server).await, 8);

    let server =
        with("[[fault]]\nfail_entries = { every = 2, code = 'InternalFailure', stored = true }")
            .await;
    let answer = ask(&server, "PutRecords", records(5)).await;
    assert_eq!(errors(&answer), [1, 3]);
    assert_eq!(answer["Records"][1]["ErrorMessage"], "Internal Service Failure.");
    assert_eq!(held(&server).await, 5, "they are stored all the same");

    let by_rate = async |seed: u64| {
        let server =
            with(&format!("seed = {seed}\n[[fault]]\nfail_entries = {{ rate = 0.2 }}")).await;
        errors(&ask(&server, "PutRecords", records(500)).await)
    };
    let failed = by_rate(7).await;
    assert!((60..140).contains(&failed.len()), "{} of 500 at a rate of 0.2", failed.len());
    assert_eq!(by_rate(7).await, failed, "the same seed, the same entries");
    assert_ne!(by_rate(8).await, failed);
}

#[tokio::test]
async fn requests_are_refused_with_any_code() {
    let server = with(
        "[[fault]]\noperations = ['PutRecord']\nerror = { code = 'ServiceUnavailable' }\n\
         [[fault]]\noperations = ['PutRecords']\nerror = { code = 'Whatever', status = 418, message = 'no', stored = true }\n\
         [[fault]]\noperations = ['ListShards']\ndeny = true\n\
         [[fault]]\noperations = ['ListStreams']\nthrottle = true\n\
         [[fault]]\noperations = ['DescribeStream']\nerror = { code = 'KMSDisabledException' }",
    )
    .await;
    let one = json!({ "StreamName": "orders", "Data": "", "PartitionKey": "k" });
    assert_eq!(try_ask(&server, "PutRecord", &one).await.expect("an answer").status, 503);
    let answer = try_ask(&server, "PutRecords", &records(3)).await.expect("an answer");
    assert_eq!(
        (answer.status, answer.json()),
        (418, json!({ "__type": "Whatever", "message": "no" }))
    );
    let stream = json!({ "StreamName": "orders" });
    let (code, message) = refusal(&server, "ListShards", stream.clone()).await;
    assert_eq!(code, "AccessDeniedException");
    assert!(message.contains(
        "kinesis:ListShards on resource: arn:aws:kinesis:us-east-1:000000000000:stream/orders"
    ));
    assert_eq!(refusal(&server, "ListStreams", json!({})).await.0, "LimitExceededException");
    assert!(refusal(&server, "DescribeStream", stream).await.1.ends_with("is disabled."));
    assert_eq!(held(&server).await, 3, "what is refused is not stored, but where it is said");
}

#[tokio::test]
async fn answers_are_lost_in_every_way() {
    let server = with(
        "[[fault]]\noperations = ['PutRecords']\nrequests = [1]\nreset = 'before'\n\
         [[fault]]\noperations = ['PutRecords']\nrequests = [2]\nreset = 'during'\n\
         [[fault]]\noperations = ['PutRecords']\nrequests = [3]\nreset = 'after'\n\
         [[fault]]\noperations = ['PutRecords']\nrequests = [4]\nlose_answer = 'close'\n\
         [[fault]]\noperations = ['PutRecords']\nrequests = [5]\ntruncate = { bytes = 10 }\n\
         [[fault]]\noperations = ['PutRecords']\nrequests = [6]\nlose_answer = 'silence'",
    )
    .await;
    let kinds = ["reset before", "reset during", "reset after", "closed"];
    for (number, kind) in (1..).zip(kinds) {
        let error = try_ask(&server, "PutRecords", &records(number)).await.expect_err("no answer");
        let is_reset = error.kind() == std::io::ErrorKind::ConnectionReset;
        assert_eq!(is_reset, kind.starts_with("reset"), "{kind}: {error}");
    }
    let cut = try_ask(&server, "PutRecords", &records(5)).await.expect("a part of an answer");
    let whole: usize =
        cut.header("content-length").and_then(|size| size.parse().ok()).expect("a size");
    assert!(cut.body.len() == 10 && whole > 10, "{} of {whole}", cut.body.len());
    let silent = records(6);
    let silent = try_ask(&server, "PutRecords", &silent);
    let patience = core::time::Duration::from_millis(300);
    #[expect(clippy::disallowed_methods, reason = "nothing happens in real time")]
    let waited = tokio::time::timeout(patience, silent).await;
    assert!(waited.is_err(), "nothing comes");
    assert_eq!(held(&server).await, 3 + 4 + 5 + 6);
    let expected = ["reset", "reset", "reset", "closed", "truncated", "silence"];
    assert_eq!(outcomes(&server), expected);
}

#[tokio::test]
async fn answers_come_late_slow_huge_or_are_none() {
    let server = with(
        "[[fault]]\nrequests = [1]\ndelay = { time = '200ms', jitter = '50ms' }\n\
         [[fault]]\nrequests = [2]\nslow = 1000\n\
         [[fault]]\nrequests = [3]\nhuge = '3MiB'\n\
         [[fault]]\nrequests = [4]\nmalformed = '<html>'\n\
         [[fault]]\nrequests = [5]\nclock = '-10m'\n\
         [[fault]]\nrequests = [6]\ndelay = { time = '100ms', after = true }",
    )
    .await;
    #[expect(clippy::disallowed_methods, reason = "answers are late in real time")]
    let now = Instant::now;
    let started = now();
    ask(&server, "PutRecords", records(2)).await;
    assert!(started.elapsed().as_millis() >= 200);
    let started = now();
    let slow = try_ask(&server, "PutRecords", &records(4)).await.expect("an answer");
    assert!(
        started.elapsed().as_millis() as usize >= slow.body.len() * 8 / 10,
        "{:?}",
        started.elapsed()
    );
    assert_eq!(slow.json()["FailedRecordCount"], 0, "it is whole in the end");
    let huge = try_ask(&server, "PutRecords", &records(2)).await.expect("an answer");
    assert_eq!((huge.body.len(), &huge.json()["FailedRecordCount"]), (3 << 20, &json!(0)));
    let none = try_ask(&server, "PutRecords", &records(2)).await.expect("an answer");
    assert_eq!((none.status, &*none.body), (200, &b"<html>"[..]));
    let skewed = try_ask(&server, "PutRecords", &records(2)).await.expect("an answer");
    let date = skewed.header("date").expect("a date").to_owned();
    let next = try_ask(&server, "PutRecords", &records(2)).await.expect("an answer");
    let right = next.header("date").expect("a date");
    assert_ne!(date[..22], right[..22], "ten minutes before");
    assert_eq!(held(&server).await, 14);
}

#[tokio::test]
async fn counts_are_wrong_on_command() {
    let server = with(
        "[[fault]]\nrequests = [1]\nwrong_count = { results = -1 }\n\
         [[fault]]\nrequests = [2]\nwrong_count = { results = 2 }\n\
         [[fault]]\nrequests = [3]\nwrong_count = { failed = 7 }",
    )
    .await;
    let mut counts = Vec::new();
    for _ in 0..3 {
        let answer = ask(&server, "PutRecords", records(3)).await;
        let results = answer["Records"].as_array().expect("a list").len();
        counts.push((results, answer["FailedRecordCount"].as_u64().expect("a count")));
    }
    assert_eq!(counts, [(2, 0), (5, 0), (3, 7)]);
    assert_eq!(held(&server).await, 9);
}

#[tokio::test]
async fn shards_change_at_a_request() {
    let server = with(
        "[[fault]]\noperations = ['PutRecords']\nrequests = [2]\nreshard = { split = 'shardId-000000000001' }\n\
         [[fault]]\noperations = ['PutRecords']\nrequests = [3]\nreshard = { merge = ['shardId-000000000002', 'shardId-000000000003'] }\n\
         [[fault]]\noperations = ['PutRecords']\nrequests = [4]\nreshard = { shards = 8 }\n\
         [[fault]]\noperations = ['PutRecords']\nrequests = [5]\nreshard = { split = 'shardId-000000000000' }\n\
         [[fault]]\noperations = ['PutRecords']\nrequests = [6]\nreshard = { split = 'any' }",
    )
    .await;
    let mut open = Vec::new();
    for _ in 0..6 {
        ask(&server, "PutRecords", records(1)).await;
        let filter = json!({ "StreamName": "orders", "ShardFilter": { "Type": "AT_LATEST" } });
        let listed = ask(&server, "ListShards", filter).await;
        open.push(listed["Shards"].as_array().expect("a list").len());
    }
    assert_eq!(open, [2, 3, 2, 8, 8, 9]);
    let report: Value = serde_json::from_str(&server.events(0)).expect("JSON");
    let note = report["events"][3]["note"].as_str().expect("it could not be done");
    assert!(note.contains("Could not find shard shardId-000000000000"), "{note}");
}

#[tokio::test]
async fn requests_are_chosen_by_operation_stream_and_number() {
    let plan = "[[fault]]\nname = 'one'\noperations = ['PutRecord', 'PutRecords']\nstream = 'orders'\nfrom = 3\nevery = 2\n\
                times = 2\nerror = { code = 'InternalFailure' }";
    let server = start(builder(1).stream("other", 1).expect("a name")).await;
    server.set_faults(FaultPlan::from_toml(plan).expect("a valid plan"));
    let mut statuses = Vec::new();
    for number in 0..10 {
        let other = json!({ "StreamName": "other", "Data": "", "PartitionKey": "k" });
        ask(&server, "PutRecord", other).await;
        ask(&server, "ListStreams", json!({})).await;
        let one = json!({
            "StreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/orders", "Data": "", "PartitionKey": "k",
        });
        let answer = match number % 2 {
            0 => try_ask(&server, "PutRecord", &one).await,
            _ => try_ask(&server, "PutRecords", &records(1)).await,
        };
        statuses.push(answer.expect("an answer").status);
    }
    // Counted from the third on, each second one, twice.
    assert_eq!(statuses, [200, 200, 200, 500, 200, 500, 200, 200, 200, 200]);
    let (_, report) = control(&server, "GET", "faults", "").await;
    assert_eq!(report["faults"], json!([{ "name": "one", "matched": 10, "applied": 2 }]));
}

#[tokio::test]
async fn the_control_path_sets_tells_and_clears() {
    let server = server().await;
    let plan = "[[fault]]\nname = 'down'\nerror = { code = 'ServiceUnavailable' }";
    let (status, report) = control(&server, "POST", "faults", plan).await;
    assert_eq!((status, &report["faults"][0]["name"]), (200, &json!("down")));
    assert_eq!(refusal(&server, "ListStreams", json!({})).await.0, "ServiceUnavailable");
    let (_, events) = control(&server, "GET", "events", "").await;
    let event = &events["events"][0];
    assert_eq!((&event["operation"], &event["faults"]), (&json!("ListStreams"), &json!(["down"])));
    assert_eq!(
        (&event["status"], &event["request"], &event["number"]),
        (&json!(503), &json!(1), &json!(0))
    );
    assert_eq!((&events["next"], &events["requests"]), (&json!(1), &json!({ "ListStreams": 1 })));
    assert_eq!(control(&server, "GET", "events?from=1", "").await.1["events"], json!([]));
    assert_eq!(control(&server, "DELETE", "faults", "").await.1["faults"], json!([]));
    ask(&server, "ListStreams", json!({})).await;
    for (method, path) in [("GET", "nothing"), ("PATCH", "faults"), ("POST", "events")] {
        let (status, answer) = control(&server, method, path, "").await;
        assert_eq!(status, 404);
        assert!(
            answer["error"].as_str().is_some_and(|error| error.contains("/_headwaters/faults"))
        );
    }
    assert_eq!(control(&server, "GET", "events?since=1", "").await.0, 400);
    let (status, answer) = control(&server, "POST", "faults", "[[fault]]\nwho = 1").await;
    assert_eq!(status, 400);
    let error = answer["error"].as_str().expect("a text");
    assert!(error.contains("unknown field `who`") && error.contains("`lose_answer`"), "{error}");
    let page = b"POST /_headwaters/faults HTTP/1.1\r\nHost: x\r\nOrigin: http://evil\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(support::exchange(&server, page).await.expect("an answer").status, 403);
}

#[test]
fn a_wrong_plan_is_told_with_what_would_be_right() {
    let cases = [
        (
            "[[fault]]\ndelay = { time = '1s' }\nlatency = 1",
            "unknown field `latency`, expected one of `name`, `operations`",
        ),
        ("faults = []", "unknown field `faults`, expected `fault` or `seed`"),
        (
            "[[fault]]\noperations = ['PutRecord']",
            "fault 1: it says which requests, but not what happens",
        ),
        (
            "[[fault]]\nname = 'x'\noperations = ['Put']\ndeny = true",
            "x: operations: there is no \"Put\"; there are AddTagsToStream,",
        ),
        (
            "[[fault]]\ndeny = true\n[[fault]]\nrate = 2.0\ndeny = true",
            "fault 2: rate is 2; it is from 0 to 1",
        ),
        ("[[fault]]\nrate = nan\ndeny = true", "rate is NaN"),
        ("[[fault]]\nevery = 0\ndeny = true", "every is 0; it is 1 or more"),
        ("[[fault]]\nrequests = [1, 0]\ndeny = true", "requests is 0; it is 1 or more"),
        ("[[fault]]\ndeny = true\nthrottle = true", "give one of deny, error and throttle"),
        ("[[fault]]\nerror = { code = 'a b' }", "error.code is \"a b\""),
        (
            "[[fault]]\nerror = { code = 'X', status = 200 }",
            "error.status is 200; it is from 400 to 599",
        ),
        ("[[fault]]\nerror = { status = 500 }", "missing field `code`"),
        ("[[fault]]\ndelay = { time = 'soon' }", "delay.time is \"soon\""),
        (
            "[[fault]]\nfail_entries = { every = 2, rate = 0.5 }",
            "give one of every, indexes and rate",
        ),
        (
            "[[fault]]\nfail_entries = { every = 2, code = 'X' }",
            "fail_entries.code is \"X\"; entries fail with",
        ),
        (
            "[[fault]]\nfail_entries = { every = 2, code = 'ProvisionedThroughputExceededException', stored = true }",
            "what is throttled is not stored",
        ),
        (
            "[[fault]]\nreset = 'never'",
            "unknown variant `never`, expected one of `after`, `before`, `during`",
        ),
        ("[[fault]]\nreset = 'during'\nstream = 'x'", "before the stream is known"),
        ("[[fault]]\nstream = 'no way'\ndeny = true", "stream: "),
        ("[[fault]]\nhuge = 'much'", "huge is \"much\"; a size is"),
        ("[[fault]]\nslow = 0", "slow is 0; it is 1 or more"),
        ("[[fault]]\nclock = '-soon'", "clock is"),
        ("[[fault]]\ntruncate = { }", "truncate: give one of bytes and share"),
        ("[[fault]]\nreshard = { shards = 0 }", "reshard.shards is 0"),
        ("[[fault]]\nreshard = { }", "give one of merge, shards and split"),
        ("[[fault]]\nwrong_count = { }", "give failed, results or both"),
    ];
    for (plan, words) in cases {
        let error = FaultPlan::from_toml(plan).expect_err(plan).to_string();
        assert!(error.contains(words), "{plan}: {error}");
    }
    let json = r#"{ "seed": 1, "fault": [{ "deny": true, "operations": ["PutRecord"] }] }"#;
    assert_eq!(FaultPlan::from_json(json).map(|plan| plan.len()), Ok(1));
    assert!(FaultPlan::from_toml("").is_ok_and(|plan| plan.is_empty()));
}
