//! The door of the core: inputs go in, outputs come out, nothing else happens.
//!
//! How to call it, once a turn: [`Hub::handle_timeout`] where the deadline has come, [`Hub::handle`] for each input,
//! then [`Hub::settle`], then [`Hub::poll_output`] until it gives nothing, with [`Hub::recipients`] to learn whom an
//! output is for, and last [`Hub::poll_timeout`].
use crate::{
    cluster::{
        door::{NodeId, Passing},
        member::Member,
        replicas::Counters,
        timing::Timing,
    },
    command::{Ending, Evictee, Input, Reason},
    deadlines::{Deadlines, Timer},
    event::{Audience, Event, Mark, Notice, Output},
    explain::Explanation,
    history::History,
    id::{ConnectionKey, RoomId, SessionId, UserId},
    keepsakes::Keepsakes,
    limits::Limits,
    listeners::Listener,
    people::People,
    profile::{Profile, Status},
    room::{Desk, Guest, Room},
    roster::Roster,
    rules::{RoomRule, RoomSettings},
    time::Time,
    version::Epoch,
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

/// The presence of many rooms: one partition.
#[derive(Debug)]
pub struct Hub {
    pub(crate) limits: Limits,
    pub(crate) epoch: Epoch,
    pub(crate) rooms: BTreeMap<RoomId, Box<Room>>,
    pub(crate) sessions: BTreeMap<SessionId, Session>,
    pub(crate) deadlines: Deadlines,
    pub(crate) outputs: VecDeque<Output>,
    /// Rooms with an open turn, each once.
    pub(crate) unsettled: Vec<RoomId>,
    pub(crate) mark: Mark,
    /// The highest number given to the holder of a lock.
    pub(crate) fence: u64,
    /// Who may not come into which room, and until when.
    pub(crate) blocks: BTreeMap<(RoomId, UserId), Time>,
    pub(crate) people: People,
    keepsakes: Keepsakes,
    /// At least the highest version of any room that was forgotten, so that a room of the same name goes on from there.
    pub(crate) floor: u64,
    /// Its part in a cluster, where it has one.
    pub(crate) cluster: Option<Box<Member>>,
}

/// A session that has a connection.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) profile: Arc<Profile>,
    pub(crate) connection: ConnectionKey,
    pub(crate) status: Status,
    /// The rooms of this hub that it is in.
    pub(crate) rooms: Vec<RoomId>,
    /// The users whose home is this hub and of whom it is told.
    pub(crate) watched: BTreeSet<UserId>,
}

impl Hub {
    /// An empty hub of the node's present life.
    pub fn new(epoch: Epoch, limits: Limits) -> Self {
        Self {
            limits,
            epoch,
            rooms: BTreeMap::new(),
            sessions: BTreeMap::new(),
            deadlines: Deadlines::default(),
            outputs: VecDeque::new(),
            unsettled: Vec::new(),
            mark: Mark(0),
            fence: 0,
            blocks: BTreeMap::new(),
            people: People::default(),
            keepsakes: Keepsakes::default(),
            floor: 0,
            cluster: None,
        }
    }

    /// An empty hub that is one among several: what it hears of other nodes is in its rosters as well, and what it holds
    /// itself it asks the store to keep. All hubs of a node have the same `node`.
    pub fn among(epoch: Epoch, limits: Limits, node: NodeId, timing: Timing) -> Self {
        let mut hub = Self { cluster: Some(Box::new(Member::new(node, timing))), ..Self::new(epoch, limits) };
        hub.people.among();
        hub
    }

    /// Takes one input in. Never fails: a refusal is an answer, not an error. Commands of a session that is not
    /// attached are ignored.
    pub fn handle(&mut self, now: Time, input: Input) {
        match input {
            Input::Attached { session, profile, connection } => self.attach(now, session, profile, connection),
            Input::Home { user, session, news } => {
                if let Some(until) = self.people.hear(&user, session, news, (now, &self.limits)) {
                    self.deadlines.set(until, Timer::Person(user, session));
                }
            }
            Input::Asked { session, re, command } => self.ask(now, session, re, command),
            Input::Detached { session, how } => self.detach(now, session, how),
            Input::FellBehind { session } => {
                for id in self.rooms_of(session) {
                    self.in_room(now, &id, |room, _| room.fall_behind(session));
                }
            }
            Input::CaughtUp { session } => {
                for id in self.rooms_of(session) {
                    self.in_room(now, &id, |room, desk| room.catch_up(desk, session));
                }
            }
            Input::Evicted { room, whom, reason, block } => {
                if let Evictee::User(user) = &whom {
                    self.pass_on(&room, Passing::Evict { user: user.clone(), reason, block });
                }
                self.put_out(now, &room, whom, (reason, block));
            }
            Input::Unclaimed { room, user, session, since } => {
                self.in_room(now, &room, |room, desk| room.end_unclaimed(desk, &user, session, since));
            }
            Input::Cluster(heard) => self.hear(now, heard),
            Input::Ruled { rooms } => self.go_by(now, rooms),
            Input::Forgotten { user } => self.people.forget(&user),
            Input::Visited { room } => self.visit(now, room),
            Input::Published { room, message, except } => {
                let message = Arc::new(message);
                self.pass_on(&room, Passing::Message { from: None, message: Arc::clone(&message), except });
                self.in_room(now, &room, |room, desk| room.publish(desk, message, except));
            }
        }
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Time) {
        if let Some(member) = &mut self.cluster {
            member.wake(now);
        }
        while let Some(timer) = self.deadlines.pop_due(now) {
            match timer {
                Timer::Typing(room) => {
                    self.in_room(now, &room, |room, desk| room.expire_typing(desk));
                }
                Timer::Person(user, session) => self.people.end_grace(&user, session, now),
                Timer::Cursors(room) => {
                    self.in_room(now, &room, |room, desk| room.wake_cursors(desk));
                }
                Timer::Block(room, user) => {
                    let key = (room, user);
                    if self.blocks.get(&key).is_some_and(|until| *until <= now) {
                        self.blocks.remove(&key);
                    }
                }
                Timer::Keepsake(session, room) => self.keepsakes.end(&(session, room), now),
                Timer::Tell(room) => {
                    self.in_room(now, &room, |room, desk| room.wake(desk));
                }
                Timer::Grace(room, user, session) => {
                    self.in_room(now, &room, |room, desk| room.end_grace(desk, &user, session));
                }
            }
        }
    }

    /// Ends the turn: every room with news tells it, rooms that nobody is in are forgotten.
    pub fn settle(&mut self, now: Time) {
        self.settle_people(now);
        let mut waiting = Vec::new();
        for id in std::mem::take(&mut self.unsettled) {
            if let Some(member) = &mut self.cluster {
                member.touched.insert(id.clone());
                // Whoever comes first is told of all who are there, not of those of this node alone.
                if member.waits(&id, now) {
                    waiting.push(id);
                    continue;
                }
            }
            self.in_room(now, &id, |room, desk| room.settle(desk));
            if self.cluster.is_none()
                && self.rooms.get(&id).is_some_and(|room| room.is_idle())
                && let Some(room) = self.rooms.remove(&id)
            {
                self.floor = self.floor.max(room.history.number());
            }
        }
        self.unsettled.append(&mut waiting);
        self.settle_cluster(now);
    }

    fn settle_people(&mut self, now: Time) {
        if self.people.is_settled() {
            return;
        }
        for (user, is_online) in self.people.take_turned() {
            let notice = if is_online { Notice::Online { user } } else { Notice::Offline { user } };
            self.outputs.push_back(Output::Notice(notice));
        }
        for (dot, watchers) in self.people.settle((now, &self.limits)) {
            let connection = |session: &SessionId| self.sessions.get(session).map(|held| held.connection);
            let to = Audience::Listeners(watchers.iter().filter_map(connection).collect());
            self.outputs.push_back(Output::Deliver { to, event: Event::Statuses(Arc::new([dot])) });
        }
    }

    /// Hands out the next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Hub::handle_timeout`] is wanted next.
    pub fn poll_timeout(&self) -> Option<Time> {
        let cluster = self.cluster.as_ref().and_then(|member| member.next());
        self.deadlines.next().into_iter().chain(cluster).min()
    }

    /// How often something happened in the cluster that had to be made good for.
    pub fn cluster_counters(&self) -> Counters {
        self.cluster.as_ref().map(|member| member.counters).unwrap_or_default()
    }

    /// Whom an output of the turn that just settled is for.
    pub fn recipients<'a>(&'a self, to: &'a Audience) -> Recipients<'a> {
        match to {
            Audience::Session(session) => Recipients::One(self.sessions.get(session).map(|held| held.connection)),
            Audience::Room { room, hearing, except, before } => match self.rooms.get(room) {
                Some(room) => Recipients::Room(Box::new(room.listeners.hearing(*hearing, except, *before))),
                None => Recipients::One(None),
            },
            Audience::Listeners(connections) => Recipients::Listed(connections.iter()),
        }
    }

    /// The roster of a room; `None` where nobody is in it and nobody hears it.
    pub fn roster(&self, room: &RoomId) -> Option<&Roster> {
        self.rooms.get(room).map(|room| &room.roster)
    }

    /// The versions of a room; `None` as in [`Hub::roster`].
    pub fn history(&self, room: &RoomId) -> Option<&History> {
        self.rooms.get(room).map(|room| &room.history)
    }

    /// What is known of a user in a room; `None` where nobody is in the room and the user is not kept out of it.
    /// O(changes that the room remembers).
    pub fn explain(&self, room: &RoomId, user: &UserId) -> Option<Explanation> {
        let blocked_until = self.blocks.get(&(room.clone(), user.clone())).copied();
        let known = self.rooms.get(room).map(|room| room.explain(user));
        let nothing = || Explanation {
            is_viewer: false,
            entries: Vec::new(),
            transitions: Vec::new(),
            typing: Vec::new(),
            locks: Vec::new(),
            blocked_until: None,
        };
        let known = known.or_else(|| blocked_until.map(|_| nothing()))?;
        Some(Explanation { blocked_until, ..known })
    }

    /// All rooms that somebody is in or hears, by name.
    pub fn rooms(&self) -> impl Iterator<Item = &RoomId> {
        self.rooms.keys()
    }

    /// Whether a user whose home is this hub is online, and active or idle.
    pub fn status(&self, user: &UserId) -> Option<Status> {
        self.people.status(user)
    }

    /// How much the hub holds.
    pub fn load(&self) -> Load {
        Load {
            rooms: self.rooms.len(),
            sessions: self.sessions.len(),
            people: self.people.count(),
            keepsakes: self.keepsakes.count(),
            deadlines: self.deadlines.count(),
        }
    }

    fn attach(&mut self, now: Time, session: SessionId, profile: Arc<Profile>, connection: ConnectionKey) {
        // The new client knows nothing of what the old one was told: it hears a room only once it has joined again.
        if self.sessions.get(&session).is_some_and(|held| held.connection != connection) {
            self.detach(now, session, Ending::Closed);
        }
        let Some(held) = self.sessions.get_mut(&session) else {
            let (status, rooms, watched) = (Status::Active, Vec::new(), BTreeSet::new());
            self.sessions.insert(session, Session { profile, connection, status, rooms, watched });
            return;
        };
        let renamed = held.profile != profile;
        held.profile = Arc::clone(&profile);
        let (rooms, status) = (held.rooms.clone(), held.status);
        for id in rooms.iter().filter(|_| renamed) {
            let guest = Guest { session, profile: &profile, connection, status };
            self.in_room(now, id, |room, desk| room.rename(desk, guest));
        }
    }

    /// Goes by other rules from now on, in the rooms there are as well. O(rooms * rules).
    fn go_by(&mut self, now: Time, rules: Arc<[RoomRule]>) {
        self.limits.rooms = rules;
        let ids: Vec<RoomId> = self.rooms.keys().cloned().collect();
        for id in ids {
            let settings = RoomSettings::of(&self.limits.rooms, &id);
            self.in_room(now, &id, |room, desk| room.obey(desk, settings));
        }
    }

    pub(crate) fn put_out(&mut self, now: Time, id: &RoomId, whom: Evictee, why: (Reason, Option<Duration>)) {
        let (user, only) = match whom {
            Evictee::User(user) | Evictee::UserHere(user) => (user, None),
            Evictee::Session(session) => match self.sessions.get(&session) {
                Some(held) => (held.profile.user.clone(), Some(session)),
                None => return,
            },
        };
        let removed = self.in_room(now, id, |room, desk| room.evict(desk, &user, only, why));
        if let Some(block) = why.1 {
            self.block(id, &user, now + block);
        }
        for session in removed.unwrap_or_default() {
            self.forget_room_of(session, id);
        }
    }

    /// Keeps a user out of a room until `until`.
    fn block(&mut self, id: &RoomId, user: &UserId, until: Time) {
        let key = (id.clone(), user.clone());
        if self.blocks.len() >= self.limits.blocks_max && !self.blocks.contains_key(&key) {
            let first = self.blocks.iter().min_by_key(|(_, until)| **until).map(|(key, _)| key.clone());
            first.and_then(|first| self.blocks.remove(&first));
        }
        self.deadlines.set(until, Timer::Block(id.clone(), user.clone()));
        self.blocks.insert(key, until);
    }

    fn detach(&mut self, now: Time, session: SessionId, how: Ending) {
        let Some(held) = self.sessions.remove(&session) else { return };
        // What the turn said to it so far is for the connection that ended, not for one that it may get within the turn.
        self.outputs
            .retain(|output| !matches!(output, Output::Deliver { to: Audience::Session(to), .. } if *to == session));
        let user = &held.profile.user;
        for id in &held.rooms {
            self.in_room(now, id, |room, desk| room.detach(desk, user, session, how));
        }
        for watched in &held.watched {
            self.people.unwatch(watched, session);
        }
    }

    /// Sees to it that there is a room of this name. Its name as all have it who are in the room: one text, instead of one a
    /// connection.
    pub(crate) fn open_room(&mut self, id: RoomId) -> RoomId {
        if let Some((interned, _)) = self.rooms.get_key_value(&id) {
            return interned.clone();
        }
        let settings = RoomSettings::of(&self.limits.rooms, &id);
        let mut room = Box::new(Room::new(id.clone(), settings, self.floor));
        if let Some(member) = &self.cluster {
            room.roster.among(member.me);
        }
        self.rooms.insert(id.clone(), room);
        id
    }

    /// Runs something on a room, where it exists, and remembers that it may have news.
    pub(crate) fn in_room<T>(
        &mut self,
        now: Time,
        id: &RoomId,
        work: impl FnOnce(&mut Room, &mut Desk<'_>) -> T,
    ) -> Option<T> {
        let room = self.rooms.get_mut(id)?;
        let settled = room.turn.is_none();
        let mut desk = Desk {
            now,
            limits: &self.limits,
            epoch: &self.epoch,
            mark: &mut self.mark,
            fence: &mut self.fence,
            deadlines: &mut self.deadlines,
            outputs: &mut self.outputs,
            keepsakes: &mut self.keepsakes,
        };
        let done = work(room, &mut desk);
        if settled && room.turn.is_some() {
            self.unsettled.push(room.id.clone());
        }
        if let Some(member) = self.cluster.as_mut().filter(|_| room.roster.has_changed()) {
            member.touched.insert(room.id.clone());
        }
        Some(done)
    }

    pub(crate) fn rooms_of(&self, session: SessionId) -> Vec<RoomId> {
        self.sessions.get(&session).map(|held| held.rooms.clone()).unwrap_or_default()
    }

    pub(crate) fn forget_room_of(&mut self, session: SessionId, room: &RoomId) {
        if let Some(held) = self.sessions.get_mut(&session) {
            held.rooms.retain(|id| id != room);
        }
    }

    pub(crate) fn say(&mut self, session: SessionId, event: Event) {
        self.outputs.push_back(Output::Deliver { to: Audience::Session(session), event });
    }
}

/// How much a hub holds at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Rooms that somebody is in or hears.
    pub rooms: usize,
    /// Sessions with a connection.
    pub sessions: usize,
    /// Sessions that are online and whose user's home it is, and users who are watched.
    pub people: usize,
    /// Places that sessions lost and may come back to with what they shared there.
    pub keepsakes: usize,
    /// Timers set, those without meaning by now included.
    pub deadlines: usize,
}

/// Where the connections of an audience are.
pub enum Recipients<'a> {
    /// At most one.
    One(Option<ConnectionKey>),
    /// Listeners of a room.
    Room(Box<dyn Iterator<Item = &'a Listener> + 'a>),
    /// A list made when the turn settled.
    Listed(std::slice::Iter<'a, ConnectionKey>),
}

impl Iterator for Recipients<'_> {
    type Item = ConnectionKey;

    fn next(&mut self) -> Option<ConnectionKey> {
        match self {
            Self::One(connection) => connection.take(),
            Self::Room(listeners) => listeners.next().map(|listener| listener.connection),
            Self::Listed(connections) => connections.next().copied(),
        }
    }
}
