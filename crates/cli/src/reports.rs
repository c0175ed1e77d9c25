use std::io;
use std::path::{Path, PathBuf};

use crate::acks::Acks;
use crate::args::PutArguments;
use crate::exit::Abort;
use crate::failed::Failed;
use crate::sink::Sink;

/// Creates the files of `--acks` and `--failed`: that they can be written is known before anything
/// is sent. `inputs` are the files that must not be touched.
pub(crate) fn create(
    arguments: &PutArguments,
    inputs: &[PathBuf],
) -> Result<(Option<Acks>, Option<Failed>), Abort> {
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
pub(crate) fn refuse_input(path: &Path, others: &[PathBuf]) -> Result<(), Abort> {
    let Ok(there) = path.canonicalize() else { return Ok(()) };
    let same = |other: &PathBuf| other.canonicalize().is_ok_and(|other| other == there);
    if there.is_file() && others.iter().any(same) {
        let text = format!("{} is named for two things; writing it would empty it", path.display());
        return Err(Abort::usage(text));
    }
    Ok(())
}

/// What an earlier load could not deliver may be nowhere else.
fn refuse_loss(path: &Path) -> Result<(), Abort> {
    let kept = path.metadata().is_ok_and(|there| there.is_file() && there.len() > 0);
    if kept {
        let text = format!(
            "{} exists and is not empty: it may hold what an earlier load did not deliver; name \
             another file for --failed, or remove it",
            path.display()
        );
        return Err(Abort::usage(text));
    }
    Ok(())
}

pub(crate) fn cannot(path: &Path, error: &io::Error) -> Abort {
    Abort::usage(format_args!("cannot write {}: {error}", path.display()))
}
