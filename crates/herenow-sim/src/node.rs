//! The node: partitions, and a driver as thin as the real one: it knows connections and hands inputs on.
use crate::{net::Request, partition::Partition};
use herenow_core::{
    command::{Command, Ending, Input},
    id::{ConnectionKey, RoomId, SessionId},
    limits::Limits,
    profile::{Profile, Status},
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
}

impl Node {
    /// A node that has just started.
    pub fn new(life: u64, limits: &[Limits; 2]) -> Self {
        let epoch = Epoch::parse(&format!("e{life}")).expect("a letter and digits");
        let [limits, hub_limits] = limits;
        let partition = || Partition::new(epoch.clone(), limits.clone(), hub_limits.clone());
        let partitions = (0..PARTITIONS).map(|_| partition()).collect();
        Self { partitions, connections: BTreeMap::new(), holders: BTreeMap::new(), records: BTreeMap::new() }
    }

    /// The partition of a room.
    pub fn partition_of(room: &RoomId) -> usize {
        room.as_str().bytes().map(usize::from).sum::<usize>() % PARTITIONS
    }

    /// Lets a connection in; the session that it gets.
    pub fn open(&mut self, now_ms: u64, opening: Opening) -> SessionId {
        let Opening { connection, profile, resume, fresh, answers, end_replaced } = opening;
        let holder = resume.and_then(|session| self.holders.get(&session).copied());
        let recorded = resume.is_some_and(|session| self.records.get(&session).is_some_and(|until| *until >= now_ms));
        let session = resume.filter(|_| recorded || (holder.is_some() && !answers)).unwrap_or(fresh);
        let mut attached = BTreeSet::new();
        if let Some(replaced) = holder.filter(|_| session != fresh).and_then(|old| self.connections.remove(&old)) {
            attached = replaced.attached;
        }
        self.records.remove(&session);
        self.holders.insert(session, connection);
        for at in &attached {
            if end_replaced {
                self.push(*at, Input::Detached { session, how: Ending::Lost });
            }
            let (profile, connection) = (Arc::clone(&profile), ConnectionKey(connection));
            self.push(*at, Input::Attached { session, profile, connection });
        }
        self.connections.insert(connection, Held { session, profile, attached, status: Status::Active });
        session
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
        let (session, status) = (held.session, held.status);
        if let Command::SetStatus { status } = command {
            held.status = status;
            let attached = held.attached.clone();
            for at in &attached {
                let command = Command::SetStatus { status };
                self.push(*at, Input::Asked { session, re: re.take(), command });
            }
            return re.is_none();
        }
        let Some(room) = room_of(&command) else { return true };
        let at = Self::partition_of(room);
        if held.attached.insert(at) {
            let profile = Arc::clone(&held.profile);
            self.push(at, Input::Attached { session, profile, connection: ConnectionKey(connection) });
            if status != Status::Active {
                self.push(at, Input::Asked { session, re: None, command: Command::SetStatus { status } });
            }
        }
        self.push(at, Input::Asked { session, re, command });
        true
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
        if matches!(how, Ending::Closed | Ending::Lost | Ending::TimedOut | Ending::Drained) {
            self.records.insert(session, now_ms + 60_000);
        }
        for at in held.attached {
            self.push(at, Input::Detached { session, how });
        }
    }

    /// Hands something to the partition of a room.
    pub fn push(&mut self, at: usize, input: Input) {
        if let Some(partition) = self.partitions.get_mut(at) {
            partition.inbox.push_back(input);
        }
    }
}

fn room_of(command: &Command) -> Option<&RoomId> {
    match command {
        Command::Join { room, .. }
        | Command::Leave { room }
        | Command::StartTyping { room, .. }
        | Command::StopTyping { room, .. }
        | Command::Update { room, .. }
        | Command::Send { room, .. }
        | Command::Sync { room, .. } => Some(room),
        Command::SetStatus { .. } => None,
    }
}
