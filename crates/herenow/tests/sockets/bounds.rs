//! Limits of the driver that nothing else reaches: of heads, of waits, of what is kept for later.
use crate::common::{LIMIT, Peer, TestServer, token};
use herenow::{
    connection::{Connection, ConnectionSetup, Socket},
    rate::RateLimits,
};
use herenow_client::raw;
use herenow_core::{
    id::{RoomId, SessionId},
    time::Time,
};
use herenow_wire::{
    dialect::Dialect,
    websocket::{client::ClientFrame, decoder::Decoder, incoming::Incoming},
};
use serde_json::{Value, json};
use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
};
use tower::ServiceExt;

const ROOM: &str = "board-1";

/// The head of an upgrade to the native dialect.
fn upgrade(address: &str) -> String {
    format!(
        "GET {address} HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: herenow.v1\r\n\r\n"
    )
}

/// The texts that come in frames until none has come for a while, and the code of the close frame behind them; from a
/// stream whose upgrade may be read in part.
async fn heard(stream: &mut TcpStream) -> (Vec<Value>, Option<u16>) {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(Ok(read @ 1..)) = tokio::time::timeout(Duration::from_secs(3), stream.read(&mut piece)).await {
        bytes.extend_from_slice(&piece[..read]);
    }
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let (mut texts, mut code) = (Vec::new(), None);
    let fed = Decoder::for_client(1 << 20).feed(&mut bytes[head..], |incoming| {
        match incoming {
            Incoming::Text(text) => texts.push(serde_json::from_str(text).unwrap()),
            Incoming::Close(frame) => code = frame.code,
            Incoming::Binary(_) | Incoming::Ping(_) | Incoming::Pong(_) => {}
        }
        ControlFlow::Continue(())
    });
    fed.unwrap();
    (texts, code)
}

/// The first bytes that the server answers with, until it says no more; and how long that took.
async fn answer(stream: &mut TcpStream) -> (String, Duration) {
    let (began, mut bytes) = (Instant::now(), Vec::new());
    let read = tokio::time::timeout(2 * LIMIT, stream.read_to_end(&mut bytes)).await;
    // A reset ends it as well.
    let _ = read.expect("the server has to end it");
    (String::from_utf8_lossy(&bytes).into_owned(), began.elapsed())
}

#[tokio::test]
async fn a_request_with_a_head_over_16_kib_is_refused() {
    let server = TestServer::start(|_| {}).await;
    for (bytes, status) in [(14 << 10, "404"), (17 << 10, "431")] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let filling = "x".repeat(bytes);
        let head =
            format!("GET /nothing HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx-filling: {filling}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let (answer, _) = answer(&mut stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{bytes} bytes: {answer}");
    }
}

#[tokio::test]
async fn a_thousand_heads_that_do_not_come_whole_in_5_s_are_cut_off_and_nobody_waits_for_them() {
    let server = TestServer::start(|config| config.limits.half_open_per_address = 2000).await;
    let mut slow = JoinSet::new();
    for _ in 0..1000 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(b"GET /ws HTTP/1.1\r\nhost: localhost\r\nx-never").await.unwrap();
        slow.spawn(async move { answer(&mut stream).await.1 });
    }
    let began = Instant::now();
    let mut alice = server.board_in("alice", ROOM).await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?} until somebody was let in", began.elapsed());
    let mut last = Duration::ZERO;
    while let Some(took) = slow.join_next().await {
        last = last.max(took.unwrap());
    }
    println!("1000 slow: closed at {:.1} s, real clients 100 %", last.as_secs_f64());
    assert!((Duration::from_secs(4)..Duration::from_secs(9)).contains(&last), "{last:?}");
    server.mark(ROOM, 1).await;
    alice.expect_silence_until(ROOM, 1).await;
}

#[tokio::test]
async fn what_is_said_before_a_session_goes_on_waits_but_no_more_than_64_frames() {
    let server = TestServer::start(|_| {}).await;
    for (frames, is_borne) in [(64, true), (65, false)] {
        // Answers no ping, since nobody reads it: so it is asked for a sign of life for a second.
        let bearing = server.bearing(&token("alice"));
        let mut holder = Peer(raw::connect(&bearing).protocol("herenow.v1").open().await.unwrap());
        let secret = holder.hear().await["resume"].as_str().unwrap().to_owned();
        // All in one piece: while it waits for that sign, nothing more is read.
        let mut pieces = Vec::new();
        let auth = json!({"type":"auth","token":token("alice"),"resume":secret});
        let pings = (0..frames).map(|id| json!({"type":"ping","id":id}));
        for frame in std::iter::once(auth).chain(pings) {
            ClientFrame::text(&frame.to_string(), [1, 2, 3, 4]).put(&mut pieces);
        }
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(upgrade("/ws").as_bytes()).await.unwrap();
        let mut first = [0; 4];
        stream.read_exact(&mut first).await.unwrap();
        stream.write_all(&pieces).await.unwrap();
        let (texts, code) = heard(&mut stream).await;
        if is_borne {
            assert_eq!((&texts[0]["type"], &texts[0]["resumed"]), (&json!("welcome"), &json!(true)));
            let answers: Vec<_> = texts[1..].iter().map(|pong| pong["re"].as_u64().unwrap()).collect();
            assert_eq!((answers, code), ((0..frames).collect::<Vec<u64>>(), None));
        } else {
            assert_eq!((texts.len(), &texts[0]["code"], code), (1, &json!("rate.flood"), Some(4429)));
        }
    }
}

#[tokio::test]
async fn more_than_an_inbox_holds_is_answered_in_full_and_in_order() {
    const CLIENTS: u64 = 60;
    const EACH: u64 = 300;
    let server = TestServer::start(|config| {
        config.limits.rates = RateLimits { message: 0, typing: 0, cursor: 0, update: 0, other: 0 };
        config.server.shards = Some(1);
    })
    .await;
    // 18,000 requests for the one shard, whose inbox takes 8,192 and a turn 4,096 of them.
    let mut clients = JoinSet::new();
    for n in 0..CLIENTS {
        let mut peer = server.native_raw(&format!("user-{n}")).await;
        peer.say(json!({"type":"join","room":ROOM,"interest":"none","id":0})).await;
        assert_eq!(peer.hear().await["re"], 0);
        clients.spawn(async move {
            for id in 1..=EACH {
                peer.say(json!({"type":"stop_typing","room":ROOM,"id":id})).await;
            }
            for id in 1..=EACH {
                assert_eq!(peer.hear().await, json!({"type":"ack","re":id}));
            }
            peer.close(Some(1000)).await;
        });
    }
    clients.join_all().await;
    assert_eq!(server.rest().await, Default::default());
}

#[test]
fn a_connection_remembers_no_more_than_10_000_rooms_that_it_is_out_of() {
    let connection = Connection::new(ConnectionSetup {
        session: SessionId(7),
        dialect: Dialect::Native,
        socket: Socket::Owned,
        outbox_bytes_max: 1024,
        now: Time::from_millis(0),
    });
    for n in 0..10_050 {
        connection.note_departed(&RoomId::parse(&format!("room-{n}")).unwrap());
    }
    assert_eq!(connection.take_departed().len(), 10_000);
    assert_eq!(connection.take_departed(), []);
}

#[tokio::test]
#[ignore = "takes 40 s; ./test --long runs it"]
async fn who_takes_nothing_for_30_s_is_cut_off_though_it_speaks() {
    let server = TestServer::start(|config| config.limits.rates.update = 0).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(server.address).await.unwrap();
    stream.write_all(upgrade(&format!("/ws?token={}", token("deaf"))).as_bytes()).await.unwrap();
    let mut say = async |text: &str| {
        let mut frame = Vec::new();
        ClientFrame::text(text, [1, 2, 3, 4]).put(&mut frame);
        stream.write_all(&frame).await.unwrap();
    };
    say(&json!({"type":"join","room":ROOM}).to_string()).await;
    let mut alice = server.native_raw("alice").await;
    alice.say(json!({"type":"join","room":ROOM,"interest":"none","id":0})).await;
    assert_eq!(alice.hear().await["re"], 0);
    // All of it can be missed, so that the outbox does not end it for its size.
    for id in 1..=300 {
        let about = "x".repeat(3000);
        alice.say(json!({"type":"update","room":ROOM,"state":{"about":about,"n":id},"id":id})).await;
        assert_eq!(alice.hear().await["re"], id);
    }
    let began = Instant::now();
    let mut beats = tokio::time::interval(Duration::from_secs(3));
    while server.presence.connections() > 1 {
        assert!(began.elapsed() < Duration::from_secs(45), "still open");
        tokio::select! {
            _ = beats.tick() => say(&json!({"type":"status","status":"active"}).to_string()).await,
            // The end of a connection that nobody reads is told to nobody; alice answers her pings meanwhile.
            _ = alice.0.next(Duration::from_millis(100)) => {}
        }
    }
    println!("deaf but not dumb: cut off after {:.1} s", began.elapsed().as_secs_f64());
    assert!(began.elapsed() > Duration::from_secs(28), "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_assignee_has_128_characters_and_a_stream_20_boards() {
    let app = herenow::demo::router(herenow::demo::Demo::open(None, |_, _, _| {}).unwrap());
    let status = async |request: http::Request<axum::body::Body>| app.clone().oneshot(request).await.unwrap().status();
    for (letters, expected) in [(128, 201), (129, 422)] {
        let task = json!({"listId":"list-todo","title":"x","assigneeId":"a".repeat(letters)}).to_string();
        let request = http::Request::post("/tasks").header("content-type", "application/json");
        assert_eq!(status(request.body(task.into()).unwrap()).await, expected, "{letters} characters");
    }
    // Twenty are too few to refuse, though none of them exists.
    for (boards, expected) in [(20, 404), (21, 400)] {
        let names: Vec<String> = (0..boards).map(|n| format!("none-{n}")).collect();
        let request = http::Request::get(format!("/events?boards={}", names.join(",")));
        assert_eq!(status(request.body(axum::body::Body::empty()).unwrap()).await, expected, "{boards} boards");
    }
}
