//! Guests: whoever asks, with an id of their own, few rights, and not too many from one address.
use crate::{
    common::{Peer, TestServer, now_unix_s},
    see::{With, ask, native},
};
use herenow::{auth::address::Network, config::settings::Config};
use herenow_client::raw;
use herenow_core::pattern::Pattern;
use serde_json::{Value, json};

async fn server(change: impl FnOnce(&mut Config)) -> TestServer {
    TestServer::start(|config| {
        config.auth.guests = true;
        config.auth.guest_rooms = vec![Pattern::parse("lobby-*").unwrap()];
        change(config);
    })
    .await
}

async fn guest(server: &TestServer, headers: &str, body: &str) -> (u16, String, Value) {
    let host = server.address;
    let head = format!("POST /guest/token HTTP/1.1\r\nHost: {host}\r\nConnection: close{headers}");
    ask(server, &head, body).await
}

async fn token(server: &TestServer) -> (String, Value) {
    let (status, _, body) = guest(server, "", "").await;
    assert_eq!(status, 200, "{body}");
    (body["token"].as_str().unwrap().to_owned(), body["user"].clone())
}

#[tokio::test]
async fn a_guest_has_an_id_and_keeps_it_by_renewing() {
    let server = server(|_| {}).await;
    let (first, user) = token(&server).await;
    let id = user["id"].as_str().unwrap();
    assert!(id.starts_with("guest-") && id.len() == 22, "{user}");
    assert_eq!(user["name"].as_str().unwrap().split(' ').count(), 2);
    assert_eq!(native(&server, With::Token(&first)).await, format!("let in as {id}"));
    let (_, other) = token(&server).await;
    assert_ne!(other["id"], user["id"]);
    let (status, _, renewed) =
        guest(&server, &format!("\r\nAuthorization: Bearer {first}"), r#"{"name":"Ann\u202e"}"#).await;
    assert_eq!((status, &renewed["user"]), (200, &json!({"id":id,"name":"Ann"})));
    // On a live connection, too.
    let mut live = Peer(raw::connect(&server.bearing(&first)).protocol("herenow.v1").open().await.unwrap());
    assert_eq!(live.hear().await["type"], "welcome");
    live.say(json!({"type":"auth","token":renewed["token"],"id":1})).await;
    assert_eq!(live.hear().await["type"], "ack");
    let expires_at_ms = renewed["expires_at_ms"].as_u64().unwrap();
    assert!(expires_at_ms > (now_unix_s() + 3500) * 1000);
}

#[tokio::test]
async fn guests_may_do_what_the_operator_says_whatever_a_token_claims() {
    let server = server(|_| {}).await;
    let (token, user) = token(&server).await;
    let mut guest = Peer(raw::connect(&server.bearing(&token)).protocol("herenow.v1").open().await.unwrap());
    guest.hear().await;
    for (frame, expected) in [
        (json!({"type":"join","room":"lobby-1","id":1}), "roster"),
        (json!({"type":"join","room":"board-1","id":1}), "room.forbidden"),
        (json!({"type":"message","room":"lobby-1","event":"x","data":1,"id":1}), "room.forbidden"),
        (json!({"type":"update","room":"lobby-1","state":{"a":1},"id":1}), "room.forbidden"),
        (json!({"type":"join","room":"lobby-2","observe":true,"id":1}), "roster"),
        (json!({"type":"watch","users":["alice"],"id":1}), "watch.forbidden"),
    ] {
        guest.say(frame.clone()).await;
        let answer = guest.hear().await;
        let what = answer["code"].as_str().or(answer["type"].as_str()).unwrap();
        assert_eq!(what, expected, "{frame}");
    }
    // A guest's key id with another key is a forgery, also with the secret of the server.
    let claims = json!({"sub":user["id"],"rooms":["*"],"admin":true,"exp":now_unix_s() + 60});
    let header = jsonwebtoken::Header {
        kid: Some("herenow-guest".into()),
        ..jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256)
    };
    let key = jsonwebtoken::EncodingKey::from_secret(crate::common::SECRET.as_bytes());
    let forged = jsonwebtoken::encode(&header, &claims, &key).unwrap();
    assert_eq!(native(&server, With::Token(&forged)).await, "auth.invalid, close 4401");
}

#[tokio::test]
async fn each_address_has_its_own_quota() {
    let server = server(|config| {
        config.auth.guests_per_address = 3;
        config.server.trusted_proxies = vec![Network::parse("127.0.0.1").unwrap()];
    })
    .await;
    let from = async |address: &str| guest(&server, &format!("\r\nX-Forwarded-For: {address}"), "{}").await;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(from("203.0.113.7").await.0);
    }
    let (status, head, problem) = from("9.9.9.9, 203.0.113.7").await;
    println!("guests from one address: {statuses:?}, from another: {}", from("203.0.113.8").await.0);
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    assert_eq!(
        (status, &problem["code"]),
        (429, &json!("guest.too_many")),
        "what a client writes in front does not count"
    );
    assert!(
        head.contains("retry-after: ") && problem["detail"].as_str().unwrap().contains("at most 3"),
        "{head}{problem}"
    );
    assert_eq!(from("203.0.113.8").await.0, 200);
    for n in 0..3 {
        assert_eq!(from(&format!("2001:db9:1:2::{n}")).await.0, 200);
    }
    assert_eq!(from("2001:db9:1:2:ffff::1").await.0, 429, "they are one household");
    assert_eq!(from("2001:db9:1:3::1").await.0, 200);
}

#[tokio::test]
async fn only_own_pages_and_programs_may_ask() {
    let server = server(|_| {}).await;
    let own = format!("http://{}", server.address);
    for (origin, status) in [(own.as_str(), 200), ("https://evil.example", 403), ("null", 403)] {
        let (answered, head, body) = guest(&server, &format!("\r\nOrigin: {origin}"), "").await;
        assert_eq!(answered, status, "{origin}: {body}");
        assert_eq!(head.contains(&format!("access-control-allow-origin: {origin}")), status == 200, "{head}");
    }
    for body in ["[", "[]x", r#"{"name":7}"#, &format!(r#"{{"name":"{}"}}"#, "x".repeat(5000))] {
        let (status, _, problem) = guest(&server, "", body).await;
        assert_eq!((status, &problem["code"]), (400, &json!("guest.body")), "{body}");
    }
    let app_token = crate::common::token("alice");
    let (status, _, problem) = guest(&server, &format!("\r\nAuthorization: Bearer {app_token}"), "").await;
    assert_eq!((status, &problem["code"]), (401, &json!("auth.invalid")), "who is no guest is made none");
}

#[tokio::test]
async fn without_the_setting_there_are_no_guests() {
    let with = server(|_| {}).await;
    let (token, _) = token(&with).await;
    let without = TestServer::start(|_| {}).await;
    let (status, _, problem) = guest(&without, "", "").await;
    assert_eq!((status, &problem["code"]), (404, &json!("http.not_found")));
    assert_eq!(native(&without, With::Token(&token)).await, "auth.invalid, close 4401");
}
