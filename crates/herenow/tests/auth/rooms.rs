//! Rooms that the app decides about.
use crate::{
    app::{App, Asked, Says},
    common::{Claims, LIMIT, Peer, TestServer},
    see::until,
};
use herenow::{auth::rights::Rights, config::settings::Config, outgoing::WebAddress};
use herenow_client::raw;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

async fn server(url: &str, change: impl FnOnce(&mut Config)) -> TestServer {
    let url = WebAddress::parse(url).unwrap();
    TestServer::start(|config| {
        config.auth.room_hook = Some(url);
        config.auth.hook_timeout = Duration::from_millis(400);
        change(config);
    })
    .await
}

/// Lets people into rooms that begin with their name.
fn own_rooms(asked: &Asked) -> Says {
    let (user, room) = (asked.body["user"].as_str().unwrap(), asked.body["room"].as_str().unwrap());
    Says::json(&json!({ "allow": room.starts_with(user) }))
}

/// A native client whose token lists one room only.
async fn client(server: &TestServer, user: &str) -> Peer {
    let token = Claims { rooms: vec![("lobby", Rights::DEFAULT)], ..Claims::of(user) }.sign(user);
    let mut peer = Peer(raw::connect(&server.bearing(&token)).protocol("herenow.v1").open().await.unwrap());
    assert_eq!(peer.hear().await["type"], "welcome");
    peer
}

async fn ask(peer: &mut Peer, frame: Value) -> Value {
    peer.say(frame).await;
    peer.hear().await
}

fn what(frame: &Value) -> String {
    frame["code"].as_str().or(frame["type"].as_str()).unwrap().to_owned()
}

#[tokio::test]
async fn the_app_is_asked_about_rooms_that_the_token_does_not_name() {
    let app = App::start(own_rooms).await;
    let server = server(&app.url("/may"), |_| {}).await;
    let mut alice = client(&server, "alice").await;
    for (room, expected, calls) in [
        ("lobby", "roster", 0),
        ("alice-1", "roster", 1),
        ("bob-1", "room.forbidden", 2),
        ("bob-1", "room.forbidden", 2),
        ("alice-1", "roster", 2),
    ] {
        let answer = ask(&mut alice, json!({"type":"join","room":room,"id":1})).await;
        assert_eq!((what(&answer).as_str(), app.calls()), (expected, calls), "{room}: {answer}");
    }
    // What is done in the room needs no more questions; where somebody is not, nothing is done.
    for (room, expected) in [("alice-1", "ack"), ("bob-1", "room.forbidden")] {
        let frame = json!({"type":"message","room":room,"event":"hello","data":1,"id":2});
        assert_eq!(what(&ask(&mut alice, frame).await), expected, "{room}");
    }
    assert_eq!(app.calls(), 2);
}

#[tokio::test]
async fn rights_may_be_less_than_all() {
    let app = App::start(|_| Says::json(&json!({ "allow": true, "rights": ["join"] }))).await;
    let server = server(&app.url("/"), |_| {}).await;
    let mut alice = client(&server, "alice").await;
    assert_eq!(what(&ask(&mut alice, json!({"type":"join","room":"a"})).await), "roster");
    for frame in [
        json!({"type":"typing","room":"a","id":1}),
        json!({"type":"message","room":"a","event":"x","data":1,"id":1}),
        json!({"type":"update","room":"a","state":{"a":1},"id":1}),
    ] {
        assert_eq!(what(&ask(&mut alice, frame).await), "room.forbidden");
    }
}

#[tokio::test]
async fn what_is_said_while_the_app_is_asked_is_done_after_it_in_order() {
    let app = App::start(|asked| own_rooms(asked).after(Duration::from_millis(30))).await;
    let server = server(&app.url("/"), |_| {}).await;
    let mut alice = client(&server, "alice").await;
    for n in 0..20 {
        alice.say(json!({"type":"join","room":format!("alice-{n}"),"id":n})).await;
    }
    alice.say(json!({"type":"leave","room":"alice-3","id":20})).await;
    alice.say(json!({"type":"ping","id":21})).await;
    let mut heard = Vec::new();
    while heard.len() < 22 {
        let frame = alice.hear().await;
        heard.extend(frame["re"].as_u64());
    }
    heard.sort_unstable();
    assert_eq!(heard, (0..22).collect::<Vec<u64>>());
    let load = server.presence.measure().await;
    assert_eq!(load.rooms, 19);
}

#[tokio::test]
async fn an_app_in_trouble_lets_nobody_in_and_ends_no_connection() {
    let app = App::start(own_rooms).await;
    let server = server(&app.url("/"), |_| {}).await;
    let mut alice = client(&server, "alice").await;
    println!("{:24} | {:16} | connection", "the app's answer", "join");
    let cases = [
        (
            "allow",
            own_rooms(&Asked {
                method: String::new(),
                headers: Default::default(),
                body: json!({"user":"a","room":"a"}),
            }),
            "roster",
        ),
        ("403", Says::status(403), "room.forbidden"),
        ("no answer", Says::never(), "room.unavailable"),
        ("500", Says::status(500), "room.unavailable"),
        ("allow: \"yes\"", Says::json(&json!({"allow":"yes"})), "room.unavailable"),
        ("nothing", Says::json(&json!({})), "room.unavailable"),
        ("unknown rights", Says::json(&json!({"allow":true,"rights":["fly"]})), "room.unavailable"),
        ("text/html", Says::text(200, "text/html", "<html>"), "room.unavailable"),
    ];
    for (n, (name, says, expected)) in cases.into_iter().enumerate() {
        app.says(move |_| says.clone());
        let answer = ask(&mut alice, json!({"type":"join","room":format!("room-{n}"),"id":n})).await;
        let lives = what(&ask(&mut alice, json!({"type":"ping"})).await);
        println!("{name:24} | {:16} | {}", what(&answer), if lives == "pong" { "goes on" } else { &lives });
        assert_eq!((what(&answer).as_str(), lives.as_str()), (expected, "pong"), "{name}: {answer}");
        if expected == "room.unavailable" {
            assert_eq!((&answer["re"], &answer["retry_after_ms"]), (&json!(n), &json!(2000)), "{answer}");
        }
    }
    drop(app);
    let answer = ask(&mut alice, json!({"type":"join","room":"alice-9"})).await;
    println!("{:24} | {:16} | goes on", "connection refused", what(&answer));
    assert_eq!(what(&answer), "room.unavailable");
    // The rooms of the token need no app.
    assert_eq!(what(&ask(&mut alice, json!({"type":"join","room":"lobby"})).await), "roster");
}

#[tokio::test]
async fn who_may_no_longer_be_in_a_room_is_put_out_of_it() {
    let app = App::start(own_rooms).await;
    let server = server(&app.url("/"), |config| config.auth.hook_recheck = Duration::from_secs(1)).await;
    let mut alice = client(&server, "alice").await;
    assert_eq!(what(&ask(&mut alice, json!({"type":"join","room":"alice-1"})).await), "roster");
    assert_eq!(what(&ask(&mut alice, json!({"type":"join","room":"lobby"})).await), "roster");
    app.says(|_| Says::json(&json!({ "allow": false })));
    let removed = alice.hear().await;
    assert_eq!((&removed["type"], &removed["room"]), (&json!("removed"), &json!("alice-1")));
    assert_eq!(what(&ask(&mut alice, json!({"type":"join","room":"alice-1"})).await), "room.forbidden");
    let calls = app.calls();
    assert_eq!(server.presence.rechecks().count(), 0, "and nobody asks about her there again");
    assert_eq!(what(&ask(&mut alice, json!({"type":"sync","room":"lobby"})).await), "roster");
    assert_eq!(app.calls(), calls);
}

#[tokio::test]
async fn people_stay_through_an_outage_of_the_app_for_the_stated_time() {
    let app = App::start(own_rooms).await;
    let server = server(&app.url("/"), |config| {
        config.auth.hook_recheck = Duration::from_secs(1);
        config.auth.hook_outage = Duration::from_secs(1);
    })
    .await;
    let mut alice = client(&server, "alice").await;
    assert_eq!(what(&ask(&mut alice, json!({"type":"join","room":"alice-1"})).await), "roster");
    let began = std::time::Instant::now();
    app.says(|_| Says::status(500));
    let calls = app.calls();
    until("the app is asked again", || app.calls() > calls).await;
    let frame = json!({"type":"message","room":"alice-1","event":"still here","data":1,"id":1});
    assert_eq!(what(&ask(&mut alice, frame).await), "ack", "what was known of her place counts on");
    let removed = alice.hear().await;
    println!("app gone: who was in a room by its word stayed for {:.1} s of 2 s", began.elapsed().as_secs_f64());
    assert_eq!(removed["type"], "removed");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn who_leaves_or_is_gone_is_not_asked_about_any_more() {
    let app = App::start(own_rooms).await;
    let server = server(&app.url("/"), |_| {}).await;
    let mut alice = client(&server, "alice").await;
    for room in ["alice-1", "alice-2"] {
        assert_eq!(what(&ask(&mut alice, json!({"type":"join","room":room})).await), "roster");
    }
    assert_eq!(server.presence.rechecks().count(), 2);
    assert_eq!(what(&ask(&mut alice, json!({"type":"leave","room":"alice-1","id":1})).await), "ack");
    assert_eq!(server.presence.rechecks().count(), 1);
}

/// What a call of the HTTP API answers to a user whose token lists one room only: its status, and code or type.
async fn read(server: &TestServer, user: &str, path: &str) -> String {
    let token = Claims { rooms: vec![("lobby", Rights::DEFAULT)], ..Claims::of(user) }.sign(user);
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head =
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let is_stream = path.ends_with("/events");
    // Of a stream the first event is enough.
    while !(is_stream && answer.contains("event: roster")) {
        let mut piece = [0; 4096];
        let bytes = tokio::time::timeout(LIMIT, stream.read(&mut piece)).await.unwrap().unwrap();
        if bytes == 0 {
            break;
        }
        answer.push_str(&String::from_utf8_lossy(&piece[..bytes]));
    }
    let status = answer.split(' ').nth(1).unwrap().to_owned();
    let code = answer.split(r#""code":""#).nth(1).and_then(|rest| rest.split('"').next());
    code.map_or(status.clone(), |code| format!("{status} {code}"))
}

#[tokio::test]
async fn who_reads_over_http_is_let_in_by_the_app_as_over_websocket() {
    let app = App::start(own_rooms).await;
    let server = server(&app.url("/may"), |_| {}).await;
    for call in ["", "/viewers", "/poll?wait=0", "/events"] {
        for (room, expected) in [("lobby", "200"), ("alice-1", "200"), ("bob-1", "403 room.forbidden")] {
            let path = format!("/v1/rooms/{room}{call}");
            let answer = read(&server, "alice", &path).await;
            println!("GET {path:28} {answer}");
            assert_eq!(answer, expected, "{path}");
        }
    }
    app.says(|_| Says::status(500));
    // What was refused counts for some seconds; a room that was not asked about yet has no answer.
    assert_eq!(read(&server, "alice", "/v1/rooms/alice-2").await, "503 room.unavailable");
    assert_eq!(read(&server, "alice", "/v1/rooms/lobby").await, "200", "the token needs no app");
}

#[tokio::test]
async fn a_stream_of_who_may_no_longer_read_the_room_ends() {
    let app = App::start(own_rooms).await;
    let server = server(&app.url("/"), |config| config.auth.hook_recheck = Duration::from_secs(1)).await;
    let token = Claims { rooms: vec![("lobby", Rights::DEFAULT)], ..Claims::of("alice") }.sign("alice");
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!("GET /v1/rooms/alice-1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut told = String::new();
    while !told.contains("event: removed") {
        let mut piece = [0; 4096];
        let bytes = tokio::time::timeout(LIMIT, stream.read(&mut piece)).await.expect("it is asked again").unwrap();
        assert_ne!(bytes, 0, "{told}");
        told.push_str(&String::from_utf8_lossy(&piece[..bytes]));
        if told.contains("event: roster") {
            app.says(|_| Says::json(&json!({ "allow": false })));
        }
    }
    assert_eq!(read(&server, "alice", "/v1/rooms/alice-1").await, "403 room.forbidden");
}

#[tokio::test]
async fn without_a_cache_the_answer_still_counts_for_who_asked() {
    let app = App::start(own_rooms).await;
    let server = server(&app.url("/"), |config| config.auth.hook_cache = Duration::ZERO).await;
    let mut alice = client(&server, "alice").await;
    assert_eq!(what(&ask(&mut alice, json!({"type":"join","room":"alice-1","id":1})).await), "roster");
    assert_eq!(what(&ask(&mut alice, json!({"type":"join","room":"bob-1","id":2})).await), "room.forbidden");
    assert_eq!(read(&server, "alice", "/v1/rooms/alice-2").await, "200");
    println!("hook_cache 0s: {} calls for 3 questions", app.calls());
    assert!((3..=6).contains(&app.calls()), "{}", app.calls());
}
