//! Green dots: who is online at all, in whatever room or none, and who wants to know.
mod section;

use crate::{
    cluster::{changes::OwnChanges, door::NodeId},
    command::{Ending, HomeNews, Reason},
    id::{SessionId, UserId},
    limits::Limits,
    profile::Status,
    time::Time,
};
use std::collections::{BTreeMap, BTreeSet};

/// The users whose home is one hub. Small, because every session that is online is here.
///
/// Invariant: a user is in `watched` exactly while somebody watches.
#[derive(Debug, Default)]
pub struct People {
    online: BTreeMap<(UserId, SessionId), Online>,
    watched: BTreeMap<UserId, Watched>,
    /// Watched users whose status may differ from what was told.
    unsettled: BTreeSet<UserId>,
    /// Users whose sessions came or went in this turn, and whether they were online before it.
    turned: BTreeMap<UserId, bool>,
    seen: Seen,
    /// Where the node is one among several: what nodes say of users.
    sections: Option<Box<Sections>>,
}

/// When users were last seen, as far as that is to be known; also of those who are online again.
#[derive(Debug, Default)]
struct Seen {
    at: BTreeMap<UserId, Time>,
    order: BTreeSet<(Time, UserId)>,
}

/// A session of a user, in whatever rooms.
#[derive(Debug)]
struct Online {
    status: Status,
    /// Since its connection ended: until when it counts, and why it ended.
    gone: Option<(Time, Reason)>,
}

/// What nodes say of users who are online.
#[derive(Debug, Default)]
struct Sections {
    /// What changed of this node's sessions, by user.
    changed: BTreeMap<UserId, OwnChanges>,
    /// Whether who comes and goes through other nodes is noticed as well.
    are_told: bool,
    /// The sessions that other nodes have.
    distant: BTreeMap<(UserId, SessionId), (NodeId, Status)>,
}

#[derive(Debug)]
struct Watched {
    watchers: BTreeSet<SessionId>,
    /// What those were told; `None` is offline.
    told: Option<Status>,
}

/// A user whose status is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dot {
    /// Who.
    pub user: UserId,
    /// `None` is offline.
    pub status: Option<Status>,
    /// When the last connection of a user ended who is offline, where that is to be known.
    pub last_seen: Option<Time>,
}

impl People {
    /// Takes in what a session says to its user's home. Until when to look again, where its grace begins.
    pub fn hear(
        &mut self,
        user: &UserId,
        session: SessionId,
        news: HomeNews,
        (now, limits): (Time, &Limits),
    ) -> Option<Time> {
        if self.watched.contains_key(user) {
            self.unsettled.insert(user.clone());
        }
        if !matches!(news, HomeNews::Status(_)) {
            self.turn(user);
        }
        match news {
            HomeNews::Arrived(status) => {
                let before = self.online.get(&(user.clone(), session)).map(|online| online.status);
                // Who comes back within grace is no news for other nodes.
                if before != Some(status) {
                    self.note_own(user, session, None);
                }
                self.online.insert((user.clone(), session), Online { status, gone: None });
                None
            }
            HomeNews::Status(status) => {
                if let Some(online) = self.online.get_mut(&(user.clone(), session)) {
                    online.status = status;
                    self.note_own(user, session, None);
                }
                None
            }
            HomeNews::Departed(how) => {
                if self.online.contains_key(&(user.clone(), session)) {
                    self.seen.note(user, now, limits);
                }
                let grace = how.grace(limits);
                self.depart(user, session, how, (!grace.is_zero()).then(|| now + grace))
            }
        }
    }

    /// Notes that a session's connection ended; it counts until `until`, where there is a grace.
    fn depart(&mut self, user: &UserId, session: SessionId, how: Ending, until: Option<Time>) -> Option<Time> {
        if let Some(until) = until {
            let online = self.online.get_mut(&(user.clone(), session))?;
            online.gone = Some((until, how.reason()));
            return Some(until);
        }
        self.online.remove(&(user.clone(), session))?;
        self.note_own(user, session, Some(how.reason()));
        if how == Ending::Left && self.sessions(user).all(|(_, online)| online.gone.is_some()) {
            // Whoever leaves for good leaves nothing of reloads behind.
            let is_closed = |online: &Online| matches!(online.gone, Some((_, Reason::Closed)));
            let closed: Vec<SessionId> =
                self.sessions(user).filter(|(_, online)| is_closed(online)).map(|(session, _)| session).collect();
            for session in closed {
                self.online.remove(&(user.clone(), session));
                self.note_own(user, session, Some(Reason::Left));
            }
        }
        None
    }

    /// Ends a session whose grace is over.
    pub fn end_grace(&mut self, user: &UserId, session: SessionId, now: Time) {
        let key = (user.clone(), session);
        let gone = self.online.get(&key).and_then(|online| online.gone);
        if let Some((_, reason)) = gone.filter(|(until, _)| *until <= now) {
            self.turn(user);
            self.online.remove(&key);
            self.note_own(user, session, Some(reason));
            if self.watched.contains_key(user) {
                self.unsettled.insert(user.clone());
            }
        }
    }

    /// Has a session told of a user from now on; what it has to know first.
    pub fn watch(&mut self, user: &UserId, watcher: SessionId, (now, limits): (Time, &Limits)) -> Dot {
        let status = self.status(user);
        let watched = self.watched.entry(user.clone());
        let watched = watched.or_insert_with(|| Watched { watchers: BTreeSet::new(), told: status });
        watched.watchers.insert(watcher);
        let status = watched.told;
        Dot { user: user.clone(), status, last_seen: self.seen.of(user, status, (now, limits)) }
    }

    /// Has a session told of a user no more.
    pub fn unwatch(&mut self, user: &UserId, watcher: SessionId) {
        let Some(watched) = self.watched.get_mut(user) else { return };
        watched.watchers.remove(&watcher);
        if watched.watchers.is_empty() {
            self.watched.remove(user);
            self.unsettled.remove(user);
        }
    }

    /// What is to be told at the end of a turn, and to whom.
    pub fn settle(&mut self, (now, limits): (Time, &Limits)) -> Vec<(Dot, Vec<SessionId>)> {
        let mut news = Vec::new();
        for user in std::mem::take(&mut self.unsettled) {
            let status = self.status(&user);
            let Some(watched) = self.watched.get_mut(&user).filter(|watched| watched.told != status) else { continue };
            watched.told = status;
            let last_seen = self.seen.of(&user, status, (now, limits));
            news.push((Dot { user, status, last_seen }, watched.watchers.iter().copied().collect()));
        }
        news
    }

    /// Whether nobody's status may have to be told, and nobody came or went.
    pub fn is_settled(&self) -> bool {
        self.unsettled.is_empty() && self.turned.is_empty()
    }

    /// Who came online in this turn (true), and who went offline.
    pub fn take_turned(&mut self) -> Vec<(UserId, bool)> {
        let turned = std::mem::take(&mut self.turned).into_iter();
        turned
            .filter_map(|(user, was)| {
                let is = self.status(&user).is_some();
                (is != was).then_some((user, is))
            })
            .collect()
    }

    /// All users who are online, by id.
    pub fn all_online(&self) -> impl Iterator<Item = &UserId> {
        let mut last = None;
        self.online.keys().filter_map(move |(user, _)| (last.replace(user) != Some(user)).then_some(user))
    }

    /// Notes, before a session of a user comes or goes, whether the user was online when the turn began.
    fn turn(&mut self, user: &UserId) {
        if !self.turned.contains_key(user) {
            let was = self.status(user).is_some();
            self.turned.insert(user.clone(), was);
        }
    }

    /// A user's status, the most present of their sessions; `None` is offline.
    pub fn status(&self, user: &UserId) -> Option<Status> {
        let own = self.sessions(user).map(|(_, online)| online.status).min();
        own.into_iter().chain(self.distant_status(user)).min()
    }

    /// A user's status, and when they were last seen, as far as that is to be known.
    pub fn dot(&self, user: &UserId, (now, limits): (Time, &Limits)) -> Dot {
        let status = self.status(user);
        Dot { user: user.clone(), status, last_seen: self.seen.of(user, status, (now, limits)) }
    }

    /// Forgets when a user was last seen.
    pub fn forget(&mut self, user: &UserId) {
        if let Some(at) = self.seen.at.remove(user) {
            self.seen.order.remove(&(at, user.clone()));
        }
    }

    /// The sessions of a user that count, those in grace included.
    pub fn sessions_of(&self, user: &UserId) -> Vec<SessionId> {
        self.sessions(user).map(|(session, _)| session).collect()
    }

    /// How many sessions are online, and how many users are watched.
    pub fn count(&self) -> usize {
        self.online.len() + self.watched.len()
    }

    fn sessions(&self, user: &UserId) -> impl Iterator<Item = (SessionId, &Online)> {
        let all = (user.clone(), SessionId(0))..=(user.clone(), SessionId(u64::MAX));
        self.online.range(all).map(|((_, session), online)| (*session, online))
    }
}

impl Seen {
    /// Notes that a connection of a user ended.
    fn note(&mut self, user: &UserId, now: Time, limits: &Limits) {
        if limits.last_seen_ttl.is_zero() {
            return;
        }
        if let Some(before) = self.at.insert(user.clone(), now) {
            self.order.remove(&(before, user.clone()));
        }
        self.order.insert((now, user.clone()));
        while let Some((at, _)) = self.order.first()
            && (self.order.len() > limits.last_seen_max || now.since(*at) > limits.last_seen_ttl)
        {
            let Some((_, user)) = self.order.pop_first() else { break };
            self.at.remove(&user);
        }
    }

    /// When a user of this status was last seen, rounded down.
    fn of(&self, user: &UserId, status: Option<Status>, (now, limits): (Time, &Limits)) -> Option<Time> {
        let at = self.at.get(user).filter(|at| status.is_none() && now.since(**at) <= limits.last_seen_ttl)?;
        let grain = u64::try_from(limits.last_seen_grain.as_millis()).unwrap_or(u64::MAX).max(1);
        Some(Time::from_millis(at.as_millis() / grain * grain))
    }
}
