//! How much and how long: every number of the core that an operator may set.
use crate::rules::RoomRule;
use std::{sync::Arc, time::Duration};

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
    /// How long a session that lost its place keeps what it shared there, counted from the end of its connection.
    /// Default 60 s.
    pub resume_window: Duration,
    /// Bytes of what sessions shared that lost their places, in all rooms of a hub, about; what comes above is not kept.
    /// Default 1 MiB.
    pub keepsake_bytes_max: usize,
    /// How long it is known of a user who is offline when they were last seen; zero: not at all. Default zero.
    pub last_seen_ttl: Duration,
    /// To what whole time it is rounded down when a user was last seen, so that no more is told. Default 1 day.
    pub last_seen_grain: Duration,
    /// Users of whom it is known when they were last seen; the one who was seen first makes room. Default 100,000.
    pub last_seen_max: usize,
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
    /// Users that may be in one room at once; who is in it already may come with more sessions. Default: no limit.
    pub viewers_max: usize,
    /// Changes that a room remembers, for clients that come back with `since`. Default 256.
    pub log_changes_max: usize,
    /// Locks that are held in one room at once. Default 1,000.
    pub locks_per_room_max: usize,
    /// Locks that one session may hold or wait for in one room. Default 32.
    pub locks_per_session_max: usize,
    /// Sessions that may wait for one lock. Default 100.
    pub lock_waiters_max: usize,
    /// Users of whom one session is told whether they are online. Default 1,000.
    pub watched_per_session_max: usize,
    /// Time between two batches of cursors of a room. Default 50 ms: 20 a second.
    pub cursor_tick: Duration,
    /// Users that are kept out of rooms at once, in all rooms of a hub. Default 10,000; the block that ends first makes room.
    pub blocks_max: usize,
    /// When a room changes gear.
    pub gears: Gears,
    /// What is different in some rooms; of several rules that name a room, the first holds. Default none.
    pub rooms: Arc<[RoomRule]>,
}

/// When a room changes gear, and how it paces its news.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gears {
    /// Viewers above which changes are told in ticks. Default 100.
    pub batched_above: usize,
    /// Viewers down to which changes are told at once again. Must stay below `batched_above`. Default 80.
    pub live_below: usize,
    /// Viewers above which only counts and faces are told. Default 1,000.
    pub crowd_above: usize,
    /// Viewers down to which lists are told again. Must stay below `crowd_above`. Default 800.
    pub batched_below: usize,
    /// Viewers above which not even those hear lists who asked for them. Default 10,000.
    pub full_above: usize,
    /// Viewers down to which those hear lists again. Must stay below `full_above`. Default 8,000.
    pub full_below: usize,
    /// Time from the first telling after quiet to the second, where changes go on; from there on it doubles up to the tick.
    /// Larger: a storm of joins costs fewer frames; smaller: its end is told sooner. Default 10 ms.
    pub spacing_first: Duration,
    /// Longest time between two tellings where the room has just left `live`. Default 100 ms.
    pub tick_min: Duration,
    /// Longest time between two tellings where the room is about to enter `crowd`. Default 500 ms.
    pub tick_max: Duration,
    /// Longest time between two tellings in `crowd`, and over which rosters are spread when it ends. Default 2 s.
    pub crowd_tick: Duration,
}

impl Default for Gears {
    fn default() -> Self {
        Self {
            batched_above: 100,
            live_below: 80,
            crowd_above: 1_000,
            batched_below: 800,
            full_above: 10_000,
            full_below: 8_000,
            spacing_first: Duration::from_millis(10),
            tick_min: Duration::from_millis(100),
            tick_max: Duration::from_millis(500),
            crowd_tick: Duration::from_secs(2),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            grace_closed: Duration::from_secs(5),
            grace_lost: Duration::from_secs(10),
            grace_drained: Duration::from_secs(30),
            resume_window: Duration::from_secs(60),
            keepsake_bytes_max: 1 << 20,
            last_seen_ttl: Duration::ZERO,
            last_seen_grain: Duration::from_secs(24 * 3600),
            last_seen_max: 100_000,
            typing_lease: Duration::from_secs(6),
            typing_targets_max: 8,
            state_bytes_max: 4096,
            state_keys_max: 64,
            rooms_per_session_max: 50,
            viewers_max: usize::MAX,
            log_changes_max: 256,
            locks_per_room_max: 1_000,
            locks_per_session_max: 32,
            lock_waiters_max: 100,
            watched_per_session_max: 1_000,
            cursor_tick: Duration::from_millis(50),
            blocks_max: 10_000,
            gears: Gears::default(),
            rooms: Arc::default(),
        }
    }
}
