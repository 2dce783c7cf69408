//! What a talk has to know from others before it goes on: whether there are new keys, and what the app lets a user do.
use crate::{
    auth::{authority::Inquiry, rights::Rights, token::Identity},
    intake::room_entered,
    transport::conversation::{Conversation, Inputs},
};
use herenow_core::{command::Command, id::RoomId};
use herenow_wire::request::Request;

impl Conversation {
    /// What the app lets the user do beyond their token in the room of a request; what it has to be asked before that is
    /// known. `Ok(None)` where it was asked in vain.
    pub(super) fn more_rights(&self, identity: &Identity, request: &Request) -> Result<Option<Rights>, Inquiry> {
        let Some(room) = room_entered(request).filter(|_| self.presence.asks_about_rooms()) else {
            return Ok(Some(Rights::NONE));
        };
        if identity.grants.rights(room).reads() {
            return Ok(Some(Rights::NONE));
        }
        self.presence.rights(identity, room, matches!(request, Request::Join { .. }))
    }

    /// Has the app asked again about a user whom it lets into a room, for as long as the session is in it.
    pub(super) fn note_let_in(&self, room: &RoomId, rights: Rights, command: &Command) {
        let Some(identity) = self.identity.as_ref().filter(|_| matches!(command, Command::Join { .. })) else { return };
        self.presence.hold_room((identity.profile.user.clone(), room.clone()), rights, &self.connection);
    }

    /// Lets the talk wait until something is known, with this frame as the first that is heard then.
    pub(super) fn wait_for(&mut self, inquiry: Inquiry, text: &str) {
        self.rare().inquiry = Some((inquiry, vec![text.into()]));
    }

    /// What others have to be asked before the talk goes on, and what it goes on with.
    pub(super) fn take_inquiry(&mut self) -> Option<(Inquiry, Vec<Box<str>>)> {
        self.rare.as_mut()?.inquiry.take()
    }

    /// Goes on where something is known that the talk waited for.
    pub(super) fn go_on(&mut self, heard: Vec<Box<str>>, inputs: &mut Inputs) {
        let mut heard = heard.into_iter();
        if let Some(text) = heard.next() {
            let asked = self.decode(&text);
            // It was counted when it came.
            if self.identity.is_some() {
                self.hear_counted(asked, &text, inputs);
            } else {
                self.hear_stranger(asked, &text, inputs);
            }
        }
        for text in heard {
            self.hear_text(&text, inputs);
        }
    }
}
