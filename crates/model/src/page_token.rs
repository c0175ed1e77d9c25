use alloc::format;
use core::time::Duration;

use headwaters_wire::{NextToken, ShardId, StreamName};

/// What a token of the model says: where its listing goes on, and since when it may.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct PageToken {
    /// The last shard of the page that the token came with.
    pub(crate) after: ShardId,
    pub(crate) issued: Duration,
    pub(crate) stream: StreamName,
}

/// How long a token can be used. Source: ListShards, `NextToken`.
const LIFE: Duration = Duration::from_secs(300);

impl PageToken {
    pub(crate) fn print(&self) -> NextToken {
        let Self { after, issued, stream } = self;
        let (seconds, nanos) = (issued.as_secs(), issued.subsec_nanos());
        NextToken::new(&format!("{stream}:{after}:{seconds}.{nanos:09}"))
            .expect("names and numbers make a short text that is not empty")
    }

    /// Reads a token; `None` if the model cannot have printed it.
    pub(crate) fn read(token: &NextToken) -> Option<Self> {
        // Neither names nor ids have colons.
        let (names, issued) = token.as_str().rsplit_once(':')?;
        let (stream, after) = names.split_once(':')?;
        let (seconds, nanos) = issued.split_once('.')?;
        let nanos = Duration::from_nanos(nanos.parse().ok()?);
        let read = Self {
            after: after.parse().ok()?,
            issued: Duration::from_secs(seconds.parse().ok()?).checked_add(nanos)?,
            stream: StreamName::new(stream).ok()?,
        };
        // One token, one text: what was cut off or changed a little is not taken for another time.
        (read.print() == *token).then_some(read)
    }

    /// Whether the token is too old at `now`.
    pub(crate) fn is_expired(&self, now: Duration) -> bool {
        now.saturating_sub(self.issued) > LIFE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(stream: &str, after: ShardId, issued: Duration) -> PageToken {
        PageToken { after, issued, stream: StreamName::new(stream).expect("a valid name") }
    }

    #[test]
    fn a_token_reads_back_as_what_was_printed() {
        for stream in ["orders", "a.b-c_d.9", &"s".repeat(128)] {
            for after in [0, 999, u64::MAX].map(ShardId::numbered) {
                for issued in [Duration::ZERO, Duration::from_nanos(1_000_000_007), Duration::MAX] {
                    let token = token(stream, after.clone(), issued);
                    assert_eq!(PageToken::read(&token.print()), Some(token));
                }
            }
        }
    }

    #[test]
    fn what_was_not_printed_is_not_read() {
        let printed = token("orders", ShardId::numbered(7), Duration::from_millis(12_345)).print();
        assert_eq!(printed.as_str(), "orders:shardId-000000000007:12.345000000");
        let text = printed.as_str();
        let cut = (1..text.len()).flat_map(|at| [text[..at].into(), text[at..].into()]);
        let changed = [
            "x",
            ":::",
            "orders:shardId-000000000007:12",
            "orders:shardId-000000000007:12.3450000000",
            "orders:shardId-000000000007:012.345000000",
            "orders:shardId-000000000007:+12.345000000",
            "orders:shardId-000000000007:12.1000000000",
            "orders:shardId-000000000007:99999999999999999999.000000000",
            "orders:shard 7:12.345000000",
            "two names:shardId-000000000007:12.345000000",
        ];
        for wrong in cut.chain(changed.map(alloc::string::String::from)) {
            // The front of a stream's name may be cut off: that makes another stream's token.
            let wrong = NextToken::new(&wrong).expect("not empty");
            let read = PageToken::read(&wrong);
            assert!(read.is_none_or(|read| read.stream.as_str() != "orders"), "{}", wrong.as_str());
        }
    }

    #[test]
    fn a_token_can_be_used_for_300_seconds() {
        let token = token("orders", ShardId::numbered(7), Duration::from_secs(50));
        assert!(!token.is_expired(Duration::from_secs(350)));
        assert!(token.is_expired(Duration::new(350, 1)));
        assert!(!token.is_expired(Duration::ZERO));
    }
}
