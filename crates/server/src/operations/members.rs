//! Members that many requests have: parsed once, with the service's words for what is wrong.

use core::num::NonZeroU32;
use core::time::Duration;

use headwaters_wire::limits::STREAM_NAME_CHARS_MAX;
use headwaters_wire::{HashKey, HashKeyError, StreamArn, StreamName, StreamNameError};

use super::Call;
use crate::codec::{Fields, Protocol};
use crate::error::ServiceError;

/// The stream: by its ARN if there is one, else by its name. Region and account of an ARN are left alone.
pub(super) fn stream(fields: &Fields<'_>) -> Result<StreamName, ServiceError> {
    let Some(arn) = fields.text("StreamARN")? else { return stream_name(fields) };
    let pattern = r"satisfy regular expression pattern: arn:aws.*:kinesis:.*:\d{12}:stream/\S+";
    let wrong = |_| ServiceError::validation("streamARN", &quoted(arn), pattern);
    StreamArn::new(arn).map(|arn| arn.stream_name().clone()).map_err(wrong)
}

/// The stream by its name, for what takes no ARN.
pub(super) fn stream_name(fields: &Fields<'_>) -> Result<StreamName, ServiceError> {
    let name = fields.text("StreamName")?.ok_or_else(|| ServiceError::missing("streamName"))?;
    name_of("streamName", name)
}

pub(super) fn name_of(member: &str, name: &str) -> Result<StreamName, ServiceError> {
    StreamName::new(name).map_err(|error| {
        let rule = match error {
            _ if name.is_empty() => String::from("have length greater than or equal to 1"),
            StreamNameError::Character { .. } => {
                String::from("satisfy regular expression pattern: [a-zA-Z0-9_.-]+")
            }
            _ => format!("have length less than or equal to {STREAM_NAME_CHARS_MAX}"),
        };
        ServiceError::validation(member, &quoted(name), &rule)
    })
}

/// As the service quotes it; not all of what may be a book.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.chars().filter(|c| !c.is_control()).take(256).collect::<String>())
}

/// A text that must be there.
pub(super) fn required<'a>(fields: &'a Fields<'_>, name: &str) -> Result<&'a str, ServiceError> {
    fields.text(name)?.ok_or_else(|| ServiceError::missing(&lower(name)))
}

/// The service's messages begin the names of members with a small letter.
pub(super) fn lower(name: &str) -> String {
    let mut name = name.to_owned();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    name
}

/// A number within bounds.
pub(super) fn bounded(
    fields: &Fields<'_>,
    name: &str,
    min: i64,
    max: i64,
) -> Result<Option<usize>, ServiceError> {
    let Some(value) = fields.integer(name)? else { return Ok(None) };
    let bound = if value < min {
        format!("have value greater than or equal to {min}")
    } else if value > max {
        format!("have value less than or equal to {max}")
    } else {
        return Ok(usize::try_from(value).ok());
    };
    Err(ServiceError::validation(&lower(name), &format!("'{value}'"), &bound))
}

/// A number of shards.
pub(super) fn shard_count(
    fields: &Fields<'_>,
    name: &str,
) -> Result<Option<NonZeroU32>, ServiceError> {
    let count = bounded(fields, name, 1, i32::MAX.into())?;
    Ok(count.and_then(|count| NonZeroU32::new(u32::try_from(count).ok()?)))
}

/// A hash key as the API writes it.
pub(super) fn hash_key(member: &str, text: &str) -> Result<HashKey, ServiceError> {
    let is_short = (1..=39).contains(&text.len());
    let leads = text.len() > 1 && text.starts_with('0');
    match text.parse::<HashKey>() {
        Ok(key) if is_short && !leads => Ok(key),
        Err(HashKeyError::TooLarge) if is_short && !leads => Err(ServiceError::argument(format!(
            "Invalid {member}. {member} must be in the range: [0, 2^128-1]. Specified value was {text}"
        ))),
        _ => {
            let rule = r"satisfy regular expression pattern: 0|([1-9]\d{0,38})";
            Err(ServiceError::validation(&lower(member), &quoted(text), rule))
        }
    }
}

/// A time since the beginning of 1970: seconds in JSON, milliseconds in CBOR.
pub(super) fn time(
    fields: &Fields<'_>,
    name: &str,
    call: &Call<'_>,
) -> Result<Option<Duration>, ServiceError> {
    let Some(number) = fields.number(name)? else { return Ok(None) };
    let seconds = match call.protocol {
        Protocol::Cbor => number / 1_000.0,
        Protocol::Json => number,
    };
    let time = Duration::try_from_secs_f64(seconds).ok();
    let time =
        time.ok_or_else(|| ServiceError::argument(format!("{name} is out of its range.")))?;
    // Times have milliseconds; what a floating-point number adds is dropped.
    Ok(Some(Duration::from_millis((time.as_secs_f64() * 1_000.0).round() as u64)))
}
