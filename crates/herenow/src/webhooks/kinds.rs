//! Which events there are, and sets of them.

/// What a backend can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventKind {
    /// The first user came into a room.
    RoomOccupied,
    /// The last user left a room.
    RoomVacated,
    /// A user came into a room.
    UserJoined,
    /// A user is no longer in a room.
    UserLeft,
    /// The name, status or state of a user in a room changed.
    UserUpdated,
    /// The first session of a user is here, in whatever rooms or none.
    UserOnline,
    /// The last session of a user is gone.
    UserOffline,
}

impl EventKind {
    /// All, in the order in which they are written.
    pub const ALL: [Self; 7] = [
        Self::RoomOccupied,
        Self::RoomVacated,
        Self::UserJoined,
        Self::UserLeft,
        Self::UserUpdated,
        Self::UserOnline,
        Self::UserOffline,
    ];

    /// Its name, in the configuration as in what is sent.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RoomOccupied => "room_occupied",
            Self::RoomVacated => "room_vacated",
            Self::UserJoined => "user_joined",
            Self::UserLeft => "user_left",
            Self::UserUpdated => "user_updated",
            Self::UserOnline => "user_online",
            Self::UserOffline => "user_offline",
        }
    }

    /// The event of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of events. `Default`: all but [`EventKind::UserUpdated`], of which there are many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventKinds(u8);

impl EventKinds {
    /// Whether an event is one of them.
    pub const fn contains(self, kind: EventKind) -> bool {
        self.0 & kind.bit() != 0
    }

    /// Those that are in it, in order.
    pub fn iter(self) -> impl Iterator<Item = EventKind> {
        EventKind::ALL.into_iter().filter(move |kind| self.contains(*kind))
    }
}

impl FromIterator<EventKind> for EventKinds {
    fn from_iter<I: IntoIterator<Item = EventKind>>(kinds: I) -> Self {
        Self(kinds.into_iter().fold(0, |bits, kind| bits | kind.bit()))
    }
}

impl Default for EventKinds {
    fn default() -> Self {
        EventKind::ALL.into_iter().filter(|kind| *kind != EventKind::UserUpdated).collect()
    }
}
