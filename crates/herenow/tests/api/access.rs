//! Who may call: keys and their rights, tokens, cookies, pages of other origins, and dev mode.
use crate::common::{TestServer, bearing, token, token_with};
use herenow::auth::{origin::Origin, rights::Rights};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn a_call_needs_a_known_key_with_its_right() {
    let server = TestServer::start(|_| {}).await;
    let other =
        format!("{}{}", &server.read[..server.read.len() - 1], if server.read.ends_with('A') { 'B' } else { 'A' });
    for (line, bearer, status, code) in [
        ("GET /v1/rooms", "", 401, "auth.missing"),
        ("GET /v1/rooms", "nonsense", 401, "auth.invalid"),
        ("GET /v1/rooms", other.as_str(), 401, "key.unknown"),
        ("GET /v1/rooms", "hnk_", 401, "key.unknown"),
        ("GET /v1/rooms", server.write.as_str(), 403, "key.forbidden"),
        ("GET /metrics", server.write.as_str(), 403, "key.forbidden"),
        ("GET /metrics", "", 401, "auth.missing"),
        ("DELETE /v1/users/a", server.read.as_str(), 403, "key.forbidden"),
    ] {
        let answer = server.call(line, bearer, None).await;
        answer.refused(status, code);
        assert_eq!(answer.headers.contains_key("www-authenticate"), status == 401, "{line} {bearer}");
        assert!(bearer.len() < 10 || !answer.text.contains(bearer), "no key in an answer");
    }
    let answer = server.raw(&format!("GET /v1/rooms?token={}", server.all), "", "").await;
    answer.refused(401, "auth.invalid");
    for open in ["/healthz", "/readyz", "/version"] {
        server.raw(&format!("GET {open}"), "", "").await.json(200);
    }
}

#[tokio::test]
async fn a_token_reads_the_rooms_that_it_covers_and_no_others() {
    let server = TestServer::start(|_| {}).await;
    for (rights, status) in
        [(Rights::JOIN, 200), (Rights::OBSERVE, 200), (Rights::MESSAGE, 403), (Rights::TYPE.union(Rights::UPDATE), 403)]
    {
        let token = token_with("bob", rights);
        for path in ["/v1/rooms/r", "/v1/rooms/r/viewers", "/v1/rooms/r/poll?wait=0"] {
            assert_eq!(server.call(&format!("GET {path}"), &token, None).await.status, status, "{path} {rights:?}");
            let by_address = format!("{path}{}token={token}", if path.contains('?') { '&' } else { '?' });
            assert_eq!(server.raw(&format!("GET {by_address}"), "", "").await.status, status, "{path} {rights:?}");
        }
        let stream = server.events("/v1/rooms/r/events", &bearing(&token)).await;
        assert_eq!(stream.is_ok(), status == 200, "{rights:?}");
    }
}

#[tokio::test]
async fn a_cookie_reads_on_our_own_pages_and_never_writes() {
    let server = TestServer::start(|_| {}).await;
    let cookie = format!("Cookie: session={}\r\n", token("bob"));
    let with = |more: &str| format!("{cookie}{more}");
    let read = "GET /v1/rooms/r";
    server.raw(read, &with("Sec-Fetch-Site: same-origin\r\n"), "").await.json(200);
    server.raw(read, &with(&format!("Origin: http://{}\r\n", server.address)), "").await.json(200);
    for foreign in
        ["", "Sec-Fetch-Site: cross-site\r\n", "Origin: https://evil.example\r\n", "Sec-Fetch-Site: none\r\n"]
    {
        server.raw(read, &with(foreign), "").await.refused(403, "origin.forbidden");
    }
    let type_line = "POST /v1/rooms/r/typing";
    let own = with("Sec-Fetch-Site: same-origin\r\nContent-Type: application/json\r\n");
    server.raw(type_line, &own, r#"{"user":"bob","on":true}"#).await.refused(401, "auth.missing");
}

#[tokio::test]
async fn pages_of_listed_origins_may_read_answers() {
    let listed = Origin::parse("https://app.example").unwrap();
    let server = TestServer::start(|config| config.server.allowed_origins = vec![listed]).await;
    let from = |origin: &str| format!("{}Origin: {origin}\r\n", bearing(&server.all));
    let answer = server.raw("GET /v1/rooms", &from("https://app.example"), "").await;
    assert_eq!(answer.headers["access-control-allow-origin"], "https://app.example");
    let answer = server.raw("GET /v1/rooms?x=1", &from("https://app.example"), "").await;
    assert_eq!((answer.status, &*answer.headers["access-control-allow-origin"]), (400, "https://app.example"));
    let answer = server.raw("GET /v1/rooms", &from("https://evil.example"), "").await;
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
    let ask = "Access-Control-Request-Method: PUT\r\n";
    let line = "OPTIONS /v1/rooms/r/viewers/u";
    let answer = server.raw(line, &format!("Origin: https://app.example\r\n{ask}"), "").await;
    assert_eq!(answer.status, 204);
    assert!(answer.headers["access-control-allow-headers"].contains("authorization"));
    let answer = server.raw(line, &format!("Origin: https://evil.example\r\n{ask}"), "").await;
    assert!(!answer.headers.contains_key("access-control-allow-methods"));
}

#[tokio::test]
async fn in_dev_mode_this_machine_needs_no_key_and_foreign_pages_get_nothing() {
    let server = TestServer::dev().await;
    server.raw("GET /v1/rooms", "", "").await.json(200);
    server.raw("GET /metrics", "", "").await;
    let put = ("PUT /v1/rooms/r/viewers/bot", "Content-Type: application/json\r\n", r#"{"ttl_ms":1000}"#);
    server.raw(put.0, put.1, put.2).await.done(204);
    let own = format!("{}Origin: http://{}\r\n", put.1, server.address);
    server.raw(put.0, &own, put.2).await.done(204);
    for foreign in ["Origin: https://evil.example\r\n", "Host: evil.example\r\n"] {
        server.raw(put.0, &format!("{}{foreign}", put.1), put.2).await.refused(403, "origin.forbidden");
    }
    server.raw(put.0, &format!("{}Origin: null\r\n", put.1), put.2).await.refused(401, "auth.missing");
    server.raw(put.0, "Content-Type: text/plain\r\n", put.2).await.refused(415, "http.content_type");
    let mut stream = server.events("/v1/rooms/r/events", "").await.unwrap();
    assert_eq!(
        stream.expect("roster").await.data["viewers"][0]["user"],
        json!({"id":"bot","name":"bot","color":"#806000"})
    );
}

#[tokio::test]
async fn an_operators_key_or_token_is_told_why_somebody_is_shown() {
    let server = TestServer::start(|_| {}).await;
    let line = "GET /v1/debug/rooms/r/users/bot";
    server.call("PUT /v1/rooms/r/viewers/bot", &server.all, Some(json!({"ttl_ms":60_000}))).await.done(204);
    let known = server.call(line, &server.all, None).await.json(200);
    assert_eq!((&known["is_viewer"], &known["entries"][0]["connected"]), (&json!(true), &json!(true)));
    server.call(line, &server.read, None).await.refused(403, "key.forbidden");
    server.call(line, &server.write, None).await.refused(403, "key.forbidden");
    server.call(line, &token("bob"), None).await.refused(403, "auth.not_admin");
    server.raw(line, "", "").await.refused(401, "auth.missing");
}

#[tokio::test]
async fn the_one_time_link_gives_a_key_once() {
    let (server, code) = TestServer::without_keys().await;
    let json = "Content-Type: application/json\r\n";
    for wrong in ["", "nonsense", "{}", r#"{"code":7}"#, &format!(r#"{{"code":"{}"}}"#, "x".repeat(2000))] {
        server.raw("POST /admin/key", json, wrong).await.said(400, "admin.body");
    }
    let body = |code: &str| json!({ "code": code }).to_string();
    server.raw("POST /admin/key", json, &body("guess")).await.said(403, "admin.link_unknown");
    let foreign = format!("{json}Origin: https://evil.example\r\n");
    server.raw("POST /admin/key", &foreign, &body(&code)).await.refused(403, "origin.forbidden");
    server.raw("GET /admin/key", "", "").await.said(405, "http.method");
    let given = server.raw("POST /admin/key", json, &body(&code)).await.json(200);
    let key = given["key"].as_str().unwrap();
    for line in ["GET /v1/rooms", "GET /v1/debug/rooms/r/users/a", "GET /v1/users/a"] {
        server.call(line, key, None).await.json(200);
    }
    server.call("DELETE /v1/users/a", key, None).await.done(204);
    server.raw("POST /admin/key", json, &body(&code)).await.said(410, "admin.link_used");
    server.call("GET /v1/rooms", &code, None).await.refused(401, "auth.invalid");
    let page = server.raw("GET /admin", "", "").await;
    assert_eq!((page.status, page.text.contains(&code)), (200, false));
    // Where a key could open the page, there is no link, and where it is turned off, no page.
    let server = TestServer::start(|config| config.api.admin_page = false).await;
    server.raw("GET /admin", "", "").await.said(404, "http.not_found");
    server.raw("POST /admin/key", json, &body(&code)).await.said(404, "http.not_found");
}

#[tokio::test]
async fn connections_are_counted_as_they_come_are_refused_and_end() {
    let server = TestServer::start(|_| {}).await;
    let (client, _events) = server.client_in("alice", "board-1").await;
    let text = server.get("/metrics").await.text;
    assert!(text.contains("\nherenow_connections_opened_total{way=\"websocket\"} 1\n"), "{text}");
    client.close(Some(1000)).await;
    server.get("/ws").await.said(426, "ws.not_an_upgrade");
    server.raw("GET /stream", "", "").await.said(401, "auth.missing");
    let wanted = [
        r#"herenow_connections_ended_total{how="left"} 1"#,
        r#"herenow_connections_refused_total{code="ws.not_an_upgrade"} 1"#,
        r#"herenow_connections_refused_total{code="auth.missing"} 1"#,
    ];
    loop {
        let text = server.get("/metrics").await.text;
        if wanted.iter().all(|line| text.lines().any(|said| said == *line)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
