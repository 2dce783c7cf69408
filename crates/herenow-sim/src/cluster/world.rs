//! The cluster in motion: nodes take turns, asks and answers travel, the store does as it is asked.
use crate::{
    cluster::{
        net::{Agenda, Happening, Link},
        node::{Client, Node},
        store::{Store, Write},
        wrong::Wrong,
    },
    rng::Rng,
};
use herenow_core::{
    cluster::{
        door::{Ask, Heard, LockDecision, News, NodeId, Outcome, Stamp, Tag},
        signs::{RegistryAsk, RegistryHeard, RegistrySays, Sign},
        timing::Timing,
    },
    command::{Ending, HomeNews, Input},
    event::Output,
    id::RoomId,
    time::Time,
};
use std::collections::{BTreeMap, BTreeSet};

/// Nodes, clients and the store between them.
#[derive(Debug)]
pub struct World {
    pub(super) now: u64,
    pub(super) rng: Rng,
    pub(super) wrong: Option<Wrong>,
    pub(super) timing: Timing,
    pub(super) nodes: Vec<Node>,
    pub(super) clients: Vec<Client>,
    pub(super) rooms: Vec<RoomId>,
    pub(super) store: Store,
    /// What a restart of the store, or a replica that takes over, brings back.
    pub(super) saved: Store,
    pub(super) away_until: u64,
    /// Who hears which room: node, and life of its subscriptions.
    pub(super) subscribers: BTreeMap<RoomId, BTreeSet<(usize, u64)>>,
    pub(super) agenda: Agenda,
    /// How slow the store is, in milliseconds.
    pub(super) slow: u64,
    pub(super) swallow: u32,
    pub(super) lose_answers: u32,
    pub(super) crashed_at: u64,
    /// When the store last went back to what it was.
    pub(super) rolled_at: u64,
    /// When news were last lost on their way, or the store was last slow.
    pub(super) missed_at: u64,
    /// When it last lost the signs of life.
    pub(super) signs_lost_at: u64,
    /// When the store was away.
    pub(super) away_spans: Vec<(u64, u64)>,
    pub(super) watchers: u32,
    /// Edges that observers were told.
    pub(super) told: u64,
    pub(super) events: u64,
    pub(super) trace: Option<Vec<String>>,
    /// What a node of a wrong world believes of each room: the last write it heard of, and the last of its own.
    pub(super) beliefs: BTreeMap<(usize, RoomId), (Option<Tag>, Option<Stamp>)>,
    pub(super) signs: BTreeMap<usize, Vec<(NodeId, Sign)>>,
    pub(super) is_calm: bool,
}

impl World {
    pub(super) const fn time(&self) -> Time {
        Time::from_millis(START_MS + self.now)
    }

    pub(super) fn say(&mut self, line: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{now:>7} {}", line()));
        }
    }

    /// Lets happen what happens by `until`.
    pub(super) fn run(&mut self, until: u64) -> Result<(), String> {
        while let Some((at, happening)) = self.agenda.next(until) {
            self.now = at;
            self.events += 1;
            self.happen(happening)?;
        }
        self.now = until;
        Ok(())
    }

    fn happen(&mut self, happening: Happening) -> Result<(), String> {
        match happening {
            Happening::Turn(node) => return self.turn(node),
            Happening::Arrive { node, connection, number, ask, late } => {
                self.arrive(node, (connection, number), ask, late);
            }
            Happening::Answer { node, connection, number, heard } => {
                let link = &mut self.nodes[node].link;
                if link.connection == connection && link.open.remove(&number).is_some() {
                    for heard in heard {
                        if let Heard::Written { room, outcome: Outcome::Done, .. } = &heard {
                            self.nodes[node].acknowledged.insert(room.clone(), self.now);
                        }
                        self.tell(node, heard);
                    }
                }
            }
            Happening::TimeOver { node, connection, number } => {
                let link = &self.nodes[node].link;
                if link.connection == connection && link.open.contains_key(&number) {
                    self.reconnect(node);
                }
            }
            Happening::Sign { node, life, number, ask } => return self.sign(node, (life, number), ask),
            Happening::Signed { node, life, number, heard } => self.signed(node, (life, number), heard),
            Happening::SignOver { node, life, number } => {
                let open = self.nodes[node].link.open_signs.remove(&number).filter(|_| life == self.nodes[node].id.0);
                if let Some(ask) = open {
                    let heard = match ask {
                        RegistryAsk::Claim { node, .. } => RegistryHeard::Claimed { node, done: None },
                        RegistryAsk::Renew { .. } => self.failed_renewal(node),
                    };
                    self.registry(node, heard);
                }
            }
            Happening::Told { node, subscriptions, heard } => {
                if self.nodes[node].is_up && self.nodes[node].link.subscriptions == subscriptions {
                    self.believe(node, &heard);
                    self.tell(node, heard);
                }
            }
            Happening::Revalidated { node, life } => self.revalidated(node, life),
            Happening::Pinged { client } => self.end_unseen(client),
            Happening::Mend(mend) => self.mend(mend),
        }
        Ok(())
    }

    /// Hands something to a node's hub, at its next turn.
    pub(super) fn tell(&mut self, node: usize, heard: Heard) {
        if let Some(heard) = self.bend(node, heard) {
            self.input(node, Input::Cluster(heard));
        }
    }

    pub(super) fn input(&mut self, node: usize, input: Input) {
        self.nodes[node].link.inbox.push_back(input);
        let wait = self.rng.below(3);
        self.wake(node, self.now + wait);
    }

    /// Has a node take a turn by `at`.
    pub(super) fn wake(&mut self, node: usize, at: u64) {
        let at = at.max(self.now).max(self.nodes[node].paused_until);
        let link = &mut self.nodes[node].link;
        if link.turn_at.is_none_or(|turn| at < turn) {
            link.turn_at = Some(at);
            self.agenda.set(at, Happening::Turn(node));
        }
    }

    pub(super) fn registry(&mut self, node: usize, heard: RegistryHeard) {
        let now = self.time();
        if self.nodes[node].is_up {
            self.nodes[node].registry.handle(now, heard);
            self.wake(node, self.now);
        }
    }

    fn turn(&mut self, at: usize) -> Result<(), String> {
        let now = self.time();
        let node = &mut self.nodes[at];
        if node.link.turn_at != Some(self.now) || !node.is_up {
            return Ok(());
        }
        node.link.turn_at = None;
        if self.now < node.paused_until {
            let until = node.paused_until;
            self.wake(at, until);
            return Ok(());
        }
        node.registry.handle(now, RegistryHeard::Ticked);
        node.registry.handle_timeout(now);
        self.registry_says(at);
        let node = &mut self.nodes[at];
        node.hub.handle_timeout(now);
        while let Some(input) = node.link.inbox.pop_front() {
            node.hub.handle(now, input);
        }
        node.hub.settle(now);
        let mut asks = Vec::new();
        let mut edges = Vec::new();
        while let Some(output) = node.hub.poll_output() {
            match output {
                Output::Cluster(ask) => asks.push(ask),
                Output::Notice(_) => {}
                Output::Deliver { to, event } => {
                    for key in node.hub.recipients(&to) {
                        if let Some(watcher) = node.watchers.get_mut(&key) {
                            watcher.hear(&event, &mut edges).map_err(|fault| format!("at node {at}: {fault}"))?;
                        }
                    }
                }
            }
        }
        let next = [node.hub.poll_timeout(), Some(node.registry.poll_timeout())].into_iter().flatten().min();
        let next = next.map_or(1_000, |due| due.as_millis().saturating_sub(START_MS));
        for ask in asks {
            self.ask(at, ask);
        }
        self.registry_says(at);
        self.wake(at, next.max(self.now + 1));
        for edge in edges {
            self.told += 1;
            self.say(|| format!("node {at} tells {edge:?}"));
            self.check_edge(at, &edge)?;
        }
        Ok(())
    }

    fn registry_says(&mut self, at: usize) {
        while let Some(says) = self.nodes[at].registry.poll_output() {
            match says {
                RegistrySays::Tell(heard) => {
                    self.say(|| format!("node {at} hears {heard:?}"));
                    let dropped = match &heard {
                        Heard::Incarnation(_) => self.wrong == Some(Wrong::IncarnationLost),
                        Heard::Dead { .. } => self.wrong == Some(Wrong::DeadNotReaped),
                        _ => false,
                    };
                    if !dropped {
                        // At once: nothing may be written between a fence and its news.
                        let now = self.time();
                        self.nodes[at].hub.handle(now, Input::Cluster(heard));
                        self.wake(at, self.now);
                    }
                }
                RegistrySays::Revalidate => {
                    let (wait, life) = (self.rng.below(3_000), self.nodes[at].id.0);
                    self.agenda.set(self.now + wait, Happening::Revalidated { node: at, life });
                }
                RegistrySays::Ask(ask) => {
                    let life = self.nodes[at].id.0;
                    let delay = self.delay();
                    let link = &mut self.nodes[at].link;
                    link.numbers += 1;
                    let number = link.numbers;
                    link.open_signs.insert(number, ask.clone());
                    self.agenda.set(self.now + delay, Happening::Sign { node: at, life, number, ask });
                    self.agenda.set(self.now + TIME_OVER_MS, Happening::SignOver { node: at, life, number });
                }
            }
        }
    }

    fn revalidated(&mut self, node: usize, life: u64) {
        if self.nodes[node].id.0 != life || !self.nodes[node].is_up {
            return;
        }
        self.nodes[node].validated_at = self.now;
        if self.wrong != Some(Wrong::NoRevalidation) {
            let gone = self.clients.iter().enumerate();
            let gone = gone.filter(|(_, client)| client.node == node && !client.is_open && client.is_believed);
            let gone: Vec<usize> = gone.map(|(at, _)| at).collect();
            for client in gone {
                self.end_unseen(client);
            }
        }
        // What the sockets have comes before.
        let now = self.time();
        while let Some(input) = self.nodes[node].link.inbox.pop_front() {
            self.nodes[node].hub.handle(now, input);
        }
        self.registry(node, RegistryHeard::Revalidated);
    }

    fn end_unseen(&mut self, at: usize) {
        let client = &mut self.clients[at];
        if client.is_believed && !client.is_open {
            client.is_believed = false;
            let (node, session, user) = (client.node, client.session, client.user);
            client.grace_until = self.now;
            self.input(node, Input::Detached { session, how: Ending::TimedOut });
            self.home(node, user, session, HomeNews::Departed(Ending::TimedOut));
        }
    }

    pub(super) fn delay(&mut self) -> u64 {
        let usual = self.rng.below(4);
        usual + self.rng.below(self.slow + 1)
    }

    fn ask(&mut self, at: usize, ask: Ask) {
        match ask {
            Ask::Fenced { inc } => return self.registry(at, RegistryHeard::Fenced { inc }),
            Ask::Noticed { node, inc } => {
                if self.wrong != Some(Wrong::NoSweeper) {
                    self.registry(at, RegistryHeard::Noticed { node, inc });
                }
                return;
            }
            _ => {}
        }
        self.say(|| format!("node {at} asks {ask:?}"));
        let delay = self.delay();
        let (is_cut, late) = (self.now < self.nodes[at].link.cut_until, self.rng.percent(50));
        let late_by = self.rng.between(3_000, 20_000);
        let link = &mut self.nodes[at].link;
        link.numbers += 1;
        let (number, connection) = (link.numbers, link.connection);
        let is_answered =
            !matches!(ask, Ask::Reap { .. } | Ask::Publish { .. } | Ask::Unsubscribe { .. } | Ask::FreeLock { .. });
        if is_answered {
            link.open.insert(number, ask.clone());
            self.agenda.set(self.now + TIME_OVER_MS, Happening::TimeOver { node: at, connection, number });
        }
        if !is_cut {
            let link = &mut self.nodes[at].link;
            link.there_at = link.there_at.max(self.now + delay);
            let arrives = link.there_at;
            self.agenda.set(arrives, Happening::Arrive { node: at, connection, number, ask, late: false });
        } else if late && matches!(ask, Ask::Apply { .. } | Ask::Sync { .. } | Ask::Reap { .. }) {
            // It was in a buffer somewhere when the way broke.
            self.agenda.set(self.now + late_by, Happening::Arrive { node: at, connection, number, ask, late: true });
        }
    }

    fn arrive(&mut self, at: usize, (connection, number): (u64, u64), ask: Ask, late: bool) {
        let node = self.nodes[at].id;
        if self.now < self.away_until || (self.now < self.nodes[at].link.cut_until && !late) {
            return;
        }
        let heard = match ask {
            Ask::Apply { room, stamp, tag, changes } => {
                let (outcome, news) = self.store.apply(Write { room: &room, node, stamp, tag }, &changes);
                self.publish(&room, news);
                vec![Heard::Written { room, stamp, outcome }]
            }
            Ask::Sync { room, stamp, tag, section } => {
                let (outcome, news) = self.store.sync(Write { room: &room, node, stamp, tag }, &section);
                self.publish(&room, news);
                vec![Heard::Written { room, stamp, outcome }]
            }
            Ask::Snapshot { room, generation, known } => {
                let snapshot = Some(self.bend_snapshot(self.store.snapshot(&room, &known), &known));
                vec![Heard::Snapshot { room, generation, snapshot }]
            }
            Ask::Audit { rooms } => {
                let audited = |room: RoomId| {
                    let (tag, own) = self.store.audit(&room, node);
                    Heard::Audited { room, tag, own }
                };
                rooms.into_iter().map(audited).collect()
            }
            Ask::Index { node, inc } => {
                let rooms = if self.wrong == Some(Wrong::NoIndex) { Vec::new() } else { self.store.index(node) };
                vec![Heard::Index { node, inc, rooms }]
            }
            Ask::Reap { room, node, inc, tag } => {
                let news = self.store.reap(Write { room: &room, node, stamp: Stamp { inc, seq: 0 }, tag });
                self.publish(&room, news);
                return;
            }
            Ask::Subscribe { room, generation } => {
                let life = self.nodes[at].link.subscriptions;
                self.subscribers.entry(room.clone()).or_default().insert((at, life));
                self.nodes[at].link.open.remove(&number);
                return self.by_subscription(at, life, Heard::Subscribed { room, generation });
            }
            Ask::Unsubscribe { room } => {
                let life = self.nodes[at].link.subscriptions;
                if let Some(subscribers) = self.subscribers.get_mut(&room) {
                    subscribers.remove(&(at, life));
                }
                return;
            }
            Ask::TakeLock { room, name, session, floor } => {
                let decision = self.store.take_lock(&room, &name, (node, session), floor);
                vec![Heard::Lock { room, name, session, decision }]
            }
            Ask::FreeLock { room, name, session, fence } => {
                return self.store.free_lock(&room, &name, (node, session), fence);
            }
            Ask::Publish { room, passing } => {
                let to: Vec<(usize, u64)> = self.subscribers.get(&room).into_iter().flatten().copied().collect();
                for (to, life) in to {
                    let heard = Heard::Passing { room: room.clone(), from: node, passing: passing.clone() };
                    self.by_subscription(to, life, heard);
                }
                return;
            }
            Ask::Fenced { .. } | Ask::Noticed { .. } => return,
        };
        if self.lose_answers > 0 {
            self.lose_answers -= 1;
            return self.say(|| format!("the answer {heard:?} to node {at} is lost"));
        }
        let delay = self.delay();
        let link = &mut self.nodes[at].link;
        link.back_at = link.back_at.max(self.now + delay);
        let arrives = link.back_at;
        self.agenda.set(arrives, Happening::Answer { node: at, connection, number, heard });
    }

    fn publish(&mut self, room: &RoomId, news: Option<News>) {
        let Some(news) = news else { return };
        let to: Vec<(usize, u64)> = self.subscribers.get(room).into_iter().flatten().copied().collect();
        for (to, life) in to {
            if self.swallow > 0 {
                self.swallow -= 1;
                self.missed_at = self.now;
                self.say(|| format!("news {:?} to node {to} are lost", news.tag));
                continue;
            }
            self.by_subscription(to, life, Heard::News { room: room.clone(), news: news.clone() });
        }
    }

    fn by_subscription(&mut self, to: usize, life: u64, heard: Heard) {
        if self.now < self.nodes[to].link.cut_until {
            return;
        }
        let delay = self.delay();
        let link = &mut self.nodes[to].link;
        link.news_at = link.news_at.max(self.now + delay);
        let arrives = link.news_at;
        self.agenda.set(arrives, Happening::Told { node: to, subscriptions: life, heard });
    }

    /// A connection breaks: nobody knows what became of what was asked over it, and nothing more is heard.
    pub(super) fn reconnect(&mut self, at: usize) {
        let link = &mut self.nodes[at].link;
        link.connection += 1;
        link.subscriptions += 1;
        let open = std::mem::take(&mut link.open);
        for ask in open.into_values() {
            match ask {
                Ask::Apply { room, stamp, .. } | Ask::Sync { room, stamp, .. } => {
                    self.tell(at, Heard::Written { room, stamp, outcome: Outcome::Unknown });
                }
                Ask::Snapshot { room, generation, .. } => {
                    self.tell(at, Heard::Snapshot { room, generation, snapshot: None });
                }
                Ask::Audit { rooms } => {
                    for room in rooms {
                        self.tell(at, Heard::AuditFailed { room });
                    }
                }
                Ask::TakeLock { room, name, session, .. } => {
                    self.tell(at, Heard::Lock { room, name, session, decision: LockDecision::Unknown });
                }
                _ => {}
            }
        }
        self.tell(at, Heard::Unsubscribed { room: None });
    }
}

impl Link {
    /// Forgets what a node knew that is not any more.
    pub(super) fn end(&mut self) {
        self.connection += 1;
        self.subscriptions += 1;
        self.open.clear();
        self.open_signs.clear();
        self.inbox.clear();
        self.turn_at = None;
    }
}

/// When the clock of a run begins.
pub(super) const START_MS: u64 = 1_000_000;
/// When a driver gives an answer up.
const TIME_OVER_MS: u64 = 1_000;
