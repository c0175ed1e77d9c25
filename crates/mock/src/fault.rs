use core::time::Duration;

use headwaters_model::EntryFaults;
use headwaters_wire::AttemptError;

/// What goes wrong with one request to a [`Mock`](crate::Mock).
///
/// Each says what the service does, what the caller gets, and what is then certain about the
/// records ([`Certainty`](headwaters_wire::Certainty)). Unless it says otherwise, the result comes
/// after the mock's whole latency.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// The service does its work in time; its answer comes this much later.
    ///
    /// Certain as without a fault, for who waits for it. Who gives up before that cannot tell:
    /// maybe stored.
    DelayAnswer(Duration),
    /// Some entries fail; the others are stored or throttled as ever.
    ///
    /// A throttled entry is not stored. One with `InternalFailure` is maybe stored, and the fault
    /// says whether it is.
    FailEntries(EntryFaults),
    /// The service refuses the request as a whole, with this error, and stores nothing.
    ///
    /// Certain or not as the error's code says.
    FailRequest(AttemptError),
    /// The service does its work; then the connection breaks (`ConnectionLost`), and nobody learns
    /// the answer.
    ///
    /// Maybe stored, and in truth stored unless the service throttled or refused.
    LoseAnswer,
    /// The request never reaches the service, and the connection breaks (`ConnectionLost`).
    ///
    /// Maybe stored, and in truth not stored.
    LoseRequest,
    /// The service does its work, and nothing is heard of it ever again: the future does not end.
    ///
    /// Maybe stored, once the caller gives up.
    NeverAnswer,
    /// Nothing goes wrong but what the service itself throttles or refuses.
    ///
    /// Certain: each entry is stored or it is not.
    None,
    /// No connection can be made (`ConnectFailed`): nothing is ever sent.
    ///
    /// Not stored; also when the caller gives up waiting, as the request's
    /// [`Departure`](headwaters_transport::Departure) tells.
    RefuseConnection,
    /// The service does its work; its answer has this many results. What is too many is cut off,
    /// what is missing is filled up with copies of the last result.
    ///
    /// Maybe stored, unless the number happens to be right: such an answer is of no use
    /// (`UnusableAnswer` is the code for it, and the caller's to find out). A request that the
    /// service refuses as a whole has no results, and its error stays as it is.
    WrongCount(usize),
}

impl Fault {
    /// How much later than usual the answer comes; `None` if it never does.
    pub(crate) const fn delay(&self) -> Option<Duration> {
        match self {
            Self::DelayAnswer(delay) => Some(*delay),
            Self::NeverAnswer => None,
            Self::FailEntries(_)
            | Self::FailRequest(_)
            | Self::LoseAnswer
            | Self::LoseRequest
            | Self::None
            | Self::RefuseConnection
            | Self::WrongCount(_) => Some(Duration::ZERO),
        }
    }

    /// Whether anything of the request leaves the caller.
    pub(crate) const fn leaves(&self) -> bool {
        !matches!(self, Self::RefuseConnection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EntryFault;
    use crate::testing::{TestClock, builder, codes, entry, gives_up, request, request_to};
    use headwaters_transport::{Sent, Transport};
    use headwaters_wire::{Certainty, ErrorCode};

    const LATENCY: Duration = Duration::from_secs(2);

    /// A request of three entries, and what comes of it under a fault.
    struct Case {
        fault: Fault,
        /// One per result: `None` for a stored entry. Or the error of the whole request.
        expected: Result<Vec<Option<ErrorCode>>, ErrorCode>,
        /// The indexes of the entries that are stored in truth.
        stored: Vec<usize>,
        millis: u64,
        sent: Sent,
    }

    fn case(fault: Fault, expected: Result<Vec<Option<ErrorCode>>, ErrorCode>) -> Case {
        Case { fault, expected, stored: vec![0, 1, 2], millis: 2_000, sent: Sent::Unknown }
    }

    fn cases() -> Vec<Case> {
        let well = || Ok(vec![None; 3]);
        let entry_faults = EntryFaults::from_iter([
            (0, EntryFault::InternalFailure { stored: true }),
            (1, EntryFault::InternalFailure { stored: false }),
            (2, EntryFault::Throttled),
        ]);
        let entry_codes = vec![
            Some(ErrorCode::InternalFailure),
            Some(ErrorCode::InternalFailure),
            Some(ErrorCode::ProvisionedThroughputExceededException),
        ];
        let refusal = AttemptError::new(ErrorCode::KMSThrottlingException);
        vec![
            case(Fault::None, well()),
            Case { millis: 2_700, ..case(Fault::DelayAnswer(Duration::from_millis(700)), well()) },
            Case { stored: vec![0], ..case(Fault::FailEntries(entry_faults), Ok(entry_codes)) },
            Case {
                stored: vec![],
                ..case(Fault::FailRequest(refusal), Err(ErrorCode::KMSThrottlingException))
            },
            case(Fault::LoseAnswer, Err(ErrorCode::ConnectionLost)),
            Case { stored: vec![], ..case(Fault::LoseRequest, Err(ErrorCode::ConnectionLost)) },
            Case {
                stored: vec![],
                sent: Sent::No,
                ..case(Fault::RefuseConnection, Err(ErrorCode::ConnectFailed))
            },
            case(Fault::WrongCount(0), Ok(vec![])),
            case(Fault::WrongCount(2), Ok(vec![None; 2])),
            case(Fault::WrongCount(3), well()),
            case(Fault::WrongCount(5), Ok(vec![None; 5])),
        ]
    }

    #[tokio::test(start_paused = true)]
    async fn each_fault_does_what_it_says() {
        for Case { fault, expected, stored, millis, sent } in cases() {
            let clock = TestClock::start();
            let mock = builder(1).latency(LATENCY).build(clock);
            mock.script([fault.clone()]);
            let request = request(["a", "b", "c"].map(|key| entry(key, "v")).into());
            let departure = request.departure.clone();

            let result = mock.put_records(request).await;

            let outcome =
                result.as_ref().map(|_| codes(&result)).map_err(|error| error.code.clone());
            assert_eq!(outcome, expected, "{fault:?}");
            let indexes: Vec<usize> = mock.records().iter().map(|stored| stored.index).collect();
            assert_eq!(indexes, stored, "{fault:?}");
            assert_eq!(clock.elapsed(), Duration::from_millis(millis), "{fault:?}");
            assert_eq!(departure.sent(), sent, "{fault:?}");
            if let Err(error) = result
                && error.code.certainty() == Certainty::NotStored
            {
                assert!(stored.is_empty(), "{fault:?} says what is not true");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_missing_is_filled_up_with_the_last_result() {
        let mock = builder(1).build(TestClock::start());
        mock.script([Fault::WrongCount(4)]);
        let answer = mock.put_records(request(vec![entry("a", "v"), entry("b", "v")])).await;
        let results = answer.expect("the request keeps the rules");
        assert_eq!(results[2..], [results[1].clone(), results[1].clone()]);
        assert_ne!(results[0], results[1]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_black_hole_stores_in_time_and_stays_silent() {
        let clock = TestClock::start();
        let mock = builder(1).latency(LATENCY).build(clock);
        mock.script([Fault::NeverAnswer]);
        let request = request(vec![entry("a", "v")]);
        let departure = request.departure.clone();
        let hour = Duration::from_secs(3_600);
        assert!(gives_up(mock.put_records(request), clock, hour).await);
        assert_eq!(departure.sent(), Sent::Unknown);
        assert_eq!(mock.records()[0].at, LATENCY / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn faults_leave_a_refusal_of_the_whole_request_alone() {
        let mock = builder(1).build(TestClock::start());
        let everything = EntryFaults::from_iter([(0, EntryFault::Throttled)]);
        mock.script([Fault::None, Fault::FailEntries(everything), Fault::WrongCount(7)]);
        for _ in 0..3 {
            let refused = mock.put_records(request_to("other", vec![entry("a", "v")])).await;
            let code = refused.map_err(|error| error.code);
            assert_eq!(code, Err(ErrorCode::ResourceNotFoundException));
        }
        assert!(mock.records().is_empty());
        assert_eq!((mock.shards()[0].throttled, mock.requests()), (0, 3));
    }
}
