//! Makes tokens: for `herenow token`, for dev mode, for tests. Apps make their own, with any JWT library.
use super::{rights::Rights, secret::Secret};
use herenow_core::{id::UserId, pattern::Pattern};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use std::{collections::BTreeMap, fmt, time::Duration};

/// What a token shall say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest {
    /// Whose it is.
    pub user: UserId,
    /// What to show; the user id if none.
    pub name: Option<String>,
    /// Address of a picture.
    pub avatar: Option<String>,
    /// What it gives where; `None`: what the server's `auth.default_rooms` says.
    pub rooms: Option<Vec<(Pattern, Rights)>>,
    /// Whether the user sees without being seen.
    pub is_invisible: bool,
    /// Seconds since the Unix epoch at which it is made.
    pub now_unix_s: u64,
    /// How long it lasts; part of a second is cut off.
    pub ttl: Duration,
}

/// Signs tokens with HS256.
#[derive(Clone)]
pub struct Signer {
    key: EncodingKey,
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rooms: Option<BTreeMap<String, Vec<&'static str>>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    invisible: bool,
    iat: u64,
    exp: u64,
}

impl Signer {
    /// Signs with this secret.
    pub fn new(secret: &Secret) -> Self {
        Self { key: EncodingKey::from_secret(secret.as_bytes()) }
    }

    /// Makes a token. Of equal patterns the last one's rights count. It may be longer than a verifier takes where it
    /// lists hundreds of patterns.
    pub fn mint(&self, request: &TokenRequest) -> String {
        let named = |rooms: &[(Pattern, Rights)]| {
            rooms.iter().map(|(pattern, rights)| (pattern.as_str().to_owned(), rights.names().collect())).collect()
        };
        let claims = Claims {
            sub: request.user.as_str(),
            name: request.name.as_deref(),
            avatar: request.avatar.as_deref(),
            rooms: request.rooms.as_deref().map(named),
            invisible: request.is_invisible,
            iat: request.now_unix_s,
            exp: request.now_unix_s.saturating_add(request.ttl.as_secs()),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.key)
            .expect("texts and numbers always serialize, and an HMAC key signs anything")
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(hidden)")
    }
}
