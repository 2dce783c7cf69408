//! Who reads slowly and says nothing meanwhile: alive as long as it takes what waits for it, and not for ever.
use crate::common::{Peer, TestServer, token};
use herenow_core::id::RoomId;
use herenow_wire::websocket::client::ClientFrame;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinHandle,
    time::timeout,
};

const ROOM: &str = "busy";
/// How long anything may take that has to come.
const STEP: Duration = Duration::from_secs(30);

/// A client that says nothing but what it is told to, not even pongs.
struct Silent(TcpStream);

impl Silent {
    async fn in_room(server: &TestServer) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        // So that little waits where the server does not see it.
        socket.set_recv_buffer_size(4096).unwrap();
        let mut stream = socket.connect(server.address).await.unwrap();
        let head = format!(
            "GET /ws?token={} HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             sec-websocket-protocol: herenow.v1\r\n\r\n",
            token("silent")
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut silent = Self(stream);
        silent.say(&json!({"type":"join","room":ROOM})).await;
        silent
    }

    async fn say(&mut self, frame: &Value) {
        let mut bytes = Vec::new();
        ClientFrame::text(&frame.to_string(), [1, 2, 3, 4]).put(&mut bytes);
        self.0.write_all(&bytes).await.unwrap();
    }

    /// Reads 2 KiB, and waits a little; false where there is nothing more.
    async fn sip(&mut self, heard: &mut Vec<u8>) -> bool {
        let mut piece = [0; 2048];
        let read = timeout(STEP, self.0.read(&mut piece)).await.expect("something has to come");
        let read = read.unwrap_or_default();
        heard.extend_from_slice(&piece[..read]);
        tokio::time::sleep(Duration::from_millis(50)).await;
        read > 0
    }
}

/// Says in the room what nobody may miss: 10 KiB each time.
async fn publish(server: &TestServer, times: usize) {
    let data = json!({"text":"x".repeat(10 << 10)}).to_string();
    for _ in 0..times {
        server.presence.publish(RoomId::parse(ROOM).unwrap(), "news", &data).await.unwrap();
    }
}

/// Waits for somebody to leave; why they did.
fn leaving(mut bob: Peer) -> JoinHandle<String> {
    tokio::spawn(async move {
        loop {
            let frame: Value = serde_json::from_str(&bob.0.next_text(STEP).await.unwrap()).unwrap();
            if frame["type"] == "user_left" {
                return frame["reason"].as_str().unwrap().to_owned();
            }
        }
    })
}

async fn room(ping: Duration) -> (TestServer, JoinHandle<String>, Silent) {
    let server = TestServer::start(|config| {
        (config.presence.ping_interval, config.presence.pong_timeout) = (ping, ping);
        config.presence.drop_grace = Duration::from_millis(100);
        config.limits.drain_timeout = Duration::from_secs(3);
    })
    .await;
    let mut bob = server.board_in("bob", ROOM).await;
    let silent = Silent::in_room(&server).await;
    assert_eq!(bob.hear().await["type"], "user_joined");
    (server, leaving(bob), silent)
}

#[tokio::test]
async fn who_takes_what_waits_for_it_is_alive_though_it_comes_to_no_ping() {
    let (server, leaving, mut silent) = room(Duration::from_millis(500)).await;
    publish(&server, 19).await;
    publish(&server, 1).await;
    let (began, mut heard) = (Instant::now(), Vec::new());
    while heard.len() < 20 * (10 << 10) {
        assert!(silent.sip(&mut heard).await, "closed after {:?}, {} bytes read", began.elapsed(), heard.len());
    }
    let took = began.elapsed();
    assert!(took > Duration::from_secs(3), "{took:?} is no longer than an answer to a ping may take");
    silent.say(&json!({"type":"leave","room":ROOM})).await;
    assert_eq!(leaving.await.unwrap(), "left", "after {took:?} without a word");
    println!("silent reader: alive for {:.1} s without a word, 1 s where it takes nothing", took.as_secs_f64());
}

#[tokio::test]
async fn who_takes_what_waits_for_it_and_never_answers_is_gone_after_ten_rounds_of_pings() {
    let (server, leaving, mut silent) = room(Duration::from_millis(200)).await;
    publish(&server, 15).await;
    let (began, mut heard) = (Instant::now(), Vec::new());
    for n in 0.. {
        assert!(began.elapsed() < STEP, "still alive");
        // As much again as it takes.
        if n % 5 == 0 {
            publish(&server, 1).await;
        }
        if !silent.sip(&mut heard).await || leaving.is_finished() {
            break;
        }
    }
    let took = began.elapsed();
    assert_eq!(leaving.await.unwrap(), "timeout", "after {took:?}");
    // Ten rounds are 4 s, from its last word on.
    assert!(took > Duration::from_millis(3500), "{took:?}");
    println!("silent reader: gone {:.1} s after its last word, ten rounds of pings", took.as_secs_f64());
}

#[tokio::test]
async fn who_takes_nothing_is_cut_off_after_the_time_that_is_set_though_it_speaks() {
    let (server, leaving, mut silent) = room(Duration::from_millis(500)).await;
    publish(&server, 20).await;
    let began = Instant::now();
    while !leaving.is_finished() {
        assert!(began.elapsed() < STEP, "still alive");
        // It may be cut off meanwhile.
        let mut bytes = Vec::new();
        ClientFrame::text(&json!({"type":"ping"}).to_string(), [1, 2, 3, 4]).put(&mut bytes);
        let _ = silent.0.write_all(&bytes).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let took = began.elapsed();
    assert_eq!(leaving.await.unwrap(), "lost", "after {took:?}");
    assert!(took > Duration::from_millis(2900), "{took:?}");
}
