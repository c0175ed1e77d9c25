//! What an outcome says of a record's attempts.

use alloc::format;

use headwaters_engine::{Attempt, Attempts, Completion, Instant, Outcome};

use super::{Checked, Checker, rule};

/// The attempts of a record take no more memory than this, once for what it had by itself and twice while it gets those
/// of an aggregate.
const MOST_BYTES: usize = 3 * (size_of::<Attempts>() + Attempts::KEPT_MAX * size_of::<Attempt>());

/// When the requests left in which a record was: the first one, and the last three.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Starts([Instant; Attempts::KEPT_MAX]);

impl Starts {
    /// The request of attempt number `attempt` leaves; the first one has number 1.
    pub(super) fn note(&mut self, attempt: u32, now: Instant) {
        let kept = &mut self.0;
        let at = usize::try_from(attempt).unwrap_or(usize::MAX);
        if at > kept.len() {
            kept[1..].rotate_left(1);
        }
        kept[at.clamp(1, kept.len()) - 1] = now;
    }
}

impl Checker {
    /// What is held may get short of memory: then not all attempts are kept.
    pub(super) fn note_memory(&mut self) {
        let records = usize::try_from(self.open()).unwrap_or(usize::MAX);
        let bytes = usize::try_from(self.bytes_open).unwrap_or(usize::MAX);
        let most = bytes.saturating_add(records.saturating_mul(self.overhead() + MOST_BYTES));
        self.was_memory_short |= most > self.room.bounds.bytes;
    }

    /// There were as many attempts as requests; of those that are kept each started when its request left, and only the
    /// last one can have been without error.
    pub(super) fn check_attempts(
        &self,
        number: usize,
        completion: &Completion,
        now: Instant,
    ) -> Checked {
        let Completion { attempts, outcome, .. } = completion;
        let record = &self.records[number];
        rule(attempts.count() == record.sends, || {
            format!("{} attempts, and it was sent {} times", attempts.count(), record.sends)
        })?;
        let kept = attempts.kept();
        let is_in_order = |attempt: &Attempt| attempt.start <= attempt.end && attempt.end <= now;
        rule(kept.iter().all(is_in_order), || format!("attempts ended early or late: {kept:?}"))?;
        let is_stored = matches!(outcome, Outcome::Stored { .. });
        let right =
            kept.iter().rev().enumerate().all(|(from_last, attempt)| {
                attempt.error.is_none() == (is_stored && from_last == 0)
            });
        let sends = usize::try_from(record.sends).unwrap_or(usize::MAX);
        let starts = &record.starts.0[..sends.min(Attempts::KEPT_MAX)];
        let is_short = self.was_memory_short;
        rule(right || is_short, || format!("stored or not, and these attempts: {kept:?}"))?;
        let same = kept.iter().map(|attempt| &attempt.start).eq(starts);
        rule(same || is_short, || format!("attempts {kept:?}, and its requests left at {starts:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_three_are_kept() {
        let mut starts = Starts::default();
        for attempt in 1..=9 {
            starts.note(attempt, Instant::from_nanos(attempt.into()));
        }
        assert_eq!(starts.0.map(Instant::as_nanos), [1, 7, 8, 9]);
    }
}
