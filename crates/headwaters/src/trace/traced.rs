use core::ops::Deref;
use core::time::Duration;

use headwaters_engine::wire::StreamName;
use headwaters_engine::{
    Action, Batch, BatchId, Config, Engine, Event, Instant, Order, Refused, Timing, Token,
    UserRecord,
};

use crate::trace::header::header;
use crate::trace::lines::Lines;
use crate::trace::writer::{CHUNK_BYTES, Chunks, Trace, TraceEnd};

/// An engine, and the trace of all that it is told and says, if there is one.
#[derive(Debug)]
pub(crate) struct Traced {
    engine: Engine,
    tracer: Option<Box<Tracer>>,
}

#[derive(Debug)]
struct Tracer {
    chunks: Chunks,
    lines: Lines,
    /// When lines were handed over.
    handed_over: Instant,
    /// How many bytes there may still be.
    room: u64,
}

/// How many records the engine brings to other lanes before the lock is given back: for some 0.1 ms.
pub(crate) fn moved_at_once(engine: &Engine) -> usize {
    match engine.config().order() {
        // Each of them has to be found in its line.
        Order::PerPartitionKey => 32,
        _ => 128,
    }
}

/// How long lines wait to be handed over, if the engine is at rest then.
const HAND_OVER: Duration = Duration::from_secs(1);

impl Traced {
    pub(crate) fn new(
        config: Config,
        now: Instant,
        trace: Option<Trace>,
        stream: &StreamName,
    ) -> Self {
        let tracer = trace.and_then(|trace| Tracer::start(trace, &config, now, stream));
        Self { engine: Engine::new(config, now), tracer }
    }

    pub(crate) fn handle(&mut self, event: Event, now: Instant) {
        if let Some(tracer) = &mut self.tracer {
            tracer.lines.told(&event, self.engine.now().max(now));
            self.keep();
        }
        self.engine.handle(event, now);
    }

    #[inline]
    pub(crate) fn add_timed(
        &mut self,
        token: Token,
        record: UserRecord,
        timing: Timing,
        now: Instant,
    ) -> Result<(), Refused> {
        if self.tracer.is_some() {
            return self.add_traced(token, record, timing, now);
        }
        self.engine.add_timed(token, record, timing, now)
    }

    fn add_traced(
        &mut self,
        token: Token,
        record: UserRecord,
        timing: Timing,
        now: Instant,
    ) -> Result<(), Refused> {
        if let Some(tracer) = &mut self.tracer {
            tracer.lines.added(token, &record, timing, self.engine.now().max(now));
        }
        let result = self.engine.add_timed(token, record, timing, now);
        if let Some(tracer) = &mut self.tracer {
            if let Err(Refused { reason, .. }) = &result {
                tracer.lines.refused(reason);
            }
            tracer.lines.end();
        }
        self.keep();
        result
    }

    pub(crate) fn poll_unsealed(&mut self) -> Action {
        let action = self.engine.poll_unsealed(moved_at_once(&self.engine));
        if let Some(tracer) = &mut self.tracer {
            tracer.lines.said(&action);
            let rests = matches!(action, Action::Wait(_));
            if rests && self.engine.now().since(tracer.handed_over) >= HAND_OVER {
                self.hand_over();
            } else {
                self.keep();
            }
        }
        action
    }

    pub(crate) fn seal(&mut self, batch: BatchId, check_sums: &[[u8; 16]]) -> Option<Batch> {
        let sealed = self.engine.seal(batch, check_sums);
        if let (Some(tracer), Some(batch)) = (&mut self.tracer, &sealed) {
            tracer.lines.sealed(batch);
            self.keep();
        }
        sealed
    }

    /// The producer is closed.
    pub(crate) fn end_trace(&mut self) {
        if self.hand_over() {
            self.end(TraceEnd::Closed);
        }
    }

    /// Hands over what has come together, if it is enough.
    #[inline]
    fn keep(&mut self) {
        if self.tracer.as_ref().is_some_and(|tracer| tracer.lines.bytes.len() >= CHUNK_BYTES) {
            self.hand_over();
        }
    }

    /// Hands over the lines that there are; false if the trace ends with that.
    fn hand_over(&mut self) -> bool {
        let now = self.engine.now();
        let Some(tracer) = &mut self.tracer else { return false };
        tracer.handed_over = now;
        let mut lines = core::mem::take(&mut tracer.lines.bytes);
        tracer.lines.bytes.reserve(lines.capacity());
        let is_last = lines.len() as u64 > tracer.room;
        if is_last {
            let room = usize::try_from(tracer.room).unwrap_or(usize::MAX);
            let whole = lines[..room].iter().rposition(|byte| *byte == b'\n');
            lines.truncate(whole.map_or(0, |last| last + 1));
        }
        tracer.room -= lines.len() as u64;
        let is_sent = lines.is_empty() || tracer.chunks.send(lines);
        if !is_sent {
            self.end(TraceEnd::Slow);
        } else if is_last {
            self.end(TraceEnd::Limit);
        }
        self.tracer.is_some()
    }

    fn end(&mut self, cause: TraceEnd) {
        if let Some(tracer) = self.tracer.take() {
            tracer.chunks.end(cause);
        }
    }
}

impl Tracer {
    fn start(
        trace: Trace,
        config: &Config,
        now: Instant,
        stream: &StreamName,
    ) -> Option<Box<Self>> {
        let mut lines = Lines::default();
        lines.bytes.reserve(CHUNK_BYTES + CHUNK_BYTES / 8);
        lines.bytes.extend_from_slice(header(config, now).as_bytes());
        let room = trace.room();
        let chunks = trace.start(stream.to_string())?;
        Some(Box::new(Self { chunks, lines, handed_over: now, room }))
    }
}

/// What does not change it need not be traced.
impl Deref for Traced {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.engine
    }
}
