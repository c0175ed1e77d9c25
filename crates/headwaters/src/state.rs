use core::mem;
use core::task::Waker;
use core::time::Duration;
use std::sync::{Arc, Weak};

use headwaters_engine::{
    Action, Batch, BatchId, Bounds, Cause, Completion, Event, Instant, ListShards, Outcome,
    Refused, RefusedReason, Requeue, Stored, Timing, Token, UserRecord,
};

use crate::alarms::Alarms;
use crate::budget::{Budget, NoBudget};
use crate::charge::Charge;
use crate::close::{CloseReport, Undelivered};
use crate::flushes::Flushes;
use crate::groups::Groups;
use crate::outage::{News, Outage};
use crate::shared::Shared;
use crate::slots::{LANDING_MAX, Slots, Told, Want, member};
use crate::stats::Stats;
use crate::ticket::{Account, Delivery};
use crate::trace::Traced;
use crate::turns::Turn;
use crate::waiters::Waiters;

/// The engine, and who waits for what of it.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) alarms: Alarms,
    pub(crate) closers: Waiters,
    pub(crate) engine: Traced,
    pub(crate) flushes: Flushes,
    pub(crate) groups: Groups,
    /// Those who wait for room.
    pub(crate) room: Waiters,
    /// Those who wait for room for a shard of which too much waits, while there is room for others.
    pub(crate) shard_room: Waiters,
    pub(crate) slots: Slots,
    /// Set when the driver has ended: nothing will be driven any more.
    pub(crate) report: Option<CloseReport>,
    /// What the last purge handed back.
    purged: Vec<Undelivered>,
    budget: Option<Charge>,
    /// Whether the engine has nothing to do any more.
    close_finished: bool,
    driver: Seat,
    landing: Landing,
    longest_hold: Duration,
    outage: Outage,
    /// Room that is kept for permits.
    reserved: Bounds,
    this: Weak<Shared>,
    todo: Todo,
    turn: Turn,
    undelivered: Vec<Undelivered>,
    /// How often the driver was woken.
    wakeups: u64,
}

/// Where the driver sits while it waits.
#[derive(Debug, Default)]
struct Seat {
    /// Whether it is at work, or has been called: it will look at everything before it waits again.
    awake: bool,
    /// When it will look again by itself; `None` if nothing but a call will make it.
    planned: Option<Instant>,
    waker: Option<Waker>,
}

/// Outcomes on their way to those who wait for them.
#[derive(Debug, Default)]
struct Landing {
    accounts: Vec<Account>,
    tokens: Vec<(Token, u32)>,
}

/// What came out of the engine and is to be done without the lock.
#[derive(Debug, Default)]
pub(crate) struct Todo {
    pub(crate) batches: Vec<Batch>,
    pub(crate) cancels: Vec<BatchId>,
    pub(crate) closed: bool,
    pub(crate) listing: Option<ListShards>,
    pub(crate) requeues: Vec<Requeue>,
    /// What is to be dropped.
    pub(crate) stored: Vec<Stored>,
    pub(crate) tagged: Vec<(u64, Delivery)>,
    #[cfg(feature = "metrics")]
    pub(crate) tally: crate::metrics::Tally,
    pub(crate) waiting: Waiting,
}

/// Those who wait for something that is there now.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// Producers that share a budget and wait for what was given back.
    others: Vec<Arc<Shared>>,
    wakers: Vec<Waker>,
}

/// Outcomes, and requests, after which the lock is given back: it is never held for long.
const TURN_OUTCOMES: usize = 256;
const TURN_BATCHES: usize = 1;

pub(crate) const NOTHING: Bounds = Bounds { bytes: 0, records: 0 };

impl State {
    pub(crate) fn new(engine: Traced, budget: Option<Arc<Budget>>, this: Weak<Shared>) -> Self {
        Self {
            alarms: Alarms::default(),
            budget: budget.map(Charge::new),
            close_finished: false,
            closers: Waiters::default(),
            driver: Seat { awake: true, ..Seat::default() },
            engine,
            flushes: Flushes::default(),
            groups: Groups::default(),
            landing: Landing::default(),
            longest_hold: Duration::ZERO,
            outage: Outage::default(),
            purged: Vec::new(),
            report: None,
            reserved: NOTHING,
            room: Waiters::default(),
            shard_room: Waiters::default(),
            slots: Slots::default(),
            this,
            todo: Todo::default(),
            turn: Turn::default(),
            undelivered: Vec::new(),
            wakeups: 0,
        }
    }

    /// Puts a record.
    pub(crate) fn add(
        &mut self,
        record: UserRecord,
        timing: Timing,
        want: Want,
        now: Instant,
    ) -> Result<Token, Refused> {
        let (need, overhead) = (self.room_of(record.size()), self.room_of(0).bytes);
        let open = !self.engine.is_closing();
        if let Some(charge) = self.budget.as_mut().filter(|_| open)
            && let Err(none) = charge.take(need, &self.this)
        {
            return Err(Refused::new(charge.reason(none, overhead), record));
        }
        let token = self.slots.next(want);
        match self.engine.add_timed(token, record, timing, now) {
            Ok(()) => {
                self.slots.fill(want);
                self.turn.note_put(now);
                Ok(token)
            }
            Err(mut refused) => {
                if let Some(charge) = self.budget.as_mut().filter(|_| open) {
                    charge.give_back(need, &self.this, &mut self.todo.waiting.others);
                }
                // It may fit when what is kept for permits is free again.
                if matches!(refused.reason, RefusedReason::TooLarge { .. })
                    && self.reserved != NOTHING
                    && self.fits(refused.record.size())
                {
                    refused.reason = RefusedReason::Full;
                }
                Err(refused)
            }
        }
    }

    /// Whether a record of this size fits when nothing else is held.
    fn fits(&self, size: usize) -> bool {
        let config = self.engine.config();
        size <= config.max_user_record_size() && self.room_of(size).bytes <= config.bounds().bytes
    }

    /// What the engine takes for a record of this size.
    fn room_of(&self, size: usize) -> Bounds {
        Bounds::of_record(size, self.engine.config().order())
    }

    /// Tells the engine something.
    pub(crate) fn tell(&mut self, event: Event, now: Instant) {
        self.engine.handle(event, now);
        if self.engine.is_closing() {
            // Nobody need wait for room any more: the answer is there.
            self.todo.waiting.wakers.extend(self.room.first());
            self.todo.waiting.wakers.extend(self.shard_room.take_all());
        }
    }

    /// Keeps room for a record of this size, or as much as there can be; `None` if there is none now. A closed producer keeps
    /// none, and needs none: the put will say what is wrong.
    pub(crate) fn reserve(&mut self, size: usize, now: Instant) -> Option<Bounds> {
        let (mut need, held) = (self.room_of(size), self.held());
        let bounds = self.engine.config().bounds();
        // What several producers may hold together may be less than that.
        if let Some(charge) = &self.budget {
            need.bytes = need.bytes.min(charge.most());
        }
        if self.engine.is_closing() {
            return Some(NOTHING);
        }
        let free = |held: usize, need: usize, bound: usize| held + need <= bound;
        if !free(held.bytes, need.bytes, bounds.bytes)
            || !free(held.records, need.records, bounds.records)
        {
            return None;
        }
        if let Some(charge) = &mut self.budget {
            charge.take(need, &self.this).ok()?;
        }
        self.keep(need, NOTHING, now);
        Some(need)
    }

    /// Gives back what was kept for a record, and puts it.
    pub(crate) fn redeem(
        &mut self,
        kept: Bounds,
        record: UserRecord,
        timing: Timing,
        want: Want,
        now: Instant,
    ) -> Token {
        let more = self.charge_more(&record, kept);
        self.keep(NOTHING, kept, now);
        let token = self.slots.next(want);
        self.slots.fill(want);
        let added = match more {
            Ok(()) => self.engine.add_timed(token, record, timing, now),
            Err(reason) => Err(Refused::new(reason, record)),
        };
        match added {
            Ok(()) => self.turn.note_put(now),
            Err(refused) => self.fail(refused.into_completion(token)),
        }
        self.settle_budget();
        // What was kept too much is there for others.
        self.todo.waiting.wakers.extend(self.room.first());
        token
    }

    /// Takes from what several producers may hold together the room that a record takes beyond what was kept for it.
    fn charge_more(&mut self, record: &UserRecord, kept: Bounds) -> Result<(), RefusedReason> {
        let (need, overhead) = (self.room_of(record.size()), self.room_of(0).bytes);
        let more = Bounds {
            bytes: need.bytes.saturating_sub(kept.bytes),
            records: need.records.saturating_sub(kept.records),
        };
        let open = !self.engine.is_closing() && more != NOTHING;
        let Some(charge) = self.budget.as_mut().filter(|_| open) else { return Ok(()) };
        let taken = if need.bytes > charge.most() {
            Err(NoBudget::Never)
        } else {
            charge.take(more, &self.this)
        };
        taken.map_err(|none| charge.reason(none, overhead))
    }

    /// Gives back what was kept for a record that does not come.
    pub(crate) fn release(&mut self, kept: Bounds, now: Instant) {
        self.keep(NOTHING, kept, now);
        self.settle_budget();
        self.todo.waiting.wakers.extend(self.room.first());
    }

    fn keep(&mut self, more: Bounds, less: Bounds, now: Instant) {
        if more == less {
            return;
        }
        self.reserved = Bounds {
            bytes: self.reserved.bytes + more.bytes - less.bytes,
            records: self.reserved.records + more.records - less.records,
        };
        let all = self.engine.config().bounds();
        let bounds = Bounds {
            bytes: all.bytes - self.reserved.bytes,
            records: all.records - self.reserved.records,
        };
        self.engine.handle(Event::BoundsChanged(bounds), now);
    }

    /// Somebody is about to wait for room. What is held leaves now, if it only waits for company: none can come.
    pub(crate) fn make_room(&mut self) {
        if self.engine.makes_room() {
            return;
        }
        let flush = self.flushes.unheard();
        let now = self.engine.now();
        self.engine.handle(Event::FlushRequested { flush, deadline: None }, now);
    }

    /// What is held, and kept for permits.
    pub(crate) fn held(&self) -> Bounds {
        let held = self.engine.held();
        Bounds {
            bytes: held.bytes + self.reserved.bytes,
            records: held.records + self.reserved.records,
        }
    }

    fn settle_budget(&mut self) {
        let held = self.held();
        if let Some(charge) = &mut self.budget {
            charge.settle(held, &self.this, &mut self.todo.waiting.others);
        }
    }

    /// Whom to wake because the driver is wanted sooner than it would come by itself: once until it has come.
    pub(crate) fn call_driver(&mut self) -> Option<Waker> {
        if self.driver.awake {
            return None;
        }
        // A timer that should have gone off has slept, as the process has (a Lambda that was frozen).
        let overslept = |planned: Instant| planned < self.engine.now();
        let is_late = |at: Instant| {
            self.driver.planned.is_none_or(|planned| at < planned || overslept(planned))
        };
        if !self.wanted().is_some_and(is_late) && self.todo.is_empty() {
            return None;
        }
        self.driver.awake = true;
        self.driver.waker.take()
    }

    /// When the driver is to look again.
    fn wanted(&self) -> Option<Instant> {
        self.engine.wakeup().at.into_iter().chain(self.alarms.next()).min()
    }

    /// The driver is at work, and need not be called.
    pub(crate) fn seat_driver(&mut self) {
        self.driver.awake = true;
        self.turn.end();
    }

    /// Whether whoever puts next is to give way first; says so once.
    pub(crate) fn take_crowded(&mut self) -> bool {
        self.turn.end_if_over(self.engine.now())
    }

    pub(crate) fn note_wakeup(&mut self) {
        self.wakeups += 1;
    }

    /// The driver goes to wait; returns until when.
    pub(crate) fn dismiss_driver(&mut self, waker: &Waker) -> Option<Instant> {
        let planned = self.wanted();
        self.driver = Seat { awake: false, planned, waker: Some(waker.clone()) };
        planned
    }

    /// Asks the engine what to do; false if there may be more.
    pub(crate) fn drain(&mut self, now: Instant) -> bool {
        let mut outcomes = 0;
        let waits = loop {
            match self.engine.poll_unsealed() {
                Action::Complete(completion) => {
                    outcomes += completion.tokens.len();
                    self.complete(completion);
                    if outcomes >= TURN_OUTCOMES {
                        break false;
                    }
                }
                Action::Stored(stored) => {
                    outcomes += stored.len();
                    self.stored(stored);
                    if outcomes >= TURN_OUTCOMES {
                        break false;
                    }
                }
                Action::SendBatch(batch) => {
                    self.todo.batches.push(batch);
                    if self.todo.batches.len() >= TURN_BATCHES {
                        break false;
                    }
                }
                Action::Wait(_) => break true,
                other => self.note(other),
            }
        };
        self.land();
        self.settle_budget();
        if outcomes > 0 {
            self.todo.waiting.wakers.extend(self.room.first());
        }
        let rung = self.alarms.ring(now);
        self.todo.waiting.wakers.extend(rung);
        if waits && self.close_finished && self.report.is_none() {
            self.finish();
        }
        waits
    }

    fn note(&mut self, action: Action) {
        match action {
            Action::CancelBatch(batch) => self.todo.cancels.push(batch),
            Action::CloseFinished { .. } => self.close_finished = true,
            Action::FlushFinished { flush, pending } => {
                self.todo.waiting.wakers.extend(self.flushes.finish(flush, pending));
            }
            // A later one means that the engine waits for the one before no more.
            Action::ListShards(listing) => self.todo.listing = Some(listing),
            // The engine has done it already.
            Action::Requeue(requeue) => {
                #[cfg(feature = "metrics")]
                self.todo.tally.error(&requeue.cause.code, requeue.indexes.len() as u64);
                self.todo.requeues.push(requeue);
            }
            Action::RoomAvailable => {
                self.todo.waiting.wakers.extend(self.room.first());
                self.todo.waiting.wakers.extend(self.shard_room.take_all());
            }
            Action::Complete(_) | Action::SendBatch(_) | Action::Stored(_) | Action::Wait(_) => {}
        }
    }

    fn complete(&mut self, completion: Completion) {
        let Completion { attempts, outcome, mut tokens, .. } = completion;
        let account = Account { attempts, outcome };
        #[cfg(feature = "metrics")]
        self.todo.tally.note(&account, tokens.len() as u64);
        let Outcome::Stored { maybe_duplicate, .. } = &account.outcome else {
            self.note_undelivered(&account);
            return self.land_alone(account, tokens);
        };
        // Of these nothing is kept but that they were stored.
        tokens.retain(|token| {
            let Some((group, index)) = member(*token) else { return true };
            self.todo.waiting.wakers.extend(self.groups.stored(group, index, *maybe_duplicate));
            false
        });
        if tokens.is_empty() {
            return;
        }
        let index = self.landing.accounts.len() as u32;
        self.landing.accounts.push(account);
        self.landing.tokens.extend(tokens.into_iter().map(|token| (token, index)));
        if self.landing.accounts.len() == LANDING_MAX {
            self.land();
        }
    }

    /// Hands over that a record was not accepted, where an outcome was promised.
    fn fail(&mut self, completion: Completion) {
        let Completion { attempts, outcome, tokens, .. } = completion;
        let account = Account { attempts, outcome };
        #[cfg(feature = "metrics")]
        self.todo.tally.note(&account, tokens.len() as u64);
        self.land_alone(account, tokens);
    }

    /// Hands over an outcome with which a record comes back: it is not kept alive by a neighbour.
    fn land_alone(&mut self, account: Account, tokens: impl IntoIterator<Item = Token>) {
        let accounts: Arc<[Account]> = [account].into();
        let landing = self.slots.land(Arc::clone(&accounts));
        for token in tokens {
            self.resolve(token, landing, &accounts, 0);
        }
        // What nobody wants is dropped with `accounts`.
        drop(self.slots.landed(landing));
    }

    /// Hands over what was stored at once.
    fn stored(&mut self, stored: Stored) {
        if stored.tokens().iter().any(|token| member(*token).is_none()) {
            return stored.into_completions().for_each(|completion| self.complete(completion));
        }
        for (group, index) in stored.tokens().iter().copied().filter_map(member) {
            self.todo.waiting.wakers.extend(self.groups.stored(group, index, false));
        }
        #[cfg(feature = "metrics")]
        self.todo.tally.stored(&stored);
        // Nobody wants to know where they are: to drop that takes its time, and needs no lock.
        self.todo.stored.push(stored);
    }

    fn note_undelivered(&mut self, account: &Account) {
        let (Outcome::MaybeStored { cause, record } | Outcome::NotStored { cause, record }) =
            &account.outcome
        else {
            return;
        };
        let maybe_stored = matches!(account.outcome, Outcome::MaybeStored { .. });
        let list = match cause {
            Cause::Closed => &mut self.undelivered,
            Cause::Purged => &mut self.purged,
            _ => return,
        };
        let last_error = account.last_error().cloned();
        list.push(Undelivered { last_error, maybe_stored, record: record.clone() });
    }

    /// Hands over what was stored.
    fn land(&mut self) {
        if self.landing.accounts.is_empty() {
            return;
        }
        let accounts: Arc<[Account]> = self.landing.accounts.drain(..).collect();
        let landing = self.slots.land(Arc::clone(&accounts));
        let mut tokens = mem::take(&mut self.landing.tokens);
        for (token, index) in tokens.drain(..) {
            self.resolve(token, landing, &accounts, index);
        }
        self.landing.tokens = tokens;
        drop(self.slots.landed(landing));
    }

    #[inline]
    fn resolve(&mut self, token: Token, landing: u32, accounts: &Arc<[Account]>, index: u32) {
        let delivery = || Delivery::new(Arc::clone(accounts), index);
        if let Some((group, index)) = member(token) {
            return self.todo.waiting.wakers.extend(self.groups.failed(group, index, delivery()));
        }
        match self.slots.resolve(token, landing, index) {
            Told::Nobody => {}
            Told::Tag(tag) => self.todo.tagged.push((tag, delivery())),
            Told::Waiter(waker) => self.todo.waiting.wakers.push(waker),
        }
    }

    /// The producer is closed: whoever waits for anything has nothing to wait for any more.
    fn finish(&mut self) {
        self.todo.closed = true;
        self.engine.end_trace();
        let undelivered = mem::take(&mut self.undelivered);
        let last_error = self.engine.last_failure().cloned();
        self.report = Some(CloseReport { last_error, stats: self.stats(), undelivered });
        let wakers = &mut self.todo.waiting.wakers;
        wakers.extend(self.flushes.finish_all());
        wakers.extend(self.closers.take_all());
        wakers.extend(self.room.first());
        wakers.extend(self.shard_room.take_all());
    }

    /// Hands everything back.
    pub(crate) fn purge(&mut self, now: Instant) -> Vec<Undelivered> {
        if self.report.is_none() {
            self.engine.handle(Event::PurgeRequested, now);
            while !self.drain(now) {}
        }
        mem::take(&mut self.purged)
    }

    /// What the log is to be told of an outage.
    pub(crate) fn outage_news(&mut self) -> Option<News> {
        self.outage.news(&self.engine)
    }

    /// Those who wait, to be told without the lock.
    pub(crate) fn take_waiting(&mut self) -> Waiting {
        mem::take(&mut self.todo.waiting)
    }

    /// What is to be done without the lock.
    pub(crate) fn take_todo(&mut self) -> Todo {
        mem::take(&mut self.todo)
    }

    pub(crate) fn stats(&self) -> Stats {
        Stats {
            engine: self.engine.stats(),
            longest_hold: self.longest_hold,
            outcomes_kept: self.slots.done() as u64,
            puts_waiting: (self.room.len() + self.shard_room.len()) as u64,
            wakeups: self.wakeups,
        }
    }

    /// Notes how long the lock was held.
    pub(crate) fn note_hold(&mut self, hold: Duration) {
        self.longest_hold = self.longest_hold.max(hold);
    }
}

impl Todo {
    fn is_empty(&self) -> bool {
        let Self { batches, cancels, closed, listing, requeues, tagged, waiting, .. } = self;
        batches.is_empty()
            && cancels.is_empty()
            && !closed
            && listing.is_none()
            && requeues.is_empty()
            && tagged.is_empty()
            && waiting.others.is_empty()
            && waiting.wakers.is_empty()
    }
}

impl Waiting {
    /// Tells them, without the lock.
    pub(crate) fn wake(&mut self) {
        // The others first, or who gives back would take it again each time.
        self.others.drain(..).for_each(|other| other.announce_room());
        self.wakers.drain(..).for_each(Waker::wake);
    }
}
