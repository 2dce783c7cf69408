//! The secret that signs tokens. It never shows in `Debug`, and it has no `Display`.
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use std::fmt;

/// A key for HS256: the bytes of a text that the operator chose, or of one drawn at random.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

/// Why a text is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretError {
    /// It has too few bytes to withstand guessing (RFC 7518 asks for as many as the hash has).
    TooShort {
        /// Bytes it has.
        bytes: usize,
    },
    /// It begins or ends with white space or holds a control character: most likely the end of a line that was copied
    /// along, which the app that signs would not have.
    Blank,
}

impl Secret {
    /// Fewest bytes that a secret may have.
    pub const BYTES_MIN: usize = 32;

    /// Takes a text of at least [`Self::BYTES_MIN`] bytes; its UTF-8 bytes are the key, as with other JWT libraries.
    ///
    /// # Errors
    /// The text is too short, or has blanks where nobody means them.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        if text.trim() != text || text.chars().any(char::is_control) {
            return Err(SecretError::Blank);
        }
        if text.len() < Self::BYTES_MIN {
            return Err(SecretError::TooShort { bytes: text.len() });
        }
        Ok(Self(text.into()))
    }

    /// Draws 32 random bytes from the operating system, as 43 characters that need no quoting in a shell.
    ///
    /// # Errors
    /// The operating system has no randomness to give (a broken container); trying again later may help.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; Self::BYTES_MIN];
        getrandom::fill(&mut bytes)?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes).into()))
    }

    /// The key itself.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The text, for the one place that shows a secret on purpose: the proposal of a new one.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { bytes } => {
                write!(f, "a secret of {bytes} bytes is too short, at least {} are needed", Secret::BYTES_MIN)
            }
            Self::Blank => write!(f, "the secret begins or ends with white space or holds a control character"),
        }
    }
}

impl std::error::Error for SecretError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_32_bytes_and_refuses_31() {
        assert!(Secret::parse(&"x".repeat(32)).is_ok());
        assert_eq!(Secret::parse(&"x".repeat(31)), Err(SecretError::TooShort { bytes: 31 }));
        assert_eq!(Secret::parse(""), Err(SecretError::TooShort { bytes: 0 }));
    }

    #[test]
    fn refuses_the_end_of_a_copied_line() {
        let long = "x".repeat(40);
        for text in [format!("{long}\n"), format!(" {long}"), format!("{long}\u{1b}{long}")] {
            assert_eq!(Secret::parse(&text), Err(SecretError::Blank), "{text:?}");
        }
    }

    #[test]
    fn generated_ones_differ_and_are_good_enough_for_themselves() {
        let (a, b) = (Secret::generate().unwrap(), Secret::generate().unwrap());
        assert_ne!(a, b);
        assert_eq!(Secret::parse(a.reveal()), Ok(a.clone()));
        assert!(a.reveal().chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'));
    }

    #[test]
    fn debug_hides_it() {
        let secret = Secret::parse(&"s3cr3t".repeat(8)).unwrap();
        assert!(!format!("{secret:?}").contains("s3cr3t"));
    }
}
