use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use core::fmt::{self, Write};

use headwaters_engine::Instant;

/// What happened, one line per event and action: a hash of all lines, and the last of them on request.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    kept: Option<VecDeque<String>>,
}

/// How many lines are kept.
const LINES_KEPT: usize = 60;

const FNV_OFFSET: u64 = 0xCBF2_9CE4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01B3;

impl Trace {
    pub(crate) fn new(keep: bool) -> Self {
        Self { hash: FNV_OFFSET, kept: keep.then(VecDeque::new) }
    }

    pub(crate) fn line(&mut self, now: Instant, line: &impl fmt::Display) {
        // Writing into a hash cannot fail.
        let _ = writeln!(Hasher(&mut self.hash), "{now} {line}");
        if let Some(kept) = &mut self.kept {
            if kept.len() == LINES_KEPT {
                kept.pop_front();
            }
            kept.push_back(alloc::format!("{now} {line}").to_string());
        }
    }

    pub(crate) const fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn into_lines(self) -> VecDeque<String> {
        self.kept.unwrap_or_default()
    }
}

/// FNV-1a.
struct Hasher<'a>(&'a mut u64);

impl Write for Hasher<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            *self.0 = (*self.0 ^ u64::from(byte)).wrapping_mul(FNV_PRIME);
        }
        Ok(())
    }
}
