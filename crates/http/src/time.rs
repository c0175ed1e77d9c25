use core::time::Duration;
use std::sync::Arc;
use std::time::SystemTime;

/// Where the time of day comes from, which a signature carries.
pub(crate) type WallClock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

#[expect(clippy::disallowed_methods, reason = "the one place where the time of day is read")]
pub(crate) fn system_clock() -> WallClock {
    Arc::new(SystemTime::now)
}

/// A point in time on tokio's clock, to wait until.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(tokio::time::Instant);

#[expect(clippy::disallowed_methods, reason = "sockets are tokio's, and so are their deadlines")]
impl Deadline {
    /// So long from now; a time beyond what can be represented is 30 years.
    pub(crate) fn after(time: Duration) -> Self {
        const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 3_600);
        let now = tokio::time::Instant::now();
        Self(now.checked_add(time).unwrap_or_else(|| now + NEVER))
    }

    /// How long from now; nothing if it has passed.
    pub(crate) fn left(self) -> Duration {
        self.0.saturating_duration_since(tokio::time::Instant::now())
    }

    pub(crate) fn has_passed(self) -> bool {
        self.left().is_zero()
    }

    /// The output of `future`, or `None` if it is not there in time.
    pub(crate) async fn bound<F: Future>(self, future: F) -> Option<F::Output> {
        tokio::time::timeout_at(self.0, future).await.ok()
    }
}

/// Waits for so long.
#[expect(
    clippy::disallowed_methods,
    reason = "sockets are tokio's, and so is what waits beside them"
)]
pub(crate) async fn nap(time: Duration) {
    tokio::time::sleep(time).await;
}
