//! The command `headwaters`: puts files into a Kinesis stream and accounts for every record; packs
//! records into aggregates, and takes them apart; looks at streams and reads them; serves a stream to
//! tests; and lives through simulated worlds.
#![forbid(unsafe_code)]

mod acks;
mod aggregate;
mod args;
mod complaints;
mod connect;
mod console;
mod dashboard;
mod decode;
mod dry_run;
mod exit;
mod failed;
mod filter;
mod generate;
mod hints;
mod input;
mod load;
mod pace;
mod packer;
mod pages;
mod progress;
mod prometheus;
mod put;
mod readback;
mod recording;
mod reports;
mod resume;
mod serve;
mod settings;
mod settle;
mod shards;
mod sim;
mod sink;
mod stop;
mod stream;
mod summary;
mod tally;
mod target;
mod today;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::args::{Arguments, Command};
use crate::exit::Exit;

fn main() -> ExitCode {
    let command = Arguments::parse().command;
    // Nothing is piped in, so somebody needs to know what to give.
    if command.files().is_some_and(input::nothing_given) {
        let _ = write!(io::stderr(), "{}", command.help());
        return Exit::Usage.into();
    }
    if let Err(wrong) = command.check() {
        wrong.exit();
    }
    let exit = match &command {
        Command::Aggregate(arguments) => aggregate::aggregate(arguments),
        Command::Completions(arguments) => pages::completions(arguments),
        Command::Decode(arguments) => decode::decode(arguments),
        Command::Doctor(arguments) => stream::doctor::doctor(arguments),
        Command::Gen(arguments) => generate::generate(arguments),
        Command::Man(arguments) => pages::man(arguments),
        Command::Put(arguments) => put::put(arguments),
        Command::Serve(arguments) => serve::serve(arguments),
        Command::Shards(arguments) => stream::shards::shards(arguments),
        Command::Sim(command) => sim::sim(command),
        Command::Tail(arguments) => stream::tail::tail(arguments),
        Command::Where(arguments) => stream::where_keys::where_keys(arguments),
    };
    exit.into()
}
