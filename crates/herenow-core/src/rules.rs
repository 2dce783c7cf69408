//! What is different in some rooms, as the operator says by their names. What a room then does is in the files about that.
use crate::{id::RoomId, pattern::Pattern};

/// What is different in the rooms of some names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomRule {
    /// Which rooms: those that no earlier rule names.
    pub names: Pattern,
    /// What is different there.
    pub settings: RoomSettings,
}

/// How a room is, apart from what holds for all. `Default` is what holds where no rule names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomSettings {
    /// Who learns who is there. Default [`RoomMode::Full`].
    pub mode: RoomMode,
    /// Whether it is told who types. Default yes.
    pub typing: bool,
    /// Whether it is told where pointers are. Default yes.
    pub cursors: bool,
    /// Users that may be in it at once; `None`: as many as [`crate::limits::Limits::viewers_max`]. Default `None`.
    pub viewers_max: Option<usize>,
}

/// Who learns who is in a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RoomMode {
    /// Whoever is in it or may read it.
    #[default]
    Full,
    /// Nobody: in it, and to who may read it, only numbers are told. Who sends a message or holds a lock is named.
    Counts,
    /// As [`Self::Full`], and lists of rooms leave it out.
    Private,
}

impl Default for RoomSettings {
    fn default() -> Self {
        Self { mode: RoomMode::Full, typing: true, cursors: true, viewers_max: None }
    }
}

impl RoomSettings {
    /// Those of a room: of the first rule that names it. O(rules).
    pub fn of(rules: &[RoomRule], room: &RoomId) -> Self {
        rules.iter().find(|rule| rule.names.matches(room)).map(|rule| rule.settings).unwrap_or_default()
    }

    /// Whether names are told to who is in the room.
    pub fn names_viewers(&self) -> bool {
        self.mode != RoomMode::Counts
    }

    /// Whether it is told who types.
    pub fn tells_typing(&self) -> bool {
        self.typing && self.names_viewers()
    }

    /// Whether it is told where pointers are.
    pub fn tells_cursors(&self) -> bool {
        self.cursors && self.names_viewers()
    }
}
