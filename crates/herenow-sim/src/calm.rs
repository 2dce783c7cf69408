//! When nobody does anything new: what must hold once all is told and every grace and lease is over.
use crate::{client::Wish, node::Node, view::Fault, world::World};
use herenow_core::{
    command::{Ending, Interest},
    event::Viewer,
    id::{RoomId, UserId},
};
use std::collections::{BTreeMap, BTreeSet};

/// Longer than any grace, lease, delay and time-out one after another, in virtual milliseconds.
const CALM_MS: u64 = 120_000;

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
        if self.lossy {
            // Who missed the last frame of all cannot know before the next one: here, it asks.
            self.sync_all();
            self.advance(self.now_ms + CALM_MS)?;
        }
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
        Ok(())
    }

    fn sync_all(&mut self) {
        for at in 0..self.tabs.len() {
            let Some(tab) = self.tabs.get(at) else { continue };
            let listening: Vec<RoomId> =
                tab.seats.iter().filter(|(_, seat)| seat.listening).map(|(room, _)| room.clone()).collect();
            for room in listening {
                let Some(tab) = self.tabs.get_mut(at) else { continue };
                let request = tab.sync(&mut self.numbers, &room, true);
                self.send_up(at, request);
            }
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
            let fault = |what: String| Err(format!("tab {at} of {} in {room} at rest: {what}", tab.user));
            let known = seat.view.version.as_ref().map(|version| version.number);
            if seat.granted.follows() && !seat.view.in_order().into_iter().eq(viewers.iter()) {
                return fault(format!("knows {:?} at {known:?}", seat.view.in_order()));
            }
            match seat.granted.interest() {
                Some(Interest::Auto | Interest::Full | Interest::Count) if known != Some(number) => {
                    return fault(format!("knows version {known:?} of {number}"));
                }
                Some(Interest::Listed) if !same_users(&seat.view.viewers, &users) => {
                    return fault(format!("lists {:?}", seat.view.viewers.keys()));
                }
                Some(Interest::Auto | Interest::Full | Interest::Count | Interest::Listed | Interest::None) | None => {}
            }
            let hears_typing =
                seat.granted.interest().is_some_and(|interest| herenow_core::event::Hearing::Typing.includes(interest));
            if hears_typing && seat.view.typing.iter().any(|(user, _)| *user != tab.user) {
                return fault(format!("sees {:?} type", seat.view.typing));
            }
        }
        Ok(())
    }
}

fn same_users(listed: &BTreeMap<UserId, Viewer>, users: &BTreeSet<&UserId>) -> bool {
    listed.keys().eq(users.iter().copied())
}
