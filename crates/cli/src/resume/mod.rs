//! `put --resume STATE`: a load that broke off goes on where it stopped.

mod ledger;
mod state;

use core::cell::{Cell, RefCell};
use core::convert::Infallible;
use core::time::Duration;
use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

use clap::ValueEnum;
use headwaters::{Clock, Outcome, TokioClock};
use indicatif::HumanCount;
use serde::Serialize;

pub(crate) use self::ledger::{Begin, Passed};
use self::ledger::{Fate, Gap, Ledger};
use self::state::{FileIdentity, State, VERSION, Writer};
use crate::args::PutArguments;
use crate::console::Console;
use crate::exit::Abort;
use crate::input::{Files, Format, Inputs, Position};
use crate::reports;

/// What of the input is stored, in memory and in a file.
pub(crate) struct Resume {
    /// Why the file could not be written the last time.
    error: RefCell<Option<String>>,
    /// Of the load before, if there was one.
    before: Option<State>,
    /// What is the same in all states.
    frame: State,
    ledger: RefCell<Ledger>,
    /// The file, as it was named.
    name: String,
    /// The number of the next state, and how many records were settled at the last one.
    number: Cell<u64>,
    settled: Cell<(u64, u64)>,
    writer: Arc<Writer>,
}

/// What a summary says of it.
#[derive(Serialize)]
pub(crate) struct ResumeReport {
    pub(crate) file: String,
    /// How many records are stored, by all loads.
    pub(crate) stored: u64,
    /// How many of those that were read are not, or not for certain: they are put again.
    pub(crate) to_repeat: u64,
    /// Of those: they may be stored.
    pub(crate) to_repeat_maybe_stored: u64,
    pub(crate) complete: bool,
    pub(crate) error: Option<String>,
}

/// How often the state is written while there is something new. What is stored in between is put again after a crash.
const INTERVAL: Duration = Duration::from_millis(500);

/// What mends a state that does not fit.
const MEND: &str = "to go on, give the files and the stream of that load; to begin anew, name another file for --resume";

impl Resume {
    /// Looks at the state of the command line, if there is one, and writes it anew: that it can be written is known before
    /// anything is sent.
    pub(crate) fn open(
        path: &Path,
        arguments: &PutArguments,
        inputs: &Inputs<Format>,
        endpoint: String,
    ) -> Result<Self, Abort> {
        reports::refuse_input(path, &inputs.paths)?;
        if path.metadata().is_ok_and(|there| !there.is_file()) {
            return Err(Abort::usage(format_args!("{} is no file", path.display())));
        }
        // What a link leads to is replaced, and not the link.
        let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let before = State::load(&real).map_err(Abort::usage)?;
        let frame = State {
            headwaters_resume: VERSION,
            stream: arguments.stream.name.to_string(),
            endpoint,
            files: identify(arguments)?,
            complete: false,
            ended: false,
            stored: 0,
            on_the_way: 0,
            through: None,
            gaps: vec![],
        };
        if let Some(why) = before.as_ref().and_then(|before| differs(before, &frame)) {
            return Err(Abort::usage(format_args!("{}: {why}; {MEND}", path.display())));
        }
        let ledger = before.as_ref().map_or_else(Ledger::default, |before| {
            Ledger::new(before.stored, before.through.map(Position::from), before.gaps.clone())
        });
        let resume = Self {
            error: RefCell::new(None),
            before,
            frame,
            ledger: RefCell::new(ledger),
            name: path.display().to_string().replace(char::is_control, "\u{FFFD}"),
            number: Cell::new(1),
            settled: Cell::new((0, 0)),
            writer: Arc::new(Writer::new(real)),
        };
        // From here on it says that a load is under way.
        let (number, state) = resume.next(0);
        let written = resume.writer.write(number, &state);
        written.map_err(|error| reports::cannot(path, &error))?;
        Ok(resume)
    }

    /// What need not be put again.
    pub(crate) fn passed(&self) -> Passed {
        let ledger = self.ledger.borrow();
        Passed::new(ledger.gaps(), ledger.through())
    }

    /// Says where it goes on.
    pub(crate) fn tell(&self, files: &Files, console: &Console) {
        let Some(before) = &self.before else { return };
        let (path, stored) = (&self.name, HumanCount(before.stored));
        if before.complete {
            return console.notice(format_args!(
                "{path}: all is stored ({stored} records); nothing is left to put"
            ));
        }
        let place = before.through.map(|mark| files.place(mark.into()));
        let place = place.unwrap_or_else(|| String::from("the start"));
        let (again, maybe) = sum(&before.gaps);
        console
            .notice(format_args!("{path}: {stored} records are stored; going on behind {place}"));
        if again > 0 {
            let (again, maybe) = (HumanCount(again), HumanCount(maybe));
            console.notice(format_args!(
                "{again} records before that are put again, for they are not stored; {maybe} of them may be, \
                 and be there twice then"
            ));
        }
        if !before.ended || before.on_the_way > 0 {
            let on_the_way = HumanCount(before.on_the_way);
            let millis = INTERVAL.as_millis();
            console.notice(format_args!(
                "the last load broke off: {on_the_way} records were on their way when it last wrote its \
                 state; these, and what was put in the {millis} ms after it, may be there twice"
            ));
        }
    }

    /// Takes note of a record that has its outcome, in the order of the input.
    pub(crate) fn settle(&self, position: Position, outcome: &Outcome) {
        let fate = match outcome {
            Outcome::MaybeStored { .. } => Fate::Maybe,
            Outcome::NotStored { .. } => Fate::Not,
            Outcome::Stored { .. } => Fate::Stored,
        };
        self.note(position, fate);
    }

    /// Takes note of a record that is bad: it is named again by the next load.
    pub(crate) fn reject(&self, position: Position) {
        self.note(position, Fate::Not);
    }

    fn note(&self, position: Position, fate: Fate) {
        let (settled, written) = self.settled.get();
        self.settled.set((settled + 1, written));
        self.ledger.borrow_mut().settle(position, fate);
    }

    /// Writes the state from time to time, as long as there is something new. `on_the_way` says how many records were put
    /// and are not settled. A state that cannot be written does not end the load: it is tried again.
    pub(crate) async fn keep(
        &self,
        clock: TokioClock,
        console: &Console,
        on_the_way: impl Fn() -> u64,
    ) -> Infallible {
        loop {
            clock.sleep_until(clock.now().after(INTERVAL)).await;
            let (settled, written) = self.settled.get();
            if settled > written || self.error.borrow().is_some() {
                let (number, state) = self.next(on_the_way());
                self.write(number, state, console).await;
            }
        }
    }

    /// Writes the last state of this load.
    pub(crate) async fn finish(&self, console: &Console, on_the_way: u64, all_read: bool) {
        let (number, mut state) = self.next(on_the_way);
        state.ended = true;
        state.complete = all_read && on_the_way == 0 && state.gaps.is_empty();
        self.write(number, state, console).await;
    }

    /// How it stands; `all_read` if nothing of the input is unread.
    pub(crate) fn report(&self, on_the_way: u64, all_read: bool) -> ResumeReport {
        let ledger = self.ledger.borrow();
        let (to_repeat, maybe) = sum(&ledger.gaps());
        ResumeReport {
            file: self.name.clone(),
            stored: ledger.stored(),
            to_repeat: to_repeat + on_the_way,
            to_repeat_maybe_stored: maybe + on_the_way,
            complete: all_read && to_repeat + on_the_way == 0,
            error: self.error.borrow().clone(),
        }
    }

    /// The next state, and its number.
    fn next(&self, on_the_way: u64) -> (u64, State) {
        let (settled, _) = self.settled.get();
        self.settled.set((settled, settled));
        let number = self.number.replace(self.number.get() + 1);
        let ledger = self.ledger.borrow();
        let state = State {
            stored: ledger.stored(),
            on_the_way,
            through: ledger.through().map(Into::into),
            gaps: ledger.gaps(),
            ..self.frame.clone()
        };
        (number, state)
    }

    async fn write(&self, number: u64, state: State, console: &Console) {
        let writer = Arc::clone(&self.writer);
        // A disk may take its time.
        let written = tokio::task::spawn_blocking(move || writer.write(number, &state)).await;
        let error = written.map_err(io::Error::from).flatten().err().map(|error| error.to_string());
        if let (Some(error), None) = (&error, &*self.error.borrow()) {
            console.error(format_args!(
                "cannot write {}: {error}; the load goes on, but what is stored from now on would be put \
                 again by --resume",
                self.name
            ));
        }
        self.error.replace(error);
    }
}

/// How many records are in gaps, and how many of them may be stored.
fn sum(gaps: &[Gap]) -> (u64, u64) {
    gaps.iter().fold((0, 0), |(all, maybe), gap| (all + gap.records, maybe + gap.maybe))
}

/// The files of the command line.
fn identify(arguments: &PutArguments) -> Result<Vec<FileIdentity>, Abort> {
    let identify = |path| {
        let format = arguments.format_of(path);
        let name = format.to_possible_value();
        let mut name = name.map_or_else(String::new, |format| format.get_name().to_owned());
        if format == Format::Csv && arguments.no_header {
            // Then there is one record more.
            name.push_str(" without a header");
        }
        let identity = FileIdentity::of(path, name);
        let cannot = |error| Abort::usage(format_args!("cannot read {}: {error}", path.display()));
        let no_file = || {
            Abort::usage(format_args!(
                "--resume is for files, which can be read again, and {} is none",
                path.display()
            ))
        };
        identity.map_err(cannot)?.ok_or_else(no_file)
    };
    arguments.files.iter().map(|path| identify(path)).collect()
}

/// Why the state is one of another load; nothing if it is not.
fn differs(before: &State, now: &State) -> Option<String> {
    let stream = |state: &State| format!("{} at {}", state.stream, state.endpoint);
    if stream(before) != stream(now) {
        let (before, now) = (stream(before), stream(now));
        return Some(format!("it is of a load into {before}, and this one goes into {now}"));
    }
    if before.files.len() != now.files.len() {
        let (before, now) = (before.files.len(), now.files.len());
        return Some(format!("it is of a load of {before} files, and this one is of {now}"));
    }
    let why = now.files.iter().zip(&before.files).find_map(|(now, before)| now.differs(before));
    why.map(|why| format!("it is of another input: {why}"))
}
