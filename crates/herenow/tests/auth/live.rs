//! Tokens that end, are renewed or are withdrawn while their connection lives.
use crate::{
    common::{Claims, LIMIT, TestServer, now_unix_s, token, token_saying},
    see::{Dialect, With, both, native, see},
};
use herenow_client::error::Ended;
use herenow_core::id::UserId;
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test]
async fn an_expired_token_ends_its_connection_and_a_withdrawn_one_does_so_at_once() {
    let server = TestServer::start(|_| {}).await;
    // Its end is a second away, and five more are borne.
    let short = Claims { ttl: Duration::from_secs(1), ..Claims::of("bob") };
    let ends_at_s = short.now_unix_s + 6;
    let mut bob = see(&server, Dialect::Native, With::Token(&short.sign("bob"))).await;
    let alice_token = token("alice");
    let mut alices = Vec::new();
    for dialect in [Dialect::Native, Dialect::Board, Dialect::Native] {
        alices.push(see(&server, dialect, With::Token(&alice_token)).await.client.unwrap());
    }
    // One that is in no room, one that is in one.
    alices[1].text(r#"{"type":"join","boardId":"board-1"}"#).await.unwrap();
    alices[1].next_text(LIMIT).await.unwrap();
    let began = Instant::now();
    let closed = server.presence.disconnect_user(&UserId::parse("alice").unwrap()).await;
    assert_eq!(closed, 3);
    let mut codes = Vec::new();
    for client in &mut alices {
        let Ended::Closed { code, .. } = client.ended(LIMIT).await.unwrap() else { panic!("no close frame") };
        codes.push(code.unwrap());
    }
    let revoked_s = began.elapsed().as_secs_f64();
    assert_eq!(codes, [4403, 4001, 4403]);
    let again = both(&server, With::Token(&alice_token)).await;
    assert_eq!(again, ("auth.revoked, close 4403".into(), "auth.revoked, close 4001".into()));
    let ended = bob.client.as_mut().unwrap().ended(LIMIT).await.unwrap();
    let late_s =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64() - ends_at_s as f64;
    println!("expired closed after {late_s:.1} s; revoke 1 node {revoked_s:.1} s");
    assert_eq!(ended, Ended::Closed { code: Some(4401), reason: "auth.expired".into() });
    assert!((-1.1..2.0).contains(&late_s) && revoked_s < 2.0, "{late_s} {revoked_s}");
}

#[tokio::test]
async fn a_token_that_is_made_after_the_user_was_signed_out_is_taken() {
    let server = TestServer::start(|_| {}).await;
    let (alice, before) = (UserId::parse("alice").unwrap(), token("alice"));
    assert_eq!(server.presence.disconnect_user(&alice).await, 0);
    assert_eq!(native(&server, With::Frame(&before)).await, "auth.revoked, close 4403");
    let later = token_saying("alice", json!({ "iat": now_unix_s() + 2 }));
    assert_eq!(native(&server, With::Token(&later)).await, "let in as alice");
    let without = token_saying("alice", json!({}));
    assert_eq!(native(&server, With::Token(&without)).await, "auth.revoked, close 4403", "it may be an old one");
    assert_eq!(native(&server, With::Token(&token("bob"))).await, "let in as bob");
}

#[tokio::test]
async fn one_token_can_be_withdrawn() {
    let server = TestServer::start(|_| {}).await;
    let of = |id: &str| token_saying("alice", json!({ "jti": id, "iat": now_unix_s() }));
    server.presence.revoked().revoke_token("stolen", now_unix_s()).unwrap();
    assert_eq!(native(&server, With::Token(&of("stolen"))).await, "auth.revoked, close 4403");
    assert_eq!(native(&server, With::Token(&of("other"))).await, "let in as alice");
}
