//! JSON and CBOR as others read them: every member in its order, twice if it is there twice.

use core::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A document, as far as answers are looked at.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "it is all that documents are made of")]
pub enum Document {
    /// Elements in their order.
    Array(Vec<Self>),
    /// Null, and what CBOR calls undefined.
    Null,
    /// Members in their order.
    Object(Vec<(String, Self)>),
    /// Something else: numbers, true, false, bytes, names that are no text.
    Other,
    /// A text.
    Text(String),
}

impl Document {
    /// Reads JSON with serde_json. `None` if that cannot tell: it refuses numbers that are too large for it.
    pub fn of_json(bytes: &[u8]) -> Option<Result<Self, serde_json::Error>> {
        let read = serde_json::from_slice(bytes);
        match &read {
            Err(error) if error.to_string().starts_with("number out of range") => None,
            _ => Some(read),
        }
    }

    /// Reads CBOR with ciborium; `None` if that refuses it.
    pub fn of_cbor(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let value: ciborium::Value = ciborium::from_reader(&mut rest).ok()?;
        rest.is_empty().then(|| value.into())
    }

    /// The members of an object.
    pub fn members(&self) -> Option<&[(String, Self)]> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The value of a member, or null if there is none; `None` if there are several, or it is no object.
    pub fn member(&self, name: &str) -> Option<&Self> {
        let mut found = self.members()?.iter().filter(|(found, _)| found == name);
        match (found.next(), found.next()) {
            (None, _) => Some(&Self::Null),
            (Some((_, value)), None) => Some(value),
            (Some(_), Some(_)) => None,
        }
    }

    /// The text of a member; `Some(None)` if it is null or not there.
    pub fn text(&self, name: &str) -> Option<Option<&str>> {
        match self.member(name)? {
            Self::Null => Some(None),
            Self::Text(text) => Some(Some(text)),
            _ => None,
        }
    }

    /// The elements of a member.
    pub fn array(&self, name: &str) -> Option<&[Self]> {
        match self.member(name)? {
            Self::Array(elements) => Some(elements),
            _ => None,
        }
    }
}

impl From<ciborium::Value> for Document {
    fn from(value: ciborium::Value) -> Self {
        use ciborium::Value::{Array, Map, Null, Tag, Text};
        match value {
            Array(elements) => Self::Array(elements.into_iter().map(Into::into).collect()),
            Map(members) => {
                let is_text = |(name, _): &(ciborium::Value, _)| name.is_text();
                if !members.iter().all(is_text) {
                    return Self::Other;
                }
                let member = |(name, value): (ciborium::Value, ciborium::Value)| {
                    (name.into_text().unwrap_or_default(), value.into())
                };
                Self::Object(members.into_iter().map(member).collect())
            }
            Null => Self::Null,
            Tag(_, value) => (*value).into(),
            Text(text) => Self::Text(text),
            _ => Self::Other,
        }
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Document;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a document")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Document, E> {
        Ok(Document::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Document, E> {
        Ok(Document::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Document, E> {
        Ok(Document::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Document, E> {
        Ok(Document::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Document, E> {
        Ok(Document::Text(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Document, E> {
        Ok(Document::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Document, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = access.next_element()? {
            elements.push(element);
        }
        Ok(Document::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Document, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = access.next_entry()? {
            members.push(member);
        }
        Ok(Document::Object(members))
    }
}
