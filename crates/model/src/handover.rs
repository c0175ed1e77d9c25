use core::time::Duration;

/// When the children of a reshard take over from their parents. Servers differ in this, and the
/// documents of the service promise neither.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the two ways that servers have")]
pub enum Handover {
    /// The parents are closed and the children take every record from the moment of the change,
    /// which is then over: another one may follow at the same instant.
    ChildrenAtOnce,
    /// The stream is UPDATING until `until`: the parents go on taking records and are what
    /// ListShards shows, and any other change is refused. At `until` the children take over.
    ParentUntilDone {
        /// The time of the stream at which the change is done. If it is not later than the change,
        /// the children take over at once.
        until: Duration,
    },
}
