//! Room that is kept for a record that is to come.

mod common;

use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::sync::Arc;

use bytes::Bytes;

use common::{MS, build, is_stored, mock, plain, record, start};
use headwaters::mock::Fault;
use headwaters::{Bounds, Cause, Order, Outcome, Permit, Producer, ShardPrediction, UserRecord};

fn poll_once<F: Future>(future: core::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// As many permits as there are.
fn all_permits(producer: &Producer) -> Vec<Permit> {
    let permit = || match poll_once(pin!(producer.reserve_for(10))) {
        Poll::Ready(permit) => Some(permit),
        Poll::Pending => None,
    };
    core::iter::from_fn(permit).collect()
}

/// Order takes room of its own, and that is kept, too.
#[tokio::test(start_paused = true)]
async fn every_permit_is_good_where_order_is_kept() {
    let bounds = Bounds { bytes: 20_000, records: 1_000 };
    for order in [Order::PerPartitionKey, Order::Unordered] {
        let config = plain().shard_prediction(ShardPrediction::On).order(order);
        let config = config.max_user_record_size(10).bounds(bounds);
        let producer = start(&mock(MS), build(config));
        let permits = all_permits(&producer);
        assert!(permits.len() > 50, "{}", permits.len());
        let put = |(number, permit): (usize, Permit)| permit.put(record(&number.to_string()));
        let tickets: Vec<_> = permits.into_iter().enumerate().map(put).collect();
        for ticket in tickets {
            let delivery = ticket.await;
            assert!(is_stored(&delivery), "{delivery}");
        }
    }
}

/// Nobody else would tell who is first in line: no record is over.
#[tokio::test(start_paused = true)]
async fn what_is_kept_too_much_is_there_at_once() {
    let mock = mock(MS);
    mock.on_request(|_, _| Fault::NeverAnswer);
    let largest = 1_000_000;
    let bounds = Bounds { bytes: largest * 3 / 2, records: 10 };
    let config = plain().max_user_record_size(largest).bounds(bounds).record_ttl(None);
    let producer = start(&mock, build(config));
    let permit = producer.reserve().await;
    let other = producer.clone();
    let waiting = tokio::spawn(async move { other.reserve().await });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished(), "there is no room for two");
    let _ticket = permit.put(record("small"));
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert!(waiting.is_finished(), "there is room for another");
}

/// What comes back with an outcome is nobody's but the ticket's.
#[tokio::test(start_paused = true)]
async fn what_a_closed_producer_refuses_is_not_kept() {
    struct Owner {
        data: [u8; 9_000],
        _kept: Arc<()>,
    }
    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            &self.data
        }
    }
    let producer = start(&mock(MS), build(plain()));
    producer.close(None).await;
    let kept = Arc::new(());
    let data = Bytes::from_owner(Owner { data: [7; 9_000], _kept: Arc::clone(&kept) });
    let record = UserRecord::new("key", data).expect("a valid record");
    let delivery = producer.reserve().await.put(record).await;
    let Outcome::NotStored { cause, .. } = &delivery.outcome else { panic!("{delivery}") };
    assert_eq!(cause, &Cause::Closed);
    drop(delivery);
    assert_eq!(Arc::strong_count(&kept), 1, "nobody has the payload any more");
    assert!(producer.close(None).await.undelivered.is_empty(), "the close handed nothing back");
}
