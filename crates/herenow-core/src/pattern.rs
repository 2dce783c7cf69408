//! Names of rooms, or of users, with stars.
use crate::id::RoomId;
use std::{fmt, sync::Arc};

/// Names of rooms with `*` for any run of characters, also none, anywhere and as often as wanted. There is no escape: a
/// `*` of a room's own name is matched by `*` as well.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(Arc<str>);

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PatternError {
    /// It has no characters; `*` is the pattern for all rooms.
    Empty,
    /// It has more than [`Pattern::BYTES_MAX`] bytes.
    TooLong {
        /// Bytes it has.
        bytes: usize,
    },
    /// It holds a control character, which no room's name does.
    Control,
}

impl Pattern {
    /// Bytes that a pattern may have: as many as a room's name.
    pub const BYTES_MAX: usize = RoomId::BYTES_MAX;

    /// Takes a text that could match some room.
    ///
    /// # Errors
    /// It is empty, too long, or holds a control character.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.len() > Self::BYTES_MAX {
            return Err(PatternError::TooLong { bytes: text.len() });
        }
        if text.chars().any(char::is_control) {
            return Err(PatternError::Control);
        }
        Ok(Self(text.into()))
    }

    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the room's name matches. Takes time in proportion to both lengths and no more, for each piece between
    /// stars is looked for once, from where the one before ended; the leftmost place is always as good as any later
    /// one.
    pub fn matches(&self, room: &RoomId) -> bool {
        self.matches_text(room.as_str())
    }

    /// As [`Self::matches`], for any text.
    pub fn matches_text(&self, text: &str) -> bool {
        let mut pieces = self.0.split('*');
        let Some(rest) = pieces.next().and_then(|head| text.strip_prefix(head)) else { return false };
        let Some(tail) = pieces.next_back() else { return rest.is_empty() };
        let Some(mut rest) = rest.strip_suffix(tail) else { return false };
        for piece in pieces {
            let Some(at) = rest.find(piece) else { return false };
            rest = &rest[at + piece.len()..];
        }
        true
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "a room pattern is empty; `*` means all rooms"),
            Self::TooLong { bytes } => {
                write!(f, "a room pattern has {bytes} bytes, at most {} are allowed", Pattern::BYTES_MAX)
            }
            Self::Control => write!(f, "a room pattern holds a control character"),
        }
    }
}

impl std::error::Error for PatternError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str) -> RoomId {
        RoomId::parse(name).unwrap()
    }

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap()
    }

    #[test]
    fn stars_match_any_run_anywhere() {
        for (text, yes, no) in [
            ("board-1", &["board-1"][..], &["board-10", "board-", "xboard-1"][..]),
            ("board-*", &["board-", "board-1", "board-1/x"], &["board", "Board-1", "xboard-1"]),
            ("*-1", &["-1", "board-1", "1-1-1"], &["board-1x", "1"]),
            ("*", &["a", "日本"], &[]),
            ("**", &["a"], &[]),
            ("a*b*c", &["abc", "axbxc", "abbbc", "abcbc"], &["ac", "abcx", "acb"]),
            ("a*a", &["aa", "aba"], &["a"]),
            ("ab*ba", &["abba", "abxba"], &["aba"]),
            ("*é*", &["café au"], &["cafe"]),
        ] {
            for name in yes {
                assert!(pattern(text).matches(&room(name)), "{text} should match {name}");
            }
            for name in no {
                assert!(!pattern(text).matches(&room(name)), "{text} should not match {name}");
            }
        }
    }

    /// The obvious way, with a table: slow but plainly right.
    fn matches_by_table(pattern: &[u8], text: &[u8]) -> bool {
        let mut reached = vec![false; text.len() + 1];
        reached[0] = true;
        for &p in pattern {
            let mut next = vec![false; text.len() + 1];
            for at in 0..=text.len() {
                next[at] = match p {
                    b'*' => reached[at] || (at > 0 && next[at - 1]),
                    _ => at > 0 && reached[at - 1] && text[at - 1] == p,
                };
            }
            reached = next;
        }
        reached[text.len()]
    }

    /// Every text of these letters that is not longer than `length`.
    fn texts(letters: &str, length: usize) -> Vec<String> {
        let (mut all, mut last) = (Vec::new(), vec![String::new()]);
        for _ in 0..length {
            last = last.iter().flat_map(|text| letters.chars().map(move |letter| format!("{text}{letter}"))).collect();
            all.extend_from_slice(&last);
        }
        all
    }

    #[test]
    fn agrees_with_the_obvious_way() {
        let names = texts("ab", 6);
        for text in texts("ab*", 5) {
            for name in &names {
                let expected = matches_by_table(text.as_bytes(), name.as_bytes());
                assert_eq!(pattern(&text).matches(&room(name)), expected, "{text} and {name}");
            }
        }
    }

    #[test]
    fn a_hostile_pattern_takes_no_longer_than_a_plain_one() {
        let hostile = pattern(&format!("{}b", "a*".repeat(127)));
        let name = room(&"a".repeat(255));
        // Backtracking over 127 stars would not end in a lifetime; 10,000 rounds of the linear way take milliseconds.
        for _ in 0..10_000 {
            assert!(!hostile.matches(&name));
        }
    }

    #[test]
    fn texts_that_match_nothing_are_no_patterns() {
        assert_eq!(Pattern::parse(""), Err(PatternError::Empty));
        assert_eq!(Pattern::parse("a\nb"), Err(PatternError::Control));
        assert_eq!(Pattern::parse(&"x".repeat(256)), Err(PatternError::TooLong { bytes: 256 }));
    }
}
