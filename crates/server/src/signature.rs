use core::time::Duration;

use headwaters_http::sigv4::{SignedRequest, parse_date};
use headwaters_http::{Credentials, Region};
use http::request::Parts;

use crate::error::ServiceError;

/// The credentials with which requests must be signed.
#[derive(Clone, Debug)]
pub(crate) struct Keys(pub(crate) Credentials);

/// How far the time of a signature may be off. Source: the service's message.
const TOLERANCE: Duration = Duration::from_secs(300);

const ALGORITHM: &str = "AWS4-HMAC-SHA256 ";

/// What a header `Authorization` says.
struct Authorization<'a> {
    key_id: &'a str,
    region: &'a str,
    signed_headers: &'a str,
}

impl Keys {
    /// That a request is signed with these credentials, within the time that the service allows.
    pub(crate) fn check(
        &self,
        parts: &Parts,
        body: &[u8],
        now: Duration,
    ) -> Result<(), ServiceError> {
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let Some(whole) = header("authorization") else {
            let words = "Missing Authentication Token";
            return Err(ServiceError::new("MissingAuthenticationTokenException", words));
        };
        let incomplete = |what: &str| {
            let words = format!("Authorization header requires {what}.");
            ServiceError::new("IncompleteSignatureException", words)
        };
        let parsed = parse(whole);
        let parsed = parsed.ok_or_else(|| {
            incomplete(
                "'Credential', 'SignedHeaders' and 'Signature' parameters, for the service kinesis",
            )
        })?;
        if parsed.key_id != self.0.access_key_id() {
            let words = "The security token included in the request is invalid.";
            return Err(ServiceError::new("UnrecognizedClientException", words));
        }
        let date = header("x-amz-date");
        let date = date.and_then(|text| Some((text, parse_date(text)?)));
        let (date, unix) = date
            .ok_or_else(|| incomplete("existence of either a 'X-Amz-Date' or a 'Date' header"))?;
        let off = i64::try_from(now.as_secs()).unwrap_or(i64::MAX).abs_diff(unix);
        if off > TOLERANCE.as_secs() {
            let words = format!(
                "Signature expired or not yet current: {date} is {off} s from the time of the server (5 min.)"
            );
            return Err(ServiceError::new("InvalidSignatureException", words));
        }
        let region =
            Region::new(parsed.region).map_err(|_| incomplete("a region in its 'Credential'"))?;
        let mut headers = Vec::new();
        for name in parsed.signed_headers.split(';') {
            let value =
                header(name).ok_or_else(|| incomplete("that all signed headers are there"))?;
            headers.push((name, value.trim()));
        }
        let request = SignedRequest {
            body,
            headers: &headers,
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
        };
        if request.authorization(&self.0, &region, unix) == whole {
            return Ok(());
        }
        let words = "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
                     Access Key and signing method. Consult the service documentation for details.";
        Err(ServiceError::new("InvalidSignatureException", words))
    }
}

fn parse(header: &str) -> Option<Authorization<'_>> {
    let parts = header.strip_prefix(ALGORITHM)?;
    let part = |name: &str| {
        parts.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
    };
    let mut scope = part("Credential")?.split('/');
    let (key_id, _day, region) = (scope.next()?, scope.next()?, scope.next()?);
    let of_kinesis = scope.next()? == "kinesis" && scope.next()? == "aws4_request";
    let signed_headers = part("SignedHeaders")?;
    part("Signature")?;
    of_kinesis.then_some(Authorization { key_id, region, signed_headers })
}
