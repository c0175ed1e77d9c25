use core::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use headwaters_wire::{AttemptError, ErrorCode, Message};

use crate::answer::unusable;
use crate::watch::Watch;

const ERROR_TYPE: &str = "x-amzn-errortype";

/// What the failure of a request is, by its kind and by what was watched on the way.
///
/// What is done about it and what is known for certain, wire's table says.
pub(crate) fn read_failure<E>(failure: &SdkError<E>, watch: &Watch) -> AttemptError
where
    E: Error + ProvideErrorMetadata + 'static,
{
    let code = match failure {
        SdkError::ServiceError(answered) => {
            let (error, answer) = (answered.err(), answered.raw());
            // The header of an answer that says it is none means nothing.
            let header = Some(answer).filter(|answer| !answer.status().is_success());
            let header = header.and_then(|answer| answer.headers().get(ERROR_TYPE));
            let code = error.code().or(header);
            let message = error.message().unwrap_or_default();
            let mut failure = refusal(code, answer.status().as_u16(), message);
            failure.retry_after = watch.retry_after();
            return failure;
        }
        SdkError::ResponseError(_) if watch.is_answer_broken() => ErrorCode::ConnectionLost,
        SdkError::ResponseError(_) => ErrorCode::UnusableAnswer,
        _ if !watch.has_left() => code_before_departure(failure),
        SdkError::TimeoutError(_) => ErrorCode::RequestTimeout,
        SdkError::DispatchFailure(way) if way.is_timeout() => ErrorCode::RequestTimeout,
        // `as_other` is there where the SDK calls it a failure of the way, such as a connection that is closed amid the
        // head of an answer.
        SdkError::DispatchFailure(way) if way.is_io() || way.as_other().is_some() => {
            ErrorCode::ConnectionLost
        }
        _ => ErrorCode::UnusableAnswer,
    };
    AttemptError::with_message(code, Message::new(&chain(failure)))
}

/// Nothing has left: there was no connection, or it did not come to that.
fn code_before_departure<E: Error + 'static>(failure: &SdkError<E>) -> ErrorCode {
    match failure {
        _ if causes(failure).any(|cause| cause.is::<CredentialsError>()) => {
            ErrorCode::MissingAuthenticationToken
        }
        SdkError::DispatchFailure(way) if way.is_io() || way.is_timeout() => {
            ErrorCode::ConnectFailed
        }
        _ => ErrorCode::NotSent,
    }
}

/// An answer that is an error: by its code, and without one by its status. An answer without a code comes from a
/// server, a proxy or a load balancer that has none, or cannot be read.
fn refusal(code: Option<&str>, status: u16, message: &str) -> AttemptError {
    if let Some(code) = code.filter(|code| !code.is_empty()) {
        return AttemptError::with_message(ErrorCode::parse_of_server(code), Message::new(message));
    }
    match status {
        200..=299 => unusable("the answer cannot be read"),
        300..=399 => unusable(&format!("HTTP {status}: redirects are not followed")),
        _ => AttemptError::with_message(ErrorCode::of_status(status), Message::new(message)),
    }
}

fn causes<'a>(
    failure: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(failure);
    core::iter::from_fn(move || {
        let cause = next?;
        next = cause.source();
        Some(cause)
    })
}

/// What all of them say, from the outermost to the innermost.
fn chain(failure: &(dyn Error + 'static)) -> String {
    let texts: Vec<String> = causes(failure).map(ToString::to_string).collect();
    texts.join(": ")
}
