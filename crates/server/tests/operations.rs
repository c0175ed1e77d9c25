//! Every operation through real HTTP, in JSON.

mod support;

use core::time::Duration;

use headwaters_server::{Retention, Server};
use serde_json::{Value, json};
use support::{
    ask, builder, control, exchange, iterator, read, records, refusal, request, server, start,
};

#[tokio::test]
async fn a_stream_is_made_described_listed_and_deleted() {
    let server = server().await;
    ask(&server, "CreateStream", json!({ "StreamName": "logs", "ShardCount": 3 })).await;
    let listed = ask(&server, "ListStreams", json!({})).await;
    assert_eq!(listed["StreamNames"], json!(["logs", "orders"]));
    assert_eq!(listed["HasMoreStreams"], false);
    assert_eq!(listed["StreamSummaries"][0]["StreamStatus"], "ACTIVE");
    let page = ask(&server, "ListStreams", json!({ "Limit": 1 })).await;
    assert_eq!((&page["StreamNames"], &page["HasMoreStreams"]), (&json!(["logs"]), &json!(true)));
    for more in
        [json!({ "NextToken": page["NextToken"] }), json!({ "ExclusiveStartStreamName": "logs" })]
    {
        assert_eq!(ask(&server, "ListStreams", more).await["StreamNames"], json!(["orders"]));
    }

    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/logs";
    let summary = ask(&server, "DescribeStreamSummary", json!({ "StreamARN": arn })).await;
    let summary = &summary["StreamDescriptionSummary"];
    assert_eq!((&summary["StreamName"], &summary["StreamARN"]), (&json!("logs"), &json!(arn)));
    assert_eq!(
        (&summary["OpenShardCount"], &summary["RetentionPeriodHours"]),
        (&json!(3), &json!(24))
    );
    assert_eq!(summary["MaxRecordSizeInKiB"], 1_024);
    assert!(summary["StreamCreationTimestamp"].is_number());

    let described =
        ask(&server, "DescribeStream", json!({ "StreamName": "logs", "Limit": 2 })).await;
    let described = &described["StreamDescription"];
    assert_eq!(described["Shards"].as_array().map(Vec::len), Some(2));
    assert_eq!(described["HasMoreShards"], true);
    let rest =
        json!({ "StreamName": "logs", "ExclusiveStartShardId": described["Shards"][1]["ShardId"] });
    let rest = ask(&server, "DescribeStream", rest).await;
    assert_eq!(rest["StreamDescription"]["Shards"][0]["ShardId"], "shardId-000000000002");
    assert_eq!(rest["StreamDescription"]["HasMoreShards"], false);

    ask(&server, "DeleteStream", json!({ "StreamName": "logs" })).await;
    let (code, message) = refusal(&server, "DescribeStream", json!({ "StreamName": "logs" })).await;
    assert_eq!(code, "ResourceNotFoundException");
    assert_eq!(message, "Stream logs under account 000000000000 not found.");
    ask(&server, "CreateStream", json!({ "StreamName": "logs", "ShardCount": 1 })).await;
}

#[tokio::test]
async fn what_is_put_is_read() {
    let server = server().await;
    let one = json!({ "StreamName": "orders", "Data": "AAEC", "PartitionKey": "a\"b\u{e9}" });
    let placement = ask(&server, "PutRecord", one).await;
    let placed = ask(&server, "PutRecords", records(500)).await;
    assert_eq!(placed["FailedRecordCount"], 0);
    let results = placed["Records"].as_array().expect("a list");
    assert_eq!(results.len(), 500);
    let mut read_back = Vec::new();
    for shard in 0..2 {
        let from = iterator(&server, shard, "TRIM_HORIZON", json!({})).await;
        let (records, last) = read(&server, from).await;
        assert!(
            records.is_sorted_by_key(|record| record["SequenceNumber"].as_str().map(str::to_owned))
        );
        assert_eq!(last["MillisBehindLatest"], 0);
        assert!(last["NextShardIterator"].is_string(), "an open shard goes on");
        let id = format!("shardId-{shard:012}");
        read_back.extend(records.into_iter().map(|record| (id.clone(), record)));
    }
    assert_eq!(read_back.len(), 501);
    let find = |placement: &Value| {
        let same = |(_, record): &&(String, Value)| {
            record["SequenceNumber"] == placement["SequenceNumber"]
        };
        read_back.iter().find(same).expect("it is there").clone()
    };
    let (shard, record) = find(&placement);
    assert_eq!(placement["ShardId"], shard);
    assert_eq!((&record["Data"], &record["PartitionKey"]), (&json!("AAEC"), &json!("a\"b\u{e9}")));
    for (number, result) in results.iter().enumerate() {
        let (shard, record) = find(result);
        assert_eq!(result["ShardId"], shard);
        assert_eq!(record["PartitionKey"], format!("key-{number}"));
        assert!(record["ApproximateArrivalTimestamp"].as_f64().is_some_and(|time| time > 1.7e9));
    }
}

#[tokio::test]
async fn iterators_begin_where_they_say() {
    let server = start(builder(1)).await;
    ask(&server, "PutRecords", records(3)).await;
    let from = iterator(&server, 0, "TRIM_HORIZON", json!({})).await;
    let (all, _) = read(&server, from).await;
    let numbers: Vec<&Value> = all.iter().map(|record| &record["SequenceNumber"]).collect();
    let middle = json!({ "StartingSequenceNumber": numbers[1] });
    let latest = iterator(&server, 0, "LATEST", json!({})).await;
    let cases = [
        (iterator(&server, 0, "AT_SEQUENCE_NUMBER", middle.clone()).await, 1),
        (iterator(&server, 0, "AFTER_SEQUENCE_NUMBER", middle).await, 2),
        (iterator(&server, 0, "AT_TIMESTAMP", json!({ "Timestamp": 1_500_000_000 })).await, 0),
        (
            iterator(
                &server,
                0,
                "AT_TIMESTAMP",
                json!({ "Timestamp": all[0]["ApproximateArrivalTimestamp"] }),
            )
            .await,
            0,
        ),
        (latest, 3),
    ];
    // LATEST means what comes after the iterator was made.
    ask(&server, "PutRecords", records(2)).await;
    for (iterator, before) in cases {
        let (read, _) = read(&server, iterator).await;
        assert_eq!(read.len(), 5 - before);
        assert!(before >= 3 || read[0]["SequenceNumber"] == *numbers[before]);
    }
    let limited = iterator(&server, 0, "TRIM_HORIZON", json!({})).await;
    let page = ask(&server, "GetRecords", json!({ "ShardIterator": limited, "Limit": 2 })).await;
    assert_eq!(page["Records"].as_array().map(Vec::len), Some(2));
    let next = json!({ "ShardIterator": page["NextShardIterator"] });
    assert_eq!(ask(&server, "GetRecords", next).await["Records"].as_array().map(Vec::len), Some(3));

    let future = json!({
        "StreamName": "orders", "ShardId": "shardId-000000000000", "ShardIteratorType": "AT_TIMESTAMP",
        "Timestamp": 9_999_999_999_u64,
    });
    assert_eq!(refusal(&server, "GetShardIterator", future).await.0, "InvalidArgumentException");
    for (kind, shard, code) in [
        ("LATER", "shardId-000000000000", "ValidationException"),
        ("AT_SEQUENCE_NUMBER", "shardId-000000000000", "InvalidArgumentException"),
        ("LATEST", "shardId-000000000009", "ResourceNotFoundException"),
    ] {
        let wrong = json!({ "StreamName": "orders", "ShardId": shard, "ShardIteratorType": kind });
        assert_eq!(refusal(&server, "GetShardIterator", wrong).await.0, code, "{kind} {shard}");
    }
    let wrong = json!({ "ShardIterator": "bm9uZQ==" });
    assert_eq!(refusal(&server, "GetRecords", wrong).await.0, "InvalidArgumentException");
}

#[tokio::test]
async fn a_closed_shard_ends_and_names_its_children() {
    let server = start(builder(1)).await;
    ask(&server, "PutRecords", records(4)).await;
    let middle = (u128::MAX / 2 + 1).to_string();
    let split = json!({
        "StreamName": "orders", "ShardToSplit": "shardId-000000000000", "NewStartingHashKey": middle,
    });
    ask(&server, "SplitShard", split.clone()).await;
    let from = iterator(&server, 0, "TRIM_HORIZON", json!({})).await;
    let (records_read, last) = read(&server, from).await;
    assert_eq!(records_read.len(), 4);
    assert!(last.get("NextShardIterator").is_none(), "nothing will come");
    let children: Vec<&str> = last["ChildShards"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|child| child["ShardId"].as_str().expect("an id"))
        .collect();
    assert_eq!(children, ["shardId-000000000001", "shardId-000000000002"]);
    assert_eq!(last["ChildShards"][0]["ParentShards"], json!(["shardId-000000000000"]));
    assert_eq!(last["ChildShards"][1]["HashKeyRange"]["StartingHashKey"], middle);
    let (code, _) = refusal(&server, "SplitShard", split).await;
    assert_eq!(code, "ResourceNotFoundException", "it is closed");

    let merge = json!({
        "StreamName": "orders", "ShardToMerge": "shardId-000000000001",
        "AdjacentShardToMerge": "shardId-000000000002",
    });
    ask(&server, "MergeShards", merge).await;
    let listed = ask(&server, "ListShards", json!({ "StreamName": "orders" })).await;
    let shards = listed["Shards"].as_array().expect("a list");
    assert_eq!(shards.len(), 4);
    assert_eq!(shards[3]["ParentShardId"], "shardId-000000000001");
    assert_eq!(shards[3]["AdjacentParentShardId"], "shardId-000000000002");
    let ranges =
        |shard: &Value, name: &str| shard["SequenceNumberRange"][name].as_str().map(str::to_owned);
    assert!(ranges(&shards[3], "EndingSequenceNumber").is_none());
    assert!(
        ranges(&shards[1], "EndingSequenceNumber") < ranges(&shards[3], "StartingSequenceNumber")
    );
    assert!(
        ranges(&shards[0], "StartingSequenceNumber") < ranges(&shards[0], "EndingSequenceNumber")
    );
}

#[tokio::test]
async fn shards_are_listed_by_pages_and_filters() {
    let server = start(builder(5)).await;
    let resize = |count: u32| {
        json!({
            "StreamName": "orders", "TargetShardCount": count, "ScalingType": "UNIFORM_SCALING",
        })
    };
    let answer = ask(&server, "UpdateShardCount", resize(10)).await;
    assert_eq!(
        (&answer["CurrentShardCount"], &answer["TargetShardCount"]),
        (&json!(5), &json!(10))
    );
    for (count, words) in [(21, "double"), (4, "half")] {
        let (code, message) = refusal(&server, "UpdateShardCount", resize(count)).await;
        assert_eq!(code, "InvalidArgumentException");
        assert!(message.contains(words), "{message}");
    }
    let count = async |filter: Value| {
        let request = json!({ "StreamName": "orders", "ShardFilter": filter });
        ask(&server, "ListShards", request).await["Shards"].as_array().map(Vec::len)
    };
    assert_eq!(count(json!({ "Type": "AT_LATEST" })).await, Some(10));
    assert_eq!(count(json!({ "Type": "FROM_TRIM_HORIZON" })).await, Some(15));
    assert_eq!(count(json!({ "Type": "AT_TRIM_HORIZON" })).await, Some(5));
    assert_eq!(count(json!({ "Type": "AT_TIMESTAMP", "Timestamp": 0 })).await, Some(5));
    assert_eq!(
        count(json!({ "Type": "FROM_TIMESTAMP", "Timestamp": 4_000_000_000_u64 })).await,
        Some(10)
    );
    assert_eq!(
        count(json!({ "Type": "AFTER_SHARD_ID", "ShardId": "shardId-000000000011" })).await,
        Some(3)
    );
    let (mut request, mut pages, mut ids) =
        (json!({ "StreamName": "orders", "MaxResults": 4 }), 0, Vec::new());
    loop {
        let page = ask(&server, "ListShards", request).await;
        ids.extend(
            page["Shards"].as_array().expect("a list").iter().map(|shard| shard["ShardId"].clone()),
        );
        pages += 1;
        if page.get("NextToken").is_none() {
            break;
        }
        request = json!({ "NextToken": page["NextToken"], "MaxResults": 4 });
    }
    assert_eq!((pages, ids.len()), (4, 15));
    assert!(ids.is_sorted_by_key(|id| id.to_string()));
    let both = json!({ "StreamName": "orders", "NextToken": "x" });
    assert_eq!(refusal(&server, "ListShards", both).await.0, "InvalidArgumentException");
}

#[tokio::test]
async fn limits_throttle_entry_by_entry() {
    let limited =
        Server::builder().stream("orders", 1).expect("a name").start().await.expect("it starts");
    let mut failed = 0;
    for _ in 0..4 {
        let answer = ask(&limited, "PutRecords", records(500)).await;
        let results = answer["Records"].as_array().expect("a list").clone();
        let errors: Vec<&Value> =
            results.iter().filter(|result| result.get("ErrorCode").is_some()).collect();
        assert_eq!(answer["FailedRecordCount"], errors.len());
        failed += errors.len();
        for error in errors {
            assert_eq!(error["ErrorCode"], "ProvisionedThroughputExceededException");
            assert_eq!(
                error["ErrorMessage"],
                "Rate exceeded for shard shardId-000000000000 in stream orders under account 000000000000."
            );
            assert!(error.get("SequenceNumber").is_none());
        }
    }
    assert!((1..1_000).contains(&failed), "{failed} of 2,000 within a second or a little more");
    let one = json!({ "StreamName": "orders", "Data": "", "PartitionKey": "k" });
    let answer = support::try_ask(&limited, "PutRecord", &one).await.expect("an answer");
    assert!(
        answer.status == 200 || answer.json()["__type"] == "ProvisionedThroughputExceededException"
    );
}

/// Operation, members, code and a part of the message. PutRecord has what it needs beside.
const WRONG: &str = r#"
PutRecord | {"StreamName": "nowhere"} | ResourceNotFoundException | Stream nowhere under account
PutRecord | {"StreamName": "no way"} | ValidationException | [a-zA-Z0-9_.-]+
PutRecord | {"StreamName": null} | ValidationException | Value null at 'streamName'
PutRecord | {"StreamARN": "arn:x"} | ValidationException | 'streamARN'
PutRecord | {"PartitionKey": ""} | ValidationException | greater than or equal to 1
PutRecord | {"PartitionKey": null} | ValidationException | Value null at 'partitionKey'
PutRecord | {"Data": null} | ValidationException | Value null at 'data'
PutRecord | {"Data": "?"} | SerializationException | Blob
PutRecord | {"Data": 7} | SerializationException | Blob
PutRecord | {"ExplicitHashKey": "-1"} | ValidationException | 'explicitHashKey'
PutRecord | {"ExplicitHashKey": "340282366920938463463374607431768211456"} | InvalidArgumentException | 2^128-1
PutRecords | {"StreamName": "orders", "Records": [{"Data": ""}]} | ValidationException | 'records.1.member.partitionKey'
PutRecords | {"StreamName": "orders", "Records": 1} | SerializationException | Records
CreateStream | {"StreamName": "orders", "ShardCount": 1} | ResourceInUseException | already exists
CreateStream | {"StreamName": "x", "ShardCount": 0} | ValidationException | 'shardCount'
CreateStream | {"StreamName": "x"} | ValidationException | Value null at 'shardCount'
CreateStream | {"StreamName": "x", "ShardCount": 10000} | LimitExceededException | shard limit
DeleteStream | {"StreamName": "x"} | ResourceNotFoundException | Stream x
MergeShards | {"StreamName": "orders", "ShardToMerge": "shardId-000000000001", "AdjacentShardToMerge": "shardId-000000000000"} | InvalidArgumentException | not an adjacent pair
SplitShard | {"StreamName": "orders", "ShardToSplit": "shardId-000000000000", "NewStartingHashKey": "0"} | InvalidArgumentException | NewStartingHashKey 0
UpdateMaxRecordSize | {"StreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/orders", "MaxRecordSizeInKiB": 1} | ValidationException | 1024
RegisterStreamConsumer | {} | UnknownOperationException |
"#;

#[tokio::test]
async fn wrong_requests_are_refused_in_the_words_of_the_service() {
    let server = server().await;
    let refused = async |operation: &str, members: Value, code: &str, words: &str| {
        let (found, message) = refusal(&server, operation, members.clone()).await;
        assert!(
            found == code && message.contains(words),
            "{operation} {members}: {found}: {message}"
        );
    };
    for line in WRONG.trim().lines() {
        let parts: Vec<&str> = line.split('|').map(str::trim).collect();
        let [operation, members, code, words] = parts[..] else { panic!("{line}") };
        let members: Value = serde_json::from_str(members).expect("JSON");
        refused(
            operation,
            if operation == "PutRecord" { put(members) } else { members },
            code,
            words,
        )
        .await;
    }
    let validation = "ValidationException";
    let long = put(json!({ "PartitionKey": "k".repeat(257) }));
    refused("PutRecord", long, validation, "less than or equal to 256").await;
    refused("PutRecords", records(0), validation, "greater than or equal to 1").await;
    refused("PutRecords", records(501), validation, "less than or equal to 500").await;
    for body in ["", "{", "[]", "{}x"] {
        let request = request("PutRecord", "application/x-amz-json-1.1", body.as_bytes());
        let answer = exchange(&server, &request).await;
        assert_eq!(answer.expect("an answer").status, 400, "{body}");
    }
    let other = exchange(&server, &request("PutRecord", "text/xml", b"{}")).await;
    let other = other.expect("an answer");
    assert_eq!((other.status, &other.json()["__type"]), (400, &json!("UnknownOperationException")));
    assert!(other.header("x-amzn-requestid").is_some_and(|id| id.len() == 36));
}

/// A request to PutRecord with these members in place of the right ones.
fn put(members: Value) -> Value {
    let mut request = json!({ "StreamName": "orders", "Data": "AA==", "PartitionKey": "k" });
    let members = members.as_object().expect("an object").clone();
    request.as_object_mut().expect("an object").extend(members);
    request
}

#[tokio::test]
async fn a_larger_record_needs_a_larger_limit() {
    let server = server().await;
    let data = "A".repeat(1_500_000 / 3 * 4);
    let large = json!({ "StreamName": "orders", "Data": data, "PartitionKey": "k" });
    let (code, message) = refusal(&server, "PutRecord", large.clone()).await;
    assert_eq!(code, "InvalidArgumentException", "{message}");
    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/orders";
    ask(&server, "UpdateMaxRecordSize", json!({ "StreamARN": arn, "MaxRecordSizeInKiB": 2_048 }))
        .await;
    ask(&server, "PutRecord", large).await;
    let summary = ask(&server, "DescribeStreamSummary", json!({ "StreamName": "orders" })).await;
    assert_eq!(summary["StreamDescriptionSummary"]["MaxRecordSizeInKiB"], 2_048);
}

#[tokio::test]
async fn tags_are_added_listed_and_removed() {
    let server = server().await;
    let add = json!({ "StreamName": "orders", "Tags": { "team": "a", "cost": "b", "stage": "" } });
    ask(&server, "AddTagsToStream", add).await;
    let page =
        ask(&server, "ListTagsForStream", json!({ "StreamName": "orders", "Limit": 2 })).await;
    assert_eq!(
        page["Tags"],
        json!([{ "Key": "cost", "Value": "b" }, { "Key": "stage", "Value": "" }])
    );
    assert_eq!(page["HasMoreTags"], true);
    ask(&server, "RemoveTagsFromStream", json!({ "StreamName": "orders", "TagKeys": ["cost"] }))
        .await;
    let rest = json!({ "StreamName": "orders", "ExclusiveStartTagKey": "stage" });
    let rest = ask(&server, "ListTagsForStream", rest).await;
    assert_eq!(rest["Tags"], json!([{ "Key": "team", "Value": "a" }]));
    let many: serde_json::Map<String, Value> =
        (0..50).map(|n| (format!("tag-{n}"), json!(""))).collect();
    let many = json!({ "StreamName": "orders", "Tags": many });
    assert_eq!(refusal(&server, "AddTagsToStream", many).await.0, "InvalidArgumentException");
}

#[tokio::test]
async fn changes_take_as_long_as_is_said() {
    let server = start(builder(1).change_time(Duration::from_millis(300))).await;
    ask(&server, "CreateStream", json!({ "StreamName": "slow", "ShardCount": 1 })).await;
    let status = async |stream: &str| {
        let summary = ask(&server, "DescribeStreamSummary", json!({ "StreamName": stream })).await;
        summary["StreamDescriptionSummary"]["StreamStatus"].as_str().expect("a status").to_owned()
    };
    assert_eq!(status("slow").await, "CREATING");
    let put = json!({ "StreamName": "slow", "Data": "", "PartitionKey": "k" });
    assert_eq!(refusal(&server, "PutRecord", put.clone()).await.0, "ResourceNotFoundException");
    assert_eq!(status("orders").await, "ACTIVE", "what the server begins with is there");
    let half = u128::MAX / 2;
    let split = json!({
        "StreamName": "orders", "ShardToSplit": "shardId-000000000000", "NewStartingHashKey": half.to_string(),
    });
    ask(&server, "SplitShard", split.clone()).await;
    assert_eq!(status("orders").await, "UPDATING");
    assert_eq!(refusal(&server, "SplitShard", split).await.0, "ResourceInUseException");
    let placed = ask(&server, "PutRecords", records(1)).await;
    assert_eq!(
        placed["Records"][0]["ShardId"], "shardId-000000000000",
        "the parent goes on until it is done"
    );
    while status("orders").await == "UPDATING" {}
    let placed = ask(&server, "PutRecords", records(1)).await;
    assert_ne!(placed["Records"][0]["ShardId"], "shardId-000000000000");
    while status("slow").await == "CREATING" {}
    ask(&server, "PutRecord", put.clone()).await;
    ask(&server, "DeleteStream", json!({ "StreamName": "slow" })).await;
    assert_eq!(status("slow").await, "DELETING");
    assert_eq!(refusal(&server, "PutRecord", put).await.0, "ResourceNotFoundException");
}

#[tokio::test]
async fn memory_is_bounded_and_the_oldest_goes_first() {
    let retention = Retention { bytes: 1 << 20, ..Retention::default() };
    let server = start(builder(2).retention(retention)).await;
    let data = "A".repeat(4_000);
    let mut last = Value::Null;
    for _ in 0..20 {
        let record =
            |number: usize| json!({ "Data": data, "PartitionKey": format!("key-{number}") });
        let request =
            json!({ "StreamName": "orders", "Records": (0..100).map(record).collect::<Vec<_>>() });
        last = ask(&server, "PutRecords", request).await["Records"][99].clone();
        let (_, report) = control(&server, "GET", "streams", "").await;
        assert!(report["streams"][0]["bytes"].as_u64().is_some_and(|bytes| bytes <= 1 << 20));
    }
    let (_, report) = control(&server, "GET", "streams", "").await;
    let kept = report["streams"][0]["records"].as_u64().expect("a count");
    assert!((200..400).contains(&kept), "{kept} records of 3 KB and what is around them");
    let mut all = Vec::new();
    for shard in 0..2 {
        let from = iterator(&server, shard, "TRIM_HORIZON", json!({})).await;
        all.extend(read(&server, from).await.0);
    }
    assert_eq!(all.len() as u64, kept);
    assert!(
        all.iter().any(|record| record["SequenceNumber"] == last["SequenceNumber"]),
        "the latest is there"
    );

    let brief = Retention { age: Duration::ZERO, ..Retention::default() };
    let server = start(builder(1).retention(brief)).await;
    ask(&server, "PutRecords", records(5)).await;
    let from = iterator(&server, 0, "TRIM_HORIZON", json!({})).await;
    assert!(read(&server, from).await.0.is_empty());
}
