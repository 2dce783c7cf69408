//! The wall clock of the machine is set while the server runs: nothing that the server does may depend on it.
use crate::{
    common::{Claims, LIMIT, Peer, SECRET},
    process::{Process, herenow},
};
use herenow_client::raw::{self, RawError};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::ChildStderr,
    sync::mpsc,
    time::{Duration, Instant},
};

const ROOM: &str = "board-1";
/// How long is waited after each step: longer than pings, the wait for their answers, and grace.
const QUIET: Duration = Duration::from_secs(4);
const HOUR_S: i64 = 3600;

/// What has a process take its wall clock from a file; none where it is not installed.
fn libfaketime() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
    folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|library| library.exists())
}

/// A server whose wall clock can be set, and what it logs.
struct Set {
    process: Process,
    offset: PathBuf,
    logged: mpsc::Receiver<String>,
}

impl Set {
    fn start(folder: &Path, library: &Path) -> Self {
        let offset = folder.join("offset");
        fs::write(&offset, "+0").unwrap();
        let mut command = herenow(folder, &["--listen", "127.0.0.1:0"]);
        command.env("HERENOW_SECRET", SECRET).env("HERENOW_LOG__LEVEL", "debug").env("HERENOW_LOG__FORMAT", "json");
        for (key, value) in [
            ("PING_INTERVAL", "1s"),
            ("PONG_TIMEOUT", "1s"),
            ("LEAVE_GRACE", "1s"),
            ("DROP_GRACE", "60s"),
            ("TYPING_LEASE", "60s"),
        ] {
            command.env(format!("HERENOW_PRESENCE__{key}"), value);
        }
        // Only the wall clock: what counts from the start of the machine is not set with it.
        command.env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", &offset).env("FAKETIME_NO_CACHE", "1");
        command.env("DONT_FAKE_MONOTONIC", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        let mut process = Process::start(command);
        let stderr: ChildStderr = process.stderr();
        let (line_out, logged) = mpsc::channel();
        std::thread::spawn(move || {
            BufReader::new(stderr).lines().map_while(Result::ok).try_for_each(|line| line_out.send(line))
        });
        Self { process, offset, logged }
    }

    fn bearing(&self, claims: Claims, user: &str) -> String {
        self.process.url(&claims.sign(user))
    }

    async fn native(&self, user: &str, claims: Claims) -> Peer {
        let opening = raw::connect(&self.bearing(claims, user)).protocol("herenow.v1").open().await;
        let mut peer = Peer(opening.unwrap());
        let welcome = peer.hear().await;
        assert_eq!((&welcome["type"], &welcome["user"]["id"]), (&json!("welcome"), &json!(user)));
        peer
    }

    /// Sets the wall clock, and waits until the process shows that it sees it. Another user comes and goes for that, since
    /// the end of each connection is logged with the time; more than once where it saw it late.
    async fn step(&self, by_s: i64) {
        // In one go, so that nobody reads half of it.
        let next = self.offset.with_extension("next");
        fs::write(&next, format!("{by_s:+}")).unwrap();
        fs::rename(&next, &self.offset).unwrap();
        let began = Instant::now();
        loop {
            while self.logged.try_recv().is_ok() {}
            self.native("nobody", Claims::of("nobody")).await.close(Some(1000)).await;
            let line = self.logged.recv_timeout(LIMIT).expect("the end of a connection is logged");
            let line: Value = serde_json::from_str(&line).unwrap();
            let told_s = seconds_of_day(line["timestamp"].as_str().unwrap());
            let real_s = crate::common::now_unix_s() as i64;
            let differs_s = (told_s - real_s - by_s).rem_euclid(24 * HOUR_S);
            if !(10..=24 * HOUR_S - 10).contains(&differs_s) {
                return;
            }
            assert!(began.elapsed() < LIMIT, "{line} was logged {by_s} s away from {real_s}");
        }
    }
}

/// The time of the day in a text such as `2026-01-31T12:34:56.789Z`.
fn seconds_of_day(timestamp: &str) -> i64 {
    let parts = timestamp[11..19].split(':').map(|part| part.parse::<i64>().unwrap());
    parts.fold(0, |seconds, part| seconds * 60 + part)
}

/// Hears nothing for a while, and answers pings meanwhile, as a browser does.
async fn silence(peer: &mut Peer) {
    let heard = peer.0.next_text(QUIET).await;
    assert!(matches!(heard, Err(RawError::TimedOut { .. })), "{heard:?}");
}

#[tokio::test]
async fn t_17_the_wall_clock_may_be_set_an_hour_forward_and_back_without_an_event() {
    let Some(library) = libfaketime() else {
        println!("!!! SKIPPED: the wall clock was NOT set; Debian's package faketime is not installed");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let server = Set::start(folder.path(), &library);
    // Half an hour would be over at each step, were it looked at on the wall.
    let brief = |user: &str| Claims { ttl: Duration::from_secs(1800), ..Claims::of(user) };
    let mut alice = server.native("alice", brief("alice")).await;
    let mut bob = server.native("bob", brief("bob")).await;
    let mut carol = server.native("carol", brief("carol")).await;
    for peer in [&mut alice, &mut bob, &mut carol] {
        peer.say(json!({"type":"join","room":ROOM,"state":{"card":3}})).await;
        assert_eq!(peer.hear().await["type"], "roster");
    }
    alice.say(json!({"type":"typing","room":ROOM,"target":"title"})).await;
    alice.say(json!({"type":"lock","room":ROOM,"name":"card-3","id":1})).await;
    alice.say(json!({"type":"watch","users":["carol"],"id":2})).await;
    // Dots come from another place than the room, in their own time.
    while alice.hear().await["type"] != "statuses" {}
    // One is away, within grace.
    drop(carol);
    for (n, peer) in [(3, &mut alice), (4, &mut bob)] {
        peer.say(json!({"type":"sync","room":ROOM,"id":n})).await;
        while peer.hear().await["re"] != n {}
    }
    for by_s in [0, HOUR_S, -HOUR_S, 0] {
        server.step(by_s).await;
        tokio::join!(silence(&mut alice), silence(&mut bob));
        let mut late = server.native("dan", brief("dan")).await;
        late.say(json!({"type":"join","room":ROOM,"observe":true})).await;
        let roster = late.hear().await;
        assert_eq!(roster["count"], json!({"users":3,"sessions":3}), "{roster}");
        assert_eq!(roster["typing"][0]["user"]["id"], "alice");
        assert_eq!(roster["locks"][0]["holder"]["id"], "alice");
        late.close(Some(1000)).await;
    }
    // And they hear each other still.
    bob.say(json!({"type":"message","room":ROOM,"event":"wave","data":null})).await;
    assert_eq!(alice.hear().await["event"], "wave");
    println!("wall clock +-1 h on the node: events 0");
}
