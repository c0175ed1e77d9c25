use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use headwaters::UserRecord;
use headwaters::wire::Entry;
use headwaters::wire::aggregate::{Encoder, OuterKey, Record, Unsealed};
use headwaters::wire::limits::RECORD_BYTES_MAX;
use serde::Serialize;

use crate::args::{AggregateArguments, AggregateOutput};
use crate::exit::Exit;
use crate::filter::{self, Filter};
use crate::input::{self, Decode, Format, Inputs};
use crate::shards::Shards;
use crate::sink::Broken;

/// Runs `headwaters aggregate`.
pub(crate) fn aggregate(arguments: &AggregateArguments) -> Exit {
    let inputs = Inputs::open(&arguments.files, |_| Format::Records, Format::counts_lines);
    // Which stream they are for is unknown, and with it its limit.
    let decoder =
        |_, file| Box::new(input::records_decoder(file, RECORD_BYTES_MAX)) as Box<dyn Decode>;
    let packer = Packer::new(arguments);
    filter::run(inputs, decoder, async |filter| match arguments.format {
        AggregateOutput::Json => write_lines(packer, filter).await,
        AggregateOutput::Raw => write_raw(packer, filter).await,
    })
}

/// Packs user records into Kinesis records, those of each shard by themselves.
struct Packer {
    count_max: usize,
    /// By the index of the shard.
    encoders: BTreeMap<u32, Encoder>,
    outer_key: OuterKey,
    shards: Shards,
    size_max: usize,
}

/// Room that an aggregate gets at once; it grows if it needs more.
const CAPACITY: usize = 51_200;

impl Packer {
    fn new(arguments: &AggregateArguments) -> Self {
        Self {
            count_max: arguments.max_count.map_or(usize::MAX, Into::into),
            encoders: BTreeMap::new(),
            outer_key: arguments.outer_key.into(),
            shards: arguments.shards,
            size_max: arguments.max_size,
        }
    }

    /// Takes a record, and gives the Kinesis record that it no longer fits into, if there is one.
    fn add(&mut self, record: &Entry) -> Option<Entry> {
        let record = Record::from(record);
        let Self { count_max, encoders, outer_key, shards, size_max } = self;
        let encoder = encoders
            .entry(shards.index_of(record.hash_key))
            .or_insert_with(|| Encoder::new(CAPACITY.min(*size_max), *outer_key));
        // The service counts the key as well, and takes no larger record on any stream.
        let size_max = (RECORD_BYTES_MAX - encoder.outer_key_len()).min(*size_max);
        if encoder.len() < *count_max && encoder.try_append(record, size_max).is_ok() {
            return None;
        }
        let full = encoder.finish().map(Unsealed::seal);
        encoder.append(record);
        full
    }

    /// What is left, in the order of the shards.
    fn finish(self) -> impl Iterator<Item = Entry> {
        self.encoders.into_values().filter_map(|mut encoder| encoder.finish()).map(Unsealed::seal)
    }
}

/// A Kinesis record as `--input records` and `decode` read it.
#[derive(Serialize)]
struct Line<'a> {
    partition_key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    explicit_hash_key: Option<String>,
    data: String,
}

impl<'a> From<&'a Entry> for Line<'a> {
    fn from(record: &'a Entry) -> Self {
        Self {
            partition_key: record.partition_key.as_str(),
            explicit_hash_key: record.explicit_hash_key.map(|key| key.to_string()),
            data: STANDARD.encode(&record.data),
        }
    }
}

async fn write_lines(
    mut packer: Packer,
    filter: &mut Filter<'_, UserRecord>,
) -> Result<(), Broken> {
    while let Some((_, record)) = filter.next().await? {
        if let Some(full) = packer.add(&record.to_entry()) {
            filter.output.line(&Line::from(&full)).await?;
        }
    }
    for last in packer.finish() {
        filter.output.line(&Line::from(&last)).await?;
    }
    Ok(())
}

async fn write_raw(mut packer: Packer, filter: &mut Filter<'_, UserRecord>) -> Result<(), Broken> {
    let mut full = None;
    while let Some((_, record)) = filter.next().await?
        && full.is_none()
    {
        full = packer.add(&record.to_entry());
    }
    let mut records = full.into_iter().chain(packer.finish());
    match (records.next(), records.next()) {
        (Some(only), None) => filter.output.bytes(&only.data),
        (first, _) => {
            let count = if first.is_some() { "more than one" } else { "none" };
            let text = format_args!(
                "--format raw is for one Kinesis record, and the input makes {count}; nothing is \
                 written"
            );
            filter.fail(Exit::Usage, text);
        }
    }
    Ok(())
}
