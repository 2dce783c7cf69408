//! What a hub is told. A `Command` is believed: the driver checked who asks, and their rights.
use crate::{
    id::{ConnectionKey, RequestId, RoomId, SessionId, Target, UserId},
    profile::{Profile, Status},
    version::Version,
};
use std::{sync::Arc, time::Duration};

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// A session has a connection. Comes before its first command. A session that is attached already gets the new
    /// profile; on another connection, the one before counts as closed, and rooms that are not joined again within its
    /// grace are left.
    Attached {
        /// Which session.
        session: SessionId,
        /// Whose it is.
        profile: Arc<Profile>,
        /// Where its connection is.
        connection: ConnectionKey,
    },
    /// A session's client asks for something.
    Asked {
        /// Which session.
        session: SessionId,
        /// The client's number for the request; where there is one, an answer is owed.
        re: Option<RequestId>,
        /// What it asks for.
        command: Command,
    },
    /// The connection of a session ended.
    Detached {
        /// Which session.
        session: SessionId,
        /// In which way.
        how: Ending,
    },
    /// A user, or one session, is put out of a room.
    Evicted {
        /// Which room.
        room: RoomId,
        /// Whom.
        whom: Evictee,
        /// What others are told: [`Reason::Kicked`] or [`Reason::Expired`].
        reason: Reason,
    },
    /// The app sends an event to who is in a room.
    Published {
        /// Which room.
        room: RoomId,
        /// What.
        message: Message,
    },
}

/// Who is put out of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evictee {
    /// A user, with all their sessions.
    User(UserId),
    /// One session, because its token no longer covers the room.
    Session(SessionId),
}

/// What a client asks for.
#[derive(Clone, Debug)]
pub enum Command {
    /// To be in a room, and hear it. Answered by a roster, or by a diff where `since` is known.
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
    },
    /// To be out of a room.
    Leave {
        /// Which room.
        room: RoomId,
    },
    /// The user pressed a key; counts for the typing lease.
    StartTyping {
        /// Which room.
        room: RoomId,
        /// Into what, if the app says so.
        target: Option<Target>,
    },
    /// The user stopped.
    StopTyping {
        /// Which room.
        room: RoomId,
        /// Into what, if the app says so.
        target: Option<Target>,
    },
    /// Changes the session's state in a room.
    Update {
        /// Which room.
        room: RoomId,
        /// What changes.
        patch: Patch,
    },
    /// The session is active or idle, in all its rooms of this hub.
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
    /// The roster again, or what was missed since.
    Sync {
        /// Which room.
        room: RoomId,
        /// The version that the client has.
        since: Option<Version>,
    },
}

/// How much of a room's news a session hears.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interest {
    /// What the room's gear says.
    #[default]
    Auto,
    /// Diffs, in every gear.
    Full,
    /// Only counts and some faces.
    Count,
    /// Messages only.
    None,
    /// Each joined and left by itself with a list of the first viewers: what clients of the seed's protocol expect.
    Listed,
}

/// A change of a session's state: each key with its new value as raw JSON, or `None` to delete it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch(pub Vec<(Arc<str>, Option<Arc<str>>)>);

/// A passing event of the app or of a viewer; never stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its name.
    pub event: Arc<str>,
    /// What it carries, as raw JSON.
    pub data: Arc<str>,
    /// Only to this user's sessions.
    pub to: Option<UserId>,
    /// Also to the session that sent it.
    pub echo: bool,
}

/// How the connection of a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Close 1000, or a close without a code: the client meant it.
    Left,
    /// Close 1001 or 4900: a reload, a navigation, a closed tab.
    Closed,
    /// No close at all: reset, cut by a proxy, process killed.
    Lost,
    /// It did not answer a ping.
    TimedOut,
    /// This server closed it for what the user did, or because somebody asked for it.
    Kicked,
    /// Its token expired.
    Expired,
    /// This server is about to stop.
    Drained,
}

/// Why a user is no longer in a room, as others are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// They left, by `leave` or by a close that meant it.
    Left,
    /// Their page went away and did not come back within grace.
    Closed,
    /// Their connection broke and did not come back within grace.
    Lost,
    /// They did not answer a ping.
    TimedOut,
    /// They were put out.
    Kicked,
    /// Their token expired.
    Expired,
    /// Their node stopped and they did not come back within grace.
    Drained,
}

impl Ending {
    /// What others are told, once the entry is gone.
    pub const fn reason(self) -> Reason {
        match self {
            Self::Left => Reason::Left,
            Self::Closed => Reason::Closed,
            Self::Lost => Reason::Lost,
            Self::TimedOut => Reason::TimedOut,
            Self::Kicked => Reason::Kicked,
            Self::Expired => Reason::Expired,
            Self::Drained => Reason::Drained,
        }
    }

    /// How long an entry outlives a connection that ended so.
    pub const fn grace(self, limits: &crate::limits::Limits) -> Duration {
        match self {
            Self::Left | Self::TimedOut | Self::Kicked | Self::Expired => Duration::ZERO,
            Self::Closed => limits.grace_closed,
            Self::Lost => limits.grace_lost,
            Self::Drained => limits.grace_drained,
        }
    }
}
