use headwaters_engine::UserRecord;
use headwaters_engine::wire::AttemptError;

use crate::stats::Stats;

/// What a producer leaves behind.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct CloseReport {
    /// How the last request failed as a whole, if none was answered since: why so much is undelivered.
    pub last_error: Option<AttemptError>,
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
    /// What went wrong in its last attempt, if there was one.
    pub last_error: Option<AttemptError>,
    /// Whether the service may have stored it all the same.
    pub maybe_stored: bool,
    /// The record.
    pub record: UserRecord,
}
