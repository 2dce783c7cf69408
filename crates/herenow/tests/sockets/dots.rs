//! Green dots: who is online in whatever room or none, and who may know; and users whom nobody sees.
use crate::common::{Peer, SHARDS, TestServer, token_saying, until, until_marker};
use herenow_client::{
    client::{self, Client, Events, Synced},
    detail::Statuses,
    error::RequestError,
    frame::ServerFrame,
    raw,
    request::{Join, Request},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

const ROOM: &str = "board-1";

/// A native client whose token says more than usual.
async fn native_saying(server: &TestServer, user: &str, more: Value) -> (Client, Events) {
    client::connect(&server.url()).token(&token_saying(user, more)).open().await.unwrap()
}

/// What is said next of who is online.
async fn dots(events: &mut Events) -> BTreeMap<String, String> {
    let heard = until(events, |frame| matches!(frame, ServerFrame::Statuses(_))).await;
    assert_eq!(heard.len(), 1, "{heard:?}");
    let Some(ServerFrame::Statuses(Statuses { users })) = heard.into_iter().next() else { panic!("no statuses") };
    users.into_iter().map(|(user, dot)| (user, dot.status)).collect()
}

fn one(user: &str, status: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(user.to_owned(), status.to_owned())])
}

async fn set_status(client: &Client, status: &str) {
    assert!(matches!(client.request(&Request::Status { status }).await, Ok(ServerFrame::Ack(_))));
}

fn refused(result: Result<impl std::fmt::Debug, RequestError>) -> String {
    match result {
        Err(RequestError::Refused(error)) => error.code,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn who_watches_hears_what_is_and_then_each_change_whatever_the_rooms() {
    for shards in SHARDS {
        let server = TestServer::start(|config| {
            config.server.shards = Some(shards);
            config.presence.leave_grace = Duration::from_millis(300);
        });
        let server = server.await;
        let (watcher, mut heard) = server.native("watcher").await;
        // On as many shards as there are.
        for user in (0..6).map(|n| format!("user-{n}")) {
            watcher.watch(&[&user]).await.unwrap();
            assert_eq!(dots(&mut heard).await, one(&user, "offline"), "before they come");
            // Nobody needs a room to be online.
            let (first, _) = server.native(&user).await;
            assert_eq!(dots(&mut heard).await, one(&user, "active"));
            let (late, mut late_heard) = server.native("late").await;
            late.watch(&[&user, "nobody"]).await.unwrap();
            // One frame for each home of users, so one or two.
            let mut known = dots(&mut late_heard).await;
            if known.len() == 1 {
                known.extend(dots(&mut late_heard).await);
            }
            let expected = [one(&user, "active"), one("nobody", "offline")].into_iter().flatten().collect();
            assert_eq!(known, expected, "after they came");
            set_status(&first, "idle").await;
            assert_eq!(dots(&mut heard).await, one(&user, "idle"));
            // The most present of the sessions counts.
            let (second, _) = server.native(&user).await;
            assert_eq!(dots(&mut heard).await, one(&user, "active"));
            second.join(ROOM).await.unwrap();
            second.close(Some(1000)).await;
            assert_eq!(dots(&mut heard).await, one(&user, "idle"));
            first.close(Some(1000)).await;
            assert_eq!(dots(&mut heard).await, one(&user, "offline"));
            watcher.unwatch(&[&user]).await.unwrap();
            late.close(Some(1000)).await;
        }
    }
}

#[tokio::test]
async fn a_reload_is_no_news_of_a_dot_and_a_page_that_stays_away_is_offline_after_the_grace() {
    for shards in SHARDS {
        let server = TestServer::start(|config| {
            config.server.shards = Some(shards);
            config.presence.leave_grace = Duration::from_millis(800);
        });
        let server = server.await;
        let (watcher, mut heard) = server.native("watcher").await;
        let (mut alice, _) = server.native("alice").await;
        watcher.watch(&["alice"]).await.unwrap();
        assert_eq!(dots(&mut heard).await, one("alice", "active"));
        for resumes in [true, false, true] {
            let secret = alice.welcome().resume.clone().unwrap();
            alice.close(Some(4900)).await;
            let again = client::connect(&server.url()).token(&crate::common::token("alice"));
            let again = if resumes { again.resume(&secret) } else { again };
            alice = again.open().await.unwrap().0;
            assert_eq!(alice.welcome().resumed, resumes);
        }
        // Said of the same user by the same home, so after all that the reloads could have brought.
        set_status(&alice, "idle").await;
        assert_eq!(dots(&mut heard).await, one("alice", "idle"), "{shards} shards");
        let began = Instant::now();
        alice.close(Some(4900)).await;
        assert_eq!(dots(&mut heard).await, one("alice", "offline"));
        let took = began.elapsed();
        assert!(took > Duration::from_millis(700) && took < Duration::from_millis(2500), "{took:?}");
    }
}

#[tokio::test]
async fn a_thousand_users_are_watched_and_one_more_is_refused() {
    let server = TestServer::start(|config| config.server.shards = Some(7)).await;
    let (watcher, mut heard) = server.native("watcher").await;
    let users: Vec<String> = (0..1000).map(|n| format!("u{n}")).collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    watcher.watch(&users).await.unwrap();
    let mut known = BTreeMap::new();
    while known.len() < 1000 {
        known.extend(dots(&mut heard).await);
    }
    assert!(known.values().all(|status| status == "offline"));
    assert_eq!(refused(watcher.watch(&["u1000"]).await), "watch.too_many");
    watcher.watch(&["u7"]).await.unwrap();
    assert_eq!(dots(&mut heard).await, one("u7", "offline"), "who is watched already is not one more");
    watcher.unwatch(&["u7"]).await.unwrap();
    watcher.watch(&["u1000"]).await.unwrap();
    assert_eq!(dots(&mut heard).await, one("u1000", "offline"));
    let (seventh, _) = server.native("u7").await;
    let (eighth, _) = server.native("u8").await;
    assert_eq!(dots(&mut heard).await, one("u8", "active"), "nothing of who is watched no more");
    watcher.close(Some(1000)).await;
    for client in [seventh, eighth] {
        client.close(Some(1000)).await;
    }
    assert_eq!(server.rest().await, Default::default(), "nobody is remembered for having been watched");
}

#[tokio::test]
async fn t_97_whom_the_token_does_not_let_be_watched_is_not_told() {
    let server = TestServer::start(|_| {}).await;
    let (watcher, mut heard) = native_saying(&server, "watcher", json!({"watch":["friend-*","bob"]})).await;
    for users in [vec!["alice"], vec!["bob", "alice"], vec!["friend"], vec!["bobby", "friend-1"]] {
        assert_eq!(refused(watcher.watch(&users).await), "watch.forbidden", "{users:?}");
    }
    let (_bob, _) = server.native("bob").await;
    let (_alice, _) = server.native("alice").await;
    watcher.watch(&["bob"]).await.unwrap();
    // Not a word of those of the refused lists before.
    assert_eq!(dots(&mut heard).await, one("bob", "active"));
    watcher.watch(&["friend-1"]).await.unwrap();
    assert_eq!(dots(&mut heard).await, one("friend-1", "offline"));
    let (nobody, _) = native_saying(&server, "nobody", json!({"watch":[]})).await;
    assert_eq!(refused(nobody.watch(&["bob"]).await), "watch.forbidden");
}

#[tokio::test]
async fn who_is_invisible_sees_and_is_in_no_roster_count_typing_or_dot() {
    for shards in SHARDS {
        let server = TestServer::start(|config| config.server.shards = Some(shards)).await;
        let mut board = server.board_in("board", ROOM).await;
        let (bob, mut heard) = server.native("bob").await;
        bob.watch(&["ghost"]).await.unwrap();
        assert_eq!(dots(&mut heard).await, one("ghost", "offline"));
        bob.join_as(ROOM, &Join { sessions: true, ..Join::default() }).await.unwrap();
        assert_eq!(board.hear().await["type"], "user_joined");
        server.mark(ROOM, 1).await;
        until_marker(&mut heard, 1).await;
        board.expect_silence_until(ROOM, 1).await;
        let (ghost, mut seen) = native_saying(&server, "ghost", json!({"invisible":true})).await;
        let Ok(Synced::Roster(roster)) = ghost.join(ROOM).await else { panic!("no roster") };
        let ids: Vec<&str> = roster.viewers.iter().map(|viewer| viewer.user.id.as_str()).collect();
        assert_eq!((roster.count.users, roster.count.sessions, ids.contains(&"ghost")), (2, 2, false));
        assert_eq!(refused(ghost.typing(ROOM, None).await), "room.observing");
        assert_eq!(refused(ghost.lock(ROOM, "card", false).await), "room.observing");
        assert_eq!(refused(ghost.message(ROOM, "boo", &json!(1)).await), "room.observing");
        set_status(&ghost, "idle").await;
        bob.typing(ROOM, None).await.unwrap();
        assert!(until(&mut seen, |frame| matches!(frame, ServerFrame::Typing(_))).await.len() <= 2);
        assert_eq!(board.hear().await["type"], "user_typing");
        let url = server.bearing(&token_saying("ghost", json!({"invisible":true})));
        let mut ghost_board = Peer(raw::connect(&url).open().await.unwrap());
        assert_eq!(ghost_board.hear().await["type"], "connected");
        assert_eq!(ghost_board.join(ROOM).await["count"], 2);
        ghost_board.close(Some(1000)).await;
        ghost.leave(ROOM).await.unwrap();
        ghost.close(Some(1000)).await;
        server.mark(ROOM, 2).await;
        board.expect_silence_until(ROOM, 2).await;
        assert_eq!(until_marker(&mut heard, 2).await, [], "{shards} shards");
        // Of the same home as the ghost: after all that there could have been to say.
        bob.watch(&["ghost"]).await.unwrap();
        assert_eq!(dots(&mut heard).await, one("ghost", "offline"));
        assert!(server.moves.lock().unwrap().iter().all(|(_, user, _)| user != "ghost"));
    }
}

#[tokio::test]
async fn t_29_who_turns_invisible_is_told_as_gone_once_everywhere_and_nothing_of_them_stays() {
    for shards in SHARDS {
        let server = TestServer::start(|config| config.server.shards = Some(shards)).await;
        let mut board = server.board_in("board", ROOM).await;
        let (bob, mut heard) = server.native("bob").await;
        bob.watch(&["ghost"]).await.unwrap();
        assert_eq!(dots(&mut heard).await, one("ghost", "offline"));
        let mut ghost = server.native_raw("ghost").await;
        assert_eq!(dots(&mut heard).await, one("ghost", "active"));
        ghost.say(json!({"type":"join","room":ROOM,"id":1})).await;
        assert_eq!(ghost.hear().await["re"], 1);
        assert_eq!(board.hear().await["type"], "user_joined");
        ghost.say(json!({"type":"typing","room":ROOM,"id":2})).await;
        ghost.say(json!({"type":"lock","room":ROOM,"name":"card","id":3})).await;
        while ghost.hear().await["re"] != 3 {}
        assert_eq!(board.hear().await["type"], "user_typing");

        let hidden = token_saying("ghost", json!({"invisible":true}));
        ghost.say(json!({"type":"auth","token":hidden,"id":4})).await;
        assert_eq!(board.hear().await["type"], "user_stopped_typing");
        let left = board.hear().await;
        assert_eq!((&left["type"], &left["reason"], &left["count"]), (&json!("user_left"), &json!("left"), &json!(1)));
        assert_eq!(dots(&mut heard).await, one("ghost", "offline"));
        // It hears on, and has all as it is without it.
        let mut roster = Value::Null;
        while roster["type"] != "roster" {
            roster = ghost.hear().await;
        }
        assert_eq!(
            (&roster["count"]["users"], &roster["locks"], &roster["typing"]),
            (&json!(1), &json!([]), &json!([])),
            "{shards} shards: {roster}"
        );
        board.say(json!({"type":"typing","boardId":ROOM})).await;
        while ghost.hear().await["type"] != "typing" {}
        // One round, and no more of it; also not when its connection ends and its session goes on.
        ghost.close(Some(4900)).await;
        server.mark(ROOM, 1).await;
        board.expect_silence_until(ROOM, 1).await;
        bob.watch(&["ghost"]).await.unwrap();
        assert_eq!(dots(&mut heard).await, one("ghost", "offline"));

        // Seen again, by the next token, once it joins.
        let mut ghost = Peer(raw::connect(&server.bearing(&hidden)).protocol("herenow.v1").open().await.unwrap());
        assert_eq!(ghost.hear().await["type"], "welcome");
        ghost.say(json!({"type":"auth","token":token_saying("ghost", json!({})),"id":1})).await;
        assert_eq!(ghost.hear().await["re"], 1);
        assert_eq!(dots(&mut heard).await, one("ghost", "active"));
        ghost.say(json!({"type":"join","room":ROOM,"id":2})).await;
        assert_eq!(board.hear().await["type"], "user_joined");
    }
}

#[tokio::test]
async fn whose_session_goes_on_invisible_is_offline_though_the_old_connection_was_half_open() {
    let server = TestServer::start(|_| {}).await;
    let (watcher, mut heard) = server.native("watcher").await;
    watcher.watch(&["ghost"]).await.unwrap();
    assert_eq!(dots(&mut heard).await, one("ghost", "offline"));
    let mut silent = Peer(
        raw::connect(&server.bearing(&crate::common::token("ghost"))).protocol("herenow.v1").open().await.unwrap(),
    );
    let welcome = silent.hear().await;
    assert_eq!(dots(&mut heard).await, one("ghost", "active"));
    // Nobody reads what the old connection is asked, so that it is replaced.
    let hidden = server.bearing(&token_saying("ghost", json!({"invisible":true})));
    let url = format!("{hidden}&resume={}", welcome["resume"].as_str().unwrap());
    let mut ghost = Peer(raw::connect(&url).protocol("herenow.v1").open().await.unwrap());
    assert_eq!(ghost.hear().await["resumed"], true);
    assert_eq!(dots(&mut heard).await, one("ghost", "offline"));
    drop(silent);
}

#[tokio::test]
async fn when_somebody_was_last_seen_is_told_only_where_that_is_set() {
    for (ttl, is_told) in [(Duration::ZERO, false), (Duration::from_secs(3600), true)] {
        let server = TestServer::start(|config| {
            config.presence.last_seen_ttl = ttl;
            config.presence.last_seen_grain = Duration::from_millis(1);
        })
        .await;
        let began_ms = server.presence.clock().now().as_millis();
        let (bob, _) = server.native("bob").await;
        bob.close(Some(1000)).await;
        let (watcher, mut heard) = server.native("watcher").await;
        // Whether it is the answer or the news that tells it: bob goes offline once.
        watcher.watch(&["bob"]).await.unwrap();
        loop {
            let heard = until(&mut heard, |frame| matches!(frame, ServerFrame::Statuses(_))).await;
            let Some(ServerFrame::Statuses(Statuses { users })) = heard.into_iter().next() else {
                panic!("no statuses")
            };
            if users["bob"].status == "offline" {
                let now_ms = server.presence.clock().now().as_millis();
                let seen = users["bob"].last_seen_ms;
                assert_eq!(seen.is_some(), is_told);
                assert!(seen.is_none_or(|at_ms| (began_ms..=now_ms).contains(&at_ms)), "{seen:?}");
                break;
            }
        }
    }
}
