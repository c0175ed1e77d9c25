//! Settings from environment variables. They are handed over: nothing here reads those of the process.

use std::ffi::OsStr;

use headwaters_engine::Config;

use crate::settings::layers::Layers;
use crate::settings::near::nearest;
use crate::settings::table::{NAMES, Named, Value};
use crate::settings::{Settings, SettingsError};

/// What the variables begin with that are meant for a producer.
const PREFIX: &str = "HEADWATERS_";

/// What Kubernetes sets in every container beside a service that is called `headwaters`.
const KUBERNETES: [&str; 2] = ["HEADWATERS_PORT", "HEADWATERS_SERVICE_"];

impl Settings {
    /// Reads settings from environment variables, with the defaults of [`Config`] for what is not there; see
    /// [`Layers::env`].
    ///
    /// ```
    /// # use headwaters::Settings;
    /// let variables = [("HEADWATERS_RECORD_TTL", "1 min"), ("HEADWATERS_BOUNDS_RECORDS", "100000"), ("HOME", "/")];
    /// let settings = Settings::from_env(variables)?; // or `std::env::vars_os()`
    /// assert_eq!(settings.config.bounds().records, 100_000);
    ///
    /// let error = Settings::from_env([("HEADWATERS_RECORDTTL", "1 min"), ("HEADWATERS_SEED", "x")]).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "`HEADWATERS_RECORDTTL` is no setting, but `HEADWATERS_RECORD_TTL` is; `HEADWATERS_SEED` takes a whole number"
    /// );
    /// # Ok::<(), headwaters::SettingsError>(())
    /// ```
    ///
    /// # Errors
    /// [`SettingsError`] lists every name that is unknown and every value that a setting cannot have.
    pub fn from_env<N: AsRef<OsStr>, V: AsRef<OsStr>>(
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, SettingsError> {
        Self::over(Config::default()).env(variables).read()
    }
}

impl Layers {
    /// Settings in environment variables: `HEADWATERS_` and the name that [`Config`] has, in capitals, and with `_` for
    /// the dot before a part (`HEADWATERS_BOUNDS_BYTES`). Values are written as in TOML, without quotes. An empty one
    /// counts as none, and so do the variables that Kubernetes sets for a service that is called `headwaters`.
    pub fn env<N: AsRef<OsStr>, V: AsRef<OsStr>>(
        mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let mut ours: Vec<(String, Value)> = variables
            .into_iter()
            .filter(|(_, value)| !value.as_ref().is_empty())
            .map(|(name, value)| {
                (name.as_ref().to_string_lossy().into_owned(), read(value.as_ref()))
            })
            .filter(|(name, _)| is_ours(name))
            .collect();
        // They come in no order.
        ours.sort_by(|(name, _), (other, _)| name.cmp(other));
        let mut source = Vec::new();
        for (shown, value) in ours {
            match NAMES.into_iter().find(|setting| variable(setting) == shown) {
                Some(setting) => source.push(Named { setting, shown, value }),
                None => {
                    self.unknown(&shown, nearest(&shown[PREFIX.len()..], NAMES).map(variable));
                }
            }
        }
        self.apply(source);
        self
    }
}

fn is_ours(name: &str) -> bool {
    name.starts_with(PREFIX) && !KUBERNETES.iter().any(|other| name.starts_with(other))
}

fn read(value: &OsStr) -> Value {
    value.to_str().map_or(Value::Other, |text| Value::Bare(text.to_owned()))
}

/// The variable for a setting.
fn variable(setting: &str) -> String {
    format!("{PREFIX}{}", setting.to_ascii_uppercase().replace('.', "_"))
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use headwaters_engine::{Bounds, Order, RateLimit, RetryPolicy};

    use super::*;

    #[test]
    fn each_setting_has_one_variable() {
        let mut variables = NAMES.map(variable);
        variables.sort_unstable();
        assert!(variables.windows(2).all(|pair| pair[0] != pair[1]), "{variables:?}");
        assert!(variables.iter().all(|name| is_ours(name)));
    }

    #[test]
    fn variables_are_settings() {
        let settings = Settings::from_env([
            ("HEADWATERS_AGGREGATION_ENABLED", "false"),
            ("HEADWATERS_BOUNDS_BYTES", "20_000_000"),
            ("HEADWATERS_ORDER", "per_partition_key"),
            ("HEADWATERS_PORT_80_TCP", "tcp://10.0.0.1:80"),
            ("HEADWATERS_RATE_LIMIT_PERCENT", "80"),
            ("HEADWATERS_RECORD_TTL", "never"),
            ("HEADWATERS_REQUEST_TIMEOUT", "1.5s"),
            ("HEADWATERS_RETRY", "linear"),
            ("HEADWATERS_RETRY_STEP", "20 ms"),
            ("HEADWATERS_SEED", ""),
            ("HEADWATERS_SERVICE_HOST", "10.0.0.1"),
            ("HOME", "/"),
        ]);
        let expected = Config::builder()
            .aggregation_enabled(false)
            .bounds(Bounds { bytes: 20_000_000, ..Config::default().bounds() })
            .order(Order::PerPartitionKey)
            .rate_limit(RateLimit::Fixed { percent: 80 })
            .record_ttl(None)
            .request_timeout(Duration::from_millis(1_500))
            .retry(RetryPolicy::Linear { max_attempts: 10, step: Duration::from_millis(20) });
        assert_eq!(settings.expect("valid").config, expected.build().expect("valid"));
        let nothing = Settings::from_env::<&str, &str>([]).expect("nothing is wrong");
        assert_eq!(nothing.config, Config::default());
    }

    #[test]
    fn all_that_is_wrong_is_named_and_no_value_of_it() {
        let error = Settings::from_env([
            ("HEADWATERS_RETRY_STEP", "1 s"),
            ("HEADWATERS_RECORD_TTL", "hunter2"),
            ("HEADWATERS_BOUNDS", "1"),
            ("HEADWATERS_COLOUR", "green"),
            ("HEADWATERS_RATE_LIMIT", "off"),
            ("HEADWATERS_RATE_LIMIT_PERCENT", "80"),
            ("HEADWATERS_COLLECTION_MAX_COUNT", "501"),
        ]);
        let error = error.expect_err("six faults").to_string();
        assert_eq!(
            error,
            "`HEADWATERS_BOUNDS` is no setting, but `HEADWATERS_BOUNDS_BYTES` is; \
             `HEADWATERS_COLOUR` is no setting; \
             `HEADWATERS_RATE_LIMIT_PERCENT` takes no other `rate_limit` beside it; \
             `HEADWATERS_RECORD_TTL` takes a time such as \"30 s\", or \"never\"; \
             `HEADWATERS_RETRY_STEP` takes a time, if the policy is \"linear\"; \
             `HEADWATERS_COLLECTION_MAX_COUNT`: `collection_max_count` is 501; it must be from 1 to 500"
        );
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_text_is_wrong_only_where_it_is_ours() {
        use std::os::unix::ffi::OsStrExt;

        let no_text = OsStr::from_bytes(b"\xff");
        let error = Settings::from_env([("HEADWATERS_SEED", no_text), ("OTHER", no_text)]);
        let error = error.expect_err("no number").to_string();
        assert_eq!(error, "`HEADWATERS_SEED` takes a whole number");
    }
}
