use core::time::Duration;

/// The key with which the transports of the cases sign.
pub const ACCESS_KEY_ID: &str = "AKIDEXAMPLE";
/// What must never be on a wire or in a text.
pub const SECRET_ACCESS_KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// What only the endpoint may see.
pub const SESSION_TOKEN: &str = "AQoDYXdzEPT//////////wEXAMPLE";

/// The transport that a case wants: it signs with the three constants, in `us-east-1`.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "cases and tests change one field of it")]
pub struct Setup {
    /// Whom to trust, in PEM, instead of the platform's certificates.
    pub ca_bundle: Option<String>,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// The URL of the proxy through which the way leads.
    pub proxy: Option<String>,
    /// How long a request may take.
    pub request_timeout: Duration,
    /// Where requests go.
    pub url: String,
}

impl Setup {
    /// Straight to this endpoint, with time enough.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            ca_bundle: None,
            connect_timeout: Duration::from_secs(5),
            proxy: None,
            request_timeout: Duration::from_secs(20),
            url: url.into(),
        }
    }

    /// The same with less time for each request.
    #[must_use]
    pub fn within(self, millis: u64) -> Self {
        Self { request_timeout: Duration::from_millis(millis), ..self }
    }
}
