use core::fmt;
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Position;

/// The names of the input files, for whoever has a [`Position`].
#[derive(Clone, Debug)]
pub(crate) struct Files(Arc<[Known]>);

#[derive(Debug)]
struct Known {
    counts_lines: bool,
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

    /// How many bytes lie before the position in all files; `None` if the size of one is unknown.
    pub(crate) fn bytes_before(&self, position: Position) -> Option<u64> {
        let before = self.0.get(..position.file)?;
        before.iter().try_fold(position.offset, |sum, file| Some(sum + file.size?))
    }

    /// The bytes of all files, if all sizes are known.
    pub(crate) fn size(&self) -> Option<u64> {
        self.bytes_before(Position::start_of(self.0.len()))
    }
}

/// The input files, open, each with its format.
pub(crate) struct Inputs<F> {
    pub(crate) files: Files,
    /// Where the files lie, those that lie somewhere.
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) readers: Vec<(F, Box<dyn Read + Send>)>,
}

/// The name that stands for the standard input.
pub(crate) const STDIN: &str = "-";

impl<F: Copy> Inputs<F> {
    /// Opens all files before anything is read: what cannot be read is known before anything is
    /// sent.
    pub(crate) fn open(
        paths: &[PathBuf],
        format_of: impl Fn(&Path) -> F,
        counts_lines: impl Fn(F) -> bool,
    ) -> Result<Self, OpenError> {
        let stdin = [PathBuf::from(STDIN)];
        let paths = if paths.is_empty() { &stdin } else { paths };
        let mut inputs = Self { files: Files(Arc::new([])), paths: vec![], readers: vec![] };
        let mut known = Vec::new();
        for path in paths {
            let format = format_of(path);
            let failed = |error| OpenError { error, path: path.clone() };
            let (name, size) = if path.as_os_str() == STDIN {
                inputs.readers.push((format, Box::new(io::stdin())));
                (String::from("stdin"), None)
            } else {
                let (file, size) = open(path).map_err(failed)?;
                inputs.readers.push((format, Box::new(file)));
                inputs.paths.extend(path.canonicalize());
                (path.display().to_string(), size)
            };
            known.push(Known { counts_lines: counts_lines(format), name, size });
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
