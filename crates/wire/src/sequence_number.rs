use core::fmt;
use core::str::FromStr;

use bytes::Bytes;

use crate::digits;
use crate::limits::SEQUENCE_NUMBER_DIGITS_MAX;

/// The number that the service gives a stored record: opaque, up to 129 decimal digits (today 56, which
/// no integer type holds). Cloning shares the digits.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct SequenceNumber(Bytes);

impl SequenceNumber {
    /// Parses the digits without copying them; the number keeps the buffer behind `text` alive.
    ///
    /// # Errors
    /// [`SequenceNumberError`] when there are not 1 to 129 characters, or one is no digit.
    pub fn from_bytes(text: Bytes) -> Result<Self, SequenceNumberError> {
        let length = text.len();
        if length == 0 || length > SEQUENCE_NUMBER_DIGITS_MAX {
            return Err(SequenceNumberError::Length { bytes: length });
        }
        let (eights, rest) = text.as_chunks();
        // All are looked at, so that many are looked at at once.
        let odd = eights.iter().fold(0, |odd, eight| odd | digits::odd(digits::values(*eight)));
        if odd == 0 && rest.iter().all(u8::is_ascii_digit) {
            return Ok(Self(text));
        }
        let offset = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or_default();
        Err(SequenceNumberError::NotDecimal { offset })
    }

    /// The digits, in ASCII.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SequenceNumber({})", self.as_str())
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SequenceNumber {
    type Err = SequenceNumberError;

    fn from_str(text: &str) -> Result<Self, SequenceNumberError> {
        Self::from_bytes(Bytes::copy_from_slice(text.as_bytes()))
    }
}

/// Why a text is not a [`SequenceNumber`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SequenceNumberError {
    /// Not 1 to 129 characters.
    Length {
        /// How many bytes the text has.
        bytes: usize,
    },
    /// A character that is no digit.
    NotDecimal {
        /// Where, in bytes from 0.
        offset: usize,
    },
}

impl fmt::Display for SequenceNumberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { bytes } => write!(
                f,
                "the sequence number has {bytes} bytes; it must have 1 to {SEQUENCE_NUMBER_DIGITS_MAX}"
            ),
            Self::NotDecimal { offset } => {
                write!(f, "the sequence number has a character that is no digit at byte {offset}")
            }
        }
    }
}

impl core::error::Error for SequenceNumberError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_only_and_as_many_as_the_service_may_send() {
        let real = "49590338271490256608559692538361571095921575989136588898";
        assert_eq!(real.parse::<SequenceNumber>().as_ref().map(SequenceNumber::as_str), Ok(real));
        assert!("9".repeat(129).parse::<SequenceNumber>().is_ok());
        assert_eq!(
            "9".repeat(130).parse::<SequenceNumber>(),
            Err(SequenceNumberError::Length { bytes: 130 })
        );
        assert_eq!("".parse::<SequenceNumber>(), Err(SequenceNumberError::Length { bytes: 0 }));
        assert_eq!(
            "12x".parse::<SequenceNumber>(),
            Err(SequenceNumberError::NotDecimal { offset: 2 })
        );
    }
}
