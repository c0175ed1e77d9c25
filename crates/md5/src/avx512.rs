//! Sixteen lanes in the registers of AVX-512.

use core::arch::x86_64::*;

use crate::kernel::{Block, CONSTANTS, Inputs, State, kernel};

type Vector = __m512i;

/// The lanes of one vector.
pub(crate) const LANES: usize = 16;

#[target_feature(enable = "avx512f")]
#[inline]
fn splat(word: u32) -> Vector {
    _mm512_set1_epi32(word.cast_signed())
}

#[target_feature(enable = "avx512f")]
#[inline]
fn load(words: &[u32; LANES]) -> Vector {
    let w = words.map(u32::cast_signed);
    _mm512_setr_epi32(
        w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8], w[9], w[10], w[11], w[12], w[13],
        w[14], w[15],
    )
}

#[target_feature(enable = "avx512f")]
#[inline]
fn store(vector: Vector) -> [u32; LANES] {
    let quarters = [
        _mm512_extracti32x4_epi32::<0>(vector),
        _mm512_extracti32x4_epi32::<1>(vector),
        _mm512_extracti32x4_epi32::<2>(vector),
        _mm512_extracti32x4_epi32::<3>(vector),
    ];
    let mut words = [0; LANES];
    for (words, quarter) in words.as_chunks_mut::<4>().0.iter_mut().zip(quarters) {
        *words = [
            _mm_extract_epi32::<0>(quarter).cast_unsigned(),
            _mm_extract_epi32::<1>(quarter).cast_unsigned(),
            _mm_extract_epi32::<2>(quarter).cast_unsigned(),
            _mm_extract_epi32::<3>(quarter).cast_unsigned(),
        ];
    }
    words
}

#[target_feature(enable = "avx512f")]
#[inline]
fn add(a: Vector, b: Vector) -> Vector {
    _mm512_add_epi32(a, b)
}

#[target_feature(enable = "avx512f")]
#[inline]
fn rotate<const LEFT: i32, const RIGHT: i32>(a: Vector) -> Vector {
    _mm512_rol_epi32::<LEFT>(a)
}

// The third operands of `ternarylogic` are the truth tables of the four functions of (b, c, d).
#[target_feature(enable = "avx512f")]
#[inline]
fn f(b: Vector, c: Vector, d: Vector) -> Vector {
    _mm512_ternarylogic_epi32::<0b1100_1010>(b, c, d)
}

#[target_feature(enable = "avx512f")]
#[inline]
fn g(b: Vector, c: Vector, d: Vector) -> Vector {
    _mm512_ternarylogic_epi32::<0b1110_0100>(b, c, d)
}

#[target_feature(enable = "avx512f")]
#[inline]
fn h(b: Vector, c: Vector, d: Vector) -> Vector {
    _mm512_ternarylogic_epi32::<0b1001_0110>(b, c, d)
}

#[target_feature(enable = "avx512f")]
#[inline]
fn i(b: Vector, c: Vector, d: Vector) -> Vector {
    _mm512_ternarylogic_epi32::<0b0011_1001>(b, c, d)
}

/// Word `n` of each block, in vector `n`.
#[target_feature(enable = "avx512f")]
#[inline]
fn transpose(blocks: [&Block; LANES]) -> [Vector; 16] {
    let mut r = [splat(0); 16];
    for (row, block) in r.iter_mut().zip(blocks) {
        let (words, _) = block.as_chunks();
        *row = load(&core::array::from_fn(|word| u32::from_le_bytes(words[word])));
    }
    // Pairs of rows, then fours, then the quarters of the registers.
    let mut s = r;
    for n in 0..8 {
        s[2 * n] = _mm512_unpacklo_epi32(r[2 * n], r[2 * n + 1]);
        s[2 * n + 1] = _mm512_unpackhi_epi32(r[2 * n], r[2 * n + 1]);
    }
    for n in (0..16).step_by(4) {
        r[n] = _mm512_unpacklo_epi64(s[n], s[n + 2]);
        r[n + 1] = _mm512_unpackhi_epi64(s[n], s[n + 2]);
        r[n + 2] = _mm512_unpacklo_epi64(s[n + 1], s[n + 3]);
        r[n + 3] = _mm512_unpackhi_epi64(s[n + 1], s[n + 3]);
    }
    for n in 0..4 {
        let low = _mm512_shuffle_i32x4::<0b10_00_10_00>(r[n], r[n + 4]);
        let high = _mm512_shuffle_i32x4::<0b11_01_11_01>(r[n], r[n + 4]);
        let low_2 = _mm512_shuffle_i32x4::<0b10_00_10_00>(r[n + 8], r[n + 12]);
        let high_2 = _mm512_shuffle_i32x4::<0b11_01_11_01>(r[n + 8], r[n + 12]);
        s[n] = _mm512_shuffle_i32x4::<0b10_00_10_00>(low, low_2);
        s[n + 4] = _mm512_shuffle_i32x4::<0b10_00_10_00>(high, high_2);
        s[n + 8] = _mm512_shuffle_i32x4::<0b11_01_11_01>(low, low_2);
        s[n + 12] = _mm512_shuffle_i32x4::<0b11_01_11_01>(high, high_2);
    }
    s
}

kernel!([target_feature(enable = "avx512f")] [inline] [1 2]);
