//! A Kinesis producer without input and output: events in, actions out.
//!
//! The engine decides everything a producer has to decide: when a batch is due, what goes into it, what to
//! do about each failed entry, when to give up. It never does anything: a *driver* sends the batches,
//! waits, and says what happened. There is no clock, no thread, no randomness and no I/O in here, so one
//! engine runs under tokio, in a plain loop over threads, in a simulator under virtual time, or on a
//! target without an operating system; and the same inputs always give the same actions.
//!
//! # The loop
//!
//! ```
//! use headwaters_engine::wire::{
//!     AttemptError, Entry, HashKeyRange, ListedShard, Placement, ShardId, ShardPage,
//! };
//! use headwaters_engine::{Action, Config, Engine, Event, Instant, Outcome, Token, UserRecord};
//!
//! // What a transport does: here it stores everything, in a stream of one shard.
//! fn put_records(entries: &[Entry]) -> Vec<Result<Placement, AttemptError>> {
//!     let sequence_number = "49590338271490256608559692538361571095921575989136588898";
//!     let sequence_number = sequence_number.parse().expect("digits");
//!     let placement = Placement { sequence_number, shard: ShardId::numbered(0) };
//!     entries.iter().map(|_| Ok(placement.clone())).collect()
//! }
//! fn list_shards() -> ShardPage {
//!     let shard = ListedShard { hash_keys: HashKeyRange::ALL, id: ShardId::numbered(0) };
//!     ShardPage { next_token: None, shards: vec![shard] }
//! }
//!
//! let mut now = Instant::ZERO;
//! let mut engine = Engine::new(Config::default(), now);
//! engine.add(Token(7), UserRecord::new("customer-17", "hello")?, now)?;
//! engine.add(Token(8), UserRecord::new("customer-18", "good-bye")?, now)?;
//!
//! let mut stored = Vec::new();
//! loop {
//!     match engine.poll() {
//!         Action::SendBatch(batch) => {
//!             assert_eq!(batch.entries.len(), 1, "both records were packed into one");
//!             let result = Ok(put_records(&batch.entries));
//!             engine.handle(Event::PutRecordsFinished { batch: batch.id, result }, now);
//!         }
//!         Action::ListShards(request) => {
//!             let result = Ok(list_shards());
//!             engine.handle(Event::ShardsListed { request: request.id, result }, now);
//!         }
//!         Action::Complete(completion) => match completion.outcome {
//!             Outcome::Stored { .. } => stored.extend(completion.tokens),
//!             Outcome::NotStored { .. } | Outcome::MaybeStored { .. } => unreachable!(),
//!         },
//!         // The same, of plain records that were stored at once.
//!         Action::Stored(all) => stored.extend(all.tokens()),
//!         // A real driver waits here: for this time, for an answer, for a new record.
//!         Action::Wait(wakeup) => match wakeup.at {
//!             Some(at) => {
//!                 now = at;
//!                 engine.handle(Event::TimeAdvanced, now);
//!             }
//!             None => break,
//!         },
//!         Action::CancelBatch(_)
//!         | Action::CloseFinished { .. }
//!         | Action::FlushFinished { .. }
//!         | Action::Requeue(_)
//!         | Action::RoomAvailable => {}
//!     }
//! }
//! assert_eq!(stored, [Token(7), Token(8)]);
//! assert_eq!(now.as_nanos(), 120_000_000, "100 ms for other records, 20 ms for other shards");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Feed in the *current* time when a wake-up comes, not the time that was asked for.
//!
//! # The way of a record
//!
//! ```text
//! add -> shard map -> aggregator -> lane -> collector -> SendBatch -> in flight -> PutRecordsFinished
//!           ^          (per shard)   ^      (limiters)      ^                               |
//!           |                        |                      +--- bisection <--- Requeue ----+
//!           |                        |                                       retrier <------+
//!           |                        +--- waits <--- Requeue <---------------+    |
//!           +--- strays: stored where not all of an aggregate belongs <-----------+---> Complete
//! ```
//!
//! | room | what it does | setting |
//! |---|---|---|
//! | turnstile | only where order is kept: before the shard map, holds a record back until older ones of its hash key have their outcomes, or it can be packed behind them | [`Config::order`] |
//! | shard map | foretells the shard from the hash key; is fetched with [`Action::ListShards`], again when an answer shows that it is old, and serves until the next one is whole; rests while the stream [distributes by itself](#streams-that-distribute-by-themselves) | [`Config::shard_prediction`] |
//! | aggregator | packs the user records of one shard into one Kinesis record in the KPL's format, each payload copied once; full by count or size, ripe at the earliest deadline of its members | [`Config::aggregation_enabled`], [`Config::aggregation_max_count`], [`Config::aggregation_max_size`] |
//! | share | refuses what would wait for a shard for which too much waits already | [`Config::shard_share`] |
//! | lane | the Kinesis records of one shard, by deadline | [`Config::record_max_buffered_time`], [`Timing`] |
//! | limiter | holds a lane back while its shard would be fed faster than wanted; looked at every 25 ms; learns the rate from what the shard throttles and stores | [`Config::rate_limit`] |
//! | collector | makes one request of what is due, the earliest first, and of what may ride along; each lane in its turn gives its share | [`Config::collection_max_count`], [`Config::collection_max_size`], [`Config::collection_max_shard_size`], [`Config::max_requests_in_flight`] |
//! | window | how many requests may be in flight: fewer while some fail as a whole, one at a time with pauses between them after three in a row, and more again with each answer | [`Config::outage`], [`Config::max_requests_in_flight`] |
//! | bisection | sends a request again in parts that was refused as a whole, to find the record at fault ([the table](#what-becomes-of-an-answer)) | |
//! | retrier | judges what failed, entry by entry ([the table](#what-becomes-of-an-answer)); lets it wait longer when there was too much of it | [`Config::retry`], [`Config::retry_budget`], [`Config::record_ttl`], [`Config::fail_if_throttled`] |
//!
//! A record that is accepted gets exactly one [`Outcome`]. It leaves at its *deadline* (with aggregation up to a
//! fifth of the buffered time later, for aggregates of other shards to come along), or sooner when a request is
//! full; it is not sent any more from its *expiration* on. An entry that the service says it stored is not sent
//! again, unless it is an aggregate of which consumers would see nothing. Where an attempt ends without a
//! usable answer nobody can know: then a later success is marked `maybe_duplicate`, and a final failure is
//! [`Outcome::MaybeStored`].
//!
//! # What becomes of an answer
//!
//! | answer for the entry | what becomes of it | certainty | counted as |
//! |---|---|---|---|
//! | stored in the predicted shard, or without a prediction | `Stored` | certain | `stored` |
//! | a plain record stored in another shard | `Stored`; the shard map is fetched again | certain | `stored`, `wrong_shard` |
//! | an aggregate stored in another shard | waits for the next shard map, if one is being fetched; then as one of the next two rows | | `wrong_shard` |
//! | ... and all members belong there | `Stored` | certain | `stored` |
//! | ... and not all do, or nobody knows | all members again, packed by the new map, or without one each by itself | ambiguous, for consumers drop the aggregate | `repacked`, `requeued` |
//! | an error of class throttled, with `fail_if_throttled` | `NotStored`, [`Cause::Throttled`] | of the code | `throttled`, `not_stored` |
//! | an error of class throttled, by itself, with an adaptive rate | again when the limiter lets it pass, which is lower now | of the code | `throttled`, `requeued` |
//! | any other error of class throttled | again after the policy's wait | of the code | `throttled`, `requeued` |
//! | an error of class transient or an unknown one | again after the policy's wait, or when the budget for retries has it | of the code | `requeued`, `retries_put_off` |
//! | an error of class credentials | again after the policy's wait, or when the transport is ready | of the code | `requeued` |
//! | an error of class permanent or too large, for the entry by itself | `NotStored`, [`Cause::Permanent`] | of the code | `not_stored` |
//! | whatever would expire before it may be sent again | `NotStored`, [`Cause::Expired`] | of all attempts | `not_stored` |
//! | whatever fails with no attempts left | `NotStored`, [`Cause::AttemptsExhausted`] | of all attempts | `not_stored` |
//! | the request as a whole was refused, perhaps for one of its entries (below) | the next rows | of the code | |
//! | ... and it had several entries | each half again, at once and alone; this attempt is listed, and counts for no policy | certain | `bisected`, `requeued` |
//! | ... and it had one, an aggregate | again as two, each with half of its members, likewise | certain | `bisected`, `requeued`, `repacked` |
//! | ... and it had one, a user record | `NotStored`, [`Cause::Permanent`] | of all attempts | `not_stored` |
//! | ... and nothing of it has been stored in as many refusals as lead twice down to a single record | `NotStored`, [`Cause::Permanent`], all that is left of the request: the stream is at fault | of all attempts | `not_stored` |
//! | the request as a whole failed otherwise | each entry as if it had failed so; fewer requests may be in flight | of the code | as above |
//! | another number of results than entries | each entry as if it had failed with `UnusableAnswer` | ambiguous | `unusable_answers` |
//! | no answer in time | each entry as if it had failed with `RequestTimeout` | ambiguous | `timeouts` |
//! | cancelled before anything was sent | each entry as if it had failed with `NotSent` | certain | |
//! | an answer nobody waits for any more | nothing | | `ignored_answers` |
//!
//! A refusal as a whole may be owed to one entry if its code is `InvalidArgumentException`, `RequestEntityTooLarge`,
//! `SerializationException` or `ValidationException` ([`wire::ErrorCode::may_blame_entry`]). All other permanent codes (no
//! permission, no such stream, its key disabled ...) are about the stream, and final for all entries at once. To find one
//! record among 500 takes 19 requests, and to find out that the stream is at fault 20; they leave one after the other, before
//! anything else of their lanes and as fast as the window and the limiters let them.
//!
//! One ambiguous attempt makes a later success `maybe_duplicate`, and of `NotStored` it makes `MaybeStored`.
//!
//! # Streams that distribute by themselves
//!
//! An on-demand stream can be told to distribute records over its shards by itself, whatever their keys, and can be told
//! otherwise at any time. Nobody tells its producers. But the hash keys of a shard never change: so whatever is
//! stored in a shard that the engine knows, and does not belong there, proves it at once. Then the engine says
//! [`MapStatus::Scattered`] and foretells nothing: no record is aggregated, one limiter stands for all shards, and no
//! place is wrong any more. What was packed is taken apart, and an aggregate on its way that does not belong to the
//! shard where it is stored goes again once, its members each by itself.
//!
//! When 64 records in a row that were sent in this state are stored where they belong, keys decide again, and all is as
//! before. [`ShardPrediction::Off`] is for those who know, and do not want the shards listed at all.
//!
//! # What is guaranteed
//!
//! - No request breaks a limit of the service, and no request timer, retry or expiry is lost.
//! - In any window `w` at most rate x `w` + one second's worth + one Kinesis record leaves for a predicted shard; the rate
//!   is the ceiling if it is adaptive. Where none is predicted, as much as for each leaves for all of them together.
//! - A record that the service refuses takes no neighbour along, neither in its request nor in its aggregate, unless a
//!   whole run of records is at fault.
//! - All members of an aggregate belong to one shard of the map by which it was packed. After a reshard, or when a
//!   member expires, the others are packed anew.
//! - Where order is kept ([`Order::PerPartitionKey`]) a record is sent when all older ones of its hash key have their
//!   outcomes, or behind them in one aggregate, whatever fails, expires, is packed anew or resharded. What waits for
//!   that expires in time, and what is due or hurried leaves as soon as it may.
//! - After three requests in a row that failed as a whole one is in flight at a time, until one is answered, with a pause
//!   of at most 5 s before it ([`OutagePolicy`]): an outage costs one request in some seconds, and when it is over there
//!   is no burst.
//! - A retry keeps its wait whoever flushes or closes, and its deadline unless it has to be packed anew, so neither
//!   makes a storm of retries.
//! - What is held never exceeds [`Bounds`] (but when they are lowered, which takes nothing back); a record that
//!   does not fit comes back.
//! - What waits for one of several shards takes at most a part of what is free ([`ShardShare`]): a shard that takes nothing
//!   leaves room for the others.
//! - After a drain the next wake-up lies in the future: a driver cannot spin. An engine that holds nothing asks to be
//!   woken for nothing but the first list of the shards and the answers to its last cancels.
//! - A silent transport holds a record no longer than its expiration, the request timeout and
//!   [`Config::cancel_grace`] together; an aggregate that was stored in an unexpected shard also as long as the shards
//!   are being listed.
//! - The same settings, seed and events give the same actions.
//!
//! # What it costs
//!
//! A record that goes plain is buffered in its payload, its key and 128 bytes; a member of an aggregate in its bytes there
//! and 32 more. Where order is kept each member takes 16 more, each hash key that has records some 80, and each
//! record that waits for its turn some 100 and an allocation; else nothing is allocated for a record by itself. Memory
//! follows what is held: queues grow and shrink piece by piece, and what is kept for more of the same is given back when
//! nothing is held. [`Engine::memory`] tells what all of it takes, within 10 percent; [`Bounds`] count for each record
//! what it takes by itself, which is at least as much but for what the allocator adds, and for small records that are
//! packed up to three times as much. The hash key is computed when the [`UserRecord`] is made, before the engine; check
//! sums of aggregates are computed side by side when a request is made.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

mod action;
mod adaptive;
mod admission;
mod aggregator;
mod answers;
mod arrivals;
mod bisection;
mod bounds;
mod budget;
mod check_sums;
mod closing;
mod collector;
mod completion;
mod config;
mod doubts;
mod engine;
mod event;
mod figures;
mod flushes;
mod held;
mod in_flight;
mod kinesis_record;
mod lane;
mod lanes;
mod limiter;
mod listing;
mod memory;
mod order;
mod queue;
mod random;
mod record;
mod refused;
mod requeues;
mod reshard;
mod retry;
mod scattered;
mod shard_map;
mod shards;
mod share;
mod stand_ins;
mod stats;
mod stored;
mod strays;
mod time;
mod token_bucket;
mod waits;
mod window;

pub use action::{Action, Batch, BatchId, FlushId, Requeue, Wakeup, WakeupReason};
pub use bounds::Bounds;
pub use budget::RetryBudget;
pub use check_sums::CheckSums;
pub use completion::{Attempt, Attempts, Cause, Completion, Outcome};
pub use config::{
    Config, ConfigBuilder, ConfigConflict, ConfigError, ConfigFault, ShardPrediction,
};
pub use engine::Engine;
pub use event::{Event, PutRecordsResult, Sent};
pub use figures::{Cuts, Times};
pub use headwaters_wire as wire;
pub use headwaters_wire::aggregate::OuterKey;
pub use limiter::RateLimit;
pub use listing::{ListShards, ListingId, MapStatus};
pub use order::Order;
pub use record::{RecordError, Timing, Token, UserRecord};
pub use refused::{Refused, RefusedReason};
pub use retry::RetryPolicy;
pub use share::ShardShare;
pub use stats::{ShardStats, Stats};
pub use stored::Stored;
pub use time::Instant;
pub use window::OutagePolicy;
