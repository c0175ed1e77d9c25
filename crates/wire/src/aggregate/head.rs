//! What stands before a record's data: the tag and the size of its message, and the fields in front.

use alloc::vec::Vec;

use super::field;
use super::protobuf::{WireType, push_varint, tag, varint_len};

const RECORD_TAG: u8 = tag(field::RECORDS, WireType::Length);
const KEY_TAG: u8 = tag(field::PARTITION_KEY_INDEX, WireType::Varint);
const HASH_KEY_TAG: u8 = tag(field::EXPLICIT_HASH_KEY_INDEX, WireType::Varint);
const DATA_TAG: u8 = tag(field::DATA, WireType::Length);

/// A head whose numbers take one or two bytes each and that has no explicit hash key, as nearly all are: put
/// together in registers, and copied at once. Writing it byte by byte costs more than the payload of a small record.
#[derive(Clone, Copy)]
pub(super) struct ShortHead {
    bytes: u128,
    len: u32,
}

impl ShortHead {
    /// Most bytes that the data can have: two bytes of size, for the message around it too.
    pub(super) const DATA_MAX: usize = 0x3FFF - 6;
    /// The largest index of a key.
    pub(super) const INDEX_MAX: u32 = 0x3FFF;
    /// Bytes that are written, those included that are cut off again.
    pub(super) const ROOM: usize = 16;

    /// Both numbers must be within their limits.
    // Which numbers are short is much the same from one record to the next, so that branches are foreseen; what is
    // left then is known when it is compiled. Without branches an append takes 1 ns longer (measured).
    #[inline(always)]
    pub(super) const fn new(key: u32, data: u32) -> Self {
        debug_assert!(key <= Self::INDEX_MAX && data as usize <= Self::DATA_MAX);
        match (key < 0x80, data) {
            (true, ..0x7C) => Self::of::<1, 1, 1>(key, data),
            (false, ..0x7B) => Self::of::<1, 2, 1>(key, data),
            (true, ..0x80) => Self::of::<2, 1, 1>(key, data),
            (false, ..0x80) => Self::of::<2, 2, 1>(key, data),
            (true, _) => Self::of::<2, 1, 2>(key, data),
            (false, _) => Self::of::<2, 2, 2>(key, data),
        }
    }

    /// The head whose numbers take so many bytes.
    #[inline(always)]
    const fn of<const MESSAGE: u32, const KEY: u32, const DATA: u32>(key: u32, data: u32) -> Self {
        let message = 1 + KEY + 1 + DATA + data;
        let record = RECORD_TAG as u64 | varint::<MESSAGE>(message) << 8;
        let key = KEY_TAG as u64 | varint::<KEY>(key) << 8;
        let data = DATA_TAG as u64 | varint::<DATA>(data) << 8;
        let before = 1 + MESSAGE + 1 + KEY;
        let start = record | key << (8 * (1 + MESSAGE));
        Self { bytes: start as u128 | (data as u128) << (8 * before), len: before + 1 + DATA }
    }

    #[inline(always)]
    pub(super) const fn len(self) -> usize {
        self.len as usize
    }

    #[inline(always)]
    pub(super) fn push(self, out: &mut Vec<u8>) {
        let end = out.len() + self.len();
        // A length that is known beforehand makes this one instruction; what is too much is cut off.
        out.extend_from_slice(&self.bytes.to_le_bytes());
        out.truncate(end);
    }
}

/// A varint of 1 or 2 bytes.
#[inline(always)]
const fn varint<const LEN: u32>(value: u32) -> u64 {
    debug_assert!(varint_len(value as u64) == LEN as usize);
    // The bits from the eighth on move up by one, and the eighth says that there is a second byte.
    if LEN == 1 { value as u64 } else { (value + (value & 0x3F80) + 0x80) as u64 }
}

/// Any head.
#[derive(Clone, Copy)]
pub(super) struct Head {
    /// How many bytes the data has.
    pub(super) data: usize,
    /// The index of the explicit hash key.
    pub(super) hash_key: Option<u32>,
    /// The index of the partition key.
    pub(super) key: u32,
}

impl Head {
    pub(super) const fn len(self) -> usize {
        let message = self.message();
        1 + varint_len(message as u64) + message - self.data
    }

    pub(super) fn push(self, out: &mut Vec<u8>) {
        let mut field = |tag, value| {
            out.push(tag);
            push_varint(out, value);
        };
        field(RECORD_TAG, self.message() as u64);
        field(KEY_TAG, u64::from(self.key));
        if let Some(hash_key) = self.hash_key {
            field(HASH_KEY_TAG, u64::from(hash_key));
        }
        field(DATA_TAG, self.data as u64);
    }

    /// The size of the message, data included.
    const fn message(self) -> usize {
        let hash_key = match self.hash_key {
            Some(index) => 1 + varint_len(index as u64),
            None => 0,
        };
        1 + varint_len(self.key as u64) + hash_key + 1 + varint_len(self.data as u64) + self.data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_heads_are_what_all_heads_are() {
        let edges = [0, 1, 0x79, 0x7A, 0x7B, 0x7C, 0x7F, 0x80, 0x81, 0xFF, 0x100, 0x1234];
        let keys = edges.into_iter().chain([ShortHead::INDEX_MAX]);
        let most = u32::try_from(ShortHead::DATA_MAX).expect("small");
        for key in keys {
            for data in edges.into_iter().chain([most]) {
                let (mut short, mut any) = (Vec::new(), Vec::new());
                let head = ShortHead::new(key, data);
                head.push(&mut short);
                Head { data: data as usize, hash_key: None, key }.push(&mut any);
                assert_eq!(short, any, "key {key}, {data} bytes");
                assert_eq!(head.len(), short.len());
            }
        }
    }

    #[test]
    fn long_heads_have_the_length_that_they_say() {
        for data in [0, 0x3FFF, 0x4000, 0x20_0000, usize::MAX / 2] {
            for (key, hash_key) in [(0, Some(0)), (0x4000, None), (u32::MAX, Some(u32::MAX))] {
                let head = Head { data, hash_key, key };
                let mut out = Vec::new();
                head.push(&mut out);
                assert_eq!(head.len(), out.len(), "{data} bytes, keys {key} and {hash_key:?}");
            }
        }
    }
}
