//! What must hold after each turn of a partition.
use crate::{
    hear::{Hearer, Tally},
    pace::Duty,
    partition::{Known, Partition, Turn},
    show::{show, show_viewers},
    told::Told,
    view::{Fault, View},
};
use herenow_core::{
    command::Input,
    event::{Count, DiffView, Event, FACES_MAX, FIRST_MAX, Gear, Notice, Viewer},
    history::Kind,
    id::{ConnectionKey, LockName, RoomId, SessionId, UserId},
    time::Time,
    version::Version,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

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
        self.check_locks(&turn.told)?;
        self.forget_shadows();
        for told in &turn.told {
            self.check_event(&told.event)?;
            for key in &told.to {
                let Some((session, user)) = hearers.get(key) else {
                    return Err(format!("{} goes to a connection that is not attached", show(&told.event)));
                };
                let missed = turn.missed.contains(key);
                self.check_hearing(Hearer { key: *key, session: *session, user, missed }, told, &mut tally)?;
            }
        }
        self.check_due(&tally, &turn.missed)?;
        self.note_caught_up();
        for session in turn.behind.iter().copied() {
            self.model.take(now, &Input::FellBehind { session });
        }
        self.note_behind(&turn.behind);
        self.check_pace(now, turn)?;
        self.check_dots()?;
        self.model.due.clear();
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

    /// Each lock passes on under a number that was never given before, and to who is next.
    fn check_locks(&mut self, told: &[Told]) -> Result<(), Fault> {
        self.given = self.held.iter().map(|(key, held)| (key.clone(), BTreeSet::from([*held]))).collect();
        for Told { event, .. } in told {
            let Event::Lock { room, lock } = event else { continue };
            let key = (room.clone(), lock.name.clone());
            let highest = self.fences.get(&key).copied().unwrap_or_default();
            let before = self.held.get(&key).copied();
            match &lock.holder {
                Some((_, session)) if lock.fence > highest => {
                    self.held.insert(key.clone(), (*session, lock.fence));
                    self.fences.insert(key.clone(), lock.fence);
                    self.given.entry(key).or_default().insert((*session, lock.fence));
                }
                None if before.is_some_and(|(_, fence)| fence == lock.fence) => drop(self.held.remove(&key)),
                Some(_) | None => {
                    return Err(format!("{}: it was held by {before:?}, up to {highest}", show(event)));
                }
            }
        }
        let wanted = self.model.rooms.iter().flat_map(|(id, room)| {
            room.holds.holders().into_iter().map(|(name, session)| ((id.clone(), name), session))
        });
        let wanted: BTreeMap<(RoomId, LockName), SessionId> = wanted.collect();
        let held: BTreeMap<_, _> = self.held.iter().map(|(key, (session, _))| (key.clone(), *session)).collect();
        if wanted == held { Ok(()) } else { Err(format!("locks are held by {held:?}, not {wanted:?}")) }
    }

    /// Everybody who watches knows who is online.
    fn check_dots(&mut self) -> Result<(), Fault> {
        let model = &self.model;
        self.dots.retain(|key, _| model.sessions.values().any(|guest| guest.connection == *key));
        for (session, users) in model.dots.watching() {
            let Some(guest) = model.sessions.get(session) else {
                return Err(format!("{session} watches and is not attached"));
            };
            for user in users {
                let known = self.dots.get(&guest.connection).and_then(|dots| dots.get(user));
                let wanted = model.dots.status(user);
                if known != Some(&wanted) || self.hub.status(user) != wanted {
                    let held = self.hub.status(user);
                    return Err(format!("{session} was told {known:?} of {user}, who is {held:?}, not {wanted:?}"));
                }
            }
        }
        if let Some((session, asked)) = model.due.watches.iter().find(|(_, asked)| !asked.is_empty()) {
            return Err(format!("{session} asked for {asked:?} and was not told"));
        }
        let (kept, wanted) = (self.hub.load().people, model.dots.kept());
        if kept == wanted { Ok(()) } else { Err(format!("{kept} people are kept, not {wanted}")) }
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
                Notice::Joined { .. }
                | Notice::Left { .. }
                | Notice::Updated { .. }
                | Notice::Online { .. }
                | Notice::Offline { .. }
                | Notice::Typing { .. } => {
                    continue;
                }
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
            (shadow.whole, shadow.was_ready) = (false, shadow.ready);
            listening
        });
        self.shadows = kept;
    }

    /// What holds of an event whoever hears it.
    fn check_event(&self, event: &Event) -> Result<(), Fault> {
        let fault = |what: &str| Err(format!("{}: {what}", show(event)));
        let Some(Shown { room, version, count, gear }) = shown(event) else { return Ok(()) };
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
        if gear.is_some_and(|gear| gear != model.latches.gear()) {
            return fault(&format!("the gear is {:?}, not {gear:?}", model.latches.gear()));
        }
        if let Event::Roster { view, .. } = event {
            let lists = view.sessions.as_ref();
            if lists.is_some_and(|lists| !lists.iter().eq(model.sessions_in(&view.viewers).iter())) {
                return fault("not the sessions");
            }
            if view.viewers[..] != viewers[..] {
                return fault("not the roster of its version");
            }
        }
        if let Event::Diff { view, .. } = event {
            self.check_diff(view)?;
        }
        if let Event::Step(step) = event
            && step.first[..] != viewers[..viewers.len().min(FIRST_MAX)]
        {
            return fault("not the first viewers");
        }
        if let Event::Count { view, .. } = event
            && !view.faces.iter().eq(viewers.iter().take(FACES_MAX).map(|viewer| &viewer.profile))
        {
            return fault("not the first faces");
        }
        Ok(())
    }

    /// A diff leads from the roster at `from` to the roster now.
    fn check_diff(&self, diff: &DiffView) -> Result<(), Fault> {
        let from = Version { epoch: self.epoch.clone(), number: diff.from };
        let (Some(before), Some((_, after))) = (self.snapshot(&diff.room, &from), self.now(&diff.room)) else {
            return Err(format!("diff of {} from {}, which nobody was told of", diff.room, diff.from));
        };
        let mut view = View::of(before, from);
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
        for (user, reason) in &diff.left {
            let wanted = self.model.due.left.get(&(diff.room.clone(), user.clone()));
            if !wanted.is_some_and(|wanted| wanted.contains(reason)) {
                return Err(format!("diff of {}: {user} left because {reason:?}, not {wanted:?}", diff.room));
            }
        }
        Ok(())
    }

    /// Each request was answered, and each message reached whom it should.
    fn check_due(&self, tally: &Tally, missed: &BTreeSet<ConnectionKey>) -> Result<(), Fault> {
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
        if let Some((session, room, _)) = due.removed.symmetric_difference(&tally.removed).next() {
            return Err(format!("{session} was told wrongly, or not at all, that it is out of {room}"));
        }
        if due.typing_off != tally.typing_off {
            return Err(format!("{:?} were told that typing is off, not {:?}", tally.typing_off, due.typing_off));
        }
        for (id, session) in &due.refreshed {
            let Some((room, guest)) = self.model.rooms.get(id).zip(self.model.sessions.get(session)) else { continue };
            let Some(listening) = room.listeners.get(session).filter(|_| !missed.contains(&guest.connection)) else {
                continue;
            };
            let shadow = self.shadows.get(&(guest.connection, id.clone()));
            let nothing = room.latches.duty(listening.interest) == Duty::Nothing;
            if !nothing && !shadow.is_some_and(|shadow| shadow.whole) {
                return Err(format!("{session} can be written to again, and was not given {id}"));
            }
        }
        Ok(())
    }
}

/// What an event says of a room as a whole.
struct Shown<'a> {
    room: &'a RoomId,
    version: &'a Version,
    count: Count,
    gear: Option<Gear>,
}

fn shown(event: &Event) -> Option<Shown<'_>> {
    let (room, version, count, gear) = match event {
        Event::Roster { view, .. } => (&view.room, &view.version, view.count, Some(view.gear)),
        Event::Diff { view, .. } => (&view.room, &view.version, view.count, Some(view.gear)),
        Event::Step(view) => (&view.room, &view.version, view.count, None),
        Event::Count { view, .. } => (&view.room, &view.version, view.count, Some(view.gear)),
        Event::Typing { .. }
        | Event::Sessions { .. }
        | Event::Cursors { .. }
        | Event::Statuses(_)
        | Event::Lock { .. }
        | Event::LockAnswer { .. }
        | Event::Message { .. }
        | Event::Removed { .. }
        | Event::Ack { .. }
        | Event::WatchRefused { .. }
        | Event::Refused { .. } => return None,
    };
    Some(Shown { room, version, count, gear })
}
