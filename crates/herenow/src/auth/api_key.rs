//! API keys: what backends prove themselves with. Only their hashes are configured; a key has 256 random bits, so a plain
//! hash of it tells nobody the key.
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;

/// What a key lets its bearer do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyRights(u8);

impl KeyRights {
    /// Nothing at all.
    pub const NONE: Self = Self(0);
    /// To read every room, user and count.
    pub const READ: Self = Self(1);
    /// To send messages, to put viewers without a connection into rooms, and, with [`Self::READ`], to make tokens.
    pub const WRITE: Self = Self(2);
    /// To put users out of rooms and to forget them.
    pub const ADMIN: Self = Self(4);
    /// What operators need: [`Self::READ`] and [`Self::ADMIN`].
    pub const OPERATOR: Self = Self(5);
    /// Everything.
    pub const ALL: Self = Self(7);

    /// The rights by name, in the order in which messages list them.
    pub const NAMED: [(&'static str, Self); 3] = [("read", Self::READ), ("write", Self::WRITE), ("admin", Self::ADMIN)];

    /// The right of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMED.iter().find(|(known, _)| *known == name).map(|(_, right)| *right)
    }

    /// Whether all of `wanted` are in the set.
    pub const fn contains(self, wanted: Self) -> bool {
        self.0 & wanted.0 == wanted.0
    }

    /// The rights of both sets.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for KeyRights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> =
            Self::NAMED.iter().filter(|(_, right)| self.contains(*right)).map(|(name, _)| *name).collect();
        f.write_str(&names.join("+"))
    }
}

/// A key as it is configured: its name, what it may do, and the hash of it.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// What logs call it: 1 to [`Self::NAME_BYTES_MAX`] letters, digits, `-` and `_`.
    pub name: String,
    /// What it lets its bearer do.
    pub rights: KeyRights,
    hash: [u8; 32],
}

impl ApiKey {
    /// What each key begins with, so that nobody takes one for a token, and scanners for secrets find it.
    pub const PREFIX: &'static str = "hnk_";
    /// Bytes that a name may have.
    pub const NAME_BYTES_MAX: usize = 64;
    /// Bytes that a key has.
    pub const BYTES: usize = Self::PREFIX.len() + 43;

    /// Draws a new key: the key itself, which is nowhere kept, and what is to be configured.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub fn generate(name: &str, rights: KeyRights) -> Result<(String, Self), getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        let key = format!("{}{}", Self::PREFIX, URL_SAFE_NO_PAD.encode(bytes));
        let hash = Sha256::digest(&key).into();
        Ok((key, Self { name: name.to_owned(), rights, hash }))
    }

    /// Takes `name:right+right:hash`, the hash being the SHA-256 of the key in hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let (name, rights, hash) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || !Self::is_name(name) {
            return None;
        }
        let rights =
            rights.split('+').try_fold(KeyRights::NONE, |all, name| Some(all.union(KeyRights::named(name)?)))?;
        Some(Self { name: name.to_owned(), rights, hash: unhex(hash)? })
    }

    /// Whether a text may be the name of a key.
    pub fn is_name(text: &str) -> bool {
        let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        !text.is_empty() && text.len() <= Self::NAME_BYTES_MAX && text.bytes().all(is_fine)
    }

    /// Whether a text looks like a key, be it known or not.
    pub fn is_key(text: &str) -> bool {
        text.starts_with(Self::PREFIX)
    }

    /// Which of the keys this is. Looks at all of them, each in a time that does not tell where they differ.
    pub fn find<'a>(keys: &'a [Self], key: &str) -> Option<&'a Self> {
        if key.len() != Self::BYTES {
            return None;
        }
        let hash = Sha256::digest(key);
        keys.iter()
            .fold(None, |found, known| if bool::from(known.hash[..].ct_eq(&hash[..])) { Some(known) } else { found })
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:", self.name, self.rights)?;
        self.hash.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({}:{})", self.name, self.rights)
    }
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::{ApiKey, KeyRights};

    #[test]
    fn a_key_is_known_by_its_hash_alone() {
        let (key, configured) = ApiKey::generate("backend", KeyRights::READ.union(KeyRights::WRITE)).unwrap();
        assert_eq!((key.len(), ApiKey::is_key(&key)), (ApiKey::BYTES, true));
        let line = configured.to_string();
        assert!(line.starts_with("backend:read+write:") && !line.contains(&key[4..]), "{line}");
        let (_, other) = ApiKey::generate("other", KeyRights::ALL).unwrap();
        let keys = [other, ApiKey::parse(&line).unwrap()];
        assert_eq!(ApiKey::find(&keys, &key), Some(&keys[1]));
        let last = if key.ends_with('A') { 'B' } else { 'A' };
        let near = format!("{}{last}", &key[..key.len() - 1]);
        for wrong in [near.as_str(), &key[..key.len() - 1], "", "hnk_"] {
            assert_eq!(ApiKey::find(&keys, wrong), None, "{wrong}");
        }
        assert!(!format!("{configured:?}").contains(&line[line.len() - 64..]));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let hash = "0a".repeat(32);
        assert!(ApiKey::parse(&format!("a:admin:{hash}")).is_some());
        for text in [
            String::new(),
            hash.clone(),
            format!("a::{hash}"),
            format!("a:read,write:{hash}"),
            format!("a:kick:{hash}"),
            format!(":read:{hash}"),
            format!("a b:read:{hash}"),
            format!("{}:read:{hash}", "a".repeat(ApiKey::NAME_BYTES_MAX + 1)),
            format!("a:read:{}", &hash[2..]),
            format!("a:read:{}zz", &hash[2..]),
            format!("a:read:{hash}:"),
        ] {
            assert_eq!(ApiKey::parse(&text), None, "{text}");
        }
    }
}
