//! How much and how long: every number of the core that an operator may set.
use std::time::Duration;

/// The limits and times of a hub. `Default` is what `SEMANTICS` promises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long an entry outlives a connection that said it goes away (reload, closed tab). Larger: a slow reload is
    /// no news; smaller: a closed tab is told sooner. Default 5 s.
    pub grace_closed: Duration,
    /// How long an entry outlives a connection that broke without a word. Default 10 s.
    pub grace_lost: Duration,
    /// How long an entry outlives a connection that this server ended because it is about to stop. Default 30 s.
    pub grace_drained: Duration,
    /// How long one `typing` counts without a repeat. Must stay above the client's throttle (3 s). Default 6 s.
    pub typing_lease: Duration,
    /// Targets that one session may type into at once, in one room. Default 8.
    pub typing_targets_max: usize,
    /// Bytes of a session's state in one room: keys and values as JSON. Default 4 KiB.
    pub state_bytes_max: usize,
    /// Keys of a session's state in one room. Default 64.
    pub state_keys_max: usize,
    /// Rooms that one session may be in at once. Default 50.
    pub rooms_per_session_max: usize,
    /// Changes that a room remembers, for clients that come back with `since`. Default 256.
    pub log_changes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            grace_closed: Duration::from_secs(5),
            grace_lost: Duration::from_secs(10),
            grace_drained: Duration::from_secs(30),
            typing_lease: Duration::from_secs(6),
            typing_targets_max: 8,
            state_bytes_max: 4096,
            state_keys_max: 64,
            rooms_per_session_max: 50,
            log_changes_max: 256,
        }
    }
}
