//! The board dialect, frame by frame.
use crate::common::{Claims, LIMIT, Peer, SHARDS, TestServer, now_unix_s, token};
use herenow_client::{error::Ended, raw};
use herenow_core::id::{RoomId, UserId};
use serde_json::{Value, json};
use std::time::Duration;

fn viewers(users: &[&str]) -> Value {
    users.iter().map(|user| json!({"userId":user,"name":crate::common::name(user)})).collect()
}

fn presence(room: &str, users: &[&str]) -> Value {
    json!({"type":"presence","room":room,"boardId":room,"viewers":viewers(users),"count":users.len(),"version":"*",
        "typing":[]})
}

fn user(user: &str) -> Value {
    json!({"id":user,"name":crate::common::name(user)})
}

/// A server on which Alice and Bob are in `board-1`, and have heard of it.
async fn alice_and_bob(shards: usize) -> (TestServer, Peer, Peer) {
    let server = TestServer::start(|config| config.server.shards = Some(shards)).await;
    let mut alice = server.board_in("alice", "board-1").await;
    let bob = server.board_in("bob", "board-1").await;
    assert_eq!(alice.hear().await["type"], "user_joined");
    (server, alice, bob)
}

#[tokio::test]
async fn two_who_join_see_each_other() {
    for shards in SHARDS {
        let server = TestServer::start(|config| config.server.shards = Some(shards)).await;
        let mut alice = server.board("alice").await;
        alice.say(json!({"type":"join","boardId":"board-1"})).await;
        alice.expect_frame(presence("board-1", &["alice"])).await;
        let mut bob = server.board("bob").await;
        bob.say(json!({"type":"join","boardId":"board-1"})).await;
        bob.expect_frame(presence("board-1", &["alice", "bob"])).await;
        alice
            .expect_frame(json!({"type":"user_joined","room":"board-1","boardId":"board-1","user":user("bob"),
                "viewers":viewers(&["alice", "bob"]),"count":2,"version":"*"}))
            .await;
        bob.say(json!({"type":"leave","boardId":"board-1"})).await;
        alice
            .expect_frame(json!({"type":"user_left","room":"board-1","boardId":"board-1","user":user("bob"),
                "viewers":viewers(&["alice"]),"reason":"left","count":1,"version":"*"}))
            .await;
        server.mark("board-1", 1).await;
        alice.expect_silence_until("board-1", 1).await;
    }
}

#[tokio::test]
async fn typing_is_told_to_the_others_once_until_it_stops() {
    for shards in SHARDS {
        let (server, mut alice, mut bob) = alice_and_bob(shards).await;
        for _ in 0..3 {
            alice.say(json!({"type":"typing","boardId":"board-1"})).await;
        }
        alice.say(json!({"type":"typing","boardId":"board-1","target":"card-7"})).await;
        alice.say(json!({"type":"stop_typing","boardId":"board-1"})).await;
        alice.say(json!({"type":"stop_typing","boardId":"board-1","target":"card-7"})).await;
        let told = |kind: &str| json!({"type":kind,"room":"board-1","boardId":"board-1","user":user("alice")});
        let on_card = |kind: &str| {
            let mut frame = told(kind);
            frame["target"] = json!("card-7");
            frame
        };
        bob.expect_frame(told("user_typing")).await;
        bob.expect_frame(on_card("user_typing")).await;
        bob.expect_frame(told("user_stopped_typing")).await;
        bob.expect_frame(on_card("user_stopped_typing")).await;
        server.mark("board-1", 1).await;
        bob.expect_silence_until("board-1", 1).await;
        alice.expect_silence_until("board-1", 1).await;
    }
}

#[tokio::test]
async fn t_30_t_33_a_user_with_two_tabs_is_listed_once_and_stays_when_one_closes() {
    for shards in SHARDS {
        let (server, mut alice, mut bob) = alice_and_bob(shards).await;
        let mut second = server.board("alice").await;
        second.say(json!({"type":"join","boardId":"board-1"})).await;
        second.expect_frame(presence("board-1", &["alice", "bob"])).await;
        server.mark("board-1", 1).await;
        for peer in [&mut alice, &mut bob, &mut second] {
            peer.expect_silence_until("board-1", 1).await;
        }
        alice.close(Some(1000)).await;
        server.mark("board-1", 2).await;
        bob.expect_silence_until("board-1", 2).await;
        second.expect_silence_until("board-1", 2).await;
        second.say(json!({"type":"join","room":"board-1"})).await;
        second.expect_frame(presence("board-1", &["alice", "bob"])).await;
    }
}

#[tokio::test]
async fn who_is_on_another_board_hears_nothing_of_this_one() {
    for shards in SHARDS {
        let (server, mut alice, mut bob) = alice_and_bob(shards).await;
        let mut carol = server.board_in("carol", "board-2").await;
        alice.say(json!({"type":"typing","boardId":"board-1"})).await;
        assert_eq!(bob.hear().await["type"], "user_typing");
        let mut dave = server.board_in("dave", "board-1").await;
        assert_eq!(alice.hear().await["type"], "user_joined");
        dave.close(None).await;
        assert_eq!(alice.hear().await["type"], "user_left");
        server.mark("board-1", 1).await;
        server.mark("board-2", 2).await;
        carol.expect_silence_until("board-2", 2).await;
    }
}

#[tokio::test]
async fn bad_json_is_answered_and_the_connection_goes_on() {
    let server = TestServer::start(|_| {}).await;
    let mut alice = server.board("alice").await;
    alice.0.text("{\"type\":").await.unwrap();
    alice.expect_frame(json!({"type":"error","error":"Invalid JSON","code":"frame.not_json","hint":"*"})).await;
    alice.join("board-1").await;
}

#[tokio::test]
async fn without_a_good_token_the_error_is_said_and_then_4001() {
    let server = TestServer::start(|config| config.auth.first_frame_timeout = Duration::from_millis(100)).await;
    let expired = Claims { now_unix_s: now_unix_s() - 7200, ..Claims::of("alice") }.sign("alice");
    let opened = async |url: String| Peer(raw::connect(&url).open().await.unwrap());
    let refused = async |peer: &mut Peer, words: &str, code: &str| {
        peer.expect_frame(json!({"type":"error","error":words,"code":code,"hint":"*"})).await;
        assert_eq!(peer.end().await, Ended::Closed { code: Some(4001), reason: words.to_owned() });
    };
    refused(&mut opened(server.url()).await, "Unauthorized", "auth.timeout").await;
    refused(&mut opened(server.bearing("nonsense")).await, "Invalid session", "auth.invalid").await;
    refused(&mut opened(server.bearing(&expired)).await, "Invalid session", "auth.expired").await;
    for (first, words, code) in [
        (json!({"type":"auth","token":expired}), "Invalid session", "auth.expired"),
        (json!({"type":"auth","token":"a.b.c"}), "Invalid session", "auth.invalid"),
        (json!({"type":"join","boardId":"board-1"}), "Unauthorized", "auth.missing"),
    ] {
        let mut peer = opened(server.url()).await;
        peer.say(first).await;
        refused(&mut peer, words, code).await;
    }
    assert_eq!(server.rest().await, Default::default());
}

#[tokio::test]
async fn a_token_is_taken_from_header_query_cookie_or_first_frame() {
    let server = TestServer::start(|_| {}).await;
    let (good, own) = (token("alice"), format!("http://{}", server.address));
    let plain = || raw::connect(&server.url());
    for opening in [
        plain().header("authorization", &format!("Bearer {good}")),
        raw::connect(&server.bearing(&good)),
        plain().header("cookie", &format!("theme=dark; session={good}")).header("origin", &own),
        plain().protocol("board.v1").header("authorization", &format!("Bearer {good}")),
    ] {
        let mut peer = Peer(opening.open().await.unwrap());
        peer.expect_frame(json!({"type":"connected","user":user("alice")})).await;
        peer.join("board-1").await;
    }
    let mut peer = Peer(plain().open().await.unwrap());
    peer.say(json!({"type":"auth","token":good})).await;
    peer.expect_frame(json!({"type":"connected","user":user("alice")})).await;
    peer.join("board-1").await;
    // The first that is present decides, also where a later one would be good.
    let mut peer =
        Peer(raw::connect(&server.bearing(&good)).header("authorization", "Bearer x.y.z").open().await.unwrap());
    assert_eq!(peer.hear().await["error"], "Invalid session");
    assert_eq!(peer.close_code().await, Some(4001));
}

#[tokio::test]
async fn t_38_a_number_and_its_text_are_the_same_user() {
    let server = TestServer::start(|_| {}).await;
    let mut bob = server.board_in("bob", "board-1").await;
    let key = jsonwebtoken::EncodingKey::from_secret(crate::common::SECRET.as_bytes());
    for (sub, n) in [(json!(7), 0), (json!("7"), 1)] {
        let claims = json!({"sub":sub,"name":"Seven","exp":now_unix_s() + 60,"rooms":["*"]});
        let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
        let mut peer = Peer(raw::connect(&server.bearing(&token)).open().await.unwrap());
        peer.expect_frame(json!({"type":"connected","user":{"id":"7","name":"Seven"}})).await;
        assert_eq!(peer.join("board-1").await["count"], 2);
        if n == 0 {
            assert_eq!(bob.hear().await["type"], "user_joined");
        }
        server.mark("board-1", n).await;
        bob.expect_silence_until("board-1", n).await;
    }
}

#[tokio::test]
async fn t_76_the_101st_viewer_is_let_in_counted_and_not_listed() {
    let server = TestServer::start(|_| {}).await;
    let mut crowd = Vec::new();
    for n in 0..100 {
        crowd.push(server.board_in(&format!("user-{n:03}"), "board-1").await);
    }
    let mut last = server.board("last").await;
    let answer = last.join("board-1").await;
    assert_eq!((&answer["count"], answer["viewers"].as_array().unwrap().len()), (&json!(101), 100));
    last.say(json!({"type":"typing","boardId":"board-1"})).await;
    let first = &mut crowd[0];
    while first.hear().await["type"] != "user_typing" {}
}

#[tokio::test]
async fn the_chosen_subprotocol_is_echoed() {
    let server = TestServer::start(|_| {}).await;
    for (offered, chosen) in
        [(&[][..], None), (&["board.v1"], Some("board.v1")), (&["x", "herenow.v1"], Some("herenow.v1"))]
    {
        let opening = offered.iter().fold(raw::connect(&server.url()), |opening, one| opening.protocol(one));
        assert_eq!(opening.open().await.unwrap().protocol(), chosen);
    }
}

#[tokio::test]
async fn a_kicked_user_is_told_removed_and_may_come_back() {
    let (server, mut alice, mut bob) = alice_and_bob(2).await;
    server.presence.kick(RoomId::parse("board-1").unwrap(), UserId::parse("bob").unwrap(), None).await;
    bob.expect_frame(json!({"type":"removed","room":"board-1","boardId":"board-1","reason":"kicked"})).await;
    let left = alice.hear().await;
    assert_eq!((&left["type"], &left["reason"]), (&json!("user_left"), &json!("kicked")));
    bob.join("board-1").await;
    assert_eq!(alice.hear().await["type"], "user_joined");
}

#[tokio::test]
async fn an_event_of_the_app_has_its_name_as_type_and_its_data_beside_it() {
    let (server, mut alice, mut bob) = alice_and_bob(2).await;
    let room = RoomId::parse("board-1").unwrap();
    server.presence.publish(room, "task_moved", r#"{"task":{"id":"task-5"},"type":"presence"}"#).await.unwrap();
    for peer in [&mut alice, &mut bob] {
        peer.expect_frame(json!({"type":"task_moved","room":"board-1","boardId":"board-1","task":{"id":"task-5"}}))
            .await;
    }
}

#[tokio::test]
async fn typing_into_a_room_without_being_in_it_is_an_error() {
    let server = TestServer::start(|_| {}).await;
    let mut alice = server.board_in("alice", "board-1").await;
    let mut bob = server.board("bob").await;
    bob.say(json!({"type":"typing","boardId":"board-1"})).await;
    let error = bob.hear().await;
    assert_eq!(
        (&error["type"], &error["code"], &error["boardId"]),
        (&json!("error"), &json!("room.not_joined"), &json!("board-1"))
    );
    server.mark("board-1", 1).await;
    alice.expect_silence_until("board-1", 1).await;
}

#[tokio::test]
async fn t_80_typing_that_is_left_alone_stops_after_its_lease() {
    let lease = Duration::from_millis(400);
    let server = TestServer::start(|config| config.presence.typing_lease = lease).await;
    let mut alice = server.board_in("alice", "board-1").await;
    let mut bob = server.board_in("bob", "board-1").await;
    alice.hear().await;
    alice.say(json!({"type":"typing","boardId":"board-1"})).await;
    assert_eq!(bob.hear().await["type"], "user_typing");
    let began = std::time::Instant::now();
    assert_eq!(bob.hear().await["type"], "user_stopped_typing");
    let took = began.elapsed();
    assert!(took > lease / 2 && took < LIMIT / 2, "{took:?}");
}

#[tokio::test]
async fn t_82_who_joins_while_somebody_types_is_told_so() {
    let (server, mut alice, _bob) = alice_and_bob(2).await;
    alice.say(json!({"type":"typing","boardId":"board-1","target":"title"})).await;
    alice.join("board-1").await;
    let mut carol = server.board("carol").await;
    let answer = carol.join("board-1").await;
    assert_eq!(answer["typing"], json!([user("alice")]));
    assert_eq!(alice.hear().await["type"], "user_joined");
    // Nobody is told of their own typing, in another tab either.
    let mut second = server.board("alice").await;
    assert_eq!(second.join("board-1").await["typing"], json!([]));
}

#[tokio::test]
async fn t_85_a_user_types_until_both_tabs_have_stopped() {
    let (server, mut alice, mut bob) = alice_and_bob(2).await;
    let mut second = server.board_in("alice", "board-1").await;
    alice.say(json!({"type":"typing","boardId":"board-1"})).await;
    assert_eq!(bob.hear().await["type"], "user_typing");
    second.say(json!({"type":"typing","boardId":"board-1"})).await;
    second.join("board-1").await;
    alice.say(json!({"type":"stop_typing","boardId":"board-1"})).await;
    alice.join("board-1").await;
    server.mark("board-1", 1).await;
    bob.expect_silence_until("board-1", 1).await;
    second.expect_silence_until("board-1", 1).await;
    second.say(json!({"type":"stop_typing","boardId":"board-1"})).await;
    assert_eq!(bob.hear().await["type"], "user_stopped_typing");
}
