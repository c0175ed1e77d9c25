//! `--trace` and `--report` of `put`.

use core::time::Duration;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use headwaters::trace::{Trace, TraceEnd, TraceWatch};

use crate::args::PutArguments;
use crate::console::Console;
use crate::exit::{Abort, Exit};
use crate::reports::{cannot, refuse_input};
use crate::{sim, today};

/// The trace of a load, and the page that is made of it.
pub(crate) struct Recording {
    page: Option<PathBuf>,
    stream: String,
    trace: PathBuf,
    watch: TraceWatch,
    /// Whether the trace is there for the page alone.
    is_spare: bool,
}

/// How long the end of a trace may take to be written: 16 MiB at most.
const WRITTEN_WITHIN: Duration = Duration::from_secs(10);

impl Recording {
    /// Opens the files; `None` if none are wanted.
    pub(crate) fn start(
        arguments: &PutArguments,
        inputs: &[PathBuf],
    ) -> Result<Option<(Self, Trace)>, Abort> {
        let PutArguments { acks, failed, report, trace, trace_limit, .. } = arguments;
        let others: Vec<PathBuf> =
            [acks, failed].into_iter().flatten().chain(inputs).cloned().collect();
        for path in report.iter().chain(trace) {
            refuse_input(path, &others)?;
        }
        // That it can be written is known before the load begins.
        if let Some(page) = report
            && let Err(error) = File::create(page)
        {
            return Err(cannot(page, &error));
        }
        let (path, file) = match (trace, report) {
            (None, None) => return Ok(None),
            (Some(path), _) => (path.clone(), File::create(path)),
            (None, Some(page)) => {
                let path = beside(page);
                let file = OpenOptions::new().write(true).create_new(true).open(&path);
                (path, file)
            }
        };
        let recorded = Trace::to(file.map_err(|error| cannot(&path, &error))?);
        let limit = trace_limit.map_or(Trace::LIMIT, |limit| limit as u64);
        let recorded = recorded.limit(limit);
        let recording = Self {
            page: report.clone(),
            stream: arguments.stream.name.to_string(),
            watch: recorded.watch(),
            is_spare: trace.is_none(),
            trace: path,
        };
        Ok(Some((recording, recorded)))
    }

    /// Waits until the trace is written, and writes the page.
    pub(crate) fn end(self, exit: Exit, console: &Console) -> Exit {
        let end = self.watch.wait(WRITTEN_WITHIN);
        let why = match end {
            Some(end) => end.to_string(),
            None => String::from("it takes long to write"),
        };
        let exit = match end {
            Some(TraceEnd::Closed) => exit,
            Some(TraceEnd::Failed(_)) => {
                let trace = self.trace.display();
                console.error(format!("the trace of the load, {trace}, is not whole: {why}"));
                Exit::Internal
            }
            _ => {
                console.notice(format_args!("the trace of the load is not whole: {why}"));
                exit
            }
        };
        let Some(page) = &self.page else { return exit };
        let ended = humantime::format_rfc3339_seconds(today::now()).to_string();
        let ended = ended.replace('T', " ").replace('Z', " UTC");
        let title = format!("A load of the stream {}, ended {ended}", self.stream);
        match sim::write_page(&self.trace, page, &title) {
            Ok(()) => exit,
            Err(Abort { text, .. }) => {
                console.error(text);
                Exit::Internal
            }
        }
    }
}

/// A trace that nobody wants to keep is nowhere when it is not needed any more.
impl Drop for Recording {
    fn drop(&mut self) {
        if self.is_spare {
            // Whatever is wrong with it has been said.
            let _: io::Result<()> = fs::remove_file(&self.trace);
        }
    }
}

/// A file in the same folder, which nobody else has.
fn beside(page: &Path) -> PathBuf {
    let name = page.file_name().unwrap_or_default().to_string_lossy();
    page.with_file_name(format!(".{name}.{}.trace", std::process::id()))
}
