//! What must hold after each turn of a partition.
use crate::{
    model::{Answer, Listening},
    partition::{Known, Partition, Shadow, Turn},
    show::{show, show_viewers},
    told::Told,
    view::{Fault, Heard, View},
};
use herenow_core::{
    command::Interest,
    event::{Count, DiffView, Event, FACES_MAX, FIRST_MAX, Hearing, Notice, Viewer},
    history::Kind,
    id::{ConnectionKey, RoomId, SessionId, UserId},
    time::Time,
    typing::Place,
    version::Version,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What the turn said to single sessions.
#[derive(Default)]
struct Tally {
    answers: BTreeMap<Arc<str>, u32>,
    messages: BTreeMap<Arc<str>, BTreeSet<SessionId>>,
    removed: BTreeSet<(SessionId, RoomId)>,
}

type Hearers = BTreeMap<ConnectionKey, (SessionId, UserId)>;

impl Partition {
    pub(crate) fn check(&mut self, now: Time, turn: &mut Turn) -> Result<(), Fault> {
        turn.changed = self.check_rooms(&turn.notices)?;
        let hearers: Hearers = self
            .model
            .sessions
            .iter()
            .map(|(session, guest)| (guest.connection, (*session, guest.profile.user.clone())))
            .collect();
        let mut tally = Tally::default();
        self.forget_shadows();
        for told in &turn.told {
            self.check_event(&told.event)?;
            for key in &told.to {
                let Some((session, user)) = hearers.get(key) else {
                    return Err(format!("{} goes to a connection that is not attached", show(&told.event)));
                };
                self.check_hearing((*key, *session, user), told, &mut tally)?;
            }
        }
        self.check_due(&tally)?;
        self.check_listeners()?;
        self.model.due = Default::default();
        if let Some(due) = self.hub.poll_timeout()
            && due <= now
        {
            return Err(format!("the next deadline is {due}, and it is {now}"));
        }
        let (sessions, held) = (self.model.sessions.len(), self.hub.load().sessions);
        if sessions != held {
            return Err(format!("{held} sessions are held, not {sessions}"));
        }
        Ok(())
    }

    /// The rosters are those of the model, and versions grew as they should; whether anything changed.
    fn check_rooms(&mut self, notices: &[Notice]) -> Result<bool, Fault> {
        let held: BTreeSet<RoomId> = self.hub.rooms().cloned().collect();
        if !held.iter().eq(self.model.rooms.keys()) {
            let wanted: Vec<_> = self.model.rooms.keys().map(RoomId::as_str).collect();
            let held: Vec<_> = held.iter().map(RoomId::as_str).collect();
            return Err(format!("rooms {held:?} are held, not {wanted:?}"));
        }
        let gone: Vec<RoomId> = self
            .known
            .iter()
            .filter(|(id, known)| known.held && !held.contains(*id))
            .map(|(id, _)| id.clone())
            .collect();
        let mut changed = false;
        for id in &held {
            changed |= self.check_room(id, notices)?;
        }
        for id in gone {
            self.check_notices(&id, notices, &BTreeSet::new())?;
            changed = true;
            if let Some(known) = self.known.get_mut(&id) {
                (known.held, known.viewers) = (false, [].into());
            }
        }
        Ok(changed)
    }

    fn check_room(&mut self, id: &RoomId, notices: &[Notice]) -> Result<bool, Fault> {
        let (Some(roster), Some(history), Some(model)) =
            (self.hub.roster(id), self.hub.history(id), self.model.rooms.get(id))
        else {
            return Err(format!("{id} is listed but not held"));
        };
        let viewers: Arc<[Viewer]> = roster.viewers().collect();
        let wanted = model.roster();
        let same = viewers.len() == wanted.len()
            && viewers.iter().zip(&wanted).all(|(viewer, wanted)| {
                viewer.profile == *wanted.profile
                    && viewer.status == wanted.status
                    && viewer.joined_at == wanted.joined_at
                    && *viewer.state == wanted.state
            });
        if !same {
            return Err(format!("{id} holds {}, not {wanted:?}", show_viewers(&viewers)));
        }
        let count = Count { users: model.users.len(), sessions: model.entries.len() };
        if roster.count() != count {
            return Err(format!("{id} counts {:?}, not {count:?}", roster.count()));
        }
        let number = history.number();
        let log_max = self.limits.log_changes_max as u64;
        if number > log_max && history.since(number - log_max - 1).is_some() {
            return Err(format!("{id} remembers more than {log_max} changes"));
        }
        self.check_version(id, number, &viewers)?;
        let users: BTreeSet<UserId> = viewers.iter().map(|viewer| viewer.profile.user.clone()).collect();
        self.check_notices(id, notices, &users)?;
        let before = self.known.insert(id.clone(), Known { number, viewers: Arc::clone(&viewers), held: true });
        self.snapshots.insert((id.clone(), number), viewers);
        Ok(before.is_none_or(|before| before.number != number))
    }

    /// Each transition took one version, and each version shows one roster.
    fn check_version(&self, id: &RoomId, number: u64, viewers: &[Viewer]) -> Result<(), Fault> {
        if let Some(shown) = self.snapshots.get(&(id.clone(), number))
            && **shown != *viewers
        {
            let (before, after) = (show_viewers(shown), show_viewers(viewers));
            return Err(format!("{id} at {number} was {before} and is {after}"));
        }
        let Some(known) = self.known.get(id) else { return Ok(()) };
        if number < known.number {
            return Err(format!("{id} went back from {} to {number}", known.number));
        }
        let history = self.hub.history(id).filter(|_| known.held);
        let Some(changes) = history.and_then(|history| history.since(known.number)) else { return Ok(()) };
        let mut here: BTreeSet<&UserId> = known.viewers.iter().map(|viewer| &viewer.profile.user).collect();
        let mut transitions = 0;
        for (at, change) in changes {
            transitions += 1;
            let user = &change.profile.user;
            let holds = match change.kind {
                Kind::Joined => here.insert(user),
                Kind::Updated => here.contains(user),
                Kind::Left { .. } => here.remove(user),
            };
            if !holds {
                return Err(format!("{id} at {at}: {user} cannot have {:?}", change.kind));
            }
        }
        if transitions != number - known.number {
            return Err(format!("{id} took {} versions for {transitions} changes", number - known.number));
        }
        Ok(())
    }

    /// Joined and left alternate in what logs and webhooks get.
    fn check_notices(&self, id: &RoomId, notices: &[Notice], users: &BTreeSet<UserId>) -> Result<(), Fault> {
        let known = self.known.get(id).map(|known| &*known.viewers).unwrap_or_default();
        let mut here: BTreeSet<UserId> = known.iter().map(|viewer| viewer.profile.user.clone()).collect();
        for notice in notices {
            let (user, fits) = match notice {
                Notice::Joined { room, profile, .. } if room == id => {
                    (&profile.user, here.insert(profile.user.clone()))
                }
                Notice::Left { room, profile, .. } if room == id => (&profile.user, here.remove(&profile.user)),
                Notice::Joined { .. } | Notice::Left { .. } | Notice::Typing { .. } => continue,
            };
            if !fits {
                return Err(format!("a notice of {id} says twice that {user} joined or left"));
            }
        }
        if here == *users { Ok(()) } else { Err(format!("the notices of {id} lead to {here:?}, not {users:?}")) }
    }

    /// Whoever stopped listening starts from nothing.
    fn forget_shadows(&mut self) {
        let (model, mut kept) = (&self.model, std::mem::take(&mut self.shadows));
        kept.retain(|(key, room), shadow| {
            let listening = model.rooms.get(room).is_some_and(|room| {
                room.listeners.iter().any(|(session, listening)| {
                    listening.period == shadow.period
                        && model.sessions.get(session).is_some_and(|guest| guest.connection == *key)
                })
            });
            shadow.whole = false;
            listening
        });
        self.shadows = kept;
    }

    /// What holds of an event whoever hears it.
    fn check_event(&self, event: &Event) -> Result<(), Fault> {
        let fault = |what: &str| Err(format!("{}: {what}", show(event)));
        let (room, version, count) = match event {
            Event::Roster { view, .. } => (&view.room, &view.version, view.count),
            Event::Diff { view, .. } => (&view.room, &view.version, view.count),
            Event::Step(view) => (&view.room, &view.version, view.count),
            Event::Count(view) => (&view.room, &view.version, view.count),
            Event::Typing { .. }
            | Event::Message { .. }
            | Event::Removed { .. }
            | Event::Ack { .. }
            | Event::Refused { .. } => return Ok(()),
        };
        let Some(model) = self.model.rooms.get(room) else { return Ok(()) };
        let Some((number, viewers)) = self.now(room) else { return Ok(()) };
        if count != (Count { users: model.users.len(), sessions: model.entries.len() }) {
            return fault("wrong count");
        }
        if version.epoch != self.epoch || version.number > number {
            return fault("a version to come");
        }
        let whole_turn = !matches!(event, Event::Step(_));
        if whole_turn && version.number != number {
            return fault("not the version of the turn");
        }
        match event {
            Event::Roster { view, .. } => {
                if view.viewers[..] != viewers[..] {
                    return fault("not the roster of its version");
                }
            }
            Event::Diff { view, typing, .. } => self.check_diff(view, typing.is_some())?,
            Event::Step(step) => {
                if step.first[..] != viewers[..viewers.len().min(FIRST_MAX)] {
                    return fault("not the first viewers");
                }
            }
            Event::Count(view) => {
                if !view.faces.iter().eq(viewers.iter().take(FACES_MAX).map(|viewer| &viewer.profile)) {
                    return fault("not the first faces");
                }
            }
            Event::Typing { .. }
            | Event::Message { .. }
            | Event::Removed { .. }
            | Event::Ack { .. }
            | Event::Refused { .. } => {}
        }
        Ok(())
    }

    /// A diff leads from the roster at `from` to the roster now.
    fn check_diff(&self, diff: &DiffView, answers: bool) -> Result<(), Fault> {
        let from = Version { epoch: self.epoch.clone(), number: diff.from };
        let (Some(before), Some((_, after))) = (self.snapshot(&diff.room, &from), self.now(&diff.room)) else {
            return Err(format!("diff of {} from {}, which nobody was told of", diff.room, diff.from));
        };
        let mut view = view_of(before, from, BTreeSet::new());
        view.take_diff(diff, None)?;
        if !view.in_order().into_iter().eq(after.iter()) {
            let led = show_viewers(&view.in_order().into_iter().cloned().collect::<Vec<_>>());
            return Err(format!(
                "diff of {} from {} leads to {led}, not {}",
                diff.room,
                diff.from,
                show_viewers(after)
            ));
        }
        for (user, reason) in diff.left.iter().filter(|_| !answers) {
            let wanted = self.model.due.left.get(&(diff.room.clone(), user.clone()));
            if wanted != Some(reason) {
                return Err(format!("diff of {}: {user} left because {reason:?}, not {wanted:?}", diff.room));
            }
        }
        Ok(())
    }

    /// What holds of an event for one connection that hears it.
    fn check_hearing(
        &mut self,
        (key, session, user): (ConnectionKey, SessionId, &UserId),
        told: &Told,
        tally: &mut Tally,
    ) -> Result<(), Fault> {
        let event = &told.event;
        let fault = |what: &str| Err(format!("{session} of {user} hears {}: {what}", show(event)));
        if let Some(re) = answered(event) {
            *tally.answers.entry(Arc::clone(re)).or_default() += 1;
            match self.model.due.answers.get(re) {
                Some((who, answer)) if *who == session && is_answer(answer, event) => {}
                wanted => return fault(&format!("wanted {wanted:?}")),
            }
        }
        let room = match event {
            Event::Ack { .. } | Event::Refused { .. } => return Ok(()),
            Event::Removed { room, .. } => {
                tally.removed.insert((session, room.clone()));
                return Ok(());
            }
            Event::Roster { view, .. } => &view.room,
            Event::Diff { view, .. } => &view.room,
            Event::Step(view) => &view.room,
            Event::Count(view) => &view.room,
            Event::Typing { room, .. } | Event::Message { room, .. } => room,
        };
        let listening = self.model.rooms.get(room).and_then(|room| room.listeners.get(&session)).copied();
        let Some(listening) = listening else { return fault("does not listen") };
        if let Event::Message { message, .. } = event {
            if !tally.messages.entry(Arc::clone(&message.data)).or_default().insert(session) {
                return fault("heard it before");
            }
            return Ok(());
        }
        let entered = self.model.due.entered.contains(&(room.clone(), session));
        let typing = self.model.rooms.get(room).map(|room| room.typists()).unwrap_or_default();
        let shadow = self.shadows.entry((key, room.clone())).or_default();
        shadow.period = listening.period;
        let now = self.known.get(room).map(|known| (known.number, &known.viewers));
        let current = now.map(|(number, viewers)| {
            let version = Version { epoch: self.epoch.clone(), number };
            move || view_of(viewers, version, typing)
        });
        shadow.hear(event, Hearer { user, listening, entered }, current).or_else(|what| fault(&what))
    }

    /// Each request was answered, and each message reached whom it should.
    fn check_due(&self, tally: &Tally) -> Result<(), Fault> {
        let due = &self.model.due;
        for (re, (session, answer)) in &due.answers {
            let times = tally.answers.get(re).copied().unwrap_or_default();
            if times != 1 {
                return Err(format!("request {re} of {session} was answered {times} times; wanted {answer:?}"));
            }
        }
        for (data, (room, hearers)) in &due.messages {
            let heard = tally.messages.get(data).cloned().unwrap_or_default();
            if heard != *hearers {
                return Err(format!("message {data} of {room} reached {heard:?}, not {hearers:?}"));
            }
        }
        if let Some((data, _)) = tally.messages.iter().find(|(data, _)| !due.messages.contains_key(*data)) {
            return Err(format!("message {data} was sent by nobody"));
        }
        if let Some((session, room)) = due.removed.symmetric_difference(&tally.removed).next() {
            return Err(format!("{session} was told wrongly, or not at all, that it is out of {room}"));
        }
        Ok(())
    }

    /// Whoever listens knows all of the turn.
    fn check_listeners(&self) -> Result<(), Fault> {
        for (id, room) in &self.model.rooms {
            let Some((number, viewers)) = self.now(id) else { continue };
            let typists = room.typists();
            for (session, listening) in &room.listeners {
                let Some(guest) = self.model.sessions.get(session) else {
                    return Err(format!("{session} listens to {id} and is not attached"));
                };
                let fault =
                    |what: &str| Err(format!("{session} in {id} at {number}, {:?}: {what}", listening.interest));
                let shadow = self.shadows.get(&(guest.connection, id.clone()));
                let Some(shadow) = shadow.filter(|shadow| shadow.period == listening.period) else {
                    return fault("heard no roster");
                };
                let known = shadow.view.version.as_ref().map(|version| version.number);
                let (follows, lists) = match listening.interest {
                    Interest::Auto | Interest::Full | Interest::Count => (true, false),
                    Interest::Listed => (false, true),
                    Interest::None => (false, false),
                };
                if follows && known != Some(number) {
                    return fault(&format!("knows {known:?}"));
                }
                let users = viewers.iter().map(|viewer| &viewer.profile.user).collect::<BTreeSet<_>>();
                if lists && !shadow.view.viewers.keys().eq(users.iter().copied()) {
                    return fault("knows other viewers");
                }
                let others = |typing: &BTreeSet<(UserId, Place)>| -> Vec<_> {
                    typing.iter().filter(|(user, _)| *user != guest.profile.user).cloned().collect()
                };
                if Hearing::Typing.includes(listening.interest) && others(&shadow.view.typing) != others(&typists) {
                    return fault(&format!("typing {:?}, not {typists:?}", shadow.view.typing));
                }
            }
        }
        Ok(())
    }
}

/// Who hears an event.
struct Hearer<'a> {
    user: &'a UserId,
    listening: Listening,
    /// They took their place in this turn.
    entered: bool,
}

impl Shadow {
    /// Takes an event of the room in; `current` gives the room as it is now.
    fn hear(&mut self, event: &Event, hearer: Hearer<'_>, current: Option<impl FnOnce() -> View>) -> Result<(), Fault> {
        let Hearer { user, listening, entered } = hearer;
        let heard = |hearing: Hearing| {
            if hearing.includes(listening.interest) { Ok(()) } else { Err(Fault::from("did not ask for it")) }
        };
        let own_joined = || if entered { Err(Fault::from("its own joined")) } else { Ok(()) };
        match event {
            Event::Roster { view, interest, .. } => {
                if *interest != listening.interest {
                    return Err(format!("the interest is {:?}", listening.interest));
                }
                self.whole = true;
                self.view.take_roster(view)
            }
            Event::Diff { typing: Some(_), .. } => {
                self.whole = true;
                if let Some(current) = current {
                    self.view = current();
                }
                Ok(())
            }
            Event::Diff { view, typing: None, .. } => {
                heard(Hearing::Diffs)?;
                if view.joined.iter().any(|viewer| viewer.profile.user == *user) {
                    own_joined()?;
                }
                match self.view.take_diff(view, None)? {
                    Heard::Applied => Ok(()),
                    Heard::Old => Err("is no news".into()),
                    Heard::Gap => Err(format!("does not follow what it was told, {:?}", self.view.version)),
                }
            }
            Event::Step(step) => {
                heard(Hearing::Steps)?;
                if step.left.is_none() && step.profile.user == *user {
                    own_joined()?;
                }
                self.view.take_step(step)
            }
            Event::Count(view) => {
                heard(Hearing::Counts)?;
                self.view.version = Some(view.version.clone());
                Ok(())
            }
            Event::Typing { profile, target, on, .. } => {
                heard(Hearing::Typing)?;
                if profile.user == *user {
                    return Err("its own typing".into());
                }
                let news = self.view.take_typing(&profile.user, target, *on);
                if news || self.whole { Ok(()) } else { Err("is told twice".into()) }
            }
            Event::Message { .. } | Event::Removed { .. } | Event::Ack { .. } | Event::Refused { .. } => Ok(()),
        }
    }
}

fn answered(event: &Event) -> Option<&Arc<str>> {
    match event {
        Event::Roster { re, .. } | Event::Diff { re, .. } | Event::Refused { re, .. } => re.as_ref().map(|re| &re.0),
        Event::Ack { re, .. } => Some(&re.0),
        Event::Step(_) | Event::Count(_) | Event::Typing { .. } | Event::Message { .. } | Event::Removed { .. } => None,
    }
}

fn is_answer(wanted: &Answer, event: &Event) -> bool {
    match (wanted, event) {
        (Answer::Ack(wanted), Event::Ack { sessions, .. }) => wanted == sessions,
        (Answer::Refused(wanted), Event::Refused { refusal, .. }) => wanted == refusal,
        (Answer::View(wanted, _), Event::Roster { view, .. }) => *wanted == view.room,
        (Answer::View(wanted, _), Event::Diff { view, .. }) => *wanted == view.room,
        (Answer::Ack(_) | Answer::Refused(_) | Answer::View(..), _) => false,
    }
}

fn view_of(viewers: &[Viewer], version: Version, typing: BTreeSet<(UserId, Place)>) -> View {
    let viewers = viewers.iter().map(|viewer| (viewer.profile.user.clone(), viewer.clone())).collect();
    View { version: Some(version), viewers, typing }
}
