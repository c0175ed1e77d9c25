use core::time::Duration;
use std::io;

use headwaters::http::HttpTransport;
use headwaters::wire::{AttemptError, Class, ErrorCode};
use headwaters::{Clock, TokioClock};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::near::near;
use crate::args::{ServiceArguments, StreamArgument};
use crate::connect;
use crate::exit::{Abort, Exit};

/// Asks the service about one stream.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) clock: TokioClock,
    pub(super) stream: StreamArgument,
    pub(super) transport: HttpTransport,
}

/// How often something is asked before it is given up.
const ATTEMPTS: u32 = 4;
/// How long after the first attempt the second comes; each later one takes twice as long.
const PAUSE: Duration = Duration::from_millis(200);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Names {
    stream_names: Vec<String>,
}

impl Client {
    /// The stream of a command line. Only the credentials are looked at: nothing is sent.
    pub(super) async fn connect(
        service: &ServiceArguments,
        stream: &StreamArgument,
    ) -> Result<Self, Abort> {
        let transport = connect::transport(service, stream.arn.as_ref())?;
        connect::check_credentials(&transport).await?;
        Ok(Self { clock: TokioClock::new(), stream: stream.clone(), transport })
    }

    /// Asks once; `request` gets the member that names the stream.
    pub(super) async fn ask_once<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        request: Value,
    ) -> Result<T, AttemptError> {
        let answer = self.transport.call(operation, self.named(request).to_string()).await?;
        serde_json::from_slice(&answer).map_err(|error: serde_json::Error| {
            let text =
                format!("the answer to {operation} cannot be read: {}", io::Error::from(error));
            AttemptError::with_message(
                ErrorCode::UnusableAnswer,
                headwaters::wire::Message::new(&text),
            )
        })
    }

    /// Asks, and asks again what may go better the next time.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        request: impl Serialize,
    ) -> Result<T, AttemptError> {
        let request = serde_json::to_value(request).unwrap_or_default();
        let mut pause = PAUSE;
        for attempt in 1.. {
            match self.ask_once(operation, request.clone()).await {
                Err(error) if attempt < ATTEMPTS && may_go_better(&error, attempt) => {
                    self.pause(error.retry_after.unwrap_or(pause)).await;
                    pause *= 2;
                }
                other => return other,
            }
        }
        unreachable!("the last attempt returns")
    }

    /// Waits so long.
    pub(super) async fn pause(&self, time: Duration) {
        self.clock.sleep_until(self.clock.now().after(time)).await;
    }

    /// By the token or iterator alone, if the request has one.
    fn named(&self, request: Value) -> Value {
        let mut members = match request {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        let has = |name: &str| members.contains_key(name);
        match &self.stream.arn {
            Some(arn) => {
                members.insert(String::from("StreamARN"), json!(arn.as_str()));
            }
            None if has("NextToken") || has("ShardIterator") => {}
            None => {
                members.insert(String::from("StreamName"), json!(self.stream.name.as_str()));
            }
        }
        Value::Object(members)
    }

    /// Why a command ends here, and what mends it.
    pub(super) async fn abort(&self, operation: &'static str, error: AttemptError) -> Abort {
        let (exit, text) = explain(operation, &error);
        let text = match (&error.code, self.mend(operation, &error).await) {
            (ErrorCode::ResourceNotFoundException, mend) => {
                let stream = &self.stream.name;
                format!("there is no stream {stream} at {}; {mend}", self.transport.endpoint())
            }
            (_, mend) if mend.is_empty() => text,
            (_, mend) => format!("{text}; {mend}"),
        };
        Abort { exit, text }
    }

    /// What mends a failure; empty if nothing is known to.
    pub(super) async fn mend(&self, operation: &'static str, error: &AttemptError) -> String {
        match error.code {
            ErrorCode::AccessDeniedException => {
                format!("allow these credentials kinesis:{operation} on the stream")
            }
            ErrorCode::ResourceNotFoundException => self.other_names().await,
            ErrorCode::ConnectFailed => String::from(
                "is it running, is --region or --endpoint-url right, and does the way lead through a \
                 proxy (HTTPS_PROXY)?",
            ),
            ErrorCode::InvalidAction => {
                String::from("is --endpoint-url that of Kinesis, and new enough?")
            }
            _ if error.code.class() == Class::Credentials => String::from(
                "are the credentials still valid, and those of --profile or AWS_ACCESS_KEY_ID meant? \
                 `headwaters doctor` says more",
            ),
            _ if error.code.class() == Class::Throttled => {
                String::from("others ask for the same; try again in a moment")
            }
            _ => String::new(),
        }
    }

    async fn other_names(&self) -> String {
        // Whoever may read this stream need not be allowed to list others.
        let all = self.transport.call("ListStreams", "{}").await.ok();
        let all: Option<Names> = all.and_then(|answer| serde_json::from_slice(&answer).ok());
        match all.map(|all| all.stream_names) {
            None => String::from("is --region, or --profile, that of the stream?"),
            Some(names) if names.is_empty() => String::from(
                "there are no streams at all: is --region, or --profile, that of the stream?",
            ),
            Some(names) => match near(self.stream.name.as_str(), &names)[..] {
                [] => String::from(
                    "nor one of a similar name: is --region, or --profile, that of the stream?",
                ),
                ref near => format!("did you mean {}?", near.join(", ")),
            },
        }
    }
}

/// New credentials, or the right time, are tried once; a host that is not there is not asked again.
fn may_go_better(error: &AttemptError, attempt: u32) -> bool {
    match error.code.class() {
        Class::Credentials => attempt == 1 && error.code != ErrorCode::MissingAuthenticationToken,
        Class::Throttled => true,
        Class::Transient => error.code != ErrorCode::ConnectFailed,
        _ => false,
    }
}

/// How a command ends by a failure, and the failure in words.
pub(super) fn explain(operation: &'static str, error: &AttemptError) -> (Exit, String) {
    let words = match error.message.as_str() {
        "" => error.code.to_string(),
        words => format!("{}: {words}", error.code),
    };
    match error.code {
        ErrorCode::ConnectFailed => {
            (Exit::Internal, format!("cannot reach the service: {}", error.message.as_str()))
        }
        _ if error.code.class() == Class::Credentials => {
            (Exit::Configuration, format!("{operation} is refused: {words}"))
        }
        ErrorCode::ConnectionLost
        | ErrorCode::NotSent
        | ErrorCode::RequestTimeout
        | ErrorCode::UnusableAnswer => (Exit::Internal, format!("{operation} failed: {words}")),
        _ => (Exit::Refused, format!("{operation} is refused: {words}")),
    }
}
