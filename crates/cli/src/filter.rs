use std::vec;

use indicatif::ProgressBar;
use tokio::sync::mpsc::Receiver;
use tokio::sync::mpsc::error::TryRecvError;

use crate::complaints::Complaints;
use crate::console::Console;
use crate::exit::Exit;
use crate::input::{self, Batch, Decode, End, Files, Inputs, Item, OpenError, Position};
use crate::sink::{Broken, Sink};

/// A command that writes what it reads in another form: the records of the input on one side, the
/// standard output on the other.
pub(crate) struct Filter<'a, T> {
    batches: Receiver<Batch<T>>,
    pub(crate) complaints: Complaints<'a>,
    console: &'a Console,
    ended: bool,
    /// Why it did not come to its end, if it did not.
    failure: Option<Exit>,
    files: Files,
    items: vec::IntoIter<Item<T>>,
    pub(crate) output: Sink,
}

/// Runs `work` on the records of the input. Whoever closes the standard output wants to know no
/// more: then it ends as if all were written.
pub(crate) fn run<F: Copy + Send + 'static, T: Send + 'static>(
    inputs: Result<Inputs<F>, OpenError>,
    decoder: impl Fn(F, usize) -> Box<dyn Decode<T>> + Send + 'static,
    work: impl AsyncFnOnce(&mut Filter<'_, T>) -> Result<(), Broken>,
) -> Exit {
    let console = Console::new(ProgressBar::hidden(), false);
    let begin = || {
        let inputs = inputs.map_err(|error| (Exit::Usage, error.to_string()))?;
        let internal = |error: std::io::Error| (Exit::Internal, error.to_string());
        let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(internal)?;
        let (files, output) = (inputs.files.clone(), Sink::stdout().map_err(internal)?);
        let batches = input::start(inputs, decoder).map_err(internal)?;
        Ok((runtime, Filter::new(&console, batches, files, output)))
    };
    match begin() {
        Ok((runtime, mut filter)) => runtime.block_on(async {
            // That it broke is in its report.
            let _ = work(&mut filter).await;
            filter.end().await
        }),
        Err((exit, text)) => {
            console.error(text);
            exit
        }
    }
}

impl<'a, T> Filter<'a, T> {
    fn new(console: &'a Console, batches: Receiver<Batch<T>>, files: Files, output: Sink) -> Self {
        Self {
            batches,
            complaints: Complaints::new(console, files.clone()),
            console,
            ended: false,
            failure: None,
            files,
            items: vec![].into_iter(),
            output,
        }
    }

    /// The next good record; the bad ones before it are named. `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<(Position, T)>, Broken> {
        loop {
            for Item { content, position } in self.items.by_ref() {
                match content {
                    Ok(content) => return Ok(Some((position, content))),
                    Err(bad) => self.complaints.add(position, &bad.rule),
                }
            }
            if self.ended {
                return Ok(None);
            }
            let batch = self.batch().await?;
            self.take(batch);
        }
    }

    /// Says why it does not come to a good end. What was read before goes on its way all the same.
    pub(crate) fn fail(&mut self, exit: Exit, text: impl core::fmt::Display) {
        self.console.error(text);
        self.failure = Some(exit);
        self.ended = true;
    }

    /// The next batch; before it waits for one, all that is written goes on its way.
    async fn batch(&mut self) -> Result<Option<Batch<T>>, Broken> {
        match self.batches.try_recv() {
            Ok(batch) => Ok(Some(batch)),
            Err(TryRecvError::Disconnected) => Ok(None),
            Err(TryRecvError::Empty) => {
                self.output.flush().await?;
                Ok(self.batches.recv().await)
            }
        }
    }

    fn take(&mut self, batch: Option<Batch<T>>) {
        let Some(Batch { end, items, next, .. }) = batch else {
            return self.fail(Exit::Internal, "the thread that reads the input is gone");
        };
        self.items = items.into_iter();
        match end {
            Some(End::Complete) => self.ended = true,
            Some(End::Failed(error)) => {
                let text =
                    format!("{}: the input cannot be read on: {error}", self.files.place(next));
                self.fail(Exit::Undelivered, text);
            }
            None => {}
        }
    }

    async fn end(&mut self) -> Exit {
        self.output.finish().await;
        self.complaints.end();
        if let Some(error) = self.output.report().error
            && !self.output.is_closed_pipe()
        {
            self.console.error(format_args!("cannot write stdout: {error}"));
            return Exit::Internal;
        }
        match self.failure {
            Some(exit) => exit,
            None if self.complaints.is_empty() => Exit::Delivered,
            None => Exit::Undelivered,
        }
    }
}
