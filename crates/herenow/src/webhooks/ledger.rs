//! Who was announced as present, and what of the news a backend has not been told yet.
//!
//! The ledger, not the hub, decides whether something is news: who is announced already is not announced again (they came
//! back after a restart), and who never was is not said to have left. So what a backend is told alternates for each user and
//! room, whatever was dropped in between.
use crate::{
    partition::Partition,
    webhooks::{
        event::Event,
        kinds::{EventKind, EventKinds},
        spool::{Desk, number},
    },
};
use herenow_core::{
    hub::Hub,
    id::{RoomId, UserId},
    time::Time,
    version::Version,
};
use rusqlite::{OptionalExtension, params};
use std::collections::{BTreeMap, BTreeSet};

/// One transition, or what was seen in a room.
#[derive(Clone, Copy, Debug)]
pub struct News<'a> {
    /// Where.
    pub room: &'a RoomId,
    /// Who.
    pub user: &'a UserId,
    /// The version that it took, where a hub said so.
    pub version: Option<&'a Version>,
    /// When it happened.
    pub at: Time,
}

/// Everybody whom one partition knows, as of the end of a turn.
#[derive(Clone, Debug, Default)]
pub struct Present {
    /// Who is in its rooms, and when each came.
    pub rooms: BTreeMap<RoomId, BTreeMap<UserId, Time>>,
    /// Which of the users whose home it is are online.
    pub online: BTreeSet<UserId>,
}

impl Present {
    /// Everybody of whom this node tells, among those whom a hub knows.
    pub fn in_hub(hub: &Hub) -> Self {
        let online = hub.online_users().filter(|user| hub.tells(&RoomId::of_user(user)));
        let mut present = Self { online: online.cloned().collect(), ..Self::default() };
        for room in hub.rooms().filter(|room| hub.tells(room)) {
            present.rooms.insert(room.clone(), hub.present_in(room));
        }
        present
    }
}

/// There is no room in the spool; nothing of the news was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Whether there was room.
pub type Taken = rusqlite::Result<Result<(), Full>>;

/// A transaction in which news are taken.
pub struct Ledger<'a, 'b> {
    /// Where it is written.
    pub desk: &'a mut Desk<'b>,
    /// Which events are wanted.
    pub kinds: EventKinds,
    /// The time now.
    pub now: Time,
}

impl Ledger<'_, '_> {
    /// A user is in a room.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn came(&mut self, news: News<'_>) -> Taken {
        let News { room, user, version, at } = news;
        let run = self.desk.run;
        let known = "SELECT run FROM announced WHERE room = ?1 AND user = ?2";
        let names = params![room.as_str(), user.as_str()];
        let known: Option<i64> =
            self.desk.transaction.prepare_cached(known)?.query_row(names, |row| row.get(0)).optional()?;
        if let Some(known) = known {
            if known != run {
                let sql = "UPDATE announced SET run = ?3 WHERE room = ?1 AND user = ?2";
                let names = params![room.as_str(), user.as_str(), run];
                self.desk.transaction.prepare_cached(sql)?.execute(names)?;
            }
            return Ok(Ok(()));
        }
        if self.desk.free() < EVENTS_EACH_MAX {
            return Ok(Err(Full));
        }
        let is_first = !self.is_occupied(room)?;
        let sql = "INSERT INTO announced (room, user, lane, joined_ms, run) VALUES (?1, ?2, ?3, ?4, ?5)";
        let joined_ms = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
        let row = params![room.as_str(), user.as_str(), number(lane_of(room)), joined_ms, run];
        self.desk.transaction.prepare_cached(sql)?.execute(row)?;
        let event = |kind, user| Event { kind, room: Some(room), user, version, at, joined_at: None, reason: None };
        if is_first {
            self.put(lane_of(room), &event(EventKind::RoomOccupied, None))?;
        }
        self.put(lane_of(room), &event(EventKind::UserJoined, Some(user)))?;
        Ok(Ok(()))
    }

    /// A user is no longer in a room, for a reason if that is known.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn went(&mut self, news: News<'_>, reason: Option<&str>) -> Taken {
        let News { room, user, version, at } = news;
        if self.desk.free() < EVENTS_EACH_MAX {
            return Ok(Err(Full));
        }
        let sql = "DELETE FROM announced WHERE room = ?1 AND user = ?2 RETURNING joined_ms";
        let names = params![room.as_str(), user.as_str()];
        let joined_ms: Option<i64> =
            self.desk.transaction.prepare_cached(sql)?.query_row(names, |row| row.get(0)).optional()?;
        let Some(joined_ms) = joined_ms else { return Ok(Ok(())) };
        let joined_at = Some(Time::from_millis(joined_ms.unsigned_abs()));
        let room_id = Some(room);
        let left = Event { kind: EventKind::UserLeft, room: room_id, user: Some(user), version, at, joined_at, reason };
        self.put(lane_of(room), &left)?;
        if !self.is_occupied(room)? {
            self.put(
                lane_of(room),
                &Event { kind: EventKind::RoomVacated, user: None, joined_at: None, reason: None, ..left },
            )?;
        }
        Ok(Ok(()))
    }

    /// Something of a user in a room is different.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn changed(&mut self, news: News<'_>) -> Taken {
        let News { room, user, version, at } = news;
        if !self.kinds.contains(EventKind::UserUpdated) {
            return Ok(Ok(()));
        }
        if self.desk.free() < EVENTS_EACH_MAX {
            return Ok(Err(Full));
        }
        let (kind, user) = (EventKind::UserUpdated, Some(user));
        self.put(lane_of(room), &Event { kind, room: Some(room), user, version, at, joined_at: None, reason: None })?;
        Ok(Ok(()))
    }

    /// Compares who was announced in the rooms of a partition with who is there, and tells the difference in those that are
    /// wanted. Those who were
    /// announced before the server started, and may still come back, are left as they are.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn compare(&mut self, partition: Partition, present: &Present, is_wanted: impl Fn(&RoomId) -> bool) -> Taken {
        let sql = "SELECT room, user FROM announced WHERE lane = ?1 AND run = ?2 ORDER BY room, user";
        for (room, user) in self.announced(sql, [number(partition.index()), self.desk.run])? {
            let is_here = present.rooms.get(&room).is_some_and(|users| users.contains_key(&user));
            if !is_here {
                let news = News { room: &room, user: &user, version: None, at: self.now };
                if self.went(news, None)?.is_err() {
                    return Ok(Err(Full));
                }
            }
        }
        for (room, users) in present.rooms.iter().filter(|(room, _)| is_wanted(room)) {
            for (user, joined_at) in users {
                if self.came(News { room, user, version: None, at: *joined_at })?.is_err() {
                    return Ok(Err(Full));
                }
            }
        }
        self.compare_online(partition, &present.online)
    }

    /// Says that those have left who were announced before the server started and did not come back.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn end_absent(&mut self) -> Taken {
        let sql = "SELECT room, user FROM announced WHERE ?1 IS ?1 AND run < ?2 ORDER BY room, user";
        for (room, user) in self.announced(sql, [0, self.desk.run])? {
            let news = News { room: &room, user: &user, version: None, at: self.now };
            if self.went(news, Some(NODE_LOST))?.is_err() {
                return Ok(Err(Full));
            }
        }
        self.end_offline()
    }

    /// Forgets, without a word, who was announced in rooms of which nothing is to be told any more.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn forget_rooms(&mut self, is_wanted: impl Fn(&RoomId) -> bool) -> rusqlite::Result<()> {
        let sql = "SELECT DISTINCT room, '-' FROM announced WHERE ?1 IS ?1 AND ?2 IS ?2";
        for (room, _) in self.announced(sql, [0, 0])? {
            if !is_wanted(&room) {
                self.desk.transaction.execute("DELETE FROM announced WHERE room = ?1", [room.as_str()])?;
            }
        }
        Ok(())
    }

    fn is_occupied(&self, room: &RoomId) -> rusqlite::Result<bool> {
        let sql = "SELECT 1 FROM announced WHERE room = ?1 LIMIT 1";
        self.desk.transaction.prepare_cached(sql)?.exists([room.as_str()])
    }

    fn announced(&self, sql: &str, values: [i64; 2]) -> rusqlite::Result<Vec<(RoomId, UserId)>> {
        let mut statement = self.desk.transaction.prepare_cached(sql)?;
        let rows = statement.query_map(values, |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        let mut announced = Vec::new();
        for row in rows {
            let (room, user) = row?;
            // What was written here came from such ids.
            if let (Ok(room), Ok(user)) = (RoomId::parse(&room), UserId::parse(&user)) {
                announced.push((room, user));
            }
        }
        Ok(announced)
    }

    pub(super) fn put(&mut self, lane: usize, event: &Event<'_>) -> rusqlite::Result<()> {
        if !self.kinds.contains(event.kind) {
            return Ok(());
        }
        let salt = match event.version {
            Some(_) => String::new(),
            None => self.desk.transaction.query_row("SELECT hex(randomblob(16))", [], |row| row.get(0))?,
        };
        let key = event.key(&salt);
        let json = event.json(&key);
        self.desk.put(lane, (&key, &json), self.now)
    }
}

fn lane_of(room: &RoomId) -> usize {
    Partition::of(room).index()
}

/// Why those left who did not come back after a restart.
const NODE_LOST: &str = "node_lost";
/// Events that one piece of news can make.
pub(super) const EVENTS_EACH_MAX: usize = 2;
