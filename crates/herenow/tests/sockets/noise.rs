//! Noise on many connections at once: nothing panics, nobody else notices, nothing is left behind.
use crate::common::{LIMIT, SHARDS, TestServer, token};
use herenow::shard::ShardLoad;
use herenow_client::raw;
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

/// Numbers that are the same in every run (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }
}

/// Frames of both dialects that are good, or nearly.
const TEMPLATES: [&str; 14] = [
    r#"{"type":"join","room":"noisy","boardId":"noisy","id":1}"#,
    r#"{"type":"join","room":"noisy-2","observe":true,"interest":"count","id":"a"}"#,
    r#"{"type":"join","room":"noisy","since":["abc",3],"state":{"x":{"y":[1,2]}}}"#,
    r#"{"type":"leave","room":"noisy","boardId":"noisy"}"#,
    r#"{"type":"typing","room":"noisy","boardId":"noisy","target":"card-1"}"#,
    r#"{"type":"stop_typing","room":"noisy","boardId":"noisy"}"#,
    r#"{"type":"update","room":"noisy","state":{"a":null,"b":"\u00e9\ud83d\ude00"}}"#,
    r#"{"type":"message","room":"noisy","event":"e","data":{"type":"presence"},"echo":true}"#,
    r#"{"type":"message","room":"noisy","event":"e","data":[1e400],"to":"bob"}"#,
    r#"{"type":"status","status":"idle"}"#,
    r#"{"type":"sync","room":"noisy","since":["abc",18446744073709551615]}"#,
    r#"{"type":"ping","id":-1.5e3}"#,
    r#"{"type":"auth","token":"eyJhbGciOiJub25lIn0.e30.","resume":"x"}"#,
    r#"{"type":"auth"}"#,
];

/// A masked frame, whole or spoilt.
fn frame(dice: &mut Dice) -> Vec<u8> {
    let mut text = TEMPLATES[dice.roll(TEMPLATES.len())].as_bytes().to_vec();
    for _ in 0..dice.roll(4) {
        if text.is_empty() {
            break;
        }
        let at = dice.roll(text.len());
        match dice.roll(4) {
            0 => text[at] = b" {}[]\",:0x"[dice.roll(10)],
            1 => drop(text.remove(at)),
            2 => text.insert(at, text[at]),
            _ => text.truncate(at + 1),
        }
    }
    let first = if dice.roll(40) == 0 { dice.roll(256) as u8 } else { 0x81 };
    let mask = [dice.roll(256) as u8, 7, 0, dice.roll(256) as u8];
    let mut bytes = vec![first];
    match u8::try_from(text.len()).ok().filter(|length| *length < 126) {
        Some(length) => bytes.push(0x80 | length),
        None => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
        }
    }
    bytes.extend(mask);
    bytes.extend(text.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    if dice.roll(30) == 0 {
        let keep = dice.roll(bytes.len());
        bytes.truncate(keep);
    }
    bytes
}

async fn noisy(server: Arc<TestServer>, seed: u64) {
    let mut dice = Dice(seed * 2_654_435_761 + 1);
    let dialect = ["board.v1", "herenow.v1"][dice.roll(2)];
    let mut bearer = token(&format!("noise-{}", seed % 5));
    if dice.roll(10) == 0 {
        let at = dice.roll(bearer.len());
        bearer.truncate(at);
    }
    let head = format!(
        "GET /ws?token={bearer} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: {dialect}\r\n\r\n",
        server.address
    );
    let mut bytes = head.into_bytes();
    for _ in 0..dice.roll(40) {
        bytes.extend(frame(&mut dice));
    }
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    // Whatever is answered is read, so that the server is never the one that waits.
    let read = tokio::spawn(async move {
        let mut buffer = vec![0; 4096];
        while matches!(reading.read(&mut buffer).await, Ok(bytes) if bytes > 0) {}
    });
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let (piece, after) = rest.split_at((1 + dice.roll(300)).min(rest.len()));
        // A server that has closed takes no more.
        if writing.write_all(piece).await.is_err() {
            break;
        }
        rest = after;
    }
    drop(writing);
    tokio::time::timeout(LIMIT, read).await.expect("the server ends what the client has ended").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn noise_on_many_connections_leaves_the_room_and_the_server_as_they_were() {
    for shards in SHARDS {
        let server = TestServer::start(|config| {
            config.server.shards = Some(shards);
            config.presence.leave_grace = Duration::from_millis(50);
            config.presence.drop_grace = Duration::from_millis(50);
            config.presence.typing_lease = Duration::from_millis(200);
            config.presence.resume_window = Duration::from_millis(50);
        })
        .await;
        let server = Arc::new(server);
        let mut bob = server.board_in("bob", "noisy").await;
        let bobs = tokio::spawn(async move {
            loop {
                let frame = bob.hear().await;
                if frame["type"] == "marker" {
                    return bob;
                }
            }
        });
        for batch in 0..8 {
            let crowd: JoinSet<_> = (0..50).map(|n| noisy(Arc::clone(&server), 1 + batch * 50 + n)).collect();
            crowd.join_all().await;
        }
        server.mark("noisy", 1).await;
        let mut bob = bobs.await.unwrap();
        bob.close(Some(1000)).await;
        assert_eq!(server.rest().await, ShardLoad::default(), "{shards} shards");
        let url = server.bearing(&token("alice"));
        let mut alice = crate::common::Peer(raw::connect(&url).open().await.unwrap());
        assert_eq!(alice.hear().await["type"], "connected");
        assert_eq!(alice.join("noisy").await["viewers"], json!([{"userId":"alice","name":"Alice"}]));
    }
}
