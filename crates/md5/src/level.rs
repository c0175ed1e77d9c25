use core::fmt;

use crate::kernel::{Inputs, State};
use crate::{Digest, lanes, portable};
#[cfg(target_arch = "x86_64")]
use crate::{avx2, avx512};

#[cfg(all(target_arch = "aarch64", target_endian = "little", target_feature = "neon"))]
use crate::neon;

// Both ask whether the operating system saves the registers too, and keep the answer.
#[cfg(target_arch = "x86_64")]
// What the compiler takes AVX-512 F to include is asked for as well.
cpufeatures::new!(has_avx512, "avx512f", "avx2", "fma");
#[cfg(target_arch = "x86_64")]
cpufeatures::new!(has_avx2, "avx2");

/// A way to hash many messages that this machine has.
///
/// Printed as `AVX-512`, `AVX2`, `NEON` or `portable`.
// A value exists only for what was detected; that is what makes `compress` sound.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Level(Kind);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(all(target_arch = "aarch64", target_endian = "little", target_feature = "neon"))]
    Neon,
    Portable,
}

impl Level {
    pub(crate) const PORTABLE: Self = Self(Kind::Portable);

    /// The levels that this machine has, the fastest first; the last one is `portable`.
    ///
    /// For tests and benches: [`digest_many`](crate::digest_many) takes the first.
    pub fn available() -> impl Iterator<Item = Self> {
        let kinds = [
            #[cfg(target_arch = "x86_64")]
            has_avx512::get().then_some(Kind::Avx512),
            #[cfg(target_arch = "x86_64")]
            has_avx2::get().then_some(Kind::Avx2),
            #[cfg(all(
                target_arch = "aarch64",
                target_endian = "little",
                target_feature = "neon"
            ))]
            Some(Kind::Neon),
            Some(Kind::Portable),
        ];
        kinds.into_iter().flatten().map(Self)
    }

    /// The fastest level that this machine has.
    pub(crate) fn best() -> Self {
        Self::available().next().unwrap_or(Self::PORTABLE)
    }

    /// As [`digest_many`](crate::digest_many), at this level.
    pub fn digest_many<'a>(self, messages: impl IntoIterator<Item = (&'a [u8], &'a mut Digest)>) {
        lanes::digest_many(self, messages.into_iter());
    }

    /// How many messages this level hashes at once.
    pub(crate) const fn lanes(self) -> usize {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => 2 * avx512::LANES,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => 4 * avx2::LANES,
            #[cfg(all(target_arch = "aarch64", target_endian = "little", target_feature = "neon"))]
            Kind::Neon => 4 * neon::LANES,
            Kind::Portable => 2 * portable::LANES,
        }
    }

    /// Adds the first `count` blocks of each of the first `live` inputs to the state of its lane.
    ///
    /// Every input has at least `count` blocks. The states of the other lanes become anything.
    #[cfg_attr(
        any(
            target_arch = "x86_64",
            all(target_arch = "aarch64", target_endian = "little", target_feature = "neon")
        ),
        expect(unsafe_code, reason = "only here are functions for an extension entered")
    )]
    pub(crate) fn compress<const N: usize>(
        self,
        live: usize,
        state: &mut State<N>,
        inputs: &Inputs<'_, N>,
        count: usize,
    ) {
        match self.0 {
            // SAFETY: the function needs AVX-512 F, which was detected, as else there is no such
            // level.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => unsafe { avx512::compress_live(live, state, inputs, count) },
            // SAFETY: the function needs AVX2, which was detected, as else there is no such level.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => unsafe { avx2::compress_live(live, state, inputs, count) },
            // SAFETY: the function needs NEON, which the whole program is compiled for.
            #[cfg(all(target_arch = "aarch64", target_endian = "little", target_feature = "neon"))]
            Kind::Neon => unsafe { neon::compress_live(live, state, inputs, count) },
            Kind::Portable => portable::compress_live(live, state, inputs, count),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "AVX2",
            #[cfg(all(target_arch = "aarch64", target_endian = "little", target_feature = "neon"))]
            Kind::Neon => "NEON",
            Kind::Portable => "portable",
        })
    }
}
