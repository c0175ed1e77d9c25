//! Many MD5 digests at once, each in its own lane of the SIMD registers.
//!
//! MD5 is not for security: collisions are made at will. Here it is what Amazon Kinesis derives the
//! hash key of a record from, and the check sum at the end of an aggregated record of the KPL. Both
//! come in numbers: hundreds of short keys, dozens of bodies of about 50 KB.
//!
//! One MD5 cannot be made faster, as each of its steps waits for the one before. But different
//! messages do not wait for each other. [`digest_many`] gives each message a lane; when a message
//! ends, the next one takes its place, so the lengths may be mixed. With fewer messages than lanes
//! it uses fewer registers, and for one or two short ones none: however few messages there are,
//! there is no need to prefer [`digest`].
//!
//! ```
//! let keys = ["customer-17", "customer-18", "customer-19"];
//! let mut digests = [[0; 16]; 3];
//! headwaters_md5::digest_many(keys.iter().map(|key| key.as_bytes()).zip(&mut digests));
//! assert_eq!(digests[0], headwaters_md5::digest(b"customer-17"));
//! ```
//!
//! # How fast
//!
//! Per message, and in brackets how many times the fastest other crate that hashes one message
//! after the other does in the same run: `md5-simd` 0.2 or `fast-md5` 1.0, whose cores are
//! assembly. One core of a virtual machine on an Intel Xeon (family 6, model 167 as it reports
//! itself), Rust 1.95, medians of `cargo bench -p headwaters-benches --bench md5`.
//!
//! | messages | other crate | `digest` | portable | AVX2 | AVX-512 |
//! |---|---|---|---|---|---|
//! | 1 of 16 bytes | 87 ns | 75 ns (1.2) | 78 ns (1.1) | 78 ns (1.1) | 77 ns (1.1) |
//! | 32 of 8 bytes | 90 ns | 74 ns (1.2) | 57 ns (1.6) | 14.7 ns (6.1) | 9.7 ns (9.2) |
//! | 32 of 16 bytes | 87 ns | 75 ns (1.2) | 57 ns (1.5) | 14.8 ns (5.9) | 9.5 ns (9.2) |
//! | 32 of 32 bytes | 81 ns | 74 ns (1.1) | 59 ns (1.4) | 15.1 ns (5.4) | 9.7 ns (8.3) |
//! | 480 of 16 bytes | 86 ns | 78 ns (1.1) | 57 ns (1.5) | 13.8 ns (6.2) | 9.1 ns (9.5) |
//! | 32 of 50 KB | 66 us | 66 us (1.0) | 45 us (1.5) | 7.8 us (8.5) | 4.2 us (15.9) |
//! | 200 of 10 to 50 KB | 45 us | 43 us (1.0) | 38 us (1.2) | 6.1 us (7.3) | 3.4 us (13.1) |
//!
//! The level is chosen by what the machine can do, once: AVX-512 F (two vectors of 16 lanes), AVX2
//! (four of 8), NEON (four of 4), or plain registers (two messages whose steps alternate). The
//! tests have run on x86-64 only; NEON has been compiled but never run.
//!
//! # What is unsafe
//!
//! One expression for each of the vector levels: the call of a function that is compiled for an
//! extension of the processor, which is undefined where that is missing. It is sound because a
//! [`Level`] can only be had for what was detected. Everything else is safe code: the arithmetic of
//! vectors is, inside such a function, and blocks are read and states written through values, not
//! pointers.
#![no_std]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod block;
mod kernel;
mod lanes;
mod level;
#[cfg(all(target_arch = "aarch64", target_endian = "little", target_feature = "neon"))]
mod neon;
mod portable;

pub use level::Level;

/// The MD5 of a message. Kinesis reads that of a partition key as a big-endian number.
pub type Digest = [u8; 16];

/// The MD5 of one message.
pub fn digest(message: &[u8]) -> Digest {
    let mut block = [0; 64];
    if message.len() <= block::SHORT {
        block::end(&mut block, message, message.len());
        return lanes::bytes(portable::update_inline(kernel::INITIAL, &[block]));
    }
    let (body, rest) = message.as_chunks();
    let mut state = portable::update(kernel::INITIAL, body);
    if block::end(&mut block, rest, message.len()) {
        state = portable::update(state, &[block]);
        block::last(&mut block, message.len());
    }
    lanes::bytes(portable::update(state, &[block]))
}

/// Writes the MD5 of each message to the place that comes with it, in any order.
///
/// Takes pairs so that nothing need be gathered first: usually `messages.zip(&mut digests)`. Does
/// not allocate; uses about 10 KB of stack. Give it all messages there are in one call: 32 keep
/// every lane busy. Of long messages with mixed lengths, put the longest first if that is easy: a
/// long one that starts last is hashed alone.
pub fn digest_many<'a>(messages: impl IntoIterator<Item = (&'a [u8], &'a mut Digest)>) {
    level().digest_many(messages);
}

/// The level that [`digest_many`] uses on this machine, for benches and bug reports.
pub fn level() -> Level {
    Level::best()
}
