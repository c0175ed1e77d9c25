use core::time::Duration;

use headwaters_engine::Instant;

/// Where time comes from. The only other seam beside [`Transport`](crate::Transport): with a clock of its
/// own a producer runs under virtual time.
pub trait Clock: Send + Sync + 'static {
    /// Now. It should not go back; if it does, the engine takes it as standing still.
    fn now(&self) -> Instant;

    /// Waits until `at`; ends at once if that has come. May end a little late, must not end early.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> + Send;

    /// For how long, in all, the process is known to have been frozen since the clock was made. When that has grown by a second the
    /// producer tells its [`Transport`](crate::Transport::thawed). Never, if nothing else is said.
    fn frozen(&self) -> Duration {
        Duration::ZERO
    }
}
