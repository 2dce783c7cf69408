//! What a token lets its bearer do, in which rooms.
use herenow_core::id::{RoomId, UserId};
use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// A set of rights in one room.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Rights(u8);

impl Rights {
    /// Nothing at all.
    pub const NONE: Self = Self(0);
    /// To be in the room as a viewer, and hear it.
    pub const JOIN: Self = Self(1);
    /// To hear the room without being a viewer.
    pub const OBSERVE: Self = Self(2);
    /// To be shown as typing.
    pub const TYPE: Self = Self(4);
    /// To send passing events to the room.
    pub const MESSAGE: Self = Self(8);
    /// To share state, cursor, status and locks.
    pub const UPDATE: Self = Self(16);
    /// What a pattern without a list gives: all but [`Self::OBSERVE`], since listening unseen is to be granted on
    /// purpose.
    pub const DEFAULT: Self = Self(1 | 4 | 8 | 16);

    /// The rights by name, in the order in which messages list them.
    pub const NAMED: [(&'static str, Self); 5] = [
        ("join", Self::JOIN),
        ("observe", Self::OBSERVE),
        ("type", Self::TYPE),
        ("message", Self::MESSAGE),
        ("update", Self::UPDATE),
    ];

    /// The right of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMED.iter().find(|(known, _)| *known == name).map(|(_, right)| *right)
    }

    /// Whether all of `wanted` are in the set.
    pub const fn contains(self, wanted: Self) -> bool {
        self.0 & wanted.0 == wanted.0
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the room may be read: with `join` or with `observe`.
    pub const fn reads(self) -> bool {
        self.0 & (Self::JOIN.0 | Self::OBSERVE.0) != 0
    }

    /// The rights of both sets.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The names of the rights in the set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMED.into_iter().filter(move |(_, right)| self.contains(*right)).map(|(name, _)| name)
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

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

/// Which rights a token gives in which rooms. Kept sorted and without repetition, so that tokens that say the same in
/// another order are equal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Grants {
    rooms: Vec<(Pattern, Rights)>,
    /// Users whose green dots may be watched; all of them where absent.
    watch: Option<Vec<Pattern>>,
    is_invisible: bool,
    is_admin: bool,
}

impl Grants {
    /// Patterns that one token may list.
    pub const PATTERNS_MAX: usize = 256;

    /// Takes patterns with their rights, in any order; equal patterns are merged.
    pub fn new(patterns: impl IntoIterator<Item = (Pattern, Rights)>) -> Self {
        let mut grants: Vec<(Pattern, Rights)> = patterns.into_iter().collect();
        grants.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        grants.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 = kept.1.union(next.1);
            }
            same
        });
        grants.shrink_to_fit();
        Self { rooms: grants, watch: None, is_invisible: false, is_admin: false }
    }

    /// Lets only users be watched whose ids match one of the patterns.
    #[must_use]
    pub fn watching(mut self, users: impl IntoIterator<Item = Pattern>) -> Self {
        let mut users: Vec<Pattern> = users.into_iter().collect();
        users.sort_unstable();
        users.dedup();
        self.watch = Some(users);
        self
    }

    /// Makes the bearer see without being seen: in no roster, count, typing or green dot.
    #[must_use]
    pub fn invisible(mut self) -> Self {
        self.is_invisible = true;
        self
    }

    /// Lets the bearer ask what only operators may.
    #[must_use]
    pub fn admin(mut self) -> Self {
        self.is_admin = true;
        self
    }

    /// Whether the bearer may ask what only operators may.
    pub fn is_admin(&self) -> bool {
        self.is_admin
    }

    /// Whether the bearer sees without being seen.
    pub fn is_invisible(&self) -> bool {
        self.is_invisible
    }

    /// Whether the green dot of a user may be watched.
    pub fn may_watch(&self, user: &UserId) -> bool {
        self.watch.as_ref().is_none_or(|patterns| patterns.iter().any(|pattern| pattern.matches_text(user.as_str())))
    }

    /// The rights in a room: those of all patterns that match it.
    pub fn rights(&self, room: &RoomId) -> Rights {
        self.rooms
            .iter()
            .filter(|(pattern, _)| pattern.matches(room))
            .fold(Rights::NONE, |rights, (_, more)| rights.union(*more))
    }

    /// The patterns with their rights, sorted by pattern.
    pub fn iter(&self) -> impl Iterator<Item = (&Pattern, Rights)> {
        self.rooms.iter().map(|(pattern, rights)| (pattern, *rights))
    }
}

/// Lets connections with equal grants hold the same ones, since most tokens of an app say the same. Remembers up to
/// [`Self::KEPT_MAX`] of those in use; beyond that, grants are simply not shared.
#[derive(Debug, Default)]
pub struct GrantsPool {
    kept: Mutex<HashSet<Arc<Grants>>>,
}

impl GrantsPool {
    /// How many different grants are remembered.
    pub const KEPT_MAX: usize = 1024;

    /// The same grants, shared with all who asked for equal ones and still hold them.
    pub fn share(&self, grants: Grants) -> Arc<Grants> {
        // A set is whole after each of its calls, so one that a panic left behind is as good as any.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.get(&grants) {
            return Arc::clone(known);
        }
        if kept.len() >= Self::KEPT_MAX {
            kept.retain(|known| Arc::strong_count(known) > 1);
        }
        let grants = Arc::new(grants);
        if kept.len() < Self::KEPT_MAX {
            kept.insert(Arc::clone(&grants));
        }
        grants
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn agrees_with_the_obvious_way(text in "[ab*]{1,10}", name in "[ab]{1,12}") {
            let expected = matches_by_table(text.as_bytes(), name.as_bytes());
            prop_assert_eq!(pattern(&text).matches(&room(&name)), expected);
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
    fn rights_are_those_of_all_patterns_that_match() {
        let grants = Grants::new([
            (pattern("board-*"), Rights::JOIN),
            (pattern("*-1"), Rights::TYPE),
            (pattern("secret"), Rights::DEFAULT),
            (pattern("board-*"), Rights::OBSERVE),
        ]);
        assert_eq!(grants.rights(&room("board-1")), Rights::JOIN.union(Rights::TYPE).union(Rights::OBSERVE));
        assert_eq!(grants.rights(&room("board-2")), Rights::JOIN.union(Rights::OBSERVE));
        assert!(grants.rights(&room("other")).is_empty());
        assert_eq!(Grants::default().rights(&room("board-1")), Rights::NONE);
    }

    #[test]
    fn default_rights_are_all_but_observe() {
        assert_eq!(Rights::DEFAULT.names().collect::<Vec<_>>(), ["join", "type", "message", "update"]);
        assert!(Rights::DEFAULT.reads() && Rights::OBSERVE.reads() && !Rights::TYPE.reads());
        for (name, right) in Rights::NAMED {
            assert_eq!(Rights::named(name), Some(right));
        }
        assert_eq!(Rights::named("Join"), None);
    }

    #[test]
    fn equal_grants_are_shared_while_somebody_holds_them() {
        let pool = GrantsPool::default();
        let (a, b) = ((pattern("a"), Rights::JOIN), (pattern("b*"), Rights::DEFAULT));
        let one = pool.share(Grants::new([a.clone(), b.clone()]));
        assert!(Arc::ptr_eq(&one, &pool.share(Grants::new([b, a]))));
    }

    #[test]
    fn the_pool_is_bounded_and_forgets_what_nobody_holds() {
        let pool = GrantsPool::default();
        let distinct = |n: usize| Grants::new([(pattern(&format!("room-{n}")), Rights::JOIN)]);
        let held: Vec<_> = (0..GrantsPool::KEPT_MAX).map(|n| pool.share(distinct(n))).collect();
        let beyond = pool.share(distinct(5000));
        assert!(!Arc::ptr_eq(&beyond, &pool.share(distinct(5000))), "a full pool shares nothing new");
        assert_eq!(pool.kept.lock().unwrap().len(), GrantsPool::KEPT_MAX);
        drop(held);
        assert!(Arc::ptr_eq(&pool.share(distinct(6000)), &pool.share(distinct(6000))));
        assert!(pool.kept.lock().unwrap().len() < GrantsPool::KEPT_MAX);
    }

    #[test]
    fn texts_that_match_nothing_are_no_patterns() {
        assert_eq!(Pattern::parse(""), Err(PatternError::Empty));
        assert_eq!(Pattern::parse("a\nb"), Err(PatternError::Control));
        assert_eq!(Pattern::parse(&"x".repeat(256)), Err(PatternError::TooLong { bytes: 256 }));
    }
}
