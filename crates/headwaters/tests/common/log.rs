//! What the log is told.

use core::fmt::Debug;
use std::sync::{Arc, Mutex};

use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Metadata, field, span};

/// What this thread tells it, but for details.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Line>>>);

#[derive(Clone)]
struct Line {
    fields: Vec<(&'static str, String)>,
    level: Level,
}

impl Log {
    /// Listens as long as the guard lives.
    pub(crate) fn listen() -> (Self, DefaultGuard) {
        let log = Self::default();
        let guard = tracing::subscriber::set_default(log.clone());
        // Whoever is the first to warn asks once whether anybody listens, and that may have been another test, where nobody did.
        tracing::callsite::rebuild_interest_cache();
        (log, guard)
    }

    /// The level of each line, and its fields.
    pub(crate) fn lines(&self) -> Vec<String> {
        let text = |line: &Line| {
            let fields = line.fields.iter().map(|(name, value)| format!(" {name}={value}"));
            fields.fold(line.level.to_string(), |text, field| text + &field)
        };
        self.0.lock().expect("no panic").iter().map(text).collect()
    }

    /// The numbers that warnings have in this field.
    pub(crate) fn warned(&self, name: &str) -> Vec<u64> {
        let lines = self.0.lock().expect("no panic");
        let warnings = lines.iter().filter(|line| line.level == Level::WARN);
        let fields = warnings.flat_map(|line| &line.fields).filter(|field| field.0 == name);
        fields.map(|(_, value)| value.parse().expect("a number")).collect()
    }
}

impl field::Visit for Line {
    fn record_debug(&mut self, field: &field::Field, value: &dyn Debug) {
        self.fields.push((field.name(), format!("{value:?}")));
    }
}

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line { fields: Vec::new(), level: *event.metadata().level() };
        event.record(&mut line);
        self.0.lock().expect("no panic").push(line);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
