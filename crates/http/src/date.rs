//! Dates as the protocols write them. All are in UTC and count whole seconds since 1970-01-01.

use core::fmt;
use core::time::Duration;
use std::time::SystemTime;

/// A day and a time in UTC.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Date {
    year: i64,
    /// From 1.
    month: i64,
    /// From 1.
    day: i64,
    /// Since midnight.
    seconds: i64,
}

const DAY_SECONDS: i64 = 24 * 3_600;

/// The months, as HTTP writes them.
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl Date {
    /// The date so many seconds after the beginning of 1970.
    ///
    /// Years begin in March here, so that a leap day is the last of its year; 400 of them are an era of
    /// 146,097 days.
    pub(crate) const fn from_unix(seconds: i64) -> Self {
        let days = seconds.div_euclid(DAY_SECONDS) + 719_468;
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
        Self { year, month, day, seconds: seconds.rem_euclid(DAY_SECONDS) }
    }

    const fn to_unix(self) -> i64 {
        let year = self.year - if self.month <= 2 { 1 } else { 0 };
        let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let month_from_march = if self.month > 2 { self.month - 3 } else { self.month + 9 };
        let day_of_year = (153 * month_from_march + 2) / 5 + self.day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        (era * 146_097 + day_of_era - 719_468) * DAY_SECONDS + self.seconds
    }

    /// The form of HTTP headers: `Sun, 06 Nov 1994 08:49:37 GMT`. Its two obsolete forms are not read.
    pub(crate) fn parse_http(text: &str) -> Option<i64> {
        let (_, rest) = text.split_once(", ")?;
        let rest = rest.strip_suffix(" GMT")?;
        let (date, time) = rest.rsplit_once(' ')?;
        let mut parts = date.split(' ');
        let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
        let month = MONTHS.iter().position(|name| *name == month)?;
        let date = Self {
            year: number(year, 4)?,
            month: i64::try_from(month).ok()? + 1,
            day: number(day, 2)?,
            seconds: time_of_day(time)?,
        };
        (parts.next().is_none() && date.is_real()).then(|| date.to_unix())
    }

    /// The form of credentials: `2026-01-31T23:59:59Z`, or with an offset such as `+02:00`, with or without parts of
    /// a second.
    pub(crate) fn parse_iso(text: &str) -> Option<i64> {
        let (date, time) = text.split_once('T')?;
        let (time, offset) = match time.strip_suffix('Z') {
            Some(time) => (time, 0),
            None => split_offset(time)?,
        };
        let time = time.split_once('.').map_or(time, |(whole, _)| whole);
        let mut parts = date.split('-');
        let date = Self {
            year: number(parts.next()?, 4)?,
            month: number(parts.next()?, 2)?,
            day: number(parts.next()?, 2)?,
            seconds: time_of_day(time)?,
        };
        (parts.next().is_none() && date.is_real()).then(|| date.to_unix() - offset)
    }

    /// The form of SigV4: `20150830T123600Z`.
    #[cfg(feature = "sigv4")]
    pub(crate) fn parse_basic(text: &str) -> Option<i64> {
        let (date, time) = (text.get(..8)?, text.get(8..)?);
        let time = time.strip_prefix('T')?.strip_suffix('Z').filter(|time| time.len() == 6)?;
        let time = [time.get(..2)?, time.get(2..4)?, time.get(4..)?].join(":");
        let date = [date.get(..4)?, date.get(4..6)?, date.get(6..)?].join("-");
        Self::parse_iso(&format!("{date}T{time}Z"))
    }

    /// The form of HTTP headers.
    #[cfg(feature = "sigv4")]
    pub(crate) fn to_http(self) -> String {
        const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
        let Self { year, month, day, seconds } = self;
        let weekday = self.to_unix().div_euclid(DAY_SECONDS).rem_euclid(7) as usize;
        let (weekday, month) = (DAYS[weekday], MONTHS[month as usize - 1]);
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
    }

    /// Whether there is such a day.
    fn is_real(self) -> bool {
        Self::from_unix(self.to_unix()) == self
    }
}

/// The form of SigV4: `20150830T123600Z`.
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, seconds } = self;
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
    }
}

/// A time with an offset such as `+02:00`: the time, and by how many seconds it is ahead of UTC.
fn split_offset(text: &str) -> Option<(&str, i64)> {
    let (time, offset) = text.split_at(text.rfind(['+', '-'])?);
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let hours = number(hours, 2).filter(|hours| *hours < 24)?;
    let minutes = number(minutes, 2).filter(|minutes| *minutes < 60)?;
    let ahead = (hours * 60 + minutes) * 60;
    Some((time, if offset.starts_with('-') { -ahead } else { ahead }))
}

fn time_of_day(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let mut part = |limit| number(parts.next()?, 2).filter(|part| *part < limit);
    let (hour, minute, second) = (part(24)?, part(60)?, part(61)?);
    // A leap second is the one after it.
    parts.next().is_none().then_some((hour * 3_600 + minute * 60 + second).min(DAY_SECONDS - 1))
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let valid = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    valid.then(|| text.parse().ok())?
}

/// Seconds since the beginning of 1970; before it they are negative.
pub(crate) fn unix_seconds(time: SystemTime) -> i64 {
    let seconds = |since: Duration| i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => seconds(since),
        Err(before) => -seconds(before.duration()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_carries_this_form() {
        assert_eq!(Date::from_unix(1_440_938_160).to_string(), "20150830T123600Z");
        assert_eq!(Date::from_unix(951_782_400).to_string(), "20000229T000000Z");
        assert_eq!(Date::from_unix(4_107_542_399).to_string(), "21000228T235959Z");
        assert_eq!(Date::from_unix(-1).to_string(), "19691231T235959Z");
    }

    #[test]
    fn every_day_of_a_thousand_years_is_its_own() {
        for day in -100_000_i64..265_000 {
            let seconds = day * DAY_SECONDS + 86_399;
            assert_eq!(Date::from_unix(seconds).to_unix(), seconds);
        }
    }

    #[test]
    fn headers_are_read() {
        assert_eq!(Date::parse_http("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        for wrong in [
            "",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT GMT",
            "Sun, 06 Nov 99999999999999999999 08:49:37 GMT",
        ] {
            assert_eq!(Date::parse_http(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn expirations_are_read() {
        for text in [
            "2015-08-30T12:36:00Z",
            "2015-08-30T12:36:00+00:00",
            "2015-08-30T12:36:00.123Z",
            "2015-08-30T14:36:00+02:00",
            "2015-08-30T07:06:00.5-05:30",
            "2015-08-31T00:36:00+12:00",
        ] {
            assert_eq!(Date::parse_iso(text), Some(1_440_938_160), "{text}");
        }
        for wrong in [
            "2015-08-30",
            "2015-08-30T12:36:00",
            "2015-13-30T12:36:00Z",
            "2015-08-30T12:36:00+0200",
            "2015-08-30T12:36:00+24:00",
            "2015-08-30T12:36:00\u{e9}2:00",
            "never",
        ] {
            assert_eq!(Date::parse_iso(wrong), None, "{wrong}");
        }
    }
}
