//! Streams and records on disk: one JSON document, written whole beside the old one and then put in its place.

use core::convert::Infallible;
use core::sync::atomic::Ordering;
use core::time::Duration;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::wait;
use crate::front::Front;
use crate::kinesis::{KeptStream, Kinesis, lock};

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct State {
    streams: Vec<KeptStream>,
    version: u32,
}

/// The form of the document.
const VERSION: u32 = 1;

/// How often it is written, if there is something new: so much a crash loses.
const PERIOD: Duration = Duration::from_secs(10);

/// Takes over what is on disk, if there is something.
pub(crate) fn load(kinesis: &Kinesis, path: &Path) -> io::Result<()> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let state: State = serde_json::from_reader(BufReader::new(file))?;
    let wrong = |what: &str| io::Error::new(ErrorKind::InvalidData, what);
    if state.version != VERSION {
        return Err(wrong("it was written by another version of this program"));
    }
    for kept in state.streams {
        let stream = kept.restore(kinesis.settings);
        kinesis.adopt(stream.ok_or_else(|| wrong("what is in it fits no stream"))?);
    }
    Ok(())
}

/// Whether it can be written: that it cannot is known before there is something to lose.
pub(crate) fn check(path: &Path) -> io::Result<()> {
    let beside = beside(path);
    drop(create(&beside)?);
    fs::remove_file(beside)
}

/// Writes what there is.
pub(crate) fn save(kinesis: &Kinesis, now: Duration, path: &Path) -> io::Result<()> {
    let streams = kinesis.all(now);
    let streams = streams.iter().filter_map(|stream| KeptStream::of(&lock(stream))).collect();
    let beside = beside(path);
    let mut writer = BufWriter::new(create(&beside)?);
    serde_json::to_writer(&mut writer, &State { streams, version: VERSION })?;
    writer.flush()?;
    writer.get_ref().sync_all()?;
    fs::rename(beside, path)
}

fn beside(path: &Path) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    beside.into()
}

/// Payloads are nobody else's business.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Writes it again and again, for as long as there are new answers.
pub(crate) async fn save_now_and_then(front: Arc<Front>, path: PathBuf) -> Infallible {
    let mut saved = 0;
    loop {
        wait(PERIOD).await;
        let answers = front.answers.load(Ordering::Relaxed);
        if answers != saved {
            let (front, path) = (Arc::clone(&front), path.clone());
            let save = move || save(&front.kinesis, front.clock.now(), &path);
            // What cannot be written now is tried again, and told at the end.
            if matches!(tokio::task::spawn_blocking(save).await, Ok(Ok(()))) {
                saved = answers;
            }
        }
    }
}
