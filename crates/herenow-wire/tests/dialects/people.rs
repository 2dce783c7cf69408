//! The rooms and users that the fixtures are about.
use herenow_core::{
    event::{Count, DiffView, Gear, LockView, RosterView, SessionView, State, Typist, Viewer},
    id::{LockName, RequestId, RoomId, SessionId, Target, UserId},
    profile::{Profile, Status},
    time::Time,
    version::{Epoch, Version},
};
use std::sync::Arc;

pub(crate) const NOON: Time = Time::from_millis(1_893_456_000_000);
pub(crate) const TWO: Count = Count { users: 2, sessions: 3 };
pub(crate) const NOBODY: Count = Count { users: 0, sessions: 0 };

pub(crate) fn room() -> RoomId {
    RoomId::parse("board-1").unwrap()
}

pub(crate) fn user(id: &str) -> UserId {
    UserId::parse(id).unwrap()
}

pub(crate) fn target(text: &str) -> Option<Target> {
    Some(Target::parse(text).unwrap())
}

pub(crate) fn re(json: &str) -> Option<RequestId> {
    Some(RequestId(json.into()))
}

pub(crate) fn version(number: u64) -> Version {
    Version { epoch: Epoch::parse("k3x9").unwrap(), number }
}

pub(crate) fn profile(id: &str, name: &str) -> Arc<Profile> {
    Arc::new(Profile { user: user(id), name: name.into(), avatar: None })
}

pub(crate) fn alice() -> Arc<Profile> {
    Arc::new(Profile { avatar: Some("https://example.com/a.png".into()), ..(*profile("u1", "Alice")).clone() })
}

pub(crate) fn bob() -> Arc<Profile> {
    profile("u2", "Bob")
}

/// Bob's only session.
pub(crate) const BOB_S: SessionId = SessionId(255);
/// Alice's older session.
pub(crate) const ALICE_S: SessionId = SessionId(0x0a11_ce00_0000_0001);
/// Alice's newer session.
pub(crate) const ALICE_S_TOO: SessionId = SessionId(0x0a11_ce00_0000_0002);

pub(crate) fn state<const N: usize>(members: [(&str, &str); N]) -> State {
    members.into_iter().map(|(key, json)| (key.into(), json.into())).collect()
}

pub(crate) fn alice_viewing() -> Viewer {
    Viewer {
        profile: alice(),
        status: Status::Active,
        joined_at: NOON,
        sessions: 2,
        state: Arc::new(state([("editing", r#""card-3""#), ("pos", "[1,2.50]")])),
    }
}

pub(crate) fn bob_viewing() -> Viewer {
    Viewer {
        profile: bob(),
        status: Status::Idle,
        joined_at: Time::from_millis(1_893_456_001_500),
        sessions: 1,
        state: Arc::default(),
    }
}

pub(crate) fn alice_in_detail() -> Vec<SessionView> {
    vec![
        SessionView { session: ALICE_S, status: Status::Idle, state: state([("editing", r#""card-3""#)]) },
        SessionView { session: ALICE_S_TOO, status: Status::Active, state: state([("pos", "[1,2.50]")]) },
    ]
}

pub(crate) fn bob_in_detail() -> Vec<SessionView> {
    vec![SessionView { session: BOB_S, status: Status::Idle, state: state([]) }]
}

pub(crate) fn lock(name: &str, holder: Option<(Arc<Profile>, SessionId)>, fence: u64) -> LockView {
    LockView { name: LockName::parse(name).unwrap(), holder, fence }
}

pub(crate) fn typist(profile: Arc<Profile>, targets: Vec<Option<Target>>) -> Typist {
    Typist { profile, targets }
}

pub(crate) fn full_room() -> Arc<RosterView> {
    let typing = [typist(alice(), vec![None, target("card-3")]), typist(bob(), vec![target("card-4")])];
    Arc::new(RosterView {
        room: room(),
        version: version(42),
        gear: Gear::Live,
        viewers: vec![alice_viewing(), bob_viewing()],
        count: TWO,
        typing: typing.into(),
        locks: [lock("card-3", Some((alice(), ALICE_S)), 7)].into(),
        sessions: None,
    })
}

pub(crate) fn empty_room() -> Arc<RosterView> {
    Arc::new(RosterView {
        room: room(),
        version: version(0),
        gear: Gear::Live,
        viewers: Vec::new(),
        count: NOBODY,
        typing: Arc::default(),
        locks: Arc::default(),
        sessions: None,
    })
}

pub(crate) fn no_change() -> DiffView {
    DiffView {
        room: room(),
        from: 42,
        version: version(42),
        joined: Vec::new(),
        left: Vec::new(),
        updated: Vec::new(),
        count: TWO,
        gear: Gear::Live,
    }
}
