use headwaters_wire::{AttemptError, ErrorCode, Message};

/// An answer with members that are not what they must be. Nobody can know what it says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Malformed;

/// The error of a request whose answer is of no use.
pub(crate) fn unusable(why: &str) -> AttemptError {
    AttemptError::with_message(ErrorCode::UnusableAnswer, Message::new(why))
}
