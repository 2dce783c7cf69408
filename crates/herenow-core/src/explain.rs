//! Why is somebody shown? What a hub knows of one user in one room, for people who look into a complaint.
use crate::{
    history::Kind,
    id::{LockName, SessionId, UserId},
    room::Room,
    roster::EntryFact,
    time::Time,
    typing::Place,
};

/// What a hub knows of a user in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Whether the user is in the roster.
    pub is_viewer: bool,
    /// The sessions that keep them there.
    pub entries: Vec<EntryFact>,
    /// Their last transitions that the room remembers, the oldest first.
    pub transitions: Vec<Transition>,
    /// What they type into, in which session, and until when without a repeat.
    pub typing: Vec<(Place, SessionId, Time)>,
    /// The locks that their sessions hold or wait for.
    pub locks: Vec<(LockName, SessionId)>,
    /// Until when they may not come back, where they were put out.
    pub blocked_until: Option<Time>,
}

/// One transition of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The version that it took.
    pub version: u64,
    /// When.
    pub at: Time,
    /// What.
    pub kind: Kind,
}

impl Room {
    /// What the room knows of a user.
    pub(crate) fn explain(&self, user: &UserId) -> Explanation {
        let sessions = self.roster.sessions(user);
        let locks = |session: &SessionId| {
            let session = *session;
            self.locks.of_session(session).into_iter().map(move |name| (name, session))
        };
        let transition = |(version, change): (u64, &crate::history::Change)| Transition {
            version,
            at: change.at,
            kind: change.kind,
        };
        let transitions = self.history.all().filter(|(_, change)| change.profile.user == *user);
        Explanation {
            is_viewer: self.roster.contains(user),
            entries: self.roster.facts(user),
            transitions: transitions.map(transition).collect(),
            typing: self.typing.leases_of(user),
            locks: sessions.iter().flat_map(locks).collect(),
            blocked_until: None,
        }
    }
}
