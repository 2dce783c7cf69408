//! `herenow serve`: from a configuration to a running server, and to its end.
use crate::{
    admin_route,
    assemble::{AssembleError, Surroundings},
    auth::api_key::KeyRights,
    banner,
    config::{mode::Mode, settings::Config},
    demo::{self, Demo, error::DemoError},
    doors::Doors,
    embed::{Embedded, StartError},
    presence::Presence,
    problem::Problem,
    restart_route::{self, Restart},
    server::{self, Entrance},
    shard::NoticeSink,
    tls::Certified,
    webhooks::handle::Webhooks,
};
use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use herenow_core::id::RoomId;
use std::{fmt, io, net::SocketAddr, path::Path, sync::Arc};
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
    /// The presence cannot be started.
    Start(StartError),
    /// Signals cannot be listened to.
    Signal(io::Error),
}

/// A server that listens, and has not begun to serve.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    embedded: Embedded,
    router: Router,
    demo: Option<Demo>,
    doors: Arc<Doors>,
    restart: Restart,
    /// What opens the operators' page once.
    code: Option<String>,
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
        let embedded = Embedded::start(config, mode, notices).map_err(ServeError::Start)?;
        let certified = Certified::read(&config.tls).map_err(|error| start_error(AssembleError::Tls(error)))?;
        embedded.around().tls.show(certified);
        let mut router = embedded.whole_router();
        let mut code = None;
        if config.api.admin_page {
            let api = embedded.api();
            if !opens_without_link(config, mode) {
                code = Some(api.invite().map_err(|error| ServeError::Start(StartError::Random(error)))?);
            }
            router = router.merge(admin_route::router(api.clone()));
        }
        let doors = Doors::new(config.limits.half_open_per_address, config.server.trusted_proxies.clone());
        Ok(Self { listener, address, embedded, router, demo: None, doors, restart: Restart::default(), code })
    }

    /// Where it listens: the port is the real one where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What opens the operators' page once, where no configured key does; for whoever starts the server.
    pub fn admin_code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Whether it is to be started anew when it has ended: a page of the demo may ask for it in dev mode.
    pub fn restart(&self) -> Restart {
        self.restart.clone()
    }

    /// Its presence.
    pub fn presence(&self) -> &Presence {
        self.embedded.presence()
    }

    /// What stays the same while its configuration changes.
    pub fn around(&self) -> &Surroundings {
        self.embedded.around()
    }

    /// Its webhooks.
    pub fn webhooks(&self) -> &Webhooks {
        self.embedded.webhooks()
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
        let presence = self.presence().clone();
        tokio::spawn(async move {
            while let Some((room, event, data)) = changes.recv().await {
                if let Err(problem) = presence.publish(room, &event, &data).await {
                    tracing::warn!(event, problem = problem.message(), "a change of the demo cannot be told");
                }
            }
        });
        let mut routes = demo::router(demo.clone());
        if self.presence().origins().is_dev {
            routes = routes.merge(restart_route::router(self.restart.clone()));
            // A name that an attacker points at this machine must not reach the boards either.
            routes = routes.layer(middleware::from_fn_with_state(self.presence().clone(), guard_dev));
        }
        self.router = self.router.merge(routes);
        self.demo = Some(demo);
        Ok(self)
    }

    /// Serves until `stop` is done or a restart is asked for, then drains: clients are told to come back, and given time to say goodbye.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let (demo, embedded, restart) = (self.demo, self.embedded.clone(), self.restart);
        let stop = async move {
            tokio::select! {
                () = stop => {}
                () = restart.asked() => tracing::info!("starting anew, as a page of the demo asked"),
            }
            embedded.end_requests();
            if let Some(demo) = demo {
                demo.close();
            }
        };
        let tls = self.embedded.around().tls.clone();
        let entrance = Entrance { listener: self.listener, router: self.router, tls, doors: self.doors };
        server::serve(entrance, stop).await;
        self.embedded.drain().await;
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

/// Whether the operators' page opens without the one-time link: with a configured key, or in dev mode without one.
fn opens_without_link(config: &Config, mode: &Mode) -> bool {
    let keys = &config.auth.api_keys;
    keys.iter().any(|key| key.rights.contains(KeyRights::OPERATOR)) || (mode.is_dev() && keys.is_empty())
}

fn start_error(error: AssembleError) -> ServeError {
    ServeError::Start(StartError::Assemble(error))
}

async fn guard_dev(State(presence): State<Presence>, request: Request, next: Next) -> Response {
    match presence.origins().check_dev(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(error) => Problem::from(error).into_response(),
    }
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
            Self::Start(error) => write!(f, "{error}"),
            Self::Signal(_) => write!(f, "cannot listen to signals"),
        }
    }
}

impl std::error::Error for ServeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Listen { error, .. } if error.kind() == io::ErrorKind::AddrInUse => None,
            Self::Listen { error, .. } | Self::Signal(error) => Some(error),
            Self::Start(error) => std::error::Error::source(error),
        }
    }
}

/// Changes of the demo that wait to be told in their rooms.
const DEMO_CHANGES_MAX: usize = 1024;
