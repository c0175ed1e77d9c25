//! Settings in TOML, under the names that [`Config`] has for them.

use headwaters_engine::Config;
use toml::Table;

use crate::settings::layers::{BOOLEAN, Layers};
use crate::settings::near::nearest;
use crate::settings::table::{NAMES, Named, Value};
use crate::settings::{Settings, SettingsError};

impl Settings {
    /// Reads settings in TOML: the names are those of [`Config`], and so are the defaults for what is not there. With
    /// `kpl = true` the defaults are those of [`Config::kpl`].
    ///
    /// ```
    /// # use headwaters::Settings;
    /// let settings = Settings::from_toml(
    ///     r#"
    ///     record_ttl = "1 min"
    ///     order = "per_partition_key"
    ///     bounds = { bytes = 33_554_432, records = 100_000 }
    ///     retry = { policy = "linear", max_attempts = 10, step = "100 ms" }
    ///     rate_limit = { ceiling_percent = 100 }
    ///     "#,
    /// )?;
    /// assert_eq!(settings.config.bounds().records, 100_000);
    /// # Ok::<(), headwaters::SettingsError>(())
    /// ```
    ///
    /// # Errors
    /// [`SettingsError`] lists every name that is unknown and every value that a setting cannot have.
    pub fn from_toml(text: &str) -> Result<Self, SettingsError> {
        Self::over(Config::default()).toml(text).read()
    }
}

impl Layers {
    /// Settings in TOML, under the names that [`Config`] has for them. `kpl = true` puts [`Config::kpl`] in the place of
    /// all that was set before.
    pub fn toml(mut self, text: &str) -> Self {
        let mut table = match text.parse::<Table>() {
            Ok(table) => table,
            Err(error) => {
                // Without the line itself, which the error would show: what is in the wrong place may be a secret.
                let before =
                    |end: usize| text.bytes().take(end).filter(|byte| *byte == b'\n').count();
                let line = error.span().map(|span| 1 + before(span.start));
                let message = error.message();
                self.syntax(match line {
                    Some(line) => format!("line {line}: {message}"),
                    None => message.to_owned(),
                });
                return self;
            }
        };
        match table.remove("kpl") {
            Some(toml::Value::Boolean(true)) => self.reset(Config::kpl()),
            None | Some(toml::Value::Boolean(false)) => {}
            Some(_) => self.wrong("kpl", BOOLEAN),
        }
        let mut source = Vec::new();
        for (shown, value) in parts(&table) {
            match NAMES.into_iter().find(|setting| *setting == shown) {
                Some(setting) => source.push(Named { setting, shown, value: read(value) }),
                None => self.unknown(&shown, nearest(&shown, NAMES).map(String::from)),
            }
        }
        self.apply(source);
        self
    }
}

/// What is in a table, and in the tables in it, under names with dots.
fn parts(table: &Table) -> Vec<(String, &toml::Value)> {
    let mut all = Vec::new();
    for (name, value) in table {
        match value {
            toml::Value::Table(inner) => {
                all.extend(inner.iter().map(|(part, value)| (format!("{name}.{part}"), value)));
            }
            value => all.push((name.clone(), value)),
        }
    }
    all
}

fn read(value: &toml::Value) -> Value {
    match value {
        toml::Value::Boolean(value) => Value::Boolean(*value),
        toml::Value::Integer(value) => u64::try_from(*value).map_or(Value::Other, Value::Count),
        toml::Value::String(value) => Value::Word(value.clone()),
        _ => Value::Other,
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use headwaters_engine::{
        Bounds, Order, OutagePolicy, OuterKey, RateLimit, RetryBudget, RetryPolicy,
        ShardPrediction, ShardShare,
    };

    use super::*;

    /// Without what is in the line: it may be a secret.
    #[test]
    fn a_slip_of_the_pen_is_found_by_its_line() {
        let error = Settings::from_toml("seed = 3\n\nrecord_ttl = 30 s\n").expect_err("no quotes");
        let said = error.to_string();
        assert!(said.starts_with("line 3: ") && !said.contains("30 s"), "{said}");
    }

    #[test]
    fn every_setting_can_be_set() {
        let text = r#"
            aggregation_enabled = false
            aggregation_max_count = 7
            aggregation_max_size = 1_000
            bounds = { bytes = 20_000_000, records = 5 }
            cancel_grace = "2 s"
            collection_max_count = 100
            collection_max_shard_size = 9
            collection_max_size = 1_000_000
            copy_shared_up_to = 11
            fail_if_throttled = true
            max_requests_in_flight = 3
            max_user_record_size = 5_000
            order = "per_partition_key"
            outage = "off"
            outer_key = "first_record"
            rate_limit = "off"
            record_max_buffered_time = "50 ms"
            record_ttl = "never"
            request_timeout = "0.5 min"
            retry = { policy = "exponential", base = "1 ms", cap = "1.5 s" }
            retry_budget = 5
            seed = 3
            shard_prediction = "on"
            shard_share = "off"
        "#;
        let settings = Settings::from_toml(text).expect("all of it is valid");
        let ms = Duration::from_millis;
        let expected = Config::builder()
            .aggregation_enabled(false)
            .aggregation_max_count(7)
            .aggregation_max_size(1_000)
            .bounds(Bounds { bytes: 20_000_000, records: 5 })
            .cancel_grace(ms(2_000))
            .collection_max_count(100)
            .collection_max_shard_size(9)
            .collection_max_size(1_000_000)
            .copy_shared_up_to(11)
            .fail_if_throttled(true)
            .max_requests_in_flight(3)
            .max_user_record_size(5_000)
            .order(Order::PerPartitionKey)
            .outage(OutagePolicy::Off)
            .outer_key(OuterKey::FirstRecord)
            .rate_limit(RateLimit::Off)
            .record_max_buffered_time(ms(50))
            .record_ttl(None)
            .request_timeout(ms(30_000))
            .retry(RetryPolicy::Exponential { base: ms(1), cap: ms(1_500) })
            .retry_budget(RetryBudget::Percent(5))
            .seed(3)
            .shard_prediction(ShardPrediction::On)
            .shard_share(ShardShare::Off);
        assert_eq!(settings.config, expected.build().expect("valid"));
        assert_eq!(Settings::from_toml("kpl = true").expect("valid").config, Config::kpl());
        assert_eq!(Settings::from_toml("").expect("valid").config, Config::default());
        let rate = Settings::from_toml("rate_limit = { percent = 80 }").expect("valid").config;
        assert_eq!(rate.rate_limit(), RateLimit::Fixed { percent: 80 });
        // Whoever adds a setting gives it a name, too.
        let debug = format!("{:?}", Config::default());
        let fields = debug.trim_start_matches("Config { ").split(", ");
        for field in fields.filter_map(|field| field.split_once(": ")).map(|(name, _)| name) {
            let is_part = |name: &str| name == field || name.ends_with(&format!(".{field}"));
            let is_known = |name: &&str| is_part(name) || name.starts_with(&format!("{field}."));
            assert!(NAMES.iter().any(is_known), "{field}");
        }
    }

    #[test]
    fn a_part_leaves_the_others_and_a_policy_has_defaults() {
        let config = |text| Settings::from_toml(text).expect("valid").config;
        let bounds = config("bounds.records = 5").bounds();
        assert_eq!(bounds, Bounds { records: 5, ..Config::default().bounds() });
        let ms = Duration::from_millis;
        let linear = RetryPolicy::Linear { max_attempts: 3, step: ms(100) };
        assert_eq!(config("[retry]\nmax_attempts = 3\npolicy = \"linear\"").retry(), linear);
        assert_eq!(config("retry = \"kpl\"").retry(), RetryPolicy::Kpl);
        let layers = Settings::over(Config::default()).toml("retry = \"linear\"\nseed = 1");
        let variables = [("HEADWATERS_RETRY_MAX_ATTEMPTS", "3"), ("HEADWATERS_SEED", "2")];
        let config = layers.env(variables).read().expect("valid").config;
        assert_eq!((config.retry(), config.seed()), (linear, 2), "what comes later is over it");
    }

    #[test]
    fn all_that_is_wrong_is_named_and_no_value_of_it() {
        let text = r#"
            agregation_enabled = true
            kpl = "yes"
            record_ttl = 30
            retry = { policy = "linear", step = "hunter2" }
            bounds = { bytes = 1, records = 1, more = 1 }
            collection_max_count = 501
        "#;
        let error = Settings::from_toml(text).expect_err("seven faults");
        assert_eq!(error.faults().len(), 7, "{error}");
        let error = error.to_string();
        assert!(
            error.contains("`agregation_enabled` is no setting, but `aggregation_enabled` is"),
            "{error}"
        );
        assert!(error.contains("`record_ttl` takes a time such as"), "{error}");
        assert!(error.contains("`collection_max_count` is 501"), "{error}");
        assert!(!error.contains("hunter2"));
        assert!(Settings::from_toml("a = ").is_err());
    }
}
