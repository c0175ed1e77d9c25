use core::num::NonZeroU32;

use headwaters_wire::StreamName;

use crate::{Distribution, MaxRecordSize, ShardLimits};

/// What a [`Stream`](crate::Stream) is made of.
#[derive(Clone, Debug)]
pub struct StreamOptions {
    pub(crate) distribution: Distribution,
    pub(crate) limits: Option<ShardLimits>,
    pub(crate) max_record_size: MaxRecordSize,
    pub(crate) name: StreamName,
    pub(crate) shards: NonZeroU32,
}

impl StreamOptions {
    /// A stream of `shards` shards with the limits of the service.
    pub fn new(name: StreamName, shards: NonZeroU32) -> Self {
        Self {
            distribution: Distribution::default(),
            limits: Some(ShardLimits::default()),
            max_record_size: MaxRecordSize::DEFAULT,
            name,
            shards,
        }
    }

    /// Lets this decide where records are stored instead of their keys
    /// ([`Distribution::UserPartitionKey`]).
    #[must_use]
    pub fn distribution(self, distribution: Distribution) -> Self {
        Self { distribution, ..self }
    }

    /// Gives every shard, now and after any reshard, these limits instead of the service's.
    #[must_use]
    pub fn limits(self, limits: ShardLimits) -> Self {
        Self { limits: Some(limits), ..self }
    }

    /// Takes records up to this size instead of 1 MiB ([`MaxRecordSize::DEFAULT`]).
    #[must_use]
    pub fn max_record_size(self, max_record_size: MaxRecordSize) -> Self {
        Self { max_record_size, ..self }
    }

    /// Lets every shard take whatever comes; only an [`EntryFault`](crate::EntryFault) or a
    /// [`RequestFault`](crate::RequestFault) throttles then.
    #[must_use]
    pub fn unlimited(self) -> Self {
        Self { limits: None, ..self }
    }
}
