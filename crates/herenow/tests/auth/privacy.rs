//! What a server keeps and whom it asks: no file, and nobody who is not configured; seen from outside the process.
use crate::{
    app::{App, Says},
    common::{Claims, LIMIT, Peer, SECRET, token},
    process::Process,
    see::until,
};
use herenow::auth::rights::Rights;
use herenow_client::raw;
use serde_json::{Value, json};
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Has two people meet over WebSocket, and pages, streams and the API be asked for.
async fn visit(process: &Process) {
    let mut alice = native(process, &token("alice")).await;
    alice.say(json!({"type":"join","room":"r","id":1,"state":{"page":1}})).await;
    alice.hear().await;
    let mut bob = native(process, &token("bob")).await;
    bob.say(json!({"type":"join","room":"r","id":1})).await;
    bob.hear().await;
    alice.say(json!({"type":"message","room":"r","event":"hi","data":"there","id":2})).await;
    while bob.hear().await["type"] != "message" {}
    for path in
        ["/demo", "/admin", "/docs", "/sdk.js", "/openapi.json", "/healthz", "/readyz", "/help/errors", "/v1/rooms/r"]
    {
        get(process, path).await;
    }
    bob.close(Some(1000)).await;
}

async fn native(process: &Process, token: &str) -> Peer {
    let mut peer = Peer(raw::connect(&process.url(token)).protocol("herenow.v1").open().await.unwrap());
    assert_eq!(peer.hear().await["type"], "welcome");
    peer
}

async fn get(process: &Process, path: &str) -> String {
    let mut stream = TcpStream::connect(&process.address).await.unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\r\n",
        process.address,
        token("alice")
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(LIMIT, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

/// What is in a folder, and in those within it.
fn files(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path().display().to_string()).collect()
}

#[tokio::test]
async fn a_server_writes_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let place = temporary.path().to_str().unwrap();
    let variables = [("HERENOW_SECRET", SECRET), ("HERENOW_DEMO__ENABLED", "true"), ("TMPDIR", place), ("HOME", place)];
    let process = Process::start(folder.path(), &variables);
    visit(&process).await;
    // Nor is any open: what it holds are sockets, pipes, and what the system gives every process.
    let open: Vec<String> = fs::read_dir(format!("/proc/{}/fd", process.id()))
        .unwrap()
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .map(|target| target.display().to_string())
        .filter(|target| target.starts_with('/') && !target.starts_with("/dev/") && !target.starts_with("/proc/"))
        .collect();
    let written = [files(folder.path()), files(temporary.path())].concat();
    println!("files written: {}, files open: {}", written.len(), open.len());
    assert!(written.is_empty() && open.is_empty(), "{written:?} {open:?}");
}

/// The addresses that a trace has a process connect or send to.
fn asked(trace: &Path) -> Vec<String> {
    let text = fs::read_to_string(trace).unwrap();
    let lines = text.lines().filter(|line| line.contains("sa_family=AF_INET") || line.contains("sa_family=AF_UNIX"));
    lines.map(str::to_owned).collect()
}

#[tokio::test]
async fn nothing_is_asked_for_that_is_not_configured() {
    if Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_err() {
        // `./test` installs it, and says so where it cannot.
        println!("strace is not installed: what the server asks for was not looked at");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let traced = |name: &str| folder.path().join(name);
    let under = |trace: &Path| {
        let trace = trace.to_str().unwrap().to_owned();
        // The server is the child, and what traces it ends with it.
        ["strace", "-D", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o"]
            .map(str::to_owned)
            .into_iter()
            .chain([trace])
            .collect::<Vec<_>>()
    };
    let plain = traced("plain.trace");
    let variables = [("HERENOW_SECRET", SECRET), ("HERENOW_DEMO__ENABLED", "true")];
    let process = Process::start_under(&under(&plain), folder.path(), &variables);
    visit(&process).await;
    drop(process);
    let by_itself = asked(&plain);

    // The trace would see it: with a hook, it is asked, and nobody else.
    let app = App::start(|_| Says::json(&json!({ "allow": true }))).await;
    let hooked = traced("hooked.trace");
    let hook = app.url("/room");
    let variables = [("HERENOW_SECRET", SECRET), ("HERENOW_AUTH__ROOM_HOOK", hook.as_str())];
    let process = Process::start_under(&under(&hooked), folder.path(), &variables);
    let lobby = Claims { rooms: vec![("lobby", Rights::DEFAULT)], ..Claims::of("alice") }.sign("alice");
    let mut alice = native(&process, &lobby).await;
    alice.say(json!({"type":"join","room":"elsewhere","id":1})).await;
    let answer: Value = alice.hear().await;
    assert_eq!(answer["type"], "roster", "{answer}");
    until("the trace is written", || !asked(&hooked).is_empty()).await;
    drop(process);
    let port = hook.split(':').nth(2).unwrap().split('/').next().unwrap();
    let strays: Vec<String> =
        asked(&hooked).into_iter().filter(|line| !line.contains(&format!("htons({port})"))).collect();
    println!("asked for without configuration: {}; with a hook, besides it: {}", by_itself.len(), strays.len());
    assert!(by_itself.is_empty() && strays.is_empty(), "{by_itself:?} {strays:?}");
}
