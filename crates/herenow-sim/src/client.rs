//! A tab as the SDK would be in it: knows rooms from frames only.
use crate::{
    net::{Frame, Request},
    partition::Partition,
    view::{Fault, Heard, View},
};
use herenow_core::{
    command::{Command, Interest},
    event::Event,
    id::{RequestId, RoomId, SessionId, UserId},
    profile::Status,
    version::Version,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// One tab of a user.
#[derive(Clone, Debug)]
pub struct Tab {
    /// Whose.
    pub user: UserId,
    /// The connection that it uses; `None` while it has none.
    pub connection: Option<u32>,
    /// Whether it is open; a closed tab connects only when it is opened again.
    pub open: bool,
    /// The session that it would go on with.
    pub session: Option<SessionId>,
    /// Whether the user looks at it, as far as the node is to know.
    pub status: Status,
    /// What the node may not know of it.
    pub doubt: Doubt,
    /// Its rooms.
    pub seats: BTreeMap<RoomId, Seat>,
    /// Requests without an answer on this connection.
    pub pending: BTreeMap<Arc<str>, Pending>,
    /// Users whose dots it shows.
    pub watching: BTreeSet<UserId>,
    /// What it was told of them.
    pub dots: BTreeMap<UserId, Option<Status>>,
}

/// What a tab is not sure that the node knows of its session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Doubt {
    /// The session that it named when it connected, to go on with.
    pub named: Option<SessionId>,
    /// It said on this connection whether it is idle.
    pub said_status: bool,
    /// It said on this connection whom it watches, all of them.
    pub said_watches: bool,
    /// It said something that may not have arrived.
    pub is_unheard: bool,
    /// Another tab has the same session, or had it.
    pub is_shared: bool,
    /// The node refused to have somebody watched.
    pub is_refused: bool,
}

/// What a tab wants of a room, and knows of it.
#[derive(Clone, Debug, Default)]
pub struct Seat {
    /// What it wants.
    pub wish: Wish,
    /// What it had when a join was last answered.
    pub granted: Wish,
    /// Whether the node tells it news.
    pub listening: bool,
    /// What it knows.
    pub view: View,
}

/// How a tab wants to be in a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// Not at all.
    #[default]
    Out,
    /// As a listener only.
    Observe(Ear),
    /// As a viewer.
    View(Ear),
}

/// What a tab wants to hear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ear {
    /// How much.
    pub interest: Interest,
    /// Sessions and pointers as well.
    pub sessions: bool,
}

impl Wish {
    /// What it hears.
    pub const fn ear(self) -> Option<Ear> {
        match self {
            Self::Out => None,
            Self::Observe(ear) | Self::View(ear) => Some(ear),
        }
    }

    /// How much it hears.
    pub fn interest(self) -> Option<Interest> {
        self.ear().map(|ear| ear.interest)
    }

    /// Whether it keeps the roster up to date.
    pub fn follows(self) -> bool {
        matches!(self.interest(), Some(Interest::Auto | Interest::Full))
    }
}

/// A request without an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pending {
    /// A join of a room, as wished.
    Join(RoomId, Wish),
    /// A join that a leave followed: whatever it is answered does not count.
    Moot,
    /// A sync.
    Sync,
    /// Whether it is idle, or whom it watches.
    Luggage,
    /// Anything else that is only acknowledged or refused.
    Other,
}

/// Numbers for requests; no number is used twice in a run.
#[derive(Clone, Debug, Default)]
pub struct Numbers(u64);

impl Numbers {
    /// The next number.
    pub fn draw(&mut self) -> RequestId {
        self.0 += 1;
        RequestId(self.0.to_string().into())
    }
}

/// What a tab needs to judge what it hears.
pub struct Surroundings<'a> {
    /// The partition of a room.
    pub partition: &'a dyn Fn(&RoomId) -> Option<&'a Partition>,
}

impl Tab {
    /// A tab that was never open.
    pub fn new(user: UserId) -> Self {
        Self {
            user,
            connection: None,
            open: false,
            session: None,
            status: Status::Active,
            doubt: Doubt::default(),
            seats: BTreeMap::new(),
            pending: BTreeMap::new(),
            watching: BTreeSet::new(),
            dots: BTreeMap::new(),
        }
    }

    /// Has no connection any more. Keeps what it knows.
    pub fn disconnect(&mut self) {
        self.connection = None;
        self.doubt.is_unheard |= self.pending.values().any(|pending| *pending == Pending::Luggage);
        self.pending.clear();
        self.dots.clear();
        for seat in self.seats.values_mut() {
            seat.listening = false;
        }
    }

    /// A join of a room as wished, with the version known where `since` and the tab has kept up so far.
    pub fn join(&mut self, numbers: &mut Numbers, room: &RoomId, since: bool) -> Option<Request> {
        let joins = self.joins(room);
        let seat = self.seats.get_mut(room)?;
        let Ear { interest, sessions } = seat.wish.ear()?;
        let re = numbers.draw();
        // While it listens, or may soon, the answer would not fit what it knows by then.
        let kept_up =
            since && seat.wish.follows() && seat.granted.follows() && !seat.listening && !joins && seat.view.lists;
        let since = seat.view.version.clone().filter(|_| kept_up);
        self.pending.insert(Arc::clone(&re.0), Pending::Join(room.clone(), seat.wish));
        let observe = matches!(seat.wish, Wish::Observe(_));
        let command = Command::Join { room: room.clone(), interest, observe, state: None, since, sessions };
        Some(Request { re: Some(re), command })
    }

    /// Forgets a room that the tab leaves.
    pub fn leave(&mut self, room: &RoomId) {
        let Some(seat) = self.seats.get_mut(room) else { return };
        (seat.wish, seat.granted, seat.listening) = (Wish::Out, Wish::Out, false);
        for pending in self.pending.values_mut() {
            if matches!(pending, Pending::Join(joined, _) if joined == room) {
                *pending = Pending::Moot;
            }
        }
    }

    /// A sync of a room, from the version known or from nothing.
    pub fn sync(&mut self, numbers: &mut Numbers, room: &RoomId, since: bool) -> Request {
        let re = numbers.draw();
        let mut version = None;
        if let Some(seat) = self.seats.get_mut(room) {
            version = seat.view.version.clone().filter(|_| since && seat.granted.follows() && seat.view.lists);
        }
        self.pending.insert(Arc::clone(&re.0), Pending::Sync);
        Request { re: Some(re), command: Command::Sync { room: room.clone(), since: version } }
    }

    /// Takes a frame in.
    ///
    /// # Errors
    /// What a client must never see.
    pub fn hear(&mut self, frame: &Frame, around: &Surroundings<'_>) -> Result<(), Fault> {
        let event = match frame {
            Frame::Welcome(session) => {
                self.session = Some(*session);
                return Ok(());
            }
            Frame::Event(event) => event,
        };
        let heard = match event {
            Event::Ack { re, .. } => return self.acknowledged(&re.0),
            Event::LockAnswer { re, .. } => return self.answered(&re.0).map(|_| ()),
            Event::WatchRefused { re, .. } => {
                self.doubt.is_refused = true;
                return re.as_ref().map_or(Ok(()), |re| self.answered(&re.0).map(|_| ()));
            }
            Event::Refused { re: None, .. } | Event::Message { .. } => return Ok(()),
            Event::Refused { re: Some(re), .. } => return self.refused(&re.0),
            Event::Removed { room, .. } => {
                self.removed(room);
                return Ok(());
            }
            Event::Statuses(dots) => {
                let shown = dots.iter().filter(|dot| self.watching.contains(&dot.user));
                let shown: Vec<_> = shown.map(|dot| (dot.user.clone(), dot.status)).collect();
                self.dots.extend(shown);
                return Ok(());
            }
            Event::Roster { re: Some(re), view, .. } => self.whole(re, &view.room, event)?,
            Event::Diff { re: Some(re), view, .. } => self.whole(re, &view.room, event)?,
            Event::Roster { re: None, view, .. } => self.news(&view.room, event)?,
            Event::Diff { re: None, view, .. } => self.news(&view.room, event)?,
            Event::Step(step) => self.news(&step.room, event)?,
            Event::Count { view, .. } => self.news(&view.room, event)?,
            Event::Typing { room, .. }
            | Event::Sessions { room, .. }
            | Event::Cursors { room, .. }
            | Event::Lock { room, .. } => self.news(room, event)?,
        };
        let Some((room, heard)) = heard else { return Ok(()) };
        if heard == Heard::Gap {
            if !matches!(event, Event::Diff { re: Some(_), .. }) {
                return Err(format!("{} in {room}: a gap on a whole connection", self.user));
            }
            // It followed something that was not said, because this client did not read; a roster comes next.
            if let Some(seat) = self.seats.get_mut(&room) {
                seat.view.lists = false;
            }
            return Ok(());
        }
        self.compare(&room, around)
    }

    /// An answer that says no more: also to a join or a sync, where the tab hears no lists.
    fn acknowledged(&mut self, re: &Arc<str>) -> Result<(), Fault> {
        match self.answered(re)? {
            Pending::Join(room, wish) => {
                if let Some(seat) = self.seats.get_mut(&room) {
                    (seat.granted, seat.listening, seat.view) = (wish, true, View::default());
                }
            }
            Pending::Moot | Pending::Sync | Pending::Luggage | Pending::Other => {}
        }
        Ok(())
    }

    /// An answer that holds the room.
    fn whole(&mut self, re: &RequestId, room: &RoomId, event: &Event) -> Result<Taken, Fault> {
        let pending = self.answered(&re.0)?;
        let Some(seat) = self.seats.get_mut(room) else { return Ok(None) };
        match pending {
            Pending::Join(_, wish) => (seat.granted, seat.listening) = (wish, true),
            Pending::Sync if seat.listening => {}
            Pending::Moot | Pending::Sync => return Ok(None),
            Pending::Luggage | Pending::Other => {
                return Err(format!("{}: a roster for what asked for none", self.user));
            }
        }
        let heard = seat.take(event)?;
        Ok(Some((room.clone(), heard)))
    }

    /// Something that was not asked for.
    fn news(&mut self, room: &RoomId, event: &Event) -> Result<Taken, Fault> {
        let Some(seat) = self.seats.get_mut(room) else { return Ok(None) };
        if !seat.listening {
            return Ok(None);
        }
        let heard = seat.take(event)?;
        Ok(Some((room.clone(), heard)))
    }

    fn answered(&mut self, re: &Arc<str>) -> Result<Pending, Fault> {
        self.pending.remove(re).ok_or_else(|| format!("{}: an answer to {re}, which waits for none", self.user))
    }

    fn refused(&mut self, re: &Arc<str>) -> Result<(), Fault> {
        match self.answered(re)? {
            Pending::Join(room, _) => self.fall_back(&room),
            Pending::Moot | Pending::Sync | Pending::Luggage | Pending::Other => {}
        }
        Ok(())
    }

    /// A join came to nothing, or the tab was put out: another join under way decides, else what it has.
    fn fall_back(&mut self, room: &RoomId) {
        // A refusal can overtake the answers to earlier joins, which come at the end of the turn.
        let joins = self.pending.iter().filter_map(|(re, pending)| match pending {
            Pending::Join(joined, wish) if joined == room => Some((re, *wish)),
            Pending::Join(..) | Pending::Moot | Pending::Sync | Pending::Luggage | Pending::Other => None,
        });
        let latest = joins.max_by_key(|(re, _)| (re.len(), Arc::clone(re))).map(|(_, wish)| wish);
        let Some(seat) = self.seats.get_mut(room) else { return };
        if !seat.listening {
            seat.granted = Wish::Out;
        }
        seat.wish = latest.unwrap_or(seat.granted);
    }

    fn joins(&self, room: &RoomId) -> bool {
        self.pending.values().any(|pending| matches!(pending, Pending::Join(joined, _) if joined == room))
    }

    fn removed(&mut self, room: &RoomId) {
        if let Some(seat) = self.seats.get_mut(room) {
            seat.listening = false;
        }
        self.fall_back(room);
    }

    /// What the tab holds at a version is what the hub held at it.
    fn compare(&self, room: &RoomId, around: &Surroundings<'_>) -> Result<(), Fault> {
        let holds = |seat: &&Seat| seat.granted.follows() && seat.view.lists;
        let Some(seat) = self.seats.get(room).filter(holds) else { return Ok(()) };
        let Some(version) = &seat.view.version else { return Ok(()) };
        let Some(partition) = (around.partition)(room) else { return Ok(()) };
        if !self.agrees(seat, room, version, partition) {
            return Err(format!("{} in {room} at {version} holds {:?}", self.user, seat.view.in_order()));
        }
        Ok(())
    }

    fn agrees(&self, seat: &Seat, room: &RoomId, version: &Version, partition: &Partition) -> bool {
        let snapshot = partition.snapshot(room, version);
        snapshot.is_some_and(|snapshot| seat.view.in_order().into_iter().eq(snapshot.iter()))
    }
}

/// The room that an event was about and what it meant; `None` where it does not concern the tab any more.
type Taken = Option<(RoomId, Heard)>;

impl Seat {
    fn take(&mut self, event: &Event) -> Result<Heard, Fault> {
        match event {
            Event::Roster { view, .. } => self.view.take_roster(view)?,
            Event::Diff { view, typing, locks, .. } => {
                let heard = self.view.take_diff(view, typing.as_deref())?;
                if let Some(locks) = locks {
                    self.view.take_locks(locks)?;
                }
                return Ok(if self.granted.follows() { heard } else { Heard::Old });
            }
            Event::Step(step) => self.view.take_step(step)?,
            Event::Count { view, locks } => {
                self.view.take_count(view)?;
                if let Some(locks) = locks {
                    self.view.take_locks(locks)?;
                }
            }
            Event::Typing { profile, target, on, .. } => {
                self.view.take_typing(&profile.user, target, *on);
            }
            Event::Sessions { user, list, .. } => self.view.take_sessions(user, list),
            Event::Cursors { at, .. } => self.view.take_pointers(at),
            Event::Lock { lock, .. } => self.view.take_lock(lock)?,
            Event::Message { .. }
            | Event::Removed { .. }
            | Event::Statuses(_)
            | Event::LockAnswer { .. }
            | Event::Ack { .. }
            | Event::WatchRefused { .. }
            | Event::Refused { .. } => return Ok(Heard::Old),
        }
        Ok(Heard::Applied)
    }
}
