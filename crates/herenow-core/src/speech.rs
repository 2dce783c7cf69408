//! What passes in a room and is never kept: typing, and messages.
use crate::{
    cluster::{door::Passing, passing::except_for},
    command::Message,
    deadlines::Timer,
    event::{Event, Except, Gear, Hearing, Mark, Notice, Output},
    id::{SessionId, UserId},
    listeners::Listener,
    profile::Profile,
    refusal::Refusal,
    room::{Desk, Guest, Room, Spoken},
    time::Time,
    typing::{Lease, Place},
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

impl Room {
    /// Begins or renews a typing lease.
    pub(crate) fn start_typing(&mut self, desk: &mut Desk<'_>, guest: Guest<'_>, place: Place) -> Result<(), Refusal> {
        self.admit(guest)?;
        if !self.tells_typing() {
            return Err(Refusal::TypingOff);
        }
        let lease = Lease { user: guest.profile.user.clone(), place: place.clone(), session: guest.session };
        if self.typing.others_of_session(&lease) >= desk.limits.typing_targets_max {
            return Err(Refusal::TooManyTargets { targets_max: desk.limits.typing_targets_max });
        }
        let until = desk.now + desk.limits.typing_lease;
        let fresh = self.typing.start(lease, until);
        self.look_at_typing(desk);
        let (session, user) = (guest.session, guest.profile.user.clone());
        self.pass_on(desk, || Passing::Typing { session, user, place: place.clone(), on: true });
        if fresh {
            let (room, profile) = (self.id.clone(), Arc::clone(guest.profile));
            desk.outputs.push_back(Output::Notice(Notice::Typing { room, profile, target: place.clone() }));
            self.say_typing(desk, guest.profile, place, true);
        }
        Ok(())
    }

    /// Ends a typing lease.
    pub(crate) fn stop_typing(&mut self, desk: &mut Desk<'_>, guest: Guest<'_>, place: Place) -> Result<(), Refusal> {
        self.admit(guest)?;
        let lease = Lease { user: guest.profile.user.clone(), place: place.clone(), session: guest.session };
        let (session, user) = (guest.session, guest.profile.user.clone());
        self.pass_on(desk, || Passing::Typing { session, user, place: place.clone(), on: false });
        if self.typing.stop(&lease) {
            self.say_typing(desk, guest.profile, place, false);
        }
        Ok(())
    }

    /// Ends the leases that are due.
    pub(crate) fn expire_typing(&mut self, desk: &mut Desk<'_>) {
        self.typing_look = None;
        for (user, place) in self.typing.expire(desk.now) {
            if let Some(profile) = self.profile(&user) {
                self.say_typing(desk, &profile, place, false);
            }
        }
        self.look_at_typing(desk);
    }

    /// Passes a viewer's message on, which also ends their typing; how many sessions get it.
    pub(crate) fn send(&mut self, desk: &mut Desk<'_>, guest: Guest<'_>, message: Message) -> Result<usize, Refusal> {
        self.admit(guest)?;
        for place in self.typing.stop_user(&guest.profile.user) {
            self.say_typing(desk, guest.profile, place, false);
        }
        let except = match (&message.to, message.echo) {
            (None, true) => Except::Nobody,
            (None, false) => Except::Session(guest.session),
            (Some(user), true) => Except::AllBut(user.clone()),
            (Some(user), false) => Except::AllButWithout(user.clone(), guest.session),
        };
        let (from, message) = (Some(Arc::clone(guest.profile)), Arc::new(message));
        self.pass_on(desk, || Passing::Message { from: from.clone(), message: Arc::clone(&message), except: None });
        Ok(self.say_message(desk, from, message, except))
    }

    /// Passes a message of the app on.
    pub(crate) fn publish(&mut self, desk: &mut Desk<'_>, message: Arc<Message>, except: Option<SessionId>) {
        let except = except_for(&message, except);
        self.say_message(desk, None, message, except);
    }

    pub(crate) fn stop_session(&mut self, desk: &mut Desk<'_>, user: &UserId, session: SessionId) {
        if self.typing.is_empty() {
            return;
        }
        let stopped = self.typing.stop_session(user, session);
        if self.roster.is_own(user, session) {
            for place in &stopped {
                let (user, place) = (user.clone(), place.clone());
                self.pass_on(desk, || Passing::Typing { session, user, place, on: false });
            }
        }
        if let Some(profile) = self.profile(user) {
            for place in stopped {
                self.say_typing(desk, &profile, place, false);
            }
        }
    }

    /// Whether it is told who types here.
    pub(crate) fn tells_typing(&self) -> bool {
        self.settings.tells_typing() && self.pace.gear != Gear::Crowd
    }

    /// Ends every lease, because nobody is told of typing any more. What began in this turn is not told at all.
    pub(crate) fn stop_all_typing(&mut self, desk: &mut Desk<'_>, mark: Mark, after: &mut Vec<Spoken>) {
        let typing: BTreeSet<UserId> = self.typing.typists().into_keys().cloned().collect();
        let mut told = self.typing_told.take().unwrap_or_else(|| self.typing_now());
        for spoken in after.extract_if(.., |spoken| matches!(spoken.event, Event::Typing { .. })) {
            if let Event::Typing { profile, target, .. } = spoken.event {
                told.remove(&(profile.user.clone(), target));
            }
        }
        self.typing_told = Some(told);
        for user in &typing {
            self.typing.stop_user(user);
        }
        self.tell_stopped(desk, mark);
    }

    /// Whether a session is to be told now that nobody hears of typing here: once a minute.
    pub(crate) fn may_say_typing_off(&mut self, now: Time, session: SessionId) -> bool {
        let Some(listener) = self.listeners.get_mut(session) else { return true };
        let due = listener.typing_off_at == Listener::NEVER || now.since(listener.typing_off_at) >= TYPING_OFF_EVERY;
        if due {
            listener.typing_off_at = now;
        }
        due
    }

    /// Makes sure that somebody looks when the next lease ends.
    pub(crate) fn look_at_typing(&mut self, desk: &mut Desk<'_>) {
        let Some(due) = self.typing.next_deadline() else { return };
        if self.typing_look.is_none_or(|look| due < look) {
            self.typing_look = Some(due);
            desk.deadlines.set(due, Timer::Typing(self.id.clone()));
        }
    }

    pub(crate) fn say_typing(&mut self, desk: &mut Desk<'_>, profile: &Arc<Profile>, place: Place, on: bool) {
        let (room, profile) = (self.id.clone(), Arc::clone(profile));
        let except = Except::User(profile.user.clone());
        let event = Event::Typing { room, profile, target: place, on };
        let in_ticks = self.typing_told.is_some();
        let turn = self.turn(desk);
        if in_ticks {
            return;
        }
        // Who joins in this turn finds the typing in the roster.
        let spoken = Spoken { event, hearing: Hearing::Typing, except, before: turn.mark };
        let began_now = !on && turn.after.iter().any(|earlier| is_start_of(&earlier.event, &spoken.event));
        if on || began_now { turn.after.push(spoken) } else { turn.before.push(spoken) }
    }

    pub(crate) fn say_message(
        &mut self,
        desk: &mut Desk<'_>,
        from: Option<Arc<Profile>>,
        message: Arc<Message>,
        except: Except,
    ) -> usize {
        let before = Mark(desk.mark.0 + 1);
        let event = Event::Message { room: self.id.clone(), from, message };
        let heard = self.listeners.hearing(Hearing::All, &except, before).count();
        self.turn(desk).after.push(Spoken { event, hearing: Hearing::All, except, before });
        heard
    }
}

/// How often a session is told that nobody hears of typing in a crowd.
const TYPING_OFF_EVERY: Duration = Duration::from_secs(60);

/// Whether `stop` ends the typing that `start` began.
fn is_start_of(start: &Event, stop: &Event) -> bool {
    match (start, stop) {
        (
            Event::Typing { profile: starter, target: begun, on: true, .. },
            Event::Typing { profile: stopper, target: ended, on: false, .. },
        ) => starter.user == stopper.user && begun == ended,
        _ => false,
    }
}
