//! What a hub says: to whom, and what.
use crate::{
    cluster::door::Ask,
    command::{Interest, Message, Reason},
    cursors::Point,
    id::{ConnectionKey, LockName, RequestId, RoomId, SessionId, Target, UserId},
    people::Dot,
    profile::{Profile, Status},
    refusal::Refusal,
    time::Time,
    version::Version,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// One thing for the driver to do.
#[derive(Clone, Debug)]
pub enum Output {
    /// Hand an event to one or many sessions.
    Deliver {
        /// Whom.
        to: Audience,
        /// What.
        event: Event,
    },
    /// Something happened that others than clients may want to know.
    Notice(Notice),
    /// Ask this of the store of the cluster; only from a hub that is one among several.
    Cluster(Ask),
}

/// Who hears an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// One session.
    Session(SessionId),
    /// Listeners of a room, filtered by [`crate::hub::Hub::recipients`].
    Room {
        /// Which room.
        room: RoomId,
        /// Whose interest fits.
        hearing: Hearing,
        /// Who of them is left out.
        except: Except,
        /// Only those who listened before this mark: later ones have a roster that holds the event already.
        before: Mark,
    },
    /// These connections.
    Listeners(Arc<[ConnectionKey]>),
}

/// Which interests an event is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hearing {
    /// Those who hear about typing: everybody who hears lists.
    Typing,
    /// Those who asked for sessions.
    Sessions,
    /// Everybody who can be written to.
    Everybody,
    /// Everybody in the room, as something that is said once.
    All,
}

impl Hearing {
    /// Whether a session of this interest hears it.
    pub const fn includes(self, interest: Interest) -> bool {
        match self {
            Self::Typing => matches!(interest, Interest::Auto | Interest::Full | Interest::Listed),
            Self::Sessions | Self::Everybody | Self::All => true,
        }
    }
}

/// Who of a room's listeners is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Except {
    /// Nobody.
    Nobody,
    /// All sessions of a user.
    User(UserId),
    /// One session.
    Session(SessionId),
    /// All but one user's sessions.
    AllBut(UserId),
    /// All but one user's sessions, and of those this one as well.
    AllButWithout(UserId, SessionId),
}

/// A point in a hub's order of events. Grows with each listener that a hub takes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(pub u64);

/// What a client is told.
#[derive(Clone, Debug)]
pub enum Event {
    /// The whole truth about a room; answers a join or a sync.
    Roster {
        /// The client's number for the request.
        re: Option<RequestId>,
        /// The interest in force.
        interest: Interest,
        /// Whether it answers a join or a sync; otherwise it comes unasked, and a later one makes good for it.
        is_answer: bool,
        /// Shared by all who get it in one turn: encode once.
        view: Arc<RosterView>,
    },
    /// What changed between two versions.
    Diff {
        /// The client's number for the request, where the diff answers one.
        re: Option<RequestId>,
        /// Shared by all who get it.
        view: Arc<DiffView>,
        /// Who types now, whole; only where the diff answers a join or a sync.
        typing: Option<Arc<[Typist]>>,
        /// The locks that are held now, whole; only where the diff answers a join or a sync.
        locks: Option<Arc<[LockView]>>,
    },
    /// One transition by itself, with a list of the first viewers as of the end of the turn.
    Step(Arc<StepView>),
    /// How many, and some faces.
    Count {
        /// Shared by all who get it.
        view: Arc<CountView>,
        /// The locks that are held now, whole; only for who just came, or could not be written to for a while.
        locks: Option<Arc<[LockView]>>,
    },
    /// A user began or stopped typing.
    Typing {
        /// Where.
        room: RoomId,
        /// Who.
        profile: Arc<Profile>,
        /// Into what.
        target: Option<Target>,
        /// Began, or stopped.
        on: bool,
    },
    /// All sessions of one user in the room; the last one wins.
    Sessions {
        /// Where.
        room: RoomId,
        /// Whose.
        user: UserId,
        /// In order of their coming; empty where the user is gone.
        list: Vec<SessionView>,
    },
    /// Where pointers have moved.
    Cursors {
        /// Where.
        room: RoomId,
        /// Which session's, and where to; `None` where it is hidden.
        at: Vec<(SessionId, Option<Point>)>,
    },
    /// Whether users are online.
    Statuses(Arc<[Dot]>),
    /// A lock changed hands.
    Lock {
        /// Where.
        room: RoomId,
        /// Which, and who has it now.
        lock: LockView,
    },
    /// Whether a lock was given.
    LockAnswer {
        /// The client's number for the request.
        re: RequestId,
        /// Whether the session holds it.
        held: bool,
        /// The number of whoever holds it.
        fence: u64,
    },
    /// What the node knows of a room may be old, because it is cut off from the other nodes of its cluster; or is no more.
    Stale {
        /// Where.
        room: RoomId,
        /// Since when; `None`: it is fresh again.
        since: Option<Time>,
    },
    /// A passing event.
    Message {
        /// Where.
        room: RoomId,
        /// Who sent it; nobody where the app did.
        from: Option<Arc<Profile>>,
        /// What.
        message: Arc<Message>,
    },
    /// The receiving session is out of the room.
    Removed {
        /// Which room.
        room: RoomId,
        /// Why.
        reason: Reason,
        /// How long it may not come back.
        block: Option<Duration>,
    },
    /// Done.
    Ack {
        /// The client's number for the request.
        re: RequestId,
        /// To how many sessions a message was handed; absent for other requests.
        sessions: Option<usize>,
    },
    /// Users are not watched.
    WatchRefused {
        /// The client's number for the request.
        re: Option<RequestId>,
        /// Why.
        refusal: Refusal,
    },
    /// Not done.
    Refused {
        /// The client's number for the request.
        re: Option<RequestId>,
        /// Which room it was about.
        room: RoomId,
        /// Why.
        refusal: Refusal,
    },
}

/// Top-level keys, each with its value as raw JSON.
pub type State = BTreeMap<Arc<str>, Arc<str>>;

/// A user in a room, once, however many sessions they have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewer {
    /// Who.
    pub profile: Arc<Profile>,
    /// The most present of the user's sessions.
    pub status: Status,
    /// When the user's first session came.
    pub joined_at: Time,
    /// Sessions, as of the viewer's last change.
    pub sessions: u32,
    /// Merge over the user's sessions; newest write wins per key.
    pub state: Arc<State>,
}

/// How many are in a room, those in grace included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Users.
    pub users: usize,
    /// Entries: sessions in the room.
    pub sessions: usize,
}

/// How a room tells its news.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gear {
    /// Each change at once.
    #[default]
    Live,
    /// One merged diff a tick.
    Batched,
    /// Counts and faces only, but for those who asked for lists.
    Crowd,
}

/// A user who types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typist {
    /// Who.
    pub profile: Arc<Profile>,
    /// Into what, in order; `None` is the room as a whole and comes first.
    pub targets: Vec<Option<Target>>,
}

/// The whole truth about a room at a version.
#[derive(Clone, Debug)]
pub struct RosterView {
    /// Which room.
    pub room: RoomId,
    /// As of when.
    pub version: Version,
    /// How the room tells its news.
    pub gear: Gear,
    /// Everyone, by joined time, then user id.
    pub viewers: Vec<Viewer>,
    /// How many.
    pub count: Count,
    /// Who types, by user id.
    pub typing: Arc<[Typist]>,
    /// The locks that are held, by name.
    pub locks: Arc<[LockView]>,
    /// The sessions of each viewer, in the order of `viewers`; only for those who asked for them.
    pub sessions: Option<Vec<Vec<SessionView>>>,
}

/// A lock, and who has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockView {
    /// Its name.
    pub name: LockName,
    /// Who holds it, and in which session; nobody where it is free.
    pub holder: Option<(Arc<Profile>, SessionId)>,
    /// The number of the holder, or of the last one: only grows.
    pub fence: u64,
}

/// One session of a viewer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionView {
    /// Which.
    pub session: SessionId,
    /// Whether it is active.
    pub status: Status,
    /// What it shares.
    pub state: State,
}

/// The net difference between two versions of a room. No user is in two of the lists, nor twice in one, so their
/// order does not matter; all three can be empty (somebody came and went).
#[derive(Clone, Debug)]
pub struct DiffView {
    /// Which room.
    pub room: RoomId,
    /// The number of the version that it applies to; of the same epoch as `version`.
    pub from: u64,
    /// The version after it.
    pub version: Version,
    /// Not there at `from`, there now; by joined time, then user id.
    pub joined: Vec<Viewer>,
    /// There at `from`, not there now; by user id.
    pub left: Vec<(UserId, Reason)>,
    /// There at both, and changed; by user id.
    pub updated: Vec<Viewer>,
    /// How many now.
    pub count: Count,
    /// How the room tells its news now.
    pub gear: Gear,
}

/// One transition of one user.
#[derive(Clone, Debug)]
pub struct StepView {
    /// Which room.
    pub room: RoomId,
    /// The version that the transition took.
    pub version: Version,
    /// Who.
    pub profile: Arc<Profile>,
    /// `None`: joined. Otherwise: left, for this reason.
    pub left: Option<Reason>,
    /// The first [`FIRST_MAX`] viewers as of the end of the turn.
    pub first: Arc<[Viewer]>,
    /// How many, as of the end of the turn.
    pub count: Count,
}

/// How many are in a room, and some of them.
#[derive(Clone, Debug)]
pub struct CountView {
    /// Which room.
    pub room: RoomId,
    /// As of when.
    pub version: Version,
    /// How the room tells its news.
    pub gear: Gear,
    /// How many.
    pub count: Count,
    /// The first [`FACES_MAX`] viewers.
    pub faces: Vec<Arc<Profile>>,
}

/// Most viewers that a [`StepView`] lists.
pub const FIRST_MAX: usize = 100;
/// Most faces that a [`CountView`] shows.
pub const FACES_MAX: usize = 30;

/// What happened, for logs, webhooks and metrics.
#[derive(Clone, Debug)]
pub enum Notice {
    /// A user came into a room.
    Joined {
        /// Where.
        room: RoomId,
        /// Who.
        profile: Arc<Profile>,
        /// The version that this took.
        version: Version,
        /// How many are there now: after all that happened in the same turn.
        count: Count,
    },
    /// The name, status or state of a user in a room changed.
    Updated {
        /// Where.
        room: RoomId,
        /// Who.
        profile: Arc<Profile>,
        /// The version that this took.
        version: Version,
    },
    /// A user is no longer in a room.
    Left {
        /// Where.
        room: RoomId,
        /// Who.
        profile: Arc<Profile>,
        /// Why.
        reason: Reason,
        /// The version that this took.
        version: Version,
        /// How many are there now: after all that happened in the same turn.
        count: Count,
        /// When they came.
        joined_at: Time,
    },
    /// The first session of a user, in whatever rooms, is here. Said by the user's home.
    Online {
        /// Who.
        user: UserId,
    },
    /// The last session of a user is gone, after its grace.
    Offline {
        /// Who.
        user: UserId,
    },
    /// A user began typing.
    Typing {
        /// Where.
        room: RoomId,
        /// Who.
        profile: Arc<Profile>,
        /// Into what.
        target: Option<Target>,
    },
}
