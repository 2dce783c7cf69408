//! Why somebody is no longer in a room, and how long their entry outlives the connection for it.
use crate::limits::Limits;
use std::time::Duration;

/// Why a user is no longer in a room, as others are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// They left, by `leave` or by a close that meant it.
    Left,
    /// Their page went away and did not come back within grace.
    Closed,
    /// Their connection broke and did not come back within grace.
    Lost,
    /// They did not answer a ping.
    TimedOut,
    /// They were put out.
    Kicked,
    /// Their token expired.
    Expired,
    /// Their node stopped and they did not come back within grace.
    Drained,
    /// Their node gives no sign of life any more, and they did not come back within grace.
    NodeLost,
}

impl Reason {
    /// How long an entry outlives a connection that ended for this reason.
    pub const fn grace(self, limits: &Limits) -> Duration {
        match self {
            Self::Left | Self::TimedOut | Self::Kicked | Self::Expired | Self::NodeLost => Duration::ZERO,
            Self::Closed => limits.grace_closed,
            Self::Lost => limits.grace_lost,
            Self::Drained => limits.grace_drained,
        }
    }
}
