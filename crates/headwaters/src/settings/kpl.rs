//! The property file of the KPL.

use core::iter::Peekable;
use core::str::{Chars, FromStr};

use headwaters_engine::{Config, RateLimit};

use crate::settings::layers::{BOOLEAN, COUNT, Layers, MILLIS, millis, size};
use crate::settings::near::nearest;
use crate::settings::{Settings, SettingsError};

/// The settings of the KPL (1.0.7) that are the engine's, too,
const NAMES: [&str; 12] = [
    "AggregationEnabled",
    "AggregationMaxCount",
    "AggregationMaxSize",
    "CollectionMaxCount",
    "CollectionMaxSize",
    "FailIfThrottled",
    "MaxConnections",
    "MaxUserRecordSize",
    "RateLimit",
    "RecordMaxBufferedTime",
    "RecordTtl",
    "RequestTimeout",
];

/// and those that are none of the engine's.
const OTHERS: [&str; 33] = [
    "CaCertFile",
    "CaCertPath",
    "CloudwatchEndpoint",
    "CloudwatchPort",
    "ConnectTimeout",
    "CredentialsRefreshDelay",
    "DaemonHealthCheckTimeoutMs",
    "EnableCoreDumps",
    "EnableDaemonHealthCheck",
    "EnableOldestFutureTracker",
    "GlueSchemaRegistryPropertiesFilePath",
    "KinesisEndpoint",
    "KinesisPort",
    "LogLevel",
    "MetricsGranularity",
    "MetricsLevel",
    "MetricsNamespace",
    "MetricsUploadDelay",
    "MinConnections",
    "NativeExecutable",
    "ProxyHost",
    "ProxyPassword",
    "ProxyPort",
    "ProxyUserName",
    "Region",
    "ReturnUserRecordOnFailure",
    "StsEndpoint",
    "StsPort",
    "TempDirectory",
    "ThreadPoolSize",
    "ThreadingModel",
    "UserRecordTimeoutInMillis",
    "VerifyCertificate",
];

impl Settings {
    /// Reads a property file of the KPL: its names, its units, and its defaults for what is not there
    /// ([`Config::kpl`]).
    ///
    /// Values that are secrets there (`ProxyPassword`) come out among [`others`](Self::others) as they are.
    ///
    /// ```
    /// # use headwaters::Settings;
    /// let settings = Settings::from_kpl_properties("RecordTtl = 60000\nRegion = eu-central-1\n")?;
    /// assert_eq!(settings.config.record_ttl().map(|ttl| ttl.as_secs()), Some(60));
    /// assert_eq!(settings.others, [("Region".to_owned(), "eu-central-1".to_owned())]);
    ///
    /// let error = Settings::from_kpl_properties("RecordTTL = 60000\nRateLimit = fast\n").unwrap_err();
    /// assert_eq!(error.to_string(), "`RecordTTL` is no setting, but `RecordTtl` is; `RateLimit` takes a whole number");
    /// # Ok::<(), headwaters::SettingsError>(())
    /// ```
    ///
    /// # Errors
    /// [`SettingsError`] lists every name that the KPL does not have and every value that a setting cannot have.
    pub fn from_kpl_properties(text: &str) -> Result<Self, SettingsError> {
        let mut layers = Layers::new(Config::kpl());
        for (name, value) in properties(text) {
            layers.called(&setting(&name), &name);
            set(&mut layers, name, value);
        }
        layers.read()
    }
}

/// What [`Config`] calls what the KPL calls so.
fn setting(name: &str) -> String {
    if name == "MaxConnections" {
        return String::from("max_requests_in_flight");
    }
    let mut setting = String::new();
    for (at, letter) in name.char_indices() {
        if at > 0 && letter.is_ascii_uppercase() {
            setting.push('_');
        }
        setting.push(letter.to_ascii_lowercase());
    }
    setting
}

fn set(layers: &mut Layers, name: String, value: String) {
    let count = parse::<u64>(&value);
    let boolean = parse::<bool>(&value.to_ascii_lowercase());
    match name.as_str() {
        "AggregationEnabled" => {
            layers.set_to(&name, BOOLEAN, boolean, |b, to| b.aggregation_enabled(to));
        }
        "AggregationMaxCount" => {
            layers.set_to(&name, COUNT, count, |b, to| b.aggregation_max_count(to));
        }
        "AggregationMaxSize" => {
            layers.set_to(&name, COUNT, count, |b, to| b.aggregation_max_size(size(to)));
        }
        "CollectionMaxCount" => {
            layers.set_to(&name, COUNT, count, |b, to| b.collection_max_count(size(to)));
        }
        "CollectionMaxSize" => {
            layers.set_to(&name, COUNT, count, |b, to| b.collection_max_size(size(to)));
        }
        "FailIfThrottled" => {
            layers.set_to(&name, BOOLEAN, boolean, |b, to| b.fail_if_throttled(to));
        }
        "MaxConnections" => {
            layers.set_to(&name, COUNT, count, |b, to| b.max_requests_in_flight(size(to)));
        }
        "MaxUserRecordSize" => {
            layers.set_to(&name, COUNT, count, |b, to| b.max_user_record_size(size(to)));
        }
        "RateLimit" => {
            let percent = parse::<u32>(&value);
            layers.set_to(&name, COUNT, percent, |b, percent| {
                b.rate_limit(RateLimit::Fixed { percent })
            });
        }
        "RecordMaxBufferedTime" => {
            layers.set_to(&name, MILLIS, count, |b, to| b.record_max_buffered_time(millis(to)));
        }
        "RecordTtl" => {
            layers.set_to(&name, MILLIS, count, |b, to| b.record_ttl(Some(millis(to))));
        }
        "RequestTimeout" => {
            layers.set_to(&name, MILLIS, count, |b, to| b.request_timeout(millis(to)));
        }
        other if OTHERS.contains(&other) => layers.other(name, value),
        other => {
            let names = NAMES.into_iter().chain(OTHERS);
            layers.unknown(other, nearest(other, names).map(String::from));
        }
    }
}

/// The sample file that comes with the KPL has a semicolon after one value, and does not load there.
fn parse<T: FromStr>(value: &str) -> Option<T> {
    value.trim().trim_end_matches(';').parse().ok()
}

/// The pairs of a file in the format of `java.util.Properties`, in their order; the last of a name counts.
fn properties(text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut chars = text.chars().peekable();
    while chars.peek().is_some() {
        skip(&mut chars, |char| char.is_whitespace());
        if chars.next_if(|char| matches!(char, '#' | '!')).is_some() {
            skip(&mut chars, |char| !is_end(char));
            continue;
        }
        let name = part(&mut chars, |char| is_blank(char) || matches!(char, '=' | ':'));
        skip(&mut chars, is_blank);
        if chars.next_if(|char| matches!(char, '=' | ':')).is_some() {
            skip(&mut chars, is_blank);
        }
        let value = part(&mut chars, |_| false);
        if !name.is_empty() {
            pairs.push((name, value));
        }
    }
    pairs
}

const fn is_blank(char: char) -> bool {
    matches!(char, ' ' | '\t' | '\x0c')
}

const fn is_end(char: char) -> bool {
    matches!(char, '\n' | '\r')
}

fn skip(chars: &mut Peekable<Chars<'_>>, what: impl Fn(char) -> bool) {
    while chars.next_if(|char| what(*char)).is_some() {}
}

/// A name or a value, up to the end of the line or what ends it.
fn part(chars: &mut Peekable<Chars<'_>>, ends: impl Fn(char) -> bool) -> String {
    let mut part = String::new();
    while let Some(char) = chars.next_if(|char| !is_end(*char) && !ends(*char)) {
        if char != '\\' {
            part.push(char);
            continue;
        }
        match chars.next() {
            // The line goes on in the next one.
            Some('\r') => {
                chars.next_if_eq(&'\n');
                skip(chars, is_blank);
            }
            Some('\n') => skip(chars, is_blank),
            Some('n') => part.push('\n'),
            Some('r') => part.push('\r'),
            Some('t') => part.push('\t'),
            Some('u') => {
                let code = chars.by_ref().take(4).collect::<String>();
                let char = u32::from_str_radix(&code, 16).ok().and_then(char::from_u32);
                part.push(char.unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            Some(other) => part.push(other),
            None => {}
        }
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_read_as_java_reads_them() {
        let text = "# a comment\n  ! another = one\nA=1\n B : 2\r\nC 3\nD\\ d = x\\ty\\u0041\\\n    z\n\nE=\nF";
        let pairs = properties(text);
        let pairs: Vec<_> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let expected =
            [("A", "1"), ("B", "2"), ("C", "3"), ("D d", "x\tyAz"), ("E", ""), ("F", "")];
        assert_eq!(pairs, expected);
    }

    #[test]
    fn a_kpl_file_gives_the_kpls_settings() {
        let text = "AggregationEnabled = false\nAggregationMaxCount=7\nAggregationMaxSize=1000\n\
            CollectionMaxCount=100\nCollectionMaxSize=1000000\nFailIfThrottled=TRUE\nMaxConnections=3\n\
            MaxUserRecordSize = 5000;\nRateLimit=80\nRecordMaxBufferedTime=50\nRecordTtl=500\nRequestTimeout=700\n\
            ThreadPoolSize=64\n";
        let settings = Settings::from_kpl_properties(text).expect("all of it is valid");
        let expected = Config::kpl()
            .into_builder()
            .aggregation_enabled(false)
            .aggregation_max_count(7)
            .aggregation_max_size(1_000)
            .collection_max_count(100)
            .collection_max_size(1_000_000)
            .fail_if_throttled(true)
            .max_requests_in_flight(3)
            .max_user_record_size(5_000)
            .rate_limit(RateLimit::Fixed { percent: 80 })
            .record_max_buffered_time(millis(50))
            .record_ttl(Some(millis(500)))
            .request_timeout(millis(700));
        assert_eq!(settings.config, expected.build().expect("valid"));
        assert_eq!(settings.others, [("ThreadPoolSize".to_owned(), "64".to_owned())]);
        assert!(NAMES.iter().all(|name| text.contains(name)), "each of them is tried");
        let defaults = Settings::from_kpl_properties("").expect("nothing is wrong");
        assert_eq!(defaults.config, Config::kpl());
    }

    #[test]
    fn all_that_is_wrong_is_named_and_no_value_of_it() {
        let text = "Aggregation = on\nRecordTtl = hunter2\nCollectionMaxCount = 501\nFailIfThrottled = maybe\nRateLimit = 0\n";
        let error = Settings::from_kpl_properties(text).expect_err("five faults").to_string();
        assert_eq!(
            error,
            "`Aggregation` is no setting, but `AggregationEnabled` is; `RecordTtl` takes a whole number of milliseconds; \
             `FailIfThrottled` takes `true` or `false`; `CollectionMaxCount`: `collection_max_count` is 501; it must be from 1 to 500; \
             `RateLimit`: `rate_limit.percent` is 0; it must be from 1 to 4294967295"
        );
    }
}
