use std::borrow::Cow;

use super::Malformed;

/// Reads a document from its beginning to its end, as the shape that is expected of it says.
///
/// Members come in any order; unknown ones are skipped, a second one of the same name is for the caller to
/// refuse.
pub(super) trait Reader<'a> {
    /// Begins an object.
    fn object(&mut self) -> Result<(), Malformed>;

    /// The name of the next member of the object; `None` at its end.
    fn member(&mut self) -> Result<Option<Cow<'a, str>>, Malformed>;

    /// Begins an array.
    fn array(&mut self) -> Result<(), Malformed>;

    /// Whether the array has another element, which is then to be read.
    fn element(&mut self) -> Result<bool, Malformed>;

    /// A text, or `None` for null. Anything else is malformed.
    fn text(&mut self) -> Result<Option<Cow<'a, str>>, Malformed>;

    /// Skips a value, whatever it is.
    fn skip(&mut self) -> Result<(), Malformed>;

    /// What was not read yet, up to the end of the document.
    fn rest(&self) -> &'a [u8];

    /// Goes on after so many bytes of it: after an element that needs not be read.
    fn pass(&mut self, bytes: usize);

    /// That nothing follows.
    fn end(&mut self) -> Result<(), Malformed>;
}

/// Puts a member where it belongs; there must not have been one before.
pub(super) fn set<T>(place: &mut Option<T>, value: T) -> Result<(), Malformed> {
    if place.replace(value).is_some() { Err(Malformed) } else { Ok(()) }
}
