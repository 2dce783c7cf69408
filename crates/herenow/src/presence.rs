//! The presence of one process, as everything around the shards sees it: cheap to clone, and the way in for the app.
use crate::{
    auth::{address::Network, authority::Authority, origin::OriginPolicy, revoked::Revocations},
    clock::Clock,
    cluster::{
        node::{Carried, ClusterNode, ClusterSetup, Waiting},
        shards::Shards,
    },
    connection::{Connection, Way},
    handshakes::Handshakes,
    heartbeat::{Heartbeat, Rhythm},
    memory::Memory,
    partition::Partition,
    problem::Problem as HttpProblem,
    rate::RateLimits,
    rechecks::Rechecks,
    resume::Resumes,
    rules::Rules,
    shard::{
        NoticeSink, Shard, ShardLoad, ShardSetup, ToShard,
        sight::{Look, Sight},
    },
    tallies::Tallies,
};
use herenow_core::{
    cluster::door::NodeId,
    command::{Ending, Evictee, Message, Reason},
    explain::Explanation,
    hub::Hub,
    id::{RoomId, SessionId, UserId},
    limits::Limits,
    version::Epoch,
};
use herenow_wire::{dialect::Dialect, message, native, problem::Problem, websocket::encoder};
use http::request::Parts;
use std::{
    collections::BTreeSet,
    io,
    num::NonZero,
    sync::{
        Arc, RwLock, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot,
};

mod deciding;
mod forgetting;

/// The presence of one process.
#[derive(Clone)]
pub struct Presence(Arc<Inner>);

/// A [`Presence`] that does not keep it going.
#[derive(Clone, Debug)]
pub struct WeakPresence(Weak<Inner>, Arc<str>);

impl WeakPresence {
    /// The presence, while it goes on.
    pub fn upgrade(&self) -> Option<Presence> {
        self.0.upgrade().map(Presence)
    }

    /// The name of the node, as [`Presence::node`].
    pub fn node(&self) -> Arc<str> {
        Arc::clone(&self.1)
    }
}

struct Inner {
    clock: Clock,
    settings: Settings,
    rules: RwLock<Rules>,
    revoked: Arc<Revocations>,
    rechecks: Rechecks,
    node: String,
    shards: Vec<mpsc::Sender<ToShard>>,
    heartbeat: Arc<Heartbeat>,
    cluster: Option<ClusterNode>,
    resumes: Resumes,
    handshakes: Handshakes,
    memory: Memory,
    tallies: Tallies,
    connections: AtomicUsize,
}

/// How much and how long, for one process.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Tasks that share the rooms; default: one a core. At most [`Partition::COUNT`].
    pub shards: usize,
    /// Limits of each hub.
    pub limits: Limits,
    /// When what is expected of a peer.
    pub rhythm: Rhythm,
    /// Bytes that a client's frame may have.
    pub frame_bytes_max: u32,
    /// Bytes that may wait for one connection.
    pub outbox_bytes_max: usize,
    /// How often one connection may ask.
    pub rates: RateLimits,
    /// Name of the cookie that may hold a token.
    pub cookie_name: String,
    /// How long a session can be gone on with after its connection ended. Default 60 s.
    pub resume_window: Duration,
    /// Connections that one address may open in [`Handshakes::WINDOW`]; 0 is no limit.
    pub handshakes_per_address: usize,
    /// Memory that the process may have, as [`Memory::of_process`] takes it.
    pub memory_bytes: usize,
    /// Proxies that are believed to say from where a request came.
    pub trusted_proxies: Vec<Network>,
}

/// What a [`Presence`] is made from.
pub struct PresenceSetup {
    /// How much and how long.
    pub settings: Settings,
    /// Who decides who somebody is, by which tokens were withdrawn.
    pub authority: Authority,
    /// Which tokens were withdrawn.
    pub revoked: Arc<Revocations>,
    /// Which pages may connect.
    pub origins: OriginPolicy,
    /// The clock of the process.
    pub clock: Clock,
    /// Hears of joins and leaves.
    pub notices: NoticeSink,
    /// What makes this node one of several; `None`: it is alone.
    pub cluster: Option<ClusterSetup>,
}

impl Presence {
    /// Starts the shards and the heartbeat on the runtime of the caller. They end when the last clone is gone.
    ///
    /// # Errors
    /// Where the system gives no random bytes for the epoch, or no thread.
    pub fn start(setup: PresenceSetup) -> io::Result<Self> {
        let PresenceSetup { settings, authority, revoked, origins, clock, notices, cluster } = setup;
        let epoch = random_text()?;
        let epoch = Epoch::parse(&epoch).expect("hexadecimal digits are an epoch");
        let number = NonZero::new(getrandom::u64()?).unwrap_or(NonZero::<u64>::MIN);
        let node = format!("{number:016x}");
        let cluster = cluster.map(|setup| Waiting::new(setup, NodeId(number.get()), clock));
        let count = settings.shards.clamp(1, Partition::COUNT);
        let shards: Vec<_> = (0..count)
            .map(|index| {
                let (sender, inbox) = mpsc::channel(INBOX_MAX);
                let (limits, epoch) = (settings.limits.clone(), epoch.clone());
                let notices = Arc::clone(&notices);
                let cluster = cluster.as_ref().map(|waiting| waiting.seat().clone());
                let shard = Shard::new(ShardSetup { count, index, limits, epoch, clock, notices, cluster });
                tokio::spawn(shard.run(inbox));
                sender
            })
            .collect();
        let heartbeat = Arc::new(Heartbeat::new(settings.rhythm, clock));
        tokio::spawn(Heartbeat::run(Arc::downgrade(&heartbeat)));
        let (withdrawn, others) = mpsc::channel(WITHDRAWN_MAX);
        let carried = Carried {
            shards: Shards::new(&shards),
            heartbeat: &heartbeat,
            clock,
            revoked: Arc::clone(&revoked),
            withdrawn,
        };
        let cluster = cluster.map(|waiting| waiting.start(carried)).transpose()?;
        let (connections, resumes) = (AtomicUsize::new(0), Resumes::new(settings.resume_window));
        let rates = settings.rates;
        let handshakes = Handshakes::new(settings.handshakes_per_address, settings.trusted_proxies.clone());
        let memory = Memory::of_process(settings.memory_bytes);
        authority.start(None);
        let rules = RwLock::new(Rules { authority: Arc::new(authority), origins: Arc::new(origins), rates });
        let rechecks = Rechecks::new(clock);
        let inner = Inner {
            clock,
            settings,
            rules,
            revoked,
            rechecks,
            node,
            shards,
            heartbeat,
            cluster,
            resumes,
            handshakes,
            memory,
            tallies: Tallies::default(),
            connections,
        };
        let presence = Self(Arc::new(inner));
        tokio::spawn(Self::ask_again(Arc::downgrade(&presence.0)));
        tokio::spawn(Self::obey_others(Arc::downgrade(&presence.0), others));
        Ok(presence)
    }

    /// One that does not keep the shards going.
    pub fn downgrade(&self) -> WeakPresence {
        WeakPresence(Arc::downgrade(&self.0), self.node().into())
    }

    /// Sends an event of the app to who is in a room: `event` is its name, `data` any JSON.
    ///
    /// # Errors
    /// Where the name is one of the server's own frames, or name or data are over their limits.
    pub async fn publish(&self, room: RoomId, event: &str, data: &str) -> Result<(), Problem> {
        let (event, data) = (message::event_name(event)?, message::data(data)?);
        let message = Message { event, data, to: None, echo: false };
        self.pass_on(room, message, None).await;
        Ok(())
    }

    /// As [`Self::publish`], for a message that was looked at; `except` is a session that is not told.
    pub async fn pass_on(&self, room: RoomId, message: Message, except: Option<SessionId>) {
        self.tell(self.shard_of(&room), ToShard::Publish { room, message, except }).await;
    }

    /// Looks at the hub that owns a partition, at the end of the turn in which everything before it is told; `None` where
    /// the process ends.
    pub async fn look<T: Send + 'static>(
        &self,
        partition: Partition,
        look: impl FnOnce(&Hub) -> T + Send + Sync + 'static,
    ) -> Option<T> {
        let (answer, seen) = oneshot::channel();
        let look = move |sight: Sight<'_>| drop(answer.send(look(sight.hub(partition))));
        self.tell(self.shard_owning(partition), ToShard::Look(Look(Box::new(look)))).await;
        seen.await.ok()
    }

    /// As [`Self::look`], at the hub of a room or of a user's own room, once what other nodes know of it is known here as
    /// well. Where that does not come in time, `look` sees what is known here; [`Hub::follows`] says where there are too many
    /// such rooms at once to learn more.
    pub async fn visit<T: Send + 'static>(
        &self,
        room: RoomId,
        look: impl FnOnce(&Hub) -> T + Send + Sync + 'static,
    ) -> Option<T> {
        let partition = Partition::holding(&room);
        let (answer, seen) = oneshot::channel();
        let look = Look(Box::new(move |sight: Sight<'_>| drop(answer.send(look(sight.hub(partition))))));
        self.tell(self.shard_owning(partition), ToShard::Visit { room, look }).await;
        seen.await.ok()
    }

    /// Looks at every shard, as [`Self::look`] does at a hub.
    pub async fn look_everywhere<T: Send + 'static>(
        &self,
        look: impl Fn(Sight<'_>) -> T + Clone + Send + Sync + 'static,
    ) -> Vec<T> {
        let mut all = Vec::with_capacity(self.0.shards.len());
        for shard in 0..self.0.shards.len() {
            let (answer, seen) = oneshot::channel();
            let look = look.clone();
            let look = move |sight: Sight<'_>| drop(answer.send(look(sight)));
            self.tell(shard, ToShard::Look(Look(Box::new(look)))).await;
            all.extend(seen.await);
        }
        all
    }

    /// The open connections that serve one of these sessions. O(connections).
    pub fn connections_serving(&self, sessions: &BTreeSet<SessionId>) -> Vec<Arc<Connection>> {
        let all = self.0.heartbeat.connections().into_iter();
        all.filter(|connection| sessions.contains(&connection.session())).collect()
    }

    /// Puts a user out of a room, with all their sessions; they may come back after `block`, or at once without it.
    pub async fn kick(&self, room: RoomId, user: UserId, block: Option<Duration>) {
        let (whom, reason) = (Evictee::User(user), Reason::Kicked);
        self.tell(self.shard_of(&room), ToShard::Evict { room, whom, reason, block }).await;
    }

    /// What is known of a user in a room, for whoever looks into a complaint; `None` where nothing is.
    pub async fn explain(&self, room: RoomId, user: UserId) -> Option<Explanation> {
        let id = room.clone();
        self.visit(room, move |hub: &Hub| hub.explain(&id, &user)).await.flatten()
    }

    /// How much the process holds, summed over its shards once each has done what it was told before.
    pub async fn measure(&self) -> ShardLoad {
        let mut sum = ShardLoad::default();
        for shard in 0..self.0.shards.len() {
            let (answer, load) = oneshot::channel();
            self.tell(shard, ToShard::Measure(answer)).await;
            let load = load.await.unwrap_or_default();
            sum.connections += load.connections;
            sum.rooms += load.rooms;
            sum.sessions += load.sessions;
            sum.people += load.people;
            sum.deadlines += load.deadlines;
        }
        sum
    }

    /// Connections that are open.
    pub fn connections(&self) -> usize {
        self.0.connections.load(Ordering::Relaxed)
    }

    /// Closes every connection with 1001, so that clients go elsewhere or come back later; waits until they are gone,
    /// at most `grace`.
    pub async fn drain(&self, grace: Duration) {
        if let Some(cluster) = self.cluster() {
            cluster.leave();
        }
        let gone = async {
            while self.connections() > 0 {
                // Each time anew: one that was just opened, or that the heartbeat is looking at, may not be listed yet.
                self.dismiss(grace, |_| true);
                tokio::time::sleep(DRAIN_LOOK).await;
            }
        };
        // Who has not gone by then is cut off with the process.
        let _ = tokio::time::timeout(grace, gone).await;
    }

    /// Closes the connections without WebSocket with 1001: their requests would be waited for before anything is drained.
    pub(crate) fn end_requests(&self, grace: Duration) {
        self.dismiss(grace, |connection| connection.way() != Way::WebSocket);
    }

    /// Closes the connections that match; those that speak the native dialect are told first in which time to come back.
    fn dismiss(&self, within: Duration, is_meant: impl Fn(&Connection) -> bool) {
        let now = self.0.clock.now();
        let draining = encoder::text(native::draining(within).as_bytes());
        for connection in self.0.heartbeat.connections() {
            if !is_meant(&connection) || connection.farewell().is_some() {
                continue;
            }
            if connection.dialect() == Dialect::Native {
                connection.send_one(draining.clone(), now);
            }
            connection.close(GOING_AWAY, "server is stopping", Ending::Drained, now);
        }
    }

    /// The clock of the process.
    pub fn clock(&self) -> Clock {
        self.0.clock
    }

    /// How much and how long.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The sessions that can be gone on with.
    pub fn resumes(&self) -> &Resumes {
        &self.0.resumes
    }

    /// What makes this node one of several; `None`: it is alone.
    pub fn cluster(&self) -> Option<&ClusterNode> {
        self.0.cluster.as_ref()
    }

    /// What is counted of connections.
    pub fn tallies(&self) -> &Tallies {
        &self.0.tallies
    }

    /// The memory of the process.
    pub fn memory(&self) -> &Memory {
        &self.0.memory
    }

    /// Counts a connection that a request asks for, and lets it in where there is room for one more.
    ///
    /// # Errors
    /// As [`Handshakes::count`] and [`Memory::admit`].
    pub fn let_in(&self, parts: &Parts) -> Result<(), HttpProblem> {
        let now = self.clock().now();
        self.0.handshakes.count(parts, now)?;
        self.0.memory.admit(now)
    }

    /// The name of this node, new at each start.
    pub fn node(&self) -> &str {
        &self.0.node
    }

    /// Has a connection watched over, and counts it until the answer is dropped.
    pub(crate) fn admit(&self, connection: &Arc<Connection>) -> Admission {
        self.0.heartbeat.watch(connection);
        self.0.connections.fetch_add(1, Ordering::Relaxed);
        Admission(self.clone())
    }

    /// Has a connection looked at when its token ends, since that is sooner than it was.
    pub(crate) fn watch_expiry(&self, connection: &Arc<Connection>) {
        self.0.heartbeat.watch_expiry(connection);
    }

    /// Ends the places of a session that goes on here, in rooms that it does not claim in time.
    pub(crate) fn end_unclaimed_later(&self, session: SessionId, user: &UserId) {
        let rooms = self.resumes().take_rooms(session);
        if rooms.is_empty() {
            return;
        }
        let (presence, user, since) = (self.clone(), user.clone(), self.0.clock.now());
        tokio::spawn(async move {
            tokio::time::sleep(CLAIM_TIME).await;
            for room in rooms {
                let (shard, user) = (presence.shard_of(&room), user.clone());
                presence.tell(shard, ToShard::Unclaimed { room, user, session, since }).await;
            }
        });
    }

    /// Which shard owns a room.
    pub(crate) fn shard_of(&self, room: &RoomId) -> usize {
        self.shard_owning(Partition::of(room))
    }

    /// Which shard owns a partition.
    pub(crate) fn shard_owning(&self, partition: Partition) -> usize {
        partition.index() % self.0.shards.len()
    }

    /// Tells a shard something, unless its inbox is full: then what it was to be told comes back.
    pub(crate) fn try_tell(&self, shard: usize, input: ToShard) -> Result<(), ToShard> {
        match self.0.shards[shard].try_send(input) {
            // A shard ends only with the process.
            Ok(()) | Err(TrySendError::Closed(_)) => Ok(()),
            Err(TrySendError::Full(input)) => Err(input),
        }
    }

    /// Tells a shard something; waits while its inbox is full, which holds back who sends.
    pub(crate) async fn tell(&self, shard: usize, input: ToShard) {
        // A shard ends only with the process.
        let _ = self.0.shards[shard].send(input).await;
    }
}

/// A connection that is counted.
pub(crate) struct Admission(Presence);

impl Drop for Admission {
    fn drop(&mut self) {
        self.0.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

fn random_text() -> Result<String, getrandom::Error> {
    Ok(format!("{:016x}", getrandom::u64()?))
}

/// Inputs that wait for a shard at the most; whoever has more waits with it.
const INBOX_MAX: usize = 8192;
const GOING_AWAY: u16 = 1001;
/// How long a session that goes on over another connection has to claim its rooms.
const CLAIM_TIME: Duration = Duration::from_secs(5);
/// Lists of what other nodes withdrew that wait to be obeyed.
const WITHDRAWN_MAX: usize = 16;
/// How often a drain looks whether all are gone.
const DRAIN_LOOK: Duration = Duration::from_millis(20);
