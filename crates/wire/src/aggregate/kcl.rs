//! An aggregate as the Kinesis Client Library reads it.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::decode::{Aggregate, RawRecord, entry};
use super::member::{Broken, Member, hash_of_text, parse_hash_key};
use crate::{HashKey, HashKeyError, HashKeyRange};

impl Aggregate {
    /// What the Kinesis Client Library makes of the aggregate when it reads it from a shard of this range.
    ///
    /// The KCL goes through the members in order. At the first one whose hash key lies outside the range it gives
    /// up the *whole* aggregate, the members before it included; at a broken one it keeps what came before and
    /// loses the rest. Here nothing is lost: what the KCL would not deliver is in [`KclView::dropped`].
    ///
    /// It reads explicit hash keys as Java does: with a sign if there is one, and numbers of any size. (Java
    /// takes the digits of other scripts too; here they are broken. And it takes an unpaired surrogate in a
    /// partition key for one wrong character, where Rust counts three; no producer writes such keys.)
    pub fn as_kcl(&self, range: HashKeyRange) -> KclView {
        let mut view = KclView { broken: Vec::new(), delivered: Vec::new(), dropped: Vec::new() };
        let mut hashes = Hashes::default();
        let mut goes_on = true;
        for (index, raw) in self.members().raw().enumerate() {
            let member = self.member(index, &raw);
            let hash_key = member.and_then(|member| Ok((hashes.of(&member, &raw)?, member)));
            match hash_key {
                Ok((hash_key, member)) => {
                    let inside = hash_key.is_some_and(|hash_key| range.contains(hash_key));
                    if goes_on && !inside {
                        view.dropped.append(&mut view.delivered);
                    }
                    goes_on &= inside;
                    let to = if goes_on { &mut view.delivered } else { &mut view.dropped };
                    to.push(member);
                }
                Err(error) => {
                    goes_on = false;
                    view.broken.push(BrokenMember { error, index });
                }
            }
        }
        view
    }
}

/// An aggregate as the Kinesis Client Library sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KclView {
    /// The members that cannot be read. The KCL stops at the first of them, with an error in its log, unless it
    /// has given up before.
    pub broken: Vec<BrokenMember>,
    /// What the application gets.
    pub delivered: Vec<Member>,
    /// What it does not get, though it can be read: all of an aggregate of which a member lies outside the range,
    /// and what comes behind a broken member.
    pub dropped: Vec<Member>,
}

/// A member that cannot be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct BrokenMember {
    /// Why.
    pub error: Broken,
    /// Its place in the aggregate, counted from 0.
    pub index: usize,
}

/// The hash keys of an aggregate's members. Those of long keys are computed once: many members may share a key
/// that is as long as all of them together.
#[derive(Default)]
struct Hashes {
    hash_keys: BTreeMap<usize, Result<Option<HashKey>, HashKeyError>>,
    keys: BTreeMap<usize, HashKey>,
}

/// Up to this many bytes a key is short: hashing it again costs no more than reading its member.
const SHORT_KEY: usize = 64;

impl Hashes {
    /// The hash key of a member; `None` if it is beyond all hash keys.
    fn of(&mut self, member: &Member, raw: &RawRecord) -> Result<Option<HashKey>, Broken> {
        match (&member.explicit_hash_key, raw.hash_key_index) {
            (Some(text), Some(index)) if text.len() > SHORT_KEY => {
                let hash_key = self.hash_keys.entry(entry(index));
                (*hash_key.or_insert_with(|| java_number(text))).map_err(Broken::HashKey)
            }
            (Some(text), _) => java_number(text).map_err(Broken::HashKey),
            (None, _) if member.partition_key.len() > SHORT_KEY => {
                let hash_key = self.keys.entry(entry(raw.key_index));
                Ok(Some(*hash_key.or_insert_with(|| hash_of_text(&member.partition_key))))
            }
            (None, _) => Ok(Some(hash_of_text(&member.partition_key))),
        }
    }
}

/// A number as Java's `BigInteger` reads it; `None` if it is no hash key for being negative or too large.
fn java_number(text: &[u8]) -> Result<Option<HashKey>, HashKeyError> {
    let (digits, negative) = match text {
        [b'-', digits @ ..] => (digits, true),
        [b'+', digits @ ..] => (digits, false),
        digits => (digits, false),
    };
    match parse_hash_key(digits) {
        Ok(hash_key) if negative && hash_key != HashKey::MIN => Ok(None),
        Ok(hash_key) => Ok(Some(hash_key)),
        Err(HashKeyError::TooLarge) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::testing::{entry as record, sealed};
    use crate::aggregate::{Decoded, Encoder, Record, decode};
    use alloc::vec;

    #[test]
    fn the_kcl_drops_an_aggregate_for_one_member_and_here_it_is_not_lost() {
        let mut encoder = Encoder::default();
        [5, 6, 20]
            .into_iter()
            .for_each(|key| encoder.append(Record::from(&record("k", Some(key)))));
        let data = encoder.finish().expect("three records").seal().data;
        let Decoded::Aggregate(aggregate) = decode(data) else { panic!("an aggregate") };
        let range = |start, end| HashKeyRange::new(HashKey::new(start), HashKey::new(end));
        let all = aggregate.as_kcl(range(5, 20).expect("a range"));
        assert_eq!((all.delivered.len(), all.dropped.len()), (3, 0));
        let none = aggregate.as_kcl(range(5, 19).expect("a range"));
        assert_eq!((none.delivered.len(), none.dropped.len()), (0, 3));
    }

    /// An aggregate of records with these explicit hash keys, one after the other.
    fn with_hash_keys(texts: &[&str]) -> Aggregate {
        let mut body = b"\x0a\x01k".to_vec();
        for (index, text) in (0..).zip(texts) {
            body.extend_from_slice(&[0x12, u8::try_from(text.len()).expect("short")]);
            body.extend_from_slice(text.as_bytes());
            body.extend_from_slice(&[0x1a, 7, 8, 0, 0x10, index, 0x1a, 1, b'x']);
        }
        let Decoded::Aggregate(aggregate) = decode(sealed(&body)) else { panic!("valid") };
        aggregate
    }

    fn indexes(members: &[Member]) -> Vec<usize> {
        members.iter().map(|member| member.index).collect()
    }

    #[test]
    fn explicit_hash_keys_are_read_as_java_reads_them() {
        let above = "340282366920938463463374607431768211456";
        for outside in ["-1", above] {
            let view = with_hash_keys(&["5", outside, "5"]).as_kcl(HashKeyRange::ALL);
            assert_eq!((indexes(&view.delivered), indexes(&view.dropped)), (vec![], vec![0, 1, 2]));
            assert_eq!(view.broken, []);
        }
        for inside in ["+5", "-0", "000005"] {
            let view = with_hash_keys(&["5", inside, "5"]).as_kcl(HashKeyRange::ALL);
            assert_eq!(indexes(&view.delivered), [0, 1, 2], "{inside}");
        }
    }

    #[test]
    fn at_a_broken_member_the_kcl_keeps_what_came_before_and_here_the_rest_is_not_lost() {
        for broken in ["", "+", "--1", "1x"] {
            let view = with_hash_keys(&["5", broken, "7"]).as_kcl(HashKeyRange::ALL);
            assert_eq!((indexes(&view.delivered), indexes(&view.dropped)), (vec![0], vec![2]));
            assert_eq!((view.broken.len(), view.broken[0].index), (1, 1), "{broken:?}");
        }
    }

    /// Half of the data is one key, to which all members of the other half refer.
    #[test]
    fn a_long_key_that_all_share_is_hashed_once() {
        let mut body = b"\x0a\x80\x80\x10".to_vec();
        body.extend_from_slice(&[b'k'; 1 << 18]);
        for _ in 0..(1 << 18) / 6 {
            body.extend_from_slice(b"\x1a\x04\x08\x00\x1a\x00");
        }
        let Decoded::Aggregate(aggregate) = decode(sealed(&body)) else { panic!("valid") };
        // Hashed for each, this would take ten seconds and more.
        assert_eq!(aggregate.as_kcl(HashKeyRange::ALL).delivered.len(), aggregate.len());
    }
}
