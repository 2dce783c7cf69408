//! What can go wrong with the demo's data.

use std::{fmt, io, path::PathBuf};

/// Why the demo could not be opened. Nothing runs afterwards; a retry helps only once the cause is gone.
#[derive(Debug)]
#[non_exhaustive]
pub enum DemoError {
    /// The database could not be opened, or is not one.
    Database {
        /// The file; absent for the one in memory.
        path: Option<PathBuf>,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The file was written by a later version of this program.
    Schema {
        /// Version found in the file.
        found: i64,
        /// The latest version this program knows.
        known: i64,
    },
    /// The thread that owns the database could not be started.
    Thread(io::Error),
}

impl fmt::Display for DemoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database { path: Some(path), .. } => write!(f, "cannot open the demo database {}", path.display()),
            Self::Database { path: None, .. } => write!(f, "cannot open the demo database in memory"),
            Self::Schema { found, known } => {
                write!(f, "the demo database has schema version {found}, this program knows up to {known}")
            }
            Self::Thread(_) => write!(f, "cannot start the demo's database thread"),
        }
    }
}

impl std::error::Error for DemoError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Database { source, .. } => Some(source),
            Self::Schema { .. } => None,
            Self::Thread(source) => Some(source),
        }
    }
}

/// Why a read or a write did not happen. Nothing was changed.
#[derive(Debug)]
pub(super) enum StoreError {
    /// There is no such board.
    BoardUnknown(String),
    /// There is no such list, or it is on another board than the task.
    ListUnknown(String),
    /// There is no such task (any more).
    TaskUnknown(String),
    /// The board has all the tasks it may have.
    BoardFull {
        /// How many that is.
        tasks_max: u32,
    },
    /// The text is not a time.
    NotATime(String),
    /// More is being asked of the database than it answers; worth a retry.
    Busy,
    /// The database thread has ended; no retry helps.
    Stopped,
    /// SQLite failed.
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}
