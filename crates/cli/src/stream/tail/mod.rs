//! `headwaters tail`: the records of a stream as they come.

mod line;
mod lineage;
mod reader;

use std::io::{self, IsTerminal};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use self::line::user_records;
use self::lineage::Lineage;
use self::reader::{Content, Page, Reader};
use super::client::Client;
use super::shard::{self, Filter, Shard};
use crate::args::{From, TailArguments};
use crate::console::Console;
use crate::exit::{Abort, Exit};
use crate::sink::{Broken, Sink};
use crate::stop::Signals;
use crate::today;

/// How many pages may wait to be printed: each can have 10 MiB.
const PAGES: usize = 4;

/// Runs `headwaters tail`.
pub(crate) fn tail(arguments: &TailArguments) -> Exit {
    super::run(async |console| {
        let mut signals = Signals::catch().map_err(Abort::internal)?;
        let output = Sink::stdout().map_err(Abort::internal)?;
        let work = async {
            let client = Client::connect(&arguments.service, &arguments.stream).await?;
            let mut tail = Tail::new(arguments, console, client, output);
            tail.begin().await?;
            let ended = tail.run(&mut signals).await;
            // Who waits for a reader of the output that takes nothing can end it by another signal.
            tokio::select! {
                () = tail.output.finish() => tail.end(ended?),
                signal = signals.next() => Ok(signal.into()),
            }
        };
        work.await
    })
}

struct Tail<'a> {
    arguments: &'a TailArguments,
    broken: u64,
    client: Client,
    console: &'a Console,
    dropped: u64,
    /// How many records may still be printed.
    left: u64,
    lineage: Lineage,
    output: Sink,
    pages: (mpsc::Sender<Page>, mpsc::Receiver<Page>),
    readers: JoinSet<()>,
    reading: usize,
    to_terminal: bool,
}

impl<'a> Tail<'a> {
    fn new(
        arguments: &'a TailArguments,
        console: &'a Console,
        client: Client,
        output: Sink,
    ) -> Self {
        Self {
            arguments,
            broken: 0,
            client,
            console,
            dropped: 0,
            left: arguments.limit.unwrap_or(u64::MAX),
            lineage: Lineage::default(),
            output,
            pages: mpsc::channel(PAGES),
            readers: JoinSet::new(),
            reading: 0,
            to_terminal: io::stdout().is_terminal(),
        }
    }

    /// Begins with the shards there are.
    async fn begin(&mut self) -> Result<(), Abort> {
        let filter = match &self.arguments.from {
            From::Latest if self.arguments.shard.is_none() => Filter::Open,
            From::Time(time) => Filter::From(*time),
            From::Ago(ago) => Filter::From(today::seconds() - ago.as_secs_f64()),
            From::Latest | From::Number(_) | From::TrimHorizon => Filter::All,
        };
        let mut shards = self.list(filter).await?;
        if let Some(wanted) = &self.arguments.shard {
            shards.retain(|shard| shard.id == *wanted);
            if shards.is_empty() {
                let (wanted, stream) = (wanted.escape_debug(), &self.arguments.stream.name);
                let text = format!(
                    "{stream} has no shard {wanted}; `headwaters shards {stream}` lists them"
                );
                return Err(Abort { exit: Exit::Refused, text });
            }
        }
        for shard in shards {
            self.lineage.add(shard.id.clone(), shard.keys(), shard.parents());
        }
        self.read(&self.arguments.from);
        Ok(())
    }

    async fn list(&self, filter: Filter) -> Result<Vec<Shard>, Abort> {
        match shard::list(&self.client, filter).await {
            Ok(shards) => Ok(shards),
            Err(error) => Err(self.client.abort("ListShards", error).await),
        }
    }

    /// Reads the shards whose turn it is.
    fn read(&mut self, from: &From) {
        for (shard, keys) in self.lineage.begin() {
            let reader = Reader {
                client: self.client.clone(),
                from: from.clone(),
                keys,
                no_follow: self.arguments.no_follow,
                pages: self.pages.0.clone(),
                shard,
            };
            self.reading += 1;
            self.readers.spawn(reader.run());
        }
    }

    async fn run(&mut self, signals: &mut Signals) -> Result<Exit, Abort> {
        while self.left > 0 && self.reading > 0 {
            let page = tokio::select! {
                page = self.pages.1.recv() => page.expect("a sender of it is our own"),
                () = self.output.broken() => break,
                signal = signals.next() => return Ok(signal.into()),
            };
            match page.content {
                Content::End(children) => {
                    self.reading -= 1;
                    self.ended(&page.shard, children).await?;
                }
                Content::Failed { error, operation } => {
                    return Err(self.client.abort(operation, error).await);
                }
                Content::Records(records) => {
                    let (records, broken) = user_records(records, page.keys);
                    self.broken += broken;
                    let wanted = usize::try_from(self.left).unwrap_or(usize::MAX);
                    for record in records.iter().take(wanted) {
                        self.left -= 1;
                        self.dropped += u64::from(record.is_dropped());
                        let form = self.arguments.output;
                        self.output.bytes(&record.print(form, &page.shard, self.to_terminal));
                    }
                    if let Err(Broken) = self.output.flush().await {
                        break;
                    }
                }
                Content::Trouble(text) => self.console.notice(text),
            }
        }
        Ok(Exit::Delivered)
    }

    /// A shard has ended: its children are read when their other parents have ended too.
    async fn ended(&mut self, id: &str, children: Option<Vec<reader::Child>>) -> Result<(), Abort> {
        let Some(children) = children else { return Ok(()) };
        self.lineage.end(id);
        if self.arguments.shard.is_some() {
            return Ok(());
        }
        if children.is_empty() {
            // The server does not say who comes next. Those of a listing that are known already stay what they are.
            for shard in self.list(Filter::All).await? {
                if shard.parents().iter().any(|parent| parent == id) {
                    self.lineage.add(shard.id.clone(), shard.keys(), shard.parents());
                }
            }
        }
        for child in children {
            let mut parents = child.parent_shards;
            if parents.is_empty() {
                parents.push(id.to_owned());
            }
            self.lineage.add(child.shard_id, child.hash_key_range.keys(), parents);
        }
        // All of a child came after its parent ended, so after the beginning too, unless that is a time.
        let from = match &self.arguments.from {
            from @ (From::Time(_) | From::Ago(_)) => from.clone(),
            From::Latest | From::Number(_) | From::TrimHorizon => From::TrimHorizon,
        };
        self.read(&from);
        Ok(())
    }

    /// Says what was not as it should be.
    fn end(&self, exit: Exit) -> Result<Exit, Abort> {
        if let Some(error) = self.output.report().error
            && !self.output.is_closed_pipe()
        {
            return Err(Abort::internal(format_args!("cannot write stdout: {error}")));
        }
        if self.dropped > 0 {
            self.console.notice(format_args!(
                "{} records are ones that the Kinesis Client Library would drop: their aggregate is in a \
                 shard to which not all of its members belong, or is broken",
                self.dropped
            ));
        }
        if self.broken > 0 {
            self.console.error(format_args!("{} records cannot be read", self.broken));
            return Ok(if exit == Exit::Delivered { Exit::Undelivered } else { exit });
        }
        Ok(exit)
    }
}
