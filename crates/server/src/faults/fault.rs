use core::num::NonZeroU32;
use core::time::Duration;

use headwaters_wire::StreamName;
use serde::Deserialize;

use crate::operations::Operation;

/// What happens to which requests.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fault {
    pub(super) effects: Effects,
    pub(super) matcher: Matcher,
    pub(super) name: String,
}

/// Which requests: those of these operations to this stream are counted, from 1; the numbers, the rate and the times
/// choose among them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Matcher {
    pub(super) every: Option<u64>,
    pub(super) from: u64,
    /// All, if there are none.
    pub(super) operations: Vec<Operation>,
    pub(super) rate: Option<f64>,
    /// All, if there are none.
    pub(super) requests: Vec<u64>,
    pub(super) stream: Option<StreamName>,
    pub(super) times: Option<u64>,
}

/// What happens. Of several faults that meet in one request, the first that has an effect decides it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Effects {
    pub(crate) delay: Option<Delay>,
    pub(crate) entries: Option<EntryFailure>,
    /// How many bytes the answer is made long.
    pub(crate) huge: Option<u64>,
    pub(crate) lost: Option<Lost>,
    /// What is answered instead.
    pub(crate) malformed: Option<String>,
    pub(crate) refusal: Option<Refusal>,
    pub(crate) reset: Option<Reset>,
    pub(crate) reshard: Option<Reshard>,
    /// How many seconds the header `Date` is off.
    pub(crate) skew: Option<i64>,
    /// How many bytes of the answer are sent per second.
    pub(crate) slow: Option<u64>,
    pub(crate) truncate: Option<Cut>,
    pub(crate) wrong_count: Option<WrongCount>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Delay {
    /// After the work, before the answer.
    pub(crate) after: bool,
    /// Up to so much more.
    pub(crate) jitter: Duration,
    pub(crate) time: Duration,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Refusal {
    /// There is no permission.
    Deny,
    Error {
        code: String,
        message: Option<String>,
        status: Option<u16>,
        /// The work is done all the same.
        stored: bool,
    },
    Throttle,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EntryFailure {
    pub(crate) choice: EntryChoice,
    pub(crate) stored: bool,
    /// Or else the service fails inside.
    pub(crate) throttled: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum EntryChoice {
    Every(u64),
    Indexes(Vec<usize>),
    Rate(f64),
}

/// How an answer is lost after the work.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Lost {
    /// The connection is closed in order.
    Close,
    /// Nothing happens any more.
    Silence,
}

/// When a connection is reset.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reset {
    /// After the work, instead of the answer.
    After,
    /// After the request, before the work.
    Before,
    /// When a part of the request is there.
    During,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reshard {
    Count(NonZeroU32),
    Merge { adjacent: String, shard: String },
    Split { shard: String },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cut {
    Bytes(usize),
    Share(f64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct WrongCount {
    pub(crate) failed: Option<u64>,
    pub(crate) results: i64,
}

impl Matcher {
    /// Whether the request is one of those that are counted.
    pub(super) fn is_for(&self, operation: Operation, stream: Option<&StreamName>) -> bool {
        let of_operation = self.operations.is_empty() || self.operations.contains(&operation);
        of_operation && (self.stream.is_none() || self.stream.as_ref() == stream)
    }
}

impl Effects {
    /// Takes from another what is not decided yet.
    pub(super) fn add(&mut self, other: &Self) {
        fn take<T: Clone>(place: &mut Option<T>, other: &Option<T>) {
            if place.is_none() {
                place.clone_from(other);
            }
        }
        take(&mut self.delay, &other.delay);
        take(&mut self.entries, &other.entries);
        take(&mut self.huge, &other.huge);
        take(&mut self.lost, &other.lost);
        take(&mut self.malformed, &other.malformed);
        take(&mut self.refusal, &other.refusal);
        take(&mut self.reset, &other.reset);
        take(&mut self.reshard, &other.reshard);
        take(&mut self.skew, &other.skew);
        take(&mut self.slow, &other.slow);
        take(&mut self.truncate, &other.truncate);
        take(&mut self.wrong_count, &other.wrong_count);
    }
}
