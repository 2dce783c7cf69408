//! The words of the core's enums on the wire, the same in all dialects.
use herenow_core::{
    command::{Interest, Reason},
    event::Gear,
    profile::Status,
};

pub(crate) const fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Left => "left",
        Reason::Closed => "closed",
        Reason::Lost => "lost",
        Reason::TimedOut => "timeout",
        Reason::Kicked => "kicked",
        Reason::Expired => "expired",
        Reason::Drained => "drained",
    }
}

pub(crate) const fn status(status: Status) -> &'static str {
    match status {
        Status::Active => "active",
        Status::Idle => "idle",
    }
}

/// Of a user in whatever room or none; `None` is offline.
pub(crate) const fn dot(of: Option<Status>) -> &'static str {
    match of {
        Some(online) => status(online),
        None => "offline",
    }
}

pub(crate) fn parse_status(word: &str) -> Option<Status> {
    [Status::Active, Status::Idle].into_iter().find(|&known| status(known) == word)
}

pub(crate) const fn gear(gear: Gear) -> &'static str {
    match gear {
        Gear::Live => "live",
        Gear::Batched => "batched",
        Gear::Crowd => "crowd",
    }
}

pub(crate) const fn interest(interest: Interest) -> &'static str {
    match interest {
        Interest::Auto => "auto",
        Interest::Full => "full",
        Interest::Count => "count",
        Interest::None => "none",
        Interest::Listed => "listed",
    }
}

/// `listed` is no word of a client: the board dialect implies it.
pub(crate) fn parse_interest(word: &str) -> Option<Interest> {
    [Interest::Auto, Interest::Full, Interest::Count, Interest::None].into_iter().find(|&known| interest(known) == word)
}
