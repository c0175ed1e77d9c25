//! Four lanes in the registers of NEON, which every little-endian AArch64 with floating point has.

use core::arch::aarch64::*;

use crate::kernel::{Block, CONSTANTS, Inputs, State, kernel};

type Vector = uint32x4_t;

/// The lanes of one vector.
pub(crate) const LANES: usize = 4;

#[target_feature(enable = "neon")]
#[inline]
fn splat(word: u32) -> Vector {
    vdupq_n_u32(word)
}

#[target_feature(enable = "neon")]
#[inline]
fn load(&[a, b, c, d]: &[u32; LANES]) -> Vector {
    let pair = |low: u32, high: u32| vcreate_u32(u64::from(low) | u64::from(high) << 32);
    vcombine_u32(pair(a, b), pair(c, d))
}

#[target_feature(enable = "neon")]
#[inline]
fn store(a: Vector) -> [u32; LANES] {
    [vgetq_lane_u32::<0>(a), vgetq_lane_u32::<1>(a), vgetq_lane_u32::<2>(a), vgetq_lane_u32::<3>(a)]
}

#[target_feature(enable = "neon")]
#[inline]
fn add(a: Vector, b: Vector) -> Vector {
    vaddq_u32(a, b)
}

#[target_feature(enable = "neon")]
#[inline]
fn rotate<const LEFT: i32, const RIGHT: i32>(a: Vector) -> Vector {
    vsriq_n_u32::<RIGHT>(vshlq_n_u32::<LEFT>(a), a)
}

#[target_feature(enable = "neon")]
#[inline]
fn f(b: Vector, c: Vector, d: Vector) -> Vector {
    vbslq_u32(b, c, d)
}

#[target_feature(enable = "neon")]
#[inline]
fn g(b: Vector, c: Vector, d: Vector) -> Vector {
    vbslq_u32(d, b, c)
}

#[target_feature(enable = "neon")]
#[inline]
fn h(b: Vector, c: Vector, d: Vector) -> Vector {
    veorq_u32(b, veorq_u32(c, d))
}

#[target_feature(enable = "neon")]
#[inline]
fn i(b: Vector, c: Vector, d: Vector) -> Vector {
    veorq_u32(c, vornq_u32(b, d))
}

/// Word `n` of each block, in vector `n`.
#[target_feature(enable = "neon")]
#[inline]
fn transpose(blocks: [&Block; LANES]) -> [Vector; 16] {
    let mut words = [splat(0); 16];
    for (quarter, words) in words.as_chunks_mut().0.iter_mut().enumerate() {
        let mut r = [splat(0); 4];
        for (row, block) in r.iter_mut().zip(blocks) {
            let (bytes, _) = block.as_chunks();
            *row = load(&core::array::from_fn(|n| u32::from_le_bytes(bytes[4 * quarter + n])));
        }
        let zip1 = |a, b| vreinterpretq_u64_u32(vzip1q_u32(a, b));
        let zip2 = |a, b| vreinterpretq_u64_u32(vzip2q_u32(a, b));
        let (ab, cd) = (zip1(r[0], r[1]), zip1(r[2], r[3]));
        let (ab_2, cd_2) = (zip2(r[0], r[1]), zip2(r[2], r[3]));
        *words = [
            vreinterpretq_u32_u64(vzip1q_u64(ab, cd)),
            vreinterpretq_u32_u64(vzip2q_u64(ab, cd)),
            vreinterpretq_u32_u64(vzip1q_u64(ab_2, cd_2)),
            vreinterpretq_u32_u64(vzip2q_u64(ab_2, cd_2)),
        ];
    }
    words
}

kernel!([target_feature(enable = "neon")] [inline] [1 2 3 4]);
