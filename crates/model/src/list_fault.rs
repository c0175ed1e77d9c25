/// How a ListShards call fails, whatever it asks for: said beforehand, call by call, as
/// [`EntryFaults`](crate::EntryFaults) are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ListFault {
    /// The caller has no permission to list, with `AccessDeniedException`.
    Denied,
    /// The service fails inside, with `InternalFailure`.
    InternalFailure,
    /// Too many calls to list came, with `LimitExceededException`.
    Throttled,
}
