//! The words of the core's enums on the wire, the same in all dialects.
use herenow_core::{
    command::{Interest, Reason},
    event::Gear,
    profile::Status,
};

/// Why a user is no longer in a room.
pub const fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Left => "left",
        Reason::Closed => "closed",
        Reason::Lost => "lost",
        Reason::TimedOut => "timeout",
        Reason::Kicked => "kicked",
        Reason::Expired => "expired",
        Reason::Drained => "drained",
        Reason::NodeLost => "node_lost",
    }
}

/// What a session, or a user in a room, is up to.
pub const fn status(status: Status) -> &'static str {
    match status {
        Status::Active => "active",
        Status::Idle => "idle",
    }
}

/// Of a user in whatever room or none; `None` is offline.
pub const fn dot(of: Option<Status>) -> &'static str {
    match of {
        Some(online) => status(online),
        None => "offline",
    }
}

/// The status of a word; `offline` is none.
pub fn parse_status(word: &str) -> Option<Status> {
    [Status::Active, Status::Idle].into_iter().find(|&known| status(known) == word)
}

/// How a room tells its news.
pub const fn gear(gear: Gear) -> &'static str {
    match gear {
        Gear::Live => "live",
        Gear::Batched => "batched",
        Gear::Crowd => "crowd",
    }
}

/// How much of a room's news is heard.
pub const fn interest(interest: Interest) -> &'static str {
    match interest {
        Interest::Auto => "auto",
        Interest::Full => "full",
        Interest::Count => "count",
        Interest::None => "none",
        Interest::Listed => "listed",
    }
}

/// `listed` is no word of a client: the board dialect implies it.
pub fn parse_interest(word: &str) -> Option<Interest> {
    [Interest::Auto, Interest::Full, Interest::Count, Interest::None].into_iter().find(|&known| interest(known) == word)
}
