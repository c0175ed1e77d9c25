use core::time::Duration;

use headwaters_engine::Stats as EngineStats;

/// How it stands with a producer: what its engine has done and holds, and what the hand-over costs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// The engine's counters and levels.
    pub engine: EngineStats,
    /// The longest time for which the driver kept the callers out.
    pub longest_hold: Duration,
    /// Outcomes now that wait for their tickets to take them; what they hold is not part of
    /// [`Bounds`](crate::Bounds).
    pub outcomes_kept: u64,
    /// Calls that wait for room now.
    pub puts_waiting: u64,
    /// How often the driver was woken, by calls, by answers and by the clock; and by itself, where it lets others have the
    /// lock while a reshard is under way.
    pub wakeups: u64,
}
