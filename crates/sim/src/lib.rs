//! Worlds in which the engine meets everything that can go wrong.
//!
//! A world is an engine, a model of the service that shares no code with it, a network between them that
//! loses, delays and repeats, and an application that puts records, flushes and closes. Meanwhile the shards of
//! the stream are split and merged. All of it is drawn from a seed and happens in virtual time, so a world of
//! hours takes a moment, and the same seed is the same world, event by event, on every machine. A checker takes
//! every aggregate apart and watches each step:
//!
//! - every accepted record gets exactly one outcome, in time, for a reason that holds, after as many attempts as
//!   there were;
//! - no request breaks a limit, no record is sent in two requests at once, after its expiration or before its
//!   wait has ended, and each goes back for the reason that the answer gave;
//! - a request that is refused for good and perhaps for one of its records is sent again in parts, at once, each of at most
//!   half of it and alone; only a record that was refused alone is given up for that, or what is left when the stream
//!   is at fault, by the engine's own rule;
//! - what an answer says is stored is completed at once and never sent again, but for aggregates that were stored
//!   in another shard than foretold: those wait while a new list of the shards is fetched, and for nothing else;
//! - the members of an aggregate all belong to one shard of the list that the engine had when it sent it;
//! - no shard of that list is sent more, in any time, than its rate brings in it and one second's worth, or one
//!   record if that is larger (the rate is the ceiling of one that learns); for the child of a reshard what its parents were
//!   sent counts too;
//! - after an answer in which a shard does nothing but throttle, a rate that learns is lower than before;
//! - after failures of requests as a whole as many are in flight as the answers since allow, one at a time after
//!   three in a row, and what is due leaves when the longest pause is over;
//! - a retry waits longer than its policy wants when there were more of them than the budget has, and only then;
//! - where a request is free, nothing but the limiter keeps a record longer than its deadline, and nothing else
//!   what a flush or a close is to send;
//! - no request leaves before anything is due, and none is filled by one shard while another one is due;
//! - what comes together for one shard is packed together;
//! - what is held stays within the bounds, which may change, who was refused hears of room, and every figure is right;
//! - the engine never waits for a time that has come, and never goes on for ever; each flush and close ends;
//! - in the end the service's ledger and the outcomes agree: a consumer that reads the ledger as the Kinesis Client
//!   Library does sees everything that is `Stored`, nothing that is `NotStored` is there, and each further copy
//!   has an attempt that may have made it.
//!
//! What is hard to get right must also have happened: [`Sometimes`] counts it.
//!
//! ```
//! use headwaters_sim::{Plan, run};
//!
//! let plan = Plan::draw(42);
//! let report = run(&plan).map_err(|failure| failure.to_string())?;
//! assert_eq!(report, run(&plan).map_err(|failure| failure.to_string())?, "seeds replay");
//! # Ok::<(), String>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

mod application;
mod caller;
mod changes;
mod checker;
mod clock;
mod faults;
mod latencies;
mod network;
mod pairs;
mod plan;
mod plan_error;
mod poison;
mod producer;
mod recovery;
mod report;
mod resizes;
mod rng;
mod service;
mod settings;
mod shrink;
mod sometimes;
mod trace;
mod ttl;
mod waits;
mod world;

pub use caller::{Caller, Ending};
pub use changes::Changes;
pub use clock::ClockFaults;
pub use faults::{Faults, Outage};
/// What a watcher may look at.
#[doc(no_inline)]
pub use headwaters_engine::Engine;
pub use latencies::Latencies;
pub use pairs::{Pair, Pairs};
pub use plan::{Plan, Shift};
pub use plan_error::{PlanError, PlanFault};
pub use producer::poll_in_pieces;
pub use report::{Failure, Report, Traffic};
pub use rng::{Chance, Rng};
pub use settings::{RateLimit, Retry, Settings};
pub use shrink::shrink;
pub use sometimes::Sometimes;
pub use trace::{Kind, Line, Step, TraceHash, Watch, What};
pub use world::{run, watch};
