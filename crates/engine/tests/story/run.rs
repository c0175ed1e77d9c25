use headwaters_engine::{Action, Batch, Completion, Event, Instant};

use super::{Story, sent};

/// What happened while a service stored everything at once.
#[derive(Default)]
pub(crate) struct Run {
    pub(crate) batches: Vec<(Instant, Batch)>,
    pub(crate) outcomes: Vec<Completion>,
    /// What else the engine said, in its order.
    pub(crate) others: Vec<Action>,
}

impl Run {
    /// What happened next.
    pub(crate) fn append(&mut self, next: Self) {
        let Self { batches, outcomes, others } = next;
        self.batches.extend(batches);
        self.outcomes.extend(outcomes);
        self.others.extend(others);
    }

    /// The tokens that were sent, in their order.
    pub(crate) fn sent(&self) -> Vec<u64> {
        self.batches.iter().flat_map(|(_, batch)| sent(batch)).collect()
    }

    /// How many entries had left before this time.
    pub(crate) fn entries_before(&self, time: Instant) -> usize {
        let before = self.batches.iter().filter(|(start, _)| *start < time);
        before.map(|(_, batch)| batch.entries.len()).sum()
    }
}

impl Story {
    /// Goes on for so many milliseconds, from wake-up to wake-up, while the service stores what it is sent and
    /// lists its shards, all in no time.
    pub(crate) fn run(&mut self, millis: u64) -> Run {
        let end = self.now.after(super::millis(millis));
        let mut run = Run::default();
        loop {
            match self.engine.poll() {
                Action::SendBatch(batch) => {
                    self.store(&batch);
                    run.batches.push((self.now, batch));
                }
                Action::ListShards(request) => self.list(&request),
                Action::Complete(completion) => run.outcomes.push(completion),
                Action::Stored(stored) => run.outcomes.extend(stored.into_completions()),
                Action::Wait(wakeup) => {
                    if self.now == end {
                        return run;
                    }
                    assert!(wakeup.at.is_none_or(|at| at > self.now), "an engine never spins");
                    self.now = wakeup.at.map_or(end, |at| at.min(end));
                    self.handle(Event::TimeAdvanced);
                }
                other => run.others.push(other),
            }
        }
    }
}
