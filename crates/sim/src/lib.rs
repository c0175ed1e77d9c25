//! Worlds in which the engine meets everything that can go wrong.
//!
//! A world is an engine, a model of the service that shares no code with it, a network between them that
//! loses, delays and repeats, and an application that puts records. All of it is drawn from a seed and
//! happens in virtual time, so a world of hours takes a moment, and the same seed is the same world, event
//! by event, on every machine. A checker watches each step:
//!
//! - every accepted record gets exactly one outcome, in time;
//! - no request breaks a limit, no record is sent after its expiration or before its wait has ended;
//! - what an answer says is stored is completed at once and never sent again;
//! - what is held stays within the bounds, and the figures add up;
//! - the engine never waits for a time that has come, and never goes on for ever;
//! - in the end the service's ledger and the outcomes agree: nothing that is `Stored` is missing, nothing
//!   that is `NotStored` is there, and each further copy has an attempt that may have made it.
//!
//! ```
//! use headwaters_sim::{Options, run};
//!
//! let options = Options::draw(42);
//! let report = run(&options).map_err(|failure| failure.to_string())?;
//! assert_eq!(report, run(&options).map_err(|failure| failure.to_string())?, "seeds replay");
//! # Ok::<(), String>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

mod application;
mod caller;
mod checker;
mod faults;
mod network;
mod options;
mod report;
mod reshards;
mod rng;
mod sometimes;
mod trace;
mod world;

pub use caller::{Caller, Ending};
pub use faults::Faults;
pub use options::Options;
pub use report::{Failure, Report};
pub use reshards::Reshards;
pub use rng::{Chance, Rng};
pub use sometimes::Sometimes;
pub use world::run;
