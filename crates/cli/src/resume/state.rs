use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use flate2::Crc;
use serde::{Deserialize, Serialize};

use super::ledger::Gap;
use crate::input::Position;

/// What `--resume` keeps of a load, as JSON.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct State {
    /// Which form this is.
    pub(super) headwaters_resume: u32,
    pub(super) stream: String,
    pub(super) endpoint: String,
    pub(super) files: Vec<FileIdentity>,
    /// All of the input is stored.
    pub(super) complete: bool,
    /// The load came to an end of its own, if not to that of the input.
    pub(super) ended: bool,
    /// How many records were stored, by all loads.
    pub(super) stored: u64,
    /// Records behind `through` that were put and had no outcome when this was written.
    pub(super) on_the_way: u64,
    /// The last record that has its outcome: all up to it are stored, but for those in `gaps`.
    pub(super) through: Option<Mark>,
    pub(super) gaps: Vec<Gap>,
}

/// The form that this version writes.
pub(super) const VERSION: u32 = 1;

/// A [`Position`].
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(super) struct Mark {
    file: usize,
    offset: u64,
    number: u64,
}

impl From<Position> for Mark {
    fn from(Position { file, offset, number }: Position) -> Self {
        Self { file, offset, number }
    }
}

impl From<Mark> for Position {
    fn from(Mark { file, offset, number }: Mark) -> Self {
        Self { file, offset, number }
    }
}

/// What an input file is known by. Its name is not part of it: it may have moved.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct FileIdentity {
    pub(super) name: String,
    /// How it is divided into records.
    pub(super) format: String,
    pub(super) size: u64,
    /// Of its first and its last bytes.
    crc32: u32,
}

/// How many bytes at each end of a file are looked at.
const END_BYTES: u64 = 64 * 1024;

impl FileIdentity {
    /// Looks at a file; `None` if it is none that can be read again.
    pub(super) fn of(path: &Path, format: String) -> io::Result<Option<Self>> {
        let mut file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Ok(None);
        }
        let (name, size) = (path.display().to_string(), metadata.len());
        let (mut crc, mut bytes) = (Crc::new(), Vec::new());
        for start in [0, size.saturating_sub(END_BYTES)] {
            file.seek(SeekFrom::Start(start))?;
            bytes.clear();
            (&mut file).take(END_BYTES).read_to_end(&mut bytes)?;
            crc.update(&bytes);
        }
        Ok(Some(Self { name, format, size, crc32: crc.sum() }))
    }

    /// Why it is another file than it was; nothing if it is the same.
    pub(super) fn differs(&self, was: &Self) -> Option<String> {
        let name = &self.name;
        if self.size != was.size {
            let (was, is) = (was.size, self.size);
            Some(format!("{name} had {was} bytes and has {is} now"))
        } else if self.crc32 != was.crc32 {
            Some(format!("{name} begins or ends with other bytes than it did"))
        } else if self.format != was.format {
            let (was, is) = (&was.format, &self.format);
            Some(format!("{name} was read as {was} and is now read as {is}"))
        } else {
            None
        }
    }
}

impl State {
    /// The state in a file; `None` if there is no file, or nothing in it.
    pub(super) fn load(path: &Path) -> Result<Option<Self>, String> {
        let text = match fs::read(path) {
            Ok(text) if text.is_empty() => return Ok(None),
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
        };
        let state: Option<Self> = serde_json::from_slice(&text).ok();
        let state = state.filter(|state| state.headwaters_resume == VERSION && state.is_sound());
        let refuse = || {
            format!(
                "{} is not the state of a load (of this version); name another file for --resume",
                path.display()
            )
        };
        state.map(Some).ok_or_else(refuse)
    }

    /// Whether somebody else has written in it: then it says nothing.
    fn is_sound(&self) -> bool {
        let mut last = None;
        let in_order = self.gaps.iter().all(|gap| {
            let sound = gap.is_sound() && last < Some(gap.begin());
            last = Some(gap.end());
            sound
        });
        let through = self.through.map(|mark| (mark.file, mark.offset));
        in_order && last <= through
    }
}

/// Writes the states of one load, each in the place of the one before.
#[derive(Debug)]
pub(super) struct Writer {
    /// The number of the state that is in the file.
    last: Mutex<u64>,
    path: PathBuf,
}

impl Writer {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { last: Mutex::new(0), path }
    }

    /// Writes a state, unless a later one is written already. Whatever happens, even to the machine, the file has this
    /// state or the one before, whole.
    pub(super) fn write(&self, number: u64, state: &State) -> io::Result<()> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if number <= *last {
            return Ok(());
        }
        let mut beside = OsString::from(&self.path);
        beside.push(".tmp");
        let beside = PathBuf::from(beside);
        let mut text = serde_json::to_vec(state).map_err(io::Error::from)?;
        text.push(b'\n');
        let written = write_synced(&beside, &text).and_then(|()| fs::rename(&beside, &self.path));
        if let Err(error) = written {
            // A disk that is full has use for the room.
            let _ = fs::remove_file(&beside);
            return Err(error);
        }
        *last = number;
        sync_folder(&self.path)
    }
}

fn write_synced(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(text)?;
    file.sync_all()
}

/// A name is safe when its folder is.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
