use core::cell::Cell;
use core::pin::pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker};
use std::io;
use std::sync::Arc;
use std::task::Wake;
use std::thread::{self, Thread};
use std::time::Instant as StdInstant;

use headwaters_transport::{Clock, Instant};

thread_local! {
    /// When the future that this thread drives wants to be polled again, though nobody wakes it.
    static ALARM: Cell<Option<StdInstant>> = const { Cell::new(None) };

    /// Used again by the next call, so that waiting for a record allocates nothing.
    static BELL: Cell<Option<Arc<Bell>>> = const { Cell::new(None) };
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
    // Another future may be driven further up on this thread: then this is its bell, and there is another.
    let bell = BELL.take().unwrap_or_default();
    let waker = Waker::from(Arc::clone(&bell));
    let mut context = Context::from_waker(&waker);
    let outer = ALARM.take();
    let output = loop {
        ALARM.set(None);
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            break output;
        }
        let alarm = ALARM.get();
        while !bell.rung.swap(false, Ordering::Acquire) {
            let Some(at) = alarm else {
                thread::park();
                continue;
            };
            let left = at.saturating_duration_since(StdInstant::now());
            if left.is_zero() {
                break;
            }
            thread::park_timeout(left);
        }
    };
    ALARM.set(outer);
    BELL.set(Some(bell));
    output
}

/// What a thread has to do to drive a future, in a tokio runtime of its own.
#[cfg(feature = "tokio")]
pub(crate) fn driving<F: Future<Output = ()> + Send>(
    future: F,
) -> io::Result<impl FnOnce() + Send> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(move || runtime.block_on(rung_by_tokio(future)))
}

/// What a thread has to do to drive a future.
#[cfg(not(feature = "tokio"))]
pub(crate) fn driving<F: Future<Output = ()> + Send>(
    future: F,
) -> io::Result<impl FnOnce() + Send> {
    Ok(move || block_on(future))
}

/// Has tokio ring the alarms of the future, which it sets as if [`block_on`] drove it.
#[cfg(feature = "tokio")]
#[expect(clippy::disallowed_methods, reason = "the thread sleeps until the clock's next alarm")]
async fn rung_by_tokio<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut timer = pin!(tokio::time::sleep_until(StdInstant::now().into()));
    core::future::poll_fn(move |context| {
        loop {
            ALARM.set(None);
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                return Poll::Ready(output);
            }
            let Some(at) = ALARM.take() else { return Poll::Pending };
            timer.as_mut().reset(at.into());
            if timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
    })
    .await
}

/// Wakes a thread; it knows that it was for this by `rung`, for a thread can be woken for anything.
struct Bell {
    rung: AtomicBool,
    thread: Thread,
}

impl Default for Bell {
    fn default() -> Self {
        Self { rung: AtomicBool::new(false), thread: thread::current() }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.thread.unpark();
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

    /// The inner call sleeps on the same thread, and must not take the wake of the outer one for itself.
    #[test]
    fn a_wake_of_the_outer_future_is_not_lost_in_an_inner_one() {
        let clock = ThreadClock::new();
        let mut polls = 0;
        block_on(core::future::poll_fn(|context| {
            polls += 1;
            if polls == 1 {
                context.waker().wake_by_ref();
                block_on(clock.sleep_until(clock.now().after(Duration::from_millis(2))));
                return Poll::Pending;
            }
            Poll::Ready(())
        }));
        assert_eq!(polls, 2);
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
