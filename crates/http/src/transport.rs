use core::fmt;
use std::sync::Arc;

use bytes::Bytes;
use headwaters_transport::{ListShards, ListShardsResult, PutRecords, PutRecordsResult, Transport};
use headwaters_wire::{AttemptError, StreamArn, StreamName};

use crate::answer::{read_results, read_shard_page, unusable};
use crate::body::{Buffers, Protocol, Stream};
use crate::builder::HttpBuilder;
use crate::service::{Call, Destination, Service};

/// A [`Transport`] to the service, or to any server that speaks its protocol.
///
/// Cloning shares everything: connections, credentials and what was learned of the server's clock.
///
/// It needs a tokio runtime with input, output and time (`enable_all`). `Debug` prints endpoints and no
/// credentials.
#[derive(Clone)]
pub struct HttpTransport {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) buffers: Buffers,
    /// Where shards are listed, if not where records go: the endpoints of an account differ.
    pub(crate) control: Option<Destination>,
    pub(crate) data: Destination,
    pub(crate) service: Service,
    pub(crate) stream: Option<StreamArn>,
}

/// Most bytes of an answer to PutRecords: so many, and so many for each entry. An entry of the service's has
/// about 110, one with an error and a long message less than 500.
const PUT_ANSWER_BYTES: usize = 64 * 1024;
const PUT_ANSWER_ENTRY_BYTES: usize = 1_024;
/// Most bytes of an answer to ListShards: a thousand shards have about 350,000, and a page token may have
/// a million.
const LIST_ANSWER_BYTES: usize = 8 * 1024 * 1024;
/// Most bytes of any other answer: GetRecords gives 10 MiB of data, a third more in base64, and keys beside.
const CALL_ANSWER_BYTES: usize = 32 * 1024 * 1024;
/// What belongs to the data plane, for the endpoints of accounts; all else is control. Source: the service's rules
/// for endpoints.
const DATA_OPERATIONS: [&str; 5] =
    ["GetRecords", "GetShardIterator", "PutRecord", "PutRecords", "SubscribeToShard"];

impl HttpTransport {
    /// Begins with nothing: at least [credentials](HttpBuilder::credentials) and a
    /// [region](HttpBuilder::region) are needed.
    pub fn builder() -> HttpBuilder {
        HttpBuilder::default()
    }

    pub(crate) fn new(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }

    /// Asks for the credentials, as the first request would, and sends nothing. They are kept if there are any.
    ///
    /// # Errors
    /// What their provider says.
    ///
    /// # Cancel safety
    /// Dropping the future stops the waiting.
    pub async fn check_credentials(&self) -> Result<(), crate::CredentialsError> {
        let service = &self.inner.service;
        service.credentials.get(service.time.clock()).await.map(drop)
    }

    /// Asks for any operation of the service's API, by its name and the JSON of its request, and brings the JSON of
    /// its answer: for tools beside a producer, such as a reader of records. It is JSON whatever the
    /// [protocol](crate::HttpBuilder::protocol) of the transport is.
    ///
    /// It is asked once. Whether to ask again [`ErrorCode::class`](headwaters_wire::ErrorCode::class) says; after one of
    /// class `Credentials` the next request has new credentials or the server's time.
    ///
    /// # Errors
    /// What the service says, or what went wrong on the way to it; also for an answer of more than 32 MiB, and for one
    /// that is not JSON.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection; what was asked may have been done.
    pub async fn call(
        &self,
        operation: &'static str,
        request: impl Into<Bytes>,
    ) -> Result<Bytes, AttemptError> {
        let request = request.into();
        let call = Call {
            body: &|| request.clone(),
            departure: None,
            limit: CALL_ANSWER_BYTES,
            operation,
            protocol: Protocol::Json,
        };
        let Inner { control, data, service, .. } = &*self.inner;
        let control = control.as_ref().filter(|_| !DATA_OPERATIONS.contains(&operation));
        let answer = service.ask(control.unwrap_or(data), call).await?;
        match answer.protocol {
            Protocol::Json => Ok(answer.body),
            Protocol::Cbor => Err(unusable("the answer is CBOR, though JSON was asked for")),
        }
    }

    /// By how many seconds the server's clock was ahead of this machine's when it last answered, by its header `Date`;
    /// `None` before the first answer that has one. The header has whole seconds, and the way takes its time.
    pub fn clock_offset(&self) -> Option<i64> {
        self.inner.service.time.seen()
    }

    /// Where records are sent.
    pub fn endpoint(&self) -> &crate::Endpoint {
        &self.inner.data.connector.endpoint
    }
}

impl Inner {
    /// How a request names the stream: by its ARN, if that was given.
    fn stream<'a>(&'a self, name: &'a StreamName) -> Stream<'a> {
        let arn = self.stream.as_ref().filter(|arn| arn.stream_name() == name);
        arn.map_or(Stream::Name(name), Stream::Arn)
    }

    async fn list(&self, request: ListShards) -> ListShardsResult {
        let protocol = self.service.protocol;
        let stream = self.stream(&request.stream);
        let body = || {
            let mut body = Vec::new();
            protocol.list_shards(&mut body, stream, request.next_token.as_ref());
            Bytes::from(body)
        };
        let call = Call {
            body: &body,
            departure: None,
            limit: LIST_ANSWER_BYTES,
            operation: "ListShards",
            protocol,
        };
        let destination = self.control.as_ref().unwrap_or(&self.data);
        let answer = self.service.ask(destination, call).await?;
        read_shard_page(answer.protocol, &answer.body)
    }

    async fn put(&self, request: PutRecords) -> PutRecordsResult {
        let protocol = self.service.protocol;
        let stream = self.stream(&request.stream);
        let entries = &request.entries;
        let body = || self.buffers.fill(|body| protocol.put_records(body, stream, entries));
        let call = Call {
            body: &body,
            departure: Some(request.departure.clone()),
            limit: PUT_ANSWER_BYTES + PUT_ANSWER_ENTRY_BYTES * entries.len(),
            operation: "PutRecords",
            protocol,
        };
        let answer = self.service.ask(&self.data, call).await?;
        read_results(answer.protocol, &answer.body, entries.len())
    }
}

impl Transport for HttpTransport {
    fn list_shards(&self, request: ListShards) -> impl Future<Output = ListShardsResult> + Send {
        let inner = Arc::clone(&self.inner);
        async move { inner.list(request).await }
    }

    fn put_records(&self, request: PutRecords) -> impl Future<Output = PutRecordsResult> + Send {
        // Here and not in the future, or else one that is never polled might have been sent.
        request.departure.hold();
        let inner = Arc::clone(&self.inner);
        async move { inner.put(request).await }
    }

    /// Drops the idle connections.
    fn thawed(&self) {
        let Inner { control, data, .. } = &*self.inner;
        data.pool.clear();
        control.iter().for_each(|control| control.pool.clear());
    }
}

impl fmt::Debug for HttpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { control, data, service, stream, .. } = &*self.inner;
        f.debug_struct("HttpTransport")
            .field("control", control)
            .field("data", data)
            .field("service", service)
            .field("stream", stream)
            .finish_non_exhaustive()
    }
}
