//! The form of `~/.aws/config` and `~/.aws/credentials`.
//!
//! Source: "Configuration and credential file settings" in the reference of the AWS SDKs and tools.

use core::fmt;

use zeroize::Zeroizing;

/// A file of sections.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Ini(Vec<Section>);

/// What stands below one `[name]`.
#[derive(Clone, Default, Eq, PartialEq)]
struct Section {
    name: String,
    /// In their order; one below another is `outer.inner`. Some values are secret.
    properties: Vec<(String, Zeroizing<String>)>,
}

impl Ini {
    /// Reads what can be read. Lines that are nothing are left out, as the AWS command line does: a file that
    /// other programs share need not be all ours.
    pub(crate) fn parse(text: &str) -> Self {
        let mut sections: Vec<Section> = Vec::new();
        // The property that has others below it.
        let mut outer: Option<String> = None;
        for line in text.lines() {
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
                continue;
            }
            if let Some(rest) = line.strip_prefix('[') {
                let name = rest.split_once(']').map_or("", |(name, _)| name);
                sections.push(Section { name: section_name(name), properties: Vec::new() });
                outer = None;
                continue;
            }
            let (Some(section), Some((name, value))) =
                (sections.last_mut(), without_comment(trimmed).split_once('='))
            else {
                continue;
            };
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
            let name = match (&outer, line.starts_with([' ', '\t'])) {
                (Some(outer), true) => format!("{outer}.{name}"),
                _ => {
                    outer = value.is_empty().then(|| name.clone());
                    name
                }
            };
            section.properties.push((name, Zeroizing::new(value.to_owned())));
        }
        Self(sections)
    }

    /// Whether there is such a section.
    pub(crate) fn has(&self, section: &str) -> bool {
        self.0.iter().any(|found| found.name == section)
    }

    /// The value of a property, the last one if there are several; nothing if it is empty.
    pub(crate) fn get(&self, section: &str, property: &str) -> Option<&str> {
        let sections = self.0.iter().filter(|found| found.name == section);
        let mut values = sections.flat_map(|section| &section.properties);
        let value = values.rfind(|(name, _)| name == property).map(|(_, value)| value.as_str());
        value.filter(|value| !value.is_empty())
    }
}

impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.properties.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Section")
            .field("name", &self.name)
            .field("properties", &names)
            .finish_non_exhaustive()
    }
}

/// `profile  "a b"` is `profile a b`.
fn section_name(name: &str) -> String {
    let words: Vec<&str> =
        name.split_whitespace().map(|word| word.trim_matches(['"', '\''])).collect();
    words.join(" ")
}

/// Without what follows a `#` or a `;` behind a space.
fn without_comment(line: &str) -> &str {
    let starts = [" #", " ;", "\t#", "\t;"].iter().filter_map(|mark| line.find(mark)).min();
    starts.map_or(line, |at| &line[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read() {
        let ini = Ini::parse(
            "region = nobody\n\
             # a comment\n\
             [default]\n\
             region = eu-central-1 # Frankfurt\n\
             output=json\n\
             nonsense\n\
             [profile \"a b\"]\n\
             Region=us-east-1\n\
             s3 =\n  endpoint_url = http://s3\n\
             endpoint_url = http://outer\n\
             secret = a#b;c=d\n\
             [default]\n\
             region = eu-west-1\n\
             empty =\n",
        );
        assert_eq!(ini.get("default", "region"), Some("eu-west-1"));
        assert_eq!(ini.get("default", "output"), Some("json"));
        assert_eq!(ini.get("default", "empty"), None);
        assert_eq!(ini.get("profile a b", "region"), Some("us-east-1"));
        assert_eq!(ini.get("profile a b", "s3.endpoint_url"), Some("http://s3"));
        assert_eq!(ini.get("profile a b", "endpoint_url"), Some("http://outer"));
        assert_eq!(ini.get("profile a b", "secret"), Some("a#b;c=d"));
        assert!(ini.has("profile a b") && !ini.has("profile a"));
        let text = format!("{ini:?}");
        assert!(text.contains("\"secret\"") && !text.contains("a#b"), "{text}");
    }
}
