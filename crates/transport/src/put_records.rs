use headwaters_engine::wire::{Entries, StreamName};

use crate::departure::Departure;

/// One PutRecords request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PutRecords {
    /// How far it got: for the adapter to say.
    pub departure: Departure,
    /// 1 to 500 entries, within the limits of the service. The engine keeps the same ones.
    pub entries: Entries,
    /// The stream.
    pub stream: StreamName,
}

impl PutRecords {
    /// A request that has not been sent.
    pub fn new(stream: StreamName, entries: impl Into<Entries>) -> Self {
        Self { departure: Departure::default(), entries: entries.into(), stream }
    }
}
