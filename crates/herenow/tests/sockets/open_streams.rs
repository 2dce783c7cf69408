//! Responses that stay open, byte by byte: what hyper hands over in the middle of a connection is HTTP/1.1 all the same.
use crate::common::{LIMIT, TestServer, token};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// A connection on which requests are written by hand.
struct Wire {
    tcp: TcpStream,
    heard: String,
}

impl Wire {
    async fn open(server: &TestServer, requests: &str) -> Self {
        let mut tcp = TcpStream::connect(server.address).await.unwrap();
        tcp.write_all(requests.as_bytes()).await.unwrap();
        Self { tcp, heard: String::new() }
    }

    /// Reads until a text has come; what came, from the beginning.
    async fn until(&mut self, text: &str) -> &str {
        while !self.heard.contains(text) {
            let mut bytes = [0; 4096];
            let read = timeout(LIMIT, self.tcp.read(&mut bytes)).await.expect("something has to come").unwrap();
            assert!(read > 0, "it ended before {text}: {}", self.heard);
            self.heard.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        }
        &self.heard
    }

    /// Reads to the end; what came, from the beginning.
    async fn drain(mut self) -> String {
        timeout(LIMIT, self.tcp.read_to_string(&mut self.heard)).await.expect("it has to end").unwrap();
        self.heard
    }
}

fn stream_request(user: &str) -> String {
    format!("GET /stream?token={} HTTP/1.1\r\nhost: localhost\r\n\r\n", token(user))
}

#[tokio::test]
async fn a_stream_comes_behind_what_was_asked_before_and_ends_its_connection() {
    let server = TestServer::start(|config| config.server.shutdown_grace = Duration::from_millis(500)).await;
    // All in one write: the stream is asked for before anything was answered.
    let before = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut wire = Wire::open(&server, &format!("{before}{before}{}", stream_request("alice"))).await;
    let heard = wire.until("\"type\":\"welcome\"").await;
    let heads: Vec<&str> = heard.split("HTTP/1.1 200 OK\r\n").collect();
    assert_eq!(heads.len(), 4, "three answers: {heard}");
    assert!(heads[0].is_empty() && heads[1].contains("\r\n\r\n{") && heads[2].contains("\r\n\r\n{"), "{heard}");
    let (head, body) = heads[3].split_once("\r\n\r\n").unwrap();
    for line in ["content-type: text/event-stream", "transfer-encoding: chunked", "connection: close", "vary: Origin"] {
        assert_eq!(head.lines().filter(|held| *held == line).count(), 1, "{line} in {head}");
    }
    assert!(head.lines().any(|line| line.starts_with("date: ") && line.ends_with(" GMT")), "{head}");
    let (size, chunk) = body.split_once("\r\n").unwrap();
    let size = usize::from_str_radix(size, 16).unwrap();
    assert!(chunk.starts_with("data: {") && chunk[..size].ends_with("}\n\n") && &chunk[size..] == "\r\n", "{body}");

    let stopped = tokio::spawn(server.stop());
    let heard = wire.drain().await;
    assert!(heard.contains("\"type\":\"closed\"") && heard.ends_with("\r\n0\r\n\r\n"), "{heard}");
    stopped.await.unwrap();
}

#[tokio::test]
async fn a_stream_over_http_1_0_has_no_chunks() {
    let server = TestServer::start(|_| {}).await;
    let request = format!("GET /stream?token={} HTTP/1.0\r\nhost: localhost\r\n\r\n", token("alice"));
    let mut wire = Wire::open(&server, &request).await;
    let heard = wire.until("\n\n").await;
    let (head, body) = heard.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.0 200 OK\r\n") && !head.contains("chunked"), "{head}");
    assert!(body.starts_with("data: {\"type\":\"welcome\""), "{body}");
}

#[tokio::test]
async fn who_closes_a_stream_is_gone_and_who_speaks_on_it_is_not_heard() {
    let server = TestServer::start(|_| {}).await;
    let mut wire = Wire::open(&server, &stream_request("alice")).await;
    wire.until("\"type\":\"welcome\"").await;
    assert_eq!(server.presence.connections(), 1);
    // A request behind one that never ends is not answered; megabytes of them end it.
    let more = stream_request("mallory");
    wire.tcp.write_all(more.as_bytes()).await.unwrap();
    let flood = async {
        loop {
            if wire.tcp.write_all(more.as_bytes()).await.is_err() {
                break;
            }
        }
    };
    timeout(LIMIT, flood).await.expect("it has to be cut off");
    let mut closed = Wire::open(&server, &stream_request("bob")).await;
    closed.until("\"type\":\"welcome\"").await;
    drop(closed);
    let gone = async {
        while server.presence.connections() > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, gone).await.expect("nobody is left");
}
