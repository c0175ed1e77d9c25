use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::limits::NEXT_TOKEN_BYTES_MAX;
use crate::{HashKeyRange, ShardId};

/// One page of the answer to ListShards.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "adapters build it; the API's fields")]
pub struct ShardPage {
    /// Asks for the next page, alone and within 300 s; `None` on the last page.
    pub next_token: Option<NextToken>,
    /// The shards of this page.
    pub shards: Vec<ListedShard>,
}

/// A shard as ListShards describes it, as far as a producer cares.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "adapters build it; the API's fields")]
pub struct ListedShard {
    /// The hash keys that belong to it.
    pub hash_keys: HashKeyRange,
    /// Its id.
    pub id: ShardId,
}

/// Asks ListShards for the next page: opaque. `Debug` prints its size only, for it can name the stream.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct NextToken(Arc<str>);

impl NextToken {
    /// Takes a token as the service gave it.
    ///
    /// # Errors
    /// [`NextTokenError`] when there are not 1 to 1,048,576 bytes.
    pub fn new(token: &str) -> Result<Self, NextTokenError> {
        if token.is_empty() || token.len() > NEXT_TOKEN_BYTES_MAX {
            return Err(NextTokenError { bytes: token.len() });
        }
        Ok(Self(token.into()))
    }

    /// The token.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for NextToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NextToken({} bytes)", self.0.len())
    }
}

/// Why a text is not a [`NextToken`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct NextTokenError {
    /// How many bytes it has.
    pub bytes: usize,
}

impl fmt::Display for NextTokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes } = self;
        write!(f, "the page token has {bytes} bytes; it must have 1 to {NEXT_TOKEN_BYTES_MAX}")
    }
}

impl core::error::Error for NextTokenError {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn a_token_has_a_length_and_does_not_print() {
        assert_eq!(NextToken::new(""), Err(NextTokenError { bytes: 0 }));
        let longest = "x".repeat(NEXT_TOKEN_BYTES_MAX);
        assert!(NextToken::new(&longest).is_ok());
        assert!(NextToken::new(&(longest + "x")).is_err());
        let token = NextToken::new("secret").expect("a valid token");
        assert_eq!((token.as_str(), &*format!("{token:?}")), ("secret", "NextToken(6 bytes)"));
    }
}
