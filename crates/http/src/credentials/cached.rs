use core::fmt;
use core::time::Duration;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::{Credentials, CredentialsError, ProvideCredentials};
use crate::time::WallClock;

/// How long before they expire new credentials are asked for. Source: the AWS SDKs.
const REFRESH_BEFORE: Duration = Duration::from_secs(300);
/// How long after a failure the provider is left alone, as long as there are valid credentials.
const REFRESH_PAUSE: Duration = Duration::from_secs(10);

/// The credentials of a provider, kept for as long as they are good.
#[derive(Clone)]
pub(crate) struct CachedCredentials {
    inner: Arc<Inner>,
    /// Whose turn it is to ask: there is one question at a time.
    turn: Arc<tokio::sync::Mutex<()>>,
}

struct Inner {
    provider: Box<dyn ProvideCredentials>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// How many questions have ended, and how the last one failed, if it did.
    asked: u64,
    current: Option<Credentials>,
    error: Option<CredentialsError>,
    /// The provider is not asked before.
    pause_until: Option<SystemTime>,
}

impl CachedCredentials {
    pub(crate) fn new(provider: impl ProvideCredentials) -> Self {
        let inner = Inner { provider: Box::new(provider), state: Mutex::default() };
        Self { inner: Arc::new(inner), turn: Arc::default() }
    }

    /// Credentials that are valid now; those of the provider if there are none. If they are not valid for long, it is asked
    /// meanwhile.
    ///
    /// # Cancel safety
    /// Dropping the future stops the waiting; the provider's answer is kept for the next request.
    pub(crate) async fn get(&self, clock: &WallClock) -> Result<Credentials, CredentialsError> {
        let now = clock();
        let (fresh, valid, asked) = self.inner.lock().at(now);
        if let Some(credentials) = fresh {
            return Ok(credentials);
        }
        let turn = match (Arc::clone(&self.turn).try_lock_owned(), valid.clone()) {
            (Ok(turn), _) => turn,
            // Somebody asks already. Those that are still valid will do.
            (Err(_), Some(credentials)) => return Ok(credentials),
            (Err(_), None) => Arc::clone(&self.turn).lock_owned().await,
        };
        if let Some(answer) = self.inner.lock().since(asked, now) {
            return answer;
        }
        if valid.is_some() {
            // Nobody hears of it if the provider panics, and nobody need ask it at once again.
            self.inner.lock().pause_until = Some(now + REFRESH_PAUSE);
        }
        let (inner, clock) = (Arc::clone(&self.inner), Arc::clone(clock));
        // A task of its own: a request that is given up must not make a slow provider begin anew.
        let answer = tokio::spawn(async move {
            let answer = inner.provider.credentials().await;
            let answer = inner.lock().take(answer, clock());
            drop(turn);
            answer
        });
        match valid {
            Some(credentials) => Ok(credentials),
            None => answer
                .await
                .map_err(|_| CredentialsError::new("the provider of the credentials panicked"))?,
        }
    }

    /// The service refused these: the provider is asked again before the next request.
    pub(crate) fn refuse(&self, credentials: &Credentials) {
        let mut state = self.inner.lock();
        if state.current.as_ref() == Some(credentials) {
            state.current = None;
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Those for which nobody needs to be asked.
    fn fresh(&self, now: SystemTime) -> Option<Credentials> {
        let paused = self.pause_until.is_some_and(|until| now < until);
        self.good_until(now + if paused { Duration::ZERO } else { REFRESH_BEFORE })
    }

    fn valid(&self, now: SystemTime) -> Option<Credentials> {
        self.good_until(now)
    }

    /// The fresh ones, those that are still valid, and how many questions have ended.
    fn at(&self, now: SystemTime) -> (Option<Credentials>, Option<Credentials>, u64) {
        (self.fresh(now), self.valid(now), self.asked)
    }

    /// What came out of it if a question has ended since so many had. Those who waited for the same failure need not each
    /// ask for another.
    fn since(&self, asked: u64, now: SystemTime) -> Option<Result<Credentials, CredentialsError>> {
        if let Some(credentials) = self.fresh(now) {
            return Some(Ok(credentials));
        }
        let error = self.error.as_ref().filter(|_| self.asked != asked)?;
        Some(self.valid(now).ok_or_else(|| error.clone()))
    }

    fn good_until(&self, time: SystemTime) -> Option<Credentials> {
        let good = |credentials: &&Credentials| credentials.expires.is_none_or(|end| time < end);
        self.current.as_ref().filter(good).cloned()
    }

    fn take(
        &mut self,
        answer: Result<Credentials, CredentialsError>,
        now: SystemTime,
    ) -> Result<Credentials, CredentialsError> {
        self.asked += 1;
        self.error = answer.as_ref().err().cloned();
        match answer {
            Ok(credentials) => {
                // Some providers hand out the same ones until the end: then they are asked now and then.
                let soon = credentials.expires.is_some_and(|end| end <= now + REFRESH_BEFORE);
                self.pause_until = soon.then(|| now + REFRESH_PAUSE);
                self.current = Some(credentials.clone());
                Ok(credentials)
            }
            Err(error) => {
                self.pause_until = Some(now + REFRESH_PAUSE);
                self.valid(now).ok_or(error)
            }
        }
    }
}

impl fmt::Debug for CachedCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedCredentials").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::CredentialsFuture;
    use core::sync::atomic::{AtomicU64, Ordering};

    /// Hands out a new key each time, good for an hour; every third question fails.
    struct Rotating {
        asked: Arc<AtomicU64>,
        at: SystemTime,
    }

    const HOUR: Duration = Duration::from_secs(3_600);

    impl ProvideCredentials for Rotating {
        fn credentials(&self) -> CredentialsFuture<'_> {
            let number = self.asked.fetch_add(1, Ordering::AcqRel);
            let expires = self.at + HOUR * u32::try_from(number + 1).expect("few questions");
            Box::pin(async move {
                if number % 3 == 2 {
                    return Err(CredentialsError::new("not now"));
                }
                tokio::task::yield_now().await;
                Ok(Credentials::new(format!("KEY{number}"), "secret")?.with_expiration(expires))
            })
        }
    }

    fn rotating() -> (CachedCredentials, Arc<AtomicU64>, SystemTime) {
        let (asked, at) = (Arc::new(AtomicU64::new(0)), SystemTime::UNIX_EPOCH);
        (CachedCredentials::new(Rotating { asked: Arc::clone(&asked), at }), asked, at)
    }

    fn clock(now: SystemTime) -> WallClock {
        Arc::new(move || now)
    }

    async fn key(cached: &CachedCredentials, now: SystemTime) -> String {
        let answer = cached.get(&clock(now)).await;
        // What is asked meanwhile is answered before the next question here.
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
        answer.map_or_else(|error| error.to_string(), |found| found.access_key_id().into())
    }

    #[tokio::test]
    async fn new_ones_are_asked_for_before_the_end() {
        let (cached, asked, start) = rotating();
        assert_eq!(key(&cached, start).await, "KEY0");
        assert_eq!(
            key(&cached, start + HOUR - REFRESH_BEFORE - Duration::from_secs(1)).await,
            "KEY0"
        );
        assert_eq!(asked.load(Ordering::Acquire), 1);
        assert_eq!(key(&cached, start + HOUR - REFRESH_BEFORE).await, "KEY0", "nobody waits");
        assert_eq!(key(&cached, start + HOUR - REFRESH_BEFORE).await, "KEY1");
        // The third question fails: those that are there serve on, and the provider has a pause.
        let late = start + HOUR * 2 - REFRESH_BEFORE;
        assert_eq!(key(&cached, late).await, "KEY1");
        assert_eq!(key(&cached, late + REFRESH_PAUSE - Duration::from_secs(1)).await, "KEY1");
        assert_eq!(asked.load(Ordering::Acquire), 3);
        assert_eq!(key(&cached, late + REFRESH_PAUSE).await, "KEY1");
        assert_eq!(key(&cached, late + REFRESH_PAUSE).await, "KEY3");
    }

    #[tokio::test]
    async fn a_failure_is_told_if_there_are_none() {
        let (cached, asked, start) = rotating();
        asked.store(2, Ordering::Release);
        assert_eq!(key(&cached, start).await, "not now");
        assert_eq!(key(&cached, start).await, "KEY3");
    }

    #[tokio::test]
    async fn refused_ones_are_not_used_again() {
        let (cached, _, start) = rotating();
        let start = clock(start);
        let first = cached.get(&start).await.expect("the first question is answered");
        cached.refuse(&first);
        let second = cached.get(&start).await.expect("the second question is answered");
        // A late refusal of the first ones does not touch the second.
        cached.refuse(&first);
        assert_eq!(cached.get(&start).await, Ok(second));
    }

    /// A provider that takes long to fail would keep those who wait behind each other from ever learning why.
    #[tokio::test]
    async fn who_waits_for_a_failure_learns_it_too() {
        struct Failing(AtomicU64);
        impl ProvideCredentials for Failing {
            fn credentials(&self) -> CredentialsFuture<'_> {
                let number = self.0.fetch_add(1, Ordering::AcqRel);
                Box::pin(async move {
                    tokio::task::yield_now().await;
                    Err(CredentialsError::new(format!("failure {number}")))
                })
            }
        }
        let cached = CachedCredentials::new(Failing(AtomicU64::new(0)));
        let now = SystemTime::UNIX_EPOCH;
        let keys = tokio::join!(key(&cached, now), key(&cached, now), key(&cached, now));
        assert_eq!(keys, ["failure 0"; 3].map(str::to_owned).into());
        assert_eq!(key(&cached, now).await, "failure 1", "a later request asks again");
    }

    #[tokio::test]
    async fn many_requests_ask_once() {
        let (cached, asked, start) = rotating();
        let (first, second) = tokio::join!(key(&cached, start), key(&cached, start));
        assert_eq!((first.as_str(), second.as_str()), ("KEY0", "KEY0"));
        assert_eq!(asked.load(Ordering::Acquire), 1);
    }
}
