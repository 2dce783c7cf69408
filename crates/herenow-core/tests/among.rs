//! Two hubs of two nodes with a store that never fails: what one is told reaches who is at the other.
use herenow_core::{
    cluster::{
        door::{Ask, Heard, Held, LockDecision, News, NodeId, Outcome, SectionChange, Snapshot, Stamp, Tag, Written},
        timing::Timing,
    },
    command::{Command, Ending, Evictee, HomeNews, Input, Interest, Message, Reason},
    cursors::Point,
    event::{Event, Output},
    hub::Hub,
    id::{ConnectionKey, LockName, RequestId, RoomId, SessionId, UserId},
    limits::Limits,
    profile::{Profile, Status},
    refusal::Refusal,
    time::Time,
    version::Epoch,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

/// Two nodes, and what is told at each.
struct Pair {
    now: Time,
    hubs: [Hub; 2],
    told: [Vec<Event>; 2],
    up: [bool; 2],
    tag: BTreeMap<RoomId, Tag>,
    marks: BTreeMap<RoomId, BTreeMap<NodeId, Stamp>>,
    sections: BTreeMap<(RoomId, NodeId), BTreeMap<SessionId, SectionChange>>,
    subscribed: BTreeSet<(RoomId, usize)>,
    locks: BTreeMap<LockName, (SessionId, u64)>,
    fence: u64,
}

const NODES: [NodeId; 2] = [NodeId(1), NodeId(2)];
const ANN: u64 = 1;
const BOB: u64 = 2;

impl Pair {
    fn new() -> Self {
        let hub = |at: usize| {
            Hub::among(Epoch::parse(["a", "b"][at]).expect("a letter"), Limits::default(), NODES[at], Timing::default())
        };
        let mut pair = Self {
            now: Time::from_millis(1_000_000),
            hubs: [hub(0), hub(1)],
            told: Default::default(),
            up: [true; 2],
            tag: BTreeMap::new(),
            marks: BTreeMap::new(),
            sections: BTreeMap::new(),
            subscribed: BTreeSet::new(),
            locks: BTreeMap::new(),
            fence: 0,
        };
        for at in 0..2 {
            pair.say(at, Input::Cluster(Heard::Store(true)));
        }
        pair
    }

    /// Ann is at the first node and Bob at the second, both in the room.
    fn with_both() -> Self {
        let mut pair = Self::new();
        pair.come(0, ANN);
        pair.come(1, BOB);
        // Beyond the tick of what they have written: the next change goes at once.
        pair.wait(50);
        pair.forget();
        pair
    }

    fn come(&mut self, at: usize, who: u64) {
        let (session, connection) = (SessionId(who), ConnectionKey(who as u32));
        self.say(at, Input::Attached { session, profile: profile(who), connection });
        let (interest, state, since) = (Interest::Auto, None, None);
        self.ask(at, who, Command::Join { room: room(), interest, observe: false, state, since, sessions: true });
    }

    fn ask(&mut self, at: usize, who: u64, command: Command) {
        let re = Some(RequestId("1".into()));
        self.say(at, Input::Asked { session: SessionId(who), re, command });
    }

    fn forget(&mut self) {
        self.told = Default::default();
    }

    /// Hands something in, and lets all that follows happen.
    fn say(&mut self, at: usize, input: Input) {
        self.hubs[at].handle(self.now, input);
        self.settle();
    }

    fn wait(&mut self, ms: u64) {
        let until = self.now + Duration::from_millis(ms);
        while self.now < until {
            self.now = self.now + Duration::from_millis(25);
            self.settle();
        }
    }

    fn settle(&mut self) {
        loop {
            let mut asks = Vec::new();
            for at in 0..2 {
                self.hubs[at].handle_timeout(self.now);
                self.hubs[at].settle(self.now);
                while let Some(output) = self.hubs[at].poll_output() {
                    match output {
                        Output::Cluster(ask) => asks.push((at, ask)),
                        Output::Deliver { event, .. } => self.told[at].push(event),
                        Output::Notice(_) => {}
                    }
                }
            }
            if asks.is_empty() {
                return;
            }
            for (at, ask) in asks {
                if self.up[at] {
                    self.carry_out(at, ask);
                }
            }
        }
    }

    fn hear(&mut self, at: usize, heard: Heard) {
        self.hubs[at].handle(self.now, Input::Cluster(heard));
    }

    fn write(&mut self, at: usize, room: RoomId, (stamp, tag): (Stamp, Tag), what: Written) {
        let before = self.tag.insert(room.clone(), tag);
        self.marks.entry(room.clone()).or_default().insert(NODES[at], stamp);
        let news = News { before, tag, node: NODES[at], stamp, what };
        self.hear(at, Heard::Written { room: room.clone(), stamp, outcome: Outcome::Done });
        for to in 0..2 {
            if self.subscribed.contains(&(room.clone(), to)) {
                self.hear(to, Heard::News { room: room.clone(), news: news.clone() });
            }
        }
    }

    fn carry_out(&mut self, at: usize, ask: Ask) {
        match ask {
            Ask::Apply { room, stamp, tag, changes } => {
                let section = self.sections.entry((room.clone(), NODES[at])).or_default();
                for change in &changes {
                    match change {
                        SectionChange::Put(entry) => section.insert(entry.session, change.clone()),
                        SectionChange::Remove(session, _) => section.remove(session),
                    };
                }
                self.write(at, room, (stamp, tag), Written::Changes(changes));
            }
            Ask::Sync { room, stamp, tag, section } => {
                let entries = section.entries.iter().map(|entry| (entry.session, SectionChange::Put(entry.clone())));
                self.sections.insert((room.clone(), NODES[at]), entries.collect());
                self.write(at, room, (stamp, tag), Written::Whole(section));
            }
            Ask::Snapshot { room, generation, .. } => {
                let marks = self.marks.get(&room).cloned().unwrap_or_default();
                let section = |(node, stamp): (NodeId, Stamp)| {
                    let section = self.sections.get(&(room.clone(), node)).cloned().unwrap_or_default();
                    let entries = section.into_values().filter_map(|change| match change {
                        SectionChange::Put(entry) => Some(entry),
                        SectionChange::Remove(..) => None,
                    });
                    (node, Held::Live(stamp), Some(entries.collect()))
                };
                let (tag, fence) = (self.tag.get(&room).copied(), self.fence);
                let snapshot = Snapshot { tag, sections: marks.into_iter().map(section).collect(), fence };
                self.hear(at, Heard::Snapshot { room, generation, snapshot: Some(snapshot) });
            }
            Ask::Audit { rooms } => {
                for room in rooms {
                    let own = self.marks.get(&room).and_then(|marks| marks.get(&NODES[at])).copied().map(Held::Live);
                    let tag = self.tag.get(&room).copied();
                    self.hear(at, Heard::Audited { room, tag, own });
                }
            }
            Ask::Subscribe { room, generation } => {
                self.subscribed.insert((room.clone(), at));
                self.hear(at, Heard::Subscribed { room, generation });
            }
            Ask::Unsubscribe { room } => {
                self.subscribed.remove(&(room, at));
            }
            Ask::Publish { room, passing } => {
                for to in 0..2 {
                    if self.subscribed.contains(&(room.clone(), to)) {
                        let passing = passing.clone();
                        self.hear(to, Heard::Passing { room: room.clone(), from: NODES[at], passing });
                    }
                }
            }
            Ask::TakeLock { room, name, session, floor } => {
                let decision = match self.locks.get(&name) {
                    Some((held, fence)) if *held != session => LockDecision::Taken(*fence),
                    Some((_, fence)) => LockDecision::Granted(*fence),
                    None => {
                        self.fence = self.fence.max(floor) + 1;
                        self.locks.insert(name.clone(), (session, self.fence));
                        LockDecision::Granted(self.fence)
                    }
                };
                self.hear(at, Heard::Lock { room, name, session, decision });
            }
            Ask::FreeLock { name, session, .. } => {
                if self.locks.get(&name).is_some_and(|(held, _)| *held == session) {
                    self.locks.remove(&name);
                }
            }
            Ask::Index { .. } | Ask::Reap { .. } | Ask::Fenced { .. } | Ask::Noticed { .. } => {}
        }
    }
}

fn room() -> RoomId {
    RoomId::parse("board-1").expect("a name")
}

fn user(who: u64) -> UserId {
    UserId::parse(&format!("u{who}")).expect("a letter and digits")
}

fn profile(who: u64) -> Arc<Profile> {
    Arc::new(Profile { user: user(who), name: format!("User {who}").into(), avatar: None })
}

fn users(hub: &Hub) -> Vec<UserId> {
    let roster = hub.roster(&room()).expect("somebody is in the room");
    let mut users: Vec<UserId> = roster.viewers().map(|viewer| viewer.profile.user.clone()).collect();
    users.sort();
    users
}

#[test]
fn t_59_users_of_two_nodes_see_each_other_in_the_first_roster_and_in_diffs() {
    let mut pair = Pair::new();
    pair.come(0, ANN);
    pair.come(1, BOB);
    for hub in &pair.hubs {
        assert_eq!(users(hub), [user(ANN), user(BOB)]);
    }
    // Who comes second is told of both at once, and not that the first has joined.
    let rosters: Vec<usize> = pair.told[1]
        .iter()
        .filter_map(|event| if let Event::Roster { view, .. } = event { Some(view.viewers.len()) } else { None })
        .collect();
    assert_eq!(rosters, [2]);
    assert!(!pair.told[1].iter().any(|event| matches!(event, Event::Diff { .. })));
    let joined = pair.told[0].iter().any(|event| {
        matches!(event, Event::Diff { view, .. } if view.joined.iter().any(|viewer| viewer.profile.user == user(BOB)))
    });
    assert!(joined);
}

#[test]
fn who_leaves_at_one_node_is_told_to_have_left_at_the_other_with_the_reason() {
    let mut pair = Pair::with_both();
    pair.say(1, Input::Detached { session: SessionId(BOB), how: Ending::TimedOut });
    let left = pair.told[0].iter().find_map(|event| match event {
        Event::Diff { view, .. } => view.left.first().cloned(),
        _ => None,
    });
    assert_eq!(left, Some((user(BOB), Reason::TimedOut)));
    assert_eq!(users(&pair.hubs[0]), [user(ANN)]);
}

#[test]
fn a_user_who_moves_from_node_to_node_within_grace_is_no_news() {
    let mut pair = Pair::with_both();
    pair.say(1, Input::Detached { session: SessionId(BOB), how: Ending::Closed });
    let (session, connection) = (SessionId(22), ConnectionKey(22));
    pair.say(0, Input::Attached { session, profile: profile(BOB), connection });
    let (interest, state, since) = (Interest::Auto, None, None);
    pair.ask(0, 22, Command::Join { room: room(), interest, observe: false, state, since, sessions: false });
    pair.wait(8_000);
    let news = pair.told[0]
        .iter()
        .any(|event| matches!(event, Event::Diff { view, .. } if !view.left.is_empty() || !view.joined.is_empty()));
    assert!(!news, "{:?}", pair.told[0]);
    assert_eq!(users(&pair.hubs[1]), [user(ANN), user(BOB)]);
}

#[test]
fn typing_is_told_at_the_other_node_and_ends_by_itself() {
    let mut pair = Pair::with_both();
    pair.ask(0, ANN, Command::StartTyping { room: room(), target: None });
    let typing = |pair: &Pair| {
        let told = pair.told[1].iter().filter_map(|event| match event {
            Event::Typing { profile, on, .. } => Some((profile.user.clone(), *on)),
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    assert_eq!(typing(&pair), [(user(ANN), true)]);
    pair.wait(6_100);
    assert_eq!(typing(&pair), [(user(ANN), true), (user(ANN), false)]);
    pair.ask(0, ANN, Command::StartTyping { room: room(), target: None });
    pair.ask(0, ANN, Command::StopTyping { room: room(), target: None });
    assert_eq!(typing(&pair).len(), 4);
}

#[test]
fn messages_and_pointers_reach_who_is_at_the_other_node_once() {
    let mut pair = Pair::with_both();
    let message = Message { event: "wave".into(), data: "1".into(), to: None, echo: true };
    pair.ask(0, ANN, Command::Send { room: room(), message });
    for told in &pair.told {
        assert_eq!(told.iter().filter(|event| matches!(event, Event::Message { .. })).count(), 1);
    }
    pair.ask(0, ANN, Command::Point { room: room(), point: Some(Point { x: 1, y: 2, on: None }) });
    pair.wait(200);
    let seen: Vec<_> = pair.told[1]
        .iter()
        .filter_map(|event| if let Event::Cursors { at, .. } = event { Some(at.clone()) } else { None })
        .collect();
    assert_eq!(seen, [[(SessionId(ANN), Some(Point { x: 1, y: 2, on: None }))]]);
    pair.say(0, Input::Detached { session: SessionId(ANN), how: Ending::Left });
    pair.wait(200);
    let hidden = |event: &Event| matches!(event, Event::Cursors { at, .. } if *at == [(SessionId(ANN), None)]);
    assert!(pair.told[1].iter().any(hidden));
}

#[test]
fn who_is_kicked_at_one_node_is_out_at_all_and_stays_out() {
    let mut pair = Pair::with_both();
    let (reason, block) = (Reason::Kicked, Some(Duration::from_secs(60)));
    pair.say(0, Input::Evicted { room: room(), whom: Evictee::User(user(BOB)), reason, block });
    assert!(pair.told[1].iter().any(|event| matches!(event, Event::Removed { .. })));
    assert_eq!(users(&pair.hubs[0]), [user(ANN)]);
    pair.forget();
    pair.come(1, BOB);
    assert!(pair.told[1].iter().any(|event| matches!(event, Event::Refused { refusal: Refusal::Blocked { .. }, .. })));
}

#[test]
fn who_is_put_out_here_alone_stays_where_they_are_on_other_nodes() {
    let mut pair = Pair::with_both();
    let tab = 9;
    pair.say(0, Input::Attached { session: SessionId(tab), profile: profile(BOB), connection: ConnectionKey(9) });
    let (interest, state, since) = (Interest::Auto, None, None);
    pair.ask(0, tab, Command::Join { room: room(), interest, observe: false, state, since, sessions: true });
    pair.wait(50);
    let evict = |whom| Input::Evicted { room: room(), whom, reason: Reason::Kicked, block: None };
    pair.say(0, evict(Evictee::UserHere(user(BOB))));
    assert!(pair.told[0].iter().any(|event| matches!(event, Event::Removed { .. })));
    pair.wait(500);
    assert!(!pair.told[1].iter().any(|event| matches!(event, Event::Removed { .. })));
    for hub in &pair.hubs {
        assert_eq!(users(hub), [user(ANN), user(BOB)]);
    }
    pair.say(0, evict(Evictee::User(user(BOB))));
    pair.wait(500);
    for hub in &pair.hubs {
        assert_eq!(users(hub), [user(ANN)]);
    }
}

#[test]
fn a_lock_has_one_holder_on_all_nodes_and_passes_on_under_a_higher_number() {
    let mut pair = Pair::with_both();
    let name = LockName::parse("card").unwrap();
    let lock = |wait| Command::Lock { room: room(), name: LockName::parse("card").unwrap(), wait };
    let answers = |pair: &Pair, at: usize| {
        let told = pair.told[at].iter().filter_map(|event| match event {
            Event::LockAnswer { held, fence, .. } => Some((*held, *fence)),
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    pair.ask(0, ANN, lock(false));
    pair.ask(1, BOB, lock(true));
    let first = answers(&pair, 0)[0];
    assert!(first.0);
    assert_eq!(answers(&pair, 1), [(false, first.1)]);
    pair.ask(0, ANN, Command::Unlock { room: room(), name });
    pair.wait(500);
    for told in &pair.told {
        let last = told.iter().rev().find_map(|event| match event {
            Event::Lock { lock, .. } => lock.holder.as_ref().map(|(_, session)| (*session, lock.fence)),
            _ => None,
        });
        assert!(last.is_some_and(|(session, fence)| session == SessionId(BOB) && fence > first.1), "{last:?}");
    }
}

#[test]
fn without_the_store_nobody_is_given_a_lock_and_the_view_is_said_to_be_old() {
    let mut pair = Pair::with_both();
    pair.up = [false, true];
    pair.say(0, Input::Cluster(Heard::Store(false)));
    let name = LockName::parse("card").unwrap();
    pair.ask(0, ANN, Command::Lock { room: room(), name, wait: false });
    let unavailable = |event: &Event| matches!(event, Event::Refused { refusal: Refusal::LockUnavailable, .. });
    assert!(pair.told[0].iter().any(unavailable), "{:?}", pair.told[0]);
    let stale = |pair: &Pair| {
        let told = pair.told[0].iter().filter_map(|event| match event {
            Event::Stale { since, .. } => Some(since.is_some()),
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    pair.wait(3_000);
    assert_eq!(stale(&pair), [true]);
    assert_eq!(users(&pair.hubs[0]), [user(ANN), user(BOB)], "nobody is said to have left");
    pair.up = [true; 2];
    pair.say(0, Input::Cluster(Heard::Store(true)));
    pair.wait(100);
    assert_eq!(stale(&pair), [true, false]);
}

#[test]
fn green_dots_are_those_of_all_nodes() {
    let mut pair = Pair::with_both();
    let home = |news| Input::Home { user: user(BOB), session: SessionId(BOB), news };
    pair.say(1, home(HomeNews::Arrived(Status::Active)));
    pair.ask(0, ANN, Command::Watch { users: vec![user(BOB)] });
    let dots = |pair: &Pair| {
        let told = pair.told[0].iter().filter_map(|event| match event {
            Event::Statuses(dots) => Some(dots[0].status),
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    pair.wait(100);
    assert_eq!(dots(&pair).last(), Some(&Some(Status::Active)));
    pair.say(1, home(HomeNews::Status(Status::Idle)));
    pair.wait(100);
    assert_eq!(dots(&pair).last(), Some(&Some(Status::Idle)));
    pair.say(1, home(HomeNews::Departed(Ending::Left)));
    pair.wait(100);
    assert_eq!(dots(&pair).last(), Some(&None));
}
