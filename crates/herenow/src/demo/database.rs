//! The board's tables in SQLite. Synchronous; [`super::store`] keeps it off the async threads.

use super::{
    clock::Clock,
    error::{DemoError, StoreError},
    model::{Board, List, Move, NewTask, Task, TaskPatch},
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::{path::Path, time::Duration};

/// The database and its clock. Owned by one thread.
pub(super) struct Database {
    connection: Connection,
    clock: Clock,
}

/// A board with all that is on it, as of `timestamp`.
pub(super) struct Snapshot {
    pub(super) board: Board,
    pub(super) lists: Vec<List>,
    pub(super) timestamp: String,
}

/// What changed on a board, as of `timestamp`.
pub(super) struct Changes {
    /// The tasks made or changed, by time of change; all of them by place if nothing was asked.
    pub(super) tasks: Vec<Task>,
    /// The ids of all tasks that are there, so that the reader can tell which are gone.
    pub(super) task_ids: Vec<String>,
    pub(super) timestamp: String,
}

impl Database {
    /// How many tasks a board may have.
    pub(super) const TASKS_MAX: u32 = 500;

    /// Opens the file, or an empty database in memory, and creates tables and sample boards if there are none.
    pub(super) fn open(path: Option<&Path>) -> Result<Self, DemoError> {
        let failed = |source| DemoError::Database { path: path.map(Path::to_owned), source };
        let connection = match path {
            Some(path) => Connection::open(path),
            None => Connection::open_in_memory(),
        };
        let mut connection = connection.map_err(failed)?;
        let found = prepare(&connection).map_err(failed)?;
        if found > SCHEMA_VERSION {
            return Err(DemoError::Schema { found, known: SCHEMA_VERSION });
        }
        let last_ms = create(&mut connection).map_err(failed)?;
        let mut database = Self { connection, clock: Clock::after(last_ms) };
        database.fill_if_empty().map_err(failed)?;
        Ok(database)
    }

    /// The board and all that is on it.
    pub(super) fn board(&mut self, board_id: &str) -> Result<Snapshot, StoreError> {
        let board = self
            .connection
            .query_row("SELECT id, name FROM boards WHERE id = ?1", [board_id], |row| {
                Ok(Board { id: row.get(0)?, name: row.get(1)? })
            })
            .optional()?
            .ok_or_else(|| StoreError::BoardUnknown(board_id.to_owned()))?;
        let mut lists = self
            .connection
            .prepare_cached("SELECT id, name, position FROM lists WHERE board_id = ?1 ORDER BY position, id")?
            .query_map([board_id], |row| {
                Ok(List { id: row.get(0)?, name: row.get(1)?, position: row.get(2)?, tasks: Vec::new() })
            })?
            .collect::<Result<Vec<_>, _>>()?;
        for task in self.tasks(board_id)? {
            if let Some(list) = lists.iter_mut().find(|list| list.id == task.list_id) {
                list.tasks.push(task);
            }
        }
        Ok(Snapshot { board, lists, timestamp: self.clock.read() })
    }

    /// Fails unless the board exists.
    pub(super) fn check_board(&self, board_id: &str) -> Result<(), StoreError> {
        let found = self.connection.prepare_cached("SELECT 1 FROM boards WHERE id = ?1")?.exists([board_id])?;
        if found { Ok(()) } else { Err(StoreError::BoardUnknown(board_id.to_owned())) }
    }

    /// All tasks of a board, or those made or changed after a time in any form that SQLite reads.
    pub(super) fn changes(&mut self, board_id: &str, since: Option<&str>) -> Result<Changes, StoreError> {
        self.check_board(board_id)?;
        let all = self.tasks(board_id)?;
        let task_ids = all.iter().map(|task| task.id.clone()).collect();
        let tasks = match since {
            None => all,
            Some(since) => {
                let since = self.parse_time(since)?;
                let mut changed: Vec<_> = all.into_iter().filter(|task| task.updated_at > since).collect();
                changed.sort_by(|a, b| a.updated_at.cmp(&b.updated_at));
                changed
            }
        };
        Ok(Changes { tasks, task_ids, timestamp: self.clock.read() })
    }

    /// Those of `ids` that are still there, and the time.
    pub(super) fn tasks_by_id(&mut self, ids: &[String]) -> Result<(Vec<Task>, String), StoreError> {
        let mut found = Vec::new();
        for id in ids {
            match self.task(id) {
                Ok(task) => found.push(task),
                Err(StoreError::TaskUnknown(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok((found, self.clock.read()))
    }

    /// Puts a new task at the end of its list.
    pub(super) fn create_task(&mut self, task: NewTask) -> Result<Task, StoreError> {
        let board_id = self.board_of_list(&task.list_id)?;
        let tasks =
            self.count("SELECT count(*) FROM tasks JOIN lists ON lists.id = list_id WHERE board_id = ?1", &board_id)?;
        if tasks >= Self::TASKS_MAX {
            return Err(StoreError::BoardFull { tasks_max: Self::TASKS_MAX });
        }
        let position = self.count("SELECT count(*) FROM tasks WHERE list_id = ?1", &task.list_id)?;
        let now = self.clock.stamp();
        let id: String =
            self.connection.query_row("SELECT 'task-' || lower(hex(randomblob(8)))", [], |row| row.get(0))?;
        self.connection.execute(
            "INSERT INTO tasks (id, list_id, title, description, assignee_id, position, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)",
            params![id, task.list_id, task.title, task.description, task.assignee_id, position, now],
        )?;
        let NewTask { list_id, title, description, assignee_id } = task;
        let (created_at, updated_at) = (now.clone(), now);
        Ok(Task { id, list_id, board_id, title, description, assignee_id, position, created_at, updated_at })
    }

    /// Changes what a task says.
    pub(super) fn update_task(&mut self, id: &str, patch: TaskPatch) -> Result<Task, StoreError> {
        let mut task = self.task(id)?;
        let TaskPatch { title, description, assignee_id } = patch;
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        task.title = title.unwrap_or(task.title);
        task.description = description.map_or(task.description, some);
        task.assignee_id = assignee_id.map_or(task.assignee_id, some);
        task.updated_at = self.clock.stamp();
        self.connection.execute(
            "UPDATE tasks SET title = ?2, description = ?3, assignee_id = ?4, updated_at = ?5 WHERE id = ?1",
            params![id, task.title, task.description, task.assignee_id, task.updated_at],
        )?;
        Ok(task)
    }

    /// Gives a board another name.
    pub(super) fn rename_board(&mut self, id: &str, name: &str) -> Result<Board, StoreError> {
        self.check_board(id)?;
        self.connection.execute("UPDATE boards SET name = ?2 WHERE id = ?1", [id, name])?;
        Ok(Board { id: id.to_owned(), name: name.to_owned() })
    }

    /// Makes a sample board what it was in the beginning.
    pub(super) fn reset_board(&mut self, id: &str) -> Result<Board, StoreError> {
        let sample = BOARDS.iter().find(|(sample, ..)| *sample == id);
        let sample = sample.ok_or_else(|| StoreError::BoardUnknown(id.to_owned()))?;
        let transaction = self.connection.transaction()?;
        transaction.execute("DELETE FROM tasks WHERE list_id IN (SELECT id FROM lists WHERE board_id = ?1)", [id])?;
        transaction.execute("DELETE FROM lists WHERE board_id = ?1", [id])?;
        transaction.execute("DELETE FROM boards WHERE id = ?1", [id])?;
        fill(&transaction, &mut self.clock, sample)?;
        transaction.commit()?;
        Ok(Board { id: id.to_owned(), name: sample.1.to_owned() })
    }

    /// Moves a task within its list or to another one of the same board. The tasks around it close up and make room;
    /// that is no change of theirs.
    pub(super) fn move_task(&mut self, to: &Move) -> Result<Task, StoreError> {
        let mut task = self.task(&to.task_id)?;
        if self.board_of_list(&to.list_id)? != task.board_id {
            return Err(StoreError::ListUnknown(to.list_id.clone()));
        }
        let transaction = self.connection.transaction()?;
        close_gap(&transaction, &task)?;
        let others = "SELECT count(*) FROM tasks WHERE list_id = ?1 AND id <> ?2";
        let room: u32 = transaction.query_row(others, [&to.list_id, &task.id], |row| row.get(0))?;
        task.position = to.position.map_or(room, |position| position.min(room));
        task.list_id.clone_from(&to.list_id);
        task.updated_at = self.clock.stamp();
        transaction.execute(
            "UPDATE tasks SET position = position + 1 WHERE list_id = ?1 AND position >= ?2 AND id <> ?3",
            params![task.list_id, task.position, task.id],
        )?;
        transaction.execute(
            "UPDATE tasks SET list_id = ?2, position = ?3, updated_at = ?4 WHERE id = ?1",
            params![task.id, task.list_id, task.position, task.updated_at],
        )?;
        transaction.commit()?;
        Ok(task)
    }

    /// Removes a task for good; returns what it was.
    pub(super) fn delete_task(&mut self, id: &str) -> Result<Task, StoreError> {
        let task = self.task(id)?;
        let transaction = self.connection.transaction()?;
        transaction.execute("DELETE FROM tasks WHERE id = ?1", [id])?;
        close_gap(&transaction, &task)?;
        transaction.commit()?;
        Ok(task)
    }

    fn task(&self, id: &str) -> Result<Task, StoreError> {
        let sql = format!("{TASK} WHERE tasks.id = ?1");
        let task = self.connection.prepare_cached(&sql)?.query_row([id], read_task).optional()?;
        task.ok_or_else(|| StoreError::TaskUnknown(id.to_owned()))
    }

    fn tasks(&self, board_id: &str) -> Result<Vec<Task>, StoreError> {
        let sql = format!("{TASK} WHERE board_id = ?1 ORDER BY lists.position, tasks.position, tasks.id");
        let mut statement = self.connection.prepare_cached(&sql)?;
        Ok(statement.query_map([board_id], read_task)?.collect::<Result<_, _>>()?)
    }

    fn board_of_list(&self, list_id: &str) -> Result<String, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT board_id FROM lists WHERE id = ?1")?;
        let board = statement.query_row([list_id], |row| row.get(0)).optional()?;
        board.ok_or_else(|| StoreError::ListUnknown(list_id.to_owned()))
    }

    fn count(&self, sql: &str, id: &str) -> Result<u32, StoreError> {
        Ok(self.connection.prepare_cached(sql)?.query_row([id], |row| row.get(0))?)
    }

    fn parse_time(&self, since: &str) -> Result<String, StoreError> {
        let sql = "SELECT strftime('%Y-%m-%dT%H:%M:%fZ', ?1)";
        let time: Option<String> = self.connection.prepare_cached(sql)?.query_row([since], |row| row.get(0))?;
        time.ok_or_else(|| StoreError::NotATime(since.to_owned()))
    }

    fn fill_if_empty(&mut self) -> rusqlite::Result<()> {
        let boards: u32 = self.connection.query_row("SELECT count(*) FROM boards", [], |row| row.get(0))?;
        if boards > 0 {
            return Ok(());
        }
        let transaction = self.connection.transaction()?;
        for sample in BOARDS {
            fill(&transaction, &mut self.clock, sample)?;
        }
        transaction.commit()
    }
}

fn fill(connection: &Connection, clock: &mut Clock, (id, name, lists): &SampleBoard) -> rusqlite::Result<()> {
    connection.execute("INSERT INTO boards VALUES (?1, ?2, ?3)", params![id, name, clock.stamp()])?;
    for (list_position, (list_id, list_name, tasks)) in (0_u32..).zip(*lists) {
        connection
            .execute("INSERT INTO lists VALUES (?1, ?2, ?3, ?4)", params![list_id, id, list_name, list_position])?;
        for (position, (task_id, title, assignee)) in (0_u32..).zip(*tasks) {
            connection.execute(
                "INSERT INTO tasks (id, list_id, title, assignee_id, position, created_at, updated_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)",
                params![task_id, list_id, title, assignee, position, clock.stamp()],
            )?;
        }
    }
    Ok(())
}

/// Sets the connection up; returns the version of the schema in it, 0 for none.
fn prepare(connection: &Connection) -> rusqlite::Result<i64> {
    connection.busy_timeout(Duration::from_secs(5))?;
    // Answers "memory" for a database in memory, which has no other mode.
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection.execute_batch("PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;")?;
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Creates what is missing; returns the latest change in milliseconds since the Unix epoch, 0 for none.
fn create(connection: &mut Connection) -> rusqlite::Result<i64> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(SCHEMA)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    let sql = "SELECT coalesce(max(cast(round((julianday(updated_at) - 2440587.5) * 86400000.0) AS INTEGER)), 0)
               FROM (SELECT updated_at FROM tasks UNION ALL SELECT created_at FROM boards)";
    let last_ms = transaction.query_row(sql, [], |row| row.get(0))?;
    transaction.commit()?;
    Ok(last_ms)
}

fn close_gap(connection: &Connection, task: &Task) -> rusqlite::Result<usize> {
    let sql = "UPDATE tasks SET position = position - 1 WHERE list_id = ?1 AND position > ?2";
    connection.execute(sql, params![task.list_id, task.position])
}

fn read_task(row: &Row<'_>) -> rusqlite::Result<Task> {
    Ok(Task {
        id: row.get(0)?,
        list_id: row.get(1)?,
        board_id: row.get(2)?,
        title: row.get(3)?,
        description: row.get(4)?,
        assignee_id: row.get(5)?,
        position: row.get(6)?,
        created_at: row.get(7)?,
        updated_at: row.get(8)?,
    })
}

const TASK: &str = "SELECT tasks.id, list_id, board_id, title, description, assignee_id, tasks.position, created_at,
    updated_at FROM tasks JOIN lists ON lists.id = list_id";

const SCHEMA_VERSION: i64 = 1;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS boards (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS lists (
    id TEXT PRIMARY KEY,
    board_id TEXT NOT NULL REFERENCES boards (id),
    name TEXT NOT NULL,
    position INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS tasks (
    id TEXT PRIMARY KEY,
    list_id TEXT NOT NULL REFERENCES lists (id),
    title TEXT NOT NULL,
    description TEXT,
    assignee_id TEXT,
    position INTEGER NOT NULL DEFAULT 0,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS lists_of_board ON lists (board_id);
CREATE INDEX IF NOT EXISTS tasks_of_list ON tasks (list_id);
";

type SampleTask = (&'static str, &'static str, Option<&'static str>);
type SampleList = (&'static str, &'static str, &'static [SampleTask]);
type SampleBoard = (&'static str, &'static str, &'static [SampleList]);

const BOARDS: &[SampleBoard] = &[
    (
        "board-1",
        "Launch week",
        &[
            (
                "list-todo",
                "To Do",
                &[
                    ("task-1", "Write the announcement", Some("alice")),
                    ("task-2", "Record a two-minute tour", None),
                    ("task-3", "Ask five friends to break it", Some("bob")),
                ],
            ),
            (
                "list-progress",
                "In Progress",
                &[
                    ("task-4", "Polish the first-run screen", Some("bob")),
                    ("task-5", "Check the board on a phone", Some("alice")),
                ],
            ),
            (
                "list-done",
                "Done",
                &[("task-6", "Choose a name", Some("alice")), ("task-7", "Book the domain", Some("bob"))],
            ),
        ],
    ),
    (
        "board-2",
        "Garden",
        &[
            (
                "list-2-todo",
                "To Do",
                &[("task-8", "Sow the carrots", Some("carol")), ("task-9", "Mend the fence", None)],
            ),
            ("list-2-progress", "In Progress", &[("task-10", "Turn the compost", Some("carol"))]),
            ("list-2-done", "Done", &[("task-11", "Prune the apple tree", Some("carol"))]),
        ],
    ),
];
