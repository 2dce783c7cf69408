//! Green dots across nodes: who is online is a room of its own for each user, in which each node has a section.
use crate::{
    cluster::{
        changes::OwnChanges,
        door::{SectionEntry, ValueStamp},
        replicas::Edit,
    },
    command::Reason,
    id::{SessionId, UserId},
    people::People,
    profile::{Profile, Status},
    time::Time,
};
use std::{collections::BTreeMap, sync::Arc};

impl People {
    /// Has it noted from now on what changes of this node's sessions. Called before anybody is online.
    pub(crate) fn among(&mut self) {
        self.sections = Some(Box::default());
    }

    /// Has it noticed from now on as well who comes and goes through other nodes, where that is heard.
    pub(crate) fn tell_of_distant(&mut self) {
        if let Some(sections) = self.sections.as_mut() {
            sections.are_told = true;
        }
    }

    /// Hands out what changed of this node's sessions.
    pub(crate) fn take_changed(&mut self) -> BTreeMap<UserId, OwnChanges> {
        self.sections.as_mut().map(|sections| std::mem::take(&mut sections.changed)).unwrap_or_default()
    }

    /// Whether this node has a session of a user.
    pub(crate) fn has_own(&self, user: &UserId) -> bool {
        self.sessions(user).next().is_some()
    }

    /// Whether somebody here watches a user.
    pub(crate) fn is_watched(&self, user: &UserId) -> bool {
        self.watched.contains_key(user)
    }

    /// A session of this node, as others are told of it.
    pub(crate) fn own_entry(&self, user: &UserId, session: SessionId) -> Option<SectionEntry> {
        let online = self.online.get(&(user.clone(), session))?;
        Some(entry(user, session, online.status))
    }

    /// All sessions of a user that this node has.
    pub(crate) fn own_entries(&self, user: &UserId) -> Vec<SectionEntry> {
        self.sessions(user).map(|(session, online)| entry(user, session, online.status)).collect()
    }

    /// Takes over what other nodes say of a user.
    pub(crate) fn take_edits(&mut self, user: &UserId, edits: Vec<Edit>) {
        if self.sections.as_ref().is_some_and(|sections| sections.are_told) {
            self.turn(user);
        }
        let Some(sections) = self.sections.as_mut() else { return };
        for edit in edits {
            match edit {
                Edit::Put(node, entry) => {
                    sections.distant.insert((user.clone(), entry.session), (node, entry.status));
                }
                Edit::Remove(node, _, session, _) => {
                    let key = (user.clone(), session);
                    if sections.distant.get(&key).is_some_and(|(held, _)| *held == node) {
                        sections.distant.remove(&key);
                    }
                }
            }
        }
        if self.watched.contains_key(user) {
            self.unsettled.insert(user.clone());
        }
    }

    /// The sessions that other nodes have of a user.
    pub(crate) fn distant_sessions_of(&self, user: &UserId) -> Vec<SessionId> {
        let all = (user.clone(), SessionId(0))..=(user.clone(), SessionId(u64::MAX));
        let distant = self.sections.iter().flat_map(|sections| sections.distant.range(all.clone()));
        distant.map(|((_, session), _)| *session).collect()
    }

    /// Forgets what other nodes say of a user whom nobody watches any more.
    pub(crate) fn drop_distant(&mut self, user: &UserId) {
        if let Some(sections) = self.sections.as_mut() {
            sections.distant.retain(|(held, _), _| held != user);
        }
    }

    /// The most present of the sessions that other nodes have.
    pub(super) fn distant_status(&self, user: &UserId) -> Option<Status> {
        let all = (user.clone(), SessionId(0))..=(user.clone(), SessionId(u64::MAX));
        let distant = self.sections.as_ref()?.distant.range(all);
        distant.map(|(_, (_, status))| *status).min()
    }

    /// Notes that a session of this node came or changed, or why it is gone.
    pub(super) fn note_own(&mut self, user: &UserId, session: SessionId, gone: Option<Reason>) {
        if let Some(sections) = self.sections.as_mut() {
            sections.changed.entry(user.clone()).or_default().insert(session, (user.clone(), gone));
        }
    }
}

fn entry(user: &UserId, session: SessionId, status: Status) -> SectionEntry {
    SectionEntry {
        session,
        profile: Arc::new(Profile { user: user.clone(), name: "".into(), avatar: None }),
        profile_stamp: ValueStamp::default(),
        since: Time::default(),
        status,
        state: Vec::new(),
        locks: Vec::new(),
    }
}
