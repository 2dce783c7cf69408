//! Who is typing in a room. Every lease dies by itself; who is told belongs to the room.
use crate::{
    id::{SessionId, Target, UserId},
    time::Time,
};
use std::collections::{BTreeMap, BTreeSet};

/// What somebody types into: a target, or `None` for the room as a whole.
pub type Place = Option<Target>;

/// The leases of one room; a user types into a place while any of their sessions does.
///
/// Invariant: `leases` and `due` hold the same leases, one ordered by user, one by deadline.
#[derive(Debug, Default)]
pub struct TypingSet {
    leases: BTreeMap<(UserId, Place, SessionId), Time>,
    due: BTreeSet<(Time, UserId, Place, SessionId)>,
}

/// One lease, named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Who types.
    pub user: UserId,
    /// Into what.
    pub place: Place,
    /// In which tab.
    pub session: SessionId,
}

impl TypingSet {
    /// Begins or renews a lease until `until`. True where the user did not type into the place before.
    pub fn start(&mut self, lease: Lease, until: Time) -> bool {
        let fresh = !self.contains(&lease.user, &lease.place);
        let Lease { user, place, session } = lease;
        if let Some(before) = self.leases.insert((user.clone(), place.clone(), session), until) {
            self.due.remove(&(before, user.clone(), place.clone(), session));
        }
        self.due.insert((until, user, place, session));
        fresh
    }

    /// Ends a lease. True where the user types into the place no more.
    pub fn stop(&mut self, lease: &Lease) -> bool {
        let key = (lease.user.clone(), lease.place.clone(), lease.session);
        let Some(until) = self.leases.remove(&key) else { return false };
        self.due.remove(&(until, key.0, key.1, key.2));
        !self.contains(&lease.user, &lease.place)
    }

    /// Ends all leases of a session; the places that its user types into no more.
    pub fn stop_session(&mut self, user: &UserId, session: SessionId) -> Vec<Place> {
        let held = self.of_user(user).filter(|(_, holder)| *holder == session);
        let places: Vec<Place> = held.map(|(place, _)| place.clone()).collect();
        let lease = |place| Lease { user: user.clone(), place, session };
        places.into_iter().filter(|place| self.stop(&lease(place.clone()))).collect()
    }

    /// Ends all leases of a user; the places that they typed into.
    pub fn stop_user(&mut self, user: &UserId) -> Vec<Place> {
        let held: Vec<(Place, SessionId)> =
            self.of_user(user).map(|(place, session)| (place.clone(), session)).collect();
        let mut stopped = Vec::new();
        for (place, session) in held {
            if self.stop(&Lease { user: user.clone(), place: place.clone(), session }) {
                stopped.push(place);
            }
        }
        stopped
    }

    /// Ends what is due at `now`; who types into which place no more.
    pub fn expire(&mut self, now: Time) -> Vec<(UserId, Place)> {
        let mut stopped = Vec::new();
        while self.next_deadline().is_some_and(|due| due <= now) {
            let Some((_, user, place, session)) = self.due.pop_first() else { break };
            self.leases.remove(&(user.clone(), place.clone(), session));
            if !self.contains(&user, &place) {
                stopped.push((user, place));
            }
        }
        stopped
    }

    /// When the next lease ends, unless it is renewed.
    pub fn next_deadline(&self) -> Option<Time> {
        self.due.first().map(|(until, ..)| *until)
    }

    /// Places that a session types into, this one not counted.
    pub fn others_of_session(&self, lease: &Lease) -> usize {
        self.of_user(&lease.user).filter(|(place, session)| *session == lease.session && **place != lease.place).count()
    }

    /// Who types into what, by user id, places in order.
    pub fn typists(&self) -> BTreeMap<&UserId, Vec<Place>> {
        let mut typists: BTreeMap<&UserId, Vec<Place>> = BTreeMap::new();
        for (user, place, _) in self.leases.keys() {
            let places = typists.entry(user).or_default();
            if places.last() != Some(place) {
                places.push(place.clone());
            }
        }
        typists
    }

    /// A user's leases: into what, in which session, and until when.
    pub fn leases_of(&self, user: &UserId) -> Vec<(Place, SessionId, Time)> {
        let leases = self.leases.iter().filter(|((held, ..), _)| held == user);
        leases.map(|((_, place, session), until)| (place.clone(), *session, *until)).collect()
    }

    /// Whether nobody types.
    pub fn is_empty(&self) -> bool {
        self.leases.is_empty()
    }

    fn contains(&self, user: &UserId, place: &Place) -> bool {
        let from = (user.clone(), place.clone(), SessionId(0));
        self.leases.range(from..).next().is_some_and(|((held, at, _), _)| held == user && at == place)
    }

    fn of_user(&self, user: &UserId) -> impl Iterator<Item = (&Place, SessionId)> {
        let from = (user.clone(), None, SessionId(0));
        let mine = self.leases.range(from..).take_while({
            let user = user.clone();
            move |((held, ..), _)| *held == user
        });
        mine.map(|((_, place, session), _)| (place, *session))
    }
}
