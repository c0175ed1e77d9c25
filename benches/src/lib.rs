//! What the benches share: work for the engine, and a service that answers at once.

use core::time::Duration;

use headwaters_engine::wire::{AttemptError, ErrorCode, Placement, ShardId};
use headwaters_engine::{
    Action, Batch, Bounds, Config, Engine, Event, Instant, PutRecordsResult, Token, UserRecord,
};

/// Settings with room for `records` records and nothing that expires.
///
/// # Panics
/// Never: the settings are valid.
pub fn config(records: usize) -> Config {
    let bounds = Bounds { bytes: usize::MAX / 2, records };
    let config = Config::builder().bounds(bounds).record_ttl(None);
    config.build().expect("valid settings")
}

/// `count` records of `size` bytes that share one payload, so that the payload costs nothing.
///
/// # Panics
/// If `size` is beyond the service's limit.
pub fn records(count: usize, size: usize) -> Vec<UserRecord> {
    let payload = bytes::Bytes::from(vec![0; size]);
    let record = |number| {
        UserRecord::new(format!("partition-key-{number:018}"), payload.clone())
            .expect("a valid record")
    };
    (0..count).map(record).collect()
}

/// Answers: each entry is stored but those whose index is a multiple of `failing`, which are throttled.
#[derive(Debug)]
pub struct Service {
    placement: Placement,
    failing: Option<usize>,
}

impl Service {
    /// A service that fails every `failing`th entry of a request, or none.
    ///
    /// # Panics
    /// Never: the number is one.
    pub fn new(failing: Option<usize>) -> Self {
        let number = "49590338271490256608559692538361571095921575989136588898";
        let sequence_number = number.parse().expect("digits");
        Self { placement: Placement { sequence_number, shard: ShardId::numbered(0) }, failing }
    }

    fn answer(&self, batch: &Batch) -> PutRecordsResult {
        let answer = |index: usize| match self.failing {
            Some(failing) if index.is_multiple_of(failing) => {
                let code = ErrorCode::ProvisionedThroughputExceededException;
                Err(AttemptError::new(code))
            }
            _ => Ok(self.placement.clone()),
        };
        Ok((0..batch.entries.len()).map(answer).collect())
    }
}

/// Puts all records, then drives the engine until each has its outcome; returns how many got one.
pub fn drive(engine: &mut Engine, records: Vec<UserRecord>, service: &Service) -> usize {
    let mut now = Instant::ZERO;
    for (number, record) in (0..).zip(records) {
        let _ = engine.add(Token(number), record, now);
    }
    let mut completed = 0;
    loop {
        match engine.poll() {
            Action::SendBatch(batch) => {
                let result = service.answer(&batch);
                engine.handle(Event::PutRecordsFinished { batch: batch.id, result }, now);
            }
            Action::Complete(completion) => completed += completion.tokens.len(),
            Action::Wait(wakeup) => match wakeup.at {
                Some(at) => {
                    now = at.after(Duration::from_micros(1));
                    engine.handle(Event::TimeAdvanced, now);
                }
                None => return completed,
            },
            _ => {}
        }
    }
}
