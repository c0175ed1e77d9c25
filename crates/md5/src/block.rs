//! How a message becomes blocks (RFC 1321, 3.1 and 3.2).

use crate::kernel::Block;

/// The longest message, or rest of one, that fits into one block with its padding, in bytes: the
/// padding is one byte and a length of eight.
pub(crate) const SHORT: usize = 55;

/// Writes the first block after the whole blocks of a message of `length` bytes: the `rest`, which
/// is less than a block, and as much of the padding as fits. Returns whether [`last`] must follow.
#[inline(always)]
pub(crate) fn end(block: &mut Block, rest: &[u8], length: usize) -> bool {
    *block = [0; 64];
    if rest.len() > SHORT {
        copy(block, rest);
        block[rest.len()] = 0x80;
        return true;
    }
    // Eight bytes where one is meant: a word can be read from this store at once, but not from one
    // that wrote a part of it.
    block[rest.len()..rest.len() + 8].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 0]);
    copy(block, rest);
    block[56..].copy_from_slice(&bits(length));
    false
}

/// Writes the block that has nothing but the length.
pub(crate) fn last(block: &mut Block, length: usize) {
    *block = [0; 64];
    block[56..].copy_from_slice(&bits(length));
}

/// The length in bits, modulo 2^64 as the standard has it.
#[inline(always)]
fn bits(length: usize) -> [u8; 8] {
    ((length as u64) << 3).to_le_bytes()
}

/// Copies less than 64 bytes, much faster than a call of `memcpy`.
#[inline(always)]
fn copy(block: &mut Block, rest: &[u8]) {
    let done = copy_in_two::<32>(block, rest)
        || copy_in_two::<16>(block, rest)
        || copy_in_two::<8>(block, rest)
        || copy_in_two::<4>(block, rest);
    if !done {
        for (to, from) in block.iter_mut().zip(rest).take(3) {
            *to = *from;
        }
    }
}

/// Copies `N` to `2 * N` bytes in two pieces of `N`, which overlap as they must. Returns whether
/// there are as many.
#[inline(always)]
fn copy_in_two<const N: usize>(block: &mut Block, rest: &[u8]) -> bool {
    let (Some(head), Some(tail)) = (rest.first_chunk::<N>(), rest.last_chunk::<N>()) else {
        return false;
    };
    block[..N].copy_from_slice(head);
    block[rest.len() - N..rest.len()].copy_from_slice(tail);
    true
}
