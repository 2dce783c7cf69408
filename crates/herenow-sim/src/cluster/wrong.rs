//! Corrections that can be taken out of the algorithm, or out of its surroundings, to show that each is missed.

macro_rules! wrongs {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// A correction that is taken out.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Wrong {
            $($(#[doc = $doc])* $name,)*
        }

        impl Wrong {
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

wrongs! {
    /// The store takes every write, whatever its stamp.
    NoStampGuard,
    /// News are numbered, instead of naming the write before them.
    PlainVersion,
    /// Nobody audits.
    NoAudit,
    /// An audit does not look at the node's own stamp.
    NoOwnStampAudit,
    /// An audit does not look at the last write of the room.
    NoCursorAudit,
    /// A section that the store has lost is dropped at once.
    NoHold,
    /// A section that is in an older state than known is taken back to it.
    OlderTaken,
    /// A node whose sign is missing is dead.
    MissingIsDead,
    /// A claim fences a node whose sign has changed.
    ClaimUnseen,
    /// A reap ends the section of a later incarnation as well.
    ReapIgnoresIncarnation,
    /// A node that was fenced tells again what it has, without asking its sockets.
    NoRevalidation,
    /// A node that was fenced does not hear of its new incarnation.
    IncarnationLost,
    /// A dead node's sections are never ended.
    DeadNotReaped,
    /// Rooms of a dead node that nobody here is in are not looked for.
    NoIndex,
    /// Sections of nodes that nobody knows are not looked for.
    NoSweeper,
    /// A section that is written anew keeps what was in it.
    SyncMerges,
    /// The silence of the store counts as the silence of the others.
    StoreSilenceCounts,
    /// A write whose outcome nobody knows is taken as done, and the audit does not see it.
    UnknownIsDone,
    /// News that do not follow are taken in as if they did.
    GapsIgnored,
}
