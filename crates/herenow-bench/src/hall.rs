//! Rooms of one hub without sockets: what the decisions cost, and nothing else. For sizes that no machine has files for.
use anyhow::{Context, Result};
use herenow_core::{
    command::{Command, Ending, Input, Interest},
    event::Output,
    hub::Hub,
    id::{ConnectionKey, RoomId, SessionId, UserId},
    limits::Limits,
    profile::Profile,
    time::Time,
    version::Epoch,
};
use std::{sync::Arc, time::Duration};

/// A hub with sessions in rooms. Each call is one turn, and far enough from the last that no tick holds it back.
#[derive(Debug)]
pub struct Hall {
    hub: Hub,
    now: Time,
    profiles: Vec<Arc<Profile>>,
    heard: u64,
}

impl Hall {
    /// Sessions, each of another user, attached and in no room.
    ///
    /// # Errors
    /// On more than 4 billion of them.
    pub fn new(sessions: usize) -> Result<Self> {
        let epoch = Epoch::parse("bench").context("an epoch of letters")?;
        let profiles = (0..sessions).map(profile).collect::<Result<Vec<_>>>()?;
        let mut hall = Self { hub: Hub::new(epoch, Limits::default()), now: Time::from_millis(0), profiles, heard: 0 };
        for session in 0..sessions {
            hall.attach(session)?;
        }
        hall.turn();
        Ok(hall)
    }

    /// Gives a session its connection back.
    ///
    /// # Errors
    /// On a session over 4 billion.
    pub fn attach(&mut self, session: usize) -> Result<()> {
        let connection = ConnectionKey(u32::try_from(session)?);
        let profile = Arc::clone(&self.profiles[session]);
        self.hub.handle(self.now, Input::Attached { session: SessionId(session as u64), profile, connection });
        Ok(())
    }

    /// A session joins a room, in the turn that is under way.
    pub fn join(&mut self, session: usize, room: &RoomId) {
        let (room, interest) = (room.clone(), Interest::Auto);
        let join = Command::Join { room, interest, observe: false, state: None, since: None, sessions: false };
        self.ask(session, join);
    }

    /// A session asks for something, in the turn that is under way.
    pub fn ask(&mut self, session: usize, command: Command) {
        self.hub.handle(self.now, Input::Asked { session: SessionId(session as u64), re: None, command });
    }

    /// The connection of a session ends with close 1000, in the turn that is under way.
    pub fn detach(&mut self, session: usize) {
        self.hub.handle(self.now, Input::Detached { session: SessionId(session as u64), how: Ending::Left });
    }

    /// Ends the turn, and looks up whom each output is for. Ten seconds later the next one begins.
    pub fn turn(&mut self) {
        self.settle();
        self.now = self.now + Duration::from_secs(10);
        self.hub.handle_timeout(self.now);
        self.settle();
    }

    /// How many were told something so far, each time anew.
    pub const fn heard(&self) -> u64 {
        self.heard
    }

    /// The hub.
    pub const fn hub(&self) -> &Hub {
        &self.hub
    }

    fn settle(&mut self) {
        self.hub.settle(self.now);
        while let Some(output) = self.hub.poll_output() {
            if let Output::Deliver { to, event } = output {
                self.heard += self.hub.recipients(&to).count() as u64;
                std::hint::black_box(event);
            }
        }
    }
}

/// A room by number.
///
/// # Errors
/// Never: its name is one.
pub fn room(number: usize) -> Result<RoomId> {
    Ok(RoomId::parse(&format!("room-{number}"))?)
}

fn profile(number: usize) -> Result<Arc<Profile>> {
    let user = UserId::parse(&crate::users::user_id(number))?;
    Ok(Arc::new(Profile { user, name: crate::users::user_name(number).into(), avatar: None }))
}

#[cfg(test)]
mod tests {
    use super::{Hall, room};

    #[test]
    fn a_goodbye_is_told_to_those_in_the_room_only() {
        let mut hall = Hall::new(9).unwrap();
        let rooms = [room(0).unwrap(), room(1).unwrap()];
        for session in 0..9 {
            hall.join(session, &rooms[usize::from(session >= 4)]);
        }
        hall.turn();
        assert_eq!(hall.hub().roster(&rooms[0]).unwrap().count().users, 4);
        let before = hall.heard();
        hall.detach(0);
        hall.turn();
        assert_eq!(hall.heard() - before, 3);
        assert_eq!(hall.hub().roster(&rooms[0]).unwrap().count().users, 3);
        hall.attach(0).unwrap();
        hall.join(0, &rooms[0]);
        hall.turn();
        assert_eq!(hall.hub().roster(&rooms[0]).unwrap().count().users, 4);
    }
}
