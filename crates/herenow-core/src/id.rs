//! Names for things. A room id is never a user id, and neither is a bare string.
use std::{fmt, sync::Arc};

/// Why a text is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdError {
    /// It has no characters.
    Empty,
    /// It has more bytes of UTF-8 than the id may have.
    TooLong {
        /// Bytes it has.
        bytes: usize,
        /// Bytes it may have.
        bytes_max: usize,
    },
    /// It holds a control character (Unicode category Cc).
    Control,
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "is empty"),
            Self::TooLong { bytes, bytes_max } => write!(f, "has {bytes} bytes, at most {bytes_max} are allowed"),
            Self::Control => write!(f, "holds a control character"),
        }
    }
}

impl std::error::Error for IdError {}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $bytes_max:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Length limit, in bytes of UTF-8.
            pub const BYTES_MAX: usize = $bytes_max;

            /// Takes a text that is not empty, within [`Self::BYTES_MAX`] and free of control characters.
            ///
            /// # Errors
            /// Says which of the three it is not.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                if text.is_empty() {
                    return Err(IdError::Empty);
                }
                if text.len() > Self::BYTES_MAX {
                    return Err(IdError::TooLong { bytes: text.len(), bytes_max: Self::BYTES_MAX });
                }
                if text.chars().any(char::is_control) {
                    return Err(IdError::Control);
                }
                Ok(Self(text.into()))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// What people look at together: a board, a document, a page.
    RoomId,
    255
);
text_id!(
    /// A person the app vouches for, however many tabs they have open.
    UserId,
    128
);
text_id!(
    /// What in a room somebody types into: a card, a field.
    Target,
    128
);

text_id!(
    /// The name of a lock in a room.
    LockName,
    128
);

impl RoomId {
    /// The room that says whether a user is online. Clients cannot name it: it begins with a control character.
    pub fn of_user(user: &UserId) -> Self {
        Self(format!("{OF_USER}{user}").into())
    }

    /// Whose room it is, where it is one of those.
    pub fn user(&self) -> Option<UserId> {
        self.0.strip_prefix(OF_USER).and_then(|user| UserId::parse(user).ok())
    }

    /// A room as the store of a cluster names it: one that a client may name, or one of a user.
    pub fn from_store(text: &str) -> Option<Self> {
        match text.strip_prefix(OF_USER) {
            Some(user) => UserId::parse(user).ok().map(|user| Self::of_user(&user)),
            None => Self::parse(text).ok(),
        }
    }
}

/// What the rooms of users begin with.
const OF_USER: char = '\u{1}';

/// One tab or device of a user; outlives a dropped connection by the grace period. Unique in the cluster: the
/// driver draws it at random.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Where the driver keeps the connection of a session. The core stores it and hands it back, nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionKey(pub u32);

/// The `id` that a client put on a frame, as raw JSON (a number or a string), so that the answer can carry it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub Arc<str>);
