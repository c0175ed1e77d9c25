//! A time to live as a plan writes it down: milliseconds, or `"never"`, for TOML has no word for nothing.

use core::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

const NEVER: &str = "never";

pub(crate) fn serialize<S: Serializer>(ttl: &Option<u64>, to: S) -> Result<S::Ok, S::Error> {
    match ttl {
        Some(millis) => to.serialize_u64(*millis),
        None => to.serialize_str(NEVER),
    }
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    from.deserialize_any(Ttl)
}

struct Ttl;

impl Visitor<'_> for Ttl {
    type Value = Option<u64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "milliseconds, or \"{NEVER}\"")
    }

    fn visit_i64<E: Error>(self, millis: i64) -> Result<Self::Value, E> {
        let unexpected = serde::de::Unexpected::Signed(millis);
        millis.try_into().map(Some).map_err(|_| E::invalid_value(unexpected, &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        let unexpected = serde::de::Unexpected::Str(text);
        if text == NEVER { Ok(None) } else { Err(E::invalid_value(unexpected, &self)) }
    }

    fn visit_u64<E: Error>(self, millis: u64) -> Result<Self::Value, E> {
        Ok(Some(millis))
    }
}
