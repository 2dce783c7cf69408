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
use std::{collections::BTreeMap, sync::Arc};

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
    /// Whether the user looks at it.
    pub status: Status,
    /// Its rooms.
    pub seats: BTreeMap<RoomId, Seat>,
    /// Requests without an answer on this connection.
    pub pending: BTreeMap<Arc<str>, Pending>,
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
    /// The number of a sync under way.
    pub syncing: Option<Arc<str>>,
}

/// How a tab wants to be in a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// Not at all.
    #[default]
    Out,
    /// As a listener only.
    Observe(Interest),
    /// As a viewer.
    View(Interest),
}

impl Wish {
    /// How much it hears.
    pub const fn interest(self) -> Option<Interest> {
        match self {
            Self::Out => None,
            Self::Observe(interest) | Self::View(interest) => Some(interest),
        }
    }

    /// Whether it keeps the roster up to date.
    pub const fn follows(self) -> bool {
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
    /// A sync of a room.
    Sync(RoomId),
    /// Anything that is only acknowledged or refused.
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
    /// Frames get lost by plan: a gap is no fault, but must heal.
    pub lossy: bool,
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
            seats: BTreeMap::new(),
            pending: BTreeMap::new(),
        }
    }

    /// Has no connection any more. Keeps what it knows.
    pub fn disconnect(&mut self) {
        self.connection = None;
        self.pending.clear();
        for seat in self.seats.values_mut() {
            (seat.syncing, seat.listening) = (None, false);
        }
    }

    /// A join of a room as wished, with the version known where `since` and the tab has kept up so far.
    pub fn join(&mut self, numbers: &mut Numbers, room: &RoomId, since: bool) -> Option<Request> {
        let joins = self.joins(room);
        let seat = self.seats.get_mut(room)?;
        let interest = seat.wish.interest()?;
        let re = numbers.draw();
        // While it listens, or may soon, the answer would not fit what it knows by then.
        let kept_up = since && seat.wish.follows() && seat.granted.follows() && !seat.listening && !joins;
        let since = seat.view.version.clone().filter(|_| kept_up);
        seat.syncing = None;
        self.pending.insert(Arc::clone(&re.0), Pending::Join(room.clone(), seat.wish));
        let observe = matches!(seat.wish, Wish::Observe(_));
        let command = Command::Join { room: room.clone(), interest, observe, state: None, since };
        Some(Request { re: Some(re), command })
    }

    /// Forgets a room that the tab leaves.
    pub fn leave(&mut self, room: &RoomId) {
        let Some(seat) = self.seats.get_mut(room) else { return };
        (seat.wish, seat.granted, seat.listening) = (Wish::Out, Wish::Out, false);
        seat.syncing = None;
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
            version = seat.view.version.clone().filter(|_| since && seat.granted.follows());
            seat.syncing = Some(Arc::clone(&re.0));
        }
        self.pending.insert(Arc::clone(&re.0), Pending::Sync(room.clone()));
        Request { re: Some(re), command: Command::Sync { room: room.clone(), since: version } }
    }

    /// Takes a frame in; what the tab asks because of it.
    ///
    /// # Errors
    /// What a client must never see.
    pub fn hear(
        &mut self,
        frame: &Frame,
        numbers: &mut Numbers,
        around: &Surroundings<'_>,
    ) -> Result<Option<Request>, Fault> {
        let event = match frame {
            Frame::Welcome(session) => {
                self.session = Some(*session);
                return Ok(None);
            }
            Frame::Event(event) => event,
        };
        let heard = match event {
            Event::Ack { re, .. } => return self.answered(&re.0).map(|_| None),
            Event::Refused { re: None, .. } => return Ok(None),
            Event::Refused { re: Some(re), .. } => return self.refused(&re.0).map(|()| None),
            Event::Removed { room, .. } => {
                self.removed(room);
                return Ok(None);
            }
            Event::Message { .. } => return Ok(None),
            Event::Roster { re, view, .. } => self.whole(re.as_ref(), &view.room, event)?,
            Event::Diff { re, view, typing } if typing.is_some() => self.whole(re.as_ref(), &view.room, event)?,
            Event::Diff { view, .. } => self.news(&view.room, event)?,
            Event::Step(step) => self.news(&step.room, event)?,
            Event::Count(view) => self.news(&view.room, event)?,
            Event::Typing { room, .. } => self.news(room, event)?,
        };
        let Some((room, heard)) = heard else { return Ok(None) };
        if heard == Heard::Gap {
            if !around.lossy {
                return Err(format!("{} in {room}: a gap on a whole connection", self.user));
            }
            let syncs = self.seats.get(&room).is_some_and(|seat| seat.syncing.is_some());
            return Ok((!syncs).then(|| self.sync(numbers, &room, true)));
        }
        self.compare(&room, around)?;
        Ok(None)
    }

    /// An answer that holds the room.
    fn whole(&mut self, re: Option<&RequestId>, room: &RoomId, event: &Event) -> Result<Taken, Fault> {
        let Some(re) = re else { return Err(format!("{}: an answer to nothing in {room}", self.user)) };
        let pending = self.answered(&re.0)?;
        let Some(seat) = self.seats.get_mut(room) else { return Ok(None) };
        match pending {
            Pending::Join(_, wish) => (seat.granted, seat.listening) = (wish, true),
            Pending::Sync(_) if seat.syncing.as_ref() == Some(&re.0) => {
                seat.syncing = None;
                if !seat.listening {
                    return Ok(None);
                }
            }
            Pending::Moot | Pending::Sync(_) => return Ok(None),
            Pending::Other => return Err(format!("{}: a roster for what asked for none", self.user)),
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
            Pending::Sync(room) => {
                if let Some(seat) = self.seats.get_mut(&room)
                    && seat.syncing.as_ref() == Some(re)
                {
                    seat.syncing = None;
                }
            }
            Pending::Moot | Pending::Other => {}
        }
        Ok(())
    }

    /// A join came to nothing, or the tab was put out: another join under way decides, else what it has.
    fn fall_back(&mut self, room: &RoomId) {
        // A refusal can overtake the answers to earlier joins, which come at the end of the turn.
        let joins = self.pending.iter().filter_map(|(re, pending)| match pending {
            Pending::Join(joined, wish) if joined == room => Some((re, *wish)),
            Pending::Join(..) | Pending::Moot | Pending::Sync(_) | Pending::Other => None,
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
            (seat.listening, seat.syncing) = (false, None);
        }
        self.fall_back(room);
    }

    /// What the tab holds at a version is what the hub held at it.
    fn compare(&self, room: &RoomId, around: &Surroundings<'_>) -> Result<(), Fault> {
        let Some(seat) = self.seats.get(room).filter(|seat| seat.granted.follows()) else { return Ok(()) };
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
            Event::Roster { view, .. } => self.view.take_roster(view).map(|()| Heard::Applied),
            Event::Diff { view, typing, .. } => {
                let heard = self.view.take_diff(view, typing.as_deref())?;
                Ok(if self.granted.follows() { heard } else { Heard::Old })
            }
            Event::Step(step) => self.view.take_step(step).map(|()| Heard::Applied),
            Event::Count(view) => {
                self.view.version = Some(view.version.clone());
                Ok(Heard::Applied)
            }
            Event::Typing { profile, target, on, .. } => {
                self.view.take_typing(&profile.user, target, *on);
                Ok(Heard::Applied)
            }
            Event::Message { .. } | Event::Removed { .. } | Event::Ack { .. } | Event::Refused { .. } => Ok(Heard::Old),
        }
    }
}
