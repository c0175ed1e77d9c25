use headwaters_transport::{Clock, Instant};

/// Tokio's clock. It starts at zero when it is made, and obeys `tokio::time::pause`.
#[derive(Clone, Copy, Debug)]
pub struct TokioClock {
    origin: tokio::time::Instant,
}

#[expect(clippy::disallowed_methods, reason = "the one place where time is read and waited for")]
impl TokioClock {
    /// A clock that starts now.
    pub fn new() -> Self {
        Self { origin: tokio::time::Instant::now() }
    }

    fn elapsed(&self) -> Instant {
        Instant::ZERO.after(tokio::time::Instant::now().saturating_duration_since(self.origin))
    }

    async fn sleep(&self, at: Instant) {
        let after = at.since(Instant::ZERO);
        match self.origin.checked_add(after) {
            Some(at) => tokio::time::sleep_until(at).await,
            // Beyond what the platform can represent: nobody will see it come.
            None => core::future::pending().await,
        }
    }
}

impl Default for TokioClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Instant {
        self.elapsed()
    }

    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> + Send {
        self.sleep(at)
    }
}
