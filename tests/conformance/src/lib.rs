//! One body of tests for every transport, and the servers that it runs against.
//!
//! A server is started by the test that needs it, on this machine, and ends with it. Those that listen on all
//! interfaces are started only where there is nothing but the loopback interface: `.ci/conformance` sees to that.

#![allow(clippy::print_stdout, reason = "each case tells how it went")]

mod admin;
mod arm;
mod body;
mod breaking;
mod clients;
mod servers;
mod stand;

pub use arm::{Arm, Skipped};
pub use body::{run, run_or_skip};
pub use clients::Client;
pub use servers::{ferrokinesis, kinesalite, kinesis_mock, mock, serve, serve_with_faults};
