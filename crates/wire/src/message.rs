use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

/// The words a server put beside an error code, made safe to keep and to print.
///
/// At most [`Message::BYTES_MAX`] bytes are kept and control characters are replaced, because a server
/// chooses this text and it ends up in logs and terminals. One message is shared by all the records of
/// an answer that carry it. It can name an account, a stream and a shard.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Message(Option<Arc<str>>);

impl Message {
    /// Longest text that is kept, in bytes; the service's own messages stay below it.
    pub const BYTES_MAX: usize = 512;
    /// No message.
    pub const NONE: Self = Self(None);

    /// Keeps `text`, shortened and cleaned.
    pub fn new(text: &str) -> Self {
        if text.is_empty() {
            return Self::NONE;
        }
        let kept = &text[..boundary(text, Self::BYTES_MAX)];
        if kept.chars().any(char::is_control) {
            let clean: String =
                kept.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
            return Self(Some(clean.into()));
        }
        Self(Some(kept.into()))
    }

    /// The text; empty if there is none.
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

/// The largest char boundary of `text` at or below `index` (`str::floor_char_boundary` is newer than
/// the minimum supported Rust version).
fn boundary(text: &str, index: usize) -> usize {
    if index >= text.len() {
        return text.len();
    }
    (0..=index).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_between_characters() {
        let message = Message::new(&"é".repeat(400));
        assert_eq!(message.as_str(), "é".repeat(256));
        assert_eq!(Message::new(&alloc::format!("x{}", "é".repeat(400))).as_str().len(), 511);
    }

    #[test]
    fn control_characters_do_not_survive() {
        assert_eq!(Message::new("a\u{1b}[2Jb\n").as_str(), "a?[2Jb?");
        assert!(Message::new("").is_empty());
    }
}
