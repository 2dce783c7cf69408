//! What passes between nodes and is never kept: who types, where pointers are, messages, and who is put out. What is lost
//! is made good for by the next one, as on the way to a client.
use crate::{
    cluster::door::{Ask, NodeId, Passing},
    command::{Evictee, Message},
    event::{Event, Except, Hearing, Mark, Output},
    hub::Hub,
    id::{RoomId, SessionId},
    room::{Desk, Guest, Room, Spoken},
    time::Time,
    typing::Lease,
};
use std::sync::Arc;

impl Hub {
    /// Takes in what another node says.
    pub(crate) fn hear_passing(&mut self, now: Time, me: NodeId, (from, id): (NodeId, &RoomId), passing: Passing) {
        if from == me {
            return;
        }
        if let Passing::Evict { user, reason, block } = passing {
            return self.put_out(now, id, Evictee::User(user), (reason, block));
        }
        self.in_room(now, id, |room, desk| room.hear_passing(desk, from, passing));
    }

    /// Says to the other nodes what passes in a room, whether or not anybody here is in it.
    pub(crate) fn pass_on(&mut self, room: &RoomId, passing: Passing) {
        if self.cluster.is_some() {
            self.ask_store(Ask::Publish { room: room.clone(), passing });
        }
    }
}

impl Room {
    /// Says to the other nodes what passes here.
    pub(crate) fn pass_on(&self, desk: &mut Desk<'_>, passing: impl FnOnce() -> Passing) {
        if self.roster.is_among() {
            desk.outputs.push_back(Output::Cluster(Ask::Publish { room: self.id.clone(), passing: passing() }));
        }
    }

    /// Tells somebody who has just come that what they see may be old.
    pub(crate) fn say_stale(&mut self, desk: &mut Desk<'_>, guest: Guest<'_>, since: Option<Time>) {
        let event = Event::Stale { room: self.id.clone(), since };
        let (except, before) = (Except::AllBut(guest.profile.user.clone()), Mark(u64::MAX));
        self.turn(desk).after.push(Spoken { event, hearing: Hearing::Everybody, except, before });
    }

    fn hear_passing(&mut self, desk: &mut Desk<'_>, from: NodeId, passing: Passing) {
        match passing {
            Passing::Typing { session, user, place, on } => {
                let Some(profile) = self.profile(&user) else { return };
                if !self.roster.is_of(&user, session, from) || !self.tells_typing() {
                    return;
                }
                let lease = Lease { user, place: place.clone(), session };
                let is_full = self.typing.others_of_session(&lease) >= desk.limits.typing_targets_max;
                if on && !is_full {
                    if self.typing.start(lease, desk.now + desk.limits.typing_lease) {
                        self.say_typing(desk, &profile, place, true);
                    }
                    self.look_at_typing(desk);
                } else if !on && self.typing.stop(&lease) {
                    self.say_typing(desk, &profile, place, false);
                }
            }
            Passing::Cursors(at) => {
                if !self.tells_cursors() {
                    return;
                }
                for (session, point) in at {
                    self.cursors.place_distant(session, point);
                }
                self.turn(desk);
            }
            Passing::Message { from, message, except } => {
                if let Some(from) = &from {
                    for place in self.typing.stop_user(&from.user) {
                        self.say_typing(desk, from, place, false);
                    }
                }
                let except = except_for(&message, except);
                self.say_message(desk, from, message, except);
            }
            Passing::Evict { .. } => {}
        }
    }
}

/// Who is not told of a message, where the session `except` is not to be.
pub(crate) fn except_for(message: &Arc<Message>, except: Option<SessionId>) -> Except {
    match (message.to.clone(), except) {
        (None, None) => Except::Nobody,
        (None, Some(session)) => Except::Session(session),
        (Some(user), None) => Except::AllBut(user),
        (Some(user), Some(session)) => Except::AllButWithout(user, session),
    }
}
