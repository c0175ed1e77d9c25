use core::fmt;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indicatif::HumanBytes;

use super::Position;
use super::source::{Meter, Source};
use crate::resume::Passed;

/// The names of the input files, for whoever has a [`Position`].
#[derive(Clone, Debug)]
pub(crate) struct Files(Arc<[Known]>);

#[derive(Debug)]
struct Known {
    counts_lines: bool,
    meter: Arc<Meter>,
    name: String,
    size: Option<u64>,
}

impl Files {
    /// The file of a position, as it was named.
    pub(crate) fn name(&self, position: Position) -> &str {
        self.0.get(position.file).map_or("", |file| &file.name)
    }

    /// Whether the position's number counts lines, and not records.
    pub(crate) fn counts_lines(&self, position: Position) -> bool {
        self.0.get(position.file).is_some_and(|file| file.counts_lines)
    }

    /// The position in words, without anything that a terminal would obey.
    pub(crate) fn place(&self, position: Position) -> String {
        let name = self.name(position).replace(char::is_control, "\u{FFFD}");
        let unit = if self.counts_lines(position) { "line" } else { "record" };
        format!("{name}, {unit} {}", position.number)
    }

    /// How many bytes lie before the position in all files; `None` if the size of one is unknown. In a packed file it
    /// is how many were read, which is a little more.
    pub(crate) fn bytes_before(&self, position: Position) -> Option<u64> {
        let mut before = self.0.get(..position.file)?.iter();
        let before = before.try_fold(0, |sum, file| Some(sum + file.size?))?;
        let packed = self.0.get(position.file).and_then(|file| file.meter.packed());
        Some(before + packed.unwrap_or(position.offset))
    }

    /// The bytes of all files, if all sizes are known.
    pub(crate) fn size(&self) -> Option<u64> {
        self.0.iter().try_fold(0, |sum, file| Some(sum + file.size?))
    }

    /// Whether nothing lies behind the position, as far as that is known.
    pub(crate) fn is_end(&self, position: Position) -> bool {
        let (Some(this), later) = (self.0.get(position.file), self.0.get(position.file + 1..))
        else {
            return true;
        };
        let ends_here = this.meter.packed().is_none() && this.size == Some(position.offset);
        ends_here && later.unwrap_or_default().iter().all(|file| file.size == Some(0))
    }

    /// How much of the input lies before the position, in words; empty if there is nothing to tell.
    pub(crate) fn progress(&self, position: Position) -> String {
        let mut text = String::new();
        if let (Some(before), Some(all)) = (self.bytes_before(position), self.size()) {
            text = format!(", {} of {}", HumanBytes(before), HumanBytes(all));
        }
        if self.0.len() > 1 {
            let number = (position.file + 1).min(self.0.len());
            text.push_str(&format!(", file {number} of {}", self.0.len()));
        }
        text
    }
}

/// What must be known of a format to open its files.
pub(crate) trait FileFormat: Copy {
    /// Whether a position's number counts lines, and not records.
    fn counts_lines(self) -> bool;

    /// Whether gzip is unpacked; else it is data as any.
    fn unpacks(self) -> bool;
}

/// The input files, open, each with its format.
pub(crate) struct Inputs<F> {
    pub(crate) files: Files,
    /// What need not be read, for an earlier load has put it.
    pub(crate) passed: Passed,
    /// Where the files lie, those that lie somewhere.
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) sources: Vec<(F, Source)>,
}

/// The name that stands for the standard input.
pub(crate) const STDIN: &str = "-";

impl<F: FileFormat> Inputs<F> {
    /// Opens all files before anything is read: what cannot be read is known before anything is
    /// sent.
    pub(crate) fn open(
        paths: &[PathBuf],
        format_of: impl Fn(&Path) -> F,
    ) -> Result<Self, OpenError> {
        let stdin = [PathBuf::from(STDIN)];
        let paths = if paths.is_empty() { &stdin } else { paths };
        let mut inputs = Self {
            files: Files(Arc::new([])),
            passed: Passed::default(),
            paths: vec![],
            sources: vec![],
        };
        let mut known = Vec::new();
        for path in paths {
            let format = format_of(path);
            let failed = |error| OpenError { error, path: path.clone() };
            let (name, size, source) = if path.as_os_str() == STDIN {
                (String::from("stdin"), None, Source::stdin(format.unpacks()))
            } else {
                let (file, size) = open(path).map_err(failed)?;
                inputs.paths.extend(path.canonicalize());
                (path.display().to_string(), size, Source::file(file, format.unpacks()))
            };
            let (counts_lines, meter) = (format.counts_lines(), source.meter());
            known.push(Known { counts_lines, meter, name, size });
            inputs.sources.push((format, source));
        }
        inputs.files = Files(known.into());
        Ok(inputs)
    }
}

/// Whether there is nothing to read but what somebody would type.
pub(crate) fn nothing_given(paths: &[PathBuf]) -> bool {
    paths.is_empty() && io::stdin().is_terminal()
}

fn open(path: &Path) -> io::Result<(File, Option<u64>)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    // Opening a directory succeeds on some systems; reading it never does.
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let size = metadata.is_file().then_some(metadata.len());
    Ok((file, size))
}

/// A file that cannot be read.
#[derive(Debug)]
pub(crate) struct OpenError {
    error: io::Error,
    path: PathBuf,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read {}: {}", self.path.display(), self.error)
    }
}
