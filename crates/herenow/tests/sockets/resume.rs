//! Sessions that go on over another connection, and claims to them that come to nothing.
use crate::common::{LIMIT, Peer, SHARDS, TestServer, token};
use herenow::config::settings::Config;
use herenow_client::{
    client::{self, Client, Events, Synced},
    error::Ended,
    frame::Roster,
    raw,
};
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

const ROOM: &str = "board-1";

/// A native connection that names the session to go on with in its address. Nothing is heard yet.
async fn claiming(server: &TestServer, user: &str, resume: &str) -> Peer {
    let url = format!("{}&resume={resume}", server.bearing(&token(user)));
    Peer(raw::connect(&url).protocol("herenow.v1").open().await.unwrap())
}

/// The same, and its welcome.
async fn claim(server: &TestServer, user: &str, resume: &str) -> (Peer, Value) {
    let mut peer = claiming(server, user, resume).await;
    let welcome = peer.hear().await;
    assert_eq!(welcome["type"], "welcome", "{welcome}");
    (peer, welcome)
}

/// A native client that claims in its first frame, and answers pings whoever waits.
async fn claim_in_auth(server: &TestServer, user: &str, resume: &str) -> (Client, Events) {
    client::connect(&server.url()).token(&token(user)).resume(resume).open().await.unwrap()
}

/// A native connection of a new session, and its welcome.
async fn fresh(server: &TestServer, user: &str) -> (Peer, Value) {
    let (peer, welcome) = claim(server, user, "").await;
    assert_eq!(welcome["resumed"], false);
    (peer, welcome)
}

fn secret_of(welcome: &Value) -> String {
    welcome["resume"].as_str().unwrap().to_owned()
}

fn roster(synced: Synced) -> Roster {
    match synced {
        Synced::Roster(roster) => roster,
        other => panic!("no roster: {other:?}"),
    }
}

/// Joins with a number; the answer.
async fn join(peer: &mut Peer, room: &str, id: u64) -> Value {
    peer.say(json!({"type":"join","room":room,"id":id})).await;
    let answer = peer.hear().await;
    assert_eq!(answer["re"], id, "{answer}");
    answer
}

#[tokio::test]
async fn a_session_that_goes_on_takes_its_seat_again_and_nobody_hears_of_it() {
    for shards in SHARDS {
        let server = TestServer::start(|config| config.server.shards = Some(shards)).await;
        let mut bob = server.board_in("bob", ROOM).await;
        let (mut alice, welcome) = fresh(&server, "alice").await;
        alice.say(json!({"type":"join","room":ROOM,"state":{"page":3},"id":1})).await;
        let seated = alice.hear().await;
        assert_eq!(bob.hear().await["type"], "user_joined");
        alice.close(Some(4900)).await;
        let (mut alice, renewed) = claim(&server, "alice", &secret_of(&welcome)).await;
        assert_eq!((&renewed["resumed"], &renewed["session"]), (&json!(true), &welcome["session"]));
        assert_ne!(renewed["resume"], welcome["resume"]);
        let again = join(&mut alice, ROOM, 2).await;
        assert_eq!((&again["viewers"], &again["v"]), (&seated["viewers"], &seated["v"]), "{shards} shards");
        assert_eq!(again["count"], json!({"users":2,"sessions":2}));
        assert!(again["viewers"].as_array().unwrap().iter().any(|viewer| viewer["state"] == json!({"page":3})));
        // What was missed comes as a diff to who says what it has; here nothing was.
        alice.say(json!({"type":"join","room":ROOM,"since":again["v"],"id":3})).await;
        let nothing = alice.hear().await;
        assert_eq!((&nothing["type"], nothing.get("joined"), &nothing["v"]), (&json!("diff"), None, &again["v"]));
        alice.0.abort();
        let (client, _) = claim_in_auth(&server, "alice", &secret_of(&renewed)).await;
        assert!(client.welcome().resumed && client.welcome().session == welcome["session"]);
        let again = roster(client.join(ROOM).await.unwrap());
        assert_eq!((again.count.users, again.count.sessions, again.v.number), (2, 2, seated["v"][1].as_u64().unwrap()));
        server.mark(ROOM, 1).await;
        bob.expect_silence_until(ROOM, 1).await;
    }
}

#[tokio::test]
async fn a_secret_is_good_once_and_the_one_before_until_the_new_connection_was_heard() {
    let server = TestServer::start(|_| {}).await;
    let (mut alice, welcome) = fresh(&server, "alice").await;
    let first = secret_of(&welcome);
    alice.close(Some(4900)).await;
    let mut newest = String::new();
    for _ in 0..3 {
        // As a client does that never gets the welcome.
        let (mut unheard, welcome) = claim(&server, "alice", &first).await;
        assert_eq!(welcome["resumed"], true);
        newest = secret_of(&welcome);
        unheard.close(Some(4900)).await;
    }
    let (mut heard, welcome) = claim(&server, "alice", &newest).await;
    assert_eq!(welcome["resumed"], true);
    heard.say(json!({"type":"ping","id":1})).await;
    assert_eq!(heard.hear().await["type"], "pong");
    heard.close(Some(4900)).await;
    for used in [first, newest] {
        let (mut other, late) = claim(&server, "alice", &used).await;
        assert_eq!(late["resumed"], false);
        assert_ne!(late["session"], welcome["session"]);
        other.close(Some(1000)).await;
    }
    assert_eq!(claim(&server, "alice", &secret_of(&welcome)).await.1["resumed"], true);
}

#[tokio::test]
async fn t_41_a_duplicated_tab_gets_a_session_of_its_own_and_the_first_is_not_disturbed() {
    for shards in SHARDS {
        let server = TestServer::start(|config| config.server.shards = Some(shards)).await;
        let mut bob = server.board_in("bob", ROOM).await;
        let (tab, mut heard) = server.native("alice").await;
        let session = tab.welcome().session.clone();
        let secret = tab.welcome().resume.clone().unwrap();
        let mut number = roster(tab.join(ROOM).await.unwrap()).v.number;
        assert_eq!(bob.hear().await["type"], "user_joined");
        for n in 0..20 {
            let began = Instant::now();
            let (mut copy, welcome) = claim(&server, "alice", &secret).await;
            let took = began.elapsed();
            assert_eq!(welcome["resumed"], false, "the holder answers, {n} of 20, after {took:?}");
            assert!(welcome["session"] != session.as_str() && took < Duration::from_millis(900), "{took:?}");
            assert_eq!(join(&mut copy, ROOM, 1).await["count"], json!({"users":2,"sessions":3}));
            copy.close(Some(1000)).await;
        }
        let own = roster(tab.sync(ROOM, None).await.unwrap());
        assert_eq!((own.count.users, own.count.sessions), (2, 2), "{shards} shards");
        // How many tabs somebody has is told with the viewer, but it is no joining or leaving.
        assert!(own.v.number >= number);
        number = own.v.number;
        server.mark(ROOM, 1).await;
        bob.expect_silence_until(ROOM, 1).await;
        crate::common::until_marker(&mut heard, 1).await;
        drop(tab);
        assert_eq!(bob.hear().await["type"], "user_left");
        assert!(number > 0);
    }
}

#[tokio::test]
async fn t_19_a_half_open_connection_is_replaced_and_its_late_end_removes_nothing() {
    for shards in SHARDS {
        let server = TestServer::start(|config| config.server.shards = Some(shards)).await;
        let mut bob = server.board_in("bob", ROOM).await;
        // Nobody reads here, so that nothing is answered either.
        let (mut silent, welcome) = fresh(&server, "alice").await;
        join(&mut silent, ROOM, 1).await;
        assert_eq!(bob.hear().await["type"], "user_joined");
        let began = Instant::now();
        let mut alice = claiming(&server, "alice", &secret_of(&welcome)).await;
        // Said before the welcome, and not lost.
        alice.say(json!({"type":"join","room":ROOM,"id":"early"})).await;
        alice.say(json!({"type":"typing","room":ROOM,"id":"later"})).await;
        let renewed = alice.hear().await;
        let took = began.elapsed();
        assert_eq!((&renewed["resumed"], &renewed["session"]), (&json!(true), &welcome["session"]));
        assert!(took > Duration::from_millis(900) && took < Duration::from_secs(3), "{took:?}");
        let mut answers = [alice.hear().await, alice.hear().await];
        answers.sort_by_key(|answer| answer["type"] == "roster");
        let [ack, seated] = answers;
        assert_eq!((&ack["re"], &seated["re"]), (&json!("later"), &json!("early")));
        assert_eq!(seated["count"], json!({"users":2,"sessions":2}));
        assert_eq!(bob.hear().await["type"], "user_typing");
        assert_eq!(silent.close_code().await, Some(4409));
        drop(silent);
        let began = Instant::now();
        while server.presence.connections() > 2 {
            assert!(began.elapsed() < LIMIT, "the old one does not end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // Its end has reached every shard: they are told of it before it is counted no more.
        assert_eq!(server.presence.measure().await.connections, 2);
        let after = join(&mut alice, ROOM, 2).await;
        assert_eq!((&after["count"], &after["v"]), (&json!({"users":2,"sessions":2}), &seated["v"]));
        assert_eq!(after["typing"][0]["user"]["id"], "alice");
        alice.say(json!({"type":"stop_typing","room":ROOM})).await;
        assert_eq!(bob.hear().await["type"], "user_stopped_typing");
        server.mark(ROOM, 1).await;
        bob.expect_silence_until(ROOM, 1).await;
    }
}

#[tokio::test]
async fn of_two_that_claim_a_half_open_session_at_once_one_gets_it() {
    let server = TestServer::start(|_| {}).await;
    let (silent, welcome) = fresh(&server, "alice").await;
    let secret = secret_of(&welcome);
    let ((mut one, first), (mut other, second)) =
        tokio::join!(claim(&server, "alice", &secret), claim(&server, "alice", &secret));
    assert_ne!(first["session"], second["session"]);
    let of_old = [&first, &second].into_iter().filter(|new| new["session"] == welcome["session"]).count();
    assert_eq!(of_old, 1, "{first} {second}");
    for peer in [&mut one, &mut other] {
        assert_eq!(join(peer, ROOM, 1).await["type"], "roster");
        peer.say(json!({"type":"ping","id":2})).await;
        while peer.hear().await["type"] != "pong" {}
    }
    assert_eq!(join(&mut one, ROOM, 3).await["count"], json!({"users":1,"sessions":2}));
    drop(silent);
}

#[tokio::test]
async fn what_is_no_good_to_go_on_with_is_a_new_session() {
    let server = TestServer::start(|_| {}).await;
    let (_bob, bobs) = fresh(&server, "bob").await;
    let (mut left, leaver) = fresh(&server, "alice").await;
    left.close(Some(1000)).await;
    let (_held, held) = fresh(&server, "alice").await;
    let mut guessed = secret_of(&held);
    guessed.replace_range(17..18, if guessed.ends_with('0') { "1" } else { "0" });
    let unlike = if guessed == secret_of(&held) { "f" } else { "" };
    for token in [secret_of(&bobs), secret_of(&leaver), format!("{guessed}{unlike}"), ".".into(), "x".repeat(3000)] {
        let (mut peer, welcome) = claim(&server, "alice", &token).await;
        assert_eq!(welcome["resumed"], false, "{token}");
        let known = [&bobs["session"], &leaver["session"], &held["session"]];
        assert!(!known.contains(&&welcome["session"]));
        peer.close(Some(1000)).await;
        let (client, _) = claim_in_auth(&server, "alice", &token).await;
        assert!(!client.welcome().resumed, "{token}");
    }
}

#[tokio::test]
async fn a_client_of_the_board_dialect_cannot_take_a_session_that_a_native_one_may_go_on_with() {
    let server = TestServer::start(|_| {}).await;
    let (mut alice, welcome) = fresh(&server, "alice").await;
    alice.close(Some(4900)).await;
    let url = format!("{}&resume={}", server.bearing(&token("alice")), secret_of(&welcome));
    let mut board = Peer(raw::connect(&url).open().await.unwrap());
    assert_eq!(board.hear().await["type"], "connected");
    board.join(ROOM).await;
    let (mut native, renewed) = claim(&server, "alice", &secret_of(&welcome)).await;
    assert_eq!(renewed["resumed"], true);
    assert_eq!(join(&mut native, ROOM, 1).await["count"], json!({"users":1,"sessions":2}));
    assert_eq!(board.join(ROOM).await["count"], 1);
}

/// Graces short enough for a test.
fn quick(config: &mut Config) {
    config.presence.leave_grace = Duration::from_millis(400);
    config.presence.drop_grace = Duration::from_millis(400);
    config.presence.resume_window = Duration::from_secs(3);
}

#[tokio::test]
async fn after_the_grace_a_session_goes_on_with_a_join_like_any_other() {
    let server = TestServer::start(quick).await;
    let mut bob = server.board_in("bob", ROOM).await;
    let (mut alice, welcome) = fresh(&server, "alice").await;
    join(&mut alice, ROOM, 1).await;
    assert_eq!(bob.hear().await["type"], "user_joined");
    alice.say(json!({"type":"update","room":ROOM,"state":{"card":7},"id":2})).await;
    while alice.hear().await["re"] != 2 {}
    alice.close(Some(4900)).await;
    assert_eq!(bob.hear().await["reason"], "closed");
    let (mut alice, renewed) = claim(&server, "alice", &secret_of(&welcome)).await;
    assert_eq!((&renewed["resumed"], &renewed["session"]), (&json!(true), &welcome["session"]));
    let roster = join(&mut alice, ROOM, 1).await;
    assert_eq!(roster["count"], json!({"users":2,"sessions":2}));
    let hers = roster["viewers"].as_array().unwrap().iter().find(|viewer| viewer["user"]["id"] == "alice").unwrap();
    assert_eq!(hers["state"], json!({"card":7}), "with what she shared");
    assert_eq!(bob.hear().await["type"], "user_joined");
}

#[tokio::test]
async fn rooms_that_a_session_does_not_claim_again_are_left_after_the_grace_and_the_others_are_not() {
    for shards in SHARDS {
        let server = TestServer::start(|config| {
            quick(config);
            config.server.shards = Some(shards);
        });
        let server = server.await;
        // On as many shards as there are.
        let rooms: Vec<String> = (0..8).map(|n| format!("room-{n}")).collect();
        let mut bob = server.board("bob").await;
        let (mut alice, welcome) = fresh(&server, "alice").await;
        for (room, id) in rooms.iter().zip(1..) {
            bob.join(room).await;
            join(&mut alice, room, id).await;
            assert_eq!(bob.hear().await["type"], "user_joined");
        }
        alice.close(Some(4900)).await;
        let (mut alice, renewed) = claim(&server, "alice", &secret_of(&welcome)).await;
        assert_eq!(renewed["resumed"], true);
        for (room, id) in rooms.iter().zip(1..).step_by(2) {
            assert_eq!(join(&mut alice, room, id).await["count"]["sessions"], 2);
        }
        let mut left = Vec::new();
        for _ in 0..4 {
            let frame = bob.hear().await;
            assert_eq!((&frame["type"], &frame["user"]["id"]), (&json!("user_left"), &json!("alice")), "{frame}");
            left.push(frame["room"].as_str().unwrap().to_owned());
        }
        left.sort();
        assert_eq!(left, ["room-1", "room-3", "room-5", "room-7"], "{shards} shards");
        for (room, id) in rooms.iter().zip(1..).step_by(2) {
            assert_eq!(join(&mut alice, room, id).await["count"]["users"], 2);
        }
    }
}

#[tokio::test]
async fn a_room_that_is_not_claimed_in_five_seconds_is_left_though_its_grace_is_longer() {
    let server = TestServer::start(|_| {}).await;
    let mut bob = server.board("bob").await;
    let (mut alice, welcome) = fresh(&server, "alice").await;
    for (room, id) in [(ROOM, 1), ("lobby", 2)] {
        bob.join(room).await;
        join(&mut alice, room, id).await;
        assert_eq!(bob.hear().await["type"], "user_joined");
    }
    alice.say(json!({"type":"update","room":ROOM,"state":{"card":7},"id":3})).await;
    while alice.hear().await["re"] != 3 {}
    let began = Instant::now();
    alice.0.abort();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let (mut alice, renewed) = claim(&server, "alice", &secret_of(&welcome)).await;
    assert_eq!(renewed["resumed"], true);
    let roster = join(&mut alice, ROOM, 1).await;
    let hers = roster["viewers"].as_array().unwrap().iter().find(|viewer| viewer["user"]["id"] == "alice").unwrap();
    assert_eq!(hers["state"], json!({"card":7}));
    let left = bob.hear().await;
    assert_eq!((&left["type"], &left["room"], &left["reason"]), (&json!("user_left"), &json!("lobby"), &json!("left")));
    let after = began.elapsed();
    assert!(after > Duration::from_secs(5) && after < Duration::from_secs(9), "{after:?}");
    server.mark(ROOM, 1).await;
    bob.expect_silence_until(ROOM, 1).await;
}

#[tokio::test]
async fn nothing_is_kept_of_a_session_after_the_window() {
    let server = TestServer::start(|config| {
        quick(config);
        config.presence.resume_window = Duration::from_millis(600);
    })
    .await;
    let count = || server.presence.resumes().count(server.presence.clock().now());
    let mut secrets = Vec::new();
    for n in 0..20 {
        let (mut peer, welcome) = fresh(&server, &format!("user-{n}")).await;
        join(&mut peer, ROOM, 1).await;
        secrets.push((format!("user-{n}"), secret_of(&welcome)));
        if n % 2 == 0 { peer.close(Some(4900)).await } else { peer.0.abort() }
    }
    assert!(count() > 0, "some are within the window still");
    assert_eq!(server.rest().await, Default::default());
    let began = Instant::now();
    while count() > 0 {
        assert!(began.elapsed() < LIMIT, "{} kept", count());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for (user, secret) in secrets {
        let (mut peer, welcome) = claim(&server, &user, &secret).await;
        assert_eq!(welcome["resumed"], false);
        peer.close(Some(1000)).await;
    }
    assert_eq!(count(), 0, "who left has nothing to go on with");
}

#[tokio::test]
async fn who_was_replaced_is_told_so_by_the_close_code_and_nothing_else() {
    let server = TestServer::start(|_| {}).await;
    let (mut silent, welcome) = fresh(&server, "alice").await;
    let (alice, _) = claim_in_auth(&server, "alice", &secret_of(&welcome)).await;
    assert!(alice.welcome().resumed);
    let text = silent.0.next_text(LIMIT).await;
    let Err(raw::RawError::Unexpected(raw::RawFrame::Ended(ended))) = text else { panic!("heard {text:?}") };
    let reason = "replaced by a newer connection".to_owned();
    assert_eq!(ended, Ended::Closed { code: Some(4409), reason });
    alice.ping().await.unwrap();
}

/// Reloads again and again with the secret of the last welcome, each time in another way, and at once.
async fn reload(server: Arc<TestServer>, user: String) -> (Peer, Duration) {
    let (mut peer, mut welcome) = fresh(&server, &user).await;
    let session = welcome["session"].clone();
    join(&mut peer, ROOM, 1).await;
    let mut longest = Duration::ZERO;
    for round in 0..60 {
        // The server may not have noticed when the next connection comes.
        match round % 4 {
            0 => peer.0.close(Some(4900)).await.unwrap(),
            1 => peer.0.close(Some(1001)).await.unwrap(),
            2 => peer.0.abort(),
            _ => drop(peer),
        }
        let began = Instant::now();
        (peer, welcome) = claim(&server, &user, &secret_of(&welcome)).await;
        longest = longest.max(began.elapsed());
        assert_eq!((&welcome["resumed"], &welcome["session"]), (&json!(true), &session), "{user}, {round}");
        if round % 3 != 0 {
            peer.say(json!({"type":"join","room":ROOM,"id":"j"})).await;
            while peer.hear().await["re"] != "j" {}
        }
    }
    (peer, longest)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t_100_hundreds_of_reloads_that_go_on_with_their_sessions_are_no_news_and_leave_nothing_twice() {
    for shards in SHARDS {
        let server = TestServer::start(|config| {
            config.server.shards = Some(shards);
            // Far more than a reload takes, and no more than this test has time for.
            config.presence.leave_grace = Duration::from_secs(2);
            config.presence.drop_grace = Duration::from_secs(2);
        });
        let server = Arc::new(server.await);
        let mut reloading: JoinSet<_> = (0..7).map(|n| reload(Arc::clone(&server), format!("user-{n}"))).collect();
        let mut peers = Vec::new();
        while let Some(done) = reloading.join_next().await {
            let (peer, longest) = done.unwrap();
            assert!(longest < Duration::from_millis(700), "{longest:?} to go on, {shards} shards");
            peers.push(peer);
        }
        for peer in &mut peers {
            peer.say(json!({"type":"join","room":ROOM,"id":"last"})).await;
            while peer.hear().await["re"] != "last" {}
        }
        let mut bob = server.native_raw("bob").await;
        assert_eq!(join(&mut bob, ROOM, 1).await["count"], json!({"users":8,"sessions":8}), "{shards} shards");
        let moves = server.moves.lock().unwrap().clone();
        assert_eq!(moves.len(), 8, "each came once: {moves:?}");
        let now = server.presence.clock().now();
        assert_eq!(server.presence.resumes().count(now), 8);
        for mut peer in peers {
            peer.0.close(Some(1000)).await.unwrap();
            peer.end().await;
        }
        bob.close(Some(1000)).await;
        assert_eq!(server.rest().await, Default::default(), "{shards} shards");
        assert_eq!(server.presence.resumes().count(server.presence.clock().now()), 0);
    }
}
