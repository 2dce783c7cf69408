//! What the turn that is open must say.
use herenow_core::{
    command::Reason,
    event::State,
    id::{LockName, RoomId, SessionId, UserId},
    refusal::Refusal,
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

/// What the open turn must say.
#[derive(Debug, Default)]
pub struct Due {
    /// The answer that each numbered request is owed.
    pub answers: BTreeMap<Arc<str>, (SessionId, Answer)>,
    /// Sessions that took a place in the turn.
    pub entered: BTreeSet<(RoomId, SessionId)>,
    /// Who gets each message, by its data.
    pub messages: BTreeMap<Arc<str>, (RoomId, BTreeSet<SessionId>)>,
    /// Who is told that they are out, and for how long.
    pub removed: BTreeSet<(SessionId, RoomId, Option<Duration>)>,
    /// Why users left the last time; kept from turn to turn. More than one reason where several graces ended in one turn.
    pub left: BTreeMap<(RoomId, UserId), BTreeSet<Reason>>,
    /// What sessions shared that lost their places, and why they did; taken up at once.
    pub(crate) keepsakes: Vec<(SessionId, RoomId, Reason, State)>,
    /// Sessions that can be written to again, and are owed the room unasked.
    pub refreshed: BTreeSet<(RoomId, SessionId)>,
    /// The users of each wish to watch, which is answered by their statuses.
    pub watches: BTreeMap<SessionId, VecDeque<Vec<UserId>>>,
    /// How often a session is told, without having numbered its request, that nobody hears of typing.
    pub typing_off: BTreeMap<(RoomId, SessionId), usize>,
}

/// What a request is answered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done; a message to so many sessions.
    Ack(Option<usize>),
    /// Not done.
    Refused(Refusal),
    /// Not done, because of one of these limits.
    TooManyLocks(Vec<usize>),
    /// Not done, because of the limit.
    WatchRefused(usize),
    /// Who holds the lock, and whether that is who asked.
    Lock {
        /// Where.
        room: RoomId,
        /// Which.
        name: LockName,
        /// Its holder.
        holder: SessionId,
        /// Whether that is who asked.
        held: bool,
    },
    /// A roster, a diff, or an acknowledgement where the session hears no lists.
    View(RoomId, Asked),
}

/// What asked for a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A join.
    Join,
    /// A sync.
    Sync,
}

impl Due {
    /// Begins the next turn.
    pub fn clear(&mut self) {
        *self = Self { left: std::mem::take(&mut self.left), ..Self::default() };
    }

    /// Nobody is there to answer any more.
    pub fn hang_up(&mut self, session: SessionId) {
        self.answers.retain(|_, (who, _)| *who != session);
        self.removed.retain(|(who, ..)| *who != session);
        self.typing_off.retain(|(_, who), _| *who != session);
        self.watches.remove(&session);
    }

    /// What a session waited for in a room will not come.
    pub fn cancel(&mut self, id: &RoomId, session: SessionId) {
        for (who, answer) in self.answers.values_mut() {
            if let Answer::View(room, asked) = answer
                && *who == session
                && room == id
            {
                *answer = Answer::Refused(match asked {
                    Asked::Join => Refusal::JoinCancelled,
                    Asked::Sync => Refusal::NotJoined,
                });
            }
        }
    }

    /// A session that stops listening gets neither the messages of the turn nor the room.
    pub fn unlisten(&mut self, id: &RoomId, session: SessionId) {
        for (room, hearers) in self.messages.values_mut() {
            if room == id {
                hearers.remove(&session);
            }
        }
        self.refreshed.remove(&(id.clone(), session));
    }

    /// How many answers with a room a session is owed.
    pub fn views(&self, id: &RoomId, session: SessionId) -> usize {
        let asked = |(who, answer): &&(SessionId, Answer)| {
            *who == session && matches!(answer, Answer::View(room, _) if room == id)
        };
        let refreshed = usize::from(self.refreshed.contains(&(id.clone(), session)));
        refreshed + self.answers.values().filter(asked).count()
    }
}
