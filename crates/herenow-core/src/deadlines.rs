//! What a hub has to do later. Entries that have lost their meaning are not removed: who is woken looks again.
use crate::{
    id::{RoomId, SessionId, UserId},
    time::Time,
};
use std::collections::BTreeSet;

/// Something to look at when its time has come.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// A typing lease may be over in the room.
    Typing(RoomId),
    /// The grace of an entry may be over.
    Grace(RoomId, UserId, SessionId),
    /// The room may tell what changed.
    Tell(RoomId),
    /// The room may tell where pointers are.
    Cursors(RoomId),
    /// The grace of a session may be over, as far as the user's green dot goes.
    Person(UserId, SessionId),
    /// A user may be allowed into a room again.
    Block(RoomId, UserId),
    /// What a session shared in a room may be forgotten.
    Keepsake(SessionId, RoomId),
}

/// All timers of a hub, by time, then by kind and name: the order is the same in every run.
#[derive(Debug, Default)]
pub struct Deadlines(BTreeSet<(Time, Timer)>);

impl Deadlines {
    /// Sets a timer. The same timer can be set for several times.
    pub fn set(&mut self, at: Time, timer: Timer) {
        self.0.insert((at, timer));
    }

    /// When the next timer is due.
    pub fn next(&self) -> Option<Time> {
        self.0.first().map(|(at, _)| *at)
    }

    /// Takes the first timer that is due at `now`.
    pub fn pop_due(&mut self, now: Time) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        self.0.pop_first().map(|(_, timer)| timer)
    }

    /// How many timers are set.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}
