//! Locks of a room among several nodes. The store decides who is given one, so that no two are under the same number; who
//! has it is part of that session's entry, so that all nodes see the same: of two, the higher number counts.
use crate::{
    belongings::LockWish,
    cluster::{
        door::{Ask, LockDecision, LockSeat},
        holdings::Wish,
        member::Member,
    },
    event::{Event, Output},
    hub::Hub,
    id::{LockName, RequestId, RoomId, SessionId},
    locks::{Holder, Passed},
    profile::Profile,
    refusal::Refusal,
    room::{Desk, Guest, Room, acknowledge, deliver},
    time::Time,
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

impl Room {
    /// As `lock`, where other nodes may have the lock.
    pub(crate) fn lock_among(&mut self, desk: &mut Desk<'_>, guest: Guest<'_>, wish: LockWish) -> Result<(), Refusal> {
        let LockWish { name, wait, re } = wish;
        let session = guest.session;
        let held = self.holdings.winner(&name).map(|(fence, holder, _)| (fence, holder));
        let limits = desk.limits;
        let line = self.holdings.lines.get(&name);
        let is_mine = held.is_some_and(|(_, holder)| holder == session)
            || line.is_some_and(|line| line.iter().any(|holder| holder.session == session));
        let crowded = [
            (!is_mine && self.holdings.count_of(session) >= limits.locks_per_session_max, limits.locks_per_session_max),
            (held.is_none() && self.locks.count() >= limits.locks_per_room_max, limits.locks_per_room_max),
            (!is_mine && wait && line.map_or(0, VecDeque::len) >= limits.lock_waiters_max, limits.lock_waiters_max),
        ];
        if let Some((_, locks_max)) = crowded.into_iter().find(|(is_over, _)| *is_over) {
            return Err(Refusal::TooManyLocks { locks_max });
        }
        let holder = Holder { session, profile: Arc::clone(guest.profile) };
        self.turn(desk);
        match held {
            Some((fence, by)) => {
                if by != session && wait {
                    self.get_in_line(&name, holder);
                }
                if let Some(re) = re {
                    deliver(desk, session, Event::LockAnswer { re, held: by == session, fence });
                }
            }
            None => {
                // Asked twice before the store has answered: the first one is answered with what is known now.
                let before = self.holdings.asks.insert((name, session), Wish { holder, re, wait, is_sent: false });
                if let Some(re) = before.and_then(|before| before.re) {
                    deliver(desk, session, Event::LockAnswer { re, held: false, fence: 0 });
                }
            }
        }
        Ok(())
    }

    /// As `unlock`.
    pub(crate) fn unlock_among(
        &mut self,
        desk: &mut Desk<'_>,
        guest: Guest<'_>,
        name: &LockName,
        re: Option<RequestId>,
    ) -> Result<(), Refusal> {
        let session = guest.session;
        let was_asked = self.holdings.asks.remove(&(name.clone(), session)).is_some();
        let waited = self.holdings.lines.get_mut(name).is_some_and(|line| {
            let before = line.len();
            line.retain(|holder| holder.session != session);
            line.len() < before
        });
        self.holdings.lines.retain(|_, line| !line.is_empty());
        if !self.release(desk, name, session) && !was_asked && !waited {
            return Err(Refusal::LockNotHeld);
        }
        acknowledge(desk, session, re, None);
        Ok(())
    }

    fn get_in_line(&mut self, name: &LockName, holder: Holder) {
        let line = self.holdings.lines.entry(name.clone()).or_default();
        if line.iter().all(|waiting| waiting.session != holder.session) {
            line.push_back(holder);
        }
    }

    /// Takes a session's lock away. False where it had none.
    pub(crate) fn release(&mut self, desk: &mut Desk<'_>, name: &LockName, session: SessionId) -> bool {
        let Some((profile, seats)) = self.holdings.seats.get_mut(&session) else { return false };
        let (user, Some(fence)) = (profile.user.clone(), seats.remove(name)) else { return false };
        if self.roster.is_own(&user, session) {
            self.roster.note_locks(&user, session);
            let (room, name) = (self.id.clone(), name.clone());
            desk.outputs.push_back(Output::Cluster(Ask::FreeLock { room, name, session, fence }));
        }
        self.holdings.seats.retain(|_, (_, seats)| !seats.is_empty());
        self.show_lock(desk, name);
        true
    }

    /// Takes all locks of a session away, and its places in lines.
    pub(crate) fn release_all(&mut self, desk: &mut Desk<'_>, session: SessionId) {
        self.holdings.stop_waiting(session);
        for (name, _) in self.holdings.of(session) {
            self.release(desk, &name, session);
        }
    }

    /// Takes over what another node says of the locks of a session.
    pub(crate) fn put_locks(&mut self, desk: &mut Desk<'_>, holder: &Holder, told: &[(LockName, LockSeat)]) {
        let held = told.iter().filter_map(|(name, seat)| match seat {
            LockSeat::Holds(fence) => Some((name.clone(), *fence)),
            LockSeat::Waits(_) => None,
        });
        let held: BTreeMap<LockName, u64> = held.collect();
        let before = self.holdings.seats.get(&holder.session).map(|(_, seats)| seats.clone()).unwrap_or_default();
        if before == held {
            return;
        }
        let names: Vec<LockName> = before.into_keys().chain(held.keys().cloned()).collect();
        *desk.fence = held.values().copied().fold(*desk.fence, u64::max);
        if held.is_empty() {
            self.holdings.seats.remove(&holder.session);
        } else {
            self.holdings.seats.insert(holder.session, (Arc::clone(&holder.profile), held));
        }
        for name in names {
            self.show_lock(desk, &name);
        }
    }

    /// Tells who has a lock, where that changed. A session of this node whose number is beaten has it no more.
    fn show_lock(&mut self, desk: &mut Desk<'_>, name: &LockName) {
        let winner = self.holdings.winner(name).map(|(fence, session, profile)| (fence, session, Arc::clone(profile)));
        if let Some((best, winner, _)) = &winner {
            let beaten: Vec<(SessionId, Arc<Profile>)> = self
                .holdings
                .seats
                .iter()
                .filter(|(session, (_, seats))| {
                    *session != winner && seats.get(name).is_some_and(|fence| fence <= best)
                })
                .map(|(session, (profile, _))| (*session, Arc::clone(profile)))
                .collect();
            for (session, profile) in beaten {
                if self.roster.is_own(&profile.user, session) {
                    if let Some((_, seats)) = self.holdings.seats.get_mut(&session) {
                        seats.remove(name);
                    }
                    self.roster.note_locks(&profile.user, session);
                }
            }
        }
        let holder = winner.map(|(fence, session, profile)| (Holder { session, profile }, fence));
        if let Some(fence) = self.locks.show(name, holder.clone()) {
            self.say_lock(desk, Passed { name: name.clone(), holder: holder.map(|(holder, _)| holder), fence });
        }
    }

    /// What the store decided.
    fn decide(&mut self, desk: &mut Desk<'_>, (name, session): (LockName, SessionId), decision: LockDecision) {
        let wish = self.holdings.asks.remove(&(name.clone(), session));
        let user = self.listeners.get(session).map(|listener| listener.user.clone());
        let user = user.filter(|user| wish.is_some() && self.roster.is_own(user, session));
        let (Some(wish), Some(user)) = (wish, user) else {
            // It went meanwhile: whatever it was given is free.
            let room = self.id.clone();
            desk.outputs.push_back(Output::Cluster(Ask::FreeLock { room, name, session, fence: 0 }));
            return;
        };
        let answered = match decision {
            LockDecision::Granted(fence) => {
                *desk.fence = fence.max(*desk.fence);
                let seats = self.holdings.seats.entry(session);
                seats
                    .or_insert_with(|| (Arc::clone(&wish.holder.profile), BTreeMap::new()))
                    .1
                    .insert(name.clone(), fence);
                if let Some(line) = self.holdings.lines.get_mut(&name) {
                    line.retain(|holder| holder.session != session);
                }
                self.holdings.lines.retain(|_, line| !line.is_empty());
                self.roster.note_locks(&user, session);
                self.show_lock(desk, &name);
                Some((true, fence))
            }
            LockDecision::Taken(fence) => {
                if wish.wait {
                    self.get_in_line(&name, wish.holder);
                }
                Some((false, fence))
            }
            LockDecision::Unknown => {
                let room = self.id.clone();
                desk.outputs.push_back(Output::Cluster(Ask::FreeLock { room, name, session, fence: 0 }));
                None
            }
        };
        match (wish.re, answered) {
            (Some(re), Some((held, fence))) => deliver(desk, session, Event::LockAnswer { re, held, fence }),
            (Some(re), None) => {
                let (room, refusal) = (self.id.clone(), Refusal::LockUnavailable);
                deliver(desk, session, Event::Refused { re: Some(re), room, refusal });
            }
            (None, _) => {}
        }
    }

    /// What the store is to be asked now.
    fn lock_asks(&mut self, desk: &mut Desk<'_>, is_up: bool) -> Vec<(LockName, SessionId)> {
        if !is_up {
            let asks: Vec<(LockName, SessionId)> = self.holdings.asks.keys().cloned().collect();
            for key in asks {
                self.decide(desk, key, LockDecision::Unknown);
            }
            return Vec::new();
        }
        if desk.now >= self.holdings.retry_at {
            self.holdings.retry_at = desk.now + LINE_RETRY;
            let lines = self.holdings.lines.iter().filter(|(name, _)| !self.locks.contains(name));
            let next: Vec<(LockName, Holder)> =
                lines.filter_map(|(name, line)| Some((name.clone(), line.front()?.clone()))).collect();
            for (name, holder) in next {
                let wish = Wish { holder: holder.clone(), re: None, wait: true, is_sent: false };
                self.holdings.asks.entry((name, holder.session)).or_insert(wish);
            }
        }
        let unsent = self.holdings.asks.iter_mut().filter(|(_, wish)| !wish.is_sent);
        let mark = |(key, wish): (&(LockName, SessionId), &mut Wish)| {
            wish.is_sent = true;
            key.clone()
        };
        unsent.map(mark).collect()
    }

    /// When the store is to be asked again for who waits.
    pub(crate) fn locks_at(&self) -> Option<Time> {
        (!self.holdings.lines.is_empty() || self.holdings.asks.values().any(|wish| !wish.is_sent))
            .then_some(self.holdings.retry_at)
    }
}

impl Hub {
    /// Takes in what the store decided of a lock.
    pub(crate) fn lock_decided(&mut self, now: Time, id: &RoomId, ask: (LockName, SessionId), decision: LockDecision) {
        self.in_room(now, id, |room, desk| room.decide(desk, ask, decision));
    }

    /// Asks for locks: after the section, so that the store knows whoever asks.
    pub(crate) fn ask_locks(&mut self, now: Time, member: &Member, id: &RoomId) {
        let is_up = member.is_up();
        let asks = self.in_room(now, id, |room, desk| room.lock_asks(desk, is_up)).unwrap_or_default();
        let floor = self.fence.max(now.as_millis());
        for (name, session) in asks {
            self.ask_store(Ask::TakeLock { room: id.clone(), name, session, floor });
        }
    }
}

/// How often the store is asked for a lock that nobody is known to have and that somebody here waits for.
const LINE_RETRY: Duration = Duration::from_millis(100);
