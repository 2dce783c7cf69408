//! A run: users, their tabs, a network and a node, moved on by a seed.
use crate::{
    client::{Doubt, Numbers, Pending, Surroundings, Tab},
    mutation::Mutation,
    net::{Frame, Happening, Net, Request},
    node::{Node, Opening},
    partition::Pull,
    rng::Rng,
    show::{kind, show},
    small,
    tamper::Tamper,
    told::Told,
    view::Fault,
};
use herenow_core::{
    command::{Command, Ending},
    event::Event,
    id::{ConnectionKey, RoomId, SessionId, UserId},
    limits::Limits,
    profile::Profile,
    time::Time,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    sync::Arc,
    time::Duration,
};

/// One world.
#[derive(Debug)]
pub struct World {
    pub(crate) rng: Rng,
    pub(crate) now_ms: u64,
    pub(crate) net: Net,
    pub(crate) node: Node,
    pub(crate) tabs: Vec<Tab>,
    pub(crate) links: BTreeMap<u32, Link>,
    pub(crate) rooms: Vec<RoomId>,
    pub(crate) numbers: Numbers,
    pub(crate) tamper: Tamper,
    pub(crate) limits: Limits,
    /// Some do not read for a while.
    pub(crate) slow: bool,
    /// Nobody does anything new.
    pub(crate) calm: bool,
    pub(crate) messages: u64,
    /// What was kept of the course.
    pub trace: Trace,
    /// What happened so far: inputs and frames.
    pub events: u64,
    /// How often each kind of event was said to somebody.
    pub said: BTreeMap<&'static str, u64>,
    /// When a roster changed last, at the node or at a client.
    pub(crate) changed_ms: u64,
    lives: u64,
}

/// A connection as the network has it.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) tab: usize,
    up_ms: u64,
    down_ms: u64,
    /// The client holds it to be open.
    pub(crate) open: bool,
    /// Nothing gets through any more, in either direction.
    pub(crate) broken: bool,
    /// Until when its client does not read, so that what can be missed is not said.
    choked_until_ms: u64,
    /// Whether something was not said that could be missed.
    missed: bool,
}

/// What is kept of a run's course.
#[derive(Clone, Debug)]
pub enum Trace {
    /// Nothing: fastest.
    Off,
    /// A hash of all lines.
    Hash(u64),
    /// All lines.
    Lines(Vec<String>),
}

/// How a world begins.
#[derive(Clone, Debug)]
pub struct Start {
    /// The seed that all follows from.
    pub seed: u64,
    /// A planted fault.
    pub mutation: Option<Mutation>,
    /// What to keep of the course.
    pub trace: Trace,
}

impl Trace {
    /// A hash of nothing yet.
    pub const HASH: Self = Self::Hash(0xcbf2_9ce4_8422_2325);
}

impl World {
    /// The world of a seed.
    pub fn new(start: Start) -> Self {
        let Start { seed, mutation, trace } = start;
        let mut rng = Rng::new(seed);
        let limits = small::limits(&mut rng);
        let tamper = Tamper::new(mutation, seed);
        // A few are large enough that rosters are spread over parts when a crowd ends.
        let users = if rng.percent(10) { rng.between(7, 14) } else { rng.between(2, 6) };
        let mut tabs = Vec::new();
        for user in 0..users {
            let user = UserId::parse(&format!("user-{user}")).expect("short and without control characters");
            tabs.extend((0..rng.between(1, 4)).map(|_| Tab::new(user.clone())));
        }
        let rooms = rng.between(1, 6);
        let room = |number| RoomId::parse(&format!("board-{number}")).expect("short and without control characters");
        let slow = rng.percent(40);
        Self {
            node: Node::new(1, &[limits.clone(), tamper.limits(&limits)], None),
            rng,
            now_ms: 1_700_000_000_000,
            net: Net::default(),
            tabs,
            links: BTreeMap::new(),
            rooms: (1..=rooms).map(room).collect(),
            numbers: Numbers::default(),
            tamper,
            limits,
            slow,
            calm: false,
            messages: 0,
            trace,
            events: 0,
            said: BTreeMap::new(),
            changed_ms: 0,
            lives: 1,
        }
    }

    /// Does something, and lets time pass.
    ///
    /// # Errors
    /// What does not hold.
    pub fn step(&mut self) -> Result<(), Fault> {
        for _ in 0..self.rng.between(1, 3) {
            self.act();
        }
        let span_ms = match self.rng.below(100) {
            0..60 => self.rng.below(30),
            60..85 => self.rng.between(30, 1_000),
            85..95 => self.rng.between(1_000, 6_000),
            95..99 => self.rng.between(6_000, 15_000),
            _ => self.rng.between(15_000, 60_000),
        };
        self.advance(self.now_ms + span_ms)
    }

    /// Lets time pass until `until_ms`: what is under way arrives, and hubs take their turns.
    pub(crate) fn advance(&mut self, until_ms: u64) -> Result<(), Fault> {
        while let Some(next_ms) = self.next_ms().filter(|next_ms| *next_ms <= until_ms) {
            // A turn takes in what came until it began; now and then the shard was busy for long.
            let slack_ms = if self.rng.percent(3) { self.rng.below(300) } else { self.rng.below(8) };
            self.now_ms = self.now_ms.max(next_ms) + slack_ms;
            while let Some(happening) = self.net.receive(self.now_ms) {
                self.happen(happening)?;
            }
            for at in 0..self.node.partitions.len() {
                self.turn(at)?;
            }
        }
        self.now_ms = self.now_ms.max(until_ms);
        Ok(())
    }

    fn next_ms(&self) -> Option<u64> {
        let partitions = self.node.partitions.iter();
        let due = partitions.filter_map(|partition| {
            let waiting = (!partition.inbox.is_empty()).then_some(self.now_ms + 1);
            partition.due().map(Time::as_millis).into_iter().chain(waiting).min()
        });
        due.chain(self.net.next_ms()).min()
    }

    fn turn(&mut self, at: usize) -> Result<(), Fault> {
        let now = Time::from_millis(self.now_ms);
        let Some(partition) = self.node.partitions.get_mut(at) else { return Ok(()) };
        let waiting = partition.inbox.len();
        let due = partition.due().is_some_and(|due| due <= now);
        // Shards do not run in step.
        if (waiting == 0 && !due) || self.rng.percent(20) {
            return Ok(());
        }
        let inputs = if self.rng.percent(70) { waiting } else { self.rng.between(1, waiting.max(1) as u64) as usize };
        self.events += inputs.min(waiting) as u64;
        if !matches!(self.trace, Trace::Off) {
            let taken: Vec<String> =
                partition.inbox.iter().take(inputs).map(|input| format!("  {at} takes {input:?}")).collect();
            taken.into_iter().for_each(|line| self.note(|| line));
        }
        let choked = self.links.iter().filter(|(_, link)| link.choked_until_ms > self.now_ms);
        let choked: BTreeSet<ConnectionKey> = choked.map(|(connection, _)| ConnectionKey(*connection)).collect();
        let Some(partition) = self.node.partitions.get_mut(at) else { return Ok(()) };
        let turn = partition.turn(now, Pull { inputs, choked: &choked }, &mut self.tamper)?;
        if turn.changed {
            self.changed_ms = self.now_ms;
        }
        for key in &turn.missed {
            self.note(|| format!("  {} has fallen behind", key.0));
            if let Some(link) = self.links.get_mut(&key.0) {
                link.missed = true;
            }
        }
        for Told { event, to, .. } in turn.told {
            *self.said.entry(kind(&event)).or_default() += to.len() as u64;
            for key in to {
                self.tell(key.0, event.clone());
            }
        }
        Ok(())
    }

    fn tell(&mut self, connection: u32, event: Event) {
        self.note(|| format!("  to {connection}: {}", show(&event)));
        if self.tamper.loses(&event) {
            return;
        }
        self.send_down(connection, Frame::Event(event));
    }

    fn happen(&mut self, happening: Happening) -> Result<(), Fault> {
        self.events += 1;
        let broken = |world: &Self, connection| world.links.get(&connection).is_none_or(|link| link.broken);
        match happening {
            Happening::Open { connection, resume } if !broken(self, connection) => self.open(connection, resume),
            Happening::Up { connection, request } if !broken(self, connection) => {
                let re = request.re.clone();
                if !self.node.ask(connection, request)
                    && let Some(re) = re
                {
                    self.send_down(connection, Frame::Event(Event::Ack { re, sessions: None }));
                }
            }
            Happening::Down { connection, frame } if !broken(self, connection) => return self.hear(connection, &frame),
            Happening::Open { .. } | Happening::Up { .. } | Happening::Down { .. } => {}
            Happening::End { connection, how } => {
                self.note(|| format!("{connection} ends: {how:?}"));
                self.node.end(self.now_ms, connection, how);
            }
            Happening::Seen { connection } => self.see_end(connection),
            Happening::Drained { connection } => {
                let link = self.links.get_mut(&connection).filter(|link| link.choked_until_ms <= self.now_ms);
                if link.is_some_and(|link| std::mem::take(&mut link.missed)) {
                    self.note(|| format!("{connection} reads again"));
                    self.node.catch_up(connection);
                }
            }
            Happening::Unclaimed { user, session, since_ms } => self.node.end_unclaimed(&user, session, since_ms),
            Happening::Wake { tab } => {
                if self.tabs.get(tab).is_some_and(|tab| tab.open && tab.connection.is_none()) {
                    let resumes = self.rng.percent(60);
                    self.connect(tab, resumes);
                }
            }
        }
        Ok(())
    }

    fn open(&mut self, connection: u32, resume: Option<SessionId>) {
        let Some(tab) = self.links.get(&connection).and_then(|link| self.tabs.get(link.tab)) else { return };
        let holder = resume.and_then(|session| self.node.holder(session)).and_then(|old| self.links.get(&old));
        let answers = holder.is_some_and(|link| link.open && !link.broken);
        let name = match self.rng.below(20) {
            0 => format!("{} the second", tab.user),
            _ => tab.user.to_string(),
        };
        let profile = Arc::new(Profile { user: tab.user.clone(), name: name.into(), avatar: None });
        let (fresh, end_replaced) = (SessionId(self.rng.word().max(1)), self.rng.percent(50));
        let forgets = self.tamper.forgets();
        let opening = Opening { connection, profile, resume, fresh, answers, end_replaced, forgets };
        let user = tab.user.clone();
        let session = self.node.open(self.now_ms, opening);
        if session != fresh {
            let unclaimed = Happening::Unclaimed { user, session, since_ms: self.now_ms };
            self.net.send(self.now_ms + CLAIM_MS, unclaimed);
        }
        self.note(|| format!("{connection} opens as {session}, wanted {resume:?}"));
        self.send_down(connection, Frame::Welcome(session));
    }

    fn hear(&mut self, connection: u32, frame: &Frame) -> Result<(), Fault> {
        let Some(at) = self.links.get(&connection).map(|link| link.tab) else { return Ok(()) };
        let Some(tab) = self.tabs.get_mut(at).filter(|tab| tab.connection == Some(connection)) else { return Ok(()) };
        let node = &self.node;
        let partition = |room: &RoomId| node.partitions.get(Node::partition_of(room));
        let heard = tab.hear(frame, &Surroundings { partition: &partition });
        heard.map_err(|what| format!("tab {at} on {connection}: {what}"))?;
        if let Frame::Welcome(session) = frame {
            self.welcomed(at, *session);
        }
        if let Frame::Event(Event::Roster { .. } | Event::Diff { .. } | Event::Step(_) | Event::Count { .. }) = frame {
            self.changed_ms = self.now_ms;
        }
        Ok(())
    }

    fn see_end(&mut self, connection: u32) {
        let Some(link) = self.links.get_mut(&connection) else { return };
        link.open = false;
        let at = link.tab;
        if let Some(tab) = self.tabs.get_mut(at).filter(|tab| tab.connection == Some(connection)) {
            tab.disconnect();
            let wait_ms = self.rng.below(3_000);
            self.net.send(self.now_ms + wait_ms, Happening::Wake { tab: at });
            self.note(|| format!("tab {at} sees the end of {connection}"));
        }
    }

    /// Opens a connection for a tab, which asks for its rooms at once.
    pub(crate) fn connect(&mut self, at: usize, resumes: bool) {
        let connection = u32::try_from(self.links.len() + 1).unwrap_or(u32::MAX);
        let arrives_ms = self.now_ms + self.delay_ms();
        let (choked_until_ms, missed) = (0, false);
        let link = Link { tab: at, up_ms: arrives_ms, down_ms: 0, open: true, broken: false, choked_until_ms, missed };
        self.links.insert(connection, link);
        let Some(tab) = self.tabs.get_mut(at) else { return };
        tab.connection = Some(connection);
        tab.open = true;
        let resume = tab.session.filter(|_| resumes);
        tab.doubt = Doubt { named: resume, said_status: false, said_watches: false, ..tab.doubt };
        let rooms: Vec<RoomId> = tab.seats.keys().cloned().collect();
        self.note(|| format!("tab {at} connects as {connection}"));
        self.net.send(arrives_ms, Happening::Open { connection, resume });
        for room in rooms {
            let since = self.rng.percent(80);
            let Some(tab) = self.tabs.get_mut(at) else { return };
            if let Some(request) = tab.join(&mut self.numbers, &room, since) {
                self.send_up(at, request);
            }
        }
        // Some ask anew whatever comes, as the SDK does.
        if resume.is_none() || self.rng.percent(30) {
            self.watch_all(at);
        }
    }

    /// Asks for something that is only acknowledged or refused; sometimes without a number.
    pub(crate) fn ask(&mut self, at: usize, command: Command) {
        let numbered = self.rng.percent(80);
        let Some(tab) = self.tabs.get_mut(at) else { return };
        let re = numbered.then(|| self.numbers.draw());
        let is_luggage = tab.doubt.note(&command);
        match &re {
            Some(re) if is_luggage => drop(tab.pending.insert(Arc::clone(&re.0), Pending::Luggage)),
            Some(re) => drop(tab.pending.insert(Arc::clone(&re.0), Pending::Other)),
            None => tab.doubt.is_unheard |= is_luggage,
        }
        self.send_up(at, Request { re, command });
    }

    /// A tab's client does not read for a while.
    pub(crate) fn choke(&mut self, at: usize, span_ms: u64) {
        let Some(connection) = self.tabs.get(at).and_then(|tab| tab.connection) else { return };
        let until_ms = self.now_ms + span_ms;
        let Some(link) = self.links.get_mut(&connection) else { return };
        link.choked_until_ms = link.choked_until_ms.max(until_ms);
        // What must be said waits.
        link.down_ms = link.down_ms.max(until_ms);
        self.net.send(until_ms, Happening::Drained { connection });
        self.note(|| format!("{connection} of tab {at} does not read for {span_ms} ms"));
    }

    /// Ends a tab's connection from the client's side.
    pub(crate) fn close(&mut self, at: usize, how: Ending) {
        let delay_ms = self.delay_ms();
        let Some(tab) = self.tabs.get_mut(at) else { return };
        let Some(connection) = tab.connection else { return };
        tab.disconnect();
        if let Some(link) = self.links.get_mut(&connection) {
            link.open = false;
            let arrives_ms = link.up_ms.max(self.now_ms + delay_ms);
            self.net.send(arrives_ms, Happening::End { connection, how });
        }
        self.note(|| format!("tab {at} closes {connection}: {how:?}"));
    }

    /// Breaks a tab's connection; node and client learn of it in their own time.
    pub(crate) fn cut(&mut self, at: usize, how: Ending, node_ms: u64, client_ms: u64) {
        let Some(connection) = self.tabs.get(at).and_then(|tab| tab.connection) else { return };
        if let Some(link) = self.links.get_mut(&connection).filter(|link| !link.broken) {
            link.broken = true;
            self.net.send(self.now_ms + node_ms, Happening::End { connection, how });
            self.net.send(self.now_ms + client_ms, Happening::Seen { connection });
            self.note(|| format!("{connection} of tab {at} breaks: {how:?}"));
        }
    }

    /// Ends a connection from the node's side, where the node has it.
    pub(crate) fn hang_up(&mut self, connection: u32, how: Ending) {
        if !self.node.connections.contains_key(&connection) {
            return;
        }
        self.note(|| format!("the node ends {connection}: {how:?}"));
        self.node.end(self.now_ms, connection, how);
        let delay_ms = self.delay_ms();
        if let Some(link) = self.links.get(&connection) {
            self.net.send(link.down_ms.max(self.now_ms + delay_ms), Happening::Seen { connection });
        }
    }

    /// The node dies and starts anew, with nothing.
    pub(crate) fn restart(&mut self) {
        self.lives += 1;
        self.note(|| "the node starts anew".into());
        // A process takes its time to start.
        self.now_ms += 100;
        let limits = [self.limits.clone(), self.tamper.limits(&self.limits)];
        self.node = Node::new(self.lives, &limits, Some(&self.node));
        let open: Vec<u32> = self.links.iter().filter(|(_, link)| link.open).map(|(id, _)| *id).collect();
        for link in self.links.values_mut() {
            link.broken = true;
        }
        for connection in open {
            let delay_ms = self.rng.below(5_000);
            self.net.send(self.now_ms + delay_ms, Happening::Seen { connection });
        }
    }

    /// Sends a request on a tab's connection; order is kept.
    pub(crate) fn send_up(&mut self, at: usize, request: Request) {
        let delay_ms = self.delay_ms();
        let Some(connection) = self.tabs.get(at).and_then(|tab| tab.connection) else { return };
        self.note(|| format!("tab {at} on {connection} asks {:?} {:?}", request.re, request.command));
        if let Some(link) = self.links.get_mut(&connection) {
            link.up_ms = link.up_ms.max(self.now_ms + delay_ms);
            self.net.send(link.up_ms, Happening::Up { connection, request });
        }
    }

    fn send_down(&mut self, connection: u32, frame: Frame) {
        let delay_ms = self.delay_ms();
        let swaps = self.tamper.swaps(&frame);
        let Some(link) = self.links.get_mut(&connection) else { return };
        let after_ms = link.down_ms;
        link.down_ms = link.down_ms.max(self.now_ms + delay_ms);
        let arrives_ms = if swaps && after_ms > self.now_ms { after_ms - 1 } else { link.down_ms };
        self.net.send(arrives_ms, Happening::Down { connection, frame });
    }

    /// Most of the network is quick, some of it is not.
    fn delay_ms(&mut self) -> u64 {
        match self.rng.below(20) {
            0 => self.rng.between(200, 2_000),
            1..6 => self.rng.between(20, 200),
            _ => self.rng.between(1, 20),
        }
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        let span = Duration::from_millis(self.now_ms - 1_700_000_000_000);
        match &mut self.trace {
            Trace::Off => {}
            Trace::Hash(hash) => {
                for byte in line().bytes().chain(span.as_millis().to_le_bytes()) {
                    *hash = (*hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
                }
            }
            Trace::Lines(lines) => {
                let mut text = String::new();
                // Writing to a string cannot fail.
                let _ = write!(text, "{:>9.3} {}", span.as_secs_f64(), line());
                lines.push(text);
            }
        }
    }
}

/// How long a session that is gone on with has to claim its rooms, in virtual milliseconds.
const CLAIM_MS: u64 = 5_000;
