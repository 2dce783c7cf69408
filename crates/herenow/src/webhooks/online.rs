//! The part of the ledger on who is online at all, in whatever rooms or none.
use crate::{
    shard::Partition,
    webhooks::{
        event::Event,
        kinds::EventKind,
        ledger::{EVENTS_EACH_MAX, Full, Ledger, Taken},
        spool::number,
    },
};
use herenow_core::{id::UserId, time::Time};
use rusqlite::{OptionalExtension, params};
use std::collections::BTreeSet;

impl Ledger<'_, '_> {
    /// A user is online.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn came_online(&mut self, user: &UserId, at: Time) -> Taken {
        let (run, lane) = (self.desk.run, Partition::of_user(user).index());
        let known = "UPDATE online SET run = ?2 WHERE user = ?1";
        if self.desk.transaction.prepare_cached(known)?.execute(params![user.as_str(), run])? > 0 {
            return Ok(Ok(()));
        }
        if self.desk.free() < EVENTS_EACH_MAX {
            return Ok(Err(Full));
        }
        let sql = "INSERT INTO online (user, lane, since_ms, run) VALUES (?1, ?2, ?3, ?4)";
        let since_ms = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
        self.desk.transaction.prepare_cached(sql)?.execute(params![user.as_str(), number(lane), since_ms, run])?;
        self.put(lane, &event(EventKind::UserOnline, user, at))?;
        Ok(Ok(()))
    }

    /// A user is offline.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn went_offline(&mut self, user: &UserId, at: Time) -> Taken {
        if self.desk.free() < EVENTS_EACH_MAX {
            return Ok(Err(Full));
        }
        let sql = "DELETE FROM online WHERE user = ?1 RETURNING since_ms";
        let since_ms: Option<i64> =
            self.desk.transaction.prepare_cached(sql)?.query_row([user.as_str()], |row| row.get(0)).optional()?;
        if let Some(since_ms) = since_ms {
            let joined_at = Some(Time::from_millis(since_ms.unsigned_abs()));
            let lane = Partition::of_user(user).index();
            self.put(lane, &Event { joined_at, ..event(EventKind::UserOffline, user, at) })?;
        }
        Ok(Ok(()))
    }

    /// Compares who was announced as online with who is, of the users whose home is a partition.
    pub(super) fn compare_online(&mut self, partition: Partition, online: &BTreeSet<UserId>) -> Taken {
        let (sql, now) = ("SELECT user FROM online WHERE lane = ?1 AND run = ?2 ORDER BY user", self.now);
        for user in self.users(sql, [number(partition.index()), self.desk.run])? {
            if !online.contains(&user) && self.went_offline(&user, now)?.is_err() {
                return Ok(Err(Full));
            }
        }
        for user in online {
            if self.came_online(user, now)?.is_err() {
                return Ok(Err(Full));
            }
        }
        Ok(Ok(()))
    }

    /// Says that those are offline who were online before the server started and did not come back.
    pub(super) fn end_offline(&mut self) -> Taken {
        let sql = "SELECT user FROM online WHERE ?1 IS ?1 AND run < ?2 ORDER BY user";
        for user in self.users(sql, [0, self.desk.run])? {
            if self.went_offline(&user, self.now)?.is_err() {
                return Ok(Err(Full));
            }
        }
        Ok(Ok(()))
    }

    fn users(&self, sql: &str, values: [i64; 2]) -> rusqlite::Result<Vec<UserId>> {
        let mut statement = self.desk.transaction.prepare_cached(sql)?;
        let rows = statement.query_map(values, |row| row.get::<_, String>(0))?;
        // What was written here came from such ids.
        rows.filter_map(|user| user.map(|user| UserId::parse(&user).ok()).transpose()).collect()
    }
}

fn event(kind: EventKind, user: &UserId, at: Time) -> Event<'_> {
    Event { kind, room: None, user: Some(user), version: None, at, joined_at: None, reason: None }
}
