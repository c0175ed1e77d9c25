use core::cell::Cell;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::sync::Arc;
use std::task::Wake;
use std::thread::{self, Thread};
use std::time::Instant as StdInstant;

use headwaters_transport::{Clock, Instant};

thread_local! {
    /// When the future that this thread drives wants to be polled again, though nobody wakes it.
    static ALARM: Cell<Option<StdInstant>> = const { Cell::new(None) };
}

/// The clock of programs without a runtime: the standard library's.
///
/// Its waiting works on threads that drive a future with [`block_on`], and in futures that are polled whenever
/// their thread is woken, as a [`Driver`](crate::Driver) polls the requests that it has under way.
#[derive(Clone, Copy, Debug)]
pub struct ThreadClock {
    origin: StdInstant,
}

impl ThreadClock {
    /// A clock that starts at zero now.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn new() -> Self {
        Self { origin: StdInstant::now() }
    }
}

impl Default for ThreadClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ThreadClock {
    fn now(&self) -> Instant {
        Instant::ZERO.after(self.origin.elapsed())
    }

    async fn sleep_until(&self, at: Instant) {
        let due = self.origin.checked_add(at.since(Instant::ZERO));
        core::future::poll_fn(|_| {
            if self.now() >= at {
                return Poll::Ready(());
            }
            // What the platform cannot represent nobody will see come.
            if let Some(due) = due {
                ALARM
                    .with(|alarm| alarm.set(Some(alarm.get().map_or(due, |other| other.min(due)))));
            }
            Poll::Pending
        })
        .await;
    }
}

/// Drives a future on this thread, which sleeps while there is nothing to do.
#[expect(clippy::disallowed_methods, reason = "the thread sleeps until the clock's next alarm")]
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    // Another future may be driven further up on this thread.
    let outer = ALARM.take();
    loop {
        ALARM.set(None);
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            ALARM.set(outer);
            return output;
        }
        match ALARM.get() {
            Some(at) => thread::park_timeout(at.saturating_duration_since(StdInstant::now())),
            None => thread::park(),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    #[test]
    fn a_thread_sleeps_until_the_nearest_alarm() {
        let clock = ThreadClock::new();
        let after = |millis| clock.now().after(Duration::from_millis(millis));
        let (near, far) = (after(20), after(60_000));
        block_on(async {
            let (mut near, mut far) = (pin!(clock.sleep_until(near)), pin!(clock.sleep_until(far)));
            core::future::poll_fn(|context| {
                assert!(far.as_mut().poll(context).is_pending());
                near.as_mut().poll(context)
            })
            .await;
        });
        assert!(clock.now() >= near && clock.now() < far);
    }

    #[test]
    fn a_wake_from_another_thread_is_heard() {
        let (sender, receiver) = std::sync::mpsc::channel::<Waker>();
        let other = thread::spawn(move || receiver.recv().expect("a waker").wake());
        let mut polls = 0;
        block_on(core::future::poll_fn(|context| {
            polls += 1;
            if polls > 1 {
                return Poll::Ready(());
            }
            sender.send(context.waker().clone()).expect("it listens");
            Poll::Pending
        }));
        other.join().expect("no panic");
    }
}
