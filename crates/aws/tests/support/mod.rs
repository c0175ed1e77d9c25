//! Clients of the SDK for a [`Server`], and requests.
#![allow(dead_code, unused_imports, reason = "each test binary uses its part")]

// The server that the HTTP transport is tested against: both meet the same faults.
#[path = "../../../http/tests/support/server.rs"]
mod server;

use core::time::Duration;

use aws_smithy_http_client::Builder as HttpClient;
use headwaters_aws::AwsTransport;
use headwaters_aws::aws_sdk_kinesis::config::{BehaviorVersion, Builder, Credentials, Region};
use headwaters_aws::aws_sdk_kinesis::{Client, Config};
use headwaters_transport::{PutRecords, PutRecordsResult, Sent, Transport};
use headwaters_wire::{Entry, ErrorCode, PartitionKey, StreamName};
pub(crate) use server::{Server, Step, answer, failure, stored};

/// A client's configuration for a server at this address, with the retries that the SDK has by default.
pub(crate) fn config(url: &str) -> Builder {
    Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new("AKIDEXAMPLE", "secret", None, None, "test"))
        .endpoint_url(url)
        .http_client(HttpClient::new().build_http())
        .region(Region::new("us-east-1"))
        .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
}

pub(crate) fn transport_to(url: &str) -> AwsTransport {
    AwsTransport::new(Client::from_conf(config(url).build()))
        .request_timeout(Duration::from_secs(20))
}

pub(crate) fn transport(server: &Server) -> AwsTransport {
    transport_to(&server.url())
}

pub(crate) fn request(entries: usize) -> PutRecords {
    sized_request(entries, 100)
}

pub(crate) fn sized_request(entries: usize, size: usize) -> PutRecords {
    let entry = Entry {
        data: vec![7; size].into(),
        explicit_hash_key: None,
        partition_key: PartitionKey::new("k").expect("a valid key"),
    };
    PutRecords::new(stream(), vec![entry; entries])
}

pub(crate) fn stream() -> StreamName {
    StreamName::new("orders").expect("a valid name")
}

/// Puts one record: the code, or `Ok` if it was stored; and what is known about the way.
pub(crate) async fn put(transport: &AwsTransport) -> (Result<(), ErrorCode>, Sent) {
    let request = request(1);
    let departure = request.departure.clone();
    let result = transport.put_records(request).await;
    (code(&result), departure.sent())
}

pub(crate) fn code(result: &PutRecordsResult) -> Result<(), ErrorCode> {
    match result {
        Ok(results) => match results.iter().find_map(|result| result.as_ref().err()) {
            Some(error) => Err(error.code.clone()),
            None => Ok(()),
        },
        Err(error) => Err(error.code.clone()),
    }
}

/// An address on this machine where nobody listens.
pub(crate) fn nobody() -> String {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("there are free ports");
    format!("http://{}", free.local_addr().expect("it listens"))
}
