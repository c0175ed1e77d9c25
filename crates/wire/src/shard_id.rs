use alloc::sync::Arc;
use core::fmt;
use core::str::FromStr;

use crate::digits;
use crate::limits::SHARD_ID_CHARS_MAX;

/// The id of a shard, such as `shardId-000000000042`.
///
/// The service numbers the shards of a stream; an id in its form is kept as that number, so that most
/// ids cost no allocation. Ids in another form (other servers have them) are kept as they are.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ShardId(Repr);

#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
enum Repr {
    Numbered(u64),
    Named(Arc<str>),
}

const PREFIX: &str = "shardId-";

impl ShardId {
    /// The id of the shard with this number.
    pub const fn numbered(number: u64) -> Self {
        Self(Repr::Numbered(number))
    }

    /// Parses the characters of an id.
    ///
    /// # Errors
    /// [`ShardIdError`] when there are not 1 to 128 characters, or one is not in `[a-zA-Z0-9_.-]`.
    pub fn from_bytes(id: &[u8]) -> Result<Self, ShardIdError> {
        // At once, for an answer has 500 of these.
        if let Some(number) = twelve_digits(id) {
            return Ok(Self(Repr::Numbered(number)));
        }
        if id.is_empty() || id.len() > SHARD_ID_CHARS_MAX {
            return Err(ShardIdError::Length { bytes: id.len() });
        }
        if let Some(offset) = id.iter().position(|byte| !is_id_byte(*byte)) {
            return Err(ShardIdError::Character { offset });
        }
        let text = core::str::from_utf8(id).unwrap_or_default();
        Ok(Self(canonical(text).map_or_else(|| Repr::Named(text.into()), Repr::Numbered)))
    }

    /// The number in the id, if the id has the service's form.
    pub const fn number(&self) -> Option<u64> {
        match self.0 {
            Repr::Numbered(number) => Some(number),
            Repr::Named(_) => None,
        }
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Numbered(number) => write!(f, "{PREFIX}{number:012}"),
            Repr::Named(name) => f.write_str(name),
        }
    }
}

impl FromStr for ShardId {
    type Err = ShardIdError;

    fn from_str(text: &str) -> Result<Self, ShardIdError> {
        Self::from_bytes(text.as_bytes())
    }
}

/// The number in an id as the service writes them.
fn twelve_digits(id: &[u8]) -> Option<u64> {
    let (high, low) = id.strip_prefix(PREFIX.as_bytes())?.split_first_chunk::<4>()?;
    let low: &[u8; 8] = low.try_into().ok()?;
    let high = [b'0', b'0', b'0', b'0', high[0], high[1], high[2], high[3]];
    Some(digits::number(high)? * 100_000_000 + digits::number(*low)?)
}

/// The number, if printing it gives `text` again.
fn canonical(text: &str) -> Option<u64> {
    let digits = text.strip_prefix(PREFIX)?;
    let wide = digits.len() > 12 && !digits.starts_with('0');
    (wide && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// The characters that the service allows in names: `[a-zA-Z0-9_.-]`.
pub(crate) const fn is_id_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

/// Why a text is not a [`ShardId`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ShardIdError {
    /// A character outside `[a-zA-Z0-9_.-]`.
    Character {
        /// Where, in bytes from 0.
        offset: usize,
    },
    /// Not 1 to 128 characters.
    Length {
        /// How many bytes the text has.
        bytes: usize,
    },
}

impl fmt::Display for ShardIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Character { offset } => {
                write!(f, "the shard id has a character outside [a-zA-Z0-9_.-] at byte {offset}")
            }
            Self::Length { bytes } => {
                write!(f, "the shard id has {bytes} bytes; it must have 1 to {SHARD_ID_CHARS_MAX}")
            }
        }
    }
}

impl core::error::Error for ShardIdError {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn every_valid_id_prints_as_it_was_read() {
        let ids = [
            ("shardId-000000000042", Some(42)),
            ("shardId-1234567890123", Some(1_234_567_890_123)),
            ("shardId-42", None),
            ("shardId-0000000000042", None),
            ("shardId-99999999999999999999999", None),
            ("blue.1", None),
        ];
        for (text, number) in ids {
            let id: ShardId = text.parse().expect("a valid id");
            assert_eq!((id.number(), id.to_string().as_str()), (number, text));
        }
    }

    #[test]
    fn twelve_characters_are_digits_or_not() {
        for byte in 0..=u8::MAX {
            for at in 0..12 {
                let mut id = *b"shardId-123456789012";
                id[8 + at] = byte;
                let digits = core::str::from_utf8(&id[8..]).ok();
                let number = digits.and_then(|digits| {
                    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
                });
                assert_eq!(twelve_digits(&id), number, "{byte} at {at}");
            }
        }
    }

    #[test]
    fn hostile_ids_are_refused() {
        assert_eq!("".parse::<ShardId>(), Err(ShardIdError::Length { bytes: 0 }));
        assert_eq!("a\u{1b}[2J".parse::<ShardId>(), Err(ShardIdError::Character { offset: 1 }));
        assert_eq!("x".repeat(129).parse::<ShardId>(), Err(ShardIdError::Length { bytes: 129 }));
    }
}
