use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::config::timeout::TimeoutConfig;
use aws_sdk_kinesis::config::{self, Config, SharedAsyncSleep};
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::types::{ShardFilter, ShardFilterType};
use aws_smithy_async::rt::sleep::TokioSleep;
use headwaters_transport::{
    Departure, ListShards, ListShardsResult, PutRecords, PutRecordsResult, Transport,
};
use headwaters_wire::{AttemptError, Class, StreamArn, StreamName};

use crate::credentials::{CredentialsCache, Generation};
use crate::failure::read_failure;
use crate::watch::Watch;
use crate::{list_shards, put_records};

/// A [`Transport`] over an [`aws_sdk_kinesis::Client`].
///
/// Cloning shares the client and what is known of its credentials.
///
/// It needs a tokio runtime with time, and with what the client's HTTP client needs.
#[derive(Clone)]
pub struct AwsTransport {
    client: Client,
    connect_timeout: Duration,
    credentials: Arc<CredentialsCache>,
    request_timeout: Duration,
    stream: Option<StreamArn>,
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Most bytes of an answer to PutRecords: so many, and so many for each entry. An entry of the service's has
/// about 110, one with an error and a long message less than 500.
const PUT_ANSWER_BYTES: usize = 64 * 1024;
const PUT_ANSWER_ENTRY_BYTES: usize = 1_024;
/// Most bytes of an answer to ListShards: a thousand shards have about 350,000, and a page token may have
/// a million.
const LIST_ANSWER_BYTES: usize = 8 * 1024 * 1024;

impl AwsTransport {
    /// A transport over this client. Endpoint, region, credentials and HTTP client are the client's.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            connect_timeout: CONNECT_TIMEOUT,
            credentials: Arc::default(),
            request_timeout: REQUEST_TIMEOUT,
            stream: None,
        }
    }

    /// Names the stream by its ARN in the requests for it, instead of by its name: for a stream of another account, and
    /// for the account's own endpoint, which the SDK then chooses. Requests for other streams go by name.
    #[must_use]
    pub fn stream_arn(mut self, stream: StreamArn) -> Self {
        self.stream = Some(stream);
        self
    }

    /// How long a connection may take to be made; 5 s by default.
    #[must_use]
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a request may take, everything included, credentials too; 60 s by default. The engine gives up
    /// sooner by a timeout of its own. Other timeouts of the client hold as well.
    #[must_use]
    pub const fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// What differs from the client's configuration, for one request.
    fn settings(&self, watch: &Watch, generation: &Generation) -> config::Builder {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(self.connect_timeout)
            .operation_timeout(self.request_timeout)
            .build();
        let mut settings = Config::builder()
            .interceptor(watch.clone())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts);
        // Without a way to sleep there would be no timeouts.
        if self.client.config().sleep_impl().is_none() {
            settings.set_sleep_impl(Some(SharedAsyncSleep::new(TokioSleep::new())));
        }
        if let Some(cache) = generation.cache() {
            settings.set_identity_cache(cache);
        }
        settings
    }

    /// The name or the ARN, whichever the requests for this stream go by.
    fn stream(&self, name: &StreamName) -> (Option<String>, Option<String>) {
        match self.stream.as_ref().filter(|arn| arn.stream_name() == name) {
            Some(arn) => (None, Some(arn.as_str().to_owned())),
            None => (Some(name.as_str().to_owned()), None),
        }
    }

    fn failure<E>(
        &self,
        failure: &SdkError<E>,
        watch: &Watch,
        generation: &Generation,
    ) -> AttemptError
    where
        E: core::error::Error + ProvideErrorMetadata + 'static,
    {
        let error = read_failure(failure, watch);
        if error.code.class() == Class::Credentials {
            self.credentials.refuse(generation);
        }
        error
    }

    async fn list(&self, request: ListShards) -> ListShardsResult {
        let watch = Watch::new(Departure::default(), LIST_ANSWER_BYTES);
        let generation = self.credentials.current();
        let call = match &request.next_token {
            Some(token) => self.client.list_shards().next_token(token.as_str()),
            None => {
                let open = ShardFilter::builder().r#type(ShardFilterType::AtLatest).build();
                let (name, arn) = self.stream(&request.stream);
                self.client
                    .list_shards()
                    .max_results(list_shards::SHARDS_PER_PAGE)
                    .shard_filter(open.expect("the type is there"))
                    .set_stream_name(name)
                    .set_stream_arn(arn)
            }
        };
        let settings = self.settings(&watch, &generation);
        match call.customize().config_override(settings).send().await {
            Ok(answer) => list_shards::page(answer),
            Err(failure) => Err(self.failure(&failure, &watch, &generation)),
        }
    }

    async fn put(&self, request: PutRecords) -> PutRecordsResult {
        let count = request.entries.len();
        let limit = PUT_ANSWER_BYTES + PUT_ANSWER_ENTRY_BYTES * count;
        let watch = Watch::new(request.departure, limit);
        let generation = self.credentials.current();
        let (name, arn) = self.stream(&request.stream);
        let call = self
            .client
            .put_records()
            .set_records(Some(request.entries.iter().map(put_records::entry).collect()))
            .set_stream_name(name)
            .set_stream_arn(arn);
        // From here on the SDK has its copy, and the engine the original.
        drop(request.entries);
        let settings = self.settings(&watch, &generation);
        match call.customize().config_override(settings).send().await {
            Ok(answer) => put_records::results(answer.records, count),
            Err(failure) => Err(self.failure(&failure, &watch, &generation)),
        }
    }
}

impl Transport for AwsTransport {
    fn list_shards(&self, request: ListShards) -> impl Future<Output = ListShardsResult> + Send {
        self.list(request)
    }

    fn put_records(&self, request: PutRecords) -> impl Future<Output = PutRecordsResult> + Send {
        // Here and not in the future, or else one that is never polled might have been sent.
        request.departure.hold();
        self.put(request)
    }
}

impl fmt::Debug for AwsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsTransport")
            .field("connect_timeout", &self.connect_timeout)
            .field("request_timeout", &self.request_timeout)
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}
