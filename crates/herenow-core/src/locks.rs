//! Named locks of one room: who holds each, and who waits for it. Who is told belongs to the room.
use crate::{
    id::{LockName, SessionId},
    profile::Profile,
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

/// The locks of a room that somebody holds.
///
/// Invariant: nobody waits for a lock that they hold, nor twice for one.
#[derive(Debug, Default)]
pub struct Locks(BTreeMap<LockName, Held>);

/// A session that holds a lock or waits for it, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Which session.
    pub session: SessionId,
    /// Whose.
    pub profile: Arc<Profile>,
}

/// A lock that somebody holds.
#[derive(Debug)]
struct Held {
    holder: Holder,
    fence: u64,
    waiting: VecDeque<Holder>,
}

/// What became of a wish for a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// The session has it, and did not before.
    Fresh {
        /// Its number, larger than that of each earlier holder.
        fence: u64,
    },
    /// The session had it already.
    Had {
        /// Its number.
        fence: u64,
    },
    /// Another session has it.
    Taken {
        /// That one's number.
        fence: u64,
    },
}

/// A lock that passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Which.
    pub name: LockName,
    /// Who has it now; nobody where nobody waited.
    pub holder: Option<Holder>,
    /// The number of the new holder, or of the last one.
    pub fence: u64,
}

impl Locks {
    /// Gives a free lock to a session, under a number that `fence` hands out; where it is taken and `wait` is set, the
    /// session gets in line.
    pub fn take(&mut self, name: &LockName, taker: Holder, wait: bool, fence: impl FnOnce() -> u64) -> Grant {
        match self.0.get_mut(name) {
            Some(held) if held.holder.session == taker.session => Grant::Had { fence: held.fence },
            Some(held) => {
                if wait && held.waiting.iter().all(|waiting| waiting.session != taker.session) {
                    held.waiting.push_back(taker);
                }
                Grant::Taken { fence: held.fence }
            }
            None => {
                let fence = fence();
                self.0.insert(name.clone(), Held { holder: taker, fence, waiting: VecDeque::new() });
                Grant::Fresh { fence }
            }
        }
    }

    /// Takes a session's lock away, or its place in the line; who has the lock next, where that changed. `None` where the
    /// session had neither.
    pub fn give(&mut self, name: &LockName, session: SessionId, fence: impl FnOnce() -> u64) -> Option<Option<Passed>> {
        let held = self.0.get_mut(name)?;
        if held.holder.session != session {
            let at = held.waiting.iter().position(|waiting| waiting.session == session)?;
            held.waiting.remove(at);
            return Some(None);
        }
        let name = name.clone();
        Some(Some(match held.waiting.pop_front() {
            Some(next) => {
                (held.holder, held.fence) = (next.clone(), fence());
                Passed { name, holder: Some(next), fence: held.fence }
            }
            None => {
                let fence = held.fence;
                self.0.remove(&name);
                Passed { name, holder: None, fence }
            }
        }))
    }

    /// Shows who has a lock that other nodes decide about. The number of the holder, or of the last one, where that
    /// changed.
    pub(crate) fn show(&mut self, name: &LockName, holder: Option<(Holder, u64)>) -> Option<u64> {
        let before = self.0.get(name).map(|held| (held.holder.session, held.fence));
        if before == holder.as_ref().map(|(holder, fence)| (holder.session, *fence)) {
            return None;
        }
        let Some((holder, fence)) = holder else {
            return self.0.remove(name).map(|held| held.fence);
        };
        self.0.insert(name.clone(), Held { holder, fence, waiting: VecDeque::new() });
        Some(fence)
    }

    /// Names of the locks that a session holds or waits for.
    pub fn of_session(&self, session: SessionId) -> Vec<LockName> {
        let of = |held: &Held| {
            held.holder.session == session || held.waiting.iter().any(|waiting| waiting.session == session)
        };
        self.0.iter().filter(|(_, held)| of(held)).map(|(name, _)| name.clone()).collect()
    }

    /// Takes a session out of all lines: it is not there to hear of its turn.
    pub fn stop_waiting(&mut self, session: SessionId) {
        for held in self.0.values_mut() {
            held.waiting.retain(|waiting| waiting.session != session);
        }
    }

    /// Every lock with its holder and number, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&LockName, &Holder, u64)> {
        self.0.iter().map(|(name, held)| (name, &held.holder, held.fence))
    }

    /// Whether a lock is held.
    pub fn contains(&self, name: &LockName) -> bool {
        self.0.contains_key(name)
    }

    /// How many are held.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// How many wait for a lock.
    pub fn waiting(&self, name: &LockName) -> usize {
        self.0.get(name).map_or(0, |held| held.waiting.len())
    }

    /// Whether nobody holds any.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
