//! The file: who was announced as present, which events are still to be sent, and which were given up. Synchronous; owned by
//! one thread of one process.
//!
//! An event and what it changes of who was announced are written in one transaction, and reach the disk before the event is
//! sent: so whatever a backend was told is still known after a crash, of the process or of the machine.
use herenow_core::time::Time;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use std::{fmt, fs, io, os::unix::fs::OpenOptionsExt, path::Path, time::Duration};

/// The open file.
pub struct Spool {
    connection: Connection,
    run: i64,
    events_max: usize,
    dead_max: usize,
    pending: [usize; Self::LANES],
    dead: usize,
}

/// An event that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its place in the order.
    pub number: i64,
    /// Itself, as JSON.
    pub json: String,
}

/// An event that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dead {
    /// Its place in the list.
    pub number: i64,
    /// Its key.
    pub key: String,
    /// Itself, as JSON.
    pub json: String,
    /// When it was given up, in milliseconds since the Unix epoch.
    pub died_ms: u64,
    /// Why.
    pub problem: String,
}

/// Which of the events that were given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    All,
    /// Those with these keys.
    Keys(Vec<String>),
}

/// Why a file cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum SpoolError {
    /// It cannot be created; the folder has to exist, and be writable.
    Create(io::Error),
    /// Another process has it open.
    Taken,
    /// A later version of this server wrote it.
    Schema {
        /// The version of its tables.
        found: i64,
    },
    /// It is no database, or broken, or cannot be written.
    Database(rusqlite::Error),
}

/// A transaction: what is written in it counts as a whole or not at all.
pub struct Desk<'a> {
    pub(super) transaction: Transaction<'a>,
    /// Which start of the server this is.
    pub(super) run: i64,
    free: usize,
    added: Vec<usize>,
}

impl Spool {
    /// The events of a room are in one lane, in order; lanes do not wait for each other. As many as there are partitions.
    pub const LANES: usize = 64;
    /// Events given up that are kept; the oldest are forgotten for newer ones.
    pub const DEAD_MAX: usize = 10_000;

    /// Opens the file or creates it, readable by its owner only. `events_max`: how many events may wait in it.
    ///
    /// # Errors
    /// See [`SpoolError`].
    pub fn open(path: &Path, events_max: usize) -> Result<Self, SpoolError> {
        // SQLite gives the files next to it the same rights.
        let created = fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path);
        drop(created.map_err(SpoolError::Create)?);
        let mut connection = Connection::open(path).map_err(SpoolError::Database)?;
        prepare(&connection).map_err(|error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => SpoolError::Taken,
            _ => SpoolError::Database(error),
        })?;
        let found = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(SpoolError::Database)?;
        if found > SCHEMA_VERSION {
            return Err(SpoolError::Schema { found });
        }
        let run = begin_run(&mut connection).map_err(SpoolError::Database)?;
        let (dead_max, pending, dead) = (Self::DEAD_MAX, [0; Self::LANES], 0);
        let mut spool = Self { connection, run, events_max, dead_max, pending, dead };
        spool.count().map_err(SpoolError::Database)?;
        Ok(spool)
    }

    /// Events that are to be sent.
    pub fn pending(&self) -> usize {
        self.pending.iter().sum()
    }

    /// Events that were given up.
    pub fn dead(&self) -> usize {
        self.dead
    }

    /// Whether so few events wait that it is worth while to make good what was dropped.
    pub fn has_room(&self) -> bool {
        self.pending() < self.events_max - self.events_max / 8
    }

    /// Lanes in which events wait.
    pub fn lanes(&self) -> impl Iterator<Item = usize> {
        (0..Self::LANES).filter(|lane| self.pending[*lane] > 0)
    }

    /// Writes, as a whole or not at all.
    ///
    /// # Errors
    /// Where the file cannot be written; it is as before then.
    pub fn write<T>(&mut self, work: impl FnOnce(&mut Desk<'_>) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let free = self.events_max.saturating_sub(self.pending());
        let transaction = self.connection.transaction()?;
        let mut desk = Desk { transaction, run: self.run, free, added: Vec::new() };
        let done = work(&mut desk)?;
        let Desk { transaction, added, .. } = desk;
        transaction.commit()?;
        for lane in added {
            self.pending[lane] += 1;
        }
        Ok(done)
    }

    /// The first events of a lane, at most `events_max` of them and some 256 KiB.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn first(&self, lane: usize, events_max: usize) -> rusqlite::Result<Vec<Stored>> {
        let sql = "SELECT number, json FROM events WHERE lane = ?1 ORDER BY number LIMIT ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params![number(lane), number(events_max)])?;
        let (mut events, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            let event = Stored { number: row.get(0)?, json: row.get(1)? };
            bytes += event.json.len();
            events.push(event);
            if bytes >= BATCH_BYTES {
                break;
            }
        }
        Ok(events)
    }

    /// When the oldest event that is to be sent was put here.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn oldest_ms(&self) -> rusqlite::Result<Option<u64>> {
        let sql = "SELECT made_ms FROM events ORDER BY number LIMIT 1";
        let made = self.connection.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(0)).optional()?;
        Ok(made.map(i64::unsigned_abs))
    }

    /// Forgets events of a lane, up to a number: they were taken.
    ///
    /// # Errors
    /// Where the file cannot be written; they will be sent again then.
    pub fn remove(&mut self, lane: usize, up_to: i64) -> rusqlite::Result<usize> {
        let sql = "DELETE FROM events WHERE lane = ?1 AND number <= ?2";
        let removed = self.connection.prepare_cached(sql)?.execute(params![number(lane), up_to])?;
        self.pending[lane] -= removed.min(self.pending[lane]);
        Ok(removed)
    }

    /// Gives up the first event of a lane.
    ///
    /// # Errors
    /// Where the file cannot be written; all is as before then.
    pub fn bury_first(&mut self, lane: usize, problem: &str, now: Time) -> rusqlite::Result<Buried> {
        let which = "number = (SELECT min(number) FROM events WHERE lane = ?3)";
        self.bury(which, number(lane), (problem, now))
    }

    /// Gives up all events that were put here before a time, save those of lanes that are being sent.
    ///
    /// # Errors
    /// As [`Self::bury_first`].
    pub fn bury_older(&mut self, than: Time, busy: &[usize], (problem, now): (&str, Time)) -> rusqlite::Result<Buried> {
        let busy: Vec<String> = busy.iter().map(ToString::to_string).collect();
        let which = format!("made_ms < ?3 AND lane NOT IN ({})", busy.join(","));
        self.bury(&which, i64::try_from(than.as_millis()).unwrap_or(i64::MAX), (problem, now))
    }

    fn bury(&mut self, which: &str, value: i64, (problem, now): (&str, Time)) -> rusqlite::Result<Buried> {
        let transaction = self.connection.transaction()?;
        let sql = format!(
            "INSERT INTO dead (lane, key, json, died_ms, problem)
             SELECT lane, key, json, ?1, ?2 FROM events WHERE {which} ORDER BY number"
        );
        let died_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        let given_up = transaction.execute(&sql, params![died_ms, problem, value])?;
        if given_up == 0 {
            return Ok(Buried::default());
        }
        transaction.execute(
            &format!("DELETE FROM events WHERE ?1 IS ?1 AND ?2 IS ?2 AND {which}"),
            params![died_ms, problem, value],
        )?;
        let kept = "SELECT number FROM dead ORDER BY number DESC LIMIT ?1";
        let sql = format!("DELETE FROM dead WHERE number NOT IN ({kept})");
        let forgotten = transaction.execute(&sql, [number(self.dead_max)])?;
        transaction.commit()?;
        self.count()?;
        Ok(Buried { given_up, forgotten })
    }

    /// Events that were given up, after a place in their list.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn list_dead(&self, after: i64, events_max: usize) -> rusqlite::Result<Vec<Dead>> {
        let sql = "SELECT number, key, json, died_ms, problem FROM dead WHERE number > ?1 ORDER BY number LIMIT ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let dead = statement.query_map(params![after, number(events_max)], |row| {
            let died_ms = row.get::<_, i64>(3)?.unsigned_abs();
            Ok(Dead { number: row.get(0)?, key: row.get(1)?, json: row.get(2)?, died_ms, problem: row.get(4)? })
        })?;
        dead.collect()
    }

    /// Has events that were given up sent again, after all that wait now; how many. They keep their keys.
    ///
    /// # Errors
    /// Where the file cannot be written; all is as before then.
    pub fn replay(&mut self, which: &Which, now: Time) -> rusqlite::Result<usize> {
        let made_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        let put = "INSERT INTO events (lane, key, json, made_ms) SELECT lane, key, json, ?1 FROM dead WHERE ?2 IS NULL OR key = ?2
                   ORDER BY number";
        self.each_dead(which, |transaction, key| {
            let moved = transaction.prepare_cached(put)?.execute(params![made_ms, key])?;
            transaction.prepare_cached(REMOVE_DEAD)?.execute([key])?;
            Ok(moved)
        })
    }

    /// Forgets events that were given up; how many.
    ///
    /// # Errors
    /// As [`Self::replay`].
    pub fn forget_dead(&mut self, which: &Which) -> rusqlite::Result<usize> {
        self.each_dead(which, |transaction, key| transaction.prepare_cached(REMOVE_DEAD)?.execute([key]))
    }

    fn each_dead(
        &mut self,
        which: &Which,
        work: impl Fn(&Transaction<'_>, Option<&str>) -> rusqlite::Result<usize>,
    ) -> rusqlite::Result<usize> {
        let transaction = self.connection.transaction()?;
        let mut done = 0;
        match which {
            Which::All => done += work(&transaction, None)?,
            Which::Keys(keys) => {
                for key in keys {
                    done += work(&transaction, Some(key))?;
                }
            }
        }
        transaction.commit()?;
        self.count()?;
        Ok(done)
    }

    fn count(&mut self) -> rusqlite::Result<()> {
        self.pending = [0; Self::LANES];
        let mut statement = self.connection.prepare_cached("SELECT lane, count(*) FROM events GROUP BY lane")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (lane, events): (u32, u32) = (row.get(0)?, row.get(1)?);
            if let Some(pending) = self.pending.get_mut(lane as usize) {
                *pending = events as usize;
            }
        }
        self.dead = self.connection.query_row("SELECT count(*) FROM dead", [], |row| row.get::<_, u32>(0))? as usize;
        Ok(())
    }
}

/// What was given up at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Buried {
    /// How many events.
    pub given_up: usize,
    /// How many older ones were forgotten for them.
    pub forgotten: usize,
}

impl Desk<'_> {
    /// How many more events fit.
    pub fn free(&self) -> usize {
        self.free
    }

    /// Puts an event behind all others of its lane.
    pub(super) fn put(&mut self, lane: usize, (key, json): (&str, &str), now: Time) -> rusqlite::Result<()> {
        let sql = "INSERT INTO events (lane, key, json, made_ms) VALUES (?1, ?2, ?3, ?4)";
        let made_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        self.transaction.prepare_cached(sql)?.execute(params![number(lane), key, json, made_ms])?;
        self.free = self.free.saturating_sub(1);
        self.added.push(lane);
        Ok(())
    }
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_millis(500))?;
    connection.set_prepared_statement_cache_capacity(32);
    // Held until the process ends, however it ends: two servers would tell each other's users to be gone.
    connection.query_row("PRAGMA locking_mode = EXCLUSIVE", [], |_| Ok(()))?;
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    // Each transaction reaches the disk before anything of it is sent.
    connection.execute_batch("PRAGMA synchronous = FULL; BEGIN IMMEDIATE; COMMIT;")
}

fn begin_run(connection: &mut Connection) -> rusqlite::Result<i64> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(SCHEMA)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    let sql = "INSERT INTO runs (id, run) VALUES (0, 1) ON CONFLICT (id) DO UPDATE SET run = run + 1 RETURNING run";
    let run = transaction.query_row(sql, [], |row| row.get(0))?;
    transaction.commit()?;
    Ok(run)
}

/// A number of things as SQLite has it.
pub(super) fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl fmt::Display for SpoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(_) => write!(f, "it cannot be created"),
            Self::Taken => write!(f, "another process has it open; each server needs a file of its own"),
            Self::Schema { found } => write!(
                f,
                "a later version of this server wrote it (its tables are of version {found}, this one knows {SCHEMA_VERSION})"
            ),
            Self::Database(_) => write!(f, "it cannot be used as a database"),
        }
    }
}

impl std::error::Error for SpoolError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Create(error) => Some(error),
            Self::Database(error) => Some(error),
            Self::Taken | Self::Schema { .. } => None,
        }
    }
}

const SCHEMA_VERSION: i64 = 1;
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS runs (id INTEGER PRIMARY KEY, run INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS events (
        number INTEGER PRIMARY KEY AUTOINCREMENT, lane INTEGER NOT NULL, key TEXT NOT NULL, json TEXT NOT NULL,
        made_ms INTEGER NOT NULL);
    CREATE INDEX IF NOT EXISTS events_by_lane ON events (lane, number);
    CREATE TABLE IF NOT EXISTS dead (
        number INTEGER PRIMARY KEY AUTOINCREMENT, lane INTEGER NOT NULL, key TEXT NOT NULL, json TEXT NOT NULL,
        died_ms INTEGER NOT NULL, problem TEXT NOT NULL);
    CREATE INDEX IF NOT EXISTS dead_by_key ON dead (key);
    CREATE TABLE IF NOT EXISTS announced (
        room TEXT NOT NULL, user TEXT NOT NULL, lane INTEGER NOT NULL, joined_ms INTEGER NOT NULL, run INTEGER NOT NULL,
        PRIMARY KEY (room, user)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS online (
        user TEXT PRIMARY KEY, lane INTEGER NOT NULL, since_ms INTEGER NOT NULL, run INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS announced_by_lane ON announced (lane);
";
const REMOVE_DEAD: &str = "DELETE FROM dead WHERE ?1 IS NULL OR key = ?1";
/// Bytes of events after which no more are put into one call.
const BATCH_BYTES: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn spool(folder: &tempfile::TempDir) -> Spool {
        Spool::open(&folder.path().join("spool.db"), 1000).unwrap()
    }

    fn put(spool: &mut Spool, lane: usize, keys: impl Iterator<Item = usize>) {
        let keys: Vec<String> = keys.map(|key| format!("key {key}")).collect();
        let put =
            |desk: &mut Desk<'_>| keys.iter().try_for_each(|key| desk.put(lane, (key, "{}"), Time::from_millis(1)));
        spool.write(put).unwrap();
    }

    #[test]
    fn the_oldest_that_were_given_up_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = spool(&folder);
        assert_eq!(spool.dead_max, Spool::DEAD_MAX);
        spool.dead_max = 5;
        put(&mut spool, 3, 0..7);
        put(&mut spool, 4, 7..8);
        let now = Time::from_millis(10);
        let buried = spool.bury_older(Time::from_millis(2), &[4], ("no", now)).unwrap();
        assert_eq!(buried, Buried { given_up: 7, forgotten: 2 });
        let keys = |spool: &Spool| -> Vec<String> {
            spool.list_dead(0, 10).unwrap().into_iter().map(|dead| dead.key).collect()
        };
        assert_eq!(keys(&spool), ["key 2", "key 3", "key 4", "key 5", "key 6"]);
        assert_eq!((spool.pending(), spool.dead()), (1, 5), "a lane that is being sent is left alone");
        assert_eq!(spool.bury_older(Time::from_millis(1), &[], ("no", now)).unwrap(), Buried::default());
        let two = Which::Keys(vec!["key 3".into(), "key 9".into(), "key 6".into()]);
        assert_eq!(spool.replay(&two, now).unwrap(), 2);
        assert_eq!((keys(&spool), spool.pending()), (vec!["key 2".into(), "key 4".into(), "key 5".into()], 3));
        assert_eq!(spool.forget_dead(&Which::All).unwrap(), 3);
        assert_eq!((spool.dead(), spool.lanes().collect::<Vec<_>>()), (0, vec![3, 4]));
    }

    #[test]
    fn a_call_holds_no_more_than_it_may() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = spool(&folder);
        put(&mut spool, 0, 0..150);
        let numbers = |events: Vec<Stored>| events.iter().map(|event| event.number).collect::<Vec<_>>();
        let first = numbers(spool.first(0, 100).unwrap());
        assert_eq!((first.len(), first.is_sorted()), (100, true));
        let large = "x".repeat(BATCH_BYTES / 2);
        let put = |desk: &mut Desk<'_>| (0..9).try_for_each(|_| desk.put(1, ("k", &large), Time::from_millis(1)));
        spool.write(put).unwrap();
        assert_eq!(spool.first(1, 100).unwrap().len(), 2);
        assert_eq!(spool.remove(0, first[99]).unwrap(), 100);
        assert_eq!(numbers(spool.first(0, 100).unwrap()).len(), 50);
    }

    #[test]
    fn what_was_written_is_there_after_a_crash_and_what_failed_half_way_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = spool(&folder);
        put(&mut first, 7, 0..3);
        let failed = first.write(|desk| {
            desk.put(7, ("lost", "{}"), Time::from_millis(1))?;
            Err::<(), _>(rusqlite::Error::InvalidQuery)
        });
        assert!(failed.is_err());
        assert_eq!(first.pending(), 3);
        assert!(matches!(Spool::open(&folder.path().join("spool.db"), 1000), Err(SpoolError::Taken)));
        let run = first.run;
        drop(first);
        let second = spool(&folder);
        assert_eq!((second.pending(), second.run), (3, run + 1));
    }

    #[test]
    fn what_is_no_spool_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text.db");
        std::fs::write(&path, "not a database, but long enough to look at".repeat(30)).unwrap();
        assert!(matches!(Spool::open(&path, 1000), Err(SpoolError::Database(_))));
        assert!(std::fs::read_to_string(&path).unwrap().starts_with("not a database"));
        assert!(matches!(Spool::open(&folder.path().join("no/such/folder.db"), 1000), Err(SpoolError::Create(_))));
        let later = folder.path().join("later.db");
        drop(Spool::open(&later, 1000).unwrap());
        Connection::open(&later).unwrap().pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(Spool::open(&later, 1000), Err(SpoolError::Schema { found: 99 })));
    }
}
