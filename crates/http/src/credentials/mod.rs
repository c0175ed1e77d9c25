//! Credentials, and where they come from.

mod cached;
mod environment;
mod process;
mod profile;
mod provider;

pub(crate) use cached::CachedCredentials;
pub use environment::EnvironmentCredentials;
pub use profile::ProfileCredentials;
pub use provider::{CredentialsError, CredentialsFuture, ProvideCredentials};

use core::fmt;
use std::time::SystemTime;

use zeroize::Zeroizing;

/// The credentials that sign requests.
///
/// Their memory is overwritten when the last copy is gone, and `Debug` prints none of them.
#[derive(Clone, Eq, PartialEq)]
pub struct Credentials {
    access_key_id: Zeroizing<String>,
    expires: Option<SystemTime>,
    secret_access_key: Zeroizing<String>,
    session_token: Option<Zeroizing<String>>,
}

impl Credentials {
    /// Credentials that do not expire.
    ///
    /// # Errors
    /// [`CredentialsError`] if one of them is empty, or has characters that no header can carry.
    pub fn new(
        access_key_id: impl Into<String>,
        secret_access_key: impl Into<String>,
    ) -> Result<Self, CredentialsError> {
        let access_key_id = Zeroizing::new(access_key_id.into());
        let secret_access_key = Zeroizing::new(secret_access_key.into());
        check("access key id", &access_key_id)?;
        check("secret access key", &secret_access_key)?;
        Ok(Self { access_key_id, expires: None, secret_access_key, session_token: None })
    }

    /// The same with the session token that temporary credentials have.
    ///
    /// # Errors
    /// As in [`new`](Self::new).
    pub fn with_session_token(
        mut self,
        session_token: impl Into<String>,
    ) -> Result<Self, CredentialsError> {
        let session_token = Zeroizing::new(session_token.into());
        check("session token", &session_token)?;
        self.session_token = Some(session_token);
        Ok(self)
    }

    /// The same with the time at which they expire. New ones are asked for five minutes before.
    #[must_use]
    pub const fn with_expiration(mut self, expires: SystemTime) -> Self {
        self.expires = Some(expires);
        self
    }

    /// The id of the key, which is no secret.
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    pub(crate) fn secret_access_key(&self) -> &str {
        &self.secret_access_key
    }

    pub(crate) fn session_token(&self) -> Option<&str> {
        self.session_token.as_ref().map(|token| token.as_str())
    }
}

/// Refuses what would break the header in which it goes.
fn check(what: &str, value: &str) -> Result<(), CredentialsError> {
    if value.is_empty() {
        return Err(CredentialsError::new(format!("the {what} is empty")));
    }
    if value.bytes().any(|byte| !(0x21..=0x7e).contains(&byte)) {
        return Err(CredentialsError::new(format!(
            "the {what} has a space, a control character or one that is not ASCII"
        )));
    }
    Ok(())
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("expires", &self.expires).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_them_is_printed() {
        let credentials = Credentials::new("AKIDEXAMPLE", "wJalrXUtn")
            .and_then(|credentials| credentials.with_session_token("AQoDYXdz"))
            .expect("valid credentials");
        let text = format!("{credentials:?}");
        for secret in ["AKID", "wJal", "AQoD"] {
            assert!(!text.contains(secret), "{text}");
        }
    }

    #[test]
    fn what_no_header_carries_is_refused_without_a_word_of_it() {
        for wrong in ["", "a b", "a\r\nx: y", "a\n", "h\u{e9}"] {
            let error = Credentials::new("AKID", wrong).expect_err(wrong);
            assert!(wrong.len() < 2 || !error.to_string().contains(wrong), "{error}");
            assert!(Credentials::new(wrong, "secret").is_err(), "{wrong}");
        }
    }
}
