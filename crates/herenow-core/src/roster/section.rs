//! The roster as a union of sections: what this node tells others of its own entries, and the entries of others.
use crate::{
    cluster::{
        changes::OwnChanges,
        door::{NodeId, SectionEntry, ValueStamp},
    },
    command::Reason,
    id::{SessionId, UserId},
    roster::{Distant, Effect, Entry, Member, Roster, Seat},
};
use std::sync::Arc;

impl Roster {
    /// Has the roster note from now on what changes of this node's entries. Called before anybody is in it.
    pub(crate) fn among(&mut self, me: NodeId) {
        (self.me, self.changed) = (me, Some(Box::default()));
    }

    /// Whether the node is one among several.
    pub(crate) const fn is_among(&self) -> bool {
        self.changed.is_some()
    }

    /// Whether there is something for [`Self::take_changed`].
    pub(crate) fn has_changed(&self) -> bool {
        self.changed.as_ref().is_some_and(|changed| !changed.is_empty())
    }

    /// Hands out what changed of this node's entries.
    pub(crate) fn take_changed(&mut self) -> OwnChanges {
        self.changed.as_mut().map(|changed| std::mem::take(&mut **changed)).unwrap_or_default()
    }

    /// Whether this node has an entry.
    pub(crate) const fn has_own(&self) -> bool {
        self.entries > self.distant
    }

    /// Whether this node has this entry.
    pub(crate) fn is_own(&self, user: &UserId, session: SessionId) -> bool {
        let entry = self.members.get(user).and_then(|member| member.entry(session));
        entry.is_some_and(|entry| entry.distant.is_none())
    }

    /// The user's sessions that are here by this node.
    pub(crate) fn own_sessions(&self, user: &UserId) -> Vec<SessionId> {
        let entries = self.members.get(user).map(|member| member.entries.as_slice()).unwrap_or_default();
        entries.iter().filter(|entry| entry.distant.is_none()).map(|entry| entry.session).collect()
    }

    /// An entry of this node, as others are told of it.
    pub(crate) fn own_entry(&self, user: &UserId, session: SessionId) -> Option<SectionEntry> {
        let member = self.members.get(user)?;
        Some(member.told(member.entry(session).filter(|entry| entry.distant.is_none())?))
    }

    /// All entries of this node, by user.
    pub(crate) fn own_entries(&self) -> Vec<SectionEntry> {
        let members = self.members.values();
        let own = members.flat_map(|member| member.entries.iter().map(move |entry| (member, entry)));
        own.filter(|(_, entry)| entry.distant.is_none()).map(|(member, entry)| member.told(entry)).collect()
    }

    /// Takes over what another node says of an entry that it has. An entry that this node has itself is left alone.
    /// O(log viewers).
    pub(crate) fn put(&mut self, node: NodeId, told: &SectionEntry) -> Effect {
        let numbers = told.state.iter().map(|(_, _, number)| *number);
        self.stamp = numbers.chain([told.profile_stamp.number]).fold(self.stamp, u64::max);
        let user = &told.profile.user;
        self.came += 1;
        let (profile, profile_stamp, since) = (Arc::clone(&told.profile), told.profile_stamp, told.since);
        let state = told.state.iter().map(|(key, value, number)| (Arc::clone(key), (*number, Arc::clone(value))));
        let mut entry = Entry {
            session: told.session,
            came: self.came,
            seat: Seat::Connected,
            status: told.status,
            state: state.collect(),
            distant: Some(Box::new(Distant { node, profile, profile_stamp, since })),
        };
        let Some(member) = self.members.get_mut(user) else {
            let mut member = Member {
                profile: Arc::clone(&told.profile),
                profile_stamp,
                joined_at: since,
                status: told.status,
                state: Arc::clone(&self.no_state),
                sessions_told: 1,
                entries: vec![entry],
            };
            member.refresh(&self.no_state, self.me);
            self.members.insert(user.clone(), member);
            self.order.insert((since, user.clone()));
            (self.entries, self.distant) = (self.entries + 1, self.distant + 1);
            return Effect::Joined;
        };
        match member.entry_mut(told.session) {
            Some(held) if held.distant.as_ref().is_none_or(|distant| distant.node != node) => return Effect::Nothing,
            Some(held) => {
                entry.came = held.came;
                *held = entry;
            }
            None => {
                member.entries.push(entry);
                (self.entries, self.distant) = (self.entries + 1, self.distant + 1);
            }
        }
        let refreshed = member.refresh(&self.no_state, self.me);
        if self.regard(user) || refreshed { Effect::Updated } else { Effect::Nothing }
    }

    /// Whether another node has this entry, and it is this one.
    pub(crate) fn is_of(&self, user: &UserId, session: SessionId, node: NodeId) -> bool {
        let entry = self.members.get(user).and_then(|member| member.entry(session));
        entry.and_then(|entry| entry.distant.as_ref()).is_some_and(|distant| distant.node == node)
    }

    /// Merges anew what all nodes say of a user's name and time: the highest stamp and the earliest time count. What this
    /// node says itself it keeps, or raises to that, so that it holds when others have forgotten it. True where the
    /// viewer changed.
    pub(super) fn regard(&mut self, user: &UserId) -> bool {
        let Some(member) = self.members.get_mut(user) else { return false };
        let is_own = member.entries.iter().any(|entry| entry.distant.is_none());
        let own = is_own.then(|| (member.joined_at, member.profile_stamp, Arc::clone(&member.profile)));
        let distant = member.entries.iter().filter_map(|entry| entry.distant.as_ref());
        let said = distant.map(|distant| (distant.since, distant.profile_stamp, Arc::clone(&distant.profile)));
        let merged = own.into_iter().chain(said).reduce(|one, other| {
            let (stamp, profile) = if other.1 > one.1 { (other.1, other.2) } else { (one.1, one.2) };
            (one.0.min(other.0), stamp, profile)
        });
        let Some((joined_at, stamp, profile)) = merged else { return false };
        let before = (member.joined_at, member.profile_stamp);
        if before == (joined_at, stamp) {
            return false;
        }
        let is_seen = before.0 != joined_at || member.profile != profile;
        (member.joined_at, member.profile_stamp, member.profile) = (joined_at, stamp, profile);
        if before.0 != joined_at {
            self.order.remove(&(before.0, user.clone()));
            self.order.insert((joined_at, user.clone()));
        }
        if is_own {
            self.note_all_own(user);
        }
        is_seen
    }

    /// The stamp of a value that is set now.
    pub(super) fn next_stamp(&mut self) -> ValueStamp {
        self.stamp += 1;
        ValueStamp { number: self.stamp, node: self.me }
    }

    /// Notes that an entry of this node has changed, or why it is gone.
    pub(super) fn note_own(&mut self, user: &UserId, session: SessionId, gone: Option<Reason>) {
        if let Some(changed) = self.changed.as_mut() {
            changed.insert(session, (user.clone(), gone));
        }
    }

    /// Notes that the locks of an entry of this node have changed.
    pub(crate) fn note_locks(&mut self, user: &UserId, session: SessionId) {
        if self.is_own(user, session) {
            self.note_own(user, session, None);
        }
    }

    /// Notes that what all entries of a user say has changed that this node has.
    pub(super) fn note_all_own(&mut self, user: &UserId) {
        if self.changed.is_some() {
            for session in self.own_sessions(user) {
                self.note_own(user, session, None);
            }
        }
    }
}

impl Member {
    fn told(&self, entry: &Entry) -> SectionEntry {
        let state = entry.state.iter().map(|(key, (number, value))| (Arc::clone(key), Arc::clone(value), *number));
        SectionEntry {
            session: entry.session,
            profile: Arc::clone(&self.profile),
            profile_stamp: self.profile_stamp,
            since: self.joined_at,
            status: entry.status,
            state: state.collect(),
            locks: Vec::new(),
        }
    }
}
