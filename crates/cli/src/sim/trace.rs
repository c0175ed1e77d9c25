use headwaters_sim::{Kind, Line};
use serde::Serialize;

/// A line of the trace as JSON. `headwaters sim replay --help` says what the fields are.
#[derive(Serialize)]
struct Event<'a> {
    at_ns: u64,
    producer: Option<u32>,
    kind: &'static str,
    name: &'a str,
    words: &'a str,
}

/// The line as a line of JSON.
pub(super) fn json(line: &Line<'_>) -> String {
    let what = line.what.to_string();
    let (name, words) = what.split_once(' ').unwrap_or((&what, ""));
    let kind = match line.kind {
        Kind::Action => "action",
        Kind::Event => "event",
        Kind::World => "world",
    };
    let event = Event { at_ns: line.at.as_nanos(), producer: line.producer, kind, name, words };
    serde_json::to_string(&event).expect("all names are strings") + "\n"
}

#[cfg(test)]
mod tests {
    use headwaters_sim::Plan;
    use serde_json::Value;

    use super::*;

    /// Nothing of the columns is lost.
    #[test]
    fn both_forms_say_the_same() {
        let mut kinds = [0; 3];
        let mut check = |line: Line<'_>| {
            let json = json(&line);
            assert_eq!(json.find('\n'), Some(json.len() - 1), "{json}");
            let event: Value = serde_json::from_str(&json).expect("it is JSON");
            let (kind, sign) = match event["kind"].as_str() {
                Some("action") => (0, '<'),
                Some("event") => (1, '>'),
                _ => (2, '*'),
            };
            kinds[kind] += 1;
            let words =
                [&event["name"], &event["words"]].map(|text| text.as_str().expect("a text"));
            let at = event["at_ns"].as_u64().expect("a number");
            let who =
                event["producer"].as_u64().map_or_else(String::new, |number| format!("p{number}"));
            let columns = format!(
                "{:>5}.{:09} {who:<4}{sign} {}",
                at / 1_000_000_000,
                at % 1_000_000_000,
                words.join(" ").trim_end(),
            );
            assert_eq!(columns, line.to_string());
        };
        for seed in 0..20 {
            headwaters_sim::watch(&Plan::draw(seed), &mut check).expect("no rule is broken");
        }
        assert!(kinds.iter().all(|&count| count > 10), "{kinds:?}");
    }
}
