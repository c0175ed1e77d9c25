//! A Kinesis that fails on command: the [model](headwaters_model) of the service behind HTTP, for tests of producers and
//! consumers in any language.
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
pub use headwaters_model::ShardLimits;
pub use kinesis::Retention;
pub use server::Server;
pub use tls::Tls;
