//! Thousands at once, against the binary as a process: run by `./test --long`.
use crate::common::{SECRET, token};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Read, Write},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    net::TcpStream,
    sync::{Barrier, watch},
    task::JoinSet,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest},
};

const CLIENTS: usize = 2000;
const ROOM: &str = "stadium";
/// How long a step of the test may take.
const STEP: Duration = Duration::from_secs(60);

/// A server in a process of its own, so that its memory is its own as well; killed at the end.
pub struct Process {
    child: Child,
    pub address: String,
}

impl Process {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_herenow"));
        command.args(["--listen", "127.0.0.1:0"]).current_dir(folder.path()).env("HERENOW_SECRET", SECRET);
        let mut child = command.env_remove("HERENOW_CONFIG").stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.map(Result::unwrap).find(|line| line.contains("ws://")).unwrap();
        let address = line.split("ws://").nth(1).unwrap().split('/').next().unwrap().to_owned();
        Self { child, address }
    }

    /// Memory that is in use now, in kB.
    pub fn rss_kb(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Connections that are open, as the server says.
    fn connections(&self) -> u64 {
        let mut stream = std::net::TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET /healthz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let body: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        body["connections"].as_u64().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself, which the test has noticed then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// As much of a frame as the test looks at.
#[derive(Deserialize)]
struct Frame {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    from: u64,
    v: Option<(String, u64)>,
    #[serde(default)]
    viewers: Vec<Viewer>,
    #[serde(default)]
    joined: Vec<Viewer>,
    #[serde(default)]
    left: Vec<User>,
    count: Option<Count>,
}

#[derive(Deserialize)]
struct Viewer {
    user: User,
}

#[derive(Deserialize)]
struct User {
    id: String,
}

#[derive(Deserialize)]
struct Count {
    users: usize,
    sessions: usize,
}

/// A client that keeps nothing but who is there: two thousand of them share one process.
struct Lean {
    socket: WebSocketStream<TcpStream>,
    here: BTreeSet<u16>,
    number: u64,
    rosters: usize,
    diffs: usize,
}

fn number_of(viewer: &User) -> u16 {
    viewer.id.strip_prefix("user-").unwrap().parse().unwrap()
}

impl Lean {
    async fn open(address: &str, n: usize) -> Self {
        let user = format!("user-{n}");
        let mut request = format!("ws://{address}/ws?token={}", token(&user)).into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "herenow.v1".parse().unwrap());
        let stream = TcpStream::connect(address).await.unwrap();
        let (socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
        let mut lean = Self { socket, here: BTreeSet::new(), number: 0, rosters: 0, diffs: 0 };
        assert_eq!(lean.hear().await.kind, "welcome");
        lean
    }

    async fn say(&mut self, text: String) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    async fn hear(&mut self) -> Frame {
        loop {
            match tokio::time::timeout(STEP, self.socket.next()).await.expect("something has to come") {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Ping(_))) => {}
                other => panic!("no text: {other:?}"),
            }
        }
    }

    /// Hears until so many are there, and checks that what comes fits together.
    async fn follow(&mut self, users: usize) {
        while self.here.len() != users {
            let frame = self.hear().await;
            let count = frame.count.as_ref().map(|count| (count.users, count.sessions));
            match frame.kind.as_str() {
                "roster" => {
                    self.here = frame.viewers.iter().map(|viewer| number_of(&viewer.user)).collect();
                    assert_eq!(self.here.len(), frame.viewers.len(), "each once");
                    self.rosters += 1;
                }
                "diff" => {
                    assert_eq!(frame.from, self.number, "no gap");
                    for user in &frame.left {
                        assert!(self.here.remove(&number_of(user)));
                    }
                    for viewer in &frame.joined {
                        assert!(self.here.insert(number_of(&viewer.user)));
                    }
                    self.diffs += 1;
                }
                other => panic!("{other}"),
            }
            self.number = frame.v.unwrap().1;
            assert_eq!(count, Some((self.here.len(), self.here.len())));
        }
    }
}

/// The allocator gives free memory back to the system over ten seconds.
const GIVEN_BACK_WITHIN: Duration = Duration::from_secs(12);

/// How long the steps of a cycle took, and what they cost.
struct Cycle {
    opened: Duration,
    joined: Duration,
    left: Duration,
    rosters: usize,
    diffs: usize,
    rss_full_kb: usize,
    rss_empty_kb: usize,
}

/// Two thousand connect, join at once, see the same, and go: some by leaving, some by closing.
async fn cycle(process: &Process) -> Cycle {
    let began = Instant::now();
    let at_once = Arc::new(tokio::sync::Semaphore::new(64));
    let ready = Arc::new(Barrier::new(CLIENTS + 1));
    let (all_here, go) = watch::channel(false);
    let (seen, mut seeing) = tokio::sync::mpsc::channel(CLIENTS);
    let mut clients = JoinSet::new();
    for n in 0..CLIENTS {
        let (address, at_once, ready) = (process.address.clone(), Arc::clone(&at_once), Arc::clone(&ready));
        let (mut go, seen) = (go.clone(), seen.clone());
        clients.spawn(async move {
            let mut lean = {
                let _turn = at_once.acquire().await.unwrap();
                Lean::open(&address, n).await
            };
            ready.wait().await;
            lean.say(format!(r#"{{"type":"join","room":"{ROOM}","interest":"full","id":1}}"#)).await;
            lean.follow(CLIENTS).await;
            let expected: BTreeSet<u16> = (0..CLIENTS as u16).collect();
            assert!(lean.here == expected, "user-{n} sees others than are there");
            seen.send((lean.rosters, lean.diffs)).await.unwrap();
            // They hear on while they wait, as a page does.
            while !*go.borrow_and_update() {
                tokio::select! {
                    changed = go.changed() => changed.unwrap(),
                    // Others may have gone already by the time that this one is told to.
                    frame = lean.hear() => assert!(*go.borrow(), "news of nothing: {}", frame.kind),
                }
            }
            if n % 2 == 0 {
                lean.say(format!(r#"{{"type":"leave","room":"{ROOM}"}}"#)).await;
            }
            // What is still said of others is read until the server has closed as well.
            lean.socket.send(Message::Close(None)).await.unwrap();
            while let Some(Ok(_)) = lean.socket.next().await {}
        });
    }
    ready.wait().await;
    let opened = began.elapsed();
    let began = Instant::now();
    let (mut rosters, mut diffs) = (0, 0);
    for _ in 0..CLIENTS {
        let wait = tokio::time::timeout(STEP, seeing.recv()).await;
        let Ok(Some((more_rosters, more_diffs))) = wait else {
            // One of them has panicked, and says why.
            while let Some(done) = clients.try_join_next() {
                done.unwrap();
            }
            panic!("not all see all within {STEP:?}");
        };
        (rosters, diffs) = (rosters + more_rosters, diffs + more_diffs);
    }
    let joined = began.elapsed();
    let rss_full_kb = process.rss_kb();
    let began = Instant::now();
    all_here.send(true).unwrap();
    tokio::time::timeout(STEP, clients.join_all()).await.expect("all have to end");
    let left = began.elapsed();
    while process.connections() > 0 {
        assert!(began.elapsed() < STEP, "{} connections left", process.connections());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(GIVEN_BACK_WITHIN).await;
    let rss_empty_kb = process.rss_kb();
    Cycle { opened, joined, left, rosters, diffs, rss_full_kb, rss_empty_kb }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a minute; ./test --long runs it"]
async fn t_70_two_thousand_join_at_once_see_each_other_and_leave_nothing_behind_three_times() {
    let process = Process::start();
    let rss_kb = process.rss_kb();
    println!("{CLIENTS} clients; {rss_kb} kB before the first");
    let mut cycles = Vec::new();
    for n in 1..=3 {
        let cycle = cycle(&process).await;
        let Cycle { opened, joined, left, rosters, diffs, rss_full_kb, rss_empty_kb } = &cycle;
        println!(
            "cycle {n}: opened in {opened:?}, all saw all {joined:?} after they joined, gone in {left:?}; {rosters} rosters, \
             {diffs} diffs; {rss_full_kb} kB full, {rss_empty_kb} kB empty"
        );
        // One roster each, and few diffs: not one for each of the others.
        assert_eq!(cycle.rosters, CLIENTS);
        assert!(cycle.diffs < CLIENTS * 40, "{} diffs", cycle.diffs);
        let mut late = Lean::open(&process.address, 7).await;
        late.say(format!(r#"{{"type":"join","room":"{ROOM}","interest":"full","id":1}}"#)).await;
        late.follow(1).await;
        assert_eq!((late.here, late.rosters, late.diffs), (BTreeSet::from([7]), 1, 0), "nobody is left in the room");
        late.socket.send(Message::Close(None)).await.unwrap();
        while let Some(Ok(_)) = late.socket.next().await {}
        cycles.push(cycle);
    }
    // Nothing is to be added to what is left by the first.
    let first = cycles[0].rss_empty_kb;
    for (n, cycle) in (1..).zip(&cycles) {
        let more = (cycle.rss_empty_kb as f64 / first as f64 - 1.0) * 100.0;
        let left = cycle.rss_empty_kb;
        println!("2,000 joined and left: {left} kB after cycle {n}, {more:+.1} % beside what was left by the first");
        assert!(more <= 10.0, "{left} kB after cycle {n}, {first} kB after the first");
    }
}
