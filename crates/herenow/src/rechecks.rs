//! Who is here by the word of the app (a cookie, a room that the app let them enter), and is asked about again: who lost
//! their right does not stay until they reload. Nothing is held for those who are here by a token alone.
use crate::{
    auth::{
        authority::KnownCookie,
        hook::{CookieAnswer, CookieHook, CookieKey, HookTimes, RoomAnswer, RoomHook},
        rights::{Grants, Rights},
        source::Token,
        token::Identity,
    },
    clock::Clock,
    connection::Connection,
};
use hashbrown::HashMap;
use herenow_core::{
    id::{RoomId, SessionId, UserId},
    time::Time,
};
use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

/// Those who are asked about again.
pub struct Rechecks {
    clock: Clock,
    tables: Mutex<Tables>,
}

#[derive(Default)]
struct Tables {
    cookies: HashMap<CookieKey, HeldCookie>,
    rooms: HashMap<(UserId, RoomId), HeldRoom>,
}

struct HeldCookie {
    pair: Token,
    user: UserId,
    grants: Arc<Grants>,
    due: Time,
    connections: Vec<Weak<Connection>>,
}

struct HeldRoom {
    rights: Rights,
    good_at: Time,
    due: Time,
    connections: Vec<Weak<Connection>>,
}

/// What came of asking again.
#[derive(Debug)]
pub enum Outcome {
    /// These connections may stay until then; perhaps that is sooner than before.
    Extend(Vec<Arc<Connection>>, Time),
    /// These connections have to prove anew who they are.
    Expire(Vec<Arc<Connection>>),
    /// These sessions have to leave a room.
    Evict(RoomId, Vec<SessionId>),
    /// All stays as it is.
    Keep,
}

/// Whom to ask about.
#[derive(Clone, Debug)]
pub enum Due {
    /// A cookie.
    Cookie(CookieKey, Token),
    /// A user in a room.
    Room(UserId, RoomId),
}

impl Rechecks {
    /// Nobody yet.
    pub fn new(clock: Clock) -> Self {
        Self { clock, tables: Mutex::default() }
    }

    /// Notes that a connection is let in because of a cookie.
    pub fn hold_cookie(
        &self,
        cookie: KnownCookie,
        identity: &Identity,
        connection: &Arc<Connection>,
        times: HookTimes,
    ) {
        let (now, mut tables) = (self.clock.now(), self.tables());
        let KnownCookie { key, pair } = cookie;
        let held = tables.cookies.entry(key).or_insert_with(|| HeldCookie {
            pair,
            user: identity.profile.user.clone(),
            grants: Arc::clone(&identity.grants),
            due: now + spread(times.recheck),
            connections: Vec::new(),
        });
        add(&mut held.connections, connection);
    }

    /// Notes that a session joins a room because the app lets its user.
    pub fn hold_room(&self, place: (UserId, RoomId), rights: Rights, connection: &Arc<Connection>, times: HookTimes) {
        let (now, mut tables) = (self.clock.now(), self.tables());
        let fresh = || HeldRoom { rights, good_at: now, due: now + spread(times.recheck), connections: Vec::new() };
        let held = tables.rooms.entry(place).or_insert_with(fresh);
        held.rights = rights;
        add(&mut held.connections, connection);
    }

    /// Notes that a session leaves a room.
    pub fn release_room(&self, user: &UserId, room: &RoomId, session: SessionId) {
        let mut tables = self.tables();
        let place = (user.clone(), room.clone());
        let Some(held) = tables.rooms.get_mut(&place) else { return };
        held.connections.retain(|held| held.upgrade().is_some_and(|held| held.session() != session));
        if held.connections.is_empty() {
            tables.rooms.remove(&place);
        }
    }

    /// What the app lets a user do who is in a room because of it.
    pub fn rights(&self, user: &UserId, room: &RoomId) -> Option<Rights> {
        let tables = self.tables();
        // No allocation where there is nobody, which is where no hook is set.
        if tables.rooms.is_empty() {
            return None;
        }
        tables.rooms.get(&(user.clone(), room.clone())).map(|held| held.rights)
    }

    /// How many cookies and places are held.
    pub fn count(&self) -> usize {
        let tables = self.tables();
        tables.cookies.len() + tables.rooms.len()
    }

    /// Who has to be asked about now. Forgets those who are gone.
    pub fn due(&self) -> Vec<Due> {
        let (now, mut tables) = (self.clock.now(), self.tables());
        let mut due = Vec::new();
        tables.cookies.retain(|key, held| {
            if held.due > now {
                return true;
            }
            held.connections.retain(is_open);
            if !held.connections.is_empty() {
                due.push(Due::Cookie(key.clone(), held.pair.clone()));
            }
            !held.connections.is_empty()
        });
        tables.rooms.retain(|(user, room), held| {
            if held.due > now {
                return true;
            }
            held.connections.retain(is_open);
            if !held.connections.is_empty() {
                due.push(Due::Room(user.clone(), room.clone()));
            }
            !held.connections.is_empty()
        });
        due
    }

    /// What follows from what the app says of a cookie now.
    pub fn take_cookie_answer(&self, key: &CookieKey, answer: &CookieAnswer, hook: &CookieHook) -> Outcome {
        let (now, times, mut tables) = (self.clock.now(), hook.hook().times(), self.tables());
        let Some(held) = tables.cookies.get_mut(key) else { return Outcome::Keep };
        match answer {
            CookieAnswer::Known(vouched) if (&vouched.profile.user, &vouched.grants) == (&held.user, &held.grants) => {
                held.due = now + spread(times.recheck);
                Outcome::Extend(open(&held.connections), hook.identity(vouched).ends_at())
            }
            CookieAnswer::Known(_) | CookieAnswer::Nobody => {
                let connections = open(&held.connections);
                tables.cookies.remove(key);
                Outcome::Expire(connections)
            }
            // Each connection has an end of its own, by when that has to be made good.
            CookieAnswer::Unavailable => {
                held.due = now + retry(times);
                Outcome::Keep
            }
        }
    }

    /// What follows from what the app says of a user in a room now.
    pub fn take_room_answer(&self, user: &UserId, room: &RoomId, answer: RoomAnswer, hook: &RoomHook) -> Outcome {
        let (now, times, mut tables) = (self.clock.now(), hook.hook().times(), self.tables());
        let place = (user.clone(), room.clone());
        let Some(held) = tables.rooms.get_mut(&place) else { return Outcome::Keep };
        match answer {
            RoomAnswer::Rights(rights) if rights.reads() => {
                (held.rights, held.good_at, held.due) = (rights, now, now + spread(times.recheck));
                return Outcome::Keep;
            }
            RoomAnswer::Unavailable if now.since(held.good_at) < times.recheck + times.outage => {
                held.due = now + retry(times);
                return Outcome::Keep;
            }
            RoomAnswer::Rights(_) | RoomAnswer::Unavailable => {}
        }
        let sessions = open(&held.connections).iter().map(|connection| connection.session()).collect();
        tables.rooms.remove(&place);
        Outcome::Evict(place.1, sessions)
    }

    fn tables(&self) -> std::sync::MutexGuard<'_, Tables> {
        // Each map is whole after each of its calls, so what a panic left behind is as good as any.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add(connections: &mut Vec<Weak<Connection>>, connection: &Arc<Connection>) {
    let is_listed = connections.iter().any(|held| held.as_ptr() == Arc::as_ptr(connection));
    if !is_listed {
        // Those that are gone make room, so that somebody who comes and goes does not fill it.
        connections.retain(is_open);
        connections.push(Arc::downgrade(connection));
    }
}

fn is_open(connection: &Weak<Connection>) -> bool {
    connection.upgrade().is_some_and(|connection| connection.farewell().is_none())
}

fn open(connections: &[Weak<Connection>]) -> Vec<Arc<Connection>> {
    let alive = connections.iter().filter_map(Weak::upgrade);
    alive.filter(|connection| connection.farewell().is_none()).collect()
}

/// Three quarters to all of a time, at random: so that those who came together are not asked about together.
fn spread(time: Duration) -> Duration {
    // Without a random number all is asked about at once, and nothing else is wrong.
    let part = getrandom::u32().unwrap_or_default() % 1000;
    time * 3 / 4 + time / 4 * part / 1000
}

fn retry(times: HookTimes) -> Duration {
    (times.recheck / 4).min(RETRY_MAX)
}

/// How often those are asked about at the least for whom there was no answer.
const RETRY_MAX: Duration = Duration::from_secs(10);
