//! The guide's examples, word for word: they compile, and do what it says.

use core::error::Error;
use core::time::Duration;

use headwaters::mock::Mock;
use headwaters::{
    Bounds, Client, Config, Outcome, Producer, RetryPolicy, Settings, Ticket, TokioClock,
    Transport, UserRecord,
};

fn kinesis() -> Result<impl Transport, Box<dyn Error>> {
    let mock = Mock::builder("orders".try_into()?, 4_u32.try_into()?);
    Ok(mock.latency(Duration::from_millis(100)).build(TokioClock::new()))
}

#[tokio::test(start_paused = true)]
async fn a_record_and_what_became_of_it() -> Result<(), Box<dyn Error>> {
    let transport = kinesis()?;
    let producer = Producer::builder().stream("orders").transport(transport).start()?;
    let ticket = producer.put(UserRecord::new("customer-17", "two apples")?).await?;

    let delivery = ticket.await;
    match &delivery.outcome {
        Outcome::Stored { shard, sequence_number, .. } => println!("{shard} {sequence_number}"),
        // Certain. "not stored: its time to live ended (...), after 14 attempts; the last: ConnectFailed: no connection to ..."
        Outcome::NotStored { record, .. } => println!("{record:?} {delivery}"),
        // An answer was lost, and nobody can know.
        Outcome::MaybeStored { record, .. } => println!("{record:?} {delivery}"),
    }
    assert_eq!(producer.close(None).await.stats.engine.stored, 1);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn streams_that_share() -> Result<(), Box<dyn Error>> {
    let (transport, bounds) = (kinesis()?, Bounds { bytes: 1 << 20, records: 1_000 });
    let client = Client::new(transport).bounds(bounds).max_requests_in_flight(48);
    let (orders, returns) =
        (client.producer("orders").start()?, client.producer("returns").start()?);
    orders.put(UserRecord::new("customer-17", "two apples")?).await?.await;
    assert_eq!(orders.close(None).await.stats.engine.stored, 1);
    returns.close(None).await;
    Ok(())
}

#[test]
fn settings_over_each_other() -> Result<(), Box<dyn Error>> {
    let text = "record_ttl = \"1 min\"".to_owned();
    let settings = Settings::over(Config::default()).toml(&text).env(std::env::vars_os()).read()?;
    assert_eq!(settings.config.record_ttl(), Some(Duration::from_secs(60)));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_whole_input() -> Result<(), Box<dyn Error>> {
    let producer = Producer::builder().stream("orders").transport(kinesis()?).start()?;
    let records = vec![UserRecord::new("customer-17", "two apples")?];
    let report = producer.put_all(records, Duration::from_secs(60)).await;
    for failure in &report.failures {
        println!("{failure}"); // record 3: not stored: ..., after 10 attempts; the last: ...
    }
    assert!(report.failures.is_empty());
    producer.close(None).await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_policy_of_a_loop() -> Result<(), Box<dyn Error>> {
    let transport = kinesis()?;
    let retry = RetryPolicy::Linear { max_attempts: 10, step: Duration::from_millis(100) };
    let config = Config::builder().retry(retry).build()?;
    let producer =
        Producer::builder().stream("orders").transport(transport).config(config).start()?;
    producer.close(None).await;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a server has tokio's clock")]
async fn within_a_request(
    producer: &Producer,
    record: UserRecord,
) -> Result<Ticket, Box<dyn Error>> {
    let room = producer.reserve_for(record.size());
    let Ok(permit) = tokio::time::timeout(Duration::from_millis(50), room).await else {
        return Err("503: come back later".into());
    };
    let ticket = permit.put(record);
    Ok(ticket)
}

#[tokio::test(start_paused = true)]
async fn room_or_the_record_still_in_hand() -> Result<(), Box<dyn Error>> {
    let (transport, bounds) = (kinesis()?, Bounds { bytes: 1 << 21, records: 1 });
    let config = Config::builder().bounds(bounds).build()?;
    let producer =
        Producer::builder().stream("orders").transport(transport).config(config).start()?;
    let record = UserRecord::new("customer-17", "two apples")?;
    let ticket = within_a_request(&producer, record.clone()).await?;
    let full = within_a_request(&producer, record).await.expect_err("room for one");
    assert_eq!(full.to_string(), "503: come back later");
    assert!(matches!(ticket.await.outcome, Outcome::Stored { .. }));
    producer.close(None).await;
    Ok(())
}

#[test]
fn all_examples_of_the_guide_are_here() {
    let without_spaces = |text: &str| text.split_whitespace().collect::<String>();
    let here = without_spaces(include_str!("guide.rs"));
    let guide = include_str!("../../../docs/guide.md");
    let examples: Vec<&str> = guide
        .split("```rust\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default())
        .collect();
    assert!(examples.len() >= 5, "the guide has examples");
    for example in examples {
        assert!(here.contains(&without_spaces(example)), "not in guide.rs:\n{example}");
    }
}
