//! Who is not let in, and how that is said: upgrades that are none, tokens that are no good, pages from elsewhere.
use crate::common::{Claims, LIMIT, Peer, TestServer, now_unix_s, secret, token};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use herenow::{auth::secret::Secret, config::mode::Mode};
use herenow_client::raw::{self, RawConnector};
use serde_json::{Value, json};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The head and the body of the answer to a request that is no good upgrade.
async fn ask(address: SocketAddr, head: &str) -> (u16, String, Value) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("{head}\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // Some answers leave the connection open: read only what the answer has.
    loop {
        let mut piece = [0; 4096];
        let bytes = tokio::time::timeout(LIMIT, stream.read(&mut piece)).await.unwrap().unwrap();
        answer.extend(&piece[..bytes]);
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if bytes == 0 || length.is_some_and(|length: usize| body.len() >= length) {
                let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                return (status, head.to_ascii_lowercase(), serde_json::from_str(body).unwrap_or_default());
            }
        }
        assert_ne!(bytes, 0, "{text}");
    }
}

#[tokio::test]
async fn what_is_no_upgrade_is_told_so_in_problem_json() {
    let server = TestServer::start(|_| {}).await;
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    let (version, key) = ("Sec-WebSocket-Version: 13\r\n", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
    let get = |headers: &[&str]| format!("GET /ws HTTP/1.1\r\n{}Host: {}", headers.concat(), server.address);
    for (what, head, status, code) in [
        ("a plain GET", get(&[]), 426, "ws.not_an_upgrade"),
        ("a POST", get(&[upgrade, version, key]).replacen("GET", "POST", 1), 426, "ws.not_an_upgrade"),
        ("another protocol", get(&["Connection: Upgrade\r\nUpgrade: h2c\r\n", version, key]), 426, "ws.not_an_upgrade"),
        ("no Connection header", get(&["Upgrade: websocket\r\n", version, key]), 426, "ws.not_an_upgrade"),
        ("HTTP/1.0", get(&[upgrade, version, key]).replacen("1.1", "1.0", 1), 426, "ws.not_an_upgrade"),
        ("no version", get(&[upgrade, key]), 426, "ws.version"),
        ("version 8", get(&[upgrade, "Sec-WebSocket-Version: 8\r\n", key]), 426, "ws.version"),
        ("no key", get(&[upgrade, version]), 400, "ws.key"),
        ("a key of 15 bytes", get(&[upgrade, version, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\r\n"]), 400, "ws.key"),
        (
            "unknown subprotocol",
            get(&[upgrade, version, key, "Sec-WebSocket-Protocol: graphql-ws, mqtt\r\n"]),
            400,
            "ws.subprotocol",
        ),
        ("a body", get(&[upgrade, version, key, "Content-Length: 5\r\n"]), 400, "ws.body"),
        ("a body in chunks", get(&[upgrade, version, key, "Transfer-Encoding: chunked\r\n"]), 400, "ws.body"),
        ("two keys", get(&[upgrade, version, key, key]), 400, "ws.header_twice"),
        ("two versions", get(&[upgrade, version, key, "Sec-WebSocket-Version: 8\r\n"]), 400, "ws.header_twice"),
        ("two hosts", get(&[upgrade, version, key, "Host: other\r\n"]), 400, "ws.header_twice"),
        ("another address", get(&[upgrade, version, key]).replacen("/ws", "/wss", 1), 404, "http.not_found"),
    ] {
        let (answered, headers, problem) = ask(server.address, &head).await;
        println!("upgrade {what:42} {status} {code:24} {}", problem["title"].as_str().unwrap_or_default());
        assert_eq!((answered, &problem["code"], &problem["status"]), (status, &json!(code), &json!(status)), "{what}");
        assert!(headers.contains("content-type: application/problem+json"), "{what}: {headers}");
        assert!(problem["title"].is_string() && problem["hint"].is_string(), "{problem}");
        if status == 426 {
            assert!(
                headers.contains("sec-websocket-version: 13") && headers.contains("upgrade: websocket"),
                "{headers}"
            );
        }
    }
}

#[tokio::test]
async fn what_is_sent_together_with_the_upgrade_is_heard() {
    let server = TestServer::start(|_| {}).await;
    let mut bytes = format!(
        "GET /ws?token={} HTTP/1.1\r\nHost: {}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
        token("alice"),
        server.address
    )
    .into_bytes();
    for frame in [r#"{"type":"join","boardId":"a"}"#, r#"{"type":"join","boardId":"b"}"#, "nonsense"] {
        bytes.extend([0x81, 0x80 | frame.len() as u8, 0, 0, 0, 0]);
        bytes.extend(frame.as_bytes());
    }
    bytes.extend([0x88, 0x80, 0, 0, 0, 0]);
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(LIMIT, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&answer).into_owned();
    let (head, frames) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 101 ") && !head.to_ascii_lowercase().contains("extensions"), "{head}");
    assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    assert!(frames.contains(r#""type":"connected""#) && frames.contains("Invalid JSON"), "{frames}");
    assert!(answer.ends_with(&[0x88, 0]), "the close without a code is answered likewise: {frames}");
    drop(stream);
    assert_eq!(server.rest().await, Default::default());
}

/// How a token that is no good is said in both dialects.
async fn check_refused(server: &TestServer, what: &str, opening: RawConnector, (code, native, words): Refusal) {
    for dialect in ["herenow.v1", "board.v1"] {
        let mut peer = Peer(opening.clone().protocol(dialect).open().await.unwrap());
        let told = peer.hear().await;
        let (close, said) = if dialect == "board.v1" { (4001, &told["error"]) } else { (native, &told["message"]) };
        println!("{dialect:11} {what:42} {code:20} {close} {}", said.as_str().unwrap());
        assert_eq!((&told["type"], &told["code"]), (&json!("error"), &json!(code)), "{what}: {told}");
        if dialect == "board.v1" {
            assert_eq!(*said, words, "{what}");
        }
        assert_eq!(peer.close_code().await, Some(close), "{what}");
    }
    assert_eq!(server.presence.measure().await, Default::default());
}

/// Code, close code of the native dialect, and what `error` says in the board dialect.
type Refusal = (&'static str, u16, &'static str);

const INVALID: Refusal = ("auth.invalid", 4401, "Invalid session");
const FOREIGN: Refusal = ("origin.forbidden", 4403, "Unauthorized");

#[tokio::test]
async fn tokens_that_are_no_good_are_refused_after_the_upgrade() {
    let server = TestServer::start(|_| {}).await;
    let encoded = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let claims = encoded(json!({"sub":"alice","exp":now_unix_s() + 600,"rooms":["*"]}));
    let good = token("alice");
    let signature = good.rsplit('.').next().unwrap();
    let other = Secret::parse(&"another secret ".repeat(3)[..40]).unwrap();
    let late = Claims { now_unix_s: now_unix_s() - 7200, ..Claims::of("alice") }.sign("alice");
    for (what, token, refusal) in [
        ("expired token", late, ("auth.expired", 4401, "Invalid session")),
        ("token of another key", Claims::of("alice").sign_with("alice", &other), INVALID),
        ("alg none", format!("{}.{claims}.", encoded(json!({"alg":"none","typ":"JWT"}))), INVALID),
        ("alg none with a signature", format!("{}.{claims}.{signature}", encoded(json!({"alg":"none"}))), INVALID),
        ("claims swapped", format!("{}.{claims}.{signature}", good.split('.').next().unwrap()), INVALID),
        ("garbage token", "garbage".to_owned(), INVALID),
        ("token of 9,000 bytes", "x".repeat(9000), INVALID),
    ] {
        let bearer = raw::connect(&server.url()).header("authorization", &format!("Bearer {token}"));
        check_refused(&server, what, bearer, refusal).await;
        for dialect in ["herenow.v1", "board.v1"] {
            let mut peer = Peer(raw::connect(&server.url()).protocol(dialect).open().await.unwrap());
            peer.say(json!({"type":"auth","token":token})).await;
            assert_eq!(peer.hear().await["code"], refusal.0, "{what} in the first frame");
            assert_eq!(peer.close_code().await, Some(if dialect == "board.v1" { 4001 } else { refusal.1 }));
        }
    }
}

#[tokio::test]
async fn a_cookie_counts_only_for_pages_of_this_server_or_of_the_list() {
    let server = TestServer::start(|config| {
        config.server.allowed_origins = vec![herenow::auth::origin::Origin::parse("https://app.example").unwrap()];
    })
    .await;
    let cookie = || raw::connect(&server.url()).header("cookie", &format!("session={}", token("alice")));
    check_refused(&server, "cookie without an origin", cookie(), FOREIGN).await;
    for origin in [
        "https://evil.example",
        "null",
        "http://127.0.0.1",
        "https://app.example.evil.example",
        "https://app.example:8443",
    ] {
        check_refused(&server, &format!("cookie from {origin}"), cookie().header("origin", origin), FOREIGN).await;
    }
    for origin in [format!("http://{}", server.address), "https://app.example".to_owned()] {
        let mut peer = Peer(cookie().header("origin", &origin).open().await.unwrap());
        assert_eq!(peer.hear().await["type"], "connected", "{origin}");
        peer.join("in").await;
    }
    let mut bearing = Peer(
        raw::connect(&server.bearing(&token("alice"))).header("origin", "https://evil.example").open().await.unwrap(),
    );
    assert_eq!(bearing.hear().await["type"], "connected", "a token proves itself, whatever page holds it");
}

#[tokio::test]
async fn dev_mode_answers_this_machine_under_its_own_names_only() {
    let server = TestServer::start_as(Mode::Dev { secret: secret() }, |_| {}).await;
    let opening = || raw::connect(&server.bearing(&token("alice")));
    for (what, name, value) in [
        ("foreign host in dev mode", "host", "evil.example"),
        ("foreign host with a port in dev mode", "host", "127.0.0.1.evil.example:80"),
        ("foreign origin in dev mode", "origin", "https://evil.example"),
    ] {
        check_refused(&server, what, opening().header(name, value), FOREIGN).await;
    }
    for (name, value) in
        [("host", "localhost"), ("host", "[::1]:1234"), ("origin", "null"), ("origin", "http://localhost:5173")]
    {
        let mut peer = Peer(opening().header(name, value).open().await.unwrap());
        assert_eq!(peer.hear().await["type"], "connected", "{name}: {value}");
        peer.join("in").await;
    }
}

#[tokio::test]
async fn a_token_of_dev_mode_opens_all_rooms_and_one_without_rooms_none_in_production() {
    let server = TestServer::start_as(Mode::Dev { secret: secret() }, |_| {}).await;
    let body = r#"{"userId":"dora","name":"Dora"}"#;
    let head = format!(
        "POST /dev/token HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}",
        server.address,
        body.len()
    );
    let (status, _, answer) = ask(server.address, &format!("{head}\r\n\r\n{body}")).await;
    assert_eq!(status, 200, "{answer}");
    let token = answer["token"].as_str().unwrap();
    let mut dora = Peer(raw::connect(&server.bearing(token)).open().await.unwrap());
    dora.expect_frame(json!({"type":"connected","user":{"id":"dora","name":"Dora"}})).await;
    dora.join("any-room").await;
    let server = TestServer::start(|_| {}).await;
    let mut dora = Peer(raw::connect(&server.bearing(token)).open().await.unwrap());
    assert_eq!(dora.hear().await["type"], "connected");
    dora.say(json!({"type":"join","boardId":"any-room"})).await;
    assert_eq!(dora.hear().await["code"], "room.forbidden");
}

#[tokio::test]
async fn a_first_frame_that_does_not_come_or_is_another_ends_the_connection() {
    let server = TestServer::start(|config| config.auth.first_frame_timeout = Duration::from_millis(200)).await;
    let opening = || raw::connect(&server.url());
    check_refused(&server, "no first frame", opening(), ("auth.timeout", 4408, "Unauthorized")).await;
    for (what, frame, code, native, board) in [
        ("join first", r#"{"type":"join","room":"in"}"#, "auth.missing", 4401, Some(4001)),
        ("unknown type first", r#"{"type":"fly"}"#, "frame.unknown_type", 4400, Some(4001)),
        ("auth without a token first", r#"{"type":"auth"}"#, "frame.missing_field", 4400, Some(4001)),
        ("an array first", "[]", "frame.not_object", 4400, Some(4001)),
        ("no JSON first", "nonsense", "frame.not_json", 4400, None),
    ] {
        for (dialect, close) in [("herenow.v1", Some(native)), ("board.v1", board)] {
            let mut peer = Peer(opening().protocol(dialect).open().await.unwrap());
            peer.0.text(frame).await.unwrap();
            let told = peer.hear().await;
            println!("{dialect:11} {what:42} {code:20} {close:?}");
            assert_eq!(told["code"], code, "{what}: {told}");
            match close {
                Some(close) => assert_eq!(peer.close_code().await, Some(close), "{what}"),
                None => {
                    peer.say(json!({"type":"auth","token":token("alice")})).await;
                    assert_eq!(peer.hear().await["type"], "connected", "{what}");
                }
            }
        }
    }
}
