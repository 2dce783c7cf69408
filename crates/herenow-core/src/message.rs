//! What passes in a room and is never kept.
use crate::id::UserId;
use std::sync::Arc;

/// A passing event of the app or of a viewer; never stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its name.
    pub event: Arc<str>,
    /// What it carries, as raw JSON.
    pub data: Arc<str>,
    /// Only to this user's sessions.
    pub to: Option<UserId>,
    /// Also to the session that sent it.
    pub echo: bool,
}
