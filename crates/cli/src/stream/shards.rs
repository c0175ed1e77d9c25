//! `headwaters shards`: which shards a stream has.

use serde::Serialize;

use super::client::Client;
use super::shard::{Filter, Shard, list};
use super::{print, print_json, table};
use crate::args::{Form, ShardsArguments};
use crate::exit::{Abort, Exit};

#[derive(Serialize)]
struct Listing<'a> {
    stream: &'a str,
    shards: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    shard: String,
    state: &'static str,
    share: f64,
    first_hash_key: String,
    last_hash_key: String,
    parents: Vec<String>,
}

/// Runs `headwaters shards`.
pub(crate) fn shards(arguments: &ShardsArguments) -> Exit {
    super::run(async |_| {
        let client = Client::connect(&arguments.service, &arguments.stream).await?;
        let filter = if arguments.open { Filter::Open } else { Filter::All };
        let shards = match list(&client, filter).await {
            Ok(shards) => shards,
            Err(error) => return Err(client.abort("ListShards", error).await),
        };
        show(arguments, &shards).map(|()| Exit::Delivered)
    })
}

fn show(arguments: &ShardsArguments, shards: &[Shard]) -> Result<(), Abort> {
    let lines = shards.iter().map(Line::of);
    match arguments.output {
        Form::Json => {
            let stream = arguments.stream.name.as_str();
            print_json(&Listing { stream, shards: lines.collect() })
        }
        Form::Text => {
            let head = ["SHARD", "STATE", "SHARE", "FIRST HASH KEY", "LAST HASH KEY", "PARENTS"];
            let rows = lines.map(|line| {
                let share = format!("{:.2} %", line.share * 100.0);
                let parents = line.parents.join(" ");
                let state = line.state.to_owned();
                vec![line.shard, state, share, line.first_hash_key, line.last_hash_key, parents]
            });
            let head = head.map(String::from).to_vec();
            print(&table(&core::iter::once(head).chain(rows).collect::<Vec<_>>()))
        }
    }
}

impl Line {
    fn of(shard: &Shard) -> Self {
        let keys = shard.keys();
        Self {
            shard: shard.id.clone(),
            state: if shard.is_open() { "open" } else { "closed" },
            share: shard.share(),
            first_hash_key: keys.start().to_string(),
            last_hash_key: keys.end().to_string(),
            parents: shard.parents(),
        }
    }
}
