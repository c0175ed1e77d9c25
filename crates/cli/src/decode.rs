use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use headwaters::wire::HashKeyRange;
use headwaters::wire::aggregate::{self, Aggregate, Decoded, Member};
use serde::Serialize;

use crate::args::DecodeArguments;
use crate::exit::Exit;
use crate::filter::{self, Filter};
use crate::input::{Encoding, Inputs, Position, Received};
use crate::sink::Broken;

/// Runs `headwaters decode`.
pub(crate) fn decode(arguments: &DecodeArguments) -> Exit {
    let inputs = Inputs::open(&arguments.files, |_| arguments.input);
    filter::run(inputs, Encoding::decoder, async |filter| {
        let writer = Writer { range: arguments.range(), text: arguments.text };
        while let Some((position, record)) = filter.next().await? {
            match aggregate::decode(record.data.clone()) {
                Decoded::Aggregate(aggregate) => {
                    writer.members(filter, position, &record, &aggregate).await?;
                }
                Decoded::Plain(_) => filter.output.line(&writer.plain(&record)).await?,
            }
        }
        Ok(())
    })
}

/// How user records are written.
struct Writer {
    /// The hash keys of the shard.
    range: HashKeyRange,
    /// Whether data are written as text where they can be.
    text: bool,
}

/// A user record.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    partition_key: Option<&'a str>,
    /// A key that is not UTF-8: members may have any.
    #[serde(skip_serializing_if = "Option::is_none")]
    partition_key_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explicit_hash_key: Option<&'a str>,
    #[serde(flatten)]
    data: Data<'a>,
    aggregated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_sequence_number: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence_number: Option<&'a str>,
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    dropped: bool,
}

/// The data of a record, as JSON can have them.
#[derive(Serialize)]
pub(crate) enum Data<'a> {
    #[serde(rename = "data")]
    Base64(String),
    #[serde(rename = "data_text")]
    Text(&'a str),
}

impl Writer {
    /// Writes the members of an aggregate as the Kinesis Client Library sees them.
    async fn members(
        &self,
        filter: &mut Filter<'_, Received>,
        position: Position,
        record: &Received,
        aggregate: &Aggregate,
    ) -> Result<(), Broken> {
        let view = aggregate.as_kcl(self.range);
        // What it drops comes behind what it delivers.
        let delivered = view.delivered.iter().map(|member| (member, false));
        for (member, dropped) in delivered.chain(view.dropped.iter().map(|member| (member, true))) {
            filter.output.line(&self.member(record, member, dropped)).await?;
        }
        for broken in &view.broken {
            let number = broken.index + 1;
            let place = Place { list: record.number, number, of: aggregate.len() };
            filter.complaints.add(position, format_args!("{place}: {}", broken.error));
        }
        Ok(())
    }

    fn member<'a>(&self, record: &'a Received, member: &'a Member, dropped: bool) -> Line<'a> {
        // JSON escapes the control characters of ASCII; a terminal obeys those above as well.
        let key = str::from_utf8(&member.partition_key).ok();
        let key = key.filter(|key| !key.contains(|c| ('\u{7F}'..='\u{9F}').contains(&c)));
        let hash_key = member.explicit_hash_key.as_deref().map(str::from_utf8);
        Line {
            partition_key: key,
            partition_key_base64: key.is_none().then(|| STANDARD.encode(&member.partition_key)),
            explicit_hash_key: hash_key.and_then(Result::ok),
            data: self.data(&member.data),
            aggregated: true,
            sub_sequence_number: Some(member.index),
            sequence_number: record.sequence_number.as_deref(),
            dropped,
        }
    }

    /// A record that is no aggregate is delivered wherever it comes from.
    fn plain<'a>(&self, record: &'a Received) -> Line<'a> {
        Line {
            partition_key: record.partition_key.as_deref(),
            partition_key_base64: None,
            explicit_hash_key: record.explicit_hash_key.as_deref(),
            data: self.data(&record.data),
            aggregated: false,
            sub_sequence_number: None,
            sequence_number: record.sequence_number.as_deref(),
            dropped: false,
        }
    }

    fn data<'a>(&self, data: &'a [u8]) -> Data<'a> {
        Data::of(data, self.text)
    }
}

impl<'a> Data<'a> {
    /// As text if that is wanted and there are no control characters in it.
    pub(crate) fn of(data: &'a [u8], as_text: bool) -> Self {
        match str::from_utf8(data) {
            Ok(text) if as_text && !text.contains(char::is_control) => Self::Text(text),
            _ => Self::Base64(STANDARD.encode(data)),
        }
    }
}

/// Which member of which record.
struct Place {
    /// The number of the record in the list of its document, if it has one.
    list: Option<usize>,
    number: usize,
    of: usize,
}

impl core::fmt::Display for Place {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if let Some(list) = self.list {
            write!(f, "record {list} of the list, ")?;
        }
        write!(f, "member {} of {}", self.number, self.of)
    }
}
