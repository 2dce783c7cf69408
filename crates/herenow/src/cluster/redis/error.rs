//! What goes wrong between a node and its Redis.
use redis::{ErrorKind, RedisError, ServerErrorKind};
use std::fmt;

/// Why a call came to nothing, or nobody knows what it came to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CallError {
    /// The connection is gone, or is of no use: cut, no answer in time, a primary that was demoted, a server that loads its
    /// data. What was asked may have been done or not. Connect anew.
    Lost(String),
    /// The server refused this call, or answered nonsense; the connection is good.
    Refused(String),
}

impl CallError {
    /// Whether nothing more is to be asked over the connection.
    pub const fn is_lost(&self) -> bool {
        matches!(self, Self::Lost(_))
    }

    pub(crate) fn nonsense(what: &str) -> Self {
        Self::Refused(format!("the server's answer to {what} is none"))
    }
}

impl From<RedisError> for CallError {
    fn from(error: RedisError) -> Self {
        let text = error.to_string();
        match error.kind() {
            ErrorKind::Server(
                ServerErrorKind::ReadOnly
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::BusyLoading
                | ServerErrorKind::Moved
                | ServerErrorKind::Ask,
            ) => Self::Lost(text),
            ErrorKind::Server(_) | ErrorKind::Extension if error.code() != Some("NOAUTH") => Self::Refused(text),
            _ => Self::Lost(text),
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(why) => write!(f, "the connection to Redis is lost: {why}"),
            Self::Refused(why) => write!(f, "Redis refused a call: {why}"),
        }
    }
}

impl std::error::Error for CallError {}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectError {
    /// Nobody answers there, or not in time. Passes by itself, or not.
    Unreachable(String),
    /// The password or the user is wrong, or the user may not do what is needed.
    Denied(String),
    /// The server is too old.
    TooOld(String),
    /// The nodes there spread rooms, or write entries, in another way.
    OtherFormat(String),
}

impl ConnectError {
    /// A stable word for it, for `/readyz` and metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "redis.unreachable",
            Self::Denied(_) => "redis.denied",
            Self::TooOld(_) => "redis.too_old",
            Self::OtherFormat(_) => "redis.other_format",
        }
    }
}

impl From<RedisError> for ConnectError {
    fn from(error: RedisError) -> Self {
        let text = error.to_string();
        let is_denied = error.kind() == ErrorKind::AuthenticationFailed
            || error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm)
            || matches!(error.code(), Some("WRONGPASS" | "NOAUTH" | "NOPERM"));
        if is_denied {
            return Self::Denied(text);
        }
        if error.kind() == ErrorKind::RESP3NotSupported {
            return Self::TooOld("a version before 6".to_owned());
        }
        Self::Unreachable(text)
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) => write!(f, "Redis cannot be reached: {why}"),
            Self::Denied(why) => write!(
                f,
                "Redis does not let this node in: {why}; the rights that its user needs are in docs/cluster.md"
            ),
            Self::TooOld(version) => {
                write!(f, "this Redis is {version}; Redis 7.0 or Valkey 7.2, or a later version, is needed")
            }
            Self::OtherFormat(theirs) => write!(
                f,
                "the nodes in this Redis write {theirs:?}, which this version does not; stop them first, or give this cluster \
                 another cluster.name"
            ),
        }
    }
}

impl std::error::Error for ConnectError {}
