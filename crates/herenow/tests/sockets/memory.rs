//! A server with little memory left: who is there is served on, and nobody new is let in until some is free.
use crate::{
    common::{Peer, SECRET, token},
    process::{Process, herenow},
};
use herenow_client::{error::ConnectError, raw};
use serde_json::json;
use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

/// More than it can ever need, and a limit of the process all the same: a container's would count what else runs there.
const PLENTY_MIB: usize = 1 << 20;
/// More than can come before that is reached.
const VIEWERS_MAX: usize = 1_000;
/// Rooms of each of them, with as large a state in each as may be.
const ROOMS: usize = 40;

#[tokio::test]
async fn with_little_memory_left_nobody_new_is_let_in_and_who_is_there_is_served_on() {
    let needed = {
        let process = started(PLENTY_MIB);
        let _two = alice_and_bob(&process).await;
        metric(&process, "herenow_memory_bytes")
    };
    // What it needs for two depends on the machine.
    let memory_mib = (needed >> 20) * 2 + 8;
    let process = started(memory_mib);
    let (mut alice, mut bob) = alice_and_bob(&process).await;

    let mut others = Vec::new();
    let (status, retry_after) = loop {
        match native(&process, &format!("viewer-{}", others.len())).await {
            Ok(mut peer) => {
                fill(&mut peer, others.len()).await;
                others.push(peer);
            }
            Err(ConnectError::Status { status, .. }) => break (status, header(&process, "/stream", "retry-after")),
            Err(other) => panic!("{other}"),
        }
        assert!(others.len() < VIEWERS_MAX, "nobody is refused");
    };
    let used = metric(&process, "herenow_memory_bytes");
    assert_eq!((status, retry_after.as_deref()), (503, Some("5")));
    assert!(metric(&process, r#"herenow_connections_refused_total{code="server.busy"}"#) >= 2);

    alice.say(json!({"type":"message","room":"board-1","event":"wave","data":1})).await;
    let heard = loop {
        let frame = bob.hear().await;
        if frame["type"] == "message" {
            break frame;
        }
    };
    assert_eq!(heard["event"], "wave", "who is there is served on");

    let refused_at = others.len();
    drop(others);
    let began = Instant::now();
    while native(&process, "carol").await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(30), "{} B used", metric(&process, "herenow_memory_bytes"));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!(
        "memory cap {memory_mib} MiB: refused with 503 at {:.1} MiB, no OOM kill; {refused_at} viewers let in, others again \
         {:.1} s after they had gone",
        f64::from(u32::try_from(used >> 10).unwrap()) / 1024.0,
        began.elapsed().as_secs_f64()
    );
}

fn started(memory_mib: usize) -> Process {
    let folder = tempfile::tempdir().unwrap();
    let mut command = herenow(folder.path(), &["--listen", "127.0.0.1:0"]);
    command.env("HERENOW_SECRET", SECRET).env("HERENOW_API__PUBLIC_METRICS", "true");
    command.env("HERENOW_LIMITS__UPDATE_RATE", "0");
    command.env("HERENOW_PRESENCE__DROP_GRACE", "500ms").env("HERENOW_PRESENCE__RESUME_WINDOW", "1s");
    command.env("HERENOW_LIMITS__MEMORY", format!("{memory_mib}MiB"));
    Process::start(command)
}

async fn alice_and_bob(process: &Process) -> (Peer, Peer) {
    let mut two = (native(process, "alice").await.unwrap(), native(process, "bob").await.unwrap());
    for (peer, id) in [(&mut two.0, 1), (&mut two.1, 2)] {
        peer.say(json!({"type":"join","room":"board-1","id":id})).await;
        while peer.hear().await["re"] != id {}
    }
    two
}

async fn native(process: &Process, user: &str) -> Result<Peer, ConnectError> {
    let mut peer: Peer = Peer(raw::connect(&process.url(&token(user))).protocol("herenow.v1").open().await?);
    assert_eq!(peer.hear().await["type"], "welcome");
    Ok(peer)
}

/// Has a viewer share as much as may be in many rooms, and leave soon after it is gone.
async fn fill(peer: &mut Peer, n: usize) {
    for room in 0..ROOMS {
        let state = json!({ "all": "x".repeat(4_000) });
        peer.say(json!({"type":"join","room":format!("room-{n}-{room}"),"id":room})).await;
        peer.say(json!({"type":"update","room":format!("room-{n}-{room}"),"state":state,"id":room + 1_000})).await;
    }
    while peer.hear().await["re"] != ROOMS + 999 {}
}

fn get(process: &Process, path: &str) -> String {
    let mut stream = TcpStream::connect(process.address()).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", process.address()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn header(process: &Process, path: &str, name: &str) -> Option<String> {
    let answer = get(process, path).to_ascii_lowercase();
    let line = answer.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim_start_matches(':').trim().to_owned())
}

fn metric(process: &Process, name: &str) -> usize {
    let answer = get(process, "/metrics");
    let line = answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {answer}")).parse().unwrap()
}
