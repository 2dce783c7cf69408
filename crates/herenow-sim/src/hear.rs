//! What must hold of an event for one connection that hears it.
use crate::{
    due::{Answer, Asked},
    pace::Duty,
    partition::{Partition, Shadow},
    place::{Listening, RoomModel},
    show::show,
    told::Told,
    view::{Fault, Heard, View},
};
use herenow_core::{
    event::{Event, Gear, Hearing},
    id::{ConnectionKey, RoomId, SessionId, UserId},
    people::Dot,
    refusal::Refusal,
    version::Version,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

/// What the turn said to single sessions.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) answers: BTreeMap<Arc<str>, u32>,
    pub(crate) messages: BTreeMap<Arc<str>, BTreeSet<SessionId>>,
    pub(crate) removed: BTreeSet<(SessionId, RoomId, Option<Duration>)>,
    pub(crate) typing_off: BTreeMap<(RoomId, SessionId), usize>,
}

/// A connection with its session.
#[derive(Clone, Copy)]
pub(crate) struct Hearer<'a> {
    pub(crate) key: ConnectionKey,
    pub(crate) session: SessionId,
    pub(crate) user: &'a UserId,
    /// Something of this turn was not said to it, because it does not read.
    pub(crate) missed: bool,
}

impl Partition {
    /// What holds of an event for one connection that hears it.
    pub(crate) fn check_hearing(&mut self, hearer: Hearer<'_>, told: &Told, tally: &mut Tally) -> Result<(), Fault> {
        let (event, Hearer { session, user, .. }) = (&told.event, hearer);
        let fault = |what: &str| Err(format!("{session} of {user} hears {}: {what}", show(event)));
        if let Some(re) = answered(event) {
            *tally.answers.entry(Arc::clone(re)).or_default() += 1;
            let wanted = self.model.due.answers.get(re).cloned();
            match &wanted {
                Some((who, answer)) if *who == session && self.is_answer(session, answer, event) => {
                    if let Answer::View(room, asked) = answer {
                        self.note_answered(hearer, room, *asked, event);
                    }
                }
                wanted => return fault(&format!("wanted {wanted:?}")),
            }
        }
        let room = match event {
            Event::Refused { re: None, room, refusal: Refusal::TypingOff } => {
                *tally.typing_off.entry((room.clone(), session)).or_default() += 1;
                return Ok(());
            }
            // A hub that is alone has no doubts.
            Event::Stale { .. } => return fault("the view is said to be old"),
            Event::Ack { .. } | Event::Refused { .. } | Event::LockAnswer { .. } | Event::WatchRefused { .. } => {
                return Ok(());
            }
            Event::Statuses(dots) => return self.hear_dots(hearer, dots).or_else(|what| fault(&what)),
            Event::Removed { room, block, .. } => {
                tally.removed.insert((session, room.clone(), *block));
                return Ok(());
            }
            Event::Roster { view, .. } => &view.room,
            Event::Diff { view, .. } => &view.room,
            Event::Step(view) => &view.room,
            Event::Count { view, .. } => &view.room,
            Event::Typing { room, .. }
            | Event::Sessions { room, .. }
            | Event::Cursors { room, .. }
            | Event::Lock { room, .. }
            | Event::Message { room, .. } => room,
        };
        let Some(model) = self.model.rooms.get_mut(room) else { return fault("is of no room") };
        let Some(listening) = model.listeners.get(&session).copied() else { return fault("does not listen") };
        if let Event::Message { message, .. } = event {
            if !tally.messages.entry(Arc::clone(&message.data)).or_default().insert(session) {
                return fault("heard it before");
            }
            return Ok(());
        }
        let due = &self.model.due;
        let ears = Ears {
            user,
            listening,
            entered: due.entered.contains(&(room.clone(), session)),
            refreshed: due.refreshed.contains(&(room.clone(), session)),
            asked: due.views(room, session) > 0,
            missed: hearer.missed,
            room: model,
            log_max: self.limits.log_changes_max as u64,
        };
        let shadow = self.shadows.entry((hearer.key, room.clone())).or_default();
        shadow.period = listening.period;
        let now = self.known.get(room).map(|known| (known.number, &known.viewers));
        let current = now.map(|(number, viewers)| {
            let version = Version { epoch: self.epoch.clone(), number };
            move || View::of(viewers, version)
        });
        shadow.hear(event, &ears, current).or_else(|what| fault(&what))?;
        if shadow.whole
            && let Some(listening) = model.listeners.get_mut(&session)
        {
            listening.awaits = None;
        }
        Ok(())
    }

    /// Notes that a join or a sync was answered by a word only.
    fn note_answered(&mut self, hearer: Hearer<'_>, room: &RoomId, asked: Asked, event: &Event) {
        let (Event::Ack { .. }, Asked::Join, Some(model)) = (event, asked, self.model.rooms.get(room)) else { return };
        let Some(listening) = model.listeners.get(&hearer.session) else { return };
        // A count follows.
        let ready = model.latches.duty(listening.interest) != Duty::Counts;
        let shadow = Shadow { period: listening.period, ready, ..Shadow::default() };
        self.shadows.insert((hearer.key, room.clone()), shadow);
    }

    fn hear_dots(&mut self, hearer: Hearer<'_>, dots: &[Dot]) -> Result<(), Fault> {
        let users: Vec<UserId> = dots.iter().map(|dot| dot.user.clone()).collect();
        let asked = self.model.due.watches.get_mut(&hearer.session);
        let asked = asked.filter(|asked| asked.front() == Some(&users)).and_then(|asked| asked.pop_front());
        let known = self.dots.entry(hearer.key).or_default();
        for Dot { user, status, .. } in dots {
            let before = known.insert(user.clone(), *status);
            if asked.is_none() && !self.model.dots.watches(hearer.session, user) {
                return Err(format!("does not watch {user}"));
            }
            if asked.is_none() && before == Some(*status) {
                return Err(format!("knows that of {user}"));
            }
            // News are of the end of a turn; an answer may be followed by them.
            if asked.is_none() && self.model.dots.status(user) != *status {
                return Err(format!("that is not so of {user}"));
            }
        }
        Ok(())
    }

    fn is_answer(&self, session: SessionId, wanted: &Answer, event: &Event) -> bool {
        let duty = |id: &RoomId| {
            let room = self.model.rooms.get(id)?;
            let listening = room.listeners.get(&session)?;
            Some((room.latches.duty(listening.interest), listening.behind))
        };
        match (wanted, event) {
            (Answer::Ack(wanted), Event::Ack { sessions, .. }) => wanted == sessions,
            (Answer::Refused(wanted), Event::Refused { refusal, .. }) => wanted == refusal,
            (Answer::TooManyLocks(wanted), Event::Refused { refusal: Refusal::TooManyLocks { locks_max }, .. }) => {
                wanted.contains(locks_max)
            }
            (Answer::WatchRefused(wanted), Event::WatchRefused { refusal, .. }) => {
                *refusal == Refusal::TooManyWatched { watched_max: *wanted }
            }
            (Answer::Lock { room, name, holder, held }, Event::LockAnswer { held: said, fence, .. }) => {
                let given = self.given.get(&(room.clone(), name.clone()));
                held == said && given.is_some_and(|given| given.contains(&(*holder, *fence)))
            }
            (Answer::View(id, _), Event::Roster { view, .. }) => {
                *id == view.room && matches!(duty(id), Some((Duty::Lists | Duty::Steps, false)))
            }
            (Answer::View(id, _), Event::Diff { view, .. }) => {
                *id == view.room && matches!(duty(id), Some((Duty::Lists, false)))
            }
            (Answer::View(id, asked), Event::Ack { sessions: None, .. }) => match duty(id) {
                Some((_, true)) => *asked == Asked::Sync,
                Some((duty, false)) => matches!(duty, Duty::Counts | Duty::Nothing),
                None => false,
            },
            _ => false,
        }
    }
}

/// What is known of who hears an event of a room.
struct Ears<'a> {
    user: &'a UserId,
    listening: Listening,
    /// They took their place in this turn.
    entered: bool,
    /// They can be written to again since this turn.
    refreshed: bool,
    /// They are owed the room, be it that they asked or not.
    asked: bool,
    missed: bool,
    room: &'a RoomModel,
    log_max: u64,
}

impl Ears<'_> {
    fn duty(&self) -> Duty {
        self.room.latches.duty(self.listening.interest)
    }
}

fn wants(wanted: bool) -> Result<(), Fault> {
    if wanted { Ok(()) } else { Err("did not ask for it".into()) }
}

impl Shadow {
    /// Takes an event of the room in; `current` gives the roster as it is now.
    fn hear(&mut self, event: &Event, ears: &Ears<'_>, current: Option<impl FnOnce() -> View>) -> Result<(), Fault> {
        if ears.listening.behind {
            return Err("it has fallen behind".into());
        }
        match event {
            Event::Roster { .. } => self.hear_roster(event, ears),
            Event::Diff { typing: Some(_), .. } => self.hear_answer(event, ears, current),
            Event::Diff { typing: None, .. } | Event::Step(_) | Event::Count { .. } => self.hear_news(event, ears),
            Event::Typing { .. } | Event::Sessions { .. } | Event::Cursors { .. } | Event::Lock { .. } => {
                self.hear_of_one(event, ears)
            }
            Event::Message { .. }
            | Event::Removed { .. }
            | Event::Statuses(_)
            | Event::Stale { .. }
            | Event::LockAnswer { .. }
            | Event::Ack { .. }
            | Event::WatchRefused { .. }
            | Event::Refused { .. } => Ok(()),
        }
    }

    fn hear_roster(&mut self, event: &Event, ears: &Ears<'_>) -> Result<(), Fault> {
        let Event::Roster { re, view, interest, is_answer } = event else { return Ok(()) };
        let duty = ears.duty();
        wants(matches!(duty, Duty::Lists | Duty::Steps) && *is_answer == re.is_some())?;
        let detailed = ears.listening.sessions && duty == Duty::Lists;
        if *interest != ears.listening.interest || view.sessions.is_some() != detailed {
            return Err(format!("it asked for {:?}", ears.listening));
        }
        if !is_answer {
            self.may_refresh(ears, view.version.number)?;
        }
        (self.whole, self.ready) = (true, true);
        self.view.take_roster(view)
    }

    /// Takes a diff in that answers a join or a sync.
    fn hear_answer(
        &mut self,
        event: &Event,
        ears: &Ears<'_>,
        current: Option<impl FnOnce() -> View>,
    ) -> Result<(), Fault> {
        let Event::Diff { view, typing, locks, .. } = event else { return Ok(()) };
        wants(ears.duty() == Duty::Lists && !ears.listening.sessions)?;
        let known = self.view.version.as_ref().filter(|_| self.ready && self.view.lists);
        if let Some(known) = known.filter(|known| view.from != known.number)
            && view.version.number > known.number
        {
            // What it would follow was not said; a roster comes once it can be written to.
            return if ears.missed { Ok(()) } else { Err(format!("does not follow {known}")) };
        }
        if let Some(current) = current {
            self.view = current();
        }
        (self.whole, self.ready) = (true, true);
        self.view.take_typists(typing.as_deref().unwrap_or_default());
        self.view.take_locks(locks.as_deref().unwrap_or_default())
    }

    /// Takes in how the roster changed.
    fn hear_news(&mut self, event: &Event, ears: &Ears<'_>) -> Result<(), Fault> {
        let (gear, duty) = (ears.room.latches.gear(), ears.duty());
        let own = |joined: &UserId| {
            if ears.entered && joined == ears.user { Err(Fault::from("its own joined")) } else { Ok(()) }
        };
        if let Event::Diff { view, .. } = event {
            wants(duty == Duty::Lists)?;
            self.told(ears)?;
            view.joined.iter().try_for_each(|viewer| own(&viewer.profile.user))?;
            return match self.view.take_diff(view, None)? {
                Heard::Applied => Ok(()),
                Heard::Old => Err("is no news".into()),
                Heard::Gap => Err(format!("does not follow what it was told, {:?}", self.view.version)),
            };
        }
        if let Event::Step(step) = event {
            wants(duty == Duty::Steps && gear == Gear::Live)?;
            self.told(ears)?;
            if step.left.is_none() {
                own(&step.profile.user)?;
            }
            return self.view.take_step(step);
        }
        let Event::Count { view, locks } = event else { return Ok(()) };
        wants(duty == Duty::Counts)?;
        let typist = self.view.typing.iter().find(|(typist, _)| typist != ears.user);
        if let Some((typist, _)) = typist.filter(|_| gear == Gear::Crowd && !ears.asked) {
            return Err(format!("it sees {typist} type still"));
        }
        let Some(locks) = locks else {
            self.told(ears)?;
            return self.view.take_count(view);
        };
        if !(ears.asked || ears.refreshed || ears.listening.awaits.is_some()) {
            return Err("nobody asked for it".into());
        }
        (self.whole, self.ready) = (true, true);
        self.view.take_count(view)?;
        self.view.take_locks(locks)
    }

    /// Takes in what one viewer, session or lock is up to.
    fn hear_of_one(&mut self, event: &Event, ears: &Ears<'_>) -> Result<(), Fault> {
        let Listening { interest, sessions, .. } = ears.listening;
        if let Event::Lock { lock, .. } = event {
            self.told(ears)?;
            return self.view.take_lock(lock);
        }
        if let Event::Typing { profile, target, on, .. } = event {
            let goes_on = *on && ears.room.latches.gear() == Gear::Crowd;
            wants(Hearing::Typing.includes(interest) && !goes_on)?;
            self.told(ears)?;
            if profile.user == *ears.user {
                return Err("its own typing".into());
            }
            let news = self.view.take_typing(&profile.user, target, *on);
            return if news || self.whole { Ok(()) } else { Err("is told twice".into()) };
        }
        wants(sessions)?;
        self.told(ears)?;
        if let Event::Cursors { at, .. } = event {
            self.view.take_pointers(at);
        }
        if let Event::Sessions { user, list, .. } = event {
            self.view.take_sessions(user, list);
            if *list != ears.room.sessions_of(user) {
                return Err("those are not the sessions".into());
            }
        }
        Ok(())
    }

    /// It has the room that news are about.
    fn told(&self, ears: &Ears<'_>) -> Result<(), Fault> {
        if self.ready && ears.listening.awaits.is_none() { Ok(()) } else { Err("before its roster".into()) }
    }

    /// A roster comes unasked only to who can be written to again, when lists are told again, in place of steps where
    /// the room is larger, or where a diff would be too long.
    fn may_refresh(&self, ears: &Ears<'_>, number: u64) -> Result<(), Fault> {
        let latches = ears.room.latches;
        let listed = latches.duty(ears.listening.interest) == Duty::Steps;
        let in_ticks = listed && (latches.gear() != Gear::Live || ears.room.shifted);
        let known = self.view.version.as_ref().map_or(0, |version| version.number);
        let too_long = number.saturating_sub(known) > ears.log_max * 64;
        if ears.refreshed || ears.listening.awaits.is_some() || (in_ticks && !self.whole) || too_long {
            return Ok(());
        }
        Err("nobody asked for it".into())
    }
}

fn answered(event: &Event) -> Option<&Arc<str>> {
    match event {
        Event::Roster { re, .. }
        | Event::Diff { re, .. }
        | Event::WatchRefused { re, .. }
        | Event::Refused { re, .. } => re.as_ref().map(|re| &re.0),
        Event::Ack { re, .. } | Event::LockAnswer { re, .. } => Some(&re.0),
        Event::Step(_)
        | Event::Count { .. }
        | Event::Typing { .. }
        | Event::Sessions { .. }
        | Event::Cursors { .. }
        | Event::Statuses(_)
        | Event::Stale { .. }
        | Event::Lock { .. }
        | Event::Message { .. }
        | Event::Removed { .. } => None,
    }
}
