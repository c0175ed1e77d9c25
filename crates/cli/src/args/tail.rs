use core::str::FromStr;
use core::time::Duration;
use std::time::SystemTime;

use clap::error::ErrorKind;
use clap::{Args, ValueEnum};

use super::refusal;
use super::service::{ServiceArguments, StreamArgument};

pub(super) const EXAMPLES: &str = "\
Examples:
  headwaters tail orders
  headwaters tail orders --from trim-horizon --limit 10
  headwaters tail orders --from '2026-11-22 11:30:00' --no-follow --output json
  headwaters tail orders --from 10m --output raw | grep apples";

/// Print the records of a stream as they come, aggregates taken apart
#[derive(Args, Debug)]
pub(crate) struct TailArguments {
    /// The stream: its name or its ARN
    #[arg(value_name = "STREAM")]
    pub(crate) stream: StreamArgument,

    /// Where to begin: latest, trim-horizon, a time (UTC, as
    /// 2026-11-22T11:30:00Z or in seconds since 1970), so long ago (10m), or a
    /// sequence number, which needs --shard
    #[arg(long, value_name = "WHERE", default_value = "latest", verbatim_doc_comment)]
    pub(crate) from: From,

    /// End after so many records
    #[arg(long, short = 'n', value_name = "N")]
    pub(crate) limit: Option<u64>,

    /// End when all that is there has been read
    #[arg(long)]
    pub(crate) no_follow: bool,

    /// How records are printed; control characters are escaped, except by raw
    /// to a file or pipe
    #[arg(long, value_name = "FORM", default_value = "text", verbatim_doc_comment)]
    pub(crate) output: TailForm,

    /// Read this shard alone, and end where it does
    #[arg(long, value_name = "ID")]
    pub(crate) shard: Option<String>,

    #[command(flatten)]
    pub(crate) service: ServiceArguments,
}

/// How records are printed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum TailForm {
    /// One JSON object per line, which `decode` and `put --input records` read.
    Json,
    /// The data as they are, each followed by a new line.
    Raw,
    /// Time, shard, partition key and data, one line each.
    Text,
}

/// Where reading begins.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum From {
    /// So long before now.
    Ago(Duration),
    /// With what comes from now on.
    Latest,
    /// With the record of this sequence number.
    Number(String),
    /// With what came at that time, in seconds since 1970, or later.
    Time(f64),
    /// With the oldest record there is.
    TrimHorizon,
}

/// Sequence numbers are longer than any time in seconds: the service's have 56 digits.
const NUMBER_CHARS: usize = 20;

impl FromStr for From {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text {
            "latest" => return Ok(Self::Latest),
            "trim-horizon" => return Ok(Self::TrimHorizon),
            _ if digits && text.len() >= NUMBER_CHARS => return Ok(Self::Number(text.to_owned())),
            _ => {}
        }
        let seconds = text.parse().ok().filter(|seconds: &f64| (0.0..1e12).contains(seconds));
        let date = || {
            let time = humantime::parse_rfc3339_weak(text).ok()?;
            Some(time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs_f64())
        };
        if let Some(seconds) = seconds.or_else(date) {
            return Ok(Self::Time(seconds));
        }
        humantime::parse_duration(text).map(Self::Ago).map_err(|_| {
            String::from(
                "it is latest, trim-horizon, a time such as 2026-11-22T11:30:00Z, a duration such as 10m, or a \
                 sequence number",
            )
        })
    }
}

impl TailArguments {
    pub(super) fn check(&self) -> Result<(), clap::Error> {
        if matches!(self.from, From::Number(_)) && self.shard.is_none() {
            let text = "a sequence number is one of a shard: name it with --shard ID";
            return Err(refusal("tail", ErrorKind::MissingRequiredArgument, text));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_is_a_word_a_time_or_a_number() {
        let parse = |text: &str| text.parse::<From>();
        assert_eq!(parse("latest"), Ok(From::Latest));
        assert_eq!(parse("trim-horizon"), Ok(From::TrimHorizon));
        assert_eq!(parse("1763812345.5"), Ok(From::Time(1_763_812_345.5)));
        assert_eq!(parse("1970-01-02T00:00:00Z"), Ok(From::Time(86_400.0)));
        assert_eq!(parse("1970-01-02 00:00:01"), Ok(From::Time(86_401.0)));
        assert_eq!(parse("10m"), Ok(From::Ago(Duration::from_secs(600))));
        let number = "49590338271490256608559692538361571095921575989136588898";
        assert_eq!(parse(number), Ok(From::Number(number.into())));
        for wrong in ["", "LATEST", "-1", "inf", "nan", "tomorrow"] {
            assert!(parse(wrong).is_err_and(|error| error.contains("trim-horizon")), "{wrong}");
        }
    }
}
