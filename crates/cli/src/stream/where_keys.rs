//! `headwaters where`: which shard a key lands on.

use headwaters::wire::HashKey;
use serde::Serialize;

use super::client::Client;
use super::shard::{Filter, Shard, list};
use super::{print, print_json, table};
use crate::args::{Form, WhereArguments};
use crate::exit::{Abort, Exit};

#[derive(Serialize)]
struct Answer<'a> {
    stream: &'a str,
    keys: Vec<Place<'a>>,
}

#[derive(Serialize)]
struct Place<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    partition_key: Option<&'a str>,
    hash_key: String,
    /// None while a reshard goes on.
    shard: Option<&'a str>,
}

/// Runs `headwaters where`.
pub(crate) fn where_keys(arguments: &WhereArguments) -> Exit {
    super::run(async |console| {
        let client = Client::connect(&arguments.service, &arguments.stream).await?;
        let shards = match list(&client, Filter::Open).await {
            Ok(shards) => shards,
            Err(error) => return Err(client.abort("ListShards", error).await),
        };
        let keys = arguments.keys.iter().map(|key| (Some(key.as_str()), HashKey::of(key)));
        let hash_keys = arguments.explicit_hash_keys.iter().map(|key| (None, *key));
        let place = |(partition_key, key): (_, HashKey)| Place {
            partition_key,
            hash_key: key.to_string(),
            shard: owner(&shards, key),
        };
        let places: Vec<_> = keys.chain(hash_keys).map(place).collect();
        let unknown = places.iter().filter(|place| place.shard.is_none()).count();
        show(arguments, places)?;
        if unknown > 0 {
            console.error(
                "no open shard has some of the keys: the shards are being changed, try again",
            );
            return Ok(Exit::Undelivered);
        }
        Ok(Exit::Delivered)
    })
}

fn owner(shards: &[Shard], key: HashKey) -> Option<&str> {
    shards.iter().find(|shard| shard.keys().contains(key)).map(|shard| shard.id.as_str())
}

fn show(arguments: &WhereArguments, places: Vec<Place<'_>>) -> Result<(), Abort> {
    match arguments.output {
        Form::Json => print_json(&Answer { stream: arguments.stream.name.as_str(), keys: places }),
        Form::Text => {
            let head = ["KEY", "HASH KEY", "SHARD"].map(String::from).to_vec();
            let rows = places.into_iter().map(|place| {
                let key = place.partition_key.unwrap_or("-").escape_debug().to_string();
                vec![key, place.hash_key, place.shard.unwrap_or("none").to_owned()]
            });
            print(&table(&core::iter::once(head).chain(rows).collect::<Vec<_>>()))
        }
    }
}
