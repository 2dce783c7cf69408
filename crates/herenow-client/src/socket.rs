//! Opens a WebSocket over plain TCP, and says how one ended. What is sent over it is left to others.
use crate::error::{ConnectError, Ended};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        self, Message,
        client::IntoClientRequest,
        http::{HeaderName, HeaderValue, Request, header::SEC_WEBSOCKET_PROTOCOL},
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

/// A WebSocket over plain TCP.
pub(crate) type Socket = WebSocketStream<TcpStream>;

/// Where to connect, and with what.
#[derive(Clone, Debug)]
pub(crate) struct Dial {
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) protocols: Vec<String>,
    /// For the whole of connecting and upgrading.
    pub(crate) limit: Duration,
}

impl Dial {
    pub(crate) fn new(url: &str) -> Self {
        Self { url: url.to_owned(), headers: Vec::new(), protocols: Vec::new(), limit: Duration::from_secs(10) }
    }

    /// Connects and upgrades; also says which subprotocol the server chose.
    pub(crate) async fn open(&self) -> Result<(Socket, Option<String>), ConnectError> {
        let opening = async {
            let request = self.request()?;
            let bad_url = || ConnectError::Url { url: self.url.clone() };
            let host = request.uri().host().ok_or_else(bad_url)?.trim_matches(['[', ']']).to_owned();
            let port = request.uri().port_u16().unwrap_or(80);
            let stream = TcpStream::connect((host, port)).await.map_err(ConnectError::Io)?;
            // Small frames must leave at once; failing to say so only costs latency.
            let _ = stream.set_nodelay(true);
            client_async(request, stream).await.map_err(refused_upgrade)
        };
        let opened = tokio::time::timeout(self.limit, opening).await;
        let (socket, response) = opened.map_err(|_| ConnectError::TimedOut { limit: self.limit })??;
        let protocol = response.headers().get(SEC_WEBSOCKET_PROTOCOL);
        Ok((socket, protocol.and_then(|value| value.to_str().ok()).map(str::to_owned)))
    }

    fn request(&self) -> Result<Request<()>, ConnectError> {
        let bad_url = || ConnectError::Url { url: self.url.clone() };
        let url = match self.url.strip_prefix("http://") {
            Some(rest) => format!("ws://{rest}"),
            None => self.url.clone(),
        };
        if !url.starts_with("ws://") {
            return Err(bad_url());
        }
        let mut request = url.into_client_request().map_err(|_| bad_url())?;
        let mut headers = self.headers.clone();
        if !self.protocols.is_empty() {
            headers.push((SEC_WEBSOCKET_PROTOCOL.to_string(), self.protocols.join(", ")));
        }
        for (name, value) in headers {
            let bad = || ConnectError::Header { name: name.clone() };
            let header = HeaderName::try_from(&name).map_err(|_| bad())?;
            request.headers_mut().insert(header, HeaderValue::try_from(&value).map_err(|_| bad())?);
        }
        Ok(request)
    }
}

/// The message that closes with a code, or without one.
pub(crate) fn close_message(code: Option<u16>) -> Message {
    Message::Close(code.map(|code| CloseFrame { code: CloseCode::from(code), reason: "".into() }))
}

/// What a close frame of the server says.
pub(crate) fn closed(frame: Option<CloseFrame>) -> Ended {
    match frame {
        Some(frame) => Ended::Closed { code: Some(frame.code.into()), reason: frame.reason.to_string() },
        None => Ended::Closed { code: None, reason: String::new() },
    }
}

/// What the end of the stream, or an error on it, says.
pub(crate) fn cut(error: Option<tungstenite::Error>) -> Ended {
    Ended::Cut { cause: error.map_or_else(|| "end of stream".to_owned(), |error| error.to_string()) }
}

/// Drops a connection with a reset instead of a close: what a killed process or a cut cable looks like.
pub(crate) fn abort(socket: Socket) {
    // Without the option the drop below sends an orderly end of stream: the next mildest way to be gone.
    let _ = socket.get_ref().set_zero_linger();
    drop(socket);
}

fn refused_upgrade(error: tungstenite::Error) -> ConnectError {
    match error {
        tungstenite::Error::Http(response) => ConnectError::Status {
            status: response.status().as_u16(),
            body: response.body().as_deref().map(String::from_utf8_lossy).unwrap_or_default().into_owned(),
        },
        tungstenite::Error::Io(error) => ConnectError::Io(error),
        other => ConnectError::Handshake(Box::new(other)),
    }
}
