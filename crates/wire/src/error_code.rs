use alloc::sync::Arc;
use core::fmt;

use crate::Message;

/// What a failed attempt is known to have done.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "either it is known or it is not")]
pub enum Certainty {
    /// The record may have been stored: nobody can tell from this failure.
    MaybeStored,
    /// The record was not stored.
    NotStored,
}

/// What to do about a failure.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Class {
    /// The request was not accepted for want of valid credentials: new ones can mend it.
    Credentials,
    /// Trying again without a change elsewhere cannot succeed.
    Permanent,
    /// The service wants less: try again, slower.
    Throttled,
    /// The request or a record in it is larger than the server takes.
    TooLarge,
    /// Try again.
    Transient,
}

macro_rules! codes {
    ($( $(#[$doc:meta])* $name:ident $(| $alias:literal)* => $class:ident, $certainty:ident; )*) => {
        /// Why an attempt failed: the error codes of the service, and what can go wrong on the way to it.
        ///
        /// Each code has a [`Class`] (what to do) and a [`Certainty`] (what is known about the record);
        /// the table is `error_code.rs`, one row per code.
        #[derive(Clone, Debug, Eq, Hash, PartialEq)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $( $(#[$doc])* $name, )*
            /// A code that is not in the table, cleaned and shortened: retried, for new codes appear
            /// before new versions of this crate do, and taken as "maybe stored".
            Other(Arc<str>),
        }

        impl ErrorCode {
            /// Every code of the table, in its order.
            #[cfg(test)]
            const TABLE: &[Self] = &[$( Self::$name, )*];

            /// What to do about it.
            pub const fn class(&self) -> Class {
                match self {
                    $( Self::$name => Class::$class, )*
                    Self::Other(_) => Class::Transient,
                }
            }

            /// Whether the record can have been stored all the same.
            pub const fn certainty(&self) -> Certainty {
                match self {
                    $( Self::$name => Certainty::$certainty, )*
                    Self::Other(_) => Certainty::MaybeStored,
                }
            }

            /// The code as the service spells it, or our own name for what is no code of the service.
            pub fn as_str(&self) -> &str {
                match self {
                    $( Self::$name => stringify!($name), )*
                    Self::Other(code) => code,
                }
            }

            fn known(code: &str) -> Option<Self> {
                match code {
                    $( stringify!($name) $( | $alias )* => Some(Self::$name), )*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    // --- per entry ------------------------------------------------------------------------------
    /// The shard's limit, or for a whole request the stream's. Source: PutRecords, `ErrorCode`.
    ProvisionedThroughputExceededException => Throttled, NotStored;
    /// The service failed inside; it does not say at which step. Source: PutRecords, `ErrorCode`;
    /// common errors (HTTP 500).
    InternalFailure | "InternalFailureException" | "InternalServerError" => Transient, MaybeStored;

    // --- per request: the service refused it ----------------------------------------------------
    /// No permission for the stream. Source: PutRecords, errors; common errors.
    AccessDeniedException | "AccessDenied" | "NotAuthorized" | "OptInRequired" => Permanent, NotStored;
    /// The page token of ListShards is older than 300 s: list again from the start. Source: ListShards,
    /// errors.
    ExpiredNextTokenException => Transient, NotStored;
    /// The credentials are past their end. Source: common errors.
    ExpiredTokenException | "ExpiredToken" => Credentials, NotStored;
    /// The signature is incomplete. Source: common errors.
    IncompleteSignature | "IncompleteSignatureException" => Credentials, NotStored;
    /// A parameter is wrong, or a record is larger than the stream takes. Source: PutRecords, errors.
    InvalidArgumentException => Permanent, NotStored;
    /// The signature does not match: wrong secret, or a clock that is off. Source: common errors.
    InvalidSignatureException | "SignatureDoesNotMatch" => Credentials, NotStored;
    /// No permission for the stream's key. Source: PutRecords, errors.
    KMSAccessDeniedException => Permanent, NotStored;
    /// The stream's key is disabled. Source: PutRecords, errors.
    KMSDisabledException => Permanent, NotStored;
    /// The stream's key is in a state that forbids its use. Source: PutRecords, errors.
    KMSInvalidStateException => Permanent, NotStored;
    /// The stream's key does not exist. Source: PutRecords, errors.
    KMSNotFoundException => Permanent, NotStored;
    /// The account has no subscription for the key service. Source: PutRecords, errors.
    KMSOptInRequired => Permanent, NotStored;
    /// The key service wants less. Source: PutRecords, errors.
    KMSThrottlingException => Throttled, NotStored;
    /// A limit of the account. Source: ListShards, errors.
    LimitExceededException => Throttled, NotStored;
    /// The action of the request is not one of the service's: the endpoint is another service's, or older
    /// than the action. Source: common errors; the JSON protocol.
    InvalidAction | "UnknownOperationException" => Permanent, NotStored;
    /// The request is no request. Source: common errors.
    MalformedHttpRequestException => Permanent, NotStored;
    /// The request carries no credentials. Source: common errors.
    MissingAuthenticationToken | "MissingAuthenticationTokenException" => Credentials, NotStored;
    /// The body is larger than the server takes (HTTP 413).
    RequestEntityTooLarge | "RequestEntityTooLargeException" => TooLarge, NotStored;
    /// The service gave up before it had an answer. Source: common errors.
    RequestAbortedException => Transient, MaybeStored;
    /// The request's time stamp is too old: a slow way or a clock that is off. Source: common errors.
    RequestExpired => Credentials, NotStored;
    /// The stream is being changed. Source: ListShards, errors.
    ResourceInUseException => Transient, NotStored;
    /// There is no such stream. Source: PutRecords, errors.
    ResourceNotFoundException => Permanent, NotStored;
    /// The body could not be read. Source: the JSON protocol.
    SerializationException => Permanent, NotStored;
    /// The service is overloaded or down (HTTP 503). Source: common errors.
    ServiceUnavailable | "ServiceUnavailableException" => Transient, MaybeStored;
    /// The account wants too much. Source: common errors.
    ThrottlingException | "Throttling" | "RequestThrottled" | "RequestThrottledException"
        | "TooManyRequestsException" | "SlowDown" => Throttled, NotStored;
    /// The credentials are of no known account. Source: common errors.
    UnrecognizedClientException | "InvalidClientTokenId" => Credentials, NotStored;
    /// A parameter breaks a rule of the API. Source: common errors.
    ValidationException | "ValidationError" => Permanent, NotStored;

    // --- on the way: not codes of the service ---------------------------------------------------
    /// The request was given up before an answer came, and may have been sent.
    Cancelled => Transient, MaybeStored;
    /// No connection could be made, so nothing was sent.
    ConnectFailed => Transient, NotStored;
    /// The connection broke after something was sent.
    ConnectionLost => Transient, MaybeStored;
    /// The request was given up before anything was sent.
    NotSent => Transient, NotStored;
    /// No answer came in time.
    RequestTimeout | "RequestTimeoutException" => Transient, MaybeStored;
    /// An answer came that does not fit the request: wrong number of results, no result, not readable.
    UnusableAnswer => Transient, MaybeStored;
    /// An aggregate was stored, but in a shard to which not all of its members belong: consumers drop it. The
    /// KPL calls it `Wrong Shard`.
    WrongShard | "Wrong Shard" => Transient, MaybeStored;
}

impl ErrorCode {
    /// Whether a whole request that is refused with this code may owe that to one of its entries, so that without it
    /// the others can be stored: something in the request is wrong or too large, and the code does not say what. All
    /// other codes of class [`Class::Permanent`] are about the stream, its key, the permission or the endpoint, and refuse
    /// every request alike.
    pub const fn may_blame_entry(&self) -> bool {
        matches!(
            self,
            Self::InvalidArgumentException
                | Self::RequestEntityTooLarge
                | Self::SerializationException
                | Self::ValidationException
        )
    }

    /// What the status of an HTTP answer says that is an error and has no code: it comes from a server, a proxy or a load
    /// balancer that has none. It says less than a code would.
    pub fn of_status(status: u16) -> Self {
        match status {
            408 => Self::RequestTimeout,
            413 => Self::RequestEntityTooLarge,
            429 => Self::ThrottlingException,
            500 => Self::InternalFailure,
            502..=504 => Self::ServiceUnavailable,
            other => Self::Other(alloc::format!("HTTP {other}").into()),
        }
    }

    /// Reads a code that a server sent, as [`parse`](Self::parse) does; but what we call a way that failed it cannot say: from a
    /// server such a name is one that is not in the table.
    pub fn parse_of_server(code: &str) -> Self {
        let code = Self::parse(code);
        if code.is_of_the_way() { Self::Other(code.as_str().into()) } else { code }
    }

    /// Whether it is the way to the server that failed: no server says so, and the words beside such a code are the transport's.
    pub const fn is_of_the_way(&self) -> bool {
        matches!(self, Self::ConnectFailed | Self::ConnectionLost | Self::NotSent)
    }

    /// Reads a code as a server sends it, with or without a namespace before `#` and a link after `:`.
    ///
    /// Never fails: an unknown code becomes [`ErrorCode::Other`].
    pub fn parse(code: &str) -> Self {
        let code = code.split_once(':').map_or(code, |(name, _)| name);
        let code = code.rsplit_once('#').map_or(code, |(_, name)| name).trim();
        Self::known(code).unwrap_or_else(|| Self::Other(Message::new(code).as_str().into()))
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_cannot_say_that_the_way_to_it_failed() {
        for own in [ErrorCode::ConnectFailed, ErrorCode::ConnectionLost, ErrorCode::NotSent] {
            let said = ErrorCode::parse_of_server(own.as_str());
            assert_eq!(said, ErrorCode::Other(own.as_str().into()));
            assert_eq!(said.certainty(), Certainty::MaybeStored);
        }
        let timeout = ErrorCode::parse_of_server("RequestTimeoutException");
        assert_eq!(timeout, ErrorCode::RequestTimeout);
    }

    #[test]
    fn every_code_reads_back_as_itself() {
        for code in ErrorCode::TABLE {
            assert_eq!(&ErrorCode::parse(code.as_str()), code);
        }
    }

    /// The table once more, written by hand from the sources, so that a slip in one of them shows.
    #[test]
    fn every_row_is_what_its_source_says() {
        use Certainty::{MaybeStored, NotStored};
        use Class::{Credentials, Permanent, Throttled, TooLarge, Transient};
        let rows = [
            // PutRecords, entries.
            ("ProvisionedThroughputExceededException", Throttled, NotStored),
            ("InternalFailure", Transient, MaybeStored),
            ("InternalFailureException", Transient, MaybeStored),
            ("InternalServerError", Transient, MaybeStored),
            // PutRecords and ListShards, errors.
            ("AccessDeniedException", Permanent, NotStored),
            ("ExpiredNextTokenException", Transient, NotStored),
            ("InvalidArgumentException", Permanent, NotStored),
            ("KMSAccessDeniedException", Permanent, NotStored),
            ("KMSDisabledException", Permanent, NotStored),
            ("KMSInvalidStateException", Permanent, NotStored),
            ("KMSNotFoundException", Permanent, NotStored),
            ("KMSOptInRequired", Permanent, NotStored),
            ("KMSThrottlingException", Throttled, NotStored),
            ("LimitExceededException", Throttled, NotStored),
            ("ResourceInUseException", Transient, NotStored),
            ("ResourceNotFoundException", Permanent, NotStored),
            // Common errors.
            ("AccessDenied", Permanent, NotStored),
            ("NotAuthorized", Permanent, NotStored),
            ("OptInRequired", Permanent, NotStored),
            ("ExpiredToken", Credentials, NotStored),
            ("ExpiredTokenException", Credentials, NotStored),
            ("IncompleteSignature", Credentials, NotStored),
            ("IncompleteSignatureException", Credentials, NotStored),
            ("InvalidAction", Permanent, NotStored),
            ("UnknownOperationException", Permanent, NotStored),
            ("InvalidClientTokenId", Credentials, NotStored),
            ("UnrecognizedClientException", Credentials, NotStored),
            ("InvalidSignatureException", Credentials, NotStored),
            ("SignatureDoesNotMatch", Credentials, NotStored),
            ("MissingAuthenticationToken", Credentials, NotStored),
            ("MissingAuthenticationTokenException", Credentials, NotStored),
            ("MalformedHttpRequestException", Permanent, NotStored),
            ("RequestAbortedException", Transient, MaybeStored),
            ("RequestTimeoutException", Transient, MaybeStored),
            ("RequestExpired", Credentials, NotStored),
            ("ServiceUnavailable", Transient, MaybeStored),
            ("ServiceUnavailableException", Transient, MaybeStored),
            ("ThrottlingException", Throttled, NotStored),
            ("Throttling", Throttled, NotStored),
            ("RequestThrottled", Throttled, NotStored),
            ("RequestThrottledException", Throttled, NotStored),
            ("TooManyRequestsException", Throttled, NotStored),
            ("SlowDown", Throttled, NotStored),
            ("ValidationException", Permanent, NotStored),
            ("ValidationError", Permanent, NotStored),
            // The JSON protocol and HTTP.
            ("SerializationException", Permanent, NotStored),
            ("RequestEntityTooLarge", TooLarge, NotStored),
            ("RequestEntityTooLargeException", TooLarge, NotStored),
            // On the way.
            ("Cancelled", Transient, MaybeStored),
            ("ConnectFailed", Transient, NotStored),
            ("ConnectionLost", Transient, MaybeStored),
            ("NotSent", Transient, NotStored),
            ("RequestTimeout", Transient, MaybeStored),
            ("UnusableAnswer", Transient, MaybeStored),
            ("WrongShard", Transient, MaybeStored),
            ("Wrong Shard", Transient, MaybeStored),
        ];
        let mut covered = alloc::vec::Vec::new();
        for (text, class, certainty) in rows {
            let code = ErrorCode::parse(text);
            assert_eq!((code.class(), code.certainty()), (class, certainty), "{text}");
            assert!(!matches!(code, ErrorCode::Other(_)), "{text} is not in the table");
            covered.push(code);
        }
        assert!(ErrorCode::TABLE.iter().all(|code| covered.contains(code)), "a row without a test");
    }

    /// The other codes that no retry mends are about all requests alike.
    #[test]
    fn only_what_may_be_wrong_with_one_entry_blames_an_entry() {
        let blamed: alloc::vec::Vec<&str> = ErrorCode::TABLE
            .iter()
            .filter(|code| code.may_blame_entry())
            .map(ErrorCode::as_str)
            .collect();
        assert_eq!(
            blamed,
            [
                "InvalidArgumentException",
                "RequestEntityTooLarge",
                "SerializationException",
                "ValidationException",
            ]
        );
        let is_final =
            |code: &&ErrorCode| matches!(code.class(), Class::Permanent | Class::TooLarge);
        assert_eq!(ErrorCode::TABLE.iter().filter(is_final).count(), 4 + 9);
        let blamed = ErrorCode::TABLE.iter().filter(|code| code.may_blame_entry());
        assert!(blamed.clone().all(|code| is_final(&code)), "what is retried is not bisected");
        assert!(blamed.clone().all(|code| code.certainty() == Certainty::NotStored));
    }

    #[test]
    fn a_status_stands_for_a_code() {
        let of = |status| ErrorCode::of_status(status);
        assert_eq!([502, 503, 504].map(of), [const { ErrorCode::ServiceUnavailable }; 3]);
        assert_eq!(
            [408, 413, 429, 500].map(of),
            [
                ErrorCode::RequestTimeout,
                ErrorCode::RequestEntityTooLarge,
                ErrorCode::ThrottlingException,
                ErrorCode::InternalFailure,
            ]
        );
        for status in [404, 501, 505] {
            assert_eq!(of(status).as_str(), alloc::format!("HTTP {status}"));
        }
    }

    #[test]
    fn namespaces_and_links_are_dropped() {
        let forms = [
            "com.amazonaws.kinesis.v20131202#ResourceNotFoundException",
            "ResourceNotFoundException:http://internal.amazon.com/coral/",
            "com.amazonaws.kinesis#ResourceNotFoundException:http://internal.amazon.com/#coral",
            " ResourceNotFoundException ",
        ];
        for form in forms {
            assert_eq!(ErrorCode::parse(form), ErrorCode::ResourceNotFoundException);
        }
    }

    #[test]
    fn an_unknown_code_is_retried_and_uncertain() {
        let code = ErrorCode::parse("BrandNew\u{1b}Exception");
        assert_eq!(code, ErrorCode::Other("BrandNew?Exception".into()));
        assert_eq!((code.class(), code.certainty()), (Class::Transient, Certainty::MaybeStored));
    }

    /// The rows whose certainty decides about duplicates and loss.
    #[test]
    fn only_failures_that_may_hide_a_stored_record_are_uncertain() {
        let uncertain: alloc::vec::Vec<&str> = ErrorCode::TABLE
            .iter()
            .filter(|code| code.certainty() == Certainty::MaybeStored)
            .map(ErrorCode::as_str)
            .collect();
        assert_eq!(
            uncertain,
            [
                "InternalFailure",
                "RequestAbortedException",
                "ServiceUnavailable",
                "Cancelled",
                "ConnectionLost",
                "RequestTimeout",
                "UnusableAnswer",
                "WrongShard"
            ]
        );
    }
}
