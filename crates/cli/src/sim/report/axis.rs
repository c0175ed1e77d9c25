use core::time::Duration;

use headwaters::Instant;

/// The time of a world as it is shown: what is left out of it is the time in which nothing happened for long.
#[derive(Debug, Default)]
pub(super) struct Axis {
    /// When something happened last.
    last: Instant,
    /// Up to when, in the world's time, how much is left out before that, in all.
    cuts: Vec<(Instant, Duration)>,
}

/// So long nothing may happen,
const IDLE_MAX: Duration = Duration::from_secs(60);
/// and so much of a longer time is shown.
const IDLE_SHOWN: Duration = Duration::from_secs(1);

impl Axis {
    /// Something happened; times never go back.
    pub(super) fn reach(&mut self, at: Instant) {
        let idle = at.since(self.last);
        if idle > IDLE_MAX {
            self.cuts.push((at, self.left_out() + idle - IDLE_SHOWN));
        }
        self.last = self.last.max(at);
    }

    /// How much is left out, in all.
    pub(super) fn left_out(&self) -> Duration {
        self.cuts.last().map_or(Duration::ZERO, |(_, left_out)| *left_out)
    }

    /// The end, as it is shown.
    pub(super) fn end(&self) -> Instant {
        self.shown(self.last)
    }

    /// A moment of the world, as it is shown. One that is left out is where the cut is.
    pub(super) fn shown(&self, at: Instant) -> Instant {
        let before = self.cuts.iter().rev().find(|(until, _)| *until <= at);
        let left_out = before.map_or(Duration::ZERO, |(_, left_out)| *left_out);
        let next = self.cuts.iter().find(|(until, _)| *until > at);
        let shown = Instant::ZERO.after(at.since(Instant::ZERO).saturating_sub(left_out));
        let most = next
            .map(|(until, left_out)| Instant::ZERO.after(until.since(Instant::ZERO) - *left_out));
        most.map_or(shown, |most| shown.min(most))
    }

    /// The second of the world that is shown at this one.
    pub(super) fn second(&self, shown: f64) -> f64 {
        let is_before = |(until, left_out): &&(Instant, Duration)| {
            until.since(Instant::ZERO).as_secs_f64() - left_out.as_secs_f64() <= shown
        };
        let before = self.cuts.iter().rev().find(is_before);
        shown + before.map_or(0.0, |(_, left_out)| left_out.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::ZERO.after(Duration::from_secs(seconds))
    }

    #[test]
    fn what_is_idle_for_long_is_left_out() {
        let mut axis = Axis::default();
        for second in [1, 5, 64, 3_664, 3_670, 3_870, 3_871] {
            axis.reach(at(second));
        }
        assert_eq!(axis.left_out(), Duration::from_secs(3_599 + 199));
        for (real, shown) in
            [(0, 0), (5, 5), (64, 64), (3_664, 65), (3_670, 71), (3_870, 72), (3_871, 73)]
        {
            assert_eq!(axis.shown(at(real)), at(shown), "{real}");
            assert!((axis.second(shown as f64) - real as f64).abs() < 1e-9, "{shown}");
        }
        assert_eq!((axis.shown(at(2_000)), axis.end()), (at(65), at(73)));
    }
}
