//! What must hold whenever the engine waits.

use alloc::format;

use core::time::Duration;

use headwaters_engine::{Cuts, Instant, MapStatus, Stats, Times};

use super::record::Ended;
use super::{Checked, Checker, rule};

/// What the engine's figures must say.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// Requests that were answered, how long that took in all, and at most.
    answers: u64,
    answered_after: Duration,
    longest_answer: Duration,
    pub(super) bisected: u64,
    pub(super) entries: u64,
    pub(super) refused: u64,
    pub(super) requests: u64,
    pub(super) requeued: u64,
    pub(super) throttled: u64,
    pub(super) timeouts: u64,
    /// Requests that were late when everything was handed back, and so cancelled for one reason or the other.
    pub(super) timeouts_perhaps: u64,
    pub(super) unusable_answers: u64,
    pub(super) wrong_shard: u64,
}

impl Figures {
    /// A request was answered after so long.
    pub(super) fn answered(&mut self, time: Duration) {
        self.answers += 1;
        self.answered_after += time;
        self.longest_answer = self.longest_answer.max(time);
    }
}

impl Checker {
    /// The engine waits: nothing is owed, and its figures are right.
    pub(crate) fn waits(&mut self, at: Option<Instant>, stats: &Stats, now: Instant) -> Checked {
        self.list_elapse(now);
        self.wait_count += 1;
        self.is_drained = true;
        self.heard.clear();
        (self.renewed_at, self.undrained_since) = (None, None);
        self.purges = false;
        self.sometimes.aggregate_split += core::mem::take(&mut self.repacked);
        for number in self.owed.drain(..) {
            let stored = matches!(self.records[number].outcome, Some(Ended::Stored { .. }));
            rule(stored, || format!("record {number} was stored and its outcome is not"))?;
        }
        rule(at.is_none_or(|at| at > now), || format!("it waits for {at:?}, which has come"))?;
        self.check_window(at, stats, now)?;
        self.check_doubts(stats, now)?;
        self.budget.settle(now);
        self.check_overdue(stats, now)?;
        self.check_suspects(at, stats, now)?;
        self.check_strays(stats)?;
        self.check_flushes(now)?;
        self.check_close(now)?;
        self.check_room(stats)?;
        self.check_share(stats.bytes_held)?;
        self.check_requests(stats, now)?;
        self.check_levels(at, stats)?;
        self.check_counters(stats)?;
        self.records.forget();
        for batch in self.finished.drain(..) {
            self.requests.remove(&batch);
        }
        Ok(())
    }

    /// Where a request is free and no pause goes on, only a limiter may hold a record back that is due.
    fn check_overdue(&mut self, stats: &Stats, now: Instant) -> Checked {
        self.sometimes.lane_held_back += u64::from(stats.lanes_held_back > 0);
        if !self.window.is_open(now) {
            return Ok(());
        }
        let largest = self.largest_waiting();
        for (slot, number) in self.waiting.overdue(now) {
            if self.doubts.may_hold_back(slot, self.window.open()) {
                continue;
            }
            // Something larger may have to leave first; who that is need not be known if this one has to wait by itself.
            let own = usize::try_from(self.records[number].size).unwrap_or(usize::MAX);
            let excused = stats.lanes_held_back > 0
                && (self.meters.may_hold_back(slot, own, now) || {
                    let largest = largest.min(self.largest_of(slot));
                    self.meters.may_hold_back(slot, largest, now)
                });
            rule(excused, || {
                let record = &self.records[number];
                format!("a request is free, and for shard {slot} waits record {number}, {record:?}")
            })?;
        }
        Ok(())
    }

    /// The largest Kinesis record that may wait for a shard.
    fn largest_of(&self, slot: usize) -> usize {
        if self.is_ordered() {
            // Those behind others are not known to wait.
            return usize::MAX;
        }
        // What is left of a refused request goes first, and waits apart from the others.
        let is_here = |&number: &usize| self.map.slot(self.records[number].hash_key) == slot;
        let suspects = self.suspects().filter(is_here);
        let numbers = self.waiting.of_slot(slot).chain(suspects);
        let sizes = numbers.map(|number| self.records[number].size);
        let most = if self.config.aggregation_enabled() {
            2 * sizes.sum::<u64>() + 64
        } else {
            sizes.max().unwrap_or(0)
        };
        usize::try_from(most).unwrap_or(usize::MAX)
    }

    /// A stray waits for a new map, and for nothing else.
    fn check_strays(&mut self, stats: &Stats) -> Checked {
        let Some(stray) = self.strays.first() else { return Ok(()) };
        rule(matches!(stats.shard_map, MapStatus::Reloading), || {
            format!("{stray:?} waits for a map, which is {:?}", stats.shard_map)
        })?;
        for (batch, index) in &self.strays {
            for &number in self.requests[batch].numbers_of(*index) {
                self.records[number].was_stray = true;
            }
        }
        self.sometimes.stray_waited += 1;
        Ok(())
    }

    fn check_requests(&mut self, stats: &Stats, now: Instant) -> Checked {
        for batch in self.cancelled_early.drain(..) {
            let request = self.requests.get(&batch);
            let mut numbers = request.iter().flat_map(|request| &request.numbers);
            let waits = numbers.any(|&number| {
                self.records[number].in_flight.is_some_and(|(place, _)| place == batch)
            });
            rule(!waits, || format!("{batch} is cancelled before its time, and waited for"))?;
        }
        let timeout = self.config.request_timeout();
        let late = self.awaited.first().filter(|(start, _)| start.after(timeout) <= now);
        rule(late.is_none(), || format!("{late:?} has taken too long"))?;
        rule(stats.requests_in_flight <= self.config.max_requests_in_flight() as u64, || {
            format!("{} requests are in flight", stats.requests_in_flight)
        })
    }

    /// A close ends at its deadline.
    fn check_close(&self, now: Instant) -> Checked {
        let is_late = self.close_deadline.is_some_and(|deadline| deadline <= now);
        rule(!is_late || self.open() == 0, || {
            format!("{} records are open after the close's deadline", self.open())
        })
    }

    fn check_levels(&self, at: Option<Instant>, stats: &Stats) -> Checked {
        rule(stats.bytes_held >= self.bytes_open, || {
            format!("{} bytes are held and {} said to be", self.bytes_open, stats.bytes_held)
        })?;
        let held = stats.buffered + stats.in_flight;
        rule(held > 0 || self.awaited.is_empty(), || format!("{:?} is for nobody", self.awaited))?;
        rule(held > 0 || stats.bytes_held == 0, || {
            format!("{} bytes are held for no record", stats.bytes_held)
        })?;
        // The first list of the shards is waited for even by who holds nothing.
        let lists = stats.shard_map == MapStatus::Loading;
        rule(held > 0 || lists || stats.requests_in_flight > 0 || at.is_none(), || {
            format!("it holds nothing and waits for {at:?}")
        })
    }

    fn check_counters(&self, stats: &Stats) -> Checked {
        let held = stats.buffered + stats.in_flight;
        let figures = &self.figures;
        let pairs = [
            ("accepted", stats.accepted, self.accepted),
            ("ended", ended(stats), self.completed),
            ("held", held, self.open()),
            ("handed_back", stats.handed_back, self.handed_back),
            ("bisected", stats.bisected, figures.bisected),
            ("entries", stats.entries, figures.entries),
            ("listings", stats.listings, self.map.requests),
            ("listings_failed", stats.listings_failed, self.map.failures),
            ("refused", stats.refused, figures.refused),
            ("requests", stats.requests, figures.requests),
            ("requeued", stats.requeued, figures.requeued),
            ("shards", stats.shards, self.map.len() as u64),
            ("throttled", stats.throttled, figures.throttled),
            ("unusable_answers", stats.unusable_answers, figures.unusable_answers),
            ("wrong_shard", stats.wrong_shard, figures.wrong_shard),
        ];
        for (name, says, is) in pairs {
            rule(says == is, || format!("`{name}` says {says}, and is {is}"))?;
        }
        let Times { count, longest, total, .. } = stats.request_time;
        let answers = (figures.answers, figures.longest_answer, figures.answered_after);
        rule((count, longest, total) == answers, || {
            format!("`request_time` says {:?}, and is {answers:?}", stats.request_time)
        })?;
        let Cuts { by_count, by_flush, by_shard, by_size, by_time, .. } = stats.requests_cut;
        let cut = by_count + by_flush + by_shard + by_size + by_time;
        rule(cut == stats.requests || cut < stats.requests && stats.bisected > 0, || {
            format!("{} requests were made, and there were reasons for {cut}", stats.requests)
        })?;
        let most = figures.timeouts + figures.timeouts_perhaps;
        rule((figures.timeouts..=most).contains(&stats.timeouts), || {
            format!("`timeouts` says {}, and is {} to {most}", stats.timeouts, figures.timeouts)
        })?;
        rule(stats.lanes_held_back <= stats.shards + 1, || {
            format!("{} lanes are held back", stats.lanes_held_back)
        })?;
        let fault = self.map.status_fault(stats.shard_map, self.config.shard_prediction());
        fault.map_or(Ok(()), Err)
    }
}

/// How many records have their outcomes.
pub(super) const fn ended(stats: &Stats) -> u64 {
    stats.stored + stats.not_stored + stats.maybe_stored + stats.handed_back
}
