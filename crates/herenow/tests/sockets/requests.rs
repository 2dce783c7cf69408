//! Streams and polls as requests: what breaks off, goes on, is asked again, is not read, is not allowed.
use crate::{
    behind,
    common::{Claims, LIMIT, Peer, SECRET, SHARDS, TestServer, secret, token},
    plain::{Ask, Listener, Poller, ask, ask_at, say, send},
};
use axum::body::Body;
use futures_util::future::select;
use herenow::{auth::origin::Origin, config::mode::Mode};
use herenow_client::{
    client::Synced,
    frame::ServerFrame,
    raw,
    roster::{Outcome, RoomState},
};
use herenow_core::id::RoomId;
use http::{Method, Request};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
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
        let opening = raw::connect(&url).protocol("herenow.v1").open().await;
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
async fn of_two_polls_at_once_the_older_ends_empty_and_the_newer_gets_what_comes() {
    let server = TestServer::start(|_| {}).await;
    let poll = Poller::open(&server, "alice").await;
    for round in 0..20 {
        let asking = || Box::pin(poll.poll(&server, 1 + round));
        let (ended, waiting) = select(asking(), asking()).await.factor_first();
        assert_eq!((ended.status, ended.text.as_str()), (200, "[]"));
        say(&server, &poll.session(), json!({"type":"ping","id":round})).await;
        let answer = waiting.await.json();
        assert_eq!((&answer[0][0], &answer[0][1]["re"]), (&json!(2 + round), &json!(round)));
    }
}

#[tokio::test]
async fn who_reads_a_stream_in_sips_is_healed_by_one_roster() {
    for bytes in [256, 4096] {
        let server = TestServer::start(|config| {
            behind::busy(config);
            config.server.shards = Some(2);
        })
        .await;
        let mut clients = behind::busy_clients(&server).await;
        let asking = Ask::get("/stream").bearing("slow");
        let router = herenow::server::router(server.presence.clone());
        let mut slow = Listener::open_over(behind::piped_by(router.clone(), bytes), asking, "localhost").await;
        let session = slow.session();
        let say = async |frame: Value| {
            let request = Request::post("/send").header("herenow-session", &session);
            let answer = router.clone().oneshot(request.body(Body::from(json!([frame]).to_string())).unwrap()).await;
            assert_eq!(answer.unwrap().status(), 202);
        };
        say(json!({"type":"join","room":behind::ROOM,"interest":"full","sessions":true,"id":1})).await;
        let mut state = RoomState::new(behind::ROOM);
        while state.version().is_none() {
            state.apply(&frame_of(slow.hear().await));
        }
        behind::make_busy(&server, &clients, 400).await;
        // It is answered while it does not read.
        say(json!({"type":"ping","id":"asked"})).await;
        let last = clients.pop().unwrap();
        let own = behind::truth(&last).await;
        let (mut waited, mut rosters, mut is_answered) = (0, 0, false);
        while rosters == 0 {
            let frame = slow.hear().await;
            waited += frame.to_string().len();
            is_answered |= frame["re"] == "asked";
            rosters += usize::from(is_roster(&mut state, frame));
        }
        assert!(is_answered, "what must be said was missed");
        server.mark(behind::ROOM, 1).await;
        assert_eq!(rosters_until(&mut slow, &mut state, 1).await, 0, "one roster heals");
        behind::assert_same(&state, own);
        // What the HTTP library holds comes to what the outbox does.
        assert!(waited < behind::OUTBOX + HTTP_BYTES_MAX, "{waited} bytes waited where {} may", behind::OUTBOX);
        clients[0].update(behind::ROOM, json!({"after":true}).as_object().unwrap()).await.unwrap();
        server.mark(behind::ROOM, 2).await;
        assert_eq!(rosters_until(&mut slow, &mut state, 2).await, 0);
    }
}

/// Bytes on the way in and around hyper, and one roster.
const HTTP_BYTES_MAX: usize = 128 << 10;

fn frame_of(frame: Value) -> ServerFrame {
    ServerFrame::parse(&frame.to_string()).unwrap()
}

/// Applies a frame; whether it was a roster.
fn is_roster(state: &mut RoomState, frame: Value) -> bool {
    match state.apply(&frame_of(frame)) {
        Outcome::Gap { have, from } => panic!("a diff from {from} came at {have:?}"),
        Outcome::Contradiction { user } => panic!("contradicted about {user}"),
        Outcome::Synced(_) => true,
        _ => false,
    }
}

async fn rosters_until(slow: &mut Listener, state: &mut RoomState, marker: u64) -> usize {
    let mut rosters = 0;
    loop {
        let frame = slow.hear().await;
        if frame["event"] == "marker" && frame["data"]["n"] == marker {
            return rosters;
        }
        rosters += usize::from(is_roster(state, frame));
    }
}

/// Sends what must be said to a room until its connections are `left`; how many bytes that took.
async fn flood_until(server: &TestServer, left: usize) -> usize {
    let data = json!("x".repeat(15_000)).to_string();
    let room = RoomId::parse(ROOM).unwrap();
    let (began, mut bytes) = (Instant::now(), 0);
    while server.presence.connections() > left {
        assert!(began.elapsed() < LIMIT, "{bytes} bytes wait");
        server.presence.publish(room.clone(), "big", &data).await.unwrap();
        bytes += data.len();
        // A turn for the shard, and for who writes.
        tokio::task::yield_now().await;
    }
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_no_stream_at_all_is_cut_off() {
    let server = TestServer::start(|config| config.presence.drop_grace = Duration::from_millis(10)).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut silent = socket.connect(server.address).await.unwrap();
    let head = format!(
        "GET /stream HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\r\n",
        server.address,
        token("silent")
    );
    silent.write_all(head.as_bytes()).await.unwrap();
    let mut text = String::new();
    let session = loop {
        let mut buffer = [0; 1024];
        let bytes = silent.read(&mut buffer).await.unwrap();
        text += std::str::from_utf8(&buffer[..bytes]).unwrap();
        if let Some((_, rest)) = text.split_once("\"send\":\"")
            && let Some((session, _)) = rest.split_once('"')
        {
            break session.to_owned();
        }
    };
    say(&server, &session, json!({"type":"join","room":ROOM})).await;
    let bytes = flood_until(&server, 0).await;
    assert!(bytes > 256 << 10, "{bytes} bytes were too many");
    // The socket is gone as well, with what waited in it.
    let read = async {
        let mut buffer = vec![0; 1 << 16];
        loop {
            match silent.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    };
    tokio::time::timeout(LIMIT, read).await.expect("the connection has to end");
    assert_eq!(server.rest().await, Default::default());
}

#[tokio::test]
async fn what_nobody_polls_for_is_bounded_and_ends_with_4503() {
    let server = TestServer::start(|_| {}).await;
    let mut poll = Poller::open(&server, "alice").await;
    join_by_poll(&server, &mut poll).await;
    let data = json!("x".repeat(15_000)).to_string();
    let room = RoomId::parse(ROOM).unwrap();
    // The outbox holds 256 KiB and one more.
    for _ in 0..30 {
        server.presence.publish(room.clone(), "big", &data).await.unwrap();
    }
    server.presence.measure().await;
    let answer = poll.poll(&server, poll.last).await.json();
    let closed = json!([[poll.last + 1, {"type":"closed","code":4503,"reason":"come back"}]]);
    assert_eq!(answer, closed);
    // What fits comes in arrays of a bounded size.
    let mut poll = Poller::open(&server, "bob").await;
    join_by_poll(&server, &mut poll).await;
    for _ in 0..15 {
        server.presence.publish(room.clone(), "big", &data).await.unwrap();
    }
    server.presence.measure().await;
    let mut arrays = 0;
    let mut heard = 0;
    while heard < 15 {
        let answer = poll.poll(&server, poll.last).await;
        assert!(answer.text.len() < (64 << 10) + 16_000, "{} bytes", answer.text.len());
        let frames = answer.json().as_array().unwrap().len() as u64;
        (heard, arrays, poll.last) = (heard + frames, arrays + 1, poll.last + frames);
    }
    assert!((3..=4).contains(&arrays), "{arrays} arrays");
}

#[tokio::test]
async fn an_unread_poll_falls_behind_and_is_healed_by_one_roster() {
    let server = TestServer::start(behind::busy).await;
    let clients = behind::busy_clients(&server).await;
    let mut poll = Poller::open(&server, "slow").await;
    say(&server, &poll.session(), json!({"type":"join","room":behind::ROOM,"id":1})).await;
    let mut state = RoomState::new(behind::ROOM);
    while state.version().is_none() {
        state.apply(&frame_of(poll.hear(&server).await));
    }
    behind::make_busy(&server, &clients, 200).await;
    let own = clients[0].sync(behind::ROOM, None).await.unwrap();
    server.mark(behind::ROOM, 1).await;
    let (mut rosters, mut is_marked) = (0, false);
    while rosters == 0 || !is_marked {
        let frame = poll.hear(&server).await;
        is_marked |= frame["event"] == "marker";
        rosters += usize::from(is_roster(&mut state, frame));
    }
    let Synced::Roster(own) = own else { panic!("no roster") };
    assert_eq!((rosters, state.version()), (1, Some(&own.v)));
}

#[tokio::test]
async fn a_stop_tells_streams_and_polls_to_come_back_and_is_over_soon() {
    let server = TestServer::start(|_| {}).await;
    let mut streams = Vec::new();
    for n in 0..20 {
        let mut stream = Listener::open(&server, &format!("user-{n}")).await;
        join(&server, &mut stream, None).await;
        streams.push(stream);
    }
    let poll = Poller::open(&server, "paula").await;
    // Once the older of two has ended, the newer is known to wait.
    let asking = || Box::pin(ask_at(server.address, poll.asking(poll.last)));
    let (_, polled) = select(asking(), asking()).await.factor_first();
    let mut socket = server.native_raw("wanda").await;
    let told = tokio::spawn(async move {
        assert_eq!(socket.hear().await, json!({"type":"draining","reconnect_within_ms":10_000}));
        assert_eq!(socket.close_code().await, Some(1001));
        for mut stream in streams {
            let mut last = [Value::Null, Value::Null];
            while let Some(frame) = stream.hear_or_end().await {
                last = [last[1].take(), frame];
            }
            let draining = json!({"type":"draining","reconnect_within_ms":10_000});
            assert_eq!(last, [draining, json!({"type":"closed","code":1001,"reason":"server is stopping"})]);
        }
    });
    let (took, polled) = tokio::join!(server.stop(), polled);
    assert!(took < Duration::from_millis(1500), "{took:?}");
    told.await.unwrap();
    let frames = polled.json();
    let kinds: Vec<_> = frames.as_array().unwrap().iter().map(|pair| &pair[1]["type"]).collect();
    assert_eq!(kinds, ["draining", "closed"]);
}

fn preflight(path: &str, origin: &str) -> Ask {
    Ask { method: Method::OPTIONS, ..Ask::get(path) }
        .with("origin", origin)
        .with("access-control-request-method", "POST")
        .with("access-control-request-headers", "authorization,content-type,herenow-session")
}

#[tokio::test]
async fn pages_may_read_what_their_token_gives_and_only_listed_ones_what_a_cookie_does() {
    let server = TestServer::start(|config| {
        config.server.allowed_origins = vec![Origin::parse("https://app.example.com").unwrap()];
        config.presence.request_lease = Duration::from_millis(200);
    })
    .await;
    let own = format!("http://{}", server.address);
    for path in ["/stream", "/send", "/session-poll"] {
        for (origin, allowed, with_cookies) in [
            ("https://app.example.com", "https://app.example.com", true),
            (own.as_str(), own.as_str(), true),
            ("https://other.example", "*", false),
            ("null", "*", false),
        ] {
            let answers = [
                ask(&server, preflight(path, origin)).await,
                ask(&server, Ask { method: Method::PUT, ..Ask::get(path) }.with("origin", origin)).await,
            ];
            assert_eq!(answers[0].status, 204);
            assert_eq!(answers[1].problem(), (405, "http.method".to_owned()));
            for answer in &answers {
                assert_eq!(answer.headers["access-control-allow-origin"], allowed, "{path} {origin}");
                let credentials = answer.headers.get("access-control-allow-credentials");
                assert_eq!(credentials.is_some_and(|value| value == "true"), with_cookies, "{path} {origin}");
                assert_eq!(answer.headers["vary"], "Origin");
            }
            let allowed = answers[0].headers["access-control-allow-headers"].to_str().unwrap();
            for header in ["authorization", "content-type", "herenow-session"] {
                assert!(allowed.contains(header));
            }
        }
    }
    // A cookie counts for pages of the server's own, and for those that are listed.
    let cookie = || Ask::get("/session-poll").with("cookie", format!("session={}", token("alice")));
    for (ask_so, status) in [
        (cookie().with("origin", own.as_str()), 200),
        (cookie().with("origin", "https://app.example.com"), 200),
        (cookie().with("sec-fetch-site", "same-origin"), 200),
        (cookie().with("origin", "https://other.example"), 403),
        (cookie().with("origin", "null"), 403),
        (cookie().with("origin", "https://other.example").with("sec-fetch-site", "same-origin"), 403),
        (cookie().with("sec-fetch-site", "cross-site"), 403),
        (cookie().with("sec-fetch-site", "none"), 403),
        (cookie().with("sec-fetch-site", "same-origin").with("sec-fetch-site", "cross-site"), 403),
        (cookie(), 403),
        (cookie().with("origin", "https://other.example").bearing("bob"), 200),
    ] {
        let answer = ask(&server, ask_so.clone()).await;
        assert_eq!(answer.status, status, "{:?}", ask_so.headers);
        if status == 403 {
            assert_eq!(answer.problem().1, "origin.forbidden");
        }
    }
}

#[tokio::test]
async fn in_dev_mode_only_pages_of_this_machine_may_ask() {
    let server = TestServer::start_as(Mode::Dev { secret: secret() }, |_| {}).await;
    let foreign = [("origin", "https://evil.example"), ("host", "evil.example")];
    for path in ["/stream", "/session-poll", "/send"] {
        for (name, value) in foreign {
            let answer = ask(&server, Ask::get(path).bearing("alice").with(name, value)).await;
            assert_eq!(answer.problem(), (403, "origin.forbidden".to_owned()), "{path} {name}");
            assert!(answer.headers.get("access-control-allow-origin").is_none());
            let asked = preflight(path, if name == "origin" { value } else { "null" });
            let asked = if name == "host" { asked.with(name, value) } else { asked };
            assert_eq!(ask(&server, asked).await.status, 403);
        }
        for origin in ["null", "http://localhost:3000", "http://127.0.0.1:5173"] {
            let answer = ask(&server, preflight(path, origin)).await;
            assert_eq!((answer.status, &answer.headers["access-control-allow-origin"]), (204, &"*".parse().unwrap()));
        }
    }
    let stream = Listener::open_as(&server, Ask::get("/stream").bearing("alice").with("origin", "null")).await;
    assert_eq!(stream.headers["access-control-allow-origin"], "*");
}

#[tokio::test]
async fn who_they_are_is_said_in_the_request_and_refused_readably() {
    let server = TestServer::start(|_| {}).await;
    for path in ["/stream", "/session-poll"] {
        let with_token = |token: &str| Ask::get(path).with("authorization", format!("Bearer {token}"));
        let foreign = jsonwebtoken::encode(
            &jsonwebtoken::Header::default(),
            &json!({"sub":"alice","exp":4_000_000_000_u64}),
            &jsonwebtoken::EncodingKey::from_secret(format!("{SECRET}, not this one").as_bytes()),
        );
        let old = Claims { now_unix_s: 1000, ..Claims::of("alice") }.sign("alice");
        for (asked, code) in [
            (Ask::get(path), "auth.missing"),
            (with_token("nonsense"), "auth.invalid"),
            (with_token(&foreign.unwrap()), "auth.invalid"),
            (with_token(&old), "auth.expired"),
        ] {
            let answer = ask(&server, asked.with("origin", "https://app.example.com")).await;
            assert_eq!(answer.problem(), (401, code.to_owned()), "{path}");
            assert_eq!(answer.headers["access-control-allow-origin"], "*");
        }
        // A connection that nobody could read is not opened.
        let head = ask(&server, Ask { method: Method::HEAD, ..Ask::get(path) }.bearing("alice")).await;
        assert_eq!((head.status, &head.headers["allow"]), (405, &"GET, OPTIONS".parse().unwrap()));
    }
    let by_query = Ask::get(format!("/stream?token={}", token("alice")));
    assert_eq!(Listener::open_as(&server, by_query).await.welcome["user"]["id"], "alice");
}

#[tokio::test]
async fn a_user_has_no_more_than_so_many_connections_that_are_polled() {
    let server = TestServer::start(|_| {}).await;
    let mut polls = Vec::new();
    for _ in 0..100 {
        polls.push(Poller::open(&server, "alice").await);
    }
    let asking = || Ask::get("/session-poll").bearing("alice");
    assert_eq!(ask(&server, asking()).await.problem(), (429, "poll.too_many".to_owned()));
    // Neither others nor another kind of connection are held back.
    Poller::open(&server, "bob").await;
    Listener::open(&server, "alice").await;
    say(&server, &polls[0].session(), json!({"type":"close"})).await;
    assert_eq!(polls[0].poll(&server, 1).await.json()[0][1]["type"], "closed");
    let began = Instant::now();
    while ask(&server, asking()).await.status != 200 {
        assert!(began.elapsed() < LIMIT, "its place is not free");
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for_long() {
    let server = TestServer::start(|_| {}).await;
    let stream = Listener::open(&server, "alice").await;
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST /send HTTP/1.1\r\nhost: {}\r\nherenow-session: {}\r\ncontent-length: 10\r\n\r\n[",
        server.address,
        stream.session()
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut buffer = vec![0; 4096];
    let bytes = tokio::time::timeout(LIMIT * 2, slow.read(&mut buffer)).await.unwrap().unwrap();
    let answer = String::from_utf8_lossy(&buffer[..bytes]);
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("send.timeout"), "{answer}");
}

#[tokio::test]
async fn what_a_client_gave_up_to_send_is_done_as_a_whole_or_not_at_all() {
    // The answers fit into an outbox, since nobody reads meanwhile.
    const ROUNDS: u64 = 30;
    const FRAMES: u64 = 100;
    let server = TestServer::start(|_| {}).await;
    let mut stream = Listener::open(&server, "alice").await;
    for round in 0..ROUNDS {
        let pings: Vec<Value> = (0..FRAMES).map(|n| json!({"type":"ping","id":round * FRAMES + n})).collect();
        let body = json!(pings).to_string();
        let head = format!(
            "POST /send HTTP/1.1\r\nhost: x\r\nherenow-session: {}\r\ncontent-length: {}\r\n\r\n{body}",
            stream.session(),
            body.len()
        );
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket.write_all(head.as_bytes()).await.unwrap();
    }
    let mut heard = vec![0; ROUNDS as usize];
    // What was under way is over when enough was asked and answered after it.
    for after in 0..20 {
        say(&server, &stream.session(), json!({"type":"ping","id":format!("after-{after}")})).await;
        loop {
            let answer = stream.hear().await;
            let Some(number) = answer["re"].as_u64() else { break };
            let (round, place) = (number / FRAMES, number % FRAMES);
            assert_eq!(heard[round as usize], place, "each once, and in order");
            heard[round as usize] += 1;
        }
    }
    assert!(heard.iter().all(|count| *count == 0 || *count == FRAMES), "{heard:?}");
    assert!(heard.contains(&FRAMES), "none was heard");
}
