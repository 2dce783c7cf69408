//! Clients that read slower than a busy room talks: bounded, healed by one roster, and nobody else's trouble.
use crate::common::{LIMIT, SHARDS, TestServer, name, token};
use axum::{Router, body::Body};
use futures_util::{SinkExt, StreamExt};
use herenow::{config::settings::Config, rate::RateLimits};
use herenow_client::{
    client::{Client, Synced},
    detail::Point,
    frame::{Roster, ServerFrame},
    request::Join,
    roster::{Outcome, RoomState},
};
use http::Request;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpSocket,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest},
};
use tower::ServiceExt;

pub const ROOM: &str = "busy";
/// Bytes that may wait for a client here.
pub const OUTBOX: usize = 32 << 10;

/// A stream that hands out at most 1 kB at a time, and counts.
struct Sip<S> {
    stream: S,
    bytes: usize,
}

impl<S: AsyncRead + Unpin> AsyncRead for Sip<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut sip = [0; 1024];
        let most = buffer.remaining().min(sip.len());
        let mut sip = ReadBuf::new(&mut sip[..most]);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut sip))?;
        self.bytes += sip.filled().len();
        buffer.put_slice(sip.filled());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Sip<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A native client that reads in sips, and only when it is asked to.
struct Slow<S>(WebSocketStream<Sip<S>>);

impl<S: AsyncRead + AsyncWrite + Unpin> Slow<S> {
    async fn open(stream: S, user: &str) -> Self {
        let mut request = format!("ws://localhost/ws?token={}", token(user)).into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "herenow.v1".parse().unwrap());
        let (socket, _) = tokio_tungstenite::client_async(request, Sip { stream, bytes: 0 }).await.unwrap();
        let mut slow = Self(socket);
        let ServerFrame::Welcome(welcome) = slow.hear().await else { panic!("no welcome") };
        assert_eq!(welcome.user.name, name(user));
        slow
    }

    async fn say(&mut self, frame: Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    async fn hear(&mut self) -> ServerFrame {
        loop {
            match tokio::time::timeout(LIMIT, self.0.next()).await.expect("something has to come") {
                Some(Ok(Message::Text(text))) => return ServerFrame::parse(&text).unwrap(),
                Some(Ok(Message::Ping(_))) => {}
                other => panic!("no text: {other:?}"),
            }
        }
    }

    fn bytes_read(&self) -> usize {
        self.0.get_ref().bytes
    }

    /// Joins the busy room and asks for all that there is.
    async fn join(&mut self) -> RoomState {
        self.say(json!({"type":"join","room":ROOM,"interest":"full","sessions":true,"id":1})).await;
        let mut state = RoomState::new(ROOM);
        while state.version().is_none() {
            state.apply(&self.hear().await);
        }
        state
    }

    /// Reads all there is until the marker; how many rosters there were, and how many other frames.
    async fn catch_up(&mut self, state: &mut RoomState, marker: u64) -> (usize, usize) {
        let (mut rosters, mut others) = (0, 0);
        loop {
            let frame = self.hear().await;
            if matches!(&frame, ServerFrame::Message(message) if message.data["n"] == marker) {
                return (rosters, others);
            }
            match state.apply(&frame) {
                Outcome::Gap { have, from } => panic!("a diff from {from} came at {have:?}"),
                Outcome::Contradiction { user } => panic!("contradicted about {user}: {frame:?}"),
                Outcome::Synced(_) => rosters += 1,
                _ => others += 1,
            }
        }
    }
}

pub fn busy(config: &mut Config) {
    config.limits.outbox_bytes = OUTBOX;
    config.limits.rates = RateLimits { message: 0, typing: 0, cursor: 0, update: 0, other: 0 };
}

/// One end of a pipe in this process, which holds `bytes` in each direction; the server has the other.
fn piped(server: &TestServer, bytes: usize) -> tokio::io::DuplexStream {
    piped_by(herenow::server::router(server.presence.clone()), bytes)
}

/// The same, by a router that may serve others as well.
pub fn piped_by(router: Router, bytes: usize) -> tokio::io::DuplexStream {
    let (ours, theirs) = tokio::io::duplex(bytes);
    let service =
        hyper::service::service_fn(move |request: Request<Incoming>| router.clone().oneshot(request.map(Body::new)));
    tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(theirs), service).with_upgrades());
    ours
}

/// Keeps a room busy: people come and go, states of 2 kB change, pointers move, locks pass, somebody types.
pub async fn make_busy(server: &TestServer, clients: &[Client], rounds: usize) {
    let about = "x".repeat(2000);
    for round in 0..rounds {
        let client = &clients[round % clients.len()];
        client.update(ROOM, json!({"round":round,"about":about}).as_object().unwrap()).await.unwrap();
        let at = Point { x: 0.5, y: (round % 100) as f64 / 100.0, on: None };
        client.cursor(ROOM, Some(&at)).await.unwrap();
        match round % 5 {
            0 => drop(client.leave(ROOM).await.unwrap()),
            1 => drop(client.lock(ROOM, "card", false).await.unwrap()),
            2 => drop(client.typing(ROOM, Some("title")).await.unwrap()),
            3 => {
                let (guest, _) = server.native(&format!("guest-{round}")).await;
                guest.join(ROOM).await.unwrap();
                guest.close(Some(1000)).await;
            }
            _ => drop(client.unlock(ROOM, "card").await),
        }
        if round % 5 == 0 {
            client.join(ROOM).await.unwrap();
        }
    }
}

/// What the room is, as one is told who comes new.
pub async fn truth(client: &Client) -> Roster {
    let all = Join { interest: Some("full".into()), sessions: true, ..Join::default() };
    match client.join_as(ROOM, &all).await {
        Ok(Synced::Roster(roster)) => roster,
        other => panic!("no roster: {other:?}"),
    }
}

pub fn assert_same(state: &RoomState, roster: Roster) {
    let mut fresh = RoomState::new(ROOM);
    fresh.apply(&ServerFrame::Roster(roster));
    assert_eq!(state.user_ids(), fresh.user_ids());
    assert!(state.viewers() == fresh.viewers(), "the same users in another state");
    assert!(state.sessions() == fresh.sessions(), "other sessions");
    assert_eq!((state.typing(), state.locks()), (fresh.typing(), fresh.locks()));
    assert_eq!((state.version(), state.count()), (fresh.version(), fresh.count()));
}

/// A busy room, and the clients that make it so; each hears all of it.
pub async fn busy_clients(server: &TestServer) -> Vec<Client> {
    let mut clients = Vec::new();
    for n in 0..8 {
        let (client, events) = server.native(&format!("user-{n}")).await;
        drop(events);
        client.join(ROOM).await.unwrap();
        clients.push(client);
    }
    clients
}

/// Makes the room busy while the slow one does not read, then has it read to the end, and compares. Whoever else is there
/// is answered all the time. Says how many bytes waited for the slow one.
async fn falls_behind_and_heals<S: AsyncRead + AsyncWrite + Unpin>(
    server: &TestServer,
    mut slow: Slow<S>,
    rounds: usize,
) -> usize {
    let mut clients = busy_clients(server).await;
    let (witness, _) = server.native("witness").await;
    witness.join(ROOM).await.unwrap();
    let mut state = slow.join().await;
    let before = slow.bytes_read();
    let began = Instant::now();
    make_busy(server, &clients, rounds).await;
    witness.ping().await.unwrap();
    let took = began.elapsed();
    // The last of those who made it busy is asked for what is true; all is quiet now.
    let last = clients.pop().unwrap();
    let own = truth(&last).await;
    assert!(took / (rounds as u32) < Duration::from_millis(100), "{took:?} for {rounds} rounds");
    let mut waited = 0;
    let mut rosters = 0;
    while rosters == 0 {
        let frame = slow.hear().await;
        match state.apply(&frame) {
            Outcome::Gap { have, from } => panic!("a diff from {from} came at {have:?}"),
            Outcome::Contradiction { user } => panic!("contradicted about {user}"),
            Outcome::Synced(_) => rosters += 1,
            _ => waited = slow.bytes_read() - before,
        }
    }
    // A pointer or two may come after it, but no second roster.
    server.mark(ROOM, 1).await;
    assert_eq!(slow.catch_up(&mut state, 1).await.0, 0);
    assert_same(&state, own);
    // And it hears the room as before.
    clients[0].update(ROOM, json!({"after":true}).as_object().unwrap()).await.unwrap();
    let told = clients[1].sync(ROOM, None).await.unwrap();
    server.mark(ROOM, 2).await;
    let (rosters, others) = slow.catch_up(&mut state, 2).await;
    assert!(rosters == 0 && others >= 1, "{rosters} rosters, {others} other frames");
    let Synced::Roster(told) = told else { panic!("no roster") };
    assert_eq!(state.version(), Some(&told.v));
    waited
}

#[tokio::test]
async fn who_reads_a_pipe_in_sips_never_has_more_waiting_than_allowed_and_is_healed_by_one_roster() {
    for bytes in [256, 1024] {
        let server = TestServer::start(|config| {
            busy(config);
            config.server.shards = Some(2);
        });
        let server = server.await;
        let slow = Slow::open(piped(&server, bytes), "slow").await;
        let waited = falls_behind_and_heals(&server, slow, 200).await;
        // What can be missed stops at half of the bound, a turn's worth above that at the most.
        assert!(waited <= OUTBOX + 2 * bytes, "{waited} bytes waited where {OUTBOX} may");
        assert!(waited > OUTBOX / 4, "{waited} bytes: it was not slow");
    }
}

#[tokio::test]
async fn who_reads_a_socket_in_sips_is_healed_by_one_roster() {
    let server = TestServer::start(busy).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let slow = Slow::open(socket.connect(server.address).await.unwrap(), "slow").await;
    // More than the buffers of the system hold on the way.
    falls_behind_and_heals(&server, slow, 3000).await;
}

#[tokio::test]
async fn a_message_is_not_missed_by_who_reads_slowly_but_pointers_and_lists_are() {
    let server = TestServer::start(busy).await;
    let clients = busy_clients(&server).await;
    let mut slow = Slow::open(piped(&server, 512), "slow").await;
    let mut state = slow.join().await;
    for n in 0..40 {
        make_busy(&server, &clients, 5).await;
        clients[0].message(ROOM, "hello", &json!(n)).await.unwrap();
    }
    server.mark(ROOM, 1).await;
    let mut messages = Vec::new();
    loop {
        let frame = slow.hear().await;
        match &frame {
            ServerFrame::Message(message) if message.event == "marker" => break,
            ServerFrame::Message(message) => messages.push(message.data.clone()),
            _ => assert!(!matches!(state.apply(&frame), Outcome::Gap { .. } | Outcome::Contradiction { .. })),
        }
    }
    assert_eq!(messages, (0..40).map(Value::from).collect::<Vec<Value>>());
}

#[tokio::test]
async fn who_reads_in_sips_all_the_time_falls_behind_again_and_again_and_ends_with_the_truth() {
    for shards in SHARDS {
        let server = TestServer::start(|config| {
            busy(config);
            config.limits.outbox_bytes = 8 << 10;
            config.server.shards = Some(shards);
        });
        let server = server.await;
        let clients = busy_clients(&server).await;
        let mut slow = Slow::open(piped(&server, 64), "slow").await;
        let mut state = slow.join().await;
        let busying = async {
            make_busy(&server, &clients, 400).await;
            server.mark(ROOM, 0).await;
        };
        let ((), (rosters, others)) = tokio::join!(busying, slow.catch_up(&mut state, 0));
        assert!(rosters > 1 && others > 1, "{rosters} rosters, {others} other frames: it did not fall behind");
        let own = truth(&clients[7]).await;
        // What it missed last comes once it has read what waits.
        for n in 1..=50 {
            server.mark(ROOM, n).await;
            slow.catch_up(&mut state, n).await;
        }
        assert_same(&state, own);
    }
}
