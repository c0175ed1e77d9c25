use core::time::Duration;

use headwaters::Instant;

use crate::args::{Rate, Unit};

/// Holds the reading of the input to a rate: a token bucket that is kept as the time at which it is full enough again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// When the next record may go.
    due: Instant,
    rate: Rate,
}

/// What was not used for so long may be caught up with: timers are late by a millisecond or more, and a rate that never
/// catches up would be missed by that much with each record.
const BURST: Duration = Duration::from_millis(100);

impl Pace {
    pub(crate) const fn new(rate: Rate, now: Instant) -> Self {
        Self { due: now, rate }
    }

    /// When a record of this many bytes may go; the next one waits for it.
    pub(crate) fn take(&mut self, bytes: u64, now: Instant) -> Instant {
        const NANOS_PER_SECOND: u128 = 1_000_000_000;
        let burst = u64::try_from(BURST.as_nanos()).unwrap_or(u64::MAX);
        let due = self.due.max(Instant::from_nanos(now.as_nanos().saturating_sub(burst)));
        let amount = match self.rate.unit {
            Unit::Bytes => bytes,
            Unit::Records => 1,
        };
        // Rounded up: it is a bound.
        let nanos = (u128::from(amount) * NANOS_PER_SECOND)
            .div_ceil(u128::from(self.rate.per_second.get()));
        self.due = due.after(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)));
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long so many records of this size take, by a timer that is this late each time.
    fn time(rate: &str, records: u32, bytes: u64, late: Duration) -> Duration {
        let mut now = Instant::ZERO.after(Duration::from_secs(7));
        let start = now;
        let mut pace = Pace::new(rate.parse().expect("a rate"), now);
        for _ in 0..records {
            let due = pace.take(bytes, now);
            if due > now {
                now = due.after(late);
            }
        }
        now.since(start)
    }

    #[test]
    fn records_and_bytes_come_at_their_rate() {
        let seconds =
            |rate, records, bytes| time(rate, records, bytes, Duration::ZERO).as_secs_f64();
        assert_eq!(seconds("10", 101, 5), 10.0);
        assert_eq!(seconds("1KiB/s", 11, 512), 5.0);
        assert!((seconds("3/s", 31, 5) - 10.0).abs() < 1e-6);
    }

    #[test]
    fn a_late_timer_is_made_up_for() {
        let time = time("5000", 50_001, 1, Duration::from_millis(2));
        assert!((10_000..10_004).contains(&time.as_millis()), "{time:?}");
    }

    #[test]
    fn a_pause_is_not_made_up_for() {
        let at = |millis| Instant::ZERO.after(Duration::from_millis(millis));
        let mut pace = Pace::new("10/s".parse().expect("a rate"), at(0));
        assert_eq!(pace.take(1, at(0)), at(0));
        // After an hour one more than usual comes at once.
        let hour = 3_600_000;
        for due in [hour - 100, hour, hour + 100, hour + 200] {
            assert_eq!(pace.take(1, at(hour)), at(due));
        }
    }
}
