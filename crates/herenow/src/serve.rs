//! `herenow serve`: from a configuration to a running server, and to its end.
use crate::{
    admin_route,
    api::{
        self,
        invitation::Invitation,
        meters::Meters,
        state::{Api, ApiSetup},
    },
    assemble::{self, AssembleError, Surroundings},
    assets,
    auth::{api_key::KeyRights, authority::Authority, dev, mint::Signer},
    banner,
    clock::Clock,
    config::{mode::Mode, settings::Config},
    demo::{self, Demo, error::DemoError},
    doors::Doors,
    guest_route,
    heartbeat::Rhythm,
    presence::{Presence, PresenceSetup, Settings},
    problem::Problem,
    server::{self, Entrance},
    shard::NoticeSink,
    tls::Certified,
};
use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use herenow_core::{event::Notice, id::RoomId, time::Time};
use std::{fmt, io, net::SocketAddr, path::Path, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::mpsc};

/// Why the server did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServeError {
    /// The address is taken, not ours, or not allowed.
    Listen {
        /// Which.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// The system gives no random bytes.
    Random(getrandom::Error),
    /// The configuration cannot be gone by.
    Assemble(AssembleError),
    /// Signals cannot be listened to.
    Signal(io::Error),
}

/// A server that listens, and has not begun to serve.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    presence: Presence,
    around: Surroundings,
    router: Router,
    demo: Option<Demo>,
    api: Api,
    doors: Arc<Doors>,
    code: Option<String>,
    shutdown_grace: Duration,
}

impl Server {
    /// Starts the presence and binds the address, on the runtime of the caller.
    ///
    /// # Errors
    /// See [`ServeError`].
    pub async fn bind(config: &Config, mode: &Mode, notices: NoticeSink) -> Result<Self, ServeError> {
        let address = config.server.listen;
        let listen_error = |error| ServeError::Listen { address, error };
        let listener = TcpListener::bind(address).await.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let meters = Arc::<Meters>::default();
        let (counted, told) = (Arc::clone(&meters), notices);
        let notices = Arc::new(move |now: Time, notice: &Notice| {
            counted.note(notice);
            told(now, notice);
        });
        let around = Surroundings::new();
        let certified =
            Certified::read(&config.tls).map_err(|error| ServeError::Assemble(AssembleError::Tls(error)))?;
        around.tls.show(certified);
        let authority = assemble::authority(config, mode, &around, None).map_err(ServeError::Assemble)?;
        let presence = presence(config, mode, Parts { authority, around: around.clone(), notices });
        let presence = presence.map_err(ServeError::Random)?;
        let (code, invitation) = invitation(config, mode, around.clock).map_err(ServeError::Random)?.unzip();
        let api = api(config, mode, Inside { presence: &presence, meters, invitation });
        let mut router = server::router(presence.clone()).merge(assets::sdk_scripts());
        router = router.merge(api::routes::router(api.clone()));
        if config.api.admin_page {
            router = router.merge(admin_route::router(api.clone()));
        }
        if mode.is_dev() {
            let policy = presence.origins();
            router = router.merge(dev::router(dev::DevTokens { signer: Arc::new(Signer::new(mode.secret())), policy }));
        }
        if let Some(guests) = assemble::guests(config, mode) {
            router = router.merge(guest_route::router(guests, presence.clone()));
        }
        let shutdown_grace = config.server.shutdown_grace;
        let doors = Doors::new(config.limits.half_open_per_address, config.server.trusted_proxies.clone());
        Ok(Self { listener, address, presence, around, router, demo: None, api, doors, code, shutdown_grace })
    }

    /// Where it listens: the port is the real one where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What opens the operators' page once, where no configured key does; for whoever starts the server.
    pub fn admin_code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Its presence.
    pub fn presence(&self) -> &Presence {
        &self.presence
    }

    /// What stays the same while its configuration changes.
    pub fn around(&self) -> &Surroundings {
        &self.around
    }

    /// Adds routes.
    #[must_use]
    pub fn with_routes(mut self, routes: Router) -> Self {
        self.router = self.router.merge(routes);
        self
    }

    /// Adds the demo, its boards in a file or, without one, in memory. What changes on a board is told in its room, too.
    ///
    /// # Errors
    /// As [`Demo::open`].
    pub fn with_demo(mut self, database: Option<&Path>) -> Result<Self, DemoError> {
        let (sender, mut changes) = mpsc::channel::<(RoomId, String, String)>(DEMO_CHANGES_MAX);
        let demo = Demo::open(database, move |board, event, data| {
            let Ok(room) = RoomId::parse(board) else { return };
            if sender.try_send((room, event.to_owned(), data.to_string())).is_err() {
                tracing::warn!(board, event, "presence is too busy to be told of a change of the demo");
            }
        })?;
        let presence = self.presence.clone();
        tokio::spawn(async move {
            while let Some((room, event, data)) = changes.recv().await {
                if let Err(problem) = presence.publish(room, &event, &data).await {
                    tracing::warn!(event, problem = problem.message(), "a change of the demo cannot be told");
                }
            }
        });
        let mut routes = demo::router(demo.clone());
        if self.presence.origins().is_dev {
            // A name that an attacker points at this machine must not reach the boards either.
            routes = routes.layer(middleware::from_fn_with_state(self.presence.clone(), guard_dev));
        }
        self.router = self.router.merge(routes);
        self.demo = Some(demo);
        Ok(self)
    }

    /// Serves until `stop` is done, then drains: clients are told to come back, and given time to say goodbye.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let (demo, api, presence, grace) = (self.demo, self.api, self.presence.clone(), self.shutdown_grace);
        let stop = async move {
            stop.await;
            presence.end_requests(grace);
            // Their streams would otherwise be waited for.
            api.close();
            if let Some(demo) = demo {
                demo.close();
            }
        };
        let entrance =
            Entrance { listener: self.listener, router: self.router, tls: self.around.tls, doors: self.doors };
        server::serve(entrance, stop).await;
        self.presence.drain(self.shutdown_grace).await;
    }
}

/// Waits for SIGTERM or SIGINT.
///
/// # Errors
/// Where the system does not let the process listen to them.
pub fn stop_signal() -> Result<impl Future<Output = ()>, ServeError> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Signal)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: clients are told to come back");
    })
}

/// Listens to SIGHUP, which asks to read the configuration anew.
///
/// # Errors
/// Where the system does not let the process listen to it.
pub fn reload_signal() -> Result<tokio::signal::unix::Signal, ServeError> {
    use tokio::signal::unix::{SignalKind, signal};
    signal(SignalKind::hangup()).map_err(ServeError::Signal)
}

async fn guard_dev(State(presence): State<Presence>, request: Request, next: Next) -> Response {
    match presence.origins().check_dev(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(error) => Problem::from(error).into_response(),
    }
}

/// What an API is made from besides the configuration.
struct Inside<'a> {
    presence: &'a Presence,
    meters: Arc<Meters>,
    invitation: Option<Invitation>,
}

/// The one-time link to the operators' page, where it would not open otherwise: dev mode without keys needs none.
fn invitation(config: &Config, mode: &Mode, clock: Clock) -> Result<Option<(String, Invitation)>, getrandom::Error> {
    let keys = &config.auth.api_keys;
    let has_key = keys.iter().any(|key| key.rights.contains(KeyRights::OPERATOR));
    let is_open = mode.is_dev() && keys.is_empty();
    if !config.api.admin_page || has_key || is_open {
        return Ok(None);
    }
    Invitation::draw(clock.now()).map(Some)
}

fn api(config: &Config, mode: &Mode, inside: Inside<'_>) -> Api {
    let Inside { presence, meters, invitation } = inside;
    Api::new(ApiSetup {
        presence: presence.clone(),
        signer: Signer::new(mode.secret()),
        keys: config.auth.api_keys.clone(),
        has_public_metrics: config.api.public_metrics.unwrap_or(mode.is_dev()),
        hosted_max: config.api.hosted_viewers,
        streams_per_address: config.api.streams_per_address,
        invitation,
        meters,
    })
}

/// What a presence is made from besides the configuration.
struct Parts {
    authority: Authority,
    around: Surroundings,
    notices: NoticeSink,
}

fn presence(config: &Config, mode: &Mode, parts: Parts) -> Result<Presence, getrandom::Error> {
    let settings = Settings {
        shards: config.shard_count(),
        limits: config.hub_limits(),
        rhythm: Rhythm {
            ping_interval: config.presence.ping_interval,
            pong_timeout: config.presence.pong_timeout,
            request_lease: config.presence.request_lease,
            auth_timeout: config.auth.first_frame_timeout,
            drain_timeout: DRAIN_TIMEOUT,
        },
        frame_bytes_max: u32::try_from(config.limits.frame_bytes).unwrap_or(u32::MAX),
        outbox_bytes_max: config.limits.outbox_bytes,
        rates: config.limits.rates,
        cookie_name: config.auth.cookie_name.clone(),
        resume_window: config.presence.resume_window,
        handshakes_per_address: config.limits.handshakes_per_address,
        trusted_proxies: config.server.trusted_proxies.clone(),
    };
    let Parts { authority, around: Surroundings { clock, revoked, .. }, notices } = parts;
    let origins = assemble::origins(config, mode);
    Presence::start(PresenceSetup { settings, authority, revoked, origins, clock, notices })
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen { address, error } if error.kind() == io::ErrorKind::AddrInUse => write!(
                f,
                "{address} is taken by another program (another herenow?); choose another address with --listen, for \
                 example --listen {}:0 for any free port",
                banner::host(*address)
            ),
            Self::Listen { address, .. } => {
                write!(f, "cannot listen on {address}; choose another address with --listen")
            }
            Self::Random(_) => write!(f, "the system gives no random bytes"),
            Self::Assemble(error) => write!(f, "{error}"),
            Self::Signal(_) => write!(f, "cannot listen to signals"),
        }
    }
}

impl std::error::Error for ServeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Listen { error, .. } if error.kind() == io::ErrorKind::AddrInUse => None,
            Self::Listen { error, .. } | Self::Signal(error) => Some(error),
            Self::Random(error) => Some(error),
            Self::Assemble(error) => std::error::Error::source(error),
        }
    }
}

/// Changes of the demo that wait to be told in their rooms.
const DEMO_CHANGES_MAX: usize = 1024;
/// How long a client may take nothing of what waits for it.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
