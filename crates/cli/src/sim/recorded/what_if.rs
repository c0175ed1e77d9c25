use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use headwaters::trace::{Action, BatchId, Engine, Event, StandIns, Token};
use headwaters::wire::Entry;
use headwaters::{Config, Instant, RefusedReason, Sent};

use super::figures::{Figures, Tally};
use super::service::{Met, Service};
use super::tape::{Fate, Put, Tape};

/// Lives through a tape with these settings: puts come when they came, or when there is room for them; the service is a model
/// that is as much like the recorded one as the tape tells.
pub(super) fn live(tape: &Tape, config: &Config, stand_ins: &StandIns) -> Figures {
    let mut life = Life {
        asked: 0,
        cancelled: BTreeSet::new(),
        engine: Engine::of_stand_ins(config.clone(), tape.start),
        happenings: BTreeMap::new(),
        has_room: true,
        next: 0,
        now: tape.start,
        put: 0,
        service: Service::new(tape, stand_ins),
        tally: Tally::default(),
        tape,
    };
    life.run();
    life.tally.figures(&life.engine.stats())
}

struct Life<'a> {
    /// How many of the tape's questions were asked, and how many of its records put.
    asked: usize,
    put: usize,
    /// Requests that nobody waits for any more.
    cancelled: BTreeSet<BatchId>,
    engine: Engine,
    happenings: BTreeMap<(Instant, u64), Happening>,
    /// Whether the last put was not refused for want of room.
    has_room: bool,
    next: u64,
    now: Instant,
    service: Service<'a>,
    tally: Tally,
    tape: &'a Tape,
}

enum Happening {
    Arrives { batch: BatchId, entries: Vec<Entry>, failing: f64, back: Duration },
    Told(Event),
}

/// How long it goes on after all is put: a service that answers nothing may let records wait for ever.
const AFTER_MAX: Duration = Duration::from_secs(3_600);

impl Life<'_> {
    fn run(&mut self) {
        self.drain();
        let last = self.tape.puts.last().map_or(self.tape.start, |put| put.at);
        let asked = self.tape.asked.last().map_or(last, |(at, _)| last.max(*at));
        let end = asked.after(AFTER_MAX);
        while let Some(at) = self.next_at().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.engine.handle(Event::TimeAdvanced, self.now);
            self.happen();
            self.put();
            self.ask();
            self.drain();
        }
    }

    /// When something happens next; `None` when all is over.
    fn next_at(&self) -> Option<Instant> {
        let put = self.tape.puts.get(self.put).filter(|_| self.has_room).map(|put| put.at);
        let asked = self.next_asked().map(|(at, _)| *at);
        let happening = self.happenings.first_key_value().map(|((at, _), _)| *at);
        let over = put.is_none() && asked.is_none() && self.engine.is_empty();
        let wakeup = self.engine.wakeup().at.filter(|_| !over);
        [put, asked, happening, wakeup].into_iter().flatten().min()
    }

    fn happen(&mut self) {
        while let Some(entry) = self.happenings.first_entry().filter(|of| of.key().0 <= self.now) {
            match entry.remove() {
                Happening::Told(Event::PutRecordsFinished { batch, .. })
                    if self.cancelled.contains(&batch) => {}
                Happening::Told(event) => self.engine.handle(event, self.now),
                Happening::Arrives { batch, entries, failing, back } => {
                    let result = self.service.put(&entries, failing, self.now);
                    self.later(back, Happening::Told(Event::PutRecordsFinished { batch, result }));
                }
            }
        }
    }

    fn put(&mut self) {
        let due = |put: &&Put| put.at <= self.now;
        while let Some(put) = self.tape.puts.get(self.put).filter(due).filter(|_| self.has_room) {
            let Put { at, record, size, timing } = put;
            let token = Token(self.put as u64);
            let Ok(record) = record.clone().with_data(vec![0; *size]) else { break };
            match self.engine.add_timed(token, record, *timing, self.now) {
                Ok(()) => self.tally.put(*at, token),
                Err(refused) => {
                    let wait = [RefusedReason::Full, RefusedReason::ShardFull];
                    if wait.contains(&refused.reason) {
                        self.has_room = false;
                        break;
                    }
                }
            }
            self.put += 1;
        }
        self.tally.look(&self.engine);
    }

    /// What the application asks for next. What waits for room is put before the end.
    fn next_asked(&self) -> Option<&(Instant, Event)> {
        let all_put = self.put == self.tape.puts.len();
        let is_next = |(_, event): &&(Instant, Event)| {
            all_put || !matches!(event, Event::CloseRequested { .. })
        };
        self.tape.asked.get(self.asked).filter(is_next)
    }

    fn ask(&mut self) {
        while let Some((at, event)) = self.next_asked().cloned() {
            if at > self.now {
                break;
            }
            self.asked += 1;
            // Room that was kept for permits was kept of other bounds.
            if !matches!(event, Event::BoundsChanged(_)) {
                self.engine.handle(event, self.now);
            }
        }
    }

    fn drain(&mut self) {
        loop {
            let action = self.engine.poll();
            self.tally.said(self.now, &action, &self.engine);
            match action {
                Action::CancelBatch(batch) => {
                    self.cancelled.insert(batch);
                    let event = Event::BatchCancelled { batch, sent: Sent::Unknown };
                    self.later(Duration::ZERO, Happening::Told(event));
                }
                Action::ListShards(request) => {
                    let (took, result) = self.service.list(self.now);
                    let event = Event::ShardsListed { request: request.id, result };
                    self.later(took, Happening::Told(event));
                }
                Action::RoomAvailable => self.has_room = true,
                Action::SendBatch(batch) => self.send(batch.id, batch.entries.to_vec()),
                Action::Wait(_) if !self.has_room || !self.is_put_due() => break,
                Action::Wait(_) => self.put(),
                Action::CloseFinished { .. }
                | Action::Complete(_)
                | Action::FlushFinished { .. }
                | Action::Requeue(_)
                | Action::Stored(_) => {}
            }
        }
    }

    /// Whether a record waits that came before now.
    fn is_put_due(&self) -> bool {
        self.tape.puts.get(self.put).is_some_and(|put| put.at <= self.now)
    }

    fn send(&mut self, batch: BatchId, entries: Vec<Entry>) {
        let Met { took, fate } = self.service.meet(self.now);
        match fate {
            Fate::Answered { failing } => {
                let back = took / 2;
                let arrives = Happening::Arrives { batch, entries, failing, back };
                self.later(took - back, arrives);
            }
            Fate::Failed(error) => {
                let event = Event::PutRecordsFinished { batch, result: Err(error) };
                self.later(took, Happening::Told(event));
            }
            Fate::Silent => {}
        }
    }

    fn later(&mut self, after: Duration, happening: Happening) {
        self.next += 1;
        self.happenings.insert((self.now.after(after), self.next), happening);
    }
}
