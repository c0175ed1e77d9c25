use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use headwaters_wire::aggregate::OuterKey;
use headwaters_wire::limits::{
    RECORD_BYTES_DEFAULT, RECORD_BYTES_MAX, REQUEST_BYTES_MAX, REQUEST_ENTRIES_MAX,
};

use crate::bounds::Bounds;
use crate::budget::RetryBudget;
use crate::completion::Attempts;
use crate::limiter::RateLimit;
use crate::order::Order;
use crate::retry::RetryPolicy;
use crate::share::ShardShare;
use crate::window::OutagePolicy;

macro_rules! settings {
    ($( $(#[doc = $doc:literal])* $name:ident: $type:ty, )*) => {
        /// The settings of an [`Engine`](crate::Engine): valid because they exist.
        ///
        /// Names and defaults are the KPL's wherever the KPL has the setting.
        #[derive(Clone, Debug, Eq, PartialEq)]
        pub struct Config {
            $( pub(crate) $name: $type, )*
        }

        impl Config {
            $(
                $(#[doc = $doc])*
                pub const fn $name(&self) -> $type {
                    self.$name
                }
            )*
        }

        impl ConfigBuilder {
            $(
                $(#[doc = $doc])*
                pub const fn $name(mut self, value: $type) -> Self {
                    self.config.$name = value;
                    self
                }
            )*
        }
    };
}

settings! {
    /// Whether several user records of one shard are packed into one Kinesis record, as the KPL does and its
    /// consumers take apart. Default: true.
    aggregation_enabled: bool,
    /// Most user records in an aggregate. Default: 4,294,967,295; at most 2^63 - 1.
    aggregation_max_count: u64,
    /// Bytes of data at which an aggregate is full. Default: 51,200; from 64 to 10 MiB. A user record that is
    /// larger goes alone. Never more than [`Self::max_user_record_size`], for the stream would refuse it.
    aggregation_max_size: usize,
    /// How much may be held. Default: 64 MiB and 500,000 records. (The KPL has no bound.)
    bounds: Bounds,
    /// How long to wait for the answer to a cancel before the request counts as lost. Default: 1 s.
    cancel_grace: Duration,
    /// Most entries in a request. Default and maximum: 500, the service's limit.
    collection_max_count: usize,
    /// Bytes for one shard, not sent before, at which a request leaves at once. Default: 256 KiB (what the KPL
    /// has without a setting); at least 1.
    collection_max_shard_size: usize,
    /// Bytes (data and partition keys) at which a request is full. Default: 5 MiB, at most 10 MiB. A record
    /// that is larger goes alone.
    collection_max_size: usize,
    /// Largest payload that is copied, with its key, when it may be a part of a larger buffer: somebody else has a handle
    /// to its buffer, as when both were cut out of one that was read. Else a few bytes can keep all of it in memory, and
    /// [`bounds`](Self::bounds) count only those few. 0 copies none. Default: 4 KiB. A record that is packed is
    /// copied anyway.
    copy_shared_up_to: usize,
    /// Whether a record that the service throttles fails at once. Default: false.
    fail_if_throttled: bool,
    /// Most requests at a time, those being cancelled included. Default: 24 (the KPL's `MaxConnections`), at
    /// most 256.
    max_requests_in_flight: usize,
    /// Largest record that the stream takes, data and partition key together, in bytes. Default: 1 MiB,
    /// the service's default for streams; at most 10 MiB. (The KPL does not count the key.)
    max_user_record_size: usize,
    /// In which order records are stored. Default: [`Order::Unordered`], as in the KPL.
    order: Order,
    /// What becomes of the requests in flight when requests fail as a whole. Default: [`OutagePolicy::Probe`]. (The KPL
    /// has nothing of the kind.)
    outage: OutagePolicy,
    /// The partition key of an aggregate. Default: [`OuterKey::Kpl`].
    outer_key: OuterKey,
    /// How fast each shard is fed. Default: [`RateLimit::Adaptive`], up to 150 percent of what a shard takes.
    rate_limit: RateLimit,
    /// How long a record may wait for others to share a request with, and before that an aggregate. Default:
    /// 100 ms. What was aggregated waits up to a fifth of it (at most 50 ms) more for aggregates of other shards,
    /// as in the KPL.
    record_max_buffered_time: Duration,
    /// How long a record may take from acceptance to the start of its last attempt; `None` for ever.
    /// Default: 30 s, at least 100 ms.
    record_ttl: Option<Duration>,
    /// How long a request may take before it is cancelled. Default: 6 s; from 100 ms to 10 minutes.
    request_timeout: Duration,
    /// When failed records are sent again. Default: [`RetryPolicy::Exponential`], 100 ms to 5 s.
    retry: RetryPolicy,
    /// How many retries there may be beside what is stored. Default: [`RetryBudget::Percent`] with 10. (The KPL has no
    /// budget.)
    retry_budget: RetryBudget,
    /// What chance is drawn from (the waits of [`RetryPolicy::Exponential`], of [`OutagePolicy::Probe`] and of failed
    /// listings): the same seed and the same events give the same actions. Give each producer another one, or all of them will try
    /// again at the same moments. Default: 0.
    seed: u64,
    /// Whether the engine lists the shards of the stream and foretells where each record belongs. Default:
    /// [`ShardPrediction::On`].
    shard_prediction: ShardPrediction,
    /// How much of what is free may wait for one shard. Default: [`ShardShare::Percent`] with 400. (The KPL has no
    /// bound.)
    shard_share: ShardShare,
}

/// Whether the engine foretells the shard of each record.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum ShardPrediction {
    /// It lists the shards and keeps the list fresh. Aggregation and limits per shard need that. A stream that
    /// distributes records by itself is found out: [`MapStatus::Scattered`](crate::MapStatus::Scattered).
    #[default]
    On,
    /// It does not ask, and knows nothing of shards: for streams that are known to distribute records by themselves.
    /// Nothing is aggregated, and one limiter serves for the whole stream: for as many shards as answers have named.
    Off,
}

impl Config {
    /// The KPL's defaults and its timing: [`Config::default`] with [`RetryPolicy::Kpl`] and [`RateLimit::Fixed`] with
    /// 150 percent, and without [`OutagePolicy::Probe`], a [`RetryBudget`] and a [`ShardShare`].
    ///
    /// What is known as a defect of the KPL is mended here as everywhere; `docs/kpl-settings.md` in the repository
    /// maps each of its settings and says what differs, and why.
    pub fn kpl() -> Self {
        Self {
            outage: OutagePolicy::Off,
            rate_limit: RateLimit::Fixed { percent: 150 },
            retry: RetryPolicy::Kpl,
            retry_budget: RetryBudget::Off,
            shard_share: ShardShare::Off,
            ..Self::default()
        }
    }

    /// How long what was aggregated may wait for aggregates of other shards.
    pub(crate) fn linger(&self) -> Duration {
        if self.aggregation_enabled {
            LINGER_MAX.min(self.record_max_buffered_time / 5)
        } else {
            Duration::ZERO
        }
    }

    /// A builder that starts from the defaults.
    pub fn builder() -> ConfigBuilder {
        Self::default().into_builder()
    }

    /// A builder that starts from these settings.
    pub const fn into_builder(self) -> ConfigBuilder {
        ConfigBuilder { config: self }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            aggregation_enabled: true,
            aggregation_max_count: u64::from(u32::MAX),
            aggregation_max_size: 51_200,
            bounds: Bounds { bytes: 64 * 1024 * 1024, records: 500_000 },
            cancel_grace: Duration::from_secs(1),
            collection_max_count: REQUEST_ENTRIES_MAX,
            collection_max_size: 5 * 1024 * 1024,
            collection_max_shard_size: 256 * 1024,
            copy_shared_up_to: 4 * 1024,
            fail_if_throttled: false,
            max_requests_in_flight: 24,
            order: Order::Unordered,
            outage: OutagePolicy::default(),
            outer_key: OuterKey::Kpl,
            rate_limit: RateLimit::default(),
            max_user_record_size: RECORD_BYTES_DEFAULT,
            record_max_buffered_time: Duration::from_millis(100),
            record_ttl: Some(Duration::from_secs(30)),
            request_timeout: Duration::from_secs(6),
            retry: RetryPolicy::default(),
            retry_budget: RetryBudget::default(),
            seed: 0,
            shard_prediction: ShardPrediction::On,
            shard_share: ShardShare::default(),
        }
    }
}

/// Changes settings one by one, starting from the defaults; [`build`](Self::build) checks them all.
#[derive(Clone, Debug)]
#[must_use]
pub struct ConfigBuilder {
    config: Config,
}

/// The longest that the KPL lets aggregates wait in its second stage.
const LINGER_MAX: Duration = Duration::from_millis(50);
/// The KPL's range for `AggregationMaxCount`.
const AGGREGATION_COUNT_MAX: u64 = i64::MAX as u64;
/// The KPL's minimum for `AggregationMaxSize`.
const AGGREGATION_BYTES_MIN: u64 = 64;
/// Most requests in flight: the KPL's maximum for `MaxConnections`.
const REQUESTS_IN_FLIGHT_MAX: u64 = 256;
/// Largest share: one shard takes all but a thousandth of the buffer.
const SHARE_PERCENT_MAX: u64 = 100_000;
/// The KPL's range for `RequestTimeout`, in milliseconds.
const REQUEST_TIMEOUT_MS: (u64, u64) = (100, 600_000);
/// The KPL's minimum for `RecordTtl`, in milliseconds.
const RECORD_TTL_MS_MIN: u64 = 100;
/// Longest duration that a setting may have: a year, in milliseconds. It keeps the arithmetic of time far
/// from its end; nothing needs more.
const DURATION_MS_MAX: u64 = 366 * 24 * 60 * 60 * 1_000;
pub(crate) const DURATION_MAX: Duration = Duration::from_millis(DURATION_MS_MAX);

impl ConfigBuilder {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`ConfigError`] lists every setting that is out of its bounds, not only the first.
    pub fn build(self) -> Result<Config, ConfigError> {
        let mut check = Check::default();
        self.check_batching(&mut check);
        self.check_limits(&mut check);
        self.check_times(&mut check);
        self.check_order(&mut check);
        if check.faults.is_empty() {
            return Ok(self.config);
        }
        check.faults.sort_by_key(|fault| fault.field);
        Err(ConfigError { faults: check.faults })
    }

    fn check_batching(&self, check: &mut Check) {
        let Config {
            aggregation_max_count,
            aggregation_max_size,
            collection_max_count,
            collection_max_shard_size,
            collection_max_size,
            ..
        } = self.config;
        check.range("aggregation_max_count", aggregation_max_count, 1, AGGREGATION_COUNT_MAX, "");
        let (least, most) = (AGGREGATION_BYTES_MIN, RECORD_BYTES_MAX as u64);
        check.count("aggregation_max_size", aggregation_max_size, least, most);
        check.count("collection_max_count", collection_max_count, 1, REQUEST_ENTRIES_MAX as u64);
        check.count("collection_max_shard_size", collection_max_shard_size, 1, u64::MAX);
        check.count("collection_max_size", collection_max_size, 1, REQUEST_BYTES_MAX as u64);
    }

    fn check_limits(&self, check: &mut Check) {
        let Config {
            bounds,
            max_requests_in_flight,
            max_user_record_size,
            order,
            rate_limit,
            retry_budget,
            shard_share,
            ..
        } = self.config;
        // The largest record must fit, with the attempts that are kept of it.
        let overhead = Bounds::RECORD_OVERHEAD + Bounds::overhead_of(order) + Attempts::BYTES;
        let room = max_user_record_size.saturating_add(overhead);
        check.count("bounds.bytes", bounds.bytes, room as u64, u64::MAX);
        check.because("bounds.bytes", "the largest record must fit, see `max_user_record_size`");
        check.count("bounds.records", bounds.records, 1, u64::MAX);
        let requests = max_requests_in_flight;
        check.count("max_requests_in_flight", requests, 1, REQUESTS_IN_FLIGHT_MAX);
        check.count("max_user_record_size", max_user_record_size, 1, RECORD_BYTES_MAX as u64);
        match rate_limit {
            RateLimit::Adaptive { ceiling_percent } => {
                let percent = ceiling_percent.into();
                check.range("rate_limit.ceiling_percent", percent, 1, u32::MAX.into(), "");
            }
            RateLimit::Fixed { percent } => {
                check.range("rate_limit.percent", percent.into(), 1, u32::MAX.into(), "");
            }
            RateLimit::Off => {}
        }
        if let RetryBudget::Percent(percent) = retry_budget {
            check.range("retry_budget.percent", percent.into(), 1, 100, "");
        }
        if let ShardShare::Percent(percent) = shard_share {
            check.range("shard_share.percent", percent.into(), 1, SHARE_PERCENT_MAX, "");
        }
    }

    /// A service that distributes records by itself keeps no order that a consumer could see.
    fn check_order(&self, check: &mut Check) {
        let Config { order, shard_prediction, .. } = self.config;
        if (order, shard_prediction) == (Order::PerPartitionKey, ShardPrediction::Off) {
            check.conflict("order", "PerPartitionKey", "shard_prediction", "On");
        }
    }

    fn check_times(&self, check: &mut Check) {
        let Config {
            cancel_grace,
            record_max_buffered_time,
            record_ttl,
            request_timeout,
            retry,
            ..
        } = self.config;
        check.millis("cancel_grace", cancel_grace, 0, DURATION_MS_MAX);
        check.millis("record_max_buffered_time", record_max_buffered_time, 0, DURATION_MS_MAX);
        if let Some(ttl) = record_ttl {
            check.millis("record_ttl", ttl, RECORD_TTL_MS_MIN, DURATION_MS_MAX);
        }
        let (shortest, longest) = REQUEST_TIMEOUT_MS;
        check.millis("request_timeout", request_timeout, shortest, longest);
        match retry {
            RetryPolicy::Exponential { base, cap } => {
                check.millis("retry.base", base, 0, DURATION_MS_MAX);
                check.millis("retry.cap", cap, 0, DURATION_MS_MAX);
            }
            RetryPolicy::Kpl => {}
            RetryPolicy::Linear { max_attempts, step } => {
                check.range("retry.max_attempts", max_attempts.into(), 1, u32::MAX.into(), "");
                check.millis("retry.step", step, 0, DURATION_MS_MAX);
            }
        }
    }
}

#[derive(Default)]
struct Check {
    faults: Vec<ConfigFault>,
}

impl Check {
    fn count(&mut self, field: &'static str, value: usize, min: u64, max: u64) {
        self.range(field, value as u64, min, max, "");
    }

    fn millis(&mut self, field: &'static str, value: Duration, min: u64, max: u64) {
        let value = u64::try_from(value.as_millis()).unwrap_or(u64::MAX);
        self.range(field, value, min, max, " ms");
    }

    fn range(&mut self, field: &'static str, value: u64, min: u64, max: u64, unit: &'static str) {
        if value < min || value > max {
            let (because, conflict) = (None, None);
            self.faults.push(ConfigFault { because, conflict, field, max, min, unit, value });
        }
    }

    /// Says why the limit of that setting is what it is, if it is a fault.
    fn because(&mut self, field: &'static str, because: &'static str) {
        let faults = self.faults.iter_mut().filter(|fault| fault.field == field);
        faults.for_each(|fault| fault.because = Some(because));
    }

    fn conflict(
        &mut self,
        field: &'static str,
        value: &'static str,
        other: &'static str,
        needed: &'static str,
    ) {
        let conflict = Some(ConfigConflict { needed, other, value });
        let (because, unit) = (None, "");
        self.faults.push(ConfigFault { because, conflict, field, max: 0, min: 0, unit, value: 0 });
    }
}

/// Settings that are out of their bounds: all of them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigError {
    faults: Vec<ConfigFault>,
}

impl ConfigError {
    /// What is wrong, in the order of the names of the settings.
    pub fn faults(&self) -> &[ConfigFault] {
        &self.faults
    }
}

/// One setting that is out of its bounds, or does not go together with another one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ConfigFault {
    /// Why the limit is what it is, where another setting decides that.
    pub because: Option<&'static str>,
    /// The other setting that it does not go together with, if it is that; then there are no numbers (they are 0).
    pub conflict: Option<ConfigConflict>,
    /// The setting.
    pub field: &'static str,
    /// The most it may be.
    pub max: u64,
    /// The least it may be.
    pub min: u64,
    /// The unit of the three numbers, with a space before it; empty for counts and bytes.
    pub unit: &'static str,
    /// What it is.
    pub value: u64,
}

/// Two settings that do not go together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ConfigConflict {
    /// What the other setting would have to be.
    pub needed: &'static str,
    /// The other setting.
    pub other: &'static str,
    /// What the first setting is.
    pub value: &'static str,
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { because, conflict, field, max, min, unit, value } = self;
        if let Some(ConfigConflict { needed, other, value }) = conflict {
            return write!(f, "`{field}` is {value}; for that `{other}` must be {needed}");
        }
        if *max == u64::MAX {
            write!(f, "`{field}` is {value}{unit}; it must be at least {min}{unit}")?;
            return because.map_or(Ok(()), |because| write!(f, " ({because})"));
        }
        write!(f, "`{field}` is {value}{unit}; it must be from {min}{unit} to {max}{unit}")
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.faults.iter().enumerate() {
            write!(f, "{}{fault}", if at == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl core::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn the_defaults_are_valid_and_the_kpls() {
        let config = Config::builder().build().expect("the defaults are valid");
        assert_eq!(config, Config::default());
        assert_eq!(config.record_max_buffered_time, Duration::from_millis(100));
        assert_eq!(config.record_ttl, Some(Duration::from_millis(30_000)));
        assert_eq!(config.request_timeout, Duration::from_millis(6_000));
        assert_eq!((config.collection_max_count, config.collection_max_size), (500, 5_242_880));
        assert_eq!(config.max_requests_in_flight, 24);
    }

    #[test]
    fn all_faults_are_reported_at_once() {
        let error = Config::builder()
            .collection_max_count(501)
            .record_ttl(Some(Duration::from_millis(99)))
            .bounds(Bounds { bytes: 10, records: 0 })
            .retry_budget(RetryBudget::Percent(101))
            .build()
            .expect_err("five faults");
        let fields: Vec<&str> = error.faults().iter().map(|fault| fault.field).collect();
        assert_eq!(
            fields,
            [
                "bounds.bytes",
                "bounds.records",
                "collection_max_count",
                "record_ttl",
                "retry_budget.percent"
            ]
        );
        assert!(
            error.to_string().contains("`collection_max_count` is 501; it must be from 1 to 500")
        );
        assert!(error.to_string().contains("`record_ttl` is 99 ms; it must be from 100 ms"));
    }

    #[test]
    fn the_largest_record_fits_to_the_byte() {
        for order in [Order::Unordered, Order::PerPartitionKey] {
            let kept = Bounds::RECORD_OVERHEAD + Bounds::overhead_of(order) + Attempts::BYTES;
            let config = |bytes| {
                let bounds = Bounds { bytes, records: 1 };
                Config::builder().max_user_record_size(1_000).order(order).bounds(bounds).build()
            };
            assert!(config(1_000 + kept).is_ok());
            let error = config(1_000 + kept - 1).expect_err("a byte too few");
            assert!(error.to_string().ends_with("see `max_user_record_size`)"), "{error}");
        }
    }

    #[test]
    fn no_time_is_longer_than_a_year() {
        let ttl = |time| Config::builder().record_ttl(Some(time)).build();
        let year = Duration::from_secs(366 * 86_400);
        assert!(ttl(year).is_ok());
        assert!(ttl(year + Duration::from_millis(1)).is_err());
    }
}
