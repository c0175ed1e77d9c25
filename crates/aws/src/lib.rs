//! A [`Transport`](headwaters_transport::Transport) over the AWS SDK: for those who have a
//! [`Client`](aws_sdk_kinesis::Client) already, or credentials that only the SDK's chain finds.
//!
//! ```
//! use headwaters_aws::AwsTransport;
//! use headwaters_aws::aws_sdk_kinesis::{Client, Config};
//!
//! fn transport(config: Config) -> AwsTransport {
//!     AwsTransport::new(Client::from_conf(config))
//! }
//! ```
//!
//! # What to depend on
//! This crate takes `aws-sdk-kinesis` without its default features, for these bring old majors of hyper and
//! rustls with open advisories. The HTTP client is yours to choose; the SDK's present one is
//!
//! ```toml
//! aws-config = { version = "1", default-features = false, features = ["default-https-client", "rt-tokio"] }
//! ```
//!
//! and [`Client::new`](aws_sdk_kinesis::Client::new) makes a client of what `aws_config` loads. Cargo joins
//! features: one crate of a program that takes the SDK's default features brings them back for all.
//!
//! # What it does
//! - It sends each request once: the retries of the client that it is given are off for these requests. All retries
//!   are the engine's, entry by entry.
//! - It tells what is known about what it sent. Nothing counts as sent before the HTTP client takes the first piece
//!   of the body, so a failure to resolve, to connect, to shake hands or to find credentials is "not sent", and from then
//!   on everything without an answer is "unknown". A future that is dropped gives the request up, and the request's
//!   [`Departure`](headwaters_transport::Departure) says which of the two holds.
//! - It classifies errors by their code, or without one by the status, and never by what their message says.
//! - It asks for new credentials when the service refused the old ones, though the client's cache still holds these.
//! - It reads no answer beyond what a request of that size can have, and waits no longer than
//!   [`request_timeout`](AwsTransport::request_timeout).
//!
//! # What it does not
//! - It changes nothing of your client for other requests, and nothing of its endpoint, region or interceptors.
//! - It does not learn from the service that this machine's clock is off; the SDK does not either.
//!
//! # What it costs
//! The SDK's input owns its payloads and its keys, so each attempt copies them, a retry as well; then it encodes each
//! payload into a string and copies that into the body. A request of 500 records of 10 KiB takes about 2.5 times as long as
//! over `headwaters-http`, which writes the body straight from the batch, and one of small records ten times:
//! decision 40 (`docs/adr`) has the figures.
#![forbid(unsafe_code)]

mod answer;
mod credentials;
mod depth;
mod failure;
mod list_shards;
mod put_records;
mod transport;
mod watch;

pub use aws_sdk_kinesis;
pub use transport::AwsTransport;
