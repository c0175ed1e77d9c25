//! What an engine is told and what it says, written to a file while a producer works, and replayed.
//!
//! A trace begins with the settings, and has a line for each event and each action, in their order: enough that an engine
//! that is told the same says the same, action by action ([`Replay`]). It has sizes instead of data, and instead of
//! partition keys half of their hash keys: `docs/traces.md` in the repository says what stands on a line.
//!
//! ```
//! # use core::{num::NonZeroU32, time::Duration};
//! # use headwaters::mock::Mock;
//! # use headwaters::trace::{Replay, Trace, TraceEnd};
//! # use headwaters::{Producer, TokioClock, UserRecord};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn core::error::Error>> {
//! # let path = std::env::temp_dir().join(format!("headwaters-{}.trace", std::process::id()));
//! # let kinesis = Mock::builder("orders".try_into()?, NonZeroU32::MIN).build(TokioClock::new());
//! let trace = Trace::create(&path)?;
//! let watch = trace.watch();
//! let producer = Producer::builder().stream("orders").transport(kinesis).trace(trace).start()?;
//! producer.put(UserRecord::new("customer-17", "two apples")?).await?.await;
//! producer.close(None).await;
//! assert_eq!(watch.wait(Duration::from_secs(10)), Some(TraceEnd::Closed));
//!
//! let replayed = Replay::open(&path)?.run(&mut ())?;
//! assert_eq!(replayed.end, Some(TraceEnd::Closed));
//! # std::fs::remove_file(&path)?;
//! # Ok(())
//! # }
//! ```

mod header;
mod lines;
mod reader;
mod replay;
mod stand_ins;
mod traced;
mod words;
mod writer;

/// What a [`Witness`] sees.
#[doc(no_inline)]
pub use headwaters_engine::{Action, Batch, BatchId, Completion, Engine, Event, Token};
pub use replay::{Replay, Replayed, TraceError, TraceFault, Witness};
pub use stand_ins::StandIns;
pub(crate) use traced::Traced;
pub use writer::{Trace, TraceEnd, TraceWatch};
