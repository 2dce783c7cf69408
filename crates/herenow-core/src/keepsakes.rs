//! What sessions shared in rooms that they lost, for when they come back: a session can be gone on with for a while
//! after its entries have ended.
use crate::{
    command::{Patch, Reason},
    event::State,
    id::{RoomId, SessionId},
    limits::Limits,
    time::Time,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// The states of sessions without a connection, bounded in bytes.
#[derive(Debug, Default)]
pub(crate) struct Keepsakes {
    held: BTreeMap<(SessionId, RoomId), (Time, State)>,
    bytes: usize,
}

impl Keepsakes {
    /// Keeps what a session shared until `until`. True where it is kept: not where it is nothing, nor where too much is
    /// kept already.
    pub fn keep(&mut self, key: (SessionId, RoomId), state: State, until: Time, bytes_max: usize) -> bool {
        self.drop(&key);
        let bytes = bytes_of(&state);
        let fits = !state.is_empty() && self.bytes + bytes <= bytes_max;
        if fits {
            self.bytes += bytes;
            self.held.insert(key, (until, state));
        }
        fits
    }

    /// What a session shared in a room, as a change of nothing, followed by `more`.
    pub fn before(&self, session: SessionId, room: &RoomId, more: Option<&Patch>) -> Option<Patch> {
        let (_, state) = self.held.get(&(session, room.clone()))?;
        let kept = state.iter().map(|(key, value)| (Arc::clone(key), Some(Arc::clone(value))));
        Some(Patch(kept.chain(more.into_iter().flat_map(|more| more.0.iter().cloned())).collect()))
    }

    /// Forgets what a session shared in a room.
    pub fn drop(&mut self, key: &(SessionId, RoomId)) {
        if let Some((_, state)) = self.held.remove(key) {
            self.bytes -= bytes_of(&state);
        }
    }

    /// Forgets it where its time is over.
    pub fn end(&mut self, key: &(SessionId, RoomId), now: Time) {
        if self.held.get(key).is_some_and(|(until, _)| *until <= now) {
            self.drop(key);
        }
    }

    /// How many are kept.
    pub fn count(&self) -> usize {
        self.held.len()
    }
}

/// How long the state of a session is kept that lost its place for this reason; `None` where there is nothing to come
/// back to.
pub(crate) fn kept_for(reason: Reason, limits: &Limits) -> Option<Duration> {
    match reason {
        Reason::Closed | Reason::Lost | Reason::Drained | Reason::TimedOut => {
            limits.resume_window.checked_sub(reason.grace(limits)).filter(|span| !span.is_zero())
        }
        Reason::Left | Reason::Kicked | Reason::Expired | Reason::NodeLost => None,
    }
}

fn bytes_of(state: &State) -> usize {
    state.iter().map(|(key, value)| key.len() + value.len() + OVERHEAD_BYTES).sum()
}

/// What a key and its value cost besides their bytes, about.
const OVERHEAD_BYTES: usize = 64;
