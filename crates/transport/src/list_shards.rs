use headwaters_engine::wire::{AttemptError, NextToken, ShardPage, StreamName};

/// One ListShards request: it asks for one page.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ListShards {
    /// Asks for the page after another one; `None` for the first page.
    pub next_token: Option<NextToken>,
    /// The stream.
    pub stream: StreamName,
}

impl ListShards {
    /// A request for the first page, or for the one that `next_token` stands for.
    pub const fn new(stream: StreamName, next_token: Option<NextToken>) -> Self {
        Self { next_token, stream }
    }
}

/// The result of a ListShards request: one page, or the failure of the request.
pub type ListShardsResult = Result<ShardPage, AttemptError>;
