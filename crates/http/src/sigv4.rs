//! Signature Version 4 by itself (feature `sigv4`): what the signature of a request must be. For servers that check
//! signatures; a transport signs by itself.

use core::fmt;

use crate::credentials::Credentials;
use crate::date::Date;
use crate::region::Region;
use crate::sign::{Canonical, Signer};

/// A request to the service `kinesis`, as far as it is signed.
#[derive(Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "what the signing process takes of a request")]
pub struct SignedRequest<'a> {
    /// The body.
    pub body: &'a [u8],
    /// The signed headers: names in lower case and in their order, each once; values without spaces around them.
    pub headers: &'a [(&'a str, &'a str)],
    /// Such as `POST`.
    pub method: &'a str,
    /// Encoded and normalised, such as `/`.
    pub path: &'a str,
    /// Encoded and sorted, without the question mark.
    pub query: &'a str,
}

impl SignedRequest<'_> {
    /// The header `Authorization` that the request has if it is signed so many seconds after the beginning of 1970.
    pub fn authorization(&self, credentials: &Credentials, region: &Region, unix: i64) -> String {
        let &Self { body, headers, method, path, query } = self;
        let request = Canonical { method, path, query, headers, body };
        let signer = Signer::new(region.clone(), "kinesis");
        signer.authorization(&request, credentials, Date::from_unix(unix))
    }
}

impl fmt::Debug for SignedRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedRequest")
            .field("body", &format_args!("{} bytes", self.body.len()))
            .field("headers", &format_args!("{}", self.headers.len()))
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// The seconds since the beginning of 1970 that a header `x-amz-date` says, such as `20260131T235959Z`.
pub fn parse_date(text: &str) -> Option<i64> {
    Date::parse_basic(text)
}

/// The header `Date` so many seconds after the beginning of 1970, such as `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn http_date(unix: i64) -> String {
    Date::from_unix(unix).to_http()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_and_written() {
        assert_eq!(parse_date("20150830T123600Z"), Some(1_440_938_160));
        for wrong in
            ["", "20150830T123600", "20151330T123600Z", "2015-08-30T12:36:00Z", "é0150830T12360Z"]
        {
            assert_eq!(parse_date(wrong), None, "{wrong}");
        }
        assert_eq!(http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(http_date(-1), "Wed, 31 Dec 1969 23:59:59 GMT");
    }

    #[test]
    fn a_changed_body_has_another_signature() {
        let credentials = Credentials::new("id", "secret").expect("valid");
        let region = Region::new("us-east-1").expect("valid");
        let sign = |body| {
            let headers = &[("host", "localhost")];
            let request = SignedRequest { body, headers, method: "POST", path: "/", query: "" };
            request.authorization(&credentials, &region, 1_440_938_160)
        };
        assert_eq!(sign(b"one"), sign(b"one"));
        assert_ne!(sign(b"one"), sign(b"two"));
    }
}
