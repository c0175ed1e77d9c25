//! The name that may have been meant.

/// The name that is nearest to `wanted`, if one is near: few letters differ, or it goes on where `wanted` ends.
pub(super) fn nearest<'a>(
    wanted: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let wanted = wanted.to_ascii_lowercase();
    let near = names.into_iter().filter_map(|name| {
        let lower = name.to_ascii_lowercase();
        let steps = steps(&wanted, &lower);
        let is_near = steps <= wanted.len().min(name.len()) / 3 || lower.starts_with(&wanted);
        is_near.then_some((steps, name))
    });
    near.min().map(|(_, name)| name)
}

/// How many letters must be put in, taken out or changed to make one of the other.
fn steps(from: &str, to: &str) -> usize {
    let to = to.as_bytes();
    let mut row = (0..=to.len()).collect::<Vec<_>>();
    for (taken, from) in from.bytes().enumerate() {
        let mut before = taken;
        row[0] = taken + 1;
        for (at, to) in to.iter().enumerate() {
            let changed = before + usize::from(from != *to);
            before = row[at + 1];
            row[at + 1] = changed.min(before + 1).min(row[at] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_found() {
        let nearest = |wanted| nearest(wanted, ["record_ttl", "bounds.bytes", "seed"]);
        assert_eq!(nearest("recordttl"), Some("record_ttl"));
        assert_eq!(nearest("Record_TTLs"), Some("record_ttl"));
        assert_eq!(nearest("bounds"), Some("bounds.bytes"));
        assert_eq!(nearest("colour"), None);
        assert_eq!(steps("", "abc") + steps("kitten", "sitting") + steps("a", "a"), 6);
    }
}
