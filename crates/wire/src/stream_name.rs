use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::str::FromStr;

use crate::limits::STREAM_NAME_CHARS_MAX;
use crate::shard_id::is_id_byte;

/// The name of a stream: 1 to 128 characters of `[a-zA-Z0-9_.-]`. Cloning shares the text.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct StreamName(Arc<str>);

impl StreamName {
    /// Parses a name.
    ///
    /// # Errors
    /// [`StreamNameError`] names the rule that the text breaks.
    pub fn new(name: &str) -> Result<Self, StreamNameError> {
        if name.is_empty() || name.len() > STREAM_NAME_CHARS_MAX {
            return Err(StreamNameError::Length { bytes: name.len() });
        }
        match name.bytes().position(|byte| !is_id_byte(byte)) {
            Some(offset) => Err(StreamNameError::Character { offset }),
            None => Ok(Self(name.into())),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for StreamName {
    type Err = StreamNameError;

    fn from_str(name: &str) -> Result<Self, StreamNameError> {
        Self::new(name)
    }
}

impl TryFrom<&str> for StreamName {
    type Error = StreamNameError;

    fn try_from(name: &str) -> Result<Self, StreamNameError> {
        Self::new(name)
    }
}

impl TryFrom<String> for StreamName {
    type Error = StreamNameError;

    fn try_from(name: String) -> Result<Self, StreamNameError> {
        Self::new(&name)
    }
}

/// Why a text is not a [`StreamName`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum StreamNameError {
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

impl fmt::Display for StreamNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Character { offset } => {
                write!(f, "the stream name has a character outside [a-zA-Z0-9_.-] at byte {offset}")
            }
            Self::Length { bytes } => write!(
                f,
                "the stream name has {bytes} bytes; it must have 1 to {STREAM_NAME_CHARS_MAX}"
            ),
        }
    }
}

impl core::error::Error for StreamNameError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_services_pattern() {
        assert_eq!(
            StreamName::new("orders.v2_eu-west").as_ref().map(StreamName::as_str),
            Ok("orders.v2_eu-west")
        );
        assert_eq!(StreamName::new("a b"), Err(StreamNameError::Character { offset: 1 }));
        assert_eq!(StreamName::new(""), Err(StreamNameError::Length { bytes: 0 }));
        assert_eq!(StreamName::new(&"s".repeat(129)), Err(StreamNameError::Length { bytes: 129 }));
    }
}
