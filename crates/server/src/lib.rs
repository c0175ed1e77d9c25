//! A Kinesis that fails on command: the [model](headwaters_model) of the service behind HTTP, for tests of producers and
//! consumers in any language.
//!
//! A [`Server`] has streams, shards and records, the limits of the service and its errors, in JSON and CBOR. A
//! [`FaultPlan`] says what goes wrong with which requests: entries that fail, errors, delays, connections that are reset
//! before or after the records were stored, answers that are cut off, shards that change at a given request. It can be
//! exchanged while the server runs, by [`Server::set_faults`] or over HTTP; [`Server::events`] says what happened.
//!
//! The page `docs/server.md` of the repository has every operation, every field of a plan, and what is not like the
//! service. `headwaters serve` is this library as a command.
//!
//! ```
//! use headwaters_server::{FaultPlan, Server};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn core::error::Error>> {
//! let plan = FaultPlan::from_toml(
//!     r#"
//!     [[fault]]
//!     name = "stored, but the answer is lost"
//!     operations = ["PutRecords"]
//!     requests = [3]
//!     reset = "after"
//!     "#,
//! )?;
//! let server = Server::builder().stream("orders", 4)?.faults(plan).start().await?;
//! let endpoint = server.url();
//! // ... let a producer put its records there, and ask what was done to it:
//! let events = server.events(0);
//! # assert!(endpoint.starts_with("http://127.0.0.1:") && events.contains("events"));
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod builder;
mod clock;
mod codec;
mod error;
mod faults;
mod front;
mod kinesis;
mod operations;
mod server;
mod signature;
mod state;
mod tls;

pub use builder::{ServerBuilder, StartError};
pub use faults::{FaultPlan, PlanError};
pub use headwaters_http::Credentials;
pub use headwaters_model::{Metering, ShardLimits};
pub use kinesis::Retention;
pub use server::Server;
pub use tls::Tls;
