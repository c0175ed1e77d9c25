use core::num::NonZeroU32;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::Arc;

use headwaters::aws::AwsTransport;
use headwaters::http::HttpTransport;
use headwaters::mock::{MaxRecordSize, Mock, MockBuilder};
use headwaters::wire::{StreamArn, StreamName};
use headwaters::{
    ListShards, ListShardsResult, PutRecords, PutRecordsResult, TokioClock, Transport,
};

use crate::admin::Admin;
use crate::clients::{self, Client};
use crate::servers::Running;
use crate::stand::Stand;

/// A transport and a server.
#[derive(Debug)]
pub struct Arm {
    pub(crate) name: &'static str,
    pub(crate) quirks: Quirks,
    /// The streams are in the mock, if there is none.
    server: Option<Server>,
    streams: AtomicU32,
}

/// A server that is reached over HTTP.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) client: Client,
    pub(crate) running: Running,
}

/// What a server cannot do, or does otherwise than the service.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Quirks {
    /// It counts the bytes of a key, not its characters.
    pub(crate) counts_key_bytes: bool,
    /// It fails now and then, on command: what a producer puts is stored all the same, but not what goes out once.
    pub(crate) faulty: bool,
    /// It does not take the ARN of a stream.
    pub(crate) no_arn: bool,
    /// It takes the ARN of a stream for records only, not to list its shards.
    pub(crate) no_arn_to_list: bool,
    /// It takes requests with too many entries, and with none.
    pub(crate) no_entry_limit: bool,
    /// Its streams take no records beyond a megabyte, whatever is said to UpdateMaxRecordSize.
    pub(crate) no_large_records: bool,
    /// It does not list by a page token alone.
    pub(crate) no_paging: bool,
    /// It refuses a record beyond the limit of the stream by itself, not with its request.
    pub(crate) refuses_by_entry: bool,
    /// It is slow: few records, and requests below 500 kB.
    pub(crate) slow: bool,
    /// It does not throttle.
    pub(crate) no_throttling: bool,
}

/// An arm cannot run here: why.
#[derive(Clone, Debug)]
pub struct Skipped(pub(crate) String);

impl Arm {
    pub(crate) const fn new(name: &'static str, server: Option<Server>, quirks: Quirks) -> Self {
        Self { name, quirks, server, streams: AtomicU32::new(0) }
    }

    /// A new stream.
    pub(crate) async fn stream(&self, shards: u32) -> Stand<'_> {
        let Some(admin) = self.admin() else { return self.mock(shards, |mock| mock) };
        let name = self.name();
        admin.create(name.as_str(), shards).await;
        Stand { arm: self, name, way: self.way(Setup::default()) }
    }

    /// A new stream that takes records of 10 MiB, if the server lets it.
    pub(crate) async fn stream_of_large_records(&self, shards: u32) -> Stand<'_> {
        let Some(admin) = self.admin() else {
            return self.mock(shards, |mock| mock.max_record_size(MaxRecordSize::MAX).unlimited());
        };
        let stand = self.stream(shards).await;
        admin.allow_large_records(stand.name.as_str()).await;
        stand
    }

    /// A new stream in a mock of its own.
    pub(crate) fn mock(
        &self,
        shards: u32,
        change: impl FnOnce(MockBuilder) -> MockBuilder,
    ) -> Stand<'_> {
        let name = self.name();
        let shards = NonZeroU32::new(shards).expect("a stream has shards");
        let mock = change(Mock::builder(name.clone(), shards)).build(TokioClock::new());
        Stand { arm: self, name, way: Way::Mock(mock) }
    }

    fn name(&self) -> StreamName {
        let number = self.streams.fetch_add(1, Ordering::Relaxed);
        StreamName::new(&format!("stream-{number}")).expect("a valid name")
    }

    /// Where to ask what a producer does not.
    pub(crate) fn admin(&self) -> Option<Admin> {
        self.port().map(Admin::new)
    }

    /// Where the server listens; the mock has no server.
    pub fn port(&self) -> Option<u16> {
        self.server.as_ref().map(|server| server.running.port)
    }

    /// A transport to the server, or to something before it.
    pub(crate) fn way(&self, setup: Setup) -> Way {
        let Server { client, running } =
            self.server.as_ref().expect("there is only one way to the mock");
        let url = format!("http://127.0.0.1:{}", running.port);
        match client {
            Client::Aws => Way::Aws(clients::aws(setup, url)),
            Client::Http(protocol) => Way::Http(clients::http(setup, &url, *protocol)),
        }
    }
}

/// What is other than usual about a transport.
#[derive(Debug, Default)]
pub(crate) struct Setup {
    /// By which the stream is named.
    pub(crate) arn: Option<StreamArn>,
    /// Whom to trust.
    pub(crate) ca_bundle: Option<String>,
    /// Counts how often credentials were asked for: there is a new key each time.
    pub(crate) keys: Option<Arc<AtomicU64>>,
    /// The proxy through which the way leads.
    pub(crate) proxy: Option<String>,
    /// Where requests go, if not straight to the server.
    pub(crate) url: Option<String>,
}

/// A transport of any kind.
#[derive(Clone, Debug)]
pub(crate) enum Way {
    Aws(AwsTransport),
    Http(HttpTransport),
    Mock(Mock<TokioClock>),
}

impl Transport for Way {
    async fn list_shards(&self, request: ListShards) -> ListShardsResult {
        match self {
            Self::Aws(transport) => transport.list_shards(request).await,
            Self::Http(transport) => transport.list_shards(request).await,
            Self::Mock(transport) => transport.list_shards(request).await,
        }
    }

    async fn put_records(&self, request: PutRecords) -> PutRecordsResult {
        match self {
            Self::Aws(transport) => transport.put_records(request).await,
            Self::Http(transport) => transport.put_records(request).await,
            Self::Mock(transport) => transport.put_records(request).await,
        }
    }
}
