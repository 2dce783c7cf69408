//! Faults planted between the world and the hubs, to show that the checks find them. The hubs themselves are what they
//! are: a fault changes what goes in, or what comes out.
use crate::{model::Model, net::Frame, told::Told};
use herenow_core::{
    command::{Command, Evictee, Input, Reason},
    event::{DiffView, Event, RosterView},
    id::{ConnectionKey, RoomId, SessionId, UserId},
    limits::Limits,
};
use std::{collections::BTreeMap, sync::Arc};

macro_rules! mutations {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// A planted fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mutation {
            $($(#[doc = $doc])* $name,)*
        }

        impl Mutation {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// What is wrong, in words.
            pub const fn claim(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),*).trim_ascii_start(),)*
                }
            }
        }
    };
}

mutations! {
    /// The late close of an old connection ends the newer session of the user.
    LateCloseHitsNewer,
    /// The end of a connection is forgotten where its user has another one.
    CloseForgotten,
    /// A kick does nothing.
    KickIgnored,
    /// A user who comes back within grace is put out all the same.
    GraceNotCancelled,
    /// What is due is done only when something else happens.
    DeadlinesSlept,
    /// An update changes the entry of another session in the room.
    WrongEntry,
    /// A session may be in one room more than the limit says.
    OneRoomTooMany,
    /// A room remembers one change more than the limit says.
    LogTooLong,
    /// Who joins gets the diff of its own turn, before the roster.
    DiffBeforeRoster,
    /// A diff says a version too high.
    VersionSkipped,
    /// A diff is lost on one of its ways.
    DiffDropped,
    /// A leave is told twice.
    LeaveToldTwice,
    /// A leave is told with another reason.
    ReasonWrong,
    /// A second tab is told as joined.
    SecondTabJoined,
    /// A roster is that of an older version.
    StaleRoster,
    /// A diff counts one user too many.
    CountOffByOne,
    /// The end of typing is not told.
    TypingOffDropped,
    /// A user's own tabs are told of their typing.
    OwnTypingTold,
    /// An answer is lost.
    AckLost,
    /// An answer is given twice.
    AckTwice,
    /// A connection that ended still gets what its room says.
    EndedStillTold,
    /// A message reaches somebody that it was not for.
    MessageMisrouted,
    /// Two frames of one connection change places on their way.
    FramesSwapped,
    /// A frame that changes the roster is lost between node and client, without the connection breaking.
    FrameLost,
}

/// The hand that plants a fault; does nothing where there is none. Faults of limits and deadlines hold all the time, every
/// other strikes once a run, at a chance that the seed chooses.
#[derive(Debug, Default)]
pub struct Tamper {
    mutation: Option<Mutation>,
    /// Chances left until the strike; 0 once it was made.
    chances_left: u64,
    /// A user who came back within grace, and how many inputs until they are put out.
    returned: Option<(RoomId, UserId, u32)>,
    ended: Option<ConnectionKey>,
    rosters: BTreeMap<RoomId, Arc<RosterView>>,
}

impl Tamper {
    /// Plants a fault, or none.
    pub fn new(mutation: Option<Mutation>, seed: u64) -> Self {
        Self { mutation, chances_left: 1 + seed % 8, ..Self::default() }
    }

    /// Whether a hub sleeps through its deadlines.
    pub fn skips_timeout(&self) -> bool {
        self.is(Mutation::DeadlinesSlept)
    }

    /// The limits that a hub really has.
    pub fn limits(&self, limits: &Limits) -> Limits {
        let mut limits = limits.clone();
        limits.rooms_per_session_max += usize::from(self.is(Mutation::OneRoomTooMany));
        limits.log_changes_max += usize::from(self.is(Mutation::LogTooLong));
        limits
    }

    /// What a hub is told in place of what happened.
    pub fn input(&mut self, input: &Input, model: &Model) -> Vec<Input> {
        let mut told = self.changed(input, model).unwrap_or_else(|| vec![input.clone()]);
        if self.is(Mutation::GraceNotCancelled) {
            self.put_out_returned(input, model, &mut told);
        }
        told
    }

    fn changed(&mut self, input: &Input, model: &Model) -> Option<Vec<Input>> {
        match (self.mutation?, input) {
            (Mutation::KickIgnored, Input::Evicted { room, .. }) if model.rooms.contains_key(room) => {
                self.strikes().then(Vec::new)
            }
            (Mutation::CloseForgotten, Input::Detached { session, .. }) => {
                newer_session(*session, model)?;
                self.strikes().then(Vec::new)
            }
            (Mutation::LateCloseHitsNewer, Input::Detached { session, how }) => {
                let session = newer_session(*session, model)?;
                self.strikes().then(|| vec![Input::Detached { session, how: *how }])
            }
            (Mutation::WrongEntry, Input::Asked { session, re: None, command: Command::Update { room, patch } }) => {
                let mut seated = model.rooms.get(room)?.listeners.keys();
                let session = *seated.find(|held| *held != session)?;
                let command = Command::Update { room: room.clone(), patch: patch.clone() };
                self.strikes().then(|| vec![Input::Asked { session, re: None, command }])
            }
            (Mutation::EndedStillTold, Input::Detached { session, .. }) => {
                self.ended = model.sessions.get(session).map(|guest| guest.connection);
                None
            }
            _ => None,
        }
    }

    /// Changes what a hub said.
    pub fn outputs(&mut self, told: &mut Vec<Told>, model: &Model) {
        let Some(mutation) = self.mutation else { return };
        if mutation == Mutation::StaleRoster {
            return self.stale_roster(told);
        }
        let Some(at) = told.iter().position(|told| is_chance(mutation, told)) else { return };
        if !self.strikes() {
            return;
        }
        match mutation {
            Mutation::DiffBeforeRoster => diff_to_joiners(told),
            Mutation::VersionSkipped => change_diff(&mut told[at], |diff| diff.version.number += 1),
            Mutation::CountOffByOne => change_diff(&mut told[at], |diff| diff.count.users += 1),
            Mutation::ReasonWrong => change_diff(&mut told[at], |diff| {
                for (_, reason) in &mut diff.left {
                    *reason = if *reason == Reason::Left { Reason::Lost } else { Reason::Left };
                }
            }),
            Mutation::DiffDropped => drop(told[at].to.pop()),
            Mutation::AckTwice | Mutation::LeaveToldTwice => told.push(told[at].clone()),
            Mutation::AckLost | Mutation::TypingOffDropped => drop(told.remove(at)),
            Mutation::OwnTypingTold => own_typing(&mut told[at], model),
            Mutation::SecondTabJoined => second_tab_joined(told, at, model),
            Mutation::EndedStillTold => told[at].to.extend(self.ended),
            Mutation::MessageMisrouted => told[at].to = model.sessions.values().map(|guest| guest.connection).collect(),
            Mutation::LateCloseHitsNewer
            | Mutation::CloseForgotten
            | Mutation::KickIgnored
            | Mutation::GraceNotCancelled
            | Mutation::DeadlinesSlept
            | Mutation::WrongEntry
            | Mutation::OneRoomTooMany
            | Mutation::LogTooLong
            | Mutation::StaleRoster
            | Mutation::FramesSwapped
            | Mutation::FrameLost => {}
        }
    }

    /// Whether a frame is to be lost between node and client.
    pub fn loses(&mut self, event: &Event) -> bool {
        self.is(Mutation::FrameLost) && is_news(event) && self.strikes()
    }

    /// Whether a frame is to overtake the one before it.
    pub fn swaps(&mut self, frame: &Frame) -> bool {
        let news = matches!(frame, Frame::Event(event) if is_news(event));
        self.is(Mutation::FramesSwapped) && news && self.strikes()
    }

    fn is(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    /// Counts a chance; true where it is the one.
    fn strikes(&mut self) -> bool {
        let strikes = self.chances_left == 1;
        self.chances_left = self.chances_left.saturating_sub(1);
        strikes
    }

    fn put_out_returned(&mut self, input: &Input, model: &Model, told: &mut Vec<Input>) {
        if let Input::Asked { session, command: Command::Join { room, observe: false, .. }, .. } = input
            && let Some(guest) = model.sessions.get(session)
            && model.rooms.get(room).is_some_and(|room| room.in_grace(&guest.profile.user))
            && self.strikes()
        {
            self.returned = Some((room.clone(), guest.profile.user.clone(), 8));
        }
        self.returned = self.returned.take().and_then(|(room, user, inputs_left)| {
            if inputs_left > 0 {
                return Some((room, user, inputs_left - 1));
            }
            told.push(Input::Evicted { room, whom: Evictee::User(user), reason: Reason::Closed });
            None
        });
    }

    fn stale_roster(&mut self, told: &mut [Told]) {
        for Told { event, .. } in told {
            if let Event::Roster { view, .. } = event {
                let older = self.rosters.insert(view.room.clone(), Arc::clone(view));
                let older = older.filter(|older| older.version != view.version);
                if let Some(older) = older.filter(|_| self.strikes()) {
                    *view = older;
                }
            }
        }
    }
}

/// Whether a fault can strike what is said.
fn is_chance(mutation: Mutation, told: &Told) -> bool {
    let heard = !told.to.is_empty();
    let diff = match &told.event {
        Event::Diff { re: None, typing: None, view } => Some(view),
        _ => None,
    };
    match mutation {
        Mutation::DiffBeforeRoster | Mutation::VersionSkipped | Mutation::CountOffByOne => heard && diff.is_some(),
        Mutation::ReasonWrong | Mutation::LeaveToldTwice => heard && diff.is_some_and(|diff| !diff.left.is_empty()),
        Mutation::DiffDropped | Mutation::EndedStillTold => heard && is_news(&told.event),
        Mutation::AckTwice | Mutation::AckLost => heard && matches!(told.event, Event::Ack { .. }),
        Mutation::TypingOffDropped => heard && matches!(told.event, Event::Typing { on: false, .. }),
        Mutation::OwnTypingTold => matches!(told.event, Event::Typing { .. }),
        Mutation::SecondTabJoined => heard && matches!(told.event, Event::Roster { .. }),
        Mutation::MessageMisrouted => matches!(&told.event, Event::Message { message, .. } if message.to.is_some()),
        Mutation::LateCloseHitsNewer
        | Mutation::CloseForgotten
        | Mutation::KickIgnored
        | Mutation::GraceNotCancelled
        | Mutation::DeadlinesSlept
        | Mutation::WrongEntry
        | Mutation::OneRoomTooMany
        | Mutation::LogTooLong
        | Mutation::StaleRoster
        | Mutation::FramesSwapped
        | Mutation::FrameLost => false,
    }
}

/// Another session of the same user that is attached.
fn newer_session(session: SessionId, model: &Model) -> Option<SessionId> {
    let own = model.sessions.get(&session)?;
    let theirs =
        |guest: &crate::model::Guest| guest.profile.user == own.profile.user && guest.connection > own.connection;
    model.sessions.iter().find(|(_, guest)| theirs(guest)).map(|(session, _)| *session)
}

fn is_news(event: &Event) -> bool {
    matches!(event, Event::Diff { re: None, typing: None, .. } | Event::Step(_))
}

fn change_diff(told: &mut Told, change: impl Fn(&mut DiffView)) {
    if let Event::Diff { view, .. } = &mut told.event {
        let mut diff = DiffView::clone(view);
        change(&mut diff);
        *view = Arc::new(diff);
    }
}

fn diff_to_joiners(told: &mut [Told]) {
    let mut joiners: BTreeMap<RoomId, Vec<ConnectionKey>> = BTreeMap::new();
    for Told { event, to } in told.iter() {
        if let Event::Roster { view, .. } = event {
            joiners.entry(view.room.clone()).or_default().extend(to);
        }
    }
    for Told { event, to } in told {
        if let Event::Diff { re: None, view, .. } = event {
            to.extend(joiners.get(&view.room).into_iter().flatten());
        }
    }
}

fn own_typing(told: &mut Told, model: &Model) {
    if let Event::Typing { room, profile, .. } = &told.event {
        let listens = |session| model.rooms.get(room).is_some_and(|room| room.listeners.contains_key(session));
        let theirs =
            model.sessions.iter().filter(|(session, guest)| guest.profile.user == profile.user && listens(session));
        told.to.extend(theirs.map(|(_, guest)| guest.connection));
    }
}

fn second_tab_joined(told: &mut Vec<Told>, at: usize, model: &Model) {
    let Event::Roster { view, .. } = &told[at].event else { return };
    let joiner = model.sessions.values().find(|guest| told[at].to.contains(&guest.connection));
    let Some(joiner) = joiner.map(|guest| &guest.profile.user) else { return };
    let Some(viewer) = view.viewers.iter().find(|viewer| viewer.profile.user == *joiner) else { return };
    let listeners = model.rooms.get(&view.room).map(|room| room.listeners.keys()).into_iter().flatten();
    let to = listeners.filter_map(|session| model.sessions.get(session)).map(|guest| guest.connection).collect();
    let diff = DiffView {
        room: view.room.clone(),
        from: view.version.number,
        version: view.version.clone(),
        joined: vec![viewer.clone()],
        left: Vec::new(),
        updated: Vec::new(),
        count: view.count,
    };
    told.push(Told { event: Event::Diff { re: None, view: Arc::new(diff), typing: None }, to });
}
