//! The command `headwaters`: puts files into a Kinesis stream and accounts for every record.
#![forbid(unsafe_code)]

mod acks;
mod args;
mod console;
mod exit;
mod failed;
mod input;
mod load;
mod progress;
mod put;
mod readback;
mod reports;
mod settle;
mod sink;
mod stop;
mod summary;
mod tally;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::args::{Arguments, Command};
use crate::exit::Exit;

fn main() -> ExitCode {
    let Command::Put(arguments) = Arguments::parse().command;
    // Nothing is piped in, so somebody needs to know what to give.
    if input::nothing_given(&arguments.files) {
        let _ = write!(io::stderr(), "{}", args::put_command().render_help());
        return Exit::Usage.into();
    }
    if let Err(wrong) = arguments.check() {
        wrong.exit();
    }
    put::put(&arguments).into()
}
