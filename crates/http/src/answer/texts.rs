use std::borrow::Cow;

use super::Malformed;
use super::json::Json;
use super::reader::{Reader, set};

/// The texts of these names in an object, and what is not there as `None`.
pub(super) fn texts<'a, const N: usize>(
    reader: &mut impl Reader<'a>,
    names: [&str; N],
) -> Result<[Option<Cow<'a, str>>; N], Malformed> {
    let mut texts = [const { None }; N];
    reader.object()?;
    while let Some(name) = reader.member()? {
        match names.iter().position(|wanted| *wanted == name) {
            Some(at) => set(&mut texts[at], reader.text()?)?,
            None => reader.skip()?,
        }
    }
    Ok(texts.map(Option::flatten))
}

/// The texts of these names in a JSON document that is an object; `None` if it is something else.
pub(crate) fn read_texts<const N: usize>(
    document: &[u8],
    names: [&str; N],
) -> Option<[Option<String>; N]> {
    let mut reader = Json::new(document);
    let texts = texts(&mut reader, names).ok()?;
    reader.end().ok()?;
    Some(texts.map(|text| text.map(Cow::into_owned)))
}
