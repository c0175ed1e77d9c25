use std::sync::{Mutex, PoisonError};

use aws_sdk_kinesis::config::{IdentityCache, SharedIdentityCache};

/// Where the SDK keeps the credentials that its provider gave it.
///
/// Its cache holds them until they expire by its own clock, and has no way to give them up before. When the service
/// refuses them, requests get another cache from then on: an empty one, so that the provider is asked again.
#[derive(Debug, Default)]
pub(crate) struct CredentialsCache(Mutex<Generation>);

/// A cache and its number; generation 0 is the client's own cache.
#[derive(Clone, Debug, Default)]
pub(crate) struct Generation {
    cache: Option<SharedIdentityCache>,
    number: u64,
}

impl Generation {
    /// The cache to use instead of the client's own one.
    pub(crate) fn cache(&self) -> Option<SharedIdentityCache> {
        self.cache.clone()
    }
}

impl CredentialsCache {
    pub(crate) fn current(&self) -> Generation {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The credentials of that generation were refused. If many requests report it, it counts once.
    pub(crate) fn refuse(&self, generation: &Generation) {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if current.number == generation.number {
            let cache = Some(IdentityCache::lazy().build());
            *current = Generation { cache, number: current.number + 1 };
        }
    }
}
