//! Traces of producers: what a replay makes of any bytes.

use headwaters::trace::{Action, Engine, Replay, Witness};

/// Counts what the engine said.
#[derive(Default)]
struct Said(u64);

impl Witness for Said {
    fn said(&mut self, _at: headwaters::Instant, _action: &Action, _engine: &Engine) {
        self.0 += 1;
    }
}

/// Any bytes, as a trace. What is none is refused with words that can be shown, and names a line that there is; what is
/// one is the same each time.
///
/// # Panics
/// It is not so.
pub fn replay(bytes: &[u8]) {
    let first = outcome(bytes);
    assert_eq!(first, outcome(bytes), "a replay is the same each time");
}

/// Lines, records, events and actions of a trace that is replayed to its end; or why it is not.
fn outcome(bytes: &[u8]) -> Result<[u64; 4], String> {
    // With the one that never came.
    let lines = bytes.split(|byte| *byte == b'\n').count() as u64;
    let mut said = Said::default();
    match Replay::new(bytes).and_then(|replay| replay.run(&mut said)) {
        Ok(replayed) => {
            assert!(replayed.lines <= lines, "{} lines of {lines}", replayed.lines);
            assert_eq!(replayed.actions, said.0, "each action is seen");
            Ok([replayed.lines, replayed.records, replayed.events, replayed.actions])
        }
        Err(error) => {
            assert!((1..=lines).contains(&error.line), "line {} of {lines}", error.line);
            let text = error.to_string();
            assert!(!text.contains(char::is_control), "{text:?}");
            Err(text)
        }
    }
}
