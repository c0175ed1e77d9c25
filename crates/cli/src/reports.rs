use std::io;
use std::path::{Path, PathBuf};

use crate::acks::Acks;
use crate::args::PutArguments;
use crate::exit::Exit;
use crate::failed::Failed;
use crate::put::NotBegun;
use crate::sink::Sink;

/// Creates the files of `--acks` and `--failed`: that they can be written is known before anything
/// is sent. `inputs` are the files that must not be touched.
pub(crate) fn create(
    arguments: &PutArguments,
    inputs: &[PathBuf],
) -> Result<(Option<Acks>, Option<Failed>), NotBegun> {
    let failed = arguments.failed.as_deref().map(|path| {
        refuse_input(path, inputs)?;
        refuse_loss(path)?;
        Sink::create(path).map(|sink| Failed { sink }).map_err(|error| cannot(path, &error))
    });
    let failed = failed.transpose()?;
    let acks = arguments.acks.as_deref().map(|path| {
        let sink = if arguments.acks_on_stdout() {
            Sink::stdout()
        } else {
            refuse_input(path, inputs)?;
            refuse_input(path, arguments.failed.as_slice())?;
            Sink::create(path)
        };
        sink.map(|sink| Acks { sink }).map_err(|error| cannot(path, &error))
    });
    Ok((acks.transpose()?, failed))
}

/// Creating a file empties it: an input must not go that way.
fn refuse_input(path: &Path, others: &[PathBuf]) -> Result<(), NotBegun> {
    let Ok(there) = path.canonicalize() else { return Ok(()) };
    let same = |other: &PathBuf| other.canonicalize().is_ok_and(|other| other == there);
    if there.is_file() && others.iter().any(same) {
        let text = format!("{} is named for two things; writing it would empty it", path.display());
        return Err(NotBegun { exit: Exit::Usage, text });
    }
    Ok(())
}

/// What an earlier load could not deliver may be nowhere else.
fn refuse_loss(path: &Path) -> Result<(), NotBegun> {
    let kept = path.metadata().is_ok_and(|there| there.is_file() && there.len() > 0);
    if kept {
        let text = format!(
            "{} exists and is not empty: it may hold what an earlier load did not deliver; name \
             another file for --failed, or remove it",
            path.display()
        );
        return Err(NotBegun { exit: Exit::Usage, text });
    }
    Ok(())
}

fn cannot(path: &Path, error: &io::Error) -> NotBegun {
    NotBegun { exit: Exit::Usage, text: format!("cannot write {}: {error}", path.display()) }
}
