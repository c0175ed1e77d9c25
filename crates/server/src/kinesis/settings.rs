use core::time::Duration;

use headwaters_model::ShardLimits;

use super::records::Retention;

/// What is alike for all streams.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// How long it takes to make, change or delete a stream.
    pub(crate) change_time: Duration,
    /// `None` if shards take whatever comes.
    pub(crate) limits: Option<ShardLimits>,
    pub(crate) retention: Retention,
    /// Most open shards of all streams together.
    pub(crate) shards_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            change_time: Duration::ZERO,
            limits: Some(ShardLimits::default()),
            retention: Retention::default(),
            shards_max: 10_000,
        }
    }
}
