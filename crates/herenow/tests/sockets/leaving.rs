//! When somebody is said to have left, by how their connection ended.
use crate::common::{Claims, LIMIT, Peer, SHARDS, TestServer};
use herenow::config::settings::Config;
use herenow_client::raw;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const ROOM: &str = "board-1";

/// Times short enough for a test, and long enough that a slow machine does not blur them.
fn quick(config: &mut Config) {
    config.presence.leave_grace = Duration::from_millis(800);
    config.presence.drop_grace = Duration::from_millis(1600);
    config.presence.drain_grace = Duration::from_millis(2400);
}

/// A server, and Bob, who hears the room.
async fn watched(change: impl FnOnce(&mut Config)) -> (TestServer, Peer) {
    let server = TestServer::start(change).await;
    let bob = server.board_in("bob", ROOM).await;
    (server, bob)
}

/// Somebody joins the room, which Bob hears.
async fn joined(server: &TestServer, bob: &mut Peer, user: &str) -> Peer {
    let peer = server.board_in(user, ROOM).await;
    let told = bob.hear().await;
    assert_eq!((&told["type"], &told["user"]["id"]), (&json!("user_joined"), &json!(user)));
    peer
}

/// Bob hears next that this user left for this reason; how long that took.
async fn hears_left(bob: &mut Peer, user: &str, reason: &str) -> Duration {
    let began = Instant::now();
    let told = bob.hear().await;
    let expected = (&json!("user_left"), &json!(user), &json!(reason));
    assert_eq!((&told["type"], &told["user"]["id"], &told["reason"]), expected, "{told}");
    // T-16: the list and the count change in the same step.
    let listed = told["viewers"].as_array().unwrap();
    assert!(told["count"] == listed.len() && listed.iter().all(|viewer| viewer["userId"] != user), "{told}");
    began.elapsed()
}

/// Whatever was to happen within the grace of a closed page has happened, and Bob heard none of it: somebody whose page
/// closes now is the next news.
async fn nothing_until_grace_is_over(server: &TestServer, bob: &mut Peer) {
    let mut witness = joined(server, bob, "witness").await;
    witness.close(Some(4900)).await;
    hears_left(bob, "witness", "closed").await;
}

#[tokio::test]
async fn a_close_that_is_meant_is_told_at_once() {
    for shards in SHARDS {
        let (server, mut bob) = watched(|config| config.server.shards = Some(shards)).await;
        for code in [Some(1000), None] {
            let mut alice = joined(&server, &mut bob, "alice").await;
            alice.0.close(code).await.unwrap();
            assert!(hears_left(&mut bob, "alice", "left").await < Duration::from_secs(3));
            alice.end().await;
        }
    }
}

#[tokio::test]
async fn a_page_that_goes_away_is_told_after_the_grace() {
    let (server, mut bob) = watched(quick).await;
    for code in [1001, 4900] {
        let mut alice = joined(&server, &mut bob, "alice").await;
        alice.close(Some(code)).await;
        let took = hears_left(&mut bob, "alice", "closed").await;
        assert!(took > Duration::from_millis(600) && took < Duration::from_millis(1600), "{code}: {took:?}");
    }
}

#[tokio::test]
async fn t_80_a_reset_ends_typing_at_once_and_presence_after_the_grace() {
    let (server, mut bob) = watched(quick).await;
    for reset in [true, false] {
        let mut alice = joined(&server, &mut bob, "alice").await;
        alice.say(json!({"type":"typing","boardId":ROOM})).await;
        assert_eq!(bob.hear().await["type"], "user_typing");
        let began = Instant::now();
        if reset {
            alice.0.abort();
        } else {
            drop(alice);
        }
        assert_eq!(bob.hear().await["type"], "user_stopped_typing");
        assert!(began.elapsed() < Duration::from_millis(800), "{:?}", began.elapsed());
        let took = hears_left(&mut bob, "alice", "lost").await;
        assert!(took > Duration::from_millis(1200) && took < Duration::from_millis(3000), "{took:?}");
    }
}

#[tokio::test]
async fn t_01_a_peer_that_answers_nothing_is_told_gone_by_timeout_and_one_that_answers_pings_stays() {
    let (server, mut bob) = watched(|config| {
        config.presence.ping_interval = Duration::from_millis(500);
        config.presence.pong_timeout = Duration::from_millis(500);
    })
    .await;
    let alice = joined(&server, &mut bob, "alice").await;
    let took = hears_left(&mut bob, "alice", "timeout").await;
    println!("half-open: left after {:.1} s, of 0.5 s to the next ping and 0.5 s for its answer", took.as_secs_f64());
    assert!(took > Duration::from_millis(500) && took < Duration::from_millis(2500), "{took:?}");
    // Bob has said nothing since he joined, and was pinged more than once.
    server.mark(ROOM, 1).await;
    bob.expect_silence_until(ROOM, 1).await;
    drop(alice);
}

#[tokio::test]
async fn t_02_a_twin_of_a_half_open_connection_is_no_news_and_neither_is_its_end() {
    let (server, mut bob) = watched(|config| {
        config.presence.ping_interval = Duration::from_millis(500);
        config.presence.pong_timeout = Duration::from_millis(500);
    })
    .await;
    let silent = joined(&server, &mut bob, "alice").await;
    let mut twin = server.board("alice").await;
    assert_eq!(twin.join(ROOM).await["count"], 2);
    let began = Instant::now();
    while server.presence.measure().await.connections > 2 {
        assert!(began.elapsed() < LIMIT);
        // Both answer pings meanwhile.
        for peer in [&mut bob, &mut twin] {
            assert!(peer.0.next_text(Duration::from_millis(50)).await.is_err(), "no news");
        }
    }
    server.mark(ROOM, 1).await;
    bob.expect_silence_until(ROOM, 1).await;
    twin.expect_silence_until(ROOM, 1).await;
    assert_eq!(twin.join(ROOM).await["count"], 2);
    drop(silent);
}

#[tokio::test]
async fn t_100_ten_reloads_are_no_news() {
    for shards in SHARDS {
        let (server, mut bob) = watched(|config| {
            quick(config);
            config.server.shards = Some(shards);
        })
        .await;
        let mut alice = joined(&server, &mut bob, "alice").await;
        for reload in 0..10 {
            let code = if reload % 2 == 0 { 1001 } else { 4900 };
            alice.close(Some(code)).await;
            alice = server.board("alice").await;
            assert_eq!(alice.join(ROOM).await["count"], 2);
        }
        nothing_until_grace_is_over(&server, &mut bob).await;
        server.mark(ROOM, 1).await;
        bob.expect_silence_until(ROOM, 1).await;
    }
}

#[tokio::test]
async fn t_19_the_late_end_of_an_old_connection_does_not_remove_the_new_one() {
    let (server, mut bob) = watched(quick).await;
    let first = joined(&server, &mut bob, "alice").await;
    let mut second = server.board_in("alice", ROOM).await;
    first.0.abort();
    let witness = joined(&server, &mut bob, "witness").await;
    witness.0.abort();
    hears_left(&mut bob, "witness", "lost").await;
    second.say(json!({"type":"typing","boardId":ROOM})).await;
    assert_eq!(bob.hear().await["type"], "user_typing");
}

#[tokio::test]
async fn t_31_t_32_three_tabs_are_one_joined_and_one_left() {
    let (server, mut bob) = watched(|_| {}).await;
    let mut tabs = vec![joined(&server, &mut bob, "alice").await];
    for _ in 0..2 {
        tabs.push(server.board_in("alice", ROOM).await);
    }
    for (n, tab) in (0..).zip(&mut tabs) {
        server.mark(ROOM, n).await;
        bob.expect_silence_until(ROOM, n).await;
        tab.close(Some(1000)).await;
    }
    hears_left(&mut bob, "alice", "left").await;
}

#[tokio::test]
async fn a_meant_close_after_a_reload_is_told_at_once() {
    let (server, mut bob) = watched(|_| {}).await;
    let mut old = joined(&server, &mut bob, "alice").await;
    old.close(Some(4900)).await;
    let mut new = server.board_in("alice", ROOM).await;
    new.close(Some(1000)).await;
    assert!(hears_left(&mut bob, "alice", "left").await < Duration::from_secs(3));
}

#[tokio::test]
async fn t_85_a_tab_that_ends_while_another_types_is_no_news() {
    let (server, mut bob) = watched(quick).await;
    let mut first = joined(&server, &mut bob, "alice").await;
    let mut second = server.board_in("alice", ROOM).await;
    first.say(json!({"type":"typing","boardId":ROOM})).await;
    assert_eq!(bob.hear().await["type"], "user_typing");
    second.say(json!({"type":"typing","boardId":ROOM})).await;
    second.join(ROOM).await;
    first.0.abort();
    // The witness's grace ends after the first tab's.
    let witness = joined(&server, &mut bob, "witness").await;
    witness.0.abort();
    hears_left(&mut bob, "witness", "lost").await;
    second.close(Some(1000)).await;
    assert_eq!(bob.hear().await["type"], "user_stopped_typing");
    hears_left(&mut bob, "alice", "left").await;
}

#[tokio::test]
async fn a_leave_of_one_tab_leaves_the_other_in_the_room() {
    let (server, mut bob) = watched(|_| {}).await;
    let mut first = joined(&server, &mut bob, "alice").await;
    let mut second = server.board_in("alice", ROOM).await;
    first.say(json!({"type":"leave","boardId":ROOM})).await;
    first.join("board-2").await;
    assert_eq!(second.join(ROOM).await["count"], 2);
    server.mark(ROOM, 1).await;
    bob.expect_silence_until(ROOM, 1).await;
    second.say(json!({"type":"leave","boardId":ROOM})).await;
    hears_left(&mut bob, "alice", "left").await;
}

#[tokio::test]
async fn t_26_other_rooms_do_not_touch_this_one() {
    let (server, mut bob) = watched(|config| config.server.shards = Some(7)).await;
    let mut alice = joined(&server, &mut bob, "alice").await;
    for n in 0..20 {
        let room = format!("other-{n}");
        alice.join(&room).await;
        alice.say(json!({"type":"leave","boardId":room})).await;
    }
    assert_eq!(alice.join(ROOM).await["count"], 2);
    server.mark(ROOM, 1).await;
    bob.expect_silence_until(ROOM, 1).await;
}

#[tokio::test]
async fn an_expired_token_ends_the_connection_with_the_reason_expired() {
    let (server, mut bob) = watched(|_| {}).await;
    // The leeway of the clock is 5 s: this token ends within the next second or so.
    let claims =
        Claims { now_unix_s: crate::common::now_unix_s() - 14, ttl: Duration::from_secs(10), ..Claims::of("x") };
    let mut alice = Peer(raw::connect(&server.bearing(&claims.sign("alice"))).open().await.unwrap());
    assert_eq!(alice.hear().await["type"], "connected");
    alice.join(ROOM).await;
    assert_eq!(bob.hear().await["type"], "user_joined");
    assert!(hears_left(&mut bob, "alice", "expired").await < Duration::from_secs(4));
    let told: Value = alice.hear().await;
    assert_eq!((&told["error"], &told["code"]), (&json!("Invalid session"), &json!("auth.expired")));
    assert_eq!(alice.close_code().await, Some(4001));
}

#[tokio::test]
async fn a_token_in_the_first_frame_ends_to_the_second_as_well() {
    // The next look at a connection that has not said who it is would come after a minute.
    let (server, mut bob) = watched(|config| config.auth.first_frame_timeout = Duration::from_secs(60)).await;
    let claims =
        Claims { now_unix_s: crate::common::now_unix_s() - 14, ttl: Duration::from_secs(10), ..Claims::of("x") };
    let mut alice = Peer(raw::connect(&server.url()).open().await.unwrap());
    alice.say(json!({"type":"auth","token":claims.sign("alice")})).await;
    assert_eq!(alice.hear().await["type"], "connected");
    alice.join(ROOM).await;
    assert_eq!(bob.hear().await["type"], "user_joined");
    assert!(hears_left(&mut bob, "alice", "expired").await < Duration::from_secs(4));
    assert_eq!(alice.close_code().await, Some(4001));
}

/// The one test of the numbers themselves: 6 s of typing, 5 s after a closed page, 10 s after a lost connection.
#[tokio::test]
async fn the_default_times_are_those_promised() {
    let (server, mut bob) = watched(|_| {}).await;
    let mut typist = joined(&server, &mut bob, "typist").await;
    let mut closed = joined(&server, &mut bob, "closed").await;
    let lost = joined(&server, &mut bob, "lost").await;
    let began = Instant::now();
    typist.say(json!({"type":"typing","boardId":ROOM})).await;
    assert_eq!(bob.hear().await["type"], "user_typing");
    closed.close(Some(1001)).await;
    lost.0.abort();
    let limit = Duration::from_secs(15);
    let mut heard = Vec::new();
    while heard.len() < 3 {
        let frame: Value = serde_json::from_str(&bob.0.next_text(limit).await.unwrap()).unwrap();
        heard.push((frame["type"].clone(), frame["user"]["id"].clone(), began.elapsed().as_secs_f64()));
    }
    for ((kind, user, at), (kind_wanted, user_wanted, at_wanted)) in heard.iter().zip([
        ("user_left", "closed", 5.0),
        ("user_stopped_typing", "typist", 6.0),
        ("user_left", "lost", 10.0),
    ]) {
        assert_eq!((kind, user), (&json!(kind_wanted), &json!(user_wanted)));
        assert!((at_wanted - 0.1..at_wanted + 1.5).contains(at), "{user} after {at} s");
    }
}

#[tokio::test]
async fn a_close_is_answered_and_the_stream_ended_without_waiting_for_the_client() {
    let server = TestServer::start(|_| {}).await;
    // RFC 6455, 7.1.1: the server ends the stream first; browsers hold their close event back until it does.
    let mut alice = server.board_in("alice", ROOM).await;
    let began = Instant::now();
    alice.close(Some(1000)).await;
    alice.end().await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    let mut refused = Peer(raw::connect(&server.bearing("nonsense")).open().await.unwrap());
    let began = Instant::now();
    assert_eq!(refused.close_code().await, Some(4001));
    refused.end().await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}
