//! What a hostile client must not get: whether a room exists, what is said in one, somebody else's name, all the sockets.
use crate::{
    common::{Claims, LIMIT, Peer, TestServer, token, token_saying},
    see::{Dialect, With, see},
};
use herenow::auth::{address::Network, rights::Rights};
use herenow_client::{error::ConnectError, raw};
use herenow_core::id::{RoomId, UserId};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

async fn native(server: &TestServer, token: &str) -> Peer {
    let seen = see(server, Dialect::Native, With::Token(token)).await;
    Peer(seen.client.unwrap_or_else(|| panic!("{}", seen.what)))
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

#[tokio::test]
async fn a_room_that_is_not_for_somebody_is_like_one_that_is_not_there() {
    let server = TestServer::start(|config| config.limits.rates.other = 0).await;
    let mut alice = native(&server, &token("alice")).await;
    alice.say(json!({"type":"join","room":"secret","id":1})).await;
    assert_eq!(alice.hear().await["type"], "roster");
    let mut eve =
        native(&server, &Claims { rooms: vec![("lobby", Rights::DEFAULT)], ..Claims::of("eve") }.sign("eve")).await;
    let mut answers = [Vec::new(), Vec::new()];
    let mut times = [Vec::new(), Vec::new()];
    for n in 0..40 {
        for (at, room) in ["secret", "nobody"].into_iter().enumerate() {
            for kind in ["join", "typing", "lock"] {
                let began = Instant::now();
                eve.say(json!({"type":kind,"room":room,"name":"x","id":n})).await;
                let answer = eve.hear().await.to_string();
                times[at].push(began.elapsed());
                answers[at].push(answer.replace(room, "ROOM"));
            }
            // A hundred refusals in ten seconds end a connection.
            if answers[at].len() % 30 == 0 {
                let claims = Claims { rooms: vec![("lobby", Rights::DEFAULT)], ..Claims::of("eve") };
                eve = native(&server, &claims.sign("eve")).await;
            }
        }
    }
    let are_equal = answers[0] == answers[1];
    let [secret, nobody] = times.map(median);
    println!(
        "unknown vs forbidden: bytes {}, Δmedian {:.2} ms ({} requests each)",
        if are_equal { "equal" } else { "differ" },
        (secret - nobody).abs(),
        answers[0].len()
    );
    assert!(are_equal, "{} {}", answers[0][0], answers[1][0]);
    assert!((secret - nobody).abs() < 5.0, "{secret} {nobody}");
    assert!(answers[0][0].contains("room.forbidden"));
}

/// Does in the room each thing that others are told of, and waits until all of it is done.
async fn be_busy(server: &TestServer, bob: &mut Peer) {
    let mut carol = native(server, &token("carol")).await;
    for frame in [
        json!({"type":"join","room":"secret","id":1}),
        json!({"type":"typing","room":"secret","id":2}),
        json!({"type":"message","room":"secret","event":"hello","data":"words","id":3}),
        json!({"type":"update","room":"secret","state":{"a":1},"id":4}),
        json!({"type":"lock","room":"secret","name":"x","id":5}),
        json!({"type":"cursor","room":"secret","x":0.5,"y":0.5,"id":6}),
        json!({"type":"leave","room":"secret","id":7}),
    ] {
        let id = frame["id"].clone();
        carol.say(frame).await;
        while carol.hear().await["re"] != id {}
    }
    bob.say(json!({"type":"sync","room":"secret","id":99})).await;
    while bob.hear().await["re"] != 99 {}
}

#[tokio::test]
async fn nothing_of_a_room_is_told_to_who_is_not_in_it() {
    let server = TestServer::start(|_| {}).await;
    let room = || RoomId::parse("secret").unwrap();
    let mut bob = native(&server, &token("bob")).await;
    bob.say(json!({"type":"join","room":"secret","sessions":true,"id":0})).await;
    bob.hear().await;
    let lobby_only = |user: &str| Claims { rooms: vec![("lobby", Rights::DEFAULT)], ..Claims::of(user) }.sign(user);
    let mut outsiders: Vec<(&str, Peer)> = Vec::new();
    outsiders.push(("never asked", native(&server, &token("o1")).await));
    let mut refused = native(&server, &lobby_only("o2")).await;
    for frame in [
        json!({"type":"join","room":"secret","id":1}),
        json!({"type":"join","room":"secret","observe":true,"id":2}),
        json!({"type":"sync","room":"secret","id":3}),
    ] {
        refused.say(frame).await;
        assert_eq!(refused.hear().await["type"], "error");
    }
    outsiders.push(("was refused", refused));
    for (name, user) in [("left", "o3"), ("was kicked", "o4"), ("lost the right", "o5"), ("was an observer", "o6")] {
        let mut peer = native(&server, &token(user)).await;
        let observe = name == "was an observer";
        peer.say(json!({"type":"join","room":"secret","observe":observe,"sessions":true,"id":1})).await;
        while peer.hear().await["re"] != 1 {}
        match name {
            "was kicked" => {
                server.presence.kick(room(), UserId::parse(user).unwrap(), None).await;
                while peer.hear().await["type"] != "removed" {}
            }
            "lost the right" => {
                peer.say(json!({"type":"auth","token":lobby_only(user),"id":2})).await;
                while peer.hear().await["type"] != "removed" {}
            }
            _ => {
                peer.say(json!({"type":"leave","room":"secret","id":2})).await;
                while peer.hear().await["re"] != 2 {}
            }
        }
        outsiders.push((name, peer));
    }
    be_busy(&server, &mut bob).await;
    // Seven things that Carol did, five that one may not do oneself, each for each outsider.
    let (cells, mut leaks) = (outsiders.len() * 12, Vec::new());
    for (name, peer) in &mut outsiders {
        // What is said there is not theirs to change either.
        for (kind, id) in [("sync", 10), ("typing", 11), ("update", 12), ("message", 13), ("lock", 14), ("ping", 15)] {
            let frame = json!({"type":kind,"room":"secret","event":"x","data":1,"state":{"a":1},"name":"x","id":id});
            peer.say(frame).await;
        }
        loop {
            let frame = peer.hear().await;
            if frame["re"] == 15 {
                break;
            }
            let is_refusal = frame["type"] == "error";
            // An answer to one's own renewal or leave may come late.
            let is_own = frame["type"] == "ack" && frame["re"] == 2;
            if !is_refusal && !is_own {
                leaks.push(format!("{name}: {frame}"));
            }
        }
    }
    println!("leak matrix {cells} cells: {} leaks", leaks.len());
    assert!(leaks.is_empty() && cells == 72, "{leaks:?}");
}

#[tokio::test]
async fn nobody_passes_for_somebody_else() {
    let server = TestServer::start(|_| {}).await;
    let mut bob = native(&server, &token("bob")).await;
    bob.say(json!({"type":"join","room":"r","id":0})).await;
    bob.hear().await;
    let alice = json!({"id":"alice","name":"Alice","color":"red"});
    let spoofs = [
        json!({"user":"alice"}),
        json!({"user":alice}),
        json!({"userId":"alice"}),
        json!({"user_id":"alice"}),
        json!({"sub":"alice"}),
        json!({"name":"Alice"}),
        json!({"from":alice}),
        json!({"from":"alice"}),
        json!({"session":"0000000000000001"}),
        json!({"identity":alice}),
        json!({"as":"alice"}),
        json!({"on_behalf_of":"alice"}),
        json!({"profile":alice}),
        json!({"admin":true,"rooms":["*"]}),
    ];
    let mut accepted = 0;
    for (n, spoof) in spoofs.iter().enumerate() {
        let mut eve = native(&server, &token("eve")).await;
        for frame in [json!({"type":"join","room":"r"}), json!({"type":"message","room":"r","event":"x","data":n})] {
            let mut frame = frame;
            frame.as_object_mut().unwrap().extend(spoof.as_object().unwrap().clone());
            eve.say(frame).await;
        }
        loop {
            let frame = bob.hear().await;
            let text = frame.to_string();
            accepted += usize::from(text.contains("alice") || text.contains("Alice"));
            if frame["type"] == "message" && frame["data"] == n {
                assert_eq!(frame["from"]["id"], "eve");
                break;
            }
        }
    }
    println!("spoofed ids accepted: {accepted}/{}", spoofs.len());
    assert_eq!(accepted, 0);
}

#[tokio::test]
async fn slow_handshakes_are_cut_off_and_keep_nobody_out() {
    let server = TestServer::start(|_| {}).await;
    let began = Instant::now();
    let mut slow = Vec::new();
    for n in 0..1000 {
        // From ten addresses of this machine, each of which may have 500.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("127.0.1.{}:0", n % 10 + 1).parse().unwrap()).unwrap();
        let mut stream = socket.connect(server.address).await.unwrap();
        stream.write_all(b"GET /ws HTTP/1.1\r\nHost: x\r\nX-Slow: ").await.unwrap();
        slow.push(stream);
    }
    let mut let_in = 0;
    for n in 0..50 {
        let mut peer = Peer(raw::connect(&server.bearing(&token(&format!("u{n}")))).open().await.unwrap());
        let_in += usize::from(peer.hear().await["type"] == "connected");
    }
    let mut closed = 0;
    for stream in &mut slow {
        let mut answer = Vec::new();
        let ended = tokio::time::timeout(LIMIT * 2, stream.read_to_end(&mut answer)).await;
        closed += usize::from(ended.is_ok());
    }
    println!(
        "{closed} of {} slow: closed at {:.1} s, real clients {} %",
        slow.len(),
        began.elapsed().as_secs_f64(),
        let_in * 2
    );
    assert_eq!((closed, let_in), (slow.len(), 50));
    assert!(began.elapsed() < Duration::from_secs(12));
}

#[tokio::test]
async fn the_oldest_half_open_connection_of_an_address_makes_room_and_a_proxy_has_as_many_as_it_needs() {
    for (proxies, left) in [(&[][..], 3), (&["127.0.2.0/24"][..], 6)] {
        let server = TestServer::start(|config| {
            config.limits.half_open_per_address = 3;
            config.server.trusted_proxies = proxies.iter().map(|text| Network::parse(text).unwrap()).collect();
        })
        .await;
        let mut slow = Vec::new();
        for n in 0..6 {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind("127.0.2.1:0".parse().unwrap()).unwrap();
            let mut stream = socket.connect(server.address).await.unwrap();
            stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n").await.unwrap();
            slow.push((n, stream));
        }
        // The last is answered only once all before it were accepted.
        slow[5].1.write_all(b"\r\n").await.unwrap();
        assert_ne!(slow[5].1.read(&mut [0; 64]).await.unwrap(), 0);
        let mut answered = vec![5];
        for (n, stream) in &mut slow[..5] {
            let is_written = stream.write_all(b"\r\n").await.is_ok();
            if is_written && matches!(stream.read(&mut [0; 64]).await, Ok(1..)) {
                answered.push(*n);
            }
        }
        answered.sort_unstable();
        println!("half open: {} of 6 of one address left, trusted proxies {proxies:?}", answered.len());
        assert_eq!(answered, (6 - left..6).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn an_address_opens_only_so_many_connections_and_others_do_not_suffer() {
    let server = TestServer::start(|config| {
        config.limits.handshakes_per_address = 3;
        config.server.trusted_proxies = vec![Network::parse("127.0.0.1").unwrap()];
    })
    .await;
    let from = |address: &str| raw::connect(&server.bearing(&token("alice"))).header("x-forwarded-for", address);
    let mut said = Vec::new();
    for n in 0..5 {
        match from("203.0.113.9").open().await {
            Ok(_) => said.push(101),
            Err(ConnectError::Status { status, .. }) => said.push(status),
            Err(other) => panic!("{n}: {other}"),
        }
    }
    // What the proxy says of itself counts, and not what its client wrote before that.
    let elsewhere = from("203.0.113.9, 198.51.100.7").open().await.is_ok();
    let answer = http(&server, "GET /stream HTTP/1.1\r\nx-forwarded-for: 203.0.113.9\r\n").await;
    println!("handshakes from one address: {said:?}, from another: {elsewhere}; this machine itself is not counted");
    assert_eq!((said, elsewhere), (vec![101, 101, 101, 429, 429], true));
    assert!(answer.starts_with("HTTP/1.1 429") && answer.contains("rate.handshakes"), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("retry-after: ") && answer.contains("server.trusted_proxies"));
    for _ in 0..10 {
        raw::connect(&server.bearing(&token("alice"))).open().await.unwrap();
    }
}

/// The answer to a request without a body, to its end.
async fn http(server: &TestServer, head: &str) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(format!("{head}Host: localhost\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(LIMIT, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused() {
    let server = TestServer::start(|_| {}).await;
    let long = "x".repeat(20_000);
    let many: String = (0..200).map(|n| format!("X-{n}: y\r\n")).collect();
    let deep = format!("GET /ws?token={long} HTTP/1.1\r\nHost: x\r\n\r\n");
    let heads = [
        format!("GET /ws HTTP/1.1\r\nHost: x\r\nX-Long: {long}\r\n\r\n"),
        format!("GET /ws HTTP/1.1\r\nHost: x\r\nCookie: session={long}\r\n\r\n"),
        format!("GET /ws HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {long}\r\n\r\n"),
        format!("GET /ws HTTP/1.1\r\nHost: x\r\n{many}\r\n"),
        deep,
        "x".repeat(100_000),
    ];
    let mut taken = 0;
    for head in &heads {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        // It may be refused before all of it is sent.
        let _ = stream.write_all(head.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(LIMIT, stream.read_to_end(&mut answer)).await.unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let is_refused = answer.is_empty() || answer.starts_with("HTTP/1.1 4");
        taken += usize::from(!is_refused);
    }
    println!("header bombs: {taken}/{} taken", heads.len());
    assert_eq!(taken, 0);
    let mut peer = Peer(raw::connect(&server.bearing(&token("alice"))).open().await.unwrap());
    assert_eq!(peer.hear().await["type"], "connected");
}

#[tokio::test]
async fn names_cannot_forge_a_line_of_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let secret = ("HERENOW_SECRET", crate::common::SECRET);
    let names = ["Ann\r\n{\"level\":\"ERROR\"}", "Ann\u{1b}[2J", "Ann\u{202e}\u{2028}x", "\u{9b}31m", "a\0b", "\n\n\n"];
    let mut forged = 0;
    for format in ["json", "human"] {
        let variables = [secret, ("HERENOW_LOG__LEVEL", "trace"), ("HERENOW_LOG__FORMAT", format)];
        let process = crate::process::Process::start(folder.path(), &variables);
        for name in names {
            let url = process.url(&token_saying("eve", json!({ "name": name })));
            let mut peer = Peer(raw::connect(&url).header("origin", "https://evil.example").open().await.unwrap());
            let connected: Value = peer.hear().await;
            assert_eq!(connected["type"], "connected");
            peer.join("room\u{202e}").await;
            peer.close(None).await;
        }
        crate::see::until("the last end is logged", || {
            process.logged.lock().unwrap().iter().filter(|line| line.contains("connection ended")).count()
                == names.len()
        })
        .await;
        for line in process.logged.lock().unwrap().iter() {
            let is_odd = line.chars().any(|c| c.is_control() || matches!(c, '\u{202e}' | '\u{2028}'));
            let is_one =
                if format == "json" { serde_json::from_str::<Value>(line).is_ok() } else { line.contains("Z ") };
            forged += usize::from(is_odd || !is_one);
        }
    }
    println!("CR/LF/ESC in names: {forged} forged lines");
    assert_eq!(forged, 0);
}
