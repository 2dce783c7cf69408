//! What a session has besides its places and takes along to its next connection: whether its client said that it is idle,
//! and whom it watches. Held by the driver, which knows connections; a hub forgets what ended.
use crate::{
    id::{SessionId, UserId},
    profile::Status,
};
use std::collections::{BTreeMap, BTreeSet};

/// The luggage of sessions; most have none.
#[derive(Debug, Default)]
pub struct Luggage {
    held: BTreeMap<SessionId, Carried>,
    /// Users in the lists of sessions without a connection.
    left_users: usize,
}

#[derive(Clone, Debug, Default)]
struct Carried {
    status: Status,
    watched: BTreeSet<UserId>,
    /// Whether its session has no connection now.
    is_left: bool,
}

impl Luggage {
    /// Notes that a session is active or idle.
    pub fn set_status(&mut self, session: SessionId, status: Status) {
        if status != Status::default() || self.held.contains_key(&session) {
            self.held.entry(session).or_default().status = status;
            self.drop_empty(session);
        }
    }

    /// Adds users to those whom a session watches. False, and nothing is added, where they would be more than
    /// `watched_max`.
    pub fn watch(&mut self, session: SessionId, users: &[UserId], watched_max: usize) -> bool {
        let carried = self.held.entry(session).or_default();
        let fresh: BTreeSet<&UserId> = users.iter().filter(|user| !carried.watched.contains(*user)).collect();
        let fits = carried.watched.len() + fresh.len() <= watched_max;
        if fits {
            carried.watched.extend(fresh.into_iter().cloned());
        }
        self.drop_empty(session);
        fits
    }

    /// Takes users away from those whom a session watches.
    pub fn unwatch(&mut self, session: SessionId, users: &[UserId]) {
        if let Some(carried) = self.held.get_mut(&session) {
            carried.watched.retain(|user| !users.contains(user));
            self.drop_empty(session);
        }
    }

    /// Whom a session watches.
    pub fn watched(&self, session: SessionId) -> Vec<UserId> {
        self.held.get(&session).map(|carried| carried.watched.iter().cloned().collect()).unwrap_or_default()
    }

    /// Whether a session is active or idle.
    pub fn status(&self, session: SessionId) -> Status {
        self.held.get(&session).map(|carried| carried.status).unwrap_or_default()
    }

    /// Notes that a session has no connection any more. False where the lists of such sessions are too long to keep its
    /// own as well: then it is forgotten, and there is nothing to go on with.
    pub fn leave(&mut self, session: SessionId) -> bool {
        let Some(carried) = self.held.get_mut(&session).filter(|carried| !carried.is_left) else { return true };
        if self.left_users + carried.watched.len() > LEFT_USERS_MAX {
            self.held.remove(&session);
            return false;
        }
        carried.is_left = true;
        self.left_users += carried.watched.len();
        true
    }

    /// Notes that a session has a connection again.
    pub fn take_up(&mut self, session: SessionId) {
        if let Some(carried) = self.held.get_mut(&session).filter(|carried| carried.is_left) {
            carried.is_left = false;
            self.left_users -= carried.watched.len();
        }
    }

    /// Forgets what a session has.
    pub fn forget(&mut self, session: SessionId) {
        self.take_up(session);
        self.held.remove(&session);
    }

    /// How many sessions have any.
    pub fn count(&self) -> usize {
        self.held.len()
    }

    fn drop_empty(&mut self, session: SessionId) {
        let is_empty = |carried: &Carried| carried.status == Status::default() && carried.watched.is_empty();
        if self.held.get(&session).is_some_and(is_empty) {
            self.held.remove(&session);
        }
    }
}

/// Users in the lists of all sessions without a connection.
const LEFT_USERS_MAX: usize = 200_000;

#[cfg(test)]
mod tests {
    use super::{LEFT_USERS_MAX, Luggage};
    use crate::{
        id::{SessionId, UserId},
        profile::Status,
    };

    fn users(names: impl IntoIterator<Item = usize>) -> Vec<UserId> {
        names.into_iter().map(|name| UserId::parse(&name.to_string()).unwrap()).collect()
    }

    const SESSION: SessionId = SessionId(7);

    #[test]
    fn a_session_has_what_it_said_last_and_most_have_nothing() {
        let mut luggage = Luggage::default();
        luggage.set_status(SESSION, Status::Active);
        assert_eq!(luggage.count(), 0);
        luggage.set_status(SESSION, Status::Idle);
        assert!(luggage.watch(SESSION, &users([1, 2, 2]), 3));
        assert!(luggage.watch(SESSION, &users([2, 3]), 3));
        assert!(!luggage.watch(SESSION, &users([3, 4]), 3), "all of them or none");
        luggage.unwatch(SESSION, &users([2, 9]));
        assert!(luggage.leave(SESSION));
        luggage.take_up(SESSION);
        assert_eq!((luggage.status(SESSION), luggage.watched(SESSION)), (Status::Idle, users([1, 3])));
        luggage.set_status(SESSION, Status::Active);
        luggage.unwatch(SESSION, &users([1, 3]));
        assert_eq!(luggage.count(), 0);
    }

    #[test]
    fn lists_of_sessions_without_a_connection_are_bounded_together() {
        let mut luggage = Luggage::default();
        let list = 1_000;
        let sessions = LEFT_USERS_MAX / list;
        for session in (0..=sessions as u64).map(SessionId) {
            assert!(luggage.watch(session, &users(0..list), list));
        }
        let kept = (0..=sessions as u64).map(|session| luggage.leave(SessionId(session)));
        assert_eq!(kept.filter(|kept| *kept).count(), sessions, "one is too many");
        assert_eq!(luggage.count(), sessions);
        // Who comes back, or is forgotten, makes place.
        luggage.take_up(SessionId(0));
        luggage.forget(SessionId(1));
        for session in [SessionId(300), SessionId(301)] {
            assert!(luggage.watch(session, &users(0..list), list) && luggage.leave(session));
        }
        assert!(!luggage.leave(SessionId(0)), "as many as before");
    }
}
