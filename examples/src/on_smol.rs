//! A producer on another runtime: its driver is a future like any other, and its clock is the runtime's.

#![expect(clippy::print_stdout, reason = "an example says what it does")]
#![expect(clippy::disallowed_methods, reason = "this is the clock")]

use core::num::NonZeroU32;
use core::time::Duration;
use std::time::Instant as StdInstant;

use headwaters::mock::Mock;
use headwaters::{Clock, Instant, Outcome, Producer, UserRecord};

#[derive(Clone, Copy)]
struct SmolClock(StdInstant);

impl Clock for SmolClock {
    fn now(&self) -> Instant {
        Instant::ZERO.after(self.0.elapsed())
    }

    async fn sleep_until(&self, at: Instant) {
        smol::Timer::after(at.since(self.now())).await;
    }
}

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let clock = SmolClock(StdInstant::now());
    let shards = NonZeroU32::new(4).ok_or("four is not zero")?;
    let kinesis =
        Mock::builder("orders".try_into()?, shards).latency(Duration::from_millis(20)).build(clock);
    let (producer, driver) =
        Producer::with_clock(clock).stream("orders").transport(kinesis).build()?;
    smol::spawn(driver).detach();

    smol::block_on(async {
        let mut tickets = Vec::new();
        for number in 0..1_000 {
            let record = UserRecord::new(format!("customer-{}", number % 17), "two apples")?;
            tickets.push(producer.put(record).await?);
        }
        let mut stored = 0;
        for ticket in tickets {
            stored += u32::from(matches!(ticket.await.outcome, Outcome::Stored { .. }));
        }
        producer.close(None).await;
        println!("{stored} of 1000 records stored");
        Ok(())
    })
}
