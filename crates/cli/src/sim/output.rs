use core::fmt::Display;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::exit::{Abort, Exit};

/// Where results go: a file, or the standard output.
pub(super) struct Output {
    name: String,
    writer: BufWriter<Box<dyn Write>>,
}

impl Output {
    /// Creates the file, or empties it: that it can be written is known before the work begins.
    pub(super) fn open(to: Option<&Path>) -> Result<Self, Abort> {
        let (name, writer): (_, Box<dyn Write>) = match to {
            Some(path) => {
                let file = File::create(path).map_err(|error| cannot(&path.display(), &error));
                (path.display().to_string(), Box::new(file.map_err(Abort::usage)?))
            }
            None => (String::from("stdout"), Box::new(io::stdout())),
        };
        Ok(Self { name, writer: BufWriter::new(writer) })
    }

    /// Writes it as it is.
    pub(super) fn write(&mut self, what: impl Display) -> io::Result<()> {
        write!(self.writer, "{what}")
    }

    /// Writes what is left, and says how the command ends: with `exit`, unless something could not be `written`. Who
    /// closes a pipe wants to know no more.
    pub(super) fn end(mut self, written: io::Result<()>, exit: Exit) -> Result<Exit, Abort> {
        let written = written.and_then(|()| self.writer.flush());
        // Or it would try again what failed.
        let _ = self.writer.into_parts();
        match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Abort::internal(cannot(&self.name, &error)))
            }
            _ => Ok(exit),
        }
    }
}

fn cannot(name: &dyn Display, error: &io::Error) -> String {
    format!("cannot write {name}: {error}")
}
