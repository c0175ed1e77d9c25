//! A producer as a sink of records.

mod common;

use core::future::poll_fn;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};

use common::{MS, build, mock, plain, record, start, texts};
use futures_sink::Sink;
use headwaters::mock::Fault;
use headwaters::wire::{AttemptError, ErrorCode};
use headwaters::{Bounds, RecordSink, RefusedReason, RetryPolicy, SinkError};

async fn flush(sink: &mut Pin<&mut RecordSink>) -> Result<(), SinkError> {
    poll_fn(|context| sink.as_mut().poll_flush(context)).await
}

#[tokio::test(start_paused = true)]
async fn a_sink_takes_records_and_says_whether_all_were_stored() {
    let mock = mock(MS);
    let config = plain().retry(RetryPolicy::Linear { max_attempts: 1, step: MS });
    let producer = start(&mock, build(config));
    let mut sink = pin!(producer.sink());
    for text in ["a", "b"] {
        poll_fn(|context| sink.as_mut().poll_ready(context)).await.expect("room");
        sink.as_mut().start_send(record(text)).expect("there is room");
    }
    flush(&mut sink).await.expect("stored");
    assert_eq!(texts(&mock), ["a", "b"]);
    mock.script([Fault::FailRequest(AttemptError::new(ErrorCode::ServiceUnavailable))]);
    sink.as_mut().start_send(record("c")).expect("there is room");
    let closed = poll_fn(|context| sink.as_mut().poll_close(context)).await;
    assert_eq!(closed.expect_err("not stored").to_string(), "1 records are not known to be stored");
    let mut context = Context::from_waker(Waker::noop());
    assert!(matches!(sink.as_mut().poll_ready(&mut context), Poll::Ready(Ok(()))), "it is open");
}

/// As whoever forwards a stream does it: it flushes while nothing comes, and sends on when something does.
#[tokio::test(start_paused = true)]
async fn a_flush_that_has_begun_does_not_stand_for_a_later_record() {
    let mock = mock(MS);
    let producer = start(&mock, build(plain().record_max_buffered_time(10_000 * MS)));
    let mut sink = pin!(producer.sink());
    let mut context = Context::from_waker(Waker::noop());
    sink.as_mut().start_send(record("a")).expect("there is room");
    assert!(sink.as_mut().poll_flush(&mut context).is_pending());
    // It leaves, so that the next cannot ride along.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    sink.as_mut().start_send(record("b")).expect("there is room");
    poll_fn(|context| sink.as_mut().poll_close(context)).await.expect("stored");
    assert_eq!(texts(&mock), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_sink_waits_as_a_put_does() {
    let mock = mock(MS);
    let bounds = Bounds { bytes: 20_000, records: 1 };
    let producer = start(&mock, build(plain().max_user_record_size(10).bounds(bounds)));
    let mut sink = pin!(producer.sink());
    let mut context = Context::from_waker(Waker::noop());
    for text in ["a", "b"] {
        assert_eq!(sink.as_mut().poll_ready(&mut context), Poll::Ready(Ok(())));
        sink.as_mut().start_send(record(text)).expect("it may wait");
    }
    assert!(sink.as_mut().poll_ready(&mut context).is_pending(), "there is room for one");
    let refused = sink.as_mut().start_send(record("c")).expect_err("nobody asked");
    let SinkError::Refused(refused) = refused else { panic!("it comes back") };
    assert_eq!((refused.reason, refused.record), (RefusedReason::Full, record("c")));
    flush(&mut sink).await.expect("stored");
    assert_eq!(texts(&mock), ["a", "b"]);

    producer.close(None).await;
    let refused = sink.as_mut().start_send(record("d")).expect_err("closed");
    let SinkError::Refused(refused) = refused else { panic!("it comes back") };
    assert_eq!((refused.reason, refused.record), (RefusedReason::Closed, record("d")));
}
