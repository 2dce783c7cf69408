//! Who calls, and whether they may: API keys of backends, tokens of clients, and nobody in dev mode.
use crate::{
    api::{
        refusal::{refused, refused_for},
        state::Api,
    },
    auth::{
        api_key::{ApiKey, KeyRights},
        error::AuthError,
        rights::Rights,
        source::{TokenSource, find_token},
        token::Identity,
    },
    presence::Presence,
    problem::Problem,
};
use herenow_core::id::{RoomId, UserId};
use herenow_wire::code::Code;
use http::{HeaderMap, Method, header, request::Parts};
use std::time::Duration;

/// Who may use a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Whoever asks.
    Nothing,
    /// Whoever asks, where that is configured; otherwise a key with the right to read.
    Metrics,
    /// A key with these rights.
    Key(KeyRights),
    /// A key with these rights, or the token of a client; what that may is said by the call.
    KeyOrToken(KeyRights),
    /// A key with [`KeyRights::OPERATOR`], or a token with the claim `admin`; either as `Authorization`, since a cookie or an
    /// address would let any page ask in the operator's name.
    Operator,
}

/// Who calls.
#[derive(Clone, Debug)]
pub enum Caller {
    /// Nobody in particular.
    Anybody,
    /// A backend, or anybody in dev mode.
    Backend {
        /// The name of the key.
        name: String,
        /// What the key gives.
        rights: KeyRights,
    },
    /// A client.
    Client(Box<Identity>),
}

impl Caller {
    /// Checks that a room may be read; asks the app where it is the one to say.
    ///
    /// # Errors
    /// [`Code::RoomForbidden`], and [`Code::RoomUnavailable`] where the app does not answer.
    pub async fn may_read(&self, presence: &Presence, room: &RoomId) -> Result<(), Problem> {
        if self.rights(presence, room).await?.reads() {
            return Ok(());
        }
        let detail = "neither the token nor the app gives the right to join or to observe this room";
        Err(refused_for(Code::RoomForbidden, detail))
    }

    /// Checks that something may be done in a room; asks the app where it is the one to say.
    ///
    /// # Errors
    /// As [`Self::may_read`].
    pub async fn may(&self, presence: &Presence, room: &RoomId, right: Rights) -> Result<(), Problem> {
        if self.rights(presence, room).await?.contains(right) {
            return Ok(());
        }
        let names: Vec<&str> = right.names().collect();
        let detail = format!("neither the token nor the app gives the right to {} in this room", names.join(", "));
        Err(refused_for(Code::RoomForbidden, detail))
    }

    /// What the caller may do in a room. A backend may do everything.
    async fn rights(&self, presence: &Presence, room: &RoomId) -> Result<Rights, Problem> {
        let Self::Client(identity) = self else { return Ok(Rights::DEFAULT.union(Rights::OBSERVE)) };
        let decided = match presence.rights(identity, room, true) {
            Err(inquiry) => {
                presence.settle(&inquiry).await;
                presence.rights(identity, room, true)
            }
            decided => decided,
        };
        let unavailable = || refused(Code::RoomUnavailable).retry_after(UNAVAILABLE_WAIT);
        decided.ok().flatten().ok_or_else(unavailable)
    }

    /// Checks that it may be known whether a user is online.
    ///
    /// # Errors
    /// [`Code::WatchForbidden`].
    pub fn may_watch(&self, user: &UserId) -> Result<(), Problem> {
        match self {
            Self::Client(identity) if !identity.grants.may_watch(user) => {
                let detail = format!("the token does not allow to watch the user {user}");
                Err(refused_for(Code::WatchForbidden, detail))
            }
            Self::Anybody | Self::Backend { .. } | Self::Client(_) => Ok(()),
        }
    }

    /// Checks that users may be put out.
    ///
    /// # Errors
    /// [`Code::KeyForbidden`].
    pub fn may_kick(&self) -> Result<(), Problem> {
        match self {
            Self::Backend { rights, .. } if rights.contains(KeyRights::ADMIN) => Ok(()),
            Self::Anybody | Self::Backend { .. } | Self::Client(_) => {
                Err(refused_for(Code::KeyForbidden, "to put users out needs the right admin"))
            }
        }
    }

    /// Whether lists show the caller private rooms as well.
    pub fn sees_private(&self) -> bool {
        matches!(self, Self::Backend { rights, .. } if rights.contains(KeyRights::ADMIN))
    }

    /// What the log calls the caller: the name of its key.
    pub fn log_name(&self) -> &str {
        match self {
            Self::Backend { name, .. } => name,
            Self::Anybody => "anybody",
            Self::Client(_) => "a client",
        }
    }

    /// The user of a client.
    pub fn identity(&self) -> Option<&Identity> {
        match self {
            Self::Client(identity) => Some(identity),
            Self::Anybody | Self::Backend { .. } => None,
        }
    }
}

/// Says who calls, and whether they may use a call at all.
///
/// # Errors
/// 401 where nobody says who they are, or wrongly; 403 where they may not.
pub async fn admit(api: &Api, needs: Needs, parts: &Parts) -> Result<Caller, Problem> {
    let (rights, takes_tokens) = match needs {
        Needs::Nothing => return Ok(Caller::Anybody),
        Needs::Metrics if api.has_public_metrics() => return Ok(Caller::Anybody),
        Needs::Metrics => (KeyRights::READ, false),
        Needs::Key(rights) => (rights, false),
        Needs::KeyOrToken(rights) => (rights, true),
        Needs::Operator => (KeyRights::OPERATOR, true),
    };
    let presence = api.presence();
    let origins = presence.origins();
    if origins.is_dev {
        origins.check_dev(&parts.headers)?;
    }
    let found = find_token(parts, &presence.settings().cookie_name);
    match found {
        Some((key, TokenSource::Header)) if ApiKey::is_key(key.as_str()) => {
            let known = api.key(key.as_str()).ok_or_else(|| refused(Code::KeyUnknown))?;
            if !known.rights.contains(rights) {
                let detail =
                    format!("this call needs the right {rights}, the key {} gives {}", known.name, known.rights);
                return Err(refused_for(Code::KeyForbidden, detail));
            }
            Ok(Caller::Backend { name: known.name, rights: known.rights })
        }
        Some((_, source)) if needs == Needs::Operator && source != TokenSource::Header => {
            Err(AuthError::Missing.into())
        }
        Some((token, source)) => {
            check_source(api, parts, source)?;
            drop(token);
            let (credential, _) = presence.authority().credential(parts, &presence.settings().cookie_name);
            let identity = presence.identify(credential).await.who.ok_or(AuthError::Missing)??;
            if needs == Needs::Operator && !identity.grants.is_admin() {
                return Err(refused(Code::AuthNotAdmin));
            }
            if takes_tokens { Ok(Caller::Client(Box::new(identity))) } else { Err(refused(Code::KeyNeeded)) }
        }
        // A page without an origin of its own may be in a frame of any other page, which must not act for the operator.
        None if api.is_open() && !is_from(&parts.headers, "null") => {
            Ok(Caller::Backend { name: "dev".to_owned(), rights: KeyRights::ALL })
        }
        None => Err(nobody(takes_tokens)),
    }
}

/// A cookie comes with whatever page asks: it counts for pages that may use it, and for reading only.
fn check_source(api: &Api, parts: &Parts, source: TokenSource) -> Result<(), AuthError> {
    let reads = parts.method == Method::GET || parts.method == Method::HEAD;
    let from_address = matches!(source, TokenSource::Cookie | TokenSource::Query);
    if from_address && !reads {
        return Err(AuthError::Missing);
    }
    // Browsers send no origin along with what a page reads from its own server; but they say so.
    let site = parts.headers.get("sec-fetch-site").map(http::HeaderValue::as_bytes);
    if source == TokenSource::Cookie && !parts.headers.contains_key(header::ORIGIN) && site == Some(b"same-origin") {
        return Ok(());
    }
    api.presence().origins().check(&parts.headers, source)
}

fn nobody(takes_tokens: bool) -> Problem {
    let problem = Problem::from(AuthError::Missing);
    if takes_tokens {
        return problem
            .hint("send `Authorization: Bearer` with an API key (`herenow key` makes one) or a client's token");
    }
    problem.hint("send `Authorization: Bearer` with an API key; `herenow key` makes one")
}

fn is_from(headers: &HeaderMap, origin: &str) -> bool {
    headers.get_all(header::ORIGIN).iter().any(|value| value.as_bytes() == origin.as_bytes())
}

/// When to try again where the app did not answer.
const UNAVAILABLE_WAIT: Duration = Duration::from_secs(2);
