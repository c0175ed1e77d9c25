use std::borrow::Cow;

use headwaters_wire::{AttemptError, ErrorCode, Message};
use http::StatusCode;

use super::cbor::Cbor;
use super::json::Json;
use super::reader::Reader;
use super::{Malformed, unusable};
use crate::body::Protocol;

/// The error in an answer that is not a success: by its code, and without one by its status.
///
/// The code is in the body or, where servers differ, in the header `x-amzn-ErrorType`; what is done about it
/// and what is known for certain, wire's table says.
pub(crate) fn read_failure(
    protocol: Protocol,
    status: StatusCode,
    header: Option<&str>,
    body: &[u8],
) -> AttemptError {
    let said = match protocol {
        Protocol::Cbor => said(&mut Cbor::new(body)),
        Protocol::Json => said(&mut Json::new(body)),
    };
    let said = said.unwrap_or_default();
    let message = Message::new(&said.message.unwrap_or_default());
    let code = said.code.as_deref().filter(|code| !code.is_empty());
    match code.or(header.filter(|code| !code.is_empty())) {
        Some(code) => AttemptError::with_message(ErrorCode::parse_of_server(code), message),
        None => of_status(status, message),
    }
}

#[derive(Default)]
struct Said<'a> {
    code: Option<Cow<'a, str>>,
    message: Option<Cow<'a, str>>,
}

fn said<'a>(reader: &mut impl Reader<'a>) -> Result<Said<'a>, Malformed> {
    let mut said = Said::default();
    reader.object()?;
    while let Some(name) = reader.member()? {
        match &*name {
            "__type" | "code" => said.code = reader.text()?.or(said.code),
            "message" | "Message" => said.message = reader.text()?.or(said.message),
            _ => reader.skip()?,
        }
    }
    reader.end()?;
    Ok(said)
}

/// An answer without a code comes from a server, a proxy or a load balancer that has none: its status
/// says less.
fn of_status(status: StatusCode, message: Message) -> AttemptError {
    match status.as_u16() {
        status @ 300..=399 => unusable(&format!("HTTP {status}: redirects are not followed")),
        status => AttemptError::with_message(ErrorCode::of_status(status), message),
    }
}
