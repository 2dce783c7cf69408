//! The end of a turn in a room: what changed is told, each listener once, at the pace of the room.
use crate::{
    deadlines::Timer,
    event::{
        Audience, CountView, DiffView, Event, Except, FACES_MAX, FIRST_MAX, Gear, Hearing, Mark, Notice, Output,
        RosterView, StepView, Typist, Viewer,
    },
    gear::Duty,
    history::Kind,
    id::{ConnectionKey, UserId},
    listeners::{Listener, Told},
    profile::Profile,
    room::{Desk, Owed, Owing, Room, Spoken, Turn, Typing, acknowledge, deliver},
    typing::Place,
    version::Version,
};
use std::{collections::BTreeMap, sync::Arc};

/// The room as a whole, made at most once a turn however many get it.
#[derive(Default)]
struct Views {
    roster: Option<Arc<RosterView>>,
    first: Option<Arc<RosterView>>,
    detailed: Option<Arc<RosterView>>,
    count: Option<Arc<CountView>>,
    /// Who is told the count and the locks, once all others are answered.
    counted: Vec<ConnectionKey>,
}

impl Room {
    /// Tells what the turn brought: what comes before the changes, the changes where it is time for them, the rosters
    /// owed, and the rest.
    pub(crate) fn settle(&mut self, desk: &mut Desk<'_>) {
        let Some(mut turn) = self.turn.take() else { return };
        for spoken in std::mem::take(&mut turn.before) {
            self.speak(desk, spoken);
        }
        self.notice(desk, turn.from);
        let mut views = Views::default();
        self.shift(desk, &mut turn);
        let said = desk.outputs.len();
        if self.spacing.is_due(desk.now) {
            self.tell(desk, (turn.from, turn.mark), &mut views);
            // A turn in which nobody was told anything does not use up the tick.
            if desk.outputs.len() > said {
                let gears = &desk.limits.gears;
                let tick = self.pace.tick(self.roster.count().users, gears);
                self.spacing.note_told(desk.now, (gears.spacing_first, tick));
            }
        }
        self.answer(desk, turn.owed, &mut views);
        self.refresh_some(desk, &mut views);
        self.answer_counted(desk, views);
        for spoken in turn.after {
            self.speak(desk, spoken);
        }
        self.tell_cursors(desk);
        self.plan(desk);
        let untold = self.listeners.iter().filter_map(|listener| listener.told.get()).min();
        self.history.trim(desk.limits.log_changes_max, untold.unwrap_or(self.history.number()));
    }

    /// Changes the gear where the number of viewers asks for it.
    fn shift(&mut self, desk: &mut Desk<'_>, turn: &mut Turn) {
        let (users, gears) = (self.roster.count().users, &desk.limits.gears);
        let before = self.pace;
        self.pace = before.shifted(users, self.settings.names_viewers(), gears);
        if before == self.pace {
            return;
        }
        // What the old gear held back is told now.
        self.spacing.release(desk.now, self.pace.tick(users, gears));
        let (was, is) = (before.gear, self.pace.gear);
        if is == Gear::Crowd && was != Gear::Crowd {
            self.stop_all_typing(desk, turn.mark, &mut turn.after);
            self.cursors.hide_all();
        }
        if is == Gear::Batched && was != Gear::Batched {
            self.typing_told = Some(self.typing_now());
        }
        self.refreshing.clear();
        let pace = self.pace;
        let renamed = before.names_viewers != pace.names_viewers;
        for listener in self.listeners.iter_mut() {
            let awaits = listener.owed == Listener::AWAITS;
            match (before.duty(listener.interest), pace.duty(listener.interest)) {
                // What it waited for is the count now, and the locks, of which it heard nothing meanwhile.
                (Duty::Lists, Duty::Counts) if awaits => turn.owed.push(Owed::refresh(listener.session)),
                (Duty::Lists, Duty::Counts) => listener.told = listener.told.get().map_or(Told::NOTHING, |_| NEVER),
                // Without a version it is answered in this turn, or when it can be written to again.
                (Duty::Counts, Duty::Lists) if listener.told != Told::NOTHING => {
                    (listener.owed, listener.told) = (Listener::AWAITS, Told::NOTHING);
                    self.refreshing.push_back(listener.session);
                }
                // The room shifted again before this one had its turn.
                (_, Duty::Lists) if awaits => self.refreshing.push_back(listener.session),
                // Names that were told are to go, or to come.
                (_, Duty::Counts | Duty::Steps) if renamed => {
                    listener.told = listener.told.get().map_or(Told::NOTHING, |_| NEVER)
                }
                _ => {}
            }
        }
    }

    /// Tells every listener what it has not been told.
    fn tell(&mut self, desk: &mut Desk<'_>, (turn_from, mark): (u64, Mark), views: &mut Views) {
        let begun = self.tell_stopped(desk, mark);
        let number = self.history.number();
        let (mut lists, mut steps) = (BTreeMap::new(), BTreeMap::new());
        // For whom no difference will do.
        let (mut whole, mut counts) = (Vec::new(), Vec::new());
        let pace = self.pace;
        for listener in self.listeners.iter_mut().filter(|listener| !listener.behind) {
            let Some(told) = listener.told.get().filter(|told| *told != number) else { continue };
            listener.told = Told::version(number);
            match pace.duty(listener.interest) {
                Duty::Lists if self.history.since(told).is_none() => whole.push(listener.session),
                Duty::Lists => lists.entry(told).or_insert_with(Vec::new).push(listener.connection),
                Duty::Steps if pace.gear == Gear::Live && told >= turn_from && Told::version(told) != NEVER => {
                    steps.entry(told).or_insert_with(Vec::new).push(listener.connection);
                }
                Duty::Steps => whole.push(listener.session),
                Duty::Counts => counts.push(listener.connection),
                Duty::Nothing => {}
            }
        }
        for (told, connections) in lists {
            if let Some(view) = self.diff(desk, told) {
                say(desk, connections, Event::Diff { re: None, view: Arc::new(view), typing: None, locks: None });
            }
        }
        for (told, connections) in steps {
            self.tell_steps(desk, told, &connections);
        }
        for session in whole {
            self.answer_one(desk, Owed::refresh(session), views);
        }
        if !counts.is_empty() {
            say(desk, counts, Event::Count { view: self.count_view(desk, views), locks: None });
        }
        self.tell_sessions(desk, mark);
        // After the joins: nobody hears of the typing of somebody whom they do not know.
        for (key, profile) in begun {
            self.say_typing_now(desk, mark, (&key, &profile, true));
        }
    }

    /// Gives the roster to a part of those who hear lists again, so that all have it after a crowd's tick.
    fn refresh_some(&mut self, desk: &mut Desk<'_>, views: &mut Views) {
        if self.refreshing.is_empty() || desk.now < self.refresh_at {
            return;
        }
        self.refresh_at = desk.now + desk.limits.gears.crowd_tick / REFRESH_PARTS;
        let part = self.listeners.iter().count().div_ceil(REFRESH_PARTS as usize);
        for _ in 0..part {
            let Some(session) = self.refreshing.pop_front() else { break };
            // Whoever asked meanwhile has it.
            if self.listeners.get(session).is_some_and(|listener| listener.owed == Listener::AWAITS) {
                self.answer_one(desk, Owed::refresh(session), views);
            }
        }
    }

    /// Tells each joined and left after version `from` by itself.
    fn tell_steps(&self, desk: &mut Desk<'_>, from: u64, connections: &[ConnectionKey]) {
        let first: Arc<[Viewer]> = self.roster.viewers().take(FIRST_MAX).collect();
        let connections: Arc<[ConnectionKey]> = connections.into();
        let Some(changes) = self.history.since(from) else { return };
        for (number, change) in changes {
            let left = match change.kind {
                Kind::Joined => None,
                Kind::Updated => continue,
                Kind::Left { reason, .. } => Some(reason),
            };
            let step = StepView {
                room: self.id.clone(),
                version: Version { epoch: desk.epoch.clone(), number },
                profile: Arc::clone(&change.profile),
                left,
                first: Arc::clone(&first),
                count: self.roster.count(),
            };
            let to = Audience::Listeners(Arc::clone(&connections));
            desk.outputs.push_back(Output::Deliver { to, event: Event::Step(Arc::new(step)) });
        }
    }

    fn notice(&self, desk: &mut Desk<'_>, from: u64) {
        let count = self.roster.count();
        let Some(changes) = self.history.since(from) else { return };
        for (number, change) in changes {
            let (room, profile) = (self.id.clone(), Arc::clone(&change.profile));
            let version = Version { epoch: desk.epoch.clone(), number };
            let notice = match change.kind {
                Kind::Joined => Notice::Joined { room, profile, version, count },
                Kind::Updated => Notice::Updated { room, profile, version },
                Kind::Left { reason, joined_at } => Notice::Left { room, profile, reason, version, count, joined_at },
            };
            desk.outputs.push_back(Output::Notice(notice));
        }
    }

    /// Answers everybody who is owed the room, and last those who did not ask, where no answer has given it to them.
    fn answer(&mut self, desk: &mut Desk<'_>, owed: Vec<Owed>, views: &mut Views) {
        let (unasked, asked): (Vec<Owed>, Vec<Owed>) = owed.into_iter().partition(|owed| owed.why == Owing::Refreshed);
        for owed in asked {
            self.answer_one(desk, owed, views);
        }
        for owed in unasked {
            if self.listeners.get(owed.session).is_some_and(|listener| listener.told == Told::NOTHING) {
                self.answer_one(desk, owed, views);
            }
        }
    }

    /// Answers by what a session missed where the history still holds it, else by the whole; in a crowd by the count.
    fn answer_one(&mut self, desk: &mut Desk<'_>, owed: Owed, views: &mut Views) {
        let Owed { session, re, since, why } = owed;
        let number = self.history.number();
        let Some(listener) = self.listeners.get_mut(session) else { return };
        if listener.behind {
            return acknowledge(desk, session, re, None);
        }
        // What was told last may be on its way still: a diff must fit whether or not its client has that.
        let has_missed = listener
            .told
            .get()
            .is_none_or(|told| told != number && since.as_ref().is_none_or(|since| since.number != told));
        let since = since.filter(|_| why != Owing::Synced || !has_missed);
        listener.told = Told::version(number);
        if listener.owed == Listener::AWAITS {
            desk.mark.0 += 1;
            listener.owed = *desk.mark;
        }
        let is_answer = why != Owing::Refreshed;
        let (interest, detailed) = (listener.interest, listener.sessions);
        let duty = self.pace.duty(interest);
        match duty {
            Duty::Lists => {
                // A diff says nothing of sessions.
                let known = since.filter(|since| since.epoch == *desk.epoch && !detailed);
                if let Some(view) = known.and_then(|since| self.diff(desk, since.number)) {
                    let (typing, locks) = (Some(self.typists()), Some(self.lock_views()));
                    return deliver(desk, session, Event::Diff { re, view: Arc::new(view), typing, locks });
                }
                let view = if detailed { self.detailed_view(desk, views) } else { self.roster_view(desk, views) };
                deliver(desk, session, Event::Roster { re, interest, is_answer, view });
            }
            Duty::Steps => {
                let view = self.first_view(desk, views);
                deliver(desk, session, Event::Roster { re, interest, is_answer, view });
            }
            Duty::Counts => {
                views.counted.push(listener.connection);
                acknowledge(desk, session, re, None);
            }
            Duty::Nothing => acknowledge(desk, session, re, None),
        }
    }

    /// Tells the count to all who were answered by it, in one go. It names all locks, since each change of one is told in
    /// a crowd as well, and nothing else would say which are free again.
    fn answer_counted(&self, desk: &mut Desk<'_>, mut views: Views) {
        let counted = std::mem::take(&mut views.counted);
        if !counted.is_empty() {
            let view = self.count_view(desk, &mut views);
            say(desk, counted, Event::Count { view, locks: Some(self.lock_views()) });
        }
    }

    /// Sees to it that the room is woken when there will be something to tell.
    fn plan(&mut self, desk: &mut Desk<'_>) {
        let number = self.history.number();
        let untold = |told: Told| told.get().is_some_and(|told| told != number);
        let waits = !self.touched.is_empty()
            || self.typing_told.as_ref().is_some_and(|told| !self.is_told(told))
            || self.listeners.iter().any(|listener| untold(listener.told) && !listener.behind);
        let tell_at = waits.then_some(self.spacing.next());
        let refresh_at = (!self.refreshing.is_empty()).then_some(self.refresh_at);
        let Some(due) = tell_at.into_iter().chain(refresh_at).min() else { return };
        if self.woken_at.is_none_or(|at| due < at) {
            self.woken_at = Some(due);
            desk.deadlines.set(due, Timer::Tell(self.id.clone()));
        }
    }

    /// Tells the sessions of each user whose sessions have changed, to those who asked for that; in a crowd only to those
    /// of them who hear lists.
    fn tell_sessions(&mut self, desk: &mut Desk<'_>, before: Mark) {
        if self.touched.is_empty() {
            return;
        }
        let touched = std::mem::take(&mut self.touched);
        let pace = self.pace;
        let lists = |listener: &Listener| pace.gear != Gear::Crowd || pace.duty(listener.interest) == Duty::Lists;
        let hears =
            |listener: &&Listener| listener.sessions && !listener.behind && listener.owed < before && lists(listener);
        let hearing: Arc<[ConnectionKey]> = self.listeners.iter().filter(hears).map(|held| held.connection).collect();
        if hearing.is_empty() {
            return;
        }
        for user in touched {
            let list = self.roster.session_views(&user);
            let event = Event::Sessions { room: self.id.clone(), user, list };
            desk.outputs.push_back(Output::Deliver { to: Audience::Listeners(Arc::clone(&hearing)), event });
        }
    }

    /// Whether those who type now are those who are said to.
    fn is_told(&self, told: &Typing) -> bool {
        let typists = self.typing.typists();
        let places = typists.values().map(Vec::len).sum::<usize>();
        places == told.len()
            && typists
                .iter()
                .all(|(user, places)| places.iter().all(|place| told.contains_key(&((*user).clone(), place.clone()))))
    }

    /// Tells in one go who stopped typing since the last time, and returns who began; who did both is not spoken of.
    pub(crate) fn tell_stopped(&mut self, desk: &mut Desk<'_>, mark: Mark) -> Typing {
        let Some(told) = self.typing_told.take() else { return Typing::new() };
        let now = self.typing_now();
        for (key, profile) in told.iter().filter(|(key, _)| !now.contains_key(*key)) {
            self.say_typing_now(desk, mark, (key, profile, false));
        }
        let begun = now.iter().filter(|(key, _)| !told.contains_key(*key));
        let begun = begun.map(|(key, profile)| (key.clone(), Arc::clone(profile))).collect();
        if self.pace.gear == Gear::Batched {
            self.typing_told = Some(now);
        }
        begun
    }

    /// Says that somebody types, or stopped, to who does not find that in a roster of this turn.
    fn say_typing_now(
        &self,
        desk: &mut Desk<'_>,
        before: Mark,
        (key, profile, on): (&(UserId, Place), &Arc<Profile>, bool),
    ) {
        let (room, profile, target) = (self.id.clone(), Arc::clone(profile), key.1.clone());
        let event = Event::Typing { room, profile, target, on };
        let (hearing, except) = (Hearing::Typing, Except::User(key.0.clone()));
        self.speak(desk, Spoken { event, hearing, except, before });
    }

    pub(crate) fn typing_now(&self) -> Typing {
        let typists = self.typing.typists().into_iter();
        let named = typists.filter_map(|(user, places)| Some((user, places, self.profile(user)?)));
        named
            .flat_map(|(user, places, profile)| {
                places.into_iter().map(move |place| ((user.clone(), place), Arc::clone(&profile)))
            })
            .collect()
    }

    /// The net difference to version `from`; `None` where it is no longer known.
    fn diff(&self, desk: &Desk<'_>, from: u64) -> Option<DiffView> {
        let (mut joined, mut left, mut updated) = (Vec::new(), Vec::new(), Vec::new());
        for (user, net) in self.history.net_since(from)? {
            match (net.was_here, net.gone) {
                (true, Some(reason)) => left.push((user.clone(), reason)),
                (false, Some(_)) => {}
                (was_here, None) => {
                    if let Some(viewer) = self.roster.viewer(user) {
                        if was_here { updated.push(viewer) } else { joined.push(viewer) }
                    }
                }
            }
        }
        joined.sort_by(|a: &Viewer, b: &Viewer| (a.joined_at, &a.profile.user).cmp(&(b.joined_at, &b.profile.user)));
        let (room, version, count) = (self.id.clone(), self.version(desk), self.roster.count());
        let gear = self.pace.gear;
        Some(DiffView { room, from, version, joined, left, updated, count, gear })
    }

    fn roster_view(&self, desk: &Desk<'_>, views: &mut Views) -> Arc<RosterView> {
        let view = views.roster.get_or_insert_with(|| Arc::new(self.view_of(desk, usize::MAX)));
        Arc::clone(view)
    }

    /// The roster with the sessions of each viewer.
    fn detailed_view(&self, desk: &Desk<'_>, views: &mut Views) -> Arc<RosterView> {
        let view = views.detailed.get_or_insert_with(|| {
            let view = self.view_of(desk, usize::MAX);
            let lists = view.viewers.iter().map(|viewer| self.roster.session_views(&viewer.profile.user));
            Arc::new(RosterView { sessions: Some(lists.collect()), ..view.clone() })
        });
        Arc::clone(view)
    }

    /// The first viewers, with the count of all.
    fn first_view(&self, desk: &Desk<'_>, views: &mut Views) -> Arc<RosterView> {
        if self.roster.count().users <= FIRST_MAX {
            return self.roster_view(desk, views);
        }
        let view = views.first.get_or_insert_with(|| Arc::new(self.view_of(desk, FIRST_MAX)));
        Arc::clone(view)
    }

    fn view_of(&self, desk: &Desk<'_>, viewers_max: usize) -> RosterView {
        RosterView {
            room: self.id.clone(),
            version: self.version(desk),
            gear: self.pace.gear,
            viewers: self.named(viewers_max),
            count: self.roster.count(),
            typing: self.typists(),
            locks: self.lock_views(),
            sessions: None,
        }
    }

    fn count_view(&self, desk: &Desk<'_>, views: &mut Views) -> Arc<CountView> {
        let view = views.count.get_or_insert_with(|| {
            Arc::new(CountView {
                room: self.id.clone(),
                version: self.version(desk),
                gear: self.pace.gear,
                count: self.roster.count(),
                faces: self.named(FACES_MAX).into_iter().map(|viewer| viewer.profile).collect(),
            })
        });
        Arc::clone(view)
    }

    /// The first viewers, where viewers are named.
    fn named(&self, viewers_max: usize) -> Vec<Viewer> {
        let viewers_max = if self.pace.names_viewers { viewers_max } else { 0 };
        self.roster.viewers().take(viewers_max).collect()
    }

    /// Who types, as the listeners have been told: what a roster says must be what later events go on from.
    fn typists(&self) -> Arc<[Typist]> {
        let now = self.typing_now();
        let told = self.typing_told.as_ref().unwrap_or(&now);
        let mut typists: Vec<Typist> = Vec::new();
        for ((user, place), profile) in told {
            match typists.last_mut().filter(|typist| typist.profile.user == *user) {
                Some(typist) => typist.targets.push(place.clone()),
                None => typists.push(Typist { profile: Arc::clone(profile), targets: vec![place.clone()] }),
            }
        }
        typists.into()
    }

    /// Says something to those of the listeners whom it is for.
    pub(crate) fn speak(&self, desk: &mut Desk<'_>, spoken: Spoken) {
        let Spoken { event, hearing, except, before } = spoken;
        let to = Audience::Room { room: self.id.clone(), hearing, except, before };
        desk.outputs.push_back(Output::Deliver { to, event });
    }

    fn version(&self, desk: &Desk<'_>) -> Version {
        Version { epoch: desk.epoch.clone(), number: self.history.number() }
    }
}

/// Says something to some connections.
fn say(desk: &mut Desk<'_>, connections: Vec<ConnectionKey>, event: Event) {
    let to = Audience::Listeners(connections.into());
    desk.outputs.push_back(Output::Deliver { to, event });
}

/// The version of nobody: who has it is told the count, whatever the version now.
const NEVER: Told = Told::version(u64::MAX - 1);
/// In how many parts those who hear lists again get them.
const REFRESH_PARTS: u32 = 20;
