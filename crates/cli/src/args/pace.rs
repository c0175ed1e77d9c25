use core::num::NonZeroU64;
use core::str::FromStr;

use super::size;

/// How fast the input is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Rate {
    pub(crate) per_second: NonZeroU64,
    pub(crate) unit: Unit,
}

/// What a rate counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Unit {
    Bytes,
    Records,
}

impl FromStr for Rate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "a rate is a number of records a second, such as 500 or 500/s, or a \
                             size, such as 2MiB/s";
        let amount = text.strip_suffix("/s").unwrap_or(text).trim_end();
        let unit = if amount.ends_with('B') { Unit::Bytes } else { Unit::Records };
        let number = size(amount).ok().and_then(|number| u64::try_from(number).ok());
        let per_second = number.and_then(NonZeroU64::new).ok_or(WRONG)?;
        Ok(Self { per_second, unit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_of_records_or_of_bytes() {
        let rate =
            |text: &str| text.parse::<Rate>().ok().map(|rate| (rate.per_second.get(), rate.unit));
        assert_eq!(rate("500"), Some((500, Unit::Records)));
        assert_eq!(rate("500/s"), Some((500, Unit::Records)));
        assert_eq!(rate("2MiB/s"), Some((2 << 20, Unit::Bytes)));
        assert_eq!(rate("64KiB"), Some((64 << 10, Unit::Bytes)));
        for text in ["", "0", "0MiB", "-1", "1.5", "5/m", "2MB", "/s", "1 /s/s"] {
            assert_eq!(rate(text), None, "{text}");
        }
    }
}
