//! The hand that plants faults between the world and the hubs. The hubs themselves are what they are: a fault changes
//! what goes in, or what comes out.
use crate::{model::Model, mutation::Mutation, net::Frame, node::Forgets, told::Told};
use herenow_core::{
    command::{Command, Evictee, Input, Reason},
    cursors::Point,
    event::{CountView, DiffView, Event, Gear, RosterView},
    id::{ConnectionKey, LockName, RoomId, SessionId, UserId},
    limits::Limits,
    people::Dot,
    refusal::Refusal,
};
use std::{collections::BTreeMap, sync::Arc};

/// The hand that plants a fault; does nothing where there is none. Faults of limits and deadlines hold all the time, every
/// other strikes once a run, at a chance that the seed chooses.
#[derive(Debug, Default)]
pub struct Tamper {
    mutation: Option<Mutation>,
    /// Chances left until the strike; 0 once it was made.
    chances_left: u64,
    /// A user who came back within grace, and how many inputs until they are put out.
    returned: Option<(RoomId, UserId, u32)>,
    ended: Option<ConnectionKey>,
    rosters: BTreeMap<RoomId, Arc<RosterView>>,
    /// The number of the last holder of each lock.
    fences: BTreeMap<(RoomId, LockName), u64>,
    holders: BTreeMap<(RoomId, LockName), SessionId>,
    /// Where each pointer was seen last.
    pointers: BTreeMap<SessionId, Point>,
}

impl Tamper {
    /// Plants a fault, or none.
    pub fn new(mutation: Option<Mutation>, seed: u64) -> Self {
        Self { mutation, chances_left: 1 + seed % 2, ..Self::default() }
    }

    /// Whether a hub sleeps through its deadlines.
    pub fn skips_timeout(&self) -> bool {
        self.is(Mutation::DeadlinesSlept)
    }

    /// The limits that a hub really has.
    pub fn limits(&self, limits: &Limits) -> Limits {
        let mut limits = limits.clone();
        limits.rooms_per_session_max += usize::from(self.is(Mutation::OneRoomTooMany));
        limits.viewers_max = limits.viewers_max.saturating_add(usize::from(self.is(Mutation::OneViewerTooMany)));
        limits.log_changes_max += usize::from(self.is(Mutation::LogTooLong));
        limits.gears.batched_above += usize::from(self.is(Mutation::GearLate));
        let gears = &mut limits.gears;
        if self.is(Mutation::TickIgnored) {
            (gears.tick_min, gears.tick_max, gears.crowd_tick) = Default::default();
        }
        if self.is(Mutation::SpacingNotGrown) {
            (gears.tick_min, gears.tick_max, gears.crowd_tick) = [gears.spacing_first; 3].into();
        }
        if self.is(Mutation::SpacingWhole) {
            gears.spacing_first = gears.crowd_tick;
        }
        limits
    }

    /// What a hub is told in place of what happened.
    pub fn input(&mut self, input: &Input, model: &Model) -> Vec<Input> {
        let mut told = self.changed(input, model).unwrap_or_else(|| vec![input.clone()]);
        if self.is(Mutation::GraceNotCancelled) {
            self.put_out_returned(input, model, &mut told);
        }
        told
    }

    fn changed(&mut self, input: &Input, model: &Model) -> Option<Vec<Input>> {
        match (self.mutation?, input) {
            (Mutation::KickIgnored, Input::Evicted { room, .. }) if model.rooms.contains_key(room) => {
                self.strikes().then(Vec::new)
            }
            (Mutation::CloseForgotten, Input::Detached { session, .. }) => {
                newer_session(*session, model)?;
                self.strikes().then(Vec::new)
            }
            (Mutation::LateCloseHitsNewer, Input::Detached { session, how }) => {
                let session = newer_session(*session, model)?;
                self.strikes().then(|| vec![Input::Detached { session, how: *how }])
            }
            (Mutation::WrongEntry, Input::Asked { session, re: None, command: Command::Update { room, patch } }) => {
                let mut seated = model.rooms.get(room)?.listeners.keys();
                let session = *seated.find(|held| *held != session)?;
                let command = Command::Update { room: room.clone(), patch: patch.clone() };
                self.strikes().then(|| vec![Input::Asked { session, re: None, command }])
            }
            (Mutation::BlockForgotten, Input::Evicted { room, whom, reason, block: Some(_) }) => {
                let (room, whom, reason) = (room.clone(), whom.clone(), *reason);
                self.strikes().then(|| vec![Input::Evicted { room, whom, reason, block: None }])
            }
            (
                Mutation::WaiterSkipped,
                Input::Asked { session, re, command: Command::Lock { room, name, wait: true } },
            ) => {
                let held = model.rooms.get(room)?.holds.holders().get(name).copied()?;
                let command = Command::Lock { room: room.clone(), name: name.clone(), wait: false };
                let (session, re) = (*session, re.clone());
                (held != session && self.strikes()).then(|| vec![Input::Asked { session, re, command }])
            }
            (Mutation::EndedStillTold, Input::Detached { session, .. }) => {
                self.ended = model.sessions.get(session).map(|guest| guest.connection);
                None
            }
            _ => None,
        }
    }

    /// What the driver forgets of sessions that go on.
    pub fn forgets(&self) -> Forgets {
        Forgets { status: self.is(Mutation::StatusForgotten), watches: self.is(Mutation::WatchesForgotten) }
    }

    /// Whether the driver forgets to say that somebody fell behind.
    pub fn forgets_behind(&mut self) -> bool {
        self.is(Mutation::BehindUnmarked) && self.strikes()
    }

    /// Changes what a hub said.
    pub fn outputs(&mut self, told: &mut Vec<Told>, model: &Model) {
        let Some(mutation) = self.mutation else { return };
        if mutation == Mutation::StaleRoster {
            return self.stale_roster(told);
        }
        let at = told.iter().position(|told| is_chance(mutation, told) && self.fits(mutation, told, model));
        if let Some(at) = at.filter(|_| self.strikes()) {
            self.plant(mutation, told, at, model);
        }
        self.remember(told);
    }

    fn plant(&mut self, mutation: Mutation, told: &mut Vec<Told>, at: usize, model: &Model) {
        match mutation {
            Mutation::DiffBeforeRoster => diff_to_joiners(told),
            Mutation::VersionSkipped => change_diff(&mut told[at], |diff| diff.version.number += 1),
            Mutation::CountOffByOne => change_diff(&mut told[at], |diff| diff.count.users += 1),
            Mutation::ReasonWrong => change_diff(&mut told[at], |diff| {
                for (_, reason) in &mut diff.left {
                    *reason = if *reason == Reason::Left { Reason::Lost } else { Reason::Left };
                }
            }),
            Mutation::DiffDropped => drop(told[at].to.pop()),
            Mutation::AckTwice | Mutation::LeaveToldTwice => told.push(told[at].clone()),
            Mutation::AckLost | Mutation::TypingOffDropped => drop(told.remove(at)),
            Mutation::OwnTypingTold => own_typing(&mut told[at], model),
            Mutation::SecondTabJoined => second_tab_joined(told, at, model),
            Mutation::EndedStillTold => told[at].to.extend(self.ended),
            Mutation::MessageMisrouted => told[at].to = model.sessions.values().map(|guest| guest.connection).collect(),
            Mutation::BehindStillTold => {
                let behind = behind(&told[at], model);
                told[at].to.extend(behind);
            }
            Mutation::CrowdCountOff => {
                if let Event::Count { view, .. } = &mut told[at].event {
                    let mut count = CountView::clone(view);
                    count.count.users += 1;
                    *view = Arc::new(count);
                }
            }
            Mutation::SecondTabRefused => {
                if let Event::Roster { re, view, .. } = &told[at].event {
                    let refusal = Refusal::RoomFull { viewers_max: view.count.users };
                    told[at].event = Event::Refused { re: re.clone(), room: view.room.clone(), refusal };
                }
            }
            Mutation::CrowdLocksLeftOut => {
                if let Event::Count { locks, .. } = &mut told[at].event {
                    *locks = Some([].into());
                }
            }
            Mutation::NoRosterAfterCrowd => told[at].to.clear(),
            Mutation::TypingKeptInCrowd
            | Mutation::SessionsNotTold
            | Mutation::LockKept
            | Mutation::CursorNotHidden
            | Mutation::DotOfflineNotTold => drop(told.remove(at)),
            Mutation::FenceReused => {
                if let Event::Lock { room, lock } = &mut told[at].event {
                    let last = self.fences.get(&(room.clone(), lock.name.clone()));
                    lock.fence = last.copied().unwrap_or(lock.fence);
                }
            }
            Mutation::CursorReplayed => {
                let mut again = told[at].clone();
                if let Event::Cursors { at, .. } = &mut again.event {
                    at.retain(|(_, point)| point.is_none());
                    for (session, point) in at {
                        *point = self.pointers.get(session).cloned();
                    }
                }
                told.push(again);
            }
            Mutation::DotFlickers => flicker(told, at),
            Mutation::LateCloseHitsNewer
            | Mutation::CloseForgotten
            | Mutation::KickIgnored
            | Mutation::GraceNotCancelled
            | Mutation::DeadlinesSlept
            | Mutation::WrongEntry
            | Mutation::OneRoomTooMany
            | Mutation::OneViewerTooMany
            | Mutation::LogTooLong
            | Mutation::StaleRoster
            | Mutation::FramesSwapped
            | Mutation::BehindUnmarked
            | Mutation::GearLate
            | Mutation::TickIgnored
            | Mutation::SpacingWhole
            | Mutation::SpacingNotGrown
            | Mutation::WaiterSkipped
            | Mutation::BlockForgotten
            | Mutation::WatchesForgotten
            | Mutation::StatusForgotten
            | Mutation::FrameLost => {}
        }
    }

    /// Whether a frame is to be lost between node and client.
    pub fn loses(&mut self, event: &Event) -> bool {
        self.is(Mutation::FrameLost) && is_news(event) && self.strikes()
    }

    /// Whether a frame is to overtake the one before it.
    pub fn swaps(&mut self, frame: &Frame) -> bool {
        let news = matches!(frame, Frame::Event(event) if is_news(event));
        self.is(Mutation::FramesSwapped) && news && self.strikes()
    }

    fn is(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    /// Counts a chance; true where it is the one.
    fn strikes(&mut self) -> bool {
        let strikes = self.chances_left == 1;
        self.chances_left = self.chances_left.saturating_sub(1);
        strikes
    }

    /// Whether a fault strikes where its claim says, as far as that takes more than the event.
    fn fits(&self, mutation: Mutation, told: &Told, model: &Model) -> bool {
        let session = |key: &ConnectionKey| model.sessions.iter().find(|(_, guest)| guest.connection == *key);
        match (mutation, &told.event) {
            (Mutation::BehindStillTold, _) => !behind(told, model).is_empty(),
            (Mutation::SecondTabRefused, Event::Roster { view, .. }) => {
                let Some(room) = model.rooms.get(&view.room) else { return false };
                let user = told.to.iter().find_map(session).map(|(_, guest)| &guest.profile.user);
                let tabs = room.entries.values().filter(|entry| Some(&entry.user) == user).count();
                tabs > 1 && view.count.users >= model.limits.viewers_max
            }
            (Mutation::NoRosterAfterCrowd, Event::Roster { view, .. }) => told.to.iter().any(|key| {
                let listening =
                    session(key).and_then(|(session, _)| model.rooms.get(&view.room)?.listeners.get(session));
                listening.is_some_and(|listening| listening.awaits.is_some())
            }),
            (Mutation::TypingKeptInCrowd, Event::Typing { room, .. }) => {
                model.rooms.get(room).is_some_and(|room| room.shifted && room.latches.gear() == Gear::Crowd)
            }
            // Whose lock it was has no entry any more.
            (Mutation::LockKept, Event::Lock { room, lock }) => {
                let last = self.holders.get(&(room.clone(), lock.name.clone()));
                let entries = model.rooms.get(room).map(|room| &room.entries);
                last.is_some_and(|last| entries.is_some_and(|entries| !entries.contains_key(last)))
            }
            (Mutation::FenceReused, Event::Lock { room, lock }) => {
                self.fences.contains_key(&(room.clone(), lock.name.clone()))
            }
            _ => true,
        }
    }

    /// Notes what was said, for faults that say it again.
    fn remember(&mut self, told: &[Told]) {
        for Told { event, .. } in told {
            if let Event::Lock { room, lock } = event {
                let key = (room.clone(), lock.name.clone());
                self.fences.insert(key.clone(), lock.fence);
                match &lock.holder {
                    Some((_, session)) => self.holders.insert(key, *session),
                    None => self.holders.remove(&key),
                };
            }
            if let Event::Cursors { at, .. } = event {
                let seen = at.iter().filter_map(|(session, point)| Some((*session, point.clone()?)));
                self.pointers.extend(seen);
            }
        }
    }

    fn put_out_returned(&mut self, input: &Input, model: &Model, told: &mut Vec<Input>) {
        if let Input::Asked { session, command: Command::Join { room, observe: false, .. }, .. } = input
            && let Some(guest) = model.sessions.get(session)
            && model.rooms.get(room).is_some_and(|room| room.in_grace(&guest.profile.user))
            && self.strikes()
        {
            self.returned = Some((room.clone(), guest.profile.user.clone(), 8));
        }
        self.returned = self.returned.take().and_then(|(room, user, inputs_left)| {
            if inputs_left > 0 {
                return Some((room, user, inputs_left - 1));
            }
            told.push(Input::Evicted { room, whom: Evictee::User(user), reason: Reason::Closed, block: None });
            None
        });
    }

    fn stale_roster(&mut self, told: &mut [Told]) {
        for Told { event, .. } in told {
            if let Event::Roster { view, .. } = event {
                let older = self.rosters.insert(view.room.clone(), Arc::clone(view));
                let older = older.filter(|older| older.version != view.version);
                if let Some(older) = older.filter(|_| self.strikes()) {
                    *view = older;
                }
            }
        }
    }
}

/// Whether a fault can strike what is said.
fn is_chance(mutation: Mutation, told: &Told) -> bool {
    let heard = !told.to.is_empty();
    let diff = match &told.event {
        Event::Diff { re: None, typing: None, view, .. } => Some(view),
        _ => None,
    };
    match mutation {
        Mutation::DiffBeforeRoster | Mutation::VersionSkipped | Mutation::CountOffByOne => heard && diff.is_some(),
        Mutation::ReasonWrong | Mutation::LeaveToldTwice => heard && diff.is_some_and(|diff| !diff.left.is_empty()),
        Mutation::DiffDropped | Mutation::EndedStillTold => heard && is_news(&told.event),
        Mutation::AckTwice | Mutation::AckLost => heard && matches!(told.event, Event::Ack { .. }),
        Mutation::TypingOffDropped => heard && matches!(told.event, Event::Typing { on: false, .. }),
        Mutation::OwnTypingTold => matches!(told.event, Event::Typing { .. }),
        Mutation::SecondTabJoined => heard && matches!(told.event, Event::Roster { .. }),
        Mutation::MessageMisrouted => matches!(&told.event, Event::Message { message, .. } if message.to.is_some()),
        Mutation::BehindStillTold => diff.is_some(),
        Mutation::CrowdCountOff => {
            heard && matches!(&told.event, Event::Count { view, .. } if view.gear == Gear::Crowd)
        }
        Mutation::SecondTabRefused => heard && matches!(told.event, Event::Roster { re: Some(_), .. }),
        Mutation::CrowdLocksLeftOut => {
            heard && matches!(&told.event, Event::Count { locks: Some(locks), .. } if !locks.is_empty())
        }
        Mutation::NoRosterAfterCrowd => heard && matches!(told.event, Event::Roster { re: None, .. }),
        Mutation::TypingKeptInCrowd => heard && matches!(told.event, Event::Typing { on: false, .. }),
        Mutation::SessionsNotTold => heard && matches!(told.event, Event::Sessions { .. }),
        Mutation::LockKept => heard && matches!(told.event, Event::Lock { .. }),
        Mutation::FenceReused => {
            matches!(&told.event, Event::Lock { lock, .. } if lock.holder.is_some())
        }
        Mutation::CursorReplayed | Mutation::CursorNotHidden => {
            let hides = |at: &[(SessionId, Option<Point>)]| at.iter().any(|(_, point)| point.is_none());
            heard && matches!(&told.event, Event::Cursors { at, .. } if hides(at))
        }
        Mutation::DotOfflineNotTold => {
            heard && matches!(&told.event, Event::Statuses(dots) if dots.iter().any(|dot| dot.status.is_none()))
        }
        Mutation::DotFlickers => {
            heard && matches!(&told.event, Event::Statuses(dots) if dots.iter().any(|dot| dot.status.is_some()))
        }
        Mutation::LateCloseHitsNewer
        | Mutation::CloseForgotten
        | Mutation::KickIgnored
        | Mutation::GraceNotCancelled
        | Mutation::DeadlinesSlept
        | Mutation::WrongEntry
        | Mutation::OneRoomTooMany
        | Mutation::OneViewerTooMany
        | Mutation::LogTooLong
        | Mutation::StaleRoster
        | Mutation::FramesSwapped
        | Mutation::BehindUnmarked
        | Mutation::GearLate
        | Mutation::TickIgnored
        | Mutation::SpacingWhole
        | Mutation::SpacingNotGrown
        | Mutation::WaiterSkipped
        | Mutation::BlockForgotten
        | Mutation::WatchesForgotten
        | Mutation::StatusForgotten
        | Mutation::FrameLost => false,
    }
}

/// Another session of the same user that is attached.
fn newer_session(session: SessionId, model: &Model) -> Option<SessionId> {
    let own = model.sessions.get(&session)?;
    let theirs =
        |guest: &crate::model::Guest| guest.profile.user == own.profile.user && guest.connection > own.connection;
    model.sessions.iter().find(|(_, guest)| theirs(guest)).map(|(session, _)| *session)
}

fn is_news(event: &Event) -> bool {
    matches!(event, Event::Diff { re: None, typing: None, .. } | Event::Step(_))
}

fn change_diff(told: &mut Told, change: impl Fn(&mut DiffView)) {
    if let Event::Diff { view, .. } = &mut told.event {
        let mut diff = DiffView::clone(view);
        change(&mut diff);
        *view = Arc::new(diff);
    }
}

fn diff_to_joiners(told: &mut [Told]) {
    let mut joiners: BTreeMap<RoomId, Vec<ConnectionKey>> = BTreeMap::new();
    for Told { event, to, .. } in told.iter() {
        if let Event::Roster { view, .. } = event {
            joiners.entry(view.room.clone()).or_default().extend(to);
        }
    }
    for Told { event, to, .. } in told {
        if let Event::Diff { re: None, view, .. } = event {
            to.extend(joiners.get(&view.room).into_iter().flatten());
        }
    }
}

fn own_typing(told: &mut Told, model: &Model) {
    if let Event::Typing { room, profile, .. } = &told.event {
        let listens = |session| model.rooms.get(room).is_some_and(|room| room.listeners.contains_key(session));
        let theirs =
            model.sessions.iter().filter(|(session, guest)| guest.profile.user == profile.user && listens(session));
        told.to.extend(theirs.map(|(_, guest)| guest.connection));
    }
}

fn second_tab_joined(told: &mut Vec<Told>, at: usize, model: &Model) {
    let Event::Roster { view, .. } = &told[at].event else { return };
    let joiner = model.sessions.values().find(|guest| told[at].to.contains(&guest.connection));
    let Some(joiner) = joiner.map(|guest| &guest.profile.user) else { return };
    let Some(viewer) = view.viewers.iter().find(|viewer| viewer.profile.user == *joiner) else { return };
    let listeners = model.rooms.get(&view.room).map(|room| room.listeners.keys()).into_iter().flatten();
    let to = listeners.filter_map(|session| model.sessions.get(session)).map(|guest| guest.connection).collect();
    let diff = DiffView {
        room: view.room.clone(),
        from: view.version.number,
        version: view.version.clone(),
        joined: vec![viewer.clone()],
        left: Vec::new(),
        updated: Vec::new(),
        count: view.count,
        gear: view.gear,
    };
    told.push(Told { event: Event::Diff { re: None, view: Arc::new(diff), typing: None, locks: None }, to });
}

/// Connections that have fallen behind in the room of a diff.
fn behind(told: &Told, model: &Model) -> Vec<ConnectionKey> {
    let Event::Diff { view, .. } = &told.event else { return Vec::new() };
    let listeners = model.rooms.get(&view.room).map(|room| room.listeners.iter()).into_iter().flatten();
    let behind = listeners.filter(|(_, listening)| listening.behind);
    behind.filter_map(|(session, _)| model.sessions.get(session)).map(|guest| guest.connection).collect()
}

/// Says that the users of a dot went and came.
fn flicker(told: &mut Vec<Told>, at: usize) {
    let again = told[at].clone();
    let mut gone = again.clone();
    if let Event::Statuses(dots) = &mut gone.event {
        *dots = dots.iter().map(|dot| Dot { user: dot.user.clone(), status: None, last_seen: None }).collect();
    }
    told.extend([gone, again]);
}
