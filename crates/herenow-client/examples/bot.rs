//! A bot that sits in a room: greets who comes, and says when the last one has left.
//!
//! `HERENOW_TOKEN=$(herenow token --user bot --room board-1) cargo run -p herenow-client --example bot ws://127.0.0.1:4280/ws board-1`
#![expect(clippy::print_stdout, reason = "says what happens")]

use herenow_client::{
    client,
    error::{ConnectError, Ended, RequestError},
    roster::{Change, Outcome, RoomState},
};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(room)) = (arguments.next(), arguments.next()) else { return Err("say ADDRESS ROOM".into()) };
    let token = std::env::var("HERENOW_TOKEN").map_err(|_| "HERENOW_TOKEN holds no token")?;
    let ended = greet(&url, &token, &room, |line| println!("{line}")).await?;
    Err(format!("the connection ended: {ended}").into())
}

/// Greets people until the connection ends; says how it did. `print` is told what happens.
///
/// # Errors
/// Where the server does not let the bot in, or refuses what it does.
pub async fn greet(url: &str, token: &str, room: &str, print: impl Fn(String)) -> Result<Ended, BotError> {
    let (client, mut events) = client::connect(url).token(token).open().await.map_err(BotError::Connect)?;
    let mut state = RoomState::new(room);
    client.join(room).await.map_err(BotError::Request)?;
    loop {
        let frame = match events.next().await {
            Ok(frame) => frame,
            Err(ended) => return Ok(ended),
        };
        match state.apply(&frame) {
            Outcome::Synced(_) => print(format!("{} are in {room}", state.count().users)),
            Outcome::Changed(changes) => {
                for change in changes {
                    match change {
                        Change::Joined(viewer) => {
                            client.typing(room, None).await.map_err(BotError::Request)?;
                            let text = format!("Hello {}, you are number {}", viewer.user.name, state.count().users);
                            // It ends the typing as well.
                            let said = client.message(room, "said", &json!({ "text": text })).await;
                            said.map_err(BotError::Request)?;
                            print(text);
                        }
                        Change::Left { id, reason } => print(format!("{id} is gone ({reason})")),
                        _ => {}
                    }
                }
            }
            // The client has missed something: ask for what is true now.
            Outcome::Gap { .. } | Outcome::Contradiction { .. } => {
                client.sync(room, None).await.map_err(BotError::Request)?;
            }
            Outcome::Removed => return Err(BotError::Removed),
            Outcome::Unchanged | Outcome::Ignored => {}
        }
    }
}

/// Why the bot gave up.
#[derive(Debug)]
pub enum BotError {
    /// It was not let in.
    Connect(ConnectError),
    /// Something that it asked for was refused.
    Request(RequestError),
    /// It was put out of the room.
    Removed,
}

impl std::fmt::Display for BotError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connect(error) => write!(f, "not let in: {error}"),
            Self::Request(error) => write!(f, "refused: {error}"),
            Self::Removed => write!(f, "put out of the room"),
        }
    }
}

impl std::error::Error for BotError {}
