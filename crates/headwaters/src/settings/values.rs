//! The settings as names and values: as text of our own, and back.

use core::time::Duration;

use headwaters_engine::{
    Config, Order, OutagePolicy, OuterKey, RateLimit, RetryBudget, RetryPolicy, ShardPrediction,
    ShardShare,
};

use crate::settings::layers::Layers;
use crate::settings::near::nearest;
use crate::settings::table::{NAMES, Named, Value};

impl Layers {
    /// Settings by the names that [`Config`] has for them, with a dot before the part of one that has several
    /// (`bounds.bytes`). Values are written as in TOML, without quotes.
    ///
    /// ```
    /// # use headwaters::{Config, Settings};
    /// let settings = Settings::over(Config::default()).named([("record_ttl", "1 min")]).read()?;
    /// assert_eq!(settings.config.record_ttl().map(|ttl| ttl.as_secs()), Some(60));
    /// # Ok::<(), headwaters::SettingsError>(())
    /// ```
    pub fn named<N: AsRef<str>, V: AsRef<str>>(
        mut self,
        settings: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let mut source = Vec::new();
        for (name, value) in settings {
            let shown = name.as_ref().to_owned();
            match NAMES.into_iter().find(|setting| *setting == shown) {
                Some(setting) => {
                    let value = Value::Bare(value.as_ref().to_owned());
                    source.push(Named { setting, shown, value });
                }
                None => self.unknown(&shown, nearest(&shown, NAMES).map(String::from)),
            }
        }
        self.apply(source);
        self
    }
}

/// All settings, as [`Layers::named`] reads them.
pub(crate) fn values(config: &Config) -> Vec<(&'static str, String)> {
    let bounds = config.bounds();
    let mut values = vec![
        ("aggregation_enabled", config.aggregation_enabled().to_string()),
        ("aggregation_max_count", config.aggregation_max_count().to_string()),
        ("aggregation_max_size", config.aggregation_max_size().to_string()),
        ("bounds.bytes", bounds.bytes.to_string()),
        ("bounds.records", bounds.records.to_string()),
        ("cancel_grace", time(config.cancel_grace())),
        ("collection_max_count", config.collection_max_count().to_string()),
        ("collection_max_shard_size", config.collection_max_shard_size().to_string()),
        ("collection_max_size", config.collection_max_size().to_string()),
        ("copy_shared_up_to", config.copy_shared_up_to().to_string()),
        ("fail_if_throttled", config.fail_if_throttled().to_string()),
        ("max_requests_in_flight", config.max_requests_in_flight().to_string()),
        ("max_user_record_size", config.max_user_record_size().to_string()),
        ("record_max_buffered_time", time(config.record_max_buffered_time())),
        ("record_ttl", config.record_ttl().map_or_else(|| "never".to_owned(), time)),
        ("request_timeout", time(config.request_timeout())),
        ("seed", config.seed().to_string()),
    ];
    values.extend(policies(config));
    values.sort_by_key(|(name, _)| *name);
    values
}

fn policies(config: &Config) -> Vec<(&'static str, String)> {
    let mut values = vec![
        (
            "order",
            match config.order() {
                Order::PerPartitionKey => "per_partition_key",
                _ => "unordered",
            }
            .to_owned(),
        ),
        (
            "outage",
            match config.outage() {
                OutagePolicy::Off => "off",
                _ => "probe",
            }
            .to_owned(),
        ),
        (
            "outer_key",
            match config.outer_key() {
                OuterKey::FirstRecord => "first_record",
                _ => "kpl",
            }
            .to_owned(),
        ),
        (
            "retry_budget",
            match config.retry_budget() {
                RetryBudget::Percent(percent) => percent.to_string(),
                _ => "off".to_owned(),
            },
        ),
        (
            "shard_prediction",
            match config.shard_prediction() {
                ShardPrediction::Off => "off",
                _ => "on",
            }
            .to_owned(),
        ),
        (
            "shard_share",
            match config.shard_share() {
                ShardShare::Percent(percent) => percent.to_string(),
                _ => "off".to_owned(),
            },
        ),
    ];
    values.push(match config.rate_limit() {
        RateLimit::Adaptive { ceiling_percent } => {
            ("rate_limit.ceiling_percent", ceiling_percent.to_string())
        }
        RateLimit::Fixed { percent } => ("rate_limit.percent", percent.to_string()),
        _ => ("rate_limit", "off".to_owned()),
    });
    match config.retry() {
        RetryPolicy::Exponential { base, cap } => values.extend([
            ("retry", "exponential".to_owned()),
            ("retry.base", time(base)),
            ("retry.cap", time(cap)),
        ]),
        RetryPolicy::Linear { max_attempts, step } => values.extend([
            ("retry", "linear".to_owned()),
            ("retry.max_attempts", max_attempts.to_string()),
            ("retry.step", time(step)),
        ]),
        _ => values.push(("retry", "kpl".to_owned())),
    }
    values
}

/// In milliseconds where that is exact.
fn time(time: Duration) -> String {
    const MILLIS_MAX: u128 = 1_000_000_000;
    let (nanos, millis) = (time.as_nanos(), time.as_millis());
    let is_exact = nanos.is_multiple_of(1_000_000) && millis <= MILLIS_MAX;
    if is_exact { format!("{millis} ms") } else { format!("{nanos} ns") }
}

#[cfg(test)]
mod tests {
    use headwaters_engine::Bounds;

    use super::*;
    use crate::settings::Settings;

    /// Read over settings that have nothing in common with them.
    fn read_back(config: &Config) {
        let other = if *config == Config::kpl() { Config::default() } else { Config::kpl() };
        let other = other.into_builder().seed(99).record_ttl(Some(Duration::from_secs(77)));
        let layers = Settings::over(other.build().expect("valid"));
        assert_eq!(layers.named(values(config)).read().expect("valid").config, *config);
    }

    #[test]
    fn what_is_written_reads_back() {
        read_back(&Config::default());
        read_back(&Config::kpl());
        let odd = Duration::new(31_000_000, 123_456_789);
        let config = Config::builder()
            .aggregation_enabled(false)
            .aggregation_max_count(i64::MAX as u64)
            .aggregation_max_size(1_000)
            .bounds(Bounds { bytes: 20_000_000, records: 5 })
            .cancel_grace(odd)
            .collection_max_count(100)
            .collection_max_shard_size(usize::MAX)
            .collection_max_size(1_000_000)
            .copy_shared_up_to(11)
            .fail_if_throttled(true)
            .max_requests_in_flight(3)
            .max_user_record_size(5_000)
            .order(Order::PerPartitionKey)
            .outage(OutagePolicy::Off)
            .outer_key(OuterKey::FirstRecord)
            .rate_limit(RateLimit::Off)
            .record_max_buffered_time(Duration::from_nanos(1))
            .record_ttl(None)
            .request_timeout(Duration::from_nanos(123_456_789))
            .retry(RetryPolicy::Linear { max_attempts: 3, step: odd })
            .retry_budget(RetryBudget::Off)
            .seed(u64::MAX)
            .shard_share(ShardShare::Percent(7));
        read_back(&config.build().expect("valid"));
        let config = Config::builder()
            .rate_limit(RateLimit::Fixed { percent: 80 })
            .retry(RetryPolicy::Exponential { base: odd, cap: Duration::from_millis(1) })
            .shard_prediction(ShardPrediction::Off);
        read_back(&config.build().expect("valid"));
    }

    #[test]
    fn each_value_belongs_to_a_setting() {
        let values = values(&Config::default());
        assert!(values.iter().all(|(name, _)| NAMES.contains(name)), "{values:?}");
        // All but the parts that other policies have.
        assert_eq!(values.len(), NAMES.len() - 5);
    }
}
