//! Users over all rooms, and tokens.
use crate::common::{LIMIT, TestServer, secret, token};
use herenow::auth::{rights::Grants, token::Verifier};
use herenow_client::error::Ended;
use serde_json::json;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn now_unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test]
async fn a_user_is_shown_where_they_are() {
    let server = TestServer::start(|_| {}).await;
    let nowhere = server.get("/v1/users/alice").await.json(200);
    assert_eq!(nowhere, json!({"id":"alice","status":"offline","sessions":[],"rooms":[]}));
    let _one = server.client_in("alice", "board-2").await;
    let _two = server.client_in("alice", "board-1").await;
    let shown = server.get("/v1/users/alice").await.json(200);
    assert_eq!((&shown["status"], shown["sessions"].as_array().unwrap().len()), (&json!("active"), 2));
    assert_eq!((&shown["rooms"][0]["room"], &shown["rooms"][1]["room"]), (&json!("board-1"), &json!("board-2")));
    assert_eq!(shown["rooms"][0]["sessions"][0]["connected"], true);
}

#[tokio::test]
async fn statuses_of_many_come_at_once() {
    let server = TestServer::start(|_| {}).await;
    let _alice = server.client_in("alice", "board-1").await;
    let ask = |ids: serde_json::Value| server.call("POST /v1/users/statuses", &server.read, Some(json!({"ids":ids})));
    let users = ask(json!(["alice", "bob", "alice"])).await.json(200)["users"].clone();
    assert_eq!(users, json!({"alice":{"status":"active"},"bob":{"status":"offline"}}));
    let many: Vec<String> = (0..1001).map(|at| format!("u{at}")).collect();
    assert_eq!(ask(json!(many[..1000])).await.json(200)["users"].as_object().unwrap().len(), 1000);
    ask(json!(many)).await.refused(400, "http.bad_body");
    ask(json!([])).await.refused(400, "http.bad_body");
    ask(json!([""])).await.refused(400, "http.bad_body");
}

#[tokio::test]
async fn a_user_who_is_forgotten_is_out_of_all_rooms_and_disconnected() {
    let server = TestServer::start(|_| {}).await;
    let mut stream = server.watch("board-1").await;
    stream.expect("roster").await;
    let (client, mut events) = server.client_in("alice", "board-1").await;
    stream.expect("diff").await;
    server.call("PUT /v1/rooms/board-2/viewers/alice", &server.write, Some(json!({"ttl_ms":60_000}))).await.done(204);
    server.call("DELETE /v1/users/alice", &server.write, None).await.refused(403, "key.forbidden");
    server.call("DELETE /v1/users/alice", &server.all, None).await.done(204);
    assert_eq!(stream.expect("diff").await.data["left"], json!([{"id":"alice","reason":"kicked"}]));
    let ended = loop {
        if let Err(ended) = tokio::time::timeout(LIMIT, events.next()).await.unwrap() {
            break ended;
        }
    };
    assert!(matches!(ended, Ended::Closed { code: Some(4403), .. }), "{ended}");
    drop(client);
    let gone = server.get("/v1/users/alice").await.json(200);
    assert_eq!((&gone["rooms"], &gone["status"]), (&json!([]), &json!("offline")));
}

#[tokio::test]
async fn a_token_that_was_made_is_taken() {
    let server = TestServer::start(|_| {}).await;
    let make = |body| server.call("POST /v1/tokens", &server.all, Some(body));
    let made = make(json!({"user":"alice","name":"Alice","rooms":{"board-*":["observe"]},"ttl_ms":60_000})).await;
    let made = made.json(200);
    let token = made["token"].as_str().unwrap();
    server.call("GET /v1/rooms/board-1", token, None).await.json(200);
    server.call("GET /v1/rooms/chat", token, None).await.refused(403, "room.forbidden");
    assert!(made["expires_at_ms"].as_u64().unwrap() > 1_000_000_000_000);
    let verifier = Verifier::new(&secret(), Grants::default());
    let is_invisible = async |asked: serde_json::Value| {
        let token = make(asked).await.json(200)["token"].as_str().unwrap().to_owned();
        verifier.verify(&token, now_unix_s()).unwrap().grants.is_invisible()
    };
    assert!(is_invisible(json!({"user":"a","invisible":true})).await);
    assert!(!is_invisible(json!({"user":"a"})).await);
    server.call("POST /v1/tokens", &server.write, Some(json!({"user":"a"}))).await.refused(403, "key.forbidden");
    for bad in [
        json!({"user":"a","ttl_ms":0}),
        json!({"user":"a","ttl_ms":2_592_000_001_u64}),
        json!({"user":"a","rooms":{"":["join"]}}),
        json!({"user":"a","rooms":{"*":["fly"]}}),
        json!({"user":"a","avatar":"javascript:alert(1)"}),
        json!({"user":"a","invisible":"yes"}),
        json!({"user":""}),
        json!({}),
    ] {
        make(bad.clone()).await.refused(400, "http.bad_body");
    }
}

#[tokio::test]
async fn a_client_reads_what_its_token_lets_it_watch() {
    let server = TestServer::start(|_| {}).await;
    let line = "POST /v1/users/statuses";
    server.call(line, &token("bob"), Some(json!({"ids":["alice"]}))).await.json(200);
    for line in ["GET /v1/rooms", "GET /v1/users/alice", "DELETE /v1/users/alice", "DELETE /v1/rooms/r/viewers/bob"] {
        server.call(line, &token("bob"), None).await.refused(403, "key.needed");
    }
}

#[tokio::test]
async fn erasing_a_user_leaves_nothing_of_them() {
    let server = TestServer::start(|config| config.presence.last_seen_ttl = Duration::from_secs(3600)).await;
    let user = "erased-7d1f";
    let (client, mut events) = server.client_in(user, "r").await;
    client.update("r", json!({"note":user}).as_object().unwrap()).await.unwrap();
    client.typing("r", Some(user)).await.unwrap();
    let stay = json!({"ttl_ms":600_000,"name":user,"state":{"note":user}});
    server.call(&format!("PUT /v1/rooms/s/viewers/{user}"), &server.all, Some(stay)).await.done(204);
    let (_other, _heard) = server.client_in("other", "r").await;
    let reads =
        ["/v1/rooms", "/v1/rooms/r", "/v1/rooms/r/viewers", "/v1/rooms/s", "/v1/rooms/r/poll?wait=0", "/metrics"];
    let mut before = 0;
    for path in reads {
        before += server.get(path).await.text.matches(user).count();
    }
    assert!(before >= 8, "it would be seen: {before}");
    server.call(&format!("DELETE /v1/users/{user}"), &server.all, None).await.done(204);
    while events.next().await.is_ok() {}
    let mut left = Vec::new();
    for path in reads {
        let answer = server.get(path).await;
        if answer.text.contains(user) {
            left.push(format!("{path}: {}", answer.text));
        }
    }
    let known = server.get(&format!("/v1/users/{user}")).await.json(200);
    println!("erased: named {before} times before, {} after", left.len());
    assert!(left.is_empty(), "{left:#?}");
    assert_eq!(known, json!({"id":user,"status":"offline","sessions":[],"rooms":[]}), "nor when they were last seen");
}
