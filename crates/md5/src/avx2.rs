//! Eight lanes in the registers of AVX2.

use core::arch::x86_64::*;

use crate::kernel::{Block, CONSTANTS, Inputs, State, kernel};

type Vector = __m256i;
/// The lanes of one vector.
pub(crate) const LANES: usize = 8;

#[target_feature(enable = "avx2")]
#[inline]
fn splat(word: u32) -> Vector {
    _mm256_set1_epi32(word.cast_signed())
}

#[target_feature(enable = "avx2")]
#[inline]
fn load(words: &[u32; LANES]) -> Vector {
    let [a, b, c, d, e, f, g, h] = words.map(u32::cast_signed);
    _mm256_setr_epi32(a, b, c, d, e, f, g, h)
}

#[target_feature(enable = "avx2")]
#[inline]
fn store(vector: Vector) -> [u32; LANES] {
    [
        _mm256_extract_epi32::<0>(vector).cast_unsigned(),
        _mm256_extract_epi32::<1>(vector).cast_unsigned(),
        _mm256_extract_epi32::<2>(vector).cast_unsigned(),
        _mm256_extract_epi32::<3>(vector).cast_unsigned(),
        _mm256_extract_epi32::<4>(vector).cast_unsigned(),
        _mm256_extract_epi32::<5>(vector).cast_unsigned(),
        _mm256_extract_epi32::<6>(vector).cast_unsigned(),
        _mm256_extract_epi32::<7>(vector).cast_unsigned(),
    ]
}

#[target_feature(enable = "avx2")]
#[inline]
fn add(a: Vector, b: Vector) -> Vector {
    _mm256_add_epi32(a, b)
}

#[target_feature(enable = "avx2")]
#[inline]
fn rotate<const LEFT: i32, const RIGHT: i32>(a: Vector) -> Vector {
    _mm256_or_si256(_mm256_slli_epi32::<LEFT>(a), _mm256_srli_epi32::<RIGHT>(a))
}

#[target_feature(enable = "avx2")]
#[inline]
fn f(b: Vector, c: Vector, d: Vector) -> Vector {
    _mm256_xor_si256(d, _mm256_and_si256(b, _mm256_xor_si256(c, d)))
}

#[target_feature(enable = "avx2")]
#[inline]
fn g(b: Vector, c: Vector, d: Vector) -> Vector {
    add(_mm256_and_si256(d, b), _mm256_andnot_si256(d, c))
}

#[target_feature(enable = "avx2")]
#[inline]
fn h(b: Vector, c: Vector, d: Vector) -> Vector {
    _mm256_xor_si256(b, _mm256_xor_si256(c, d))
}

// c ^ (b | !d) is !(c ^ (!b & d)), which takes one instruction less, as -1 - x is !x and the
// addition that follows swallows the -1.
#[target_feature(enable = "avx2")]
#[inline]
fn i(b: Vector, c: Vector, d: Vector) -> Vector {
    _mm256_sub_epi32(splat(u32::MAX), _mm256_xor_si256(c, _mm256_andnot_si256(b, d)))
}

/// Word `n` of each block, in vector `n`.
///
/// Gathers the halves of the vectors from memory, which is cheaper than to exchange them
/// afterwards.
#[target_feature(enable = "avx2")]
#[inline]
fn transpose(blocks: [&Block; LANES]) -> [Vector; 16] {
    let mut words = [splat(0); 16];
    for quarter in 0..4 {
        let [a, b, c, d] = core::array::from_fn(|n| {
            let row = |row: usize| blocks[row].as_chunks().0[quarter];
            pair(row(n), row(n + 4))
        });
        let (ab, cd) = (_mm256_unpacklo_epi32(a, b), _mm256_unpacklo_epi32(c, d));
        words[4 * quarter] = _mm256_unpacklo_epi64(ab, cd);
        words[4 * quarter + 1] = _mm256_unpackhi_epi64(ab, cd);
        let (ab, cd) = (_mm256_unpackhi_epi32(a, b), _mm256_unpackhi_epi32(c, d));
        words[4 * quarter + 2] = _mm256_unpacklo_epi64(ab, cd);
        words[4 * quarter + 3] = _mm256_unpackhi_epi64(ab, cd);
    }
    words
}

/// Four words of one block and the same words of another.
#[target_feature(enable = "avx2")]
#[inline]
fn pair(low: [u8; 16], high: [u8; 16]) -> Vector {
    let half = |bytes: [u8; 16]| {
        let bits = u128::from_le_bytes(bytes);
        _mm_set_epi64x((bits >> 64) as i64, bits as i64)
    };
    _mm256_set_m128i(half(high), half(low))
}

kernel!([target_feature(enable = "avx2")] [inline] [1 2 3 4]);
