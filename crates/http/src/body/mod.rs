//! What a request says, written into a buffer that is used again.

mod buffers;
mod cbor;
mod json;

pub(crate) use buffers::Buffers;

use headwaters_wire::{Entry, NextToken, StreamArn, StreamName};

/// How requests and answers are written.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the two that servers of Kinesis speak")]
pub enum Protocol {
    /// CBOR 1.1: payloads go as they are. The service's own SDK for Java speaks it, as do the KPL and some
    /// other servers; the service's documents do not mention it.
    Cbor,
    /// JSON 1.1, the protocol in the service's documents. Payloads are base64, a third larger.
    #[default]
    Json,
}

/// How a request names the stream.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stream<'a> {
    Arn(&'a StreamArn),
    Name(&'a StreamName),
}

impl Stream<'_> {
    /// The member of the request, and its value.
    fn member(&self) -> (&'static str, &str) {
        match self {
            Self::Arn(arn) => ("StreamARN", arn.as_str()),
            Self::Name(name) => ("StreamName", name.as_str()),
        }
    }
}

/// How many shards a page of a listing may have. Source: the KPL.
const SHARDS_PER_PAGE: u32 = 1_000;

/// Only the shards that are open now.
const OPEN_SHARDS: &str = "AT_LATEST";

impl Protocol {
    /// Appends a PutRecords request.
    pub(crate) fn put_records(self, body: &mut Vec<u8>, stream: Stream<'_>, entries: &[Entry]) {
        match self {
            Self::Cbor => cbor::put_records(body, stream, entries),
            Self::Json => json::put_records(body, stream, entries),
        }
    }

    /// Appends a ListShards request: by the token alone, if there is one.
    pub(crate) fn list_shards(
        self,
        body: &mut Vec<u8>,
        stream: Stream<'_>,
        next_token: Option<&NextToken>,
    ) {
        match self {
            Self::Cbor => cbor::list_shards(body, stream, next_token),
            Self::Json => json::list_shards(body, stream, next_token),
        }
    }

    /// How something of this type is written, if it is one of the two.
    pub(crate) fn of(content_type: &str) -> Option<Self> {
        let kind = content_type.split(';').next()?.trim().to_ascii_lowercase();
        if kind.contains("cbor") {
            Some(Self::Cbor)
        } else if kind.contains("json") {
            Some(Self::Json)
        } else {
            None
        }
    }

    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Cbor => "application/x-amz-cbor-1.1",
            Self::Json => "application/x-amz-json-1.1",
        }
    }
}
