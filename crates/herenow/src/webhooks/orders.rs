//! What the thread is told, and what it says of itself.
use crate::{
    partition::Partition,
    webhooks::{
        ledger::Present,
        settings::Settings,
        spool::{Dead, Which},
    },
};
use herenow_core::{
    event::Notice,
    id::{RoomId, UserId},
    time::Time,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::AtomicBool},
};
use tokio::sync::{mpsc, oneshot};

/// What the shards and the thread both look at.
#[derive(Debug, Default)]
pub(super) struct Flags {
    /// Whether news are wanted.
    pub(super) is_on: AtomicBool,
    /// Whether some were dropped since this was last looked at.
    pub(super) has_dropped: AtomicBool,
}

/// What the thread takes in.
pub(super) struct Inboxes {
    pub(super) news: mpsc::Receiver<News>,
    pub(super) orders: mpsc::Receiver<Order>,
}

/// What happened, or how things are.
#[derive(Debug)]
pub(super) enum News {
    /// A hub noticed something.
    Notice(Time, Notice),
    /// Who is in the rooms of a partition, as of all notices of it that came before this.
    Present(Partition, Present),
    /// Who is in a room of which this node tells from now on, or is online where it is a user's own; as of all notices of it
    /// that came before this. Only of a node among several.
    View {
        /// Which room.
        room: RoomId,
        /// Who is there, and since when.
        users: BTreeMap<UserId, Time>,
        /// Those of them who are there by this node.
        own: BTreeSet<UserId>,
    },
    /// The section of a node that died was ended in a room. Only of a node among several.
    Reaped(RoomId),
}

/// What somebody wants to know, or to have done.
#[derive(Debug)]
pub(super) enum Order {
    /// Go by these from now on; without, stop.
    Settings(Option<Arc<Settings>>),
    /// Say how things are.
    Health(oneshot::Sender<Health>),
    /// List events that were given up: after which, and how many.
    Dead(i64, usize, oneshot::Sender<Vec<Dead>>),
    /// Send events again that were given up.
    Replay(Which, oneshot::Sender<usize>),
    /// Forget events that were given up.
    Forget(Which, oneshot::Sender<usize>),
    /// Write what came, then say so and end.
    Close(oneshot::Sender<()>),
}

/// How webhooks stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Whether there is a receiver.
    pub is_on: bool,
    /// News that wait to be written.
    pub unwritten: usize,
    /// Events that wait to be sent.
    pub pending: usize,
    /// When the oldest of them was written, in milliseconds since the Unix epoch.
    pub oldest_ms: Option<u64>,
    /// Events that were given up.
    pub dead: usize,
    /// Calls in a row that failed.
    pub failures: u32,
    /// Why the last call failed, if it did.
    pub problem: Option<String>,
    /// Whether news were dropped that are not made good yet.
    pub is_behind: bool,
}
