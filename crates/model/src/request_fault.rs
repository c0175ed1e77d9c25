use headwaters_wire::{AttemptError, ErrorCode, StreamName};

use crate::errors;

macro_rules! faults {
    ($( $(#[$doc:meta])* $code:ident; )*) => {
        /// How the service refuses a PutRecords request as a whole, whatever is in it: said
        /// beforehand, request by request, with [`Stream::refuse`](crate::Stream::refuse).
        ///
        /// Each has the name of its [code](Self::code), whose meaning is written there. Those that
        /// belong to ListShards are kinds of [`ListFault`](crate::ListFault).
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        #[non_exhaustive]
        pub enum RequestFault {
            $( $(#[$doc])* $code, )*
        }

        impl RequestFault {
            /// Every one, in the order of their names: to draw from, or to try one by one.
            pub const ALL: &'static [Self] = &[$( Self::$code, )*];

            /// The code of the error.
            pub const fn code(self) -> ErrorCode {
                match self {
                    $( Self::$code => ErrorCode::$code, )*
                }
            }
        }
    };
}

faults! {
    /// The caller has no permission to put.
    AccessDeniedException;
    /// The caller's credentials are past their end.
    ExpiredTokenException;
    /// The signature lacks a part.
    IncompleteSignature;
    /// The service fails inside (HTTP 500), at a step that it does not tell.
    InternalFailure;
    /// The endpoint knows no PutRecords.
    InvalidAction;
    /// Something in the request is wrong.
    InvalidArgumentException;
    /// The signature does not match the request.
    InvalidSignatureException;
    /// The caller has no permission for the stream's key.
    KMSAccessDeniedException;
    /// The stream's key is disabled.
    KMSDisabledException;
    /// The stream's key waits to be deleted.
    KMSInvalidStateException;
    /// The stream's key does not exist.
    KMSNotFoundException;
    /// The account has no subscription for the key service.
    KMSOptInRequired;
    /// The key service throttles Kinesis.
    KMSThrottlingException;
    /// A limit of the account.
    LimitExceededException;
    /// The request is no request.
    MalformedHttpRequestException;
    /// The request has no credentials.
    MissingAuthenticationToken;
    /// The stream throttles as a whole, not entry by entry.
    ProvisionedThroughputExceededException;
    /// The service gives up before it has an answer.
    RequestAbortedException;
    /// The server takes no body of this size (HTTP 413).
    RequestEntityTooLarge;
    /// The request's time stamp is too old.
    RequestExpired;
    /// The stream is being changed.
    ResourceInUseException;
    /// There is no such stream, or no longer.
    ResourceNotFoundException;
    /// The body could not be read.
    SerializationException;
    /// The service is overloaded or down (HTTP 503).
    ServiceUnavailable;
    /// The account wants too much.
    ThrottlingException;
    /// The credentials are of no known account.
    UnrecognizedClientException;
    /// Something in the request breaks a rule of the API.
    ValidationException;
}

impl RequestFault {
    /// The error that a caller gets, with the words of the service about `stream`; without words
    /// where the service has none, or where its documents do not give them.
    ///
    /// By itself it is for callers who let the service store first and deny it then: an error whose
    /// code is of the [certainty](ErrorCode::certainty) `MaybeStored` leaves that open.
    pub fn error(self, stream: &StreamName) -> AttemptError {
        errors::refusal(self, stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{entry, id, name, open, options, put};
    use crate::{Handover, Shard, Stream};
    use alloc::string::ToString;
    use core::time::Duration;
    use headwaters_wire::{Class, HashKey};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_refused_request_is_counted_and_stores_nothing() {
        let mut stream = Stream::new(options(2));
        for (number, &fault) in (1..).zip(RequestFault::ALL) {
            let error = stream.refuse(fault, SECOND);
            assert_eq!(error, fault.error(&name()));
            assert_eq!(error.code, fault.code());
            assert_eq!(stream.requests(), number);
        }
        assert!(stream.ledger().is_empty());
        assert!(stream.shards().iter().all(|shard| (shard.records(), shard.throttled()) == (0, 0)));
        put(&mut stream, &[entry(HashKey::MIN, 1)], SECOND);
        assert_eq!(stream.ledger()[0].request, RequestFault::ALL.len() as u64);
        assert_eq!(stream.shards().iter().map(Shard::records).sum::<u64>(), 1);
    }

    #[test]
    fn time_goes_on_with_a_refused_request() {
        let mut stream = Stream::new(options(2));
        let handover = Handover::ParentUntilDone { until: 5 * SECOND };
        assert_eq!(stream.merge(&id(0), &id(1), handover, SECOND), Ok(()));
        stream.refuse(RequestFault::ServiceUnavailable, 5 * SECOND);
        assert_eq!(open(&stream), [2]);
        put(&mut stream, &[entry(HashKey::MIN, 1)], SECOND);
        assert_eq!(stream.ledger()[0].at, 5 * SECOND);
    }

    #[test]
    fn the_faults_are_in_order_without_repetition_and_of_every_class() {
        let names = RequestFault::ALL.iter().map(|fault| fault.code().to_string());
        assert!(names.is_sorted_by(|one, next| one < next));
        for class in [
            Class::Credentials,
            Class::Permanent,
            Class::Throttled,
            Class::TooLarge,
            Class::Transient,
        ] {
            assert!(RequestFault::ALL.iter().any(|fault| fault.code().class() == class));
        }
    }
}
