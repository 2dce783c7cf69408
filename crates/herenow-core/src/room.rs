//! One room: who is in it, who hears it, and what is to be told at the end of the turn.
//!
//! Roster changes of one turn go out together, when the turn settles: the others get one diff, and those who joined
//! get the roster as of then. Everything else that the room says waits in order around that diff.
use crate::{
    cluster::holdings::Holdings,
    command::{Ending, Interest, Patch, Reason},
    cursors::Cursors,
    deadlines::{Deadlines, Timer},
    event::{Audience, Event, Except, Hearing, Mark, Output},
    gear::Pace,
    history::{Change, History, Kind},
    id::{ConnectionKey, RequestId, RoomId, SessionId, UserId},
    keepsakes::{Keepsakes, kept_for},
    limits::Limits,
    listeners::{Listener, Listeners, Told},
    locks::Locks,
    profile::{Profile, Status},
    refusal::Refusal,
    roster::{Arrival, Effect, Roster},
    rules::RoomSettings,
    spacing::Spacing,
    time::Time,
    typing::{Place, TypingSet},
    version::{Epoch, Version},
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

/// One room of a hub.
#[derive(Debug)]
pub struct Room {
    pub(crate) id: RoomId,
    pub(crate) settings: RoomSettings,
    pub(crate) roster: Roster,
    pub(crate) history: History,
    pub(crate) typing: TypingSet,
    pub(crate) listeners: Listeners,
    pub(crate) locks: Locks,
    /// Where the node is one among several: whose the locks are.
    pub(crate) holdings: Holdings,
    pub(crate) cursors: Cursors,
    /// Users whose sessions have changed since that was told; kept only where somebody asked for sessions.
    pub(crate) touched: BTreeSet<UserId>,
    /// Whether somebody asked for sessions since the room began.
    tells_sessions: bool,
    /// When the room will look at its leases again.
    pub(crate) typing_look: Option<Time>,
    /// How it tells its news.
    pub(crate) pace: Pace,
    /// When changes may be told next.
    pub(crate) spacing: Spacing,
    /// When the next part of `refreshing` has its turn.
    pub(crate) refresh_at: Time,
    /// When somebody wakes the room next.
    pub(crate) woken_at: Option<Time>,
    /// Who is said to type, where that is told in ticks; `None` where it is told at once, or not at all.
    pub(crate) typing_told: Option<Typing>,
    /// Sessions that are owed the roster because lists are told again, a part of them each tick.
    pub(crate) refreshing: VecDeque<SessionId>,
    /// What waits for the end of the turn; `None` while nothing does.
    pub(crate) turn: Option<Box<Turn>>,
}

/// Who types into what.
pub(crate) type Typing = BTreeMap<(UserId, Place), Arc<Profile>>;

/// What one turn has brought so far.
#[derive(Debug)]
pub(crate) struct Turn {
    /// The version that listeners have.
    pub(crate) from: u64,
    /// Listeners of a lower mark have been told everything up to `from`.
    pub(crate) mark: Mark,
    /// Said before the diff: a user who leaves is first said to have stopped typing.
    pub(crate) before: Vec<Spoken>,
    /// Who is owed the roster, or what they missed.
    pub(crate) owed: Vec<Owed>,
    /// Said after the diff and the rosters.
    pub(crate) after: Vec<Spoken>,
}

/// An event that waits, and for whom.
#[derive(Debug)]
pub(crate) struct Spoken {
    pub(crate) event: Event,
    pub(crate) hearing: Hearing,
    pub(crate) except: Except,
    pub(crate) before: Mark,
}

/// A session that is owed an answer with the room's roster.
#[derive(Debug)]
pub(crate) struct Owed {
    pub(crate) session: SessionId,
    pub(crate) re: Option<RequestId>,
    pub(crate) since: Option<Version>,
    pub(crate) why: Owing,
}

impl Owed {
    /// What a session is owed that did not ask.
    pub(crate) const fn refresh(session: SessionId) -> Self {
        Self { session, re: None, since: None, why: Owing::Refreshed }
    }
}

/// What a session did to be owed an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owing {
    /// It joined, and had no entry before.
    Joined,
    /// It joined, and had an entry already, be it in grace.
    JoinedAgain,
    /// It asked for what it missed.
    Synced,
    /// Nobody asked: lists are told again, or it can be written to again.
    Refreshed,
}

/// What a room may use of its hub.
pub(crate) struct Desk<'a> {
    pub(crate) now: Time,
    pub(crate) limits: &'a Limits,
    pub(crate) epoch: &'a Epoch,
    pub(crate) mark: &'a mut Mark,
    /// The highest number given to the holder of a lock.
    pub(crate) fence: &'a mut u64,
    pub(crate) deadlines: &'a mut Deadlines,
    pub(crate) outputs: &'a mut VecDeque<Output>,
    pub(crate) keepsakes: &'a mut Keepsakes,
}

/// A session that asks a room for something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guest<'a> {
    pub(crate) session: SessionId,
    pub(crate) profile: &'a Arc<Profile>,
    pub(crate) connection: ConnectionKey,
    pub(crate) status: Status,
}

/// How a session wants to be in a room.
#[derive(Debug)]
pub(crate) struct Entrance {
    pub(crate) interest: Interest,
    pub(crate) observe: bool,
    pub(crate) state: Option<Patch>,
    pub(crate) since: Option<Version>,
    pub(crate) sessions: bool,
    pub(crate) re: Option<RequestId>,
}

impl Room {
    /// An empty room whose versions go on after `number`.
    pub(crate) fn new(id: RoomId, settings: RoomSettings, number: u64) -> Self {
        Self {
            id,
            settings,
            roster: Roster::default(),
            history: History::new(number),
            typing: TypingSet::default(),
            listeners: Listeners::default(),
            locks: Locks::default(),
            holdings: Holdings::default(),
            cursors: Cursors::default(),
            touched: BTreeSet::new(),
            tells_sessions: false,
            typing_look: None,
            pace: Pace::new(),
            spacing: Spacing::default(),
            refresh_at: Time::default(),
            woken_at: None,
            typing_told: None,
            refreshing: VecDeque::new(),
            turn: None,
        }
    }

    /// Whether nobody is in it and nobody hears it, so that it can be forgotten.
    pub(crate) fn is_idle(&self) -> bool {
        self.roster.is_empty() && self.listeners.is_empty() && self.turn.is_none()
    }

    /// Whether a session is in it, as a viewer or as an observer.
    pub(crate) fn knows(&self, guest: Guest<'_>) -> bool {
        self.listeners.get(guest.session).is_some()
    }

    /// Takes a session in, and owes it the roster.
    pub(crate) fn join(&mut self, desk: &mut Desk<'_>, guest: Guest<'_>, entrance: Entrance) -> Result<(), Refusal> {
        let Entrance { interest, observe, state, since, sessions, re } = entrance;
        let viewers_max = self.settings.viewers_max.unwrap_or(desk.limits.viewers_max);
        // Another tab of somebody who is here takes nobody's place.
        if !observe && self.roster.count().users >= viewers_max && !self.roster.contains(&guest.profile.user) {
            return Err(Refusal::RoomFull { viewers_max });
        }
        self.tells_sessions |= sessions;
        let seated = self.roster.has_entry(&guest.profile.user, guest.session);
        if observe {
            self.vacate(desk, &guest.profile.user, guest.session, Ending::Left);
        } else {
            let Guest { session, profile, status, .. } = guest;
            let kept = desk.keepsakes.before(session, &self.id, state.as_ref());
            let mut enter = |state: &Option<Patch>| {
                let arrival = Arrival { session, profile, status, state: state.as_ref() };
                self.roster.enter(arrival, desk.now, desk.limits)
            };
            // Where both are too much together, what is new counts.
            let back = if kept.is_some() { enter(&kept).ok() } else { None };
            let effect = back.map_or_else(|| enter(&state), Ok)?;
            desk.keepsakes.drop(&(session, self.id.clone()));
            self.touch(desk, &profile.user);
            self.note(desk, profile, effect, Reason::Left);
        }
        self.turn(desk);
        desk.mark.0 += 1;
        self.listeners.insert(Listener {
            session: guest.session,
            user: guest.profile.user.clone(),
            connection: guest.connection,
            interest,
            since: *desk.mark,
            owed: *desk.mark,
            told: Told::NOTHING,
            behind: false,
            sessions,
            typing_off_at: Listener::NEVER,
        });
        let why = if seated { Owing::JoinedAgain } else { Owing::Joined };
        self.turn(desk).owed.push(Owed { session: guest.session, re, since, why });
        Ok(())
    }

    /// Lets a session go because its client asked for it.
    pub(crate) fn leave(&mut self, desk: &mut Desk<'_>, guest: Guest<'_>, re: Option<RequestId>) {
        // Also where nobody has news: the end of the turn is where an empty room is forgotten.
        self.turn(desk);
        self.cancel_owed(desk, guest.session);
        self.listeners.remove(guest.session);
        self.vacate(desk, &guest.profile.user, guest.session, Ending::Left);
        acknowledge(desk, guest.session, re, None);
    }

    /// Notes that a session's connection ended: at once, or after grace.
    pub(crate) fn detach(&mut self, desk: &mut Desk<'_>, user: &UserId, session: SessionId, how: Ending) {
        self.turn(desk);
        let unanswered = self.turn.as_mut().is_some_and(|turn| {
            let joining = turn.owed.iter().any(|owed| owed.session == session && owed.why == Owing::Joined);
            turn.owed.retain(|owed| owed.session != session);
            joining
        });
        self.listeners.remove(session);
        self.stop_session(desk, user, session);
        self.locks.stop_waiting(session);
        self.holdings.stop_waiting(session);
        self.hide_cursor(desk, session);
        let grace = how.grace(desk.limits);
        if unanswered || grace.is_zero() {
            return self.vacate(desk, user, session, how);
        }
        let until = desk.now + grace;
        if self.roster.suspend(user, session, until, how.reason()) {
            desk.deadlines.set(until, Timer::Grace(self.id.clone(), user.clone(), session));
        }
    }

    /// Ends an entry whose grace is over.
    pub(crate) fn end_grace(&mut self, desk: &mut Desk<'_>, user: &UserId, session: SessionId) {
        let Some(reason) = self.roster.grace_over(user, session, desk.now) else { return };
        self.exit(desk, user, session, reason);
    }

    /// Ends the entry of a session whose connection ended by `since`, and that did not join again.
    pub(crate) fn end_unclaimed(&mut self, desk: &mut Desk<'_>, user: &UserId, session: SessionId, since: Time) {
        if self.listeners.get(session).is_none()
            && self.roster.suspended_at(user, session, desk.limits).is_some_and(|at| at <= since)
        {
            self.turn(desk);
            self.vacate(desk, user, session, Ending::Left);
        }
    }

    /// Puts a user out, with all their sessions or with `only` one; the sessions that heard the room until now.
    pub(crate) fn evict(
        &mut self,
        desk: &mut Desk<'_>,
        user: &UserId,
        only: Option<SessionId>,
        (reason, block): (Reason, Option<Duration>),
    ) -> Vec<SessionId> {
        self.turn(desk);
        let meant = |session: SessionId| only.is_none_or(|only| only == session);
        let removed: Vec<SessionId> = self.listeners.of_user(user).filter(|session| meant(*session)).collect();
        for session in &removed {
            self.cancel_owed(desk, *session);
            self.listeners.remove(*session);
            deliver(desk, *session, Event::Removed { room: self.id.clone(), reason, block });
        }
        for session in self.roster.own_sessions(user).into_iter().filter(|session| meant(*session)) {
            self.stop_session(desk, user, session);
            self.exit(desk, user, session, reason);
        }
        removed
    }

    /// Takes another name or picture of a user over.
    pub(crate) fn rename(&mut self, desk: &mut Desk<'_>, guest: Guest<'_>) {
        if self.roster.rename(guest.profile) {
            self.note(desk, guest.profile, Effect::Updated, Reason::Left);
        }
    }

    /// Changes a session's state.
    pub(crate) fn update(&mut self, desk: &mut Desk<'_>, guest: Guest<'_>, patch: &Patch) -> Result<(), Refusal> {
        self.admit(guest)?;
        let changed = self.roster.patch(&guest.profile.user, guest.session, patch, desk.limits)?;
        self.touch(desk, &guest.profile.user);
        if changed == Some(true) {
            self.note(desk, guest.profile, Effect::Updated, Reason::Left);
        }
        Ok(())
    }

    /// Notes whether a session is active.
    pub(crate) fn set_status(&mut self, desk: &mut Desk<'_>, guest: Guest<'_>) {
        if self.roster.has_entry(&guest.profile.user, guest.session) {
            self.touch(desk, &guest.profile.user);
        }
        if self.roster.set_status(&guest.profile.user, guest.session, guest.status) {
            self.note(desk, guest.profile, Effect::Updated, Reason::Left);
        }
    }

    /// Owes a listening session the roster, or what it missed.
    pub(crate) fn sync(
        &mut self,
        desk: &mut Desk<'_>,
        session: SessionId,
        since: Option<Version>,
        re: Option<RequestId>,
    ) -> Result<(), Refusal> {
        self.listeners.get(session).ok_or(Refusal::NotJoined)?;
        self.turn(desk).owed.push(Owed { session, re, since, why: Owing::Synced });
        Ok(())
    }

    /// Has the room settle, though nothing is asked of it: the time to tell has come.
    pub(crate) fn wake(&mut self, desk: &mut Desk<'_>) {
        self.woken_at = None;
        self.turn(desk);
    }

    /// Has the room settle, because the time to tell where pointers are has come.
    pub(crate) fn wake_cursors(&mut self, desk: &mut Desk<'_>) {
        self.cursors.is_woken = false;
        self.turn(desk);
    }

    /// What this turn has brought so far; begins it where nothing has.
    pub(crate) fn turn(&mut self, desk: &mut Desk<'_>) -> &mut Turn {
        let from = self.history.number();
        self.turn.get_or_insert_with(|| {
            let mark = Mark(desk.mark.0 + 1);
            Box::new(Turn { from, mark, before: Vec::new(), owed: Vec::new(), after: Vec::new() })
        })
    }

    /// Refuses who has no place among the viewers. An entry in grace is no place: its session has to join again first.
    pub(crate) fn admit(&self, guest: Guest<'_>) -> Result<(), Refusal> {
        if !self.knows(guest) {
            return Err(Refusal::NotJoined);
        }
        let seated = self.roster.has_entry(&guest.profile.user, guest.session);
        if seated { Ok(()) } else { Err(Refusal::OnlyObserving) }
    }

    pub(crate) fn profile(&self, user: &UserId) -> Option<Arc<Profile>> {
        self.roster.viewer(user).map(|viewer| viewer.profile)
    }

    /// Takes a session's entry away for good, with its typing, and where it was meant, what the user's closed tabs left.
    fn vacate(&mut self, desk: &mut Desk<'_>, user: &UserId, session: SessionId, how: Ending) {
        if !self.roster.has_entry(user, session) {
            return;
        }
        self.stop_session(desk, user, session);
        self.exit(desk, user, session, how.reason());
        if how == Ending::Left {
            for closed in self.roster.closed_behind(user) {
                self.exit(desk, user, closed, how.reason());
            }
        }
    }

    /// Takes a session's entry away with all that hangs on it: locks and pointer.
    pub(crate) fn exit(&mut self, desk: &mut Desk<'_>, user: &UserId, session: SessionId, reason: Reason) {
        let Some(profile) = self.profile(user) else { return };
        self.release_all(desk, session);
        for name in self.locks.of_session(session) {
            self.pass_lock(desk, &name, session);
        }
        self.hide_cursor(desk, session);
        self.keep(desk, user, session, reason);
        let effect = self.roster.exit(user, session, reason);
        self.touch(desk, user);
        self.note(desk, &profile, effect, reason);
    }

    /// Keeps what a session shared, in case it comes back.
    fn keep(&self, desk: &mut Desk<'_>, user: &UserId, session: SessionId, reason: Reason) {
        if !self.roster.is_own(user, session) {
            return;
        }
        let Some(span) = kept_for(reason, desk.limits) else { return };
        let (key, until) = ((session, self.id.clone()), desk.now + span);
        let state = self.roster.state_of(user, session);
        if desk.keepsakes.keep(key, state, until, desk.limits.keepsake_bytes_max) {
            desk.deadlines.set(until, Timer::Keepsake(session, self.id.clone()));
        }
    }

    /// Remembers that a user's sessions are to be told anew.
    pub(crate) fn touch(&mut self, desk: &mut Desk<'_>, user: &UserId) {
        if self.tells_sessions {
            self.turn(desk);
            self.touched.insert(user.clone());
        }
    }

    /// Gives a change its version. A user who came and went within the turn leaves no trace.
    pub(crate) fn note(&mut self, desk: &mut Desk<'_>, profile: &Arc<Profile>, effect: Effect, reason: Reason) {
        let (profile, kind) = match effect {
            Effect::Nothing => return,
            Effect::Joined => (Arc::clone(profile), Kind::Joined),
            Effect::Updated => (Arc::clone(profile), Kind::Updated),
            Effect::Left { profile, joined_at } => (profile, Kind::Left { reason, joined_at }),
        };
        let from = self.turn(desk).from;
        if matches!(kind, Kind::Left { .. }) && self.history.forget_joiner(&profile.user, from) {
            return;
        }
        self.roster.note_told(&profile.user);
        self.history.push(Change { profile, kind, at: desk.now });
    }

    /// Takes back what a session is owed; a join that nobody answered is answered by that.
    fn cancel_owed(&mut self, desk: &mut Desk<'_>, session: SessionId) {
        let Some(turn) = self.turn.as_mut() else { return };
        for owed in turn.owed.extract_if(.., |owed| owed.session == session) {
            if owed.re.is_some() {
                let refusal = match owed.why {
                    Owing::Joined | Owing::JoinedAgain => Refusal::JoinCancelled,
                    Owing::Synced | Owing::Refreshed => Refusal::NotJoined,
                };
                let (re, room) = (owed.re, self.id.clone());
                deliver(desk, session, Event::Refused { re, room, refusal });
            }
        }
    }
}

/// Says something to one session.
pub(crate) fn deliver(desk: &mut Desk<'_>, session: SessionId, event: Event) {
    desk.outputs.push_back(Output::Deliver { to: Audience::Session(session), event });
}

/// Answers a request that carried a number.
pub(crate) fn acknowledge(desk: &mut Desk<'_>, session: SessionId, re: Option<RequestId>, sessions: Option<usize>) {
    if let Some(re) = re {
        deliver(desk, session, Event::Ack { re, sessions });
    }
}
