use core::net::IpAddr;
use core::str::FromStr;
use core::time::Duration;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use headwaters::wire::StreamName;
use humantime::parse_duration;

use super::size;

pub(super) const EXAMPLES: &str = "\
Examples:
  headwaters serve
  headwaters serve --stream orders:4 --faults plan.toml
  headwaters serve --port 0 --limits off --state kinesis.json
  curl -T plan.toml http://127.0.0.1:4567/_headwaters/faults
  curl http://127.0.0.1:4567/_headwaters/events";

/// Serve a Kinesis on this machine that fails on command
#[derive(Args, Debug)]
pub(crate) struct ServeArguments {
    /// Have a stream of this name and number of shards, unless --state has
    /// it; may be repeated. Clients make others by CreateStream
    #[arg(long = "stream", value_name = "NAME:SHARDS", verbatim_doc_comment)]
    pub(crate) streams: Vec<NewStream>,

    /// What goes wrong, in TOML; PUT another to /_headwaters/faults
    #[arg(long, value_name = "FILE")]
    pub(crate) faults: Option<PathBuf>,

    /// Whether shards throttle as the service's do: on or off
    #[arg(long, value_name = "WHETHER", default_value = "on", hide_possible_values = true)]
    pub(crate) limits: Switch,

    /// How long it takes to make, change or delete a stream
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_duration)]
    pub(crate) change_time: Duration,

    /// Keep records so long ...
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = parse_duration)]
    pub(crate) keep_for: Duration,

    /// ... and so many bytes of them per stream, the latest
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = size)]
    pub(crate) keep: usize,

    /// Keep all in this file, from one run to the next; a crash loses what
    /// came in the last ten seconds
    #[arg(long, value_name = "FILE", verbatim_doc_comment)]
    pub(crate) state: Option<PathBuf>,

    /// Take only requests that are signed with AWS_ACCESS_KEY_ID and
    /// AWS_SECRET_ACCESS_KEY of the environment
    #[arg(long, verbatim_doc_comment)]
    pub(crate) check_signatures: bool,

    /// The port; 0 is a free one
    #[arg(long, value_name = "PORT", default_value = "4567", help_heading = "Network")]
    pub(crate) port: u16,

    /// The address
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1", help_heading = "Network")]
    pub(crate) listen: IpAddr,

    /// Allow --listen to be an address that other machines can reach: whoever
    /// does can read and write everything
    #[arg(long, help_heading = "Network", verbatim_doc_comment)]
    pub(crate) allow_remote: bool,

    /// Speak TLS with a new certificate for localhost, and write that here for
    /// clients to trust (put --ca-bundle FILE, AWS_CA_BUNDLE)
    #[arg(long, value_name = "FILE", help_heading = "Network", verbatim_doc_comment)]
    pub(crate) tls: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

/// A stream to begin with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct NewStream {
    pub(crate) name: StreamName,
    pub(crate) shards: u32,
}

impl FromStr for NewStream {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORM: &str = "a stream is NAME:SHARDS, such as orders:4";
        let (name, shards) = text.split_once(':').unwrap_or((text, "1"));
        let name = StreamName::new(name).map_err(|error| format!("{error}; {FORM}"))?;
        match shards.parse() {
            Ok(shards @ 1..=10_000) => Ok(Self { name, shards }),
            _ => Err(format!("{shards:?} is no number of shards from 1 to 10000; {FORM}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_has_a_name_and_shards() {
        let stream = "orders:4".parse::<NewStream>().expect("it is one");
        assert_eq!((stream.name.as_str(), stream.shards), ("orders", 4));
        assert_eq!("orders".parse::<NewStream>().map(|stream| stream.shards), Ok(1));
        for wrong in
            ["", ":4", "no way:4", "orders:", "orders:0", "orders:10001", "orders:-1", "a:1:2"]
        {
            let error = wrong.parse::<NewStream>().expect_err(wrong);
            assert!(error.ends_with("such as orders:4"), "{wrong}: {error}");
        }
    }
}
