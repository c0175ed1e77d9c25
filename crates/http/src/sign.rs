//! Signature Version 4: what proves to the service who sent a request, and that it came as it was sent.
//!
//! Source: the reference "Signature Version 4 signing process"; the tests run its published test suite and
//! compare with botocore's signer.

use core::fmt::Write;
use std::sync::{Mutex, PoisonError};

use ring::{digest, hmac};
use zeroize::Zeroizing;

use crate::credentials::Credentials;
use crate::date::Date;
use crate::region::Region;

/// Signs requests to one service in one region.
pub(crate) struct Signer {
    /// The key of the last day and credentials, for it takes four HMACs to make.
    key: Mutex<Option<SigningKey>>,
    region: Region,
    service: &'static str,
}

struct SigningKey {
    day: String,
    hmac: hmac::Key,
    secret: Zeroizing<String>,
}

/// What is signed of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Canonical<'a> {
    pub(crate) method: &'a str,
    /// Encoded and normalised.
    pub(crate) path: &'a str,
    /// Encoded and sorted, without the question mark.
    pub(crate) query: &'a str,
    /// Names in lower case, in their order, each once; values without spaces around them.
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) body: &'a [u8],
}

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TERMINATOR: &str = "aws4_request";

impl Signer {
    pub(crate) const fn new(region: Region, service: &'static str) -> Self {
        Self { key: Mutex::new(None), region, service }
    }

    /// The value of the header `Authorization`.
    pub(crate) fn authorization(
        &self,
        request: &Canonical<'_>,
        credentials: &Credentials,
        date: Date,
    ) -> String {
        let date = date.to_string();
        let scope = self.scope(&date);
        let to_sign = string_to_sign(&request.text(), &date, &scope);
        let signature = self.sign(to_sign.as_bytes(), credentials, &date[..DAY_CHARS]);
        format!(
            "{ALGORITHM} Credential={}/{scope}, SignedHeaders={}, Signature={}",
            credentials.access_key_id(),
            request.signed_headers(),
            hex(signature.as_ref())
        )
    }

    fn scope(&self, date: &str) -> String {
        format!("{}/{}/{}/{TERMINATOR}", &date[..DAY_CHARS], self.region, self.service)
    }

    fn sign(&self, text: &[u8], credentials: &Credentials, day: &str) -> hmac::Tag {
        let secret = credentials.secret_access_key();
        let mut key = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        match &*key {
            Some(key) if key.day == day && *key.secret == secret => hmac::sign(&key.hmac, text),
            _ => {
                let hmac = self.derive(secret, day);
                let tag = hmac::sign(&hmac, text);
                let secret = Zeroizing::new(secret.to_owned());
                *key = Some(SigningKey { day: day.to_owned(), hmac, secret });
                tag
            }
        }
    }

    fn derive(&self, secret: &str, day: &str) -> hmac::Key {
        let first = Zeroizing::new(format!("AWS4{secret}"));
        let mut key = hmac::Key::new(hmac::HMAC_SHA256, first.as_bytes());
        for part in [day, self.region.as_str(), self.service, TERMINATOR] {
            key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref());
        }
        key
    }
}

/// How many characters of a date are the day.
const DAY_CHARS: usize = 8;

impl Canonical<'_> {
    fn text(&self) -> String {
        let mut text = format!("{}\n{}\n{}\n", self.method, self.path, self.query);
        for (name, value) in self.headers {
            text.extend([name, ":", value, "\n"]);
        }
        let hash = digest::digest(&digest::SHA256, self.body);
        text.extend(["\n", &self.signed_headers(), "\n", &hex(hash.as_ref())]);
        text
    }

    fn signed_headers(&self) -> String {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| *name).collect();
        names.join(";")
    }
}

fn string_to_sign(canonical: &str, date: &str, scope: &str) -> String {
    let hash = digest::digest(&digest::SHA256, canonical.as_bytes());
    format!("{ALGORITHM}\n{date}\n{scope}\n{}", hex(hash.as_ref()))
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a string takes everything");
    }
    text
}

impl core::fmt::Debug for Signer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Signer").field("region", &self.region).finish_non_exhaustive()
    }
}
