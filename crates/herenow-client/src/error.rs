//! What can go wrong between a client and a server.
use crate::frame;
use std::{fmt, io, time::Duration};
use tokio_tungstenite::tungstenite;

/// Why no connection was opened. Nothing is left behind; retrying can help where the server or the network is at fault.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address is not `ws://` or `http://` with a host. Retrying does not help.
    Url {
        /// What was given.
        url: String,
    },
    /// A header or subprotocol cannot be sent as given. Retrying does not help.
    Header {
        /// The name of the header.
        name: String,
    },
    /// The TCP connection failed.
    Io(io::Error),
    /// The server answered the upgrade with another status than 101.
    Status {
        /// The HTTP status.
        status: u16,
        /// The start of the answer's body.
        body: String,
    },
    /// The server's side of the handshake breaks RFC 6455.
    Handshake(Box<tungstenite::Error>),
    /// The server refused the token, in an error frame before any welcome.
    Refused(Box<frame::Error>),
    /// The connection ended before a welcome.
    Ended(Ended),
    /// Something else than a welcome came first.
    NotWelcome {
        /// The frame, as text.
        text: String,
    },
    /// It took too long.
    TimedOut {
        /// How long it may take.
        limit: Duration,
    },
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url { url } => write!(f, "`{url}` is no address of the form ws://host:port/path"),
            Self::Header { name } => write!(f, "the value of header `{name}` cannot be sent"),
            Self::Io(_) => write!(f, "could not connect"),
            Self::Status { status, body } => write!(f, "the server answered {status} to the upgrade: {body}"),
            Self::Handshake(_) => write!(f, "the websocket handshake failed"),
            Self::Refused(error) => write!(f, "the server refused the connection: {}: {}", error.code, error.message),
            Self::Ended(ended) => write!(f, "the connection ended before a welcome: {ended}"),
            Self::NotWelcome { text } => write!(f, "a welcome was expected, this came: {text}"),
            Self::TimedOut { limit } => write!(f, "no connection within {} ms", limit.as_millis()),
        }
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Handshake(error) => Some(error.as_ref()),
            Self::Url { .. }
            | Self::Header { .. }
            | Self::Status { .. }
            | Self::Refused(_)
            | Self::Ended(_)
            | Self::NotWelcome { .. }
            | Self::TimedOut { .. } => None,
        }
    }
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// The server sent a close frame.
    Closed {
        /// Its code, if it named one.
        code: Option<u16>,
        /// Its words; often empty.
        reason: String,
    },
    /// The connection broke without a close frame.
    Cut {
        /// What the operating system or the codec said.
        cause: String,
    },
    /// This side closed or aborted it.
    Local,
    /// The caller did not take the events while more and more came.
    EventsFull {
        /// Events that may wait.
        events_max: usize,
    },
    /// A frame of a known type did not have the fields it must have.
    Unreadable {
        /// The frame, as text.
        text: String,
        /// What is wrong with it.
        cause: String,
    },
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { code: Some(code), reason } => write!(f, "the server closed with {code} `{reason}`"),
            Self::Closed { code: None, .. } => write!(f, "the server closed without a code"),
            Self::Cut { cause } => write!(f, "the connection was cut: {cause}"),
            Self::Local => write!(f, "this side ended the connection"),
            Self::EventsFull { events_max } => write!(f, "{events_max} events waited and nobody took them"),
            Self::Unreadable { text, cause } => write!(f, "unreadable frame ({cause}): {text}"),
        }
    }
}

impl std::error::Error for Ended {}

/// Why a request has no good answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RequestError {
    /// The server said no. Nothing changed there; its `code` says whether retrying helps.
    Refused(Box<frame::Error>),
    /// The connection ended first. Whether the server acted on the request is unknown.
    Ended(Ended),
    /// No answer in time. Whether the server acted on the request is unknown; a late answer comes as an event.
    TimedOut {
        /// How long an answer may take.
        limit: Duration,
    },
    /// The answer is of a kind that does not fit the request: a bug of the server or of this crate.
    Unexpected(Box<frame::ServerFrame>),
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => write!(f, "refused: {}: {}", error.code, error.message),
            Self::Ended(ended) => write!(f, "no answer: {ended}"),
            Self::TimedOut { limit } => write!(f, "no answer within {} ms", limit.as_millis()),
            Self::Unexpected(frame) => write!(f, "an answer that does not fit: {frame:?}"),
        }
    }
}

impl std::error::Error for RequestError {}
