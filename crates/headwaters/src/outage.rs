use core::time::Duration;

use headwaters_engine::wire::{AttemptError, StreamName};
use headwaters_engine::{Engine, Instant};

/// Whether the log knows that requests fail one after the other. Records tell it, too, but only when their time is over.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    /// Since when it does.
    since: Option<Instant>,
}

/// What the log is to be told.
#[derive(Debug)]
pub(crate) enum News {
    Begun(AttemptError),
    Over(Duration),
}

impl Outage {
    /// What the log is to be told: once that the engine sends single requests to find out whether one is answered, and
    /// once that it does so no longer.
    pub(crate) fn news(&mut self, engine: &Engine) -> Option<News> {
        match (engine.last_failure(), self.since) {
            (Some(error), None) if engine.is_probing() => {
                self.since = Some(engine.now());
                Some(News::Begun(error.clone()))
            }
            (None, Some(since)) if !engine.is_probing() => {
                self.since = None;
                Some(News::Over(engine.now().since(since)))
            }
            _ => None,
        }
    }
}

impl News {
    pub(crate) fn tell(&self, stream: &StreamName) {
        match self {
            Self::Begun(error) => tracing::warn!(
                %stream,
                code = %error.code,
                reason = own_words(error),
                "requests fail; until one is answered they are tried one at a time, and records wait for as long as they live"
            ),
            Self::Over(after) => tracing::info!(%stream, ?after, "requests are answered again"),
        }
    }
}

/// What the transport says, if these are its own words. A server's can have anything in them, and are left to whoever looks
/// at the outcome.
fn own_words(error: &AttemptError) -> &str {
    if error.code.is_of_the_way() { error.message.as_str() } else { "" }
}
