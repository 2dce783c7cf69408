//! A server in this process whose webhooks go to a receiver, and calls of its API.
use crate::receiver::Receiver;
use herenow::{
    auth::secret::Secret,
    config::{mode::Mode, settings::Config},
    outgoing::WebAddress,
    serve::Server,
    webhooks::kinds::{EventKind, EventKinds},
};
use herenow_client::client::{self, Client, Events};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
};

/// How long anything may take that has to come.
pub const LIMIT: Duration = Duration::from_secs(30);
/// What the tests' servers sign with, tokens as well as webhooks.
pub const SECRET: &str = "a secret of the tests, long enough";

/// A server in dev mode in this process, until it is dropped or stopped.
pub struct TestServer {
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

impl TestServer {
    /// Starts one whose spool is in a folder and whose webhooks go to a receiver.
    pub async fn start(folder: &TempDir, receiver: &Receiver, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        config.server.listen = "127.0.0.1:0".parse().unwrap();
        config.webhooks.url = WebAddress::parse(&receiver.url());
        config.webhooks.secret = Secret::parse(SECRET).ok();
        config.webhooks.private_addresses = true;
        config.webhooks.events = kinds(&["room_occupied", "room_vacated", "user_joined", "user_left"]);
        config.webhooks.spool = Some(folder.path().join("spool.db"));
        config.webhooks.retry_max = Duration::from_millis(50);
        config.presence.leave_grace = Duration::from_millis(100);
        change(&mut config);
        let mode = Mode::Dev { secret: Secret::parse(SECRET).unwrap() };
        let server = Server::bind(&config, &mode, Arc::new(|_, _| {})).await.unwrap();
        let address = server.address();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(server.run(async {
            // Dropping the sender stops it as well.
            let _ = stopped.await;
        }));
        Self { address, stop: Some(stop), running }
    }

    /// Ends it as a signal does.
    pub async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.running.await.unwrap();
    }

    /// A client of WebSocket in a room.
    pub async fn client_in(&self, user: &str, room: &str) -> (Client, Events) {
        let token = self.call("POST /dev/token", Some(json!({ "userId": user, "name": user }))).await;
        let url = format!("ws://{}/ws", self.address);
        let (client, events) = client::connect(&url).token(token["token"].as_str().unwrap()).open().await.unwrap();
        client.join(room).await.unwrap();
        (client, events)
    }

    /// Puts a user into a room by the API.
    pub async fn put(&self, room: &str, user: &str) {
        put(self.address, room, user).await.unwrap();
    }

    /// Takes a user out of a room that was put there.
    pub async fn delete(&self, room: &str, user: &str) {
        delete(self.address, room, user).await.unwrap();
    }

    pub async fn call(&self, line: &str, body: Option<Value>) -> Value {
        let answer = call(self.address, line, body).await.unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{line}: {answer}"))
    }

    /// Waits until the webhooks stand as wanted.
    pub async fn until(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let health = self.call("GET /v1/webhooks", None).await;
            if is_so(&health) {
                return health;
            }
            assert!(began.elapsed() < LIMIT, "not {what}: {health}");
            // Nobody tells how webhooks stand: only looking shows it.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

pub async fn put(address: SocketAddr, room: &str, user: &str) -> std::io::Result<()> {
    let line = format!("PUT /v1/rooms/{room}/viewers/{user}");
    call(address, &line, Some(json!({ "ttl_ms": 3_600_000 }))).await.map(drop)
}

pub async fn delete(address: SocketAddr, room: &str, user: &str) -> std::io::Result<()> {
    call(address, &format!("DELETE /v1/rooms/{room}/viewers/{user}"), None).await.map(drop)
}

/// A call that has to be answered with success; the body of the answer.
pub async fn call(address: SocketAddr, line: &str, body: Option<Value>) -> std::io::Result<String> {
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    let (kind, bytes) = ("Content-Type: application/json", body.len());
    let request = format!(
        "{line} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{kind}\r\nContent-Length: {bytes}\r\n\r\n{body}"
    );
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
    assert!(head.starts_with("HTTP/1.1 2"), "{line}: {answer}");
    Ok(body.to_owned())
}

/// Events by their names.
pub fn kinds(names: &[&str]) -> EventKinds {
    names.iter().map(|name| EventKind::named(name).unwrap()).collect()
}

/// What events say, without what differs from run to run.
pub fn told(events: &[Value]) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let one = |event: &Value| format!("{} {} {}", text(&event["event"]), text(&event["room"]), text(&event["user"]));
    events.iter().map(one).collect()
}
