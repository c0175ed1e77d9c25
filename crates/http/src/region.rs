use core::fmt;
use core::str::FromStr;
use std::sync::Arc;

/// The name of a region, such as `eu-central-1`: part of the host name and of every signature.
///
/// A label of a host name and nothing else, so that a region from a configuration file cannot lead a signed
/// request to another host.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Region(Arc<str>);

/// Longest label of a host name (RFC 1035).
const LABEL_CHARS_MAX: usize = 63;

impl Region {
    /// Parses a name.
    ///
    /// # Errors
    /// [`RegionError`] when it is not 1 to 63 of `a` to `z`, `0` to `9` and hyphens, or begins or ends with
    /// a hyphen.
    pub fn new(name: &str) -> Result<Self, RegionError> {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_label = (1..=LABEL_CHARS_MAX).contains(&name.len())
            && name.bytes().all(inner)
            && !name.starts_with('-')
            && !name.ends_with('-');
        if is_label { Ok(Self(name.into())) } else { Err(RegionError(())) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Region {
    type Err = RegionError;

    fn from_str(name: &str) -> Result<Self, RegionError> {
        Self::new(name)
    }
}

impl TryFrom<&str> for Region {
    type Error = RegionError;

    fn try_from(name: &str) -> Result<Self, RegionError> {
        Self::new(name)
    }
}

/// A text is not a [`Region`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RegionError(());

impl fmt::Display for RegionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the region is not a label of a host name: it must have 1 to {LABEL_CHARS_MAX} of a to z, \
             0 to 9 and hyphens, such as eu-central-1"
        )
    }
}

impl core::error::Error for RegionError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_cannot_lead_to_another_host() {
        for wrong in [
            "",
            "x@attacker.example:443/#",
            "eu-central-1.attacker.example",
            "eu central 1",
            "EU-CENTRAL-1",
            "-eu",
            "eu-",
            "eu\n",
            "\u{e9}u",
            &"a".repeat(64),
        ] {
            assert_eq!(Region::new(wrong), Err(RegionError(())), "{wrong}");
        }
        assert!(Region::new("eu-central-1").is_ok());
    }
}
