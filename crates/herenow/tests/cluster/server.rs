//! A real Redis in a folder of its own, on a port of its own; killed where a test ends.
use herenow::{
    cluster::redis::{
        address::RedisAddress,
        keyspace::Keyspace,
        link::{Link, Route},
        store::{Place, Store, Write},
    },
    partition::Partition,
};
use herenow_core::{
    cluster::door::{NodeId, Section, SectionChange, SectionEntry, Stamp, Tag, ValueStamp},
    id::{RoomId, SessionId, UserId},
    profile::{Profile, Status},
    time::Time,
};
use std::{
    fs,
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long anything may take that a test waits for.
pub const LIMIT: Duration = Duration::from_secs(30);

/// A Redis.
pub struct Redis {
    child: Child,
    port: u16,
    folder: TempDir,
    arguments: Vec<String>,
}

impl Redis {
    /// Starts one with more arguments.
    pub fn start(arguments: &[&str]) -> Self {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        for _ in 0..10 {
            let folder = tempfile::tempdir().unwrap();
            // Somebody else may take the port in between: then another one is tried.
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let child = spawn(port, &folder, &arguments);
            let mut redis = Self { child, port, folder, arguments: arguments.clone() };
            if redis.answers() {
                return redis;
            }
        }
        panic!("redis-server does not start");
    }

    /// Its address.
    pub fn address(&self) -> RedisAddress {
        RedisAddress::parse(&format!("redis://127.0.0.1:{}", self.port)).unwrap()
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// A connection to give orders over.
    pub fn admin(&self) -> redis::Connection {
        redis::Client::open(format!("redis://127.0.0.1:{}", self.port)).unwrap().get_connection().unwrap()
    }

    /// Carries out one order, as text.
    pub fn order(&self, words: &[&str]) -> redis::Value {
        let mut order = redis::cmd(words[0]);
        order.arg(&words[1..]);
        order.query(&mut self.admin()).unwrap()
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on its port, with what was saved, or with nothing.
    pub fn restart(&mut self, is_empty: bool) {
        if is_empty {
            let _ = fs::remove_file(self.folder.path().join("dump.rdb"));
        }
        let began = Instant::now();
        while began.elapsed() < LIMIT {
            self.child = spawn(self.port, &self.folder, &self.arguments);
            if self.answers() {
                return;
            }
        }
        panic!("redis-server does not start again");
    }

    /// Has it stand still, or go on.
    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    fn answers(&mut self) -> bool {
        let began = Instant::now();
        while began.elapsed() < LIMIT {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            let client = redis::Client::open(format!("redis://127.0.0.1:{}", self.port)).unwrap();
            let asked = client.get_connection().and_then(|mut c| redis::cmd("PING").query::<String>(&mut c));
            // One that wants a password is up as well.
            if asked.is_ok() || asked.is_err_and(|error| !error.is_io_error() && !error.to_string().contains("LOADING"))
            {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(port: u16, folder: &TempDir, arguments: &[String]) -> Child {
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    command.arg("--dir").arg(folder.path()).args(["--loglevel", "warning"]).args(arguments);
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    spawned.expect("redis-server starts; on Debian: apt-get install redis-server")
}

/// How to reach a server from a test.
pub fn route(address: RedisAddress) -> Route {
    Route { address, roots: None, answer_timeout: Duration::from_secs(5) }
}

/// A node's way into a server.
pub async fn store(redis: &Redis, node: u64) -> Store {
    let (link, _) = Link::open(&route(redis.address())).await.unwrap();
    Store::new(link, Keyspace::default(), NodeId(node))
}

pub fn room(name: &str) -> RoomId {
    RoomId::parse(name).unwrap()
}

pub fn place(room: &RoomId) -> Place<'_> {
    Place { partition: Partition::of(room), room }
}

pub fn write(node: u64, inc: u64, seq: u64) -> Write {
    Write { stamp: Stamp { inc, seq }, tag: Tag { node: NodeId(node), number: inc * 1000 + seq } }
}

pub fn entry(session: u64, user: &str) -> SectionEntry {
    let user_id = UserId::parse(user).unwrap();
    SectionEntry {
        session: SessionId(session),
        profile: Arc::new(Profile { user: user_id, name: user.to_uppercase().into(), avatar: None }),
        profile_stamp: ValueStamp { number: 1, node: NodeId(1) },
        since: Time::from_millis(1_000 + session),
        status: Status::Active,
        state: Vec::new(),
        locks: Vec::new(),
    }
}

pub fn put(session: u64, user: &str) -> SectionChange {
    SectionChange::Put(entry(session, user))
}

pub fn section(count: u64) -> Section {
    Section { entries: (1..=count).map(|n| entry(n, &format!("user-{n}"))).collect(), gone: Vec::new() }
}
