//! Transports to a [`Server`], and requests.
#![allow(dead_code, unused_imports, reason = "each test binary uses its part")]

mod server;

use core::time::Duration;

use headwaters_http::{Credentials, Endpoint, HttpBuilder, HttpTransport, Region};
use headwaters_transport::{PutRecords, PutRecordsResult, Sent, Transport};
use headwaters_wire::{Entry, ErrorCode, PartitionKey, StreamName};
pub(crate) use server::{Received, Server, Step, answer, failure, stored, stored_body};

pub(crate) fn credentials() -> Credentials {
    Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY").expect("valid ones")
}

pub(crate) fn builder(url: &str) -> HttpBuilder {
    HttpTransport::builder()
        .credentials(credentials())
        .endpoint(Endpoint::new(url).expect("a valid endpoint"))
        .region(Region::new("us-east-1").expect("a valid region"))
        .request_timeout(Duration::from_secs(20))
}

pub(crate) fn transport(server: &Server) -> HttpTransport {
    builder(&server.url()).build().expect("nothing is missing")
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
    PutRecords::new(StreamName::new("orders").expect("a valid name"), vec![entry; entries])
}

/// Puts one record: the code, or `Ok` if it was stored; and what is known about the way.
pub(crate) async fn put(transport: &HttpTransport) -> (Result<(), ErrorCode>, Sent) {
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
