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

    /// The members of a request.
    pub(crate) fn read(self, body: &[u8]) -> Result<Fields<'_>, ServiceError> {
        let value = match self {
            // Some clients send nothing for a request without members.
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
