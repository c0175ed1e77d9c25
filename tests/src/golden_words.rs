//! The words of golden traces: numbers, sizes, times.

use core::time::Duration;

/// A number in decimal digits.
pub(crate) fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|error| format!("`{text}` is no number: {error}"))
}

/// A number of bytes: `100`, `256KiB`, `1MiB`.
pub(crate) fn bytes(text: &str) -> Result<usize, String> {
    let (digits, unit) = match (text.strip_suffix("KiB"), text.strip_suffix("MiB")) {
        (Some(digits), _) => (digits, 1024),
        (_, Some(digits)) => (digits, 1024 * 1024),
        _ => (text, 1),
    };
    let count = usize::try_from(number(digits)?).map_err(|error| error.to_string())?;
    Ok(count * unit)
}

/// A time: `100ms`, `0.5ms`, `2s`.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let (number, unit) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, 1_000_000),
        (_, Some(number)) => (number, 1_000_000_000),
        _ => return Err(format!("`{text}` is no time, such as `100ms` or `2s`")),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.len() > 6 {
        return Err(format!("`{text}` is finer than the nanosecond"));
    }
    let part = self::number(&format!("{fraction:0<6}"))? * (unit / 1_000_000);
    Ok(Duration::from_nanos(self::number(whole)? * unit + part))
}

/// What stands behind `name=`.
pub(crate) fn option<'a>(word: &'a str, name: &str) -> Option<&'a str> {
    word.strip_prefix(name)?.strip_prefix('=')
}

/// The same text with its points in time, such as `12.000000345s`, in milliseconds: `12000.000345ms`.
pub(crate) fn in_millis(text: &str) -> String {
    let words: Vec<String> = text.split(' ').map(word_in_millis).collect();
    words.join(" ")
}

fn word_in_millis(word: &str) -> String {
    let (name, value) = word.split_at(word.find('=').map_or(0, |at| at + 1));
    let millis = || {
        let (seconds, nanos) = value.strip_suffix('s')?.split_once('.')?;
        let (seconds, nanos): (u64, u64) = (seconds.parse().ok()?, nanos.parse().ok()?);
        let (millis, rest) = (seconds * 1_000 + nanos / 1_000_000, nanos % 1_000_000);
        let rest = format!(".{rest:06}");
        Some(format!("{name}{millis}{}ms", rest.trim_end_matches('0').trim_end_matches('.')))
    };
    millis().unwrap_or_else(|| word.to_owned())
}
