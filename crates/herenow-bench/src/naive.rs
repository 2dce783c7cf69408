//! The baseline: presence as it is usually written. axum's own WebSocket with its default buffers, a channel and a
//! writer task for each connection, one map of rooms behind a mutex; a broadcast is encoded once and its shared text put
//! into each channel. It speaks the part of the native dialect that the benchmark uses, and does nothing to be slow. It
//! has no grace, no resuming, no heartbeat, no rate limits: it does less than a presence server must.
use crate::token;
use anyhow::{Context, Result};
use axum::{
    Router,
    extract::{
        State, WebSocketUpgrade,
        ws::{CloseFrame, Message, Utf8Bytes, WebSocket},
    },
    response::Response,
    routing::get,
    serve::ListenerExt,
};
use futures_util::{SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::{HashMap, HashSet},
    io::Write,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::{net::TcpListener, sync::mpsc};

/// How to serve.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where.
    pub listen: SocketAddr,
    /// What tokens are signed with.
    pub secret: String,
    /// Bytes of each connection's read buffer; `None` is axum's default, 128 KiB.
    pub read_buffer_bytes: Option<usize>,
}

/// Serves until the process is ended. Says on standard output where, as `http://ADDRESS`.
///
/// # Errors
/// Where it cannot listen.
pub async fn serve(config: Config) -> Result<()> {
    let Config { listen, secret, read_buffer_bytes } = config;
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    writeln!(std::io::stdout(), "naive baseline on http://{}", listener.local_addr()?)?;
    let naive = Naive { rooms: Mutex::default(), sessions: AtomicU64::new(0), secret, read_buffer_bytes };
    let router = Router::new().route("/ws", get(upgrade)).with_state(Arc::new(naive));
    let listener = listener.tap_io(|stream| {
        // Costs latency only.
        let _ = stream.set_nodelay(true);
    });
    Ok(axum::serve(listener, router).await?)
}

struct Naive {
    rooms: Mutex<HashMap<String, Room>>,
    sessions: AtomicU64,
    secret: String,
    read_buffer_bytes: Option<usize>,
}

#[derive(Default)]
struct Room {
    version: u64,
    /// One for each session, oldest first.
    members: Vec<Member>,
}

struct Member {
    session: u64,
    user: User,
    joined_at_ms: u64,
    typing: Vec<Option<String>>,
    outbox: Outbox,
}

type Outbox = mpsc::Sender<Message>;

#[derive(Clone, Serialize)]
struct User {
    id: String,
    name: String,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ClientFrame {
    Auth { token: String },
    Join { room: String, id: Option<Value> },
    Leave { room: String, id: Option<Value> },
    Typing { room: String, target: Option<String> },
    StopTyping { room: String, target: Option<String> },
    Message { room: String, event: String, data: Value, id: Option<Value> },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ServerFrame<'a> {
    Welcome {
        session: String,
        resumed: bool,
        user: &'a User,
        time_ms: u64,
        expires_at_ms: u64,
    },
    Roster {
        #[serde(skip_serializing_if = "Option::is_none")]
        re: Option<Value>,
        interest: &'static str,
        room: &'a str,
        v: (&'static str, u64),
        gear: &'static str,
        viewers: Vec<Viewer<'a>>,
        count: Count,
        typing: Vec<Typist<'a>>,
        locks: [(); 0],
    },
    Diff {
        room: &'a str,
        from: u64,
        v: (&'static str, u64),
        joined: &'a [Viewer<'a>],
        left: &'a [Left<'a>],
        count: Count,
    },
    Typing {
        room: &'a str,
        user: &'a User,
        target: Option<&'a str>,
        on: bool,
    },
    Message {
        room: &'a str,
        event: &'a str,
        data: &'a Value,
        from: &'a User,
    },
    Ack {
        re: Option<Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        sessions: Option<usize>,
    },
    Error {
        code: &'static str,
        message: &'static str,
    },
}

#[derive(Serialize)]
struct Viewer<'a> {
    user: &'a User,
    status: &'static str,
    joined_at_ms: u64,
    sessions: u32,
}

#[derive(Serialize)]
struct Left<'a> {
    id: &'a str,
    reason: &'static str,
}

#[derive(Serialize)]
struct Typist<'a> {
    user: &'a User,
    targets: &'a [Option<String>],
}

#[derive(Clone, Copy, Serialize)]
struct Count {
    users: usize,
    sessions: usize,
}

struct Session {
    id: u64,
    user: User,
    outbox: Outbox,
    rooms: Vec<String>,
}

async fn upgrade(State(naive): State<Arc<Naive>>, upgrade: WebSocketUpgrade) -> Response {
    let upgrade = match naive.read_buffer_bytes {
        Some(bytes) => upgrade.read_buffer_size(bytes),
        None => upgrade,
    };
    upgrade.protocols(["herenow.v1"]).on_upgrade(|socket| connection(naive, socket))
}

async fn connection(naive: Arc<Naive>, socket: WebSocket) {
    let (mut sink, mut stream) = socket.split();
    let (outbox, mut outgoing) = mpsc::channel(OUTBOX_MAX);
    let writer = tokio::spawn(async move {
        while let Some(message) = outgoing.recv().await {
            if sink.send(message).await.is_err() {
                break;
            }
        }
    });
    let mut session: Option<Session> = None;
    while let Some(Ok(message)) = stream.next().await {
        let Message::Text(text) = message else { continue };
        match (serde_json::from_str(&text), &mut session) {
            (Ok(ClientFrame::Auth { token }), None) => match naive.welcome(&token, &outbox) {
                Some(welcomed) => session = Some(welcomed),
                None => {
                    send(&outbox, &ServerFrame::Error { code: "auth.invalid", message: "invalid token" });
                    let close = CloseFrame { code: 4401, reason: Utf8Bytes::from_static("") };
                    let _ = outbox.try_send(Message::Close(Some(close)));
                    break;
                }
            },
            (Ok(frame), Some(session)) => naive.handle(session, frame),
            (Ok(_), None) | (Err(_), _) => {
                send(&outbox, &ServerFrame::Error { code: "frame.unusable", message: "cannot use this frame" });
            }
        }
    }
    if let Some(session) = session {
        for room in session.rooms {
            naive.leave(&room, session.id);
        }
    }
    // The room's copies of the outbox are gone with the last leave; without this one the writer ends by itself.
    drop(outbox);
    // A broken writer has nobody to tell.
    let _ = writer.await;
}

impl Naive {
    fn welcome(&self, token: &str, outbox: &Outbox) -> Option<Session> {
        let claims = token::verify(token, &self.secret).ok()?;
        let id = self.sessions.fetch_add(1, Ordering::Relaxed);
        let user = User { id: claims.sub, name: claims.name };
        let session = format!("{id:016x}");
        let expires_at_ms = claims.exp * 1000;
        let welcome = ServerFrame::Welcome { session, resumed: false, user: &user, time_ms: now_ms(), expires_at_ms };
        send(outbox, &welcome);
        Some(Session { id, user, outbox: outbox.clone(), rooms: Vec::new() })
    }

    fn handle(&self, session: &mut Session, frame: ClientFrame) {
        match frame {
            ClientFrame::Auth { .. } => send(&session.outbox, &ServerFrame::Ack { re: None, sessions: None }),
            ClientFrame::Join { room, id } => {
                if !session.rooms.contains(&room) {
                    session.rooms.push(room.clone());
                }
                self.join(session, &room, id);
            }
            ClientFrame::Leave { room, id } => {
                session.rooms.retain(|joined| *joined != room);
                self.leave(&room, session.id);
                ack(session, id, None);
            }
            ClientFrame::Typing { room, target } => self.typing(session, &room, target, true),
            ClientFrame::StopTyping { room, target } => self.typing(session, &room, target, false),
            ClientFrame::Message { room, event, data, id } => {
                let frame = ServerFrame::Message { room: &room, event: &event, data: &data, from: &session.user };
                let rooms = self.rooms();
                let sessions = rooms.get(&room).map_or(0, |room| room.broadcast(&frame, |to| to.session != session.id));
                drop(rooms);
                ack(session, id, Some(sessions));
            }
        }
    }

    fn join(&self, session: &Session, name: &str, re: Option<Value>) {
        let mut rooms = self.rooms();
        let room = rooms.entry(name.to_owned()).or_default();
        if room.members.iter().all(|member| member.session != session.id) {
            let is_new = room.members.iter().all(|member| member.user.id != session.user.id);
            let joined_at_ms = now_ms();
            let (user, outbox) = (session.user.clone(), session.outbox.clone());
            room.members.push(Member { session: session.id, user, joined_at_ms, typing: Vec::new(), outbox });
            if is_new {
                let viewer = Viewer { user: &session.user, status: "active", joined_at_ms, sessions: 1 };
                room.announce(name, &[viewer], &[]);
            }
        }
        let roster = ServerFrame::Roster {
            re,
            interest: "auto",
            room: name,
            v: (EPOCH, room.version),
            gear: "live",
            viewers: room.viewers(),
            count: room.count(),
            typing: room.typists(),
            locks: [],
        };
        send(&session.outbox, &roster);
    }

    fn leave(&self, name: &str, session: u64) {
        let mut rooms = self.rooms();
        let Some(room) = rooms.get_mut(name) else { return };
        let Some(at) = room.members.iter().position(|member| member.session == session) else { return };
        let gone = room.members.remove(at);
        for target in &gone.typing {
            room.tell_typing(name, &gone.user, target.as_deref(), false);
        }
        if room.members.iter().all(|member| member.user.id != gone.user.id) {
            room.announce(name, &[], &[Left { id: &gone.user.id, reason: "left" }]);
        }
        if room.members.is_empty() {
            rooms.remove(name);
        }
    }

    fn typing(&self, session: &Session, name: &str, target: Option<String>, on: bool) {
        let mut rooms = self.rooms();
        let Some(room) = rooms.get_mut(name) else { return };
        let Some(member) = room.members.iter_mut().find(|member| member.session == session.id) else { return };
        if member.typing.contains(&target) == on {
            return;
        }
        if on {
            member.typing.push(target.clone());
        } else {
            member.typing.retain(|typed| *typed != target);
        }
        room.tell_typing(name, &session.user, target.as_deref(), on);
    }

    fn rooms(&self) -> MutexGuard<'_, HashMap<String, Room>> {
        // No code of ours panics while it holds the lock.
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    /// Tells all but the user that it is about.
    fn announce(&mut self, name: &str, joined: &[Viewer<'_>], left: &[Left<'_>]) {
        self.version += 1;
        let (from, v) = (self.version - 1, (EPOCH, self.version));
        let diff = ServerFrame::Diff { room: name, from, v, joined, left, count: self.count() };
        self.broadcast(&diff, |to| joined.iter().all(|viewer| viewer.user.id != to.user.id));
    }

    fn tell_typing(&self, name: &str, user: &User, target: Option<&str>, on: bool) {
        let frame = ServerFrame::Typing { room: name, user, target, on };
        self.broadcast(&frame, |to| to.user.id != user.id);
    }

    /// Says to how many it went. Who has let a thousand frames pile up misses this one.
    fn broadcast(&self, frame: &ServerFrame<'_>, to: impl Fn(&Member) -> bool) -> usize {
        let Some(text) = encode(frame) else { return 0 };
        let send = |member: &&Member| member.outbox.try_send(Message::Text(text.clone())).is_ok();
        self.members.iter().filter(|member| to(member)).filter(send).count()
    }

    fn viewers(&self) -> Vec<Viewer<'_>> {
        let mut at: HashMap<&str, usize> = HashMap::new();
        let mut viewers: Vec<Viewer<'_>> = Vec::new();
        for Member { user, joined_at_ms, .. } in &self.members {
            if let Some(&seen) = at.get(user.id.as_str()) {
                viewers[seen].sessions += 1;
                continue;
            }
            at.insert(&user.id, viewers.len());
            viewers.push(Viewer { user, status: "active", joined_at_ms: *joined_at_ms, sessions: 1 });
        }
        viewers
    }

    fn typists(&self) -> Vec<Typist<'_>> {
        let typing = self.members.iter().filter(|member| !member.typing.is_empty());
        typing.map(|member| Typist { user: &member.user, targets: &member.typing }).collect()
    }

    fn count(&self) -> Count {
        let users: HashSet<_> = self.members.iter().map(|member| member.user.id.as_str()).collect();
        Count { users: users.len(), sessions: self.members.len() }
    }
}

fn ack(session: &Session, re: Option<Value>, sessions: Option<usize>) {
    if let Some(re) = re {
        send(&session.outbox, &ServerFrame::Ack { re: Some(re), sessions });
    }
}

fn send(outbox: &Outbox, frame: &ServerFrame<'_>) {
    if let Some(text) = encode(frame) {
        // Full or closed: the connection is on its way out.
        let _ = outbox.try_send(Message::Text(text));
    }
}

fn encode(frame: &ServerFrame<'_>) -> Option<Utf8Bytes> {
    serde_json::to_string(frame).ok().map(Utf8Bytes::from)
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

const EPOCH: &str = "naive";
/// Frames that may wait for one connection.
const OUTBOX_MAX: usize = 1024;
