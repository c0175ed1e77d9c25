//! The streams that are served.

mod hosted;
mod kept;
mod records;
mod settings;
mod shard;
mod token;

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use headwaters_model::ACCOUNT;
pub(crate) use hosted::{Change, Hosted, Incoming, NewStream};
pub(crate) use kept::KeptStream;
pub use records::Retention;
pub(crate) use settings::Settings;
pub(crate) use shard::{HostedShard, Position};
pub(crate) use token::{LIFE, ListToken, ShardFilter, ShardIterator};

use headwaters_wire::StreamName;

use crate::error::ServiceError;

/// The region that all streams are in, as their ARNs say.
pub(crate) const REGION: &str = "us-east-1";

/// All streams, each under a lock of its own that is held for no longer than one request takes: no lock is held while
/// anything is waited for.
#[derive(Debug)]
pub(crate) struct Kinesis {
    pub(crate) settings: Settings,
    streams: RwLock<BTreeMap<StreamName, Arc<Mutex<Hosted>>>>,
}

impl Kinesis {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings, streams: RwLock::default() }
    }

    /// Makes a stream.
    pub(crate) fn create(&self, new: NewStream, now: Duration) -> Result<(), ServiceError> {
        let name = new.name.clone();
        let wanted = new.shards.get() as usize;
        self.check_shards(wanted, now)?;
        let mut streams = self.streams.write().unwrap_or_else(PoisonError::into_inner);
        if streams.get(&name).is_some_and(|stream| !lock(stream).is_gone(now)) {
            let words = format!("Stream {name} under account {ACCOUNT} already exists.");
            return Err(ServiceError::in_use(words));
        }
        let stream = Hosted::new(new, self.settings, now);
        streams.insert(name, Arc::new(Mutex::new(stream)));
        Ok(())
    }

    /// That so many more shards may be opened.
    pub(crate) fn check_shards(&self, more: usize, now: Duration) -> Result<(), ServiceError> {
        let open: usize = self.all(now).iter().map(|stream| lock(stream).open_count()).sum();
        let limit = self.settings.shards_max;
        if open + more <= limit {
            return Ok(());
        }
        Err(ServiceError::limit(format!(
            "This request would exceed the shard limit for the account {ACCOUNT} in {REGION}. Current shard count for \
             the account: {open}. Limit: {limit}. Number of additional shards that would have resulted from this \
             request: {more}. Refer to the AWS Service Limits page \
             (http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current limits and how to \
             request higher limits."
        )))
    }

    /// Takes over a stream that was kept somewhere else.
    pub(crate) fn adopt(&self, stream: Hosted) {
        let mut streams = self.streams.write().unwrap_or_else(PoisonError::into_inner);
        streams.insert(stream.name().clone(), Arc::new(Mutex::new(stream)));
    }

    /// Does something with a stream, at its time.
    pub(crate) fn with<T>(
        &self,
        name: &StreamName,
        now: Duration,
        work: impl FnOnce(&mut Hosted) -> Result<T, ServiceError>,
    ) -> Result<T, ServiceError> {
        let streams = self.streams.read().unwrap_or_else(PoisonError::into_inner);
        let stream = streams.get(name).cloned();
        drop(streams);
        let no_such_stream = || ServiceError::no_such_stream(name);
        let stream = stream.ok_or_else(no_such_stream)?;
        let mut stream = lock(&stream);
        if stream.is_gone(now) {
            return Err(no_such_stream());
        }
        stream.advance(now);
        work(&mut stream)
    }

    /// All streams, in the order of their names. Those that are gone are let go.
    pub(crate) fn all(&self, now: Duration) -> Vec<Arc<Mutex<Hosted>>> {
        let mut streams = self.streams.write().unwrap_or_else(PoisonError::into_inner);
        streams.retain(|_, stream| !lock(stream).is_gone(now));
        streams.values().cloned().collect()
    }
}

/// Takes a lock whether or not it is poisoned: a request that panicked must not fail all others.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
