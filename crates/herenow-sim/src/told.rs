//! What a hub says, once it is known to whom.
use herenow_core::{
    event::Event,
    id::{ConnectionKey, RoomId},
};

/// An event, and the connections that it goes to.
#[derive(Clone, Debug)]
pub struct Told {
    /// What is said.
    pub event: Event,
    /// To which connections.
    pub to: Vec<ConnectionKey>,
}

/// The room of an event that a later roster makes good for: what the real driver does not say to who does not read.
pub fn missable_in(event: &Event) -> Option<&RoomId> {
    match event {
        Event::Roster { is_answer: false, view, .. } => Some(&view.room),
        Event::Diff { typing: None, view, .. } => Some(&view.room),
        Event::Step(step) => Some(&step.room),
        Event::Count { view, .. } => Some(&view.room),
        Event::Typing { room, .. }
        | Event::Sessions { room, .. }
        | Event::Cursors { room, .. }
        | Event::Lock { room, .. } => Some(room),
        Event::Roster { is_answer: true, .. }
        | Event::Diff { typing: Some(_), .. }
        | Event::Message { .. }
        | Event::Removed { .. }
        | Event::Statuses(_)
        | Event::Stale { .. }
        | Event::LockAnswer { .. }
        | Event::Ack { .. }
        | Event::WatchRefused { .. }
        | Event::Refused { .. } => None,
    }
}
