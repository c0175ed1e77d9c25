use core::fmt;
use core::pin::Pin;

use super::Credentials;

/// What [`ProvideCredentials::credentials`] returns.
pub type CredentialsFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Credentials, CredentialsError>> + Send + 'a>>;

/// Where credentials come from.
///
/// The transport asks before the first request, five minutes before they
/// [expire](Credentials::with_expiration), and after the service refused them; between that it keeps them.
/// Only one question is out at a time, and no request waits for it as long as there are valid ones.
/// A failure is no failure of the records: they wait, and the provider is asked again.
pub trait ProvideCredentials: Send + Sync + 'static {
    /// The credentials to use from now on.
    ///
    /// # Cancel safety
    /// The transport does not drop the future before it is ready.
    fn credentials(&self) -> CredentialsFuture<'_>;
}

/// The same ones for ever.
impl ProvideCredentials for Credentials {
    fn credentials(&self) -> CredentialsFuture<'_> {
        Box::pin(core::future::ready(Ok(self.clone())))
    }
}

/// There are no credentials. Its text says why, and must not hold any.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CredentialsError(String);

impl CredentialsError {
    /// An error with these words.
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for CredentialsError {}
