use core::time::Duration;

use headwaters_wire::{Entry, Placement};

/// A record in the ledger of a [`Stream`](crate::Stream): what was stored, where, and how it came.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stored {
    /// The stream's time when the record was stored.
    pub at: Duration,
    /// The entry as it came; it shares the payload's buffer with the request.
    pub entry: Entry,
    /// Which entry of the request it was, counted from 0.
    pub index: usize,
    /// The sequence number and the shard.
    pub placement: Placement,
    /// Which request it came in: all requests to the stream are counted from 0, refused ones too.
    pub request: u64,
}
