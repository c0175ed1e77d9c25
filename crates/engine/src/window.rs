use core::time::Duration;

use headwaters_wire::Class;

use crate::random::Random;
use crate::time::Instant;

/// What the engine does when requests fail as a whole: no connection, a lost one, no answer in time, a refusal
/// that is no fault of the request.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum OutagePolicy {
    /// It lets fewer requests be in flight at a time the more of them fail, and after three failures in a row only
    /// one, a probe, with a pause before each: up to 100 ms, then twice as long each time, up to 5 s, and how long is
    /// drawn. The first answer ends that, and each further one allows one more request until all are allowed again.
    /// Refused credentials count among these failures, and [new ones](crate::Event::TransportReady) end the pause.
    /// Where the service throttles a request as a whole, half as many are allowed at once, after a pause.
    ///
    /// A request that is without an answer for four times as long as usual, half a second at least, puts those of its
    /// shards in doubt that were not answered in time since. What goes to them shares no requests with others until one is
    /// answered in time: so a shard that is slow or silent delays nobody else. That takes at most half of the requests.
    #[default]
    Probe,
    /// It goes on as if nothing had happened, as the KPL does: an outage is met with all the requests there may be.
    Off,
}

/// After how many failures in a row requests become probes.
///
/// One lost request says nothing about the service, and where one in twenty is lost for no reason of the service's,
/// three in a row are one case in 8,000. More would cost whole requests in each outage and show little more.
const FAILURES_MAX: u64 = 3;
/// Longest first pause: the time that the default of [`RetryPolicy`](crate::RetryPolicy) begins with.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// Longest pause of all: the time that it ends with. What it costs is how late the end of an outage is noticed.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How many requests may be in flight now, as far as the answers of the last ones tell.
///
/// A failure takes one place away, a throttle of a whole request half of them. An answer with a result for each entry
/// gives one place back, which doubles the window in each round trip; from the size on at which throttles came it
/// takes an answer for each place to get one more. Sources: RFC 5681 (slow start, congestion avoidance), and for the
/// pauses M. Brooker, "Exponential Backoff And Jitter" (full jitter).
#[derive(Debug)]
pub(crate) struct Window {
    /// Whether anything follows from failures.
    is_on: bool,
    /// Most places.
    max: usize,
    /// Places now.
    allowed: usize,
    /// Where doubling ends.
    threshold: usize,
    /// Answers since there was one more place, beyond the threshold.
    answers: usize,
    /// Failures since the last answer.
    failures: u64,
    /// Whether the last failure was a refusal of the credentials.
    is_refused: bool,
    /// When the last answer came.
    answered_at: Instant,
    /// The longest that the last pause could be; zero if there was none since the last answer.
    longest: Duration,
    /// When the last pause began.
    paused_at: Option<Instant>,
    paused_until: Instant,
    random: Random,
}

impl Window {
    /// A window that is open: `max` requests may be in flight.
    pub(crate) const fn new(policy: OutagePolicy, max: usize, random: Random) -> Self {
        Self {
            is_on: matches!(policy, OutagePolicy::Probe),
            max,
            allowed: max,
            threshold: max,
            answers: 0,
            failures: 0,
            is_refused: false,
            answered_at: Instant::ZERO,
            longest: Duration::ZERO,
            paused_at: None,
            paused_until: Instant::ZERO,
            random,
        }
    }

    /// When another request may leave while so many are in flight: a time that may be over. `None` if one of them must
    /// end first.
    #[inline]
    pub(crate) const fn opens_at(&self, in_flight: usize) -> Option<Instant> {
        if in_flight < self.allowed { Some(self.paused_until) } else { None }
    }

    /// An answer came that has a result for each entry, whatever the results are.
    pub(crate) fn answered(&mut self, now: Instant) {
        self.answered_at = now;
        (self.failures, self.longest) = (0, Duration::ZERO);
        self.answers += 1;
        if self.allowed < self.threshold || self.answers >= self.allowed {
            self.answers = 0;
            self.allowed = self.max.min(self.allowed + 1);
            self.threshold = self.threshold.max(self.allowed);
        }
    }

    /// Whether an answer came after `start`.
    pub(crate) fn was_answered_since(&self, start: Instant) -> bool {
        self.answered_at > start
    }

    /// A request that left at `start` failed as a whole. What no other request would have met says nothing.
    pub(crate) fn failed(&mut self, class: Class, start: Instant, now: Instant) {
        let is_throttle = match class {
            Class::Throttled => true,
            // Whatever is signed with the same credentials is refused as well.
            Class::Transient | Class::Credentials => false,
            _ => return,
        };
        self.is_refused = class == Class::Credentials;
        let was_probing = self.is_probing();
        self.failures = self.failures.saturating_add(1);
        if !self.is_on {
            return;
        }
        self.answers = 0;
        // What left before the last pause fails for what that pause is there for.
        let is_news = self.paused_at.is_none_or(|paused_at| start > paused_at);
        if is_throttle && is_news && !was_probing {
            self.allowed = (self.allowed / 2).max(1);
            self.threshold = self.allowed;
        } else if !is_throttle {
            self.allowed = (self.allowed - 1).max(1);
        }
        if self.is_probing() {
            self.allowed = 1;
        }
        if is_throttle || self.is_probing() {
            let longest = if is_news { self.longest * 2 } else { self.longest };
            self.longest = longest.clamp(PAUSE_MIN, PAUSE_MAX);
            self.pause(now);
        }
    }

    /// There are new credentials: if the last ones were refused, the next request leaves at once.
    pub(crate) fn credentials_renewed(&mut self, now: Instant) {
        if core::mem::take(&mut self.is_refused) {
            self.longest = self.longest.min(PAUSE_MIN);
            self.paused_until = self.paused_until.min(now);
        }
    }

    /// Lets nothing leave for a while.
    fn pause(&mut self, now: Instant) {
        let nanos = u64::try_from(self.longest.as_nanos()).unwrap_or(u64::MAX);
        let pause = Duration::from_nanos(self.random.below(nanos.saturating_add(1)));
        self.paused_at = Some(now);
        self.paused_until = self.paused_until.max(now.after(pause));
    }

    /// Whether requests leave one by one, to find out whether the service is there again.
    pub(crate) const fn is_probing(&self) -> bool {
        self.is_on && self.failures >= FAILURES_MAX
    }

    /// How many requests may be in flight.
    pub(crate) const fn allowed(&self) -> usize {
        self.allowed
    }

    /// How many requests have failed since the last answer.
    pub(crate) const fn failures(&self) -> u64 {
        self.failures
    }

    /// What must hold between calls.
    #[cfg(debug_assertions)]
    pub(crate) fn invariants(&self) {
        debug_assert!((1..=self.threshold.max(self.allowed)).contains(&self.allowed));
        debug_assert!(self.threshold.max(self.allowed) <= self.max);
        debug_assert!(self.is_on || self.allowed == self.max);
        debug_assert!(!self.is_probing() || (self.allowed == 1 && !self.longest.is_zero()));
        debug_assert!(self.longest <= PAUSE_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::ZERO.after(Duration::from_millis(millis))
    }

    fn window(max: usize) -> Window {
        Window::new(OutagePolicy::Probe, max, Random::new(7))
    }

    /// What the window says, after its invariants were looked at.
    fn allowed(window: &Window) -> usize {
        window.invariants();
        window.allowed()
    }

    #[test]
    fn a_failure_takes_a_place_and_an_answer_gives_it_back() {
        let mut window = window(4);
        window.failed(Class::Transient, at(0), at(10));
        assert_eq!((allowed(&window), window.failures()), (3, 1));
        assert_eq!(window.opens_at(2), Some(Instant::ZERO), "there is no pause");
        assert_eq!(window.opens_at(3), None);
        window.answered(at(0));
        window.answered(at(0));
        assert_eq!((allowed(&window), window.failures()), (4, 0), "never more than there may be");
    }

    #[test]
    fn after_three_failures_in_a_row_one_probe_leaves_at_a_time_and_pauses_grow() {
        let mut window = window(24);
        (0..2).for_each(|_| window.failed(Class::Transient, at(0), at(10)));
        assert!(!window.is_probing());
        let mut start = at(0);
        let mut now = at(10);
        for longest in [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000] {
            window.failed(Class::Transient, start, now);
            assert!(window.is_probing() && allowed(&window) == 1);
            assert_eq!(window.longest, Duration::from_millis(longest));
            let opens_at = window.opens_at(0).expect("nothing is in flight");
            assert!(opens_at <= now.after(window.longest), "{opens_at}");
            assert_eq!(window.opens_at(1), None);
            (start, now) = (opens_at.max(now), opens_at.max(now).after(Duration::from_millis(5)));
        }
        window.answered(at(0));
        assert!(!window.is_probing());
        assert_eq!(allowed(&window), 2, "one more for each answer");
        (0..22).for_each(|_| window.answered(at(0)));
        assert_eq!(allowed(&window), 24);
    }

    #[test]
    fn what_was_on_its_way_before_a_pause_does_not_lengthen_the_next() {
        let mut window = window(24);
        (0..20).for_each(|millis| window.failed(Class::Transient, at(0), at(10 + millis)));
        assert_eq!(window.longest, PAUSE_MIN);
        window.failed(Class::Transient, at(30), at(31));
        assert_eq!(window.longest, PAUSE_MIN * 2, "it left after the last of them");
    }

    #[test]
    fn a_throttle_halves_once_in_a_round_trip_and_growth_is_slow_from_there() {
        let mut window = window(16);
        window.failed(Class::Throttled, at(0), at(10));
        window.failed(Class::Throttled, at(1), at(11));
        assert_eq!(allowed(&window), 8, "the second one left before the first came back");
        assert!(window.opens_at(0).is_some_and(|opens| opens <= at(111)));
        window.answered(at(0));
        window.failed(Class::Transient, at(500), at(510));
        window.failed(Class::Transient, at(500), at(511));
        assert_eq!(allowed(&window), 6);
        window.answered(at(0));
        window.answered(at(0));
        assert_eq!(allowed(&window), 8, "up to the threshold at once");
        (0..7).for_each(|_| window.answered(at(0)));
        assert_eq!(allowed(&window), 8);
        window.answered(at(0));
        assert_eq!(allowed(&window), 9, "and beyond it an answer for each place");
        window.failed(Class::Transient, at(600), at(610));
        window.answered(at(0));
        assert_eq!(allowed(&window), 9, "the threshold rises with the window");
    }

    #[test]
    fn a_throttled_probe_keeps_the_threshold() {
        let mut window = window(16);
        (1..9).for_each(|n| window.failed(Class::Throttled, at(n * 9_000), at(n * 9_000 + 5)));
        assert_eq!((allowed(&window), window.threshold), (1, 2), "halved three times");
        assert_eq!(window.longest, PAUSE_MAX);
    }

    #[test]
    fn what_only_this_request_would_have_met_says_nothing() {
        let mut window = window(2);
        for class in [Class::Permanent, Class::TooLarge] {
            (0..9).for_each(|_| window.failed(class, at(0), at(1)));
        }
        assert_eq!((allowed(&window), window.failures()), (2, 0));
    }

    #[test]
    fn refused_credentials_are_probed_until_there_are_new_ones() {
        let mut window = window(8);
        let refuse = |window: &mut Window, second: u64| {
            window.failed(Class::Credentials, at(second * 10_000), at(second * 10_000 + 5));
        };
        (1..10).for_each(|second| refuse(&mut window, second));
        assert_eq!((allowed(&window), window.longest), (1, PAUSE_MAX));
        window.credentials_renewed(at(90_006));
        assert!(window.opens_at(0).is_some_and(|opens| opens <= at(90_006)), "at once");
        refuse(&mut window, 10);
        assert_eq!(window.longest, PAUSE_MIN * 2, "they are refused as well");
        window.failed(Class::Transient, at(200_000), at(200_005));
        let opens = window.opens_at(0);
        window.credentials_renewed(at(200_005));
        assert_eq!(window.opens_at(0), opens, "no credentials mend an outage");
    }

    #[test]
    fn switched_off_it_only_counts() {
        let mut window = Window::new(OutagePolicy::Off, 5, Random::new(7));
        (0..9).for_each(|n| window.failed(Class::Throttled, at(n), at(n)));
        assert_eq!((allowed(&window), window.failures()), (5, 9));
        assert!(!window.is_probing());
        assert_eq!(window.opens_at(4), Some(Instant::ZERO));
    }
}
