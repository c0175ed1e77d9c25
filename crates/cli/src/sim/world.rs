//! Worlds are lived through here, whatever happens in them.

use core::cell::{Cell, RefCell};
use core::ops::ControlFlow;
use core::panic::AssertUnwindSafe;
use std::panic;
use std::sync::Once;

use headwaters_sim::{Failure, Line, Plan, Report, Watch};

/// A rule that was broken: by the rules' own account, or by a panic.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Broken {
    /// The last of what happened before it.
    pub(super) lines: Vec<String>,
    pub(super) plan: Plan,
    /// Which rule, and by what; one line.
    pub(super) rule: String,
}

impl Broken {
    pub(super) fn new(plan: &Plan, rule: &str, lines: Vec<String>) -> Box<Self> {
        Box::new(Self { lines, plan: plan.clone(), rule: rule.replace('\n', " ") })
    }
}

/// How a world ended.
pub(super) type Lived = Result<Report, Box<Broken>>;

/// Lives through a world before the eyes of somebody.
pub(super) fn live(plan: &Plan, watcher: &mut impl Watch) -> Lived {
    judge(plan, caught(|| headwaters_sim::watch(plan, watcher)))
}

/// As [`live`], as long as the watcher wants to go on.
pub(super) fn visit<B>(
    plan: &Plan,
    mut watcher: impl FnMut(Line<'_>) -> ControlFlow<B>,
) -> ControlFlow<B, Lived> {
    let mut left = None;
    let lived = caught(|| {
        headwaters_sim::watch(plan, &mut |line: Line<'_>| {
            if let ControlFlow::Break(why) = watcher(line) {
                left = Some(why);
                // A watcher has no other way out of a world.
                panic::resume_unwind(Box::new(()));
            }
        })
    });
    match left {
        Some(why) => ControlFlow::Break(why),
        None => ControlFlow::Continue(judge(plan, lived)),
    }
}

type Caught<T> = Result<T, String>;

fn judge(plan: &Plan, lived: Caught<Result<Report, Box<Failure>>>) -> Lived {
    match lived {
        Ok(Ok(report)) => Ok(report),
        Ok(Err(failure)) => Err(Broken::new(plan, &failure.broken, failure.lines.into())),
        Err(panicked) => {
            // The same again, this time with the lines that led to it.
            let mut lines = Vec::new();
            let again = caught(|| {
                headwaters_sim::watch(plan, &mut |line: Line<'_>| {
                    if lines.len() == 2 * LINES_KEPT {
                        lines.drain(..LINES_KEPT);
                    }
                    lines.push(line.to_string());
                })
            });
            lines.drain(..lines.len().saturating_sub(LINES_KEPT));
            let is_same = again.is_err_and(|again| again == panicked);
            let more =
                if is_same { "" } else { " (and not again: the world is not deterministic)" };
            Err(Broken::new(plan, &format!("{panicked}{more}"), lines))
        }
    }
}

/// How many lines are kept of a world that ends in a panic: as many as of any other.
const LINES_KEPT: usize = 60;

thread_local! {
    /// Whether panics of this thread are caught, and said by others.
    static CATCHES: Cell<bool> = const { Cell::new(false) };
    static SAID: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// What `work` gives, or what it said when it panicked.
fn caught<T>(work: impl FnOnce() -> T) -> Caught<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if CATCHES.get() {
                SAID.replace(Some(panic.to_string()));
            } else {
                usual(panic);
            }
        }));
    });
    CATCHES.set(true);
    // What it worked on is not looked at any more.
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    CATCHES.set(false);
    result.map_err(|_| SAID.take().unwrap_or_else(|| String::from("panicked")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_world_is_lived_through() {
        let mut lines = 0;
        let report = live(&Plan::default(), &mut |_: Line<'_>| lines += 1);
        assert_eq!(report, live(&Plan::default(), &mut ()));
        assert!(report.is_ok() && lines > 1_000, "{lines}");
    }

    #[test]
    fn a_panic_is_a_broken_rule() {
        let mut plan = Plan::default();
        // As no file can have it, for it is checked.
        plan.caller.keys = 0;
        let broken = live(&plan, &mut ()).expect_err("there is no key to choose");
        assert!(broken.rule.starts_with("panicked at "), "{}", broken.rule);
        assert!(broken.rule.contains("subtract with overflow") || broken.rule.contains("index"));
        assert!(
            !broken.rule.contains('\n') && !broken.rule.contains("not again"),
            "{}",
            broken.rule
        );
        assert_eq!(broken.plan, plan);
        assert!(!broken.lines.is_empty() && broken.lines.len() <= LINES_KEPT);
        assert_eq!(live(&plan, &mut ()), Err(broken), "and the next one is the same");
    }

    #[test]
    fn a_visitor_may_leave() {
        let mut seen = 0;
        let left = visit(&Plan::default(), |_| {
            seen += 1;
            if seen == 5 { ControlFlow::Break("enough") } else { ControlFlow::Continue(()) }
        });
        assert_eq!((left, seen), (ControlFlow::Break("enough"), 5));
        let stayed = visit::<()>(&Plan::default(), |_| ControlFlow::Continue(()));
        assert_eq!(stayed, ControlFlow::Continue(live(&Plan::default(), &mut ())));
    }
}
