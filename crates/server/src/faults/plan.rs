//! How a plan is written.

use core::time::Duration;

use serde::Deserialize;

use super::PlanError;
use super::fault::{
    Cut, Delay, Effects, EntryChoice, EntryFailure, Fault, Lost, Matcher, Refusal, Reset, Reshard,
    WrongCount,
};
use crate::operations::Operation;

/// A plan as it is written; what is left out has no effect.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    fault: Vec<WrittenFault>,
    #[serde(default)]
    seed: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenFault {
    // Which requests.
    name: Option<String>,
    #[serde(default)]
    operations: Vec<String>,
    stream: Option<String>,
    from: Option<u64>,
    #[serde(default)]
    requests: Vec<u64>,
    every: Option<u64>,
    rate: Option<f64>,
    times: Option<u64>,
    // What happens to them.
    clock: Option<String>,
    delay: Option<WrittenDelay>,
    #[serde(default)]
    deny: bool,
    error: Option<WrittenError>,
    fail_entries: Option<WrittenEntries>,
    huge: Option<String>,
    lose_answer: Option<Lost>,
    malformed: Option<String>,
    reset: Option<Reset>,
    reshard: Option<WrittenReshard>,
    slow: Option<u64>,
    #[serde(default)]
    throttle: bool,
    truncate: Option<WrittenCut>,
    wrong_count: Option<WrittenCount>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenDelay {
    time: String,
    jitter: Option<String>,
    #[serde(default)]
    after: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenError {
    code: String,
    message: Option<String>,
    status: Option<u16>,
    #[serde(default)]
    stored: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenEntries {
    code: Option<String>,
    every: Option<u64>,
    indexes: Option<Vec<usize>>,
    rate: Option<f64>,
    #[serde(default)]
    stored: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenReshard {
    merge: Option<[String; 2]>,
    shards: Option<u32>,
    split: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCut {
    bytes: Option<usize>,
    share: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCount {
    failed: Option<u64>,
    results: Option<i64>,
}

/// The seed and the faults of a plan in TOML.
pub(super) fn of_toml(text: &str) -> Result<(u64, Vec<Fault>), PlanError> {
    let written = toml::from_str(text).map_err(|error| PlanError::new(error.to_string()))?;
    parse(written)
}

/// The seed and the faults of a plan in JSON.
pub(super) fn of_json(text: &str) -> Result<(u64, Vec<Fault>), PlanError> {
    let written = serde_json::from_str(text).map_err(|error| PlanError::new(error.to_string()))?;
    parse(written)
}

fn parse(written: Written) -> Result<(u64, Vec<Fault>), PlanError> {
    let fault = |(number, fault): (usize, WrittenFault)| {
        let name = fault.name.clone().unwrap_or_else(|| format!("fault {}", number + 1));
        parse_fault(fault, name.clone()).map_err(|what| PlanError::new(format!("{name}: {what}")))
    };
    let faults: Result<_, _> = written.fault.into_iter().enumerate().map(fault).collect();
    Ok((written.seed, faults?))
}

fn parse_fault(written: WrittenFault, name: String) -> Result<Fault, String> {
    let matcher = matcher(&written)?;
    let effects = effects(written)?;
    if effects == Effects::default() {
        let names = "clock, delay, deny, error, fail_entries, huge, lose_answer, malformed, reset, reshard, slow, \
                     throttle, truncate, wrong_count";
        return Err(format!(
            "it says which requests, but not what happens to them: give one of {names}"
        ));
    }
    if effects.reset == Some(Reset::During) && matcher.stream.is_some() {
        return Err(String::from(
            "reset = \"during\" happens before the stream is known: leave out `stream`, or use \"before\"",
        ));
    }
    Ok(Fault { effects, matcher, name })
}

fn matcher(written: &WrittenFault) -> Result<Matcher, String> {
    let operation = |name: &String| {
        Operation::of(name).ok_or_else(|| {
            let all: Vec<&str> = Operation::ALL.iter().map(|operation| operation.name()).collect();
            format!("operations: there is no {name:?}; there are {}", all.join(", "))
        })
    };
    let stream = written.stream.as_deref().map(|name| {
        headwaters_wire::StreamName::new(name).map_err(|error| format!("stream: {error}"))
    });
    Ok(Matcher {
        every: written.every.map(|every| at_least("every", every, 1)).transpose()?,
        from: at_least("from", written.from.unwrap_or(1), 1)?,
        operations: written.operations.iter().map(operation).collect::<Result<_, _>>()?,
        rate: written.rate.map(|rate| share("rate", rate)).transpose()?,
        requests: {
            let number = |&number| at_least("requests", number, 1);
            written.requests.iter().map(number).collect::<Result<_, _>>()?
        },
        stream: stream.transpose()?,
        times: written.times.map(|times| at_least("times", times, 1)).transpose()?,
    })
}

fn effects(written: WrittenFault) -> Result<Effects, String> {
    let refusals = [written.deny, written.throttle, written.error.is_some()];
    if refusals.iter().filter(|is_there| **is_there).count() > 1 {
        return Err(String::from(
            "a request is refused once: give one of deny, error and throttle",
        ));
    }
    let refusal = match written.error {
        Some(error) => Some(self::error(error)?),
        None if written.deny => Some(Refusal::Deny),
        None => written.throttle.then_some(Refusal::Throttle),
    };
    Ok(Effects {
        delay: written.delay.map(delay).transpose()?,
        entries: written.fail_entries.map(entries).transpose()?,
        huge: written.huge.map(|text| size("huge", &text)).transpose()?,
        lost: written.lose_answer,
        malformed: written.malformed,
        refusal,
        reset: written.reset,
        reshard: written.reshard.map(reshard).transpose()?,
        skew: written.clock.map(|text| skew(&text)).transpose()?,
        slow: written.slow.map(|rate| at_least("slow", rate, 1)).transpose()?,
        truncate: written.truncate.map(cut).transpose()?,
        wrong_count: written.wrong_count.map(wrong_count).transpose()?,
    })
}

fn at_least(field: &str, value: u64, min: u64) -> Result<u64, String> {
    if value >= min { Ok(value) } else { Err(format!("{field} is {value}; it is {min} or more")) }
}

fn share(field: &str, value: f64) -> Result<f64, String> {
    let is_share = (0.0..=1.0).contains(&value);
    is_share.then_some(value).ok_or_else(|| format!("{field} is {value}; it is from 0 to 1"))
}

fn time(field: &str, text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| {
        format!("{field} is {text:?}: {error}; a time is like \"200ms\" or \"5s\"")
    })
}

fn size(field: &str, text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 3] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
    let unit =
        UNITS.iter().find_map(|&(unit, size)| Some((text.strip_suffix(unit)?.trim_end(), size)));
    let (number, unit) = unit.unwrap_or((text, 1));
    let size = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    size.ok_or_else(|| format!("{field} is {text:?}; a size is a number of bytes, KiB, MiB or GiB"))
}

fn skew(text: &str) -> Result<i64, String> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let seconds = i64::try_from(time("clock", rest)?.as_secs());
    seconds
        .map(|seconds| sign * seconds)
        .map_err(|_| format!("clock is {text:?}, which is too long"))
}

fn delay(written: WrittenDelay) -> Result<Delay, String> {
    let jitter = written.jitter.map(|text| time("delay.jitter", &text)).transpose()?;
    let time = time("delay.time", &written.time)?;
    Ok(Delay { after: written.after, jitter: jitter.unwrap_or_default(), time })
}

fn error(written: WrittenError) -> Result<Refusal, String> {
    let WrittenError { code, message, status, stored } = written;
    if code.is_empty() || !code.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(format!("error.code is {code:?}; a code has letters and digits"));
    }
    if let Some(status) = status
        && !(400..600).contains(&status)
    {
        return Err(format!("error.status is {status}; it is from 400 to 599"));
    }
    Ok(Refusal::Error { code, message, status, stored })
}

fn entries(written: WrittenEntries) -> Result<EntryFailure, String> {
    let WrittenEntries { code, every, indexes, rate, stored } = written;
    let choice = match (every, indexes, rate) {
        (Some(every), None, None) => EntryChoice::Every(at_least("fail_entries.every", every, 1)?),
        (None, Some(indexes), None) => EntryChoice::Indexes(indexes),
        (None, None, Some(rate)) => EntryChoice::Rate(share("fail_entries.rate", rate)?),
        _ => return Err(String::from("fail_entries: give one of every, indexes and rate")),
    };
    let throttled = match code.as_deref() {
        None => !stored,
        Some("InternalFailure") => false,
        Some("ProvisionedThroughputExceededException") if stored => {
            return Err(String::from(
                "fail_entries: what is throttled is not stored; leave out `stored`",
            ));
        }
        Some("ProvisionedThroughputExceededException") => true,
        Some(other) => {
            return Err(format!(
                "fail_entries.code is {other:?}; entries fail with InternalFailure or \
                 ProvisionedThroughputExceededException"
            ));
        }
    };
    Ok(EntryFailure { choice, stored, throttled })
}

fn reshard(written: WrittenReshard) -> Result<Reshard, String> {
    match (written.merge, written.shards, written.split) {
        (Some([shard, adjacent]), None, None) => Ok(Reshard::Merge { adjacent, shard }),
        (None, Some(count), None) => match core::num::NonZeroU32::new(count) {
            Some(count) => Ok(Reshard::Count(count)),
            None => Err(String::from("reshard.shards is 0; a stream has 1 or more")),
        },
        (None, None, Some(shard)) => Ok(Reshard::Split { shard }),
        _ => Err(String::from("reshard: give one of merge, shards and split")),
    }
}

fn cut(written: WrittenCut) -> Result<Cut, String> {
    match (written.bytes, written.share) {
        (Some(bytes), None) => Ok(Cut::Bytes(bytes)),
        (None, Some(value)) => Ok(Cut::Share(share("truncate.share", value)?)),
        _ => Err(String::from("truncate: give one of bytes and share")),
    }
}

fn wrong_count(written: WrittenCount) -> Result<WrongCount, String> {
    let WrittenCount { failed, results } = written;
    if failed.is_none() && results.is_none() {
        return Err(String::from("wrong_count: give failed, results or both"));
    }
    Ok(WrongCount { failed, results: results.unwrap_or(0) })
}
