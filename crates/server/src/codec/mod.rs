//! How requests are read and answers are written: JSON 1.1 and CBOR 1.1.

mod cbor;
mod json;
mod value;
mod writer;

pub(crate) use value::{Fields, Value};
pub(crate) use writer::Writer;

use crate::error::ServiceError;

/// How deep lists and objects may lie in each other.
const DEPTH_MAX: usize = 64;

/// How a request is written, and its answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Protocol {
    /// Blobs are byte strings, and times are whole milliseconds with tag 1, as the service writes them.
    Cbor,
    /// Blobs are base64, and times are seconds with a point.
    Json,
}

impl Protocol {
    /// What a request of this type is written in; `None` if it is neither.
    pub(crate) fn of(content_type: &str) -> Option<Self> {
        match content_type.split(';').next()?.trim() {
            "application/x-amz-cbor-1.1" => Some(Self::Cbor),
            "application/x-amz-json-1.1" | "application/json" => Some(Self::Json),
            _ => None,
        }
    }

    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Cbor => "application/x-amz-cbor-1.1",
            Self::Json => "application/x-amz-json-1.1",
        }
    }

    /// The members of a request. One without a body has none.
    pub(crate) fn read(self, body: &[u8]) -> Result<Fields<'_>, ServiceError> {
        let value = match self {
            _ if body.is_empty() => Some(Value::Object(Fields::default())),
            Self::Cbor => cbor::read(body),
            Self::Json => json::read(body),
        };
        match value {
            Some(Value::Object(fields)) => Ok(fields),
            _ => Err(ServiceError::serialization(String::new())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever comes is read or refused.
    #[test]
    fn a_request_with_any_wrong_byte_does_no_harm() {
        let json =
            br#"{"Records":[{"Data":"AA==","PartitionKey":"\u00e9\n"}],"Limit":-1.5e3,"X":null}"#;
        let cbor = b"\xa2\x67Records\x81\xbf\x64Data\x5f\x41\x00\xff\x61k\xf9\x3e\x00\xff\x65Limit\x1a\x00\x01\x02\x03";
        for (protocol, right) in [(Protocol::Json, &json[..]), (Protocol::Cbor, &cbor[..])] {
            assert!(protocol.read(right).is_ok());
            for at in 0..right.len() {
                let mut wrong = right.to_vec();
                for byte in 0..=255 {
                    wrong[at] = byte;
                    let _ = protocol.read(&wrong);
                }
                assert!(at == 0 || protocol.read(&right[..at]).is_err(), "{protocol:?} up to {at}");
            }
        }
    }
}
