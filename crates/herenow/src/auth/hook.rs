//! Addresses of the app that decide: whose a session cookie is, and who may enter a room. Each answer counts for a while;
//! where there is none in time, that is said, and nobody is let in on a guess.
use super::{
    answers::Answers,
    claims::{self, Claims},
    error::AuthError,
    rights::{Grants, Rights},
    secret::Secret,
    token::{Identity, Verifier},
};
use crate::{
    clock::Clock,
    outgoing::{Answer, Outgoing, OutgoingSetup},
};
use bytes::Bytes;
use herenow_core::{
    id::{RoomId, UserId},
    profile::Profile,
    time::Time,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::Semaphore;

/// How long answers count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HookTimes {
    /// A good answer, for those who come.
    pub cache: Duration,
    /// A good answer, for those who are here: then the app is asked again.
    pub recheck: Duration,
    /// How long those who are here stay beyond that, while the app does not answer.
    pub outage: Duration,
}

impl HookTimes {
    /// How long an answer counts: at least until those who wait for it have looked at it, or they would ask for ever.
    fn cached(self) -> Duration {
        self.cache.max(CACHED_AT_LEAST)
    }
}

/// One address of the app.
pub struct Hook {
    outgoing: Outgoing,
    times: HookTimes,
    secret: Option<Secret>,
    clock: Clock,
    /// Calls at once for those who come, and for those who are here: so that neither holds up the other.
    arriving: Semaphore,
    staying: Semaphore,
    calls: AtomicU64,
    failures: AtomicU64,
    trouble: Mutex<Trouble>,
}

#[derive(Default)]
struct Trouble {
    problem: Option<String>,
    failed_at: Option<Time>,
    told_at: Option<Time>,
}

/// What a hook is made from.
#[derive(Debug)]
pub struct HookSetup {
    /// Where it is, and how long it may take.
    pub outgoing: Outgoing,
    /// How long answers count.
    pub times: HookTimes,
    /// What this server proves itself to the app with, as `Authorization: Bearer`.
    pub secret: Option<Secret>,
    /// The clock of the process.
    pub clock: Clock,
}

/// How a hook stands, for whoever runs the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookHealth {
    /// Why the last call failed, if it did.
    pub problem: Option<String>,
    /// Calls, in all.
    pub calls: u64,
    /// Calls without a usable answer.
    pub failures: u64,
}

/// Who wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// Somebody who comes.
    Arriving,
    /// This server, of somebody who is here.
    Staying,
}

impl Hook {
    /// Bytes that an answer may have.
    pub const BODY_BYTES_MAX: usize = 64 * 1024;
    /// Calls at once, on each occasion. Who finds as many under way waits for them, as long as for an answer.
    pub const CALLS_MAX: usize = 64;

    /// Makes ready to ask.
    pub fn new(setup: HookSetup) -> Self {
        let HookSetup { outgoing, times, secret, clock } = setup;
        let (arriving, staying) = (Semaphore::new(Self::CALLS_MAX), Semaphore::new(Self::CALLS_MAX));
        let (calls, failures) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { outgoing, times, secret, clock, arriving, staying, calls, failures, trouble: Mutex::default() }
    }

    /// Whether this is what these settings ask for.
    pub fn is_of(&self, outgoing: &OutgoingSetup, times: HookTimes, secret: Option<&Secret>) -> bool {
        let own = self.outgoing.setup();
        (&own.address, own.reach, own.timeout, self.times, self.secret.as_ref())
            == (&outgoing.address, outgoing.reach, outgoing.timeout, times, secret)
    }

    /// How long answers count.
    pub fn times(&self) -> HookTimes {
        self.times
    }

    /// How it stands.
    pub fn health(&self) -> HookHealth {
        let problem = self.trouble().problem.clone();
        let (calls, failures) = (self.calls.load(Ordering::Relaxed), self.failures.load(Ordering::Relaxed));
        HookHealth { problem, calls, failures }
    }

    /// Asks, once it is one's turn. `None`: no usable answer, which was logged.
    async fn ask<T>(&self, occasion: Occasion, what: What<'_>, read: impl FnOnce(&Answer) -> Read<T>) -> Option<T> {
        if occasion == Occasion::Staying && self.is_down() {
            return None;
        }
        let turns = match occasion {
            Occasion::Arriving => &self.arriving,
            Occasion::Staying => &self.staying,
        };
        let Ok(Ok(_turn)) = tokio::time::timeout(self.outgoing.setup().timeout, turns.acquire()).await else {
            self.note_failure(format!("{} calls at once have no answer", Self::CALLS_MAX));
            return None;
        };
        self.calls.fetch_add(1, Ordering::Relaxed);
        let mut headers = HeaderMap::new();
        if let Some(secret) = &self.secret {
            let value = HeaderValue::try_from(format!("Bearer {}", secret.reveal()));
            let mut value = value.ok()?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        let answered = match what {
            What::Cookie(pair) => {
                let mut value = HeaderValue::try_from(pair).ok()?;
                value.set_sensitive(true);
                headers.insert(header::COOKIE, value);
                self.outgoing.get(headers).await
            }
            What::Room(body) => self.outgoing.post_json(headers, body).await,
        };
        let read = match &answered {
            Ok(answer) => read(answer),
            Err(error) => Err(error.to_string()),
        };
        match read {
            Ok(read) => {
                self.trouble().problem = None;
                Some(read)
            }
            Err(problem) => {
                self.note_failure(problem);
                None
            }
        }
    }

    /// Whether the last call has just failed: then the many who are here are not asked about one by one.
    fn is_down(&self) -> bool {
        let (now, trouble) = (self.clock.now(), self.trouble());
        trouble.problem.is_some() && trouble.failed_at.is_some_and(|at| now.since(at) < UNAVAILABLE_LASTS)
    }

    fn note_failure(&self, problem: String) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let (now, mut trouble) = (self.clock.now(), self.trouble());
        if trouble.told_at.is_none_or(|at| now.since(at) >= TELL_EACH) {
            tracing::warn!(url = %self.outgoing.setup().address, problem, "a hook of the app gave no usable answer");
            trouble.told_at = Some(now);
        }
        (trouble.problem, trouble.failed_at) = (Some(problem), Some(now));
    }

    fn trouble(&self) -> std::sync::MutexGuard<'_, Trouble> {
        // Each field says something by itself, so what a panic left behind is as good as any.
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook").field("outgoing", &self.outgoing).field("times", &self.times).finish_non_exhaustive()
    }
}

/// Knows whose a session cookie is, by asking the app.
#[derive(Debug)]
pub struct CookieHook {
    hook: Hook,
    answers: Answers<CookieKey, CookieAnswer>,
    /// What cookies are hashed with, so that none lies in memory for longer than the session that it is of.
    salt: Secret,
}

/// Stands for a cookie, and cannot be turned back into it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CookieKey(Box<str>);

/// What the app says of a cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CookieAnswer {
    /// Whose it is.
    Known(Vouched),
    /// It is nobody's.
    Nobody,
    /// There was no usable answer.
    Unavailable,
}

/// Somebody the app vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouched {
    /// The user as others see them.
    pub profile: Arc<Profile>,
    /// What the user may do.
    pub grants: Arc<Grants>,
    /// When that ends, where the app says so.
    pub expires_at: Option<Time>,
}

impl CookieHook {
    /// Makes ready to ask.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub fn new(hook: Hook) -> Result<Self, getrandom::Error> {
        Ok(Self { hook, answers: Answers::new(), salt: Secret::generate()? })
    }

    /// The address that is asked.
    pub fn hook(&self) -> &Hook {
        &self.hook
    }

    /// What stands for a cookie here.
    pub fn key(&self, pair: &str) -> CookieKey {
        let key = EncodingKey::from_secret(self.salt.as_bytes());
        let hash = jsonwebtoken::crypto::sign(pair.as_bytes(), &key, Algorithm::HS256);
        CookieKey(hash.expect("an HMAC key signs anything").into())
    }

    /// What is known of a cookie; `None` where the app has to be asked.
    pub fn known(&self, key: &CookieKey) -> Option<CookieAnswer> {
        self.answers.get(key, self.hook.clock.now())
    }

    /// Asks the app about a cookie (`name=value`), unless that is being done.
    pub async fn settle(&self, key: &CookieKey, pair: &str, verifier: &Verifier) {
        let ask = async {
            let answer = self.ask(Occasion::Arriving, pair, verifier).await;
            let lasts = match &answer {
                CookieAnswer::Known(_) => self.hook.times.cached(),
                CookieAnswer::Nobody => self.hook.times.cached().min(REFUSED_LASTS),
                CookieAnswer::Unavailable => UNAVAILABLE_LASTS,
            };
            (answer, lasts)
        };
        self.answers.settle(key, || self.hook.clock.now(), ask).await;
    }

    /// Asks the app about the cookie of somebody who is here, whatever was known; that counts for who comes, too.
    pub async fn recheck(&self, key: &CookieKey, pair: &str, verifier: &Verifier) -> CookieAnswer {
        let answer = self.ask(Occasion::Staying, pair, verifier).await;
        if answer != CookieAnswer::Unavailable {
            let lasts = self.hook.times.cached().min(REFUSED_LASTS);
            self.answers.put(key, answer.clone(), self.hook.clock.now() + lasts);
        }
        answer
    }

    /// Forgets what was said of a user's cookies.
    pub fn forget(&self, user: &UserId) {
        self.answers.forget(|_, answer| match answer {
            CookieAnswer::Known(vouched) => vouched.profile.user == *user,
            CookieAnswer::Nobody | CookieAnswer::Unavailable => false,
        });
    }

    /// Who somebody is whom the app vouched for just now. Unless the app is asked again, that ends: see [`HookTimes`].
    pub fn identity(&self, vouched: &Vouched) -> Identity {
        let HookTimes { recheck, outage, .. } = self.hook.times;
        let now = self.hook.clock.now();
        let until = now + recheck + outage;
        let expires_at = vouched.expires_at.map_or(until, |expires_at| expires_at.min(until));
        let (profile, grants) = (Arc::clone(&vouched.profile), Arc::clone(&vouched.grants));
        Identity { profile, grants, expires_at, issued_at_s: Some(now.as_millis() / 1000) }
    }

    async fn ask(&self, occasion: Occasion, pair: &str, verifier: &Verifier) -> CookieAnswer {
        let now = self.hook.clock.now();
        let read = |answer: &Answer| match answer.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => Ok(CookieAnswer::Nobody),
            StatusCode::OK => {
                let vouched = vouched_of(answer, verifier)?;
                let is_over = vouched.expires_at.is_some_and(|expires_at| expires_at <= now);
                Ok(if is_over { CookieAnswer::Nobody } else { CookieAnswer::Known(vouched) })
            }
            status => Err(format!("the answer has the status {}", status.as_u16())),
        };
        self.hook.ask(occasion, What::Cookie(pair), read).await.unwrap_or(CookieAnswer::Unavailable)
    }
}

/// Knows who may do what in a room, by asking the app.
#[derive(Debug)]
pub struct RoomHook {
    hook: Hook,
    answers: Answers<(UserId, RoomId), RoomAnswer>,
}

/// What the app says of a user and a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomAnswer {
    /// What the user may do there; nothing, where the app says no.
    Rights(Rights),
    /// There was no usable answer.
    Unavailable,
}

impl RoomHook {
    /// Makes ready to ask.
    pub fn new(hook: Hook) -> Self {
        Self { hook, answers: Answers::new() }
    }

    /// The address that is asked.
    pub fn hook(&self) -> &Hook {
        &self.hook
    }

    /// What is known of a user and a room; `None` where the app has to be asked.
    pub fn known(&self, user: &UserId, room: &RoomId) -> Option<RoomAnswer> {
        self.answers.get(&(user.clone(), room.clone()), self.hook.clock.now())
    }

    /// Asks the app about a user and a room, unless that is being done.
    pub async fn settle(&self, user: &UserId, room: &RoomId) {
        let ask = async {
            let answer = self.ask(Occasion::Arriving, user, room).await;
            (answer, self.lasts(answer))
        };
        self.answers.settle(&(user.clone(), room.clone()), || self.hook.clock.now(), ask).await;
    }

    /// Asks the app about a user who is in the room, whatever was known; that counts for who comes, too.
    pub async fn recheck(&self, user: &UserId, room: &RoomId) -> RoomAnswer {
        let answer = self.ask(Occasion::Staying, user, room).await;
        if answer != RoomAnswer::Unavailable {
            self.answers.put(&(user.clone(), room.clone()), answer, self.hook.clock.now() + self.lasts(answer));
        }
        answer
    }

    /// Forgets what was said of a user.
    pub fn forget(&self, user: &UserId) {
        self.answers.forget(|(of, _), _| of == user);
    }

    fn lasts(&self, answer: RoomAnswer) -> Duration {
        match answer {
            RoomAnswer::Rights(rights) if rights.is_empty() => self.hook.times.cached().min(REFUSED_LASTS),
            RoomAnswer::Rights(_) => self.hook.times.cached(),
            RoomAnswer::Unavailable => UNAVAILABLE_LASTS,
        }
    }

    async fn ask(&self, occasion: Occasion, user: &UserId, room: &RoomId) -> RoomAnswer {
        let body = Bytes::from(json!({ "user": user.as_str(), "room": room.as_str() }).to_string());
        let read = |answer: &Answer| match answer.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
                Ok(RoomAnswer::Rights(Rights::NONE))
            }
            StatusCode::OK => rights_of(answer).map(RoomAnswer::Rights),
            status => Err(format!("the answer has the status {}", status.as_u16())),
        };
        self.hook.ask(occasion, What::Room(body), read).await.unwrap_or(RoomAnswer::Unavailable)
    }
}

/// What is asked.
enum What<'a> {
    Cookie(&'a str),
    Room(Bytes),
}

/// What an answer was read as, or why it is of no use. The reason must not hold anything of it.
type Read<T> = Result<T, String>;

fn json_of(answer: &Answer) -> Read<Claims> {
    if !answer.is_json() {
        return Err("the answer is not application/json".to_owned());
    }
    serde_json::from_slice(&answer.body).map_err(|_| "the answer is no JSON object".to_owned())
}

fn vouched_of(answer: &Answer, verifier: &Verifier) -> Read<Vouched> {
    let claims = json_of(answer)?;
    let wrong = |error: AuthError| match error {
        AuthError::Claim { claim, problem } => format!("the answer's `{claim}` {problem}"),
        other => other.to_string(),
    };
    let profile = Arc::new(claims::profile_of(&claims).map_err(wrong)?);
    let grants = verifier.grants(&claims).map_err(wrong)?;
    let expires_at = claims::seconds("exp", &claims).map_err(wrong)?.map(|s| Time::from_millis(s * 1000));
    Ok(Vouched { profile, grants, expires_at })
}

fn rights_of(answer: &Answer) -> Read<Rights> {
    let fields = json_of(answer)?;
    match (fields.get("allow"), fields.get("rights")) {
        (Some(Value::Bool(false)), _) => Ok(Rights::NONE),
        (Some(Value::Bool(true)), None) => Ok(Rights::DEFAULT),
        (Some(Value::Bool(true)), Some(rights)) => {
            claims::rights_of(rights).map_err(|_| "the answer's `rights` must list rights by name".to_owned())
        }
        _ => Err("the answer's `allow` must be true or false".to_owned()),
    }
}

/// How long an answer counts at the least.
const CACHED_AT_LEAST: Duration = Duration::from_millis(500);
/// For how long at the most a refusal counts, so that somebody who was just let in need not wait long.
const REFUSED_LASTS: Duration = Duration::from_secs(5);
/// For how long the want of an answer counts, so that an app in trouble is not asked by everybody at once.
const UNAVAILABLE_LASTS: Duration = Duration::from_secs(1);
/// How often the same trouble is logged.
const TELL_EACH: Duration = Duration::from_secs(10);
