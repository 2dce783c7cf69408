//! What holds of one room whatever its users do, as properties of the real hub: beside the simulator, since a property that
//! fails is made small by itself.
use herenow_core::{
    command::{Command, Ending, Input, Interest, Patch},
    event::{DiffView, Event, Notice, Output, State, Viewer},
    hub::Hub,
    id::{ConnectionKey, RequestId, RoomId, SessionId, UserId},
    limits::Limits,
    profile::{Profile, Status},
    time::Time,
    version::Epoch,
};
use proptest::{collection::vec, prelude::*};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

/// Sessions that do something; each user has [`TABS`] of them.
const SESSIONS: u64 = 6;
const TABS: u64 = 2;
/// Who hears the room, and is not seen in it.
const WATCHER: SessionId = SessionId(SESSIONS);
/// Longer than any grace, and than any news wait.
const CALM: Duration = Duration::from_secs(60);

/// What somebody does.
#[derive(Clone, Debug)]
enum Deed {
    Join(u64),
    Leave(u64),
    End(u64, Ending),
    Write(u64, u8, Option<u8>),
    Status(u64, Status),
    Wait(u16),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let ending = prop_oneof![Just(Ending::Left), Just(Ending::Closed), Just(Ending::Lost)];
    let status = prop_oneof![Just(Status::Active), Just(Status::Idle)];
    let deed = prop_oneof![
        4 => (0..SESSIONS).prop_map(Deed::Join),
        1 => (0..SESSIONS).prop_map(Deed::Leave),
        2 => (0..SESSIONS, ending).prop_map(|(session, how)| Deed::End(session, how)),
        3 => (0..SESSIONS, 0..3_u8, any::<Option<u8>>()).prop_map(|(session, key, value)| Deed::Write(session, key, value)),
        1 => (0..SESSIONS, status).prop_map(|(session, status)| Deed::Status(session, status)),
        2 => (0..8_000_u16).prop_map(Deed::Wait),
    ];
    vec(deed, 0..40)
}

/// A room in which things are done, and what was told of that.
struct Play {
    hub: Hub,
    now: Time,
    attached: BTreeSet<u64>,
    told: Vec<Event>,
    notices: Vec<Notice>,
}

impl Play {
    fn new() -> Self {
        let hub = Hub::new(Epoch::parse("e").expect("a letter"), Limits::default());
        let mut play = Self {
            hub,
            now: Time::from_millis(1_000_000),
            attached: BTreeSet::new(),
            told: Vec::new(),
            notices: Vec::new(),
        };
        play.attach(WATCHER.0);
        play.ask(WATCHER.0, join(true));
        play
    }

    /// Does them one by one.
    fn of(deeds: &[Deed]) -> Self {
        let mut play = Self::new();
        deeds.iter().for_each(|deed| play.act(deed));
        play
    }

    fn act(&mut self, deed: &Deed) {
        match deed {
            Deed::Join(session) => {
                if !self.attached.contains(session) {
                    self.attach(*session);
                }
                self.ask(*session, join(false));
            }
            Deed::Leave(session) => self.ask(*session, Command::Leave { room: room() }),
            Deed::End(session, how) => {
                if self.attached.remove(session) {
                    self.hear(Input::Detached { session: SessionId(*session), how: *how });
                }
            }
            Deed::Write(session, key, value) => {
                let value = value.map(|value| value.to_string().into());
                let patch = Patch(vec![(key_name(*key), value)]);
                self.ask(*session, Command::Update { room: room(), patch });
            }
            Deed::Status(session, status) => self.ask(*session, Command::SetStatus { status: *status }),
            Deed::Wait(ms) => self.wait(Duration::from_millis((*ms).into())),
        }
    }

    fn attach(&mut self, session: u64) {
        self.attached.insert(session);
        let connection = ConnectionKey(u32::try_from(session).expect("a small number"));
        self.hear(Input::Attached { session: SessionId(session), profile: profile(session), connection });
    }

    fn ask(&mut self, session: u64, command: Command) {
        if self.attached.contains(&session) {
            let re = Some(RequestId("1".into()));
            self.hear(Input::Asked { session: SessionId(session), re, command });
        }
    }

    fn hear(&mut self, input: Input) {
        self.hub.handle_timeout(self.now);
        self.hub.handle(self.now, input);
        self.settle();
    }

    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.hub.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.hub.handle_timeout(self.now);
            self.settle();
        }
        self.now = until;
    }

    fn settle(&mut self) {
        self.hub.settle(self.now);
        while let Some(output) = self.hub.poll_output() {
            match output {
                Output::Deliver { to, event } => {
                    let watcher = ConnectionKey(u32::try_from(WATCHER.0).expect("a small number"));
                    if self.hub.recipients(&to).any(|connection| connection == watcher) {
                        self.told.push(event);
                    }
                }
                Output::Notice(notice) => self.notices.push(notice),
                Output::Cluster(_) => unreachable!("it is alone"),
            }
        }
    }

    fn viewers(&self) -> Vec<Viewer> {
        self.hub.roster(&room()).map(|roster| roster.viewers().collect()).unwrap_or_default()
    }
}

/// The list that a client puts together from what it is told.
#[derive(Debug, Default)]
struct Fold {
    number: Option<u64>,
    viewers: BTreeMap<UserId, Viewer>,
}

impl Fold {
    fn of(told: &[Event]) -> Result<Self, TestCaseError> {
        let mut fold = Self::default();
        for event in told {
            match event {
                Event::Roster { view, .. } => {
                    fold.number = Some(view.version.number);
                    fold.viewers = by_user(view.viewers.clone());
                }
                Event::Diff { view, .. } => fold.apply(view)?,
                _ => {}
            }
        }
        Ok(fold)
    }

    fn apply(&mut self, diff: &DiffView) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.number, Some(diff.from), "a diff follows on what is known");
        self.number = Some(diff.version.number);
        for (user, _) in &diff.left {
            prop_assert!(self.viewers.remove(user).is_some(), "{user} left, and was not there");
        }
        for viewer in &diff.joined {
            let before = self.viewers.insert(viewer.profile.user.clone(), viewer.clone());
            prop_assert!(before.is_none(), "{} joined, and was there", viewer.profile.user);
        }
        for viewer in &diff.updated {
            let before = self.viewers.insert(viewer.profile.user.clone(), viewer.clone());
            prop_assert!(before.is_some(), "{} changed, and was not there", viewer.profile.user);
        }
        prop_assert_eq!(self.viewers.len(), diff.count.users);
        Ok(())
    }
}

/// What each session has written, and when: a plain table beside the hub.
#[derive(Debug, Default)]
struct Written {
    count: u64,
    values: BTreeMap<u64, BTreeMap<u8, (u64, u8)>>,
}

impl Written {
    fn write(&mut self, session: u64, key: u8, value: Option<u8>) {
        self.count += 1;
        let values = self.values.entry(session).or_default();
        match value {
            Some(value) => drop(values.insert(key, (self.count, value))),
            None => drop(values.remove(&key)),
        }
    }

    /// The newest write of each key over the sessions of a user.
    fn merged(&self, user: u64) -> State {
        let mut newest: BTreeMap<u8, (u64, u8)> = BTreeMap::new();
        for (_, values) in self.values.iter().filter(|(session, _)| *session / TABS == user) {
            for (key, written) in values {
                let held = newest.entry(*key).or_insert(*written);
                *held = (*held).max(*written);
            }
        }
        newest.into_iter().map(|(key, (_, value))| (key_name(key), value.to_string().into())).collect()
    }
}

fn room() -> RoomId {
    RoomId::parse("board-1").expect("a name")
}

fn join(observe: bool) -> Command {
    Command::Join { room: room(), interest: Interest::Full, observe, state: None, since: None, sessions: false }
}

fn key_name(key: u8) -> Arc<str> {
    format!("k{key}").into()
}

fn profile(session: u64) -> Arc<Profile> {
    let user = UserId::parse(&format!("u{}", session / TABS)).expect("a letter and digits");
    Arc::new(Profile { name: user.as_str().into(), user, avatar: None })
}

fn by_user(viewers: Vec<Viewer>) -> BTreeMap<UserId, Viewer> {
    viewers.into_iter().map(|viewer| (viewer.profile.user.clone(), viewer)).collect()
}

proptest! {
    #[test]
    fn what_a_client_puts_together_from_diffs_is_the_roster(deeds in deeds()) {
        let mut play = Play::of(&deeds);
        // News wait for their tick: what is known afterwards has to be all.
        play.wait(Duration::from_secs(3));
        let mut fold = Fold::of(&play.told)?;
        let mut is = by_user(play.viewers());
        // How many sessions somebody has is told with their next change only.
        for viewer in fold.viewers.values_mut().chain(is.values_mut()) {
            viewer.sessions = 0;
        }
        prop_assert_eq!(fold.viewers, is);
    }

    #[test]
    fn joined_and_left_alternate_for_each_user(deeds in deeds()) {
        let mut play = Play::of(&deeds);
        play.wait(CALM);
        let mut here = BTreeSet::new();
        for notice in &play.notices {
            match notice {
                Notice::Joined { profile, .. } => prop_assert!(here.insert(profile.user.clone()), "joined twice"),
                Notice::Left { profile, .. } => prop_assert!(here.remove(&profile.user), "left, and was not there"),
                _ => {}
            }
        }
        let is: BTreeSet<UserId> = by_user(play.viewers()).into_keys().collect();
        prop_assert_eq!(here, is);
    }

    #[test]
    fn each_transition_takes_the_next_version_and_the_last_one_counts_who_is_there(deeds in deeds()) {
        let play = Play::of(&deeds);
        let (mut number, mut users, mut counted) = (None, 0, 0);
        for notice in &play.notices {
            let version = match notice {
                Notice::Joined { version, count, .. } => {
                    (users, counted) = (users + 1, count.users);
                    version
                }
                Notice::Left { version, count, .. } => {
                    (users, counted) = (users - 1, count.users);
                    version
                }
                Notice::Updated { version, .. } => version,
                _ => continue,
            };
            prop_assert!(number.is_none_or(|before| version.number == before + 1), "{number:?}, then {version:?}");
            number = Some(version.number);
        }
        prop_assert_eq!((users, counted), (play.viewers().len(), play.viewers().len()));
    }

    #[test]
    fn who_is_connected_and_joined_is_there_and_nobody_else_once_every_grace_is_over(deeds in deeds()) {
        let mut play = Play::of(&deeds);
        let mut joined = BTreeSet::new();
        for deed in &deeds {
            match deed {
                Deed::Join(session) => drop(joined.insert(*session)),
                Deed::Leave(session) | Deed::End(session, _) => drop(joined.remove(session)),
                _ => {}
            }
        }
        play.wait(CALM);
        let is: BTreeSet<UserId> = by_user(play.viewers()).into_keys().collect();
        prop_assert_eq!(is, joined.into_iter().map(|session| profile(session).user.clone()).collect::<BTreeSet<_>>());
    }

    #[test]
    fn a_state_is_the_newest_write_of_each_key_over_the_sessions(
        writes in vec((0..SESSIONS, 0..3_u8, any::<Option<u8>>()), 0..40),
    ) {
        let mut play = Play::new();
        let mut written = Written::default();
        (0..SESSIONS).for_each(|session| play.act(&Deed::Join(session)));
        for (session, key, value) in writes {
            play.act(&Deed::Write(session, key, value));
            written.write(session, key, value);
        }
        for user in 0..SESSIONS / TABS {
            let viewer = by_user(play.viewers()).remove(&profile(user * TABS).user).expect("everybody has joined");
            prop_assert_eq!(&*viewer.state, &written.merged(user));
        }
    }

    #[test]
    fn writes_of_several_users_commute(
        writes in vec((0..SESSIONS / TABS, 0..3_u8, any::<Option<u8>>()), 0..20),
    ) {
        let states = |order: Vec<(u64, u8, Option<u8>)>| {
            let mut play = Play::new();
            (0..SESSIONS).for_each(|session| play.act(&Deed::Join(session)));
            order.into_iter().for_each(|(user, key, value)| play.act(&Deed::Write(user * TABS, key, value)));
            by_user(play.viewers()).into_iter().map(|(user, viewer)| (user, viewer.state)).collect::<Vec<_>>()
        };
        let mut sorted = writes.clone();
        sorted.sort_by_key(|(user, ..)| *user);
        prop_assert_eq!(states(writes), states(sorted));
    }

    #[test]
    fn what_is_said_twice_changes_nothing(deeds in deeds(), session in 0..SESSIONS, key in 0..3_u8, value: Option<u8>) {
        let mut play = Play::of(&deeds);
        play.act(&Deed::Join(session));
        play.act(&Deed::Write(session, key, value));
        let (viewers, notices) = (play.viewers(), play.notices.len());
        play.act(&Deed::Join(session));
        play.act(&Deed::Write(session, key, value));
        prop_assert_eq!((play.viewers(), play.notices.len()), (viewers, notices));
    }
}
