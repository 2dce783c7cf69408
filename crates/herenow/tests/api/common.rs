//! A server in this process, and a client of HTTP that is no more than what the tests need.
use herenow::{
    auth::{
        api_key::{ApiKey, KeyRights},
        mint::{Signer, TokenRequest},
        rights::Rights,
        secret::Secret,
    },
    config::{mode::Mode, settings::Config},
    serve::Server,
};
use herenow_client::client::{self, Client, Events};
use herenow_core::{id::UserId, pattern::Pattern};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};

/// How long anything may take that has to come.
pub const LIMIT: Duration = Duration::from_secs(10);
const SECRET: &str = "a secret of the tests, long enough";

/// A server that runs in this process until it is dropped or stopped, with a key for each right.
pub struct TestServer {
    pub address: SocketAddr,
    /// Keys that give everything, reading, and writing.
    pub all: String,
    pub read: String,
    pub write: String,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

impl TestServer {
    pub async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let mut keys = Vec::new();
        let mut key = |name, rights| {
            let (key, configured) = ApiKey::generate(name, rights).unwrap();
            keys.push(configured);
            key
        };
        let all = key("all", KeyRights::ALL);
        let (read, write) = (key("reader", KeyRights::READ), key("writer", KeyRights::WRITE));
        let with_keys = |config: &mut Config| {
            config.auth.api_keys = keys;
            change(config);
        };
        let server = Self::run(Mode::Prod { secret: secret() }, with_keys).await;
        Self { all, read, write, ..server }
    }

    /// One in dev mode, without keys.
    pub async fn dev() -> Self {
        Self::run(Mode::Dev { secret: secret() }, |_| {}).await
    }

    /// One in production mode without keys, and what opens the operators' page of it once.
    pub async fn without_keys() -> (Self, String) {
        let (server, code) = Self::bind(Mode::Prod { secret: secret() }, |_| {}).await;
        (server, code.unwrap())
    }

    async fn run(mode: Mode, change: impl FnOnce(&mut Config)) -> Self {
        let (server, code) = Self::bind(mode, change).await;
        assert_eq!(code, None, "a key opens the page, or none is needed");
        server
    }

    async fn bind(mode: Mode, change: impl FnOnce(&mut Config)) -> (Self, Option<String>) {
        let mut config = Config::default();
        config.server.listen = "127.0.0.1:0".parse().unwrap();
        change(&mut config);
        let server = Server::bind(&config, &mode, Arc::new(|_, _| {})).await.unwrap();
        let (address, code) = (server.address(), server.admin_code().map(str::to_owned));
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(server.run(async {
            // Dropping the sender stops it as well.
            let _ = stopped.await;
        }));
        let (all, read, write) = (String::new(), String::new(), String::new());
        (Self { address, all, read, write, stop: Some(stop), running }, code)
    }

    /// Ends it as a signal does; how long that takes.
    pub async fn stop(mut self) -> Duration {
        let began = Instant::now();
        self.stop.take().unwrap().send(()).unwrap();
        self.running.await.unwrap();
        began.elapsed()
    }

    /// A call with a key or token.
    pub async fn call(&self, line: &str, bearer: &str, body: Option<Value>) -> Answer {
        let json = body.map(|body| body.to_string());
        let kind = json.as_ref().map_or("", |_| "Content-Type: application/json\r\n");
        self.raw(line, &format!("Authorization: Bearer {bearer}\r\n{kind}"), json.as_deref().unwrap_or_default()).await
    }

    /// A reading call with the key for everything.
    pub async fn get(&self, path: &str) -> Answer {
        self.call(&format!("GET {path}"), &self.all, None).await
    }

    /// A call with these header lines.
    pub async fn raw(&self, line: &str, headers: &str, body: &str) -> Answer {
        let mut stream = BufReader::new(TcpStream::connect(self.address).await.unwrap());
        stream.get_mut().write_all(self.request(line, headers, body).as_bytes()).await.unwrap();
        let (status, headers) = head(&mut stream).await;
        let mut bytes = Vec::new();
        timeout(LIMIT, stream.read_to_end(&mut bytes)).await.unwrap().unwrap();
        Answer { status, headers, text: String::from_utf8(bytes).unwrap() }
    }

    /// A stream of events; what was answered instead, where there is none.
    pub async fn events(&self, path: &str, headers: &str) -> Result<Stream, Answer> {
        let mut stream = BufReader::new(TcpStream::connect(self.address).await.unwrap());
        stream.get_mut().write_all(self.request(&format!("GET {path}"), headers, "").as_bytes()).await.unwrap();
        let (status, headers) = head(&mut stream).await;
        if status == 200 {
            assert_eq!(headers["content-type"], "text/event-stream");
            return Ok(Stream { stream, waiting: String::new() });
        }
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        Err(Answer { status, headers, text: String::from_utf8(bytes).unwrap() })
    }

    /// The stream of a room, for the key for everything.
    pub async fn watch(&self, room: &str) -> Stream {
        self.events(&format!("/v1/rooms/{room}/events"), &bearing(&self.all)).await.unwrap()
    }

    /// A client of WebSocket in a room.
    pub async fn client_in(&self, user: &str, room: &str) -> (Client, Events) {
        let url = format!("ws://{}/ws", self.address);
        let (client, events) = client::connect(&url).token(&token(user)).open().await.unwrap();
        client.join(room).await.unwrap();
        (client, events)
    }

    fn request(&self, line: &str, headers: &str, body: &str) -> String {
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let host = if headers.contains("Host:") { String::new() } else { format!("Host: {}\r\n", self.address) };
        format!("{line} HTTP/1.1\r\n{host}Connection: close\r\n{length}{headers}\r\n{body}")
    }
}

async fn head(stream: &mut BufReader<TcpStream>) -> (u16, BTreeMap<String, String>) {
    let mut line = String::new();
    timeout(LIMIT, stream.read_line(&mut line)).await.expect("an answer has to come").unwrap();
    let status = line.split(' ').nth(1).unwrap_or_else(|| panic!("no status in {line:?}")).parse().unwrap();
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        stream.read_line(&mut line).await.unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else { return (status, headers) };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
}

/// What a call was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub text: String,
}

impl Answer {
    /// The body, of an answer of this status.
    #[track_caller]
    pub fn json(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert!(self.headers["content-type"].ends_with("json"), "{self:?}");
        serde_json::from_str(&self.text).unwrap()
    }

    /// That it was refused with a code, as a problem document that leads to a page.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) -> Value {
        let problem = self.json(status);
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(problem["type"], format!("/help/errors/{code}"));
        assert!(
            problem["title"].is_string() && problem["hint"].is_string() && problem["status"] == status,
            "{problem}"
        );
        problem
    }

    /// That it was refused with a code of a page's own, which is in no list.
    #[track_caller]
    pub fn said(&self, status: u16, code: &str) {
        let problem = self.json(status);
        assert_eq!(problem["code"], code, "{problem}");
        assert!(problem["title"].is_string() && problem["hint"].is_string(), "{problem}");
    }

    /// That it is done, without a body.
    #[track_caller]
    pub fn done(&self, status: u16) {
        assert_eq!((self.status, self.text.as_str()), (status, ""));
    }
}

/// A stream of events.
pub struct Stream {
    stream: BufReader<TcpStream>,
    /// What was read of chunks that are no whole event yet.
    waiting: String,
}

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub kind: String,
    pub id: Option<String>,
    pub data: Value,
}

impl Stream {
    /// The next event; `None` at the end of the stream. Comments are left out.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.waiting.split_once("\n\n") {
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                let (kind, id, data) = (field("event: "), field("id: "), field("data: "));
                self.waiting = rest.to_owned();
                if let (Some(kind), Some(data)) = (kind, data) {
                    return Some(Event { kind, id, data: serde_json::from_str(&data).unwrap() });
                }
                continue;
            }
            let mut size = String::new();
            let read = timeout(LIMIT, self.stream.read_line(&mut size)).await.expect("an event has to come");
            let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
            if read.unwrap_or(0) == 0 || size == 0 {
                return None;
            }
            let mut chunk = vec![0; size + 2];
            self.stream.read_exact(&mut chunk).await.unwrap();
            self.waiting.push_str(std::str::from_utf8(&chunk[..size]).unwrap());
        }
    }

    /// The next event, of this kind.
    #[track_caller]
    pub fn expect(&mut self, kind: &str) -> impl Future<Output = Event> {
        let caller = std::panic::Location::caller();
        async move {
            let event = self.next().await.unwrap_or_else(|| panic!("the stream ended before {kind}, at {caller}"));
            assert_eq!(event.kind, kind, "at {caller}: {event:?}");
            event
        }
    }
}

pub fn bearing(bearer: &str) -> String {
    format!("Authorization: Bearer {bearer}\r\n")
}

pub fn secret() -> Secret {
    Secret::parse(SECRET).unwrap()
}

/// A token of a user with these rights in all rooms, for an hour.
pub fn token_with(user: &str, rights: Rights) -> String {
    token_for(user, &[("*", rights)], Duration::from_secs(3600))
}

pub fn token_for(user: &str, rooms: &[(&str, Rights)], ttl: Duration) -> String {
    let rooms = rooms.iter().map(|(pattern, rights)| (Pattern::parse(pattern).unwrap(), *rights)).collect();
    let now_unix_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let user = UserId::parse(user).unwrap();
    Signer::new(&secret()).mint(&TokenRequest {
        user,
        name: None,
        avatar: None,
        rooms: Some(rooms),
        is_invisible: false,
        now_unix_s,
        ttl,
    })
}

/// A good token of a user, for all rooms.
pub fn token(user: &str) -> String {
    token_with(user, Rights::DEFAULT)
}

/// The ids in a list of viewers.
pub fn ids(viewers: &Value) -> Vec<String> {
    viewers.as_array().unwrap().iter().map(|viewer| viewer["user"]["id"].as_str().unwrap().to_owned()).collect()
}
