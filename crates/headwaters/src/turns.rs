//! Callers who find room each time would never wait, and on one thread neither the driver nor anybody else would have a turn
//! before the room is used up. So they give way when the driver has had none for a while. Where it runs on another thread it
//! has, and nobody need do anything: to give way is not cheap there, for tasks move from thread to thread.

use core::time::Duration;

use headwaters_engine::Instant;

/// For so long callers may keep others waiting.
const TURN: Duration = Duration::from_millis(1);
/// Fewer puts than that are no hurry, however long they take.
const PUTS_MIN: u32 = 256;

/// How long the driver has had no turn, in puts and in time.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    begin: Instant,
    puts: u32,
}

impl Turn {
    #[inline]
    pub(crate) const fn note_put(&mut self, now: Instant) {
        if self.puts == 0 {
            self.begin = now;
        }
        self.puts += 1;
    }

    /// Whether it is time to give way; then another turn begins.
    pub(crate) fn end_if_over(&mut self, now: Instant) -> bool {
        let is_over = self.puts >= PUTS_MIN && now.since(self.begin) >= TURN;
        if is_over {
            self.end();
        }
        is_over
    }

    /// Others have theirs.
    pub(crate) const fn end(&mut self) {
        self.puts = 0;
    }
}

/// Lets others have their turn, whatever runtime this is.
#[cfg(feature = "tokio")]
pub(crate) use tokio::task::yield_now as give_way;

#[cfg(not(feature = "tokio"))]
pub(crate) async fn give_way() {
    let mut has_given_way = false;
    core::future::poll_fn(|context| {
        if core::mem::replace(&mut has_given_way, true) {
            return core::task::Poll::Ready(());
        }
        context.waker().wake_by_ref();
        core::task::Poll::Pending
    })
    .await;
}
