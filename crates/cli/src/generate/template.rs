use core::fmt::Write;
use core::ops::RangeInclusive;
use core::str::FromStr;
use std::time::SystemTime;

use fastrand::Rng;

/// What a record says: text with fields in it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Choice(Vec<String>),
    Float(f64, f64),
    Int(RangeInclusive<i64>),
    Key,
    Literal(String),
    Letters(usize),
    Now,
    NowMillis,
    Pad,
    Seq,
    Uuid,
}

/// What the fields of one record say.
pub(super) struct Facts<'a> {
    pub(super) key: &'a str,
    pub(super) now: SystemTime,
    pub(super) seq: u64,
    /// How long it is to be, if it has a field for that.
    pub(super) size: Option<usize>,
}

const FIELDS: &str = "{seq}, {key}, {uuid}, {now}, {now_ms}, {int:1..6}, {float:0..1}, {choice:a|b}, {text:20} and \
                      {pad}";

/// Most letters that one field can have.
const LETTERS_MAX: usize = 10 << 20;

impl Template {
    pub(super) fn has_pad(&self) -> bool {
        self.0.contains(&Piece::Pad)
    }

    /// One record.
    pub(super) fn fill(&self, facts: &Facts<'_>, random: &mut Rng) -> String {
        let mut text = String::new();
        let mut pad = None;
        for piece in &self.0 {
            if let Piece::Pad = piece {
                pad = pad.or(Some(text.len()));
            } else {
                // A string takes everything.
                let _ = piece.write(&mut text, facts, random);
            }
        }
        if let (Some(at), Some(size)) = (pad, facts.size) {
            let missing = size.saturating_sub(text.len());
            text.insert_str(at, &letters(missing, random));
        }
        text
    }
}

impl Piece {
    fn write(&self, to: &mut String, facts: &Facts<'_>, random: &mut Rng) -> core::fmt::Result {
        match self {
            Self::Choice(choices) => write!(to, "{}", choices[random.usize(..choices.len())]),
            Self::Float(from, end) => write!(to, "{:.6}", from + (end - from) * random.f64()),
            Self::Int(range) => write!(to, "{}", random.i64(range.clone())),
            Self::Key => write!(to, "{}", facts.key),
            Self::Literal(text) => write!(to, "{text}"),
            Self::Letters(count) => write!(to, "{}", letters(*count, random)),
            Self::Now => write!(to, "{}", humantime::format_rfc3339_millis(facts.now)),
            Self::NowMillis => {
                let since = facts.now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                write!(to, "{}", since.as_millis())
            }
            Self::Pad => Ok(()),
            Self::Seq => write!(to, "{}", facts.seq),
            Self::Uuid => uuid(to, random),
        }
    }

    fn of(name: &str, argument: Option<&str>) -> Result<Self, String> {
        let range = || argument.and_then(|argument| argument.split_once(".."));
        Ok(match (name, argument) {
            ("key", None) => Self::Key,
            ("now", None) => Self::Now,
            ("now_ms", None) => Self::NowMillis,
            ("pad", None) => Self::Pad,
            ("seq", None) => Self::Seq,
            ("uuid", None) => Self::Uuid,
            ("choice", Some(choices)) => {
                Self::Choice(choices.split('|').map(String::from).collect())
            }
            ("float", Some(_)) => {
                let parsed =
                    range().and_then(|(from, end)| Some((from.parse().ok()?, end.parse().ok()?)));
                let valid = parsed.filter(|(from, end): &(f64, f64)| {
                    from <= end && from.is_finite() && end.is_finite()
                });
                let (from, end) =
                    valid.ok_or("{float:0..1} needs two numbers, the smaller first")?;
                Self::Float(from, end)
            }
            ("int", Some(_)) => {
                let parsed =
                    range().and_then(|(from, end)| Some((from.parse().ok()?, end.parse().ok()?)));
                let valid = parsed.filter(|(from, end): &(i64, i64)| from <= end);
                let (from, end) =
                    valid.ok_or("{int:1..6} needs two whole numbers, the smaller first")?;
                Self::Int(from..=end)
            }
            ("text", Some(count)) => {
                let count = count.parse().ok().filter(|count| *count <= LETTERS_MAX);
                Self::Letters(count.ok_or("{text:20} needs a number of letters, 10 MiB at most")?)
            }
            _ => {
                return Err(format!(
                    "there is no field {{{name}}} of this form; there are {FIELDS}"
                ));
            }
        })
    }
}

/// A brace is one of a field only if a letter follows: that of JSON stays what it is.
impl FromStr for Template {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            literal.push_str(&rest[..at]);
            let behind = &rest[at + 1..];
            if !behind.starts_with(|c: char| c.is_ascii_lowercase()) {
                literal.push('{');
                rest = behind;
                continue;
            }
            let end = behind.find('}').ok_or("a field begins with { and does not end with }")?;
            let field = &behind[..end];
            let (name, argument) = match field.split_once(':') {
                Some((name, argument)) => (name, Some(argument)),
                None => (field, None),
            };
            if !literal.is_empty() {
                pieces.push(Piece::Literal(core::mem::take(&mut literal)));
            }
            pieces.push(Piece::of(name, argument)?);
            rest = &behind[end + 1..];
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(Self(pieces))
    }
}

fn letters(count: usize, random: &mut Rng) -> String {
    core::iter::repeat_with(|| random.lowercase()).take(count).collect()
}

/// A random UUID, version 4 (RFC 9562).
fn uuid(to: &mut String, random: &mut Rng) -> core::fmt::Result {
    let bits = random.u128(..);
    let bits = bits & !(0xf << 76) | 4 << 76;
    let bits = bits & !(0b11 << 62) | 0b10 << 62;
    let (a, b, c) = (bits >> 96, bits >> 80 & 0xffff, bits >> 64 & 0xffff);
    write!(
        to,
        "{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}",
        bits >> 48 & 0xffff,
        bits & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(template: &str, size: Option<usize>) -> String {
        let template: Template = template.parse().expect("a template");
        let facts = Facts { key: "key-7", now: SystemTime::UNIX_EPOCH, seq: 3, size };
        template.fill(&facts, &mut Rng::with_seed(1))
    }

    #[test]
    fn fields_are_filled_and_braces_of_json_stay() {
        assert_eq!(
            fill(r#"{"a":{"b":{seq}},"k":"{key}"}{}{"#, None),
            r#"{"a":{"b":3},"k":"key-7"}{}{"#
        );
        assert_eq!(fill("{now} {now_ms}", None), "1970-01-01T00:00:00.000Z 0");
        assert_eq!(fill("{int:7..7}{choice:x}{float:2..2}", None), "7x2.000000");
        assert_eq!(fill("<{text:5}>", None).len(), 7);
        assert_eq!(fill("a{pad}b", None), "ab");
        let padded = fill("a{pad}b", Some(10));
        assert!(padded.len() == 10 && padded.starts_with('a') && padded.ends_with('b'), "{padded}");
        assert_eq!(fill("longer{pad}", Some(3)), "longer");
        let uuid = fill("{uuid}", None);
        let at = |index: usize| uuid.as_bytes()[index];
        assert_eq!(
            (uuid.len(), at(8), at(13), at(14), at(18), at(23)),
            (36, b'-', b'-', b'4', b'-', b'-')
        );
        assert!(b"89ab".contains(&at(19)), "{uuid}");
    }

    #[test]
    fn what_is_no_template_is_told() {
        for wrong in [
            "{seq",
            "{nope}",
            "{seq:1}",
            "{int:6..1}",
            "{int}",
            "{float:a..b}",
            "{float:0..inf}",
            "{text:-1}",
        ] {
            let error = wrong.parse::<Template>().expect_err(wrong);
            assert!(error.contains('{'), "{wrong}: {error}");
        }
        assert!("{nope}".parse::<Template>().is_err_and(|error| error.contains("{choice:a|b}")));
    }
}
