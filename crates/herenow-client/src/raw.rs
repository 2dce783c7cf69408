//! A WebSocket that carries bare texts: for the board dialect, and for input that no decent client would send.
//!
//! It answers pings while somebody waits in [`RawClient::next`]; it does nothing in the background.
use crate::{
    error::{ConnectError, Ended},
    socket::{self, Dial, Socket},
};
use futures_util::{SinkExt, StreamExt};
use std::{fmt, io, time::Duration};
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::{self, Message};

/// Starts a connection to `ws://host:port/path` (or `http://...`).
pub fn connect(url: &str) -> RawConnector {
    RawConnector { dial: Dial::new(url) }
}

/// What is settled before a raw connection is opened.
#[derive(Clone, Debug)]
pub struct RawConnector {
    dial: Dial,
}

impl RawConnector {
    /// Adds a request header; it replaces one of the same name.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.dial.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Offers a subprotocol; called again, offers one more. Without any, none is offered.
    pub fn protocol(mut self, protocol: &str) -> Self {
        self.dial.protocols.push(protocol.to_owned());
        self
    }

    /// How long connecting and upgrading may take in all. Default 10 s.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.dial.limit = limit;
        self
    }

    /// Connects and upgrades. Reads nothing yet.
    ///
    /// # Errors
    /// Where the address, the network or the server does not allow it.
    pub async fn open(self) -> Result<RawClient, ConnectError> {
        let (socket, protocol) = self.dial.open().await?;
        Ok(RawClient { socket, protocol })
    }
}

/// An open raw connection. Dropping it ends the TCP stream without a close frame, which a server takes for `lost`.
#[derive(Debug)]
pub struct RawClient {
    socket: Socket,
    protocol: Option<String>,
}

/// One thing that a raw connection receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawFrame {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
    /// A ping; its pong is sent already.
    Ping(Vec<u8>),
    /// A pong.
    Pong(Vec<u8>),
    /// The connection ended; nothing comes after it.
    Ended(Ended),
}

/// Why a raw connection did not receive what was waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RawError {
    /// Nothing came in time.
    TimedOut {
        /// How long was waited.
        limit: Duration,
    },
    /// Something else came.
    Unexpected(RawFrame),
}

impl fmt::Display for RawError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut { limit } => write!(f, "nothing came within {} ms", limit.as_millis()),
            Self::Unexpected(frame) => write!(f, "something else came: {frame:?}"),
        }
    }
}

impl std::error::Error for RawError {}

impl RawClient {
    /// The subprotocol that the server chose.
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    /// Sends a text message.
    ///
    /// # Errors
    /// Where the connection is gone.
    pub async fn text(&mut self, text: &str) -> io::Result<()> {
        self.send(Message::text(text)).await
    }

    /// Sends a binary message.
    ///
    /// # Errors
    /// Where the connection is gone.
    pub async fn binary(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.send(Message::binary(bytes.to_vec())).await
    }

    /// Sends a ping with a payload of at most 125 bytes.
    ///
    /// # Errors
    /// Where the connection is gone.
    pub async fn ping(&mut self, payload: &[u8]) -> io::Result<()> {
        self.send(Message::Ping(payload.to_vec().into())).await
    }

    /// Sends bytes below the framing: for frames that break RFC 6455.
    ///
    /// # Errors
    /// Where the connection is gone.
    pub async fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        let stream = self.socket.get_mut();
        stream.write_all(bytes).await?;
        stream.flush().await
    }

    /// Sends a close frame with a code, or without one. The server's answer is then the next [`RawFrame::Ended`].
    ///
    /// # Errors
    /// Where the connection is gone.
    pub async fn close(&mut self, code: Option<u16>) -> io::Result<()> {
        self.send(socket::close_message(code)).await
    }

    /// Cuts the connection with a TCP reset and no close frame.
    pub fn abort(self) {
        socket::abort(self.socket);
    }

    /// The next thing that comes, control frames included.
    ///
    /// # Errors
    /// [`RawError::TimedOut`] only. Losing the wait loses nothing: the next call continues.
    pub async fn next(&mut self, limit: Duration) -> Result<RawFrame, RawError> {
        let next = tokio::time::timeout(limit, self.socket.next()).await;
        let message = next.map_err(|_| RawError::TimedOut { limit })?;
        Ok(match message {
            Some(Ok(Message::Text(text))) => RawFrame::Text(text.to_string()),
            Some(Ok(Message::Binary(bytes))) => RawFrame::Binary(bytes.to_vec()),
            Some(Ok(Message::Ping(payload))) => RawFrame::Ping(payload.to_vec()),
            Some(Ok(Message::Pong(payload))) => RawFrame::Pong(payload.to_vec()),
            Some(Ok(Message::Close(frame))) => {
                // Lets the answer to the close leave; the server may be gone by now, which is no news.
                let _ = self.socket.flush().await;
                RawFrame::Ended(socket::closed(frame))
            }
            Some(Ok(Message::Frame(frame))) => RawFrame::Binary(frame.into_payload().to_vec()),
            Some(Err(error)) => RawFrame::Ended(socket::cut(Some(error))),
            None => RawFrame::Ended(socket::cut(None)),
        })
    }

    /// The next text message; pings and pongs before it are passed over.
    ///
    /// # Errors
    /// Where it does not come within `limit`, or a binary message or the end of the connection comes first.
    pub async fn next_text(&mut self, limit: Duration) -> Result<String, RawError> {
        match self.next_news(limit).await? {
            RawFrame::Text(text) => Ok(text),
            other => Err(RawError::Unexpected(other)),
        }
    }

    /// Waits for the end of the connection; messages, pings and pongs before it are passed over.
    ///
    /// # Errors
    /// Where it does not end within `limit`.
    pub async fn ended(&mut self, limit: Duration) -> Result<Ended, RawError> {
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            match self.next(left).await {
                Ok(RawFrame::Ended(ended)) => return Ok(ended),
                Ok(RawFrame::Text(_) | RawFrame::Binary(_) | RawFrame::Ping(_) | RawFrame::Pong(_)) => {}
                Err(_) => return Err(RawError::TimedOut { limit }),
            }
        }
    }

    async fn next_news(&mut self, limit: Duration) -> Result<RawFrame, RawError> {
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            match self.next(left).await {
                Ok(RawFrame::Ping(_) | RawFrame::Pong(_)) => {}
                Ok(news) => return Ok(news),
                Err(_) => return Err(RawError::TimedOut { limit }),
            }
        }
    }

    async fn send(&mut self, message: Message) -> io::Result<()> {
        self.socket.send(message).await.map_err(|error| match error {
            tungstenite::Error::Io(error) => error,
            other => io::Error::new(io::ErrorKind::NotConnected, other.to_string()),
        })
    }
}
