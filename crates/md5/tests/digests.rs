//! Every level of this machine against an implementation that others wrote.

use headwaters_md5::{Digest, Level, digest, digest_many, level};
use md5::{Digest as _, Md5};
use proptest::prelude::*;

/// Three times the lanes of the widest level: lanes are filled, refilled, and run dry.
const MESSAGES: usize = 96;
/// Four blocks and the longest rest with every kind of padding.
const LENGTH: usize = 300;

/// The reference, written by RustCrypto.
fn reference(message: &[u8]) -> Digest {
    Md5::digest(message).into()
}

/// Bytes in which no two messages of a test are alike.
fn bytes(count: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..count).map(|_| next()).collect()
}

fn many(level: Level, messages: &[&[u8]]) -> Vec<Digest> {
    let mut digests = vec![[0xAA; 16]; messages.len()];
    level.digest_many(messages.iter().copied().zip(&mut digests));
    digests
}

#[test]
fn the_test_suite_of_the_rfc() {
    let suite: [(&[u8], u128); 7] = [
        (b"", 0xd41d8cd98f00b204e9800998ecf8427e),
        (b"a", 0x0cc175b9c0f1b6a831c399e269772661),
        (b"abc", 0x900150983cd24fb0d6963f7d28e17f72),
        (b"message digest", 0xf96b697d7cb7938d525a2f31aaf161d0),
        (b"abcdefghijklmnopqrstuvwxyz", 0xc3fcd3d76192e4007dfb496cca67e13b),
        (
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
            0xd174ab98d277d9f5a5611c2c9f419d9f,
        ),
        (
            b"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
            0x57edf4a22be3c955ac49da2e2107b67a,
        ),
    ];
    let messages = suite.map(|(message, _)| message);
    let expected = suite.map(|(_, digest)| digest.to_be_bytes());
    assert_eq!(messages.map(digest), expected);
    for level in Level::available() {
        assert_eq!(many(level, &messages), expected, "{level}");
    }
}

#[test]
fn one_message_of_every_length() {
    let bytes = bytes(2 * LENGTH);
    for length in 0..=LENGTH {
        let message = &bytes[length..2 * length];
        assert_eq!(digest(message), reference(message), "{length} bytes");
    }
}

/// Message `n` starts at byte `n`, so that most of them are not aligned.
#[test]
fn every_number_of_messages_of_every_length() {
    // An interpreter would take days for all of them; these have every kind of padding.
    let step = if cfg!(miri) { 37 } else { 1 };
    let bytes = bytes(MESSAGES + LENGTH);
    for length in (0..=LENGTH).step_by(step) {
        let messages: Vec<_> = (0..MESSAGES).map(|n| &bytes[n..n + length]).collect();
        let expected: Vec<_> = messages.iter().map(|message| reference(message)).collect();
        for level in Level::available() {
            for count in (0..=MESSAGES).step_by(step) {
                let digests = many(level, &messages[..count]);
                assert_eq!(digests, expected[..count], "{level}, {count} of {length} bytes");
            }
        }
    }
}

#[test]
fn every_number_of_messages_of_mixed_lengths() {
    let step = if cfg!(miri) { 37 } else { 1 };
    let bytes = bytes(MESSAGES + LENGTH);
    // 7,919 is prime, so that the lengths take turns without a pattern.
    let message = |n: usize| &bytes[n..n + n * 7_919 % (LENGTH + 1)];
    for first in (0..LENGTH).step_by(7 * step) {
        let messages: Vec<_> = (0..MESSAGES).map(|n| message((first + n) % MESSAGES)).collect();
        let expected: Vec<_> = messages.iter().map(|message| reference(message)).collect();
        for level in Level::available() {
            for count in (0..=MESSAGES).step_by(step) {
                let digests = many(level, &messages[..count]);
                assert_eq!(digests, expected[..count], "{level}, {count} from {first}");
            }
        }
    }
}

#[test]
fn the_level_in_use_is_the_first_available() {
    let levels: Vec<_> = Level::available().collect();
    assert_eq!(Some(&level()), levels.first());
    assert_eq!(levels.last().map(ToString::to_string).as_deref(), Some("portable"));
}

#[test]
fn digests_without_a_message_are_left_alone() {
    let mut digests = [[0xAA; 16]; 3];
    digest_many([&b"a"[..], b"b"].into_iter().zip(&mut digests));
    assert_eq!(digests, [reference(b"a"), reference(b"b"), [0xAA; 16]]);
}

/// Lengths around those where the padding changes, and any other.
fn length() -> impl Strategy<Value = usize> {
    let boundary = (0..40_usize, 50..70_usize).prop_map(|(blocks, rest)| blocks * 64 + rest);
    prop_oneof![3 => 0..56_usize, 2 => boundary, 1 => 0..20_000_usize]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    #[cfg_attr(miri, ignore = "too much for an interpreter, and nothing that the others do not do")]
    fn any_messages(ranges in prop::collection::vec((0..64_usize, length()), 0..2 * MESSAGES)) {
        let bytes = bytes(20_100);
        let messages: Vec<_> = ranges.iter().map(|&(at, length)| &bytes[at..at + length]).collect();
        let expected: Vec<_> = messages.iter().map(|message| reference(message)).collect();
        for level in Level::available() {
            prop_assert_eq!(many(level, &messages), &expected[..], "{}", level);
        }
        let one_by_one: Vec<_> = messages.iter().map(|message| digest(message)).collect();
        prop_assert_eq!(one_by_one, expected);
    }
}
