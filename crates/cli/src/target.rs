use std::sync::Arc;

use headwaters::http::HttpTransport;
use headwaters::mock::{Mock, ShardReport, Stored};
use headwaters::wire::{AttemptError, Class};
use headwaters::{
    ListShards, ListShardsResult, PutRecords, PutRecordsResult, TokioClock, Transport,
};
use tokio::sync::watch;

/// Where the records go.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// The stream inside the command.
    Local(Mock<TokioClock>),
    /// A service.
    Service(Service),
}

/// A service, and how it goes with it.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    state: Arc<watch::Sender<State>>,
    transport: HttpTransport,
}

#[derive(Debug, Default)]
struct State {
    /// How many requests in a row failed as a whole.
    failures: u32,
    /// Why the last request failed as a whole; nothing if it did not.
    last_failure: Option<AttemptError>,
    /// How often in a row the credentials were refused.
    refusals: u32,
    /// A request was answered.
    works: bool,
}

/// So often credentials are refused before it is believed: the first time the clock may be off, or they may have been
/// exchanged meanwhile.
const REFUSALS: u32 = 3;

/// So many requests in a row fail before it is told: a few are nothing.
const FAILURES: u32 = 3;

impl Service {
    pub(crate) fn new(transport: HttpTransport) -> Self {
        Self { state: Arc::new(watch::Sender::new(State::default())), transport }
    }

    async fn put(&self, request: PutRecords) -> PutRecordsResult {
        let result = self.transport.put_records(request).await;
        let failure = result.as_ref().err();
        let is_refusal = failure.is_some_and(|error| error.code.class() == Class::Credentials);
        self.state.send_modify(|state| {
            state.failures = if failure.is_some() { state.failures.saturating_add(1) } else { 0 };
            state.last_failure = failure.cloned();
            state.refusals = if is_refusal { state.refusals + 1 } else { 0 };
            state.works |= failure.is_none();
        });
        result
    }
}

impl Target {
    /// Everything that the stream holds, and its shards, if it can be seen from here.
    pub(crate) fn content(&self) -> Option<(Vec<Stored>, Vec<ShardReport>)> {
        match self {
            Self::Local(mock) => Some((mock.records(), mock.shards())),
            Self::Service(_) => None,
        }
    }

    /// Whether it can be seen from here what the stream holds.
    pub(crate) const fn has_content(&self) -> bool {
        matches!(self, Self::Local(_))
    }

    /// Where it is, in a word that tells it from others.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::Local(_) => String::from("local"),
            Self::Service(service) => service.transport.endpoint().to_string(),
        }
    }

    /// The shards, if they can be seen from here.
    pub(crate) fn shards(&self) -> Option<Vec<ShardReport>> {
        match self {
            Self::Local(mock) => Some(mock.shards()),
            Self::Service(_) => None,
        }
    }

    /// Why the last request failed as a whole; nothing if it did not.
    pub(crate) fn last_failure(&self) -> Option<AttemptError> {
        match self {
            Self::Local(_) => None,
            Self::Service(service) => service.state.borrow().last_failure.clone(),
        }
    }

    /// Ends when requests fail one after the other, if `fail`, or when one is answered; with the last failure.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub(crate) async fn requests(&self, fail: bool) -> Option<AttemptError> {
        let Self::Service(Service { state, .. }) = self else {
            return core::future::pending().await;
        };
        let mut receiver = state.subscribe();
        let is_so =
            |state: &State| if fail { state.failures >= FAILURES } else { state.failures == 0 };
        let state = receiver.wait_for(|state| is_so(state)).await;
        state.expect("the sender is borrowed, so it is there").last_failure.clone()
    }

    /// Ends when the service refuses the credentials again and again, and never took them.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub(crate) async fn credentials_refused(&self) {
        let Self::Service(Service { state, .. }) = self else {
            return core::future::pending().await;
        };
        let mut receiver = state.subscribe();
        let refused = receiver.wait_for(|state| !state.works && state.refusals >= REFUSALS);
        drop(refused.await.expect("the sender is borrowed, so it is there"));
    }
}

impl Transport for Target {
    async fn list_shards(&self, request: ListShards) -> ListShardsResult {
        match self {
            Self::Local(mock) => mock.list_shards(request).await,
            Self::Service(service) => service.transport.list_shards(request).await,
        }
    }

    async fn put_records(&self, request: PutRecords) -> PutRecordsResult {
        match self {
            Self::Local(mock) => mock.put_records(request).await,
            Self::Service(service) => service.put(request).await,
        }
    }

    fn thawed(&self) {
        match self {
            Self::Local(mock) => mock.thawed(),
            Self::Service(service) => service.transport.thawed(),
        }
    }
}
