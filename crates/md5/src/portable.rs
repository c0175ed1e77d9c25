//! One message at a time, or two whose steps alternate, in plain registers.

use crate::kernel::{Block, CONSTANTS, Inputs, State, kernel};

type Vector = u32;

/// The lanes of one "vector".
pub(crate) const LANES: usize = 1;

#[inline(always)]
fn splat(word: u32) -> Vector {
    word
}

#[inline(always)]
fn load(words: &[u32; LANES]) -> Vector {
    words[0]
}

#[inline(always)]
fn store(vector: Vector) -> [u32; LANES] {
    [vector]
}

#[inline(always)]
fn add(a: Vector, b: Vector) -> Vector {
    a.wrapping_add(b)
}

#[inline(always)]
fn rotate<const LEFT: u32, const RIGHT: u32>(a: Vector) -> Vector {
    a.rotate_left(LEFT)
}

#[inline(always)]
fn f(b: Vector, c: Vector, d: Vector) -> Vector {
    d ^ (b & (c ^ d))
}

#[inline(always)]
fn g(b: Vector, c: Vector, d: Vector) -> Vector {
    (d & b).wrapping_add(!d & c)
}

#[inline(always)]
fn h(b: Vector, c: Vector, d: Vector) -> Vector {
    b ^ (c ^ d)
}

#[inline(always)]
fn i(b: Vector, c: Vector, d: Vector) -> Vector {
    c ^ (b | !d)
}

#[inline(always)]
fn transpose([block]: [&Block; LANES]) -> [Vector; 16] {
    let (words, _) = block.as_chunks();
    core::array::from_fn(|word| u32::from_le_bytes(words[word]))
}

kernel!([] [inline(always)] [1 2]);

/// Adds `blocks` to a state, for a caller that gains by keeping the state in registers.
#[inline(always)]
pub(crate) fn update_inline(state: [u32; 4], blocks: &[Block]) -> [u32; 4] {
    let constants = core::hint::black_box(&CONSTANTS);
    let mut vectors = state.map(|word| [word]);
    for block in blocks {
        rounds(&mut vectors, &transpose([block]).map(|word| [word]), constants);
    }
    vectors.map(|[word]| word)
}

/// Adds `blocks` to a state.
#[inline(never)]
pub(crate) fn update(state: [u32; 4], blocks: &[Block]) -> [u32; 4] {
    update_inline(state, blocks)
}
