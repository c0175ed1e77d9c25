//! A [`Transport`](headwaters_transport::Transport) over plain HTTP, to Kinesis or to any server that speaks
//! its protocol.
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
