//! Keys at an address (a JWK Set), fetched at start, from time to time, and when a token names one that is not known. What
//! is fetched replaces what was known as a whole, or not at all.
use super::keys::{KeyError, KeySet};
use crate::{
    clock::Clock,
    outgoing::{Outgoing, OutgoingError},
};
use herenow_core::time::Time;
use http::{HeaderMap, StatusCode};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

/// How long keys are good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JwksRhythm {
    /// How often they are fetched.
    pub refresh: Duration,
    /// How long the last good ones count while they cannot be fetched anew.
    pub outage: Duration,
    /// How long a token that names an unknown key has to wait after the last one that had them fetched.
    pub cooldown: Duration,
}

/// The keys of one address.
pub struct Jwks {
    source: Outgoing,
    rhythm: JwksRhythm,
    clock: Clock,
    state: Mutex<State>,
    /// Held by who fetches, so that all who want the keys at once share one request.
    fetching: tokio::sync::Mutex<()>,
}

struct State {
    keys: Arc<KeySet>,
    /// When they were fetched; `None` where they never were.
    good_at: Option<Time>,
    /// When a token last had them fetched.
    demanded_at: Option<Time>,
    /// Why the last try failed, if it did.
    problem: Option<String>,
    /// Tries that failed one after the other.
    failures: u32,
    /// Tries, in all.
    tries: u64,
    is_fetching: bool,
}

/// Why a fetch brought no keys.
#[derive(Debug)]
#[non_exhaustive]
pub enum JwksError {
    /// There was no answer that could be looked at.
    Outgoing(OutgoingError),
    /// The answer has another status than 200.
    Status(StatusCode),
    /// The answer is no JSON, by its `Content-Type`.
    ContentType,
    /// What is in it are no keys.
    Keys(KeyError),
}

/// How the keys of an address stand, for whoever runs the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwksHealth {
    /// How many keys count now.
    pub keys: usize,
    /// When they were fetched; `None` where they never were.
    pub good_at: Option<Time>,
    /// Whether they count still.
    pub is_good: bool,
    /// Why the last try failed, if it did.
    pub problem: Option<String>,
    /// Tries, in all.
    pub tries: u64,
}

impl Jwks {
    /// Bytes that a set may have.
    pub const BODY_BYTES_MAX: usize = 256 * 1024;

    /// Knows no keys yet; [`Self::run`] fetches them.
    pub fn new(source: Outgoing, rhythm: JwksRhythm, clock: Clock) -> Self {
        let state = State {
            keys: Arc::default(),
            good_at: None,
            demanded_at: None,
            problem: None,
            failures: 0,
            tries: 0,
            is_fetching: false,
        };
        Self { source, rhythm, clock, state: Mutex::new(state), fetching: tokio::sync::Mutex::default() }
    }

    /// Whether this is what these settings ask for.
    pub fn is_of(&self, source: &crate::outgoing::OutgoingSetup, rhythm: JwksRhythm) -> bool {
        let own = self.source.setup();
        (&own.address, own.reach, own.timeout, self.rhythm) == (&source.address, source.reach, source.timeout, rhythm)
    }

    /// The keys that count now; `None` where they never came, or are older than the outage that is borne.
    pub fn keys(&self) -> Option<Arc<KeySet>> {
        let (now, state) = (self.clock.now(), self.state());
        self.is_good(&state, now).then(|| Arc::clone(&state.keys))
    }

    /// Whether a key of this id is known.
    pub fn names(&self, id: &str) -> bool {
        self.state().keys.names(id)
    }

    /// Whether a token that names an unknown key may have the keys fetched now, or wait for those that are being fetched.
    pub fn may_demand(&self) -> bool {
        let (now, state) = (self.clock.now(), self.state());
        state.is_fetching || self.is_cool(&state, now)
    }

    /// Fetches the keys because a token names one that is not known. Who comes while another fetches waits for that one.
    pub async fn demand(&self) {
        let before = self.state().tries;
        let _turn = self.fetching.lock().await;
        let is_wanted = {
            let (now, mut state) = (self.clock.now(), self.state());
            let is_wanted = state.tries == before && self.is_cool(&state, now);
            if is_wanted {
                state.demanded_at = Some(now);
            }
            is_wanted
        };
        if is_wanted {
            self.fetch().await;
        }
    }

    /// Fetches the keys now and again, for as long as they are wanted: each [`JwksRhythm::refresh`], and after a failure
    /// sooner, from 1 s on and twice as long each time.
    pub async fn run(jwks: Weak<Self>) {
        loop {
            let Some(held) = jwks.upgrade() else { return };
            let turn = held.fetching.lock().await;
            held.fetch().await;
            drop(turn);
            let wait = held.next_wait();
            drop(held);
            tokio::time::sleep(wait).await;
        }
    }

    /// How they stand.
    pub fn health(&self) -> JwksHealth {
        let (now, state) = (self.clock.now(), self.state());
        let (is_good, problem) = (self.is_good(&state, now), state.problem.clone());
        let keys = if is_good { state.keys.iter().count() } else { 0 };
        JwksHealth { keys, good_at: state.good_at, is_good, problem, tries: state.tries }
    }

    fn is_good(&self, state: &State, now: Time) -> bool {
        state.good_at.is_some_and(|at| now.since(at) < self.rhythm.refresh + self.rhythm.outage)
    }

    fn is_cool(&self, state: &State, now: Time) -> bool {
        state.demanded_at.is_none_or(|at| now.since(at) >= self.rhythm.cooldown)
    }

    fn next_wait(&self) -> Duration {
        match self.state().failures {
            0 => self.rhythm.refresh,
            failures => RETRY_FIRST
                .saturating_mul(1 << failures.min(16).saturating_sub(1))
                .min(RETRY_MAX)
                .min(self.rhythm.refresh),
        }
    }

    async fn fetch(&self) {
        let fetching = Fetching::begin(self);
        let fetched = self.try_fetch().await;
        drop(fetching);
        let mut state = self.state();
        state.tries += 1;
        match fetched {
            Ok(keys) => {
                state.keys = Arc::new(keys);
                (state.good_at, state.problem, state.failures) = (Some(self.clock.now()), None, 0);
            }
            Err(error) => {
                tracing::warn!(url = %self.source.setup().address, %error, "the keys of auth.jwks_url cannot be fetched");
                state.problem = Some(error.to_string());
                state.failures = state.failures.saturating_add(1);
            }
        }
    }

    async fn try_fetch(&self) -> Result<KeySet, JwksError> {
        let answer = self.source.get(HeaderMap::new()).await.map_err(JwksError::Outgoing)?;
        if answer.status != StatusCode::OK {
            return Err(JwksError::Status(answer.status));
        }
        if !answer.is_json() {
            return Err(JwksError::ContentType);
        }
        KeySet::of_jwks(&answer.body).map_err(JwksError::Keys)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Its fields are set together or not at all, so what a panic left behind is as good as any.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A fetch that is under way, until it is dropped: who waits for it may be gone before it is done.
struct Fetching<'a>(&'a Jwks);

impl<'a> Fetching<'a> {
    fn begin(jwks: &'a Jwks) -> Self {
        jwks.state().is_fetching = true;
        Self(jwks)
    }
}

impl Drop for Fetching<'_> {
    fn drop(&mut self) {
        self.0.state().is_fetching = false;
    }
}

impl fmt::Debug for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwks").field("source", &self.source).finish_non_exhaustive()
    }
}

impl fmt::Display for JwksError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outgoing(error) => write!(f, "{error}"),
            Self::Status(status) => write!(f, "the answer has the status {}, not 200", status.as_u16()),
            Self::ContentType => write!(f, "the answer is not application/json"),
            Self::Keys(error) => write!(f, "the answer is {error}"),
        }
    }
}

impl std::error::Error for JwksError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Outgoing(error) => std::error::Error::source(error),
            Self::Keys(_) | Self::Status(_) | Self::ContentType => None,
        }
    }
}

const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);
