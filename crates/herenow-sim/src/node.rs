//! The node: partitions, and a driver as thin as the real one: it knows connections and hands inputs on.
use crate::{mutation::Forgets, net::Request, partition::Partition};
use herenow_core::{
    command::{Command, Ending, HomeNews, Input},
    id::{ConnectionKey, RequestId, RoomId, SessionId, UserId},
    limits::Limits,
    luggage::Luggage,
    profile::{Profile, Status},
    time::Time,
    version::Epoch,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Partitions of a node.
pub const PARTITIONS: usize = 3;

/// One server process.
#[derive(Debug)]
pub struct Node {
    /// The hubs.
    pub partitions: Vec<Partition>,
    /// Connections that the node holds to be open.
    pub connections: BTreeMap<u32, Held>,
    /// Which connection a session has.
    holders: BTreeMap<SessionId, u32>,
    /// Sessions that may be gone on with, until when.
    records: BTreeMap<SessionId, u64>,
    /// What they take along, with the code of the real driver.
    luggage: Luggage,
    /// Users that a session may watch of one home.
    watched_max: usize,
}

/// A connection as the node knows it.
#[derive(Clone, Debug)]
pub struct Held {
    session: SessionId,
    profile: Arc<Profile>,
    attached: BTreeSet<usize>,
    status: Status,
}

/// A connection that asks to be let in.
#[derive(Debug)]
pub struct Opening {
    /// Which.
    pub connection: u32,
    /// Whose.
    pub profile: Arc<Profile>,
    /// The session that it wants to go on with.
    pub resume: Option<SessionId>,
    /// The session that it gets where it may not.
    pub fresh: SessionId,
    /// A connection that it would take the session from still answers.
    pub answers: bool,
    /// Ends a connection that is replaced before the new one is attached, instead of leaving that to the hub.
    pub end_replaced: bool,
    /// What the driver forgets of a session that goes on; nothing, unless a fault is planted.
    pub forgets: Forgets,
}

impl Node {
    /// A node that has just started; the numbers of locks go on from those that the node `before` gave.
    pub fn new(life: u64, limits: &[Limits; 2], before: Option<&Self>) -> Self {
        let epoch = Epoch::parse(&format!("e{life}")).expect("a letter and digits");
        let [limits, hub_limits] = limits;
        let partition = |at: usize| {
            let fences = before.and_then(|before| before.partitions.get(at)).map(|held| held.fences.clone());
            let held = Partition::new(epoch.clone(), limits.clone(), hub_limits.clone());
            Partition { fences: fences.unwrap_or_default(), ..held }
        };
        Self {
            partitions: (0..PARTITIONS).map(partition).collect(),
            connections: BTreeMap::new(),
            holders: BTreeMap::new(),
            records: BTreeMap::new(),
            luggage: Luggage::default(),
            watched_max: limits.watched_per_session_max,
        }
    }

    /// The partition of a room.
    pub fn partition_of(room: &RoomId) -> usize {
        room.as_str().bytes().map(usize::from).sum::<usize>() % PARTITIONS
    }

    /// The partition that is a user's home.
    pub fn home_of(user: &UserId) -> usize {
        user.as_str().bytes().map(usize::from).sum::<usize>() % PARTITIONS
    }

    /// Lets a connection in; the session that it gets.
    pub fn open(&mut self, now_ms: u64, opening: Opening) -> SessionId {
        let Opening { connection, profile, resume, fresh, answers, end_replaced, forgets } = opening;
        self.forget_old(now_ms);
        let holder = resume.and_then(|session| self.holders.get(&session).copied());
        let recorded = resume.is_some_and(|session| self.records.get(&session).is_some_and(|until| *until >= now_ms));
        let session = resume.filter(|_| recorded || (holder.is_some() && !answers)).unwrap_or(fresh);
        let mut attached = BTreeSet::new();
        if let Some(replaced) = holder.filter(|_| session != fresh).and_then(|old| self.connections.remove(&old)) {
            attached = replaced.attached;
        }
        self.records.remove(&session);
        self.holders.insert(session, connection);
        self.luggage.take_up(session);
        let status = if forgets.status { Status::Active } else { self.luggage.status(session) };
        let watched = if forgets.watches { Vec::new() } else { self.luggage.watched(session) };
        let replaces = !attached.is_empty();
        for at in &attached {
            if end_replaced && replaces {
                self.push(*at, Input::Detached { session, how: Ending::Lost });
            }
            let (profile, connection) = (Arc::clone(&profile), ConnectionKey(connection));
            self.push(*at, Input::Attached { session, profile, connection });
            if status != Status::Active {
                self.push(*at, Input::Asked { session, re: None, command: Command::SetStatus { status } });
            }
        }
        self.push_home(&profile.user, session, HomeNews::Arrived(status));
        self.connections.insert(connection, Held { session, profile, attached, status });
        for (at, users) in by_home(&watched) {
            self.push_asked(connection, at, (None, Command::Watch { users }));
        }
        session
    }

    /// How many sessions have something to take along.
    pub fn luggage(&mut self, now_ms: u64) -> usize {
        self.forget_old(now_ms);
        self.luggage.count()
    }

    /// Whether a session may watch more users of one home.
    pub fn may_watch_more(&self, session: SessionId, home: usize) -> bool {
        let watched = self.luggage.watched(session);
        by_home(&watched).get(&home).map_or(0, Vec::len) < self.watched_max
    }

    /// Whether a session was allowed to watch a user, and takes that along.
    pub fn was_let_watch(&self, session: SessionId, user: &UserId) -> bool {
        self.luggage.watched(session).contains(user)
    }

    fn forget_old(&mut self, now_ms: u64) {
        let luggage = &mut self.luggage;
        self.records.retain(|session, until| {
            let is_kept = *until >= now_ms;
            if !is_kept {
                luggage.forget(*session);
            }
            is_kept
        });
    }

    /// Whose session a connection has.
    pub fn session(&self, connection: u32) -> Option<SessionId> {
        self.connections.get(&connection).map(|held| held.session)
    }

    /// The connection that a session has.
    pub fn holder(&self, session: SessionId) -> Option<u32> {
        self.holders.get(&session).copied()
    }

    /// Takes a request in. False where it must be acknowledged by the driver, since no hub is concerned.
    pub fn ask(&mut self, connection: u32, request: Request) -> bool {
        let Some(held) = self.connections.get_mut(&connection) else { return true };
        let Request { mut re, command } = request;
        let session = held.session;
        if let Command::SetStatus { status } = command {
            held.status = status;
            self.luggage.set_status(session, status);
            let (attached, user) = (held.attached.clone(), held.profile.user.clone());
            self.push_home(&user, session, HomeNews::Status(status));
            for at in &attached {
                let command = Command::SetStatus { status };
                self.push(*at, Input::Asked { session, re: re.take(), command });
            }
            return re.is_none();
        }
        let (Command::Watch { users } | Command::Unwatch { users }) = &command else {
            if let Some(room) = room_of(&command) {
                self.push_asked(connection, Self::partition_of(room), (re, command));
            }
            return true;
        };
        for (at, users) in by_home(users) {
            let watches = matches!(command, Command::Watch { .. });
            self.note_watches(session, &users, watches);
            let part = if watches { Command::Watch { users } } else { Command::Unwatch { users } };
            self.push_asked(connection, at, (re.take(), part));
        }
        true
    }

    /// Notes whom a session watches of one home, as far as the hub there will not refuse it.
    fn note_watches(&mut self, session: SessionId, users: &[UserId], watches: bool) {
        if !watches {
            return self.luggage.unwatch(session, users);
        }
        let watched = self.luggage.watched(session);
        let fresh = users.iter().filter(|user| !watched.contains(user)).count();
        let home = users.first().map(Self::home_of);
        let here = watched.iter().filter(|user| Some(Self::home_of(user)) == home).count();
        if here + fresh <= self.watched_max {
            self.luggage.watch(session, users, usize::MAX);
        }
    }

    /// Hands a command to a partition, which is told of the session first where it does not know it.
    fn push_asked(&mut self, connection: u32, at: usize, (re, command): (Option<RequestId>, Command)) {
        let Some(held) = self.connections.get_mut(&connection) else { return };
        let (session, status) = (held.session, held.status);
        if held.attached.insert(at) {
            let profile = Arc::clone(&held.profile);
            self.push(at, Input::Attached { session, profile, connection: ConnectionKey(connection) });
            if status != Status::Active {
                self.push(at, Input::Asked { session, re: None, command: Command::SetStatus { status } });
            }
        }
        self.push(at, Input::Asked { session, re, command });
    }

    /// A connection that fell behind can be written to again.
    pub fn catch_up(&mut self, connection: u32) {
        let Some(held) = self.connections.get(&connection) else { return };
        let (session, attached) = (held.session, held.attached.clone());
        for at in attached {
            self.push(at, Input::CaughtUp { session });
        }
    }

    /// Takes a new token of a connection, where it is open.
    pub fn renew(&mut self, connection: u32, profile: Arc<Profile>) {
        let Some(held) = self.connections.get_mut(&connection) else { return };
        held.profile = Arc::clone(&profile);
        let (session, attached) = (held.session, held.attached.clone());
        for at in attached {
            let (profile, connection) = (Arc::clone(&profile), ConnectionKey(connection));
            self.push(at, Input::Attached { session, profile, connection });
        }
    }

    /// Notes that a connection ended; one that was replaced, or ended before, is nobody's.
    pub fn end(&mut self, now_ms: u64, connection: u32, how: Ending) {
        let Some(held) = self.connections.remove(&connection) else { return };
        let session = held.session;
        self.holders.remove(&session);
        let is_kept = matches!(how, Ending::Closed | Ending::Lost | Ending::TimedOut | Ending::Drained);
        if is_kept && self.luggage.leave(session) {
            self.records.insert(session, now_ms + 60_000);
        } else {
            self.luggage.forget(session);
        }
        for at in held.attached {
            self.push(at, Input::Detached { session, how });
        }
        self.push_home(&held.profile.user, session, HomeNews::Departed(how));
    }

    fn push_home(&mut self, user: &UserId, session: SessionId, news: HomeNews) {
        self.push(Self::home_of(user), Input::Home { user: user.clone(), session, news });
    }

    /// Ends the places of a session that it had the time to claim.
    pub fn end_unclaimed(&mut self, user: &UserId, session: SessionId, since_ms: u64) {
        for at in 0..self.partitions.len() {
            let rooms: Vec<RoomId> = self.partitions[at].rooms_with(session).cloned().collect();
            for room in rooms {
                let since = Time::from_millis(since_ms);
                self.push(at, Input::Unclaimed { room, user: user.clone(), session, since });
            }
        }
    }

    /// Hands something to the partition of a room.
    pub fn push(&mut self, at: usize, input: Input) {
        if let Some(partition) = self.partitions.get_mut(at) {
            partition.inbox.push_back(input);
        }
    }
}

/// Users by the partitions that are their homes.
fn by_home(users: &[UserId]) -> BTreeMap<usize, Vec<UserId>> {
    let mut homes: BTreeMap<usize, Vec<UserId>> = BTreeMap::new();
    for user in users {
        homes.entry(Node::home_of(user)).or_default().push(user.clone());
    }
    homes
}

fn room_of(command: &Command) -> Option<&RoomId> {
    match command {
        Command::Join { room, .. }
        | Command::Leave { room }
        | Command::StartTyping { room, .. }
        | Command::StopTyping { room, .. }
        | Command::Update { room, .. }
        | Command::Send { room, .. }
        | Command::Point { room, .. }
        | Command::Lock { room, .. }
        | Command::Unlock { room, .. }
        | Command::Sync { room, .. } => Some(room),
        Command::SetStatus { .. } | Command::Watch { .. } | Command::Unwatch { .. } => None,
    }
}
