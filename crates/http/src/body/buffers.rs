use core::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Buffers that are used again: a fresh one of a megabyte costs more than what is written into it.
#[derive(Clone, Default)]
pub(crate) struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

/// How many are kept, each as large as the largest request it carried (14 MiB for 10 MiB of records in
/// JSON).
const KEPT_MAX: usize = 4;

impl Buffers {
    /// What `write` writes. The buffer comes back when the last handle is gone.
    pub(crate) fn fill(&self, write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
        let mut bytes = self.lock_and(Vec::pop).unwrap_or_default();
        write(&mut bytes);
        Bytes::from_owner(Filled { buffers: self.clone(), bytes })
    }

    fn lock_and<T>(&self, f: impl FnOnce(&mut Vec<Vec<u8>>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Filled {
    buffers: Buffers,
    bytes: Vec<u8>,
}

impl AsRef<[u8]> for Filled {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Filled {
    fn drop(&mut self) {
        let mut bytes = core::mem::take(&mut self.bytes);
        bytes.clear();
        self.buffers.lock_and(|kept| {
            if kept.len() < KEPT_MAX {
                kept.push(bytes);
            }
        });
    }
}

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Buffers").field(&self.lock_and(|kept| kept.len())).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again() {
        let buffers = Buffers::default();
        let first = buffers.fill(|body| body.extend_from_slice(&[1; 1_000]));
        let (at, copy) = (first.as_ptr(), first.clone());
        drop(first);
        assert_eq!(buffers.lock_and(|kept| kept.len()), 0, "somebody still reads it");
        drop(copy);
        let second = buffers.fill(|body| body.push(2));
        assert_eq!((second.as_ptr(), &second[..]), (at, &[2][..]));
        let many: Vec<Bytes> = (0..9).map(|byte| buffers.fill(|body| body.push(byte))).collect();
        drop(many);
        assert_eq!(buffers.lock_and(|kept| kept.len()), KEPT_MAX);
    }
}
