//! Who decides who somebody is and what they may do: the keys, and where they are set, the app's hooks. What can be decided
//! at once is; what others have to be asked for is an [`Inquiry`], to be settled by who can wait.
use super::{
    error::AuthError,
    hook::{CookieAnswer, CookieHook, CookieKey, HookHealth, RoomAnswer, RoomHook},
    jwks::{Jwks, JwksHealth},
    rights::Rights,
    source::{Token, TokenSource, cookie_pair, find_token},
    token::{Identity, Verifier},
};
use herenow_core::id::{RoomId, UserId};
use http::request::Parts;
use std::sync::Arc;

/// All who decide, as the configuration names them; replaced as a whole when that changes.
#[derive(Clone, Debug)]
pub struct Authority {
    /// Tells good tokens from bad ones.
    pub verifier: Arc<Verifier>,
    /// Keys at an address.
    pub jwks: Option<Arc<Jwks>>,
    /// Knows whose a cookie is. Where it is there, cookies are for it alone, and are no tokens.
    pub cookies: Option<Arc<CookieHook>>,
    /// Knows who may enter a room that their token says nothing of.
    pub rooms: Option<Arc<RoomHook>>,
}

/// What a request says of who sent it.
#[derive(Clone, Debug)]
pub enum Credential {
    /// Nothing.
    Nothing,
    /// Something that does not count, because of the page that it came from.
    Refused(AuthError),
    /// A token.
    Token(Token),
    /// The session cookie, `name=value`, which the app knows about.
    Cookie(Token),
}

/// Who somebody is.
#[derive(Debug)]
pub struct Verdict {
    /// Known, refused, or `None` where nothing was said.
    pub who: Option<Result<Identity, AuthError>>,
    /// The cookie that it was known by, where the app is to be asked about it again.
    pub cookie: Option<KnownCookie>,
}

/// A cookie that the app has vouched for.
#[derive(Clone, Debug)]
pub struct KnownCookie {
    /// Stands for it.
    pub key: CookieKey,
    /// The cookie, `name=value`, to ask again.
    pub pair: Token,
}

/// What has to be asked of others before something can be decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inquiry {
    /// Whether there are new keys.
    Keys,
    /// What a user may do in a room.
    Room(UserId, RoomId),
}

/// How those stand that others are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthorityHealth {
    /// The keys at `auth.jwks_url`.
    pub jwks: Option<JwksHealth>,
    /// `auth.cookie_hook`
    pub cookie_hook: Option<HookHealth>,
    /// `auth.room_hook`
    pub room_hook: Option<HookHealth>,
}

impl AuthorityHealth {
    /// Whether whoever has a good token can be let in. Hooks do not count: an app in trouble must not take the server out of
    /// its load balancer, where it would help nobody.
    pub fn is_ready(&self) -> bool {
        self.jwks.as_ref().is_none_or(|jwks| jwks.is_good)
    }
}

impl Authority {
    /// One that goes by tokens alone.
    pub fn of(verifier: Verifier) -> Self {
        Self { verifier: Arc::new(verifier), jwks: None, cookies: None, rooms: None }
    }

    /// Begins to fetch keys, unless the one before already does.
    pub fn start(&self, before: Option<&Self>) {
        let Some(jwks) = &self.jwks else { return };
        let is_running =
            before.and_then(|before| before.jwks.as_ref()).is_some_and(|running| Arc::ptr_eq(running, jwks));
        if !is_running {
            tokio::spawn(Jwks::run(Arc::downgrade(jwks)));
        }
    }

    /// What a request says of who sent it, whatever page it came from.
    pub fn credential(&self, parts: &Parts, cookie_name: &str) -> (Credential, TokenSource) {
        match find_token(parts, cookie_name) {
            None => (Credential::Nothing, TokenSource::Frame),
            Some((token, TokenSource::Cookie)) => match cookie_pair(&parts.headers, cookie_name) {
                Some(pair) if self.cookies.is_some() => (Credential::Cookie(pair), TokenSource::Cookie),
                Some(_) | None => (Credential::Token(token), TokenSource::Cookie),
            },
            Some((token, source)) => (Credential::Token(token), source),
        }
    }

    /// Says who somebody is; asks others where that is needed, for no longer than they may take.
    pub async fn identify(&self, credential: Credential, now_unix_s: impl Fn() -> u64) -> Verdict {
        let told = |who| Verdict { who: Some(who), cookie: None };
        match credential {
            Credential::Nothing => Verdict { who: None, cookie: None },
            Credential::Refused(error) => told(Err(error)),
            Credential::Token(token) => {
                if let Some(inquiry) = self.inquiry_of_token(token.as_str(), now_unix_s()) {
                    self.settle(&inquiry).await;
                }
                told(self.verifier.verify(token.as_str(), now_unix_s()))
            }
            Credential::Cookie(pair) => match &self.cookies {
                Some(cookies) => self.identify_cookie(cookies, pair).await,
                None => told(Err(AuthError::Missing)),
            },
        }
    }

    async fn identify_cookie(&self, cookies: &CookieHook, pair: Token) -> Verdict {
        let key = cookies.key(pair.as_str());
        if cookies.known(&key).is_none() {
            cookies.settle(&key, pair.as_str(), &self.verifier).await;
        }
        match cookies.known(&key) {
            Some(CookieAnswer::Known(vouched)) => {
                Verdict { who: Some(Ok(cookies.identity(&vouched))), cookie: Some(KnownCookie { key, pair }) }
            }
            Some(CookieAnswer::Nobody) => Verdict { who: Some(Err(AuthError::Cookie)), cookie: None },
            Some(CookieAnswer::Unavailable) | None => Verdict { who: Some(Err(AuthError::Unavailable)), cookie: None },
        }
    }

    /// What has to be asked before a token can be judged; `None` where it can be judged now.
    pub fn inquiry_of_token(&self, token: &str, now_unix_s: u64) -> Option<Inquiry> {
        let jwks = self.jwks.as_ref().filter(|jwks| jwks.may_demand())?;
        let is_open = match self.verifier.verify(token, now_unix_s) {
            Err(AuthError::UnknownKey | AuthError::Algorithm | AuthError::Signature) => {
                self.verifier.may_lack_its_key(token)
            }
            Err(AuthError::Unavailable) => jwks.health().problem.is_none(),
            Ok(_) | Err(_) => false,
        };
        is_open.then_some(Inquiry::Keys)
    }

    /// What a user may do in a room, by their token and what the app says.
    ///
    /// # Errors
    /// What has to be asked before that can be said; `Ok(None)` where it was, in vain.
    pub fn rights(&self, identity: &Identity, room: &RoomId) -> Result<Option<Rights>, Inquiry> {
        let own = identity.grants.rights(room);
        let Some(rooms) = self.rooms.as_ref().filter(|_| !own.reads()) else { return Ok(Some(own)) };
        let user = &identity.profile.user;
        match rooms.known(user, room) {
            Some(RoomAnswer::Rights(rights)) => Ok(Some(own.union(rights))),
            Some(RoomAnswer::Unavailable) => Ok(None),
            None => Err(Inquiry::Room(user.clone(), room.clone())),
        }
    }

    /// Asks, for no longer than that may take. What was asked can be decided then.
    pub async fn settle(&self, inquiry: &Inquiry) {
        match inquiry {
            Inquiry::Keys => {
                if let Some(jwks) = &self.jwks {
                    jwks.demand().await;
                }
            }
            Inquiry::Room(user, room) => {
                if let Some(rooms) = &self.rooms {
                    rooms.settle(user, room).await;
                }
            }
        }
    }

    /// Forgets what others said of a user.
    pub fn forget(&self, user: &UserId) {
        if let Some(cookies) = &self.cookies {
            cookies.forget(user);
        }
        if let Some(rooms) = &self.rooms {
            rooms.forget(user);
        }
    }

    /// How those stand that others are asked for.
    pub fn health(&self) -> AuthorityHealth {
        AuthorityHealth {
            jwks: self.jwks.as_ref().map(|jwks| jwks.health()),
            cookie_hook: self.cookies.as_ref().map(|cookies| cookies.hook().health()),
            room_hook: self.rooms.as_ref().map(|rooms| rooms.hook().health()),
        }
    }
}
