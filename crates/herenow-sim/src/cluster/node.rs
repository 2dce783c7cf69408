//! One node of a cluster: a hub, a registry, and the sockets of its clients.
use crate::cluster::{net::Link, watch::Watcher};
use herenow_core::{
    cluster::{door::NodeId, registry::Registry, timing::Timing},
    hub::Hub,
    id::{ConnectionKey, RoomId, SessionId},
    limits::Limits,
    version::Epoch,
};
use std::collections::BTreeMap;

/// One life of a node.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: NodeId,
    pub(super) hub: Hub,
    pub(super) registry: Registry,
    pub(super) link: Link,
    pub(super) is_up: bool,
    /// Until when it stands still.
    pub(super) paused_until: u64,
    /// Since when nothing bad has happened to it.
    pub(super) undisturbed_since: u64,
    /// When it last asked its sockets for a sign of life.
    pub(super) validated_at: u64,
    /// When the store last took a sign of life of it.
    pub(super) signed_at: u64,
    /// When it last heard, room by room, that the store has its section.
    pub(super) acknowledged: BTreeMap<RoomId, u64>,
    pub(super) watchers: BTreeMap<ConnectionKey, Watcher>,
}

/// One client: a session of a user in a room, over one connection.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) session: SessionId,
    pub(super) user: usize,
    pub(super) room: RoomId,
    pub(super) node: usize,
    pub(super) since: u64,
    /// Whether its socket is open in truth, and until when it was otherwise.
    pub(super) is_open: bool,
    pub(super) ended_at: u64,
    /// Whether its node believes that it is.
    pub(super) is_believed: bool,
    /// Until when its entry outlives it, at most.
    pub(super) grace_until: u64,
}

impl Node {
    pub(super) fn new(id: NodeId, now: u64, timing: Timing) -> Self {
        let epoch = Epoch::parse(&format!("n{}", id.0)).unwrap_or_else(|| unreachable!("letters and digits"));
        Self {
            id,
            hub: Hub::among(epoch, Limits::default(), id, timing.clone()),
            registry: Registry::new(id, timing, (1, 1)),
            link: Link::default(),
            is_up: true,
            paused_until: 0,
            undisturbed_since: now,
            validated_at: now,
            signed_at: now,
            acknowledged: BTreeMap::new(),
            watchers: BTreeMap::new(),
        }
    }
}
