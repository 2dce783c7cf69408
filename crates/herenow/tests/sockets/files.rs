//! A server that may open no more files: who is there stays, and others get in once some are free.
use crate::{
    common::{LIMIT, Peer, SECRET, token},
    process::Process,
};
use herenow_client::raw;
use std::{
    io::Read,
    process::Command,
    time::{Duration, Instant},
};
use tokio::net::TcpStream;

const ROOM: &str = "board-1";
/// Files that the server may open: far more than it needs for itself, far less than will come.
const FILES: usize = 96;

#[tokio::test]
async fn a_server_out_of_files_serves_who_is_there_and_lets_others_in_when_some_are_free() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -n {FILES} && exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_herenow")]);
    command.args(["--listen", "127.0.0.1:0"]).current_dir(folder.path());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HERENOW_")) {
        command.env_remove(name);
    }
    command.env("HERENOW_SECRET", SECRET);
    let mut process = Process::start(command);
    let open = async |user: &str, limit| {
        let opening = raw::connect(&process.url(&token(user))).open();
        let socket = tokio::time::timeout(limit, opening).await.ok()?.ok()?;
        let mut peer = Peer(socket);
        assert_eq!(peer.hear().await["type"], "connected");
        Some(peer)
    };
    let mut alice = open("alice", LIMIT).await.unwrap();
    let mut bob = open("bob", LIMIT).await.unwrap();
    alice.join(ROOM).await;
    bob.join(ROOM).await;
    assert_eq!(alice.hear().await["type"], "user_joined");

    // The system takes them, and the server cannot.
    let address = process.url("").split('/').nth(2).unwrap().to_owned();
    let mut strangers = Vec::new();
    for _ in 0..FILES + 20 {
        strangers.push(TcpStream::connect(&address).await.unwrap());
    }
    assert!(open("carol", Duration::from_millis(700)).await.is_none(), "there is a file for one more");
    alice.say(serde_json::json!({"type":"typing","boardId":ROOM})).await;
    assert_eq!(bob.hear().await["type"], "user_typing");
    bob.say(serde_json::json!({"type":"typing","boardId":ROOM})).await;
    assert_eq!(alice.hear().await["type"], "user_typing");

    let began = Instant::now();
    strangers.clear();
    let mut carol = open("carol", LIMIT).await.expect("files are free");
    let recovered = began.elapsed();
    assert_eq!(carol.join(ROOM).await["count"], 3);
    assert_eq!(alice.hear().await["type"], "user_joined");
    drop((alice, bob, carol));
    let mut log = process.stderr();
    drop(process);
    let mut logged = String::new();
    log.read_to_string(&mut logged).unwrap();
    assert!(logged.contains("is the limit on open files (ulimit -n) reached?"), "{logged}");
    assert!(!logged.contains("panicked"), "{logged}");
    println!(
        "files exhausted: accepting rests, existing 2 alive, recovered {:.1} s after some were free, 0 panics",
        recovered.as_secs_f64()
    );
}
