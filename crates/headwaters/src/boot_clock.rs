use core::time::Duration;

use headwaters_transport::{Clock, Instant};
use rustix::time::{ClockId, clock_gettime};

/// A clock that goes on while the machine sleeps (`CLOCK_BOOTTIME`), and waits with another one.
///
/// Where a process is frozen between its calls, as in AWS Lambda, time must not stand still for its records: with this
/// clock what expired meanwhile is not sent at the first opportunity, but given up. The other clock does the waiting; it may
/// have slept, too, so after a thaw the driver may come late by as much as it still had to wait, unless a call wakes it. How long it
/// has slept tells that there was a freeze ([`Clock::frozen`]), and the transport drops its idle connections.
#[derive(Clone, Copy, Debug)]
pub struct BootClock<C> {
    origin: Duration,
    waiting: C,
    /// What the other clock said when this one began.
    began: Instant,
}

impl<C: Clock> BootClock<C> {
    /// A clock that starts at zero now, and waits with this one.
    pub fn new(waiting: C) -> Self {
        Self { began: waiting.now(), origin: since_boot(), waiting }
    }
}

fn since_boot() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

impl<C: Clock> Clock for BootClock<C> {
    fn now(&self) -> Instant {
        Instant::ZERO.after(since_boot().saturating_sub(self.origin))
    }

    async fn sleep_until(&self, at: Instant) {
        loop {
            let left = at.since(self.now());
            if left.is_zero() {
                return;
            }
            let until = self.waiting.now().after(left);
            self.waiting.sleep_until(until).await;
        }
    }

    /// As long as this clock went on while the other one stood still.
    fn frozen(&self) -> Duration {
        // In this order, or what passes in between would count.
        let here = self.now().since(Instant::ZERO);
        here.saturating_sub(self.waiting.now().since(self.began))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threads::{ThreadClock, block_on};

    #[test]
    fn it_goes_on_and_waits() {
        let clock = BootClock::new(ThreadClock::new());
        let at = clock.now().after(Duration::from_millis(5));
        block_on(clock.sleep_until(at));
        assert!(clock.now() >= at);
    }

    /// A clock that stands still.
    struct Still;

    impl Clock for Still {
        fn now(&self) -> Instant {
            Instant::from_nanos(7)
        }

        async fn sleep_until(&self, _: Instant) {}
    }

    #[test]
    fn it_knows_for_how_long_the_other_one_has_stood_still() {
        let awake = BootClock::new(ThreadClock::new());
        let asleep = BootClock::new(Still);
        let at = asleep.now().after(Duration::from_millis(5));
        while asleep.now() < at {}
        assert!(asleep.frozen() >= Duration::from_millis(5));
        assert!(awake.frozen() < Duration::from_millis(5), "both went on");
    }
}
