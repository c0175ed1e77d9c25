use core::time::Duration;

use headwaters_engine::{
    Bounds, Config, ConfigError, Order, OutagePolicy, OuterKey, RateLimit as EngineRateLimit,
    RetryBudget, RetryPolicy, ShardPrediction, ShardShare,
};
use serde::{Deserialize, Serialize};

use crate::rng::{Chance, Rng};

/// The settings of an engine, as a plan writes them down: each as in [`Config`], times in milliseconds.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names are those of the settings in `Config`")]
#[non_exhaustive]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub aggregation: bool,
    pub aggregation_max_count: u32,
    pub aggregation_max_size: u32,
    pub bounds_bytes: u32,
    pub bounds_records: u32,
    pub cancel_grace_ms: u64,
    pub collection_max_count: u32,
    pub collection_max_shard_size: u32,
    pub collection_max_size: u32,
    pub fail_if_throttled: bool,
    pub max_requests_in_flight: u32,
    pub max_user_record_size: u32,
    /// Whether the records of each hash key are stored in their order.
    pub ordered: bool,
    /// Whether [`Config::outage`] is [`OutagePolicy::Probe`].
    pub outage_probes: bool,
    /// Whether an aggregate has the key of its first record, and not the KPL's `a`.
    pub outer_key_of_first: bool,
    pub rate_limit: RateLimit,
    pub record_max_buffered_time_ms: u64,
    pub request_timeout_ms: u64,
    pub retry: Retry,
    /// [`Config::retry_budget`]; 0 for none.
    pub retry_budget_percent: u32,
    pub shard_prediction: bool,
    /// [`Config::shard_share`]; 0 for none.
    pub shard_share_percent: u32,
    /// `None` for ever; a plan says "never" then.
    #[serde(with = "crate::ttl")]
    pub ttl_ms: Option<u64>,
}

/// [`headwaters_engine::RateLimit`].
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[expect(clippy::exhaustive_enums, missing_docs, reason = "as in the engine")]
#[serde(rename_all = "kebab-case")]
pub enum RateLimit {
    Adaptive { ceiling_percent: u32 },
    Fixed { percent: u32 },
    Off,
}

/// [`RetryPolicy`].
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[expect(clippy::exhaustive_enums, missing_docs, reason = "as in the engine")]
#[serde(rename_all = "kebab-case")]
pub enum Retry {
    Exponential { base_ms: u64, cap_ms: u64 },
    Kpl,
    Linear { max_attempts: u32, step_ms: u64 },
}

/// No key of a world is longer than this.
pub(crate) const KEY_BYTES_MAX: u32 = 20;

impl Default for Settings {
    /// The engine's own defaults.
    fn default() -> Self {
        Self {
            aggregation: true,
            aggregation_max_count: u32::MAX,
            aggregation_max_size: 51_200,
            bounds_bytes: 64 << 20,
            bounds_records: 500_000,
            cancel_grace_ms: 1_000,
            collection_max_count: 500,
            collection_max_shard_size: 262_144,
            collection_max_size: 5 << 20,
            fail_if_throttled: false,
            max_requests_in_flight: 24,
            max_user_record_size: 1 << 20,
            ordered: false,
            outage_probes: true,
            outer_key_of_first: false,
            rate_limit: RateLimit::Adaptive { ceiling_percent: 150 },
            record_max_buffered_time_ms: 100,
            request_timeout_ms: 6_000,
            retry: Retry::Exponential { base_ms: 100, cap_ms: 5_000 },
            retry_budget_percent: 10,
            shard_prediction: true,
            shard_share_percent: 400,
            ttl_ms: Some(30_000),
        }
    }
}

impl Settings {
    /// Settings for records with at most `largest` bytes of data.
    pub(crate) fn draw(largest: u32, rng: &mut Rng) -> Self {
        let tight = largest + KEY_BYTES_MAX;
        let max_user_record_size = match largest {
            0..1_000_000 => rng.pick(&[tight, tight + 2_000, 1_048_576, 1_048_576]),
            _ => rng.pick(&[tight, 10_485_760]),
        };
        let percent = rng.pick(&[50, 100, 150, 400]);
        let adaptive = RateLimit::Adaptive { ceiling_percent: percent };
        let fixed = RateLimit::Fixed { percent };
        let mut settings = Self {
            aggregation: rng.happens(Chance::percent(75)),
            aggregation_max_count: rng.pick(&[1, 2, 7, 100, u32::MAX]),
            aggregation_max_size: rng.pick(&[64, 300, 3_000, 51_200, 51_200, 1_000_000]),
            bounds_bytes: max_user_record_size + 1024 * rng.pick(&[4, 500, 60_000]),
            bounds_records: rng.pick(&[1, 7, 600, 100_000]),
            cancel_grace_ms: rng.pick(&[0, 50, 1_000]),
            collection_max_count: rng.pick(&[1, 3, 100, 500]),
            collection_max_shard_size: rng.pick(&[1, 1_000, 262_144]),
            collection_max_size: rng.pick(&[1, 10_000, 1_000_000, 10_485_760]),
            fail_if_throttled: rng.happens(Chance::percent(15)),
            max_requests_in_flight: rng.pick(&[1, 2, 24, 256]),
            max_user_record_size,
            ordered: false,
            outer_key_of_first: rng.happens(Chance::percent(50)),
            rate_limit: rng.pick(&[adaptive, adaptive, adaptive, fixed, fixed, RateLimit::Off]),
            record_max_buffered_time_ms: rng.pick(&[0, 10, 100, 1_000]),
            request_timeout_ms: rng.pick(&[100, 500, 6_000]),
            retry: Retry::draw(rng),
            shard_prediction: rng.happens(Chance::percent(85)),
            ttl_ms: rng.pick(&[Some(100), Some(700), Some(30_000), None]),
            // What came later is drawn last, so that older draws mean the same.
            outage_probes: rng.happens(Chance::percent(80)),
            retry_budget_percent: rng.pick(&[0, 1, 10, 10, 100]),
            shard_share_percent: 400,
        };
        settings.ordered = settings.shard_prediction && rng.happens(Chance::percent(35));
        settings.shard_share_percent = rng.pick(&[0, 25, 100, 400, 400]);
        settings
    }

    /// The same, but for what the KPL does another way: [`Config::kpl`]'s rate, retry rule and the rest of its strategy.
    #[must_use]
    pub const fn as_the_kpl(self) -> Self {
        Self {
            outage_probes: false,
            rate_limit: RateLimit::Fixed { percent: 150 },
            retry: Retry::Kpl,
            retry_budget_percent: 0,
            shard_share_percent: 0,
            ..self
        }
    }

    /// The engine's configuration, with what chance is drawn from.
    ///
    /// # Errors
    /// As [`headwaters_engine::ConfigBuilder::build`].
    pub fn to_config(&self, seed: u64) -> Result<Config, ConfigError> {
        let size = |bytes: u32| usize::try_from(bytes).unwrap_or(usize::MAX);
        let time = Duration::from_millis;
        let is_first = self.outer_key_of_first;
        let is_on = self.shard_prediction;
        Config::builder()
            .aggregation_enabled(self.aggregation)
            .aggregation_max_count(self.aggregation_max_count.into())
            .aggregation_max_size(size(self.aggregation_max_size))
            .bounds(Bounds { bytes: size(self.bounds_bytes), records: size(self.bounds_records) })
            .cancel_grace(time(self.cancel_grace_ms))
            .collection_max_count(size(self.collection_max_count))
            .collection_max_shard_size(size(self.collection_max_shard_size))
            .collection_max_size(size(self.collection_max_size))
            .fail_if_throttled(self.fail_if_throttled)
            .max_requests_in_flight(size(self.max_requests_in_flight))
            .max_user_record_size(size(self.max_user_record_size))
            .order(if self.ordered { Order::PerPartitionKey } else { Order::Unordered })
            .outage(if self.outage_probes { OutagePolicy::Probe } else { OutagePolicy::Off })
            .outer_key(if is_first { OuterKey::FirstRecord } else { OuterKey::Kpl })
            .rate_limit(match self.rate_limit {
                RateLimit::Adaptive { ceiling_percent } => {
                    EngineRateLimit::Adaptive { ceiling_percent }
                }
                RateLimit::Fixed { percent } => EngineRateLimit::Fixed { percent },
                RateLimit::Off => EngineRateLimit::Off,
            })
            .record_max_buffered_time(time(self.record_max_buffered_time_ms))
            .record_ttl(self.ttl_ms.map(time))
            .request_timeout(time(self.request_timeout_ms))
            .retry(match self.retry {
                Retry::Exponential { base_ms, cap_ms } => {
                    RetryPolicy::Exponential { base: time(base_ms), cap: time(cap_ms) }
                }
                Retry::Kpl => RetryPolicy::Kpl,
                Retry::Linear { max_attempts, step_ms } => {
                    RetryPolicy::Linear { max_attempts, step: time(step_ms) }
                }
            })
            .retry_budget(match self.retry_budget_percent {
                0 => RetryBudget::Off,
                percent => RetryBudget::Percent(percent),
            })
            .seed(seed)
            .shard_prediction(if is_on { ShardPrediction::On } else { ShardPrediction::Off })
            .shard_share(match self.shard_share_percent {
                0 => ShardShare::Off,
                percent => ShardShare::Percent(percent),
            })
            .build()
    }
}

impl Retry {
    fn draw(rng: &mut Rng) -> Self {
        let exponential = Self::Exponential {
            base_ms: rng.pick(&[0, 20, 100]),
            cap_ms: rng.pick(&[0, 500, 5_000]),
        };
        // Two attempts are the likeliest to end for some members of an aggregate and not for others.
        let max_attempts = rng.pick(&[1, 2, 2, 2, 3, 5, 10]);
        let linear = Self::Linear { max_attempts, step_ms: rng.pick(&[0, 10, 10, 100]) };
        rng.pick(&[exponential, Self::Kpl, linear, linear])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_engines() {
        assert_eq!(Settings::default().to_config(0).expect("valid settings"), Config::default());
        let kpl = Settings::default().as_the_kpl();
        assert_eq!(kpl.to_config(0).expect("valid settings"), Config::kpl());
    }

    #[test]
    fn whatever_is_drawn_is_valid() {
        for seed in 0..2_000 {
            for largest in [20, 3_000_000] {
                let drawn = Settings::draw(largest, &mut Rng::new(seed, "test"));
                assert!(drawn.to_config(seed).is_ok(), "{drawn:?}");
            }
        }
    }
}
