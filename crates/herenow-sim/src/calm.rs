//! When nobody does anything new: what must hold once all is told and every grace and lease is over.
use crate::{
    client::{Seat, Wish},
    node::Node,
    pace::Duty,
    view::Fault,
    world::World,
};
use herenow_core::{
    command::Ending,
    event::{Hearing, Viewer},
    id::{RoomId, UserId},
};
use std::collections::{BTreeMap, BTreeSet};

/// Longer than any grace, lease, delay, time-out and time to come back one after another, in virtual milliseconds.
const CALM_MS: u64 = 180_000;

impl World {
    /// Lets all come to rest and compares; after how many virtual milliseconds nothing changed any more.
    ///
    /// # Errors
    /// What does not hold.
    pub fn rest(&mut self) -> Result<u64, Fault> {
        self.note(|| "all is calm".into());
        let began_ms = self.now_ms;
        self.calm = true;
        self.changed_ms = began_ms;
        self.advance(began_ms + CALM_MS)?;
        let converged_ms = self.changed_ms - began_ms;
        self.check_rest()?;
        self.calm = false;
        Ok(converged_ms)
    }

    /// Lets everybody go in some way, and looks for what is left.
    ///
    /// # Errors
    /// What is left.
    pub fn empty(&mut self) -> Result<(), Fault> {
        self.calm = true;
        for at in 0..self.tabs.len() {
            match self.rng.below(4) {
                0 => self.cut(at, Ending::Lost, 100, 100),
                1 => self.cut(at, Ending::TimedOut, 30_000, 100),
                2 => self.shut(at, Ending::Left),
                _ => self.shut(at, Ending::Closed),
            }
            if let Some(tab) = self.tabs.get_mut(at) {
                tab.open = false;
            }
        }
        self.advance(self.now_ms + CALM_MS)?;
        for (at, partition) in self.node.partitions.iter().enumerate() {
            let load = partition.load();
            if load != Default::default() {
                return Err(format!("partition {at} still holds {load:?} when everybody has gone"));
            }
        }
        match self.node.luggage(self.now_ms) {
            0 => Ok(()),
            sessions => Err(format!("{sessions} sessions still have luggage when everybody has gone")),
        }
    }

    fn check_rest(&self) -> Result<(), Fault> {
        let mut present: BTreeMap<&RoomId, BTreeSet<&UserId>> = BTreeMap::new();
        let mut heard: BTreeSet<&RoomId> = BTreeSet::new();
        for (at, tab) in self.tabs.iter().enumerate() {
            if tab.open && tab.connection.is_none() {
                return Err(format!("tab {at} of {} has no connection at rest", tab.user));
            }
            if tab.connection.is_some() && !tab.pending.is_empty() {
                return Err(format!("tab {at} of {} still waits for {:?}", tab.user, tab.pending));
            }
            for (room, seat) in &tab.seats {
                if seat.wish != seat.granted || seat.listening != (seat.wish != Wish::Out) {
                    return Err(format!("tab {at} of {} wanted {:?} of {room}", tab.user, seat.wish));
                }
                if seat.listening {
                    heard.insert(room);
                }
                if let Wish::View(_) = seat.wish {
                    present.entry(room).or_default().insert(&tab.user);
                }
            }
        }
        for room in &self.rooms {
            self.check_room_at_rest(room, present.get(room).cloned().unwrap_or_default(), heard.contains(room))?;
        }
        self.check_dots_at_rest()?;
        self.check_statuses_at_rest()?;
        for (at, partition) in self.node.partitions.iter().enumerate() {
            let load = partition.load();
            if load.deadlines > 0 {
                return Err(format!("partition {at} has {} deadlines left at rest", load.deadlines));
            }
        }
        Ok(())
    }

    fn check_room_at_rest(&self, room: &RoomId, present: BTreeSet<&UserId>, heard: bool) -> Result<(), Fault> {
        let held = self.node.partitions.get(Node::partition_of(room)).and_then(|partition| partition.now(room));
        let Some((number, viewers)) = held else {
            return if heard { Err(format!("{room} is forgotten, but heard")) } else { Ok(()) };
        };
        if !heard {
            return Err(format!("{room} is held, but nobody hears it"));
        }
        let users: BTreeSet<&UserId> = viewers.iter().map(|viewer| &viewer.profile.user).collect();
        if users != present {
            let partition = self.node.partitions.get(Node::partition_of(room));
            let entries = partition.and_then(|partition| partition.model.rooms.get(room)).map(|room| &room.entries);
            return Err(format!("{room} holds {users:?} at rest, not {present:?}: {entries:?}"));
        }
        for (at, tab) in self.tabs.iter().enumerate() {
            let Some(seat) = tab.seats.get(room).filter(|seat| seat.listening) else { continue };
            let checked = self.check_seat_at_rest(room, seat, (number, viewers));
            checked.map_err(|what| format!("tab {at} of {} in {room} at rest: {what}", tab.user))?;
            let typist = seat.view.typing.iter().find(|(user, _)| *user != tab.user);
            let hears = seat.granted.interest().is_some_and(|interest| Hearing::Typing.includes(interest));
            if let Some((typist, _)) = typist.filter(|_| hears) {
                return Err(format!("tab {at} of {} in {room} at rest sees {typist} type", tab.user));
            }
        }
        Ok(())
    }

    fn check_seat_at_rest(&self, room: &RoomId, seat: &Seat, (number, viewers): (u64, &[Viewer])) -> Result<(), Fault> {
        let model = self.node.partitions.get(Node::partition_of(room)).and_then(|held| held.model.rooms.get(room));
        let (Some(model), Some(ear)) = (model, seat.granted.ear()) else { return Err("it is in no room".into()) };
        let (view, known) = (&seat.view, seat.view.version.as_ref().map(|version| version.number));
        let users: BTreeSet<&UserId> = viewers.iter().map(|viewer| &viewer.profile.user).collect();
        let knows = match model.latches.duty(ear.interest) {
            Duty::Lists => known == Some(number) && view.lists && view.in_order().into_iter().eq(viewers.iter()),
            Duty::Steps => view.viewers.keys().eq(users.iter().copied()) && view.count.users == users.len(),
            Duty::Counts => known == Some(number) && view.count.users == users.len(),
            Duty::Nothing => true,
        };
        if !knows {
            return Err(format!("knows {:?} of {:?} at {known:?}, not {number}", view.count, view.in_order()));
        }
        let detailed = ear.sessions && model.latches.duty(ear.interest) == Duty::Lists;
        if detailed && view.sessions.as_ref() != Some(&model.sessions()) {
            return Err(format!("knows the sessions {:?}", view.sessions));
        }
        let held = view.locks.as_ref().map(|locks| locks.iter().map(|(name, (session, _))| (name.clone(), *session)));
        if held.is_some_and(|held| !held.eq(model.holds.holders())) {
            return Err(format!("knows the locks {:?}, not {:?}", view.locks, model.holds.holders()));
        }
        let pointer = view.pointers.iter().find(|(session, point)| model.pointers.get(session) != Some(point));
        match pointer.filter(|_| ear.sessions) {
            Some((session, point)) => Err(format!("sees {session} point at {point:?}")),
            None => Ok(()),
        }
    }

    /// Whoever watches knows who is online: who has a tab that is connected.
    fn check_dots_at_rest(&self) -> Result<(), Fault> {
        for (at, tab) in self.tabs.iter().enumerate() {
            let Some(session) = tab.connection.and_then(|connection| self.node.session(connection)) else { continue };
            for user in &tab.watching {
                let home = self.node.partitions.get(Node::home_of(user));
                if !home.is_some_and(|home| home.model.dots.watches(session, user)) {
                    // It was refused, perhaps by an answer that was lost with its connection, or may have been.
                    let was_refused = tab.doubt.is_refused || !self.node.was_let_watch(session, user);
                    if was_refused || !self.node.may_watch_more(session, Node::home_of(user)) {
                        continue;
                    }
                    return Err(format!("tab {at} of {} wants to know of {user}, and is not told", tab.user));
                }
                let is_online = self.tabs.iter().any(|other| other.user == *user && other.connection.is_some());
                let known = tab.dots.get(user);
                if known.is_none() && tab.doubt.is_refused {
                    // The session watched it before the tab wanted that, and what the tab asked for was refused.
                    continue;
                }
                if known.is_none_or(|status| status.is_some() != is_online) {
                    return Err(format!("tab {at} of {} was told {known:?} of {user}", tab.user));
                }
            }
        }
        Ok(())
    }
}
