//! Who takes part.

/// What is compared with each other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Heat {
    /// One call of PutRecords after the other, with 500 entries each.
    Requests,
    /// Records go in, and it is waited until all are stored: each is a Kinesis record.
    Plain,
    /// The same, packed in the format of the KPL.
    Aggregated,
}

impl Heat {
    pub(crate) const ALL: [Self; 3] = [Self::Requests, Self::Plain, Self::Aggregated];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Plain => "plain",
            Self::Aggregated => "aggregated",
        }
    }

    /// With whom the others of the heat are compared.
    pub(crate) const fn base(self) -> &'static str {
        match self {
            Self::Requests => "http-json",
            Self::Plain => "producer-http-json",
            Self::Aggregated => "aggregated-http-json",
        }
    }
}

/// What it takes to take part.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Needs {
    Nothing,
    /// The packages that `benches/race/install` installs.
    Python,
    /// The feature `sdk`.
    Sdk,
}

/// A contestant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arm {
    pub(crate) heat: Heat,
    pub(crate) id: &'static str,
    /// Whether it is Headwaters.
    pub(crate) is_ours: bool,
    pub(crate) name: &'static str,
    pub(crate) needs: Needs,
}

const fn ours(heat: Heat, id: &'static str, name: &'static str) -> Arm {
    Arm { heat, id, is_ours: true, name, needs: Nothing }
}

const fn ours_over_sdk(heat: Heat, id: &'static str, name: &'static str) -> Arm {
    Arm { heat, id, is_ours: true, name, needs: Sdk }
}

const fn other(heat: Heat, needs: Needs, id: &'static str, name: &'static str) -> Arm {
    Arm { heat, id, is_ours: false, name, needs }
}

use Heat::{Aggregated, Plain, Requests};
use Needs::{Nothing, Python, Sdk};

pub(crate) const ARMS: [Arm; 19] = [
    other(Requests, Nothing, "floor-json", "SHA-256 of the body + blocking TLS socket, JSON"),
    other(Requests, Nothing, "floor-cbor", "SHA-256 of the body + blocking TLS socket, CBOR"),
    ours(Requests, "http-json", "Headwaters' transport over HTTP, JSON"),
    ours(Requests, "http-cbor", "Headwaters' transport over HTTP, CBOR"),
    ours_over_sdk(Requests, "aws", "Headwaters' transport over the AWS SDK"),
    other(Requests, Sdk, "sdk", "a loop around aws-sdk-kinesis"),
    other(Requests, Python, "boto3", "a loop around boto3"),
    ours(Plain, "producer-http-json", "Headwaters over HTTP, JSON, put_all"),
    ours(Plain, "producer-http-cbor", "Headwaters over HTTP, CBOR, put_all"),
    ours(Plain, "tickets-http-json", "Headwaters over HTTP, JSON, a ticket for each"),
    ours_over_sdk(Plain, "producer-aws", "Headwaters over the AWS SDK, put_all"),
    other(Plain, Python, "async-kinesis", "async-kinesis"),
    ours(Aggregated, "aggregated-http-json", "Headwaters over HTTP, JSON, put_all"),
    ours(Aggregated, "aggregated-http-cbor", "Headwaters over HTTP, CBOR, put_all"),
    ours(
        Aggregated,
        "aggregated-tickets-http-json",
        "Headwaters over HTTP, JSON, a ticket for each",
    ),
    ours_over_sdk(Aggregated, "aggregated-aws", "Headwaters over the AWS SDK, put_all"),
    other(Aggregated, Python, "agg-boto3", "aws-kinesis-agg + boto3"),
    other(Aggregated, Python, "async-kinesis-kpl", "async-kinesis with aws-kinesis-agg"),
    other(
        Aggregated,
        Nothing,
        "floor-aggregated",
        "SHA-256 of the body + blocking TLS socket, JSON",
    ),
];
