//! What goes back: the right entries, for the right reason, and in time.

use alloc::format;
use alloc::string::String;
use core::time::Duration;

use headwaters_engine::wire::{Class, ErrorCode};
use headwaters_engine::{BatchId, Cause, Instant, RateLimit, Requeue, RetryPolicy};

use super::record::{Ended, WaitsFor};
use super::{Checked, Checker, Fate, Request, rule};

impl Checker {
    /// Entries go back.
    pub(crate) fn requeued(&mut self, requeue: &Requeue, now: Instant) -> Checked {
        let Requeue { batch, cause, deadline, indexes, not_before, .. } = requeue;
        let (batch, deadline, not_before) = (*batch, *deadline, *not_before);
        let mut request = self.requests.remove(&batch).ok_or("an unknown batch was requeued")?;
        if !core::mem::replace(&mut request.is_told, true) {
            self.budget.told(0, request.parcels.len(), now);
        }
        // The wait counts from when the answer was read, which is between its coming and now.
        let since = request.answered_at.max(self.undrained_since).unwrap_or(now);
        let half = now.after(self.config.record_max_buffered_time() / 2);
        rule(indexes.is_sorted_by(|a, b| a < b), || format!("indexes of {batch} do not rise"))?;
        rule(not_before <= deadline, || format!("a deadline before the wait in {batch}"))?;
        rule(deadline <= half.max(not_before), || {
            format!("requeued until {deadline}, past half of the buffered time")
        })?;
        let code = &cause.code;
        if code.may_blame_entry() {
            let again = self.suspects_requeued(requeue, &request, now)?;
            self.requests.insert(batch, request);
            (0..again).for_each(|_| self.land(batch));
            return Ok(());
        }
        if let Some(case) = request.case {
            self.case_over(case, now);
        }
        let is_final = matches!(code.class(), Class::Permanent | Class::TooLarge)
            || (code.class() == Class::Throttled && self.config.fail_if_throttled());
        rule(!is_final, || format!("{batch} was requeued after {code}"))?;
        let mut again = 0;
        for &index in indexes {
            let index = usize::from(index);
            again += self.requeued_one(
                (batch, index),
                &request,
                code,
                (not_before, deadline),
                (since, now),
            )?;
        }
        self.requests.insert(batch, request);
        (0..again).for_each(|_| self.land(batch));
        Ok(())
    }

    fn requeued_one(
        &mut self,
        place: (BatchId, usize),
        request: &Request,
        code: &ErrorCode,
        (not_before, deadline): (Instant, Instant),
        (since, now): (Instant, Instant),
    ) -> Result<u64, String> {
        let parcel = request.parcels.get(place.1).ok_or("an index beyond its batch")?;
        let numbers = request.numbers_of(place.1);
        let is_stray = matches!(parcel.fate, Fate::Stored(_));
        let expected = match &parcel.fate {
            Fate::Failed(expected) => *code == *expected,
            Fate::Stored(_) => parcel.is_aggregate && *code == ErrorCode::WrongShard,
            Fate::Unknown => matches!(code, ErrorCode::RequestTimeout | ErrorCode::Cancelled),
        };
        rule(expected, || format!("{place:?} was requeued after {code}: {parcel:?}"))?;
        let class = if is_stray { None } else { Some(code.class()) };
        let policy = self.policy(code.class(), request);
        self.check_wait(place, numbers, (policy, class), not_before, (since, now))?;
        // What was packed by an older map may be packed anew, and then waits for others again.
        let is_old = is_stray || request.generation != self.map.generation;
        let linger = self.linger();
        let mut leave_by = if is_old { deadline.after(linger) } else { deadline };
        let due =
            if is_old { Instant::ZERO } else { self.due_again(numbers, deadline, not_before) };
        let mut again = 0;
        for &number in numbers {
            let slot = self.map.slot(self.records[number].hash_key);
            let record = &mut self.records[number];
            match record.outcome.as_ref().and_then(Ended::cause) {
                Some(Cause::Expired) => self.sometimes.member_expired += 1,
                Some(Cause::AttemptsExhausted) => self.sometimes.member_exhausted += 1,
                _ => {}
            }
            if record.outcome.is_some() {
                continue;
            }
            rule(record.in_flight == Some(place), || {
                format!("record {number} was requeued from nowhere")
            })?;
            rule(record.expiration.is_none_or(|expiration| expiration > not_before), || {
                format!("record {number} expires while it waits")
            })?;
            self.shards.land(slot, record);
            record.suspect = None;
            record.failed(code.certainty());
            (record.not_before, record.due) = (not_before, due);
            if code.class() == Class::Credentials {
                record.waits_for = WaitsFor::Credentials;
                if self.renewed_at >= request.answered_at && self.renewed_at.is_some() {
                    record.waits_for = WaitsFor::NewCredentials;
                    (record.not_before, record.due) = (Instant::ZERO, Instant::ZERO);
                    // At the same moment, nobody knows which came first.
                    if self.renewed_at > request.answered_at {
                        leave_by = leave_by.min(now.after(linger));
                    }
                }
            }
            record.leave_by = leave_by;
            if self.lines.is_first(record.hash_key, number) {
                self.waiting.add(slot, leave_by, number);
            }
            again += 1;
        }
        rule(again > 0, || format!("{place:?} was requeued and is empty"))?;
        self.figures.requeued += again;
        if is_stray {
            self.repacked = self.repacked.saturating_sub(again);
            self.strays.remove(&place);
            *if self.map.is_scattered() {
                &mut self.sometimes.auto_stray_sent_again
            } else if self.map.has_failed() {
                &mut self.sometimes.stray_sent_again_plain
            } else {
                &mut self.sometimes.stray_sent_again
            } += 1;
        }
        Ok(again)
    }

    /// When what goes back together may leave by itself: at its deadline, or half-way to where the first of it expires.
    fn due_again(&self, numbers: &[usize], deadline: Instant, not_before: Instant) -> Instant {
        let known = numbers.iter().map(|&number| &self.records[number]);
        let expiration = known.filter_map(|record| record.expiration).min();
        match expiration {
            Some(expiration) if expiration <= deadline => {
                not_before.after(expiration.since(not_before) / 2)
            }
            _ => deadline,
        }
    }

    /// An entry waits as long as the policy wants, and longer if there were too many. Of no `class` is what does not wait:
    /// it was stored, only not where it belongs.
    fn check_wait(
        &mut self,
        place: (BatchId, usize),
        numbers: &[usize],
        (policy, class): (RetryPolicy, Option<Class>),
        not_before: Instant,
        (since, now): (Instant, Instant),
    ) -> Checked {
        let sends =
            numbers.iter().map(|&number| self.records[number].attempts()).max().unwrap_or(0);
        let (least, most) = class.map(|class| waits(policy, sends, class)).unwrap_or_default();
        if let RetryPolicy::Exponential { base, cap } = self.config.retry() {
            let doubled = base * 2_u32.saturating_pow(sends.saturating_sub(1).min(20));
            self.sometimes.backoff_capped += u64::from(doubled > cap);
            // The budget puts off what fails for a while only.
            let grows = class == Some(Class::Throttled) && not_before > now.after(base);
            self.sometimes.backoff_grew += u64::from(grows && base > Duration::ZERO);
        }
        let (earliest, latest) = (since.after(least), now.after(most));
        let longest = latest.after(self.budget.longest(class));
        rule(not_before >= earliest && not_before <= longest, || {
            format!("{place:?} waits until {not_before}, which is not the policy's wait")
        })?;
        if class == Some(Class::Transient) {
            let known = numbers.iter().map(|&number| &self.records[number]);
            let open = known.filter(|record| record.outcome.is_none());
            let expiration = open.filter_map(|record| record.expiration).min();
            self.check_budget(place, not_before, (earliest, latest), expiration, now)?;
        }
        Ok(())
    }
}

impl Checker {
    /// How an entry waits that failed in this way.
    pub(super) const fn policy(&self, class: Class, request: &Request) -> RetryPolicy {
        match (class, self.config.rate_limit()) {
            // Its shard throttled it: it waits for the limiter.
            (Class::Throttled, RateLimit::Adaptive { .. }) if request.has_results => {
                RetryPolicy::Kpl
            }
            _ => self.config.retry(),
        }
    }
}

/// The shortest and the longest wait after so many attempts.
pub(super) fn waits(policy: RetryPolicy, attempts: u32, class: Class) -> (Duration, Duration) {
    let pause = match class {
        Class::Credentials => Duration::from_secs(1),
        _ => Duration::from_millis(1),
    };
    let (least, most) = match policy {
        RetryPolicy::Exponential { base, cap } => {
            let doublings = attempts.saturating_sub(1).min(20);
            let doubled = (0..doublings).fold(base, |wait, _| (wait * 2).min(cap));
            (Duration::ZERO, doubled.min(cap))
        }
        RetryPolicy::Linear { step, .. } => (step * attempts, step * attempts),
        _ => (Duration::ZERO, Duration::ZERO),
    };
    (least.max(pause), most.max(pause))
}
