//! A trace as it is read: line by line, its settings first.

use std::io::{self, BufRead, Read};

use headwaters_engine::{Config, Instant};

use crate::settings::Settings;
use crate::trace::header::MAGIC;
use crate::trace::replay::{TraceError, TraceFault};

/// Reads lines, and counts them.
#[derive(Debug)]
pub(super) struct Reader<R> {
    from: R,
    line: Vec<u8>,
    number: u64,
}

/// What a trace begins with.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) config: Config,
    pub(super) start: Instant,
}

/// No line is longer: a page has at most 10,000 shards, a request 500 entries.
const LINE_BYTES_MAX: u64 = 4 * 1024 * 1024;

impl<R: BufRead> Reader<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, line: Vec::new(), number: 0 }
    }

    /// The next line without its end; `None` if there is none that is whole.
    pub(super) fn next(&mut self) -> Result<Option<&str>, TraceError> {
        self.line.clear();
        self.number += 1;
        let read = self.from.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut self.line);
        if let Err(error) = read {
            return Err(self.fault(TraceFault::Read(error)));
        }
        if self.line.last() != Some(&b'\n') {
            if self.line.len() as u64 == LINE_BYTES_MAX {
                return Err(self.wrong("it is too long"));
            }
            return Ok(None);
        }
        self.line.pop();
        match core::str::from_utf8(&self.line) {
            Ok(line) => Ok(Some(line)),
            Err(_) => Err(TraceError::new(self.number, TraceFault::Syntax("it is not UTF-8"))),
        }
    }

    /// The settings and the time at which the engine was made.
    pub(super) fn head(&mut self) -> Result<Head, TraceError> {
        match self.next()? {
            Some(MAGIC) => {}
            Some(line) if line.starts_with("headwaters-trace ") => {
                return Err(self.wrong("it is a trace of another version"));
            }
            _ => return Err(self.wrong("it is no trace")),
        }
        let mut settings = Vec::new();
        loop {
            let Some(line) = self.next()? else { return Err(self.wrong("it ends too early")) };
            let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
            match name {
                "set" => match rest.split_once(' ') {
                    Some((name, value)) => settings.push((name.to_owned(), value.to_owned())),
                    None => return Err(self.wrong("a setting has no value")),
                },
                "start" => {
                    let start = rest.parse().map(Instant::from_nanos);
                    let Ok(start) = start else { return Err(self.wrong("a time is none")) };
                    let settings = Settings::over(Config::default()).named(settings).read();
                    return match settings {
                        Ok(Settings { config, .. }) => Ok(Head { config, start }),
                        Err(error) => Err(self.fault(TraceFault::Settings(error))),
                    };
                }
                "by" | "#" => {}
                _ => return Err(self.wrong("it is no line of a head")),
            }
        }
    }

    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    fn fault(&self, fault: TraceFault) -> TraceError {
        TraceError::new(self.number, fault)
    }

    fn wrong(&self, what: &'static str) -> TraceError {
        self.fault(TraceFault::Syntax(what))
    }
}

impl From<io::Error> for TraceError {
    fn from(error: io::Error) -> Self {
        Self::new(0, TraceFault::Read(error))
    }
}
