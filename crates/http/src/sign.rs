//! Signature Version 4: what proves to the service who sent a request, and that it came as it was sent.
//!
//! Source: the reference "Signature Version 4 signing process"; the tests run its published test suite and
//! compare with botocore's signer.

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
    let digit = |half: u8| char::from(b"0123456789abcdef"[usize::from(half)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

impl core::fmt::Debug for Signer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Signer").field("region", &self.region).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Deserialize)]
    struct Vector {
        name: String,
        context: Context,
        request: String,
        canonical_request: String,
        string_to_sign: String,
        signature: String,
    }

    #[derive(Deserialize)]
    struct Context {
        credentials: Keys,
        #[serde(default)]
        omit_session_token: bool,
        region: String,
        service: String,
        sign_body: bool,
        timestamp: String,
    }

    #[derive(Deserialize)]
    struct Keys {
        access_key_id: String,
        secret_access_key: String,
        token: Option<String>,
    }

    impl Keys {
        fn credentials(&self) -> Credentials {
            let new = Credentials::new(&*self.access_key_id, &*self.secret_access_key);
            let with = |keys: Credentials, token: &String| keys.with_session_token(token.as_str());
            self.token
                .iter()
                .fold(new, |keys, token| keys.and_then(|keys| with(keys, token)))
                .expect("valid")
        }
    }

    impl Vector {
        /// The headers of the request as they are signed: what our requests never need is done here.
        fn headers(&self) -> BTreeMap<String, String> {
            let (head, body) = self.request.split_once("\n\n").unwrap_or((&self.request, ""));
            let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
            let mut last = String::new();
            for line in head.lines().skip(1) {
                let (name, value) = if line.starts_with(' ') {
                    (last.clone(), line)
                } else {
                    let (name, value) = line.split_once(':').expect("a header");
                    (name.to_ascii_lowercase(), value)
                };
                let words: Vec<&str> = value.split_whitespace().collect();
                if line.starts_with(' ') {
                    let values = headers.get_mut(&name).expect("the line before");
                    let whole = values.last_mut().expect("the line before");
                    *whole = format!("{whole} {}", words.join(" "));
                } else {
                    headers.entry(name.clone()).or_default().push(words.join(" "));
                }
                last = name;
            }
            let mut add = |name: &str, value: &str| {
                headers.insert(name.to_owned(), vec![value.to_owned()]);
            };
            let date: String =
                self.context.timestamp.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
            add("x-amz-date", &date);
            if let Some(token) = &self.context.credentials.token
                && !self.context.omit_session_token
            {
                add("x-amz-security-token", token);
            }
            if self.context.sign_body {
                let hash = digest::digest(&digest::SHA256, body.as_bytes());
                add("x-amz-content-sha256", &hex(hash.as_ref()));
            }
            headers.into_iter().map(|(name, values)| (name, values.join(","))).collect()
        }
    }

    #[test]
    fn the_published_test_suite_passes() {
        let suite: Vec<Vector> =
            serde_json::from_str(include_str!("../tests/vectors/sigv4-suite.json"))
                .expect("vectors");
        assert_eq!(suite.len(), 38);
        for vector in &suite {
            let headers = vector.headers();
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            // Paths and queries are taken as the suite normalises them: our requests have none.
            let mut lines = vector.canonical_request.lines();
            let mut line = || lines.next().expect("three lines at least");
            let (method, path, query) = (line(), line(), line());
            let body = vector.request.split_once("\n\n").map_or("", |(_, body)| body);
            let request =
                Canonical { method, path, query, headers: &headers, body: body.as_bytes() };
            assert_eq!(request.text(), vector.canonical_request, "{}", vector.name);

            let region = Region::new(&vector.context.region).expect("a region");
            assert_eq!(vector.context.service, "service");
            let signer = Signer::new(region, "service");
            let unix = Date::parse_iso(&vector.context.timestamp).expect("a date");
            let date = Date::from_unix(unix);
            let text = string_to_sign(
                &request.text(),
                &date.to_string(),
                &signer.scope(&date.to_string()),
            );
            assert_eq!(text, vector.string_to_sign, "{}", vector.name);
            let credentials = vector.context.credentials.credentials();
            let authorization = signer.authorization(&request, &credentials, date);
            assert!(
                authorization.ends_with(&format!("Signature={}", vector.signature)),
                "{}",
                vector.name
            );
        }
    }

    #[derive(Deserialize)]
    struct Botocore {
        signatures: Vec<Signed>,
    }

    #[derive(Deserialize)]
    struct Signed {
        unix: i64,
        region: String,
        access_key_id: String,
        secret_access_key: String,
        session_token: Option<String>,
        content_type: String,
        target: String,
        host: String,
        body: String,
        authorization: String,
    }

    /// Requests in the form of ours. One signer for all of a region: the key that it keeps must not be taken
    /// for another day's or another secret's.
    #[test]
    fn botocore_signs_the_same() {
        let file: Botocore =
            serde_json::from_str(include_str!("../tests/vectors/botocore.json")).expect("vectors");
        assert!(file.signatures.len() > 50);
        let mut signers: BTreeMap<String, Signer> = BTreeMap::new();
        for signed in file.signatures {
            let region = Region::new(&signed.region).expect("a region");
            let signer =
                signers.entry(signed.region).or_insert_with(|| Signer::new(region, "kinesis"));
            let keys = Keys {
                access_key_id: signed.access_key_id,
                secret_access_key: signed.secret_access_key,
                token: signed.session_token,
            };
            let date = Date::from_unix(signed.unix);
            let date_text = date.to_string();
            let mut headers = vec![
                ("content-type", &*signed.content_type),
                ("host", &signed.host),
                ("x-amz-date", &date_text),
            ];
            headers.extend(keys.token.iter().map(|token| ("x-amz-security-token", &**token)));
            headers.push(("x-amz-target", &signed.target));
            let body: Vec<u8> = signed.body.as_bytes().chunks(2).map(byte).collect();
            let request =
                Canonical { method: "POST", path: "/", query: "", headers: &headers, body: &body };
            for _ in 0..2 {
                let authorization = signer.authorization(&request, &keys.credentials(), date);
                assert_eq!(authorization, signed.authorization);
            }
        }
    }

    fn byte(hex: &[u8]) -> u8 {
        let text = core::str::from_utf8(hex).expect("digits");
        u8::from_str_radix(text, 16).expect("digits")
    }
}
