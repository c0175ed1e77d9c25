//! A [`Transport`](headwaters_transport::Transport) over HTTP, to Kinesis or to any server that speaks its
//! protocol: without an SDK, in some forty crates.
//!
//! ```no_run
//! use headwaters_http::{AwsSettings, Credentials, Endpoint, HttpTransport, Region};
//!
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! // As the AWS command line finds region, endpoint, credentials, certificates and proxy:
//! let kinesis = AwsSettings::load(None)?.transport().build()?;
//!
//! // Or all by hand, here for a server on this machine:
//! let local = HttpTransport::builder()
//!     .credentials(Credentials::new("test", "test")?)
//!     .endpoint(Endpoint::new("http://localhost:4567")?)
//!     .region(Region::new("us-east-1")?)
//!     .build()?;
//! # Ok(())
//! # }
//! ```
//!
//! # What it does
//! - It signs with Signature Version 4 and speaks JSON, or [CBOR](Protocol::Cbor) where a server does.
//! - It sends each request once. Only where a kept connection turns out to be closed, and not one byte of the
//!   request has left, it takes another connection. All other retries are the engine's.
//! - It tells what is known about what it sent. A result is "stored" only if the answer says so for that entry, with a
//!   sequence number; a failure is "not stored" only if nothing left, or the service refused it. A future that is
//!   dropped closes its connection, and the request's [`Departure`](headwaters_transport::Departure) says whether
//!   anything had left.
//! - It takes [credentials](ProvideCredentials) from where you say, asks for new ones before they expire or when
//!   they are refused, overwrites them in memory and prints none. A clock that is off is learned from the service's.
//!
//! # What it does not
//! - It follows no redirect, and has no switch that turns the verification of certificates off.
//! - It speaks plain `http://` to this machine only, unless [told otherwise](HttpBuilder::allow_plain_http).
//! - It reads no answer beyond what a request of that size can have, and no longer than
//!   [`request_timeout`](HttpBuilder::request_timeout).
//! - It assumes no roles and asks no metadata services: `credential_process` in a profile is the way to these.
//!
//! # What it costs
//! A request is written straight from its entries into a buffer that is used again; what is not the copy, the base64
//! and the hash is a few nanoseconds per record. An answer is read in one pass, and its
//! sequence numbers are slices of it. There is no task per request or connection: the future does the work.
#![forbid(unsafe_code)]

#[cfg(feature = "__internals")]
#[doc(hidden)]
pub mod __internals;
mod answer;
mod body;
mod builder;
mod connection;
mod connector;
mod credentials;
mod date;
mod endpoint;
mod names;
mod pool;
mod proxy;
mod region;
mod service;
mod settings;
mod sign;
#[cfg(feature = "sigv4")]
pub mod sigv4;
mod skew;
mod socket;
mod time;
mod tls;
mod traffic;
mod transport;

pub use body::Protocol;
pub use builder::{BuildError, HttpBuilder};
pub use credentials::{
    Credentials, CredentialsError, CredentialsFuture, EnvironmentCredentials, ProfileCredentials,
    ProvideCredentials,
};
pub use endpoint::{Endpoint, EndpointError};
pub use proxy::Proxy;
pub use region::{Region, RegionError};
pub use settings::{AwsSettings, SettingsError};
pub use tls::TlsError;
pub use transport::HttpTransport;
