use core::convert::Infallible;
use core::pin::pin;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use headwaters::TokioClock;
use tokio::sync::mpsc;

use crate::args::ProgressWhen;
use crate::console::Console;
use crate::exit::{Abort, Exit};
use crate::progress::{Far, Progress};
use crate::stop::{Signal, Signals};

/// Work for threads of its own, which takes long.
pub(super) trait Task: Send + Sync + 'static {
    /// Works on one thread until there is nothing left to do, or somebody said stop.
    fn work(&self);

    /// Orders to stop soon.
    fn stop(&self);

    /// How far it is.
    fn far(&self) -> Far;

    /// What is left undone if it ends at once, for a person to read.
    fn under_way(&self) -> String;
}

/// Does the work on so many threads; meanwhile shows how far it is, and hears signals. Gives the signal that ended it
/// before its time, if one did.
///
/// # Errors
/// A second signal came, a thread cannot be started, or one panicked.
pub(super) fn attend(
    task: &Arc<impl Task>,
    threads: u16,
    when: ProgressWhen,
    clock: TokioClock,
) -> Result<Option<Signal>, Abort> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Abort::internal)?.block_on(async {
        let mut signals = Signals::catch().map_err(Abort::internal)?;
        let mut workers = Workers::start(task, threads).map_err(Abort::internal)?;
        let progress = Progress::new(when, false);
        let console = Console::new(progress.bar(), false);
        let mut shown = pin!(progress.run(clock, &console, || task.far()));
        let mut first = None;
        loop {
            let signal = tokio::select! {
                biased;
                signal = signals.next() => signal,
                _ = workers.ended.recv() => break,
                never = &mut shown => match never {},
            };
            if first.is_some() {
                progress.end();
                let text = format!("stopped at once: {}", task.under_way());
                return Err(Abort { exit: signal.into(), text });
            }
            first = Some(signal);
            task.stop();
            console.notice(
                "stopping: worlds that have begun come to their end; once more stops at once",
            );
        }
        progress.end();
        workers.join()?;
        Ok(first)
    })
}

struct Workers {
    /// Nothing comes of it but its end, with the last thread.
    ended: mpsc::Receiver<Infallible>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    fn start(task: &Arc<impl Task>, count: u16) -> io::Result<Self> {
        let (ends, ended) = mpsc::channel(1);
        let start = |_| {
            let (task, ends) = (Arc::clone(task), mpsc::Sender::clone(&ends));
            thread::Builder::new().name(String::from("worlds")).spawn(move || {
                task.work();
                drop(ends);
            })
        };
        Ok(Self { threads: (0..count).map(start).collect::<Result<_, _>>()?, ended })
    }

    fn join(self) -> Result<(), Abort> {
        let panicked = |thread: JoinHandle<()>| thread.join().is_err();
        if self.threads.into_iter().any(panicked) {
            let text = String::from("a thread that lives through worlds is gone");
            return Err(Abort { exit: Exit::Internal, text });
        }
        Ok(())
    }
}
