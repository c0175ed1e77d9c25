use core::fmt;
use std::borrow::Cow;

use headwaters_model::ACCOUNT;
use headwaters_wire::{AttemptError, StreamName};

/// What the service says when it does not do what it is asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ServiceError {
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: String,
    pub(crate) status: u16,
}

impl ServiceError {
    /// With the status that the service has for the code.
    pub(crate) fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        let code = code.into();
        Self { status: status(&code), code, message: message.into() }
    }

    /// Something in the request is wrong.
    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Self::new("InvalidArgumentException", message)
    }

    pub(crate) fn in_use(message: impl Into<String>) -> Self {
        Self::new("ResourceInUseException", message)
    }

    pub(crate) fn limit(message: impl Into<String>) -> Self {
        Self::new("LimitExceededException", message)
    }

    pub(crate) fn no_such_shard(shard: &str, stream: &StreamName) -> Self {
        let words =
            format!("Could not find shard {shard} in stream {stream} under account {ACCOUNT}.");
        Self::new("ResourceNotFoundException", words)
    }

    pub(crate) fn no_such_stream(stream: &StreamName) -> Self {
        let words = format!("Stream {stream} under account {ACCOUNT} not found.");
        Self::new("ResourceNotFoundException", words)
    }

    /// The body could not be read.
    pub(crate) fn serialization(message: impl Into<String>) -> Self {
        Self::new("SerializationException", message)
    }

    /// A member breaks a rule of the API; `value` is as the service quotes it.
    pub(crate) fn validation(member: &str, value: &str, rule: &str) -> Self {
        let words = format!(
            "1 validation error detected: Value {value} at '{member}' failed to satisfy constraint: Member must {rule}"
        );
        Self::new("ValidationException", words)
    }

    /// A member that must be there is not.
    pub(crate) fn missing(member: &str) -> Self {
        Self::validation(member, "null", "not be null")
    }
}

impl From<AttemptError> for ServiceError {
    fn from(error: AttemptError) -> Self {
        Self::new(error.code.as_str().to_owned(), error.message.as_str())
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, message, status } = self;
        write!(f, "{code} ({status}): {message}")
    }
}

/// The status that goes with a code. Source: the API reference, common errors.
fn status(code: &str) -> u16 {
    match code {
        "InternalFailure" | "InternalFailureException" | "InternalServerError" => 500,
        "RequestEntityTooLarge" | "RequestEntityTooLargeException" => 413,
        "ServiceUnavailable" | "ServiceUnavailableException" => 503,
        _ => 400,
    }
}
