use std::process::ExitCode;

use crate::stop::Signal;

/// How the command ends: the one number that a script looks at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Exit {
    /// Every record is stored, or written; no rule is broken.
    Delivered,
    /// Some records are not, or not for certain; the report or the standard error says which.
    Undelivered,
    /// A rule is broken in a simulated world.
    Broken,
    /// A simulated world misses a figure that it must reach.
    Missed,
    /// The command line is wrong, or a file that it names cannot be opened.
    Usage,
    /// SIGINT came.
    Interrupted,
    /// SIGTERM came.
    Terminated,
    /// A setting is out of its bounds.
    Configuration,
    /// Whatever failed was refused by the service for good.
    Refused,
    /// A report or the output could not be written, or the records do not add up.
    Internal,
}

/// The codes of the commands that only write what they read, for `--help`.
pub(crate) const FILTER_CODES: &str = "\
Exit codes:
    0  all that was read is written
    1  some of the input is bad or unread; standard error says where
    2  wrong usage, or a file that cannot be opened
  255  the output could not be written
";

/// The codes, for `--help`. Those above 128 follow the shell and the AWS command line.
pub(crate) const CODES: &str = "\
Exit codes:
    0  all records are stored
    1  some are not stored, maybe stored, rejected or unread; the report says which
    2  wrong usage, or a file that cannot be opened
  130  stopped by Ctrl-C, in order; 143: the same by SIGTERM
  253  a setting is out of its bounds; no region, or no credentials that are taken
  254  the service refused: what failed was refused for good, such as a stream that does not exist
  255  a report could not be written, or what is stored is not what was reported
";

/// The codes of `serve`, for `--help`.
pub(crate) const SERVE_CODES: &str = "\
Exit codes:
    0  stopped by Ctrl-C or SIGTERM, in order
    2  wrong usage, a file that cannot be read or written, or a port that is taken
  253  --check-signatures without credentials
  255  --state could not be written
";

/// The codes of the commands that look at a stream, for `--help`.
pub(crate) const STREAM_CODES: &str = "\
Exit codes:
    0  done
    1  a key has no shard, some records could not be read; doctor: something is wrong
    2  wrong usage
  130  stopped by Ctrl-C; 143: by SIGTERM
  253  no region, or no credentials that are taken
  254  the service refused: no such stream, no permission
  255  the service cannot be reached, or the output not be written
";

/// The codes of `gen`, `completions` and `man`, for `--help`.
pub(crate) const WRITER_CODES: &str = "\
Exit codes:
    0  all is written, or nobody wants more of it
    2  wrong usage
  130  stopped by Ctrl-C; 143: by SIGTERM
  255  the output could not be written
";

/// The codes of `sim` and its commands, for `--help`.
pub(crate) const SIM_CODES: &str = "\
Exit codes:
    0  no rule is broken; shrink: a simpler plan is found, or there is none
    1  a rule is broken; what is printed says which, and how to see it again; scenario:
       this, or a figure is missed; trace: the engine does otherwise than is recorded
    2  wrong usage, a file that cannot be opened, or is no plan or trace; shrink: no rule is
       broken
  130  stopped by Ctrl-C, in order; 143: the same by SIGTERM
  253  a plan or a setting is out of its bounds
  255  the output could not be written
";

/// Why a command ends before its work is done.
#[derive(Debug)]
pub(crate) struct Abort {
    pub(crate) exit: Exit,
    pub(crate) text: String,
}

impl Abort {
    pub(crate) fn internal(error: impl core::fmt::Display) -> Self {
        Self { exit: Exit::Internal, text: error.to_string() }
    }

    pub(crate) fn usage(text: impl core::fmt::Display) -> Self {
        Self { exit: Exit::Usage, text: text.to_string() }
    }
}

impl Exit {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Delivered => 0,
            Self::Undelivered | Self::Broken | Self::Missed => 1,
            Self::Usage => 2,
            Self::Interrupted => 130,
            Self::Terminated => 143,
            Self::Configuration => 253,
            Self::Refused => 254,
            Self::Internal => 255,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl From<Signal> for Exit {
    fn from(signal: Signal) -> Self {
        match signal {
            Signal::Interrupt => Self::Interrupted,
            Signal::Terminate => Self::Terminated,
        }
    }
}
