//! Sessions that go on over another connection: who may claim one, and with which secret.
//!
//! A session's secret is good once: claiming the session makes a new one. The one before stays good until the new
//! connection was heard, because its client may never have got the new one. Kept in memory only.
use crate::connection::Connection;
use hashbrown::HashMap;
use herenow_core::{
    command::Ending,
    id::{RoomId, SessionId, UserId},
    luggage::Luggage,
    profile::Status,
    time::Time,
};
use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};
use xxhash_rust::xxh3::xxh3_64;

/// The sessions of a process that can be gone on with.
pub struct Resumes {
    window: Duration,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    records: HashMap<SessionId, Record>,
    /// The secret that was used to claim a session, until its new connection was heard.
    claimed_with: HashMap<SessionId, Secret>,
    /// Sessions whose connection ended, by when.
    ended: VecDeque<(Time, SessionId)>,
    /// The rooms that these were in and have not claimed again.
    rooms: HashMap<SessionId, Vec<RoomId>>,
    luggage: Luggage,
}

/// Small, because each connection has one.
struct Record {
    /// Stands for the user, besides the secret that only their client knows.
    user: u64,
    secret: Secret,
    connection: Weak<Connection>,
    /// Zero while the connection is open.
    ended_at: Time,
}

/// 128 random bits, in two parts because one number would want more room.
pub(crate) type Secret = [u64; 2];

/// What a claim to a session comes to.
#[derive(Debug)]
pub enum Claim {
    /// There is nothing to go on with: a new session.
    New,
    /// The session's connection is gone: it goes on.
    Free(Claimed),
    /// The session has a connection that seems to be open: a copied secret, or a peer that the network cut off.
    Contested(Claimed, Arc<Connection>),
}

/// A session, the secret that gives a right to it, and the connection that served it last when it was claimed.
#[derive(Clone)]
pub struct Claimed {
    /// Which session.
    pub session: SessionId,
    secret: Secret,
    holder: Weak<Connection>,
}

impl fmt::Debug for Claimed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Claimed({})", self.session)
    }
}

impl Resumes {
    /// Nothing to go on with. `window` is how long a session is kept after its connection ended.
    pub fn new(window: Duration) -> Self {
        Self { window, table: Mutex::default() }
    }

    /// Judges a claim. A wrong, old or foreign token is no error: its bearer gets a new session.
    pub fn claim(&self, token: &str, user: &UserId, now: Time) -> Claim {
        let Some((session, secret)) = parse(token) else { return Claim::New };
        let table = self.table();
        let Some(record) = table.records.get(&session).filter(|record| record.user == number_of(user)) else {
            return Claim::New;
        };
        let is_good = is_same(record.secret, secret) | is_same(table.claimed_with(session), secret);
        let is_open = record.ended_at == OPEN;
        if !is_good || (!is_open && now.since(record.ended_at) > self.window) {
            return Claim::New;
        }
        let claimed = Claimed { session, secret, holder: Weak::clone(&record.connection) };
        match record.connection.upgrade() {
            Some(connection) if is_open && connection.farewell().is_none() => Claim::Contested(claimed, connection),
            Some(_) | None => Claim::Free(claimed),
        }
    }

    /// Has a connection serve a session that it claimed, until [`Self::hold`] gives it a secret. False where another did
    /// so first, or where the session has left since: then there is nothing to go on with after all.
    pub fn take(&self, claimed: &Claimed, connection: &Arc<Connection>) -> bool {
        let mut table = self.table();
        let record = table.records.get_mut(&claimed.session);
        let Some(record) = record.filter(|record| record.connection.ptr_eq(&claimed.holder)) else { return false };
        (record.connection, record.ended_at) = (Arc::downgrade(connection), OPEN);
        table.luggage.take_up(claimed.session);
        true
    }

    /// Gives its session to a connection under a new secret; the token to hand out. The secret that it was claimed with
    /// stays good until [`Self::confirm`].
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub fn hold(
        &self,
        connection: &Arc<Connection>,
        user: &UserId,
        claimed: Option<&Claimed>,
    ) -> Result<String, getrandom::Error> {
        // Never zero, which stands for no secret.
        let secret = [getrandom::u64()?, getrandom::u64()? | 1];
        let session = connection.session();
        let (user, connection) = (number_of(user), Arc::downgrade(connection));
        let mut table = self.table();
        match claimed {
            Some(claimed) => table.claimed_with.insert(session, claimed.secret),
            None => table.claimed_with.remove(&session),
        };
        table.records.insert(session, Record { user, secret, connection, ended_at: OPEN });
        Ok(format!("{session}.{:016x}{:016x}", secret[0], secret[1]))
    }

    /// Notes that the new connection of a session was heard: the secret before is good no more.
    pub fn confirm(&self, session: SessionId) {
        self.table().claimed_with.remove(&session);
    }

    /// Whether a connection is the one that holds its session.
    pub fn is_held_by(&self, connection: &Arc<Connection>) -> bool {
        is_held(&self.table(), connection)
    }

    /// The rooms that a session was in on connections that ended; it has to claim them. Gives them once.
    pub fn take_rooms(&self, session: SessionId) -> Vec<RoomId> {
        self.table().rooms.remove(&session).unwrap_or_default()
    }

    /// Notes that a connection's session is active or idle.
    pub fn set_status(&self, connection: &Arc<Connection>, status: Status) {
        if let Some(mut table) = self.table_of(connection) {
            table.luggage.set_status(connection.session(), status);
        }
    }

    /// Adds users to those whom a connection's session watches. False, and nothing is added, where they would be more than
    /// `watched_max`.
    pub fn watch(&self, connection: &Arc<Connection>, users: &[UserId], watched_max: usize) -> bool {
        self.table_of(connection).is_none_or(|mut table| table.luggage.watch(connection.session(), users, watched_max))
    }

    /// Takes users away from those whom a connection's session watches.
    pub fn unwatch(&self, connection: &Arc<Connection>, users: &[UserId]) {
        if let Some(mut table) = self.table_of(connection) {
            table.luggage.unwatch(connection.session(), users);
        }
    }

    /// Whether a session is active or idle, and whom it watches.
    pub fn luggage(&self, session: SessionId) -> (Status, Vec<UserId>) {
        let table = self.table();
        (table.luggage.status(session), table.luggage.watched(session))
    }

    /// Notes that a connection ended, and which rooms its session was in. Who left, was put out or has an expired token
    /// has nothing to go on with.
    pub fn release(&self, connection: &Arc<Connection>, how: Ending, rooms: Vec<RoomId>, now: Time) {
        let session = connection.session();
        let mut table = self.table();
        if is_held(&table, connection) {
            match how {
                Ending::Left | Ending::Kicked | Ending::Expired => {
                    table.forget(session);
                }
                Ending::Closed | Ending::Lost | Ending::TimedOut | Ending::Drained if !table.luggage.leave(session) => {
                    table.forget(session);
                }
                Ending::Closed | Ending::Lost | Ending::TimedOut | Ending::Drained => {
                    if let Some(record) = table.records.get_mut(&session) {
                        record.ended_at = now;
                    }
                    table.ended.push_back((now, session));
                    if !rooms.is_empty() {
                        table.rooms.insert(session, rooms);
                    }
                }
            }
        } else if !table.records.contains_key(&session) {
            table.luggage.forget(session);
        }
        self.forget(&mut table, now);
    }

    /// Has nobody go on with a session of a user any more; the connections that served them. O(sessions).
    pub fn forget_user(&self, user: &UserId) -> Vec<Arc<Connection>> {
        let (mut table, number) = (self.table(), number_of(user));
        let theirs: Vec<SessionId> =
            table.records.iter().filter(|(_, record)| record.user == number).map(|(session, _)| *session).collect();
        let forget = |session: &SessionId| table.forget(*session).and_then(|record| record.connection.upgrade());
        theirs.iter().filter_map(forget).collect()
    }

    /// How many sessions are kept, those with a connection included.
    pub fn count(&self, now: Time) -> usize {
        let mut table = self.table();
        self.forget(&mut table, now);
        table.records.len()
    }

    fn forget(&self, table: &mut Table, now: Time) {
        while let Some((ended_at, session)) = table.ended.front().copied() {
            if now.since(ended_at) <= self.window {
                return;
            }
            table.ended.pop_front();
            // It may have been claimed since, and ended again.
            if table.records.get(&session).is_some_and(|record| record.ended_at == ended_at) {
                table.forget(session);
            }
        }
    }

    /// The table, unless another connection serves the session of this one by now.
    fn table_of(&self, connection: &Arc<Connection>) -> Option<std::sync::MutexGuard<'_, Table>> {
        let table = self.table();
        let is_theirs = is_held(&table, connection) || !table.records.contains_key(&connection.session());
        is_theirs.then_some(table)
    }

    fn table(&self) -> std::sync::MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// The secret that a session was claimed with, while that is good; nothing otherwise.
    fn claimed_with(&self, session: SessionId) -> Secret {
        self.claimed_with.get(&session).copied().unwrap_or_default()
    }

    fn forget(&mut self, session: SessionId) -> Option<Record> {
        self.claimed_with.remove(&session);
        self.rooms.remove(&session);
        self.luggage.forget(session);
        self.records.remove(&session)
    }
}

/// Whether two secrets are the same one, in a time that does not tell where they differ; none is the same as none.
pub(crate) fn is_same(held: Secret, given: Secret) -> bool {
    let differing = (held[0] ^ given[0]) | (held[1] ^ given[1]);
    (differing == 0) & (held[1] != 0)
}

fn is_held(table: &Table, connection: &Arc<Connection>) -> bool {
    let record = table.records.get(&connection.session());
    record.is_some_and(|record| std::ptr::eq(record.connection.as_ptr(), &raw const **connection))
}

fn number_of(user: &UserId) -> u64 {
    xxh3_64(user.as_str().as_bytes())
}

/// When a connection ended that is open.
const OPEN: Time = Time::from_millis(0);

/// The session and the secret in a token.
pub(crate) fn parse(token: &str) -> Option<(SessionId, Secret)> {
    let (session, secret) = token.split_once('.')?;
    if session.len() != 16 || secret.len() != 32 || !token.bytes().all(|byte| byte == b'.' || byte.is_ascii_hexdigit())
    {
        return None;
    }
    let number = |digits: &str| u64::from_str_radix(digits, 16).ok();
    let (first, second) = secret.split_at_checked(16)?;
    Some((SessionId(number(session)?), [number(first)?, number(second)?]))
}

#[cfg(test)]
mod tests {
    use super::{Claim, Resumes};
    use crate::connection::{Connection, ConnectionSetup, Socket};
    use herenow_core::{
        command::Ending,
        id::{RoomId, SessionId, UserId},
        time::Time,
    };
    use herenow_wire::dialect::Dialect;
    use std::{sync::Arc, time::Duration};

    fn connection(session: u64) -> Arc<Connection> {
        Arc::new(Connection::new(ConnectionSetup {
            session: SessionId(session),
            dialect: Dialect::Native,
            socket: Socket::Owned,
            outbox_bytes_max: 1024,
            now: at(0),
        }))
    }

    fn at(second: u64) -> Time {
        Time::from_millis(second * 1000)
    }

    fn user(name: &str) -> UserId {
        UserId::parse(name).unwrap()
    }

    fn is_free(claim: &Claim) -> bool {
        matches!(claim, Claim::Free(claimed) if claimed.session == SessionId(7))
    }

    #[test]
    fn a_session_goes_on_once_within_the_window() {
        let resumes = Resumes::new(Duration::from_secs(60));
        let first = connection(7);
        let token = resumes.hold(&first, &user("ann"), None).unwrap();
        assert!(matches!(resumes.claim(&token, &user("ann"), at(1)), Claim::Contested(..)));
        resumes.release(&first, Ending::Lost, Vec::new(), at(10));
        let claim = resumes.claim(&token, &user("ann"), at(70));
        assert!(is_free(&claim));
        let Claim::Free(claimed) = claim else { return };
        assert!(matches!(resumes.claim(&token, &user("bob"), at(70)), Claim::New), "somebody else's");
        assert!(matches!(resumes.claim(&token, &user("ann"), at(71)), Claim::New), "too late");

        // The secret before is good until the new connection was heard.
        let second = connection(7);
        let renewed = resumes.hold(&second, &user("ann"), Some(&claimed)).unwrap();
        assert_ne!(token, renewed);
        assert!(matches!(resumes.claim(&token, &user("ann"), at(20)), Claim::Contested(..)));

        // A client that never got the new secret comes again with the one that it has.
        let third = connection(7);
        let renewed_again = resumes.hold(&third, &user("ann"), Some(&claimed)).unwrap();
        assert!(matches!(resumes.claim(&renewed, &user("ann"), at(20)), Claim::New), "never confirmed");
        assert!(matches!(resumes.claim(&token, &user("ann"), at(20)), Claim::Contested(..)));
        let renewed = renewed_again;
        resumes.confirm(SessionId(7));
        assert!(matches!(resumes.claim(&token, &user("ann"), at(20)), Claim::New), "used");
        assert!(matches!(resumes.claim(&renewed, &user("ann"), at(20)), Claim::Contested(..)));
    }

    #[test]
    fn nothing_goes_on_after_leaving_and_nothing_is_kept_for_ever() {
        let resumes = Resumes::new(Duration::from_secs(60));
        for (how, goes_on) in [
            (Ending::Left, false),
            (Ending::Kicked, false),
            (Ending::Expired, false),
            (Ending::Closed, true),
            (Ending::Lost, true),
            (Ending::TimedOut, true),
            (Ending::Drained, true),
        ] {
            let connection = connection(7);
            let token = resumes.hold(&connection, &user("ann"), None).unwrap();
            resumes.release(&connection, how, Vec::new(), at(10));
            assert_eq!(is_free(&resumes.claim(&token, &user("ann"), at(11))), goes_on, "{how:?}");
        }
        assert_eq!(resumes.count(at(71)), 0);
    }

    #[test]
    fn the_end_of_a_connection_that_was_replaced_changes_nothing() {
        let resumes = Resumes::new(Duration::from_secs(60));
        let (first, second) = (connection(7), connection(7));
        resumes.hold(&first, &user("ann"), None).unwrap();
        let token = resumes.hold(&second, &user("ann"), None).unwrap();
        resumes.release(&first, Ending::Left, Vec::new(), at(1));
        assert!(matches!(resumes.claim(&token, &user("ann"), at(2)), Claim::Contested(..)));
    }

    #[test]
    fn rooms_are_given_once_and_forgotten_with_their_session() {
        let resumes = Resumes::new(Duration::from_secs(60));
        let rooms = || vec![RoomId::parse("board-1").unwrap()];
        let first = connection(7);
        resumes.hold(&first, &user("ann"), None).unwrap();
        resumes.release(&first, Ending::Lost, rooms(), at(10));
        assert_eq!(resumes.take_rooms(SessionId(7)), rooms());
        assert_eq!(resumes.take_rooms(SessionId(7)), []);
        for (how, later, kept) in [(Ending::Lost, at(71), 0), (Ending::Kicked, at(11), 0), (Ending::Closed, at(70), 1)]
        {
            let next = connection(7);
            resumes.hold(&next, &user("ann"), None).unwrap();
            resumes.release(&next, how, rooms(), at(10));
            resumes.count(later);
            assert_eq!(resumes.take_rooms(SessionId(7)).len(), kept, "{how:?}");
        }
    }

    #[test]
    fn nonsense_is_a_new_session() {
        let resumes = Resumes::new(Duration::from_secs(60));
        let long = "f".repeat(10_000);
        for token in ["", ".", "7.7", "zzzzzzzzzzzzzzzz.00000000000000000000000000000000", &long] {
            assert!(matches!(resumes.claim(token, &user("ann"), at(0)), Claim::New), "{token}");
        }
    }
}
