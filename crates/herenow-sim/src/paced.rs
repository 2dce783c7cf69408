//! What must hold at the end of a turn: news keep the pace of the room, and whoever listens knows what was told.
use crate::{
    pace::Duty,
    partition::{Paced, Partition, Shadow, Turn},
    place::{Listening, RoomModel},
    show::show,
    told::{Told, missable_in},
    view::Fault,
};
use herenow_core::{
    event::{Event, Gear, Hearing, Viewer},
    history::History,
    id::{ConnectionKey, LockName, RoomId, SessionId, UserId},
    limits::Gears,
    time::Time,
    typing::Place,
    version::Version,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// A room at the end of a turn.
struct Ended<'a> {
    id: &'a RoomId,
    room: &'a RoomModel,
    number: u64,
    paced: &'a Paced,
    now: Time,
    /// Everybody must have been told by now.
    is_due: bool,
    locks: BTreeMap<LockName, (SessionId, u64)>,
}

/// How long news wait after so many tellings in a row, while that is below the tick.
fn spacing(gears: &Gears, row: u32) -> Duration {
    row.checked_sub(1).map_or(Duration::ZERO, |before| gears.spacing_first.saturating_mul(1 << before.min(24)))
}

/// Longest a history may be while nobody is told, in times of its limit.
const UNTOLD_TIMES: u64 = 64;
/// Longest time between two tellings in a batched room.
const TICK_MAX: Duration = Duration::from_millis(500);

impl Partition {
    /// Who fell behind hears nothing more until the room is given to it anew.
    pub(crate) fn note_behind(&mut self, sessions: &[SessionId]) {
        let guests = sessions.iter().filter_map(|session| self.model.sessions.get(session));
        let keys: BTreeSet<ConnectionKey> = guests.map(|guest| guest.connection).collect();
        for ((key, _), shadow) in &mut self.shadows {
            shadow.ready &= !keys.contains(key);
        }
    }

    /// Nothing that can be missed is said to who has fallen behind, whether or not the driver would hold it back.
    pub(crate) fn check_behind(&self, told: &[Told]) -> Result<(), Fault> {
        let behind = |id: &RoomId| -> Vec<ConnectionKey> {
            let listeners = self.model.rooms.get(id).map(|room| room.listeners.iter()).into_iter().flatten();
            let behind = listeners.filter(|(_, listening)| listening.behind);
            behind.filter_map(|(session, _)| self.model.sessions.get(session)).map(|guest| guest.connection).collect()
        };
        for Told { event, to, .. } in told {
            let Some(id) = missable_in(event) else { continue };
            if let Some(key) = behind(id).into_iter().find(|key| to.contains(key)) {
                return Err(format!("{} has fallen behind and is told {}", key.0, show(event)));
            }
        }
        Ok(())
    }

    /// Who can be written to again and wants no rosters has nothing to wait for.
    pub(crate) fn note_caught_up(&mut self) {
        for (id, session) in &self.model.due.refreshed {
            let Some((room, guest)) = self.model.rooms.get(id).zip(self.model.sessions.get(session)) else { continue };
            let Some(listening) = room.listeners.get(session) else { continue };
            if room.latches.duty(listening.interest) == Duty::Nothing
                && let Some(shadow) = self.shadows.get_mut(&(guest.connection, id.clone()))
            {
                shadow.ready = true;
            }
        }
    }

    pub(crate) fn check_pace(&mut self, now: Time, turn: &Turn) -> Result<(), Fault> {
        self.check_cursors(now, turn)?;
        let mut paces = BTreeMap::new();
        for (id, room) in &self.model.rooms {
            let Some((number, viewers)) = self.now(id) else { continue };
            let paced = self.paces.get(id).cloned().unwrap_or_default();
            let is_due = room.latches.gear() == Gear::Live || room.shifted || now >= paced.next;
            if turn.telling.contains(id) && !is_due {
                return Err(format!("{id} tells news at {now}, {} too early", paced.next.since(now).as_millis()));
            }
            let locks = self.held.iter().filter(|((at, _), _)| at == id);
            let locks = locks.map(|((_, name), held)| (name.clone(), *held)).collect();
            let ended = Ended { id, room, number, paced: &paced, now, is_due, locks };
            for (session, listening) in &room.listeners {
                let checked = self.check_listener(&ended, (*session, listening), viewers);
                checked.map_err(|what| format!("{session} in {id} at {number}, {listening:?}: {what}"))?;
            }
            if let Some(history) = self.hub.history(id) {
                self.check_history(&ended, history)?;
            }
            paces.insert(id.clone(), self.next_pace(&ended, turn));
        }
        self.paces = paces;
        Ok(())
    }

    fn next_pace(&self, ended: &Ended<'_>, turn: &Turn) -> Paced {
        let Ended { id, room, number, now, is_due, .. } = ended;
        let mut paced = ended.paced.clone();
        if *is_due {
            (paced.typing, paced.number) = (room.typists(), *number);
        }
        if turn.telling.contains(*id) || room.shifted {
            let tick = room.latches.tick(room.users.len(), &self.limits.gears);
            if room.shifted {
                paced.next = *now;
                // Where there are no ticks, nothing is left of a row, even where nobody was told.
                paced.row = if tick.is_zero() { 0 } else { paced.row };
            }
            // Where nobody was told, nothing has to wait.
            if turn.telling.contains(*id) {
                let begins = *now >= paced.next + tick;
                paced.row = if tick.is_zero() { 0 } else { 1 + if begins { 0 } else { paced.row } };
                paced.next = *now + spacing(&self.limits.gears, paced.row).min(tick);
            }
        }
        paced
    }

    fn check_history(&self, ended: &Ended<'_>, history: &History) -> Result<(), Fault> {
        let Ended { id, number, paced, is_due, .. } = ended;
        let log_max = self.limits.log_changes_max as u64;
        let untold = if *is_due { 0 } else { number.saturating_sub(paced.number) };
        let kept = log_max.max(untold.min(log_max * UNTOLD_TIMES));
        if *number > kept && history.since(number - kept - 1).is_some() {
            return Err(format!("{id} remembers more than {kept} changes"));
        }
        Ok(())
    }

    /// Whoever listens knows all that was told, and is told in time.
    fn check_listener(
        &self,
        ended: &Ended<'_>,
        (session, listening): (SessionId, &Listening),
        viewers: &[Viewer],
    ) -> Result<(), Fault> {
        let Ended { id, room, number, now, is_due, .. } = *ended;
        let Some(guest) = self.model.sessions.get(&session) else { return Err("is not attached".into()) };
        if listening.behind {
            return Ok(());
        }
        if let Some(since) = listening.awaits {
            let span = self.limits.gears.crowd_tick + TICK_MAX + Duration::from_millis(self.late_ms - room.late_ms);
            let late = now.since(since) > span;
            return if late { Err(format!("waits for its roster since {since}")) } else { Ok(()) };
        }
        let shadow = self.shadows.get(&(guest.connection, (*id).clone()));
        let Some(shadow) = shadow.filter(|shadow| shadow.period == listening.period && shadow.ready) else {
            return Err("heard no answer".into());
        };
        let known = shadow.view.version.as_ref().map(|version| version.number);
        let users = || viewers.iter().map(|viewer| &viewer.profile.user);
        let duty = room.latches.duty(listening.interest);
        let holds = match duty {
            Duty::Lists => self.holds(id, shadow) && (!is_due || known == Some(number)),
            Duty::Steps => !is_due || shadow.view.viewers.keys().collect::<BTreeSet<_>>() == users().collect(),
            Duty::Counts => !is_due || known == Some(number),
            Duty::Nothing => true,
        };
        if !holds {
            return Err(format!("knows {:?} at {known:?}", shadow.view.in_order()));
        }
        self.check_typing(ended, shadow, (&guest.profile.user, listening))?;
        if shadow.view.locks.as_ref().map_or(duty == Duty::Counts, |locks| *locks != ended.locks) {
            return Err(format!("locks {:?}, not {:?}", shadow.view.locks, ended.locks));
        }
        let detailed = listening.sessions && duty == Duty::Lists && is_due;
        if detailed && shadow.view.sessions.as_ref() != Some(&room.sessions()) {
            return Err(format!("sessions {:?}, not {:?}", shadow.view.sessions, room.sessions()));
        }
        let untold = !matches!(duty, Duty::Nothing) && known != Some(number);
        if untold && !is_due && self.hub.poll_timeout().is_none_or(|due| due > ended.paced.next) {
            return Err("nobody looks when the next news are due".into());
        }
        Ok(())
    }

    /// It holds the roster of its version.
    fn holds(&self, id: &RoomId, shadow: &Shadow) -> bool {
        let Some(version) = &shadow.view.version else { return false };
        let snapshot = self.snapshot(id, &Version { epoch: self.epoch.clone(), number: version.number });
        shadow.view.lists && snapshot.is_some_and(|roster| shadow.view.in_order().into_iter().eq(roster.iter()))
    }

    fn check_typing(
        &self,
        ended: &Ended<'_>,
        shadow: &Shadow,
        (user, listening): (&UserId, &Listening),
    ) -> Result<(), Fault> {
        if !Hearing::Typing.includes(listening.interest) {
            return Ok(());
        }
        let others = |typing: &BTreeSet<(UserId, Place)>| -> Vec<_> {
            typing.iter().filter(|(typist, _)| typist != user).cloned().collect()
        };
        let wanted = if ended.is_due { ended.room.typists() } else { ended.paced.typing.clone() };
        if others(&shadow.view.typing) == others(&wanted) {
            return Ok(());
        }
        Err(format!("typing {:?}, not {wanted:?}", shadow.view.typing))
    }

    /// Pointers are told where they are now, not too often, and to everybody who asked; nobody sees what is hidden.
    fn check_cursors(&mut self, now: Time, turn: &Turn) -> Result<(), Fault> {
        for told in &turn.told {
            let Event::Cursors { room: id, at } = &told.event else { continue };
            let fault = |what: &str| Err(format!("{}: {what}", show(&told.event)));
            let paced = self.paces.entry(id.clone()).or_default();
            if now < paced.next_cursors {
                return fault("too early");
            }
            let Some(room) = self.model.rooms.get_mut(id) else { continue };
            for (session, point) in at {
                if room.pointers.get(session) != point.as_ref() {
                    return fault("it is not there");
                }
                if !room.moved.remove(session) {
                    return fault("it did not move");
                }
            }
            if let Some(session) = self.unheard(id, told, turn) {
                return fault(&format!("{session} does not hear it"));
            }
        }
        for (id, room) in &mut self.model.rooms {
            let told = turn.told.iter().any(|told| matches!(&told.event, Event::Cursors { room, .. } if room == id));
            let paced = self.paces.entry(id.clone()).or_default();
            if now >= paced.next_cursors {
                if let Some(session) = room.moved.iter().find(|session| room.pointers.contains_key(session)) {
                    return Err(format!("{session} moved in {id}, and nobody was told"));
                }
                room.moved.clear();
            }
            if told {
                paced.next_cursors = now + self.limits.cursor_tick;
            }
            let still = now >= paced.next_cursors || told;
            for ((key, _), shadow) in self.shadows.iter().filter(|((_, at), shadow)| at == id && shadow.ready && still)
            {
                if let Some((session, _)) =
                    shadow.view.pointers.iter().find(|(session, point)| room.pointers.get(session) != Some(point))
                {
                    return Err(format!("{} still sees {session} in {id}", key.0));
                }
            }
        }
        Ok(())
    }

    /// Who asked for pointers and could be told, but was not.
    fn unheard(&self, id: &RoomId, told: &Told, turn: &Turn) -> Option<SessionId> {
        let room = self.model.rooms.get(id)?;
        let unheard = |(session, listening): &(&SessionId, &Listening)| {
            let Some(guest) = self.model.sessions.get(session) else { return false };
            let shadow = self.shadows.get(&(guest.connection, id.clone()));
            let hears = listening.sessions && !listening.behind && listening.awaits.is_none();
            hears
                && shadow.is_some_and(|shadow| shadow.ready && shadow.was_ready && !shadow.whole)
                && !told.to.contains(&guest.connection)
                && !turn.missed.contains(&guest.connection)
        };
        room.listeners.iter().find(unheard).map(|(session, _)| *session)
    }
}
