//! The one part of the opening handshake that is not plain HTTP: the key of the client and the answer to it.

use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, PAD, STANDARD};
use sha1::{Digest, Sha1};

/// Returns the value of `Sec-WebSocket-Accept` that answers the `Sec-WebSocket-Key` in `key`.
pub fn accept_key(key: &str) -> String {
    let mut sha1 = Sha1::new();
    sha1.update(key.as_bytes());
    sha1.update(SALT.as_bytes());
    STANDARD.encode(sha1.finalize())
}

/// Returns whether `key` may be a `Sec-WebSocket-Key`: the base64 of 16 bytes, without spaces around it.
///
/// The four bits that base64 leaves over at the end may be set: some clients make up the text instead of the bytes.
pub fn is_key(key: &str) -> bool {
    // Room for what 24 characters may be; a longer key does not fit and is an error.
    let mut bytes = [0; 18];
    LENIENT.decode_slice(key, &mut bytes) == Ok(KEY_BYTES)
}

const KEY_BYTES: usize = 16;

/// From RFC 6455, section 1.3.
const SALT: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const LENIENT: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, PAD.with_decode_allow_trailing_bits(true));

#[cfg(test)]
mod tests {
    use super::{accept_key, is_key};

    #[test]
    fn answers_the_key_of_the_rfc() {
        assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn takes_base64_of_16_bytes_only() {
        for key in ["dGhlIHNhbXBsZSBub25jZQ==", "AAAAAAAAAAAAAAAAAAAAAA==", "abcdefghijklmnopqrstuv=="] {
            assert!(is_key(key), "{key}");
        }
        let not_keys = [
            "",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZQ= ",
            " dGhlIHNhbXBsZSBub25jZQ==",
            "dGhlIHNhbXBsZSBub25jZQE=",
            "dGhlIHNhbXBsZSBub25jZQEB",
            "dGhlIHNhbXBsZSBub25jZS==AAAA",
            "dGhlIHNhbXBs_SBub25jZQ==",
            "dGhlIHNhbXBsZSBub25qZQAAAAAAAA==",
        ];
        for key in not_keys {
            assert!(!is_key(key), "{key}");
        }
    }
}
