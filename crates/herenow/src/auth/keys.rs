//! The keys that tokens are verified with. Each key has one algorithm, which comes with the key and never from a token.
use super::secret::Secret;
use jsonwebtoken::{
    DecodingKey,
    jwk::{AlgorithmParameters, Jwk},
};
use serde_json::{Map, Value};
use std::fmt;

/// How a token may be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256 and a shared secret.
    Hs256,
    /// RSA (PKCS #1 v1.5) with SHA-256.
    Rs256,
    /// ECDSA on the curve P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 4] = [Self::Hs256, Self::Rs256, Self::Es256, Self::EdDsa];

    /// Its name in the header of a token.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    pub(super) const fn known(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Hs256 => jsonwebtoken::Algorithm::HS256,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }
}

/// A key, and the one algorithm that it is for. `Debug` shows nothing secret.
#[derive(Clone)]
pub struct TokenKey {
    id: Option<Box<str>>,
    algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

/// Why something is no key for tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// It is no PEM of a public key, and no JWK.
    Unreadable,
    /// It is the private half, which this server must never see.
    Private,
    /// It is of a kind or curve that no algorithm here is for.
    Unsupported,
    /// An RSA key of a size that is not safe, or that would take long to verify with.
    RsaSize {
        /// Bits of its modulus.
        bits: usize,
    },
    /// A set of keys has none that is of use here.
    NoKeys,
    /// A set has more keys than [`KeySet::KEYS_MAX`].
    TooMany {
        /// How many.
        keys: usize,
    },
}

impl TokenKey {
    /// A shared secret, for HS256. It has no id: tokens may name any.
    pub fn of_secret(secret: &Secret) -> Self {
        Self { id: None, algorithm: Algorithm::Hs256, key: DecodingKey::from_secret(secret.as_bytes()) }
    }

    /// A public key in PEM (SubjectPublicKeyInfo or PKCS #1), for RS256, ES256 or EdDSA by its kind.
    ///
    /// # Errors
    /// It is something else, the private half, of another curve, or RSA of an unsafe size.
    pub fn of_pem(pem: &[u8], id: Option<&str>) -> Result<Self, KeyError> {
        let text = std::str::from_utf8(pem).map_err(|_| KeyError::Unreadable)?;
        if text.contains("PRIVATE KEY-----") {
            return Err(KeyError::Private);
        }
        if !text.contains("PUBLIC KEY-----") {
            return Err(KeyError::Unreadable);
        }
        if let Ok(key) = DecodingKey::from_ed_pem(pem) {
            return Self::public(key, Algorithm::EdDsa, id);
        }
        if let Ok(key) = DecodingKey::from_ec_pem(pem) {
            return Self::public(key, Algorithm::Es256, id);
        }
        let key = DecodingKey::from_rsa_pem(pem).map_err(|_| KeyError::Unsupported)?;
        Self::public(key, Algorithm::Rs256, id)
    }

    /// One key of a JWK Set. Shared secrets are refused: who can read the set could sign with them.
    ///
    /// # Errors
    /// It is no key for a signature by an algorithm of ours; callers leave such ones out.
    pub fn of_jwk(jwk: &Value) -> Result<Self, KeyError> {
        let fields = jwk.as_object().ok_or(KeyError::Unreadable)?;
        if ["d", "p", "q", "k"].iter().any(|private| fields.contains_key(*private)) {
            return Err(KeyError::Private);
        }
        let is_for_signatures = text(fields, "use").is_none_or(|purpose| purpose == "sig");
        if !is_for_signatures {
            return Err(KeyError::Unsupported);
        }
        let algorithm = match (text(fields, "kty"), text(fields, "crv")) {
            (Some("RSA"), _) => Algorithm::Rs256,
            (Some("EC"), Some("P-256")) => Algorithm::Es256,
            (Some("OKP"), Some("Ed25519")) => Algorithm::EdDsa,
            _ => return Err(KeyError::Unsupported),
        };
        if fields.get("alg").is_some_and(|name| name.as_str() != Some(algorithm.name())) {
            return Err(KeyError::Unsupported);
        }
        let id = match fields.get("kid") {
            None => None,
            Some(Value::String(id)) if (1..=KEY_ID_BYTES_MAX).contains(&id.len()) => Some(id.as_str()),
            Some(_) => return Err(KeyError::Unreadable),
        };
        let jwk: Jwk = serde_json::from_value(jwk.clone()).map_err(|_| KeyError::Unreadable)?;
        let key = DecodingKey::from_jwk(&jwk).map_err(|_| KeyError::Unreadable)?;
        Self::public(key, algorithm, id)
    }

    fn public(key: DecodingKey, algorithm: Algorithm, id: Option<&str>) -> Result<Self, KeyError> {
        match algorithm {
            Algorithm::Hs256 => return Err(KeyError::Unsupported),
            Algorithm::Rs256 => {
                let bits = rsa_bits(&key)?;
                if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) {
                    return Err(KeyError::RsaSize { bits });
                }
            }
            // A point of another curve has another length.
            Algorithm::Es256 => check_bytes(&key, |bytes| bytes.len() == 65 && bytes[0] == 4)?,
            Algorithm::EdDsa => check_bytes(&key, |bytes| bytes.len() == 32)?,
        }
        Ok(Self { id: id.map(Into::into), algorithm, key })
    }

    /// What tokens call it (`kid`); a key without an id is tried for each token.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// What it is for.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKey({} {:?})", self.algorithm.name(), self.id)
    }
}

/// Keys, any of which may have signed a token.
#[derive(Clone, Debug, Default)]
pub struct KeySet(Vec<TokenKey>);

impl KeySet {
    /// Keys that a set may have. More would make a bad token expensive, since each key may have to be tried.
    pub const KEYS_MAX: usize = 64;

    /// Takes keys.
    ///
    /// # Errors
    /// There are more than [`Self::KEYS_MAX`].
    pub fn new(keys: Vec<TokenKey>) -> Result<Self, KeyError> {
        if keys.len() > Self::KEYS_MAX {
            return Err(KeyError::TooMany { keys: keys.len() });
        }
        Ok(Self(keys))
    }

    /// Reads a JWK Set (`{"keys": [...]}`) or a single JWK. Keys of kinds that are not known here are left out.
    ///
    /// # Errors
    /// It is no such JSON, has too many keys, or none that is of use.
    pub fn of_jwks(json: &[u8]) -> Result<Self, KeyError> {
        let value: Value = serde_json::from_slice(json).map_err(|_| KeyError::Unreadable)?;
        let one;
        let listed: &[Value] = match value.get("keys") {
            Some(Value::Array(keys)) => keys,
            Some(_) => return Err(KeyError::Unreadable),
            None => {
                one = [value];
                &one
            }
        };
        if listed.len() > Self::KEYS_MAX {
            return Err(KeyError::TooMany { keys: listed.len() });
        }
        let keys: Vec<TokenKey> = listed.iter().filter_map(|jwk| TokenKey::of_jwk(jwk).ok()).collect();
        if keys.is_empty() {
            return Err(KeyError::NoKeys);
        }
        Ok(Self(keys))
    }

    /// The keys.
    pub fn iter(&self) -> impl Iterator<Item = &TokenKey> {
        self.0.iter()
    }

    /// Whether one of them has this id.
    pub fn names(&self, id: &str) -> bool {
        self.0.iter().any(|key| key.id() == Some(id))
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => write!(f, "neither a public key in PEM nor a JWK"),
            Self::Private => write!(f, "a private key or a secret; give this server the public half only"),
            Self::Unsupported => write!(f, "not a key for RS256, ES256 (curve P-256) or EdDSA (Ed25519)"),
            Self::RsaSize { bits } => {
                write!(f, "an RSA key of {bits} bits, {RSA_BITS_MIN} to {RSA_BITS_MAX} are allowed")
            }
            Self::NoKeys => write!(f, "a set without a key for RS256, ES256 or EdDSA"),
            Self::TooMany { keys } => write!(f, "a set of {keys} keys, at most {} are allowed", KeySet::KEYS_MAX),
        }
    }
}

impl std::error::Error for KeyError {}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    fields.get(name)?.as_str()
}

fn check_bytes(key: &DecodingKey, is_good: impl Fn(&[u8]) -> bool) -> Result<(), KeyError> {
    let is_good = key.try_get_as_bytes().is_ok_and(is_good);
    is_good.then_some(()).ok_or(KeyError::Unsupported)
}

fn rsa_bits(key: &DecodingKey) -> Result<usize, KeyError> {
    let jwk = Jwk::from_decoding_key(key, None).map_err(|_| KeyError::Unreadable)?;
    let AlgorithmParameters::RSA(rsa) = jwk.algorithm else { return Err(KeyError::Unsupported) };
    let modulus = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, rsa.n);
    let modulus = modulus.map_err(|_| KeyError::Unreadable)?;
    let leading = modulus.iter().take_while(|byte| **byte == 0).count();
    let first = modulus.get(leading).map_or(0, |byte| 8 - byte.leading_zeros() as usize);
    Ok((modulus.len() - leading).saturating_sub(1) * 8 + first)
}

/// Bytes that the id of a key may have.
const KEY_ID_BYTES_MAX: usize = 256;
const RSA_BITS_MIN: usize = 2048;
/// Verifying with a longer key takes long enough to be used against the server.
const RSA_BITS_MAX: usize = 8192;
