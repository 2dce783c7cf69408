//! The end of a turn in a room: what changed is told, each listener once.
use crate::{
    event::{
        Audience, CountView, DiffView, Event, Except, FACES_MAX, FIRST_MAX, Gear, Hearing, Mark, Notice, Output,
        RosterView, StepView, Typist, Viewer,
    },
    history::Kind,
    id::RoomId,
    room::{Desk, Owed, Room, Spoken, deliver},
    version::Version,
};
use std::sync::Arc;

impl Room {
    /// Tells what the turn brought: what comes before the diff, the diff, the rosters owed, and the rest.
    pub(crate) fn settle(&mut self, desk: &mut Desk<'_>) {
        let Some(turn) = self.turn.take() else { return };
        for spoken in turn.before {
            speak(desk, &self.id, spoken);
        }
        if self.history.number() != turn.from {
            self.tell_changes(desk, turn.from, turn.mark);
        }
        self.answer(desk, turn.owed);
        for spoken in turn.after {
            speak(desk, &self.id, spoken);
        }
        self.history.trim(desk.limits.log_changes_max);
    }

    fn tell_changes(&mut self, desk: &mut Desk<'_>, from: u64, mark: Mark) {
        self.notice(desk, from);
        let wanted = |hearing| self.listeners.hearing(hearing, &Except::Nobody, mark).next().is_some();
        if wanted(Hearing::Diffs)
            && let Some(view) = self.diff(desk, from)
        {
            let event = Event::Diff { re: None, view: Arc::new(view), typing: None };
            self.tell(desk, Hearing::Diffs, mark, event);
        }
        if wanted(Hearing::Steps) {
            self.tell_steps(desk, from, mark);
        }
        if wanted(Hearing::Counts) {
            let event = Event::Count(Arc::new(self.count_view(desk)));
            self.tell(desk, Hearing::Counts, mark, event);
        }
    }

    /// Tells each joined and left of the turn by itself.
    fn tell_steps(&self, desk: &mut Desk<'_>, from: u64, mark: Mark) {
        let first: Arc<[Viewer]> = self.roster.viewers().take(FIRST_MAX).collect();
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
            self.tell(desk, Hearing::Steps, mark, Event::Step(Arc::new(step)));
        }
    }

    fn notice(&self, desk: &mut Desk<'_>, from: u64) {
        let count = self.roster.count();
        let Some(changes) = self.history.since(from) else { return };
        for (_, change) in changes {
            let (room, profile) = (self.id.clone(), Arc::clone(&change.profile));
            let notice = match change.kind {
                Kind::Joined => Notice::Joined { room, profile, count },
                Kind::Updated => continue,
                Kind::Left { reason, joined_at } => Notice::Left { room, profile, reason, count, joined_at },
            };
            desk.outputs.push_back(Output::Notice(notice));
        }
    }

    /// Answers everybody who is owed the roster: by what they missed where the history still holds it.
    fn answer(&self, desk: &mut Desk<'_>, owed: Vec<Owed>) {
        if owed.is_empty() {
            return;
        }
        let typing = self.typists();
        let mut roster: Option<Arc<RosterView>> = None;
        for Owed { session, re, since, .. } in owed {
            let Some(interest) = self.listeners.get(session).map(|listener| listener.interest) else { continue };
            let known = since.filter(|since| since.epoch == *desk.epoch);
            if let Some(view) = known.and_then(|since| self.diff(desk, since.number)) {
                let event = Event::Diff { re, view: Arc::new(view), typing: Some(Arc::clone(&typing)) };
                deliver(desk, session, event);
                continue;
            }
            let view = roster.get_or_insert_with(|| Arc::new(self.roster_view(desk, Arc::clone(&typing))));
            let event = Event::Roster { re, interest, view: Arc::clone(view) };
            deliver(desk, session, event);
        }
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
        Some(DiffView { room, from, version, joined, left, updated, count })
    }

    fn roster_view(&self, desk: &Desk<'_>, typing: Arc<[Typist]>) -> RosterView {
        RosterView {
            room: self.id.clone(),
            version: self.version(desk),
            gear: Gear::Live,
            viewers: self.roster.viewers().collect(),
            count: self.roster.count(),
            typing,
        }
    }

    fn count_view(&self, desk: &Desk<'_>) -> CountView {
        CountView {
            room: self.id.clone(),
            version: self.version(desk),
            gear: Gear::Live,
            count: self.roster.count(),
            faces: self.roster.viewers().take(FACES_MAX).map(|viewer| viewer.profile).collect(),
        }
    }

    fn typists(&self) -> Arc<[Typist]> {
        let typists = self.typing.typists().into_iter();
        typists
            .filter_map(|(user, targets)| {
                let profile = self.roster.viewer(user)?.profile;
                Some(Typist { profile, targets })
            })
            .collect()
    }

    fn version(&self, desk: &Desk<'_>) -> Version {
        Version { epoch: desk.epoch.clone(), number: self.history.number() }
    }

    /// Says something to those who listened before `before`.
    fn tell(&self, desk: &mut Desk<'_>, hearing: Hearing, before: Mark, event: Event) {
        speak(desk, &self.id, Spoken { event, hearing, except: Except::Nobody, before });
    }
}

fn speak(desk: &mut Desk<'_>, room: &RoomId, spoken: Spoken) {
    let Spoken { event, hearing, except, before } = spoken;
    let to = Audience::Room { room: room.clone(), hearing, except, before };
    desk.outputs.push_back(Output::Deliver { to, event });
}
