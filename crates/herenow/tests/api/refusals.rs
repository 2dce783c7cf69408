//! Bad input: each is answered with its code and what to do, and changes nothing.
use crate::common::TestServer;
use serde_json::json;

#[tokio::test]
async fn bad_addresses_are_refused() {
    let server = TestServer::start(|_| {}).await;
    let long = "r".repeat(256);
    for (path, status, code) in [
        ("/v1/rooms?x=1", 400, "http.bad_query"),
        ("/v1/rooms?limit=0", 400, "http.bad_query"),
        ("/v1/rooms?limit=1001", 400, "http.bad_query"),
        ("/v1/rooms?limit=1&limit=2", 400, "http.bad_query"),
        ("/v1/rooms?cursor=nonsense", 400, "http.bad_query"),
        (&*format!("/v1/rooms?prefix={long}"), 400, "http.bad_query"),
        (&*format!("/v1/rooms/{long}"), 400, "room.bad_name"),
        ("/v1/rooms/%00", 400, "room.bad_name"),
        ("/v1/rooms/%ff", 400, "http.bad_path"),
        ("/v1/rooms/r/viewers?cursor=MTIz", 400, "http.bad_query"),
        ("/v1/rooms/r/poll?since=1", 400, "http.bad_query"),
        ("/v1/rooms/r/poll?since=e.x", 400, "http.bad_query"),
        ("/v1/rooms/r/poll?wait=61", 400, "http.bad_query"),
        ("/v1/rooms/r/poll?wait=-1", 400, "http.bad_query"),
        ("/v1/rooms/r/events?present=maybe", 400, "http.bad_query"),
        ("/v1/rooms/r/events?present=1", 400, "http.bad_query"),
        ("/v1/events", 400, "http.bad_query"),
        ("/v1/events?room=", 400, "room.bad_name"),
        (
            &*format!("/v1/events?{}", (0..51).map(|at| format!("room=r{at}&")).collect::<String>()),
            400,
            "http.bad_query",
        ),
        ("/v1/users/%0a", 400, "http.bad_path"),
        (&*format!("/v1/users/{}", "u".repeat(129)), 400, "http.bad_path"),
        ("/v1/nothing", 404, "http.not_found"),
        ("/help/errors/no.such", 404, "http.not_found"),
    ] {
        let problem = server.get(path).await.refused(status, code);
        assert!(problem["detail"].is_string() || status == 404, "{path}: {problem}");
    }
    let answer = server.call("PATCH /v1/rooms", &server.all, None).await;
    answer.refused(405, "http.method");
    assert_eq!(answer.headers["allow"], "GET,HEAD");
}

#[tokio::test]
async fn bad_bodies_are_refused() {
    let server = TestServer::start(|_| {}).await;
    let deep = format!(r#"{{"event":"e","data":{}{}}}"#, "[".repeat(40), "]".repeat(40));
    let big = format!(r#"{{"event":"e","data":"{}"}}"#, "x".repeat(70_000));
    let (messages, viewer) = ("POST /v1/rooms/r/messages", "PUT /v1/rooms/r/viewers/u");
    for (line, body, status, code) in [
        (messages, "", 400, "http.bad_body"),
        (messages, "[]", 400, "http.bad_body"),
        (messages, "{", 400, "http.bad_body"),
        (messages, r#"{"event":"e"}"#, 400, "http.bad_body"),
        (messages, r#"{"event":"e","event":"e","data":1}"#, 400, "http.bad_body"),
        (messages, r#"{"event":7,"data":1}"#, 400, "http.bad_body"),
        (messages, r#"{"event":"","data":1}"#, 400, "frame.bad_field"),
        (messages, r#"{"event":"roster","data":1}"#, 400, "message.reserved_event"),
        (messages, r#"{"event":"e","data":"\ud800"}"#, 400, "frame.bad_field"),
        (messages, r#"{"event":"e","data":1e999}"#, 400, "frame.bad_field"),
        (messages, r#"{"event":"e","data":1,"to":""}"#, 400, "http.bad_body"),
        (messages, r#"{"event":"e","data":1,"except_session":"7"}"#, 400, "http.bad_body"),
        (messages, &deep, 400, "frame.too_deep"),
        (messages, &big, 413, "http.too_large"),
        (viewer, "{}", 400, "http.bad_body"),
        (viewer, r#"{"ttl_ms":999}"#, 400, "http.bad_body"),
        (viewer, r#"{"ttl_ms":86400001}"#, 400, "http.bad_body"),
        (viewer, r#"{"ttl_ms":-1}"#, 400, "http.bad_body"),
        (viewer, r#"{"ttl_ms":1000,"state":[]}"#, 400, "frame.bad_field"),
        (viewer, r#"{"ttl_ms":1000,"state":{"a":1,"a":2}}"#, 400, "frame.duplicate_key"),
        (viewer, r#"{"ttl_ms":1000,"avatar":"ftp://x"}"#, 400, "http.bad_body"),
        ("POST /v1/rooms/r/typing", r#"{"user":"u"}"#, 400, "http.bad_body"),
        ("POST /v1/rooms/r/typing", r#"{"user":"u","on":true,"target":""}"#, 400, "http.bad_body"),
        ("POST /v1/rooms/r/typing", r#"{"user":"u","on":true}"#, 409, "room.not_joined"),
    ] {
        let headers = format!("Authorization: Bearer {}\r\nContent-Type: application/json\r\n", server.write);
        let problem = server.raw(line, &headers, body).await.refused(status, code);
        assert!(!problem["title"].as_str().unwrap().is_empty(), "{line} {}", &body[..body.len().min(60)]);
    }
    let plain = format!("Authorization: Bearer {}\r\nContent-Type: text/plain\r\n", server.write);
    server.raw(messages, &plain, r#"{"event":"e","data":1}"#).await.refused(415, "http.content_type");
    let delete = |query: &str| format!("DELETE /v1/rooms/r/viewers/u?{query}");
    for query in ["reason=bored", "block_ms=0", "block_ms=2592000001", "why=x"] {
        server.call(&delete(query), &server.all, None).await.refused(400, "http.bad_query");
    }
    assert_eq!(server.get("/v1/rooms").await.json(200)["rooms"], json!([]));
}

#[tokio::test]
async fn every_code_has_a_page_and_the_document_describes_every_call() {
    let server = TestServer::start(|_| {}).await;
    let list = server.raw("GET /help/errors", "", "").await;
    for code in herenow_wire::code::Code::ALL {
        let page = server.raw(&format!("GET /help/errors/{}", code.as_str()), "", "").await;
        assert_eq!((page.status, &*page.headers["content-type"]), (200, "text/html; charset=utf-8"));
        assert!(page.headers["content-security-policy"].starts_with("default-src 'none'"));
        assert!(page.text.contains(code.as_str()) && list.text.contains(code.as_str()), "{}", code.as_str());
    }
    let document = server.raw("GET /openapi.json", "", "").await.json(200);
    assert_eq!(document["openapi"], "3.1.0");
    for (path, methods) in document["paths"].as_object().unwrap() {
        let path = path.replace("{room}", "r").replace("{user}", "u").replace("{code}", "c");
        for method in methods.as_object().unwrap().keys() {
            let line = format!("{} {path}?nonsense=1", method.to_ascii_uppercase());
            let answer = server.call(&line, &server.all, None).await;
            answer.refused(400, "http.bad_query");
        }
    }
    for file in ["/docs", "/docs/docs.js", "/docs/style.css"] {
        assert_eq!(server.raw(&format!("GET {file}"), "", "").await.status, 200);
    }
}

#[tokio::test]
async fn a_server_says_that_it_is_ready_and_which_it_is() {
    let server = TestServer::start(|_| {}).await;
    assert_eq!(server.raw("GET /readyz", "", "").await.json(200)["status"], "ready");
    assert_eq!(server.raw("GET /version", "", "").await.json(200)["version"], env!("CARGO_PKG_VERSION"));
}
