//! `POST /guest/token`: where guests are allowed, a token for whoever asks. A guest has an id and a name drawn at random,
//! which a page keeps for its session by keeping the token; what guests may do is set by the operator, not by the token.
use super::{
    address::{Network, client_address, household},
    error::AuthError,
    name::shown_name,
    origin::OriginPolicy,
    secret::Secret,
    token::{GuestRules, Verifier},
};
use crate::quota::{Quota, QuotaError};
use herenow_core::time::Time;
use http::{HeaderMap, header, request::Parts};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use std::{fmt, net::IpAddr, time::Duration};

/// Makes guests.
pub struct Guests {
    key: EncodingKey,
    quota: Quota,
    proxies: Vec<Network>,
}

/// A guest, with a token that proves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Guest {
    /// The token.
    pub token: String,
    /// Who it is.
    pub user: GuestUser,
    /// When the token ends.
    pub expires_at_ms: u64,
}

/// Who a guest is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GuestUser {
    /// The user id: `guest-` and 16 hexadecimal digits.
    pub id: String,
    /// What to show.
    pub name: String,
}

/// Why somebody is no guest.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GuestError {
    /// The page or the token is no good.
    Auth(AuthError),
    /// From this address, as many guests have come of late as may.
    TooMany {
        /// How many may come in [`Guests::WINDOW`].
        per_address: usize,
        /// When to try again.
        retry_after: Duration,
    },
    /// The system has no random bytes.
    NoRandom,
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    name: &'a str,
    iat: u64,
    exp: u64,
}

impl Guests {
    /// How long a token lasts. A page renews it before that, and stays the same guest.
    pub const TOKEN_TTL: Duration = Duration::from_secs(3600);
    /// The time in which guests of one address are counted.
    pub const WINDOW: Duration = Duration::from_secs(600);
    /// What the id of each guest begins with.
    pub const ID_PREFIX: &'static str = "guest-";

    /// Makes guests whose tokens the verifier of the same rules takes. At most `per_address` new ones come from one address
    /// in [`Self::WINDOW`]; where [`Quota::ADDRESSES_MAX`] addresses are counted, no others are let in.
    pub fn new(rules: &GuestRules, per_address: usize, proxies: Vec<Network>) -> Self {
        let key = EncodingKey::from_secret(rules.secret.as_bytes());
        Self { key, quota: Quota::new(per_address, Self::WINDOW), proxies }
    }

    /// The secret for guests that goes with one for tokens: the same on each server that has that one, and of no use for
    /// anything else.
    pub fn secret_of(secret: &Secret) -> Secret {
        let key = EncodingKey::from_secret(secret.as_bytes());
        let derived = jsonwebtoken::crypto::sign(b"herenow guests", &key, Algorithm::HS256);
        Secret::parse(&derived.expect("an HMAC key signs anything")).expect("43 letters and digits are a secret")
    }

    /// Makes a guest, or renews the token of the one that asks with a token of theirs.
    ///
    /// # Errors
    /// See [`GuestError`].
    pub fn admit(&self, asked: &GuestRequest<'_>, verifier: &Verifier, now: Time) -> Result<Guest, GuestError> {
        asked.policy.check_page(&asked.parts.headers).map_err(GuestError::Auth)?;
        let now_unix_s = now.as_millis() / 1000;
        if let Some(token) = bearer(&asked.parts.headers) {
            let known = verifier.verify_guest(token, now_unix_s).map_err(GuestError::Auth)?;
            let name = asked.name.map_or_else(|| known.profile.name.to_string(), |name| shown_name(name, ""));
            return Ok(self.sign(known.profile.user.as_str().to_owned(), name, now_unix_s));
        }
        if let Some(address) = client_address(asked.parts, &self.proxies) {
            self.count(household(address), now)?;
        }
        let random = getrandom::u64().map_err(|_| GuestError::NoRandom)?;
        let drawn = random_name(getrandom::u64().map_err(|_| GuestError::NoRandom)?);
        let name = asked.name.map_or_else(|| drawn.clone(), |name| shown_name(name, &drawn));
        Ok(self.sign(format!("{}{random:016x}", Self::ID_PREFIX), name, now_unix_s))
    }

    fn sign(&self, id: String, name: String, now_unix_s: u64) -> Guest {
        let exp = now_unix_s + Self::TOKEN_TTL.as_secs();
        let header = Header { kid: Some(Verifier::GUEST_KEY_ID.to_owned()), ..Header::new(Algorithm::HS256) };
        let claims = Claims { sub: &id, name: &name, iat: now_unix_s, exp };
        let token = jsonwebtoken::encode(&header, &claims, &self.key)
            .expect("texts and numbers always serialize, and an HMAC key signs anything");
        Guest { token, user: GuestUser { id, name }, expires_at_ms: exp * 1000 }
    }

    fn count(&self, address: IpAddr, now: Time) -> Result<(), GuestError> {
        self.quota.count(address, now).map_err(|error| GuestError::TooMany {
            per_address: self.quota.per_address(),
            retry_after: match error {
                QuotaError::Over(wait) => wait,
                QuotaError::Full => Self::WINDOW,
            },
        })
    }
}

/// What somebody asks who wants to be a guest.
#[derive(Clone, Copy, Debug)]
pub struct GuestRequest<'a> {
    /// The request; with a guest's token as `Authorization: Bearer`, that one is renewed.
    pub parts: &'a Parts,
    /// What to be called.
    pub name: Option<&'a str>,
    /// Which pages may ask.
    pub policy: &'a OriginPolicy,
}

impl fmt::Debug for Guests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guests").field("per_address", &self.quota.per_address()).finish_non_exhaustive()
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn random_name(random: u64) -> String {
    let (kind, animal) = (random as usize % KINDS.len(), (random >> 32) as usize % ANIMALS.len());
    format!("{} {}", KINDS[kind], ANIMALS[animal])
}

const KINDS: [&str; 16] = [
    "Calm", "Bright", "Brave", "Curious", "Gentle", "Happy", "Kind", "Lively", "Merry", "Nimble", "Patient", "Quick",
    "Quiet", "Sunny", "Swift", "Wise",
];
const ANIMALS: [&str; 32] = [
    "Badger", "Beaver", "Bison", "Crane", "Deer", "Dolphin", "Eagle", "Falcon", "Fox", "Gecko", "Hare", "Hedgehog",
    "Heron", "Ibex", "Koala", "Lemur", "Lynx", "Marten", "Mole", "Newt", "Otter", "Owl", "Panda", "Penguin", "Puffin",
    "Raven", "Robin", "Seal", "Swan", "Tapir", "Turtle", "Wombat",
];

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn the_key_for_guests_is_another_one_and_always_the_same() {
        let secret = Secret::generate().unwrap();
        assert_eq!(Guests::secret_of(&secret), Guests::secret_of(&secret));
        assert_ne!(Guests::secret_of(&secret), secret);
    }
}
