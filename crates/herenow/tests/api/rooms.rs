//! Lists, a room, pages of its viewers, and messages.
use crate::common::{LIMIT, TestServer, ids, token};
use herenow_client::frame::ServerFrame;
use herenow_core::{
    pattern::Pattern,
    rules::{RoomMode, RoomRule, RoomSettings},
};
use serde_json::json;

#[tokio::test]
async fn rooms_are_listed_by_name_and_page() {
    let server = TestServer::start(|_| {}).await;
    let mut kept = Vec::new();
    for room in ["board-2", "board-1", "board-10", "chat"] {
        kept.push(server.client_in("alice", room).await);
    }
    let list = server.get("/v1/rooms?prefix=board-&limit=2").await.json(200);
    let names = |list: &serde_json::Value| {
        list["rooms"]
            .as_array()
            .unwrap()
            .iter()
            .map(|room| room["room"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&list), ["board-1", "board-10"]);
    assert_eq!(list["rooms"][0]["count"], json!({"users":1,"sessions":1}));
    let next = list["next"].as_str().unwrap();
    let list = server.get(&format!("/v1/rooms?prefix=board-&limit=2&cursor={next}")).await.json(200);
    assert_eq!((names(&list), &list["next"]), (vec!["board-2".to_owned()], &json!(null)));
    assert_eq!(names(&server.get("/v1/rooms").await.json(200)).len(), 4);
}

#[tokio::test]
async fn a_room_is_shown_at_its_version_and_not_again_while_that_is_known() {
    let server = TestServer::start(|_| {}).await;
    let empty = server.get("/v1/rooms/board-1").await.json(200);
    assert_eq!((&empty["viewers"], &empty["gear"], &empty["next"]), (&json!([]), &json!("live"), &json!(null)));
    let _alice = server.client_in("alice", "board-1").await;
    let answer = server.get("/v1/rooms/board-1").await;
    let room = answer.json(200);
    assert_eq!((ids(&room["viewers"]), &room["count"]), (vec!["alice".to_owned()], &json!({"users":1,"sessions":1})));
    let etag = answer.headers["etag"].clone();
    let (epoch, number) = (room["v"][0].as_str().unwrap(), room["v"][1].as_u64().unwrap());
    assert_eq!(etag, format!("\"{epoch}.{number}\""));
    let known = |etag: &str| format!("Authorization: Bearer {}\r\nIf-None-Match: \"x\", W/{etag}\r\n", server.all);
    let again = server.raw("GET /v1/rooms/board-1", &known(&etag), "").await;
    again.done(304);
    assert_eq!(again.headers["etag"], etag);
    let _bob = server.client_in("bob", "board-1").await;
    assert_eq!(server.raw("GET /v1/rooms/board-1", &known(&etag), "").await.json(200)["count"]["users"], 2);
}

#[tokio::test]
async fn viewers_come_page_by_page_in_the_order_of_the_roster() {
    let server = TestServer::start(|_| {}).await;
    let mut kept = Vec::new();
    for at in 0..5 {
        kept.push(server.client_in(&format!("u{at}"), "board-1").await);
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server.get(&format!("/v1/rooms/board-1/viewers?limit=2{cursor}")).await.json(200);
        seen.extend(ids(&page["viewers"]));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, ["u0", "u1", "u2", "u3", "u4"]);
}

#[tokio::test]
async fn a_message_reaches_who_is_in_the_room_but_the_session_that_the_app_acts_for() {
    let server = TestServer::start(|_| {}).await;
    let (_alice, mut to_alice) = server.client_in("alice", "board-1").await;
    let (_bob, mut to_bob) = server.client_in("bob", "board-1").await;
    let session = server.get("/v1/users/alice").await.json(200)["sessions"][0].as_str().unwrap().to_owned();
    let send = |body| server.call("POST /v1/rooms/board-1/messages", &server.write, Some(body));
    send(json!({"event":"moved","data":{"task":1},"except_session":session})).await.done(202);
    send(json!({"event":"for_bob","data":[1],"to":"bob"})).await.done(202);
    send(json!({"event":"end","data":null})).await.done(202);
    let mut heard = Vec::new();
    for (name, events) in [("alice", &mut to_alice), ("bob", &mut to_bob)] {
        loop {
            let frame = tokio::time::timeout(LIMIT, events.next()).await.unwrap().unwrap();
            let ServerFrame::Message(message) = frame else { continue };
            assert!(message.from.is_none());
            if message.event == "end" {
                break;
            }
            heard.push(format!("{name} {} {}", message.event, message.data));
        }
    }
    assert_eq!(heard, ["bob moved {\"task\":1}", "bob for_bob [1]"]);
}

fn rule(names: &str, settings: RoomSettings) -> RoomRule {
    RoomRule { names: Pattern::parse(names).unwrap(), settings }
}

#[tokio::test]
async fn where_only_numbers_are_told_clients_read_no_names_and_the_app_does() {
    let counts = RoomSettings { mode: RoomMode::Counts, ..RoomSettings::default() };
    let server = TestServer::start(|config| config.rooms = vec![rule("lobby:*", counts)]).await;
    let (_alice, mut to_alice) = server.client_in("alice", "lobby:1").await;
    let (_bob, _) = server.client_in("bob", "lobby:1").await;
    // Counts come as they go on, so the last is waited for.
    let told = tokio::time::timeout(LIMIT, async {
        loop {
            match to_alice.next().await.unwrap() {
                ServerFrame::Count(count) if count.count.users == 2 => return count.faces.len(),
                ServerFrame::Roster(_) | ServerFrame::Diff(_) => panic!("a list"),
                _ => {}
            }
        }
    });
    assert_eq!(told.await.unwrap(), 0);
    let token = token("carol");
    for path in ["/v1/rooms/lobby:1", "/v1/rooms/lobby:1/viewers", "/v1/rooms/lobby:1/poll?wait=1"] {
        let read = server.call(&format!("GET {path}"), &token, None).await;
        let text = read.json(200).to_string();
        assert!(!text.contains("alice") && !text.contains("bob"), "{path}: {text}");
    }
    let by_app = server.get("/v1/rooms/lobby:1/viewers").await.json(200);
    assert_eq!(ids(&by_app["viewers"]), ["alice", "bob"]);
    let room = server.get("/v1/rooms/lobby:1").await.json(200);
    assert_eq!((&room["gear"], &room["count"]["users"]), (&json!("crowd"), &json!(2)));
}

#[tokio::test]
async fn private_rooms_are_listed_for_operators_only() {
    let private = RoomSettings { mode: RoomMode::Private, ..RoomSettings::default() };
    let server = TestServer::start(|config| config.rooms = vec![rule("hr-*", private)]).await;
    let mut kept = Vec::new();
    for room in ["board-1", "hr-1", "hr-2", "lobby"] {
        kept.push(server.client_in("alice", room).await);
    }
    let list = async |key: &str| {
        let (mut names, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = server.call(&format!("GET /v1/rooms?limit=1{cursor}"), key, None).await.json(200);
            names
                .extend(page["rooms"].as_array().unwrap().iter().map(|room| room["room"].as_str().unwrap().to_owned()));
            let Some(next) = page["next"].as_str() else { return names };
            cursor = format!("&cursor={next}");
        }
    };
    assert_eq!(list(&server.read).await, ["board-1", "lobby"]);
    assert_eq!(list(&server.all).await, ["board-1", "hr-1", "hr-2", "lobby"]);
    let places = async |key: &str| {
        let user = server.call("GET /v1/users/alice", key, None).await.json(200);
        user["rooms"]
            .as_array()
            .unwrap()
            .iter()
            .map(|room| room["room"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(places(&server.read).await, ["board-1", "lobby"]);
    assert_eq!(places(&server.all).await, ["board-1", "hr-1", "hr-2", "lobby"]);
    // Whoever knows its name and may read it reads it.
    assert_eq!(ids(&server.call("GET /v1/rooms/hr-1", &server.read, None).await.json(200)["viewers"]), ["alice"]);
}
