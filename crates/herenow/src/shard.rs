//! A task that owns some partitions: it takes what came in, lets the hubs decide, and has the answers written.
use crate::{
    clock::Clock,
    cluster::{beat::Beat, seat::ClusterSeat},
    connection::Connection,
    fanout::{Fanout, Seat},
    partition::Partition,
};
use hashbrown::HashMap;
use herenow_core::{
    cluster::door::Heard,
    command::{Command, Ending, Evictee, HomeNews, Input, Message, Reason},
    event::{Notice, Output},
    hub::Hub,
    id::{ConnectionKey, RequestId, RoomId, SessionId, UserId},
    limits::Limits,
    profile::Profile,
    time::Time,
    version::Epoch,
};
use slab::Slab;
use std::{sync::Arc, time::Duration};
use tokio::sync::{mpsc, oneshot};

pub mod sight;

use sight::{Look, Sight};

/// What a shard is told.
#[derive(Debug)]
pub enum ToShard {
    /// A connection says who it is, before the first thing that it asks, and when that changes.
    Attach {
        /// Which connection.
        connection: Arc<Connection>,
        /// Whose it is.
        profile: Arc<Profile>,
    },
    /// A session says to the home of its user that it is here, idle, or gone. The shard need not know the connection.
    Home {
        /// Whose.
        user: UserId,
        /// Which session.
        session: SessionId,
        /// What.
        news: HomeNews,
    },
    /// A session asks for something in a room.
    Ask {
        /// Which session.
        session: SessionId,
        /// The partition of the room.
        partition: Partition,
        /// The client's number for the request.
        re: Option<RequestId>,
        /// What.
        command: Command,
    },
    /// A session asks for something that concerns all its rooms here.
    AskEverywhere {
        /// Which session.
        session: SessionId,
        /// What.
        command: Command,
    },
    /// A connection that fell behind can be written to again.
    CaughtUp {
        /// Its session.
        session: SessionId,
    },
    /// A connection has ended.
    Detach {
        /// Which one: another may serve its session by now.
        connection: Arc<Connection>,
        /// In which way.
        how: Ending,
    },
    /// The app sends an event to a room.
    Publish {
        /// Which room.
        room: RoomId,
        /// What.
        message: Message,
        /// The session that is not told.
        except: Option<SessionId>,
    },
    /// What is kept of a user who is gone is to be forgotten, by the shard that owns the user's home.
    Forget {
        /// Whom.
        user: UserId,
    },
    /// Somebody with the right to do so puts a user out of a room.
    Evict {
        /// Which room.
        room: RoomId,
        /// Whom.
        whom: Evictee,
        /// Why.
        reason: Reason,
        /// How long a user who is put out may not come back.
        block: Option<Duration>,
    },
    /// A session that goes on over another connection has had the time to claim a room.
    Unclaimed {
        /// Which room.
        room: RoomId,
        /// Whose session.
        user: UserId,
        /// Which session.
        session: SessionId,
        /// When it began to go on.
        since: Time,
    },
    /// The store of the cluster, or who knows which nodes live, has something for the hub of a partition.
    Cluster {
        /// Which.
        partition: Partition,
        /// What.
        heard: Box<Heard>,
    },
    /// All hubs are told something.
    Everywhere(Box<Input>),
    /// Wants to know that the shard takes turns.
    Beat(Beat),
    /// Answers with how much the shard holds, once everything before it is done.
    Measure(oneshot::Sender<ShardLoad>),
    /// Looks at what the shard holds at the end of the turn, when everything before it is told.
    Look(Look),
    /// The same, once what other nodes know of a room, or of a user, is known here as well, or has not come in time.
    Visit {
        /// Which room, or that of a user.
        room: RoomId,
        /// Who looks.
        look: Look,
    },
}

/// How much a shard holds at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardLoad {
    /// Connections that have asked for something in a room, once in each shard that has such a room.
    pub connections: usize,
    /// Rooms.
    pub rooms: usize,
    /// Sessions, counted once a partition.
    pub sessions: usize,
    /// Users who are online or watched.
    pub people: usize,
    /// Timers.
    pub deadlines: usize,
}

/// What a shard needs to start.
pub struct ShardSetup {
    /// How many shards there are; this one owns each `count`-th partition from `index` on.
    pub count: usize,
    /// Which one it is.
    pub index: usize,
    /// Limits of its hubs.
    pub limits: Limits,
    /// This life of the node.
    pub epoch: Epoch,
    /// The clock of the process.
    pub clock: Clock,
    /// Who hears of joins and leaves.
    pub notices: NoticeSink,
    /// What makes its hubs some among several; `None`: the node is alone.
    pub cluster: Option<ClusterSeat>,
}

/// Hears what happens, on the shard's own time: must be quick and never wait.
pub type NoticeSink = Arc<dyn Fn(Time, &Notice) + Send + Sync>;

/// Some partitions and their connections.
pub struct Shard {
    hubs: Vec<Hub>,
    count: usize,
    seats: Slab<Seat>,
    keys: HashMap<SessionId, ConnectionKey>,
    fanout: Fanout,
    /// Hubs with something to settle in this turn.
    touched: Vec<usize>,
    /// Who wants to look at the end of this turn.
    looks: Vec<Look>,
    /// Who wants to look at a room once it is known, which is within [`herenow_core::cluster::timing::Timing::first_look`].
    visits: Vec<(usize, RoomId, Look)>,
    clock: Clock,
    notices: NoticeSink,
    cluster: Option<ClusterSeat>,
    /// Who wants to know that this turn ended.
    beats: Vec<Beat>,
    index: usize,
}

impl Shard {
    /// A shard without rooms.
    pub fn new(setup: ShardSetup) -> Self {
        let ShardSetup { count, index, limits, epoch, clock, notices, cluster } = setup;
        let owned = (index..Partition::COUNT).step_by(count).count();
        Self {
            hubs: (0..owned)
                .map(|_| match &cluster {
                    Some(seat) => {
                        let mut hub = Hub::among(epoch.clone(), limits.clone(), seat.node, seat.timing.clone());
                        if seat.follows_own_users {
                            hub.follow_own_users();
                        }
                        hub
                    }
                    None => Hub::new(epoch.clone(), limits.clone()),
                })
                .collect(),
            count,
            seats: Slab::new(),
            keys: HashMap::new(),
            fanout: Fanout::default(),
            touched: Vec::new(),
            looks: Vec::new(),
            visits: Vec::new(),
            clock,
            notices,
            cluster,
            beats: Vec::new(),
            index,
        }
    }

    /// Takes turns until every sender is gone.
    pub async fn run(mut self, mut inbox: mpsc::Receiver<ToShard>) {
        let mut batch = Vec::with_capacity(TURN_INPUTS_MAX);
        let mut is_busy = false;
        loop {
            let wait = self.next_deadline();
            let received = tokio::time::timeout(wait, inbox.recv_many(&mut batch, TURN_INPUTS_MAX)).await;
            if received == Ok(0) {
                return;
            }
            if is_busy {
                gather(&mut inbox, &mut batch).await;
            }
            is_busy = batch.len() > 1;
            self.turn(&mut batch);
            // A shard under load shares its thread with the connections that feed it.
            tokio::task::yield_now().await;
        }
    }

    /// One turn: what is due, what came in, and then one write a connection.
    fn turn(&mut self, batch: &mut Vec<ToShard>) {
        let now = self.clock.now();
        for at in 0..self.hubs.len() {
            if self.hubs[at].poll_timeout().is_some_and(|due| due <= now) {
                self.hubs[at].handle_timeout(now);
                self.touch(at);
            }
        }
        for input in batch.drain(..) {
            self.take(now, input);
        }
        for at in std::mem::take(&mut self.touched) {
            let hub = &mut self.hubs[at];
            hub.settle(now);
            let is_told_jointly = self.cluster.as_ref().is_some_and(|seat| seat.webhooks.is_on());
            let mut noticed = Vec::new();
            while let Some(output) = hub.poll_output() {
                match output {
                    Output::Deliver { to, event } => self.fanout.deliver(hub, &mut self.seats, &to, &event),
                    Output::Notice(notice) => {
                        (self.notices)(now, &notice);
                        if is_told_jointly {
                            noticed.push(notice);
                        }
                    }
                    Output::Cluster(ask) => {
                        if let Some(seat) = &self.cluster {
                            let partition = Partition::at(self.index + at * self.count);
                            seat.asks.ask(partition.expect("a hub is that of a partition"), ask);
                        }
                    }
                }
            }
            if let Some(seat) = &self.cluster {
                let taken_over = hub.take_taken_over();
                seat.webhooks.note_jointly(now, hub, noticed, taken_over);
            }
        }
        for beat in self.beats.drain(..) {
            beat.strike();
        }
        let hubs = &self.hubs;
        let known = self.visits.extract_if(.., |(at, room, _)| hubs[*at].is_known(room));
        self.looks.extend(known.map(|(.., look)| look));
        for Look(look) in std::mem::take(&mut self.looks) {
            look(Sight { hubs: &self.hubs, seats: &self.seats, shards: self.count });
        }
        for session in self.fanout.flush(&mut self.seats, now) {
            for at in self.hubs_of(session) {
                // Changes no room, so there is nothing to settle.
                self.hubs[at].handle(now, Input::FellBehind { session });
            }
        }
    }

    fn take(&mut self, now: Time, input: ToShard) {
        match input {
            ToShard::Attach { connection, profile } => self.attach(now, connection, profile),
            ToShard::Ask { session, partition, re, command } => {
                let at = self.hub_of(partition);
                if self.introduce(now, session, at) {
                    self.tell(now, at, Input::Asked { session, re, command });
                }
            }
            ToShard::Home { user, session, news } => {
                let at = self.hub_of(Partition::of_user(&user));
                self.tell(now, at, Input::Home { user, session, news });
            }
            ToShard::AskEverywhere { session, command } => {
                for at in self.hubs_of(session) {
                    self.tell(now, at, Input::Asked { session, re: None, command: command.clone() });
                }
            }
            ToShard::CaughtUp { session } => {
                for at in self.hubs_of(session) {
                    self.tell(now, at, Input::CaughtUp { session });
                }
            }
            ToShard::Detach { connection, how } => self.detach(now, &connection, how),
            ToShard::Publish { room, message, except } => {
                let at = self.hub_of(Partition::of(&room));
                self.tell(now, at, Input::Published { room, message, except });
            }
            ToShard::Forget { user } => {
                let at = self.hub_of(Partition::of_user(&user));
                self.tell(now, at, Input::Forgotten { user });
            }
            ToShard::Evict { room, whom, reason, block } => {
                let at = self.hub_of(Partition::of(&room));
                self.tell(now, at, Input::Evicted { room, whom, reason, block });
            }
            ToShard::Unclaimed { room, user, session, since } => {
                let at = self.hub_of(Partition::of(&room));
                self.tell(now, at, Input::Unclaimed { room, user, session, since });
            }
            ToShard::Cluster { partition, heard } => {
                let at = self.hub_of(partition);
                self.tell(now, at, Input::Cluster(*heard));
            }
            ToShard::Everywhere(input) => {
                for at in 0..self.hubs.len() {
                    self.tell(now, at, (*input).clone());
                }
            }
            ToShard::Beat(beat) => self.beats.push(beat),
            ToShard::Look(look) => self.looks.push(look),
            ToShard::Visit { room, look } => {
                let at = self.hub_of(Partition::holding(&room));
                self.tell(now, at, Input::Visited { room: room.clone() });
                self.visits.push((at, room, look));
            }
            ToShard::Measure(answer) => {
                // Who asked may have gone.
                let _ = answer.send(self.load());
            }
        }
    }

    fn attach(&mut self, now: Time, connection: Arc<Connection>, profile: Arc<Profile>) {
        let session = connection.session();
        let known = self.keys.get(&session).and_then(|key| self.seats.get(key.0 as usize));
        let is_same = known.is_some_and(|seat| Arc::ptr_eq(&seat.connection, &connection));
        let partitions = known.map_or(0, |seat| seat.partitions);
        if is_same {
            if let Some(seat) = self.seat_mut(session) {
                seat.profile = Arc::clone(&profile);
            }
        } else {
            // A connection that replaces another gets a seat of its own, so that the hubs see that it is another.
            let mut seat = Seat::new(connection, Arc::clone(&profile));
            seat.partitions = partitions;
            let key = self.seats.insert(seat);
            let key = ConnectionKey(u32::try_from(key).expect("a process has fewer connections than 2^32"));
            if let Some(before) = self.keys.insert(session, key) {
                self.seats.try_remove(before.0 as usize);
            }
        }
        let Some(key) = self.keys.get(&session).copied() else { return };
        for at in self.hubs_of(session) {
            let profile = Arc::clone(&profile);
            self.tell(now, at, Input::Attached { session, profile, connection: key });
        }
    }

    /// Forgets a connection, unless another serves its session by now.
    fn detach(&mut self, now: Time, connection: &Arc<Connection>, how: Ending) {
        let session = connection.session();
        if !self.seat_mut(session).is_some_and(|seat| Arc::ptr_eq(&seat.connection, connection)) {
            return;
        }
        for at in self.hubs_of(session) {
            self.tell(now, at, Input::Detached { session, how });
        }
        if let Some(key) = self.keys.remove(&session) {
            self.seats.try_remove(key.0 as usize);
        }
    }

    /// Makes a session known to a hub before its first command there. False where the session is not attached.
    fn introduce(&mut self, now: Time, session: SessionId, at: usize) -> bool {
        let Some(key) = self.keys.get(&session).copied() else { return false };
        let Some(seat) = self.seats.get_mut(key.0 as usize) else { return false };
        let bit = 1 << at;
        if seat.partitions & bit == 0 {
            seat.partitions |= bit;
            let profile = Arc::clone(&seat.profile);
            self.tell(now, at, Input::Attached { session, profile, connection: key });
        }
        true
    }

    fn seat_mut(&mut self, session: SessionId) -> Option<&mut Seat> {
        let key = self.keys.get(&session)?;
        self.seats.get_mut(key.0 as usize)
    }

    fn tell(&mut self, now: Time, at: usize, input: Input) {
        self.hubs[at].handle(now, input);
        self.touch(at);
    }

    fn touch(&mut self, at: usize) {
        if !self.touched.contains(&at) {
            self.touched.push(at);
        }
    }

    fn hub_of(&self, partition: Partition) -> usize {
        partition.index() / self.count
    }

    fn hubs_of(&self, session: SessionId) -> impl Iterator<Item = usize> + use<> {
        let seat = self.keys.get(&session).and_then(|key| self.seats.get(key.0 as usize));
        let partitions = seat.map_or(0, |seat| seat.partitions);
        (0..64).filter(move |at| partitions & (1 << at) != 0)
    }

    fn next_deadline(&self) -> Duration {
        let next = self.hubs.iter().filter_map(Hub::poll_timeout).min();
        next.map_or(IDLE_WAIT, |due| due.since(self.clock.now())).min(IDLE_WAIT)
    }

    fn load(&self) -> ShardLoad {
        let mut load = ShardLoad { connections: self.seats.len(), ..ShardLoad::default() };
        for hub in &self.hubs {
            let held = hub.load();
            load.rooms += held.rooms;
            load.sessions += held.sessions;
            load.people += held.people;
            load.deadlines += held.deadlines;
        }
        load
    }
}

/// Lets those who feed a busy shard run first, as long as that brings more: a turn costs one write for each connection
/// that is told something, however much that is. A shard that is not busy answers at once.
async fn gather(inbox: &mut mpsc::Receiver<ToShard>, batch: &mut Vec<ToShard>) {
    for _ in 0..GATHER_ROUNDS_MAX {
        let before = batch.len();
        tokio::task::yield_now().await;
        while batch.len() < TURN_INPUTS_MAX
            && let Ok(input) = inbox.try_recv()
        {
            batch.push(input);
        }
        if batch.len() == before {
            return;
        }
    }
}

/// How often a busy shard looks for more before its turn.
const GATHER_ROUNDS_MAX: usize = 4;
/// Inputs that one turn takes at the most: it bounds how long a turn can be.
const TURN_INPUTS_MAX: usize = 4096;
/// How long a shard sleeps where no hub wants to be woken.
const IDLE_WAIT: Duration = Duration::from_secs(3600);
