//! Why the core said no. A refusal is an answer to a client, not an error of ours.
use std::time::Duration;

/// Why a command was refused. Nothing changed where one is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The session is not in the room.
    NotJoined,
    /// The session only observes the room.
    OnlyObserving,
    /// The session is in as many rooms as it may be.
    TooManyRooms {
        /// Rooms it may be in.
        rooms_max: usize,
    },
    /// As many users are in the room as may be.
    RoomFull {
        /// Users that may be in it.
        viewers_max: usize,
    },
    /// The session types into as many targets of the room as it may.
    TooManyTargets {
        /// Targets it may type into at once.
        targets_max: usize,
    },
    /// The state would be larger than allowed after the patch.
    StateTooLarge {
        /// Bytes it would have.
        bytes: usize,
        /// Bytes it may have.
        bytes_max: usize,
    },
    /// The state would have more keys than allowed after the patch.
    StateTooManyKeys {
        /// Keys it may have.
        keys_max: usize,
    },
    /// Nobody is told who types in this room: the operator says so, or it has too many viewers.
    TypingOff,
    /// The session neither holds the lock nor waits for it.
    LockNotHeld,
    /// Whether the lock is free cannot be found out: the node is cut off from the others of its cluster.
    LockUnavailable,
    /// As many locks are held in the room, or by the session, or as many sessions wait for this one, as may be.
    TooManyLocks {
        /// How many may be.
        locks_max: usize,
    },
    /// The user was put out of the room and may not come back yet.
    Blocked {
        /// How long they have to wait.
        retry_after: Duration,
    },
    /// The session would be told of more users than it may be.
    TooManyWatched {
        /// How many it may be told of.
        watched_max: usize,
    },
    /// The session left the room before its join was answered.
    JoinCancelled,
}
