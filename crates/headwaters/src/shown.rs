use core::fmt;

/// The beginning of a text that somebody else wrote, for people: nothing in it controls a terminal.
pub(crate) struct Shown<'a>(pub(crate) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const CHARS: usize = 200;
        let Self(text) = self;
        let is_long = text.chars().nth(CHARS).is_some();
        text.chars().take(CHARS).try_for_each(|char| write!(f, "{}", char.escape_debug()))?;
        f.write_str(if is_long { "..." } else { "" })
    }
}
