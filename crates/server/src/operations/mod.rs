//! What can be asked for.

mod members;
mod putting;
mod reading;
mod resharding;
mod shards;
mod streams;
mod tags;

use core::fmt;
use core::time::Duration;

use bytes::Bytes;
use headwaters_wire::StreamName;

use crate::codec::{Fields, Protocol, Writer};
use crate::error::ServiceError;
use crate::kinesis::{Kinesis, ListToken, ShardIterator};
pub(crate) use putting::Twist;

/// A request that was read.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) body: &'a Bytes,
    pub(crate) fields: &'a Fields<'a>,
    pub(crate) kinesis: &'a Kinesis,
    /// Since the beginning of 1970.
    pub(crate) now: Duration,
    pub(crate) protocol: Protocol,
    /// What a fault plan does to records that are put.
    pub(crate) twist: &'a Twist,
}

type Run = fn(&Call<'_>, &mut Writer) -> Result<(), ServiceError>;

macro_rules! operations {
    ($($name:ident => $room:ident::$run:ident,)*) => {
        /// What can be asked for, by its name in the API.
        #[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
        pub(crate) enum Operation {
            $($name,)*
        }

        impl Operation {
            /// All, in the order of their names.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)*];

            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            const fn run_of(self) -> Run {
                match self {
                    $(Self::$name => $room::$run,)*
                }
            }
        }
    };
}

operations! {
    AddTagsToStream => tags::add,
    CreateStream => streams::create,
    DeleteStream => streams::delete,
    DescribeStream => streams::describe,
    DescribeStreamSummary => streams::describe_summary,
    GetRecords => reading::get_records,
    GetShardIterator => reading::get_shard_iterator,
    ListShards => shards::list,
    ListStreams => streams::list,
    ListTagsForStream => tags::list,
    MergeShards => resharding::merge,
    PutRecord => putting::put_record,
    PutRecords => putting::put_records,
    RemoveTagsFromStream => tags::remove,
    SplitShard => resharding::split,
    UpdateMaxRecordSize => resharding::update_max_record_size,
    UpdateShardCount => resharding::update_shard_count,
}

impl Operation {
    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|operation| operation.name() == name)
    }

    /// Does it; the answer, if there is something to say.
    pub(crate) fn run(self, call: &Call<'_>) -> Result<Vec<u8>, ServiceError> {
        let mut writer = Writer::new(call.protocol, 256);
        (self.run_of())(call, &mut writer)?;
        Ok(writer.finish())
    }

    /// Whether its answer has no members: then the service answers without a body.
    pub(crate) const fn is_silent(self) -> bool {
        matches!(
            self,
            Self::AddTagsToStream
                | Self::CreateStream
                | Self::DeleteStream
                | Self::MergeShards
                | Self::RemoveTagsFromStream
                | Self::SplitShard
                | Self::UpdateMaxRecordSize
        )
    }
}

/// The stream that a request is about, if it says so in a way that can be read.
pub(crate) fn stream_of(fields: &Fields<'_>) -> Option<StreamName> {
    let text = |member| fields.text(member).ok().flatten();
    let named = members::stream(fields).ok();
    named
        .or_else(|| ShardIterator::read(text("ShardIterator")?).ok().map(|it| it.stream))
        .or_else(|| ListToken::read(text("NextToken")?).ok().map(|it| it.stream))
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
