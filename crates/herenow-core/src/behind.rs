//! Who cannot be written to for a while: what a room does not tell them meanwhile, and how it makes good for that.
use crate::{
    id::SessionId,
    listeners::Told,
    room::{Desk, Owed, Room},
};

impl Room {
    /// Notes that a session's connection takes nothing now: it hears messages only, until it has caught up.
    pub(crate) fn fall_behind(&mut self, session: SessionId) {
        if let Some(listener) = self.listeners.get_mut(session) {
            listener.behind = true;
            listener.told = Told::NOTHING;
        }
    }

    /// Owes a session the roster, because its connection can be written to again.
    pub(crate) fn catch_up(&mut self, desk: &mut Desk<'_>, session: SessionId) {
        let Some(listener) = self.listeners.get_mut(session) else { return };
        if std::mem::take(&mut listener.behind) {
            self.refresh(desk, session);
        }
    }

    /// Owes a session the roster without being asked.
    pub(crate) fn refresh(&mut self, desk: &mut Desk<'_>, session: SessionId) {
        // Begins the turn first: what it says is in the roster.
        self.turn(desk);
        desk.mark.0 += 1;
        if let Some(listener) = self.listeners.get_mut(session) {
            (listener.owed, listener.told) = (*desk.mark, Told::NOTHING);
        }
        self.turn(desk).owed.push(Owed::refresh(session));
    }
}
