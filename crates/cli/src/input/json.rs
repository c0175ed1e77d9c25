use core::fmt;
use core::str::FromStr;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::Rule;

/// The place of a field in nested JSON objects: `.a.b`. The first dot may be left out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct JsonPath(Vec<String>);

impl JsonPath {
    /// The text of the field: a string without its quotes, a number, true or false as they are
    /// written.
    ///
    /// `json` must be valid; what is wrong with the field comes back as a rule.
    pub(crate) fn text(&self, json: &str) -> Result<String, Rule> {
        let mut value = json;
        for (depth, name) in self.0.iter().enumerate() {
            if !value.trim_start().starts_with('{') {
                return Err(self.not_usable(depth, kind(value)));
            }
            let mut fields: BTreeMap<String, &RawValue> =
                serde_json::from_str(value).map_err(|error| broken(&error))?;
            value = match fields.remove(name) {
                Some(field) => field.get(),
                None => return Err(self.not_usable(depth + 1, "missing")),
            };
        }
        match value.as_bytes().first() {
            Some(b'"') => serde_json::from_str(value).map_err(|error| broken(&error)),
            Some(b'{' | b'[' | b'n') | None => Err(self.not_usable(self.0.len(), kind(value))),
            Some(_) => Ok(value.to_owned()),
        }
    }

    fn not_usable(&self, depth: usize, found: &'static str) -> Rule {
        Rule::Field { found, path: dotted(&self.0[..depth]) }
    }
}

/// Whether `data` is one JSON document; gives it as text.
pub(crate) fn check(data: &[u8]) -> Result<&str, Rule> {
    let text = core::str::from_utf8(data)
        .map_err(|error| Rule::NotUtf8 { offset: error.valid_up_to() })?;
    serde_json::from_str::<&RawValue>(text).map_err(|error| broken(&error))?;
    Ok(text)
}

/// The fields of an object; `None` if it is none, or if a field has another type.
pub(crate) fn object<'a, T: Deserialize<'a>>(json: &'a str) -> Option<T> {
    // An array would be read as well, its values taken for the fields in their order.
    let object = json.trim_start().starts_with('{');
    object.then(|| serde_json::from_str(json).ok()).flatten()
}

/// What is wrong, in words that never quote the document.
pub(crate) fn broken(error: &serde_json::Error) -> Rule {
    let (line, column) = (error.line(), error.column());
    let what = match error.classify() {
        // Only these are fixed texts; what concerns the types would quote values.
        Category::Eof | Category::Syntax => error.to_string(),
        Category::Data | Category::Io => String::from("a value has the wrong type"),
    };
    let place = format!(" at line {line} column {column}");
    let what = what.strip_suffix(&place).unwrap_or(&what).to_owned();
    Rule::Json { column, line, what }
}

fn kind(value: &str) -> &'static str {
    match value.trim_start().as_bytes().first() {
        Some(b'"') => "a string",
        Some(b'[') => "an array",
        Some(b'n') => "null",
        Some(b't' | b'f') => "a boolean",
        Some(b'{') => "an object",
        _ => "a number",
    }
}

fn dotted(names: &[String]) -> String {
    if names.is_empty() { String::from(".") } else { format!(".{}", names.join(".")) }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&dotted(&self.0))
    }
}

impl FromStr for JsonPath {
    type Err = &'static str;

    fn from_str(path: &str) -> Result<Self, Self::Err> {
        let names: Vec<String> =
            path.strip_prefix('.').unwrap_or(path).split('.').map(str::to_owned).collect();
        if names.iter().any(String::is_empty) {
            return Err("a path names a field of an object, such as `.customer.id`");
        }
        Ok(Self(names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &str, json: &str) -> Result<String, String> {
        let path: JsonPath = path.parse().expect("a valid path");
        path.text(json).map_err(|rule| rule.to_string())
    }

    #[test]
    fn strings_numbers_and_booleans_are_taken_as_they_are_written() {
        let json = r#" {"a": {"b": "\u00e9\n", "n": 340282366920938463463374607431768211455,
            "e": 1.50e3, "t": true}, "top": "x"}"#;
        assert_eq!(text(".a.b", json).as_deref(), Ok("é\n"));
        assert_eq!(text(".a.n", json).as_deref(), Ok("340282366920938463463374607431768211455"));
        assert_eq!(text("a.e", json).as_deref(), Ok("1.50e3"));
        assert_eq!(text(".a.t", json).as_deref(), Ok("true"));
        assert_eq!(text("top", json).as_deref(), Ok("x"));
    }

    #[test]
    fn what_is_no_key_is_named_with_its_path_and_never_quoted() {
        let json = r#"{"a": {"b": {"secret": 1}, "c": ["secret"], "d": null}, "s": "secret"}"#;
        for (path, start) in [
            (".a.b", "`.a.b` is an object;"),
            (".a.c", "`.a.c` is an array;"),
            (".a.d", "`.a.d` is null;"),
            (".a.x", "`.a.x` is missing;"),
            (".a.x.y", "`.a.x` is missing;"),
            (".s.x", "`.s` is a string;"),
        ] {
            let error = text(path, json).expect_err("no key there");
            assert!(error.starts_with(start), "{path}: {error}");
            assert!(!error.contains("secret"));
        }
        let error = text(".a", "[1]").expect_err("no object");
        assert!(error.starts_with("`.` is an array;"), "{error}");
        let error = text(".a", r#"{"a": "\ud800secret"}"#).expect_err("half a character");
        assert!(error.starts_with("the JSON is broken"), "{error}");
        assert!(!error.contains("secret"));
    }

    #[test]
    fn broken_documents_are_named_by_place() {
        for (json, expected) in [
            (r#"{"a": }"#, "the JSON is broken at column 7: expected value"),
            (r#"{"a": 1"#, "the JSON is broken at column 7: EOF while parsing an object"),
            ("", "the JSON is broken at column 0: EOF while parsing a value"),
            ("1 2", "the JSON is broken at column 3: trailing characters"),
            ("[\n1,\n", "the JSON is broken at line 3, column 0 of the record: EOF while parsing"),
        ] {
            let error = check(json.as_bytes()).expect_err("broken").to_string();
            assert!(error.starts_with(expected), "{json:?}: {error}");
        }
        assert_eq!(check(b"[1, \"\xff\"]"), Err(Rule::NotUtf8 { offset: 5 }));
        assert_eq!(check(b" {} "), Ok(" {} "));
    }

    #[test]
    fn paths_have_no_empty_names() {
        for path in ["", ".", "..a", "a.", ".a..b"] {
            assert!(path.parse::<JsonPath>().is_err(), "{path:?}");
        }
        assert_eq!(".a.b".parse::<JsonPath>().map(|path| path.to_string()).as_deref(), Ok(".a.b"));
    }
}
