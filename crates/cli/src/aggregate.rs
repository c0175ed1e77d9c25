use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use headwaters::UserRecord;
use headwaters::wire::Entry;
use headwaters::wire::aggregate::Record;
use headwaters::wire::limits::RECORD_BYTES_MAX;
use serde::Serialize;

use crate::args::{AggregateArguments, AggregateOutput};
use crate::exit::Exit;
use crate::filter::{self, Filter};
use crate::input::{self, Decode, Format, Inputs};
use crate::packer::Packer;
use crate::shards::Shards;
use crate::sink::Broken;

/// Runs `headwaters aggregate`.
pub(crate) fn aggregate(arguments: &AggregateArguments) -> Exit {
    let inputs = Inputs::open(&arguments.files, |_| Format::Records);
    // Which stream they are for is unknown, and with it its limit.
    let decoder =
        |_, file| Box::new(input::records_decoder(file, RECORD_BYTES_MAX)) as Box<dyn Decode>;
    let count_max = arguments.max_count.map_or(usize::MAX, Into::into);
    let packer = Packer::new(count_max, arguments.max_size, arguments.outer_key.into());
    let packer = Sharded { packer, shards: arguments.shards };
    filter::run(inputs, decoder, async |filter| match arguments.format {
        AggregateOutput::Json => write_lines(packer, filter).await,
        AggregateOutput::Raw => write_raw(packer, filter).await,
    })
}

/// Packs the records of each of these shards.
struct Sharded {
    packer: Packer,
    shards: Shards,
}

impl Sharded {
    /// Takes a record, and gives the Kinesis record that it no longer fits into, if there is one.
    fn add(&mut self, record: &Entry) -> Option<Entry> {
        let record = Record::from(record);
        self.packer.add(self.shards.index_of(record.hash_key) as usize, record)
    }

    /// What is left, in the order of the shards.
    fn finish(self) -> impl Iterator<Item = Entry> {
        self.packer.finish().map(|(_, last)| last)
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
    mut packer: Sharded,
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

async fn write_raw(mut packer: Sharded, filter: &mut Filter<'_, UserRecord>) -> Result<(), Broken> {
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
