//! What a client sees that connects: let in or not, by which error and close code.
use crate::common::{LIMIT, TestServer};
use herenow_client::{
    error::Ended,
    raw::{self, RawClient},
};
use serde_json::Value;
use std::time::Instant;

/// How a client comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Native,
    Board,
}

/// With what.
#[derive(Clone, Copy, Debug)]
pub enum With<'a> {
    Token(&'a str),
    /// A cookie line, from a page of the server's own.
    Cookie(&'a str),
    /// A first frame.
    Frame(&'a str),
}

/// What it saw, with the client where it was let in.
pub struct Seen {
    pub what: String,
    pub client: Option<RawClient>,
    pub ms: u128,
    pub frame: Value,
}

pub async fn see(server: &TestServer, dialect: Dialect, with: With<'_>) -> Seen {
    let began = Instant::now();
    let mut connector = match with {
        With::Token(token) => raw::connect(&server.bearing(token)),
        With::Cookie(line) => {
            let origin = format!("http://{}", server.address);
            raw::connect(&server.url()).header("cookie", line).header("origin", &origin)
        }
        With::Frame(_) => raw::connect(&server.url()),
    };
    if dialect == Dialect::Native {
        connector = connector.protocol("herenow.v1");
    }
    let mut client = connector.open().await.unwrap();
    if let With::Frame(token) = with {
        client.text(&serde_json::json!({ "type": "auth", "token": token }).to_string()).await.unwrap();
    }
    let frame: Value = serde_json::from_str(&client.next_text(LIMIT).await.unwrap()).unwrap();
    let ms = began.elapsed().as_millis();
    if matches!(frame["type"].as_str(), Some("welcome" | "connected")) {
        let user = frame["user"]["id"].as_str().unwrap();
        return Seen { what: format!("let in as {user}"), client: Some(client), ms, frame };
    }
    let code = frame["code"].as_str().unwrap().to_owned();
    let what = match client.ended(LIMIT).await.unwrap() {
        Ended::Closed { code: close, .. } => format!("{code}, close {}", close.unwrap()),
        other => format!("{code}, {other}"),
    };
    Seen { what, client: None, ms, frame }
}

/// What native clients see.
pub async fn native(server: &TestServer, with: With<'_>) -> String {
    see(server, Dialect::Native, with).await.what
}

/// What clients of both dialects see.
pub async fn both(server: &TestServer, with: With<'_>) -> (String, String) {
    (see(server, Dialect::Native, with).await.what, see(server, Dialect::Board, with).await.what)
}

/// The status of a stream without WebSocket that is asked for with a cookie, from a page of the server's own.
pub async fn stream_status(server: &TestServer, cookie: &str) -> u16 {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let host = server.address;
    let head = format!("GET /stream HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nCookie: {cookie}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut line = [0; 12];
    tokio::time::timeout(LIMIT, stream.read_exact(&mut line)).await.unwrap().unwrap();
    String::from_utf8_lossy(&line)[9..].parse().unwrap()
}

/// What the server answers to `GET`, and its status.
pub async fn get(server: &TestServer, path: &str) -> (u16, Value) {
    let (status, _, body) =
        ask(server, &format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close", server.address), "").await;
    (status, body)
}

/// What the server answers to a request with this head: status, head, body.
pub async fn ask(server: &TestServer, head: &str, body: &str) -> (u16, String, Value) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    stream.write_all(format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(LIMIT, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_ascii_lowercase(), serde_json::from_str(body).unwrap_or_default())
}

/// Looks until something is so; for what nobody tells.
pub async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LIMIT, "{what}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
