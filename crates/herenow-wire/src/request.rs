//! What a client claims to want, whatever its dialect. The driver checks it against rights and rates.
use herenow_core::{
    command::{Interest, Message, Patch},
    cursors::Point,
    id::{LockName, RequestId, RoomId, Target, UserId},
    profile::Status,
    version::Version,
};

/// One frame of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The client's number for the request; where there is one, an answer is owed.
    pub re: Option<RequestId>,
    /// What it asks for.
    pub request: Request,
}

/// What a client asks for. Its texts are within their limits, nothing else was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// To be taken for the user of a token.
    Auth {
        /// The token, unchecked.
        token: String,
        /// Which session to go on with, unchecked.
        resume: Option<String>,
    },
    /// To be in a room, and hear it.
    Join {
        /// Which room.
        room: RoomId,
        /// How much of its news to hear.
        interest: Interest,
        /// Hear without being a viewer.
        observe: bool,
        /// First state in the room.
        state: Option<Patch>,
        /// The version that the client has already.
        since: Option<Version>,
        /// Hear about each session of a user as well, and where its pointer is.
        sessions: bool,
    },
    /// To be out of a room.
    Leave {
        /// Which room.
        room: RoomId,
    },
    /// The user pressed a key.
    StartTyping {
        /// Which room.
        room: RoomId,
        /// Into what; the room as a whole where absent.
        target: Option<Target>,
    },
    /// The user stopped.
    StopTyping {
        /// Which room.
        room: RoomId,
        /// Into what; the room as a whole where absent.
        target: Option<Target>,
    },
    /// Changes the session's state in a room.
    Update {
        /// Which room.
        room: RoomId,
        /// What changes; sorted by key.
        patch: Patch,
    },
    /// Where the session's pointer is; `None` hides it.
    Point {
        /// Which room.
        room: RoomId,
        /// Where.
        point: Option<Point>,
    },
    /// To hold a lock.
    Lock {
        /// Which room.
        room: RoomId,
        /// Which lock.
        name: LockName,
        /// Get in line where another session holds it.
        wait: bool,
    },
    /// To hold a lock, or wait for it, no more.
    Unlock {
        /// Which room.
        room: RoomId,
        /// Which lock.
        name: LockName,
    },
    /// To hear whether users are online, and each change of that.
    Watch {
        /// Whom: 1 to [`USERS_MAX`], sorted, each once.
        users: Vec<UserId>,
    },
    /// To hear of users no more.
    Unwatch {
        /// Whom: 1 to [`USERS_MAX`], sorted, each once.
        users: Vec<UserId>,
    },
    /// The session is active or idle.
    SetStatus {
        /// Which.
        status: Status,
    },
    /// A passing event to who is in the room.
    Send {
        /// Which room.
        room: RoomId,
        /// What.
        message: Message,
    },
    /// The roster again, or what was missed.
    Sync {
        /// Which room.
        room: RoomId,
        /// The version that the client has.
        since: Option<Version>,
    },
    /// Are you there, and what time is it.
    Ping,
}

/// Deepest nesting of objects and arrays in a frame of a client, the frame itself included.
pub const NESTING_MAX: usize = 32;
/// Longest `id` of a client's frame, in bytes of JSON.
pub const REQUEST_ID_BYTES_MAX: usize = 64;
/// Longest key of a state, in bytes.
pub const STATE_KEY_BYTES_MAX: usize = 64;
/// Most users that one frame of a client names. (A frame of 16 KiB may hold fewer, by the length of their ids.)
pub const USERS_MAX: usize = 1000;
