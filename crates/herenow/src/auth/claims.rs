//! What the claims of a token, or the like answer of the app about a cookie, say of a user. Nothing here looks at a
//! signature.
use super::{
    error::AuthError,
    name::shown_name,
    rights::{Grants, Rights},
};
use herenow_core::{id::UserId, pattern::Pattern, profile::Profile};
use http::Uri;
use serde_json::{Map, Value};
use std::{borrow::Cow, sync::Arc};

/// Claims, as they stand in a token.
pub type Claims = Map<String, Value>;

/// Bytes that an avatar's address may have.
pub const AVATAR_BYTES_MAX: usize = 2048;

/// The user as others see them, from `sub`, `name` and `avatar`.
///
/// # Errors
/// [`AuthError::Claim`]: `sub` is missing or no user id, or `name` is no text. An avatar that is no web address is dropped
/// without an error: a picture must not keep a person out.
pub fn profile_of(claims: &Claims) -> Result<Profile, AuthError> {
    let user = user_id(claims.get("sub").unwrap_or(&Value::Null)).map_err(|problem| claim("sub", problem))?;
    let name = match claims.get("name") {
        None | Some(Value::Null) => "",
        Some(Value::String(name)) => name,
        Some(_) => return Err(claim("name", "must be a string")),
    };
    let name = shown_name(name, user.as_str()).into();
    let avatar = claims.get("avatar").and_then(Value::as_str).filter(|text| is_avatar(text)).map(Arc::from);
    Ok(Profile { user, name, avatar })
}

/// What the user may do, from `rooms`, `watch`, `invisible` and `admin`; `None` where none of them is there, so that the
/// default holds. `default_rooms` is what counts where `rooms` alone is missing.
///
/// # Errors
/// [`AuthError::Claim`].
pub fn grants_of(claims: &Claims, default_rooms: &Grants) -> Result<Option<Grants>, AuthError> {
    let (rooms, watch) = (given(claims, "rooms"), given(claims, "watch"));
    let (is_invisible, is_admin) = (flag(claims, "invisible")?, flag(claims, "admin")?);
    if rooms.is_none() && watch.is_none() && !is_invisible && !is_admin {
        return Ok(None);
    }
    let mut grants = rooms.map_or_else(|| Ok(default_rooms.clone()), rooms_of)?;
    if let Some(watch) = watch {
        grants = grants.watching(watch_of(watch)?);
    }
    if is_invisible {
        grants = grants.invisible();
    }
    if is_admin {
        grants = grants.admin();
    }
    Ok(Some(grants))
}

/// Checks `aud`: where audiences are wanted, it names one of them; where none are, it is absent or names `own`.
///
/// # Errors
/// [`AuthError::Claim`].
pub fn check_audience(claims: &Claims, wanted: &[String], own: &str) -> Result<(), AuthError> {
    let is_us = |value: &Value| match value.as_str() {
        Some(name) if wanted.is_empty() => name == own,
        Some(name) => wanted.iter().any(|audience| audience == name),
        None => false,
    };
    match claims.get("aud") {
        None | Some(Value::Null) if wanted.is_empty() => Ok(()),
        None | Some(Value::Null) => Err(claim("aud", "is missing; this server takes tokens for its own audience only")),
        Some(Value::Array(audiences)) if audiences.iter().any(is_us) => Ok(()),
        Some(audience) if is_us(audience) => Ok(()),
        Some(_) if wanted.is_empty() => Err(claim("aud", "names somebody else; leave it out or put `herenow` in it")),
        Some(_) => Err(claim("aud", "names somebody else than auth.audience of this server")),
    }
}

/// Checks `iss`, where issuers are wanted.
///
/// # Errors
/// [`AuthError::Claim`].
pub fn check_issuer(claims: &Claims, wanted: &[String]) -> Result<(), AuthError> {
    let issuer = claims.get("iss").and_then(Value::as_str);
    if wanted.is_empty() || issuer.is_some_and(|issuer| wanted.iter().any(|known| known == issuer)) {
        return Ok(());
    }
    Err(claim("iss", "is none of those in auth.issuer of this server"))
}

pub(super) fn claim(claim: &'static str, problem: impl Into<Cow<'static, str>>) -> AuthError {
    AuthError::Claim { claim, problem: problem.into() }
}

/// A time claim in whole seconds (a fraction is cut off), or none if it is not there.
///
/// # Errors
/// [`AuthError::Claim`]: it is no number of seconds since 1970, or one after the year 5000.
pub fn seconds(name: &'static str, claims: &Claims) -> Result<Option<u64>, AuthError> {
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
fn flag(claims: &Claims, name: &'static str) -> Result<bool, AuthError> {
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

fn rooms_of(rooms: &Value) -> Result<Grants, AuthError> {
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

pub(super) fn rights_of(names: &Value) -> Result<Rights, AuthError> {
    let wrong = || claim("rooms", "must list rights out of `join`, `observe`, `type`, `message` and `update`");
    let names = names.as_array().ok_or_else(wrong)?;
    names.iter().try_fold(Rights::NONE, |rights, name| {
        name.as_str().and_then(Rights::named).map(|right| rights.union(right)).ok_or_else(wrong)
    })
}

/// Whether a text is an address that a page may load a picture from: absolute, of a scheme that runs no script, without
/// credentials, and without characters that could end an attribute.
pub fn is_avatar(text: &str) -> bool {
    text.len() <= AVATAR_BYTES_MAX
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
