use alloc::string::String;
use core::fmt;

use bytes::Bytes;

use crate::aggregate::KPL_OUTER_KEY;
use crate::limits::PARTITION_KEY_CHARS_MAX;

/// The routing string of a record: 1 to 256 Unicode characters.
///
/// The service counts characters (code points), not bytes, so a key may take up to 1,024 bytes; these
/// bytes count towards the size of a record and of a request. Cloning shares the text.
///
/// A key can carry personal data, so `Debug` prints its length and never its text.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PartitionKey(Bytes);

impl PartitionKey {
    /// The partition key that the KPL gives to every aggregate.
    pub const KPL_OUTER_KEY: Self = Self(Bytes::from_static(KPL_OUTER_KEY.as_bytes()));

    /// Takes ownership of `key`: a `String` is not copied, a `&str` is.
    ///
    /// # Errors
    /// [`PartitionKeyError`] when the key is empty or longer than 256 characters.
    pub fn new(key: impl Into<String>) -> Result<Self, PartitionKeyError> {
        Self::from_utf8(Bytes::from(key.into()))
    }

    /// Parses the bytes of a key without copying them: the key keeps the whole buffer behind `key`
    /// alive, so copy first if that buffer is much larger.
    ///
    /// # Errors
    /// [`PartitionKeyError`] when the bytes are not UTF-8, or hold no or more than 256 characters.
    pub fn from_utf8(key: Bytes) -> Result<Self, PartitionKeyError> {
        // A key of n characters has at least n bytes, so very long input needs no decoding.
        if key.len() > PARTITION_KEY_CHARS_MAX * 4 {
            return Err(PartitionKeyError::TooLong { chars: None });
        }
        let text = core::str::from_utf8(&key)
            .map_err(|error| PartitionKeyError::NotUtf8 { offset: error.valid_up_to() })?;
        match text.chars().count() {
            0 => Err(PartitionKeyError::Empty),
            1..=PARTITION_KEY_CHARS_MAX => Ok(Self(key)),
            chars => Err(PartitionKeyError::TooLong { chars: Some(chars) }),
        }
    }

    /// The UTF-8 bytes of the key.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The key as text. Checks the UTF-8 again (a few nanoseconds), because this crate forbids
    /// `unsafe`; use [`as_bytes`](Self::as_bytes) where bytes will do.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// How many bytes the key takes: what the service counts towards sizes. Never 0.
    #[expect(clippy::len_without_is_empty, reason = "a key is never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The same key in a buffer of its own: use it when the key is a small part of a large buffer
    /// that should not stay alive for the key's sake.
    pub fn detached(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }
}

impl fmt::Debug for PartitionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PartitionKey({} bytes)", self.0.len())
    }
}

impl TryFrom<String> for PartitionKey {
    type Error = PartitionKeyError;

    fn try_from(key: String) -> Result<Self, PartitionKeyError> {
        Self::new(key)
    }
}

impl TryFrom<&str> for PartitionKey {
    type Error = PartitionKeyError;

    fn try_from(key: &str) -> Result<Self, PartitionKeyError> {
        Self::new(key)
    }
}

/// Why a text is not a [`PartitionKey`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum PartitionKeyError {
    /// The key has no character.
    Empty,
    /// The bytes stop being UTF-8 at `offset`.
    NotUtf8 {
        /// Where the first bad byte is, counted from 0.
        offset: usize,
    },
    /// The key has more than 256 characters.
    TooLong {
        /// How many it has; `None` if it was too long to count.
        chars: Option<usize>,
    },
}

impl fmt::Display for PartitionKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MAX: usize = PARTITION_KEY_CHARS_MAX;
        match self {
            Self::Empty => {
                write!(f, "the partition key is empty; it must have 1 to {MAX} characters")
            }
            Self::NotUtf8 { offset } => {
                write!(f, "the partition key is not UTF-8 from byte {offset} on")
            }
            Self::TooLong { chars: Some(chars) } => {
                write!(f, "the partition key has {chars} characters; it may have 1 to {MAX}")
            }
            Self::TooLong { chars: None } => {
                write!(f, "the partition key has far more than {MAX} characters")
            }
        }
    }
}

impl core::error::Error for PartitionKeyError {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn length_is_counted_in_characters() {
        assert!(PartitionKey::new("é".repeat(256)).is_ok());
        assert_eq!(
            PartitionKey::new("é".repeat(257)),
            Err(PartitionKeyError::TooLong { chars: Some(257) })
        );
        assert!(PartitionKey::new("\u{1F600}".repeat(256)).is_ok());
        assert_eq!(
            PartitionKey::new("k".repeat(2_000)),
            Err(PartitionKeyError::TooLong { chars: None })
        );
    }

    #[test]
    fn empty_and_broken_keys_are_refused() {
        assert_eq!(PartitionKey::new(""), Err(PartitionKeyError::Empty));
        assert_eq!(
            PartitionKey::from_utf8(Bytes::from_static(b"ab\xff")),
            Err(PartitionKeyError::NotUtf8 { offset: 2 })
        );
    }

    #[test]
    fn debug_does_not_print_the_key() {
        let key = PartitionKey::new("secret").expect("a valid key");
        assert_eq!(format!("{key:?}"), "PartitionKey(6 bytes)");
        assert_eq!(key.as_str(), "secret");
    }
}
