use core::net::{Ipv4Addr, SocketAddr};
use core::str::FromStr;
use core::time::Duration;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{ArgAction, Args, ValueEnum};
use headwaters::wire::{PartitionKey, PartitionKeyError, StreamName};
use headwaters::{RateLimit, RetryPolicy};

use super::dry_run::DryRunArguments;
use super::pace::Rate;
use super::service::{ServiceArguments, StreamArgument};
use super::{refusal, size};
use crate::input::{Column, Format, JsonPath, Key, STDIN};
use crate::shards::Shards;

/// Of `-h`, which is to fit a screen.
pub(super) const FIRST_EXAMPLES: &str = "\
Examples:
  headwaters put orders --local orders.jsonl --key-field .customer.id
  headwaters put orders --region eu-central-1 --resume orders.state orders.jsonl --key-field .id
  tail -f app.log | headwaters put logs --local --acks -";

pub(super) const EXAMPLES: &str = "\
Examples:
  headwaters put orders --local orders.jsonl --key-field .customer.id
  headwaters put orders --region eu-central-1 orders.jsonl --key-field .id
  headwaters put orders --endpoint-url http://localhost:4567 --linger 1s orders.txt
  headwaters put orders --local=64 --deadline 10m --failed failed.jsonl orders.csv --key-column id
  headwaters put orders --local --input records failed.jsonl
  headwaters put orders --region eu-central-1 --resume orders.state orders.jsonl
  headwaters put orders --dry-run --shards 8 orders.jsonl --key-field .id
  tail -f app.log | headwaters put logs --local --acks -";

/// Put the records of files, or of the standard input, into a stream
#[derive(Args, Debug)]
pub(crate) struct PutArguments {
    /// The stream: its name or its ARN
    #[arg(value_name = "STREAM")]
    pub(crate) stream: StreamArgument,

    /// Input files; none or `-` is the standard input. What is gzip is unpacked
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// Its form
    ///
    /// [default: jsonl with --key-field or --hash-key-field, csv with
    /// --key-column, else by the extension .jsonl, .ndjson or .csv (and .gz), else lines]
    #[arg(long, value_name = "FORMAT", help_heading = "Input", verbatim_doc_comment)]
    pub(crate) input: Option<Format>,

    /// The first row of CSV is a record too
    #[arg(long, help_heading = "Input", hide_short_help = true)]
    pub(crate) no_header: bool,

    /// The same partition key for all records
    ///
    /// [default without any key: a random one for each record]
    #[arg(long, value_name = "KEY", value_parser = partition_key, help_heading = "Keys")]
    #[arg(conflicts_with_all = ["key_column", "key_field"], verbatim_doc_comment)]
    pub(crate) key: Option<PartitionKey>,

    /// The partition key is this column of CSV: its name, or its number from 1
    #[arg(long, value_name = "COLUMN", help_heading = "Keys")]
    #[arg(conflicts_with_all = ["hash_key_field", "key_field"])]
    pub(crate) key_column: Option<Column>,

    /// The partition key is this field of the JSON: .a.b
    #[arg(long, value_name = "PATH", help_heading = "Keys")]
    pub(crate) key_field: Option<JsonPath>,

    /// The explicit hash key is this field of the JSON: a decimal number
    #[arg(long, value_name = "PATH", help_heading = "Keys", hide_short_help = true)]
    pub(crate) hash_key_field: Option<JsonPath>,

    /// Put into a stream inside this command, and compare
    ///
    /// It has the limits of the service, is compared with the input in the end, and is gone then. Its name is
    /// STREAM, unless NAME is given [default without a number: 4 shards]
    #[arg(long, value_name = "[NAME:]SHARDS", default_missing_value = "4", num_args = 0..=1)]
    #[arg(require_equals = true, help_heading = "Delivery", verbatim_doc_comment)]
    #[arg(conflicts_with_all = ["endpoint_url", "allow_plain_http", "region", "profile", "ca_bundle"])]
    pub(crate) local: Option<Local>,

    /// End in this time, whatever is left then: 90s, "14m 30s"
    #[arg(long, value_name = "DURATION", value_parser = duration, help_heading = "Delivery")]
    pub(crate) deadline: Option<Duration>,

    /// How fast the input is read: records a second, or bytes: 2MiB/s
    #[arg(long, value_name = "N[/s]", help_heading = "Delivery")]
    pub(crate) rate: Option<Rate>,

    /// Store the records of one partition key in the order of the input
    #[arg(long, help_heading = "Delivery")]
    pub(crate) ordered: bool,

    /// How long a record waits for others to go with it [default: 100ms]
    #[arg(long, value_name = "DURATION", value_parser = duration, help_heading = "Delivery")]
    pub(crate) linger: Option<Duration>,

    /// Pack records into aggregates as the KPL does [default: true]
    ///
    /// For consumers that can unpack them; without, a Kinesis record for each record
    #[arg(long, value_name = "true|false")]
    #[arg(default_missing_value = "true", num_args = 0..=1, require_equals = true)]
    #[arg(action = ArgAction::Set, help_heading = "Delivery", hide_possible_values = true)]
    #[arg(verbatim_doc_comment)]
    pub(crate) aggregate: Option<bool>,

    /// Largest data of an aggregate: bytes, KiB or MiB [default: 51200]
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "Delivery")]
    #[arg(hide_short_help = true)]
    pub(crate) aggregation_max_size: Option<usize>,

    /// How fast each shard is fed, in percent of what it takes (1,000 Kinesis
    /// records and 1 MiB a second); leave room to others with less [default: 150]
    #[arg(long, value_name = "PERCENT|off", help_heading = "Delivery")]
    #[arg(value_parser = rate_limit, verbatim_doc_comment, hide_short_help = true)]
    pub(crate) rate_limit: Option<RateLimit>,

    /// A record that a shard throttles is not sent again
    #[arg(long, help_heading = "Delivery", hide_short_help = true)]
    pub(crate) fail_if_throttled: bool,

    /// When failed records are sent again [default: kpl]
    #[arg(long, value_name = "POLICY", help_heading = "Delivery", hide_short_help = true)]
    pub(crate) retry: Option<Retry>,

    /// How long a record may be tried [default: never]
    #[arg(long, value_name = "DURATION|never", help_heading = "Delivery", hide_short_help = true)]
    pub(crate) ttl: Option<TimeToLive>,

    /// How much may be held for delivery: bytes, KiB, MiB or GiB [default: 64MiB]
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "Delivery")]
    #[arg(hide_short_help = true)]
    pub(crate) max_bytes: Option<usize>,

    /// Settings in TOML, for what is neither given here nor by a variable of
    /// the environment: HEADWATERS_ and the name in capitals
    #[arg(long, value_name = "FILE", help_heading = "Delivery", verbatim_doc_comment)]
    #[arg(hide_short_help = true)]
    pub(crate) config: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) service: ServiceArguments,

    #[command(flatten)]
    pub(crate) dry_run: DryRunArguments,

    /// Write a JSON line for each record: where it was, outcome, attempts
    ///
    /// In the order of the input, with shard and sequence number. `-` is the standard output; the summary goes to
    /// standard error then
    #[arg(long, value_name = "FILE", help_heading = "Reports", verbatim_doc_comment)]
    pub(crate) acks: Option<PathBuf>,

    /// Write each record that is not stored for certain
    ///
    /// `--input records` puts them again
    #[arg(long, value_name = "FILE", help_heading = "Reports", verbatim_doc_comment)]
    pub(crate) failed: Option<PathBuf>,

    /// Keep in this file what is stored; if it is there, go on behind that
    ///
    /// The input must be files. What was on its way in a crash is put again
    #[arg(long, value_name = "STATE", help_heading = "Reports", verbatim_doc_comment)]
    #[arg(conflicts_with = "local")]
    pub(crate) resume: Option<PathBuf>,

    /// Tell figures to Prometheus while it lasts, at http://ADDR/metrics: a port
    /// of 127.0.0.1, or ADDRESS:PORT; port 0 is a free one, which is told
    #[arg(long, value_name = "ADDR", value_parser = address, help_heading = "Reports")]
    #[arg(verbatim_doc_comment, hide_short_help = true)]
    pub(crate) prometheus: Option<SocketAddr>,

    /// Record what the producer is told and what it does, for `headwaters sim
    /// trace`: sizes and times, no data and no keys, at most 256 MiB
    #[arg(long, value_name = "FILE", help_heading = "Reports", verbatim_doc_comment)]
    #[arg(hide_short_help = true)]
    pub(crate) trace: Option<PathBuf>,

    /// Another size at which --trace, or what --report is made of, ends
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "Reports")]
    #[arg(hide_short_help = true)]
    pub(crate) trace_limit: Option<usize>,

    /// Write a page of HTML about the load, with pictures
    ///
    /// What each shard was sent and throttled, what limiters allowed, what went wrong when, how long records took
    #[arg(long, value_name = "FILE", help_heading = "Reports", verbatim_doc_comment)]
    pub(crate) report: Option<PathBuf>,

    /// The form of the summary
    #[arg(long, value_name = "FORM", default_value = "text", help_heading = "Reports")]
    pub(crate) output: Output,

    /// Whether to show progress on standard error
    #[arg(long, value_name = "WHEN", default_value = "auto", help_heading = "Reports")]
    #[arg(hide_short_help = true)]
    pub(crate) progress: ProgressWhen,

    /// Look at the load on the terminal
    ///
    /// Shards in the last minute, latency, retries, throttles, what is held, top keys. Ctrl-C or q stops the load
    #[arg(long, help_heading = "Reports", verbatim_doc_comment)]
    #[arg(conflicts_with_all = ["progress", "quiet"])]
    pub(crate) dashboard: bool,

    /// Nothing but errors on standard error
    #[arg(short, long, help_heading = "Reports", hide_short_help = true)]
    pub(crate) quiet: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Retry {
    /// After a random time, up to 100 ms at first and 5 s in the end
    Exponential,
    /// Soon, until --ttl ends
    Kpl,
    /// After 100 ms times the number of attempts; 10 attempts
    Linear,
}

impl Retry {
    pub(crate) fn policy(self) -> RetryPolicy {
        match self {
            Self::Exponential => RetryPolicy::default(),
            Self::Kpl => RetryPolicy::Kpl,
            Self::Linear => {
                RetryPolicy::Linear { max_attempts: 10, step: Duration::from_millis(100) }
            }
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Output {
    /// One object, and nothing else on the standard output
    Json,
    /// For people
    Text,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum ProgressWhen {
    /// Where there is no terminal, a line each second
    Always,
    /// On a terminal
    Auto,
    /// Not at all
    Never,
}

/// `None` is never.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct TimeToLive(pub(crate) Option<Duration>);

impl FromStr for TimeToLive {
    type Err = humantime::DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "never" {
            return Ok(Self(None));
        }
        humantime::parse_duration(text).map(|ttl| Self(Some(ttl)))
    }
}

/// The stream within the command.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Local {
    /// Its name, if it is not the one that the records go to.
    pub(crate) name: Option<StreamName>,
    pub(crate) shards: Shards,
}

impl FromStr for Local {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, shards) = match text.rsplit_once(':') {
            Some((name, shards)) => {
                (Some(StreamName::new(name).map_err(|error| error.to_string())?), shards)
            }
            None => (None, text),
        };
        Ok(Self { name, shards: shards.parse()? })
    }
}

pub(super) fn partition_key(text: &str) -> Result<PartitionKey, PartitionKeyError> {
    PartitionKey::new(text)
}

fn rate_limit(text: &str) -> Result<RateLimit, String> {
    if text == "off" {
        return Ok(RateLimit::Off);
    }
    let percent = text.strip_suffix('%').unwrap_or(text).parse();
    let percent = percent.map_err(|_| String::from("it is a number of percent, or off"))?;
    Ok(RateLimit::Fixed { percent })
}

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    let port = text.parse().map(|port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    port.or_else(|_| text.parse()).map_err(|_| "it is a port, or ADDRESS:PORT")
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if duration.is_zero() {
        return Err(String::from("it must be longer than nothing"));
    }
    Ok(duration)
}

impl PutArguments {
    /// Looks at what no single argument can tell.
    pub(crate) fn check(&self) -> Result<(), clap::Error> {
        let conflict = |text: &str| Err(refusal("put", ErrorKind::ArgumentConflict, text));
        self.check_resume()?;
        if self.failed.as_deref() == Some(Path::new(STDIN)) {
            return conflict("--failed needs a file: what fails must outlive the command");
        }
        if self.acks_on_stdout() && self.output == Output::Json {
            return conflict("--acks - and --output json both want the standard output");
        }
        if self.aggregate == Some(false) && self.aggregation_max_size.is_some() {
            return conflict("--aggregation-max-size is for aggregates, and there are none");
        }
        let formats: Vec<Format> = match self.files[..] {
            [] => vec![self.format_of(Path::new(STDIN))],
            _ => self.files.iter().map(|file| self.format_of(file)).collect(),
        };
        let csv = formats.contains(&Format::Csv);
        if self.no_header && !csv {
            return conflict("--no-header is for CSV input");
        }
        if self.no_header && self.key_column.as_ref().is_some_and(|key| key.number().is_none()) {
            return conflict("with --no-header, --key-column is a number from 1");
        }
        if self.key_column.is_some() && formats.iter().any(|&format| format != Format::Csv) {
            return conflict("--key-column is for CSV input");
        }
        if csv && (self.key_field.is_some() || self.hash_key_field.is_some()) {
            return conflict(
                "--key-field and --hash-key-field are not for CSV input; see --key-column",
            );
        }
        if formats.contains(&Format::Records) && self.has_keys() {
            return conflict("--input records brings its own keys");
        }
        Ok(())
    }

    fn check_resume(&self) -> Result<(), clap::Error> {
        let conflict = |text: &str| Err(refusal("put", ErrorKind::ArgumentConflict, text));
        let Some(state) = &self.resume else { return Ok(()) };
        if self.files.is_empty() || self.files.iter().any(|file| file == Path::new(STDIN)) {
            return conflict(
                "--resume is for files, which can be read again: the standard input cannot",
            );
        }
        if [&self.acks, &self.failed].into_iter().flatten().any(|other| other == state) {
            return conflict("--resume needs a file of its own");
        }
        Ok(())
    }

    /// How to read this file.
    pub(crate) fn format_of(&self, file: &Path) -> Format {
        if let Some(format) = self.input {
            return format;
        }
        if self.key_field.is_some() || self.hash_key_field.is_some() {
            return Format::Jsonl;
        }
        if self.key_column.is_some() {
            return Format::Csv;
        }
        let extension = |file: &Path| Some(file.extension()?.to_str()?.to_ascii_lowercase());
        // What is packed has its own behind it.
        let packed = extension(file).as_deref() == Some("gz");
        let file = if packed { &file.with_extension("") } else { file };
        match extension(file).as_deref() {
            Some("csv") => Format::Csv,
            Some("jsonl" | "ndjson") => Format::Jsonl,
            _ => Format::Lines,
        }
    }

    /// Where the partition keys come from.
    pub(crate) fn key(&self) -> Key {
        if let Some(key) = &self.key {
            return Key::Fixed(key.clone());
        }
        if let Some(path) = &self.key_field {
            return Key::Field(path.clone());
        }
        match &self.key_column {
            Some(column) => Key::Column(column.clone()),
            None => Key::Random,
        }
    }

    /// How progress is shown beside a dashboard: not at all.
    pub(crate) const fn progress(&self) -> ProgressWhen {
        if self.dashboard { ProgressWhen::Never } else { self.progress }
    }

    /// Whether the standard output belongs to the acks.
    pub(crate) fn acks_on_stdout(&self) -> bool {
        self.acks.as_deref() == Some(Path::new(STDIN))
    }

    const fn has_keys(&self) -> bool {
        self.key.is_some()
            || self.key_column.is_some()
            || self.key_field.is_some()
            || self.hash_key_field.is_some()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Arguments, Command};

    fn put(words: &str) -> Result<Box<PutArguments>, clap::Error> {
        let words = ["headwaters", "put", "orders"].into_iter().chain(words.split_whitespace());
        let Command::Put(arguments) = Arguments::try_parse_from(words)?.command else {
            unreachable!("the word says so")
        };
        arguments.check()?;
        Ok(arguments)
    }

    fn refusal(words: &str) -> String {
        put(words).expect_err(words).to_string()
    }

    #[test]
    fn the_format_follows_from_the_keys_and_then_from_the_file() {
        let format = |words: &str, file: &str| put(words).expect(words).format_of(Path::new(file));
        assert_eq!(format("--local", "a.JSONL"), Format::Jsonl);
        assert_eq!(format("--local", "a.ndjson"), Format::Jsonl);
        assert_eq!(format("--local", "a.csv"), Format::Csv);
        assert_eq!(format("--local", "a.txt"), Format::Lines);
        assert_eq!(format("--local", "a.csv.GZ"), Format::Csv);
        assert_eq!(format("--local", "a.gz"), Format::Lines);
        assert_eq!(format("--local", "-"), Format::Lines);
        assert_eq!(format("--local --key-field .a", "a.txt"), Format::Jsonl);
        assert_eq!(format("--local --hash-key-field .a", "-"), Format::Jsonl);
        assert_eq!(format("--local --key-column a", "-"), Format::Csv);
        assert_eq!(format("--local --input nul --key-field .a", "a.csv"), Format::Nul);
    }

    #[test]
    fn local_has_shards_and_may_have_a_name() {
        let local = |words: &str| {
            let local = put(words).expect(words).local.expect("given");
            (local.name.map(|name| name.to_string()), local.shards.count().get())
        };
        assert_eq!(local("--local file"), (None, 4));
        assert_eq!(local("--local=64"), (None, 64));
        assert_eq!(local("--local=other:2"), (Some("other".to_owned()), 2));
        for words in ["--local=0", "--local=20001", "--local=x", "--local=a:b:1", "--local=a b:1"] {
            assert!(put(words).is_err(), "{words}");
        }
    }

    #[test]
    fn durations_and_sizes_have_units() {
        let arguments = put("--local --deadline 2m --ttl 1s500ms --max-bytes 2MiB").expect("valid");
        assert_eq!(arguments.deadline, Some(Duration::from_secs(120)));
        assert_eq!(arguments.ttl, Some(TimeToLive(Some(Duration::from_millis(1_500)))));
        assert_eq!(arguments.max_bytes, Some(2 * 1024 * 1024));
        let ttl = |words: &str| put(words).expect(words).ttl;
        assert_eq!((ttl("--local"), ttl("--ttl never")), (None, Some(TimeToLive(None))));
        for words in
            ["--deadline 0s", "--deadline 5", "--ttl soon", "--max-bytes 1x", "--max-bytes -1"]
        {
            assert!(put(&format!("--local {words}")).is_err(), "{words}");
        }
    }

    #[test]
    fn records_are_packed_unless_that_is_false() {
        let packs = |words: &str| put(words).expect(words).aggregate;
        assert_eq!(packs("--local"), None);
        assert_eq!(packs("--local --aggregate"), Some(true));
        assert_eq!(packs("--local --aggregate=true"), Some(true));
        assert_eq!(packs("--local --aggregate=false"), Some(false));
        // A word behind it is a file.
        assert_eq!(
            put("--local --aggregate false").expect("a file").files,
            [PathBuf::from("false")]
        );
    }

    #[test]
    fn a_rate_limit_is_in_percent_or_off() {
        let rate_limit = |words: &str| put(words).ok().and_then(|arguments| arguments.rate_limit);
        assert_eq!(rate_limit("--local --rate-limit 80"), Some(RateLimit::Fixed { percent: 80 }));
        assert_eq!(rate_limit("--local --rate-limit 80%"), Some(RateLimit::Fixed { percent: 80 }));
        assert_eq!(rate_limit("--local --rate-limit off"), Some(RateLimit::Off));
        for words in ["--rate-limit -1", "--rate-limit half", "--rate-limit 1.5"] {
            assert!(put(&format!("--local {words}")).is_err(), "{words}");
        }
    }

    #[test]
    fn figures_are_told_on_this_machine_unless_another_address_is_given() {
        let address = |words: &str| {
            let arguments = put(words).expect(words);
            arguments.prometheus.map(|address| address.to_string())
        };
        assert_eq!(address("--local --prometheus 9464").as_deref(), Some("127.0.0.1:9464"));
        assert_eq!(address("--local --prometheus 0.0.0.0:1").as_deref(), Some("0.0.0.0:1"));
        assert_eq!(address("--local --prometheus [::1]:1").as_deref(), Some("[::1]:1"));
        for words in ["--prometheus here", "--prometheus 70000", "--prometheus 1.2.3.4"] {
            assert!(put(&format!("--local {words}")).is_err(), "{words}");
        }
    }

    #[test]
    fn what_does_not_go_together_is_refused_with_a_reason() {
        for (words, reason) in [
            ("--local --region eu-central-1", "cannot be used with"),
            ("--region x@y", "label of a host name"),
            ("--endpoint-url http://user@host", "no user"),
            ("--local --acks - --output json", "both want the standard output"),
            ("--local --failed -", "--failed needs a file"),
            ("--local --key a --key-field .a", "cannot be used with"),
            ("--local --key a --key-column b", "cannot be used with"),
            ("--local --key-column a --key-field .b", "cannot be used with"),
            ("--local --key-column a --input lines", "--key-column is for CSV"),
            ("--local --key-field .a --input csv", "not for CSV"),
            ("--local --hash-key-field .a --key-column b", "cannot be used with"),
            ("--local --no-header a.txt", "--no-header is for CSV"),
            ("--local --no-header --key-column a", "is a number from 1"),
            ("--local --input records --key a", "its own keys"),
            ("--local --key-field a..b", "a path names a field"),
            ("--local --input xml", "possible values"),
            ("--local --aggregate=false --aggregation-max-size 64", "is for aggregates"),
            ("--local --rate 0", "a rate is a number of records"),
            ("--shards 4", "required"),
            ("--dry-run --local --shards 4", "cannot be used with"),
            ("--dry-run --local --acks a", "cannot be used with"),
            ("--dry-run --local --price gold=1", "there are the prices"),
            ("--dry-run --local --price gb-in=-1", "a number of USD"),
            ("--resume a", "the standard input cannot"),
            ("--resume a b -", "the standard input cannot"),
            ("--resume a --acks a b", "a file of its own"),
            ("--local --resume a b", "cannot be used with"),
            ("--dry-run --resume a b", "cannot be used with"),
            ("--local --aggregate=perhaps", "invalid value 'perhaps'"),
        ] {
            let error = refusal(words);
            assert!(error.contains(reason), "{words}: {error}");
        }
    }

    #[test]
    fn a_key_that_breaks_the_rules_is_wrong_usage() {
        let words = ["headwaters", "put", "orders", "--local", "--key", ""];
        let error = Arguments::try_parse_from(words).expect_err("an empty key").to_string();
        assert!(error.contains("the partition key is empty"), "{error}");
    }
}
