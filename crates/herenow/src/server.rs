//! The HTTP side of the process: which routes there are, and the loop that accepts connections.
use crate::{
    cut::Cut,
    doors::{Doors, Knock},
    handover::{Handover, Lent, StaysOpen},
    patience,
    pour::Pouring,
    presence::Presence,
    problem::Problem,
    tls::Tls,
    transport::{http as without_ws, ws},
};
use axum::{Router, body::Body, extract::ConnectInfo, routing::any};
use http::{Method, Request, StatusCode, Version};
use hyper::{
    body::{Body as _, Incoming},
    server::conn::http1,
};
use hyper_util::rt::{TokioIo, TokioTimer};
#[cfg(any(target_os = "android", target_os = "linux"))]
use socket2::SockRef;
use std::{
    convert::Infallible,
    future::{Future, pending, poll_fn},
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::Instant,
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

/// The routes of connections: `/ws`, and what speaks the same without WebSocket. Further routers are merged in by whoever builds
/// the server.
pub fn router(presence: Presence) -> Router {
    Router::new()
        .route("/ws", any(ws::upgrade))
        .with_state(presence.clone())
        .merge(without_ws::router(presence))
        .fallback(|| async {
            Problem::new(StatusCode::NOT_FOUND, "http.not_found", "there is nothing at this address")
                .hint("the addresses of this server are printed when it starts")
        })
}

/// Where connections come in, and what they meet.
#[derive(Debug)]
pub struct Entrance {
    /// Where they are accepted.
    pub listener: TcpListener,
    /// What answers their requests.
    pub router: Router,
    /// What they speak.
    pub tls: Tls,
    /// Who has not said yet what they want.
    pub doors: Arc<Doors>,
}

/// Serves HTTP/1.1 with upgrades until `stop` is done; then takes no more connections, lets requests that are under way
/// finish, and returns. Upgraded connections are not waited for: draining them is for [`Presence::drain`].
pub async fn serve(entrance: Entrance, stop: impl Future<Output = ()>) {
    let Entrance { listener, router, tls, doors } = entrance;
    let (stopping, watched) = watch::channel(());
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = until(doors.next_due()) => {
                doors.cut_late(Instant::now());
                continue;
            }
            () = &mut stop => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                rest_after(&error).await;
                continue;
            }
        };
        // Presence is small frames that must not wait for company. A socket that refuses this is as good as gone.
        let _ = stream.set_nodelay(true);
        patience::end_when_unacknowledged(&stream, Some(UNACKNOWLEDGED_MAX));
        #[cfg(any(target_os = "android", target_os = "linux"))]
        let _ = SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_BYTES_MAX);
        let cut = Cut::default();
        let knock = doors.knock(peer.ip(), &cut, Instant::now());
        let visit = Visit { router: router.clone(), peer, cut, knock, stopped: watched.clone() };
        // Two tasks, so that the one without TLS has no room for it.
        match tls.acceptor() {
            None => drop(tokio::spawn(visit.serve(stream))),
            Some(acceptor) => drop(tokio::spawn(visit.serve_tls(acceptor, stream))),
        }
    }
    drop(listener);
    drop(watched);
    stopping.send_replace(());
    // Who does not finish by then is cut off with the process.
    let _ = tokio::time::timeout(FINISH_TIMEOUT, stopping.closed()).await;
}

/// One connection over which HTTP is spoken.
struct Visit {
    router: Router,
    peer: SocketAddr,
    cut: Cut,
    /// Held until it has said what it wants.
    knock: Knock,
    stopped: watch::Receiver<()>,
}

impl Visit {
    async fn serve_tls(self, acceptor: TlsAcceptor, stream: TcpStream) {
        let agreed = tokio::select! {
            agreed = acceptor.accept(stream) => agreed,
            () = self.cut.is_wanted() => return tracing::debug!("a client was too slow for TLS"),
        };
        match agreed {
            // In a box, because what the handshake needed is more than what is left to do.
            Ok(stream) => Box::pin(self.serve(stream)).await,
            Err(error) => tracing::debug!(%error, "a client and this server agree on no TLS"),
        }
    }

    /// Has hyper serve it, and whoever gets it from hyper: a WebSocket by an upgrade, a response that stays open by a
    /// handover.
    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
        let Self { router, peer, cut, knock, mut stopped } = self;
        let (cutting, knock, handover) = (cut.clone(), Mutex::new(Some(knock)), Handover::default());
        let lent = Lent::new(stream, handover.clone());
        let wanting = handover.clone();
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            drop(knock.lock().unwrap_or_else(PoisonError::into_inner).take());
            // What can be answered in chunks, and is whole with its head.
            let is_plain = request.method() == Method::GET && request.version() == Version::HTTP_11;
            let may_stay = is_plain && request.body().is_end_stream();
            request.extensions_mut().insert(cut.clone());
            request.extensions_mut().insert(ConnectInfo(peer));
            // A router is always ready.
            let answered = router.clone().oneshot(request.map(Body::new));
            let wanting = wanting.clone();
            async move {
                let response = answered.await?;
                if may_stay && response.extensions().get::<StaysOpen>().is_some() {
                    wanting.want(response);
                    // Hyper is dropped before it could hear of it.
                    return pending().await;
                }
                Ok::<_, Infallible>(response)
            }
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(HEADER_BYTES_MAX);
        {
            let connection = http.serve_connection(TokioIo::new(lent), service).with_upgrades();
            let mut connection = std::pin::pin!(connection);
            let mut is_stopping = false;
            loop {
                let served = poll_fn(|cx| match connection.as_mut().poll(cx) {
                    Poll::Pending if handover.is_due() => Poll::Ready(Ok(())),
                    polled => polled,
                });
                tokio::select! {
                    served = served => {
                        if let Err(error) = served {
                            tracing::debug!(%error, "http connection ended");
                        }
                        break;
                    }
                    () = cutting.is_wanted() => return,
                    _ = stopped.changed(), if !is_stopping => {
                        is_stopping = true;
                        connection.as_mut().graceful_shutdown();
                    }
                }
            }
        }
        if let Some((stream, response)) = handover.take() {
            let mut pouring = Pouring::new(stream, response);
            // A task of its own, so that what hyper needed is not kept for as long as the reader stays.
            tokio::spawn(async move {
                // Who stops the server waits until this is gone.
                let _stopped = &stopped;
                let poured = tokio::select! {
                    poured = &mut pouring => poured,
                    () = cutting.is_wanted() => return,
                };
                if let Err(error) = poured {
                    tracing::debug!(%error, "a response that stays open has broken");
                }
            });
        }
    }
}

/// Waits until then; for ever without a time.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => pending().await,
    }
}

/// Waits a little where accepting failed for want of something, such as files that may be open: those who are connected
/// are served on, and the others get their turn when something is free.
async fn rest_after(error: &io::Error) {
    let of_peer = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    );
    if of_peer {
        return;
    }
    tracing::warn!(%error, "cannot accept connections for now; is the limit on open files (ulimit -n) reached?");
    tokio::time::sleep(ACCEPT_REST).await;
}

/// Unsent bytes that a socket takes, about. By itself the system takes megabytes for who reads slowly: they would be
/// minutes old when read, where the outbox tells less and heals it by one roster; and it would say that there is room
/// again so late that a peer who does read seems to take nothing. It says so at half of this, which 1 kB a second reaches
/// well within the 30 s in which a peer has to take something.
#[cfg(any(target_os = "android", target_os = "linux"))]
const UNSENT_BYTES_MAX: u32 = 32 * 1024;
/// How long a client may take for the head of a request after its first; for that, see [`Doors::KNOCK_TIMEOUT`].
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of the head of a request.
const HEADER_BYTES_MAX: usize = 16 * 1024;
/// How long a client may not acknowledge what it was sent. A stream of events has no other sign that its reader is there; with
/// a comment each 15 s, who is gone without a word is known to be within 30 s.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(15);
const ACCEPT_REST: Duration = Duration::from_millis(100);
/// How long requests under way may take at the end.
const FINISH_TIMEOUT: Duration = Duration::from_secs(2);
