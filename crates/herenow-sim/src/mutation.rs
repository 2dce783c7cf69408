//! Faults that can be planted, to show that the checks find them.

macro_rules! mutations {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// A planted fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mutation {
            $($(#[doc = $doc])* $name,)*
        }

        impl Mutation {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// What is wrong, in words.
            pub const fn claim(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),*).trim_ascii_start(),)*
                }
            }
        }
    };
}

mutations! {
    /// The late close of an old connection ends the newer session of the user.
    LateCloseHitsNewer,
    /// The end of a connection is forgotten where its user has another one.
    CloseForgotten,
    /// A kick does nothing.
    KickIgnored,
    /// A user who comes back within grace is put out all the same.
    GraceNotCancelled,
    /// What is due is done only when something else happens.
    DeadlinesSlept,
    /// An update changes the entry of another session in the room.
    WrongEntry,
    /// A second tab is refused where a room is full.
    SecondTabRefused,
    /// A room takes one user more in than the limit says.
    OneViewerTooMany,
    /// A session may be in one room more than the limit says.
    OneRoomTooMany,
    /// A room remembers one change more than the limit says.
    LogTooLong,
    /// Who joins gets the diff of its own turn, before the roster.
    DiffBeforeRoster,
    /// A diff says a version too high.
    VersionSkipped,
    /// A diff is lost on one of its ways.
    DiffDropped,
    /// A leave is told twice.
    LeaveToldTwice,
    /// A leave is told with another reason.
    ReasonWrong,
    /// A second tab is told as joined.
    SecondTabJoined,
    /// A roster is that of an older version.
    StaleRoster,
    /// A diff counts one user too many.
    CountOffByOne,
    /// The end of typing is not told.
    TypingOffDropped,
    /// A user's own tabs are told of their typing.
    OwnTypingTold,
    /// An answer is lost.
    AckLost,
    /// An answer is given twice.
    AckTwice,
    /// A connection that ended still gets what its room says.
    EndedStillTold,
    /// A message reaches somebody that it was not for.
    MessageMisrouted,
    /// Two frames of one connection change places on their way.
    FramesSwapped,
    /// A frame that changes the roster is lost between node and client, without the connection breaking.
    FrameLost,
    /// Something is not said to a slow reader, and the hub is not told that it fell behind.
    BehindUnmarked,
    /// Who has fallen behind is told news all the same.
    BehindStillTold,
    /// A crowd counts one user too many.
    CrowdCountOff,
    /// A room changes gear one viewer too late.
    GearLate,
    /// News are told each turn, however many listen.
    TickIgnored,
    /// The second change after quiet waits for the tick.
    SpacingWhole,
    /// News are told 10 ms apart, however long changes go on.
    SpacingNotGrown,
    /// Somebody gets no roster when a crowd ends.
    NoRosterAfterCrowd,
    /// The locks are left out where a crowd's count should name them.
    CrowdLocksLeftOut,
    /// Typing goes on when a room becomes a crowd.
    TypingKeptInCrowd,
    /// The sessions of a user are not told anew.
    SessionsNotTold,
    /// A lock stays with a session that left.
    LockKept,
    /// A lock is given under the number of its last holder.
    FenceReused,
    /// Somebody who waits for a lock is passed over.
    WaiterSkipped,
    /// A pointer that was hidden is shown again.
    CursorReplayed,
    /// A hidden pointer is not told.
    CursorNotHidden,
    /// A user who goes offline is not told to somebody who watches.
    DotOfflineNotTold,
    /// A reload is told as news of a user's dot.
    DotFlickers,
    /// Who was kicked for a while may come back at once.
    BlockForgotten,
    /// A session that goes on is told no more of those whom it watches.
    WatchesForgotten,
    /// A session that was idle is active once it goes on.
    StatusForgotten,
}
