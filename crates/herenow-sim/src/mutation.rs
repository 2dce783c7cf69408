//! Faults planted between the world and the hubs, to show that the checks find them. The hubs themselves are what they
//! are: a fault changes what goes in, or what comes out.
use crate::{model::Model, partition::Told};
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

/// The hand that plants a fault; does nothing where there is none.
#[derive(Debug, Default)]
pub struct Tamper {
    mutation: Option<Mutation>,
    /// Counts what could be changed: some faults strike only now and then.
    chances: u64,
    /// Users who came back within grace, and how many inputs until they are put out.
    returned: Vec<(RoomId, UserId, u32)>,
    ended: Option<ConnectionKey>,
    rosters: BTreeMap<RoomId, Arc<RosterView>>,
}

impl Tamper {
    /// Plants a fault, or none.
    pub fn new(mutation: Option<Mutation>) -> Self {
        Self { mutation, ..Self::default() }
    }

    /// Which fault is planted.
    pub const fn mutation(&self) -> Option<Mutation> {
        self.mutation
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
        let mut told = match (self.mutation, input) {
            (Some(Mutation::KickIgnored), Input::Evicted { .. }) => Vec::new(),
            (Some(Mutation::CloseForgotten), Input::Detached { session, .. })
                if newer_session(*session, model).is_some() =>
            {
                Vec::new()
            }
            (Some(Mutation::LateCloseHitsNewer), Input::Detached { session, how }) => {
                let session = newer_session(*session, model).unwrap_or(*session);
                vec![Input::Detached { session, how: *how }]
            }
            (Some(Mutation::WrongEntry), Input::Asked { session, re, command: Command::Update { room, patch } }) => {
                let room_model = model.rooms.get(room);
                let other = room_model.and_then(|room| room.entries.keys().find(|held| *held != session));
                let session = other.filter(|other| model.sessions.contains_key(other)).unwrap_or(session);
                let command = Command::Update { room: room.clone(), patch: patch.clone() };
                vec![Input::Asked { session: *session, re: re.clone(), command }]
            }
            (Some(Mutation::EndedStillTold), Input::Detached { session, .. }) => {
                self.ended = model.sessions.get(session).map(|guest| guest.connection);
                vec![input.clone()]
            }
            _ => vec![input.clone()],
        };
        if self.is(Mutation::GraceNotCancelled) {
            self.put_out_returned(input, model, &mut told);
        }
        told
    }

    /// Changes what a hub said.
    pub fn outputs(&mut self, told: &mut Vec<Told>, model: &Model) {
        match self.mutation {
            Some(Mutation::DiffBeforeRoster) => diff_to_joiners(told),
            Some(Mutation::VersionSkipped) => each_diff(told, |diff| diff.version.number += 1),
            Some(Mutation::CountOffByOne) => each_diff(told, |diff| diff.count.users += 1),
            Some(Mutation::ReasonWrong) => each_diff(told, |diff| {
                for (_, reason) in &mut diff.left {
                    *reason = if *reason == Reason::Left { Reason::Lost } else { Reason::Left };
                }
            }),
            Some(Mutation::DiffDropped) => {
                if let Some(told) = told.iter_mut().find(|told| is_news(&told.event)) {
                    told.to.pop();
                }
            }
            Some(Mutation::LeaveToldTwice) => repeat(told, |event| match event {
                Event::Diff { re: None, view, .. } => !view.left.is_empty(),
                Event::Step(step) => step.left.is_some(),
                _ => false,
            }),
            Some(Mutation::AckTwice) => repeat(told, |event| matches!(event, Event::Ack { .. })),
            Some(Mutation::AckLost) => told.retain(|told| !matches!(told.event, Event::Ack { .. })),
            Some(Mutation::TypingOffDropped) => {
                told.retain(|told| !matches!(told.event, Event::Typing { on: false, .. }));
            }
            Some(Mutation::OwnTypingTold) => own_typing(told, model),
            Some(Mutation::SecondTabJoined) => second_tab_joined(told, model),
            Some(Mutation::StaleRoster) => self.stale_roster(told),
            Some(Mutation::EndedStillTold) => {
                if let Some(told) = told.iter_mut().find(|told| is_news(&told.event)) {
                    told.to.extend(self.ended);
                }
            }
            Some(Mutation::MessageMisrouted) => misroute(told, model),
            Some(
                Mutation::LateCloseHitsNewer
                | Mutation::CloseForgotten
                | Mutation::KickIgnored
                | Mutation::GraceNotCancelled
                | Mutation::DeadlinesSlept
                | Mutation::WrongEntry
                | Mutation::OneRoomTooMany
                | Mutation::LogTooLong
                | Mutation::FramesSwapped
                | Mutation::FrameLost,
            )
            | None => {}
        }
    }

    /// Whether a frame is to be lost between node and client.
    pub fn loses(&mut self, event: &Event) -> bool {
        self.is(Mutation::FrameLost) && is_news(event) && self.now_and_then()
    }

    /// Whether a frame is to overtake the one before it.
    pub fn swaps(&mut self) -> bool {
        self.is(Mutation::FramesSwapped) && self.now_and_then()
    }

    fn is(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    fn now_and_then(&mut self) -> bool {
        self.chances += 1;
        self.chances.is_multiple_of(16)
    }

    fn put_out_returned(&mut self, input: &Input, model: &Model, told: &mut Vec<Input>) {
        if let Input::Asked { session, command: Command::Join { room, observe: false, .. }, .. } = input
            && let Some(guest) = model.sessions.get(session)
            && let Some(held) = model.rooms.get(room)
            && held.users.contains_key(&guest.profile.user)
        {
            self.returned.push((room.clone(), guest.profile.user.clone(), 8));
        }
        for (room, user, inputs_left) in &mut self.returned {
            *inputs_left -= 1;
            if *inputs_left == 0 {
                let whom = Evictee::User(user.clone());
                told.push(Input::Evicted { room: room.clone(), whom, reason: Reason::Closed });
            }
        }
        self.returned.retain(|(.., inputs_left)| *inputs_left > 0);
    }

    fn stale_roster(&mut self, told: &mut [Told]) {
        for Told { event, .. } in told {
            if let Event::Roster { view, .. } = event {
                let older = self.rosters.insert(view.room.clone(), Arc::clone(view));
                if let Some(older) = older.filter(|older| older.version != view.version) {
                    *view = older;
                }
            }
        }
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

fn each_diff(told: &mut [Told], change: impl Fn(&mut DiffView)) {
    for Told { event, .. } in told {
        if let Event::Diff { view, .. } = event {
            let mut diff = DiffView::clone(view);
            change(&mut diff);
            *view = Arc::new(diff);
        }
    }
}

fn repeat(told: &mut Vec<Told>, which: impl Fn(&Event) -> bool) {
    let again: Vec<Told> = told.iter().filter(|told| which(&told.event)).cloned().collect();
    told.extend(again);
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

fn own_typing(told: &mut [Told], model: &Model) {
    for Told { event, to } in told {
        if let Event::Typing { room, profile, .. } = event {
            let theirs = model.sessions.iter().filter(|(session, guest)| {
                guest.profile.user == profile.user
                    && model.rooms.get(room).is_some_and(|room| room.listeners.contains_key(session))
            });
            to.extend(theirs.map(|(_, guest)| guest.connection));
        }
    }
}

fn second_tab_joined(told: &mut Vec<Told>, model: &Model) {
    let Some((view, to)) = told.iter().find_map(|told| match &told.event {
        Event::Roster { view, .. } => Some((Arc::clone(view), told.to.clone())),
        _ => None,
    }) else {
        return;
    };
    let joiner = model.sessions.values().find(|guest| to.contains(&guest.connection));
    let Some(joiner) = joiner.map(|guest| &guest.profile.user) else { return };
    let Some(viewer) = view.viewers.iter().find(|viewer| viewer.profile.user == *joiner) else { return };
    let others = model.rooms.get(&view.room).map(|room| room.listeners.keys()).into_iter().flatten();
    let to = others.filter_map(|session| model.sessions.get(session)).map(|guest| guest.connection).collect();
    let (from, mut version) = (view.version.number, view.version.clone());
    version.number += 1;
    let diff = DiffView {
        room: view.room.clone(),
        from,
        version,
        joined: vec![viewer.clone()],
        left: Vec::new(),
        updated: Vec::new(),
        count: view.count,
    };
    told.push(Told { event: Event::Diff { re: None, view: Arc::new(diff), typing: None }, to });
}

fn misroute(told: &mut [Told], model: &Model) {
    for Told { event, to } in told {
        if let Event::Message { message, .. } = event
            && message.to.is_some()
        {
            let all = model.sessions.values().map(|guest| guest.connection);
            *to = all.collect();
        }
    }
}
