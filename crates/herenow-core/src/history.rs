//! What changed in a room lately, one change a version: from it comes the net difference between two versions.
use crate::{command::Reason, id::UserId, profile::Profile, time::Time};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

/// One transition of one user.
#[derive(Clone, Debug)]
pub struct Change {
    /// Who.
    pub profile: Arc<Profile>,
    /// What.
    pub kind: Kind,
    /// When.
    pub at: Time,
}

/// Which transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The user came.
    Joined,
    /// The user's name, status or state changed.
    Updated,
    /// The user is gone.
    Left {
        /// Why.
        reason: Reason,
        /// Since when they had been there.
        joined_at: Time,
    },
}

/// A room's version number, and its last changes.
///
/// Invariant: the last of `changes` took version `number`, the one before it `number - 1`, and so on.
#[derive(Debug)]
pub struct History {
    number: u64,
    changes: VecDeque<Change>,
}

/// What a window of the history means for one user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Net {
    /// Whether the user was there before the window.
    pub was_here: bool,
    /// Whether the user is there after it, and if not, why.
    pub gone: Option<Reason>,
}

impl History {
    /// A history that begins after version `number`.
    pub const fn new(number: u64) -> Self {
        Self { number, changes: VecDeque::new() }
    }

    /// The version now.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Adds a change; it takes the next version.
    pub fn push(&mut self, change: Change) {
        self.number += 1;
        // One more than is kept at rest must not double what is reserved for all.
        if self.changes.len() == self.changes.capacity() {
            self.changes.reserve_exact(self.changes.len() / 8 + RESERVED_MIN);
        }
        self.changes.push_back(change);
    }

    /// The changes after version `from` with the version that each took; `None` where not all of them are remembered,
    /// or `from` is still to come.
    pub fn since(&self, from: u64) -> Option<impl Iterator<Item = (u64, &Change)>> {
        let wanted = usize::try_from(self.number.checked_sub(from)?).ok()?;
        let skipped = self.changes.len().checked_sub(wanted)?;
        Some((from + 1..).zip(self.changes.range(skipped..)))
    }

    /// Every change that is remembered, with the version that it took.
    pub fn all(&self) -> impl Iterator<Item = (u64, &Change)> {
        (self.number + 1 - self.changes.len() as u64..).zip(&self.changes)
    }

    /// The net meaning of all changes after version `from` for each user that they touch; `None` as in `since`.
    pub fn net_since(&self, from: u64) -> Option<BTreeMap<&UserId, Net>> {
        let mut users: BTreeMap<&UserId, Net> = BTreeMap::new();
        for (_, change) in self.since(from)? {
            let was_here = change.kind != Kind::Joined;
            let net = users.entry(&change.profile.user).or_insert(Net { was_here, gone: None });
            net.gone = match change.kind {
                Kind::Joined | Kind::Updated => None,
                Kind::Left { reason, .. } => Some(reason),
            };
        }
        Some(users)
    }

    /// Takes back what a user did after version `from`, where it begins with their joining: as if it had never been,
    /// later versions move down. Only for changes that nobody was told of. True where something was taken back.
    pub fn forget_joiner(&mut self, user: &UserId, from: u64) -> bool {
        let told = self.changes.len().saturating_sub(usize::try_from(self.number - from).unwrap_or(usize::MAX));
        let mut untold = self.changes.range(told..).filter(|change| change.profile.user == *user);
        if untold.next().is_none_or(|first| first.kind != Kind::Joined) {
            return false;
        }
        let before = self.changes.len();
        let mut at = 0;
        self.changes.retain(|change| {
            at += 1;
            at <= told || change.profile.user != *user
        });
        self.number -= (before - self.changes.len()) as u64;
        true
    }

    /// Forgets the oldest changes until at most `changes_max` are left, but none after version `untold`, as long as those
    /// are not 64 times as many.
    pub fn trim(&mut self, changes_max: usize, untold: u64) {
        let untold = usize::try_from(self.number.saturating_sub(untold)).unwrap_or(usize::MAX);
        let kept = changes_max.max(untold.min(changes_max.saturating_mul(UNTOLD_TIMES)));
        let surplus = self.changes.len().saturating_sub(kept);
        self.changes.drain(..surplus);
        // What a storm needed is given back.
        if self.changes.capacity() > 2 * kept + RESERVED_MIN {
            self.changes.shrink_to(self.changes.len() + RESERVED_MIN);
        }
    }
}

/// Places for changes that are reserved at once, and may stand empty.
const RESERVED_MIN: usize = 4;

/// How many times more changes than usual are kept while they wait to be told.
const UNTOLD_TIMES: usize = 64;

#[cfg(test)]
mod tests {
    use super::{Change, History, Kind};
    use crate::{id::UserId, profile::Profile, time::Time};
    use std::sync::Arc;

    const KEPT: usize = 256;

    fn push(history: &mut History, count: usize) {
        let user = UserId::parse("ann").unwrap();
        let profile = Arc::new(Profile { user, name: "Ann".into(), avatar: None });
        for _ in 0..count {
            history.push(Change { profile: Arc::clone(&profile), kind: Kind::Updated, at: Time::from_millis(0) });
        }
    }

    #[test]
    fn a_full_history_reserves_little_more_than_it_keeps_and_gives_back_what_a_storm_needed() {
        let mut history = History::new(0);
        for _ in 0..10 * KEPT {
            push(&mut history, 1);
            history.trim(KEPT, history.number());
        }
        assert_eq!(history.all().count(), KEPT);
        assert!(history.changes.capacity() <= KEPT + KEPT / 4, "{}", history.changes.capacity());
        push(&mut history, 10_000);
        history.trim(KEPT, history.number());
        assert_eq!(history.all().next().map(|(number, _)| number), Some(history.number() + 1 - KEPT as u64));
        assert!(history.changes.capacity() <= KEPT + KEPT / 4, "{}", history.changes.capacity());
    }
}
