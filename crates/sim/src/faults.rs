use serde::{Deserialize, Serialize};

use crate::rng::{Chance, Rng};

/// What goes wrong, and how often. Faults of entries are per entry, the others per request.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// The request is stored and the network swallows the answer; the transport never says a word, not
    /// even to a cancel.
    pub black_hole: Chance,
    /// No connection: nothing is sent.
    pub connect_failed: Chance,
    /// The service refuses the credentials; the request could be sent again with new ones.
    pub credentials: Chance,
    /// So many shards, the first of those that there are at the start, throttle every entry.
    pub dead_shards: u32,
    /// An entry fails with `InternalFailure` and is not stored.
    pub entry_failure: Chance,
    /// An entry fails with `InternalFailure` and is stored.
    pub entry_failure_stored: Chance,
    /// The request is stored, and its answer is cut short, or no answer of the service at all.
    pub garbled_answer: Chance,
    /// The answer comes long after the request timed out.
    pub late_answer: Chance,
    /// A request for the list of shards is refused for want of permission.
    pub list_denied: Chance,
    /// A request for the list of shards fails in the service.
    pub list_failure: Chance,
    /// The answer with a page of shards comes long after the request timed out.
    pub list_late: Chance,
    /// The answer with a page of shards never comes, or the connection breaks first.
    pub list_lost: Chance,
    /// The answer with a page of shards comes twice.
    pub list_repeated: Chance,
    /// A request for the list of shards is throttled.
    pub list_throttled: Chance,
    /// The request is stored and the connection breaks before the answer.
    pub lost_answer: Chance,
    /// The connection breaks before the request arrives.
    pub lost_request: Chance,
    /// What becomes of each request that leaves in an outage.
    pub outage: Outage,
    /// When there is an outage: from the first time to the second, in milliseconds. (0, 0) for none.
    pub outage_ms: (u64, u64),
    /// How many of the requests of an outage come through all the same.
    pub outage_spares: Chance,
    /// How many of the records the service refuses, each with everything that is in a request with it.
    pub poison: Chance,
    /// The answer comes twice.
    pub repeated_answer: Chance,
    /// The service refuses the request as a whole and would take it again.
    pub request_failure: Chance,
    /// The service stores the request and then refuses it as a whole, as if it had failed.
    pub request_failure_stored: Chance,
    /// The service refuses the request for good.
    pub request_refused: Chance,
    /// A cancel is not answered.
    pub silent_cancel: Chance,
    /// How many of the shards are slow at any moment; which ones changes every second. A request with a record for one of them
    /// takes a second longer.
    pub slow_shards: Chance,
    /// After refused credentials the transport soon says that it has new ones.
    pub transport_ready: Chance,
    /// The answer has another number of results than the request has entries.
    pub wrong_count: Chance,
}

/// What becomes of the requests of an outage. None of them is stored.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(clippy::exhaustive_enums, reason = "the ways there are")]
pub enum Outage {
    /// The service takes the credentials no more; when it is over, the transport says that it has new ones.
    Credentials,
    /// The key service throttles the stream's service.
    KmsThrottled,
    /// The connection breaks before it arrives.
    Lost,
    /// The service says that it is unavailable.
    #[default]
    Refused,
    /// No answer comes.
    Silent,
}

impl Faults {
    /// Each fault is off in most worlds, and rare or frequent in the others. In some nothing goes wrong but
    /// what the stream does by itself.
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        if rng.happens(Chance::percent(15)) {
            return Self::default();
        }
        let list_fault = |rng: &mut Rng| {
            let mut chances = [Chance::NEVER; 10];
            chances[..2].copy_from_slice(&[Chance::percent(5), Chance::percent(30)]);
            rng.pick(&chances)
        };
        let [list_denied, list_failure, list_late, list_lost, list_repeated, list_throttled] =
            [(); 6].map(|()| list_fault(rng));
        let transport_ready = rng.pick(&[Chance::NEVER, Chance::percent(50), Chance::percent(100)]);
        let mut chance = || {
            let off = Chance::NEVER;
            rng.pick(&[off, off, off, Chance::percent(1), Chance::percent(5), Chance::percent(30)])
        };
        let mut faults = Self {
            black_hole: chance(),
            connect_failed: chance(),
            credentials: chance(),
            entry_failure: chance(),
            entry_failure_stored: chance(),
            garbled_answer: chance(),
            late_answer: chance(),
            list_denied,
            list_failure,
            list_late,
            list_lost,
            list_repeated,
            list_throttled,
            lost_answer: chance(),
            lost_request: chance(),
            repeated_answer: chance(),
            request_failure: chance(),
            request_failure_stored: chance(),
            request_refused: chance(),
            silent_cancel: chance(),
            slow_shards: chance(),
            transport_ready,
            wrong_count: chance(),
            ..Self::default()
        };
        let none = (0, 0);
        faults.outage = rng.pick(&[Outage::Lost, Outage::Refused, Outage::Silent]);
        faults.outage_ms =
            rng.pick(&[none, none, none, (100, 900), (300, 10_000), (1_000, 60_000)]);
        let off = Chance::NEVER;
        faults.poison =
            rng.pick(&[off, off, off, Chance::percent(1), Chance::percent(5), Chance::percent(30)]);
        faults
    }
}
