//! What a partition should hold and answer, worked out from what clients did, in the plainest way: a table of entries
//! with their ends. Knows nothing of turns' diffs, histories or versions.
use crate::{
    dots::Dots,
    due::{Answer, Asked, Due},
    hold::Wished,
    place::{Entry, Listening, RoomModel},
};
use herenow_core::{
    command::{Command, Ending, Evictee, HomeNews, Input, Interest, Message, Patch, Reason},
    cursors::Point,
    event::{Gear, State},
    id::{ConnectionKey, LockName, RequestId, RoomId, SessionId, UserId},
    limits::Limits,
    profile::{Profile, Status},
    refusal::Refusal,
    time::Time,
    typing::Place,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

/// The table of one partition.
#[derive(Debug)]
pub struct Model {
    /// What the hub may hold.
    pub limits: Limits,
    /// Sessions with a connection.
    pub sessions: BTreeMap<SessionId, Guest>,
    /// Rooms with entries or listeners.
    pub rooms: BTreeMap<RoomId, RoomModel>,
    /// Who is online.
    pub dots: Dots,
    /// What the turn that is open must say.
    pub due: Due,
    blocks: BTreeMap<(RoomId, UserId), Time>,
    /// What sessions shared that lost their places, and until when they may come back to it.
    keepsakes: BTreeMap<(SessionId, RoomId), (Time, State)>,
    periods: u64,
    writes: u64,
}

/// A session with a connection.
#[derive(Clone, Debug)]
pub struct Guest {
    /// Whose.
    pub profile: Arc<Profile>,
    /// Where.
    pub connection: ConnectionKey,
    status: Status,
}

/// How a session joins.
#[derive(Clone, Copy, Debug)]
struct Joining<'a> {
    interest: Interest,
    observe: bool,
    sessions: bool,
    state: Option<&'a Patch>,
}

impl Model {
    /// An empty table.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            sessions: BTreeMap::new(),
            rooms: BTreeMap::new(),
            dots: Dots::default(),
            due: Due::default(),
            blocks: BTreeMap::new(),
            keepsakes: BTreeMap::new(),
            periods: 0,
            writes: 0,
        }
    }

    /// Lets the time be `now`: leases, graces and blocks that are over end.
    pub fn wake(&mut self, now: Time) {
        self.dots.wake(now);
        self.blocks.retain(|_, until| *until > now);
        self.keepsakes.retain(|_, (until, _)| *until > now);
        for (id, room) in &mut self.rooms {
            room.leases.retain(|_, until| *until > now);
            let over = |entry: &Entry| entry.ends.filter(|(until, _)| *until <= now);
            let mut ended: Vec<(Time, SessionId, Ending)> = room
                .entries
                .iter()
                .filter_map(|(session, entry)| over(entry).map(|(until, how)| (until, *session, how)))
                .collect();
            ended.sort_by_key(|(until, session, _)| (*until, *session));
            let mut reasons: BTreeMap<UserId, BTreeSet<Reason>> = BTreeMap::new();
            for (_, session, how) in ended {
                if let Some(entry) = room.entries.get(&session) {
                    reasons.entry(entry.user.clone()).or_default().insert(how.reason());
                }
                room.end(session, how.reason(), id, &mut self.due);
            }
            for (user, reasons) in reasons.into_iter().filter(|(user, _)| !room.users.contains_key(user)) {
                self.due.left.entry((id.clone(), user)).or_default().extend(reasons);
            }
        }
        self.keep(now);
    }

    /// Takes in what happened.
    pub fn take(&mut self, now: Time, input: &Input) {
        self.take_in(now, input);
        self.keep(now);
    }

    /// Keeps what sessions shared that lost their places, for as long as they may come back.
    fn keep(&mut self, now: Time) {
        for (session, id, reason, state) in std::mem::take(&mut self.due.keepsakes) {
            let until = now + self.limits.resume_window.saturating_sub(reason.grace(&self.limits));
            let cost = |state: &State| state.iter().map(|(key, value)| key.len() + value.len() + 64).sum::<usize>();
            self.keepsakes.remove(&(session, id.clone()));
            let held: usize = self.keepsakes.values().map(|(_, state)| cost(state)).sum();
            if until > now && held + cost(&state) <= self.limits.keepsake_bytes_max {
                self.keepsakes.insert((session, id), (until, state));
            }
        }
    }

    fn take_in(&mut self, now: Time, input: &Input) {
        match input {
            Input::Attached { session, profile, connection } => self.attach(now, *session, profile, *connection),
            Input::Home { user, session, news } => match news {
                HomeNews::Arrived(status) => self.dots.arrive(*session, user, *status),
                HomeNews::Status(status) => self.dots.set_status(*session, *status),
                HomeNews::Departed(how) => self.dots.depart(*session, *how, now, &self.limits),
            },
            Input::Detached { session, how } => self.detach(now, *session, *how),
            Input::FellBehind { session } => {
                for listening in self.rooms.values_mut().filter_map(|room| room.listeners.get_mut(session)) {
                    (listening.behind, listening.awaits) = (true, None);
                }
            }
            Input::CaughtUp { session } => {
                for (id, room) in &mut self.rooms {
                    if let Some(listening) = room.listeners.get_mut(session)
                        && std::mem::take(&mut listening.behind)
                    {
                        self.due.refreshed.insert((id.clone(), *session));
                    }
                }
            }
            Input::Evicted { room, whom, reason, block } => self.evict(now, room, whom, (*reason, *block)),
            Input::Unclaimed { room: id, session, since, .. } => {
                let Some(room) = self.rooms.get_mut(id).filter(|room| !room.listeners.contains_key(session)) else {
                    return;
                };
                let ended = room.entries.get(session).and_then(|entry| entry.ends);
                if ended.is_some_and(|(until, how)| until <= *since + how.grace(&self.limits)) {
                    room.quit(*session, Ending::Left, id, &mut self.due);
                }
            }
            // Nothing that the model tells hangs on when somebody was last seen.
            Input::Forgotten { user: _ } => {}
            // Whoever looks changes nothing.
            Input::Cluster(_) | Input::Visited { room: _ } => {}
            Input::Ruled { rooms: _ } => unreachable!("the worlds of the simulator have no rules for rooms"),
            Input::Published { room, message, except: _ } => {
                self.say(room, None, message);
            }
            Input::Asked { session, re, command } => {
                let Some(guest) = self.sessions.get(session).cloned() else { return };
                let answer = self.ask(now, *session, &guest, command);
                if let Some(RequestId(re)) = re {
                    self.due.answers.insert(Arc::clone(re), (*session, answer));
                } else if answer == Answer::Refused(Refusal::TypingOff)
                    && let Command::StartTyping { room, .. } = command
                {
                    self.mind_typing_off(now, *session, room);
                }
            }
        }
    }

    /// Ends the turn; rooms without anybody are forgotten. Call before the turn is compared.
    pub fn settle(&mut self, now: Time) {
        self.rooms.retain(|_, room| !room.entries.is_empty() || !room.listeners.is_empty());
        for room in self.rooms.values_mut() {
            room.settle(now, &self.limits);
        }
    }

    fn attach(&mut self, now: Time, session: SessionId, profile: &Arc<Profile>, connection: ConnectionKey) {
        let held = self.sessions.get(&session).map(|guest| (guest.connection, guest.status));
        // A new connection in place of one that never ended: what it does not claim is left like a closed tab.
        let replaced = held.is_some_and(|(held, _)| held != connection);
        if replaced {
            self.detach(now, session, Ending::Closed);
        }
        let renamed = self.sessions.get(&session).is_some_and(|guest| guest.profile != *profile);
        let heard = self.rooms.values_mut().filter(|room| room.listeners.contains_key(&session));
        for room in heard.filter(|_| renamed) {
            if let Some((named, _)) = room.users.get_mut(&profile.user) {
                *named = Arc::clone(profile);
            }
        }
        let status = held.filter(|_| !replaced).map_or(Status::Active, |(_, status)| status);
        self.sessions.insert(session, Guest { profile: Arc::clone(profile), connection, status });
    }

    fn detach(&mut self, now: Time, session: SessionId, how: Ending) {
        if self.sessions.remove(&session).is_none() {
            return;
        }
        self.due.hang_up(session);
        self.dots.look_away(session);
        let grace = how.grace(&self.limits);
        for (id, room) in &mut self.rooms {
            if room.listeners.remove(&session).is_none() {
                continue;
            }
            self.due.unlisten(id, session);
            room.leases.retain(|(.., holder), _| *holder != session);
            room.holds.stop_waiting(session);
            room.hide(session);
            let Some(entry) = room.entries.get_mut(&session) else { continue };
            if entry.fresh || grace.is_zero() {
                room.quit(session, how, id, &mut self.due);
            } else {
                entry.ends = Some((now + grace, how));
            }
        }
    }

    fn evict(&mut self, now: Time, id: &RoomId, whom: &Evictee, (reason, block): (Reason, Option<Duration>)) {
        let attached = |session: &SessionId| self.sessions.get(session);
        let user = match whom {
            Evictee::User(user) | Evictee::UserHere(user) => user.clone(),
            Evictee::Session(session) => match attached(session) {
                Some(guest) => guest.profile.user.clone(),
                None => return,
            },
        };
        if let Some(block) = block {
            self.blocks.insert((id.clone(), user.clone()), now + block);
            if self.blocks.len() > self.limits.blocks_max {
                let others = self.blocks.iter().filter(|(key, _)| **key != (id.clone(), user.clone()));
                let first = others.min_by_key(|(_, until)| **until).map(|(key, _)| key.clone());
                first.and_then(|first| self.blocks.remove(&first));
            }
        }
        let Some(room) = self.rooms.get_mut(id) else { return };
        let meant = |session: &SessionId, owner: &UserId| match whom {
            Evictee::User(_) | Evictee::UserHere(_) => *owner == user,
            Evictee::Session(whom) => session == whom,
        };
        let hears =
            |session: &&SessionId| self.sessions.get(session).is_some_and(|guest| meant(session, &guest.profile.user));
        let heard: Vec<SessionId> = room.listeners.keys().filter(hears).copied().collect();
        let seated: Vec<SessionId> =
            room.entries.iter().filter(|(session, entry)| meant(session, &entry.user)).map(|(at, _)| *at).collect();
        for session in heard {
            room.listeners.remove(&session);
            self.due.cancel(id, session);
            self.due.unlisten(id, session);
            self.due.removed.insert((session, id.clone(), block));
        }
        for session in seated {
            room.end(session, reason, id, &mut self.due);
        }
    }

    fn ask(&mut self, now: Time, session: SessionId, guest: &Guest, command: &Command) -> Answer {
        let done = match command {
            Command::Join { room, interest, observe, state, sessions, .. } => {
                let joining =
                    Joining { interest: *interest, observe: *observe, sessions: *sessions, state: state.as_ref() };
                let joined = self.join(now, session, guest, (room, joining));
                return joined.map_or_else(Answer::Refused, |()| Answer::View(room.clone(), Asked::Join));
            }
            Command::Sync { room, .. } => {
                let listens = self.rooms.get(room).is_some_and(|room| room.listeners.contains_key(&session));
                return if listens {
                    Answer::View(room.clone(), Asked::Sync)
                } else {
                    Answer::Refused(Refusal::NotJoined)
                };
            }
            Command::Leave { room } => self.leave(session, room),
            Command::StartTyping { room, target } => self.start_typing(now, session, guest, (room, target)),
            Command::StopTyping { room, target } => self.member(session, room).map(|room| {
                room.leases.remove(&(guest.profile.user.clone(), target.clone(), session));
            }),
            Command::Update { room, patch } => {
                self.writes += 1;
                let (writes, limits) = (self.writes, self.limits.clone());
                self.member(session, room).and_then(|room| room.write(session, patch, writes, &limits))
            }
            Command::SetStatus { status } => {
                self.set_status(session, *status);
                Ok(())
            }
            Command::Point { room, point } => self.point(session, room, point.as_ref()),
            Command::Lock { room, name, wait } => return self.lock(session, room, name, *wait),
            Command::Unlock { room, name } => self
                .member(session, room)
                .and_then(|room| if room.holds.give(name, session) { Ok(()) } else { Err(Refusal::LockNotHeld) }),
            Command::Watch { users } => return self.watch(session, users),
            Command::Unwatch { users } => {
                self.dots.unwatch(session, users);
                Ok(())
            }
            Command::Send { room, message } => {
                let user = &guest.profile.user;
                let place = self.member(session, room).map(|room| room.leases.retain(|(typist, ..), _| typist != user));
                return match place {
                    Ok(()) => Answer::Ack(Some(self.say(room, Some(session), message))),
                    Err(refusal) => Answer::Refused(refusal),
                };
            }
        };
        done.map_or_else(Answer::Refused, |()| Answer::Ack(None))
    }

    fn join(
        &mut self,
        now: Time,
        session: SessionId,
        guest: &Guest,
        (id, joining): (&RoomId, Joining<'_>),
    ) -> Result<(), Refusal> {
        let Joining { interest, observe, sessions, state } = joining;
        let user = &guest.profile.user;
        let held = self.rooms.values().filter(|room| room.listeners.contains_key(&session)).count();
        let listens = self.rooms.get(id).and_then(|room| room.listeners.get(&session)).copied();
        if listens.is_none() && held >= self.limits.rooms_per_session_max {
            return Err(Refusal::TooManyRooms { rooms_max: self.limits.rooms_per_session_max });
        }
        if let Some(until) = self.blocks.get(&(id.clone(), user.clone())) {
            return Err(Refusal::Blocked { retry_after: until.since(now) });
        }
        let viewers_max = self.limits.viewers_max;
        let is_full = |room: &RoomModel| room.users.len() >= viewers_max && !room.users.contains_key(user);
        if !observe && self.rooms.get(id).is_some_and(is_full) {
            return Err(Refusal::RoomFull { viewers_max });
        }
        self.periods += 1;
        self.writes += 1;
        let room = self.rooms.entry(id.clone()).or_default();
        if observe {
            room.leases.retain(|(.., holder), _| *holder != session);
            room.quit(session, Ending::Left, id, &mut self.due);
        } else {
            let seated = room.entries.get(&session).cloned();
            let mut entry = seated.unwrap_or_else(|| Entry {
                user: user.clone(),
                status: guest.status,
                state: BTreeMap::new(),
                ends: None,
                fresh: true,
                came: self.periods,
            });
            let kept = self.keepsakes.get(&(session, id.clone())).filter(|_| entry.fresh);
            let kept = kept.map(|(_, state)| state.iter().map(|(key, value)| (key.clone(), Some(value.clone()))));
            let with_kept = kept.map(|kept| {
                let more = state.into_iter().flat_map(|patch| patch.0.iter().cloned());
                Patch(kept.chain(more).collect())
            });
            let is_back = with_kept.is_some_and(|patch| entry.write(&patch, self.writes, &self.limits).is_ok());
            if let Some(patch) = state.filter(|_| !is_back) {
                entry.write(patch, self.writes, &self.limits)?;
            }
            self.keepsakes.remove(&(session, id.clone()));
            if entry.fresh {
                self.due.entered.insert((id.clone(), session));
            }
            (entry.status, entry.ends) = (guest.status, None);
            room.entries.insert(session, entry);
            room.users.entry(user.clone()).or_insert((Arc::clone(&guest.profile), now)).0 = Arc::clone(&guest.profile);
        }
        let period = listens.map_or(self.periods, |listening| listening.period);
        let (behind, awaits, typing_off_at) = (false, None, None);
        room.listeners.insert(session, Listening { interest, sessions, period, behind, awaits, typing_off_at });
        self.due.refreshed.remove(&(id.clone(), session));
        Ok(())
    }

    fn leave(&mut self, session: SessionId, id: &RoomId) -> Result<(), Refusal> {
        let room = self.rooms.get_mut(id).ok_or(Refusal::NotJoined)?;
        room.listeners.remove(&session).ok_or(Refusal::NotJoined)?;
        self.due.cancel(id, session);
        self.due.unlisten(id, session);
        room.leases.retain(|(.., holder), _| *holder != session);
        room.quit(session, Ending::Left, id, &mut self.due);
        Ok(())
    }

    fn start_typing(
        &mut self,
        now: Time,
        session: SessionId,
        guest: &Guest,
        (id, place): (&RoomId, &Place),
    ) -> Result<(), Refusal> {
        let (until, targets_max) = (now + self.limits.typing_lease, self.limits.typing_targets_max);
        let room = self.member(session, id)?;
        if room.latches.gear() == Gear::Crowd {
            return Err(Refusal::TypingOff);
        }
        let others = room.leases.keys().filter(|(_, at, holder)| *holder == session && at != place).count();
        if others >= targets_max {
            return Err(Refusal::TooManyTargets { targets_max });
        }
        room.leases.insert((guest.profile.user.clone(), place.clone(), session), until);
        Ok(())
    }

    /// Who does not number its requests hears once a minute that nobody hears of typing.
    fn mind_typing_off(&mut self, now: Time, session: SessionId, id: &RoomId) {
        let listening = self.rooms.get_mut(id).and_then(|room| room.listeners.get_mut(&session));
        let Some(listening) = listening else { return };
        if listening.typing_off_at.is_none_or(|at| now.since(at) >= Duration::from_secs(60)) {
            listening.typing_off_at = Some(now);
            *self.due.typing_off.entry((id.clone(), session)).or_default() += 1;
        }
    }

    fn point(&mut self, session: SessionId, id: &RoomId, point: Option<&Point>) -> Result<(), Refusal> {
        let room = self.member(session, id)?;
        match point {
            Some(_) if room.latches.gear() == Gear::Crowd => {}
            Some(point) => {
                room.pointers.insert(session, point.clone());
                room.moved.insert(session);
            }
            None => room.hide(session),
        }
        Ok(())
    }

    fn lock(&mut self, session: SessionId, id: &RoomId, name: &LockName, wait: bool) -> Answer {
        let limits = self.limits.clone();
        let room = match self.member(session, id) {
            Ok(room) => room,
            Err(refusal) => return Answer::Refused(refusal),
        };
        let (holder, held) = match room.holds.take(name, session, wait, &limits) {
            Wished::Over(limits) => return Answer::TooManyLocks(limits),
            Wished::Held => (session, true),
            Wished::Taken(holder) => (holder, false),
        };
        Answer::Lock { room: id.clone(), name: name.clone(), holder, held }
    }

    fn watch(&mut self, session: SessionId, users: &[UserId]) -> Answer {
        let watched_max = self.limits.watched_per_session_max;
        if !self.dots.watch(session, users, watched_max) {
            return Answer::WatchRefused(watched_max);
        }
        self.due.watches.entry(session).or_default().push_back(users.to_vec());
        Answer::Ack(None)
    }

    fn set_status(&mut self, session: SessionId, status: Status) {
        if let Some(guest) = self.sessions.get_mut(&session) {
            guest.status = status;
        }
        for room in self.rooms.values_mut().filter(|room| room.listeners.contains_key(&session)) {
            if let Some(entry) = room.entries.get_mut(&session) {
                entry.status = status;
            }
        }
    }

    /// The room, for a session that is a viewer in it.
    fn member(&mut self, session: SessionId, id: &RoomId) -> Result<&mut RoomModel, Refusal> {
        let room = self.rooms.get_mut(id).ok_or(Refusal::NotJoined)?;
        if !room.listeners.contains_key(&session) {
            return Err(Refusal::NotJoined);
        }
        if room.entries.contains_key(&session) { Ok(room) } else { Err(Refusal::OnlyObserving) }
    }

    /// Notes who hears a message; how many.
    fn say(&mut self, id: &RoomId, from: Option<SessionId>, message: &Message) -> usize {
        let Some(room) = self.rooms.get(id) else { return 0 };
        let hears = |session: &&SessionId| {
            let user = self.sessions.get(session).map(|guest| &guest.profile.user);
            let meant = message.to.is_none() || message.to.as_ref() == user;
            meant && (message.echo || from != Some(**session))
        };
        let hearers: BTreeSet<SessionId> = room.listeners.keys().filter(hears).copied().collect();
        let count = hearers.len();
        self.due.messages.insert(Arc::clone(&message.data), (id.clone(), hearers));
        count
    }
}
