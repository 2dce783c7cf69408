//! What a session's client asks of a hub: which room it is for, and who answers.
use crate::{
    belongings::LockWish,
    command::Command,
    event::Event,
    hub::Hub,
    id::{RequestId, RoomId, SessionId, UserId},
    people::Dot,
    profile::Status,
    refusal::Refusal,
    room::{Desk, Entrance, Guest, Room, acknowledge, deliver},
    time::Time,
};
use std::sync::Arc;

impl Hub {
    pub(crate) fn ask(&mut self, now: Time, session: SessionId, re: Option<RequestId>, command: Command) {
        match command {
            Command::Join { room, interest, observe, state, since, sessions } => {
                let entrance = Entrance { interest, observe, state, since, sessions, re };
                self.join(now, session, room, entrance);
            }
            Command::Leave { room } => {
                let answer = re.clone();
                self.in_room_as(now, session, &room, re, |room, desk, guest| {
                    if !room.knows(guest) {
                        return Err(Refusal::NotJoined);
                    }
                    room.leave(desk, guest, answer);
                    Ok(None)
                });
                self.forget_room_of(session, &room);
            }
            Command::StartTyping { room, target } => self.in_room_as(now, session, &room, re, |room, desk, guest| {
                room.start_typing(desk, guest, target).map(|()| Some(None))
            }),
            Command::StopTyping { room, target } => self.in_room_as(now, session, &room, re, |room, desk, guest| {
                room.stop_typing(desk, guest, target).map(|()| Some(None))
            }),
            Command::Update { room, patch } => self.in_room_as(now, session, &room, re, |room, desk, guest| {
                room.update(desk, guest, &patch).map(|()| Some(None))
            }),
            Command::Send { room, message } => self.in_room_as(now, session, &room, re, |room, desk, guest| {
                room.send(desk, guest, message).map(|sessions| Some(Some(sessions)))
            }),
            Command::Sync { room, since } => {
                let answer = re.clone();
                self.in_room_as(now, session, &room, re, |room, desk, guest| {
                    room.sync(desk, guest.session, since, answer).map(|()| None)
                });
            }
            Command::Point { room, point } => self.in_room_as(now, session, &room, re, |room, desk, guest| {
                room.point(desk, guest, point).map(|()| Some(None))
            }),
            Command::Lock { room, name, wait } => {
                let wish = LockWish { name, wait, re: re.clone() };
                self.in_room_as(now, session, &room, re, |room, desk, guest| {
                    room.lock(desk, guest, wish).map(|()| None)
                });
            }
            Command::Unlock { room, name } => {
                let answer = re.clone();
                self.in_room_as(now, session, &room, re, |room, desk, guest| {
                    room.unlock(desk, guest, &name, answer).map(|()| None)
                });
            }
            Command::Watch { users } => self.watch(now, session, re, &users),
            Command::Unwatch { users } => self.unwatch(session, re, &users),
            Command::SetStatus { status } => self.set_status(now, session, re, status),
        }
    }

    pub(crate) fn join(&mut self, now: Time, session: SessionId, id: RoomId, entrance: Entrance) {
        let rooms_max = self.limits.rooms_per_session_max;
        let Some(held) = self.sessions.get(&session) else { return };
        let known = held.rooms.contains(&id);
        if !known && held.rooms.len() >= rooms_max {
            let (re, refusal) = (entrance.re, Refusal::TooManyRooms { rooms_max });
            return self.say(session, Event::Refused { re, room: id, refusal });
        }
        if let Some(until) = self.blocks.get(&(id.clone(), held.profile.user.clone())).filter(|until| **until > now) {
            let (re, refusal) = (entrance.re, Refusal::Blocked { retry_after: until.since(now) });
            return self.say(session, Event::Refused { re, room: id, refusal });
        }
        let id = self.open_room(id);
        let Some(held) = self.sessions.get_mut(&session) else { return };
        let stale_since = self.cluster.as_mut().and_then(|member| {
            member.open(now, &id);
            member.stale_since(&id)
        });
        let re = entrance.re.clone();
        if !known {
            if held.rooms.is_empty() {
                held.rooms.reserve_exact(1);
            }
            held.rooms.push(id.clone());
        }
        let mut refused = false;
        self.in_room_as(now, session, &id, re, |room, desk, guest| {
            let joined = room.join(desk, guest, entrance);
            refused = joined.is_err();
            if joined.is_ok() && stale_since.is_some() {
                room.say_stale(desk, guest, stale_since);
            }
            joined.map(|()| None)
        });
        if refused && !known {
            self.forget_room_of(session, &id);
            if self.cluster.is_none() && self.rooms.get(&id).is_some_and(|room| room.is_idle()) {
                self.rooms.remove(&id);
            }
        }
    }

    pub(crate) fn watch(&mut self, now: Time, session: SessionId, re: Option<RequestId>, users: &[UserId]) {
        let watched_max = self.limits.watched_per_session_max;
        let Some(held) = self.sessions.get_mut(&session) else { return };
        let fresh = users.iter().filter(|user| !held.watched.contains(*user)).count();
        if held.watched.len() + fresh > watched_max {
            let refusal = Refusal::TooManyWatched { watched_max };
            return self.say(session, Event::WatchRefused { re, refusal });
        }
        held.watched.extend(users.iter().cloned());
        if let Some(member) = &mut self.cluster {
            users.iter().for_each(|user| member.open(now, &RoomId::of_user(user)));
        }
        let dots: Arc<[Dot]> = users.iter().map(|user| self.people.watch(user, session, (now, &self.limits))).collect();
        self.say(session, Event::Statuses(dots));
        if let Some(re) = re {
            self.say(session, Event::Ack { re, sessions: None });
        }
    }

    pub(crate) fn unwatch(&mut self, session: SessionId, re: Option<RequestId>, users: &[UserId]) {
        let Some(held) = self.sessions.get_mut(&session) else { return };
        for user in users.iter().filter(|user| held.watched.remove(*user)) {
            self.people.unwatch(user, session);
        }
        if let Some(re) = re {
            self.say(session, Event::Ack { re, sessions: None });
        }
    }

    pub(crate) fn set_status(&mut self, now: Time, session: SessionId, re: Option<RequestId>, status: Status) {
        let Some(held) = self.sessions.get_mut(&session) else { return };
        held.status = status;
        let (rooms, profile, connection) = (held.rooms.clone(), Arc::clone(&held.profile), held.connection);
        for id in &rooms {
            let guest = Guest { session, profile: &profile, connection, status };
            self.in_room(now, id, |room, desk| room.set_status(desk, guest));
        }
        if let Some(re) = re {
            self.say(session, Event::Ack { re, sessions: None });
        }
    }

    /// Runs something on a room for a session, and tells the session of a refusal, or acknowledges: `Ok(None)` means
    /// that the room answers by itself.
    pub(crate) fn in_room_as(
        &mut self,
        now: Time,
        session: SessionId,
        id: &RoomId,
        re: Option<RequestId>,
        work: impl FnOnce(&mut Room, &mut Desk<'_>, Guest<'_>) -> Result<Option<Option<usize>>, Refusal>,
    ) {
        let Some(held) = self.sessions.get(&session) else { return };
        let (profile, connection, status) = (Arc::clone(&held.profile), held.connection, held.status);
        let answer = re.clone();
        let found = self.in_room(now, id, |room, desk| {
            let guest = Guest { session, profile: &profile, connection, status };
            match work(room, desk, guest) {
                Ok(None) => {}
                Ok(Some(sessions)) => acknowledge(desk, session, answer, sessions),
                Err(Refusal::TypingOff) if answer.is_none() && !room.may_say_typing_off(desk.now, session) => {}
                Err(refusal) => {
                    let room = room.id.clone();
                    deliver(desk, session, Event::Refused { re: answer, room, refusal });
                }
            }
        });
        if found.is_none() {
            self.say(session, Event::Refused { re, room: id.clone(), refusal: Refusal::NotJoined });
        }
    }
}
