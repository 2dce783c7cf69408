//! The same frames without WebSocket: what is heard and said beside clients that have one.
use crate::{
    common::{Claims, Peer, SHARDS, TestServer, now_unix_s, token},
    plain::{Ask, Listener, Poller, ask, say, send},
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::task::JoinSet;

const ROOM: &str = "board-1";

/// Reads frames up to the marker of this number; without the marker.
macro_rules! until_marker {
    ($n:expr, $hear:expr) => {{
        let mut heard = Vec::new();
        loop {
            let frame: Value = $hear;
            if frame["event"] == "marker" && frame["data"]["n"] == $n {
                break heard;
            }
            heard.push(frame);
        }
    }};
}

/// Has somebody join, type, change, speak, point, lock and leave; what others hear of it is the same for all who asked for
/// the same.
async fn act(server: &TestServer, actor: &mut Peer) {
    for frame in [
        json!({"type":"join","room":ROOM,"id":1,"state":{"page":1}}),
        json!({"type":"typing","room":ROOM,"target":"card-1","id":2}),
        json!({"type":"update","room":ROOM,"state":{"page":2,"text":"a\nb \u{2028}"},"id":3}),
        json!({"type":"lock","room":ROOM,"name":"card-1","id":4}),
        json!({"type":"message","room":ROOM,"event":"hi","data":{"a":[1,null]},"id":5}),
        json!({"type":"unlock","room":ROOM,"name":"card-1","id":6}),
        json!({"type":"status","status":"idle","id":7}),
        json!({"type":"leave","room":ROOM,"id":8}),
        json!({"type":"ping","id":9}),
    ] {
        let id = frame["id"].clone();
        actor.say(frame).await;
        while actor.hear().await["re"] != id {}
    }
    server.mark(ROOM, 1).await;
}

#[tokio::test]
async fn what_a_room_tells_is_the_same_frame_for_frame_over_each_transport() {
    for shards in SHARDS {
        let server = TestServer::start(|config| config.server.shards = Some(shards)).await;
        let mut socket = server.native_raw("wanda").await;
        let mut stream = Listener::open(&server, "stan").await;
        let mut poll = Poller::open(&server, "paula").await;
        let join = json!({"type":"join","room":ROOM,"sessions":true,"id":"j"});
        socket.say(join.clone()).await;
        assert_eq!(socket.hear().await["type"], "roster");
        say(&server, &stream.session(), join.clone()).await;
        assert_eq!(stream.hear().await["type"], "roster");
        say(&server, &poll.session(), join).await;
        assert_eq!(poll.hear(&server).await["type"], "roster");
        server.mark(ROOM, 0).await;
        until_marker!(0, socket.hear().await);
        until_marker!(0, stream.hear().await);
        until_marker!(0, poll.hear(&server).await);

        act(&server, &mut server.native_raw("alice").await).await;
        let heard = until_marker!(1, socket.hear().await);
        let kinds: Vec<_> = heard.iter().filter_map(|frame| frame["type"].as_str()).collect();
        for kind in ["diff", "typing", "sessions", "lock", "message"] {
            assert!(kinds.contains(&kind), "no {kind} in {kinds:?}");
        }
        assert_eq!(until_marker!(1, stream.hear().await), heard, "{shards} shards");
        assert_eq!(until_marker!(1, poll.hear(&server).await), heard, "{shards} shards");
    }
}

/// An answer without what differs by session and moment.
fn plain(mut frame: Value) -> Value {
    for field in ["time_ms", "expires_at_ms", "fence", "session", "v"] {
        if frame.get(field).is_some() {
            frame[field] = json!("*");
        }
    }
    for viewer in frame.get_mut("viewers").and_then(Value::as_array_mut).into_iter().flatten() {
        viewer["joined_at_ms"] = json!("*");
    }
    for lock in frame.get_mut("locks").and_then(Value::as_array_mut).into_iter().flatten() {
        (lock["session"], lock["fence"]) = (json!("*"), json!("*"));
    }
    frame
}

#[tokio::test]
async fn what_is_asked_is_answered_the_same_over_each_transport() {
    let server = TestServer::start(|_| {}).await;
    // What is asked, and how many frames that is answered with.
    let asked = [
        (json!({"type":"join","room":"@","state":{"a":1},"id":1}), 1),
        (json!({"type":"typing","room":"@","id":2}), 1),
        (json!({"type":"lock","room":"@","name":"n","id":"l"}), 2),
        (json!({"type":"message","room":"@","event":"e","data":1,"echo":true,"id":3}), 2),
        (json!({"type":"sync","room":"@","id":4}), 1),
        (json!({"type":"watch","users":["nobody"],"id":5}), 2),
        (json!({"type":"auth","token":token("same"),"id":6}), 1),
        (json!({"type":"typing","room":"elsewhere","id":7}), 1),
        (json!({"type":"nonsense","id":8}), 1),
        (json!({"type":"join","id":9}), 1),
        (json!([]), 1),
        (json!("text"), 1),
        (json!({"type":"update","room":"@","state":{"a":"x".repeat(5000)},"id":10}), 1),
        (json!({"type":"leave","room":"@","id":11}), 1),
        (json!({"type":"ping","id":12}), 1),
    ];
    let mut socket = server.native_raw("same").await;
    let mut stream = Listener::open(&server, "same").await;
    let mut poll = Poller::open(&server, "same").await;
    // Each in a room of its own, so that the others are no news.
    let in_room =
        |frame: &Value, room: &str| -> Value { serde_json::from_str(&frame.to_string().replace('@', room)).unwrap() };
    for (frame, count) in asked {
        socket.say(in_room(&frame, "room-w")).await;
        say(&server, &stream.session(), in_room(&frame, "room-s")).await;
        say(&server, &poll.session(), in_room(&frame, "room-p")).await;
        let mut answers = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..count {
            answers[0].push(plain(socket.hear().await).to_string().replace("room-w", "@"));
            answers[1].push(plain(stream.hear().await).to_string().replace("room-s", "@"));
            answers[2].push(plain(poll.hear(&server).await).to_string().replace("room-p", "@"));
        }
        // What a shard says and what the connection itself says may come in any order.
        answers.iter_mut().for_each(|answers| answers.sort());
        assert_eq!(answers[1], answers[0], "{frame}");
        assert_eq!(answers[2], answers[0], "{frame}");
    }
}

#[tokio::test]
async fn others_see_who_has_no_websocket_as_anybody_else() {
    for shards in SHARDS {
        let server = TestServer::start(|config| config.server.shards = Some(shards)).await;
        let mut bob = server.board_in("bob", ROOM).await;
        let stream = Listener::open(&server, "alice").await;
        let poll = Poller::open(&server, "carol").await;
        for (user, session) in [("alice", stream.session()), ("carol", poll.session())] {
            let frames = json!([
                {"type":"join","room":ROOM},
                {"type":"typing","room":ROOM,"target":"card-1"},
            ]);
            assert_eq!(send(&server, &session, &frames).await.status, 202);
            let joined = bob.hear().await;
            assert_eq!((&joined["type"], &joined["user"]["id"]), (&json!("user_joined"), &json!(user)));
            let typing = bob.hear().await;
            assert_eq!((&typing["type"], &typing["target"]), (&json!("user_typing"), &json!("card-1")));
            say(&server, &session, json!({"type":"stop_typing","room":ROOM,"target":"card-1"})).await;
            assert_eq!(bob.hear().await["type"], "user_stopped_typing");
            say(&server, &session, json!({"type":"message","room":ROOM,"event":"hello","data":{"n":7}})).await;
            let hello = bob.hear().await;
            assert_eq!((&hello["type"], &hello["n"]), (&json!("hello"), &json!(7)));
            say(&server, &session, json!({"type":"leave","room":ROOM})).await;
            let left = bob.hear().await;
            assert_eq!((&left["type"], &left["reason"]), (&json!("user_left"), &json!("left")));
        }
    }
}

#[tokio::test]
async fn the_welcome_says_how_often_something_comes_and_what_to_name() {
    let server = TestServer::start(|_| {}).await;
    let stream = Listener::open(&server, "alice").await;
    let poll = Poller::open(&server, "alice").await;
    for (welcome, pulse) in [(&stream.welcome, 15_000), (&poll.welcome, 25_000)] {
        assert_eq!(welcome["ping_interval_ms"], pulse);
        let session = welcome["session"].as_str().unwrap();
        for field in ["send", "resume"] {
            let (of, secret) = welcome[field].as_str().unwrap().split_once('.').unwrap();
            assert_eq!((of, secret.len()), (session, 32));
        }
        assert_ne!(welcome["send"], welcome["resume"]);
        assert_eq!(welcome["limits"]["frame_bytes_max"], 16_384);
    }
    let headers = &stream.headers;
    assert!(headers["cache-control"] == "no-store" && headers["x-accel-buffering"] == "no", "{headers:?}");
    let (client, _) = server.native("bob").await;
    assert_eq!(client.welcome().ping_interval_ms, Some(20_000));
}

#[tokio::test]
async fn a_goodbye_is_told_for_what_it_is() {
    let server = TestServer::start(|config| config.presence.leave_grace = Duration::from_millis(200)).await;
    let mut bob = server.board_in("bob", ROOM).await;
    // As a page says it, without a header of its own.
    for (frame, reason, code) in [
        (json!({"type":"close","code":4900}), "closed", Some(4900)),
        (json!({"type":"close","code":1001}), "closed", Some(1001)),
        (json!({"type":"close"}), "left", None),
        (json!({"type":"close","code":1000}), "left", Some(1000)),
    ] {
        let mut stream = Listener::open(&server, "alice").await;
        let mut poll = Poller::open(&server, "carol").await;
        let sessions = [stream.session(), poll.session()];
        for session in &sessions {
            say(&server, session, json!({"type":"join","room":ROOM,"id":1})).await;
            assert_eq!(bob.hear().await["type"], "user_joined");
        }
        for session in &sessions {
            // What comes after a goodbye is not heard.
            let frames = json!([frame, {"type":"typing","room":ROOM}]).to_string();
            let beacon = Ask::post(format!("/send?session={session}"), frames).with("content-type", "text/plain");
            assert_eq!(ask(&server, beacon).await.status, 202);
            let left = bob.hear().await;
            assert_eq!((&left["type"], &left["reason"]), (&json!("user_left"), &json!(reason)));
            let late = send(&server, session, &json!([])).await;
            assert_eq!(late.problem(), (409, "session.elsewhere".to_owned()));
        }
        assert_eq!(stream.close_code().await, code);
        let mut last = Value::Null;
        while last["type"] != "closed" {
            last = poll.hear(&server).await;
        }
        assert_eq!(last["code"].as_u64(), code);
        let gone = poll.poll(&server, poll.last).await;
        assert_eq!(gone.problem(), (409, "session.elsewhere".to_owned()));
    }
    let stream = Listener::open(&server, "alice").await;
    for code in [json!(1005), json!(0), json!(70_000), json!("4900"), json!(5000)] {
        let answer = send(&server, &stream.session(), &json!([{"type":"close","code":code}])).await;
        if code.as_u64().is_some_and(|code| code < 65_536) {
            assert_eq!(answer.problem(), (400, "frame.bad_field".to_owned()), "{code}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused_and_changes_nothing() {
    let server = TestServer::start(|_| {}).await;
    let mut stream = Listener::open(&server, "alice").await;
    let session = stream.session();
    let join = json!({"type":"join","room":ROOM,"id":1}).to_string();
    let other = Listener::open(&server, "bob").await.session();
    let mut wrong = session.clone();
    let last = if wrong.ends_with('0') { "1" } else { "0" };
    wrong.replace_range(wrong.len() - 1.., last);
    let mixed = format!("{}.{}", &session[..16], &other[17..]);
    let resume = stream.secret();
    for (named, status, code) in [
        (wrong.as_str(), 403, "session.forbidden"),
        (&mixed, 403, "session.forbidden"),
        (&resume, 403, "session.forbidden"),
        ("0123456789abcdef.0123456789abcdef0123456789abcdef", 409, "session.elsewhere"),
        ("nonsense", 409, "session.elsewhere"),
    ] {
        let answer = ask(&server, Ask::post("/send", format!("[{join}]")).with("herenow-session", named)).await;
        assert_eq!(answer.problem(), (status, code.to_owned()), "{named}");
        let answer = ask(&server, Ask::get("/session-poll?after=0").with("herenow-session", named)).await;
        assert_eq!(answer.problem(), (status, code.to_owned()), "{named}");
    }
    let answer = ask(&server, Ask::post("/send", format!("[{join}]"))).await;
    assert_eq!(answer.problem(), (400, "session.missing".to_owned()));

    let long = format!("[{join},{{\"type\":\"ping\",\"pad\":\"{}\"}}]", "x".repeat(16_384));
    let many = format!("[{join}{}]", ",{}".repeat(256));
    let large = format!("[{join},{}0]", "0,".repeat(200_000));
    for (body, status, code) in [
        ("", 400, "frame.not_json"),
        ("{}", 400, "frame.not_json"),
        ("null", 400, "frame.not_json"),
        (&join, 400, "frame.not_json"),
        (&format!("[{join},"), 400, "frame.not_json"),
        (&format!("[{join}] []"), 400, "frame.not_json"),
        (&format!("[{join},{{\"type\":}}]"), 400, "frame.not_json"),
        (&long, 413, "frame.too_large"),
        (&many, 413, "send.too_large"),
        (&large, 413, "send.too_large"),
    ] {
        let answer = ask(&server, Ask::post("/send", body).with("herenow-session", session.as_str())).await;
        assert_eq!(answer.problem(), (status, code.to_owned()), "{:.40}", body);
    }
    // Nothing was heard of any of it.
    say(&server, &session, json!({"type":"typing","room":ROOM,"id":2})).await;
    let answer = stream.hear().await;
    assert_eq!((&answer["re"], &answer["code"]), (&json!(2), &json!("room.not_joined")));
    assert_eq!(send(&server, &session, &json!([])).await.status, 202);
}

#[tokio::test]
async fn frames_of_the_largest_size_are_taken_and_those_of_one_request_in_order() {
    let server = TestServer::start(|_| {}).await;
    let mut stream = Listener::open(&server, "alice").await;
    let bare = json!({"type":"ping","id":1,"pad":""}).to_string().len();
    let frame = json!({"type":"ping","id":1,"pad":"x".repeat(16_384 - bare)});
    assert_eq!(frame.to_string().len(), 16_384);
    say(&server, &stream.session(), frame).await;
    assert_eq!(stream.hear().await["type"], "pong");
    let pings: Vec<Value> = (0..256).map(|n| json!({"type":"ping","id":n})).collect();
    assert_eq!(send(&server, &stream.session(), &json!(pings)).await.status, 202);
    for n in 0..256 {
        let answer = stream.hear().await;
        assert!(answer["re"] == n, "{n}: {answer}");
    }
}

#[tokio::test]
async fn nonsense_that_goes_on_ends_the_connection_with_4429() {
    let server = TestServer::start(|config| config.presence.drop_grace = Duration::ZERO).await;
    let mut stream = Listener::open(&server, "alice").await;
    let nonsense = json!(vec![json!({"type":"nonsense"}); 256]);
    assert_eq!(send(&server, &stream.session(), &nonsense).await.status, 202);
    let (mut unknown, mut floods) = (0, 0);
    let code = loop {
        let frame = stream.hear().await;
        match (frame["type"].as_str(), frame["code"].as_str()) {
            (Some("error"), Some("frame.unknown_type")) => unknown += 1,
            (Some("error"), Some("rate.flood")) => floods += 1,
            (Some("closed"), None) => break frame["code"].as_u64(),
            _ => panic!("heard {frame}"),
        }
    };
    assert_eq!((unknown, floods, code), (100, 1, Some(4429)));
    assert_eq!(stream.event().await, None);
    assert_eq!(server.rest().await, Default::default());
}

#[tokio::test]
async fn what_is_said_too_often_is_refused_or_merged_as_over_websocket() {
    let server = TestServer::start(|config| config.limits.rates.update = 2).await;
    let mut watcher = Listener::open(&server, "wanda").await;
    let mut stream = Listener::open(&server, "alice").await;
    for listener in [&mut watcher, &mut stream] {
        say(&server, &listener.session(), json!({"type":"join","room":ROOM,"id":1})).await;
        while listener.hear().await["re"] != 1 {}
    }
    let updates: Vec<Value> = (1..=40).map(|n| json!({"type":"update","room":ROOM,"state":{"n":n}, "id":n})).collect();
    assert_eq!(send(&server, &stream.session(), &json!(updates)).await.status, 202);
    let (mut last, mut told) = (Value::Null, 0);
    while last != 40 {
        let frame = watcher.hear().await;
        if let Some(updated) = frame["updated"].as_array() {
            last = updated[0]["state"]["n"].clone();
            told += 1;
        }
    }
    assert!(told < 40, "each of them was told");
}

#[tokio::test]
async fn a_token_that_ends_is_said_and_closes_with_4401_unless_it_is_renewed() {
    let server = TestServer::start(|_| {}).await;
    // Its end is taken with five seconds of leeway.
    let claims = || Claims { now_unix_s: now_unix_s() - 60, ttl: Duration::from_secs(56), ..Claims::of("alice") };
    let bearing = |path: &str| Ask::get(path).with("authorization", format!("Bearer {}", claims().sign("alice")));
    let mut renewed = Listener::open_as(&server, bearing("/stream")).await;
    let auth = json!({"type":"auth","token":token("alice"),"id":1});
    say(&server, &renewed.session(), auth).await;
    let ack = renewed.hear().await;
    assert!(ack["re"] == 1 && ack["expires_at_ms"].is_u64(), "{ack}");
    let mut stream = Listener::open_as(&server, bearing("/stream")).await;
    let mut poll = Poller::open_as(&server, bearing("/session-poll")).await;
    for frame in [stream.hear().await, poll.hear(&server).await] {
        assert_eq!(frame["code"], "auth.expired");
    }
    for frame in [stream.hear().await, poll.hear(&server).await] {
        assert_eq!(frame, json!({"type":"closed","code":4401,"reason":"auth.expired"}));
    }
    assert_eq!(stream.event().await, None);
    say(&server, &renewed.session(), json!({"type":"ping","id":2})).await;
    assert_eq!(renewed.hear().await["re"], 2);
}

#[tokio::test]
async fn a_thousand_that_come_and_go_in_each_way_leave_nothing() {
    let server = TestServer::start(|config| {
        config.presence.leave_grace = Duration::from_millis(1);
        config.presence.drop_grace = Duration::from_millis(1);
        config.presence.request_lease = Duration::from_millis(1500);
        config.presence.resume_window = Duration::from_millis(1);
    });
    let server = Arc::new(server.await);
    let mut going = JoinSet::new();
    for lane in 0..10_u32 {
        let server = Arc::clone(&server);
        going.spawn(async move {
            let mut sessions = Vec::new();
            for round in 0..100_u32 {
                let user = format!("user-{}", (lane * 7 + round) % 13);
                if round % 10 == 9 {
                    // Polls once and never again.
                    let poll = Poller::open(&server, &user).await;
                    say(&server, &poll.session(), json!({"type":"join","room":ROOM})).await;
                    sessions.push(poll.session());
                    continue;
                }
                let stream = Listener::open(&server, &user).await;
                let session = stream.session();
                say(&server, &session, json!({"type":"join","room":ROOM})).await;
                match round % 3 {
                    0 => say(&server, &session, json!({"type":"close"})).await,
                    1 => say(&server, &session, json!({"type":"close","code":4900})).await,
                    _ => {}
                }
                stream.abort();
                sessions.push(session);
            }
            sessions
        });
    }
    let mut sessions = Vec::new();
    while let Some(done) = going.join_next().await {
        sessions.extend(done.unwrap());
    }
    assert_eq!((sessions.len(), server.rest().await), (1000, Default::default()));
    for session in sessions.iter().step_by(50) {
        assert_eq!(send(&server, session, &json!([])).await.problem().1, "session.elsewhere");
    }
    assert_eq!(server.presence.resumes().count(server.presence.clock().now()), 0);
}
