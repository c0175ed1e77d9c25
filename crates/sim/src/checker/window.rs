//! How many requests may be in flight, by what became of those before.

use alloc::collections::BTreeMap;
use alloc::format;
use core::time::Duration;

use headwaters_engine::wire::Class;
use headwaters_engine::{BatchId, Config, Instant, OutagePolicy, Stats};

use super::{Checked, Checker, rule};

/// What follows from the failures and the answers that the engine was told of.
#[derive(Debug)]
pub(super) struct Window {
    is_on: bool,
    most: u64,
    /// How many requests may be in flight.
    open: u64,
    /// From here on it takes as many answers as there are places to get one more.
    slow_from: u64,
    answers: u64,
    answered_at: Instant,
    in_a_row: u64,
    /// Whether the last of them was a refusal of the credentials.
    is_refused: bool,
    /// Pauses without an answer between them, but for those of requests that had left before.
    pauses: u32,
    paused_at: Option<Instant>,
    /// When the pause is over at the latest.
    over_by: Instant,
    /// Requests that have not ended.
    flying: BTreeMap<BatchId, Flight>,
    /// When it was first left waiting since it last waited by itself.
    interrupted: Option<Instant>,
}

#[derive(Debug)]
struct Flight {
    start: Instant,
    /// When it counts as lost, at the earliest; and at the latest, if it is being cancelled.
    lost: (Instant, Option<Instant>),
}

/// So many failures in a row make probes of requests.
const ROW: u64 = 3;

impl Window {
    pub(super) fn new(config: &Config) -> Self {
        let most = config.max_requests_in_flight() as u64;
        Self {
            is_on: config.outage() == OutagePolicy::Probe,
            most,
            open: most,
            slow_from: most,
            answers: 0,
            answered_at: Instant::ZERO,
            in_a_row: 0,
            is_refused: false,
            pauses: 0,
            paused_at: None,
            over_by: Instant::ZERO,
            flying: BTreeMap::new(),
            interrupted: None,
        }
    }

    const fn probes(&self) -> bool {
        self.is_on && self.in_a_row >= ROW
    }

    /// The longest of the last pauses.
    fn longest(&self) -> Duration {
        let doubled = 100_u64 << self.pauses.saturating_sub(1).min(10);
        Duration::from_millis(doubled.min(5_000))
    }

    fn fail(&mut self, class: Class, start: Instant, now: Instant) {
        let is_throttle = class == Class::Throttled;
        self.is_refused = class == Class::Credentials;
        let probed = self.probes();
        self.in_a_row += 1;
        if !self.is_on {
            return;
        }
        self.answers = 0;
        let left_since = Some(start) > self.paused_at;
        match (is_throttle, left_since && !probed) {
            (false, _) => self.open = self.open.saturating_sub(1).max(1),
            (true, false) => {}
            (true, true) => {
                self.open = (self.open / 2).max(1);
                self.slow_from = self.open;
            }
        }
        if self.probes() {
            self.open = 1;
        }
        if self.probes() || is_throttle {
            self.pauses = (self.pauses + u32::from(left_since)).max(1);
            self.paused_at = Some(now);
            self.over_by = self.over_by.max(now.after(self.longest()));
        }
    }

    fn answer(&mut self, now: Instant) {
        self.answered_at = now;
        (self.in_a_row, self.pauses) = (0, 0);
        self.answers += 1;
        if self.open < self.slow_from || self.answers >= self.open {
            self.open = (self.open + 1).min(self.most);
            self.slow_from = self.slow_from.max(self.open);
            self.answers = 0;
        }
    }

    /// There are new credentials.
    pub(super) fn renew(&mut self, now: Instant) {
        if core::mem::take(&mut self.is_refused) {
            self.pauses = self.pauses.min(1);
            self.over_by = self.over_by.min(now);
        }
    }

    /// How many requests may be in flight.
    pub(super) const fn open(&self) -> u64 {
        self.open
    }

    /// Whether a request may leave, and the longest pause is over.
    pub(super) fn is_open(&self, now: Instant) -> bool {
        (self.flying.len() as u64) < self.open && self.over_by <= now
    }
}

impl Checker {
    /// A request leaves: one at a time as long as they fail one after the other.
    pub(super) fn window_sent(&mut self, batch: BatchId, stats: &Stats, now: Instant) -> Checked {
        // It counts itself already.
        self.window_elapse(stats.requests_in_flight - 1, now);
        let Window { flying, open, in_a_row, .. } = &self.window;
        rule((flying.len() as u64) < *open || self.is_closed_back(now), || {
            format!("{batch} leaves beside {flying:?} after {in_a_row} failures in a row")
        })?;
        self.sometimes.probing += u64::from(self.window.probes());
        let first = now.after(self.config.request_timeout() + self.config.cancel_grace());
        self.window.flying.insert(batch, Flight { start: now, lost: (first, None) });
        Ok(())
    }

    /// A request is being cancelled.
    pub(super) fn window_cancelled(&mut self, batch: BatchId, now: Instant) {
        let first = self.window.interrupted.unwrap_or(now);
        if let Some(flight) = self.window.flying.get_mut(&batch) {
            let lost = |at: Instant| at.after(self.config.cancel_grace());
            flight.lost = (flight.lost.0.min(lost(first)), Some(lost(now)));
        }
    }

    /// A request has come to its end, and an answer has a result for each entry or failed as a whole.
    pub(super) fn window_ended(&mut self, batch: BatchId, failed: Option<Class>, now: Instant) {
        let Some(Flight { start, .. }) = self.window.flying.remove(&batch) else { return };
        match failed {
            None => {
                self.sometimes.probe_succeeded += u64::from(self.window.probes());
                self.window.answer(now);
            }
            Some(_) if self.is_forgiven(start, now) => self.sometimes.silence_forgiven += 1,
            Some(class @ (Class::Transient | Class::Credentials)) => {
                self.window.fail(class, start, now);
            }
            Some(Class::Throttled) => {
                let before = self.window.open;
                self.window.fail(Class::Throttled, start, now);
                let halved = before > 1 && self.window.open == before / 2;
                self.sometimes.window_halved_by_throttle += u64::from(halved);
            }
            Some(_) => {}
        }
    }

    /// A request has come to its end that nobody waited for.
    pub(super) fn window_forget(&mut self, batch: BatchId) {
        self.window.flying.remove(&batch);
    }

    /// Whether a request that failed now says nothing of the service: it took too long, and others were answered meanwhile.
    fn is_forgiven(&self, start: Instant, now: Instant) -> bool {
        now.since(start) >= self.config.request_timeout() && self.window.answered_at > start
    }

    /// Requests whose cancels were not answered in time count as lost. Where nobody took what the engine had to say for
    /// a while, it may have found out earlier: then that is seen from how many it says are in flight.
    fn window_elapse(&mut self, in_flight: u64, now: Instant) {
        loop {
            let window = &self.window;
            let is_over = |flight: &Flight| {
                let is_missing = window.flying.len() as u64 > in_flight;
                let (earliest, latest) = flight.lost;
                (is_missing && earliest <= now) || latest.is_some_and(|latest| latest <= now)
            };
            let lost = window.flying.iter().filter(|(_, flight)| is_over(flight));
            let first = lost.min_by_key(|(_, flight)| (flight.lost, flight.start));
            let Some((&batch, &Flight { start, .. })) = first else { return };
            self.window.flying.remove(&batch);
            let request = self.requests.get(&batch);
            if request.is_some_and(|request| !request.is_settled) {
                self.doubts_ended(batch, false, now);
                if self.is_forgiven(start, now) {
                    self.sometimes.silence_forgiven += 1;
                } else {
                    self.window.fail(Class::Transient, start, now);
                }
            }
        }
    }

    /// Nobody takes what the engine has to say for a while.
    pub(super) fn window_interrupted(&mut self, stats: &Stats, now: Instant) {
        self.window.interrupted.get_or_insert(now);
        if stats.requests_in_flight < self.window.flying.len() as u64 {
            self.window_elapse(stats.requests_in_flight, now);
        }
    }

    /// Whether everything was handed back, after which the window matters to nobody.
    pub(super) fn is_closed_back(&self, now: Instant) -> bool {
        self.close_deadline.is_some_and(|deadline| deadline <= now)
    }

    /// The engine waits, and says how it stands with its requests.
    pub(super) fn check_window(
        &mut self,
        at: Option<Instant>,
        stats: &Stats,
        now: Instant,
    ) -> Checked {
        self.window_elapse(stats.requests_in_flight, now);
        self.window.interrupted = None;
        if self.is_closed_back(now) {
            return Ok(());
        }
        let window = &self.window;
        let says = (stats.requests_allowed, stats.probing, stats.requests_failed_in_a_row);
        let is = (window.open, window.probes(), window.in_a_row);
        rule(says == is, || format!("allowed, probing, in a row: {says:?}, and is {is:?}"))?;
        let flying = window.flying.len() as u64;
        rule(stats.requests_in_flight == flying, || {
            format!("{} requests are in flight, and really {flying}", stats.requests_in_flight)
        })?;
        // Whatever is due must be looked at when the longest pause is over.
        let is_paused = flying < window.open && window.over_by > now;
        let open = window.open;
        let mut due = self.waiting.overdue(now);
        let is_due = due.any(|(slot, _)| !self.doubts.may_hold_back(slot, open))
            || self.idle_case().is_some();
        let waits = is_paused && is_due;
        let is_held_back = stats.lanes_held_back > 0;
        rule(!waits || is_held_back || at.is_some_and(|at| at <= window.over_by), || {
            format!("it waits for {at:?} and not for the end of {window:?}")
        })
    }
}
