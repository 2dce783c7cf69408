//! What a client asks for that shards decide: which shard, and what it must know first.
use crate::{
    shard::{Partition, ToShard},
    transport::conversation::{Conversation, Inputs, Membership, Place, bits},
};
use herenow_core::{
    command::{Command, HomeNews, Patch},
    id::{RequestId, RoomId, UserId},
    profile::{Profile, Status},
    refusal::Refusal,
    roster,
};
use herenow_wire::{native, problem::Problem};
use std::{collections::BTreeMap, sync::Arc};

impl Conversation {
    pub(super) fn ask(&mut self, room: RoomId, re: Option<RequestId>, mut command: Command, inputs: &mut Inputs) {
        match &mut command {
            Command::Update { patch, .. } => *patch = self.after_held(&room, std::mem::take(patch)),
            Command::Point { .. } => self.forget_held_point(&room),
            Command::Leave { .. } => self.forget_held(&room),
            _ => {}
        }
        match &command {
            Command::Join { state, observe, interest, sessions, .. } => {
                let place = if *observe { Place::Observer } else { Place::Viewer };
                let (interest, sessions) = (*interest, *sessions);
                match self.rooms.iter_mut().find(|held| held.room == room) {
                    Some(held) => {
                        (held.place, held.interest, held.sessions, held.is_departed) =
                            (place, interest, sessions, false);
                    }
                    None => {
                        // What the hub would refuse must not count as a room of the session.
                        if let Err(refusal) = self.admit_room(state.as_ref()) {
                            return self.complain(&Problem::refused(re, room, refusal));
                        }
                        self.rooms.reserve_exact(1);
                        let room = room.clone();
                        self.rooms.push(Membership { room, place, interest, sessions, is_departed: false });
                    }
                }
            }
            Command::Leave { .. } => {
                self.rooms.retain(|held| held.room != room);
                self.note_left(&room);
            }
            _ => {}
        }
        let Some(profile) = self.identity.as_ref().map(|identity| Arc::clone(&identity.profile)) else { return };
        let (session, partition) = (self.connection.session(), Partition::of(&room));
        let shard = self.reach(partition, &profile, inputs);
        if matches!(command, Command::Join { .. }) && self.status != Status::default() {
            // The hub of the room may be one that has not been told.
            let command = Command::SetStatus { status: self.status };
            inputs.push((shard, ToShard::Ask { session, partition, re: None, command }));
        }
        inputs.push((shard, ToShard::Ask { session, partition, re, command }));
    }

    /// Has the app not asked any more about a room that the session leaves.
    fn note_left(&self, room: &RoomId) {
        if let Some(identity) = self.identity.as_ref().filter(|_| self.presence.asks_about_rooms()) {
            self.presence.rechecks().release_room(&identity.profile.user, room, self.connection.session());
        }
    }

    /// The shard that owns a partition; it is told of the session first, where it was not yet.
    pub(super) fn reach(&mut self, partition: Partition, profile: &Arc<Profile>, inputs: &mut Inputs) -> usize {
        let shard = self.presence.shard_owning(partition);
        if self.shards & (1 << shard) == 0 {
            self.shards |= 1 << shard;
            inputs.push((shard, self.introduction(profile)));
        }
        shard
    }

    pub(super) fn watch(&mut self, re: Option<RequestId>, users: Vec<UserId>, inputs: &mut Inputs) {
        let watched_max = self.presence.settings().limits.watched_per_session_max;
        if !self.presence.resumes().watch(&self.connection, &users, watched_max) {
            let refusal = Refusal::TooManyWatched { watched_max };
            return self.complain(&Problem { re, ..Problem::from(refusal) });
        }
        self.ask_homes(users, |users| Command::Watch { users }, inputs);
        self.acknowledge(re);
    }

    pub(super) fn unwatch(&mut self, re: Option<RequestId>, users: Vec<UserId>, inputs: &mut Inputs) {
        self.presence.resumes().unwatch(&self.connection, &users);
        self.ask_homes(users, |users| Command::Unwatch { users }, inputs);
        self.acknowledge(re);
    }

    /// Asks the home of each user, those of one home together.
    pub(super) fn ask_homes(
        &mut self,
        users: Vec<UserId>,
        command: impl Fn(Vec<UserId>) -> Command,
        inputs: &mut Inputs,
    ) {
        let Some(profile) = self.identity.as_ref().map(|identity| Arc::clone(&identity.profile)) else { return };
        let mut homes: BTreeMap<usize, (Partition, Vec<UserId>)> = BTreeMap::new();
        for user in users {
            let home = Partition::of_user(&user);
            homes.entry(home.index()).or_insert_with(|| (home, Vec::new())).1.push(user);
        }
        let session = self.connection.session();
        for (partition, users) in homes.into_values() {
            let shard = self.reach(partition, &profile, inputs);
            inputs.push((shard, ToShard::Ask { session, partition, re: None, command: command(users) }));
        }
    }

    pub(super) fn acknowledge(&self, re: Option<RequestId>) {
        if let Some(re) = re {
            self.say(&native::ack(&re));
        }
    }

    /// Refuses one more room, or a first state, that is over the limits.
    pub(super) fn admit_room(&mut self, state: Option<&Patch>) -> Result<(), Refusal> {
        let rooms_max = self.presence.settings().limits.rooms_per_session_max;
        if self.rooms.len() >= rooms_max {
            self.note_departed();
            if self.rooms.iter().filter(|held| !held.is_departed).count() >= rooms_max {
                return Err(Refusal::TooManyRooms { rooms_max });
            }
            // They are kept, in case one of them was joined anew meanwhile and the token loses the right to it.
            let departed = self.rooms.iter().position(|held| held.is_departed);
            if let Some(departed) = departed.filter(|_| self.rooms.len() >= rooms_max * 2) {
                self.rooms.remove(departed);
            }
        }
        let limits = &self.presence.settings().limits;
        state.map_or(Ok(()), |state| roster::check_first_state(state, limits))
    }

    fn note_departed(&mut self) {
        for room in self.connection.take_departed() {
            if let Some(held) = self.rooms.iter_mut().find(|held| held.room == room) {
                held.is_departed = true;
            }
        }
    }

    /// Tells the user's home, and every hub that knows the session, that it is active or idle.
    pub(super) fn set_status(&mut self, status: Status, re: Option<RequestId>, inputs: &mut Inputs) {
        self.status = status;
        self.presence.resumes().set_status(&self.connection, status);
        if let Some(held) = self.rare.as_mut().and_then(|rare| rare.held.as_mut()) {
            held.status = None;
        }
        self.tell_home(HomeNews::Status(status), inputs);
        let session = self.connection.session();
        for shard in bits(self.shards) {
            inputs.push((shard, ToShard::AskEverywhere { session, command: Command::SetStatus { status } }));
        }
        self.acknowledge(re);
    }
}
