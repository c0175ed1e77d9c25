use core::num::NonZeroU32;

use headwaters_wire::StreamName;

use crate::ShardLimits;

/// What a [`Stream`](crate::Stream) is made of.
#[derive(Clone, Debug)]
pub struct StreamOptions {
    pub(crate) limits: Option<ShardLimits>,
    pub(crate) name: StreamName,
    pub(crate) shards: NonZeroU32,
}

impl StreamOptions {
    /// A stream of `shards` shards with the limits of the service.
    pub fn new(name: StreamName, shards: NonZeroU32) -> Self {
        Self { limits: Some(ShardLimits::default()), name, shards }
    }

    /// Gives every shard these limits instead of the service's.
    #[must_use]
    pub fn limits(self, limits: ShardLimits) -> Self {
        Self { limits: Some(limits), ..self }
    }

    /// Lets every shard take whatever comes; only an [`EntryFault`](crate::EntryFault) throttles
    /// then.
    #[must_use]
    pub fn unlimited(self) -> Self {
        Self { limits: None, ..self }
    }
}
