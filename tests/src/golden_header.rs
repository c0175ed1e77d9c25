//! The head of a golden trace: the settings and the stream.

use headwaters_engine::{
    Bounds, Config, ConfigBuilder, Order, OutagePolicy, OuterKey, RateLimit, RetryBudget,
    RetryPolicy, ShardPrediction,
};

use crate::golden_stream::Stream;
use crate::golden_words::{bytes, number, time};

/// What a trace starts with.
pub(crate) struct Header {
    pub(crate) config: ConfigBuilder,
    /// Whether the engine has the list of the shards at the start.
    pub(crate) listed: bool,
    pub(crate) stream: Stream,
}

impl Header {
    pub(crate) fn new() -> Result<Self, String> {
        Ok(Self { config: Config::builder(), listed: false, stream: Stream::even(1)? })
    }

    pub(crate) fn read(&mut self, line: &str) -> Result<(), String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [] => {}
            [first, ..] if first.starts_with('#') => {}
            ["config", "default"] => self.config = Config::builder(),
            ["config", "kpl"] => self.config = Config::kpl().into_builder(),
            ["shards", count] => self.stream = Stream::even(number(count)?)?,
            ["shards", count, "listed"] => {
                self.stream = Stream::even(number(count)?)?;
                self.listed = true;
            }
            _ => self.config = set(self.config.clone(), &words)?,
        }
        Ok(())
    }
}

fn set(config: ConfigBuilder, words: &[&str]) -> Result<ConfigBuilder, String> {
    let count = |text| usize::try_from(number(text)?).map_err(|error| error.to_string());
    Ok(match *words {
        ["aggregation_enabled", value] => config.aggregation_enabled(is(value)?),
        ["aggregation_max_count", value] => config.aggregation_max_count(number(value)?),
        ["aggregation_max_size", value] => config.aggregation_max_size(bytes(value)?),
        ["bounds", size, records] => {
            config.bounds(Bounds { bytes: bytes(size)?, records: count(records)? })
        }
        ["cancel_grace", value] => config.cancel_grace(time(value)?),
        ["collection_max_count", value] => config.collection_max_count(count(value)?),
        ["collection_max_shard_size", value] => config.collection_max_shard_size(bytes(value)?),
        ["collection_max_size", value] => config.collection_max_size(bytes(value)?),
        ["fail_if_throttled", value] => config.fail_if_throttled(is(value)?),
        ["max_requests_in_flight", value] => config.max_requests_in_flight(count(value)?),
        ["max_user_record_size", value] => config.max_user_record_size(bytes(value)?),
        ["order", "per-partition-key"] => config.order(Order::PerPartitionKey),
        ["outage", "off"] => config.outage(OutagePolicy::Off),
        ["outer_key", "first-record"] => config.outer_key(OuterKey::FirstRecord),
        ["rate_limit", "off"] => config.rate_limit(RateLimit::Off),
        ["rate_limit", "adaptive", ceiling] => {
            let ceiling_percent = percent(ceiling)?;
            config.rate_limit(RateLimit::Adaptive { ceiling_percent })
        }
        ["rate_limit", fixed] => config.rate_limit(RateLimit::Fixed { percent: percent(fixed)? }),
        ["record_max_buffered_time", value] => config.record_max_buffered_time(time(value)?),
        ["record_ttl", "never"] => config.record_ttl(None),
        ["record_ttl", value] => config.record_ttl(Some(time(value)?)),
        ["request_timeout", value] => config.request_timeout(time(value)?),
        ["retry", "exponential", base, cap] => {
            config.retry(RetryPolicy::Exponential { base: time(base)?, cap: time(cap)? })
        }
        ["retry", "kpl"] => config.retry(RetryPolicy::Kpl),
        ["retry", "linear", step, attempts] => {
            let max_attempts = u32::try_from(number(attempts)?).map_err(|e| e.to_string())?;
            config.retry(RetryPolicy::Linear { max_attempts, step: time(step)? })
        }
        ["retry_budget", "off"] => config.retry_budget(RetryBudget::Off),
        ["shard_prediction", "off"] => config.shard_prediction(ShardPrediction::Off),
        _ => return Err(format!("there is no such setting: {words:?}")),
    })
}

fn percent(text: &str) -> Result<u32, String> {
    let percent = text.strip_suffix('%').ok_or("the limit needs a `%`")?;
    u32::try_from(number(percent)?).map_err(|error| error.to_string())
}

fn is(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| format!("`{text}` is neither `true` nor `false`"))
}
