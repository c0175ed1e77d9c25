//! `headwaters put --dry-run`: what a load would be, from the input and the shards alone.

mod cost;
mod estimate;
mod spread;

use core::cell::Cell;

use headwaters::wire::{HashKeyRange, ShardId};
use headwaters::{Config, TokioClock};
use indicatif::HumanCount;
use tokio::sync::mpsc::Receiver;

pub(crate) use self::cost::Prices;
use self::estimate::Estimate;
use self::spread::Spread;
use crate::acks::Place;
use crate::args::{Local, Output, PutArguments};
use crate::complaints::Complaints;
use crate::console::Console;
use crate::exit::{Abort, Exit};
use crate::input::{self, Batch, End, Files, Format, Inputs, Item, Keys, Position, ReadError};
use crate::progress::{Far, Progress};
use crate::shards::Shards;
use crate::stream;

/// A load that is only looked at: nothing is put.
pub(crate) struct DryRun<'a> {
    pub(crate) arguments: &'a PutArguments,
    pub(crate) clock: TokioClock,
    pub(crate) config: &'a Config,
    pub(crate) console: &'a Console,
}

/// How far the reading is.
#[derive(Clone, Copy)]
struct Read {
    next: Position,
    records: u64,
}

/// What was read.
#[derive(Default)]
struct Seen {
    bad: u64,
    empty_lines: u64,
    /// How it ends if the input could not be read to its end, and where that was.
    failed: Option<(Exit, Position)>,
}

impl DryRun<'_> {
    /// Reads the input, and prints what the load would be.
    pub(crate) async fn run(
        &self,
        inputs: Inputs<Format>,
        keys: Keys,
        progress: &Progress,
    ) -> Result<Exit, Abort> {
        let mut spread = Spread::new(self.shards().await?, self.config)?;
        let files = inputs.files.clone();
        let read = Cell::new(Read { next: Position::start_of(0), records: 0 });
        let far = || {
            let Read { next, records } = read.get();
            let text = format!("{} records read{}", HumanCount(records), files.progress(next));
            Far { part: files.bytes_before(next).zip(files.size()), text }
        };
        let decoder = move |format: Format, file| format.decoder(file, &keys);
        let batches = input::start(inputs, decoder).map_err(Abort::internal)?;
        let seen = tokio::select! {
            seen = self.read(batches, &files, &mut spread, &read) => seen,
            never = progress.run(self.clock, self.console, far) => match never {},
        };
        progress.end();
        self.print(spread, &files, &seen?)
    }

    /// The shards of the command line, or of the service.
    async fn shards(&self) -> Result<Vec<(String, HashKeyRange)>, Abort> {
        let PutArguments { dry_run, local, .. } = self.arguments;
        let local = local.as_ref().map(|&Local { shards, .. }| shards);
        match dry_run.shards.or(local) {
            Some(shards) => Ok(even(shards)),
            None => stream::open_shards(&self.arguments.service, &self.arguments.stream).await,
        }
    }

    async fn read(
        &self,
        mut batches: Receiver<Batch>,
        files: &Files,
        spread: &mut Spread,
        read: &Cell<Read>,
    ) -> Result<Seen, Abort> {
        let complaints = Complaints::new(self.console, files.clone());
        let mut seen = Seen::default();
        loop {
            let batch = batches.recv().await;
            let Batch { end, items, next, skipped } =
                batch.ok_or_else(|| Abort::internal("the thread that reads the input is gone"))?;
            seen.empty_lines = skipped;
            let records = read.get().records + items.len() as u64;
            for Item { content, position } in items {
                match content {
                    Ok(record) => spread.add(&record),
                    Err(bad) => {
                        seen.bad += 1;
                        complaints.add(position, &bad.rule);
                    }
                }
            }
            read.set(Read { next, records });
            match end {
                None => continue,
                Some(End::Complete) => {}
                Some(End::Failed(error)) => {
                    let place = files.place(next);
                    self.console
                        .error(format_args!("{place}: the input cannot be read on: {error}"));
                    let exit = match error {
                        ReadError::Io(_) => Exit::Undelivered,
                        ReadError::Unusable(_) => Exit::Usage,
                    };
                    seen.failed = Some((exit, next));
                }
            }
            complaints.end();
            return Ok(seen);
        }
    }

    fn print(&self, spread: Spread, files: &Files, seen: &Seen) -> Result<Exit, Abort> {
        let exit = match seen.failed {
            Some((exit, _)) => exit,
            None if seen.bad > 0 => Exit::Undelivered,
            None => Exit::Delivered,
        };
        let mut estimate = Estimate::new(self.arguments, spread.finish());
        estimate.input.empty_lines = seen.empty_lines;
        estimate.input.records += seen.bad;
        estimate.rejected = seen.bad;
        estimate.unread = seen.failed.map(|(_, position)| Place::new(files, position));
        estimate.exit_code = exit.code();
        match self.arguments.output {
            Output::Json => stream::print_json(&estimate)?,
            Output::Text => stream::print(&estimate.to_string())?,
        }
        Ok(exit)
    }
}

/// The shards of a stream that CreateStream made.
fn even(shards: Shards) -> Vec<(String, HashKeyRange)> {
    let shard =
        |index: u32| Some((ShardId::numbered(index.into()).to_string(), shards.range(index)?));
    (0..shards.count().get()).filter_map(shard).collect()
}
