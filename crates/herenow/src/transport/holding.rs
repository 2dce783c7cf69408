//! What a client says faster than it may, and what is not lost by waiting: changes of state, status and pointer are merged to
//! the newest value, and go on when it is time.
use crate::transport::conversation::{Conversation, Held, Inputs};
use herenow_core::{
    command::{Command, Patch},
    id::{RequestId, RoomId},
    time::Time,
};
use std::time::Duration;

impl Conversation {
    /// When what is held goes on; `None` where nothing is.
    pub fn held_until(&self) -> Option<Time> {
        self.rare.as_ref()?.held.as_ref().map(|held| held.due)
    }

    /// Lets go on what is held, as far as the rates let it by now; the rest is held on.
    pub fn release_held(&mut self, inputs: &mut Inputs) {
        let Some(held) = self.rare.as_mut().and_then(|rare| rare.held.take()) else { return };
        let status = held.status.map(|status| Command::SetStatus { status });
        let points = held.points.into_iter().map(|(room, point)| Command::Point { room, point });
        let updates = held.updates.into_iter().map(|(room, patch)| Command::Update { room, patch });
        let (now, limits) = (self.now(), self.presence.rates());
        for command in status.into_iter().chain(points).chain(updates) {
            let taken = match &command {
                Command::Point { .. } => self.rates.take_cursor(&limits, now),
                _ => self.rates.take_update(&limits, now),
            };
            match (taken, command) {
                (Err(wait), command) => drop(self.hold(command, None, wait)),
                (Ok(()), Command::SetStatus { status }) => self.set_status(status, None, inputs),
                (Ok(()), Command::Point { room, point }) => {
                    self.ask(room.clone(), None, Command::Point { room, point }, inputs);
                }
                (Ok(()), Command::Update { room, patch }) => {
                    self.ask(room.clone(), None, Command::Update { room, patch }, inputs);
                }
                // Nothing else is held.
                (Ok(()), _) => {}
            }
        }
    }

    /// Lets all changes of state and status go on that are held, because nothing comes after them.
    pub(super) fn release_last(&mut self, inputs: &mut Inputs) {
        let Some(held) = self.rare.as_mut().and_then(|rare| rare.held.take()) else { return };
        if let Some(status) = held.status {
            self.set_status(status, None, inputs);
        }
        for (room, patch) in held.updates {
            self.ask(room.clone(), None, Command::Update { room, patch }, inputs);
        }
    }

    /// Holds a change for a while; it is acknowledged at once. False where too much would be held, or where it is of a room
    /// that the session is not in.
    pub(super) fn hold(&mut self, command: Command, re: Option<RequestId>, wait: Duration) -> bool {
        let of_room = match &command {
            Command::Update { room, .. } | Command::Point { room, .. } => Some(room),
            _ => None,
        };
        if of_room.is_some_and(|of| self.rooms.iter().all(|held| held.room != *of)) {
            return false;
        }
        let limits = &self.presence.settings().limits;
        let (keys_max, bytes_max) = (limits.state_keys_max, limits.state_bytes_max);
        let due = self.now() + wait;
        let fresh = || Held { updates: Vec::new(), points: Vec::new(), status: None, due };
        let held = self.rare().held.get_or_insert_with(fresh);
        match command {
            Command::SetStatus { status } => held.status = Some(status),
            Command::Point { room, point } => {
                held.points.retain(|(of, _)| *of != room);
                held.points.push((room, point));
            }
            Command::Update { room, patch } => {
                let known = held.updates.iter_mut().find(|(of, _)| *of == room);
                let merged = known.as_ref().map_or(patch.clone(), |(_, before)| merge(before, &patch));
                if merged.0.len() > keys_max || bytes_of(&merged) > bytes_max {
                    return false;
                }
                match known {
                    Some((_, before)) => *before = merged,
                    None => held.updates.push((room, merged)),
                }
            }
            _ => return false,
        }
        self.acknowledge(re);
        true
    }

    /// Puts what is held for a room before a change that goes on now.
    pub(super) fn after_held(&mut self, room: &RoomId, patch: Patch) -> Patch {
        let Some(before) = self.take_held(room) else { return patch };
        merge(&before, &patch)
    }

    /// Takes away the change that is held for a room.
    fn take_held(&mut self, room: &RoomId) -> Option<Patch> {
        let held = self.rare.as_mut()?.held.as_mut()?;
        let at = held.updates.iter().position(|(of, _)| of == room)?;
        Some(held.updates.swap_remove(at).1)
    }

    /// Takes away where the pointer was to be in a room: that is older than what comes now.
    pub(super) fn forget_held_point(&mut self, room: &RoomId) {
        if let Some(held) = self.rare.as_mut().and_then(|rare| rare.held.as_mut()) {
            held.points.retain(|(of, _)| of != room);
        }
    }

    /// Takes away all that is held for a room.
    pub(super) fn forget_held(&mut self, room: &RoomId) {
        self.take_held(room);
        self.forget_held_point(room);
    }
}

/// Both changes as one: the later wins for each key.
fn merge(before: &Patch, after: &Patch) -> Patch {
    let is_kept = |key: &str| after.0.iter().all(|(later, _)| **later != *key);
    let kept = before.0.iter().filter(|(key, _)| is_kept(key)).cloned();
    Patch(kept.chain(after.0.iter().cloned()).collect())
}

fn bytes_of(patch: &Patch) -> usize {
    patch.0.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, |value| value.len())).sum()
}

#[cfg(test)]
mod tests {
    use super::merge;
    use herenow_core::command::Patch;

    fn patch(pairs: &[(&str, Option<&str>)]) -> Patch {
        Patch(pairs.iter().map(|(key, value)| ((*key).into(), value.map(Into::into))).collect())
    }

    #[test]
    fn the_later_wins_for_each_key_and_a_deletion_stays_one() {
        let before = patch(&[("a", Some("1")), ("b", Some("2")), ("c", None)]);
        let after = patch(&[("b", None), ("d", Some("4"))]);
        assert_eq!(merge(&before, &after), patch(&[("a", Some("1")), ("c", None), ("b", None), ("d", Some("4"))]));
    }
}
