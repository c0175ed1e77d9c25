use core::convert::Infallible;
use core::time::Duration;

use headwaters::{Clock, TokioClock};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::args::ProgressWhen;
use crate::console::Console;

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

/// How far something is.
pub(crate) struct Far {
    /// How much of how much is done, if that is known.
    pub(crate) part: Option<(u64, u64)>,
    /// The most important first: a narrow terminal shows no more.
    pub(crate) text: String,
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

    /// Shows how far it is, again and again.
    pub(crate) async fn run(
        &self,
        clock: TokioClock,
        console: &Console,
        far: impl Fn() -> Far,
    ) -> Infallible {
        let interval = match self {
            Self::Bar(bar) => {
                bar.set_style(style(far().part.is_some()));
                BAR_INTERVAL
            }
            Self::Lines => LINES_INTERVAL,
            Self::None => core::future::pending().await,
        };
        loop {
            clock.sleep_until(clock.now().after(interval)).await;
            let Far { part, text } = far();
            match self {
                Self::Bar(bar) => {
                    bar.set_message(text);
                    if let Some((done, all)) = part {
                        bar.set_length(all);
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

/// Where it is `known` how much there is, there is an end to estimate.
fn style(known: bool) -> ProgressStyle {
    let template = if known {
        "{bar:16} {percent:>3}% {eta:>3} left  {wide_msg}"
    } else {
        "{spinner} {wide_msg}"
    };
    ProgressStyle::with_template(template).expect("the templates are valid")
}
