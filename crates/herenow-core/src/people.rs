//! Green dots: who is online at all, in whatever room or none, and who wants to know.
use crate::{
    command::{Ending, Reason},
    id::{SessionId, UserId},
    limits::Limits,
    profile::Status,
    time::Time,
};
use std::collections::{BTreeMap, BTreeSet};

/// The users whose home is one hub.
///
/// Invariant: nobody is kept without a session and without somebody who watches.
#[derive(Debug, Default)]
pub struct People {
    users: BTreeMap<UserId, Person>,
    /// Users whose status may differ from what was told.
    unsettled: BTreeSet<UserId>,
}

#[derive(Debug, Default)]
struct Person {
    sessions: Vec<Online>,
    watchers: BTreeSet<SessionId>,
    /// What those who watch were told; `None` is offline.
    told: Option<Status>,
}

/// A session of a user, in whatever rooms.
#[derive(Debug)]
struct Online {
    session: SessionId,
    status: Status,
    /// Since its connection ended: until when it counts, and why it ended.
    gone: Option<(Time, Reason)>,
}

/// A user whose status is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dot {
    /// Who.
    pub user: UserId,
    /// `None` is offline.
    pub status: Option<Status>,
}

impl People {
    /// Counts a session.
    pub fn arrive(&mut self, user: &UserId, session: SessionId, status: Status) {
        let person = self.users.entry(user.clone()).or_default();
        match person.sessions.iter_mut().find(|online| online.session == session) {
            Some(online) => *online = Online { session, status, gone: None },
            None => {
                if person.sessions.is_empty() {
                    person.sessions.reserve_exact(1);
                }
                person.sessions.push(Online { session, status, gone: None });
            }
        }
        self.unsettled.insert(user.clone());
    }

    /// Notes that a session's connection ended: it counts on for the grace. Until when to look again, where it does.
    pub fn depart(
        &mut self,
        user: &UserId,
        session: SessionId,
        how: Ending,
        now: Time,
        limits: &Limits,
    ) -> Option<Time> {
        let person = self.users.get_mut(user)?;
        let online = person.sessions.iter_mut().find(|online| online.session == session)?;
        self.unsettled.insert(user.clone());
        let grace = how.grace(limits);
        if !grace.is_zero() {
            let until = now + grace;
            online.gone = Some((until, how.reason()));
            return Some(until);
        }
        person.sessions.retain(|online| online.session != session);
        let is_away = person.sessions.iter().all(|online| online.gone.is_some());
        if how == Ending::Left && is_away {
            // Whoever leaves for good leaves nothing of reloads behind.
            person.sessions.retain(|online| !matches!(online.gone, Some((_, Reason::Closed))));
        }
        None
    }

    /// Ends a session whose grace is over.
    pub fn end_grace(&mut self, user: &UserId, session: SessionId, now: Time) {
        let Some(person) = self.users.get_mut(user) else { return };
        let is_over = |online: &Online| online.gone.is_some_and(|(until, _)| until <= now);
        person.sessions.retain(|online| online.session != session || !is_over(online));
        self.unsettled.insert(user.clone());
    }

    /// Notes whether a session is active.
    pub fn set_status(&mut self, user: &UserId, session: SessionId, status: Status) {
        let Some(person) = self.users.get_mut(user) else { return };
        for online in person.sessions.iter_mut().filter(|online| online.session == session) {
            online.status = status;
        }
        self.unsettled.insert(user.clone());
    }

    /// Has a session told of a user from now on; what it has to know first.
    pub fn watch(&mut self, user: &UserId, watcher: SessionId) -> Dot {
        let person = self.users.entry(user.clone()).or_default();
        if person.watchers.is_empty() {
            person.told = person.status();
        }
        person.watchers.insert(watcher);
        Dot { user: user.clone(), status: person.told }
    }

    /// Has a session told of a user no more.
    pub fn unwatch(&mut self, user: &UserId, watcher: SessionId) {
        let Some(person) = self.users.get_mut(user) else { return };
        person.watchers.remove(&watcher);
        self.unsettled.insert(user.clone());
    }

    /// What is to be told at the end of a turn, and to whom; forgets who is neither here nor watched.
    pub fn settle(&mut self) -> Vec<(Dot, Vec<SessionId>)> {
        let mut news = Vec::new();
        for user in std::mem::take(&mut self.unsettled) {
            let Some(person) = self.users.get_mut(&user) else { continue };
            let status = person.status();
            if status != person.told {
                person.told = status;
                if !person.watchers.is_empty() {
                    news.push((Dot { user: user.clone(), status }, person.watchers.iter().copied().collect()));
                }
            }
            if person.sessions.is_empty() && person.watchers.is_empty() {
                self.users.remove(&user);
            }
        }
        news
    }

    /// Whether somebody's status may have to be told.
    pub fn is_settled(&self) -> bool {
        self.unsettled.is_empty()
    }

    /// A user's status; `None` is offline.
    pub fn status(&self, user: &UserId) -> Option<Status> {
        self.users.get(user)?.status()
    }

    /// How many users are kept.
    pub fn count(&self) -> usize {
        self.users.len()
    }
}

impl Person {
    /// The most present of the sessions.
    fn status(&self) -> Option<Status> {
        self.sessions.iter().map(|online| online.status).min()
    }
}
