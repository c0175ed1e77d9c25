use core::num::NonZeroU32;
use core::str::FromStr;
use core::time::Duration;

use clap::{Args, ValueEnum};

use super::size;
use crate::generate::Template;

pub(super) const EXAMPLES: &str = "\
Examples:
  headwaters gen --records 5
  headwaters gen --rate 500 --for 1m | headwaters put orders --key-field .key
  headwaters gen --keys 1000 --skew 1.1 --size 200..2000 --seed 7 --records 100000
  headwaters gen --template '{now} {choice:GET|PUT} /item/{int:1..999} {uuid}'
  headwaters gen --output records --template '{text:900}' | headwaters put orders --input records";

/// Print made-up records, to be piped into put
#[derive(Args, Debug)]
pub(crate) struct GenArguments {
    /// What a record says. Fields: {seq} its number from 1, {key}, {uuid}, {now}
    /// the time, {now_ms}, {int:1..6} a number, {float:0..1}, {choice:a|b},
    /// {text:20} so many letters, {pad} as many as --size needs
    /// [default: JSON with seq, key, at, amount and pad]
    #[arg(long, value_name = "TEXT", default_value = DEFAULT, hide_default_value = true)]
    #[arg(verbatim_doc_comment)]
    pub(crate) template: Template,

    /// End after so many records [default: no end]
    #[arg(long, short = 'n', value_name = "N")]
    pub(crate) records: Option<u64>,

    /// End after this time
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) time: Option<Duration>,

    /// So many records a second [default: as fast as they are taken]
    #[arg(long, value_name = "N", value_parser = rate)]
    pub(crate) rate: Option<f64>,

    /// So many different keys: key-1, key-2, ...
    #[arg(long, value_name = "N", default_value = "100", value_parser = keys)]
    pub(crate) keys: NonZeroU32,

    /// How much more often the first keys come than the last (Zipf): 0 not
    /// at all, 1 the first twice as often as the second, and so on
    #[arg(long, value_name = "S", default_value = "0", value_parser = skew, verbatim_doc_comment)]
    pub(crate) skew: f64,

    /// How long a record is, by {pad}: 1KiB, or 200..2000 for any length between
    #[arg(long, value_name = "SIZE")]
    pub(crate) size: Option<Sizes>,

    /// Let the same number make the same records again, but for {now}
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,

    /// How they are printed
    #[arg(long, value_name = "FORM", default_value = "lines")]
    pub(crate) output: GenForm,
}

const DEFAULT: &str =
    r#"{"seq":{seq},"key":"{key}","at":"{now}","amount":{int:1..999},"pad":"{pad}"}"#;

/// Most keys: their weights are held in memory.
const KEYS_MAX: u32 = 1_000_000;

/// How records are printed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum GenForm {
    /// What the template says, one line each.
    Lines,
    /// With their keys, for `put --input records`.
    Records,
}

/// How long records are, in bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Sizes {
    pub(crate) max: usize,
    pub(crate) min: usize,
}

impl FromStr for Sizes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (min, max) = text.split_once("..").unwrap_or((text, text));
        let (min, max) = (size(min)?, size(max)?);
        const MOST: usize = 10 << 20;
        match min <= max && max <= MOST {
            true => Ok(Self { max, min }),
            false => Err(String::from("a range is from less to more, and not above 10MiB")),
        }
    }
}

fn rate(text: &str) -> Result<f64, &'static str> {
    let rate = text.parse().ok().filter(|rate: &f64| (0.001..=1e9).contains(rate));
    rate.ok_or("it is a number of records a second from 0.001 to 1000000000")
}

fn skew(text: &str) -> Result<f64, &'static str> {
    let skew = text.parse().ok().filter(|skew: &f64| (0.0..=10.0).contains(skew));
    skew.ok_or("it is a number from 0 to 10")
}

fn keys(text: &str) -> Result<NonZeroU32, String> {
    let keys = text.parse().ok().filter(|keys: &NonZeroU32| keys.get() <= KEYS_MAX);
    keys.ok_or_else(|| format!("it is a number from 1 to {KEYS_MAX}"))
}
