//! Who should hold which lock of a room, and who waits: a line a lock, its first is the holder.
use herenow_core::{
    id::{LockName, SessionId},
    limits::Limits,
};
use std::collections::BTreeMap;

/// The lines of a room; none is empty.
#[derive(Debug, Default)]
pub struct Holds(BTreeMap<LockName, Vec<SessionId>>);

/// What should come of a wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wished {
    /// The session holds it.
    Held,
    /// This one does.
    Taken(SessionId),
    /// Nothing, because of one of these limits.
    Over(Vec<usize>),
}

impl Holds {
    /// A session wants a lock.
    pub fn take(&mut self, name: &LockName, session: SessionId, wait: bool, limits: &Limits) -> Wished {
        let mine = self.0.values().filter(|line| line.contains(&session)).count();
        let line = self.0.get(name).map(Vec::as_slice).unwrap_or_default();
        let joins = !line.contains(&session) && (line.is_empty() || wait);
        let waiting = line.len().saturating_sub(1);
        let over = [
            (joins && mine >= limits.locks_per_session_max, limits.locks_per_session_max),
            (line.is_empty() && self.0.len() >= limits.locks_per_room_max, limits.locks_per_room_max),
            (joins && !line.is_empty() && waiting >= limits.lock_waiters_max, limits.lock_waiters_max),
        ];
        let over: Vec<usize> = over.into_iter().filter(|(is_over, _)| *is_over).map(|(_, max)| max).collect();
        if !over.is_empty() {
            return Wished::Over(over);
        }
        let line = self.0.entry(name.clone()).or_default();
        if joins {
            line.push(session);
        }
        let holder = line.first().copied().unwrap_or(session);
        if holder == session { Wished::Held } else { Wished::Taken(holder) }
    }

    /// A session goes out of a line, wherever it stands. False where it is not in it.
    pub fn give(&mut self, name: &LockName, session: SessionId) -> bool {
        let Some(line) = self.0.get_mut(name) else { return false };
        let before = line.len();
        line.retain(|held| *held != session);
        let given = line.len() < before;
        self.0.retain(|_, line| !line.is_empty());
        given
    }

    /// A session goes out of all lines.
    pub fn end(&mut self, session: SessionId) {
        for line in self.0.values_mut() {
            line.retain(|held| *held != session);
        }
        self.0.retain(|_, line| !line.is_empty());
    }

    /// A session waits no more, and holds what it holds.
    pub fn stop_waiting(&mut self, session: SessionId) {
        for line in self.0.values_mut() {
            let holder = line.first().copied();
            line.retain(|held| *held != session || holder == Some(session));
        }
    }

    /// Who holds each lock.
    pub fn holders(&self) -> BTreeMap<LockName, SessionId> {
        self.0.iter().filter_map(|(name, line)| line.first().map(|first| (name.clone(), *first))).collect()
    }
}
