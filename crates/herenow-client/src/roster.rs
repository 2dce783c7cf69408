//! The state of a room as a client knows it: a pure function from a state and a frame to a new state.
//!
//! No socket, no clock: who reads the frames feeds them in, and asks the server for a `sync` where [`Outcome::Gap`] or
//! [`Outcome::Contradiction`] says so. Ending a typing lease is the server's business, and told by it.
use crate::{
    detail::{Session, Sessions},
    frame::{Count, CountNews, Diff, Lock, Roster, ServerFrame, Typing, Typist, User, Version, Viewer},
};
use std::collections::{BTreeMap, BTreeSet};

/// A room as of a version. Starts unknown; a roster makes it known.
///
/// Holds: each user at most once, ordered by joined time, then id; only viewers type; each lock has a holder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RoomState {
    room: String,
    version: Option<Version>,
    viewers: Vec<Viewer>,
    count: Count,
    gear: String,
    faces: Vec<User>,
    typing: BTreeMap<String, BTreeSet<Option<String>>>,
    sessions: BTreeMap<String, Vec<Session>>,
    locks: BTreeMap<String, Lock>,
    stale: bool,
}

/// What a frame did to a room.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The frame is about something else.
    Ignored,
    /// The frame says nothing that was not known.
    Unchanged,
    /// A roster came. With the net difference to what was known before; none where nothing was.
    Synced(Vec<Change>),
    /// A change was applied, in this order.
    Changed(Vec<Change>),
    /// A diff does not start where this state stands: ask for a `sync`. Nothing changed here.
    Gap {
        /// Where this state stands.
        have: Option<Version>,
        /// Where the diff starts.
        from: u64,
    },
    /// A diff lets somebody in who is in, or out who is not: a broken promise. Ask for a `sync`. Nothing changed here.
    Contradiction {
        /// User id.
        user: String,
    },
    /// This session is out of the room; the state is unknown again.
    Removed,
}

/// One thing that is different now.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A user came.
    Joined(Viewer),
    /// A user is gone.
    Left {
        /// User id.
        id: String,
        /// Why; empty where it was missed.
        reason: String,
    },
    /// A viewer's name, status or state is different.
    Updated(Viewer),
    /// A user began or stopped typing.
    Typing {
        /// User id.
        user: String,
        /// Into what.
        target: Option<String>,
        /// Began, or stopped.
        on: bool,
    },
    /// A user's sessions are different.
    Sessions {
        /// User id.
        user: String,
    },
    /// A lock changed hands.
    Lock(Lock),
    /// Only numbers or faces are different, and the list of viewers is told no more.
    Counted,
}

impl RoomState {
    /// A room of which nothing is known.
    pub fn new(room: &str) -> Self {
        Self { room: room.to_owned(), ..Self::default() }
    }

    /// The version of the viewers, or `None` where they are not known.
    pub fn version(&self) -> Option<&Version> {
        self.version.as_ref()
    }

    /// Everyone, by joined time, then user id. Their sessions are in [`Self::sessions`], not here.
    pub fn viewers(&self) -> &[Viewer] {
        &self.viewers
    }

    /// The ids of everyone, in the same order.
    pub fn user_ids(&self) -> Vec<&str> {
        self.viewers.iter().map(|viewer| viewer.user.id.as_str()).collect()
    }

    /// How many, as the server last said.
    pub fn count(&self) -> Count {
        self.count
    }

    /// How the room told its news as of the last roster or count; empty where not known.
    pub fn gear(&self) -> &str {
        &self.gear
    }

    /// Some viewers, in a room that tells counts only.
    pub fn faces(&self) -> &[User] {
        &self.faces
    }

    /// Who types into what, by user id; `None` is the room as a whole. Includes oneself.
    pub fn typing(&self) -> &BTreeMap<String, BTreeSet<Option<String>>> {
        &self.typing
    }

    /// The sessions of each viewer, by user id; empty for those who did not ask for them.
    pub fn sessions(&self) -> &BTreeMap<String, Vec<Session>> {
        &self.sessions
    }

    /// The locks that are held, by name.
    pub fn locks(&self) -> &BTreeMap<String, Lock> {
        &self.locks
    }

    /// Whether the server said that its view of the room may be old.
    pub fn is_stale(&self) -> bool {
        self.stale
    }

    /// Takes one frame in. Cost: proportional to the room for a roster or diff, else constant.
    pub fn apply(&mut self, frame: &ServerFrame) -> Outcome {
        if frame.room() != Some(self.room.as_str()) {
            return Outcome::Ignored;
        }
        match frame {
            ServerFrame::Roster(roster) => self.take_roster(roster),
            ServerFrame::Diff(diff) => self.take_diff(diff),
            ServerFrame::Count(news) => self.take_count(news),
            ServerFrame::Typing(typing) => self.take_typing(typing),
            ServerFrame::Sessions(sessions) => self.take_sessions(sessions),
            ServerFrame::Lock(news) => self.take_lock(&news.lock),
            ServerFrame::Removed(_) => {
                *self = Self::new(&self.room);
                Outcome::Removed
            }
            ServerFrame::Stale(_) => self.mark_stale(true),
            ServerFrame::Fresh(_) => self.mark_stale(false),
            // Pointers are for whoever draws them: only the last place counts, and none is in a roster.
            ServerFrame::Cursors(_)
            | ServerFrame::Statuses(_)
            | ServerFrame::Welcome(_)
            | ServerFrame::Message(_)
            | ServerFrame::Ack(_)
            | ServerFrame::Error(_)
            | ServerFrame::Pong(_)
            | ServerFrame::Draining(_)
            | ServerFrame::Other { .. } => Outcome::Ignored,
        }
    }

    fn take_roster(&mut self, roster: &Roster) -> Outcome {
        if self.is_newer_than(&roster.v) {
            return Outcome::Unchanged;
        }
        let mut next = self.clone();
        next.viewers.clone_from(&roster.viewers);
        next.sessions.clear();
        for viewer in &mut next.viewers {
            // Apart, because the viewers of a diff come without.
            if let Some(list) = viewer.session_list.take() {
                next.sessions.insert(viewer.user.id.clone(), list);
            }
        }
        next.sort();
        next.version = Some(roster.v.clone());
        next.count = roster.count;
        next.gear.clone_from(&roster.gear);
        next.faces.clear();
        next.set_typing(&roster.typing);
        next.set_locks(&roster.locks);
        let changes = if self.version.is_some() { self.changes_to(&next) } else { Vec::new() };
        *self = next;
        Outcome::Synced(changes)
    }

    fn take_diff(&mut self, diff: &Diff) -> Outcome {
        let Some(have) = &self.version else { return Outcome::Gap { have: None, from: diff.from } };
        let is_answer = diff.typing.is_some() || diff.locks.is_some();
        if self.is_newer_than(&diff.v) || (*have == diff.v && !is_answer) {
            return Outcome::Unchanged;
        }
        if have.epoch != diff.v.epoch || (*have != diff.v && have.number != diff.from) {
            return Outcome::Gap { have: Some(have.clone()), from: diff.from };
        }
        let mut next = self.clone();
        let mut changes = Vec::new();
        if *have != diff.v {
            if let Err(user) = next.change_viewers(diff, &mut changes) {
                return Outcome::Contradiction { user };
            }
            next.version = Some(diff.v.clone());
            next.count = diff.count;
            diff.gear.as_deref().unwrap_or("live").clone_into(&mut next.gear);
        }
        if let Some(typing) = &diff.typing {
            next.set_typing(typing);
        }
        if let Some(locks) = &diff.locks {
            next.set_locks(locks);
        }
        changes.extend(self.typing_changes_to(&next));
        changes.extend(self.lock_changes_to(&next));
        let outcome = if *self == next { Outcome::Unchanged } else { Outcome::Changed(changes) };
        *self = next;
        outcome
    }

    fn take_count(&mut self, news: &CountNews) -> Outcome {
        let mut next = Self { count: news.count, gear: news.gear.clone(), faces: news.faces.clone(), ..self.clone() };
        // Who gets counts is told no more who comes and goes: a list would be wrong soon, and not say so. Locks are told on.
        next.version = None;
        next.viewers.clear();
        next.typing.clear();
        next.sessions.clear();
        if let Some(locks) = &news.locks {
            next.set_locks(locks);
        }
        if *self == next {
            return Outcome::Unchanged;
        }
        let mut changes = vec![Change::Counted];
        changes.extend(self.lock_changes_to(&next));
        *self = next;
        Outcome::Changed(changes)
    }

    fn take_typing(&mut self, typing: &Typing) -> Outcome {
        let Typing { user, target, on, .. } = typing;
        // Typing is part of a roster; one that comes before any roster is in the next.
        if self.version.is_none() {
            return Outcome::Ignored;
        }
        let changed = if *on {
            self.typing.entry(user.id.clone()).or_default().insert(target.clone())
        } else {
            self.typing.get_mut(&user.id).is_some_and(|targets| targets.remove(target))
        };
        self.typing.retain(|_, targets| !targets.is_empty());
        if !changed {
            return Outcome::Unchanged;
        }
        Outcome::Changed(vec![Change::Typing { user: user.id.clone(), target: target.clone(), on: *on }])
    }

    fn take_sessions(&mut self, sessions: &Sessions) -> Outcome {
        let Sessions { user, list, .. } = sessions;
        if self.version.is_none() {
            return Outcome::Ignored;
        }
        let known = if list.is_empty() {
            self.sessions.remove(user).is_none()
        } else {
            self.sessions.insert(user.clone(), list.clone()).as_ref() == Some(list)
        };
        if known { Outcome::Unchanged } else { Outcome::Changed(vec![Change::Sessions { user: user.clone() }]) }
    }

    fn take_lock(&mut self, lock: &Lock) -> Outcome {
        let known = if lock.holder.is_none() {
            self.locks.remove(&lock.name).is_none()
        } else {
            self.locks.insert(lock.name.clone(), lock.clone()).as_ref() == Some(lock)
        };
        if known { Outcome::Unchanged } else { Outcome::Changed(vec![Change::Lock(lock.clone())]) }
    }

    fn mark_stale(&mut self, stale: bool) -> Outcome {
        if self.stale == stale {
            return Outcome::Unchanged;
        }
        self.stale = stale;
        Outcome::Changed(Vec::new())
    }

    /// Applies the lists of a diff, or names the user about whom it contradicts this state.
    fn change_viewers(&mut self, diff: &Diff, changes: &mut Vec<Change>) -> Result<(), String> {
        for left in &diff.left {
            let at = self.position(&left.id).ok_or_else(|| left.id.clone())?;
            self.viewers.remove(at);
            self.typing.remove(&left.id);
            self.sessions.remove(&left.id);
            changes.push(Change::Left { id: left.id.clone(), reason: left.reason.clone() });
        }
        for viewer in &diff.joined {
            if self.position(&viewer.user.id).is_some() {
                return Err(viewer.user.id.clone());
            }
            self.viewers.push(viewer.clone());
            changes.push(Change::Joined(viewer.clone()));
        }
        for viewer in &diff.updated {
            let at = self.position(&viewer.user.id).ok_or_else(|| viewer.user.id.clone())?;
            self.viewers[at] = viewer.clone();
            changes.push(Change::Updated(viewer.clone()));
        }
        self.sort();
        Ok(())
    }

    fn changes_to(&self, next: &Self) -> Vec<Change> {
        let old: BTreeMap<&str, &Viewer> =
            self.viewers.iter().map(|viewer| (viewer.user.id.as_str(), viewer)).collect();
        let new: BTreeSet<&str> = next.viewers.iter().map(|viewer| viewer.user.id.as_str()).collect();
        let gone = old.keys().filter(|id| !new.contains(*id));
        let mut changes: Vec<_> = gone.map(|id| Change::Left { id: (*id).to_owned(), reason: String::new() }).collect();
        for viewer in &next.viewers {
            match old.get(viewer.user.id.as_str()) {
                None => changes.push(Change::Joined(viewer.clone())),
                Some(before) if *before != viewer => changes.push(Change::Updated(viewer.clone())),
                Some(_) => {}
            }
        }
        let users: BTreeSet<&String> = next.viewers.iter().map(|viewer| &viewer.user.id).collect();
        let other_sessions = users.into_iter().filter(|user| self.sessions.get(*user) != next.sessions.get(*user));
        changes.extend(other_sessions.map(|user| Change::Sessions { user: user.clone() }));
        changes.extend(self.typing_changes_to(next));
        changes.extend(self.lock_changes_to(next));
        changes
    }

    fn lock_changes_to(&self, next: &Self) -> Vec<Change> {
        let freed = self.locks.values().filter(|lock| !next.locks.contains_key(&lock.name));
        let freed = freed.map(|lock| Lock { holder: None, session: None, ..lock.clone() });
        let passed = next.locks.values().filter(|lock| self.locks.get(&lock.name) != Some(lock)).cloned();
        freed.chain(passed).map(Change::Lock).collect()
    }

    fn typing_changes_to(&self, next: &Self) -> Vec<Change> {
        let (old, new) = (self.typing_pairs(), next.typing_pairs());
        let change = |(user, target): &(String, Option<String>), on| Change::Typing {
            user: user.clone(),
            target: target.clone(),
            on,
        };
        let stopped = old.difference(&new).map(|pair| change(pair, false));
        let began = new.difference(&old).map(|pair| change(pair, true));
        stopped.chain(began).collect()
    }

    fn typing_pairs(&self) -> BTreeSet<(String, Option<String>)> {
        let of_user = |(user, targets): (&String, &BTreeSet<Option<String>>)| {
            targets.iter().map(|target| (user.clone(), target.clone())).collect::<Vec<_>>()
        };
        self.typing.iter().flat_map(of_user).collect()
    }

    fn set_typing(&mut self, typists: &[Typist]) {
        // Who types into nothing does not type.
        let typists = typists.iter().filter(|typist| !typist.targets.is_empty());
        let typing = typists.map(|typist| (typist.user.id.clone(), typist.targets.iter().cloned().collect()));
        self.typing = typing.collect();
    }

    fn set_locks(&mut self, locks: &[Lock]) {
        let held = locks.iter().filter(|lock| lock.holder.is_some());
        self.locks = held.map(|lock| (lock.name.clone(), lock.clone())).collect();
    }

    fn is_newer_than(&self, other: &Version) -> bool {
        self.version.as_ref().is_some_and(|have| have.epoch == other.epoch && have.number > other.number)
    }

    fn position(&self, user: &str) -> Option<usize> {
        self.viewers.iter().position(|viewer| viewer.user.id == user)
    }

    fn sort(&mut self) {
        self.viewers.sort_by(|a, b| (a.joined_at_ms, &a.user.id).cmp(&(b.joined_at_ms, &b.user.id)));
    }
}
