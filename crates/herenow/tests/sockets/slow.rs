//! Clients that do not read, and streams that only their own task can write to.
use crate::common::{LIMIT, Peer, TestServer, name, token};
use axum::body::Body;
use futures_util::{SinkExt, StreamExt};
use herenow_client::error::Ended;
use herenow_core::id::RoomId;
use http::Request;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::io::DuplexStream;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest},
};
use tower::ServiceExt;

const ROOM: &str = "busy";

/// Says more and more in the room, until the slow one is out of it; Bob keeps up.
async fn flood(server: &TestServer, bob: &mut Peer) {
    let room = RoomId::parse(ROOM).unwrap();
    let data = json!({"text":"x".repeat(64 << 10)}).to_string();
    for said in 0.. {
        assert!(said < 1024, "64 MB wait for somebody");
        server.presence.publish(room.clone(), "news", &data).await.unwrap();
        assert_eq!(bob.hear().await["type"], "news");
        if server.presence.measure().await.connections == 1 {
            return;
        }
    }
}

async fn busy_room() -> (TestServer, Peer, Peer) {
    let server = TestServer::start(|config| {
        config.limits.outbox_bytes = 256 << 10;
        config.presence.drop_grace = Duration::from_secs(1);
    })
    .await;
    let mut bob = server.board_in("bob", ROOM).await;
    let slow = server.board_in("slow", ROOM).await;
    assert_eq!(bob.hear().await["type"], "user_joined");
    (server, bob, slow)
}

#[tokio::test]
async fn who_does_not_read_is_closed_with_4503_and_nobody_else_is_hurt() {
    let (server, mut bob, mut slow) = busy_room().await;
    flood(&server, &mut bob).await;
    // What is in the buffers between is read first; then the server says why there is no more.
    match slow.end().await {
        Ended::Closed { code, reason } => assert_eq!((code, reason.as_str()), (Some(4503), "come back")),
        other => panic!("not told: {other}"),
    }
    let left = bob.hear().await;
    assert_eq!((&left["type"], &left["reason"], &left["count"]), (&json!("user_left"), &json!("lost"), &json!(1)));
}

#[tokio::test]
async fn who_never_reads_again_is_cut_off_and_holds_no_memory() {
    let (server, mut bob, slow) = busy_room().await;
    flood(&server, &mut bob).await;
    let began = Instant::now();
    while server.presence.connections() > 1 {
        assert!(began.elapsed() < LIMIT, "still open");
        // The end of a connection that nobody reads is told to nobody.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(server.presence.measure().await.connections, 1);
    drop(slow);
}

/// A client on a pipe in this process, which holds `bytes` in each direction.
struct Piped(WebSocketStream<DuplexStream>);

impl Piped {
    async fn open(server: &TestServer, user: &str, bytes: usize) -> Self {
        Self::open_in("board.v1", server, (user, bytes)).await
    }

    async fn open_in(dialect: &'static str, server: &TestServer, (user, bytes): (&str, usize)) -> Self {
        let (ours, theirs) = tokio::io::duplex(bytes);
        let router = herenow::server::router(server.presence.clone());
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            router.clone().oneshot(request.map(Body::new))
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(theirs), service).with_upgrades());
        let mut request = format!("ws://localhost/ws?token={}", token(user)).into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", dialect.parse().unwrap());
        let (socket, _) = tokio_tungstenite::client_async(request, ours).await.unwrap();
        let mut piped = Self(socket);
        assert_eq!(piped.hear().await["user"]["name"], name(user));
        piped
    }

    async fn say(&mut self, frame: Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    async fn next(&mut self) -> Option<Message> {
        let next = tokio::time::timeout(LIMIT, self.0.next()).await.expect("something has to come");
        next.map(|message| message.unwrap())
    }

    async fn hear(&mut self) -> Value {
        match self.next().await {
            Some(Message::Text(text)) => serde_json::from_str(&text).unwrap(),
            other => panic!("no text: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_stream_that_is_no_socket_serves_as_well() {
    let server = TestServer::start(|config| {
        config.presence.drop_grace = Duration::from_millis(200);
        config.presence.typing_lease = Duration::from_millis(500);
    })
    .await;
    let mut bob = server.board_in("bob", ROOM).await;
    for bytes in [64, 1000, 64 << 10] {
        let mut alice = Piped::open(&server, "alice", bytes).await;
        alice.say(json!({"type":"join","boardId":ROOM})).await;
        assert_eq!(alice.hear().await["count"], 2);
        assert_eq!(bob.hear().await["type"], "user_joined");
        bob.say(json!({"type":"typing","boardId":ROOM})).await;
        assert_eq!(alice.hear().await["type"], "user_typing");
        bob.say(json!({"type":"stop_typing","boardId":ROOM})).await;
        assert_eq!(alice.hear().await["type"], "user_stopped_typing");
        alice.0.send(Message::Ping(b"p"[..].into())).await.unwrap();
        assert_eq!(alice.next().await, Some(Message::Pong(b"p"[..].into())));
        alice.say(json!({"type":"typing","boardId":ROOM})).await;
        assert_eq!(bob.hear().await["type"], "user_typing");
        drop(alice);
        assert_eq!(bob.hear().await["type"], "user_stopped_typing");
        assert_eq!(bob.hear().await["reason"], "lost");
        let mut alice = Piped::open(&server, "alice", bytes).await;
        alice.say(json!({"type":"join","boardId":ROOM})).await;
        assert_eq!(alice.hear().await["type"], "presence");
        assert_eq!(bob.hear().await["type"], "user_joined");
        alice.0.close(None).await.unwrap();
        let began = Instant::now();
        while alice.next().await.is_some() {}
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        assert_eq!(bob.hear().await["reason"], "left");
    }
    bob.close(None).await;
    assert_eq!(server.rest().await, Default::default());
}

#[tokio::test]
async fn a_roster_larger_than_the_outbox_is_read_whole() {
    let server = TestServer::start(|config| config.limits.outbox_bytes = 16 << 10).await;
    let mut crowd = Vec::new();
    for n in 0..40 {
        let mut peer = server.native_raw(&format!("user-{n}")).await;
        peer.say(json!({"type":"join","room":ROOM,"interest":"none","id":1,"state":{"about":"x".repeat(1000)}})).await;
        assert_eq!(peer.hear().await["type"], "ack");
        crowd.push(peer);
    }
    let mut alice = server.native_raw("alice").await;
    alice.say(json!({"type":"join","room":ROOM})).await;
    assert_eq!(alice.hear().await["viewers"].as_array().unwrap().len(), 41);
    // On a pipe nothing leaves before the task of the connection runs: all of it waits in the outbox.
    let mut bob = Piped::open(&server, "bob", 512).await;
    bob.say(json!({"type":"join","boardId":ROOM})).await;
    assert_eq!(bob.hear().await["viewers"].as_array().unwrap().len(), 42);
}

#[tokio::test]
async fn what_comes_behind_a_large_roster_does_not_end_the_connection_that_reads_it() {
    let server = TestServer::start(|config| config.limits.outbox_bytes = 16 << 10).await;
    let mut crowd = Vec::new();
    for n in 0..30 {
        let mut peer = server.native_raw(&format!("user-{n}")).await;
        let interest = if n == 0 { "count" } else { "none" };
        let state = json!({"about":"x".repeat(1000)});
        peer.say(json!({"type":"join","room":ROOM,"interest":interest,"id":1,"state":state})).await;
        assert_eq!(peer.hear().await["type"], "ack");
        crowd.push(peer);
    }
    // The pipe takes 512 bytes at once; the rest of 30 KB waits, while there is other news.
    let mut piped = Piped::open_in("herenow.v1", &server, ("slow", 512)).await;
    piped.say(json!({"type":"join","room":ROOM})).await;
    while crowd[0].hear().await["count"]["users"] != 31 {}
    for peer in &mut crowd[1..] {
        peer.say(json!({"type":"leave","room":ROOM,"id":1})).await;
        assert_eq!(peer.hear().await["re"], 1);
    }
    let roster = piped.hear().await;
    let mut number = roster["v"][1].as_u64().unwrap();
    assert_eq!((&roster["type"], roster["viewers"].as_array().unwrap().len()), (&json!("roster"), 31));
    loop {
        let diff = piped.hear().await;
        assert_eq!((&diff["type"], &diff["from"]), (&json!("diff"), &json!(number)));
        number = diff["v"][1].as_u64().unwrap();
        if diff["count"]["users"] == 2 {
            break;
        }
    }
}

#[tokio::test]
async fn who_joins_many_rooms_at_once_gets_all_their_rosters_however_slowly() {
    let server = TestServer::start(|config| config.limits.outbox_bytes = 16 << 10).await;
    let mut crowd = Vec::new();
    for n in 0..20 {
        let mut peer = server.native_raw(&format!("user-{n}")).await;
        for room in 0..8 {
            let state = json!({"about":"x".repeat(1000)});
            let room = format!("room-{room}");
            peer.say(json!({"type":"join","room":room,"interest":"none","state":state,"id":1})).await;
            assert_eq!(peer.hear().await["type"], "ack");
        }
        crowd.push(peer);
    }
    for dialect in ["herenow.v1", "board.v1"] {
        let mut slow = Piped::open_in(dialect, &server, ("slow", 512)).await;
        for room in 0..8 {
            slow.say(json!({"type":"join","boardId":format!("room-{room}"),"room":format!("room-{room}")})).await;
        }
        for _ in 0..8 {
            assert_eq!(slow.hear().await["viewers"].as_array().unwrap().len(), 21);
        }
    }
}

#[tokio::test]
async fn who_asks_for_rosters_and_reads_none_is_cut_off() {
    let server = TestServer::start(|config| config.limits.outbox_bytes = 1 << 10).await;
    let mut bob = server.native_raw("bob").await;
    bob.say(json!({"type":"join","room":ROOM,"state":{"about":"x".repeat(3000)}})).await;
    bob.hear().await;
    let mut greedy = Piped::open_in("herenow.v1", &server, ("greedy", 512)).await;
    greedy.say(json!({"type":"join","room":ROOM})).await;
    greedy.hear().await;
    for _ in 0..20 {
        greedy.say(json!({"type":"sync","room":ROOM})).await;
    }
    let end = loop {
        match greedy.next().await {
            Some(Message::Text(_)) => {}
            other => break other,
        }
    };
    let Some(Message::Close(Some(frame))) = end else { panic!("no close: {end:?}") };
    assert_eq!(u16::from(frame.code), 4503);
}

#[tokio::test]
async fn who_does_not_read_a_pipe_is_cut_off() {
    let server = TestServer::start(|config| {
        config.limits.outbox_bytes = 64 << 10;
    })
    .await;
    let mut bob = server.board_in("bob", ROOM).await;
    let mut slow = Piped::open(&server, "slow", 1024).await;
    slow.say(json!({"type":"join","boardId":ROOM})).await;
    assert_eq!(bob.hear().await["type"], "user_joined");
    flood(&server, &mut bob).await;
    let began = Instant::now();
    while server.presence.connections() > 1 {
        assert!(began.elapsed() < LIMIT, "still open");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(slow);
}
