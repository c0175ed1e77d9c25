use core::time::Duration;
use std::time::{Instant, SystemTime};

/// The time since the beginning of 1970, by the machine's clock when the server started and steady from then on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    at_start: Duration,
    start: Instant,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "a server lives in real time")]
    pub(crate) fn start() -> Self {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self { at_start: since_1970.unwrap_or_default(), start: Instant::now() }
    }

    pub(crate) fn now(&self) -> Duration {
        self.at_start + self.start.elapsed()
    }
}

/// Waits.
#[expect(clippy::disallowed_methods, reason = "a server lives in real time")]
pub(crate) async fn wait(time: Duration) {
    tokio::time::sleep(time).await;
}
