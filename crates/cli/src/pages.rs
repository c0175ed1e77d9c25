//! `headwaters completions` and `headwaters man`: what the command says about itself.

use std::io::{self, Write};

use clap::CommandFactory;
use clap_mangen::Man;
use indicatif::ProgressBar;

use crate::args::{Arguments, CompletionsArguments, ManArguments};
use crate::console::Console;
use crate::exit::{Abort, Exit};

/// Runs `headwaters completions`.
pub(crate) fn completions(arguments: &CompletionsArguments) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "headwaters", &mut script);
    end(print(&script))
}

/// Runs `headwaters man`.
pub(crate) fn man(arguments: &ManArguments) -> Exit {
    let mut whole = Arguments::command();
    whole.build();
    if let Some(folder) = &arguments.all {
        let failed =
            |error| Abort::usage(format_args!("cannot write to {}: {error}", folder.display()));
        return end(clap_mangen::generate_to(whole, folder).map_err(failed));
    }
    let command = match &arguments.command {
        None => Ok(&whole),
        Some(name) => whole.find_subcommand(name).ok_or_else(|| unknown(&whole, name)),
    };
    end(command.and_then(|command| {
        let mut page = Vec::new();
        Man::new(command.clone()).render(&mut page).map_err(Abort::internal)?;
        print(&page)
    }))
}

fn unknown(whole: &clap::Command, name: &str) -> Abort {
    let names: Vec<&str> = whole.get_subcommands().map(clap::Command::get_name).collect();
    let name = name.escape_debug();
    Abort::usage(format_args!("there is no command {name}; there are {}", names.join(", ")))
}

/// Whoever closes the standard output wants to know no more.
fn print(bytes: &[u8]) -> Result<(), Abort> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Abort::internal(format_args!("cannot write stdout: {error}")))
        }
        _ => Ok(()),
    }
}

fn end(done: Result<(), Abort>) -> Exit {
    match done {
        Ok(()) => Exit::Delivered,
        Err(Abort { exit, text }) => {
            Console::new(ProgressBar::hidden(), false).error(text);
            exit
        }
    }
}
