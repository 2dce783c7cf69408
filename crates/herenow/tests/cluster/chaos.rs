//! Three nodes, a Redis, and all that may befall them, from a seed: afterwards every node shows who is there, and nobody on a node
//! that was let alone was ever said to have left. Where the system lets the test have networks of its own, nodes are cut off
//! from Redis as well, while they go on serving their clients.
use crate::{
    access::redis_cluster,
    lan,
    process::{Node, Told, Watcher},
    server::Redis,
    slots::Move,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    time::{Duration, Instant, SystemTime},
};
use tokio::task::JoinSet;

const ROOM: &str = "board-1";
const NODES: usize = 3;
/// More than a lease, grace, two audits and a hold.
const SETTLED: Duration = Duration::from_secs(45);
/// How often it is looked meanwhile whether nodes can reach Redis at all.
const PROBE_EACH: Duration = Duration::from_secs(1);
/// How long a machine that does not let them may hold up the end.
const HELD_UP_MAX: Duration = Duration::from_secs(240);
/// How long after a node stood still or was cut off it may be said of its users that they left, and of others to them: a lease,
/// the rest of grace, and what it takes to come back.
const AFTERMATH: Duration = Duration::from_secs(20);

struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// When a user was there without a break that lasted, and on which nodes.
struct Life {
    from: Instant,
    until: Option<Instant>,
    nodes: BTreeSet<usize>,
}

struct World {
    /// One, or the primaries of a Redis Cluster.
    redis: Vec<Redis>,
    /// What a single Redis is made to follow: it knows nothing, or what Redis knew some time ago.
    other: Option<Redis>,
    nodes: Vec<Option<Node>>,
    here: BTreeMap<String, (usize, Watcher)>,
    lives: BTreeMap<String, Life>,
    /// What those were told who are gone, and on which node they were.
    heard: Vec<(usize, Vec<Told>)>,
    /// When something was done to a node, so that what is said of its users may be news.
    disturbed: Vec<(usize, Instant, Instant)>,
    /// Nodes that are cut off, and until when.
    cut: Vec<(usize, Instant)>,
    faults: Faults,
    began: Instant,
    log: String,
}

type Faults = BTreeMap<&'static str, usize>;

impl World {
    /// On one Redis, or on a Redis Cluster.
    async fn begin(is_sharded: bool) -> Self {
        let redis = if is_sharded { redis_cluster().await } else { vec![start_redis()] };
        let other = (!is_sharded).then(start_redis);
        let nodes: Vec<Node> = (0..NODES).map(|_| start(&redis)).collect();
        Node::until_all_hear(&nodes).await;
        let mut world = Self {
            redis,
            other,
            nodes: nodes.into_iter().map(Some).collect(),
            here: BTreeMap::new(),
            lives: BTreeMap::new(),
            heard: Vec::new(),
            disturbed: Vec::new(),
            cut: Vec::new(),
            faults: Faults::new(),
            began: Instant::now(),
            log: String::new(),
        };
        for at in 0..NODES {
            world.join(at).await;
        }
        world
    }

    fn say(&mut self, what: &str) {
        let _ = writeln!(self.log, "{:>6.2} s: {what}", self.began.elapsed().as_secs_f64());
    }

    async fn join(&mut self, at: usize) {
        let user = format!("user-{}", self.lives.len() + 1);
        self.come(at, user).await;
    }

    /// Has a user come to a node, who may have been on another one a moment ago.
    async fn come(&mut self, at: usize, user: String) {
        let Some(node) = &self.nodes[at] else { return };
        let watcher = node.watcher(&user, ROOM).await;
        self.say(&format!("{user} comes to node {at}"));
        let new = Life { from: Instant::now(), until: None, nodes: BTreeSet::new() };
        self.lives.entry(user.clone()).or_insert(new).nodes.insert(at);
        self.here.insert(user, (at, watcher));
    }

    /// Notes that a user is not there any more.
    fn end(&mut self, user: &str) {
        if let Some(life) = self.lives.get_mut(user) {
            life.until = Some(Instant::now());
        }
        self.say(&format!("{user} goes"));
    }

    async fn leave(&mut self, dice: &mut Dice) {
        let nth = dice.roll(self.here.len().max(1) as u64) as usize;
        let Some(user) = self.here.keys().nth(nth).cloned() else { return };
        if self.here.len() > NODES
            && let Some((at, watcher)) = self.here.remove(&user)
        {
            self.end(&user);
            watcher.check();
            self.heard.push((at, watcher.told()));
            watcher.leave().await;
        }
    }

    async fn step(&mut self, dice: &mut Dice) {
        self.mend(false);
        let at = dice.roll(NODES as u64) as usize;
        let which = if self.redis.len() == 1 { 0 } else { dice.roll(self.redis.len() as u64) as usize };
        let redis = &mut self.redis[which];
        let fault = match dice.roll(14) {
            0..3 => return self.join(at).await,
            3 => return self.leave(dice).await,
            4 => {
                redis.order(&["FLUSHALL"]);
                "flush"
            }
            5 => {
                let is_empty = dice.roll(2) == 0;
                redis.kill();
                redis.restart(is_empty);
                if is_empty { "redis killed, started empty" } else { "redis killed, started from an old dump" }
            }
            6 => {
                let _ = redis.order(&["SAVE"]);
                self.copy().await;
                "dump and copy taken"
            }
            7 => {
                redis.order(&["CLIENT", "KILL", "TYPE", "pubsub"]);
                "subscriptions killed"
            }
            8 => {
                redis.order(&["CLIENT", "KILL", "TYPE", "normal"]);
                "connections killed"
            }
            9 => {
                // A demoted primary, which takes what another one knows, and is promoted again.
                let Some(other) = &self.other else { return self.move_slot(dice).await };
                redis.order(&["REPLICAOF", "127.0.0.1", &other.port().to_string()]);
                tokio::time::sleep(Duration::from_millis(500 + dice.roll(1_500))).await;
                redis.order(&["REPLICAOF", "NO", "ONE"]);
                "demoted and promoted"
            }
            10 => self.pause(at, dice).await,
            11 | 12 => self.cut(at, dice),
            _ => self.kill(at, dice).await,
        };
        if !fault.is_empty() {
            self.say(fault);
            *self.faults.entry(fault).or_default() += 1;
        }
    }

    /// Moves the slot of the room to another primary, with a break in the middle of it.
    async fn move_slot(&mut self, dice: &mut Dice) {
        // Primaries that were just killed may not be one cluster again yet.
        let Ok(moving) = Move::begin(&self.redis, ROOM) else { return };
        let carried = moving.carry(1);
        tokio::time::sleep(Duration::from_millis(dice.roll(1_500))).await;
        let is_moved = carried.is_ok() && moving.end().is_ok();
        if !is_moved {
            moving.give_up();
        }
        let fault = if is_moved { "slot moved" } else { "slot half moved" };
        self.say(fault);
        *self.faults.entry(fault).or_default() += 1;
    }

    /// Has the other Redis take what this one knows now.
    async fn copy(&self) {
        let Some(other) = &self.other else { return };
        other.order(&["REPLICAOF", "127.0.0.1", &self.redis[0].port().to_string()]);
        for _ in 0..40 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let info = other.order(&["INFO", "replication"]);
            if format!("{info:?}").contains("master_link_status:up") {
                break;
            }
        }
        other.order(&["REPLICAOF", "NO", "ONE"]);
    }

    async fn pause(&mut self, at: usize, dice: &mut Dice) -> &'static str {
        let Some(node) = &self.nodes[at] else { return "" };
        let from = Instant::now();
        node.signal("-STOP");
        tokio::time::sleep(Duration::from_millis(dice.roll(9_000))).await;
        node.signal("-CONT");
        self.disturbed.push((at, from, Instant::now()));
        self.say(&format!("node {at} goes on after {:?}", from.elapsed()));
        "node stood still"
    }

    fn cut(&mut self, at: usize, dice: &mut Dice) -> &'static str {
        let span = Duration::from_millis(if dice.roll(2) == 0 { dice.roll(4_000) } else { dice.roll(16_000) });
        if self.cut.iter().any(|(cut, _)| *cut == at) {
            return "";
        }
        let from = Instant::now();
        if !self.nodes[at].as_ref().is_some_and(|node| node.set_store(false)) {
            return "";
        }
        self.cut.push((at, from + span));
        self.disturbed.push((at, from, from + span));
        self.say(&format!("node {at} is cut off for {span:?}"));
        "node cut off"
    }

    /// Mends the wires whose time has come, or all of them.
    fn mend(&mut self, is_all: bool) {
        let (over, rest) = self.cut.drain(..).partition(|(_, until)| is_all || *until <= Instant::now());
        self.cut = rest;
        let over: Vec<(usize, Instant)> = over;
        for (at, _) in over {
            if let Some(node) = &self.nodes[at] {
                node.set_store(true);
            }
            // It may have been for longer than was meant.
            self.disturbed.push((at, Instant::now(), Instant::now()));
            self.say(&format!("node {at} is no more cut off"));
        }
    }

    /// Kills a node. Its users stay away, or come back at once on another node, which is news for nobody.
    async fn kill(&mut self, at: usize, dice: &mut Dice) -> &'static str {
        let is_back = dice.roll(2) == 0;
        let Some(mut node) = self.nodes[at].take() else {
            self.nodes[at] = Some(start(&self.redis));
            return "node started again";
        };
        node.kill();
        drop(node);
        self.cut.retain(|(cut, _)| *cut != at);
        self.say(&format!("node {at} is killed"));
        let users: Vec<String> =
            self.here.iter().filter(|(_, (on, _))| *on == at).map(|(user, _)| user.clone()).collect();
        for user in &users {
            if let Some((_, watcher)) = self.here.remove(user) {
                watcher.check();
                self.heard.push((at, watcher.told()));
            }
        }
        let to = (1..NODES).map(|step| (at + step) % NODES).find(|to| self.nodes[*to].is_some());
        for user in users {
            match to.filter(|_| is_back) {
                Some(to) => self.come(to, user).await,
                None => self.end(&user),
            }
        }
        if dice.roll(2) == 0 || self.nodes.iter().all(Option::is_none) {
            self.nodes[at] = Some(start(&self.redis));
        }
        if is_back && to.is_some() { "node killed, its users back at once" } else { "node killed with its users" }
    }

    /// Whether Redis answers to who asks from where the nodes are, in a program that is none of ours: whether wires carry,
    /// and processes are given time, is not up to a node.
    async fn can_reach_redis(&self) -> bool {
        let ports = self.redis.iter().map(Redis::port);
        let asked = ports.flat_map(|port| self.nodes.iter().flatten().map(move |node| node.can_reach(port)));
        futures_util::future::join_all(asked).await.into_iter().all(|answers| answers)
    }

    /// What the nodes say of themselves.
    async fn report(&self) -> String {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut report = format!("at {:.3} s of Unix time\n", now.as_secs_f64());
        for (at, node) in self.nodes.iter().enumerate() {
            if let Some(node) = node {
                let _ = writeln!(report, "node {at}: {}\n{}", node.ready().await, node.log());
            }
        }
        report
    }

    /// Waits until all show who is there, and looks at what was said on the way.
    async fn check(&mut self) -> Result<(), String> {
        self.mend(true);
        let there: Vec<String> = {
            let mut there: Vec<_> = self.here.keys().cloned().collect();
            there.sort();
            there
        };
        let (began, mut free_from, mut probed) = (Instant::now(), Instant::now(), Instant::now());
        while let Some((at, watcher)) = self.here.values().find(|(_, watcher)| watcher.users() != there) {
            let at = *at;
            if free_from.elapsed() >= SETTLED || began.elapsed() >= HELD_UP_MAX {
                let shown = format!("node {at} shows {:?}, there are {there:?}", watcher.users());
                return Err(format!("{shown}\n{}", self.report().await));
            }
            if probed.elapsed() >= PROBE_EACH {
                if !self.can_reach_redis().await {
                    free_from = Instant::now();
                    self.say("this machine does not let a node reach Redis");
                    *self.faults.entry("held up by this machine").or_default() += 1;
                }
                probed = Instant::now();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        for (at, watcher) in self.here.values() {
            watcher.check();
            self.heard.push((*at, watcher.told()));
        }
        for (at, told) in &self.heard {
            for told in told.iter().filter(|told| !told.joined) {
                let Some(life) = self.lives.get(&told.user) else { continue };
                let is_there = life.from <= told.at && life.until.is_none_or(|until| told.at < until);
                let is_news = self.disturbed.iter().any(|(on, from, until)| {
                    (on == at || life.nodes.contains(on)) && *from <= told.at && told.at <= *until + AFTERMATH
                });
                if is_there && !is_news {
                    let when = told.at.duration_since(self.began).as_secs_f64();
                    return Err(format!("node {at} said at {when:.2} s that {} left: {}", told.user, told.reason));
                }
            }
        }
        Ok(())
    }
}

fn start_redis() -> Redis {
    // Nobody else is in a network of one's own, and nodes come from outside of it.
    Redis::start(if lan::is_apart() { &["--bind", "0.0.0.0", "--protected-mode", "no"] } else { &[] })
}

fn start(redis: &[Redis]) -> Node {
    let [redis] = redis else {
        let ports: Vec<String> = redis.iter().map(|redis| format!("127.0.0.1:{}", redis.port())).collect();
        return Node::start_with(&format!("redis+cluster://{}", ports.join(",")));
    };
    if lan::is_apart() { Node::start_apart(redis) } else { Node::start(redis) }
}

async fn run(seed: u64, steps: usize, is_sharded: bool) -> Result<Faults, String> {
    let (mut world, mut dice) = (World::begin(is_sharded).await, Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    for _ in 0..steps {
        world.step(&mut dice).await;
        tokio::time::sleep(Duration::from_millis(dice.roll(1_200))).await;
    }
    match world.check().await {
        Ok(()) => Ok(world.faults),
        Err(fault) => Err(format!("seed {seed}: {fault}\n{}", world.log)),
    }
}

fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn after_a_bad_time_every_node_shows_who_is_there() {
    if lan::ran_apart("chaos::after_a_bad_time_every_node_shows_who_is_there") {
        return;
    }
    let faults = run(1, 14, false).await.unwrap_or_else(|fault| panic!("{fault}"));
    println!("chaos: 1 run, 0 violations, {faults:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn on_a_redis_cluster_a_bad_time_ends_well_too() {
    let faults = run(1, 14, true).await.unwrap_or_else(|fault| panic!("{fault}"));
    println!("chaos on three primaries: 1 run, 0 violations, {faults:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
#[ignore = "runs from seed CHAOS_SEED on, CHAOS_AT_ONCE at a time, for CHAOS_SECONDS"]
async fn after_many_bad_times_every_node_shows_who_is_there() {
    if !lan::ran_apart("chaos::after_many_bad_times_every_node_shows_who_is_there") {
        run_many(false).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
#[ignore = "runs from seed CHAOS_SEED on, CHAOS_AT_ONCE at a time, for CHAOS_SECONDS"]
async fn on_a_redis_cluster_many_bad_times_end_well_too() {
    run_many(true).await;
}

async fn run_many(is_sharded: bool) {
    let limit = Duration::from_secs(asked("CHAOS_SECONDS").unwrap_or(90));
    let (first, at_once) = (asked("CHAOS_SEED").unwrap_or(2), asked("CHAOS_AT_ONCE").unwrap_or(2));
    let (began, mut next, mut runs, mut failed) = (Instant::now(), first, 0, Vec::new());
    let (mut all, mut running) = (Faults::new(), JoinSet::new());
    loop {
        while began.elapsed() < limit && (running.len() as u64) < at_once {
            running.spawn(run(next, 30, is_sharded));
            next += 1;
        }
        let Some(outcome) = running.join_next().await else { break };
        runs += 1;
        match outcome {
            Ok(Ok(faults)) => {
                for (fault, count) in faults {
                    *all.entry(fault).or_insert(0) += count;
                }
            }
            Ok(Err(fault)) => failed.push(fault),
            Err(error) => failed.push(error.to_string()),
        }
        println!("chaos: {runs} runs from seed {first}, {} violations so far", failed.len());
    }
    println!("chaos: {runs} runs, {} violations, {all:?}", failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}
