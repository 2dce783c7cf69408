//! What must hold in a cluster: at each edge that an observer is told, and at rest.
use crate::cluster::{
    faults::{USERS, user_id},
    node::Client,
    watch::{Edge, Watcher},
    world::World,
};
use herenow_core::{
    cluster::door::{Held, NodeId},
    event::Viewer,
    id::{RoomId, UserId},
};
use std::collections::{BTreeMap, BTreeSet};

impl World {
    /// Checks what an observer at a node was told.
    pub(super) fn check_edge(&self, at: usize, edge: &Edge) -> Result<(), String> {
        let of = |client: &&Client| user_id(client.user) == edge.user && client.room == edge.room;
        let mut clients = self.clients.iter().filter(of);
        if edge.joined {
            return self.check_joined(at, edge, &clients.collect::<Vec<_>>());
        }
        // Who is here, at a node that nothing happened to, never left.
        let is_safe = |client: &Client| {
            let node = &self.nodes[client.node];
            let is_settled = node.undisturbed_since + SETTLED_MS <= self.now
                && client.since.max(self.stored_late(client)) + SETTLED_MS <= self.now;
            client.is_open && node.is_up && (is_settled || self.is_acknowledged(client))
        };
        if self.nodes[at].undisturbed_since + SETTLED_MS > self.now {
            return Ok(());
        }
        match clients.find(|client| is_safe(client)) {
            Some(client) => Err(format!(
                "node {at} tells that {} left {}, who is there by session {} at node {}",
                edge.user, edge.room, client.session, client.node
            )),
            None => Ok(()),
        }
    }

    /// Whether a client's node has heard that the store has its entry, after all that happened to the node.
    fn is_acknowledged(&self, client: &Client) -> bool {
        let node = &self.nodes[client.node];
        let Some(at) = node.acknowledged.get(&client.room) else { return false };
        let is_known = node.undisturbed_since <= *at && client.since + WRITTEN_MS <= *at;
        is_known && at + ACKNOWLEDGED_MS <= self.now && !self.is_doubtful()
    }

    /// Whether others may not have heard yet of what was written, since the store was slow or away or news were lost.
    fn is_doubtful(&self) -> bool {
        let is_recent = |at: u64| at > 0 && at + SETTLED_MS > self.now;
        self.slow > 0 || is_recent(self.missed_at) || self.away_spans.iter().any(|(_, end)| is_recent(*end))
    }

    /// Nobody is taken for dead by a claim who gave a sign within a lease, or whom nothing happened to.
    pub(super) fn check_claim(&self, by: usize, whom: NodeId) -> Result<(), String> {
        let claimed = self.nodes.iter().enumerate().find(|(_, node)| node.is_up && node.id == whom);
        let Some((at, node)) = claimed else { return Ok(()) };
        let signed = self.now - node.signed_at;
        // A store that has lost that sign may well hold the one that was seen before.
        let is_kept = self.rolled_at.max(self.signs_lost_at) < node.signed_at;
        if signed < LEASE_MS && is_kept {
            return Err(format!("node {by} claims node {at}, which gave a sign {signed} ms ago"));
        }
        if node.undisturbed_since + RENEWED_MS <= self.now {
            return Err(format!("node {by} claims node {at}, which nothing happened to"));
        }
        Ok(())
    }

    /// When the store came back, where it was away when a client came.
    fn stored_late(&self, client: &Client) -> u64 {
        self.away_spans.iter().filter(|(_, end)| *end >= client.since).map(|(_, end)| *end).max().unwrap_or(0)
    }

    /// Nobody comes who has been away for long.
    fn check_joined(&self, at: usize, edge: &Edge, clients: &[&Client]) -> Result<(), String> {
        let quiet = |since: u64| since + SETTLED_MS <= self.now;
        let is_disturbed = !quiet(self.nodes[at].undisturbed_since)
            || self.crashed_at + 4 * SETTLED_MS > self.now
            || self.away_spans.iter().any(|(_, end)| !quiet(*end));
        if is_disturbed {
            return Ok(());
        }
        let may_be = |client: &&Client| {
            let node = &self.nodes[client.node];
            let is_there = client.is_open || client.is_believed || !quiet(client.grace_until.max(client.ended_at));
            // What a node tells again after a fence, it has asked its sockets about.
            let is_vouched = client.is_open || client.ended_at > node.validated_at || !client.is_believed;
            let is_recent = is_there || !quiet(node.undisturbed_since);
            (is_vouched && is_recent) || !quiet(self.rolled_at)
        };
        if clients.iter().any(may_be) {
            return Ok(());
        }
        Err(format!("node {at} tells that {} joined {}, who is not there", edge.user, edge.room))
    }

    /// Who is in a room in truth.
    fn truth(&self, room: &RoomId) -> BTreeSet<UserId> {
        let there = |client: &&Client| client.room == *room && (client.is_open || client.is_believed);
        let graced = |client: &&Client| client.room == *room && client.grace_until > self.now;
        let up = |client: &&Client| self.nodes[client.node].is_up;
        let clients = self.clients.iter().filter(up).filter(|client| there(client) || graced(client));
        clients.map(|client| user_id(client.user)).collect()
    }

    /// What is not as it must be once all is quiet; nothing where all is.
    pub(super) fn unrest(&self) -> Option<String> {
        let is_unsure = |client: &&Client| !client.is_open && (client.is_believed || client.grace_until >= self.now);
        if let Some(client) = self.clients.iter().find(|client| self.nodes[client.node].is_up && is_unsure(client)) {
            return Some(format!("session {} is in grace", client.session));
        }
        for room in &self.rooms {
            let truth = self.truth(room);
            let mut first: Option<(usize, BTreeMap<UserId, Viewer>)> = None;
            for (at, node) in self.nodes.iter().enumerate().filter(|(_, node)| node.is_up) {
                let Some(roster) = node.hub.roster(room) else { continue };
                let viewers: BTreeMap<UserId, Viewer> = roster
                    .viewers()
                    .map(|viewer| (viewer.profile.user.clone(), Viewer { sessions: 0, ..viewer }))
                    .collect();
                let users: BTreeSet<UserId> = viewers.keys().cloned().collect();
                if users != truth {
                    return Some(format!("{room} at node {at} shows {users:?}, there are {truth:?}"));
                }
                for watcher in node.watchers.values().filter(|watcher| watcher.room == *room) {
                    let told = watcher.roster.as_ref().map(|told| told.keys().cloned().collect::<BTreeSet<_>>());
                    if let Some(unrest) = self.unrest_of_belongings(at, watcher) {
                        return Some(unrest);
                    }
                    if told.as_ref() != Some(&truth) {
                        return Some(format!("{room} at node {at} was told as {told:?}, there are {truth:?}"));
                    }
                }
                match &first {
                    Some((other, same)) if *same != viewers => {
                        return Some(format!("{room} at node {at}: {viewers:?}\n at node {other}: {same:?}"));
                    }
                    Some(_) => {}
                    None => first = Some((at, viewers)),
                }
            }
        }
        self.unrest_of_store()
    }

    /// Locks are held by who is there, by the same at all nodes; dots are those of the users.
    fn unrest_of_belongings(&self, at: usize, watcher: &Watcher) -> Option<String> {
        let room = &watcher.room;
        for (name, (session, fence)) in &watcher.locks {
            let is_there = |client: &Client| client.session == *session && client.is_open;
            if !self.clients.iter().any(is_there) {
                return Some(format!("lock {name} of {room} at node {at} is with {session}, which is gone"));
            }
            let stored = self.store.rooms.get(room).and_then(|stored| stored.locks.get(name));
            if stored.is_some_and(|stored| (stored.1, stored.2) != (*session, *fence)) {
                return Some(format!(
                    "lock {name} of {room} at node {at} is with {session} under {fence}, not {stored:?}"
                ));
            }
        }
        let others = self.nodes.iter().filter(|node| node.is_up).flat_map(|node| node.watchers.values());
        let mut others = others.filter(|other| other.room == *room);
        if let Some(other) = others.find(|other| other.locks != watcher.locks) {
            return Some(format!("locks of {room} at node {at}: {:?}, elsewhere {:?}", watcher.locks, other.locks));
        }
        for user in (0..USERS).map(user_id) {
            let is_online = self.clients.iter().any(|client| client.is_open && user_id(client.user) == user);
            if watcher.dots.get(&user).is_none_or(|dot| dot.is_some() != is_online) {
                return Some(format!(
                    "{user} is shown as {:?} at node {at}, online: {is_online}",
                    watcher.dots.get(&user)
                ));
            }
        }
        None
    }

    /// Nothing is left of dead nodes, and what is there is what is true.
    fn unrest_of_store(&self) -> Option<String> {
        for (room, stored) in self.store.rooms.iter().filter(|(room, _)| self.rooms.contains(room)) {
            for (node, mark) in &stored.marks {
                let at = self.nodes.iter().position(|held| held.is_up && held.id == *node);
                let sessions: BTreeSet<_> = stored.sections.get(node).into_iter().flat_map(BTreeMap::keys).collect();
                match (mark, at) {
                    (Held::Live(_), None) if !sessions.is_empty() => {
                        return Some(format!("the store keeps a section of {node:?}, which is dead, in {room}"));
                    }
                    (Held::Live(_), Some(at)) => {
                        let there = |client: &&Client| client.node == at && client.room == *room && client.is_believed;
                        let truth: BTreeSet<_> =
                            self.clients.iter().filter(there).map(|client| &client.session).collect();
                        if !truth.is_subset(&sessions) {
                            return Some(format!("the store lacks sessions of node {at} in {room}"));
                        }
                    }
                    _ => {}
                }
            }
            for client in self.clients.iter().filter(|client| client.room == *room && client.is_open) {
                let node = self.nodes[client.node].id;
                if !stored.sections.get(&node).is_some_and(|section| section.contains_key(&client.session)) {
                    return Some(format!("the store does not have session {} in {room}", client.session));
                }
            }
        }
        None
    }
}

/// How long after something bad nothing more may come of it: a lease, the rest of grace, and the way there.
const SETTLED_MS: u64 = 15_000;
/// How long a write may take until its answer is there.
const WRITTEN_MS: u64 = 1_500;
/// How long others may need to hear of a write once its node has heard that it was taken: also where they have to ask.
const ACKNOWLEDGED_MS: u64 = 2_500;
/// For how long a node has to be silent before it is claimed.
const LEASE_MS: u64 = 5_000;
/// How long a node may need after something bad until it gives a sign: it asks its sockets first, which may take 3 s.
const RENEWED_MS: u64 = 5_000;
