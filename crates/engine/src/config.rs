use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use headwaters_wire::limits::{
    RECORD_BYTES_DEFAULT, RECORD_BYTES_MAX, REQUEST_BYTES_MAX, REQUEST_ENTRIES_MAX,
};

use crate::bounds::Bounds;
use crate::completion::Attempts;
use crate::retry::RetryPolicy;

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
    /// How much may be held. Default: 64 MiB and 500,000 records. (The KPL has no bound.)
    bounds: Bounds,
    /// How long to wait for the answer to a cancel before the request counts as lost. Default: 1 s.
    cancel_grace: Duration,
    /// Most entries in a request. Default and maximum: 500, the service's limit.
    collection_max_count: usize,
    /// Bytes (data and partition keys) at which a request is full. Default: 5 MiB, at most 10 MiB. A record
    /// that is larger goes alone.
    collection_max_size: usize,
    /// Most requests at a time, those being cancelled included. Default: 24 (the KPL's `MaxConnections`), at
    /// most 256.
    max_requests_in_flight: usize,
    /// Largest record that the stream takes, data and partition key together, in bytes. Default: 1 MiB,
    /// the service's default for streams; at most 10 MiB. (The KPL does not count the key.)
    max_user_record_size: usize,
    /// How long a record may wait for others to share a request with. Default: 100 ms.
    record_max_buffered_time: Duration,
    /// How long a record may take from acceptance to the start of its last attempt; `None` for ever.
    /// Default: 30 s, at least 100 ms.
    record_ttl: Option<Duration>,
    /// How long a request may take before it is cancelled. Default: 6 s; from 100 ms to 10 minutes.
    request_timeout: Duration,
    /// When failed records are sent again. Default: [`RetryPolicy::Linear`], 100 ms, 10 attempts.
    retry: RetryPolicy,
}

impl Config {
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
            bounds: Bounds { bytes: 64 * 1024 * 1024, records: 500_000 },
            cancel_grace: Duration::from_secs(1),
            collection_max_count: REQUEST_ENTRIES_MAX,
            collection_max_size: 5 * 1024 * 1024,
            max_requests_in_flight: 24,
            max_user_record_size: RECORD_BYTES_DEFAULT,
            record_max_buffered_time: Duration::from_millis(100),
            record_ttl: Some(Duration::from_secs(30)),
            request_timeout: Duration::from_secs(6),
            retry: RetryPolicy::default(),
        }
    }
}

/// Changes settings one by one, starting from the defaults; [`build`](Self::build) checks them all.
#[derive(Clone, Debug)]
#[must_use]
pub struct ConfigBuilder {
    config: Config,
}

/// Most requests in flight: the KPL's maximum for `MaxConnections`.
const REQUESTS_IN_FLIGHT_MAX: u64 = 256;
/// The KPL's range for `RequestTimeout`, in milliseconds.
const REQUEST_TIMEOUT_MS: (u64, u64) = (100, 600_000);
/// The KPL's minimum for `RecordTtl`, in milliseconds.
const RECORD_TTL_MS_MIN: u64 = 100;
/// Longest duration that a setting may have: a year, in milliseconds. It keeps the arithmetic of time far
/// from its end; nothing needs more.
const DURATION_MS_MAX: u64 = 366 * 24 * 60 * 60 * 1_000;

impl ConfigBuilder {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`ConfigError`] lists every setting that is out of its bounds, not only the first.
    pub fn build(self) -> Result<Config, ConfigError> {
        let Config {
            bounds,
            cancel_grace,
            collection_max_count,
            collection_max_size,
            max_requests_in_flight,
            max_user_record_size,
            record_max_buffered_time,
            record_ttl,
            request_timeout,
            retry,
        } = &self.config;
        let mut check = Check::default();
        // The largest record must fit, with the attempts that are kept of it.
        let overhead = Bounds::RECORD_OVERHEAD + Attempts::BYTES;
        let room = (*max_user_record_size).saturating_add(overhead);
        check.count("bounds.bytes", bounds.bytes, room as u64, u64::MAX);
        check.count("bounds.records", bounds.records, 1, u64::MAX);
        check.millis("cancel_grace", *cancel_grace, 0, DURATION_MS_MAX);
        check.count("collection_max_count", *collection_max_count, 1, REQUEST_ENTRIES_MAX as u64);
        check.count("collection_max_size", *collection_max_size, 1, REQUEST_BYTES_MAX as u64);
        let requests = *max_requests_in_flight;
        check.count("max_requests_in_flight", requests, 1, REQUESTS_IN_FLIGHT_MAX);
        check.count("max_user_record_size", *max_user_record_size, 1, RECORD_BYTES_MAX as u64);
        let buffered_time = *record_max_buffered_time;
        check.millis("record_max_buffered_time", buffered_time, 0, DURATION_MS_MAX);
        if let Some(ttl) = record_ttl {
            check.millis("record_ttl", *ttl, RECORD_TTL_MS_MIN, DURATION_MS_MAX);
        }
        let (shortest, longest) = REQUEST_TIMEOUT_MS;
        check.millis("request_timeout", *request_timeout, shortest, longest);
        if let RetryPolicy::Linear { max_attempts, step } = retry {
            check.count("retry.max_attempts", *max_attempts as usize, 1, u64::from(u32::MAX));
            check.millis("retry.step", *step, 0, DURATION_MS_MAX);
        }
        if check.faults.is_empty() {
            return Ok(self.config);
        }
        Err(ConfigError { faults: check.faults })
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
            self.faults.push(ConfigFault { field, max, min, unit, value });
        }
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

/// One setting that is out of its bounds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ConfigFault {
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

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, max, min, unit, value } = self;
        if *max == u64::MAX {
            return write!(f, "`{field}` is {value}{unit}; it must be at least {min}{unit}");
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
            .build()
            .expect_err("three faults");
        let fields: Vec<&str> = error.faults().iter().map(|fault| fault.field).collect();
        assert_eq!(
            fields,
            ["bounds.bytes", "bounds.records", "collection_max_count", "record_ttl"]
        );
        assert!(
            error.to_string().contains("`collection_max_count` is 501; it must be from 1 to 500")
        );
        assert!(error.to_string().contains("`record_ttl` is 99 ms; it must be from 100 ms"));
    }
}
