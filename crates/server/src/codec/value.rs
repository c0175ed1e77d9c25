use std::borrow::Cow;

use crate::error::ServiceError;

/// A value of a request, as far as requests need values; texts are slices of the request where they can be. It can be a
/// payload, so that there is no `Debug` but for tests.
#[derive(Clone, PartialEq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) enum Value<'a> {
    Blob(Cow<'a, [u8]>),
    Bool(bool),
    List(Vec<Self>),
    Null,
    Number(f64),
    Object(Fields<'a>),
    Text(Cow<'a, str>),
}

/// The members of an object. Members that nobody asks for are left alone, as the service does.
#[derive(Clone, Default, PartialEq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) struct Fields<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

/// A value is not of the kind that its member has.
fn unexpected(member: &str, wanted: &str, found: &Value<'_>) -> ServiceError {
    let found = match found {
        Value::Blob(_) => "BLOB_VALUE",
        Value::Bool(_) => "BOOLEAN_VALUE",
        Value::List(_) => "LIST_VALUE",
        Value::Null => "NULL_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        Value::Object(_) => "STRUCTURE_VALUE",
        Value::Text(_) => "STRING_VALUE",
    };
    ServiceError::serialization(format!("{member}: {found} can not be converted to {wanted}"))
}

impl<'a> Fields<'a> {
    pub(crate) fn push(&mut self, name: Cow<'a, str>, value: Value<'a>) {
        self.0.push((name, value));
    }

    /// The member of this name; `None` if it is not there or null. Of two the later counts.
    pub(crate) fn get(&self, name: &str) -> Option<&Value<'a>> {
        let found = self.0.iter().rfind(|(found, _)| found == name);
        found.map(|(_, value)| value).filter(|value| **value != Value::Null)
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, ServiceError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(other) => Err(unexpected(name, "a String", other)),
        }
    }

    /// A whole number; what is behind the point is cut off, as the service does.
    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, ServiceError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(Some(*number as i64)),
            Some(other) => Err(unexpected(name, "an Integer", other)),
        }
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<f64>, ServiceError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(Some(*number)),
            Some(other) => Err(unexpected(name, "a Number", other)),
        }
    }

    pub(crate) fn object(&self, name: &str) -> Result<Option<&Self>, ServiceError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(fields)) => Ok(Some(fields)),
            Some(other) => Err(unexpected(name, "a Structure", other)),
        }
    }

    pub(crate) fn list(&self, name: &str) -> Result<Option<&[Value<'a>]>, ServiceError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::List(list)) => Ok(Some(list)),
            Some(other) => Err(unexpected(name, "a List", other)),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Value<'a>)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl<'a> Value<'a> {
    pub(crate) fn as_object(&self, member: &str) -> Result<&Fields<'a>, ServiceError> {
        match self {
            Self::Object(fields) => Ok(fields),
            other => Err(unexpected(member, "a Structure", other)),
        }
    }

    pub(crate) fn as_text(&self, member: &str) -> Result<&str, ServiceError> {
        match self {
            Self::Text(text) => Ok(text),
            other => Err(unexpected(member, "a String", other)),
        }
    }
}
