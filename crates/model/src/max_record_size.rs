use core::fmt;

use headwaters_wire::limits::{RECORD_BYTES_DEFAULT, RECORD_BYTES_MAX};

/// The largest record that a stream takes, data and partition key together: 1 to 10 MiB, in whole
/// KiB, 1 MiB by default. Source: UpdateMaxRecordSize, `MaxRecordSizeInKiB`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MaxRecordSize {
    bytes: usize,
}

const KIB: usize = 1024;
const KIB_MIN: usize = RECORD_BYTES_DEFAULT / KIB;
const KIB_MAX: usize = RECORD_BYTES_MAX / KIB;

impl MaxRecordSize {
    /// What a stream has when nothing else was said: 1 MiB, which is also the smallest.
    pub const DEFAULT: Self = Self { bytes: RECORD_BYTES_DEFAULT };
    /// The largest that a stream can be given: 10 MiB.
    pub const MAX: Self = Self { bytes: RECORD_BYTES_MAX };

    /// A size in KiB, as the service takes it.
    ///
    /// # Errors
    /// [`MaxRecordSizeError`] if it is not from 1,024 to 10,240.
    pub const fn from_kib(kib: usize) -> Result<Self, MaxRecordSizeError> {
        if kib < KIB_MIN || kib > KIB_MAX {
            return Err(MaxRecordSizeError { kib });
        }
        Ok(Self { bytes: kib * KIB })
    }

    /// The size in bytes.
    pub const fn bytes(self) -> usize {
        self.bytes
    }
}

impl Default for MaxRecordSize {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Why a number is not a [`MaxRecordSize`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct MaxRecordSizeError {
    /// The number, in KiB.
    pub kib: usize,
}

impl fmt::Display for MaxRecordSizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kib } = self;
        write!(f, "the largest record size is {kib} KiB; it must be {KIB_MIN} to {KIB_MAX} KiB")
    }
}

impl core::error::Error for MaxRecordSizeError {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_size_is_1_to_10_mib() {
        assert_eq!(MaxRecordSize::from_kib(1_024), Ok(MaxRecordSize::DEFAULT));
        assert_eq!(MaxRecordSize::from_kib(10_240), Ok(MaxRecordSize::MAX));
        assert_eq!(MaxRecordSize::from_kib(1_025).map(MaxRecordSize::bytes), Ok(1_049_600));
        assert_eq!(MaxRecordSize::default(), MaxRecordSize::DEFAULT);
        for kib in [0, 1_023, 10_241, usize::MAX] {
            assert_eq!(MaxRecordSize::from_kib(kib), Err(MaxRecordSizeError { kib }));
        }
        assert_eq!(
            MaxRecordSizeError { kib: 7 }.to_string(),
            "the largest record size is 7 KiB; it must be 1024 to 10240 KiB"
        );
    }
}
