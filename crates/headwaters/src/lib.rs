//! A Kinesis producer that can tell you what happened to every record.
//!
//! ```
//! # use core::num::NonZeroU32;
//! use headwaters::mock::Mock;
//! use headwaters::{Outcome, Producer, TokioClock, UserRecord};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let shards = NonZeroU32::new(4).ok_or("four is not zero")?;
//! let kinesis = Mock::builder("orders".try_into()?, shards).build(TokioClock::new());
//! let producer = Producer::builder().stream("orders").transport(kinesis).start()?;
//!
//! let ticket = producer.put(UserRecord::new("customer-17", "two apples")?).await?;
//! match &ticket.await.outcome {
//!     Outcome::Stored { shard, sequence_number, .. } => println!("{shard} {sequence_number}"),
//!     Outcome::NotStored { cause, record } => println!("{record:?} was not stored: {cause}"),
//!     Outcome::MaybeStored { cause, record } => println!("{record:?}: nobody knows: {cause}"),
//! }
//! producer.close(None).await;
//! # Ok(())
//! # }
//! ```
//!
//! - [`Producer::put`] waits for room, [`Producer::try_put`] does not; both hand the record back when they
//!   refuse it. What is accepted gets exactly one [`Outcome`], through its [`Ticket`].
//! - Records are packed as the KPL packs them, several into one Kinesis record of their shard, unless
//!   [`Config::aggregation_enabled`] is off; each still has its own ticket. The producer lists the shards for
//!   that, and feeds none of them faster than [`RateLimit`] allows.
//! - An entry that the service refused is sent again by itself, without its neighbours; one that the
//!   service says it stored never is (unless it is an aggregate that a reshard put where consumers drop it).
//! - [`Config`] bounds what is held, in bytes and records, and names every time there is.
//! - [`Transport`] and [`Clock`] are the only seams: bring your own of either. With the feature `http` there is
//!   `headwaters::http`, the way to Kinesis over HTTP; with `aws` there is `headwaters::aws`, the way over a client of the
//!   AWS SDK; with `mock` there is `headwaters::mock`, a Kinesis in process that throttles by the book and fails on
//!   command.
//!
//! The decisions are all made in [`headwaters_engine`], which has no I/O and runs without tokio.
#![forbid(unsafe_code)]

/// The example of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
mod readme {}

mod alarms;
pub mod blocking;
#[cfg(all(feature = "boot-clock", target_os = "linux"))]
mod boot_clock;
mod budget;
mod builder;
mod charge;
mod client;
#[cfg(feature = "tokio")]
mod clock;
mod close;
mod driver;
mod flushes;
mod gate;
mod groups;
mod json;
#[cfg(feature = "metrics")]
mod metrics;
mod outage;
mod permit;
mod producer;
mod put_all;
mod report;
mod requests;
mod settings;
mod share;
mod shared;
mod shown;
#[cfg(feature = "sink")]
mod sink;
mod slots;
mod state;
mod stats;
mod sync;
mod threads;
mod ticket;
pub mod trace;
mod turns;
mod waiters;

#[cfg(all(feature = "boot-clock", target_os = "linux"))]
pub use boot_clock::BootClock;
pub use builder::{ProducerBuilder, StartError};
pub use client::Client;
#[cfg(feature = "tokio")]
pub use clock::TokioClock;
pub use close::{CloseReport, Undelivered};
pub use driver::Driver;
#[cfg(feature = "aws")]
pub use headwaters_aws as aws;
pub use headwaters_engine::{
    Attempt, Attempts, Bounds, Cause, Config, ConfigBuilder, ConfigConflict, ConfigError,
    ConfigFault, Cuts, Instant, MapStatus, Order, OutagePolicy, Outcome, OuterKey, RateLimit,
    RecordError, Refused, RefusedReason, RetryBudget, RetryPolicy, ShardPrediction, ShardShare,
    ShardStats, Stats as EngineStats, Times, Timing, UserRecord, wire,
};
#[cfg(feature = "http")]
pub use headwaters_http as http;
#[cfg(feature = "mock")]
pub use headwaters_mock as mock;
pub use headwaters_transport::{
    Clock, Departure, ListShards, ListShardsResult, PutRecords, PutRecordsResult, Sent, Transport,
};
pub use permit::Permit;
pub use producer::Producer;
pub use report::{Failure, Report, Why};
pub use settings::{Layers, Settings, SettingsError, SettingsFault};
#[cfg(feature = "sink")]
pub use sink::{RecordSink, SinkError};
pub use stats::Stats;
pub use threads::{ThreadClock, block_on};
pub use ticket::{Account, Delivery, Ticket};
