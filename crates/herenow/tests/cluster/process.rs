//! Real nodes: the binary as processes of their own, and clients of theirs.
use crate::{
    lan::Wires,
    server::{LIMIT, Redis},
};
use herenow::auth::{
    api_key::{ApiKey, KeyRights},
    mint::{Signer, TokenRequest},
    rights::Rights,
    secret::Secret,
};
use herenow_client::{
    client::{self, Client, Connector, Events},
    frame::ServerFrame,
    request::Join,
    roster::{Change, Outcome, RoomState},
};
use herenow_core::{id::UserId, pattern::Pattern};
use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    net::Ipv4Addr,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, OnceLock},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SECRET: &str = "a secret that is only good for tests, 32 bytes";
const PROGRAM: &str = env!("CARGO_BIN_EXE_herenow");
/// Where a node logs, in its folder.
const LOG: &str = "log";

/// A node; killed where a test ends before it.
pub struct Node {
    child: Child,
    address: String,
    wires: Option<Wires>,
    folder: tempfile::TempDir,
}

impl Node {
    /// Starts one on a Redis.
    pub fn start(redis: &Redis) -> Self {
        Self::start_with(&format!("redis://127.0.0.1:{}", redis.port()))
    }

    pub fn start_with(address: &str) -> Self {
        Self::start_configured(address, &[])
    }

    /// Starts one with more of its configuration, as variables of its environment.
    pub fn start_configured(address: &str, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(PROGRAM);
        command.envs(variables.iter().copied());
        Self::spawn(command, None, address)
    }

    /// Starts one in a network of its own, from which the wire to Redis can be cut.
    pub fn start_apart(redis: &Redis) -> Self {
        let wires = Wires::new();
        let address = format!("redis://{}:{}", wires.store(), redis.port());
        let mut command = Wires::starter();
        command.arg(PROGRAM);
        Self::spawn(command, Some(wires), &address)
    }

    fn spawn(mut command: Command, wires: Option<Wires>, store: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let set: Vec<_> = command.get_envs().map(|(name, _)| name.to_owned()).collect();
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HERENOW_")) {
            if !set.contains(&name) {
                command.env_remove(name);
            }
        }
        let front = wires.as_ref().map_or(Ipv4Addr::LOCALHOST.into(), Wires::front);
        command.args(["--listen", &format!("{front}:0"), "--redis", store]).current_dir(folder.path());
        command.env("HERENOW_SECRET", SECRET).env("HERENOW_LOG__LEVEL", "warn");
        command.env("HERENOW_AUTH__API_KEYS", &api_key().1);
        let log = File::create(folder.path().join(LOG)).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        if let Some(wires) = &wires {
            assert_eq!(lines.next().unwrap().unwrap(), "apart");
            wires.lay(child.id());
            child.stdin.take().unwrap().write_all(b"go\n").unwrap();
        }
        let line = lines.find_map(|line| line.ok().filter(|line| line.contains("ws://")));
        let line = line.expect("a node says where it listens");
        let address = line.split("ws://").nth(1).unwrap().split('/').next().unwrap().to_owned();
        // What it prints later must not stop it.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address, wires, folder }
    }

    /// Cuts the wire to Redis, or mends it. False where there is none to cut.
    pub fn set_store(&self, is_up: bool) -> bool {
        self.wires.as_ref().inspect(|wires| wires.set_store(is_up)).is_some()
    }

    /// Whether a Redis of this machine answers to somebody else who asks from where this node is.
    pub async fn can_reach(&self, port: u16) -> bool {
        let host = self.wires.as_ref().map_or(Ipv4Addr::LOCALHOST.into(), Wires::store);
        let mut command = Command::new("timeout");
        command.arg("2");
        if self.wires.is_some() {
            command.args(["nsenter", "--target", &self.child.id().to_string(), "--net"]);
        }
        command.args(["redis-cli", "-h", &host.to_string(), "-p", &port.to_string(), "PING"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let asked = tokio::task::spawn_blocking(move || command.status());
        asked.await.unwrap().is_ok_and(|status| status.success())
    }

    /// The end of what it logged.
    pub fn log(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join(LOG)).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Starts some on a Redis and waits until each hears all.
    pub async fn start_all(count: usize, redis: &Redis) -> Vec<Self> {
        let nodes: Vec<_> = (0..count).map(|_| Self::start(redis)).collect();
        Self::until_all_hear(&nodes).await;
        nodes
    }

    /// Waits until each hears all.
    pub async fn until_all_hear(nodes: &[Self]) {
        let count = Some(nodes.len() as u64);
        for node in nodes {
            node.until(|ready| ready["status"] == "ready" && ready["cluster"]["nodes"].as_u64() >= count).await;
        }
    }

    /// Opens a connection for a user.
    pub async fn connect(&self, user: &str) -> (Client, Events) {
        self.connector(user).open().await.unwrap()
    }

    /// How a user connects.
    pub fn connector(&self, user: &str) -> Connector {
        connector_to(&self.address, user)
    }

    /// Where it is reached.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Has a user come into a room and look around.
    pub async fn watcher(&self, user: &str, room: &str) -> Watcher {
        let (client, events) = self.connect(user).await;
        Watcher::begin(client, events, room).await
    }

    /// What `/readyz` says.
    pub async fn ready(&self) -> serde_json::Value {
        serde_json::from_str(&self.get("/readyz").await).unwrap()
    }

    async fn get(&self, path: &str) -> String {
        let mut stream = self.ask(&format!("GET {path}"), None).await;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    /// A call of a backend, such as `GET /v1/rooms`, and the JSON of its answer.
    pub async fn call(&self, line: &str, body: Option<serde_json::Value>) -> serde_json::Value {
        let mut stream = self.ask(line, body).await;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 2"), "{line}: {answer}");
        if body.is_empty() { serde_json::Value::Null } else { serde_json::from_str(body).unwrap() }
    }

    /// Begins a call of a backend; what is answered comes over the connection.
    pub async fn ask(&self, line: &str, body: Option<serde_json::Value>) -> tokio::net::TcpStream {
        let mut stream = tokio::net::TcpStream::connect(&self.address).await.unwrap();
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let (key, bytes) = (&api_key().0, body.len());
        let head = format!("{line} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        let kind = format!("Authorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: {bytes}");
        stream.write_all(format!("{head}{kind}\r\n\r\n{body}").as_bytes()).await.unwrap();
        stream
    }

    /// Waits until `/readyz` says something.
    pub async fn until(&self, is_so: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        let began = Instant::now();
        loop {
            let ready = self.ready().await;
            if is_so(&ready) {
                return ready;
            }
            assert!(began.elapsed() < LIMIT, "still {ready}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends it without a word.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it has ended by itself.
    pub async fn until_ended(&mut self) {
        let began = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(began.elapsed() < 2 * LIMIT, "it does not end:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Has it stand still, go on, or stop.
    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a user connects to the node at an address.
pub fn connector_to(address: &str, user: &str) -> Connector {
    client::connect(&format!("ws://{address}/ws")).token(&token(user)).limit(LIMIT)
}

/// A key that lets a backend do everything, and what is configured for it.
fn api_key() -> &'static (String, String) {
    static KEY: OnceLock<(String, String)> = OnceLock::new();
    KEY.get_or_init(|| {
        let all = ["read", "write", "admin"].map(|name| KeyRights::named(name).unwrap());
        let rights = all.into_iter().fold(KeyRights::NONE, KeyRights::union);
        let (key, configured) = ApiKey::generate("tests", rights).unwrap();
        (key, configured.to_string())
    })
}

/// A token of a user, made now.
pub fn token(user: &str) -> String {
    Signer::new(&Secret::parse(SECRET).unwrap()).mint(&TokenRequest {
        user: UserId::parse(user).unwrap(),
        name: None,
        avatar: None,
        rooms: Some(vec![(Pattern::parse("*").unwrap(), Rights::DEFAULT)]),
        is_invisible: false,
        now_unix_s: SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs(),
        ttl: Duration::from_secs(3600),
    })
}

/// Somebody in a room who writes down what they are told.
pub struct Watcher {
    client: Client,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    state: RoomState,
    told: Vec<Told>,
    broken: Vec<String>,
}

/// Something that a watcher was told.
#[derive(Clone, Debug)]
pub struct Told {
    pub at: Instant,
    pub user: String,
    pub joined: bool,
    pub reason: String,
}

impl Watcher {
    async fn begin(client: Client, mut events: Events, room: &str) -> Self {
        let seen = Arc::new(Mutex::new(Seen { state: RoomState::new(room), ..Seen::default() }));
        let join = Join { interest: Some("full".to_owned()), ..Join::default() };
        let synced = client.join_as(room, &join).await.unwrap();
        let frame = match synced {
            client::Synced::Roster(roster) => ServerFrame::Roster(roster),
            client::Synced::Diff(diff) => ServerFrame::Diff(diff),
            other => panic!("{other:?}"),
        };
        seen.lock().unwrap().take(&frame);
        let writes = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok(frame) = events.next().await {
                writes.lock().unwrap().take(&frame);
            }
        });
        Self { client, seen }
    }

    /// Who is in the room as far as they know, by id.
    pub fn users(&self) -> Vec<String> {
        let mut users: Vec<_> = self.seen.lock().unwrap().state.user_ids().iter().map(ToString::to_string).collect();
        users.sort();
        users
    }

    /// Waits until they see just these users.
    pub async fn until_sees(&self, users: &[String]) {
        let began = Instant::now();
        while self.users() != users {
            assert!(began.elapsed() < 2 * LIMIT, "sees {:?}, not {users:?}; told {:?}", self.users(), self.told());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Everything that they were told.
    pub fn told(&self) -> Vec<Told> {
        self.seen.lock().unwrap().told.clone()
    }

    /// Fails where what they were told is not joined, left, joined, left ... for each user, or did not fit together.
    pub fn check(&self) {
        let seen = self.seen.lock().unwrap();
        assert!(seen.broken.is_empty(), "{:?}", seen.broken);
        let mut last = std::collections::BTreeMap::new();
        for told in &seen.told {
            let before = last.insert(&told.user, told.joined);
            assert_ne!(before, Some(told.joined), "{} twice: {:?}", told.user, seen.told);
        }
    }

    pub async fn leave(self) {
        self.client.close(Some(1000)).await;
    }
}

impl Seen {
    fn take(&mut self, frame: &ServerFrame) {
        let changes = match self.state.apply(frame) {
            Outcome::Synced(changes) | Outcome::Changed(changes) => changes,
            Outcome::Ignored | Outcome::Unchanged => Vec::new(),
            other @ (Outcome::Gap { .. } | Outcome::Contradiction { .. } | Outcome::Removed) => {
                self.broken.push(format!("{other:?}"));
                Vec::new()
            }
        };
        let at = Instant::now();
        for change in changes {
            match change {
                Change::Joined(viewer) => {
                    self.told.push(Told { at, user: viewer.user.id, joined: true, reason: String::new() });
                }
                Change::Left { id, reason } => self.told.push(Told { at, user: id, joined: false, reason }),
                _ => {}
            }
        }
    }
}
