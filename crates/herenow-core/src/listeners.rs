//! The sessions that hear a room.
use crate::{
    command::Interest,
    event::{Except, Hearing, Mark},
    id::{ConnectionKey, SessionId, UserId},
};

/// One session that hears a room.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Which.
    pub session: SessionId,
    /// Whose.
    pub user: UserId,
    /// Where its connection is.
    pub connection: ConnectionKey,
    /// How much it hears.
    pub interest: Interest,
    /// Since when it listens.
    pub since: Mark,
    /// Since when it hears changes: it was owed the whole roster then, as of the end of that turn.
    pub owed: Mark,
}

/// In order of their ids and side by side in memory: fan-out walks this list for every event, while it changes only at
/// a join or a leave.
#[derive(Debug, Default)]
pub struct Listeners(Vec<Listener>);

impl Listeners {
    /// Adds a session, or gives it another interest and connection; then it listens since when it did.
    pub fn insert(&mut self, listener: Listener) {
        match self.0.binary_search_by_key(&listener.session, |held| held.session) {
            Ok(at) => {
                let since = self.0[at].since;
                self.0[at] = Listener { since, ..listener };
            }
            Err(at) => {
                if self.0.is_empty() {
                    self.0.reserve_exact(2);
                }
                self.0.insert(at, listener);
            }
        }
    }

    /// Removes a session. True where it was there.
    pub fn remove(&mut self, session: SessionId) -> bool {
        let found = self.0.binary_search_by_key(&session, |held| held.session);
        found.map(|at| self.0.remove(at)).is_ok()
    }

    /// One session's place in the list.
    pub fn get(&self, session: SessionId) -> Option<&Listener> {
        let at = self.0.binary_search_by_key(&session, |held| held.session).ok()?;
        self.0.get(at)
    }

    /// A user's sessions that hear the room; O(listeners).
    pub fn of_user(&self, user: &UserId) -> impl Iterator<Item = SessionId> {
        self.0.iter().filter(move |listener| listener.user == *user).map(|listener| listener.session)
    }

    /// Those an event is for.
    pub fn hearing<'a>(
        &'a self,
        hearing: Hearing,
        except: &'a Except,
        before: Mark,
    ) -> impl Iterator<Item = &'a Listener> {
        self.0.iter().filter(move |listener| {
            // A roster holds the changes of its turn already, but no message.
            let listens = if hearing == Hearing::All { listener.since } else { listener.owed };
            listens < before && hearing.includes(listener.interest) && !except.names(listener)
        })
    }

    /// Whether nobody listens.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Except {
    fn names(&self, listener: &Listener) -> bool {
        match self {
            Self::Nobody => false,
            Self::User(user) => listener.user == *user,
            Self::Session(session) => listener.session == *session,
            Self::AllBut(user) => listener.user != *user,
            Self::AllButWithout(user, session) => listener.user != *user || listener.session == *session,
        }
    }
}
