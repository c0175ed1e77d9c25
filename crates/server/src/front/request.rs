//! One request, from its head to its answer.

use bytes::Bytes;
use headwaters_wire::StreamName;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, header};
use hyper::body::Incoming;

use super::control::{Ask, PREFIX};
use super::incoming::{self, NoBody};
use super::{Ending, Front, NoAnswer, Reply, answer};
use crate::codec::{Fields, Protocol};
use crate::error::ServiceError;
use crate::faults::Phase;
use crate::operations::{self, Call, Operation, Twist};

/// A request that was read.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) body: &'a Bytes,
    pub(super) fields: &'a Fields<'a>,
    /// Among those of its operation, from 1.
    pub(super) number: u64,
    pub(super) operation: Operation,
    pub(super) protocol: Protocol,
    /// The stream that it names.
    pub(super) stream: Option<&'a StreamName>,
}

impl Front {
    /// Answers a request, or orders how its connection ends.
    pub(crate) async fn handle(
        &self,
        request: Request<Incoming>,
        ending: &Ending,
    ) -> Result<Response<Reply>, NoAnswer> {
        let (parts, mut body) = request.into_parts();
        let is_control = parts.uri.path().starts_with(PREFIX);
        let (protocol, operation) = asked(&parts);
        let operation = operation.map(|operation| (operation, self.events.count(operation)));
        if let (false, &Ok((operation, number))) = (is_control, &operation)
            && let Some(decision) = self.faults.decide(operation, Phase::Head)
        {
            incoming::first_part(&mut body).await;
            return Err(self.reset_at_head(operation, number, decision, ending));
        }
        // What is not read would be taken for the next request, whatever is answered.
        let body = match incoming::whole(body).await {
            Ok(body) => body,
            Err(NoBody::Broken) => return Err(NoAnswer),
            Err(NoBody::Refused(error)) => return Ok(self.answer(protocol, Err(error))),
        };
        match operation {
            _ if is_control => Ok(self.answer_control(&parts, &body)),
            Err(error) => Ok(self.answer(protocol, Err(error))),
            Ok((operation, number)) => {
                self.answer_operation(&parts, &body, (protocol, operation, number), ending).await
            }
        }
    }

    async fn answer_operation(
        &self,
        parts: &Parts,
        body: &Bytes,
        (protocol, operation, number): (Protocol, Operation, u64),
        ending: &Ending,
    ) -> Result<Response<Reply>, NoAnswer> {
        let checked = match &self.keys {
            Some(keys) => keys.check(parts, body, self.clock.now()),
            None => Ok(()),
        };
        let fields = match checked.and_then(|()| protocol.read(body)) {
            Ok(fields) => fields,
            Err(error) => return Ok(self.answer(protocol, Err(error))),
        };
        let stream = operations::stream_of(&fields);
        let stream = stream.as_ref();
        let asked = Asked { body, fields: &fields, number, operation, protocol, stream };
        match self.faults.decide(operation, Phase::Body(stream)) {
            Some(decision) => self.answer_faulted(&asked, decision, ending).await,
            None => Ok(self.answer(protocol, self.run(&asked, &Twist::default()))),
        }
    }

    /// Does what is asked for.
    pub(super) fn run(&self, asked: &Asked<'_>, twist: &Twist) -> Result<Bytes, ServiceError> {
        let &Asked { body, fields, operation, protocol, .. } = asked;
        let (kinesis, now) = (&self.kinesis, self.clock.now());
        let answer = operation.run(&Call { body, fields, kinesis, now, protocol, twist })?;
        Ok(if operation.is_silent() { Bytes::new() } else { answer.into() })
    }

    pub(super) fn answer(
        &self,
        protocol: Protocol,
        outcome: Result<Bytes, ServiceError>,
    ) -> Response<Reply> {
        let (status, bytes) = answer::content(protocol, outcome);
        answer::dress(status, Reply::whole(bytes), protocol.content_type(), self.next_answer())
    }

    fn answer_control(&self, parts: &Parts, body: &Bytes) -> Response<Reply> {
        let text = |name| header_text(&parts.headers, name);
        // A page that a browser shows could ask for this, but not without saying where it comes from.
        let (status, value) = if parts.headers.contains_key(header::ORIGIN) {
            let error =
                "browsers have nothing to do here: a request with the header Origin is refused";
            (http::StatusCode::FORBIDDEN, serde_json::json!({ "error": error }))
        } else {
            self.control(Ask {
                body,
                is_json: text(header::CONTENT_TYPE).starts_with("application/json"),
                method: &parts.method,
                path: parts.uri.path().strip_prefix(PREFIX).unwrap_or_default(),
                query: parts.uri.query().unwrap_or_default(),
            })
        };
        let bytes = Bytes::from(format!("{value}\n"));
        answer::dress(status, Reply::whole(bytes), "application/json", self.next_answer())
    }
}

/// How it is written, and what is asked for.
fn asked(parts: &Parts) -> (Protocol, Result<Operation, ServiceError>) {
    let protocol = Protocol::of(header_text(&parts.headers, header::CONTENT_TYPE));
    let target = parts.headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    let name = target.and_then(|target| target.strip_prefix("Kinesis_20131202."));
    let unknown = || ServiceError::new("UnknownOperationException", "");
    let operation = match (&parts.method, protocol, name) {
        (&Method::POST, Some(_), Some(name)) => Operation::of(name).ok_or_else(unknown),
        _ => Err(unknown()),
    };
    (protocol.unwrap_or(Protocol::Json), operation)
}

/// A header as a text; empty if there is none.
fn header_text(headers: &HeaderMap, name: header::HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
