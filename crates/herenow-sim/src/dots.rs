//! Who should be online, and of whom each session should be told.
use herenow_core::{
    command::Ending,
    id::{SessionId, UserId},
    limits::Limits,
    profile::Status,
    time::Time,
};
use std::collections::{BTreeMap, BTreeSet};

/// The users whose home is a partition.
#[derive(Debug, Default)]
pub struct Dots {
    online: BTreeMap<SessionId, Online>,
    watching: BTreeMap<SessionId, BTreeSet<UserId>>,
}

#[derive(Debug)]
struct Online {
    user: UserId,
    status: Status,
    ends: Option<(Time, Ending)>,
}

impl Dots {
    /// Lets the time be `now`.
    pub fn wake(&mut self, now: Time) {
        self.online.retain(|_, online| online.ends.is_none_or(|(until, _)| until > now));
    }

    /// A session counts.
    pub fn arrive(&mut self, session: SessionId, user: &UserId, status: Status) {
        self.online.insert(session, Online { user: user.clone(), status, ends: None });
    }

    /// A session is active or idle.
    pub fn set_status(&mut self, session: SessionId, status: Status) {
        if let Some(online) = self.online.get_mut(&session) {
            online.status = status;
        }
    }

    /// A session's connection ended, as far as being told goes.
    pub fn look_away(&mut self, session: SessionId) {
        self.watching.remove(&session);
    }

    /// A session's connection ended, as far as being online goes.
    pub fn depart(&mut self, session: SessionId, how: Ending, now: Time, limits: &Limits) {
        let Some(online) = self.online.get_mut(&session) else { return };
        let grace = how.grace(limits);
        if !grace.is_zero() {
            online.ends = Some((now + grace, how));
            return;
        }
        let user = online.user.clone();
        self.online.remove(&session);
        let is_here = self.online.values().any(|other| other.user == user && other.ends.is_none());
        if how == Ending::Left && !is_here {
            let closed = |online: &Online| matches!(online.ends, Some((_, Ending::Closed)));
            self.online.retain(|_, online| online.user != user || !closed(online));
        }
    }

    /// A session wants to be told of users. False where they would be too many.
    pub fn watch(&mut self, session: SessionId, users: &[UserId], watched_max: usize) -> bool {
        let watched = self.watching.get(&session).cloned().unwrap_or_default();
        let wanted: BTreeSet<UserId> = watched.into_iter().chain(users.iter().cloned()).collect();
        let fits = wanted.len() <= watched_max;
        if fits {
            self.watching.insert(session, wanted);
        }
        fits
    }

    /// A session wants to be told no more.
    pub fn unwatch(&mut self, session: SessionId, users: &[UserId]) {
        if let Some(watched) = self.watching.get_mut(&session) {
            watched.retain(|user| !users.contains(user));
        }
        self.watching.retain(|_, watched| !watched.is_empty());
    }

    /// Of whom each session is told.
    pub fn watching(&self) -> &BTreeMap<SessionId, BTreeSet<UserId>> {
        &self.watching
    }

    /// Whether a session is told of a user.
    pub fn watches(&self, session: SessionId, user: &UserId) -> bool {
        self.watching.get(&session).is_some_and(|watched| watched.contains(user))
    }

    /// The most present of a user's sessions; `None` is offline.
    pub fn status(&self, user: &UserId) -> Option<Status> {
        let theirs = self.online.values().filter(|online| online.user == *user);
        let mut statuses: Vec<Status> = theirs.map(|online| online.status).collect();
        statuses.sort();
        statuses.first().copied()
    }

    /// What must be kept: sessions that are online or in grace, and users who are watched.
    pub fn kept(&self) -> usize {
        self.online.len() + self.watching.values().flatten().collect::<BTreeSet<_>>().len()
    }
}
