//! Streams and polls as requests: what breaks off, goes on, is asked again, is not read, is not allowed.
use crate::{
    common::{LIMIT, Peer, SECRET, SHARDS, TestServer, secret, token},
    plain::{Ask, Listener, Poller, ask, say, send},
};
use axum::body::Body;
use herenow::{
    auth::origin::Origin,
    config::{mode::Mode, settings::Config},
    rate::RateLimits,
};
use http::{Method, Request};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
};
use tower::ServiceExt;

const ROOM: &str = "board-1";

/// Joins a room; the answer.
async fn join(server: &TestServer, stream: &mut Listener, since: Option<&Value>) -> Value {
    let mut frame = json!({"type":"join","room":ROOM,"id":"join"});
    if let Some(since) = since {
        frame["since"] = since.clone();
    }
    say(server, &stream.session(), frame).await;
    loop {
        let answer = stream.hear().await;
        if answer["re"] == "join" {
            return answer;
        }
    }
}

async fn join_by_poll(server: &TestServer, poll: &mut Poller) -> Value {
    say(server, &poll.session(), json!({"type":"join","room":ROOM,"id":"join"})).await;
    loop {
        let answer = poll.hear(server).await;
        if answer["re"] == "join" {
            return answer;
        }
    }
}

fn id_of<'a>(frame: &'a Value, kind: &str) -> &'a Value {
    assert_eq!(frame["type"], kind, "{frame}");
    &frame["user"]["id"]
}

#[tokio::test]
async fn who_breaks_off_and_comes_back_within_grace_is_no_news_and_later_is() {
    for shards in SHARDS {
        let server = TestServer::start(|config| {
            config.server.shards = Some(shards);
            config.presence.drop_grace = Duration::from_millis(700);
        })
        .await;
        let mut bob = server.board_in("bob", ROOM).await;
        let mut alice = Listener::open(&server, "alice").await;
        let roster = join(&server, &mut alice, None).await;
        assert_eq!(id_of(&bob.hear().await, "user_joined"), "alice");
        let (secret, session) = (alice.secret(), alice.welcome["session"].clone());
        alice.abort();
        // Somebody comes meanwhile.
        let carol = server.board_in("carol", ROOM).await;
        assert_eq!(id_of(&bob.hear().await, "user_joined"), "carol");
        let mut alice = Listener::resume(&server, "alice", &secret).await;
        assert_eq!((&alice.welcome["resumed"], &alice.welcome["session"]), (&json!(true), &session));
        assert_ne!(alice.secret(), secret);
        let missed = join(&server, &mut alice, Some(&roster["v"])).await;
        assert_eq!((&missed["type"], &missed["from"]), (&json!("diff"), &roster["v"][1]));
        assert_eq!(missed["joined"][0]["user"]["id"], "carol");
        server.mark(ROOM, 1).await;
        bob.expect_silence_until(ROOM, 1).await;
        // Over a poll, and back over a WebSocket, it is the same session.
        let secret = alice.secret();
        alice.abort();
        let mut poll = Poller::resume(&server, "alice", &secret).await;
        assert_eq!((&poll.welcome["resumed"], &poll.welcome["session"]), (&json!(true), &session));
        assert_eq!(join_by_poll(&server, &mut poll).await["count"], json!({"users":3,"sessions":3}));
        say(&server, &poll.session(), json!({"type":"close","code":4900})).await;
        let url = format!("{}&resume={}", server.bearing(&token("alice")), poll.secret());
        let opening = herenow_client::raw::connect(&url).protocol("herenow.v1").open().await;
        let mut socket = Peer(opening.unwrap());
        let welcome = socket.hear().await;
        assert_eq!((&welcome["resumed"], &welcome["session"]), (&json!(true), &session));
        socket.say(json!({"type":"join","room":ROOM,"id":1})).await;
        assert_eq!(socket.hear().await["count"], json!({"users":3,"sessions":3}));
        server.mark(ROOM, 2).await;
        bob.expect_silence_until(ROOM, 2).await;
        socket.0.abort();
        let mut alice = Listener::resume(&server, "alice", welcome["resume"].as_str().unwrap()).await;
        join(&server, &mut alice, None).await;
        alice.abort();
        let left = bob.hear().await;
        assert_eq!((id_of(&left, "user_left"), &left["reason"]), (&json!("alice"), &json!("lost")));
        drop(carol);
    }
}

#[tokio::test]
async fn who_breaks_off_while_typing_stops_at_once() {
    let server = TestServer::start(|_| {}).await;
    let mut bob = server.board_in("bob", ROOM).await;
    let mut alice = Listener::open(&server, "alice").await;
    join(&server, &mut alice, None).await;
    say(&server, &alice.session(), json!({"type":"typing","room":ROOM})).await;
    assert_eq!(id_of(&bob.hear().await, "user_joined"), "alice");
    assert_eq!(id_of(&bob.hear().await, "user_typing"), "alice");
    let began = Instant::now();
    alice.abort();
    assert_eq!(id_of(&bob.hear().await, "user_stopped_typing"), "alice");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_copied_secret_cannot_take_a_session_whose_client_gives_a_sign() {
    let server = TestServer::start(|_| {}).await;
    let mut alice = Listener::open(&server, "alice").await;
    join(&server, &mut alice, None).await;
    let (secret, url) = (alice.secret(), format!("/stream?resume={}", alice.secret()));
    let session = alice.session();
    let answering = async {
        assert_eq!(alice.hear().await, json!({"type":"ping"}));
        assert_eq!(send(&server, &session, &json!([])).await.status, 202);
    };
    let (copy, ()) = tokio::join!(Listener::open_as(&server, Ask::get(url).bearing("alice")), answering);
    assert_eq!(copy.welcome["resumed"], false);
    assert_ne!(copy.welcome["session"], alice.welcome["session"]);
    // A poll gives a sign by asking again.
    let mut poll = Poller::open(&server, "paula").await;
    join_by_poll(&server, &mut poll).await;
    let stolen = poll.secret();
    let (copy, ping) = tokio::join!(Poller::resume(&server, "paula", &stolen), async {
        let ping = poll.hear(&server).await;
        let _empty = tokio::time::timeout(Duration::from_millis(300), poll.hear(&server)).await;
        ping
    });
    assert_eq!((ping, &copy.welcome["resumed"]), (json!({"type":"ping"}), &json!(false)));
    // Who gives none is half-open.
    let began = Instant::now();
    let mut newer = Listener::resume(&server, "alice", &secret).await;
    let took = began.elapsed();
    assert_eq!((&newer.welcome["resumed"], &newer.welcome["session"]), (&json!(true), &alice.welcome["session"]));
    assert!(took > Duration::from_millis(900) && took < Duration::from_secs(3), "{took:?}");
    assert_eq!(join(&server, &mut newer, None).await["count"], json!({"users":2,"sessions":2}));
    assert_eq!(alice.close_code().await, Some(4409));
    let late = send(&server, &session, &json!([{"type":"leave","room":ROOM}])).await;
    assert_eq!(late.problem(), (403, "session.forbidden".to_owned()));
    assert_eq!(send(&server, &newer.session(), &json!([{"type":"ping"}])).await.status, 202);
    assert_eq!(newer.hear().await["type"], "pong");
}

#[tokio::test]
async fn a_stream_is_not_silent_for_long() {
    let server = TestServer::start(|config| config.presence.request_lease = Duration::from_millis(200)).await;
    let mut stream = Listener::open(&server, "alice").await;
    assert_eq!(stream.welcome["ping_interval_ms"], 100);
    let began = Instant::now();
    for _ in 0..3 {
        assert_eq!(stream.event().await.unwrap(), ":");
    }
    // The wheel turns four times a second.
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(send(&server, &stream.session(), &json!([{"type":"ping"}])).await.status, 202);
    assert_eq!(stream.hear().await["type"], "pong");
}

#[tokio::test]
async fn a_poll_lives_as_long_as_it_is_asked_and_its_lease_after_that() {
    let server = TestServer::start(|config| {
        config.presence.request_lease = Duration::from_millis(900);
        config.presence.drop_grace = Duration::from_millis(100);
    })
    .await;
    let mut bob = server.board_in("bob", ROOM).await;
    let mut poll = Poller::open(&server, "alice").await;
    join_by_poll(&server, &mut poll).await;
    assert_eq!(id_of(&bob.hear().await, "user_joined"), "alice");
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        let waited = Instant::now();
        let answer = poll.poll(&server, poll.last).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, "[]"));
        assert!(waited.elapsed() >= Duration::from_millis(740), "{:?}", waited.elapsed());
    }
    server.mark(ROOM, 1).await;
    bob.expect_silence_until(ROOM, 1).await;
    let asked_at = Instant::now();
    let left = bob.hear().await;
    assert_eq!((id_of(&left, "user_left"), &left["reason"]), (&json!("alice"), &json!("lost")));
    assert!(asked_at.elapsed() >= Duration::from_millis(700), "{:?}", asked_at.elapsed());
    let late = poll.poll(&server, poll.last).await;
    assert_eq!(late.problem(), (409, "session.elsewhere".to_owned()));
}

#[tokio::test]
async fn an_array_comes_again_until_it_is_acknowledged() {
    let server = TestServer::start(|_| {}).await;
    let mut poll = Poller::open(&server, "alice").await;
    let after = poll.last;
    let frames = json!([{"type":"ping","id":1},{"type":"ping","id":2},{"type":"ping","id":3}]);
    assert_eq!(send(&server, &poll.session(), &frames).await.status, 202);
    let first = poll.poll(&server, after).await;
    let numbers: Vec<_> = first.json().as_array().unwrap().iter().map(|pair| pair[0].as_u64().unwrap()).collect();
    assert_eq!(numbers, [2, 3, 4]);
    // What comes meanwhile does not change it.
    say(&server, &poll.session(), json!({"type":"ping","id":4})).await;
    for _ in 0..3 {
        assert_eq!(poll.poll(&server, after).await.text, first.text);
    }
    // A part may be acknowledged.
    let rest = poll.poll(&server, 3).await.json();
    assert_eq!((rest.as_array().unwrap().len(), &rest[0][0], &rest[0][1]["re"]), (1, &json!(4), &json!(3)));
    for bad in ["2", "5", "18446744073709551615", "18446744073709551616", "-1", "x", "3.0"] {
        let answer = ask(&server, Ask { path: format!("/session-poll?after={bad}"), ..poll.asking(0) }).await;
        assert_eq!(answer.problem(), (400, "poll.bad_after".to_owned()), "{bad}");
    }
    assert_eq!(poll.poll(&server, 3).await.json(), rest);
    poll.last = 4;
    assert_eq!(poll.hear(&server).await["re"], 4);
    // Who hears a stream has nothing to poll for.
    let stream = Listener::open(&server, "bob").await;
    let asked = Ask::get("/session-poll?after=0").with("herenow-session", stream.session());
    assert_eq!(ask(&server, asked).await.problem(), (400, "poll.bad_after".to_owned()));
}

#[tokio::test]
async fn of_two_polls_at_once_the_newer_gets_what_comes() {
    let server = TestServer::start(|_| {}).await;
    let poll = Poller::open(&server, "alice").await;
    for round in 0..20 {
        let after = poll.last + round;
        let (first, second) = tokio::join!(poll.poll(&server, after), async {
            // Nobody tells when a poll waits: this one is mostly after it.
            tokio::task::yield_now().await;
            let (second, ()) = tokio::join!(
                poll.poll(&server, after),
                say(&server, &poll.session_of_another_life(), json!({"type":"ping","id":round})),
            );
            second
        });
        let _ = (first, second);
    }
}
