//! Verifies tokens: JWTs that the app signed with one of the keys that this server knows. The clock is the caller's.
use super::{
    claims::{self, Claims, claim, seconds},
    error::AuthError,
    jwks::Jwks,
    keys::{KeySet, TokenKey},
    revoked::{Issued, Revocations},
    rights::{Grants, GrantsPool},
    secret::Secret,
};
use herenow_core::{profile::Profile, time::Time};
use jsonwebtoken::{Validation, errors::ErrorKind};
use std::{sync::Arc, time::Duration};

/// Who a client is, as its token proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user as others see them.
    pub profile: Arc<Profile>,
    /// What the user may do, and where; shared with others who may do the same.
    pub grants: Arc<Grants>,
    /// The token's `exp`: what a client is told.
    pub expires_at: Time,
    /// The token's `iat`, or when the app vouched for them, in seconds since the Unix epoch; `None` where nobody knows.
    pub issued_at_s: Option<u64>,
}

impl Identity {
    /// When a connection of this identity ends unless its token is renewed: [`Verifier::LEEWAY`] after `expires_at`,
    /// the last moment at which the token would still be taken.
    pub fn ends_at(&self) -> Time {
        self.expires_at + Verifier::LEEWAY
    }
}

/// What a [`Verifier`] goes by.
#[derive(Clone, Debug, Default)]
pub struct VerifierSetup {
    /// Keys of the configuration.
    pub keys: KeySet,
    /// Keys of an address, besides those.
    pub jwks: Option<Arc<Jwks>>,
    /// What tokens without `rooms` give.
    pub default_rooms: Grants,
    /// Audiences, one of which tokens have to name; empty: `aud` may be absent, and otherwise names [`Verifier::AUDIENCE`].
    pub audience: Vec<String>,
    /// Issuers, one of which tokens have to name; empty: any.
    pub issuer: Vec<String>,
    /// How tokens of guests are signed, and what they give; `None`: there are no guests.
    pub guests: Option<GuestRules>,
    /// What was withdrawn before its time.
    pub revoked: Arc<Revocations>,
}

/// What tokens of guests are.
#[derive(Clone, Debug)]
pub struct GuestRules {
    /// Signs them; nobody else has it.
    pub secret: Secret,
    /// What they give, whatever they say.
    pub grants: Arc<Grants>,
}

/// Tells good tokens from bad ones. Cheap to share behind an `Arc`; verifying takes some microseconds (some tens with RSA),
/// and no lock but short ones.
pub struct Verifier {
    keys: KeySet,
    jwks: Option<Arc<Jwks>>,
    default_rooms: Arc<Grants>,
    audience: Vec<String>,
    issuer: Vec<String>,
    guests: Option<(TokenKey, Arc<Grants>)>,
    revoked: Arc<Revocations>,
    pool: GrantsPool,
}

impl Verifier {
    /// Bytes that a token may have; a longer one is refused unread. Cookies and most proxies allow no more either.
    pub const TOKEN_BYTES_MAX: usize = 8192;
    /// By how much the app's clock and ours may differ, for `exp` and `nbf`.
    pub const LEEWAY: Duration = Duration::from_secs(5);
    /// The audience that a token with an `aud` has to name where none is configured: others were made for somebody else.
    pub const AUDIENCE: &'static str = "herenow";
    /// What tokens of guests call their key.
    pub const GUEST_KEY_ID: &'static str = "herenow-guest";

    /// Takes tokens signed with HS256 and this secret, and no others. `default_rooms` is what tokens without `rooms`
    /// give.
    pub fn new(secret: &Secret, default_rooms: Grants) -> Self {
        let keys = KeySet::new(vec![TokenKey::of_secret(secret)]).expect("one key is not too many");
        Self::with(VerifierSetup { keys, default_rooms, ..VerifierSetup::default() })
    }

    /// Takes tokens as the setup says, and no others.
    pub fn with(setup: VerifierSetup) -> Self {
        let VerifierSetup { keys, jwks, default_rooms, audience, issuer, guests, revoked } = setup;
        let guests = guests.map(|guests| (TokenKey::of_secret(&guests.secret), guests.grants));
        let (default_rooms, pool) = (Arc::new(default_rooms), GrantsPool::default());
        Self { keys, jwks, default_rooms, audience, issuer, guests, revoked, pool }
    }

    /// Says who the bearer of a token is. The algorithm is that of the key, whatever the token says; no claim is read before
    /// the signature was found good. Of its header only `kid` counts, to choose among the keys that are known already.
    /// Claims that are not named here are ignored.
    ///
    /// - `sub`: the user id, a text or a whole number (which becomes its decimal text, up to 2^53).
    /// - `name`: what to show, cleaned; without one, or with nothing left of it, the user id.
    /// - `avatar`: an `http` or `https` address of at most [`claims::AVATAR_BYTES_MAX`] bytes. Another one is dropped
    ///   without an error: a picture must not keep a person out.
    /// - `exp`: needed. `nbf`: if there. Both in seconds since the Unix epoch, with [`Self::LEEWAY`].
    /// - `aud`, `iss`: see [`VerifierSetup`].
    /// - `iat`, `jti`: what the token may be withdrawn by.
    /// - `watch`: a list of patterns of user ids whose green dots may be watched; without it, all may.
    /// - `invisible`: true for who sees without being seen.
    /// - `admin`: true for an operator, who may ask why somebody is shown.
    /// - `rooms`: a list of patterns, each with the default rights, or an object of patterns with lists of rights.
    ///
    /// # Errors
    /// Any of [`AuthError`] but those on origin, host and cookie.
    pub fn verify(&self, token: &str, now_unix_s: u64) -> Result<Identity, AuthError> {
        let (claims, guest_grants) = self.verified_claims(token)?;
        if guest_grants.is_none() {
            claims::check_audience(&claims, &self.audience, Self::AUDIENCE)?;
            claims::check_issuer(&claims, &self.issuer)?;
        }
        let expires_at_s = check_times(&claims, now_unix_s)?;
        let profile = claims::profile_of(&claims)?;
        let issued = Issued {
            user: &profile.user,
            at_s: seconds("iat", &claims)?,
            token: claims.get("jti").and_then(serde_json::Value::as_str),
        };
        if self.revoked.covers(issued, now_unix_s) {
            return Err(AuthError::Revoked);
        }
        let grants = match guest_grants {
            Some(grants) => grants,
            None => self.grants(&claims)?,
        };
        let (expires_at, issued_at_s) = (Time::from_millis(expires_at_s * 1000), issued.at_s);
        Ok(Identity { profile: Arc::new(profile), grants, expires_at, issued_at_s })
    }

    /// As [`Self::verify`], for tokens of guests alone.
    ///
    /// # Errors
    /// As [`Self::verify`]; [`AuthError::UnknownKey`] for any other token.
    pub fn verify_guest(&self, token: &str, now_unix_s: u64) -> Result<Identity, AuthError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| AuthError::Malformed)?;
        if header.kid.as_deref() != Some(Self::GUEST_KEY_ID) {
            return Err(AuthError::UnknownKey);
        }
        self.verify(token, now_unix_s)
    }

    /// What the claims of somebody who was vouched for give; shared with others who may do the same.
    ///
    /// # Errors
    /// [`AuthError::Claim`].
    pub fn grants(&self, claims: &Claims) -> Result<Arc<Grants>, AuthError> {
        let grants = claims::grants_of(claims, &self.default_rooms)?;
        Ok(grants.map_or_else(|| Arc::clone(&self.default_rooms), |grants| self.pool.share(grants)))
    }

    /// Whether keys that are not known yet might say otherwise about a token that was found bad.
    pub fn may_lack_its_key(&self, token: &str) -> bool {
        let Some(jwks) = &self.jwks else { return false };
        let header = jsonwebtoken::decode_header(token).ok();
        header.is_some_and(|header| header.kid.is_none_or(|id| !jwks.names(&id) && !self.keys.names(&id)))
    }

    /// The claims once the signature was found good, and what they give where they are a guest's.
    fn verified_claims(&self, token: &str) -> Result<(Claims, Option<Arc<Grants>>), AuthError> {
        if token.is_empty() {
            return Err(AuthError::Missing);
        }
        if token.len() > Self::TOKEN_BYTES_MAX {
            return Err(AuthError::TooLong { bytes: token.len(), bytes_max: Self::TOKEN_BYTES_MAX });
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| AuthError::Malformed)?;
        if header.kid.as_deref() == Some(Self::GUEST_KEY_ID) {
            let (key, grants) = self.guests.as_ref().ok_or(AuthError::UnknownKey)?;
            return Ok((decoded(token, key)?, Some(Arc::clone(grants))));
        }
        let named = |key: &&TokenKey| match (key.id(), &header.kid) {
            (Some(id), Some(named)) => id == named,
            (None, _) | (_, None) => true,
        };
        let mut error = AuthError::UnknownKey;
        for key in self.keys.iter().filter(named) {
            match decoded(token, key) {
                Ok(claims) => return Ok((claims, None)),
                Err(other) => error = telling(error, other),
            }
        }
        let is_own = header.kid.as_deref().is_some_and(|id| self.keys.names(id));
        let Some(jwks) = self.jwks.as_ref().filter(|_| !is_own) else { return Err(error) };
        // Without good keys nothing can be said of a token that another key may have signed.
        let fetched = jwks.keys().ok_or(AuthError::Unavailable)?;
        for key in fetched.iter().filter(named) {
            match decoded(token, key) {
                Ok(claims) => return Ok((claims, None)),
                Err(other) => error = telling(error, other),
            }
        }
        Err(error)
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fields = (&self.keys, &self.default_rooms);
        f.debug_struct("Verifier").field("keys", fields.0).field("default_rooms", fields.1).finish_non_exhaustive()
    }
}

/// The claims of a token that this key signed, by the algorithm of this key.
///
/// An HMAC is compared in constant time: `aws_lc_rs::hmac::verify`, which `jsonwebtoken` calls, does so.
fn decoded(token: &str, key: &TokenKey) -> Result<Claims, AuthError> {
    // The time claims are checked against the caller's clock; the audience elsewhere, for its errors.
    let mut validation = Validation::new(key.algorithm().known());
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    let data = jsonwebtoken::decode::<Claims>(token, &key.key, &validation).map_err(|error| match error.kind() {
        ErrorKind::InvalidAlgorithm => AuthError::Algorithm,
        ErrorKind::InvalidSignature => AuthError::Signature,
        _ => AuthError::Malformed,
    })?;
    if data.header.crit.is_some() {
        return Err(AuthError::Critical);
    }
    Ok(data.claims)
}

/// Of what two keys say of a token, that which helps most to find the mistake.
fn telling(one: AuthError, other: AuthError) -> AuthError {
    let rank = |error: &AuthError| match error {
        AuthError::UnknownKey => 0,
        AuthError::Algorithm => 1,
        AuthError::Signature => 2,
        _ => 3,
    };
    if rank(&other) > rank(&one) { other } else { one }
}

/// The seconds of `exp`, once the time is right.
fn check_times(claims: &Claims, now_unix_s: u64) -> Result<u64, AuthError> {
    let leeway_s = Verifier::LEEWAY.as_secs();
    let expires_at_s = seconds("exp", claims)?.ok_or_else(|| claim("exp", "is missing; each token has to end"))?;
    if now_unix_s > expires_at_s + leeway_s {
        return Err(AuthError::Expired { ago_s: now_unix_s - expires_at_s });
    }
    match seconds("nbf", claims)? {
        Some(from_s) if from_s > now_unix_s + leeway_s => Err(AuthError::NotYet { in_s: from_s - now_unix_s }),
        Some(_) | None => Ok(expires_at_s),
    }
}
