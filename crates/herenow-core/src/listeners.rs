//! The sessions that hear a room.
use crate::{
    command::Interest,
    event::{Except, Hearing, Mark},
    id::{ConnectionKey, SessionId, UserId},
    time::Time,
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
    /// The version that it has, if any.
    pub told: Told,
    /// Whether its connection takes nothing now. Then it hears messages only, and gets a roster when it is read again.
    pub behind: bool,
    /// Whether it hears about single sessions.
    pub sessions: bool,
    /// When it was last told that nobody hears of typing here; [`Self::NEVER`] where it was not.
    pub typing_off_at: Time,
}

impl Listener {
    /// As `owed`: it waits for its roster because lists are told again, and hears no changes before it.
    pub const AWAITS: Mark = Mark(u64::MAX);
    /// As `typing_off_at`: not yet.
    pub const NEVER: Time = Time::from_millis(u64::MAX);
}

/// The version that a listener has. In one word, because each viewer of each room has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told(u64);

impl Told {
    /// None: it is owed a roster, or cannot be written to.
    pub const NOTHING: Self = Self(u64::MAX);

    /// This version.
    pub const fn version(number: u64) -> Self {
        Self(number)
    }

    /// Which; `None` for [`Self::NOTHING`].
    pub fn get(self) -> Option<u64> {
        (self != Self::NOTHING).then_some(self.0)
    }
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
                if self.0.len() == self.0.capacity() {
                    // Less than twice, because most rooms are small and stay as they are.
                    self.0.reserve_exact((self.0.len() / 4).max(2));
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

    /// One session's place in the list, to change it.
    pub fn get_mut(&mut self, session: SessionId) -> Option<&mut Listener> {
        let at = self.0.binary_search_by_key(&session, |held| held.session).ok()?;
        self.0.get_mut(at)
    }

    /// Everybody, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Listener> {
        self.0.iter()
    }

    /// Everybody, in order, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Listener> {
        self.0.iter_mut()
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
            let once = hearing == Hearing::All;
            let listens = if once { listener.since } else { listener.owed };
            let wants = match hearing {
                Hearing::Sessions => listener.sessions,
                Hearing::Typing | Hearing::Everybody | Hearing::All => hearing.includes(listener.interest),
            };
            wants && listens < before && (once || !listener.behind) && !except.names(listener)
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
