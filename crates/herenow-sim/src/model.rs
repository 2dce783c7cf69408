//! What a partition should hold and answer, worked out from what clients did, in the plainest way: a table of entries
//! with their ends. Knows nothing of turns' diffs, histories or versions.
use herenow_core::{
    command::{Command, Ending, Evictee, Input, Interest, Message, Patch, Reason},
    event::State,
    id::{ConnectionKey, RequestId, RoomId, SessionId, UserId},
    limits::Limits,
    profile::{Profile, Status},
    refusal::Refusal,
    time::Time,
    typing::Place,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The table of one partition.
#[derive(Debug)]
pub struct Model {
    limits: Limits,
    /// Sessions with a connection.
    pub sessions: BTreeMap<SessionId, Guest>,
    /// Rooms with entries or listeners.
    pub rooms: BTreeMap<RoomId, RoomModel>,
    /// What the turn that is open must say.
    pub due: Due,
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

/// One room.
#[derive(Debug, Default)]
pub struct RoomModel {
    /// Each session's place.
    pub entries: BTreeMap<SessionId, Entry>,
    /// Users with entries: as whom, and since when.
    pub users: BTreeMap<UserId, (Arc<Profile>, Time)>,
    /// Sessions that hear the room.
    pub listeners: BTreeMap<SessionId, Listening>,
    leases: BTreeMap<(UserId, Place, SessionId), Time>,
}

/// One session's place in a room.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Whose.
    pub user: UserId,
    status: Status,
    state: BTreeMap<Arc<str>, (u64, Arc<str>)>,
    ends: Option<(Time, Ending)>,
    /// Its first join is of this turn.
    fresh: bool,
}

/// How a session hears a room.
#[derive(Clone, Copy, Debug)]
pub struct Listening {
    /// How much.
    pub interest: Interest,
    /// Differs from one time of listening to the next.
    pub period: u64,
}

/// What the open turn must say.
#[derive(Debug, Default)]
pub struct Due {
    /// The answer that each numbered request is owed.
    pub answers: BTreeMap<Arc<str>, (SessionId, Answer)>,
    /// Sessions that took a place in the turn.
    pub entered: BTreeSet<(RoomId, SessionId)>,
    /// Who gets each message, by its data.
    pub messages: BTreeMap<Arc<str>, (RoomId, BTreeSet<SessionId>)>,
    /// Who is told that they are out.
    pub removed: BTreeSet<(SessionId, RoomId)>,
    /// Why users left, the last time in the turn.
    pub left: BTreeMap<(RoomId, UserId), Reason>,
}

/// What a request is answered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done; a message to so many sessions.
    Ack(Option<usize>),
    /// Not done.
    Refused(Refusal),
    /// A roster or a diff of the room.
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

/// A viewer as the model has it.
#[derive(Debug, PartialEq, Eq)]
pub struct Expected<'a> {
    /// Who.
    pub profile: &'a Arc<Profile>,
    /// The most present of their sessions.
    pub status: Status,
    /// Since when.
    pub joined_at: Time,
    /// The newest value of each key.
    pub state: State,
}

impl Model {
    /// An empty table.
    pub fn new(limits: Limits) -> Self {
        let (sessions, rooms, due) = (BTreeMap::new(), BTreeMap::new(), Due::default());
        Self { limits, sessions, rooms, due, periods: 0, writes: 0 }
    }

    /// Lets the time be `now`: leases and graces that are over end.
    pub fn wake(&mut self, now: Time) {
        for (id, room) in &mut self.rooms {
            room.leases.retain(|_, until| *until > now);
            let over = |entry: &Entry| entry.ends.filter(|(until, _)| *until <= now);
            let mut ended: Vec<(Time, SessionId, Ending)> = room
                .entries
                .iter()
                .filter_map(|(session, entry)| over(entry).map(|(until, how)| (until, *session, how)))
                .collect();
            ended.sort_by_key(|(until, session, _)| (*until, *session));
            for (_, session, how) in ended {
                room.end(session, how.reason(), id, &mut self.due);
            }
        }
    }

    /// Takes in what happened.
    pub fn take(&mut self, now: Time, input: &Input) {
        match input {
            Input::Attached { session, profile, connection } => self.attach(now, *session, profile, *connection),
            Input::Detached { session, how } => self.detach(now, *session, *how),
            Input::Evicted { room, whom, reason } => self.evict(room, whom, *reason),
            Input::Published { room, message } => {
                self.say(room, None, message);
            }
            Input::Asked { session, re, command } => {
                let Some(guest) = self.sessions.get(session).cloned() else { return };
                let answer = self.ask(now, *session, &guest, command, re.as_ref());
                if let Some(RequestId(re)) = re {
                    self.due.answers.insert(Arc::clone(re), (*session, answer));
                }
            }
        }
    }

    /// Ends the turn; rooms without anybody are forgotten. Call before the turn is compared.
    pub fn settle(&mut self) {
        self.rooms.retain(|_, room| !room.entries.is_empty() || !room.listeners.is_empty());
        for entry in self.rooms.values_mut().flat_map(|room| room.entries.values_mut()) {
            entry.fresh = false;
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
        self.due.answers.retain(|_, (who, _)| *who != session);
        self.due.removed.retain(|(who, _)| *who != session);
        let grace = how.grace(&self.limits);
        for (id, room) in &mut self.rooms {
            if room.listeners.remove(&session).is_none() {
                continue;
            }
            self.due.unlisten(id, session);
            room.leases.retain(|(.., holder), _| *holder != session);
            let Some(entry) = room.entries.get_mut(&session) else { continue };
            if entry.fresh || grace.is_zero() {
                room.quit(session, how, id, &mut self.due);
            } else {
                entry.ends = Some((now + grace, how));
            }
        }
    }

    fn evict(&mut self, id: &RoomId, whom: &Evictee, reason: Reason) {
        let Some(room) = self.rooms.get_mut(id) else { return };
        let attached = |session: &SessionId| self.sessions.get(session);
        let meant = |session: &SessionId, user: &UserId| match whom {
            Evictee::User(whom) => user == whom,
            Evictee::Session(whom) => session == whom && attached(session).is_some(),
        };
        let hears = |session: &&SessionId| attached(session).is_some_and(|guest| meant(session, &guest.profile.user));
        let heard: Vec<SessionId> = room.listeners.keys().filter(hears).copied().collect();
        let seated: Vec<SessionId> =
            room.entries.iter().filter(|(session, entry)| meant(session, &entry.user)).map(|(at, _)| *at).collect();
        for session in heard {
            room.listeners.remove(&session);
            self.due.cancel(id, session);
            self.due.unlisten(id, session);
            self.due.removed.insert((session, id.clone()));
        }
        for session in seated {
            room.end(session, reason, id, &mut self.due);
        }
    }

    fn ask(
        &mut self,
        now: Time,
        session: SessionId,
        guest: &Guest,
        command: &Command,
        re: Option<&RequestId>,
    ) -> Answer {
        let done = match command {
            Command::Join { room, interest, observe, state, .. } => {
                let joined = self.join(now, session, guest, (room, *interest, *observe, state.as_ref()));
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
            Command::Leave { room } => self.leave(session, room, re),
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
        (id, interest, observe, state): (&RoomId, Interest, bool, Option<&Patch>),
    ) -> Result<(), Refusal> {
        let held = self.rooms.values().filter(|room| room.listeners.contains_key(&session)).count();
        let listens = self.rooms.get(id).and_then(|room| room.listeners.get(&session)).copied();
        if listens.is_none() && held >= self.limits.rooms_per_session_max {
            return Err(Refusal::TooManyRooms { rooms_max: self.limits.rooms_per_session_max });
        }
        self.periods += 1;
        self.writes += 1;
        let room = self.rooms.entry(id.clone()).or_default();
        let user = &guest.profile.user;
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
            });
            if let Some(patch) = state {
                entry.write(patch, self.writes, &self.limits)?;
            }
            if entry.fresh {
                self.due.entered.insert((id.clone(), session));
            }
            (entry.status, entry.ends) = (guest.status, None);
            room.entries.insert(session, entry);
            room.users.entry(user.clone()).or_insert((Arc::clone(&guest.profile), now)).0 = Arc::clone(&guest.profile);
        }
        let period = listens.map_or(self.periods, |listening| listening.period);
        room.listeners.insert(session, Listening { interest, period });
        Ok(())
    }

    fn leave(&mut self, session: SessionId, id: &RoomId, re: Option<&RequestId>) -> Result<(), Refusal> {
        let room = self.rooms.get_mut(id).ok_or(Refusal::NotJoined)?;
        room.listeners.remove(&session).ok_or(Refusal::NotJoined)?;
        self.due.cancel(id, session);
        self.due.unlisten(id, session);
        room.leases.retain(|(.., holder), _| *holder != session);
        room.quit(session, Ending::Left, id, &mut self.due);
        debug_assert!(re.is_none_or(|re| !self.due.answers.contains_key(&re.0)), "request numbers are used once");
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
        let others = room.leases.keys().filter(|(_, at, holder)| *holder == session && at != place).count();
        if others >= targets_max {
            return Err(Refusal::TooManyTargets { targets_max });
        }
        room.leases.insert((guest.profile.user.clone(), place.clone(), session), until);
        Ok(())
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

impl RoomModel {
    /// Who types into what.
    pub fn typists(&self) -> BTreeSet<(UserId, Place)> {
        self.leases.keys().map(|(user, place, _)| (user.clone(), place.clone())).collect()
    }

    /// Whether a user is here only because grace is not over.
    pub fn in_grace(&self, user: &UserId) -> bool {
        let mut theirs = self.entries.values().filter(|entry| entry.user == *user).peekable();
        theirs.peek().is_some() && theirs.all(|entry| entry.ends.is_some())
    }

    /// Everyone, by joined time, then user id.
    pub fn roster(&self) -> Vec<Expected<'_>> {
        let mut viewers: Vec<Expected<'_>> = self.users.values().map(|held| self.viewer(held)).collect();
        viewers.sort_by_key(|viewer| (viewer.joined_at, viewer.profile.user.clone()));
        viewers
    }

    fn viewer<'a>(&'a self, (profile, joined_at): &'a (Arc<Profile>, Time)) -> Expected<'a> {
        let entries: Vec<&Entry> = self.entries.values().filter(|entry| entry.user == profile.user).collect();
        let mut newest: BTreeMap<&Arc<str>, &(u64, Arc<str>)> = BTreeMap::new();
        for (key, write) in entries.iter().flat_map(|entry| &entry.state) {
            if newest.get(key).is_none_or(|held| held.0 < write.0) {
                newest.insert(key, write);
            }
        }
        let state = newest.into_iter().map(|(key, (_, value))| (Arc::clone(key), Arc::clone(value))).collect();
        let active = entries.iter().any(|entry| entry.status == Status::Active);
        let status = if active { Status::Active } else { Status::Idle };
        Expected { profile, status, joined_at: *joined_at, state }
    }

    fn write(&mut self, session: SessionId, patch: &Patch, writes: u64, limits: &Limits) -> Result<(), Refusal> {
        let entry = self.entries.get_mut(&session).ok_or(Refusal::NotJoined)?;
        entry.write(patch, writes, limits)
    }

    /// Takes an entry away, and where that was meant, what closed tabs of the user left.
    fn quit(&mut self, session: SessionId, how: Ending, id: &RoomId, due: &mut Due) {
        let Some(user) = self.entries.get(&session).map(|entry| entry.user.clone()) else { return };
        self.end(session, how.reason(), id, due);
        let mut theirs = self.entries.iter().filter(|(_, entry)| entry.user == user);
        if how != Ending::Left || theirs.any(|(_, entry)| entry.ends.is_none()) {
            return;
        }
        let closed = |entry: &Entry| entry.user == user && matches!(entry.ends, Some((_, Ending::Closed)));
        let behind: Vec<SessionId> =
            self.entries.iter().filter(|(_, entry)| closed(entry)).map(|(session, _)| *session).collect();
        for session in behind {
            self.end(session, how.reason(), id, due);
        }
    }

    fn end(&mut self, session: SessionId, reason: Reason, id: &RoomId, due: &mut Due) {
        let Some(entry) = self.entries.remove(&session) else { return };
        self.leases.retain(|(.., holder), _| *holder != session);
        if !self.entries.values().any(|other| other.user == entry.user) {
            self.users.remove(&entry.user);
            due.left.insert((id.clone(), entry.user), reason);
        }
    }
}

impl Entry {
    fn write(&mut self, patch: &Patch, writes: u64, limits: &Limits) -> Result<(), Refusal> {
        let mut state = self.state.clone();
        for (key, value) in &patch.0 {
            state.remove(key);
            if let Some(value) = value {
                state.insert(Arc::clone(key), (writes, Arc::clone(value)));
            }
        }
        if state.len() > limits.state_keys_max {
            return Err(Refusal::StateTooManyKeys { keys_max: limits.state_keys_max });
        }
        // `"key":value,` each.
        let bytes = state.iter().map(|(key, (_, value))| key.len() + value.len() + 4).sum();
        if bytes > limits.state_bytes_max {
            return Err(Refusal::StateTooLarge { bytes, bytes_max: limits.state_bytes_max });
        }
        self.state = state;
        Ok(())
    }
}

impl Due {
    /// What a session waited for in a room will not come.
    fn cancel(&mut self, id: &RoomId, session: SessionId) {
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

    /// A session that stops listening does not get the messages of the turn.
    fn unlisten(&mut self, id: &RoomId, session: SessionId) {
        for (room, hearers) in self.messages.values_mut() {
            if room == id {
                hearers.remove(&session);
            }
        }
    }
}
