//! Callers who find room each time would never wait, and on one thread neither the driver nor anybody else would have a turn
//! before the room is used up: what is held would be cold by the time it is sent. So they give way now and then.

/// After a record: as often as tokio has those who use its channels do it. A task on another runtime does not.
#[cfg(feature = "tokio")]
pub(crate) use tokio::task::coop::consume_budget as once_in_a_while;
/// At once, on whatever runtime this is.
#[cfg(feature = "tokio")]
pub(crate) use tokio::task::yield_now as now;

#[cfg(not(feature = "tokio"))]
pub(crate) async fn once_in_a_while() {}

#[cfg(not(feature = "tokio"))]
pub(crate) async fn now() {
    let mut has_given_way = false;
    core::future::poll_fn(|context| {
        if core::mem::replace(&mut has_given_way, true) {
            return core::task::Poll::Ready(());
        }
        context.waker().wake_by_ref();
        core::task::Poll::Pending
    })
    .await;
}
