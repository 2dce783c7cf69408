//! The one-time link to the operators' page: printed at start where no configured key opens that page. What it holds is good
//! once and for a while, and gives a key that lives in memory only.
use crate::auth::api_key::{ApiKey, KeyRights};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use herenow_core::time::Time;
use sha2::{Digest, Sha256};
use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use subtle::ConstantTimeEq;

/// What was invited to, and what came of it.
pub struct Invitation {
    hash: [u8; 32],
    until: Time,
    given: Mutex<Option<(ApiKey, Time)>>,
}

/// Why there is no key for a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvitationError {
    /// It is not the code of this server, or of an earlier start of it.
    Unknown,
    /// It was used before.
    Used,
    /// It was not used in time.
    Late,
    /// The system gives no random bytes.
    NoRandom,
}

impl Invitation {
    /// How long the link is good.
    pub const LINK_TTL: Duration = Duration::from_secs(30 * 60);
    /// How long the key that it gives is good.
    pub const KEY_TTL: Duration = Duration::from_secs(12 * 3600);
    /// What logs call that key.
    pub const KEY_NAME: &'static str = "one-time-link";

    /// Draws a new code; it is nowhere kept, only its hash.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub fn draw(now: Time) -> Result<(String, Self), getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        let code = URL_SAFE_NO_PAD.encode(bytes);
        let hash = Sha256::digest(&code).into();
        Ok((code, Self { hash, until: now + Self::LINK_TTL, given: Mutex::default() }))
    }

    /// Gives a key with all rights for the code, once; and until when that key is good.
    ///
    /// # Errors
    /// See [`InvitationError`].
    pub fn accept(&self, code: &str, now: Time) -> Result<(String, Time), InvitationError> {
        if !bool::from(self.hash[..].ct_eq(&Sha256::digest(code)[..])) {
            return Err(InvitationError::Unknown);
        }
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if given.is_some() {
            return Err(InvitationError::Used);
        }
        if now >= self.until {
            return Err(InvitationError::Late);
        }
        let drawn = ApiKey::generate(Self::KEY_NAME, KeyRights::ALL);
        let (key, known) = drawn.map_err(|_| InvitationError::NoRandom)?;
        let until = now + Self::KEY_TTL;
        *given = Some((known, until));
        Ok((key, until))
    }

    /// The key that was given, if this is it and it is still good.
    pub fn key(&self, key: &str, now: Time) -> Option<ApiKey> {
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, until) = given.as_ref()?;
        ApiKey::find(std::slice::from_ref(known), key).filter(|_| now < *until).cloned()
    }
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invitation").field("until", &self.until).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_is_good_once_and_for_a_while() {
        let now = Time::from_millis(1_000_000);
        let (code, invitation) = Invitation::draw(now).unwrap();
        for wrong in ["", "x", &code[1..], &format!("{code}A")] {
            assert_eq!(invitation.accept(wrong, now), Err(InvitationError::Unknown), "{wrong}");
        }
        let (key, until) = invitation.accept(&code, now).unwrap();
        assert_eq!(invitation.accept(&code, now), Err(InvitationError::Used));
        assert_eq!(until, now + Invitation::KEY_TTL);
        assert_eq!(invitation.key(&key, now).map(|key| key.rights), Some(KeyRights::ALL));
        assert!(invitation.key(&key, until).is_none() && invitation.key(&code, now).is_none());
        let (code, late) = Invitation::draw(now).unwrap();
        assert_eq!(late.accept(&code, now + Invitation::LINK_TTL), Err(InvitationError::Late));
        assert!(late.key(&key, now).is_none());
        assert!(!format!("{late:?}").contains(&code));
    }
}
