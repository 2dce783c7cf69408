//! What users, apps, networks and operators do.
use crate::{
    client::{Ear, Wish},
    node::Node,
    world::World,
};
use herenow_core::{
    command::{Command, Ending, Evictee, Input, Interest, Message, Patch, Reason},
    cursors::Point,
    id::{LockName, RoomId, Target, UserId},
    profile::{Profile, Status},
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

impl World {
    /// Does one thing at random.
    pub(crate) fn act(&mut self) {
        let at = self.rng.index(self.tabs.len());
        let Some(tab) = self.tabs.get(at) else { return };
        if tab.connection.is_none() {
            if !tab.open && self.rng.percent(60) {
                self.open_tab(at);
            }
            return;
        }
        match self.rng.below(1_400) {
            0..200 => self.act_join(at),
            200..270 => self.act_leave(at),
            270..290 => {
                self.act_join(at);
                self.act_leave(at);
            }
            290..430 => self.act_type(at),
            430..520 => self.act_update(at),
            520..560 => self.act_status(at),
            560..570 => self.renew(at),
            570..640 => self.act_send(at),
            640..690 => self.act_sync(at),
            690..720 => self.shut(at, Ending::Left),
            720..750 => self.shut(at, Ending::Closed),
            750..790 => {
                let (node_ms, client_ms) = (self.rng.below(2_000), self.rng.below(3_000));
                self.cut(at, Ending::Lost, node_ms, client_ms);
            }
            790..815 => {
                // Half-open: a ping every 20 s, dead 10 s after; the client may notice earlier, and come back meanwhile.
                let (node_ms, client_ms) = (self.rng.between(10_000, 30_000), self.rng.between(500, 40_000));
                self.cut(at, Ending::TimedOut, node_ms, client_ms);
            }
            815..875 => self.reload(at),
            875..900 => self.duplicate(at),
            900..925 => self.kick(at),
            925..945 => self.publish(),
            945..955 => self.hang_up_tab(at, Ending::Kicked),
            955..965 => self.hang_up_tab(at, Ending::Expired),
            965..995 => self.burst(),
            995..998 => self.drain(),
            998..1_000 => self.restart(),
            1_000..1_030 => self.ebb(),
            1_030..1_100 => self.act_point(at),
            1_100..1_240 => self.act_lock(at),
            1_240..1_290 => self.act_watch(at),
            1_290..1_360 if self.slow => {
                let span_ms = if self.rng.percent(60) { self.rng.below(300) } else { self.rng.below(10_000) };
                self.choke(at, span_ms);
            }
            _ => {}
        }
    }

    fn room(&mut self) -> RoomId {
        let at = self.rng.index(self.rooms.len());
        self.rooms.get(at).cloned().expect("a world has a room")
    }

    /// Mostly a room that the tab is in.
    fn room_of(&mut self, at: usize) -> RoomId {
        let Some(tab) = self.tabs.get(at) else { return self.room() };
        let own: Vec<RoomId> =
            tab.seats.iter().filter(|(_, seat)| seat.wish != Wish::Out).map(|(room, _)| room.clone()).collect();
        let picked = if self.rng.percent(85) { self.rng.pick(&own).cloned() } else { None };
        picked.unwrap_or_else(|| self.room())
    }

    fn wish(&mut self) -> Wish {
        let interest = match self.rng.below(10) {
            0..5 => Interest::Auto,
            5..7 => Interest::Full,
            7 => Interest::Count,
            8 => Interest::None,
            _ => Interest::Listed,
        };
        // Who hears no lists has nothing to heal by after falling behind.
        let listed = matches!(interest, Interest::Auto | Interest::Full | Interest::Listed);
        let ear = Ear { interest, sessions: listed && self.rng.percent(35) };
        if self.rng.percent(15) { Wish::Observe(ear) } else { Wish::View(ear) }
    }

    fn open_tab(&mut self, at: usize) {
        let rooms = self.rng.below(3);
        for _ in 0..rooms {
            let (room, wish) = (self.room(), self.wish());
            if let Some(tab) = self.tabs.get_mut(at) {
                tab.seats.entry(room).or_default().wish = wish;
            }
        }
        let resumes = self.rng.percent(50);
        self.connect(at, resumes);
    }

    fn act_join(&mut self, at: usize) {
        let (room, wish) = (self.room(), self.wish());
        let state = self.rng.percent(30).then(|| self.patch());
        self.join(at, &room, wish, state);
    }

    fn join(&mut self, at: usize, room: &RoomId, wish: Wish, first: Option<Patch>) {
        let since = self.rng.percent(50);
        let Some(tab) = self.tabs.get_mut(at) else { return };
        tab.seats.entry(room.clone()).or_default().wish = wish;
        if let Some(mut request) = tab.join(&mut self.numbers, room, since) {
            if let Command::Join { state, .. } = &mut request.command {
                *state = first;
            }
            self.send_up(at, request);
        }
    }

    fn act_leave(&mut self, at: usize) {
        let room = self.room_of(at);
        if let Some(tab) = self.tabs.get_mut(at) {
            tab.leave(&room);
        }
        self.ask(at, Command::Leave { room });
    }

    fn act_type(&mut self, at: usize) {
        let room = self.room_of(at);
        let places = if self.rng.percent(80) { 1 } else { 4 };
        for _ in 0..places {
            let target = match self.rng.below(5) {
                0..2 => None,
                card => Some(Target::parse(&format!("card-{card}")).expect("short and without control characters")),
            };
            let room = room.clone();
            let command = if self.rng.percent(65) {
                Command::StartTyping { room, target }
            } else {
                Command::StopTyping { room, target }
            };
            self.ask(at, command);
        }
    }

    fn patch(&mut self) -> Patch {
        let pairs = self.rng.between(1, 3);
        let pair = |world: &mut Self| -> (Arc<str>, Option<Arc<str>>) {
            let key = ["a", "b", "c", "d"][world.rng.index(4)];
            let value: Option<Arc<str>> = match world.rng.below(12) {
                0..2 => None,
                2 => Some(format!("\"{}\"", "x".repeat(60)).into()),
                number => Some((number % 4).to_string().into()),
            };
            (key.into(), value)
        };
        Patch((0..pairs).map(|_| pair(self)).collect())
    }

    fn act_update(&mut self, at: usize) {
        let (room, patch) = (self.room_of(at), self.patch());
        self.ask(at, Command::Update { room, patch });
    }

    fn act_status(&mut self, at: usize) {
        let Some(tab) = self.tabs.get_mut(at) else { return };
        tab.status = if tab.status == Status::Active { Status::Idle } else { Status::Active };
        let status = tab.status;
        self.ask(at, Command::SetStatus { status });
    }

    fn message(&mut self) -> Message {
        self.messages += 1;
        let to = self.rng.percent(30).then(|| self.rng.index(self.tabs.len()));
        let to = to.and_then(|at| self.tabs.get(at)).map(|tab| tab.user.clone());
        Message { event: "note".into(), data: self.messages.to_string().into(), to, echo: self.rng.percent(30) }
    }

    fn act_send(&mut self, at: usize) {
        let (room, message) = (self.room_of(at), self.message());
        self.ask(at, Command::Send { room, message });
    }

    fn publish(&mut self) {
        let (room, mut message) = (self.room(), self.message());
        message.echo = false;
        self.note(|| format!("the app says {} in {room}", message.data));
        self.node.push(Node::partition_of(&room), Input::Published { room, message, except: None });
    }

    fn kick(&mut self, at: usize) {
        let room = self.room_of(at);
        let Some(user) = self.tabs.get(at).map(|tab| tab.user.clone()) else { return };
        let reason = if self.rng.percent(50) { Reason::Kicked } else { Reason::Expired };
        let connection = self.tabs.get(at).and_then(|tab| tab.connection);
        let session = connection.and_then(|connection| self.node.session(connection)).filter(|_| self.rng.percent(40));
        let whom = session.map_or(Evictee::User(user), Evictee::Session);
        self.note(|| format!("{whom:?} is put out of {room}"));
        let block = self.rng.percent(40).then(|| Duration::from_millis(self.rng.between(1, 40_000)));
        self.node.push(Node::partition_of(&room), Input::Evicted { room, whom, reason, block });
    }

    fn act_point(&mut self, at: usize) {
        let room = self.room_of(at);
        let moves = if self.rng.percent(70) { 1 } else { 5 };
        for _ in 0..moves {
            let (x, y) = (self.rng.below(100) as u32, self.rng.below(100) as u32);
            let point = self.rng.percent(80).then_some(Point { x, y, on: None });
            self.ask(at, Command::Point { room: room.clone(), point });
        }
    }

    fn act_lock(&mut self, at: usize) {
        let room = self.room_of(at);
        let name = ["title", "body", "footer"][self.rng.index(3)];
        let name = LockName::parse(name).expect("short and without control characters");
        let command = if self.rng.percent(70) {
            Command::Lock { room, name, wait: self.rng.percent(60) }
        } else {
            Command::Unlock { room, name }
        };
        self.ask(at, command);
    }

    fn act_watch(&mut self, at: usize) {
        let wanted = self.rng.between(1, 3) as usize;
        let users: BTreeSet<UserId> = (0..wanted)
            .map(|_| self.rng.index(self.tabs.len()))
            .filter_map(|at| self.tabs.get(at))
            .map(|tab| tab.user.clone())
            .collect();
        let watches = self.rng.percent(70);
        let Some(tab) = self.tabs.get_mut(at) else { return };
        for user in &users {
            if watches {
                tab.watching.insert(user.clone());
            } else {
                tab.watching.remove(user);
                tab.dots.remove(user);
            }
        }
        let users = users.into_iter().collect();
        self.ask(at, if watches { Command::Watch { users } } else { Command::Unwatch { users } });
    }

    /// A new token on a live connection, with another name.
    fn renew(&mut self, at: usize) {
        let number = self.rng.below(3);
        let Some(tab) = self.tabs.get(at) else { return };
        let Some(connection) = tab.connection else { return };
        let user = tab.user.clone();
        let name = format!("{user} called {number}");
        self.note(|| format!("{connection} is of {name} now"));
        self.node.renew(connection, Arc::new(Profile { user, name: name.into(), avatar: None }));
    }

    fn act_sync(&mut self, at: usize) {
        let (room, since) = (self.room_of(at), self.rng.percent(70));
        if let Some(tab) = self.tabs.get_mut(at) {
            let request = tab.sync(&mut self.numbers, &room, since);
            self.send_up(at, request);
        }
    }

    /// A tab is closed for good, or until somebody opens it again.
    pub(crate) fn shut(&mut self, at: usize, how: Ending) {
        self.close(at, how);
        if let Some(tab) = self.tabs.get_mut(at) {
            tab.open = false;
            tab.seats.clear();
        }
    }

    /// The page is loaded anew; its old connection ends before or after the new one comes.
    fn reload(&mut self, at: usize) {
        self.close(at, Ending::Closed);
        if let Some(tab) = self.tabs.get_mut(at) {
            for seat in tab.seats.values_mut() {
                (seat.granted, seat.view) = (Wish::Out, Default::default());
            }
        }
        let resumes = self.rng.percent(60);
        self.connect(at, resumes);
    }

    /// "Duplicate tab" copies the session storage.
    fn duplicate(&mut self, at: usize) {
        let Some(source) = self.tabs.get(at).cloned() else { return };
        let free = |tab: &&mut crate::client::Tab| tab.user == source.user && !tab.open && tab.connection.is_none();
        let Some(copy) = self.tabs.iter_mut().find(free) else { return };
        copy.session = source.session;
        copy.doubt.is_shared = true;
        let wishes = source.seats.into_iter().map(|(room, seat)| (room, seat.wish));
        copy.seats = wishes.map(|(room, wish)| (room, crate::client::Seat { wish, ..Default::default() })).collect();
        let user = source.user;
        if let Some(source) = self.tabs.get_mut(at) {
            source.doubt.is_shared = true;
        }
        let copied = self.tabs.iter().position(|tab| tab.user == user && !tab.open && tab.session == source.session);
        if let Some(copied) = copied {
            self.connect(copied, true);
        }
    }

    fn hang_up_tab(&mut self, at: usize, how: Ending) {
        if let Some(connection) = self.tabs.get(at).and_then(|tab| tab.connection) {
            self.hang_up(connection, how);
        }
    }

    /// Many come into one room, or go out of it, at once.
    fn burst(&mut self) {
        let (room, joins) = (self.room(), self.rng.percent(70));
        for _ in 0..self.rng.below(4) {
            let at = self.rng.index(self.tabs.len());
            if self.tabs.get(at).is_some_and(|tab| tab.connection.is_some()) {
                self.ask(at, Command::StartTyping { room: room.clone(), target: None });
            }
        }
        for at in 0..self.tabs.len() {
            let connected = self.tabs.get(at).is_some_and(|tab| tab.connection.is_some());
            match (connected, joins) {
                (true, true) => {
                    let wish = self.wish();
                    self.join(at, &room, wish, None);
                }
                (true, false) => {
                    let how = if self.rng.percent(50) { Ending::Left } else { Ending::Closed };
                    self.shut(at, how);
                }
                (false, _) => {}
            }
        }
    }

    /// Many leave one room at once, and some come back: a room shifts down, and up again before all is told.
    fn ebb(&mut self) {
        let (room, returns) = (self.room(), self.rng.percent(50));
        for at in 0..self.tabs.len() {
            let Some(tab) = self.tabs.get_mut(at) else { continue };
            let wish = tab.seats.get(&room).map(|seat| seat.wish).unwrap_or_default();
            if tab.connection.is_none() || !matches!(wish, Wish::View(_)) || !self.rng.percent(60) {
                continue;
            }
            tab.leave(&room);
            self.ask(at, Command::Leave { room: room.clone() });
            if returns && self.rng.percent(70) {
                self.join(at, &room, wish, None);
            }
        }
    }

    /// The node lets everybody go, as before a deploy.
    fn drain(&mut self) {
        let connections: Vec<u32> = self.node.connections.keys().copied().collect();
        for connection in connections {
            self.hang_up(connection, Ending::Drained);
        }
    }
}
