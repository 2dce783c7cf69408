//! One room as it should be: a table of entries with their ends, and who hears it.
use crate::{
    due::Due,
    hold::Holds,
    pace::{Duty, Latches},
};
use herenow_core::{
    command::{Ending, Interest, Patch, Reason},
    cursors::Point,
    event::{Gear, SessionView, State, Viewer},
    id::{RoomId, SessionId, UserId},
    limits::Limits,
    profile::{Profile, Status},
    refusal::Refusal,
    time::Time,
    typing::Place,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// One room.
#[derive(Debug, Default)]
pub struct RoomModel {
    /// Each session's place.
    pub entries: BTreeMap<SessionId, Entry>,
    /// Users with entries: as whom, and since when.
    pub users: BTreeMap<UserId, (Arc<Profile>, Time)>,
    /// Sessions that hear the room.
    pub listeners: BTreeMap<SessionId, Listening>,
    /// Who holds what.
    pub holds: Holds,
    /// How it tells its news.
    pub latches: Latches,
    /// Whether that changed in this turn.
    pub shifted: bool,
    pub(crate) leases: BTreeMap<(UserId, Place, SessionId), Time>,
    /// Where pointers are.
    pub pointers: BTreeMap<SessionId, Point>,
    /// Sessions whose pointers moved, or were hidden, since that was told.
    pub moved: BTreeSet<SessionId>,
    /// By how much turns had come late when lists were told again, in milliseconds.
    pub(crate) late_ms: u64,
    /// Users who were there when the turn began.
    present: BTreeSet<UserId>,
}

/// One session's place in a room.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Whose.
    pub user: UserId,
    pub(crate) status: Status,
    pub(crate) state: BTreeMap<Arc<str>, (u64, Arc<str>)>,
    pub(crate) ends: Option<(Time, Ending)>,
    /// Its first join is of this turn.
    pub(crate) fresh: bool,
    /// When it came, among all entries.
    pub(crate) came: u64,
}

/// How a session hears a room.
#[derive(Clone, Copy, Debug)]
pub struct Listening {
    /// How much.
    pub interest: Interest,
    /// Whether it asked for sessions and pointers.
    pub sessions: bool,
    /// Differs from one time of listening to the next.
    pub period: u64,
    /// Whether its connection takes nothing.
    pub behind: bool,
    /// Since when it is owed a roster because lists are told again.
    pub awaits: Option<Time>,
    pub(crate) typing_off_at: Option<Time>,
}

/// A viewer as the model has it.
#[derive(Debug, PartialEq, Eq)]
pub struct Expected<'a> {
    /// Who.
    pub profile: &'a Arc<Profile>,
    /// The most present of their sessions.
    pub status: Status,
    /// Since when.
    pub joined_at: Time,
    /// The newest value of each key.
    pub state: State,
}

impl RoomModel {
    /// Ends the turn: the gear is that of the viewers now.
    pub fn settle(&mut self, now: Time, limits: &Limits) {
        let before = self.latches;
        self.latches = before.turned(self.users.len(), &limits.gears);
        self.shifted = before != self.latches;
        if self.latches.gear() == Gear::Crowd && before.gear() != Gear::Crowd {
            self.leases.clear();
            self.moved.extend(std::mem::take(&mut self.pointers).into_keys());
        }
        for listening in self.listeners.values_mut() {
            let duties = (before.duty(listening.interest), self.latches.duty(listening.interest));
            if duties == (Duty::Counts, Duty::Lists) && !listening.behind {
                listening.awaits = Some(now);
            }
        }
        for entry in self.entries.values_mut() {
            entry.fresh = false;
        }
        self.present = self.users.keys().cloned().collect();
    }

    /// Who types into what.
    pub fn typists(&self) -> BTreeSet<(UserId, Place)> {
        self.leases.keys().map(|(user, place, _)| (user.clone(), place.clone())).collect()
    }

    /// What each of a user's sessions shares, in the order of their coming.
    pub fn sessions_of(&self, user: &UserId) -> Vec<SessionView> {
        let mut theirs: Vec<(&SessionId, &Entry)> =
            self.entries.iter().filter(|(_, entry)| entry.user == *user).collect();
        theirs.sort_by_key(|(_, entry)| entry.came);
        let view = |(session, entry): (&SessionId, &Entry)| SessionView {
            session: *session,
            status: entry.status,
            state: entry.shared(),
        };
        theirs.into_iter().map(view).collect()
    }

    /// The sessions of these viewers.
    pub fn sessions_in(&self, viewers: &[Viewer]) -> Vec<Vec<SessionView>> {
        viewers.iter().map(|viewer| self.sessions_of(&viewer.profile.user)).collect()
    }

    /// The sessions of everyone.
    pub fn sessions(&self) -> BTreeMap<UserId, Vec<SessionView>> {
        self.users.keys().map(|user| (user.clone(), self.sessions_of(user))).collect()
    }

    /// Takes a pointer away, as far as others see.
    pub fn hide(&mut self, session: SessionId) {
        if self.pointers.remove(&session).is_some() {
            self.moved.insert(session);
        }
    }

    /// Whether a user is here only because grace is not over.
    pub fn in_grace(&self, user: &UserId) -> bool {
        let mut theirs = self.entries.values().filter(|entry| entry.user == *user).peekable();
        theirs.peek().is_some() && theirs.all(|entry| entry.ends.is_some())
    }

    /// Everyone, by joined time, then user id.
    pub fn roster(&self) -> Vec<Expected<'_>> {
        let mut viewers: Vec<Expected<'_>> = self.users.values().map(|held| self.viewer(held)).collect();
        viewers.sort_by_key(|viewer| (viewer.joined_at, viewer.profile.user.clone()));
        viewers
    }

    fn viewer<'a>(&'a self, (profile, joined_at): &'a (Arc<Profile>, Time)) -> Expected<'a> {
        let entries: Vec<&Entry> = self.entries.values().filter(|entry| entry.user == profile.user).collect();
        let mut newest: BTreeMap<&Arc<str>, &(u64, Arc<str>)> = BTreeMap::new();
        for (key, write) in entries.iter().flat_map(|entry| &entry.state) {
            if newest.get(key).is_none_or(|held| held.0 < write.0) {
                newest.insert(key, write);
            }
        }
        let state = newest.into_iter().map(|(key, (_, value))| (Arc::clone(key), Arc::clone(value))).collect();
        let active = entries.iter().any(|entry| entry.status == Status::Active);
        let status = if active { Status::Active } else { Status::Idle };
        Expected { profile, status, joined_at: *joined_at, state }
    }

    pub(crate) fn write(
        &mut self,
        session: SessionId,
        patch: &Patch,
        writes: u64,
        limits: &Limits,
    ) -> Result<(), Refusal> {
        let entry = self.entries.get_mut(&session).ok_or(Refusal::NotJoined)?;
        entry.write(patch, writes, limits)
    }

    /// Takes an entry away, and where that was meant, what closed tabs of the user left.
    pub(crate) fn quit(&mut self, session: SessionId, how: Ending, id: &RoomId, due: &mut Due) {
        let Some(user) = self.entries.get(&session).map(|entry| entry.user.clone()) else { return };
        self.end(session, how.reason(), id, due);
        let mut theirs = self.entries.iter().filter(|(_, entry)| entry.user == user);
        if how != Ending::Left || theirs.any(|(_, entry)| entry.ends.is_none()) {
            return;
        }
        let closed = |entry: &Entry| entry.user == user && matches!(entry.ends, Some((_, Ending::Closed)));
        let behind: Vec<SessionId> =
            self.entries.iter().filter(|(_, entry)| closed(entry)).map(|(session, _)| *session).collect();
        for session in behind {
            self.end(session, how.reason(), id, due);
        }
    }

    pub(crate) fn end(&mut self, session: SessionId, reason: Reason, id: &RoomId, due: &mut Due) {
        let Some(entry) = self.entries.remove(&session) else { return };
        if !entry.state.is_empty() && !matches!(reason, Reason::Left | Reason::Kicked | Reason::Expired) {
            due.keepsakes.push((session, id.clone(), reason, entry.shared()));
        }
        self.leases.retain(|(.., holder), _| *holder != session);
        self.holds.end(session);
        self.hide(session);
        if !self.entries.values().any(|other| other.user == entry.user) {
            self.users.remove(&entry.user);
            // Who came and went within one turn was never there.
            if self.present.contains(&entry.user) {
                due.left.insert((id.clone(), entry.user), BTreeSet::from([reason]));
            }
        }
    }
}

impl Entry {
    fn shared(&self) -> State {
        self.state.iter().map(|(key, (_, value))| (Arc::clone(key), Arc::clone(value))).collect()
    }

    pub(crate) fn write(&mut self, patch: &Patch, writes: u64, limits: &Limits) -> Result<(), Refusal> {
        let mut state = self.state.clone();
        for (key, value) in &patch.0 {
            state.remove(key);
            if let Some(value) = value {
                state.insert(Arc::clone(key), (writes, Arc::clone(value)));
            }
        }
        if state.len() > limits.state_keys_max {
            return Err(Refusal::StateTooManyKeys { keys_max: limits.state_keys_max });
        }
        // `"key":value,` each.
        let bytes = state.iter().map(|(key, (_, value))| key.len() + value.len() + 4).sum();
        if bytes > limits.state_bytes_max {
            return Err(Refusal::StateTooLarge { bytes, bytes_max: limits.state_bytes_max });
        }
        self.state = state;
        Ok(())
    }
}
