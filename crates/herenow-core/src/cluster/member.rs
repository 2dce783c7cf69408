//! What a hub holds as one among several: for each room its own section and the replicas of the others, and when it
//! looks at each again. What it looks for is in [`super::work`].
use crate::{
    cluster::{
        door::{NodeId, Tag},
        own::Own,
        replicas::{Counters, Replicas},
        timing::{AUDITS_PER_SECOND, Timing},
    },
    id::RoomId,
    time::Time,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// A hub's part in the cluster.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) me: NodeId,
    pub(crate) timing: Timing,
    /// The incarnation that it writes under.
    pub(crate) inc: u64,
    /// Whether that is fenced, and the next one is not known yet.
    pub(crate) is_fenced: bool,
    /// Since when the store can be reached.
    pub(crate) up_since: Option<Time>,
    pub(crate) places: BTreeMap<RoomId, Place>,
    /// Whether what other nodes say of this node's own users is heard, so that one node tells of each.
    pub(crate) follows_own_users: bool,
    /// Rooms that the node has begun to tell the app of.
    pub(crate) taken_over: Vec<RoomId>,
    /// Rooms that are heard for who looked at them, and for nobody else.
    pub(crate) visited: BTreeSet<RoomId>,
    /// When to look at which room.
    pub(crate) due: BTreeSet<(Time, RoomId)>,
    /// Rooms to look at at the end of the turn.
    pub(crate) touched: BTreeSet<RoomId>,
    /// Rooms to audit at the end of the turn.
    pub(crate) audits: Vec<RoomId>,
    /// Nodes that the registry was told of, up to which incarnation, and when.
    pub(crate) noticed: BTreeMap<NodeId, (u64, Time)>,
    /// Nodes that are about to write what they have.
    pub(crate) resyncing: BTreeSet<NodeId>,
    pub(crate) snapshots_asked: usize,
    pub(crate) counters: Counters,
    /// At least the highest number of a write to a room that was forgotten.
    pub(crate) seq_floor: u64,
    tags: u64,
    pub(crate) generation: u64,
}

/// One room's part in the cluster.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) own: Own,
    pub(crate) replicas: Replicas,
    pub(crate) subscription: Subscription,
    pub(crate) snapshot_asked: Option<Time>,
    /// When the next snapshot may be asked for.
    pub(crate) snapshot_at: Time,
    pub(crate) audit_at: Time,
    pub(crate) audit_asked: Option<Time>,
    /// Where the last audit found another write than this node knew of: what it knew of.
    pub(crate) suspected: Option<Option<Tag>>,
    /// Whether its news are to be heard.
    pub(crate) is_wanted: bool,
    /// Since when nobody here is in the room or hears it.
    pub(crate) idle_since: Option<Time>,
    /// Until when the first who joined waits for what other nodes know.
    pub(crate) first_look_until: Option<Time>,
    /// Since when it is not known what others say of the room.
    pub(crate) doubted_since: Option<Time>,
    /// Whether this node is the one that tells the app of it.
    pub(crate) tells: bool,
    /// Since when its view is told to be old.
    pub(crate) stale_since: Option<Time>,
    /// When the room is looked at next.
    pub(crate) look_at: Option<Time>,
}

/// Whether the news of a room are heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subscription {
    None,
    Asked { generation: u64, at: Time },
    Held { generation: u64 },
}

impl Member {
    pub(crate) fn new(me: NodeId, timing: Timing) -> Self {
        Self {
            me,
            timing,
            inc: 1,
            is_fenced: false,
            up_since: None,
            places: BTreeMap::new(),
            follows_own_users: false,
            taken_over: Vec::new(),
            visited: BTreeSet::new(),
            due: BTreeSet::new(),
            touched: BTreeSet::new(),
            audits: Vec::new(),
            noticed: BTreeMap::new(),
            resyncing: BTreeSet::new(),
            snapshots_asked: 0,
            counters: Counters::default(),
            seq_floor: 0,
            tags: 0,
            generation: 0,
        }
    }

    /// Whether the store may be written to.
    pub(crate) const fn is_up(&self) -> bool {
        self.up_since.is_some() && !self.is_fenced
    }

    /// A new name for a write.
    pub(crate) const fn next_tag(&mut self) -> Tag {
        self.tags += 1;
        Tag { node: self.me, number: self.tags }
    }

    /// Takes a room in that somebody here joins.
    pub(crate) fn open(&mut self, now: Time, id: &RoomId) {
        self.touched.insert(id.clone());
        let waits = self.is_up() && id.user().is_none();
        let first_look_until = waits.then(|| now + self.timing.first_look);
        if let Some(place) = self.places.get_mut(id) {
            // One that is remembered only for the stamp of its section has to be looked at anew.
            if !place.is_wanted {
                place.first_look_until = first_look_until;
            }
            return;
        }
        let audit_at = now + self.audit_period(id);
        let own = Own::new(self.seq_floor);
        let place = Place {
            own,
            replicas: Replicas::default(),
            subscription: Subscription::None,
            snapshot_asked: None,
            snapshot_at: now,
            audit_at,
            audit_asked: None,
            suspected: None,
            is_wanted: false,
            idle_since: None,
            first_look_until,
            doubted_since: None,
            tells: false,
            stale_since: None,
            look_at: None,
        };
        self.places.insert(id.clone(), place);
    }

    /// Whether what a room has to say waits for what other nodes know of it.
    pub(crate) fn waits(&self, id: &RoomId, now: Time) -> bool {
        self.places.get(id).and_then(|place| place.first_look_until).is_some_and(|until| now < until)
    }

    /// Since when the view of a room is told to be old.
    pub(crate) fn stale_since(&self, id: &RoomId) -> Option<Time> {
        self.places.get(id).and_then(|place| place.stale_since)
    }

    /// Has a room looked at by `at`.
    pub(crate) fn look_by(&mut self, id: &RoomId, at: Time) {
        let Some(place) = self.places.get_mut(id) else { return };
        if place.look_at.is_none_or(|before| at < before) {
            if let Some(before) = place.look_at.replace(at) {
                self.due.remove(&(before, id.clone()));
            }
            self.due.insert((at, id.clone()));
        }
    }

    /// When something is to be looked at.
    pub(crate) fn next(&self) -> Option<Time> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Moves the rooms whose time has come to those that are looked at at the end of the turn.
    pub(crate) fn wake(&mut self, now: Time) {
        while self.due.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, id)) = self.due.pop_first() else { break };
            if let Some(place) = self.places.get_mut(&id) {
                place.look_at = None;
            }
            self.touched.insert(id);
        }
    }

    /// Forgets a room.
    pub(crate) fn forget(&mut self, id: &RoomId) {
        self.visited.remove(id);
        if let Some(place) = self.places.remove(id) {
            self.seq_floor = self.seq_floor.max(place.own.seq());
            if let Some(at) = place.look_at {
                self.due.remove(&(at, id.clone()));
            }
        }
    }

    /// The time until the next audit of a room: about the same for all, but not at the same moment, and longer where
    /// there are more rooms than the store is to be asked for.
    pub(crate) fn audit_period(&self, id: &RoomId) -> Duration {
        let rooms = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        let period = self.timing.audit.max(Duration::from_secs(64) * rooms / AUDITS_PER_SECOND);
        // FNV-1a: spreads names, and needs no chance.
        let hash = id.as_str().bytes().fold(0x811c_9dc5_u32 ^ (self.me.0 as u32), |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        period * (80 + hash % 41) / 100
    }
}

impl Place {
    /// The subscription that holds.
    pub(crate) const fn held(&self) -> Option<u64> {
        match self.subscription {
            Subscription::Held { generation } => Some(generation),
            Subscription::None | Subscription::Asked { .. } => None,
        }
    }

    /// Notes that news may be missed until there is a subscription again.
    pub(crate) fn unsubscribed(&mut self) {
        self.subscription = Subscription::None;
        self.replicas.lose();
        self.suspected = None;
    }
}
