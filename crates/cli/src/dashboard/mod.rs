//! `put --dashboard`: a load, looked at while it lasts.

mod minute;
mod picture;
mod screen;
#[cfg(test)]
mod tests;
mod top_keys;

use core::cell::RefCell;
use core::convert::Infallible;
use core::time::Duration;
use std::{env, io};

use headwaters::wire::PartitionKey;
use headwaters::{Clock, EngineStats, Instant};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::sync::Notify;

use self::minute::Minute;
use self::picture::{KEYS, MESSAGES, Picture, Shard, draw};
use self::screen::Screen;
use self::top_keys::TopKeys;
use crate::exit::Abort;
use crate::load::Load;

/// A picture of a load on the terminal, and what it remembers for that.
pub(crate) struct Dashboard {
    colors: bool,
    /// Somebody wants to end it, by the keyboard: while the screen is ours the terminal sends no signals.
    interrupted: Notify,
    memory: RefCell<Memory>,
    /// `None` once it is given back.
    screen: RefCell<Option<Screen>>,
}

struct Memory {
    minute: Minute,
    /// When the next second is over.
    next: Instant,
    top_keys: TopKeys,
}

/// How often it is drawn, and how often the keyboard is looked at.
const INTERVAL: Duration = Duration::from_millis(200);

const SECOND: Duration = Duration::from_secs(1);

/// A key stands out that has such a part of all records.
const STANDS_OUT: f64 = 0.002;

impl Dashboard {
    /// Takes the terminal.
    pub(crate) fn open() -> Result<Self, Abort> {
        if !Screen::is_there() {
            return Err(Abort::usage(
                "--dashboard needs a terminal at the standard error, and there is none; --progress always \
                 writes lines instead",
            ));
        }
        let screen = Screen::take();
        let screen = screen.map_err(|error| Abort::usage(format_args!("--dashboard: {error}")))?;
        let memory =
            Memory { minute: Minute::default(), next: Instant::ZERO, top_keys: TopKeys::new() };
        Ok(Self {
            // Source: no-color.org. Empty counts as unset.
            colors: env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            interrupted: Notify::new(),
            memory: RefCell::new(memory),
            screen: RefCell::new(Some(screen)),
        })
    }

    /// Takes note of a record that is put.
    pub(crate) fn count(&self, key: &PartitionKey) {
        self.memory.borrow_mut().top_keys.add(key);
    }

    /// Ends when somebody wants to end the load: Ctrl-C, or q.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub(crate) async fn interrupted(&self) {
        self.interrupted.notified().await;
    }

    /// Draws, again and again, for as long as there is a terminal.
    pub(crate) async fn run(&self, load: &Load<'_>) -> Infallible {
        loop {
            if self.show(load).and_then(|()| self.look_at_keyboard()).is_err() {
                self.close();
                return core::future::pending().await;
            }
            load.clock.sleep_until(load.clock.now().after(INTERVAL)).await;
        }
    }

    /// Gives the terminal back.
    pub(crate) fn close(&self) {
        self.screen.replace(None);
    }

    fn show(&self, load: &Load<'_>) -> io::Result<()> {
        let picture = self.picture(load);
        let mut screen = self.screen.borrow_mut();
        let Some(Screen { terminal }) = screen.as_mut() else { return Ok(()) };
        terminal.draw(|frame| draw(&picture, frame.area(), frame.buffer_mut())).map(drop)
    }

    fn look_at_keyboard(&self) -> io::Result<()> {
        while event::poll(Duration::ZERO)? {
            if let Event::Key(key) = event::read()?
                && is_interrupt(key)
            {
                self.interrupted.notify_one();
            }
        }
        Ok(())
    }

    fn picture(&self, load: &Load<'_>) -> Picture {
        let now = load.clock.now();
        let engine = load.producer.stats().engine;
        let mut memory = self.memory.borrow_mut();
        let Memory { minute, next, top_keys } = &mut *memory;
        if now >= *next {
            minute.note(now, engine, &load.producer.shard_stats());
            *next = now.after(SECOND);
        }
        let EngineStats { accepted, buffered, bytes_held, in_flight, request_time, .. } = engine;
        let elapsed = now.since(load.start);
        let done = accepted - buffered - in_flight;
        Picture {
            colors: self.colors,
            done,
            elapsed,
            held: bytes_held,
            held_max: load.bytes_max,
            in_flight: engine.requests_in_flight,
            input: load.input_progress(),
            latency: minute.latency.iter().copied().collect(),
            longest: request_time.longest,
            messages: load.console.last(usize::from(MESSAGES)),
            rate: done as f64 / elapsed.as_secs_f64().max(0.001),
            retries: engine.requeued,
            shards: shards(minute),
            stream: load.producer.stream().to_string(),
            throttled: engine.throttled,
            throttled_now: minute.throttled_now(),
            top_keys: top_keys
                .top(usize::from(KEYS), STANDS_OUT)
                .into_iter()
                .map(|(key, share)| (key.as_str().to_owned(), share))
                .collect(),
            waiting: buffered,
        }
    }
}

/// The hottest first: they are what one looks for.
fn shards(minute: &Minute) -> Vec<Shard> {
    let rows = minute.shards.iter().enumerate();
    let mut rows: Vec<_> = rows.map(|(place, (id, row))| (row.heat(), place, id, row)).collect();
    rows.sort_by(|(one, ..), (other, ..)| {
        other.0.cmp(&one.0).then_with(|| other.1.total_cmp(&one.1))
    });
    let shards = rows.into_iter().map(|((throttled, _), place, id, row)| Shard {
        is_open: row.is_open,
        name: id.number().map_or_else(|| id.to_string(), |number| number.to_string()),
        place,
        seconds: row.seconds.iter().copied().collect(),
        throttled,
    });
    shards.collect()
}

fn is_interrupt(KeyEvent { code, kind, modifiers, .. }: KeyEvent) -> bool {
    let control = modifiers.contains(KeyModifiers::CONTROL);
    kind == KeyEventKind::Press
        && match code {
            KeyCode::Char('c') => control,
            KeyCode::Char('q') => !control,
            _ => false,
        }
}
