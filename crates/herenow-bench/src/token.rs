//! Client tokens of the benchmark: minted here, checked by both servers.
use anyhow::{Context, Result};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use std::time::{SystemTime, UNIX_EPOCH};

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// User id.
    pub sub: String,
    /// Display name.
    pub name: String,
    /// When it expires, in seconds since the Unix epoch.
    pub exp: u64,
    /// Patterns of the rooms that it is for.
    pub rooms: Vec<String>,
}

/// Makes a token for a user, good in all rooms for a day.
///
/// # Errors
/// Where the clock stands before 1970, or the signing fails.
pub fn mint(user: &str, name: &str, secret: &str) -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock stands before 1970")?;
    let rooms = vec!["*".to_owned()];
    let claims = Claims { sub: user.to_owned(), name: name.to_owned(), exp: now.as_secs() + 86_400, rooms };
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).context("cannot sign a token")
}

/// Reads a token of [`mint`].
///
/// # Errors
/// Where it is not one, or expired.
pub fn verify(token: &str, secret: &str) -> Result<Claims, jsonwebtoken::errors::Error> {
    let key = DecodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::decode(token, &key, &Validation::new(Algorithm::HS256)).map(|data| data.claims)
}

/// Secret of the servers under test. They listen on loopback and live for seconds.
pub const SECRET: &str = "benchmarks-only-0123456789-abcdefghijklmnopqrstuvwxyz";

#[cfg(test)]
mod tests {
    use super::{SECRET, mint, verify};

    #[test]
    fn a_token_is_read_back_and_a_changed_one_is_not() {
        let token = mint("u1", "User 1", SECRET).unwrap();
        let claims = verify(&token, SECRET).unwrap();
        assert_eq!((claims.sub.as_str(), claims.name.as_str(), claims.rooms.len()), ("u1", "User 1", 1));
        let mut changed = token.into_bytes();
        let payload = changed.iter().position(|byte| *byte == b'.').unwrap() + 5;
        changed[payload] ^= 1;
        assert!(verify(&String::from_utf8(changed).unwrap(), SECRET).is_err());
    }
}
