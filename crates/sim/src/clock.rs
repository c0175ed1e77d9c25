use alloc::vec::Vec;
use core::time::Duration;

use headwaters_engine::Instant;
use serde::{Deserialize, Serialize};

use crate::rng::Rng;
use crate::sometimes::Sometimes;

/// What goes wrong with the clock of each producer, and with its process. Times are in milliseconds.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
#[serde(default, deny_unknown_fields)]
pub struct ClockFaults {
    /// How often the clock goes back.
    pub backward: u32,
    /// When the process stops, and when it goes on, with a clock that went on meanwhile: a suspended machine, a frozen
    /// function. (0, 0) if it never does so.
    pub freeze_ms: (u64, u64),
    /// How often it does so besides, at any time and for any time.
    pub freezes: u32,
    /// How often the clock jumps forward.
    pub jumps: u32,
    /// How often the clock stands still for a while, and then goes on from there.
    pub stalls: u32,
    /// The longest of these.
    pub longest_ms: u64,
    /// The longest time between two of them.
    pub pause_ms: u64,
    /// The clock shows whole multiples of this only; 0 and 1 for one that shows every nanosecond.
    pub resolution_ms: u64,
}

impl ClockFaults {
    /// Most clocks are right.
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let mut count = || rng.pick(&[0, 0, 0, 1, 4]);
        let [backward, freezes, jumps, stalls] = [(); 4].map(|()| count());
        Self {
            backward,
            freeze_ms: (0, 0),
            freezes,
            jumps,
            stalls,
            longest_ms: rng.pick(&[1, 40, 800, 800, 60_000, 3_600_000]),
            pause_ms: rng.pick(&[1, 50, 400, 3_000]),
            resolution_ms: rng.pick(&[0, 0, 0, 0, 15, 1_000]),
        }
    }
}

/// The clock of one producer's machine.
#[derive(Debug)]
pub(crate) struct Clock {
    /// What is left to go wrong, the next of it last.
    faults: Vec<Fault>,
    /// Its process does nothing before this.
    frozen_until: Instant,
    /// What went wrong since somebody looked.
    pub(crate) faults_seen: Vec<&'static str>,
    /// From here it shows `shown` and as much more as went by.
    since: Instant,
    shown: Instant,
    resolution: u64,
}

#[derive(Clone, Copy, Debug)]
struct Fault {
    at: Instant,
    kind: Kind,
    time: Duration,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Backward,
    Freeze,
    Jump,
    Stall,
}

impl Clock {
    pub(crate) fn new(faults: ClockFaults, rng: &mut Rng) -> Self {
        let ClockFaults { backward, freezes, jumps, stalls, .. } = faults;
        let mut left = [
            (backward, Kind::Backward),
            (freezes, Kind::Freeze),
            (jumps, Kind::Jump),
            (stalls, Kind::Stall),
        ];
        let mut drawn = Vec::new();
        let mut at = Instant::ZERO;
        while left.iter().any(|(count, _)| *count > 0) {
            let (count, kind) = &mut left[usize::try_from(rng.range(0, 3)).unwrap_or(0)];
            if *count == 0 {
                continue;
            }
            *count -= 1;
            at = rng.time_after(at, Duration::from_millis(faults.pause_ms));
            let time = rng.time_after(Instant::ZERO, Duration::from_millis(faults.longest_ms));
            drawn.push(Fault { at, kind: *kind, time: time.since(Instant::ZERO) });
        }
        let (from, to) = faults.freeze_ms;
        if from < to {
            let at = Instant::ZERO.after(Duration::from_millis(from));
            let time = Duration::from_millis(to - from);
            let after = drawn.partition_point(|fault| fault.at <= at);
            drawn.insert(after, Fault { at, kind: Kind::Freeze, time });
        }
        drawn.reverse();
        // Far enough from zero to go back.
        let shown = Instant::ZERO.after(Duration::from_secs(4 * 60 * 60));
        Self {
            faults: drawn,
            faults_seen: Vec::new(),
            frozen_until: Instant::ZERO,
            since: Instant::ZERO,
            shown,
            resolution: faults.resolution_ms.saturating_mul(1_000_000).max(1),
        }
    }

    /// What it shows at `now`.
    pub(crate) fn read(&mut self, now: Instant, sometimes: &mut Sometimes) -> Instant {
        while let Some(fault) = self.faults.pop_if(|fault| fault.at <= now) {
            self.go_wrong(fault, sometimes);
        }
        self.coarse(self.exact(now))
    }

    fn go_wrong(&mut self, Fault { at, kind, time }: Fault, sometimes: &mut Sometimes) {
        self.faults_seen.push(match kind {
            Kind::Backward => "clock-back",
            Kind::Freeze => "freeze",
            Kind::Jump => "clock-jump",
            Kind::Stall => "clock-stall",
        });
        match kind {
            Kind::Backward => {
                sometimes.clock_went_back += 1;
                let back = Duration::from_nanos(self.exact(at).as_nanos()).saturating_sub(time);
                (self.since, self.shown) = (at, Instant::ZERO.after(back));
            }
            Kind::Freeze => {
                sometimes.process_froze += 1;
                self.frozen_until = self.frozen_until.max(at.after(time));
            }
            Kind::Jump => {
                sometimes.clock_jumped += 1;
                (self.since, self.shown) = (at, self.exact(at).after(time));
            }
            Kind::Stall => {
                sometimes.clock_stood_still += 1;
                (self.shown, self.since) = (self.exact(at), at.after(time));
            }
        }
    }

    fn exact(&self, now: Instant) -> Instant {
        self.shown.after(now.since(self.since))
    }

    const fn coarse(&self, exact: Instant) -> Instant {
        Instant::from_nanos(exact.as_nanos() / self.resolution * self.resolution)
    }

    /// When it shows `reading`, unless more goes wrong.
    pub(crate) fn when(&self, reading: Instant) -> Instant {
        let reached = reading.as_nanos().div_ceil(self.resolution).saturating_mul(self.resolution);
        self.since.after(Instant::from_nanos(reached).since(self.shown))
    }

    /// Until when the process does nothing.
    pub(crate) const fn frozen_until(&self) -> Instant {
        self.frozen_until
    }

    /// Nothing more goes wrong.
    pub(crate) fn heal(&mut self) {
        self.faults.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::ZERO.after(Duration::from_millis(millis))
    }

    fn clock(kind: Kind, resolution_ms: u64) -> Clock {
        let mut clock = Clock::new(
            ClockFaults { resolution_ms, ..ClockFaults::default() },
            &mut Rng::new(0, "test"),
        );
        clock.shown = at(1_000);
        clock.faults.push(Fault { at: at(100), kind, time: Duration::from_millis(50) });
        clock
    }

    #[test]
    fn each_fault_does_what_its_name_says() {
        let cases = [
            (Kind::Backward, [1_099, 1_050, 1_060]),
            (Kind::Freeze, [1_099, 1_100, 1_110]),
            (Kind::Jump, [1_099, 1_150, 1_160]),
            (Kind::Stall, [1_099, 1_100, 1_100]),
        ];
        for (kind, shown) in cases {
            let mut clock = clock(kind, 0);
            let read = [99, 100, 110].map(|now| clock.read(at(now), &mut Sometimes::default()));
            assert_eq!(read, shown.map(at), "{kind:?}");
            let stops = matches!(kind, Kind::Freeze);
            assert_eq!(clock.frozen_until(), if stops { at(150) } else { at(0) });
        }
    }

    #[test]
    fn a_reading_is_reached_when_it_is_said() {
        for resolution in [0, 7, 1_000] {
            for kind in [Kind::Backward, Kind::Freeze, Kind::Jump, Kind::Stall] {
                let mut clock = clock(kind, resolution);
                for now in [20, 120] {
                    clock.read(at(now), &mut Sometimes::default());
                    for reading in [1_140, 1_153, 2_000, 2_001] {
                        let when = clock.when(at(reading)).max(at(now));
                        if now < 100 && when >= at(100) {
                            continue;
                        }
                        let mut none = Sometimes::default();
                        assert!(clock.read(when, &mut none) >= at(reading), "{kind:?} {now}");
                    }
                }
            }
        }
    }
}
