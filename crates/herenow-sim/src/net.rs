//! What is under way: frames and ends of connections, in order of their arrival.
use herenow_core::{
    command::{Command, Ending},
    event::Event,
    id::{RequestId, SessionId, UserId},
};
use std::collections::BTreeMap;

/// Something that will happen.
#[derive(Clone, Debug)]
pub enum Happening {
    /// A connection reaches the node.
    Open {
        /// Which.
        connection: u32,
        /// The session that it wants to go on with.
        resume: Option<SessionId>,
    },
    /// A request reaches the node.
    Up {
        /// On which connection.
        connection: u32,
        /// What is asked.
        request: Request,
    },
    /// The node learns that a connection ended.
    End {
        /// Which.
        connection: u32,
        /// In which way.
        how: Ending,
    },
    /// A frame reaches the client.
    Down {
        /// On which connection.
        connection: u32,
        /// What it says.
        frame: Frame,
    },
    /// The client has read what waited for it.
    Drained {
        /// On which connection.
        connection: u32,
    },
    /// The client learns that a connection ended.
    Seen {
        /// Which.
        connection: u32,
    },
    /// A session that was gone on with has had the time to claim its rooms.
    Unclaimed {
        /// Whose.
        user: UserId,
        /// Which.
        session: SessionId,
        /// When it was gone on with.
        since_ms: u64,
    },
    /// A tab connects, where it has no connection.
    Wake {
        /// Which tab.
        tab: usize,
    },
}

/// What a client asks, with its number.
#[derive(Clone, Debug)]
pub struct Request {
    /// The number.
    pub re: Option<RequestId>,
    /// What.
    pub command: Command,
}

/// What a client is told.
#[derive(Clone, Debug)]
pub enum Frame {
    /// The session that the connection has.
    Welcome(SessionId),
    /// Something about a room.
    Event(Event),
}

/// All that is under way.
#[derive(Debug, Default)]
pub struct Net {
    queue: BTreeMap<(u64, u64), Happening>,
    sequence: u64,
}

impl Net {
    /// Sends something on its way; what arrives at one time arrives in the order of sending.
    pub fn send(&mut self, at_ms: u64, happening: Happening) {
        self.sequence += 1;
        self.queue.insert((at_ms, self.sequence), happening);
    }

    /// When something arrives next.
    pub fn next_ms(&self) -> Option<u64> {
        self.queue.first_key_value().map(|((at_ms, _), _)| *at_ms)
    }

    /// Takes what has arrived by `now_ms`, one thing at a time.
    pub fn receive(&mut self, now_ms: u64) -> Option<Happening> {
        let entry = self.queue.first_entry()?;
        (entry.key().0 <= now_ms).then(|| entry.remove())
    }
}
