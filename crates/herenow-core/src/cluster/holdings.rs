//! What sessions, own and distant ones, have of the locks of a room in a cluster.
use crate::{
    cluster::door::LockSeat,
    id::{LockName, RequestId, SessionId},
    locks::Holder,
    profile::Profile,
    time::Time,
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

/// What sessions have of the locks of a room.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    /// What each session says that it holds, own and distant ones.
    pub(crate) seats: BTreeMap<SessionId, (Arc<Profile>, BTreeMap<LockName, u64>)>,
    /// Who here waits for a lock.
    pub(crate) lines: BTreeMap<LockName, VecDeque<Holder>>,
    /// What the store is asked.
    pub(crate) asks: BTreeMap<(LockName, SessionId), Wish>,
    /// When the store may be asked again for who waits.
    pub(crate) retry_at: Time,
}

/// What a session wants of the store.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) holder: Holder,
    pub(crate) re: Option<RequestId>,
    pub(crate) wait: bool,
    pub(crate) is_sent: bool,
}

impl Holdings {
    /// What a session holds, by name.
    pub(crate) fn of(&self, session: SessionId) -> Vec<(LockName, LockSeat)> {
        let seats = self.seats.get(&session).into_iter().flat_map(|(_, seats)| seats);
        seats.map(|(name, fence)| (name.clone(), LockSeat::Holds(*fence))).collect()
    }

    /// Names that a session holds, waits for or asks for.
    pub(crate) fn count_of(&self, session: SessionId) -> usize {
        let held = self.seats.get(&session).map_or(0, |(_, seats)| seats.len());
        let waits = self.lines.values().filter(|line| line.iter().any(|holder| holder.session == session)).count();
        held + waits + self.asks.keys().filter(|(_, asking)| *asking == session).count()
    }

    /// Takes a session out of all lines: it is not there to hear of its turn.
    pub(crate) fn stop_waiting(&mut self, session: SessionId) {
        self.asks.retain(|(_, asking), _| *asking != session);
        self.lines.retain(|_, line| {
            line.retain(|holder| holder.session != session);
            !line.is_empty()
        });
    }

    /// Who has the highest number of a lock.
    pub(crate) fn winner(&self, name: &LockName) -> Option<(u64, SessionId, &Arc<Profile>)> {
        let held =
            self.seats.iter().filter_map(|(session, (profile, seats))| Some((*seats.get(name)?, *session, profile)));
        held.max_by_key(|(fence, session, _)| (*fence, *session))
    }
}
