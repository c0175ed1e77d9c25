//! The settings of `put`: those of the command line over those of the environment, over those of a file.

use std::{env, fs};

use headwaters::{Bounds, Config, Order, RateLimit, RetryPolicy, Settings};

use crate::args::PutArguments;
use crate::connect::configuration;
use crate::exit::Abort;

/// A load has time, and all of the stream: what fails is tried until it is stored.
fn defaults() -> Config {
    let defaults = Config::builder()
        .rate_limit(RateLimit::Fixed { percent: 150 })
        .record_ttl(None)
        .retry(RetryPolicy::Kpl);
    defaults.build().expect("they are within their bounds")
}

/// Reads the file and the environment, and puts what is given over them.
pub(crate) fn config(arguments: &PutArguments) -> Result<Config, Abort> {
    let mut layers = Settings::over(defaults());
    if let Some(path) = &arguments.config {
        let failed = |error| Abort::usage(format!("cannot read {}: {error}", path.display()));
        layers = layers.toml(&fs::read_to_string(path).map_err(failed)?);
    }
    let settings = layers.env(env::vars_os()).read();
    let config = settings.map_err(|error| configuration(error.to_string()))?.config;
    let bounds = config.bounds();
    let mut config = config.into_builder();
    if let Some(aggregate) = arguments.aggregate {
        config = config.aggregation_enabled(aggregate);
    }
    if let Some(size) = arguments.aggregation_max_size {
        config = config.aggregation_max_size(size);
    }
    if arguments.fail_if_throttled {
        config = config.fail_if_throttled(true);
    }
    if let Some(linger) = arguments.linger {
        config = config.record_max_buffered_time(linger);
    }
    if let Some(bytes) = arguments.max_bytes {
        config = config.bounds(Bounds { bytes, ..bounds });
    }
    if arguments.ordered {
        config = config.order(Order::PerPartitionKey);
    }
    if let Some(rate_limit) = arguments.rate_limit {
        config = config.rate_limit(rate_limit);
    }
    if let Some(retry) = arguments.retry {
        config = config.retry(retry.policy());
    }
    if let Some(ttl) = arguments.ttl {
        config = config.record_ttl(ttl.0);
    }
    config.build().map_err(|error| {
        configuration(format!(
            "{error} (--ttl is `record_ttl`, --max-bytes is `bounds.bytes`, --rate-limit is \
             `rate_limit.percent`, --linger is `record_max_buffered_time`)"
        ))
    })
}
