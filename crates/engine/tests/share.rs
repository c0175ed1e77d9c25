//! What may wait for one shard.

mod story;

use headwaters_engine::wire::{ErrorCode, HashKey};
use headwaters_engine::{
    Action, Bounds, Config, ConfigBuilder, Event, RefusedReason, ShardShare, Timing, Token,
    UserRecord,
};

use story::{Story, millis};

/// Of a record: much more than what is kept of its attempts.
const BYTES: usize = 20_000;

/// Room for ten records, of which four times what is free may wait for one shard: eight.
fn shared() -> ConfigBuilder {
    let one = BYTES + 1 + Bounds::RECORD_OVERHEAD;
    Config::builder()
        .aggregation_enabled(false)
        .bounds(Bounds { bytes: 10 * one + 100, records: 100 })
        .max_user_record_size(5 * BYTES)
        .record_max_buffered_time(millis(1_000))
        .shard_share(ShardShare::Percent(400))
}

/// Tries to put a record for one of two shards.
fn try_to(story: &mut Story, place: u128, bytes: usize) -> Result<(), RefusedReason> {
    let record = UserRecord::new("k", vec![0; bytes]).expect("a valid record");
    let record = record.with_explicit_hash_key(HashKey::new(place << 127));
    let added = story.engine.add_timed(Token(0), record, Timing::default(), story.now);
    added.map_err(|refused| refused.reason)
}

fn fill(story: &mut Story, place: u128) -> usize {
    (0..100).take_while(|_| try_to(story, place, BYTES).is_ok()).count()
}

fn announced(actions: &[Action]) -> usize {
    actions.iter().filter(|action| matches!(action, Action::RoomAvailable)).count()
}

#[test]
fn a_shard_that_is_stuck_leaves_room_for_the_others() {
    let mut story = Story::on(2, shared());
    assert_eq!(fill(&mut story, 0), 8);
    assert_eq!(try_to(&mut story, 0, BYTES), Err(RefusedReason::ShardFull));
    assert_eq!(fill(&mut story, 1), 2);
    assert_eq!(try_to(&mut story, 1, BYTES), Err(RefusedReason::Full), "all of it is taken");
}

#[test]
fn what_is_on_its_way_does_not_wait() {
    let mut story = Story::on(2, shared());
    assert_eq!(fill(&mut story, 0), 8);
    story.later(1_000);
    let actions = story.drain();
    let [Action::SendBatch(batch), Action::RoomAvailable] = &actions[..] else {
        panic!("{actions:?}")
    };
    assert_eq!(batch.entries.len(), 8);
    assert_eq!(try_to(&mut story, 0, BYTES), Ok(()), "nothing waits");
    let batch = batch.clone();
    story.fail(&batch, ErrorCode::InternalFailure);
    story.drain();
    story.later(2_000);
    assert_eq!(try_to(&mut story, 0, 10), Err(RefusedReason::ShardFull), "they wait again");
}

#[test]
fn who_was_refused_is_told_once() {
    let mut story = Story::on(2, shared());
    assert_eq!(fill(&mut story, 0), 8);
    assert_eq!(announced(&story.drain()), 0, "nothing has changed");
    story.later(1_000);
    assert_eq!(announced(&story.drain()), 1);
    story.later(1);
    assert_eq!(announced(&story.drain()), 0, "nobody was refused since");
    assert_eq!(fill(&mut story, 0), 2);
    story.handle(Event::PurgeRequested);
    assert_eq!(announced(&story.drain()), 1);
}

#[test]
fn a_close_tells_those_who_wait() {
    let mut story = Story::on(2, shared());
    assert_eq!(fill(&mut story, 0), 8);
    story.close();
    assert_eq!(announced(&story.drain()), 1);
}

#[test]
fn a_record_for_which_nothing_waits_only_needs_room() {
    let mut story = Story::on(2, shared());
    assert_eq!(fill(&mut story, 0), 8);
    assert_eq!(try_to(&mut story, 1, 2 * BYTES), Ok(()), "more than is left afterwards");
    assert_eq!(try_to(&mut story, 1, 60), Err(RefusedReason::ShardFull));
}

#[test]
fn there_is_no_share_of_a_stream_of_one_shard() {
    let mut story = Story::on(1, shared());
    assert_eq!(fill(&mut story, 0), 10);
    let mut story = Story::unlisted(2, shared());
    assert_eq!(fill(&mut story, 0), 10, "nor where no shard is known");
    let mut story = Story::on(2, shared().shard_share(ShardShare::Off));
    assert_eq!(fill(&mut story, 0), 10);
}

#[test]
fn a_share_outside_its_range_is_named() {
    let error = shared().shard_share(ShardShare::Percent(0)).build().expect_err("no share at all");
    assert!(error.to_string().contains("shard_share.percent"), "{error}");
}
