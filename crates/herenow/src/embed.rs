//! A presence server inside another program: its routes for the program's router, its rooms for the program's code. Has no
//! listener and prints nothing; that is for the program, or for [`crate::serve`].
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let herenow = herenow::embed::Embedded::builder().start()?;
//! let routes = axum::Router::<()>::new().nest("/presence", herenow.router());
//! // For the page of a user whom the program knows, with `connect` of `/presence/sdk.js`: `connect({ auth: async () => token })`.
//! let token = herenow.token("alice").name("Alice").room("board-*").mint()?;
//! let (viewers, count) = herenow.viewers("board-1", 100).await?;
//! assert_eq!((viewers.len(), count.users), (0, 0), "nobody has come yet");
//! herenow.publish("board-1", "task_created", &["Ship it"]).await?;
//! # drop((routes, token));
//! # Ok(())
//! # }
//! ```
//!
//! A whole app is the example `axum_app`.
use crate::{
    api::{
        self,
        meters::Meters,
        state::{Api, ApiSetup},
    },
    assemble::{self, AssembleError, Surroundings},
    assets,
    auth::{
        dev,
        mint::Signer,
        secret::{Secret, SecretError},
    },
    config::{
        mode::Mode,
        settings::{Config, MEMORY_MAX},
    },
    embed::{
        event::{Event, Events},
        token::NewToken,
    },
    guest_route,
    heartbeat::Rhythm,
    log_ids::LogIds,
    partition::Partition,
    presence::{Presence, PresenceSetup, Settings},
    server,
    shard::NoticeSink,
    webhooks::handle::{Start, WebhookError, Webhooks},
};
use axum::Router;
use herenow_core::{
    event::{Count, Notice, Viewer},
    id::{IdError, RoomId, UserId},
    time::Time,
};
use herenow_wire::problem::Problem;
use serde::Serialize;
use std::{fmt, io, sync::Arc, time::Duration};
use tokio::sync::broadcast;

pub mod event;
pub mod token;

/// A presence server without a listener; cheap to clone. It ends when the last clone, and the last router of it, is gone.
#[derive(Clone)]
pub struct Embedded {
    presence: Presence,
    around: Surroundings,
    api: Api,
    webhooks: Webhooks,
    signer: Arc<Signer>,
    events: broadcast::Sender<Event>,
    router: Router,
    shutdown_grace: Duration,
}

/// What an [`Embedded`] is started with: see [`Embedded::builder`].
#[derive(Clone, Debug)]
pub struct Builder {
    config: Config,
    secret: Option<String>,
}

/// Why it did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// What was given as a secret is none.
    Secret(SecretError),
    /// The system gives no random bytes. Trying again later may help.
    Random(getrandom::Error),
    /// The configuration cannot be gone by.
    Assemble(AssembleError),
    /// The system gives no random bytes or no thread. Trying again later may help.
    System(io::Error),
    /// Webhooks cannot be kept.
    Webhooks(WebhookError),
}

/// Why the app's event was not told.
#[derive(Debug)]
#[non_exhaustive]
pub enum PublishError {
    /// The room has no good name.
    Room(IdError),
    /// The data cannot be written as JSON.
    Data(serde_json::Error),
    /// The event's name is one of the server's own frames, or name or data are over their limits.
    Refused(Problem),
}

impl Builder {
    /// What tokens are signed with, at least 32 bytes; those who sign them elsewhere share it. Default: one drawn at random
    /// for this run, so that all tokens come from [`Embedded::token`].
    #[must_use]
    pub fn secret(mut self, secret: &str) -> Self {
        self.secret = Some(secret.to_owned());
        self
    }

    /// Changes settings. `limits.memory` is at [`MEMORY_MAX`], which is no limit, since the memory is the app's. Those of
    /// `server.listen`, `tls`, `demo`, `log.level`, `log.format` and `api.admin_page` are the program's own affair and are not
    /// looked at.
    #[must_use]
    pub fn config(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Starts it on the runtime of the caller.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(self) -> Result<Embedded, StartError> {
        let secret = match self.secret {
            Some(text) => Secret::parse(&text).map_err(StartError::Secret)?,
            None => Secret::generate().map_err(StartError::Random)?,
        };
        Embedded::start(&self.config, &Mode::Prod { secret }, Arc::new(|_, _| {}))
    }
}

impl Embedded {
    /// A server in production mode: who has no token is not let in.
    pub fn builder() -> Builder {
        let mut config = Config::default();
        config.limits.memory = MEMORY_MAX;
        Builder { config, secret: None }
    }

    /// Starts one as a configuration says; `notices` hears of joins, leaves and typing, and must not wait.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(config: &Config, mode: &Mode, notices: NoticeSink) -> Result<Self, StartError> {
        let meters = Arc::<Meters>::default();
        let (events, _) = broadcast::channel(event::UNHEARD_MAX);
        let webhooks = Webhooks::new(meters.webhooks.clone());
        let (counted, told, teller, posted) = (Arc::clone(&meters), notices, events.clone(), webhooks.inlet().clone());
        // Among several, the hubs know of which rooms this node tells.
        let is_alone = config.cluster.redis.is_none();
        let notices = Arc::new(move |now: Time, notice: &Notice| {
            counted.note(notice);
            told(now, notice);
            if is_alone {
                posted.note(now, notice);
            }
            if teller.receiver_count() > 0
                && let Some(event) = Event::of(notice)
            {
                // It fails only where the last one has just stopped listening.
                let _ = teller.send(event);
            }
        });
        let around = Surroundings::new();
        let authority = assemble::authority(config, mode, &around, None).map_err(StartError::Assemble)?;
        let Surroundings { clock, revoked, tls: _ } = around.clone();
        let origins = assemble::origins(config, mode);
        let cluster = assemble::cluster(config, webhooks.inlet()).map_err(StartError::Assemble)?;
        let setup = PresenceSetup { settings: settings(config), authority, revoked, origins, clock, notices, cluster };
        let presence = Presence::start(setup).map_err(StartError::System)?;
        start_webhooks(config, &webhooks, &presence)?;
        let log_ids = LogIds::draw(config.log.identities).map_err(StartError::Random)?;
        let inside = Inside { presence: &presence, meters, webhooks: webhooks.clone(), log_ids };
        let api = api_of(config, mode, inside);
        let signer = Arc::new(Signer::new(mode.secret()));
        let mut router = server::router(presence.clone()).merge(assets::sdk_scripts());
        router = router.merge(api::routes::router(api.clone()));
        if mode.is_dev() {
            let policy = presence.origins();
            router = router.merge(dev::router(dev::DevTokens { signer: Arc::clone(&signer), policy }));
        }
        if let Some(guests) = assemble::guests(config, mode) {
            router = router.merge(guest_route::router(guests, presence.clone()));
        }
        let shutdown_grace = config.server.shutdown_grace;
        Ok(Self { presence, around, api, webhooks, signer, events, router, shutdown_grace })
    }

    /// All routes: `/ws` and what speaks the same without WebSocket, `/sdk.js`, the HTTP API. To merge into the program's own,
    /// or to nest below a path: the `sdk.js` below it knows where it is. What is at no address is for the program to answer.
    ///
    /// What is counted by address needs the addresses: serve the program's router with
    /// `into_make_service_with_connect_info::<SocketAddr>()`.
    pub fn router(&self) -> Router {
        self.whole_router().reset_fallback()
    }

    /// As [`Self::router`], with an answer for what is at no address.
    pub(crate) fn whole_router(&self) -> Router {
        self.router.clone()
    }

    /// A token for a user, whom the program has to know by itself: the answer of a route that pages name as `auth` of
    /// `connect`. It gives no room until one is named.
    pub fn token(&self, user: &str) -> NewToken {
        NewToken::new(Arc::clone(&self.signer), user)
    }

    /// The viewers of a room, by joined time, then user id, and how many there are; at most `viewers_max` of them. A room that
    /// nobody is in has none. O(viewers).
    ///
    /// # Errors
    /// Where the room has no good name.
    pub async fn viewers(&self, room: &str, viewers_max: usize) -> Result<(Vec<Viewer>, Count), IdError> {
        let room = RoomId::parse(room)?;
        let partition = Partition::of(&room);
        let page = self.presence.look(partition, move |hub| hub.page(&room, None, viewers_max)).await;
        Ok(page.map_or_else(Default::default, |page| (page.viewers, page.count)))
    }

    /// Tells who is in a room of something that happened in the program; `room.onMessage(event)` hears it in pages. Told once,
    /// to who is connected now; not stored.
    ///
    /// # Errors
    /// See [`PublishError`]; then nobody was told.
    pub async fn publish(&self, room: &str, event: &str, data: &impl Serialize) -> Result<(), PublishError> {
        let room = RoomId::parse(room).map_err(PublishError::Room)?;
        let data = serde_json::to_string(data).map_err(PublishError::Data)?;
        self.presence.publish(room, event, &data).await.map_err(PublishError::Refused)
    }

    /// Puts a user out of a room, with all their sessions; they may come back after `block`, or at once without it.
    ///
    /// # Errors
    /// Where one of the two has no good name.
    pub async fn kick(&self, room: &str, user: &str, block: Option<Duration>) -> Result<(), IdError> {
        let (room, user) = (RoomId::parse(room)?, UserId::parse(user)?);
        self.presence.kick(room, user, block).await;
        Ok(())
    }

    /// Who comes, goes and begins to type, in all rooms, from now on.
    pub fn events(&self) -> Events {
        Events::new(self.events.subscribe())
    }

    /// Ends streams and long polls, which a stop of the listener would otherwise wait for, closes connections with 1001 and
    /// waits until they are gone, `server.shutdown_grace` at the most. To be called when the listener is to stop.
    pub async fn stop(&self) {
        self.end_requests();
        self.drain().await;
    }

    /// The first half of [`Self::stop`].
    pub(crate) fn end_requests(&self) {
        self.presence.end_requests(self.shutdown_grace);
        // Their streams would otherwise be waited for.
        self.api.close();
    }

    /// The second half of [`Self::stop`].
    pub(crate) async fn drain(&self) {
        self.presence.drain(self.shutdown_grace).await;
        self.webhooks.close().await;
    }

    /// Its HTTP API.
    pub(crate) fn api(&self) -> &Api {
        &self.api
    }

    /// Its presence, for what is not offered here.
    pub fn presence(&self) -> &Presence {
        &self.presence
    }

    /// Who is told of joins and leaves by HTTP.
    pub fn webhooks(&self) -> &Webhooks {
        &self.webhooks
    }

    /// What stays the same while its configuration changes.
    pub fn around(&self) -> &Surroundings {
        &self.around
    }
}

/// What an API is made from besides the configuration.
struct Inside<'a> {
    presence: &'a Presence,
    meters: Arc<Meters>,
    webhooks: Webhooks,
    log_ids: LogIds,
}

fn start_webhooks(config: &Config, webhooks: &Webhooks, presence: &Presence) -> Result<(), StartError> {
    let Some(settings) = assemble::webhooks(config).map_err(StartError::Assemble)? else { return Ok(()) };
    let (spool, events_max) = (config.webhooks.spool_path(), config.webhooks.spool_events);
    let start = Start { settings, spool, events_max, presence: presence.downgrade() };
    webhooks.start(start).map_err(StartError::Webhooks)
}

fn api_of(config: &Config, mode: &Mode, inside: Inside<'_>) -> Api {
    let Inside { presence, meters, webhooks, log_ids } = inside;
    Api::new(ApiSetup {
        presence: presence.clone(),
        signer: Signer::new(mode.secret()),
        keys: config.auth.api_keys.clone(),
        has_public_metrics: config.api.public_metrics.unwrap_or(mode.is_dev()),
        hosted_max: config.api.hosted_viewers,
        streams_per_address: config.api.streams_per_address,
        log_ids,
        meters,
        webhooks,
    })
}

fn settings(config: &Config) -> Settings {
    Settings {
        shards: config.shard_count(),
        limits: config.hub_limits(),
        rhythm: Rhythm {
            ping_interval: config.presence.ping_interval,
            pong_timeout: config.presence.pong_timeout,
            request_lease: config.presence.request_lease,
            auth_timeout: config.auth.first_frame_timeout,
            drain_timeout: config.limits.drain_timeout,
        },
        frame_bytes_max: u32::try_from(config.limits.frame_bytes).unwrap_or(u32::MAX),
        outbox_bytes_max: config.limits.outbox_bytes,
        rates: config.limits.rates,
        cookie_name: config.auth.cookie_name.clone(),
        resume_window: config.presence.resume_window,
        handshakes_per_address: config.limits.handshakes_per_address,
        memory_bytes: config.limits.memory,
        trusted_proxies: config.server.trusted_proxies.clone(),
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("connections", &self.presence.connections()).finish_non_exhaustive()
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(error) => write!(f, "{error}"),
            Self::Random(_) => write!(f, "the system gives no random bytes"),
            Self::System(_) => write!(f, "the system gives no random bytes or no thread"),
            Self::Assemble(error) => write!(f, "{error}"),
            Self::Webhooks(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Secret(_) => None,
            Self::Random(error) => Some(error),
            Self::System(error) => Some(error),
            Self::Assemble(error) => std::error::Error::source(error),
            Self::Webhooks(error) => std::error::Error::source(error),
        }
    }
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Room(error) => write!(f, "the name of the room {error}"),
            Self::Data(_) => write!(f, "the data cannot be written as JSON"),
            Self::Refused(problem) => write!(f, "{}", problem.message()),
        }
    }
}

impl std::error::Error for PublishError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Data(error) => Some(error),
            Self::Room(_) | Self::Refused(_) => None,
        }
    }
}
