//! What those who run a server may do: ask why somebody is shown, and put somebody out for a while.
use crate::common::{SHARDS, TestServer, token, token_saying, until, until_marker};
use herenow_client::{
    client::Synced,
    error::RequestError,
    frame::{Removed, ServerFrame},
};
use herenow_core::id::{RoomId, UserId};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const ROOM: &str = "board-1";

/// A request for why a user is shown in a room, with these header lines; the status and what came.
async fn ask(server: &TestServer, path: &str, headers: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let host = server.address;
    let request = format!("GET /v1/debug/rooms/{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap())
}

/// The same as an operator; what is known.
async fn explain(server: &TestServer, user: &str) -> Value {
    let bearer = format!("Authorization: Bearer {}\r\n", token_saying("operator", json!({"admin":true})));
    let (status, known) = ask(server, &format!("{ROOM}/users/{user}"), &bearer).await;
    assert_eq!(status, 200, "{known}");
    known
}

#[tokio::test]
async fn only_operators_are_told_why_somebody_is_shown() {
    let server = TestServer::start(|_| {}).await;
    let path = format!("{ROOM}/users/alice");
    let operator = token_saying("operator", json!({"admin":true}));
    for (headers, status, code) in [
        (String::new(), 401, "auth.missing"),
        (format!("Cookie: session={operator}\r\n"), 401, "auth.missing"),
        ("Authorization: Bearer nonsense\r\n".to_owned(), 401, "auth.invalid"),
        (format!("Authorization: Bearer {}\r\n", token_saying("operator", json!({"exp":1000,"admin":true}))), 401, ""),
        (format!("Authorization: Bearer {}\r\n", token("alice")), 403, "auth.not_admin"),
        (format!("Authorization: Bearer {}\r\n", token_saying("alice", json!({"admin":false}))), 403, "auth.not_admin"),
        (format!("Authorization: Bearer {}\r\n", token_saying("alice", json!({"admin":"true"}))), 401, ""),
    ] {
        let (answered, problem) = ask(&server, &path, &headers).await;
        assert_eq!(answered, status, "{headers}: {problem}");
        assert!(code.is_empty() || problem["code"] == code, "{headers}: {problem}");
        assert!(problem.get("is_viewer").is_none());
    }
    let bearer = format!("Authorization: Bearer {operator}\r\n");
    assert_eq!(ask(&server, &format!("{path}?token={operator}"), "").await.0, 401);
    for bad in ["%01/users/alice".to_owned(), format!("{}/users/alice", "r".repeat(256)), format!("{ROOM}/users/%00")] {
        let (status, problem) = ask(&server, &bad, &bearer).await;
        assert_eq!((status, &problem["code"]), (400, &json!("http.bad_path")), "{bad}");
    }
    let nobody = explain(&server, "nobody").await;
    assert_eq!(
        (&nobody["is_viewer"], &nobody["user"], &nobody["room"]),
        (&json!(false), &json!("nobody"), &json!(ROOM))
    );
    assert!(nobody["now_ms"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn an_operator_is_told_entries_typing_locks_timers_and_what_happened() {
    for shards in SHARDS {
        let server = TestServer::start(|config| config.server.shards = Some(shards)).await;
        let (bob, _) = server.native("bob").await;
        bob.join(ROOM).await.unwrap();
        let (alice, _) = server.native("alice").await;
        let (second, _) = server.native("alice").await;
        alice.join(ROOM).await.unwrap();
        second.join(ROOM).await.unwrap();
        alice.update(ROOM, json!({"page":1}).as_object().unwrap()).await.unwrap();
        alice.typing(ROOM, Some("title")).await.unwrap();
        assert_eq!(alice.lock(ROOM, "card", false).await.unwrap().held, Some(true));
        let session = json!(alice.welcome().session);
        let known = explain(&server, "alice").await;
        assert_eq!(known["is_viewer"], true);
        assert_eq!(known["typing"][0]["session"], session);
        assert_eq!(known["typing"][0]["target"], "title");
        assert!((1..=6000).contains(&known["typing"][0]["stops_in_ms"].as_u64().unwrap()));
        assert_eq!(known["locks"], json!([{"name":"card","session":session}]));
        let entry = known["entries"].as_array().unwrap().iter().find(|entry| entry["session"] == session).unwrap();
        assert_eq!(
            (&entry["connected"], &entry["status"], &entry["ended"]),
            (&json!(true), &json!("active"), &Value::Null)
        );
        assert_eq!(known["entries"].as_array().unwrap().len(), 2);

        alice.close(Some(4900)).await;
        let known = explain(&server, "alice").await;
        let entry = known["entries"].as_array().unwrap().iter().find(|entry| entry["session"] == session).unwrap();
        assert_eq!((&entry["connected"], &entry["ended"]), (&json!(false), &json!("closed")));
        assert!((1..=5000).contains(&entry["leaves_in_ms"].as_u64().unwrap()), "{entry}");
        assert_eq!((&known["typing"], &known["locks"][0]["session"]), (&json!([]), &session));
        second.close(Some(1000)).await;
        let known = explain(&server, "alice").await;
        assert_eq!((&known["is_viewer"], &known["entries"]), (&json!(false), &json!([])), "{shards} shards");
        let mut what: Vec<_> =
            known["transitions"].as_array().unwrap().iter().map(|one| (&one["what"], &one["reason"])).collect();
        what.retain(|(what, _)| *what != "updated");
        assert_eq!(what, [(&json!("joined"), &Value::Null), (&json!("left"), &json!("left"))]);
        let bobs = explain(&server, "bob").await;
        assert_eq!((bobs["transitions"].as_array().unwrap().len(), &bobs["typing"]), (1, &json!([])));
    }
}

fn refused(result: Result<Synced, RequestError>) -> herenow_client::frame::Error {
    match result {
        Err(RequestError::Refused(error)) => *error,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn who_is_put_out_is_out_of_that_room_with_all_tabs_and_stays_out_for_the_time() {
    for shards in SHARDS {
        let server = TestServer::start(|config| config.server.shards = Some(shards)).await;
        let mut bob = server.board_in("bob", ROOM).await;
        let (alice, mut heard) = server.native("alice").await;
        alice.join(ROOM).await.unwrap();
        alice.join("lobby").await.unwrap();
        let mut tab = server.board_in("alice", ROOM).await;
        assert_eq!(alice.lock(ROOM, "card", false).await.unwrap().held, Some(true));
        alice.typing(ROOM, None).await.unwrap();
        for kind in ["user_joined", "user_typing"] {
            assert_eq!(bob.hear().await["type"], kind);
        }
        let (room, user) = (RoomId::parse(ROOM).unwrap(), UserId::parse("alice").unwrap());
        let began = Instant::now();
        server.presence.kick(room, user, Some(Duration::from_millis(900))).await;
        let told = until(&mut heard, |frame| matches!(frame, ServerFrame::Removed(_))).await;
        let removed = Removed { room: ROOM.to_owned(), reason: "kicked".to_owned(), block_ms: Some(900) };
        assert_eq!(told.last(), Some(&ServerFrame::Removed(removed)));
        let frame = tab.hear().await;
        assert_eq!(
            (&frame["type"], &frame["reason"], &frame["boardId"]),
            (&json!("removed"), &json!("kicked"), &json!(ROOM))
        );
        assert_eq!(bob.hear().await["type"], "user_stopped_typing");
        let left = bob.hear().await;
        assert_eq!(
            (&left["type"], &left["reason"], &left["count"]),
            (&json!("user_left"), &json!("kicked"), &json!(1))
        );

        let blocked = refused(alice.join(ROOM).await);
        assert_eq!(blocked.code, "room.blocked");
        let retry_after = Duration::from_millis(blocked.retry_after_ms.unwrap());
        assert!(retry_after <= Duration::from_millis(900) && !retry_after.is_zero());
        tab.say(json!({"type":"join","boardId":ROOM})).await;
        assert_eq!(tab.hear().await["code"], "room.blocked");
        let (third, _) = server.native("alice").await;
        assert_eq!(refused(third.join(ROOM).await).code, "room.blocked", "a new session is the same user");
        let known = explain(&server, "alice").await;
        assert!((1..=900).contains(&known["blocked_for_ms"].as_u64().unwrap()), "{known}");
        // The lock is free again, others come in, and the other room knows nothing of it.
        let (carol, _) = server.native("carol").await;
        carol.join(ROOM).await.unwrap();
        assert_eq!(carol.lock(ROOM, "card", false).await.unwrap().held, Some(true));
        assert_eq!(bob.hear().await["user"]["id"], "carol");
        assert!(matches!(alice.sync("lobby", None).await, Ok(Synced::Roster(roster)) if roster.count.users == 1));

        tokio::time::sleep(retry_after.saturating_sub(began.elapsed())).await;
        let mut back = alice.join(ROOM).await;
        while back.is_err() {
            let blocked = refused(back);
            assert_eq!(blocked.code, "room.blocked");
            tokio::time::sleep(Duration::from_millis(blocked.retry_after_ms.unwrap())).await;
            back = alice.join(ROOM).await;
        }
        assert!(began.elapsed() >= Duration::from_millis(900));
        assert_eq!(bob.hear().await["user"]["id"], "alice");
        server.mark(ROOM, 1).await;
        bob.expect_silence_until(ROOM, 1).await;
        until_marker(&mut heard, 1).await;
        assert!(explain(&server, "alice").await["blocked_for_ms"].is_null());
    }
}

#[tokio::test]
async fn a_room_that_one_was_put_out_of_takes_no_place_of_others() {
    let server = TestServer::start(|config| config.limits.rooms_per_connection = 2).await;
    let (alice, mut heard) = server.native("alice").await;
    alice.join(ROOM).await.unwrap();
    alice.join("lobby").await.unwrap();
    assert_eq!(refused(alice.join("third").await).code, "room.too_many");
    for room in [ROOM, "lobby"] {
        let (room, user) = (RoomId::parse(room).unwrap(), UserId::parse("alice").unwrap());
        server.presence.kick(room, user, Some(Duration::from_secs(60))).await;
        until(&mut heard, |frame| matches!(frame, ServerFrame::Removed(_))).await;
    }
    // Rooms that refused her take no place either.
    assert_eq!(refused(alice.join(ROOM).await).code, "room.blocked");
    assert_eq!(refused(alice.join("lobby").await).code, "room.blocked");
    alice.join("third").await.unwrap();
    alice.join("fourth").await.unwrap();
    assert_eq!(refused(alice.join("fifth").await).code, "room.too_many");
}

#[tokio::test]
async fn t_37_a_room_with_a_limit_takes_in_users_not_tabs() {
    let server = TestServer::start(|config| config.limits.viewers_per_room = 2).await;
    let (alice, mut heard) = server.native("alice").await;
    alice.join(ROOM).await.unwrap();
    let mut bob = server.board_in("bob", ROOM).await;
    let (carol, _) = server.native("carol").await;
    let full = refused(carol.join(ROOM).await);
    assert_eq!(full.code, "room.full");
    assert!(full.message.contains('2'), "{}", full.message);
    // Another tab of somebody who is there takes nobody's place.
    let (second, _) = server.native("alice").await;
    second.join(ROOM).await.unwrap();
    let mut board = server.board("carol").await;
    board.say(json!({"type":"join","boardId":ROOM})).await;
    assert_eq!(board.hear().await["code"], "room.full");
    bob.say(json!({"type":"leave","boardId":ROOM})).await;
    until(&mut heard, |frame| matches!(frame, ServerFrame::Diff(diff) if !diff.left.is_empty())).await;
    carol.join(ROOM).await.unwrap();
}
