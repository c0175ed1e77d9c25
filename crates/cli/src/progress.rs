use core::convert::Infallible;
use core::time::Duration;

use headwaters::{Clock, Stats};
use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::args::ProgressWhen;
use crate::console::Console;
use crate::load::Load;

/// How progress is shown.
#[derive(Clone, Debug)]
pub(crate) enum Progress {
    /// A line that changes, on a terminal.
    Bar(ProgressBar),
    /// A line from time to time, where it cannot change.
    Lines,
    /// Not at all.
    None,
}

/// How often a bar changes.
const BAR_INTERVAL: Duration = Duration::from_millis(200);

/// How often a line is written.
const LINES_INTERVAL: Duration = Duration::from_secs(1);

impl Progress {
    pub(crate) fn new(when: ProgressWhen, quiet: bool) -> Self {
        match when {
            _ if quiet => Self::None,
            ProgressWhen::Never => Self::None,
            ProgressWhen::Always | ProgressWhen::Auto if Console::is_terminal() => {
                Self::Bar(ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()))
            }
            ProgressWhen::Always => Self::Lines,
            ProgressWhen::Auto => Self::None,
        }
    }

    /// The bar that whatever else is written must go around.
    pub(crate) fn bar(&self) -> ProgressBar {
        match self {
            Self::Bar(bar) => bar.clone(),
            Self::Lines | Self::None => ProgressBar::hidden(),
        }
    }

    /// Shows how far the load is, again and again.
    pub(crate) async fn run(&self, load: &Load<'_>, console: &Console) -> Infallible {
        let interval = match self {
            Self::Bar(bar) => {
                bar.set_style(style(load.files.size().is_some()));
                BAR_INTERVAL
            }
            Self::Lines => LINES_INTERVAL,
            Self::None => core::future::pending().await,
        };
        loop {
            load.clock.sleep_until(load.clock.now().after(interval)).await;
            let text = text(load);
            match self {
                Self::Bar(bar) => {
                    bar.set_message(text);
                    if let (Some(size), Some(done)) = (load.files.size(), load.bytes_done()) {
                        bar.set_length(size);
                        bar.set_position(done);
                    }
                    bar.tick();
                }
                Self::Lines => console.notice(text),
                Self::None => {}
            }
        }
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// Where sizes are `known` there is an end to estimate: by the bytes that have their outcome.
fn style(known: bool) -> ProgressStyle {
    let template = if known {
        "{bar:16} {percent:>3}% {eta:>3} left  {wide_msg}"
    } else {
        "{spinner} {wide_msg}"
    };
    ProgressStyle::with_template(template).expect("the templates are valid")
}

/// The most important first: a narrow terminal shows no more.
fn text(load: &Load<'_>) -> String {
    let Stats { accepted, buffered, in_flight, requeued, throttled, .. } = load.producer.stats();
    let done = accepted - buffered - in_flight;
    let elapsed = load.clock.now().since(load.start).as_secs_f64();
    let rate = if elapsed > 0.0 { done as f64 / elapsed } else { 0.0 };
    let shards = load.mock.shards();
    let throttled_shards = shards.iter().filter(|shard| shard.throttled > 0).count();
    format!(
        "{} records, {rate:.0}/s, {} in flight, {} retries, {} throttled in {throttled_shards} of \
         {} shards, {} bad",
        HumanCount(done),
        HumanCount(in_flight),
        HumanCount(requeued),
        HumanCount(throttled),
        shards.len(),
        HumanCount(load.tally.get().rejected),
    )
}
