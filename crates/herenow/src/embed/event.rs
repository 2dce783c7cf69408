//! What happens in the rooms of an embedded server, for the program around it.
use herenow_core::{
    command::Reason,
    event::{Count, Notice},
    id::{RoomId, Target},
    profile::Profile,
};
use std::sync::Arc;
use tokio::sync::broadcast::{Receiver, error::RecvError};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A user came into a room: their first session did.
    Joined {
        /// Where.
        room: RoomId,
        /// Who.
        user: Arc<Profile>,
        /// How many are there now.
        count: Count,
    },
    /// A user is no longer in a room: their last session left, or did not come back within grace.
    Left {
        /// Where.
        room: RoomId,
        /// Who.
        user: Arc<Profile>,
        /// Why.
        reason: Reason,
        /// How many are there now.
        count: Count,
    },
    /// A user began to type.
    Typing {
        /// Where.
        room: RoomId,
        /// Who.
        user: Arc<Profile>,
        /// Into what; `None`: the room as a whole.
        target: Option<Target>,
    },
    /// Who listens was too slow, and so many events were left out. What is true now is for
    /// [`Embedded::viewers`](super::Embedded::viewers) to say.
    Missed(u64),
}

/// Hears of what happens, in order within each room.
#[derive(Debug)]
pub struct Events {
    receiver: Receiver<Event>,
}

impl Events {
    pub(super) fn new(receiver: Receiver<Event>) -> Self {
        Self { receiver }
    }

    /// The next event; `None` once the server is gone. Losing the wait loses nothing.
    pub async fn next(&mut self) -> Option<Event> {
        match self.receiver.recv().await {
            Ok(event) => Some(event),
            Err(RecvError::Lagged(missed)) => Some(Event::Missed(missed)),
            Err(RecvError::Closed) => None,
        }
    }
}

impl Event {
    /// What a program is told of a notice; `None` where that is nothing.
    pub(super) fn of(notice: &Notice) -> Option<Self> {
        Some(match notice {
            Notice::Joined { room, profile, count, .. } => {
                Self::Joined { room: room.clone(), user: Arc::clone(profile), count: *count }
            }
            Notice::Left { room, profile, reason, count, .. } => {
                Self::Left { room: room.clone(), user: Arc::clone(profile), reason: *reason, count: *count }
            }
            Notice::Typing { room, profile, target } => {
                Self::Typing { room: room.clone(), user: Arc::clone(profile), target: target.clone() }
            }
            Notice::Updated { .. } | Notice::Online { .. } | Notice::Offline { .. } => return None,
        })
    }
}

/// Events that wait for a slow listener; of more the oldest are left out.
pub(super) const UNHEARD_MAX: usize = 1024;
