use core::time::Duration;

use headwaters_wire::{SequenceNumber, StreamName};

use super::shard::Position;
use crate::error::ServiceError;

/// Where reading goes on, as a consumer carries it: opaque to it, with all that the server needs, so that nothing is
/// kept here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ShardIterator {
    /// When the stream was made, so that a later one of its name is not taken for it.
    pub(crate) created: Duration,
    pub(crate) issued: Duration,
    pub(crate) position: Position,
    /// The number of the shard.
    pub(crate) shard: usize,
    pub(crate) stream: StreamName,
}

/// Where a listing of shards goes on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ListToken {
    /// The number of the last shard that was listed.
    pub(crate) after: usize,
    pub(crate) created: Duration,
    /// What the first request asked for.
    pub(crate) filter: ShardFilter,
    pub(crate) issued: Duration,
    pub(crate) stream: StreamName,
}

/// Which shards are listed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ShardFilter {
    /// All that still have records, and those behind this one.
    After(usize),
    All,
    AtHorizon,
    AtLatest,
    At(Duration),
    From(Duration),
}

/// How long iterators and tokens can be used. Source: GetShardIterator; ListShards, `NextToken`.
pub(crate) const LIFE: Duration = Duration::from_secs(300);

impl ShardIterator {
    pub(crate) fn print(&self) -> String {
        let Self { created, issued, position, shard, stream } = self;
        let (created, issued) = (created.as_nanos(), issued.as_millis());
        encode(&match position {
            Position::After(number) => format!("i:{stream}:{created}:{issued}:{shard}:>{number}"),
            Position::At(number) => format!("i:{stream}:{created}:{issued}:{shard}:={number}"),
            Position::Horizon => format!("i:{stream}:{created}:{issued}:{shard}:*"),
        })
    }

    pub(crate) fn read(text: &str) -> Result<Self, ServiceError> {
        Self::parse(text).ok_or_else(|| ServiceError::argument("Invalid ShardIterator."))
    }

    fn parse(text: &str) -> Option<Self> {
        let text = decode(text)?;
        let mut parts = text.strip_prefix("i:")?.splitn(5, ':');
        let (stream, created) = head(&mut parts)?;
        let issued = Duration::from_millis(parts.next()?.parse().ok()?);
        let shard = parts.next()?.parse().ok()?;
        let position = parts.next()?;
        let position = match position.split_at_checked(1)? {
            (">", number) => Position::After(number.parse::<SequenceNumber>().ok()?),
            ("=", number) => Position::At(number.parse::<SequenceNumber>().ok()?),
            ("*", "") => Position::Horizon,
            _ => return None,
        };
        Some(Self { created, issued, position, shard, stream })
    }
}

impl ListToken {
    pub(crate) fn print(&self) -> String {
        let Self { after, created, filter, issued, stream } = self;
        let (created, issued) = (created.as_nanos(), issued.as_millis());
        let (kind, number) = match filter {
            ShardFilter::After(shard) => ("after", *shard as u128),
            ShardFilter::All => ("all", 0),
            ShardFilter::At(time) => ("at", time.as_millis()),
            ShardFilter::AtHorizon => ("horizon", 0),
            ShardFilter::AtLatest => ("latest", 0),
            ShardFilter::From(time) => ("from", time.as_millis()),
        };
        encode(&format!("l:{stream}:{created}:{issued}:{after}:{kind}:{number}"))
    }

    pub(crate) fn read(text: &str) -> Result<Self, ServiceError> {
        Self::parse(text).ok_or_else(|| ServiceError::argument("NextToken is invalid."))
    }

    fn parse(text: &str) -> Option<Self> {
        let text = decode(text)?;
        let mut parts = text.strip_prefix("l:")?.splitn(6, ':');
        let (stream, created) = head(&mut parts)?;
        let issued = Duration::from_millis(parts.next()?.parse().ok()?);
        let after = parts.next()?.parse().ok()?;
        let (kind, number) = (parts.next()?, parts.next()?.parse::<u64>().ok()?);
        let filter = match kind {
            "after" => ShardFilter::After(usize::try_from(number).ok()?),
            "all" => ShardFilter::All,
            "at" => ShardFilter::At(Duration::from_millis(number)),
            "horizon" => ShardFilter::AtHorizon,
            "latest" => ShardFilter::AtLatest,
            "from" => ShardFilter::From(Duration::from_millis(number)),
            _ => return None,
        };
        Some(Self { after, created, filter, issued, stream })
    }
}

fn head<'a>(parts: &mut impl Iterator<Item = &'a str>) -> Option<(StreamName, Duration)> {
    let stream = StreamName::new(parts.next()?).ok()?;
    let nanos: u128 = parts.next()?.parse().ok()?;
    let seconds = u64::try_from(nanos / 1_000_000_000).ok()?;
    Some((stream, Duration::new(seconds, (nanos % 1_000_000_000) as u32)))
}

/// Nobody should rely on what is in it.
fn encode(text: &str) -> String {
    base64_simd::STANDARD.encode_to_string(text)
}

fn decode(text: &str) -> Option<String> {
    String::from_utf8(base64_simd::STANDARD.decode_to_vec(text).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iterators_read_back_and_keep_within_their_length() {
        let number = "4".repeat(56).parse::<SequenceNumber>().expect("a number");
        for position in [Position::Horizon, Position::At(number.clone()), Position::After(number)] {
            let iterator = ShardIterator {
                created: Duration::new(1_700_000_000, 123_456_789),
                issued: Duration::from_millis(1_700_000_000_001),
                position,
                shard: 123_456,
                stream: StreamName::new(&"s".repeat(128)).expect("a name"),
            };
            let text = iterator.print();
            assert!(text.len() <= 512, "{}: the most that the API allows", text.len());
            assert_eq!(ShardIterator::read(&text), Ok(iterator));
        }
        for wrong in
            ["", "x", "aTo=", &encode("i:s:1:2:3"), &encode("i:s:1:2:3:?1"), &encode("l:s:1:2:3:*")]
        {
            assert!(ShardIterator::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn tokens_of_listings_read_back() {
        let time = Duration::from_millis(1_700_000_000_001);
        for filter in [
            ShardFilter::After(7),
            ShardFilter::All,
            ShardFilter::At(time),
            ShardFilter::AtHorizon,
            ShardFilter::AtLatest,
            ShardFilter::From(time),
        ] {
            let stream = StreamName::new("orders").expect("a name");
            let token = ListToken { after: 3, created: time, filter, issued: time, stream };
            assert_eq!(ListToken::read(&token.print()), Ok(token));
        }
        assert!(ListToken::read(&encode("l:s:1:2:3:never:0")).is_err());
    }
}
