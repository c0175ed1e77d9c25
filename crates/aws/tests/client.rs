//! What is asked of the SDK's client, and what its answers become.
#![allow(clippy::disallowed_methods, reason = "sockets live in real time")]

mod support;

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::sync::Arc;

use aws_credential_types::provider::future::ProvideCredentials as Provided;
use headwaters_aws::AwsTransport;
use headwaters_aws::aws_sdk_kinesis::Client;
use headwaters_aws::aws_sdk_kinesis::config::{Credentials, ProvideCredentials};
use headwaters_hostile::{
    SECRET_ACCESS_KEY, SESSION_TOKEN, Server, Step, answer, failure, put, request, stored, stream,
};
use headwaters_transport::{ListShards, PutRecords, Sent, Transport};
use headwaters_wire::{Entry, ErrorCode, HashKey, NextToken, PartitionKey, StreamArn};
use support::{config, transport};

const ARN: &str = "arn:aws:kinesis:us-east-1:123456789012:stream/orders";

fn body(server: &Server, index: usize) -> String {
    String::from_utf8(server.received()[index].body.clone()).expect("JSON is UTF-8")
}

#[tokio::test]
async fn a_request_says_what_its_entries_say() {
    let server = Server::start([Step::Answer(stored(2))]).await;
    let key = |text: &str| PartitionKey::new(text).expect("a valid key");
    let entries = vec![
        Entry { data: "apples".into(), explicit_hash_key: None, partition_key: key("k\"1") },
        Entry {
            data: vec![0xff, 0].into(),
            explicit_hash_key: Some(HashKey::new(u128::MAX)),
            partition_key: key("k2"),
        },
    ];
    let results = transport(&server).put_records(PutRecords::new(stream(), entries)).await;
    assert_eq!(results.expect("an answer").len(), 2);
    assert_eq!(
        body(&server, 0),
        concat!(
            r#"{"Records":[{"Data":"YXBwbGVz","PartitionKey":"k\"1"},"#,
            r#"{"Data":"/wA=","ExplicitHashKey":"340282366920938463463374607431768211455","PartitionKey":"k2"}],"#,
            r#""StreamName":"orders"}"#
        )
    );
    let received = &server.received()[0];
    assert_eq!(received.header("x-amz-target"), Some("Kinesis_20131202.PutRecords"));
    assert_eq!(received.header("content-length"), Some(&*received.body.len().to_string()));
    assert_eq!(received.header("transfer-encoding"), None);
    assert!(received.header("authorization").is_some_and(|value| value.contains("AKIDEXAMPLE")));
}

#[tokio::test]
async fn connections_are_used_again() {
    let server = Server::start([]).await;
    let transport = transport(&server);
    for _ in 0..3 {
        assert_eq!(put(&transport).await, (Ok(()), Sent::Unknown));
    }
    assert_eq!(server.connections(), 1);
}

/// In the order of the entries, each by itself, and only what says so is stored.
#[tokio::test]
async fn results_are_in_order() {
    let stored = |number: u32| {
        format!(r#"{{"SequenceNumber":"{number}","ShardId":"shardId-00000000000{number}"}}"#)
    };
    let records = [
        stored(1),
        r#"{"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"slow"}"#.into(),
        r#"{"ErrorCode":"InternalFailure","ErrorMessage":"oops"}"#.into(),
        stored(2),
        // What contradicts itself, and what breaks the rules.
        r#"{"SequenceNumber":"5","ShardId":"shardId-000000000001","ErrorCode":"InternalFailure"}"#
            .into(),
        r#"{"SequenceNumber":"5"}"#.into(),
        r#"{"ShardId":"shardId-000000000001"}"#.into(),
        r#"{"SequenceNumber":"x","ShardId":"shardId-000000000001"}"#.into(),
        r#"{"SequenceNumber":null,"ShardId":null,"ErrorCode":"ThrottlingException"}"#.into(),
        stored(3),
    ];
    // The count of failures is wrong, and nobody cares.
    let text = format!(r#"{{"FailedRecordCount":0,"Records":[{}]}}"#, records.join(","));
    let server = Server::start([Step::Answer(answer("200 OK", "", &text))]).await;
    let results = transport(&server).put_records(request(10)).await.expect("an answer");
    let told: Vec<Result<String, &str>> = results
        .iter()
        .map(|result| match result {
            Ok(placement) => Ok(format!("{} {}", placement.sequence_number, placement.shard)),
            Err(error) => Err(error.code.as_str()),
        })
        .collect();
    let stored = |number: u32| Ok(format!("{number} shardId-00000000000{number}"));
    let unusable = || Err("UnusableAnswer");
    assert_eq!(
        told,
        [
            stored(1),
            Err("ProvisionedThroughputExceededException"),
            Err("InternalFailure"),
            stored(2),
            unusable(),
            unusable(),
            unusable(),
            unusable(),
            Err("ThrottlingException"),
            stored(3),
        ]
    );
    assert_eq!(results[1].as_ref().expect_err("it is an error").message.as_str(), "slow");
}

/// The client retries for others, three times in all, and not for us.
#[tokio::test]
async fn the_clients_own_retries_are_off_for_us_alone() {
    let refusal = || Step::Answer(failure("400 Bad Request", "ThrottlingException"));
    let server = Server::start([]).await.otherwise(refusal());
    let client = Client::from_conf(config(&server.url()).build());
    let transport = AwsTransport::new(client.clone());
    assert_eq!(put(&transport).await.0, Err(ErrorCode::ThrottlingException));
    assert_eq!(server.received().len(), 1);
    client.list_streams().send().await.expect_err("it is refused");
    assert_eq!(server.received().len(), 1 + 3);
}

#[tokio::test]
async fn shards_are_listed_page_by_page() {
    let shard = |number: u32, range: &str, end: &str| {
        format!(
            concat!(
                r#"{{"ShardId":"shardId-00000000000{}","HashKeyRange":{},"#,
                r#""SequenceNumberRange":{{"StartingSequenceNumber":"1"{}}}}}"#
            ),
            number, range, end
        )
    };
    let (low, high) = (
        r#"{"StartingHashKey":"0","EndingHashKey":"9"}"#,
        r#"{"StartingHashKey":"10","EndingHashKey":"340282366920938463463374607431768211455"}"#,
    );
    // A closed shard, in spite of the filter.
    let closed = shard(0, low, r#","EndingSequenceNumber":"2""#);
    let first = format!(r#"{{"NextToken":"more","Shards":[{closed},{}]}}"#, shard(1, low, ""));
    let second = format!(r#"{{"Shards":[{}]}}"#, shard(2, high, ""));
    let malformed = [
        r#"{"Shards":null}"#.into(),
        r#"{"Shards":[{"ShardId":"shardId-000000000001"}]}"#.into(),
        format!(r#"{{"Shards":[{}]}}"#, shard(2, &low.replace('9', "x"), "")),
        format!(r#"{{"Shards":[{}]}}"#, shard(2, &low.replace('0', "10"), "")),
    ];
    let texts = [first, second].into_iter().chain(malformed.clone());
    let steps: Vec<Step> = texts.map(|text| Step::Answer(answer("200 OK", "", &text))).collect();
    let server = Server::start(steps).await;
    let transport = transport(&server);

    let page = transport.list_shards(ListShards::new(stream(), None)).await.expect("a page");
    assert_eq!(page.next_token, Some(NextToken::new("more").expect("a valid token")));
    let ids: Vec<String> = page.shards.iter().map(|shard| shard.id.to_string()).collect();
    assert_eq!(ids, ["shardId-000000000001"]);
    assert_eq!(
        body(&server, 0),
        r#"{"StreamName":"orders","MaxResults":1000,"ShardFilter":{"Type":"AT_LATEST"}}"#
    );

    let page = transport.list_shards(ListShards::new(stream(), page.next_token)).await;
    let page = page.expect("a page");
    assert_eq!((page.next_token, page.shards.len()), (None, 1));
    assert_eq!(page.shards[0].hash_keys.start(), HashKey::new(10));
    assert_eq!(body(&server, 1), r#"{"NextToken":"more"}"#, "the token alone");

    for text in &malformed {
        let error = transport.list_shards(ListShards::new(stream(), None)).await;
        assert_eq!(error.expect_err("it is malformed").code, ErrorCode::UnusableAnswer, "{text}");
    }
    server.script([Step::Answer(failure("400 Bad Request", "ExpiredNextTokenException"))]);
    let error = transport.list_shards(ListShards::new(stream(), None)).await;
    assert_eq!(error.expect_err("it is refused").code, ErrorCode::ExpiredNextTokenException);
}

#[tokio::test]
async fn a_stream_goes_by_its_arn() {
    let server = Server::start([]).await;
    let arn = StreamArn::new(ARN).expect("a valid ARN");
    let transport = transport(&server).stream_arn(arn);
    assert_eq!(put(&transport).await.0, Ok(()));
    let _ = transport.list_shards(ListShards::new(stream(), None)).await;
    for index in 0..2 {
        assert!(body(&server, index).contains(&format!(r#""StreamARN":"{ARN}""#)));
        assert!(!body(&server, index).contains("StreamName"));
    }
    // Another stream does not.
    let other = "others".try_into().expect("a valid name");
    let entries = request(1).entries;
    let _ = transport.put_records(PutRecords::new(other, entries)).await;
    assert!(body(&server, 2).contains(r#""StreamName":"others""#));
}

/// Gives another key each time it is asked, the first few of which the server refuses.
#[derive(Debug, Default)]
struct Rotating(AtomicU32);

impl ProvideCredentials for Rotating {
    fn provide_credentials<'a>(&'a self) -> Provided<'a>
    where
        Self: 'a,
    {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        let credentials = Credentials::new(format!("AKID{number}"), "secret", None, None, "test");
        Provided::ready(Ok(credentials))
    }
}

#[tokio::test]
async fn credentials_that_are_refused_are_asked_for_anew() {
    let server = Server::start([]).await;
    let provider = Arc::new(Rotating::default());
    let config = config(&server.url()).credentials_provider(Shared(Arc::clone(&provider)));
    let transport = AwsTransport::new(Client::from_conf(config.build()));
    let key = |index: usize| {
        let authorization = server.received()[index].header("authorization").map(str::to_owned);
        let authorization = authorization.expect("it is signed");
        let start = authorization.find("AKID").expect("it names the key");
        authorization[start..start + 5].to_owned()
    };

    assert_eq!(put(&transport).await.0, Ok(()));
    assert_eq!(put(&transport).await.0, Ok(()));
    assert_eq!((key(0), key(1)), ("AKID0".into(), "AKID0".into()), "they are kept");
    // Two requests at once are refused: that is one reason to ask, not two.
    let refusal = || Step::Answer(failure("400 Bad Request", "ExpiredTokenException"));
    server.script([refusal(), refusal()]);
    let twin = transport.clone();
    let (one, two) = tokio::join!(put(&transport), put(&twin));
    assert_eq!(one.0, Err(ErrorCode::ExpiredTokenException));
    assert_eq!(two.0, Err(ErrorCode::ExpiredTokenException));
    for index in 4..7 {
        assert_eq!(put(&transport).await.0, Ok(()));
        assert_eq!(key(index), "AKID1");
    }
    assert_eq!(provider.0.load(Ordering::Relaxed), 2);
    // And again.
    server.script([refusal()]);
    assert_eq!(put(&transport).await.0, Err(ErrorCode::ExpiredTokenException));
    assert_eq!(put(&transport).await.0, Ok(()));
    assert_eq!(key(8), "AKID2");
}

#[derive(Debug)]
struct Shared(Arc<Rotating>);

impl ProvideCredentials for Shared {
    fn provide_credentials<'a>(&'a self) -> Provided<'a>
    where
        Self: 'a,
    {
        self.0.provide_credentials()
    }
}

/// Fails, or is silent.
#[derive(Debug)]
struct Without {
    is_silent: bool,
}

impl ProvideCredentials for Without {
    fn provide_credentials<'a>(&'a self) -> Provided<'a>
    where
        Self: 'a,
    {
        use aws_credential_types::provider::error::CredentialsError;
        if self.is_silent {
            return Provided::new(core::future::pending());
        }
        Provided::ready(Err(CredentialsError::not_loaded("there are none")))
    }
}

#[tokio::test]
async fn without_credentials_nothing_is_sent() {
    let server = Server::start([]).await;
    let transport = |is_silent| {
        let config = config(&server.url()).credentials_provider(Without { is_silent });
        AwsTransport::new(Client::from_conf(config.build()))
            .request_timeout(Duration::from_millis(200))
    };
    let result = put(&transport(false)).await;
    assert_eq!(result, (Err(ErrorCode::MissingAuthenticationToken), Sent::No));
    assert_eq!(put(&transport(true)).await, (Err(ErrorCode::NotSent), Sent::No));
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn a_client_that_cannot_send_says_so() {
    use headwaters_aws::aws_sdk_kinesis::config::{BehaviorVersion, Config};
    let client = Client::from_conf(
        Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(Credentials::new("AKID", "secret", None, None, "test"))
            .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
            .build(),
    );
    // Neither a region nor an HTTP client.
    let request = request(1);
    let departure = request.departure.clone();
    let error = AwsTransport::new(client).put_records(request).await.expect_err("it cannot");
    assert_eq!((error.code, departure.sent()), (ErrorCode::NotSent, Sent::No));
    assert!(error.message.as_str().contains("Region"), "{}", error.message);
}

#[tokio::test]
async fn debug_has_no_secrets() {
    let server = Server::start([]).await;
    let text = format!("{:?}", transport(&server));
    assert!(!text.contains(SECRET_ACCESS_KEY) && !text.contains(SESSION_TOKEN), "{text}");
}
