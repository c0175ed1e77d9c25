use headwaters_sim::{Line, Plan, TraceHash};

use super::world::{Broken, Lived, live};

/// Lives through a world twice: the same must happen.
pub(super) fn live_twice(plan: &Plan) -> Lived {
    let live = || {
        let mut hash = TraceHash::default();
        live(plan, &mut hash).map(|report| (report, hash))
    };
    let (one, other) = (live()?, live()?);
    if one == other { Ok(one.0) } else { Err(differing(plan)) }
}

/// Says where two lives of the same world part.
fn differing(plan: &Plan) -> Box<Broken> {
    let lines = || {
        let mut lines = Vec::new();
        // That it differs is what it is about.
        let _ = live(plan, &mut |line: Line<'_>| lines.push(line.to_string()));
        lines
    };
    let (rule, lines) = part(&lines(), &lines());
    Broken::new(plan, &format!("the same seed is two worlds: {rule}"), lines)
}

/// How many lines before the first that differs are shown.
const LINES_BEFORE: usize = 20;

/// What differs first, and what came before it.
fn part(one: &[String], other: &[String]) -> (String, Vec<String>) {
    let same = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    let [one_next, other_next] = [one, other].map(|lines| lines.get(same));
    if (one_next, other_next) == (None, None) {
        return (String::from("only their reports differ, or it did not happen again"), vec![]);
    }
    let mut lines = one[same.saturating_sub(LINES_BEFORE)..same].to_vec();
    for (which, next) in [("one:  ", one_next), ("other:", other_next)] {
        lines.push(format!("{which} {}", next.map_or("(its end)", String::as_str)));
    }
    (format!("line {} differs", same + 1), lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_world_that_is_the_same_twice_is_as_if_it_was_once() {
        for seed in 0..20 {
            let plan = Plan::draw(seed);
            assert_eq!(live_twice(&plan), live(&plan, &mut ()));
        }
    }

    #[test]
    fn the_first_line_that_differs_is_named() {
        let lines = |last: &[u32]| -> Vec<_> {
            (0..30).chain(last.iter().copied()).map(|number| number.to_string()).collect()
        };
        let (rule, shown) = part(&lines(&[5, 6]), &lines(&[5, 7]));
        assert_eq!(rule, "line 32 differs");
        assert_eq!((shown.len(), shown[0].as_str(), shown[19].as_str()), (22, "11", "5"));
        assert_eq!(shown[20..], ["one:   6", "other: 7"]);
        let (rule, shown) = part(&lines(&[]), &lines(&[1]));
        assert_eq!(
            (rule.as_str(), &shown[20..]),
            ("line 31 differs", &["one:   (its end)".to_owned(), "other: 1".to_owned()][..])
        );
        assert_eq!(part(&lines(&[1]), &lines(&[1])).1, [""; 0]);
    }
}
