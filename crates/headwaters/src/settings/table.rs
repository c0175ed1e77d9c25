//! The settings by their names, for every source that has names of ours.

use core::time::Duration;

use headwaters_engine::{
    Order, OutagePolicy, OuterKey, RateLimit, RetryBudget, RetryPolicy, ShardPrediction, ShardShare,
};

use crate::settings::layers::{BOOLEAN, COUNT, Layers, size};

/// The names: those of [`Config`](crate::Config), with a dot before the part of a setting that has several.
pub(super) const NAMES: [&str; 32] = [
    "aggregation_enabled",
    "aggregation_max_count",
    "aggregation_max_size",
    "bounds.bytes",
    "bounds.records",
    "cancel_grace",
    "collection_max_count",
    "collection_max_shard_size",
    "collection_max_size",
    "copy_shared_up_to",
    "fail_if_throttled",
    "max_requests_in_flight",
    "max_user_record_size",
    "order",
    "outage",
    "outer_key",
    "rate_limit",
    "rate_limit.ceiling_percent",
    "rate_limit.percent",
    "record_max_buffered_time",
    "record_ttl",
    "request_timeout",
    "retry",
    "retry.base",
    "retry.cap",
    "retry.max_attempts",
    "retry.policy",
    "retry.step",
    "retry_budget",
    "seed",
    "shard_prediction",
    "shard_share",
];

const DURATION: &str = "a time such as \"100 ms\", \"1.5 s\" or \"2 min\"";
const TTL: &str = "a time such as \"30 s\", or \"never\"";
const RETRY: &str = "\"exponential\", \"linear\" or \"kpl\"";
const RATE: &str = "\"off\"; else there is `rate_limit.ceiling_percent`, or `rate_limit.percent`";
const PERCENT: &str = "a whole number (percent), or \"off\"";

/// A value, as far as its source knows what it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Value {
    /// Text that may stand for anything.
    Bare(String),
    #[cfg(feature = "toml")]
    Boolean(bool),
    #[cfg(feature = "toml")]
    Count(u64),
    /// Nothing that any setting takes.
    Other,
    #[cfg(feature = "toml")]
    Word(String),
}

/// A setting in a source.
#[derive(Clone, Debug)]
pub(super) struct Named {
    /// The name in [`NAMES`],
    pub(super) setting: &'static str,
    /// and in the source.
    pub(super) shown: String,
    pub(super) value: Value,
}

impl Value {
    fn boolean(&self) -> Option<bool> {
        match self {
            Self::Bare(text) => text.parse().ok(),
            #[cfg(feature = "toml")]
            Self::Boolean(value) => Some(*value),
            _ => None,
        }
    }

    fn count(&self) -> Option<u64> {
        match self {
            Self::Bare(text) => text.replace('_', "").parse().ok(),
            #[cfg(feature = "toml")]
            Self::Count(value) => Some(*value),
            _ => None,
        }
    }

    fn word(&self) -> Option<&str> {
        match self {
            Self::Bare(text) => Some(text),
            #[cfg(feature = "toml")]
            Self::Word(text) => Some(text),
            _ => None,
        }
    }

    fn number(&self) -> Option<u32> {
        u32::try_from(self.count()?).ok()
    }

    /// A number, or `None` for "off".
    fn percent(&self) -> Option<Option<u32>> {
        if self.word() == Some("off") { Some(None) } else { self.number().map(Some) }
    }

    /// A number and a unit.
    fn duration(&self) -> Option<Duration> {
        let text = self.word()?;
        let unit_at = text.find(|char: char| char.is_ascii_alphabetic())?;
        let (number, unit) = text.split_at(unit_at);
        if unit == "ns" {
            return number.trim().parse().ok().map(Duration::from_nanos);
        }
        let seconds: f64 = number.trim().parse().ok()?;
        let factor = match unit {
            "us" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "min" => 60.0,
            "h" => 3_600.0,
            _ => return None,
        };
        Duration::try_from_secs_f64(seconds * factor).ok()
    }

    fn policy(&self) -> Option<RetryPolicy> {
        match self.word()? {
            "exponential" => Some(RetryPolicy::default()),
            "kpl" => Some(RetryPolicy::Kpl),
            "linear" => Some(LINEAR),
            _ => None,
        }
    }

    fn one_of<T>(&self, values: [(&str, T); 2]) -> Option<T> {
        let word = self.word()?;
        values.into_iter().find(|(name, _)| *name == word).map(|(_, value)| value)
    }
}

impl Layers {
    /// Sets what one source has.
    pub(super) fn apply(&mut self, mut source: Vec<Named>) {
        self.alone(&source, "no other `rate_limit` beside it", |setting| {
            setting == "rate_limit" || setting.starts_with("rate_limit.")
        });
        self.alone(&source, "no other policy beside it", sets_policy);
        // A policy brings defaults for its parts.
        source.sort_by_key(|named| !sets_policy(named.setting));
        for named in &source {
            self.called(named.setting, &named.shown);
            let _ = self.set_number(named) || self.set_time(named) || self.set_policy(named);
        }
    }

    /// Notes all but one of those of which there may be only one.
    fn alone(&mut self, source: &[Named], takes: &'static str, is_one: impl Fn(&str) -> bool) {
        for named in source.iter().filter(|named| is_one(named.setting)).skip(1) {
            self.wrong(&named.shown, takes);
        }
    }

    /// Numbers and booleans; false if it is none of them.
    fn set_number(&mut self, Named { setting, shown, value }: &Named) -> bool {
        let count = value.count();
        let number = count.map(size);
        match *setting {
            "aggregation_enabled" => {
                self.set_to(shown, BOOLEAN, value.boolean(), |b, to| b.aggregation_enabled(to));
            }
            "aggregation_max_count" => {
                self.set_to(shown, COUNT, count, |b, to| b.aggregation_max_count(to));
            }
            "aggregation_max_size" => {
                self.set_to(shown, COUNT, number, |b, to| b.aggregation_max_size(to));
            }
            "bounds.bytes" | "bounds.records" => {
                let is_bytes = *setting == "bounds.bytes";
                let part = if is_bytes { &mut self.bounds.bytes } else { &mut self.bounds.records };
                *part = number.unwrap_or(*part);
                let bounds = number.map(|_| self.bounds);
                self.set_to(shown, COUNT, bounds, |b, to| b.bounds(to));
            }
            "collection_max_count" => {
                self.set_to(shown, COUNT, number, |b, to| b.collection_max_count(to));
            }
            "collection_max_shard_size" => {
                self.set_to(shown, COUNT, number, |b, to| b.collection_max_shard_size(to));
            }
            "collection_max_size" => {
                self.set_to(shown, COUNT, number, |b, to| b.collection_max_size(to));
            }
            "copy_shared_up_to" => {
                self.set_to(shown, COUNT, number, |b, to| b.copy_shared_up_to(to));
            }
            "fail_if_throttled" => {
                self.set_to(shown, BOOLEAN, value.boolean(), |b, to| b.fail_if_throttled(to));
            }
            "max_requests_in_flight" => {
                self.set_to(shown, COUNT, number, |b, to| b.max_requests_in_flight(to));
            }
            "max_user_record_size" => {
                self.set_to(shown, COUNT, number, |b, to| b.max_user_record_size(to));
            }
            "seed" => self.set_to(shown, COUNT, count, |b, to| b.seed(to)),
            _ => return false,
        }
        true
    }

    /// Times; false if it is none of them.
    fn set_time(&mut self, Named { setting, shown, value }: &Named) -> bool {
        let time = value.duration();
        match *setting {
            "cancel_grace" => self.set_to(shown, DURATION, time, |b, to| b.cancel_grace(to)),
            "record_max_buffered_time" => {
                self.set_to(shown, DURATION, time, |b, to| b.record_max_buffered_time(to));
            }
            "record_ttl" => {
                let ttl = if value.word() == Some("never") { Some(None) } else { time.map(Some) };
                self.set_to(shown, TTL, ttl, |b, to| b.record_ttl(to));
            }
            "request_timeout" => self.set_to(shown, DURATION, time, |b, to| b.request_timeout(to)),
            _ => return false,
        }
        true
    }

    /// Policies; false if it is none of them.
    fn set_policy(&mut self, named: &Named) -> bool {
        let Named { setting, shown, value } = named;
        match *setting {
            "order" => {
                let (takes, unordered, ordered) = (
                    "\"unordered\" or \"per_partition_key\"",
                    Order::Unordered,
                    Order::PerPartitionKey,
                );
                let order =
                    value.one_of([("unordered", unordered), ("per_partition_key", ordered)]);
                self.set_to(shown, takes, order, |b, to| b.order(to));
            }
            "outage" => {
                let outage =
                    value.one_of([("probe", OutagePolicy::Probe), ("off", OutagePolicy::Off)]);
                self.set_to(shown, "\"probe\" or \"off\"", outage, |b, to| b.outage(to));
            }
            "outer_key" => {
                let key =
                    value.one_of([("kpl", OuterKey::Kpl), ("first_record", OuterKey::FirstRecord)]);
                self.set_to(shown, "\"kpl\" or \"first_record\"", key, |b, to| b.outer_key(to));
            }
            "rate_limit" => {
                let off = (value.word() == Some("off")).then_some(RateLimit::Off);
                self.set_to(shown, RATE, off, |b, to| b.rate_limit(to));
            }
            "rate_limit.ceiling_percent" => {
                let rate =
                    value.number().map(|ceiling_percent| RateLimit::Adaptive { ceiling_percent });
                self.set_to(shown, COUNT, rate, |b, to| b.rate_limit(to));
            }
            "rate_limit.percent" => {
                let rate = value.number().map(|percent| RateLimit::Fixed { percent });
                self.set_to(shown, COUNT, rate, |b, to| b.rate_limit(to));
            }
            "retry_budget" => {
                let budget =
                    value.percent().map(|p| p.map_or(RetryBudget::Off, RetryBudget::Percent));
                self.set_to(shown, PERCENT, budget, |b, to| b.retry_budget(to));
            }
            "shard_prediction" => {
                let on = value.one_of([("on", ShardPrediction::On), ("off", ShardPrediction::Off)]);
                self.set_to(shown, "\"on\" or \"off\"", on, |b, to| b.shard_prediction(to));
            }
            "shard_share" => {
                let share = value.percent().map(|p| p.map_or(ShardShare::Off, ShardShare::Percent));
                self.set_to(shown, PERCENT, share, |b, to| b.shard_share(to));
            }
            _ => return self.set_retry(named),
        }
        true
    }

    /// The policy for retries, or a part of the one that there is; false if it is none of them.
    fn set_retry(&mut self, Named { setting, shown, value }: &Named) -> bool {
        use RetryPolicy::{Exponential, Linear};

        let (time, number) = (value.duration(), value.number());
        let (takes, retry) = match (*setting, self.retry) {
            ("retry" | "retry.policy", _) => (RETRY, value.policy()),
            ("retry.base", Exponential { cap, .. }) => {
                (DURATION, time.map(|base| Exponential { base, cap }))
            }
            ("retry.cap", Exponential { base, .. }) => {
                (DURATION, time.map(|cap| Exponential { base, cap }))
            }
            ("retry.max_attempts", Linear { step, .. }) => {
                (COUNT, number.map(|max_attempts| Linear { max_attempts, step }))
            }
            ("retry.step", Linear { max_attempts, .. }) => {
                (DURATION, time.map(|step| Linear { max_attempts, step }))
            }
            ("retry.base" | "retry.cap", _) => ("a time, if the policy is \"exponential\"", None),
            ("retry.max_attempts", _) => ("a whole number, if the policy is \"linear\"", None),
            ("retry.step", _) => ("a time, if the policy is \"linear\"", None),
            _ => return false,
        };
        self.retry = retry.unwrap_or(self.retry);
        self.set_to(shown, takes, retry, |b, to| b.retry(to));
        true
    }
}

/// What loops that people write themselves do.
const LINEAR: RetryPolicy =
    RetryPolicy::Linear { max_attempts: 10, step: Duration::from_millis(100) };

fn sets_policy(setting: &str) -> bool {
    matches!(setting, "retry" | "retry.policy")
}
