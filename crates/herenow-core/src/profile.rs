//! Who a user says they are, as the app vouched for it.
use crate::id::UserId;
use std::sync::Arc;

/// A user as others see them. Made by the driver from a verified token, never from a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The user.
    pub user: UserId,
    /// What to show; cleaned by the driver (no control or bidi-override characters).
    pub name: Arc<str>,
    /// Address of a picture.
    pub avatar: Option<Arc<str>>,
}

impl Profile {
    /// How many colours there are.
    pub const COLORS: u8 = 12;

    /// The user's colour as a number below [`Self::COLORS`]; the same for a user id everywhere and always.
    pub fn color(&self) -> u8 {
        // FNV-1a, 32 bits: short, and the SDK can compute the same.
        let hash = self
            .user
            .as_str()
            .bytes()
            .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        (hash % u32::from(Self::COLORS)) as u8
    }
}

/// What a user is up to. In a room, the most present of the user's sessions counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Looking, or was a moment ago.
    #[default]
    Active,
    /// Connected, but nothing was heard of the person for a while.
    Idle,
}
