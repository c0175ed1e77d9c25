//! From HTTP to what is asked for, and back.

mod answer;
mod body;
mod control;
mod faulted;
mod incoming;
mod request;
mod socket;

use core::fmt;
use core::sync::atomic::AtomicU64;

pub(crate) use body::Reply;
pub(crate) use socket::{Ending, Socket};

use crate::clock::Clock;
use crate::faults::{Events, Faults};
use crate::kinesis::Kinesis;
use crate::signature::Keys;

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) clock: Clock,
    pub(crate) events: Events,
    pub(crate) faults: Faults,
    /// With which requests must be signed, if that is checked.
    pub(crate) keys: Option<Keys>,
    pub(crate) kinesis: Kinesis,
    /// How many answers there were: their ids count them.
    pub(crate) answers: AtomicU64,
}

/// There is no answer: the connection ends.
#[derive(Debug)]
pub(crate) struct NoAnswer;

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no answer is given")
    }
}

impl core::error::Error for NoAnswer {}
