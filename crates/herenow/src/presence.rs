//! The presence of one process, as everything around the shards sees it: cheap to clone, and the way in for the app.
use crate::{
    auth::{
        authority::{Authority, AuthorityHealth, Credential, Inquiry, KnownCookie, Verdict},
        origin::OriginPolicy,
        revoked::Revocations,
        rights::Rights,
        token::{Identity, Verifier},
    },
    clock::Clock,
    connection::Connection,
    heartbeat::{Heartbeat, Rhythm, refuse},
    rate::RateLimits,
    rechecks::{Due, Outcome, Rechecks},
    resume::Resumes,
    shard::{NoticeSink, Partition, Shard, ShardLoad, ShardSetup, ToShard},
};
use futures_util::StreamExt;
use herenow_core::{
    command::{Ending, Evictee, Message, Reason},
    explain::Explanation,
    id::{RoomId, SessionId, UserId},
    limits::Limits,
    version::Epoch,
};
use herenow_wire::{code::Code, message, problem::Problem};
use http::request::Parts;
use std::{
    sync::{
        Arc, PoisonError, RwLock, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot,
};

/// The presence of one process.
#[derive(Clone)]
pub struct Presence(Arc<Inner>);

struct Inner {
    clock: Clock,
    settings: Settings,
    rules: RwLock<Rules>,
    revoked: Arc<Revocations>,
    rechecks: Rechecks,
    node: String,
    shards: Vec<mpsc::Sender<ToShard>>,
    heartbeat: Arc<Heartbeat>,
    resumes: Resumes,
    connections: AtomicUsize,
}

/// What may change while the process runs.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Who decides who somebody is.
    pub authority: Arc<Authority>,
    /// Which pages may connect.
    pub origins: Arc<OriginPolicy>,
    /// How often one connection may ask.
    pub rates: RateLimits,
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
}

impl Presence {
    /// Starts the shards and the heartbeat on the runtime of the caller. They end when the last clone is gone.
    ///
    /// # Errors
    /// Where the system gives no random bytes for the epoch.
    pub fn start(setup: PresenceSetup) -> Result<Self, getrandom::Error> {
        let PresenceSetup { settings, authority, revoked, origins, clock, notices } = setup;
        let epoch = random_text()?;
        let epoch = Epoch::parse(&epoch).expect("hexadecimal digits are an epoch");
        let node = random_text()?;
        let count = settings.shards.clamp(1, Partition::COUNT);
        let shards = (0..count)
            .map(|index| {
                let (sender, inbox) = mpsc::channel(INBOX_MAX);
                let (limits, epoch) = (settings.limits.clone(), epoch.clone());
                let notices = Arc::clone(&notices);
                let shard = Shard::new(ShardSetup { count, index, limits, epoch, clock, notices });
                tokio::spawn(shard.run(inbox));
                sender
            })
            .collect();
        let heartbeat = Arc::new(Heartbeat::new(settings.rhythm, clock));
        tokio::spawn(Heartbeat::run(Arc::downgrade(&heartbeat)));
        let (connections, resumes) = (AtomicUsize::new(0), Resumes::new(settings.resume_window));
        let rates = settings.rates;
        authority.start(None);
        let rules = RwLock::new(Rules { authority: Arc::new(authority), origins: Arc::new(origins), rates });
        let rechecks = Rechecks::new(clock);
        let inner = Inner { clock, settings, rules, revoked, rechecks, node, shards, heartbeat, resumes, connections };
        let presence = Self(Arc::new(inner));
        tokio::spawn(Self::ask_again(Arc::downgrade(&presence.0)));
        Ok(presence)
    }

    /// Has a process that runs go by other rules from now on. Who is connected stays so, until their token ends or is
    /// renewed.
    pub fn change_rules(&self, rules: Rules) {
        rules.authority.start(Some(&self.authority()));
        *self.0.rules.write().unwrap_or_else(PoisonError::into_inner) = rules;
    }

    /// Sends an event of the app to who is in a room: `event` is its name, `data` any JSON.
    ///
    /// # Errors
    /// Where the name is one of the server's own frames, or name or data are over their limits.
    pub async fn publish(&self, room: RoomId, event: &str, data: &str) -> Result<(), Problem> {
        let (event, data) = (message::event_name(event)?, message::data(data)?);
        let message = Message { event, data, to: None, echo: false };
        self.tell(self.shard_of(&room), ToShard::Publish { room, message }).await;
        Ok(())
    }

    /// Puts a user out of a room, with all their sessions; they may come back after `block`, or at once without it.
    pub async fn kick(&self, room: RoomId, user: UserId, block: Option<Duration>) {
        let (whom, reason) = (Evictee::User(user), Reason::Kicked);
        self.tell(self.shard_of(&room), ToShard::Evict { room, whom, reason, block }).await;
    }

    /// What is known of a user in a room, for whoever looks into a complaint; `None` where nothing is.
    pub async fn explain(&self, room: RoomId, user: UserId) -> Option<Explanation> {
        let (answer, explained) = oneshot::channel();
        self.tell(self.shard_of(&room), ToShard::Explain { room, user, answer }).await;
        explained.await.ok().flatten()
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
        let gone = async {
            while self.connections() > 0 {
                // Each time anew: one that was just opened, or that the heartbeat is looking at, may not be listed yet.
                for connection in self.0.heartbeat.connections() {
                    connection.close(GOING_AWAY, "server is stopping", Ending::Drained, self.0.clock.now());
                }
                tokio::time::sleep(DRAIN_LOOK).await;
            }
        };
        // Who has not gone by then is cut off with the process.
        let _ = tokio::time::timeout(grace, gone).await;
    }

    /// The clock of the process.
    pub fn clock(&self) -> Clock {
        self.0.clock
    }

    /// How much and how long.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Who decides who somebody is.
    pub fn authority(&self) -> Arc<Authority> {
        Arc::clone(&self.rules().authority)
    }

    /// Who tells good tokens from bad ones, without asking anybody.
    pub fn verifier(&self) -> Arc<Verifier> {
        Arc::clone(&self.rules().authority.verifier)
    }

    /// Which pages may connect.
    pub fn origins(&self) -> Arc<OriginPolicy> {
        Arc::clone(&self.rules().origins)
    }

    /// How often one connection may ask.
    pub fn rates(&self) -> RateLimits {
        self.rules().rates
    }

    /// Which tokens were withdrawn.
    pub fn revoked(&self) -> &Arc<Revocations> {
        &self.0.revoked
    }

    /// What a request says of who sent it, once the page that it came from was looked at.
    pub fn credential(&self, parts: &Parts) -> Credential {
        let (credential, source) = self.authority().credential(parts, &self.0.settings.cookie_name);
        match self.origins().check(&parts.headers, source) {
            Ok(()) => credential,
            Err(error) => Credential::Refused(error),
        }
    }

    /// Says who somebody is; waits for the app or for new keys where they have to be asked.
    pub async fn identify(&self, credential: Credential) -> Verdict {
        let authority = self.authority();
        authority.identify(credential, || self.0.clock.now().as_millis() / 1000).await
    }

    /// Asks what has to be asked before something can be decided.
    pub async fn settle(&self, inquiry: &Inquiry) {
        self.authority().settle(inquiry).await;
    }

    /// What a user may do in a room by their token and, where the app is asked about rooms, by its word: for somebody who
    /// joins its newest, and otherwise as long as it lets them stay.
    ///
    /// # Errors
    /// What has to be asked before that can be said. `Ok(None)` where it was, in vain.
    pub fn rights(&self, identity: &Identity, room: &RoomId, joins: bool) -> Result<Option<Rights>, Inquiry> {
        let authority = self.authority();
        if authority.rooms.is_none() {
            return Ok(Some(identity.grants.rights(room)));
        }
        let held = || {
            let held = self.0.rechecks.rights(&identity.profile.user, room);
            held.map(|held| identity.grants.rights(room).union(held))
        };
        match held().filter(|_| !joins) {
            Some(rights) => Ok(Some(rights)),
            None => authority.rights(identity, room).map(|rights| rights.or_else(held)),
        }
    }

    /// What has to be asked before a token can be judged; `None` where it can be judged now.
    pub fn inquiry_of_token(&self, token: &str) -> Option<Inquiry> {
        let authority = self.authority();
        authority.inquiry_of_token(token, self.0.clock.now().as_millis() / 1000)
    }

    /// Whether the app is asked who may enter a room.
    pub fn asks_about_rooms(&self) -> bool {
        self.rules().authority.rooms.is_some()
    }

    /// Has the app asked again about a cookie that a connection is here by.
    pub fn hold_cookie(&self, cookie: KnownCookie, identity: &Identity, connection: &Arc<Connection>) {
        if let Some(cookies) = &self.authority().cookies {
            self.0.rechecks.hold_cookie(cookie, identity, connection, cookies.hook().times());
        }
    }

    /// Has the app asked again about a room that a session enters by its word.
    pub fn hold_room(&self, place: (UserId, RoomId), rights: Rights, connection: &Arc<Connection>) {
        if let Some(rooms) = &self.authority().rooms {
            self.0.rechecks.hold_room(place, rights, connection, rooms.hook().times());
        }
    }

    /// Who is here by the word of the app.
    pub fn rechecks(&self) -> &Rechecks {
        &self.0.rechecks
    }

    /// How those stand that others are asked for.
    pub fn authority_health(&self) -> AuthorityHealth {
        self.authority().health()
    }

    /// Puts a user out everywhere on this node: closes their connections (4403), and withdraws the tokens that they have. How
    /// many connections that were. They may come back with a token that is made after this second.
    pub async fn disconnect_user(&self, user: &UserId) -> usize {
        let now = self.0.clock.now();
        if self.0.revoked.revoke_user(user, now.as_millis() / 1000).is_err() {
            tracing::warn!("too many users were signed out of late, so that the tokens of one more still count");
        }
        self.authority().forget(user);
        let mut closed = 0;
        // More than once: one that was just opened, or that the heartbeat is looking at, may not be listed.
        for look in 0..DISCONNECT_LOOKS {
            if look > 0 {
                tokio::time::sleep(DRAIN_LOOK).await;
            }
            for connection in self.0.heartbeat.connections() {
                if connection.is_of(user) && connection.farewell().is_none() {
                    refuse(&connection, Code::AuthRevoked, Ending::Kicked, self.0.clock.now());
                    closed += 1;
                }
            }
        }
        closed
    }

    /// Asks the app again about those who are here by its word, for as long as the process lives.
    async fn ask_again(inner: Weak<Inner>) {
        loop {
            tokio::time::sleep(ASK_AGAIN_LOOK).await;
            let Some(inner) = inner.upgrade() else { return };
            let presence = Self(inner);
            let due = presence.0.rechecks.due();
            let asked = futures_util::stream::iter(due).map(|due| presence.ask_about(due));
            asked.buffer_unordered(ASKED_AT_ONCE).for_each(|outcome| presence.obey(outcome)).await;
        }
    }

    async fn ask_about(&self, due: Due) -> Outcome {
        let authority = self.authority();
        match (due, &authority.cookies, &authority.rooms) {
            (Due::Cookie(key, pair), Some(cookies), _) => {
                let answer = cookies.recheck(&key, pair.as_str(), &authority.verifier).await;
                self.0.rechecks.take_cookie_answer(&key, &answer, cookies)
            }
            (Due::Room(user, room), _, Some(rooms)) => {
                let answer = rooms.recheck(&user, &room).await;
                self.0.rechecks.take_room_answer(&user, &room, answer, rooms)
            }
            // The hook was taken out of the configuration: those who are here stay until their time is over.
            (Due::Cookie(..), None, _) | (Due::Room(..), _, None) => Outcome::Keep,
        }
    }

    async fn obey(&self, outcome: Outcome) {
        match outcome {
            Outcome::Keep => {}
            Outcome::Extend(connections, ends_at) => {
                for connection in connections {
                    let is_sooner = connection.expires_at().is_some_and(|before| ends_at < before);
                    connection.note_expiry(ends_at);
                    if is_sooner {
                        self.watch_expiry(&connection);
                    }
                }
            }
            Outcome::Expire(connections) => {
                for connection in connections {
                    refuse(&connection, Code::AuthExpired, Ending::Expired, self.0.clock.now());
                }
            }
            Outcome::Evict(room, sessions) => {
                for session in sessions {
                    let (whom, reason, room) = (Evictee::Session(session), Reason::Kicked, room.clone());
                    self.tell(self.shard_of(&room), ToShard::Evict { room, whom, reason, block: None }).await;
                }
            }
        }
    }

    fn rules(&self) -> std::sync::RwLockReadGuard<'_, Rules> {
        // They are replaced as a whole, so what a panic left behind is as good as any.
        self.0.rules.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sessions that can be gone on with.
    pub fn resumes(&self) -> &Resumes {
        &self.0.resumes
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
/// How often a disconnect looks for connections of the user.
const DISCONNECT_LOOKS: usize = 3;
/// How often it is looked who has to be asked about again.
const ASK_AGAIN_LOOK: Duration = Duration::from_millis(250);
/// How many are asked about at once.
const ASKED_AT_ONCE: usize = 32;
/// How often a drain looks whether all are gone.
const DRAIN_LOOK: Duration = Duration::from_millis(20);
