//! Verifies tokens: JWTs that the app signed with the secret it shares with this server. The clock is the caller's.
use super::{
    error::AuthError,
    name::shown_name,
    rights::{Grants, GrantsPool, Pattern, Rights},
    secret::Secret,
};
use herenow_core::{id::UserId, profile::Profile, time::Time};
use http::Uri;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, errors::ErrorKind};
use serde_json::{Map, Value};
use std::{borrow::Cow, sync::Arc, time::Duration};

/// Who a client is, as its token proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user as others see them.
    pub profile: Arc<Profile>,
    /// What the user may do, and where; shared with others who may do the same.
    pub grants: Arc<Grants>,
    /// The token's `exp`: what a client is told.
    pub expires_at: Time,
}

impl Identity {
    /// When a connection of this identity ends unless its token is renewed: [`Verifier::LEEWAY`] after `expires_at`,
    /// the last moment at which the token would still be taken.
    pub fn ends_at(&self) -> Time {
        self.expires_at + Verifier::LEEWAY
    }
}

/// Tells good tokens from bad ones. Cheap to share behind an `Arc`; verifying takes some microseconds and no lock
/// but a short one on the grants in use.
pub struct Verifier {
    key: DecodingKey,
    validation: Validation,
    default_rooms: Arc<Grants>,
    pool: GrantsPool,
}

impl Verifier {
    /// Bytes that a token may have; a longer one is refused unread. Cookies and most proxies allow no more either.
    pub const TOKEN_BYTES_MAX: usize = 8192;
    /// By how much the app's clock and ours may differ, for `exp` and `nbf`.
    pub const LEEWAY: Duration = Duration::from_secs(5);
    /// Bytes that an avatar's address may have.
    pub const AVATAR_BYTES_MAX: usize = 2048;
    /// The audience that a token with an `aud` has to name: others were made for somebody else.
    pub const AUDIENCE: &'static str = "herenow";

    /// Takes tokens signed with HS256 and this secret, and no others. `default_rooms` is what tokens without `rooms`
    /// give.
    pub fn new(secret: &Secret, default_rooms: Grants) -> Self {
        // The time claims are checked here, against the caller's clock; the audience too, for its errors.
        let mut validation = Validation::new(Algorithm::HS256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        Self {
            key: DecodingKey::from_secret(secret.as_bytes()),
            validation,
            default_rooms: Arc::new(default_rooms),
            pool: GrantsPool::default(),
        }
    }

    /// Says who the bearer of a token is. The algorithm is that of the configured key, whatever the token says; no
    /// claim is read before the signature was found good. Claims that are not named here are ignored.
    ///
    /// - `sub`: the user id, a text or a whole number (which becomes its decimal text, up to 2^53).
    /// - `name`: what to show, cleaned; without one, or with nothing left of it, the user id.
    /// - `avatar`: an `http` or `https` address of at most [`Self::AVATAR_BYTES_MAX`] bytes. Another one is dropped
    ///   without an error: a picture must not keep a person out.
    /// - `exp`: needed. `nbf`: if there. Both in seconds since the Unix epoch, with [`Self::LEEWAY`].
    /// - `aud`: if there, it names [`Self::AUDIENCE`].
    /// - `watch`: a list of patterns of user ids whose green dots may be watched; without it, all may.
    /// - `invisible`: true for who sees without being seen.
    /// - `admin`: true for an operator, who may ask why somebody is shown.
    /// - `rooms`: a list of patterns, each with [`Rights::DEFAULT`], or an object of patterns with lists of rights.
    ///
    /// # Errors
    /// Any of [`AuthError`] but those on origin and host.
    pub fn verify(&self, token: &str, now_unix_s: u64) -> Result<Identity, AuthError> {
        let claims = self.verified_claims(token)?;
        check_audience(&claims)?;
        let expires_at_s = self.check_times(&claims, now_unix_s)?;
        let user = user_of(&claims)?;
        let name = match claims.get("name") {
            None | Some(Value::Null) => "",
            Some(Value::String(name)) => name,
            Some(_) => return Err(claim("name", "must be a string")),
        };
        let name = shown_name(name, user.as_str()).into();
        let avatar = claims.get("avatar").and_then(Value::as_str).filter(|text| is_avatar(text)).map(Arc::from);
        let grants = self.grants(&claims)?;
        let expires_at = Time::from_millis(expires_at_s * 1000);
        Ok(Identity { profile: Arc::new(Profile { user, name, avatar }), grants, expires_at })
    }

    fn grants(&self, claims: &Map<String, Value>) -> Result<Arc<Grants>, AuthError> {
        let (rooms, watch) = (given(claims, "rooms"), given(claims, "watch"));
        let (is_invisible, is_admin) = (flag(claims, "invisible")?, flag(claims, "admin")?);
        if rooms.is_none() && watch.is_none() && !is_invisible && !is_admin {
            return Ok(Arc::clone(&self.default_rooms));
        }
        let mut grants = rooms.map_or_else(|| Ok(Grants::clone(&self.default_rooms)), grants_of)?;
        if let Some(watch) = watch {
            grants = grants.watching(watch_of(watch)?);
        }
        if is_invisible {
            grants = grants.invisible();
        }
        if is_admin {
            grants = grants.admin();
        }
        Ok(self.pool.share(grants))
    }

    fn verified_claims(&self, token: &str) -> Result<Map<String, Value>, AuthError> {
        if token.is_empty() {
            return Err(AuthError::Missing);
        }
        if token.len() > Self::TOKEN_BYTES_MAX {
            return Err(AuthError::TooLong { bytes: token.len(), bytes_max: Self::TOKEN_BYTES_MAX });
        }
        let data =
            jsonwebtoken::decode::<Map<String, Value>>(token, &self.key, &self.validation).map_err(
                |error| match error.kind() {
                    ErrorKind::InvalidAlgorithm => AuthError::Algorithm,
                    ErrorKind::InvalidSignature => AuthError::Signature,
                    _ => AuthError::Malformed,
                },
            )?;
        if data.header.crit.is_some() {
            return Err(AuthError::Critical);
        }
        Ok(data.claims)
    }

    /// The seconds of `exp`, once the time is right.
    fn check_times(&self, claims: &Map<String, Value>, now_unix_s: u64) -> Result<u64, AuthError> {
        let leeway_s = Self::LEEWAY.as_secs();
        let expires_at_s = seconds("exp", claims)?.ok_or_else(|| claim("exp", "is missing; each token has to end"))?;
        if now_unix_s > expires_at_s + leeway_s {
            return Err(AuthError::Expired { ago_s: now_unix_s - expires_at_s });
        }
        match seconds("nbf", claims)? {
            Some(from_s) if from_s > now_unix_s + leeway_s => Err(AuthError::NotYet { in_s: from_s - now_unix_s }),
            Some(_) | None => Ok(expires_at_s),
        }
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("default_rooms", &self.default_rooms).finish_non_exhaustive()
    }
}

fn claim(claim: &'static str, problem: impl Into<Cow<'static, str>>) -> AuthError {
    AuthError::Claim { claim, problem: problem.into() }
}

fn check_audience(claims: &Map<String, Value>) -> Result<(), AuthError> {
    let is_us = |value: &Value| value.as_str() == Some(Verifier::AUDIENCE);
    match claims.get("aud") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Array(audiences)) if audiences.iter().any(is_us) => Ok(()),
        Some(audience) if is_us(audience) => Ok(()),
        Some(_) => Err(claim("aud", "names somebody else; leave it out or put `herenow` in it")),
    }
}

/// A time claim in whole seconds (a fraction is cut off), or none if it is not there.
fn seconds(name: &'static str, claims: &Map<String, Value>) -> Result<Option<u64>, AuthError> {
    let number = match claims.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number,
        Some(_) => return Err(claim(name, "must be a number of seconds since 1970")),
    };
    // A cast from a float saturates, so that what is absurdly far away is caught by the comparison below.
    let seconds =
        number.as_u64().or_else(|| number.as_f64().filter(|seconds| *seconds >= 0.0).map(|seconds| seconds as u64));
    match seconds {
        None => Err(claim(name, "is negative; it must be a number of seconds since 1970")),
        Some(seconds) if seconds > SECONDS_MAX => {
            Err(claim(name, "is after the year 5000; it must be in seconds, not in milliseconds"))
        }
        Some(seconds) => Ok(Some(seconds)),
    }
}

/// The user id of a `sub`.
///
/// # Errors
/// It is not there, or not what `Verifier::verify` says.
fn user_of(claims: &Map<String, Value>) -> Result<UserId, AuthError> {
    user_id(claims.get("sub").unwrap_or(&Value::Null)).map_err(|problem| claim("sub", problem))
}

/// Takes a user id as JSON: a text of 1 to 128 bytes without control characters, or a whole number up to 2^53, which
/// becomes its decimal text.
///
/// # Errors
/// What is wrong, as the rest of a sentence that begins with the id.
pub fn user_id(value: &Value) -> Result<UserId, Cow<'static, str>> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) if whole.unsigned_abs() <= WHOLE_MAX => whole.to_string(),
            Some(_) | None => return Err("must be a whole number up to 2^53, or a string".into()),
        },
        Value::Null => return Err("is missing; it is the user's id".into()),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => return Err("must be a string or a whole number".into()),
    };
    UserId::parse(&text).map_err(|error| error.to_string().into())
}

/// A claim that is there and not null.
fn given<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    claims.get(name).filter(|value| !value.is_null())
}

/// A claim that is true or false; false where it is absent.
fn flag(claims: &Map<String, Value>, name: &'static str) -> Result<bool, AuthError> {
    match given(claims, name) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(claim(name, "must be true or false")),
    }
}

fn watch_of(watch: &Value) -> Result<Vec<Pattern>, AuthError> {
    let wrong = || claim("watch", "must be a list of at most 256 patterns of user ids");
    let list = watch.as_array().filter(|list| list.len() <= Grants::PATTERNS_MAX).ok_or_else(wrong)?;
    let pattern = |text: &Value| text.as_str().and_then(|text| Pattern::parse(text).ok()).ok_or_else(wrong);
    list.iter().map(pattern).collect()
}

fn grants_of(rooms: &Value) -> Result<Grants, AuthError> {
    let wrong = |problem: String| claim("rooms", problem);
    let pattern = |text: &str| Pattern::parse(text).map_err(|error| wrong(format!("is wrong: {error}")));
    let patterns: Vec<(Pattern, Rights)> = match rooms {
        Value::Array(list) if list.len() <= Grants::PATTERNS_MAX => list
            .iter()
            .map(|text| text.as_str().ok_or_else(|| wrong("must list room patterns as strings".into())))
            .map(|text| Ok((pattern(text?)?, Rights::DEFAULT)))
            .collect::<Result<_, AuthError>>()?,
        Value::Object(map) if map.len() <= Grants::PATTERNS_MAX => map
            .iter()
            .map(|(text, rights)| Ok((pattern(text)?, rights_of(rights)?)))
            .collect::<Result<_, AuthError>>()?,
        Value::Array(_) | Value::Object(_) => {
            return Err(wrong(format!("has more than {} room patterns", Grants::PATTERNS_MAX)));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            return Err(wrong("must be a list of room patterns, or an object of patterns with lists of rights".into()));
        }
    };
    Ok(Grants::new(patterns))
}

fn rights_of(names: &Value) -> Result<Rights, AuthError> {
    let wrong = || claim("rooms", "must list rights out of `join`, `observe`, `type`, `message` and `update`");
    let names = names.as_array().ok_or_else(wrong)?;
    names.iter().try_fold(Rights::NONE, |rights, name| {
        name.as_str().and_then(Rights::named).map(|right| rights.union(right)).ok_or_else(wrong)
    })
}

/// Whether a text is an address that a page may load a picture from: absolute, of a scheme that runs no script, without
/// credentials, and without characters that could end an attribute.
pub fn is_avatar(text: &str) -> bool {
    text.len() <= Verifier::AVATAR_BYTES_MAX
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'<>\\^`{|}".contains(&byte))
        && text.parse::<Uri>().is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.authority().is_some_and(|host| !host.as_str().contains('@'))
        })
}

/// The largest whole number that JSON readers agree on.
const WHOLE_MAX: u64 = 1 << 53;
/// In the year 5138: a time claim beyond it was meant in milliseconds. Far from overflow as milliseconds.
const SECONDS_MAX: u64 = 100_000_000_000;
