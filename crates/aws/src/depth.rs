/// How deep a JSON text is nested, up to a limit.
///
/// The SDK skips what it does not know by calling itself for each level (aws-smithy-json 0.62; mended in versions
/// that need a newer compiler): an answer of 60,000 brackets would end the process.
#[derive(Debug, Default)]
pub(crate) struct Depth {
    is_escaped: bool,
    is_in_text: bool,
    level: usize,
}

/// An answer of the service has four levels.
const MAX_LEVEL: usize = 64;

impl Depth {
    /// Takes the next bytes of the text; whether it is still within the limit.
    pub(crate) fn pass(&mut self, bytes: &[u8]) -> bool {
        for byte in bytes {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' if self.is_in_text => self.is_escaped = true,
                b'"' => self.is_in_text = !self.is_in_text,
                _ if self.is_in_text => {}
                b'[' | b'{' if self.level == MAX_LEVEL => return false,
                b'[' | b'{' => self.level += 1,
                b']' | b'}' => self.level = self.level.saturating_sub(1),
                _ => {}
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_count_and_texts_do_not() {
        let passes = |text: &str| {
            let whole = Depth::default().pass(text.as_bytes());
            let mut depth = Depth::default();
            let bytewise = text.bytes().all(|byte| depth.pass(&[byte]));
            assert_eq!(whole, bytewise, "{text}");
            whole
        };
        let most = "[".repeat(MAX_LEVEL);
        assert!(passes(&most) && !passes(&format!("{most}[")) && !passes(&format!("{most}{{")));
        assert!(passes(&"[{}]".repeat(1_000)));
        assert!(passes(&format!("{most}]{{\"[[\\\"[[\"")));
        assert!(!passes(&format!("{most}\"\\\\\"[")));
        // What is no JSON has no levels below nothing.
        assert!(!passes(&format!("]]]{most}[")));
    }
}
