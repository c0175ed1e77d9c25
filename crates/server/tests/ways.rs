//! Our own transport, in both protocols, over TLS, signed; and what is on disk.

mod support;

use headwaters_http::{Credentials, Endpoint, HttpBuilder, HttpTransport, Protocol, Region};
use headwaters_server::{FaultPlan, Server, Tls};
use headwaters_transport::{ListShards, PutRecords, Transport};
use headwaters_wire::{Entry, ErrorCode, HashKey, PartitionKey, StreamName};
use serde_json::{Value, json};
use support::{ask, builder, iterator, read, records, server, start};

fn keys(secret: &str) -> Credentials {
    Credentials::new("AKIDEXAMPLE", secret).expect("valid ones")
}

fn to(server: &Server, protocol: Protocol) -> HttpBuilder {
    HttpTransport::builder()
        .credentials(keys("secret"))
        .endpoint(Endpoint::new(&server.url()).expect("a valid endpoint"))
        .protocol(protocol)
        .region(Region::new("eu-central-1").expect("a region"))
}

fn orders() -> StreamName {
    StreamName::new("orders").expect("a name")
}

fn entries() -> Vec<Entry> {
    let key = |text: &str| PartitionKey::new(text).expect("a key");
    let mut entries: Vec<Entry> = (0..498)
        .map(|number: u32| Entry {
            data: (0..number).map(|byte| byte as u8).collect(),
            explicit_hash_key: number
                .is_multiple_of(7)
                .then(|| HashKey::new(u128::from(number) << 119)),
            partition_key: key(&format!("k\u{e9}y \"{number}\" \\ \u{1F600}\n")),
        })
        .collect();
    entries.push(Entry { data: "".into(), explicit_hash_key: None, partition_key: key("none") });
    entries.push(Entry {
        data: "x".into(),
        explicit_hash_key: Some(HashKey::MAX),
        partition_key: key("max"),
    });
    entries
}

/// Everything is stored and can be read, in JSON, as it was put.
async fn put_and_read(server: &Server, transport: &HttpTransport) {
    let entries = entries();
    let results = transport.put_records(PutRecords::new(orders(), entries.clone())).await;
    let results = results.expect("it is answered");
    let page =
        transport.list_shards(ListShards::new(orders(), None)).await.expect("they are listed");
    assert_eq!(page.shards.len(), 2);
    for (entry, result) in entries.iter().zip(&results) {
        let placement = result.as_ref().expect("it is stored");
        let shard =
            page.shards.iter().find(|shard| shard.id == placement.shard).expect("it is listed");
        assert!(shard.hash_keys.contains(entry.hash_key()));
        let number = placement.shard.number().expect("shards are numbered");
        let at = json!({ "StartingSequenceNumber": placement.sequence_number.as_str() });
        let at = iterator(server, number, "AT_SEQUENCE_NUMBER", at).await;
        let record =
            ask(server, "GetRecords", json!({ "ShardIterator": at, "Limit": 1 })).await["Records"]
                [0]
            .clone();
        assert_eq!(record["PartitionKey"], entry.partition_key.as_str());
        assert_eq!(record["Data"], base64_simd::STANDARD.encode_to_string(&entry.data));
    }
}

#[tokio::test]
async fn our_transport_in_json() {
    let server = server().await;
    let transport = to(&server, Protocol::Json).build().expect("nothing is missing");
    put_and_read(&server, &transport).await;
}

#[tokio::test]
async fn our_transport_in_cbor() {
    let server = server().await;
    let transport = to(&server, Protocol::Cbor).build().expect("nothing is missing");
    put_and_read(&server, &transport).await;
    let nowhere = StreamName::new("nowhere").expect("a name");
    let refused = transport.put_records(PutRecords::new(nowhere, entries())).await;
    let error = refused.expect_err("there is none");
    assert_eq!(error.code, ErrorCode::ResourceNotFoundException);
    assert_eq!(error.message.as_str(), "Stream nowhere under account 000000000000 not found.");
}

#[tokio::test]
async fn cbor_has_byte_strings_and_milliseconds() {
    let server = start(builder(1)).await;
    ask(
        &server,
        "PutRecord",
        json!({ "StreamName": "orders", "Data": "AAH/", "PartitionKey": "k" }),
    )
    .await;
    let from = iterator(&server, 0, "TRIM_HORIZON", json!({})).await;
    let from = from.as_str().expect("a text");
    let mut body = vec![0xa1, 0x6d];
    body.extend_from_slice(b"ShardIterator");
    body.extend_from_slice(&[0x79, (from.len() >> 8) as u8, from.len() as u8]);
    body.extend_from_slice(from.as_bytes());
    let request = support::request("GetRecords", "application/x-amz-cbor-1.1", &body);
    let answer = support::exchange(&server, &request).await.expect("an answer");
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("application/x-amz-cbor-1.1"))
    );
    let find = |text: &[u8]| {
        answer.body.windows(text.len()).position(|bytes| bytes == text).map(|at| at + text.len())
    };
    let data = find(b"Data").expect("it has data");
    assert_eq!(answer.body[data..data + 4], [0x43, 0, 1, 0xff]);
    let time = find(b"ApproximateArrivalTimestamp").expect("it has a time");
    assert_eq!(answer.body[time..time + 2], [0xc1, 0x1b], "tag 1 and an integer of 64 bits");
    let millis =
        u64::from_be_bytes(answer.body[time + 2..time + 10].try_into().expect("eight bytes"));
    assert!((1_700_000_000_000..4_000_000_000_000).contains(&millis), "{millis}");
}

#[tokio::test]
async fn faults_look_to_our_transport_as_they_must() {
    let plan = |effect: &str| {
        FaultPlan::from_toml(&format!("[[fault]]\noperations = ['PutRecords']\n{effect}"))
    };
    let cases = [
        ("reset = 'before'", ErrorCode::ConnectionLost),
        ("reset = 'during'", ErrorCode::ConnectionLost),
        ("reset = 'after'", ErrorCode::ConnectionLost),
        ("lose_answer = 'close'", ErrorCode::ConnectionLost),
        ("truncate = { share = 0.5 }", ErrorCode::ConnectionLost),
        ("malformed = 'x'", ErrorCode::UnusableAnswer),
        ("huge = '64MiB'", ErrorCode::UnusableAnswer),
        ("wrong_count = { results = -1 }", ErrorCode::UnusableAnswer),
        ("error = { code = 'ThrottlingException' }", ErrorCode::ThrottlingException),
        ("deny = true", ErrorCode::AccessDeniedException),
    ];
    let server = server().await;
    for protocol in [Protocol::Json, Protocol::Cbor] {
        let transport = to(&server, protocol).build().expect("nothing is missing");
        for (effect, code) in &cases {
            server.set_faults(plan(effect).expect("a valid plan"));
            let result = transport.put_records(PutRecords::new(orders(), entries())).await;
            assert_eq!(result.map_err(|error| error.code).err().as_ref(), Some(code), "{effect}");
        }
        server.set_faults(plan("wrong_count = { failed = 9 }").expect("a valid plan"));
        let results = transport.put_records(PutRecords::new(orders(), entries())).await;
        assert!(
            results.is_ok_and(|results| results.iter().all(Result::is_ok)),
            "entries count, not the count"
        );
    }
}

#[tokio::test]
async fn over_tls() {
    let tls = Tls::generate().expect("there is randomness");
    let pem = tls.certificate_pem().to_owned();
    let server = start(builder(2).tls(tls)).await;
    assert!(server.url().starts_with("https://localhost:"));
    let transport = to(&server, Protocol::Json).ca_bundle(pem).build().expect("nothing is missing");
    let results = transport.put_records(PutRecords::new(orders(), entries())).await;
    assert!(results.is_ok_and(|results| results.iter().all(Result::is_ok)));
    let untrusting = to(&server, Protocol::Json).build();
    let refused = untrusting
        .expect("nothing is missing")
        .put_records(PutRecords::new(orders(), entries()))
        .await;
    assert_eq!(refused.map_err(|error| error.code).err(), Some(ErrorCode::ConnectFailed));
}

#[tokio::test]
async fn signatures_are_checked_when_asked() {
    let server = start(builder(2).check_signatures(keys("secret"))).await;
    let put = async |credentials: Credentials, protocol| {
        let transport =
            to(&server, protocol).credentials(credentials).build().expect("nothing is missing");
        transport
            .put_records(PutRecords::new(orders(), entries()))
            .await
            .map(|_| ())
            .map_err(|error| error.code)
    };
    assert_eq!(put(keys("secret"), Protocol::Json).await, Ok(()));
    assert_eq!(put(keys("secret"), Protocol::Cbor).await, Ok(()));
    assert_eq!(put(keys("other"), Protocol::Json).await, Err(ErrorCode::InvalidSignatureException));
    let unknown = Credentials::new("WHO", "secret").expect("valid ones");
    assert_eq!(put(unknown, Protocol::Json).await, Err(ErrorCode::UnrecognizedClientException));
    let (code, _) = support::refusal(&server, "ListStreams", json!({})).await;
    assert_eq!(code, "MissingAuthenticationTokenException");
    let old = "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-amz-json-1.1\r\n\
               X-Amz-Target: Kinesis_20131202.ListStreams\r\nX-Amz-Date: 20200101T000000Z\r\nContent-Length: 2\r\n\
               Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20200101/us-east-1/kinesis/aws4_request, \
               SignedHeaders=host, Signature=00\r\n\r\n{}";
    let answer = support::exchange(&server, old.as_bytes()).await.expect("an answer").json();
    assert_eq!(answer["__type"], "InvalidSignatureException");
    assert!(
        answer["message"].as_str().is_some_and(|words| words.contains("20200101T000000Z")),
        "{answer}"
    );
}

#[tokio::test]
async fn what_is_on_disk_goes_on() {
    let path = std::env::temp_dir().join(format!("headwaters-state-{}.json", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let first = start(builder(2).state(&path)).await;
    ask(&first, "PutRecords", records(50)).await;
    let middle = (u128::MAX / 4).to_string();
    let split = json!({ "StreamName": "orders", "ShardToSplit": "shardId-000000000000", "NewStartingHashKey": middle });
    ask(&first, "SplitShard", split).await;
    ask(&first, "PutRecords", records(50)).await;
    ask(&first, "AddTagsToStream", json!({ "StreamName": "orders", "Tags": { "a": "b" } })).await;
    ask(&first, "CreateStream", json!({ "StreamName": "gone", "ShardCount": 1 })).await;
    ask(&first, "DeleteStream", json!({ "StreamName": "gone" })).await;
    let latest = iterator(&first, 3, "LATEST", json!({})).await;
    let story = async |server: &Server| {
        let stream = json!({ "StreamName": "orders" });
        let mut story = vec![
            ask(server, "ListStreams", json!({})).await["StreamNames"].clone(),
            ask(server, "ListShards", stream.clone()).await,
            ask(server, "ListTagsForStream", stream.clone()).await,
            ask(server, "DescribeStream", stream).await,
        ];
        for shard in 0..4 {
            let from = iterator(server, shard, "TRIM_HORIZON", json!({})).await;
            story.push(Value::Array(read(server, from).await.0));
        }
        story
    };
    let before = story(&first).await;
    first.shutdown().await.expect("it can be written");
    let second = start(builder(7).state(&path)).await;
    assert_eq!(
        story(&second).await,
        before,
        "the stream on disk counts, not the one of the builder"
    );
    let placed = ask(&second, "PutRecords", records(50)).await;
    let new: Vec<&Value> = placed["Records"].as_array().expect("a list").iter().collect();
    let (after, _) = read(&second, latest).await;
    let of_shard = new.iter().filter(|result| result["ShardId"] == "shardId-000000000003").count();
    assert!(of_shard > 0 && after.len() == of_shard, "iterators go on, and numbers rise");
    second.shutdown().await.expect("it can be written");
    std::fs::write(&path, "{}").expect("it can be written");
    let error = builder(1).state(&path).start().await.expect_err("that is no state");
    assert!(error.to_string().contains("cannot read the state"), "{error}");
    std::fs::remove_file(&path).expect("it is there");
}

#[tokio::test]
async fn others_cannot_reach_it_unless_that_is_allowed() {
    let anywhere = core::net::SocketAddr::from(([0, 0, 0, 0], 0));
    let refused = builder(1).address(anywhere).start().await.expect_err("it is not allowed");
    assert!(refused.to_string().contains("other machines"), "{refused}");
}

/// Readers follow while writers write, and shards change: nothing is lost, nothing comes twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tailing_readers_see_everything_that_concurrent_writers_put() {
    const WRITERS: u64 = 4;
    const REQUESTS: u64 = 60;
    let server = std::sync::Arc::new(server().await);
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let server = std::sync::Arc::clone(&server);
            tokio::spawn(async move {
                let mut numbers = Vec::new();
                for request in 0..REQUESTS {
                    let answer = ask(&server, "PutRecords", records(100)).await;
                    let results = answer["Records"].as_array().expect("a list").clone();
                    numbers.extend(results.into_iter().map(|result| result["SequenceNumber"].clone()));
                    if writer == 0 && request % 10 == 5 {
                        let count = 2 + request / 10 % 3;
                        let resize = json!({
                            "StreamName": "orders", "TargetShardCount": count, "ScalingType": "UNIFORM_SCALING",
                        });
                        ask(&server, "UpdateShardCount", resize).await;
                    }
                }
                numbers
            })
        })
        .collect();
    // A reader per shard, which goes on with the children it is told of.
    let mut open = vec![];
    for shard in 0..2 {
        open.push(iterator(&server, shard, "TRIM_HORIZON", json!({})).await);
    }
    let (mut known, mut seen, mut empty) =
        (std::collections::BTreeSet::from([0, 1]), Vec::new(), 0);
    while empty < 5 {
        let (mut next, mut read) = (Vec::new(), 0);
        for iterator_now in open {
            let answer = ask(&server, "GetRecords", json!({ "ShardIterator": iterator_now })).await;
            let page = answer["Records"].as_array().expect("a list");
            read += page.len();
            seen.extend(page.iter().map(|record| record["SequenceNumber"].clone()));
            match &answer["NextShardIterator"] {
                Value::Null => {
                    for child in answer["ChildShards"].as_array().expect("a list") {
                        let id = child["ShardId"].as_str().expect("an id");
                        let number = id[8..].parse().expect("a number");
                        if known.insert(number) {
                            next.push(iterator(&server, number, "TRIM_HORIZON", json!({})).await);
                        }
                    }
                }
                iterator => next.push(iterator.clone()),
            }
        }
        open = next;
        let is_over = writers.iter().all(tokio::task::JoinHandle::is_finished);
        empty = if read == 0 && is_over { empty + 1 } else { 0 };
    }
    let mut put = Vec::new();
    for writer in writers {
        put.extend(writer.await.expect("no panic"));
    }
    assert!(known.len() > 4, "shards changed");
    assert_eq!(put.len() as u64, WRITERS * REQUESTS * 100);
    put.sort_by_key(Value::to_string);
    seen.sort_by_key(Value::to_string);
    assert!(put == seen, "{} were put, {} were seen", put.len(), seen.len());
}
