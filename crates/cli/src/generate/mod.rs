//! `headwaters gen`: records that are made up.

mod keys;
mod template;

use core::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fastrand::Rng;
use headwaters::{Clock, Instant, TokioClock};
use serde::Serialize;

use self::keys::Keys;
use self::template::Facts;
pub(crate) use self::template::Template;
use crate::args::{GenArguments, GenForm};
use crate::exit::{Abort, Exit};
use crate::sink::Sink;
use crate::stop::Signals;
use crate::{stream, today};

/// How much is collected before it is written.
const CHUNK_BYTES: usize = 64 * 1024;

#[derive(Serialize)]
struct Record<'a> {
    partition_key: &'a str,
    data: String,
}

/// Runs `headwaters gen`.
pub(crate) fn generate(arguments: &GenArguments) -> Exit {
    stream::run(async |_| {
        if arguments.size.is_some() && !arguments.template.has_pad() {
            let text =
                "--size needs the field {pad} in --template: that is what makes a record longer";
            return Err(Abort::usage(text));
        }
        let mut signals = Signals::catch().map_err(Abort::internal)?;
        let mut output = Sink::stdout().map_err(Abort::internal)?;
        let work = async {
            write(arguments, &mut output).await;
            output.finish().await;
        };
        let signal = tokio::select! {
            () = work => None,
            signal = signals.next() => Some(signal),
        };
        match (signal, output.report().error) {
            (Some(signal), _) => Ok(signal.into()),
            (None, Some(error)) if !output.is_closed_pipe() => {
                Err(Abort::internal(format_args!("cannot write stdout: {error}")))
            }
            (None, _) => Ok(Exit::Delivered),
        }
    })
}

/// Writes until there are enough, or nobody takes more.
async fn write(arguments: &GenArguments, output: &mut Sink) {
    let clock = TokioClock::new();
    let start = clock.now();
    let end = arguments.time.map(|time| start.after(time));
    let mut maker = Maker::new(arguments);
    let mut collected = 0;
    for number in 0..arguments.records.unwrap_or(u64::MAX) {
        let due = due(arguments, start, number);
        if due.is_some_and(|due| due > clock.now()) && output.flush().await.is_err() {
            return;
        }
        let late = end.is_some_and(|end| due.unwrap_or_else(|| clock.now()) >= end);
        if late {
            return;
        }
        if let Some(due) = due {
            clock.sleep_until(due).await;
        }
        let line = maker.line(number + 1);
        collected += line.len();
        output.bytes(line.as_bytes());
        if collected >= CHUNK_BYTES {
            collected = 0;
            if output.flush().await.is_err() {
                return;
            }
            // A pipe that takes everything at once must not keep a signal from being heard.
            tokio::task::yield_now().await;
        }
    }
}

/// When this record is to be written, if there is a rate.
fn due(arguments: &GenArguments, start: Instant, number: u64) -> Option<Instant> {
    let rate = arguments.rate?;
    let since = Duration::try_from_secs_f64(number as f64 / rate).unwrap_or(Duration::MAX);
    Some(start.after(since))
}

struct Maker<'a> {
    arguments: &'a GenArguments,
    keys: Keys,
    random: Rng,
}

impl<'a> Maker<'a> {
    fn new(arguments: &'a GenArguments) -> Self {
        let random = arguments.seed.map_or_else(Rng::new, Rng::with_seed);
        Self { arguments, keys: Keys::new(arguments.keys, arguments.skew), random }
    }

    fn line(&mut self, seq: u64) -> String {
        let key = format!("key-{}", self.keys.draw(&mut self.random));
        let size = self.arguments.size.map(|size| self.random.usize(size.min..=size.max));
        let facts = Facts { key: &key, now: today::now(), seq, size };
        let mut text = self.arguments.template.fill(&facts, &mut self.random);
        if self.arguments.output == GenForm::Records {
            let record = Record { partition_key: &key, data: STANDARD.encode(text) };
            text = serde_json::to_string(&record).unwrap_or_default();
        }
        text.push('\n');
        text
    }
}
