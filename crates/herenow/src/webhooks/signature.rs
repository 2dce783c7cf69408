//! The signature of a call, so that a receiver knows who sent it, and when. Public, since a receiver in Rust checks with the
//! same code.
use crate::auth::secret::Secret;
use aws_lc_rs::hmac;
use std::{fmt, time::Duration};

/// The header that holds the signature: `t=<seconds>,v1=<hex>`, with one `v1` for each secret that signs.
pub const HEADER: &str = "herenow-signature";

/// How far the time of a signature may be from a receiver's clock, before or after.
pub const TOLERANCE: Duration = Duration::from_secs(300);

/// Signs a body as sent at a time: HMAC-SHA256 over `<seconds>.<body>`, once with each secret.
pub fn sign(body: &[u8], at_unix_s: u64, secrets: &[Secret]) -> String {
    let mut header = format!("t={at_unix_s}");
    for secret in secrets {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()));
        context.update(format!("{at_unix_s}.").as_bytes());
        context.update(body);
        header.push_str(",v1=");
        for byte in context.sign().as_ref() {
            header.push_str(&format!("{byte:02x}"));
        }
    }
    header
}

/// Checks that a body was signed with a secret, not longer than [`TOLERANCE`] ago.
///
/// # Errors
/// See [`SignatureError`]; the body is not to be believed then.
pub fn verify(header: &str, body: &[u8], secret: &Secret, now_unix_s: u64) -> Result<(), SignatureError> {
    let parts = || header.split(',').filter_map(|part| part.trim().split_once('='));
    let time = parts().find(|(name, _)| *name == "t").map(|(_, value)| value);
    let time = time.filter(|time| !time.is_empty() && time.bytes().all(|byte| byte.is_ascii_digit()));
    let at_unix_s: u64 = time.and_then(|time| time.parse().ok()).ok_or(SignatureError::Unreadable)?;
    let signed = [format!("{at_unix_s}.").as_bytes(), body].concat();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut tags = parts().filter(|(name, _)| *name == "v1").filter_map(|(_, value)| bytes(value));
    if !tags.any(|tag| hmac::verify(&key, &signed, &tag).is_ok()) {
        return Err(SignatureError::Wrong);
    }
    if now_unix_s.abs_diff(at_unix_s) > TOLERANCE.as_secs() {
        return Err(SignatureError::Old);
    }
    Ok(())
}

/// Why a body is not to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureError {
    /// The header is not of the form `t=<seconds>,v1=<hex>`.
    Unreadable,
    /// None of the signatures is that of the body and the secret.
    Wrong,
    /// It was signed more than [`TOLERANCE`] ago, or the clocks differ by as much.
    Old,
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => write!(f, "the signature is not of the form t=<seconds>,v1=<hex>"),
            Self::Wrong => write!(f, "the signature is not that of the body and the secret"),
            Self::Old => write!(f, "the signature is more than {} s old, or ahead", TOLERANCE.as_secs()),
        }
    }
}

impl std::error::Error for SignatureError {}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let is_hex = hex.len().is_multiple_of(2) && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| (0..hex.len()).step_by(2).filter_map(|at| u8::from_str_radix(&hex[at..at + 2], 16).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::parse(&text.repeat(8)).unwrap()
    }

    #[test]
    fn is_what_other_implementations_of_hmac_give() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac keykkeykkeykkeykkeykkeykkeykkeyk
        let header = sign(br#"{"a":1}"#, 1_700_000_000, &[secret("keyk")]);
        assert_eq!(header, "t=1700000000,v1=ad7ed9b2c56f357c893ec8b4722e1e3808d996234bcebec9c85896b6fa3e208d");
    }

    #[test]
    fn either_of_two_secrets_is_enough_and_no_other() {
        let (new, old) = (secret("new!"), secret("old!"));
        let header = sign(b"body", 1000, &[new.clone(), old.clone()]);
        assert_eq!(verify(&header, b"body", &new, 1000), Ok(()));
        assert_eq!(verify(&header, b"body", &old, 1299), Ok(()));
        assert_eq!(verify(&header, b"body", &secret("evil"), 1000), Err(SignatureError::Wrong));
        assert_eq!(verify(&header, b"Body", &new, 1000), Err(SignatureError::Wrong));
        assert_eq!(verify(&header, b"body", &new, 1301), Err(SignatureError::Old));
        assert_eq!(verify(&header, b"body", &new, 699), Err(SignatureError::Old));
        let moved = header.replace("t=1000", "t=1001");
        assert_eq!(verify(&moved, b"body", &new, 1001), Err(SignatureError::Wrong));
        for odd in ["", "v1=00", "t=,v1=00", "t=+1,v1=00", "t=x"] {
            assert_eq!(verify(odd, b"body", &new, 1000), Err(SignatureError::Unreadable), "{odd}");
        }
        for odd in ["t=1000", "t=1000,v1=", "t=1000,v1=zz", "t=1000,v1=0"] {
            assert_eq!(verify(odd, b"body", &new, 1000), Err(SignatureError::Wrong), "{odd}");
        }
    }
}
