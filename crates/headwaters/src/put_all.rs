use core::future::poll_fn;
use core::task::{Poll, Waker};
use core::time::Duration;
use std::collections::VecDeque;

use headwaters_engine::{Event, Instant, Refused, RefusedReason, Timing, UserRecord};

use crate::alarms::AlarmId;
use crate::groups::Group;
use crate::report::{Failure, Report, Why};
use crate::shared::{Attempt, InLine, Shared, unlock};
use crate::slots::Want;
use crate::state::State;

/// Records that are put under one lock.
const CHUNK: usize = 64;

/// Nothing is sent any more in the last part of the time, so that answers come before its end: one in so many,
const MARGIN_SHARE: u32 = 10;

/// One call of `put_all`. Dropping it leaves the records to be delivered, and forgets the rest.
struct Call<'a> {
    alarm: Option<AlarmId>,
    /// When it ends, whatever has happened.
    deadline: Instant,
    group: u32,
    /// When the last attempt of a record may begin.
    send_by: Instant,
    shared: &'a Shared,
}

/// Whether a call goes on.
enum Next {
    More,
    Stop,
}

/// Puts all records, and tells which of them were not stored, or maybe stored, within that time.
pub(crate) async fn put_all(
    shared: &Shared,
    records: impl Iterator<Item = UserRecord>,
    within: Duration,
) -> Report {
    let mut call = Call::start(shared, within);
    let whole = call.put(records).await;
    call.hurry();
    call.settle().await;
    call.end(whole)
}

impl<'a> Call<'a> {
    fn start(shared: &'a Shared, within: Duration) -> Self {
        let now = shared.now();
        let mut state = shared.lock();
        let margin = (within / MARGIN_SHARE).min(state.engine.config().request_timeout());
        Self {
            alarm: None,
            deadline: now.after(within),
            group: state.groups.start(),
            send_by: now.after(within.saturating_sub(margin)),
            shared,
        }
    }

    /// Puts the records; whether it came to their end.
    async fn put(&mut self, records: impl Iterator<Item = UserRecord>) -> bool {
        let mut records = records.fuse();
        let mut chunk = VecDeque::with_capacity(CHUNK);
        let mut line = InLine::new(self.shared);
        loop {
            // Without the lock: whatever makes the records is not ours.
            chunk.extend(records.by_ref().take(CHUNK - chunk.len()));
            if chunk.is_empty() {
                return true;
            }
            let next = poll_fn(|context| self.put_chunk(&mut line, &mut chunk, context.waker()));
            if let Next::Stop = next.await {
                self.skip(chunk);
                return false;
            }
            self.shared.give_way().await;
        }
    }

    fn put_chunk(
        &mut self,
        line: &mut InLine<'_>,
        chunk: &mut VecDeque<UserRecord>,
        waker: &Waker,
    ) -> Poll<Next> {
        let now = self.shared.now();
        if self.deadline <= now {
            return Poll::Ready(Next::Stop);
        }
        let done = line.poll(waker, |state| self.put_into(state, chunk, now));
        if done.is_pending() {
            self.wait_for_deadline(waker);
        }
        done
    }

    /// Puts what there is room for.
    fn put_into(
        &self,
        state: &mut State,
        chunk: &mut VecDeque<UserRecord>,
        now: Instant,
    ) -> Attempt<Next> {
        let left = self.send_by.since(now);
        let ttl = state.engine.config().record_ttl().map_or(left, |ttl| ttl.min(left));
        let timing = Timing { ttl: Some(Some(ttl)), ..Timing::default() };
        while let Some(record) = chunk.pop_front() {
            let Some(index) = state.groups.get(self.group).and_then(|group| group.next()) else {
                chunk.push_front(record);
                return Attempt::Done(Next::Stop);
            };
            let want = Want::Member { group: self.group, index };
            let refused = match state.add(record, timing, want, now) {
                Ok(_) => {
                    state.groups.note(self.group, Group::put);
                    continue;
                }
                Err(refused) => refused,
            };
            if matches!(refused.reason, RefusedReason::TooLarge { .. }) {
                state.groups.note(self.group, |group| group.skip(Why::Refused(refused)));
                continue;
            }
            chunk.push_front(refused.record);
            return match refused.reason {
                RefusedReason::Full => Attempt::Full,
                RefusedReason::ShardFull => Attempt::ShardFull,
                _ => Attempt::Done(Next::Stop),
            };
        }
        Attempt::Done(Next::More)
    }

    /// Notes what was taken from the input, and not put.
    fn skip(&self, chunk: VecDeque<UserRecord>) {
        let mut state = self.shared.lock();
        let reason =
            if state.engine.is_closing() { RefusedReason::Closed } else { RefusedReason::Full };
        let Some(group) = state.groups.get(self.group) else { return };
        for record in chunk {
            group.skip(Why::Refused(Refused::new(reason, record)));
        }
    }

    fn wait_for_deadline(&mut self, waker: &Waker) {
        let mut state = self.shared.lock();
        let spare = state.alarms.set(&mut self.alarm, self.deadline, waker);
        unlock(state);
        drop(spare);
    }

    /// Nothing more will come that would be worth waiting for.
    fn hurry(&self) {
        let now = self.shared.now();
        let mut state = self.shared.lock();
        if state.report.is_none() {
            let flush = state.flushes.unheard();
            state.engine.handle(Event::FlushRequested { flush, deadline: None }, now);
            unlock(state);
        }
    }

    /// Waits until all have their outcomes, or the time is up.
    async fn settle(&mut self) {
        poll_fn(|context| {
            let now = self.shared.now();
            let mut state = self.shared.lock();
            let is_late = self.deadline <= now;
            let Some(group) = state.groups.get(self.group).filter(|group| !group.is_settled())
            else {
                return Poll::Ready(());
            };
            if is_late {
                return Poll::Ready(());
            }
            let spare = group.waker.replace(context.waker().clone());
            let other = state.alarms.set(&mut self.alarm, self.deadline, context.waker());
            unlock(state);
            drop((spare, other));
            Poll::Pending
        })
        .await;
    }

    fn end(self, whole: bool) -> Report {
        let group = self.shared.lock().groups.end(self.group);
        let group = group.expect("it was started, and ends once");
        let (taken, stored, maybe_duplicates) =
            (group.len().into(), group.stored, group.maybe_duplicates);
        let pending = |index: u32| Failure { index: index.into(), why: Why::Pending };
        let pending: Vec<Failure> = group.unsettled().map(pending).collect();
        let mut failures = group.failures;
        failures.extend(pending);
        failures.sort_by_key(|failure| failure.index);
        Report { failures, maybe_duplicates, stored, taken, whole }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        let alarm = state.alarms.unset(self.alarm);
        let group = state.groups.end(self.group);
        drop(state);
        drop((alarm, group));
    }
}
