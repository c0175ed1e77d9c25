use core::time::Duration;

use headwaters_engine::wire::{AttemptError, ErrorCode, StreamName};
use headwaters_engine::{Event, Instant};

/// Whether requests fail one after the other. Records tell it, too, but only when their time is over.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    /// How the last request failed, if none was answered since.
    error: Option<AttemptError>,
    /// Since when the log knows of it.
    since: Option<Instant>,
}

/// What the log is to be told.
#[derive(Debug)]
pub(crate) enum News {
    Begun(AttemptError),
    Over(Duration),
}

impl Outage {
    /// Takes note of how a request ended.
    pub(crate) fn note(&mut self, event: &Event) {
        match event {
            Event::PutRecordsFinished { result: Err(error), .. } => {
                self.error = Some(error.clone());
            }
            Event::PutRecordsFinished { result: Ok(_), .. } => self.error = None,
            _ => {}
        }
    }

    /// How the last request failed, if none was answered since.
    pub(crate) const fn error(&self) -> Option<&AttemptError> {
        self.error.as_ref()
    }

    /// What the log is to be told: once that the engine sends single requests to find out whether one is answered, and
    /// once that it does so no longer.
    pub(crate) fn news(&mut self, is_probing: impl Fn() -> bool, now: Instant) -> Option<News> {
        match (&self.error, self.since) {
            (Some(error), None) if is_probing() => {
                self.since = Some(now);
                Some(News::Begun(error.clone()))
            }
            (None, Some(since)) if !is_probing() => {
                self.since = None;
                Some(News::Over(now.since(since)))
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
    match error.code {
        ErrorCode::ConnectFailed | ErrorCode::ConnectionLost | ErrorCode::NotSent => {
            error.message.as_str()
        }
        _ => "",
    }
}
