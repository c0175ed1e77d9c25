use headwaters_transport::{Clock, Instant};

/// Tokio's clock. It starts at zero when it is made, and obeys `tokio::time::pause`.
#[derive(Clone, Copy, Debug)]
pub struct TokioClock {
    origin: tokio::time::Instant,
}

impl TokioClock {
    /// A clock that starts now.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn new() -> Self {
        Self { origin: tokio::time::Instant::now() }
    }
}

impl Default for TokioClock {
    fn default() -> Self {
        Self::new()
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where time is read and waited for")]
impl Clock for TokioClock {
    fn now(&self) -> Instant {
        Instant::ZERO.after(tokio::time::Instant::now().saturating_duration_since(self.origin))
    }

    /// # Panics
    /// On a runtime without timers; see [`ProducerBuilder::start`](crate::ProducerBuilder::start).
    async fn sleep_until(&self, at: Instant) {
        match self.origin.checked_add(at.since(Instant::ZERO)) {
            Some(at) => tokio::time::sleep_until(at).await,
            // Beyond what the platform can represent: nobody will see it come.
            None => core::future::pending().await,
        }
    }
}
