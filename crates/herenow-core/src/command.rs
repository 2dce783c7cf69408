//! What a hub is told. A `Command` is believed: the driver checked who asks, and their rights.
use crate::{
    cluster::door::Heard,
    cursors::Point,
    id::{ConnectionKey, LockName, RequestId, RoomId, SessionId, Target, UserId},
    profile::{Profile, Status},
    rules::RoomRule,
    time::Time,
    version::Version,
};
use std::{sync::Arc, time::Duration};

pub use crate::{message::Message, reason::Reason};

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
    /// Something that counts for a user's green dot. Said to the hub that is the user's home, which need not know the
    /// session otherwise.
    Home {
        /// Whose.
        user: UserId,
        /// Which session.
        session: SessionId,
        /// What.
        news: HomeNews,
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
    /// The connection of a session takes nothing now: what can be made good by a roster is not said to it.
    FellBehind {
        /// Which session.
        session: SessionId,
    },
    /// The connection of a session that fell behind can be written to again.
    CaughtUp {
        /// Which session.
        session: SessionId,
    },
    /// A user, or one session, is put out of a room.
    Evicted {
        /// Which room.
        room: RoomId,
        /// Whom.
        whom: Evictee,
        /// What others are told: [`Reason::Kicked`] or [`Reason::Expired`].
        reason: Reason,
        /// How long a user who is put out may not come back.
        block: Option<Duration>,
    },
    /// A session that goes on over another connection has had the time to claim a room. Where it did not, its place
    /// there ends.
    Unclaimed {
        /// Which room.
        room: RoomId,
        /// Whose session.
        user: UserId,
        /// Which session.
        session: SessionId,
        /// When it began to go on; a connection that ended later has a grace of its own.
        since: Time,
    },
    /// What is different in which rooms changed, in the rooms there are as well. Said to every hub.
    Ruled {
        /// The rules of now, in place of those before.
        rooms: Arc<[RoomRule]>,
    },
    /// Whatever is kept of a user who is not here any more is to be forgotten. Said to the hub that is the user's home.
    Forgotten {
        /// Whom.
        user: UserId,
    },
    /// Something from the store of a cluster, or from the node's registry; ignored by a hub that is alone.
    Cluster(Heard),
    /// Somebody wants to look at a room, or a user, that perhaps nobody of this node is in: what other nodes know of it is to
    /// be heard for a while. Ignored by a hub that is alone. Whether it is known by now says [`crate::hub::Hub::is_known`].
    Visited {
        /// Which room, or that of a user.
        room: RoomId,
    },
    /// The app sends an event to who is in a room.
    Published {
        /// Which room.
        room: RoomId,
        /// What.
        message: Message,
        /// The session that is not told, because the app acts for it.
        except: Option<SessionId>,
    },
}

/// What a session says to its user's home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HomeNews {
    /// It is here, or here again.
    Arrived(Status),
    /// It is active or idle.
    Status(Status),
    /// Its connection ended, and no other serves it.
    Departed(Ending),
}

/// Who is put out of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evictee {
    /// A user, with all their sessions.
    User(UserId),
    /// The same, where other nodes are told by other means.
    UserHere(UserId),
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
        /// Hear about each session of a user, and where its pointer is.
        sessions: bool,
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
    /// To hear whether users are online, and each change of that. Said to the hubs that are their homes.
    Watch {
        /// Whom.
        users: Vec<UserId>,
    },
    /// To hear of users no more.
    Unwatch {
        /// Whom.
        users: Vec<UserId>,
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
        self.reason().grace(limits)
    }
}
