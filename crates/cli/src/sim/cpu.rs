use core::time::Duration;
use std::fs;

use headwaters::{Clock, Instant, TokioClock};

/// How long this thread has had a processor, from a beginning that does not matter.
///
/// Only Linux says so in a file: the first number there, in nanoseconds (the kernel's
/// `Documentation/scheduler/sched-stats.rst`). Elsewhere it is the time that went by, which is more if there are more
/// threads than processors.
pub(super) fn of_this_thread(clock: TokioClock) -> Duration {
    let said = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = said.split_whitespace().next().and_then(|first| first.parse().ok());
    nanos.map_or_else(|| clock.now().since(Instant::ZERO), Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_time() {
        let clock = TokioClock::new();
        let before = of_this_thread(clock);
        let mut number = 1_u64;
        while of_this_thread(clock) < before + Duration::from_millis(5) {
            for factor in 0..10_000 {
                number = core::hint::black_box(number.wrapping_mul(factor | 1));
            }
        }
        assert_eq!(number % 2, 1);
    }
}
