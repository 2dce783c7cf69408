//! A server in this process, tokens for it, and clients that say what they heard.
//!
//! That nothing was told is shown by something that must come afterwards: the server handles what concerns one room in
//! order, so whatever was to be told before a marker is told before it.
use herenow::{
    auth::{
        mint::{Signer, TokenRequest},
        rights::Rights,
        secret::Secret,
    },
    config::{mode::Mode, settings::Config},
    presence::Presence,
    serve::Server,
    shard::ShardLoad,
};
use herenow_client::{
    client::{self, Client, Events},
    error::Ended,
    frame::ServerFrame,
    raw::{self, RawClient},
};
use herenow_core::{
    event::Notice,
    id::{RoomId, UserId},
    pattern::Pattern,
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::{sync::oneshot, task::JoinHandle};

/// How long anything may take that has to come.
pub const LIMIT: Duration = Duration::from_secs(10);
/// What the tests' servers sign with.
pub const SECRET: &str = "a secret of the tests, long enough";
/// Numbers of shards that the rooms are spread over: one, one a core here, and more than divide the partitions evenly.
pub const SHARDS: [usize; 3] = [1, 2, 7];

/// Who came and went, in order within each room.
pub type Moves = Arc<Mutex<Vec<(String, String, bool)>>>;

/// A server that runs in this process until it is dropped or stopped.
pub struct TestServer {
    pub presence: Presence,
    pub address: SocketAddr,
    /// Who came (true) and who left, by room and user.
    pub moves: Moves,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

impl TestServer {
    /// Starts one in production mode, on a free port of this machine.
    pub async fn start(change: impl FnOnce(&mut Config)) -> Self {
        Self::start_as(Mode::Prod { secret: secret() }, change).await
    }

    pub async fn start_as(mode: Mode, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        config.server.listen = "127.0.0.1:0".parse().unwrap();
        change(&mut config);
        let moves = Moves::default();
        let told = Arc::clone(&moves);
        let note = move |_, notice: &Notice| {
            let (room, profile, came) = match notice {
                Notice::Joined { room, profile, .. } => (room, profile, true),
                Notice::Left { room, profile, .. } => (room, profile, false),
                Notice::Updated { .. } | Notice::Online { .. } | Notice::Offline { .. } | Notice::Typing { .. } => {
                    return;
                }
            };
            told.lock().unwrap().push((room.as_str().to_owned(), profile.user.as_str().to_owned(), came));
        };
        let server = Server::bind(&config, &mode, Arc::new(note)).await.unwrap();
        let (presence, address) = (server.presence().clone(), server.address());
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(server.run(async {
            // Dropping the sender stops it as well.
            let _ = stopped.await;
        }));
        Self { presence, address, moves, stop: Some(stop), running }
    }

    pub fn url(&self) -> String {
        format!("ws://{}/ws", self.address)
    }

    /// A board client of a user who was let in.
    pub async fn board(&self, user: &str) -> Peer {
        let mut peer = Peer(raw::connect(&self.bearing(&token(user))).open().await.unwrap());
        let connected = json!({"type":"connected","user":{"id":user,"name":name(user)}});
        peer.expect_frame(connected).await;
        peer
    }

    /// A board client that is in a room already.
    pub async fn board_in(&self, user: &str, room: &str) -> Peer {
        let mut peer = self.board(user).await;
        peer.join(room).await;
        peer
    }

    /// A client of the native dialect.
    pub async fn native(&self, user: &str) -> (Client, Events) {
        client::connect(&self.url()).token(&token(user)).open().await.unwrap()
    }

    /// A native client that carries bare texts, and was welcomed.
    pub async fn native_raw(&self, user: &str) -> Peer {
        let opening = raw::connect(&self.bearing(&token(user))).protocol("herenow.v1").open().await;
        let mut peer = Peer(opening.unwrap());
        assert_eq!(peer.hear().await["type"], "welcome");
        peer
    }

    pub fn bearing(&self, token: &str) -> String {
        format!("{}?token={token}", self.url())
    }

    /// Says something in a room that every listener hears after all that was decided before.
    pub async fn mark(&self, room: &str, n: u64) {
        let room = RoomId::parse(room).unwrap();
        self.presence.publish(room, "marker", &json!({ "n": n }).to_string()).await.unwrap();
    }

    /// Waits until every connection is gone, and every timer has come; what is left then.
    pub async fn rest(&self) -> ShardLoad {
        let began = Instant::now();
        loop {
            let load = self.presence.measure().await;
            let is_quiet = self.presence.connections() == 0 && load == ShardLoad::default();
            if is_quiet || began.elapsed() > LIMIT {
                return load;
            }
            // Nobody tells when a server is at rest: only looking shows it.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Ends it as a signal does; how long that takes.
    pub async fn stop(mut self) -> Duration {
        let began = Instant::now();
        self.stop.take().unwrap().send(()).unwrap();
        self.running.await.unwrap();
        began.elapsed()
    }
}

/// A bare client and what it is expected to hear.
pub struct Peer(pub RawClient);

impl Peer {
    pub async fn say(&mut self, frame: Value) {
        self.0.text(&frame.to_string()).await.unwrap();
    }

    /// The next frame.
    pub async fn hear(&mut self) -> Value {
        let text = self.0.next_text(LIMIT).await.unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// Hears exactly this next. Versions and hints stand in `expected` as `"*"`.
    #[track_caller]
    pub fn expect_frame(&mut self, expected: Value) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let heard = self.hear().await;
            assert_eq!(starred(heard), expected, "at {caller}");
        }
    }

    /// Hears nothing until the marker of this number comes.
    #[track_caller]
    pub fn expect_silence_until(&mut self, room: &str, n: u64) -> impl Future<Output = ()> {
        self.expect_frame(json!({"type":"marker","room":room,"boardId":room,"n":n}))
    }

    /// Joins a room; what the server answers.
    pub async fn join(&mut self, room: &str) -> Value {
        self.say(json!({"type":"join","boardId":room})).await;
        let answer = self.hear().await;
        assert_eq!((&answer["type"], &answer["boardId"]), (&json!("presence"), &json!(room)), "{answer}");
        answer
    }

    /// How the connection ends, whatever is heard before that.
    pub async fn end(&mut self) -> Ended {
        self.0.ended(LIMIT).await.unwrap()
    }

    /// The code that the server closes with, whatever is heard before that.
    pub async fn close_code(&mut self) -> Option<u16> {
        match self.end().await {
            Ended::Closed { code, .. } => code,
            other => panic!("no close frame: {other}"),
        }
    }

    /// Closes, and waits for the server's answer.
    pub async fn close(&mut self, code: Option<u16>) {
        self.0.close(code).await.unwrap();
        let ended = self.end().await;
        assert_eq!(ended, Ended::Closed { code, reason: String::new() });
    }
}

/// A frame with its version and hint checked and replaced by a star.
pub fn starred(mut frame: Value) -> Value {
    if let Some(version) = frame.get_mut("version") {
        let is_version = version.as_array().is_some_and(|pair| {
            pair.len() == 2 && pair[0].as_str().is_some_and(|epoch| !epoch.contains('.')) && pair[1].is_u64()
        });
        assert!(is_version, "{version}");
        *version = json!("*");
    }
    if let Some(hint) = frame.get_mut("hint") {
        assert!(hint.as_str().is_some_and(|hint| !hint.is_empty()), "{hint}");
        *hint = json!("*");
    }
    frame
}

/// The frames that come before the marker of this number.
pub async fn until_marker(events: &mut Events, n: u64) -> Vec<ServerFrame> {
    let mut heard = Vec::new();
    loop {
        let next = tokio::time::timeout(LIMIT, events.next()).await.expect("the marker has to come").unwrap();
        match next {
            ServerFrame::Message(message) if message.event == "marker" && message.data["n"] == n => return heard,
            other => heard.push(other),
        }
    }
}

pub fn secret() -> Secret {
    Secret::parse(SECRET).unwrap()
}

pub fn now_unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// What a test's token says, other than usual.
pub struct Claims {
    pub name: String,
    pub rooms: Vec<(&'static str, Rights)>,
    pub now_unix_s: u64,
    pub ttl: Duration,
}

impl Claims {
    pub fn of(user: &str) -> Self {
        let rooms = vec![("*", Rights::DEFAULT.union(Rights::OBSERVE))];
        Self { name: name(user), rooms, now_unix_s: now_unix_s(), ttl: Duration::from_secs(3600) }
    }

    pub fn sign(self, user: &str) -> String {
        self.sign_with(user, &secret())
    }

    pub fn sign_with(self, user: &str, secret: &Secret) -> String {
        let rooms = self.rooms.iter().map(|(pattern, rights)| (Pattern::parse(pattern).unwrap(), *rights)).collect();
        Signer::new(secret).mint(&TokenRequest {
            user: UserId::parse(user).unwrap(),
            name: Some(self.name),
            avatar: None,
            rooms: Some(rooms),
            is_invisible: false,
            now_unix_s: self.now_unix_s,
            ttl: self.ttl,
        })
    }
}

/// A good token of a user, for all rooms.
pub fn token(user: &str) -> String {
    Claims::of(user).sign(user)
}

/// What a user of the tests is called: `alice` is Alice.
pub fn name(user: &str) -> String {
    let mut letters = user.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// A good token of a user for all rooms, with more claims.
pub fn token_saying(user: &str, more: Value) -> String {
    let mut claims = json!({"sub":user,"name":name(user),"rooms":["*"],"exp":now_unix_s() + 3600});
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap()
}

/// What a client has heard so far, and goes on to hear, until something comes that is wanted; with that as the last.
pub async fn until(events: &mut Events, mut is_wanted: impl FnMut(&ServerFrame) -> bool) -> Vec<ServerFrame> {
    let mut heard = Vec::new();
    loop {
        let next = tokio::time::timeout(LIMIT, events.next()).await;
        heard.push(next.unwrap_or_else(|_| panic!("not heard, only {heard:?}")).unwrap());
        if heard.last().is_some_and(&mut is_wanted) {
            return heard;
        }
    }
}
