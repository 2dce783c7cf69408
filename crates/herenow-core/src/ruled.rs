//! How a room that is occupied goes by other settings than before.
use crate::{
    room::{Desk, Room},
    rules::RoomSettings,
};

impl Room {
    /// Goes by other settings from now on. Who is in it stays, also where more are than may be.
    pub(crate) fn obey(&mut self, desk: &mut Desk<'_>, settings: RoomSettings) {
        let before = std::mem::replace(&mut self.settings, settings);
        if before == settings {
            return;
        }
        self.turn(desk);
        if before.tells_typing() && !settings.tells_typing() {
            self.end_typing(desk);
        }
        if before.tells_cursors() && !settings.tells_cursors() {
            self.cursors.hide_all();
        }
    }

    /// Ends every lease in the middle of a turn.
    fn end_typing(&mut self, desk: &mut Desk<'_>) {
        let Some(mut turn) = self.turn.take() else { return };
        self.stop_all_typing(desk, turn.mark, &mut turn.after);
        self.turn = Some(turn);
    }
}
