//! What a token lets its bearer do, in which rooms.
use herenow_core::{
    id::{RoomId, UserId},
    pattern::Pattern,
};
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

    fn room(name: &str) -> RoomId {
        RoomId::parse(name).unwrap()
    }

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap()
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
}
