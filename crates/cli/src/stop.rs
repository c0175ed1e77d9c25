use tokio::sync::watch;

/// Why reading stops before the input ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reason {
    /// The service refuses the credentials.
    Credentials,
    /// The time is up.
    Deadline,
    /// A report cannot be written.
    Output,
    /// The service refuses whatever comes.
    Refused,
    /// Somebody wants to end it.
    Signal(Signal),
}

/// Which signal came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Signal {
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTERM.
    #[cfg_attr(not(unix), expect(dead_code, reason = "only Unix has it"))]
    Terminate,
}

/// The order to stop, for whoever must hear it. The first reason stays.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    reason: watch::Sender<Option<Reason>>,
    signal: watch::Sender<Option<Signal>>,
}

impl Stop {
    /// Orders to stop.
    pub(crate) fn order(&self, reason: Reason) {
        self.reason.send_if_modified(|ordered| {
            let first = ordered.is_none();
            ordered.get_or_insert(reason);
            first
        });
        if let Reason::Signal(signal) = reason {
            self.signal.send_replace(Some(signal));
        }
    }

    /// Ends when it is ordered to stop.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub(crate) async fn ordered(&self) {
        wait(&self.reason).await;
    }

    /// Ends when a signal has come, even if another reason was first.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub(crate) async fn signalled(&self) {
        wait(&self.signal).await;
    }

    /// The first reason, if it is ordered to stop.
    pub(crate) fn reason(&self) -> Option<Reason> {
        *self.reason.borrow()
    }

    /// The signal that came.
    pub(crate) fn signal(&self) -> Option<Signal> {
        *self.signal.borrow()
    }
}

async fn wait<T>(sender: &watch::Sender<Option<T>>) {
    let mut receiver = sender.subscribe();
    let ordered = receiver.wait_for(Option::is_some).await;
    ordered.expect("the sender is borrowed, so it is there");
}

/// The signals that ask a command to end.
#[cfg(unix)]
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// From now on the signals do not end the command by themselves.
    pub(crate) fn catch() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { interrupt, terminate: signal(SignalKind::terminate())? })
    }

    /// The next signal.
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
        }
    }
}

/// The signals that ask a command to end.
#[cfg(not(unix))]
#[derive(Debug)]
pub(crate) struct Signals;

#[cfg(not(unix))]
impl Signals {
    /// From the first `next` on the signals do not end the command by themselves.
    pub(crate) fn catch() -> std::io::Result<Self> {
        Ok(Self)
    }

    /// The next signal.
    pub(crate) async fn next(&mut self) -> Signal {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Signal::Interrupt,
            // It cannot be caught: then it ends the command as ever.
            Err(_) => core::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_reason_stays_and_a_signal_is_heard_after_it() {
        let stop = Stop::default();
        assert_eq!((stop.reason(), stop.signal()), (None, None));
        stop.order(Reason::Deadline);
        stop.ordered().await;
        assert_eq!(stop.signal(), None);
        stop.order(Reason::Signal(Signal::Terminate));
        stop.signalled().await;
        assert_eq!(stop.reason(), Some(Reason::Deadline));
        assert_eq!(stop.signal(), Some(Signal::Terminate));
    }
}
