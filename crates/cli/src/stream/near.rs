//! Names that may have been meant.

/// How many names are suggested.
const NEAR_MAX: usize = 3;

/// The names that are nearest to `wanted`, the nearest first.
pub(super) fn near<'a>(wanted: &str, names: &'a [String]) -> Vec<&'a str> {
    let lower = wanted.to_lowercase();
    let mut near: Vec<(usize, &str)> = names
        .iter()
        .map(|name| (distance(&lower, &name.to_lowercase()), name.as_str()))
        .filter(|(distance, name)| {
            *distance <= wanted.len().min(name.len()) / 3 || name.contains(wanted)
        })
        .collect();
    near.sort_unstable();
    near.into_iter().take(NEAR_MAX).map(|(_, name)| name).collect()
}

/// How many characters must be put in, taken out or changed to make one of the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, a) in a.chars().enumerate() {
        let mut diagonal = core::mem::replace(&mut row[0], i + 1);
        for (j, b) in b.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_found() {
        let names = ["orders", "orders-dlq", "clicks", "Order"].map(String::from);
        assert_eq!(near("order", &names), ["Order", "orders", "orders-dlq"]);
        assert_eq!(near("odrers", &names), ["orders"]);
        assert_eq!(near("payments", &names), [""; 0]);
        assert_eq!(distance("", "abc") + distance("kitten", "sitting"), 6);
    }
}
