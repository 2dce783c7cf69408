//! Viewers without a connection: put, renewed, typing, ended, over, kicked.
use crate::common::{Stream, TestServer, token, token_with};
use herenow::auth::rights::Rights;
use serde_json::{Value, json};

const VIEWER: &str = "/v1/rooms/board-1/viewers/bot";

async fn put(server: &TestServer, body: Value) {
    server.call(&format!("PUT {VIEWER}"), &server.write, Some(body)).await.done(204);
}

async fn left(stream: &mut Stream) -> Value {
    let diff = stream.expect("diff").await.data;
    diff["left"][0].clone()
}

#[tokio::test]
async fn a_bot_comes_changes_types_and_goes() {
    let server = TestServer::start(|_| {}).await;
    let mut stream = server.watch("board-1").await;
    assert_eq!(stream.expect("roster").await.data["viewers"], json!([]));
    put(&server, json!({"name":"Bot","ttl_ms":60_000,"state":{"mood":"well","n":1}})).await;
    let joined = stream.expect("diff").await.data["joined"][0].clone();
    assert_eq!((&joined["user"]["name"], &joined["state"]), (&json!("Bot"), &json!({"mood":"well","n":1})));
    put(&server, json!({"name":"Robot","ttl_ms":60_000,"state":{"mood":"busy"}})).await;
    let updated = loop {
        // The name and the state may be told together or one after the other.
        let updated = stream.expect("diff").await.data["updated"][0].clone();
        if updated["state"] == json!({"mood":"busy"}) {
            break updated;
        }
    };
    assert_eq!(updated["user"]["name"], "Robot");
    put(&server, json!({"name":"Robot","ttl_ms":60_000})).await;
    let type_now = |on: bool| {
        let body = json!({"user":"bot","target":"card-7","on":on});
        server.call("POST /v1/rooms/board-1/typing", &server.write, Some(body))
    };
    type_now(true).await.done(204);
    let typing = stream.expect("typing").await.data;
    assert_eq!((&typing["target"], &typing["on"]), (&json!("card-7"), &json!(true)));
    type_now(false).await.done(204);
    assert_eq!(stream.expect("typing").await.data["on"], false);
    let status = server.get("/v1/users/bot").await.json(200);
    assert_eq!((&status["status"], &status["rooms"][0]["room"]), (&json!("active"), &json!("board-1")));
    server.call(&format!("DELETE {VIEWER}"), &server.write, None).await.done(204);
    assert_eq!(left(&mut stream).await, json!({"id":"bot","reason":"left"}));
    server.call(&format!("DELETE {VIEWER}"), &server.write, None).await.done(204);
    type_now(true).await.refused(409, "room.not_joined");
}

#[tokio::test]
async fn who_is_not_put_there_again_is_gone() {
    let server = TestServer::start(|_| {}).await;
    let mut stream = server.watch("board-1").await;
    stream.expect("roster").await;
    put(&server, json!({"ttl_ms":1000})).await;
    assert_eq!(stream.expect("diff").await.data["joined"][0]["user"]["id"], "bot");
    assert_eq!(left(&mut stream).await, json!({"id":"bot","reason":"timeout"}));
}

#[tokio::test]
async fn who_is_kicked_stays_out_for_as_long_as_is_said() {
    let server = TestServer::start(|_| {}).await;
    let mut stream = server.watch("board-1").await;
    stream.expect("roster").await;
    put(&server, json!({"ttl_ms":60_000})).await;
    stream.expect("diff").await;
    let kick = format!("DELETE {VIEWER}?reason=kicked&block_ms=60000");
    server.call(&kick, &server.write, None).await.refused(403, "key.forbidden");
    server.call(&kick, &server.all, None).await.done(204);
    assert_eq!(left(&mut stream).await, json!({"id":"bot","reason":"kicked"}));
    let again = server.call(&format!("PUT {VIEWER}"), &server.write, Some(json!({"ttl_ms":1000}))).await;
    assert!(again.refused(403, "room.blocked")["retry_after_ms"].as_u64().unwrap() <= 60_000);
    assert!(again.headers["retry-after"].parse::<u64>().unwrap() <= 60);
    let bot = token("bot");
    for path in ["/v1/rooms/board-1", "/v1/rooms/board-1/viewers", "/v1/rooms/board-1/poll?wait=1"] {
        server.call(&format!("GET {path}"), &bot, None).await.refused(403, "room.blocked");
    }
}

#[tokio::test]
async fn more_than_may_be_are_not_held() {
    let server = TestServer::start(|config| config.api.hosted_viewers = 1).await;
    put(&server, json!({"ttl_ms":60_000})).await;
    put(&server, json!({"ttl_ms":60_000})).await;
    let more = server.call("PUT /v1/rooms/board-1/viewers/other", &server.write, Some(json!({"ttl_ms":1000}))).await;
    more.refused(429, "viewer.too_many");
    server.call(&format!("DELETE {VIEWER}"), &server.write, None).await.done(204);
    server.call("PUT /v1/rooms/board-1/viewers/other", &server.write, Some(json!({"ttl_ms":1000}))).await.done(204);
}

#[tokio::test]
async fn a_full_room_and_too_much_state_are_refused() {
    let server = TestServer::start(|config| config.limits.viewers_per_room = 1).await;
    let big = json!({"ttl_ms":1000,"state":{"a":"x".repeat(5000)}});
    server.call(&format!("PUT {VIEWER}"), &server.write, Some(big)).await.refused(413, "state.too_large");
    assert_eq!(server.get("/v1/rooms/board-1").await.json(200)["count"]["users"], 0);
    put(&server, json!({"ttl_ms":60_000})).await;
    let other = server.call("PUT /v1/rooms/board-1/viewers/other", &server.write, Some(json!({"ttl_ms":1000}))).await;
    other.refused(409, "room.full");
}

#[tokio::test]
async fn a_client_types_as_itself_only() {
    let server = TestServer::start(|_| {}).await;
    put(&server, json!({"ttl_ms":60_000})).await;
    let line = "POST /v1/rooms/board-1/typing";
    server.call(line, &token("bot"), Some(json!({"user":"bot","on":true}))).await.done(204);
    server.call(line, &token("eve"), Some(json!({"user":"bot","on":true}))).await.refused(403, "room.forbidden");
    let silent = token_with("bot", Rights::JOIN);
    server.call(line, &silent, Some(json!({"user":"bot","on":true}))).await.refused(403, "room.forbidden");
}
