//! What clients do, and what goes wrong: one step at a time, from the seed.
use crate::cluster::{
    net::{Happening, Mend},
    node::{Client, Node},
    store::Store,
    watch::Watcher,
    world::World,
};
use herenow_core::{
    cluster::door::NodeId,
    command::{Command, Ending, HomeNews, Input, Interest, Patch},
    id::{ConnectionKey, LockName, RoomId, SessionId, UserId},
    profile::{Profile, Status},
};
use std::{collections::BTreeMap, sync::Arc};

impl World {
    /// One thing that somebody does, or that goes wrong.
    pub(super) fn step(&mut self) {
        match self.rng.below(100) {
            0..30 => self.connect(),
            30..50 => self.disconnect(),
            50..60 => self.change(),
            60..64 => self.watch(),
            64..67 => self.unwatch(),
            67..72 => self.vanish(),
            _ => self.fault(),
        }
    }

    fn fault(&mut self) {
        match self.rng.below(20) {
            0 => self.crash(),
            1 | 2 => self.pause(),
            3 | 4 => self.cut(),
            5 => self.restart_store(),
            6 => self.flush(),
            7 => self.roll_back(),
            8 => {
                self.saved = self.store.clone();
                self.say(|| "the store is saved".into());
            }
            9 | 10 => self.break_links(),
            11 => self.drop_subscriptions(),
            12 => self.drop_silently(),
            13..16 => self.swallow += self.rng.between(1, 3) as u32,
            16 | 17 => self.lose_answers += self.rng.between(1, 3) as u32,
            18 => {
                let away = self.rng.between(500, 12_000);
                self.away_until = self.away_until.max(self.now + away);
                self.away_spans.push((self.now, self.away_until));
                self.agenda.set(self.away_until, Happening::Mend(Mend::StoreBack));
                self.say(|| format!("the store is away for {away} ms"));
            }
            _ => {
                self.missed_at = self.now;
                self.slow = if self.slow == 0 { self.rng.between(20, 700) } else { 0 };
            }
        }
    }

    /// A node that is up and takes new connections.
    fn up_node(&mut self) -> Option<usize> {
        let up: Vec<usize> = (0..self.nodes.len()).filter(|at| self.nodes[*at].is_up).collect();
        self.rng.pick(&up).copied()
    }

    fn profile(&mut self, user: usize) -> Arc<Profile> {
        let name = if self.rng.percent(90) { format!("name {user}") } else { format!("name {}", self.rng.below(9)) };
        Arc::new(Profile { user: user_id(user), name: name.into(), avatar: None })
    }

    fn connect(&mut self) {
        let Some(node) = self.up_node() else { return };
        let (user, room) = (self.rng.index(USERS), self.rng.index(self.rooms.len()));
        let (profile, room) = (self.profile(user), self.rooms[room].clone());
        let session = SessionId(self.rng.word());
        self.say(|| format!("u{user} comes to {room} at node {node}, session {session}"));
        let at = self.clients.len();
        let connection = ConnectionKey(u32::try_from(at).unwrap_or(u32::MAX));
        self.clients.push(Client {
            session,
            user,
            room: room.clone(),
            node,
            since: self.now,
            is_open: true,
            ended_at: 0,
            is_believed: true,
            grace_until: 0,
        });
        self.input(node, Input::Attached { session, profile, connection });
        self.home(node, user, session, HomeNews::Arrived(Status::Active));
        self.input(node, join(session, room, false));
    }

    /// Says to the hub of a node what counts for a user's green dot.
    pub(super) fn home(&mut self, node: usize, user: usize, session: SessionId, news: HomeNews) {
        self.input(node, Input::Home { user: user_id(user), session, news });
    }

    fn open_client(&mut self) -> Option<usize> {
        let open: Vec<usize> = (0..self.clients.len()).filter(|at| self.clients[*at].is_open).collect();
        self.rng.pick(&open).copied()
    }

    fn disconnect(&mut self) {
        let Some(at) = self.open_client() else { return };
        let how =
            *self.rng.pick(&[Ending::Left, Ending::Closed, Ending::Lost, Ending::Kicked]).unwrap_or(&Ending::Left);
        if how == Ending::Closed && self.rng.percent(50) {
            // A reload, on whatever node.
            self.reload(at);
        }
        self.close(at, how);
    }

    fn reload(&mut self, at: usize) {
        let (user, room) = (self.clients[at].user, self.clients[at].room.clone());
        let Some(node) = self.up_node() else { return };
        let session = SessionId(self.rng.word());
        let profile = self.profile(user);
        let connection = ConnectionKey(u32::try_from(self.clients.len()).unwrap_or(u32::MAX));
        let now = self.now;
        let client = Client { session, user, room: room.clone(), node, since: now, ..self.clients[at].clone() };
        self.clients.push(client);
        self.input(node, Input::Attached { session, profile, connection });
        self.home(node, user, session, HomeNews::Arrived(Status::Active));
        self.input(node, join(session, room, false));
    }

    pub(super) fn close(&mut self, at: usize, how: Ending) {
        let grace = match how {
            Ending::Closed => 5_000,
            Ending::Lost => 10_000,
            _ => 0,
        };
        let now = self.now;
        let client = &mut self.clients[at];
        (client.is_open, client.is_believed, client.ended_at) = (false, false, now);
        client.grace_until = now + grace;
        let (node, session, user) = (client.node, client.session, client.user);
        self.say(|| format!("u{user} goes from node {node}, session {session}: {how:?}"));
        self.input(node, Input::Detached { session, how });
        self.home(node, user, session, HomeNews::Departed(how));
    }

    fn vanish(&mut self) {
        let Some(at) = self.open_client() else { return };
        let now = self.now;
        let client = &mut self.clients[at];
        (client.is_open, client.ended_at) = (false, now);
        let session = client.session;
        self.say(|| format!("session {session} vanishes"));
        let ping = self.rng.between(1_000, 30_000);
        self.agenda.set(self.now + ping, Happening::Pinged { client: at });
    }

    fn change(&mut self) {
        let Some(at) = self.open_client() else { return };
        let Client { session, user, room, node, .. } = self.clients[at].clone();
        let kind = self.rng.below(10);
        let command = match kind {
            0 => {
                let profile = self.profile(user);
                let connection = ConnectionKey(u32::try_from(at).unwrap_or(u32::MAX));
                return self.input(node, Input::Attached { session, profile, connection });
            }
            1 | 2 => {
                let status = if self.rng.percent(50) { Status::Idle } else { Status::Active };
                self.home(node, user, session, HomeNews::Status(status));
                Command::SetStatus { status }
            }
            3 | 4 => {
                let name = LockName::parse(["x", "y"][self.rng.index(2)]).unwrap_or_else(|_| unreachable!("a letter"));
                if self.rng.percent(60) {
                    Command::Lock { room, name, wait: self.rng.percent(50) }
                } else {
                    Command::Unlock { room, name }
                }
            }
            5 => Command::StartTyping { room, target: None },
            _ => {
                let key: Arc<str> = ["a", "b", "c"][self.rng.index(3)].into();
                let value = self.rng.percent(75).then(|| self.rng.below(100).to_string().into());
                Command::Update { room, patch: Patch(vec![(key, value)]) }
            }
        };
        self.input(node, Input::Asked { session, re: None, command });
    }

    fn watch(&mut self) {
        if let Some(node) = self.up_node() {
            let room = self.rng.index(self.rooms.len());
            self.watch_at(node, room);
        }
    }

    pub(super) fn watch_at(&mut self, node: usize, room: usize) {
        let room = self.rooms[room].clone();
        let session = SessionId(self.rng.word());
        self.watchers += 1;
        let connection = ConnectionKey(WATCHERS_FROM + self.watchers);
        let watcher = Watcher {
            room: room.clone(),
            session,
            roster: None,
            version: 0,
            locks: BTreeMap::new(),
            dots: BTreeMap::new(),
        };
        self.nodes[node].watchers.insert(connection, watcher);
        let user = user_id(USERS + 1);
        let profile = Arc::new(Profile { user, name: "watcher".into(), avatar: None });
        self.input(node, Input::Attached { session, profile, connection });
        self.input(node, join(session, room, true));
        let users = (0..USERS).map(user_id).collect();
        self.input(node, Input::Asked { session, re: None, command: Command::Watch { users } });
    }

    fn unwatch(&mut self) {
        let Some(node) = self.up_node() else { return };
        let keys: Vec<ConnectionKey> = self.nodes[node].watchers.keys().copied().collect();
        let Some(key) = self.rng.pick(&keys).copied() else { return };
        if let Some(watcher) = self.nodes[node].watchers.remove(&key) {
            self.input(node, Input::Detached { session: watcher.session, how: Ending::Left });
        }
    }

    fn crash(&mut self) {
        let Some(at) = self.up_node() else { return };
        if self.nodes.iter().filter(|node| node.is_up).count() < 2 {
            return;
        }
        self.say(|| format!("node {at} dies"));
        self.crashed_at = self.now;
        let now = self.now;
        let node = &mut self.nodes[at];
        node.is_up = false;
        node.link.end();
        node.watchers.clear();
        for client in self.clients.iter_mut().filter(|client| client.node == at) {
            if client.is_open || client.is_believed {
                client.ended_at = now;
            }
            (client.is_open, client.is_believed, client.grace_until) = (false, false, now);
        }
        if self.rng.percent(80) {
            let wait = self.rng.between(100, 15_000);
            self.agenda.set(self.now + wait, Happening::Mend(Mend::Restart));
        }
    }

    /// A new node comes up.
    pub(super) fn start(&mut self) {
        let id = NodeId(self.rng.word() | 1);
        let at = self.nodes.len();
        let mut node = Node::new(id, self.now, self.timing.clone());
        node.link.cut_until = 0;
        self.nodes.push(node);
        self.say(|| format!("node {at} begins, {id:?}"));
        for room in 0..self.rooms.len() {
            self.watch_at(at, room);
        }
        self.wake(at, self.now);
    }

    fn pause(&mut self) {
        let Some(at) = self.up_node() else { return };
        let span = if self.rng.percent(50) { self.rng.between(100, 4_000) } else { self.rng.between(4_000, 20_000) };
        self.say(|| format!("node {at} stands still for {span} ms"));
        let until = self.now + span;
        let node = &mut self.nodes[at];
        node.paused_until = node.paused_until.max(until);
        node.undisturbed_since = node.undisturbed_since.max(until);
        self.agenda.set(until, Happening::Mend(Mend::Resume(at)));
    }

    fn cut(&mut self) {
        let Some(at) = self.up_node() else { return };
        let span = if self.rng.percent(50) { self.rng.between(100, 4_000) } else { self.rng.between(4_000, 20_000) };
        self.say(|| format!("node {at} is cut off for {span} ms"));
        let until = self.now + span;
        let node = &mut self.nodes[at];
        node.link.cut_until = node.link.cut_until.max(until);
        node.undisturbed_since = node.undisturbed_since.max(until);
        self.agenda.set(until, Happening::Mend(Mend::Rejoin(at)));
    }

    pub(super) fn mend(&mut self, mend: Mend) {
        match mend {
            Mend::Resume(at) => self.wake(at, self.now),
            Mend::Rejoin(at) => {
                if self.nodes[at].is_up && self.now >= self.nodes[at].link.cut_until {
                    self.say(|| format!("node {at} is back"));
                    self.reconnect(at);
                }
            }
            Mend::Restart => {
                if !self.is_calm {
                    self.start();
                }
            }
            Mend::StoreBack => {
                if self.now >= self.away_until {
                    self.break_links();
                }
            }
        }
    }

    fn restart_store(&mut self) {
        let saved = self.rng.percent(50);
        self.say(|| format!("the store restarts, {}", if saved { "as it was saved" } else { "empty" }));
        let wrong = self.store.wrong;
        self.store = if saved { self.saved.clone() } else { Store::default() };
        self.store.wrong = wrong;
        self.rolled_at = self.now;
        self.break_links();
    }

    fn flush(&mut self) {
        let what = self.rng.below(4);
        if what != 1 {
            self.signs_lost_at = self.now;
        }
        match what {
            0 => {
                self.store.live.clear();
                self.store.fence.clear();
                self.say(|| "the registry is lost".into());
            }
            1 => {
                let room = self.rng.index(self.rooms.len());
                let room = self.rooms[room].clone();
                self.store.rooms.remove(&room);
                self.say(|| format!("{room} is lost"));
            }
            _ => {
                self.store.rooms.clear();
                self.store.live.clear();
                self.store.fence.clear();
                self.say(|| "everything is lost".into());
            }
        }
    }

    /// A replica that lags takes over, and nobody is told.
    fn roll_back(&mut self) {
        self.rolled_at = self.now;
        match self.rng.below(4) {
            0 => {
                (self.store.live, self.store.fence) = (self.saved.live.clone(), self.saved.fence.clone());
                self.say(|| "the registry is as it was saved".into());
            }
            1 => {
                let room = self.rng.index(self.rooms.len());
                let room = self.rooms[room].clone();
                match self.saved.rooms.get(&room) {
                    Some(stored) => self.store.rooms.insert(room.clone(), stored.clone()),
                    None => self.store.rooms.remove(&room),
                };
                self.say(|| format!("{room} is as it was saved"));
            }
            _ => {
                let wrong = self.store.wrong;
                self.store = self.saved.clone();
                self.store.wrong = wrong;
                self.say(|| "everything is as it was saved".into());
            }
        }
    }

    pub(super) fn break_links(&mut self) {
        self.say(|| "all connections break".into());
        self.subscribers.clear();
        for at in 0..self.nodes.len() {
            if self.nodes[at].is_up {
                self.reconnect(at);
            }
        }
    }

    fn drop_subscriptions(&mut self) {
        let Some(at) = self.up_node() else { return };
        self.say(|| format!("node {at} loses its subscriptions"));
        self.nodes[at].link.subscriptions += 1;
        self.tell(at, herenow_core::cluster::door::Heard::Unsubscribed { room: None });
    }

    /// A subscription that stays on a primary that is none any more: nobody is told.
    fn drop_silently(&mut self) {
        let Some(at) = self.up_node() else { return };
        self.missed_at = self.now;
        self.say(|| format!("node {at} loses its subscriptions, and is not told"));
        for subscribers in self.subscribers.values_mut() {
            subscribers.retain(|(node, _)| *node != at);
        }
    }
}

/// What a session says to be in a room.
fn join(session: SessionId, room: RoomId, observe: bool) -> Input {
    let (interest, state, since) = (Interest::Auto, None, None);
    let command = Command::Join { room, interest, observe, state, since, sessions: false };
    Input::Asked { session, re: None, command }
}

pub(super) fn user_id(user: usize) -> UserId {
    UserId::parse(&format!("u{user}")).unwrap_or_else(|_| unreachable!("letters and digits"))
}

/// Users of a run.
pub(super) const USERS: usize = 4;
/// Connections of observers come after those of clients.
const WATCHERS_FROM: u32 = 1 << 20;
