macro_rules! situations {
    ($( $(#[doc = $doc:literal])* $name:ident, )*) => {
        /// How often a world met each of the situations that are hard to get right.
        ///
        /// A simulation that never gets into one of them proves nothing about it. So a run over many seeds must
        /// have met all of them, together.
        #[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
        #[non_exhaustive]
        pub struct Sometimes {
            $( $(#[doc = $doc])* pub $name: u64, )*
        }

        impl Sometimes {
            /// Adds what another world met.
            pub const fn add(&mut self, other: &Self) {
                $( self.$name += other.$name; )*
            }

            /// Each situation and how often it was met, in the order of their names.
            pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$( (stringify!($name), self.$name), )*].into_iter()
            }
        }
    };
}

situations! {
    /// Records that were accepted before the first list of the shards came.
    accepted_without_map,
    /// Members of aggregates that were packed anew because their shard was split or merged.
    aggregate_split,
    /// Aggregates that held records with explicit hash keys.
    aggregate_with_explicit_hash_keys,
    /// Requests of several records of which each failed by itself.
    all_failed,
    /// Streams that were taken for streams that distribute by themselves until records were where they belong.
    auto_ended,
    /// Streams that were found to distribute by themselves.
    auto_recognised,
    /// Shard maps that differed from the one before, of streams that distributed by themselves.
    auto_resharded,
    /// Aggregates that were stored in another shard than foretold, and whose members were sent again one by one, because
    /// the stream distributes by itself.
    auto_stray_sent_again,
    /// Waits that would have been longer than the policy lets them be.
    backoff_capped,
    /// Waits longer than the first one may be.
    backoff_grew,
    /// Records that were refused alone, after others of the request in which they were refused first had been stored.
    bisected_poison,
    /// Kinesis records whose retry was put off because there were too many.
    budget_empty,
    /// Shards that came into the map while what was spent on their parents was not refilled yet.
    child_inherited_debt,
    /// Clocks that jumped forward.
    clock_jumped,
    /// Clocks that stood still.
    clock_stood_still,
    /// Clocks that went back.
    clock_went_back,
    /// Closes whose deadlines came first.
    close_late,
    /// Closes while requests were in flight.
    closed_in_flight,
    /// Changes of the number of shards of which the children took over at once.
    count_updated_at_once,
    /// Changes of the number of shards during which the parents went on.
    count_updated_handed_over,
    /// Records that were sent again before that, because the transport had new ones.
    credentials_renewed,
    /// Records that were sent again after refused credentials, by the policy's wait.
    credentials_waited,
    /// Requests that took no more because of their size.
    cut_by_bytes,
    /// Requests that took no more because of their number of entries.
    cut_by_count,
    /// Requests that were neither, and left because it was time.
    cut_by_linger,
    /// Requests that were sent without a map because listing the shards had failed.
    degraded_sending,
    /// Changes of the way in which the service distributes records.
    distribution_changed,
    /// Records that expired between two attempts.
    expired_in_backoff,
    /// Records that expired before they were sent.
    expired_in_buffer,
    /// Records that an attempt failed for that came back too late for another.
    expired_in_flight,
    /// Requests of several records of which the first failed, and others did not.
    failed_first,
    /// The same, the last.
    failed_last,
    /// The same, one between them.
    failed_middle,
    /// Records that failed at once because the service throttled them.
    failed_when_throttled,
    /// Flushes whose deadlines came first.
    flush_late,
    /// Records whose expiration was long over when the engine was told the time.
    froze_past_expiration,
    /// Records that were larger than what a shard may be sent in a second.
    giant_into_debt,
    /// Records whose hash keys are the first or the last of a shard.
    hash_key_on_edge,
    /// Waits at which a limiter held a lane back.
    lane_held_back,
    /// Answers that came after their requests had been given up.
    late_answer,
    /// Requests that left apart, because nobody knew whether their shard answers.
    left_apart,
    /// Those that did while others for their shard were in flight, which answers late.
    left_apart_together,
    /// Pages of the list of shards that came too late or twice.
    list_answer_ignored,
    /// Listings that were refused for want of permission.
    list_denied,
    /// Listings that failed in the service or on the way.
    list_failed,
    /// Lists whose pages were of two moments and did not fit together.
    list_inconsistent,
    /// Listings that were throttled.
    list_throttled,
    /// Requests for the list of shards that were given up because no answer came in time.
    list_timed_out,
    /// Shard maps that came while records waited for the first one.
    map_awaited,
    /// Shard maps that differed from the one before.
    map_changed,
    /// Changes of the largest record that the stream takes.
    max_record_size_changed,
    /// Records that were maybe stored, and were not.
    maybe_stored_was_not,
    /// Records that were maybe stored, and were.
    maybe_stored_was_stored,
    /// Members of aggregates that had no attempts left while their neighbours went on.
    member_exhausted,
    /// Members of aggregates that expired while their neighbours went on.
    member_expired,
    /// Merges of which the child took over at once.
    merge_at_once,
    /// Merges during which the parents went on.
    merge_handed_over,
    /// Shards that were merged while requests were in flight.
    merged_in_flight,
    /// Answers with another number of results than entries.
    miscounted,
    /// Pauses of a producer that had only begun to bring records to the lanes of new shards.
    moved_in_pieces,
    /// Records that were due and waited for an older one of their hash key.
    order_awaited,
    /// Records that were to leave earlier because a newer one of their hash key was in more of a hurry.
    order_hastened,
    /// Records that were packed behind an older one of their hash key whose order is to be kept.
    order_in_aggregate,
    /// Records of refused requests that were to be sent in parts, and then had to wait for a part with their hash key.
    order_kept_in_bisection,
    /// Records in flight with others of their hash key waiting behind them while the shard map changed.
    order_kept_through_reshard,
    /// Records that waited for an older one of their hash key which was sent more than once.
    order_kept_through_retries,
    /// Records that were packed behind an older one of their hash key and then had to wait for it.
    order_kept_when_repacked,
    /// Aggregates above the usual size, so that those behind their predecessors need not wait once more.
    order_overfilled,
    /// Outcomes after which the application was too busy to take more.
    outcomes_read_slowly,
    /// Records with a timing of their own that expired.
    own_timing_expired,
    /// Plain records that were stored in another shard than foretold.
    plain_elsewhere,
    /// Records that were refused alone, after they had been refused as members of an aggregate.
    poison_in_aggregate,
    /// Answers to requests that had left by themselves, after others had failed.
    probe_succeeded,
    /// Requests that left by themselves, after others had failed.
    probing,
    /// Processes that did nothing for a while.
    process_froze,
    /// Purges after which the application went on.
    purged_midway,
    /// Records that were put after the close.
    put_after_close,
    /// Rates that were as low as they may be.
    rate_at_floor,
    /// Shards that came into the map with a rate that throttles of others had taught.
    rate_inherited,
    /// Rates that were lower after an answer of nothing but throttles.
    rate_lowered,
    /// Records above the largest that the stream takes by now that were refused alone, with that limit in the error.
    record_above_changed_limit_alone,
    /// Records for which there was no room.
    refused,
    /// Records that were accepted after they had been refused for want of room.
    refused_then_accepted,
    /// Changes of what may be held after which it was more than that.
    resized_below_held,
    /// Changes of what may be held that made room for somebody who had been refused.
    resized_for_refused,
    /// Records too large for an aggregate, beside others that were packed.
    sent_plain_for_size,
    /// Records that were accepted although the buffer was nearly full, for shards with little of it.
    share_left_to_others,
    /// Records that were refused because too much waited for their shards.
    share_refused,
    /// Requests without a place for a shard that was due, because each of the others had taken its share.
    shares_taken,
    /// Requests that were given up, and said nothing of the service because others had been answered meanwhile.
    silence_forgiven,
    /// Splits of which the children took over at once.
    split_at_once,
    /// Splits during which the parent went on.
    split_handed_over,
    /// Shards that were split while requests were in flight.
    split_in_flight,
    /// Records that were stored at their fourth attempt or later.
    stored_at_fourth_attempt,
    /// Aggregates that were stored in another shard than foretold.
    stray,
    /// Those to which all members belonged all the same.
    stray_kept,
    /// Those whose members were sent again by a fresh map.
    stray_sent_again,
    /// Those whose members were sent again one by one, because listing the shards had failed.
    stray_sent_again_plain,
    /// Waits at which an aggregate waited for a new map, to find out whether it was where it belongs.
    stray_waited,
    /// Records that were given up, and not because they were refused alone: nothing of the request was stored, so the
    /// stream is at fault.
    stream_at_fault,
    /// Shards that left apart until they were answered in time.
    trusted_again,
    /// Requests in which two records were refused alone, in the end, and others stored.
    two_poisons_in_one_request,
    /// Requests that were throttled as a whole, after which half as many were allowed.
    window_halved_by_throttle,
}
