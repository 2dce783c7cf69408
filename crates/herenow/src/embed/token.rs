//! Tokens that the program around an embedded server hands to its own users.
use crate::auth::{
    mint::{Signer, TokenRequest},
    rights::Rights,
};
use herenow_core::{
    id::{IdError, UserId},
    pattern::{Pattern, PatternError},
};
use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A token that is not signed yet.
#[derive(Clone, Debug)]
#[must_use = "it is signed by `mint`"]
pub struct NewToken {
    signer: Arc<Signer>,
    user: String,
    name: Option<String>,
    avatar: Option<String>,
    rooms: Vec<(String, Rights)>,
    is_invisible: bool,
    ttl: Duration,
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenError {
    /// The user's id is none.
    User(IdError),
    /// A room, or a pattern of rooms, is none.
    Room(PatternError),
}

impl NewToken {
    pub(super) fn new(signer: Arc<Signer>, user: &str) -> Self {
        Self {
            signer,
            user: user.to_owned(),
            name: None,
            avatar: None,
            rooms: Vec::new(),
            is_invisible: false,
            ttl: TTL_DEFAULT,
        }
    }

    /// What others see; by default the user's id.
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Address of a picture.
    pub fn avatar(mut self, address: &str) -> Self {
        self.avatar = Some(address.to_owned());
        self
    }

    /// Lets the user into a room, or into all that a pattern such as `board-*` fits, to see, type, write and update.
    pub fn room(self, pattern: &str) -> Self {
        self.room_with(pattern, Rights::DEFAULT)
    }

    /// As [`Self::room`], with these rights.
    pub fn room_with(mut self, pattern: &str, rights: Rights) -> Self {
        self.rooms.push((pattern.to_owned(), rights));
        self
    }

    /// Lets the user see who is there without being seen: in no roster, count, dot or event.
    pub fn invisible(mut self) -> Self {
        self.is_invisible = true;
        self
    }

    /// How long it is good for, in whole seconds; by default 1 hour. The SDK asks for the next one in time.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Signs it.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn mint(self) -> Result<String, TokenError> {
        let Self { signer, user, name, avatar, rooms, is_invisible, ttl } = self;
        let user = UserId::parse(&user).map_err(TokenError::User)?;
        let rooms = rooms.into_iter().map(|(text, rights)| Ok((Pattern::parse(&text)?, rights)));
        let rooms = Some(rooms.collect::<Result<Vec<_>, _>>().map_err(TokenError::Room)?);
        let now_unix_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Ok(signer.mint(&TokenRequest { user, name, avatar, rooms, is_invisible, now_unix_s, ttl }))
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(error) => write!(f, "the user's id {error}"),
            Self::Room(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for TokenError {}

const TTL_DEFAULT: Duration = Duration::from_secs(3600);
