use headwaters_engine::UserRecord;

use crate::stats::Stats;

/// What a producer leaves behind.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct CloseReport {
    /// The counters at the end.
    pub stats: Stats,
    /// The records that the deadline of the close handed back, in the order of acceptance but for those that
    /// were in flight, which come last. Records that had failed before are not among them: their tickets
    /// have said so.
    pub undelivered: Vec<Undelivered>,
}

/// A record that was handed back.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Undelivered {
    /// Whether the service may have stored it all the same.
    pub maybe_stored: bool,
    /// The record.
    pub record: UserRecord,
}
