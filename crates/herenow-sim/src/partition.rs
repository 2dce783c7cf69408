//! One hub as a shard task would own it, its inbox, and beside it the model that it is compared with.
use crate::{
    model::Model,
    place::RoomModel,
    tamper::Tamper,
    told::{Told, missable_in},
    view::{Fault, View},
};
use herenow_core::{
    command::Input,
    event::{Event, Gear, Notice, Output, Viewer},
    hub::Hub,
    id::{ConnectionKey, LockName, RoomId, SessionId, UserId},
    limits::Limits,
    profile::Status,
    time::Time,
    typing::Place,
    version::{Epoch, Version},
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

/// A hub and what is known of it.
#[derive(Debug)]
pub struct Partition {
    pub(crate) hub: Hub,
    pub(crate) limits: Limits,
    pub(crate) epoch: Epoch,
    /// What the hub should hold.
    pub model: Model,
    /// What happened and was not taken in yet.
    pub inbox: VecDeque<Input>,
    /// The roster at each version that anybody may have been told.
    pub(crate) snapshots: BTreeMap<(RoomId, u64), Arc<[Viewer]>>,
    pub(crate) known: BTreeMap<RoomId, Known>,
    /// Each room as each connection must know it, frame by frame, without any delay.
    pub(crate) shadows: BTreeMap<(ConnectionKey, RoomId), Shadow>,
    /// Each user as each connection was told of them.
    pub(crate) dots: BTreeMap<ConnectionKey, BTreeMap<UserId, Option<Status>>>,
    /// How far each room was told.
    pub(crate) paces: BTreeMap<RoomId, Paced>,
    /// Who was said to hold each lock, and under which number.
    pub(crate) held: BTreeMap<(RoomId, LockName), (SessionId, u64)>,
    /// The highest number of each lock, also of lives before.
    pub(crate) fences: BTreeMap<(RoomId, LockName), u64>,
    /// Who held each lock at some time of the turn, and under which number.
    pub(crate) given: BTreeMap<(RoomId, LockName), BTreeSet<(SessionId, u64)>>,
    /// By how much turns came late, all together, in milliseconds.
    pub(crate) late_ms: u64,
}

/// A room as of the end of the turn before.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) number: u64,
    pub(crate) viewers: Arc<[Viewer]>,
    /// Whether the hub held it.
    pub(crate) held: bool,
}

/// What a connection was told of a room.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shadow {
    pub(crate) period: u64,
    pub(crate) view: View,
    /// A roster, a count that was owed, or a diff with who types, came in this turn.
    pub(crate) whole: bool,
    /// It was answered, and has missed nothing since.
    pub(crate) ready: bool,
    /// It was ready when the turn began.
    pub(crate) was_ready: bool,
}

/// How far a room was told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Paced {
    /// Changes before this time wait.
    pub(crate) next: Time,
    /// Tellings since the last quiet tick.
    pub(crate) row: u32,
    /// Moves of pointers before this time wait.
    pub(crate) next_cursors: Time,
    /// Who types, as was said.
    pub(crate) typing: BTreeSet<(UserId, Place)>,
    /// The version that everybody was told.
    pub(crate) number: u64,
}

/// What a turn takes.
#[derive(Clone, Copy, Debug)]
pub struct Pull<'a> {
    /// How many of the inputs that wait.
    pub inputs: usize,
    /// Connections whose clients do not read.
    pub choked: &'a BTreeSet<ConnectionKey>,
}

/// What a turn brought.
#[derive(Debug, Default)]
pub struct Turn {
    /// What clients are told, in order.
    pub told: Vec<Told>,
    /// What others may want to know, in order.
    pub notices: Vec<Notice>,
    /// Whether a roster changed.
    pub changed: bool,
    /// Connections that something was not said to, because their clients do not read.
    pub missed: BTreeSet<ConnectionKey>,
    /// Rooms that told news nobody asked for.
    pub(crate) telling: BTreeSet<RoomId>,
    /// Sessions that fell behind.
    pub(crate) behind: Vec<SessionId>,
}

impl Partition {
    /// An empty partition whose hub has `hub_limits`: those of the model, unless a fault is planted.
    pub fn new(epoch: Epoch, limits: Limits, hub_limits: Limits) -> Self {
        Self {
            hub: Hub::new(epoch.clone(), hub_limits),
            model: Model::new(limits.clone()),
            limits,
            epoch,
            inbox: VecDeque::new(),
            snapshots: BTreeMap::new(),
            known: BTreeMap::new(),
            shadows: BTreeMap::new(),
            dots: BTreeMap::new(),
            paces: BTreeMap::new(),
            held: BTreeMap::new(),
            fences: BTreeMap::new(),
            given: BTreeMap::new(),
            late_ms: 0,
        }
    }

    /// When the hub wants to be woken.
    pub fn due(&self) -> Option<Time> {
        self.hub.poll_timeout()
    }

    /// Runs one turn over the first inputs of the inbox, and compares.
    ///
    /// # Errors
    /// What does not hold.
    pub fn turn(&mut self, now: Time, pull: Pull<'_>, tamper: &mut Tamper) -> Result<Turn, Fault> {
        let late_ms = self.due().map_or(0, |due| now.as_millis().saturating_sub(due.as_millis()));
        self.late_ms += late_ms;
        if !tamper.skips_timeout() {
            self.hub.handle_timeout(now);
        }
        self.model.wake(now);
        for input in self.inbox.drain(..pull.inputs.min(self.inbox.len())) {
            let believed = tamper.input(&input, &self.model);
            self.model.take(now, &input);
            for input in believed {
                self.hub.handle(now, input);
            }
        }
        self.hub.settle(now);
        self.model.settle(now);
        for room in self.model.rooms.values_mut().filter(|room| room.shifted) {
            room.late_ms = self.late_ms;
        }
        let mut turn = Turn::default();
        while let Some(output) = self.hub.poll_output() {
            match output {
                Output::Deliver { to, event } => {
                    let to = self.hub.recipients(&to).collect();
                    turn.told.push(Told { event, to });
                }
                Output::Notice(notice) => turn.notices.push(notice),
                // Only hubs that are several ask a store; this one is alone.
                Output::Cluster(_) => {}
            }
        }
        tamper.outputs(&mut turn.told, &self.model);
        turn.telling = self.telling(&turn.told);
        self.check_behind(&turn.told)?;
        self.hold_back(&mut turn, pull.choked);
        if !turn.missed.is_empty() && tamper.forgets_behind() {
            turn.behind.clear();
        }
        self.check(now, &mut turn)?;
        for session in turn.behind.iter().copied() {
            self.hub.handle(now, Input::FellBehind { session });
        }
        Ok(turn)
    }

    /// Does not say what can be missed to who does not read, as the real driver.
    fn hold_back(&self, turn: &mut Turn, choked: &BTreeSet<ConnectionKey>) {
        for Told { event, to, .. } in &mut turn.told {
            if missable_in(event).is_some() {
                turn.missed.extend(to.iter().filter(|key| choked.contains(key)));
                to.retain(|key| !choked.contains(key));
            }
        }
        let missed = self.model.sessions.iter().filter(|(_, guest)| turn.missed.contains(&guest.connection));
        turn.behind = missed.map(|(session, _)| *session).collect();
    }

    /// The rooms in which a session has a place.
    pub fn rooms_with(&self, session: SessionId) -> impl Iterator<Item = &RoomId> {
        let rooms = self.model.rooms.iter().filter(move |(_, room)| room.entries.contains_key(&session));
        rooms.map(|(id, _)| id)
    }

    /// The rooms that told news nobody asked for, or is owed.
    fn telling(&self, told: &[Told]) -> BTreeSet<RoomId> {
        let mut rooms = BTreeSet::new();
        let session = |key: &ConnectionKey| {
            let mut sessions = self.model.sessions.iter();
            sessions.find(|(_, guest)| guest.connection == *key).map(|(session, _)| *session)
        };
        for Told { event, to, .. } in told {
            match event {
                Event::Diff { typing: None, view, .. } => drop(rooms.insert(view.room.clone())),
                Event::Step(step) => drop(rooms.insert(step.room.clone())),
                Event::Sessions { room, .. } => drop(rooms.insert(room.clone())),
                Event::Typing { room, .. } => {
                    // In a room that has just shifted, it is what the gear before said.
                    let in_ticks = |room: &RoomModel| room.latches.gear() != Gear::Live && !room.shifted;
                    if self.model.rooms.get(room).is_some_and(in_ticks) {
                        rooms.insert(room.clone());
                    }
                }
                Event::Count { locks: None, view } => drop(rooms.insert(view.room.clone())),
                Event::Roster { re: None, view, .. } => {
                    let room = self.model.rooms.get(&view.room);
                    let owed = |session: SessionId| {
                        let listening = room.and_then(|room| room.listeners.get(&session));
                        self.model.due.refreshed.contains(&(view.room.clone(), session))
                            || listening.is_some_and(|listening| listening.awaits.is_some())
                    };
                    if to.iter().filter_map(session).any(|session| !owed(session)) {
                        rooms.insert(view.room.clone());
                    }
                }
                Event::Roster { re: Some(_), .. }
                | Event::Diff { typing: Some(_), .. }
                | Event::Count { locks: Some(_), .. }
                | Event::Cursors { .. }
                | Event::Lock { .. }
                | Event::Statuses(_)
                | Event::Stale { .. }
                | Event::LockAnswer { .. }
                | Event::Message { .. }
                | Event::Removed { .. }
                | Event::Ack { .. }
                | Event::WatchRefused { .. }
                | Event::Refused { .. } => {}
            }
        }
        rooms
    }

    /// The roster at a version, where it is of this life and anybody can have been told of it.
    pub fn snapshot(&self, room: &RoomId, version: &Version) -> Option<&Arc<[Viewer]>> {
        let ours = version.epoch == self.epoch;
        self.snapshots.get(&(room.clone(), version.number)).filter(|_| ours)
    }

    /// The version and roster of a room now; `None` where the hub holds no such room.
    pub fn now(&self, room: &RoomId) -> Option<(u64, &Arc<[Viewer]>)> {
        self.known.get(room).filter(|known| known.held).map(|known| (known.number, &known.viewers))
    }

    /// What the hub holds.
    pub fn load(&self) -> herenow_core::hub::Load {
        self.hub.load()
    }
}
