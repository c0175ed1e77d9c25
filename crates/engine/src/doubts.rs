//! Keeps a shard that answers late, or not at all, from delaying the others.
//!
//! The answer to a request comes when all of its shards have said theirs. So whoever shares a request with a shard that is
//! slow waits as long, and with one that is silent until the request is given up; and as a request has something for
//! nearly every shard, that is everybody.
//!
//! A request is *late* when it has no answer after four times as long as requests usually take. Then each of its lanes is
//! in *doubt*, but for those that were answered in time since it left. A lane in doubt leaves *apart*, with nothing of
//! others in its requests, until one of them is answered in time: for nearly all that is the first, a round trip later.
//! The one that is to blame goes on apart.
//!
//! - Requests apart take at most half of the places that there are, and each lane one of them; some, if it is answered,
//!   only too late. So the others always find a place, however many are silent. With one place nobody is in doubt.
//! - Where places are short, they and the others take turns, and so do they among themselves.
//! - The lane of records whose shard is not known is never in doubt, nor is the only shard of a stream: there is nobody
//!   whom it could delay.
//! - A failure says nothing, be it fast or slow: only results for each entry show that all shards have answered.
//! - Parts of a refused request ([`bisection`](crate::bisection)) leave as ever. They are few, and none leaves beside another.

use core::time::Duration;

use crate::config::Config;
use crate::engine::Engine;
use crate::in_flight::Request;
use crate::lane::Lane;
use crate::lanes::Lanes;
use crate::time::Instant;
use crate::window::OutagePolicy;

/// How many times as long as usual a request may take before it is late. A spread that ordinary distances, loads and
/// sizes of requests do not exceed.
const LATE_FACTOR: u32 = 4;
/// Shortest time that is taken to be usual, in nanoseconds: an eighth of a second, so that no request is late before half
/// a second is over. Between continents a round trip takes up to 0.3 s, and the service takes some 0.01 s.
const USUAL_MIN: u64 = 125_000_000;
/// What each answer adds to what is known of the usual time: one part in so many. Source: RFC 6298 (the smoothed round trip time).
const SMOOTHING: u64 = 8;
/// Most requests in flight of a lane in doubt that is answered, only late: so many that a shard which takes two seconds for
/// its answers gets all that it can take in requests of 500 entries.
const SLOW_MAX: u32 = 4;

/// Why a lane leaves apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Doubt {
    /// Nothing that it sent apart has been answered.
    Silent,
    /// It was answered, but late.
    Slow,
}

/// How long requests may take before they are late.
#[derive(Debug)]
pub(crate) struct Doubts {
    is_on: bool,
    /// How long requests usually take, in nanoseconds.
    usual: u64,
}

impl Doubts {
    pub(crate) const fn new(config: &Config) -> Self {
        // With one place nothing can be apart.
        let has_places = config.max_requests_in_flight > 1;
        Self { is_on: has_places && matches!(config.outage, OutagePolicy::Probe), usual: USUAL_MIN }
    }

    /// When a request that leaves now is late.
    pub(crate) fn late_at(&self, now: Instant) -> Instant {
        if self.is_on {
            now.after(Duration::from_nanos(self.usual) * LATE_FACTOR)
        } else {
            Instant::NEVER
        }
    }

    /// A request was answered after so long. What took more than twice as long as usual counts as twice: so a few slow
    /// shards do not make usual what they are, and a service that is slow as a whole does.
    fn note(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let nanos = nanos.min(self.usual.saturating_mul(2));
        let rest = self.usual - self.usual / SMOOTHING;
        self.usual = rest.saturating_add(nanos / SMOOTHING).max(USUAL_MIN);
    }
}

impl Lane {
    /// Whether it may have another request in flight, if it is in doubt.
    const fn may_leave_apart(&self) -> bool {
        let most = match self.doubt {
            Some(Doubt::Slow) => SLOW_MAX,
            Some(Doubt::Silent) | None => 1,
        };
        self.apart < most
    }

    /// When it is to leave apart, if it has something to send at `due`.
    pub(crate) fn leaves_apart(&self, due: Option<Instant>) -> Option<Instant> {
        due.filter(|_| self.may_leave_apart())
    }
}

impl Lanes {
    /// A request that left these lanes at `start` is late.
    fn doubt(&mut self, turns: &[(u32, u64)], start: Instant) {
        // One for the only shard, and one for what goes to no known shard.
        if self.lanes.len() <= 2 {
            return;
        }
        for &(at, _) in turns {
            let lane = self.get(at);
            if at != self.unknown() && lane.doubt.is_none() && lane.answered_at <= start {
                self.set_doubt(at, Some(Doubt::Silent));
            }
        }
    }

    /// A request with something of these lanes was answered in time.
    fn trust(&mut self, turns: &[(u32, u64)], now: Instant) {
        for &(at, _) in turns {
            self.get_mut(at).answered_at = now;
            if self.get(at).doubt.is_some() {
                self.set_doubt(at, None);
            }
        }
    }

    /// How many lanes are in doubt.
    pub(crate) fn in_doubt(&self) -> usize {
        self.lanes.iter().filter(|lane| lane.doubt.is_some()).count()
    }
}

impl Engine {
    /// Doubts the lanes of requests that are late.
    pub(crate) fn doubt_late(&mut self) {
        while let Some((start, load)) = self.in_flight.take_late(self.now) {
            if load.generation == self.lanes.generation {
                self.lanes.doubt(&load.turns, start);
            }
        }
    }

    /// A request is over; if it `is_answered`, with a result for each entry.
    pub(crate) fn note_end(&mut self, request: &Request, is_answered: bool) {
        let &Request { late_at, ref load, start, .. } = request;
        let is_late = late_at <= self.now;
        if is_answered {
            self.doubts.note(self.now.since(start));
        }
        if load.generation != self.lanes.generation {
            return;
        }
        if is_late && late_at > Instant::ZERO {
            self.lanes.doubt(&load.turns, start);
        } else if is_answered && !is_late {
            self.lanes.trust(&load.turns, self.now);
        }
        if let (true, &[(at, _)]) = (load.is_apart, &load.turns[..]) {
            let lane = self.lanes.get_mut(at);
            lane.apart -= 1;
            if is_answered && lane.doubt.is_some() {
                lane.doubt = Some(Doubt::Slow);
            }
            self.lanes.mark(at);
        }
    }

    /// The lane that is to leave apart next, and when, if it finds a place.
    pub(crate) fn next_apart(&self) -> Option<(Instant, u32)> {
        let most = (self.window.allowed() / 2).max(1);
        self.lanes.first_apart(self.now).filter(|_| self.in_flight.apart() < most)
    }
}
