use headwaters_transport::{ListShards, PutRecords, PutRecordsResult, Sent, Transport};
use headwaters_wire::{Entry, ErrorCode, PartitionKey, StreamName};

/// The stream of the requests.
///
/// # Panics
/// Never.
pub fn stream() -> StreamName {
    StreamName::new("orders").expect("a valid name")
}

/// A request with so many entries of 100 bytes.
pub fn request(entries: usize) -> PutRecords {
    sized_request(entries, 100)
}

/// A request with so many entries of this size.
///
/// # Panics
/// Never.
pub fn sized_request(entries: usize, size: usize) -> PutRecords {
    let entry = Entry {
        data: vec![7; size].into(),
        explicit_hash_key: None,
        partition_key: PartitionKey::new("k").expect("a valid key"),
    };
    PutRecords::new(stream(), vec![entry; entries])
}

/// Puts one record: the code, or `Ok` if it was stored; and what is known about the way.
pub async fn put(transport: &impl Transport) -> (Result<(), ErrorCode>, Sent) {
    let request = request(1);
    let departure = request.departure.clone();
    let result = transport.put_records(request).await;
    (code(&result), departure.sent())
}

/// Asks for the shards: the code, or how many there are.
///
/// # Errors
/// The code of what the transport says.
pub async fn list(transport: &impl Transport) -> Result<usize, ErrorCode> {
    let page = transport.list_shards(ListShards::new(stream(), None)).await;
    page.map(|page| page.shards.len()).map_err(|error| error.code)
}

/// `Ok` if all was stored, else the first code.
///
/// # Errors
/// As said.
pub fn code(result: &PutRecordsResult) -> Result<(), ErrorCode> {
    match result {
        Ok(results) => match results.iter().find_map(|result| result.as_ref().err()) {
            Some(error) => Err(error.code.clone()),
            None => Ok(()),
        },
        Err(error) => Err(error.code.clone()),
    }
}
