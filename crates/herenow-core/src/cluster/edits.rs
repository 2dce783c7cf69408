//! What other nodes say of their entries, taken into a room: who comes and goes is seen as by any other change, so that
//! joined and left alternate for whoever looks on, however the news came.
use crate::{
    cluster::door::SectionEntry,
    cluster::replicas::Edit,
    command::Reason,
    id::{SessionId, UserId},
    locks::Holder,
    room::{Desk, Room},
};
use std::collections::BTreeMap;

impl Room {
    /// Takes changes in, the last one of each entry. Who comes is taken in before anybody goes: a user whose session
    /// moved from one node to another has not been away.
    pub(crate) fn take_edits(&mut self, desk: &mut Desk<'_>, edits: Vec<Edit>) {
        let mut last = BTreeMap::new();
        for edit in edits {
            let key = match &edit {
                Edit::Put(node, entry) => (*node, entry.session),
                Edit::Remove(node, _, session, _) => (*node, *session),
            };
            last.insert(key, edit);
        }
        let (puts, removals): (Vec<Edit>, Vec<Edit>) =
            last.into_values().partition(|edit| matches!(edit, Edit::Put(..)));
        for edit in puts.into_iter().chain(removals) {
            match edit {
                Edit::Put(node, entry) => {
                    let effect = self.roster.put(node, &entry);
                    let user = &entry.profile.user;
                    self.touch(desk, user);
                    let profile = self.profile(user).unwrap_or_else(|| entry.profile.clone());
                    self.note(desk, &profile, effect, Reason::Left);
                    if self.roster.is_of(user, entry.session, node) {
                        self.put_locks(desk, &Holder { session: entry.session, profile }, &entry.locks);
                    }
                }
                Edit::Remove(node, user, session, reason) => {
                    if self.roster.is_of(&user, session, node) {
                        self.exit_distant(desk, &user, session, reason);
                    }
                }
            }
        }
    }

    /// Takes an entry of another node away. Who left for good leaves nothing of reloads behind, here neither.
    fn exit_distant(&mut self, desk: &mut Desk<'_>, user: &UserId, session: SessionId, reason: Reason) {
        self.stop_session(desk, user, session);
        self.exit(desk, user, session, reason);
        self.cursors.forget_distant(session);
        if reason == Reason::Left {
            for closed in self.roster.closed_behind(user) {
                self.exit(desk, user, closed, reason);
            }
        }
    }

    /// An entry of this node, as others are told of it.
    pub(crate) fn own_entry(&self, user: &UserId, session: SessionId) -> Option<SectionEntry> {
        let entry = self.roster.own_entry(user, session)?;
        Some(SectionEntry { locks: self.holdings.of(session), ..entry })
    }

    /// All entries of this node.
    pub(crate) fn own_entries(&self) -> Vec<SectionEntry> {
        let entries = self.roster.own_entries().into_iter();
        entries.map(|entry| SectionEntry { locks: self.holdings.of(entry.session), ..entry }).collect()
    }

    /// Whether nobody of this node is in it or hears it.
    pub(crate) fn is_unused(&self) -> bool {
        !self.roster.has_own() && self.listeners.is_empty() && self.turn.is_none()
    }
}
