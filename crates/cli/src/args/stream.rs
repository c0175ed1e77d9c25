//! The commands that look at a stream of a service.

use clap::{Args, ValueEnum};
use headwaters::wire::{HashKey, PartitionKey};

use super::service::{ServiceArguments, StreamArgument};

pub(super) const SHARDS_EXAMPLES: &str = "\
Examples:
  headwaters shards orders
  headwaters shards orders --open --output json | jq -r '.shards[].shard'";

pub(super) const WHERE_EXAMPLES: &str = "\
Examples:
  headwaters where orders customer-17 customer-18
  headwaters where orders --explicit-hash-key 170141183460469231731687303715884105728";

pub(super) const DOCTOR_EXAMPLES: &str = "\
Examples:
  headwaters doctor orders
  headwaters doctor orders --profile staging --output json
  headwaters doctor orders --no-put      # do not try PutRecords";

/// List the shards of a stream: hash keys, share of them, open or closed, parents
#[derive(Args, Debug)]
pub(crate) struct ShardsArguments {
    /// The stream: its name or its ARN
    #[arg(value_name = "STREAM")]
    pub(crate) stream: StreamArgument,

    /// Only those that take records now
    #[arg(long)]
    pub(crate) open: bool,

    /// How they are printed
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(crate) output: Form,

    #[command(flatten)]
    pub(crate) service: ServiceArguments,
}

/// Say on which shard of a stream a key lands
#[derive(Args, Debug)]
pub(crate) struct WhereArguments {
    /// The stream: its name or its ARN
    #[arg(value_name = "STREAM")]
    pub(crate) stream: StreamArgument,

    /// The partition keys
    #[arg(value_name = "KEY", value_parser = super::put::partition_key)]
    #[arg(required_unless_present = "explicit_hash_keys")]
    pub(crate) keys: Vec<PartitionKey>,

    /// An explicit hash key, a number below 2^128; may be repeated
    #[arg(long = "explicit-hash-key", value_name = "NUMBER")]
    pub(crate) explicit_hash_keys: Vec<HashKey>,

    /// How it is printed
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(crate) output: Form,

    #[command(flatten)]
    pub(crate) service: ServiceArguments,
}

/// Look for what keeps records from reaching a stream, and say what mends it
#[derive(Args, Debug)]
pub(crate) struct DoctorArguments {
    /// The stream: its name or its ARN
    #[arg(value_name = "STREAM")]
    pub(crate) stream: StreamArgument,

    /// Do not try PutRecords, not even with a record that no Kinesis takes
    #[arg(long)]
    pub(crate) no_put: bool,

    /// How findings are printed
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(crate) output: Form,

    #[command(flatten)]
    pub(crate) service: ServiceArguments,
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Form {
    /// One JSON object on one line.
    Json,
    /// For people.
    Text,
}
