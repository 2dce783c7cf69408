//! Carries between the hubs of this node and its store: connects, and connects anew, takes what hubs ask, brings what is
//! answered and what comes by itself. What cannot be carried is answered as unknown, or not at all: hubs give up by themselves.
use crate::{
    cluster::{
        asks::Asks,
        passing,
        redis::{
            error::{CallError, ConnectError},
            keyspace::Keyspace,
            link::{Inbox, Link, Push, Route},
            news,
            store::{Place, Store, Write},
        },
        shards::{Gone, Shards},
        status::ClusterStatus,
        sweeper::{SweepTimes, Sweeper},
    },
    partition::Partition,
    webhooks::inlet::Inlet,
};
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use herenow_core::{
    cluster::{
        door::{Ask, Heard, LockDecision, NodeId, Outcome, SectionChange},
        signs::RegistryHeard,
    },
    id::RoomId,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::{Notify, Semaphore, mpsc, watch};

/// What a courier is made from.
pub struct CourierSetup {
    /// How to reach the store.
    pub route: Route,
    /// What keys are called there.
    pub keys: Keyspace,
    /// Who this node is.
    pub node: NodeId,
    /// Where the hubs are.
    pub shards: Shards,
    /// What hubs ask.
    pub asks: Asks,
    /// Where it is noted how things are.
    pub status: Arc<ClusterStatus>,
    /// Who knows which nodes live.
    pub registry: mpsc::Sender<RegistryHeard>,
    /// Whether the connections are up.
    pub up: watch::Sender<bool>,
    /// Where the store is to be had by who only reads, while the connections are up.
    pub open: watch::Sender<Option<Store>>,
    /// Who tells the app what happens.
    pub webhooks: Inlet,
    /// Told where the connection of the renewals is of no use any more: then none is to be trusted.
    pub lost: Arc<Notify>,
}

/// Carries until the process ends.
pub struct Courier {
    setup: CourierSetup,
    sweeper: Arc<Sweeper>,
    /// How long is waited before the next try.
    backoff: Duration,
}

/// Why a session of connections ended.
enum End {
    Lost(String),
    Process,
}

impl Courier {
    /// One that has not connected yet.
    pub fn new(setup: CourierSetup) -> Self {
        let sweeper = Arc::new(Sweeper::new(SweepTimes::default()));
        Self { setup, sweeper, backoff: BACKOFF_MIN }
    }

    /// Carries until the process ends.
    pub async fn run(mut self) {
        loop {
            match self.open().await {
                Ok((store, ear, inbox)) => {
                    let began = Instant::now();
                    let End::Lost(why) = self.session(store, ear, inbox).await else { return };
                    if began.elapsed() >= SETTLED {
                        self.backoff = BACKOFF_MIN;
                    }
                    self.setup.up.send_replace(false);
                    self.setup.status.note_lost(&why);
                    if self.setup.shards.tell_all(&Heard::Unsubscribed { room: None }).await.is_err() {
                        return;
                    }
                }
                Err(error) => self.setup.status.note_problem(&error),
            }
            if self.setup.shards.are_gone() {
                return;
            }
            // Full jitter: nodes that lost the same server must not come back in step.
            let share = getrandom::u32().unwrap_or(u32::MAX);
            let wait = self.backoff.mul_f64(f64::from(share) / f64::from(u32::MAX));
            self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
            tokio::time::sleep(wait.max(BACKOFF_MIN / 2)).await;
        }
    }

    async fn open(&self) -> Result<(Store, Store, Inbox), ConnectError> {
        let CourierSetup { route, keys, node, status, .. } = &self.setup;
        let (link, fit) = Link::open(route).await?;
        let (ear, inbox) = Link::open_ear(route, fit.is_cluster).await?;
        status.note_server(&fit.version);
        if fit.evicts {
            tracing::warn!(
                redis = status.address(),
                "this Redis may throw rooms away; set its maxmemory-policy to noeviction"
            );
        }
        let [store, ear] = [link, ear].map(|link| Store::new(link, keys.clone(), *node));
        Ok((store, ear, inbox))
    }

    /// Carries over one set of connections, until one of them is of no use.
    async fn session(&mut self, store: Store, ear: Store, inbox: Inbox) -> End {
        let (loss, mut lost) = mpsc::channel(1);
        let channels = Channels::default();
        let carrier = Arc::new(Carrier {
            store,
            ear: ear.clone(),
            channels: channels.clone(),
            snapshots: Semaphore::new(SNAPSHOTS_AT_ONCE),
            status: Arc::clone(&self.setup.status),
            webhooks: self.setup.webhooks.clone(),
            sweeper: Arc::clone(&self.sweeper),
        });
        let listener = Listener {
            channels,
            shards: self.setup.shards.clone(),
            status: Arc::clone(&self.setup.status),
            keys: self.setup.keys.clone(),
            loss,
        };
        let sweeping = tokio::spawn(sweep(Arc::clone(&carrier)));
        let pinging = tokio::spawn(ping(ear, listener.loss.clone()));
        let listening = tokio::spawn(listener.run(inbox));
        // What was asked of connections that are gone is of no use to anybody.
        while self.setup.asks.try_recv().is_ok() {}
        self.setup.open.send_replace(Some(carrier.store.clone()));
        self.setup.up.send_replace(true);
        let end = self.carry(&carrier, &mut lost).await;
        self.setup.open.send_replace(None);
        sweeping.abort();
        pinging.abort();
        listening.abort();
        end
    }

    async fn carry(&mut self, carrier: &Arc<Carrier>, lost: &mut mpsc::Receiver<String>) -> End {
        let mut under_way: FuturesUnordered<BoxFuture<'static, Done>> = FuturesUnordered::new();
        let mut asked = Vec::new();
        loop {
            tokio::select! {
                why = lost.recv() => return End::Lost(why.unwrap_or_default()),
                () = self.setup.lost.notified() => return End::Lost("renewals are not answered".to_owned()),
                Some(done) = under_way.next(), if !under_way.is_empty() => {
                    for heard in done.heard {
                        if let Err(Gone) = self.setup.shards.tell(done.partition, heard).await {
                            return End::Process;
                        }
                    }
                    match done.error {
                        Some(error) if error.is_lost() => return End::Lost(error.to_string()),
                        Some(error) => self.setup.status.note_refused(&error.to_string()),
                        None => {}
                    }
                }
                count = self.setup.asks.recv_many(&mut asked, ASKS_AT_ONCE), if under_way.len() < CALLS_MAX => {
                    if count == 0 {
                        return End::Process;
                    }
                    for (partition, ask) in asked.drain(..) {
                        if let Some(ask) = self.for_registry(ask) {
                            let carrier = Arc::clone(carrier);
                            under_way.push(Box::pin(async move { carrier.carry(partition, ask).await }));
                        }
                    }
                }
            }
        }
    }

    /// Passes on what is for the registry; gives back what is not.
    fn for_registry(&self, ask: Ask) -> Option<Ask> {
        let heard = match ask {
            Ask::Fenced { inc } => RegistryHeard::Fenced { inc },
            Ask::Noticed { node, inc } => RegistryHeard::Noticed { node, inc },
            ask => return Some(ask),
        };
        // A registry that has so much to hear hears it again: hubs say it each time that they see it.
        let _ = self.setup.registry.try_send(heard);
        None
    }
}

/// What became of an ask.
struct Done {
    partition: Partition,
    heard: Vec<Heard>,
    error: Option<CallError>,
}

/// The connections of one session, for calls.
struct Carrier {
    store: Store,
    ear: Store,
    channels: Channels,
    /// So that a thundering herd of snapshots does not hold back renewals and writes.
    snapshots: Semaphore,
    status: Arc<ClusterStatus>,
    webhooks: Inlet,
    sweeper: Arc<Sweeper>,
}

impl Carrier {
    async fn carry(&self, partition: Partition, ask: Ask) -> Done {
        self.status.note_call();
        let (heard, error) = self.answer(partition, ask).await;
        Done { partition, heard, error }
    }

    async fn answer(&self, partition: Partition, ask: Ask) -> (Vec<Heard>, Option<CallError>) {
        let at = |room| Place { partition, room };
        let written = |room, stamp, result: Result<Outcome, CallError>| {
            let (outcome, error) = part(result, Outcome::Unknown);
            (vec![Heard::Written { room, stamp, outcome }], error)
        };
        match ask {
            Ask::Apply { room, stamp, tag, changes } => {
                let result = self.store.apply(at(&room), Write { stamp, tag }, &changes).await;
                if changes.iter().all(|change| matches!(change, SectionChange::Remove(..))) {
                    self.sweeper.note_left(&room);
                }
                written(room, stamp, result)
            }
            Ask::Sync { room, stamp, tag, section } => {
                let result = self.store.sync(at(&room), Write { stamp, tag }, &section).await;
                if section.entries.is_empty() {
                    self.sweeper.note_left(&room);
                }
                written(room, stamp, result)
            }
            Ask::Snapshot { room, generation, known } => {
                // It is closed with the session only, and then nobody waits for it any more.
                let _permit = self.snapshots.acquire().await;
                let (snapshot, error) = part(self.store.snapshot(at(&room), &known).await.map(Some), None);
                (vec![Heard::Snapshot { room, generation, snapshot }], error)
            }
            Ask::Audit { rooms } => self.audit(partition, rooms).await,
            Ask::Index { node, inc } => {
                let (names, error) = part(self.store.index(partition, node).await, Vec::new());
                let rooms = names.iter().filter_map(|name| stored_room(name)).collect();
                (vec![Heard::Index { node, inc, rooms }], error)
            }
            Ask::Reap { room, node, inc, tag } => {
                let result = self.store.reap(at(&room), node, inc, tag).await;
                self.sweeper.note_tomb(&room, node, inc);
                self.webhooks.note_reaped(room);
                (Vec::new(), result.err())
            }
            Ask::Subscribe { room, generation } => {
                self.channels.open(&self.ear, at(&room));
                match self.ear.subscribe(at(&room)).await {
                    Ok(()) => (vec![Heard::Subscribed { room, generation }], None),
                    Err(error) => (vec![Heard::Unsubscribed { room: Some(room) }], Some(error)),
                }
            }
            Ask::Unsubscribe { room } => {
                self.channels.close(&self.ear, at(&room));
                (Vec::new(), self.ear.unsubscribe(at(&room)).await.err())
            }
            Ask::Publish { room, passing } => {
                let payload = passing::encode(self.store.node(), &passing);
                (Vec::new(), self.store.publish(at(&room), &payload).await.err())
            }
            Ask::TakeLock { room, name, session, floor } => {
                let result = self.store.take_lock(at(&room), (&name, session, floor)).await;
                let (decision, error) = part(result, LockDecision::Unknown);
                (vec![Heard::Lock { room, name, session, decision }], error)
            }
            Ask::FreeLock { room, name, session, fence } => {
                (Vec::new(), self.store.free_lock(at(&room), (&name, session, fence)).await.err())
            }
            // For the registry; not carried to the store.
            Ask::Fenced { .. } | Ask::Noticed { .. } => (Vec::new(), None),
        }
    }

    async fn audit(&self, partition: Partition, rooms: Vec<RoomId>) -> (Vec<Heard>, Option<CallError>) {
        let keep = self.channels.is_time_to_keep(partition);
        match self.store.audit(partition, &rooms, keep).await {
            Ok(all) => {
                let audited = |(room, (tag, own))| Heard::Audited { room, tag, own };
                (rooms.into_iter().zip(all).map(audited).collect(), None)
            }
            Err(error) => (rooms.into_iter().map(|room| Heard::AuditFailed { room }).collect(), Some(error)),
        }
    }
}

fn stored_room(name: &[u8]) -> Option<RoomId> {
    RoomId::from_store(std::str::from_utf8(name).ok()?)
}

fn part<T>(result: Result<T, CallError>, unknown: T) -> (T, Option<CallError>) {
    match result {
        Ok(done) => (done, None),
        Err(error) => (unknown, Some(error)),
    }
}

/// Which channels this node hears, and whose they are.
#[derive(Clone, Default)]
struct Channels(Arc<Mutex<Heardable>>);

#[derive(Default)]
struct Heardable {
    rooms: HashMap<Vec<u8>, Channel>,
    /// Ends of subscriptions that were asked for and are not told yet.
    ending: HashMap<Vec<u8>, usize>,
    kept_at: HashMap<usize, Instant>,
}

#[derive(Clone)]
struct Channel {
    partition: Partition,
    room: RoomId,
    is_passing: bool,
}

impl Channels {
    fn open(&self, store: &Store, at: Place<'_>) {
        let mut table = self.lock();
        for (channel, is_passing) in channels(store, at) {
            let to = Channel { partition: at.partition, room: at.room.clone(), is_passing };
            table.rooms.insert(channel, to);
        }
    }

    fn close(&self, store: &Store, at: Place<'_>) {
        let mut table = self.lock();
        for (channel, _) in channels(store, at) {
            table.rooms.remove(&channel);
            *table.ending.entry(channel).or_default() += 1;
        }
    }

    fn whose(&self, channel: &[u8]) -> Option<Channel> {
        self.lock().rooms.get(channel).cloned()
    }

    /// Whether the end of a subscription was asked for.
    fn was_asked_to_end(&self, channel: &[u8]) -> bool {
        let mut table = self.lock();
        let Some(count) = table.ending.get_mut(channel) else { return false };
        *count -= 1;
        if *count == 0 {
            table.ending.remove(channel);
        }
        true
    }

    /// Whether the end of what is kept of a partition is to be put off. The rooms of one audit are not all there are, so this
    /// holds for as long as an audit of all rooms may take.
    fn is_time_to_keep(&self, partition: Partition) -> bool {
        let now = Instant::now();
        let mut table = self.lock();
        let began = table.kept_at.entry(partition.index()).or_insert(now);
        if now.duration_since(*began) >= KEEP_EACH {
            *began = now;
        }
        now.duration_since(*began) < KEEP_FOR
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Heardable> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn channels(store: &Store, at: Place<'_>) -> [(Vec<u8>, bool); 2] {
    let keys = store.keys();
    let (news, passing) = (keys.news(at.partition, at.room), keys.passing(at.partition, at.room));
    [(news.into_bytes(), false), (passing.into_bytes(), true)]
}

/// Brings to the hubs what comes by itself.
struct Listener {
    channels: Channels,
    shards: Shards,
    status: Arc<ClusterStatus>,
    keys: Keyspace,
    loss: mpsc::Sender<String>,
}

impl Listener {
    async fn run(self, mut inbox: Inbox) {
        while let Some(push) = inbox.next().await {
            let (channel, payload) = match push {
                Push::Message { channel, payload } => (channel, payload),
                Push::Unsubscribed { channel } if self.channels.was_asked_to_end(&channel) => continue,
                // The slot of the channel moves. Redis says so without being asked, which the client takes for the answer to
                // what it asked last: nothing that comes over this connection can be trusted any more.
                Push::Unsubscribed { .. } => break,
            };
            let Some((partition, heard)) = self.read(&channel, &payload) else { continue };
            if self.shards.tell(partition, heard).await.is_err() {
                return;
            }
        }
        let _ = self.loss.try_send(format!("messages of {} may be lost", self.keys.name()));
    }

    fn read(&self, channel: &[u8], payload: &[u8]) -> Option<(Partition, Heard)> {
        let Channel { partition, room, is_passing } = self.channels.whose(channel)?;
        let heard = if is_passing {
            passing::decode(payload).map(|(from, passing)| Heard::Passing { room, from, passing })
        } else {
            news::decode(payload).map(|news| Heard::News { room, news })
        };
        if heard.is_none() {
            self.status.note_hostile();
        }
        Some((partition, heard?))
    }
}

/// Notices a connection that says nothing because it is cut, and not because nothing happens.
async fn ping(ear: Store, loss: mpsc::Sender<String>) {
    loop {
        tokio::time::sleep(PING_EACH).await;
        if let Err(error) = ear.ping().await {
            let _ = loss.try_send(error.to_string());
            return;
        }
    }
}

/// Takes out of the store what nobody misses, a little at a time.
async fn sweep(carrier: Arc<Carrier>) {
    loop {
        tokio::time::sleep(SWEEP_EACH).await;
        // What failed ends by itself; whether the connection is of use is found by who needs it.
        let _ = carrier.sweeper.sweep(&carrier.store, SWEPT_AT_ONCE).await;
    }
}

/// How often, and how much, is taken out of the store.
const SWEEP_EACH: Duration = Duration::from_secs(1);
const SWEPT_AT_ONCE: usize = 200;
/// Calls under way at the most; who asks more waits.
const CALLS_MAX: usize = 4096;
/// Asks that are taken together.
const ASKS_AT_ONCE: usize = 256;
/// Snapshots under way at the most.
const SNAPSHOTS_AT_ONCE: usize = 64;
/// How often the connection that only listens is asked for a sign.
const PING_EACH: Duration = Duration::from_secs(1);
/// The wait before a new try of a connection grows from this …
const BACKOFF_MIN: Duration = Duration::from_millis(50);
/// … to this.
const BACKOFF_MAX: Duration = Duration::from_secs(2);
/// How long connections have to have been good for the wait to begin anew.
const SETTLED: Duration = Duration::from_secs(5);
/// How often, and for how long, audits put off the end of what is kept.
const KEEP_EACH: Duration = Duration::from_secs(3600);
const KEEP_FOR: Duration = Duration::from_secs(600);
