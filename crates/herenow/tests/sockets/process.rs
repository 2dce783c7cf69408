//! The binary as a process: what it prints, how it ends, and that its tokens are good.
use crate::common::{Peer, SECRET};
use herenow_client::raw;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

/// The binary in a folder of its own, with no settings from around.
pub fn herenow(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_herenow"));
    command.args(arguments).current_dir(folder);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HERENOW_")) {
        command.env_remove(name);
    }
    command
}

/// A server in a process of its own; killed where a test ends before it.
pub struct Process {
    child: Child,
    address: String,
}

impl Process {
    /// Starts it, and reads from what it prints where it listens.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.by_ref().map(Result::unwrap).find(|line| line.contains("/ws "));
        let Some(line) = line else {
            let mut errors = String::new();
            child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
            panic!("no address: {errors}");
        };
        let address = line.split("://").nth(1).unwrap().split('/').next().unwrap().to_owned();
        lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("herenow is ready"))).unwrap().unwrap();
        Self { child, address }
    }

    pub fn url(&self, token: &str) -> String {
        format!("ws://{}/ws?token={token}", self.address)
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it logs from here on. Nobody reads it otherwise.
    pub fn stderr(&mut self) -> ChildStderr {
        self.child.stderr.take().unwrap()
    }

    /// Ends it as a service manager does; how it ended.
    fn terminate(mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < Duration::from_secs(15), "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

fn token(folder: &Path, secret: &str, rooms: &str) -> String {
    let made = herenow(folder, &["token", "--user", "alice", "--room", rooms]).env("HERENOW_SECRET", secret).output();
    let made: Output = made.unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    text(&made.stdout)
}

#[tokio::test]
async fn a_token_of_the_command_line_opens_the_server_with_the_same_secret() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = herenow(folder.path(), &["--listen", "127.0.0.1:0"]);
    command.env("HERENOW_SECRET", SECRET);
    let process = Process::start(command);
    assert!(!process.address.ends_with(":0"), "the real port is printed");
    let mut peer = Peer(raw::connect(&process.url(&token(folder.path(), SECRET, "board-*"))).open().await.unwrap());
    assert_eq!(peer.hear().await["user"], serde_json::json!({"id":"alice","name":"alice"}));
    peer.join("board-1").await;
    peer.say(serde_json::json!({"type":"join","boardId":"lobby"})).await;
    assert_eq!(peer.hear().await["code"], "room.forbidden");
    let other = token(folder.path(), &SECRET.replace('a', "e"), "*");
    let mut refused = Peer(raw::connect(&process.url(&other)).open().await.unwrap());
    assert_eq!(refused.hear().await["error"], "Invalid session");
    drop(refused);
    let ended = tokio::spawn(async move { peer.close_code().await });
    let status = tokio::task::spawn_blocking(|| process.terminate()).await.unwrap();
    assert_eq!(status.code(), Some(0));
    assert_eq!(ended.await.unwrap(), Some(1001));
}

#[test]
fn a_server_on_its_own_ends_with_0_at_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(herenow(folder.path(), &["serve", "--listen", "127.0.0.1:0"]));
    let began = Instant::now();
    assert_eq!(process.terminate().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_server_out_of_files_serves_on_and_lets_in_again_once_there_are_some() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    let binary = env!("CARGO_BIN_EXE_herenow");
    command.args(["-c", "ulimit -n 40; exec \"$0\" --listen 127.0.0.1:0", binary]).current_dir(folder.path());
    command.env("HERENOW_SECRET", SECRET).env_remove("HERENOW_CONFIG");
    let process = Process::start(command);
    let url = process.url(&crate::common::token("alice"));
    let mut peers = Vec::new();
    while let Ok(client) = raw::connect(&url).limit(Duration::from_millis(700)).open().await {
        peers.push(Peer(client));
        assert!(peers.len() < 40, "there are only 40 files");
    }
    assert!(peers.len() > 10, "{} let in", peers.len());
    for peer in &mut peers {
        assert_eq!(peer.hear().await["type"], "connected");
        peer.join("board-1").await;
    }
    peers.truncate(5);
    let mut late = Peer(raw::connect(&url).open().await.unwrap());
    assert_eq!(late.hear().await["type"], "connected");
    late.join("board-1").await;
    assert_eq!(process.terminate().code(), Some(0));
}

#[test]
fn a_server_with_open_streams_of_the_demo_ends_with_0_and_soon() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(herenow(folder.path(), &["--listen", "127.0.0.1:0"]));
    let mut streams = Vec::new();
    for path in ["/boards/board-1/events", "/boards/board-1/poll", "/healthz"] {
        let mut stream = TcpStream::connect(&process.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", process.address).unwrap();
        streams.push(stream);
    }
    // The stream has begun; the poll came before the health, whose answer is there.
    for at in [0, 2] {
        let mut head = [0; 15];
        streams[at].read_exact(&mut head).unwrap();
        assert_eq!(&head, b"HTTP/1.1 200 OK");
    }
    let began = Instant::now();
    assert_eq!(process.terminate().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[test]
fn an_address_that_is_taken_is_an_error_that_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(herenow(folder.path(), &["--listen", "127.0.0.1:0"]));
    let second = herenow(folder.path(), &["--listen", &process.address]).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let message = text(&second.stderr);
    assert!(
        message.contains(&process.address) && message.contains("--listen") && message.contains("taken"),
        "{message}"
    );
}

#[test]
fn an_address_others_can_reach_needs_a_secret_and_one_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let refused = herenow(folder.path(), &["serve", "--listen", "0.0.0.0:0"]).output().unwrap();
    assert_eq!((refused.status.code(), text(&refused.stdout).as_str()), (Some(2), ""));
    let message = text(&refused.stderr);
    let proposal = message.split("HERENOW_SECRET=").nth(1).unwrap().split_whitespace().next().unwrap();
    let mut command = herenow(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
    command.env("HERENOW_SECRET", proposal);
    let process = Process::start(command);
    assert!(!token(folder.path(), proposal, "*").is_empty());
    assert_eq!(process.terminate().code(), Some(0));
}

#[test]
fn an_unknown_key_in_the_file_is_an_error_with_a_suggestion() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("herenow.toml"), "[presence]\nleave_grase = \"5s\"\n").unwrap();
    let refused = herenow(folder.path(), &["--listen", "127.0.0.1:0"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let message = text(&refused.stderr);
    assert!(message.contains("leave_grase") && message.contains("leave_grace"), "{message}");
    let misspelt = herenow(folder.path(), &["--listn", "x"]).output().unwrap();
    assert_eq!(misspelt.status.code(), Some(2));
    assert!(text(&misspelt.stderr).contains("--listen"), "{}", text(&misspelt.stderr));
}
