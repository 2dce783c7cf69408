//! The Live Task Board: a demo that shows presence, typing and live updates in one page.
//!
//! Changes come in over REST, are kept in SQLite, and are told by server-sent events and long poll, and through a
//! callback to whoever else wants to know. Who is there and who is typing is no business of this module: the page asks
//! the presence server itself for that.

mod boards;
mod bus;
mod clock;
mod database;
pub mod error;
mod extract;
mod long_poll;
mod model;
mod routes;
mod sse;
mod store;
#[cfg(test)]
mod tests;

use crate::assets;
use axum::Router;
use boards::Boards;
use bus::Bus;
use error::DemoError;
use serde_json::Value;
use std::path::Path;
use store::Store;

/// The boards and those who follow them. Cheap to clone; all clones are the same demo.
#[derive(Clone, Debug)]
pub struct Demo {
    boards: Boards,
}

impl Demo {
    /// How many streams and long polls may be open at a time; more are answered 503. Each costs about 10 KiB.
    pub const READERS_MAX: usize = Boards::READERS_MAX;

    /// How many events are kept for readers that come back.
    pub const EVENTS_MAX: usize = 1_000;

    /// Opens the database file, or an empty one in memory, and fills it with sample boards if it has none.
    ///
    /// `publish` hears board id, event name (`task_created`, `task_updated`, `task_moved`, `task_deleted`, `board_updated`,
    /// `board_reset`) and data of each change, in order, on the database thread: it must not block.
    ///
    /// # Errors
    /// If the file cannot be opened, is no database or is of a later version, or no thread can be started.
    pub fn open<P>(database: Option<&Path>, publish: P) -> Result<Self, DemoError>
    where
        P: Fn(&str, &str, Value) + Send + Sync + 'static,
    {
        let store = Store::open(database)?;
        let bus = Bus::new(Self::EVENTS_MAX, Box::new(publish));
        Ok(Self { boards: Boards::new(store, bus) })
    }

    /// Ends all open streams and long polls, now and in future, so that a shutdown need not wait for them.
    pub fn close(&self) {
        self.boards.bus.close();
    }
}

/// The board's pages at `/demo` and its interface at `/tasks`, `/boards` and `/events`.
pub fn router(demo: Demo) -> Router {
    routes::api(demo.boards).merge(assets::demo_pages())
}
