//! The commands that look at a stream of a service: what they share.

mod client;
mod near;
mod shard;

pub(crate) mod doctor;
pub(crate) mod shards;
pub(crate) mod tail;
pub(crate) mod where_keys;

use std::io::{self, Write};

use headwaters::wire::HashKeyRange;
use indicatif::ProgressBar;
use serde::Serialize;

use self::client::Client;
use self::shard::Filter;
use crate::args::{ServiceArguments, StreamArgument};
use crate::console::Console;
use crate::exit::{Abort, Exit};

/// Runs a command's work, and says why it fails if it does.
pub(crate) fn run(work: impl AsyncFnOnce(&Console) -> Result<Exit, Abort>) -> Exit {
    let console = Console::new(ProgressBar::hidden(), false);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let done = match runtime.map_err(Abort::internal) {
        Ok(runtime) => runtime.block_on(work(&console)),
        Err(abort) => Err(abort),
    };
    done.unwrap_or_else(|Abort { exit, text }| {
        console.error(text);
        exit
    })
}

/// The open shards of a stream: their names and hash keys.
pub(crate) async fn open_shards(
    service: &ServiceArguments,
    stream: &StreamArgument,
) -> Result<Vec<(String, HashKeyRange)>, Abort> {
    let client = Client::connect(service, stream).await?;
    match shard::list(&client, Filter::Open).await {
        Ok(shards) => Ok(shards.iter().map(|shard| (shard.id.clone(), shard.keys())).collect()),
        Err(error) => Err(client.abort("ListShards", error).await),
    }
}

/// Prints a result. Whoever closes the standard output wants to know no more.
pub(crate) fn print(text: &str) -> Result<(), Abort> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Abort::internal(format_args!("cannot write stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints a result as one JSON document.
pub(crate) fn print_json(result: &impl Serialize) -> Result<(), Abort> {
    let json = serde_json::to_string(result).map_err(Abort::internal)?;
    print(&escaped_json(&json))
}

/// A line of JSON in which no control character is left: JSON itself allows those from 127 to 159.
fn escaped_json(json: &str) -> String {
    let mut line = String::with_capacity(json.len() + 1);
    for c in json.chars() {
        if c.is_control() {
            line.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            line.push(c);
        }
    }
    line.push('\n');
    line
}

/// Rows in columns, the last of which is as wide as it is.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| Some(row.get(column)?.chars().count())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_character_is_left_in_json() {
        let json = serde_json::to_string("a\u{1b}[2J\u{7f}\u{9b}\n\u{e9}").expect("a string");
        let line = escaped_json(&json);
        assert_eq!(line, "\"a\\u001b[2J\\u007f\\u009b\\n\u{e9}\"\n");
        assert_eq!(
            serde_json::from_str::<String>(&line).expect("JSON"),
            "a\u{1b}[2J\u{7f}\u{9b}\n\u{e9}"
        );
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |cells: [&str; 2]| cells.map(String::from).to_vec();
        assert_eq!(table(&[row(["A", "B"]), row(["ccc", "d"])]), "A    B\nccc  d\n");
    }
}
