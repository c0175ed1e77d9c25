use headwaters_wire::{NextToken, StreamName};

/// What a ListShards call asks for: the first page of a stream's open shards (the filter
/// `AT_LATEST`), or the page that a token stands for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListRequest {
    pub(crate) from: ListFrom,
    pub(crate) max_results: usize,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum ListFrom {
    Start(StreamName),
    Token(NextToken),
}

impl ListRequest {
    /// How many shards a page has at most if the request does not say. Source: ListShards,
    /// `MaxResults`.
    pub const MAX_RESULTS_DEFAULT: usize = 1_000;

    /// Asks for the first page, by the name of the stream.
    pub const fn first(stream: StreamName) -> Self {
        Self { from: ListFrom::Start(stream), max_results: Self::MAX_RESULTS_DEFAULT }
    }

    /// Asks for the page after another one, by that one's token alone.
    pub const fn next(token: NextToken) -> Self {
        Self { from: ListFrom::Token(token), max_results: Self::MAX_RESULTS_DEFAULT }
    }

    /// Asks for at most this many shards, 1 to 10,000
    /// ([`SHARDS_PER_PAGE_MAX`](headwaters_wire::limits::SHARDS_PER_PAGE_MAX)), instead of
    /// [1,000](Self::MAX_RESULTS_DEFAULT). A page is as large as it is asked for; the service takes
    /// the same numbers and may give fewer than 10,000 all the same.
    #[must_use]
    pub fn max_results(self, max_results: usize) -> Self {
        Self { max_results, ..self }
    }
}
