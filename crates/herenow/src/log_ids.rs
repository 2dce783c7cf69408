//! How logs name users and rooms: by default not so that a reader of the log knows who it was, and yet so that two lines of
//! one day can be seen to be about the same.
use herenow_core::time::Time;
use sha2::{Digest, Sha256};

/// How ids stand in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Identities {
    /// As a hash with a salt that is drawn at each start, and is another one each day (of UTC).
    #[default]
    Hashed,
    /// As they are.
    Plain,
    /// Not at all.
    None,
}

/// Turns ids into what the log may say.
#[derive(Clone)]
pub struct LogIds {
    identities: Identities,
    salt: [u8; 16],
}

impl Identities {
    /// All, with the names they have in a configuration.
    pub const NAMED: [(&'static str, Self); 3] =
        [("hashed", Self::Hashed), ("plain", Self::Plain), ("none", Self::None)];
}

impl LogIds {
    /// Draws a salt.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub fn draw(identities: Identities) -> Result<Self, getrandom::Error> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt)?;
        Ok(Self { identities, salt })
    }

    /// An id as it may stand in a line of now: 16 hexadecimal digits, `-`, or the id itself with whatever could forge a line
    /// escaped, at most [`SHOWN_CHARS_MAX`] characters of it.
    pub fn shown(&self, id: &str, now: Time) -> String {
        match self.identities {
            Identities::None => "-".to_owned(),
            Identities::Plain => id.escape_debug().take(SHOWN_CHARS_MAX).collect(),
            Identities::Hashed => {
                let day = now.as_millis() / 86_400_000;
                let hash = Sha256::new().chain_update(self.salt).chain_update(day.to_be_bytes()).chain_update(id);
                hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
            }
        }
    }
}

impl std::fmt::Debug for LogIds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogIds").field("identities", &self.identities).finish_non_exhaustive()
    }
}

/// Characters of an id that a line shows.
pub const SHOWN_CHARS_MAX: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_same_for_a_day_and_nobody_knows_which() {
        let day = |n: u64| Time::from_millis(n * 86_400_000 + 5);
        let ids = LogIds::draw(Identities::Hashed).unwrap();
        let shown = ids.shown("alice", day(1));
        assert_eq!((shown.len(), &shown), (16, &ids.shown("alice", day(1))));
        assert_ne!(shown, ids.shown("alice", day(2)));
        assert_ne!(shown, ids.shown("bob", day(1)));
        assert_ne!(shown, LogIds::draw(Identities::Hashed).unwrap().shown("alice", day(1)), "another start");
        assert_eq!(LogIds::draw(Identities::None).unwrap().shown("alice", day(1)), "-");
        let plain = LogIds::draw(Identities::Plain).unwrap();
        assert_eq!(plain.shown("a\n\u{1b}[31m\u{202e}", day(1)), r"a\n\u{1b}[31m\u{202e}");
        assert_eq!(plain.shown(&"x".repeat(500), day(1)).len(), SHOWN_CHARS_MAX);
        assert!(!format!("{ids:?}").contains("salt"));
    }
}
