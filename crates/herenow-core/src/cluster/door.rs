//! What the pure half asks of the store, and what it hears from it. Plain data; the driver carries and decides nothing.
//!
//! Two machines speak here. Each hub asks with [`Ask`] (in `Output::Cluster`) and hears [`Heard`] (in
//! `Input::Cluster`); rooms never leave their hub, so an ask carries no partition: the driver knows whose output it
//! polled. One [`super::registry::Registry`] a node asks with [`super::signs::Sign`]s who else lives, and tells all hubs who does not.
//!
//! What a driver promises:
//! - Asks of one room are carried out in the order in which they were polled, over one connection.
//! - Each ask marked *answered* is answered once, by its [`Heard`]; where nothing is known of what became of it (time
//!   over, connection gone, out of memory, an error that it does not know), by the word for unknown. The hub itself gives
//!   up after [`super::timing::Timing::answer_max`].
//! - [`Heard::Store`] with `true` comes only after the connections are up and a renewal has been answered, and, where
//!   the node was silent for longer than half of the lease, after the sockets have been asked for a sign of life and
//!   what ended meanwhile was handed in.
//! - News of a room are handed in as they came. Where one could have been lost (connection, `sunsubscribe`, READONLY,
//!   MOVED), it says [`Heard::Unsubscribed`].
use crate::{
    cursors::Point,
    id::{LockName, RoomId, SessionId, UserId},
    message::Message,
    profile::{Profile, Status},
    reason::Reason,
    time::Time,
    typing::Place,
};
use std::{sync::Arc, time::Duration};

/// One life of a node: drawn at random at each start, never configured, never used again. Not zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

/// Which write of its owner a section is as of. The later one is the greater one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// The incarnation: 1 at the start, more after each fence.
    pub inc: u64,
    /// Counts the writes, from 1.
    pub seq: u64,
}

/// Names one write to a room, for ever. News carry the tag before theirs, so that a gap or a fork shows at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    /// Who wrote.
    pub node: NodeId,
    /// Counts the writes of a hub of that node, from 1.
    pub number: u64,
}

/// Which of two values of a name or a key counts: the greater one. Highest number seen in the room plus one, then the
/// node; no clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueStamp {
    /// Higher than every one seen before it.
    pub number: u64,
    /// Who set the value.
    pub node: NodeId,
}

/// One session's place in a room, as its node tells it to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionEntry {
    /// Which session.
    pub session: SessionId,
    /// Whose.
    pub profile: Arc<Profile>,
    /// Of the name and the picture.
    pub profile_stamp: ValueStamp,
    /// Since when the user is in the room, as far as the node knew when the session came.
    pub since: Time,
    /// Whether it is active.
    pub status: Status,
    /// What it shares: key, value as raw JSON, and the number of its last write; by key. Of two values of one key the one
    /// with the higher number counts, else the one of the greater node.
    pub state: Vec<(Arc<str>, Arc<str>, u64)>,
    /// Locks that it holds or waits for, by name.
    pub locks: Vec<(LockName, LockSeat)>,
}

/// What a session has of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockSeat {
    /// It holds it, under this number.
    Holds(u64),
    /// It waits for it; the lowest stamp is the next one.
    Waits(ValueStamp),
}

/// One change of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SectionChange {
    /// The session has this place now, whatever it had before.
    Put(SectionEntry),
    /// The session has no place any more, and why not.
    Remove(SessionId, Reason),
}

/// A whole section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// By session.
    pub entries: Vec<SectionEntry>,
    /// Sessions that are gone since the last write that was acknowledged, and why: for who knew them still.
    pub gone: Vec<(SessionId, Reason)>,
}

/// What a hub asks of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// APPLY: changes the hub's own section of a room. Answered by [`Heard::Written`] with the same stamp.
    Apply {
        /// Which room.
        room: RoomId,
        /// The stamp after the write; the store must hold the one before it, or nothing where this is the first.
        stamp: Stamp,
        /// Names the write.
        tag: Tag,
        /// What changes, each session once.
        changes: Vec<SectionChange>,
    },
    /// SYNC: replaces the hub's own section of a room. Answered as [`Ask::Apply`].
    Sync {
        /// Which room.
        room: RoomId,
        /// The stamp after the write; the store must not hold a later one, nor a tombstone of this incarnation.
        stamp: Stamp,
        /// Names the write.
        tag: Tag,
        /// All of it. Empty: the section ends, its stamp stays.
        section: Section,
    },
    /// SNAP: all sections of a room. Answered by [`Heard::Snapshot`].
    Snapshot {
        /// Which room.
        room: RoomId,
        /// The subscription under which it is asked; comes back with the answer.
        generation: u64,
        /// What the hub knows: a section of just this stamp need not be sent again.
        known: Vec<(NodeId, Stamp)>,
    },
    /// POLL: the tags of rooms and the hub's own stamps there. Answered by one [`Heard::Audited`] a room, or
    /// [`Heard::AuditFailed`] for each. A store that may not be written to must refuse it.
    Audit {
        /// At most [`super::timing::AUDIT_BATCH`].
        rooms: Vec<RoomId>,
    },
    /// The rooms of this hub's partition where a node that was claimed has a section. Answered by [`Heard::Index`].
    Index {
        /// Which node.
        node: NodeId,
        /// Up to which incarnation.
        inc: u64,
    },
    /// REAP: ends the section of a node that was claimed. Not answered: what it did comes as news, and the audit sees to
    /// the rest.
    Reap {
        /// Which room.
        room: RoomId,
        /// Whose section.
        node: NodeId,
        /// Up to which incarnation; a later one is left alone.
        inc: u64,
        /// Names the write.
        tag: Tag,
    },
    /// Hear the news of a room. Answered by [`Heard::Subscribed`] once it holds.
    Subscribe {
        /// Which room.
        room: RoomId,
        /// Counts; comes back with the answer.
        generation: u64,
    },
    /// Hear the news of a room no more.
    Unsubscribe {
        /// Which room.
        room: RoomId,
    },
    /// Says something that is not kept to who subscribes to a room. Not answered.
    Publish {
        /// Which room.
        room: RoomId,
        /// What.
        passing: Passing,
    },
    /// Gives a lock to a session of this hub, unless the store holds that another session has it whose section names that
    /// session. Answered by [`Heard::Lock`].
    TakeLock {
        /// Which room.
        room: RoomId,
        /// Which lock.
        name: LockName,
        /// To whom.
        session: SessionId,
        /// All numbers that the hub knows are at most this one: the new number is one more than it and than what the
        /// store holds.
        floor: u64,
    },
    /// The session has the lock no more. Not answered.
    FreeLock {
        /// Which room.
        room: RoomId,
        /// Which lock.
        name: LockName,
        /// Who had it.
        session: SessionId,
        /// Under which number, or 0 for whichever; the store forgets the holder only where it is this session, and never
        /// the number.
        fence: u64,
    },
    /// The store said of a write that this incarnation is fenced. To be told to the node's
    /// [`super::registry::Registry`], which finds a new one. Not answered; hubs hear [`Heard::Incarnation`].
    Fenced {
        /// The incarnation that was fenced.
        inc: u64,
    },
    /// The hub has seen a section of a node, so that it would miss it. To be told to the node's registry as
    /// [`super::signs::RegistryHeard::Noticed`]. Not answered.
    Noticed {
        /// Which node.
        node: NodeId,
        /// Of which incarnation.
        inc: u64,
    },
}

/// What a hub hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Whether the store can be reached. A hub begins without; see the promises above.
    Store(bool),
    /// What became of an [`Ask::Apply`] or [`Ask::Sync`].
    Written {
        /// Which room.
        room: RoomId,
        /// The stamp of the ask.
        stamp: Stamp,
        /// What.
        outcome: Outcome,
    },
    /// The answer to an [`Ask::Snapshot`].
    Snapshot {
        /// Which room.
        room: RoomId,
        /// From the ask.
        generation: u64,
        /// What the store holds; `None` where it could not be read.
        snapshot: Option<Snapshot>,
    },
    /// The answer to an [`Ask::Audit`], for one of its rooms.
    Audited {
        /// Which room.
        room: RoomId,
        /// The room's last write; `None` where the store does not know the room.
        tag: Option<Tag>,
        /// What it holds of this hub's section.
        own: Option<Held>,
    },
    /// An audit of a room came to nothing.
    AuditFailed {
        /// Which room.
        room: RoomId,
    },
    /// News of a room.
    News {
        /// Which room.
        room: RoomId,
        /// What.
        news: News,
    },
    /// Something that is not kept.
    Passing {
        /// Which room.
        room: RoomId,
        /// Which node said it. What a node said itself may come back; it is ignored.
        from: NodeId,
        /// What.
        passing: Passing,
    },
    /// The subscription of an [`Ask::Subscribe`] holds: whatever is written from now on will be heard.
    Subscribed {
        /// Which room.
        room: RoomId,
        /// From the ask.
        generation: u64,
    },
    /// Subscriptions are lost: of one room, or of all. The hub asks for them anew, while the store can be reached.
    Unsubscribed {
        /// Which; `None` is all.
        room: Option<RoomId>,
    },
    /// Another node has given no sign of life for so long that it was claimed, by this node, and its users have had their
    /// grace. Said by the node's [`super::registry::Registry`].
    Dead {
        /// Which node.
        node: NodeId,
        /// Up to which incarnation.
        inc: u64,
    },
    /// The answer to an [`Ask::Index`]; nothing where it failed.
    Index {
        /// Which node.
        node: NodeId,
        /// Up to which incarnation.
        inc: u64,
        /// Where it has sections.
        rooms: Vec<RoomId>,
    },
    /// The answer to an [`Ask::TakeLock`].
    Lock {
        /// Which room.
        room: RoomId,
        /// Which lock.
        name: LockName,
        /// For whom it was asked.
        session: SessionId,
        /// What the store decided.
        decision: LockDecision,
    },
    /// The node writes under this incarnation from now on, and those connections of it that did not answer were ended.
    Incarnation(u64),
    /// Nodes that are about to come back with what they have, so that what is held of them is to be kept longer: the
    /// registry says so of nodes that are `resyncing`.
    Resyncing(Vec<NodeId>),
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done: now (OK), or the store had it already (DUP).
    Done,
    /// The store holds another stamp than the one before it, or none: the whole section is wanted (RESYNC).
    Resync,
    /// The store holds a later stamp of this node (STALE).
    Stale(Stamp),
    /// A tombstone of this incarnation, or of a later one, is in the room (FENCED).
    Fenced(u64),
    /// It may have been done or not.
    Unknown,
}

/// What the store holds of one node in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// A section, as of a stamp.
    Live(Stamp),
    /// The section ended because the node was claimed, up to this incarnation.
    Tomb(u64),
}

/// All that the store holds of a room, read at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The room's last write; `None` where the store does not know the room.
    pub tag: Option<Tag>,
    /// Each node that the room names, this one as well, with the entries of its section: `None` where the stamp is as
    /// in the ask, or the section is not live.
    pub sections: Vec<(NodeId, Held, Option<Vec<SectionEntry>>)>,
    /// The highest number of a lock in the room.
    pub fence: u64,
}

/// One write to a room, as told to who subscribes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// The write before it; `None` where there was none.
    pub before: Option<Tag>,
    /// Names it.
    pub tag: Tag,
    /// Whose section.
    pub node: NodeId,
    /// The section's stamp after it. Of a reap: the incarnation up to which.
    pub stamp: Stamp,
    /// What was written.
    pub what: Written,
}

/// What was written to a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// By APPLY.
    Changes(Vec<SectionChange>),
    /// By SYNC.
    Whole(Section),
    /// By SYNC, and too large to be told: who wants it takes a snapshot.
    TooLarge,
    /// By REAP.
    Reaped,
}

/// What passes between nodes and is not kept. One that is lost is made good for by the next one, or by nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passing {
    /// A session types, still types, or stopped.
    Typing {
        /// Which.
        session: SessionId,
        /// Whose.
        user: UserId,
        /// Into what.
        place: Place,
        /// Began or goes on, or stopped.
        on: bool,
    },
    /// Where pointers have moved.
    Cursors(Vec<(SessionId, Option<Point>)>),
    /// A message to who is in the room.
    Message {
        /// Who sent it; nobody where the app did.
        from: Option<Arc<Profile>>,
        /// What.
        message: Arc<Message>,
        /// The session that is not told.
        except: Option<SessionId>,
    },
    /// A user is put out of the room, with all sessions.
    Evict {
        /// Whom.
        user: UserId,
        /// What others are told.
        reason: Reason,
        /// How long they may not come back.
        block: Option<Duration>,
    },
}

/// Whether a session has a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockDecision {
    /// It has, under this number.
    Granted(u64),
    /// Another session has it, under this number.
    Taken(u64),
    /// The store did not answer.
    Unknown,
}
