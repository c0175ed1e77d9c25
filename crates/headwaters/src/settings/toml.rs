//! Settings in TOML, under the names that [`Config`] has for them.

use core::time::Duration;

use headwaters_engine::{
    Bounds, Config, Order, OutagePolicy, OuterKey, RateLimit, RetryBudget, RetryPolicy,
    ShardPrediction, ShardShare,
};
use toml::{Table, Value};

use crate::settings::setter::{BOOLEAN, COUNT, Setter, size};
use crate::settings::{Settings, SettingsError};

const DURATION: &str = "a time such as \"100 ms\", \"1.5 s\" or \"2 min\"";
const TTL: &str = "a time such as \"30 s\", or \"never\"";
const BOUNDS: &str = "`{ bytes = ..., records = ... }`, each a whole number";
const RETRY: &str = "`{ policy = \"exponential\", base = \"100 ms\", cap = \"5 s\" }`, `{ policy = \"linear\", \
                     max_attempts = 10, step = \"100 ms\" }` or `{ policy = \"kpl\" }`";
const RATE: &str = "`{ ceiling_percent = 150 }`, `{ percent = 150 }` or \"off\"";
const PERCENT: &str = "a whole number (percent), or \"off\"";

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
        let mut table = match text.parse::<Table>() {
            Ok(table) => table,
            Err(error) => {
                let mut setter = Setter::new(Config::default());
                setter.syntax(error.message().to_owned());
                return setter.finish();
            }
        };
        let is_kpl = table.remove("kpl");
        let base = match is_kpl.as_ref().and_then(Value::as_bool) {
            Some(true) => Config::kpl(),
            _ => Config::default(),
        };
        let mut setter = Setter::new(base);
        if is_kpl.is_some_and(|value| !value.is_bool()) {
            setter.wrong("kpl", BOOLEAN);
        }
        for (name, value) in &table {
            if !(set_number(&mut setter, name, value)
                || set_time(&mut setter, name, value)
                || set_policy(&mut setter, name, value))
            {
                setter.unknown(name);
            }
        }
        setter.finish()
    }
}

/// Numbers and booleans; false if it is none of them.
fn set_number(setter: &mut Setter, name: &str, value: &Value) -> bool {
    let count = as_count(value);
    let number = count.map(size);
    let boolean = value.as_bool();
    match name {
        "aggregation_enabled" => {
            setter.set_to(name, BOOLEAN, boolean, |b, to| b.aggregation_enabled(to));
        }
        "aggregation_max_count" => {
            setter.set_to(name, COUNT, count, |b, to| b.aggregation_max_count(to));
        }
        "aggregation_max_size" => {
            setter.set_to(name, COUNT, number, |b, to| b.aggregation_max_size(to));
        }
        "bounds" => setter.set_to(name, BOUNDS, as_bounds(value), |b, to| b.bounds(to)),
        "collection_max_count" => {
            setter.set_to(name, COUNT, number, |b, to| b.collection_max_count(to));
        }
        "collection_max_shard_size" => {
            setter.set_to(name, COUNT, number, |b, to| b.collection_max_shard_size(to));
        }
        "collection_max_size" => {
            setter.set_to(name, COUNT, number, |b, to| b.collection_max_size(to));
        }
        "fail_if_throttled" => {
            setter.set_to(name, BOOLEAN, boolean, |b, to| b.fail_if_throttled(to));
        }
        "max_requests_in_flight" => {
            setter.set_to(name, COUNT, number, |b, to| b.max_requests_in_flight(to));
        }
        "max_user_record_size" => {
            setter.set_to(name, COUNT, number, |b, to| b.max_user_record_size(to));
        }
        "seed" => setter.set_to(name, COUNT, count, |b, to| b.seed(to)),
        _ => return false,
    }
    true
}

/// Times; false if it is none of them.
fn set_time(setter: &mut Setter, name: &str, value: &Value) -> bool {
    let time = value.as_str().and_then(duration);
    match name {
        "cancel_grace" => setter.set_to(name, DURATION, time, |b, to| b.cancel_grace(to)),
        "record_max_buffered_time" => {
            setter.set_to(name, DURATION, time, |b, to| b.record_max_buffered_time(to));
        }
        "record_ttl" => {
            let ttl = if value.as_str() == Some("never") { Some(None) } else { time.map(Some) };
            setter.set_to(name, TTL, ttl, |b, to| b.record_ttl(to));
        }
        "request_timeout" => setter.set_to(name, DURATION, time, |b, to| b.request_timeout(to)),
        _ => return false,
    }
    true
}

/// Policies; false if it is none of them.
fn set_policy(setter: &mut Setter, name: &str, value: &Value) -> bool {
    let word = value.as_str();
    match name {
        "order" => {
            let order = one_of(
                word,
                [("unordered", Order::Unordered), ("per_partition_key", Order::PerPartitionKey)],
            );
            setter
                .set_to(name, "\"unordered\" or \"per_partition_key\"", order, |b, to| b.order(to));
        }
        "outage" => {
            let outage = one_of(word, [("probe", OutagePolicy::Probe), ("off", OutagePolicy::Off)]);
            setter.set_to(name, "\"probe\" or \"off\"", outage, |b, to| b.outage(to));
        }
        "outer_key" => {
            let key =
                one_of(word, [("kpl", OuterKey::Kpl), ("first_record", OuterKey::FirstRecord)]);
            setter.set_to(name, "\"kpl\" or \"first_record\"", key, |b, to| b.outer_key(to));
        }
        "rate_limit" => setter.set_to(name, RATE, as_rate(value), |b, to| b.rate_limit(to)),
        "retry" => setter.set_to(name, RETRY, as_retry(value), |b, to| b.retry(to)),
        "retry_budget" => {
            let budget =
                as_percent(value).map(|p| p.map_or(RetryBudget::Off, RetryBudget::Percent));
            setter.set_to(name, PERCENT, budget, |b, to| b.retry_budget(to));
        }
        "shard_prediction" => {
            let on = one_of(word, [("on", ShardPrediction::On), ("off", ShardPrediction::Off)]);
            setter.set_to(name, "\"on\" or \"off\"", on, |b, to| b.shard_prediction(to));
        }
        "shard_share" => {
            let share = as_percent(value).map(|p| p.map_or(ShardShare::Off, ShardShare::Percent));
            setter.set_to(name, PERCENT, share, |b, to| b.shard_share(to));
        }
        _ => return false,
    }
    true
}

fn one_of<T>(word: Option<&str>, values: [(&str, T); 2]) -> Option<T> {
    values.into_iter().find(|(name, _)| Some(*name) == word).map(|(_, value)| value)
}

fn as_count(value: &Value) -> Option<u64> {
    value.as_integer().and_then(|number| u64::try_from(number).ok())
}

/// A table that has these names and no others.
fn fields<'a, const N: usize>(value: &'a Value, names: [&str; N]) -> Option<[&'a Value; N]> {
    let table = value.as_table().filter(|table| table.len() == N)?;
    let mut found = [value; N];
    for (field, name) in found.iter_mut().zip(names) {
        *field = table.get(name)?;
    }
    Some(found)
}

fn as_bounds(value: &Value) -> Option<Bounds> {
    let [bytes, records] = fields(value, ["bytes", "records"])?;
    Some(Bounds { bytes: size(as_count(bytes)?), records: size(as_count(records)?) })
}

fn as_u32(value: &Value) -> Option<u32> {
    u32::try_from(as_count(value)?).ok()
}

/// A number, or `None` for "off".
fn as_percent(value: &Value) -> Option<Option<u32>> {
    if value.as_str() == Some("off") { Some(None) } else { as_u32(value).map(Some) }
}

fn as_rate(value: &Value) -> Option<RateLimit> {
    if value.as_str() == Some("off") {
        return Some(RateLimit::Off);
    }
    if let Some([percent]) = fields(value, ["percent"]) {
        return Some(RateLimit::Fixed { percent: as_u32(percent)? });
    }
    let [ceiling] = fields(value, ["ceiling_percent"])?;
    Some(RateLimit::Adaptive { ceiling_percent: as_u32(ceiling)? })
}

fn as_retry(value: &Value) -> Option<RetryPolicy> {
    let time = |value: &Value| value.as_str().and_then(duration);
    match value.get("policy")?.as_str()? {
        "kpl" => fields(value, ["policy"]).map(|_| RetryPolicy::Kpl),
        "linear" => {
            let [_, attempts, step] = fields(value, ["policy", "max_attempts", "step"])?;
            Some(RetryPolicy::Linear { max_attempts: as_u32(attempts)?, step: time(step)? })
        }
        "exponential" => {
            let [_, base, cap] = fields(value, ["policy", "base", "cap"])?;
            Some(RetryPolicy::Exponential { base: time(base)?, cap: time(cap)? })
        }
        _ => None,
    }
}

/// A number and a unit.
fn duration(text: &str) -> Option<Duration> {
    let unit_at = text.find(|char: char| char.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit_at);
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

#[cfg(test)]
mod tests {
    use super::*;

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
        let error = Settings::from_toml(text).expect_err("six faults");
        assert_eq!(error.faults().len(), 6, "{error}");
        let error = error.to_string();
        assert!(error.contains("`agregation_enabled` is no setting"), "{error}");
        assert!(error.contains("`record_ttl` takes a time such as"), "{error}");
        assert!(error.contains("`collection_max_count` is 501"), "{error}");
        assert!(!error.contains("hunter2"));
        assert!(Settings::from_toml("a = ").is_err());
    }
}
