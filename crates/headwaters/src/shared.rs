use core::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use headwaters_engine::{Engine, FlushId, Instant, Refused, Timing, Token, UserRecord};
use tokio::sync::{Notify, oneshot};

use crate::close::CloseReport;
use crate::ticket::{Delivery, Ticket, ticket};

/// What the handles and the driver share.
pub(crate) struct Shared {
    now: Box<dyn Fn() -> Instant + Send + Sync>,
    state: Mutex<State>,
    /// The driver has something to do sooner than it thought.
    pub(crate) work: Notify,
    /// There is room again, or there never will be.
    pub(crate) room: Notify,
    /// Whose turn it is among those who wait for room.
    pub(crate) turn: tokio::sync::Mutex<()>,
    /// The report is there.
    pub(crate) closed: Notify,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) engine: Engine,
    pub(crate) tickets: Tickets,
    pub(crate) flushes: Vec<(FlushId, oneshot::Sender<()>)>,
    next_flush: u64,
    /// When the driver will look again by itself; `None` if nothing but a notice will make it.
    pub(crate) driver_wakes: Option<Instant>,
    /// Set when the driver has ended: nothing will be driven any more.
    pub(crate) report: Option<CloseReport>,
}

impl Shared {
    pub(crate) fn new(engine: Engine, now: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        let state = State {
            engine,
            tickets: Tickets::default(),
            flushes: Vec::new(),
            next_flush: 0,
            driver_wakes: None,
            report: None,
        };
        Self {
            now: Box::new(now),
            state: Mutex::new(state),
            work: Notify::new(),
            room: Notify::new(),
            turn: tokio::sync::Mutex::new(()),
            closed: Notify::new(),
        }
    }

    pub(crate) fn now(&self) -> Instant {
        (self.now)()
    }

    /// Locks the state. A panic while it was locked leaves it consistent enough to go on: the engine is
    /// never left in the middle of a call by anything but its own bug.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn try_put(&self, record: UserRecord, timing: Timing) -> Result<Ticket, Refused> {
        let now = self.now();
        let mut state = self.lock();
        let token = state.tickets.next();
        state.engine.add_timed(token, record, timing, now)?;
        let (sender, ticket) = ticket();
        state.tickets.insert(token, sender);
        self.wake_driver(state);
        Ok(ticket)
    }

    /// Wakes the driver if the engine wants it sooner than it would come by itself.
    pub(crate) fn wake_driver(&self, mut state: MutexGuard<'_, State>) {
        let Some(at) = state.engine.wakeup().at else { return };
        if state.driver_wakes.is_none_or(|planned| at < planned) {
            state.driver_wakes = Some(at);
            drop(state);
            self.work.notify_one();
        }
    }
}

impl State {
    /// Names a flush, whose end will come out of the receiver.
    pub(crate) fn start_flush(&mut self) -> (FlushId, oneshot::Receiver<()>) {
        let id = FlushId(self.next_flush);
        self.next_flush += 1;
        let (sender, receiver) = oneshot::channel();
        self.flushes.push((id, sender));
        (id, receiver)
    }
}

/// The tickets that are out, by token.
#[derive(Debug, Default)]
pub(crate) struct Tickets {
    senders: Vec<Option<oneshot::Sender<Delivery>>>,
    free: Vec<Token>,
}

impl Tickets {
    /// The token that the next `insert` must use.
    fn next(&self) -> Token {
        self.free.last().copied().unwrap_or(Token(self.senders.len() as u64))
    }

    fn insert(&mut self, token: Token, sender: oneshot::Sender<Delivery>) {
        if self.free.pop().is_none() {
            self.senders.push(Some(sender));
        } else if let Some(place) = self.place(token) {
            *place = Some(sender);
        }
    }

    pub(crate) fn remove(&mut self, token: Token) -> Option<oneshot::Sender<Delivery>> {
        let sender = self.place(token)?.take()?;
        self.free.push(token);
        Some(sender)
    }

    fn place(&mut self, Token(index): Token) -> Option<&mut Option<oneshot::Sender<Delivery>>> {
        self.senders.get_mut(usize::try_from(index).ok()?)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("stats", &self.lock().engine.stats()).finish_non_exhaustive()
    }
}
