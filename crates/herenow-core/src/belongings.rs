//! What a session may have in a room besides its place: locks, and a pointer that others see.
use crate::{
    cluster::door::Passing,
    cursors::Point,
    deadlines::Timer,
    event::{Event, Except, Gear, Hearing, LockView, Mark},
    id::{LockName, RequestId, SessionId},
    locks::{Grant, Holder, Passed},
    refusal::Refusal,
    room::{Desk, Guest, Room, Spoken, acknowledge, deliver},
};
use std::sync::Arc;

/// A wish for a lock.
#[derive(Debug)]
pub(crate) struct LockWish {
    pub(crate) name: LockName,
    pub(crate) wait: bool,
    pub(crate) re: Option<RequestId>,
}

impl Room {
    /// Gives a session a lock, or a place in the line for it.
    pub(crate) fn lock(&mut self, desk: &mut Desk<'_>, guest: Guest<'_>, wish: LockWish) -> Result<(), Refusal> {
        self.admit(guest)?;
        if self.roster.is_among() {
            return self.lock_among(desk, guest, wish);
        }
        let LockWish { name, wait, re } = wish;
        let mine = self.locks.of_session(guest.session);
        let (is_mine, is_held) = (mine.contains(&name), self.locks.contains(&name));
        let limits = desk.limits;
        let crowded = [
            (
                !is_mine && (wait || !is_held) && mine.len() >= limits.locks_per_session_max,
                limits.locks_per_session_max,
            ),
            (!is_held && self.locks.count() >= limits.locks_per_room_max, limits.locks_per_room_max),
            (!is_mine && wait && self.locks.waiting(&name) >= limits.lock_waiters_max, limits.lock_waiters_max),
        ];
        if let Some((_, locks_max)) = crowded.into_iter().find(|(is_over, _)| *is_over) {
            return Err(Refusal::TooManyLocks { locks_max });
        }
        let taker = Holder { session: guest.session, profile: Arc::clone(guest.profile) };
        let grant = self.locks.take(&name, taker.clone(), wait, || next_fence(desk));
        let (held, fence) = match grant {
            Grant::Fresh { fence } => {
                self.say_lock(desk, Passed { name, holder: Some(taker), fence });
                (true, fence)
            }
            Grant::Had { fence } => (true, fence),
            Grant::Taken { fence } => (false, fence),
        };
        if let Some(re) = re {
            deliver(desk, guest.session, Event::LockAnswer { re, held, fence });
        }
        Ok(())
    }

    /// Takes a session's lock away, or its place in the line, because its client asked for it.
    pub(crate) fn unlock(
        &mut self,
        desk: &mut Desk<'_>,
        guest: Guest<'_>,
        name: &LockName,
        re: Option<RequestId>,
    ) -> Result<(), Refusal> {
        self.admit(guest)?;
        if self.roster.is_among() {
            return self.unlock_among(desk, guest, name, re);
        }
        if !self.pass_lock(desk, name, guest.session) {
            return Err(Refusal::LockNotHeld);
        }
        acknowledge(desk, guest.session, re, None);
        Ok(())
    }

    /// Takes a session's lock away, or its place in the line. False where it had neither.
    pub(crate) fn pass_lock(&mut self, desk: &mut Desk<'_>, name: &LockName, session: SessionId) -> bool {
        let Some(given) = self.locks.give(name, session, || next_fence(desk)) else { return false };
        if let Some(passed) = given {
            self.say_lock(desk, passed);
        }
        true
    }

    /// Every lock that is held, by name.
    pub(crate) fn lock_views(&self) -> Arc<[LockView]> {
        let view = |(name, holder, fence): (&LockName, &Holder, u64)| LockView {
            name: name.clone(),
            holder: Some((Arc::clone(&holder.profile), holder.session)),
            fence,
        };
        self.locks.iter().map(view).collect()
    }

    /// Notes where a session's pointer is; told with others a little later.
    pub(crate) fn point(&mut self, desk: &mut Desk<'_>, guest: Guest<'_>, point: Option<Point>) -> Result<(), Refusal> {
        self.admit(guest)?;
        if self.tells_cursors() {
            match point {
                Some(point) => self.cursors.place(guest.session, Some(point)),
                None => self.cursors.hide(guest.session),
            }
            self.turn(desk);
        }
        Ok(())
    }

    /// Whether it is told where pointers are here.
    pub(crate) fn tells_cursors(&self) -> bool {
        self.settings.tells_cursors() && self.pace.gear != Gear::Crowd
    }

    pub(crate) fn hide_cursor(&mut self, desk: &mut Desk<'_>, session: SessionId) {
        self.cursors.hide(session);
        if !self.cursors.is_still() {
            self.turn(desk);
        }
    }

    /// Tells where pointers have moved, where it is time for that; otherwise sees to it that the room is woken.
    pub(crate) fn tell_cursors(&mut self, desk: &mut Desk<'_>) {
        if self.cursors.is_still() {
            return;
        }
        if desk.now < self.cursors.tell_at {
            if !self.cursors.is_woken {
                self.cursors.is_woken = true;
                desk.deadlines.set(self.cursors.tell_at, Timer::Cursors(self.id.clone()));
            }
            return;
        }
        self.cursors.tell_at = desk.now + desk.limits.cursor_tick;
        let own = self.cursors.own();
        let at = self.cursors.take();
        if !own.is_empty() {
            self.pass_on(desk, || Passing::Cursors(own));
        }
        let event = Event::Cursors { room: self.id.clone(), at };
        let (hearing, except) = (Hearing::Sessions, Except::Nobody);
        self.speak(desk, Spoken { event, hearing, except, before: Mark(u64::MAX) });
    }

    pub(crate) fn say_lock(&mut self, desk: &mut Desk<'_>, passed: Passed) {
        let Passed { name, holder, fence } = passed;
        let holder = holder.map(|holder| (holder.profile, holder.session));
        let event = Event::Lock { room: self.id.clone(), lock: LockView { name, holder, fence } };
        let turn = self.turn(desk);
        // Who joins in this turn finds the lock in the roster.
        let before = turn.mark;
        turn.after.push(Spoken { event, hearing: Hearing::Everybody, except: Except::Nobody, before });
    }
}

/// A number larger than any before it; across restarts of the node as well, as long as its clock is not set back.
fn next_fence(desk: &mut Desk<'_>) -> u64 {
    *desk.fence = (*desk.fence + 1).max(desk.now.as_millis());
    *desk.fence
}
