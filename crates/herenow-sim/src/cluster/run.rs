//! One run of a cluster, or many.
use crate::{
    cluster::{store::Store, world::World, wrong::Wrong},
    rng::Rng,
};
use herenow_core::{cluster::timing::Timing, id::RoomId};
use std::collections::BTreeMap;

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The seed that all follows from.
    pub seed: u64,
    /// How many steps.
    pub steps: u32,
    /// A correction that is taken out.
    pub wrong: Option<Wrong>,
    /// Whether to keep the course.
    pub trace: bool,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Things that happened.
    pub events: u64,
    /// Time from the last fault until all nodes agreed, in virtual milliseconds.
    pub converged_ms: u64,
    /// What the algorithm had to make good for, in all nodes.
    pub counters: BTreeMap<&'static str, u64>,
    /// What did not hold.
    pub fault: Option<String>,
    /// The course.
    pub trace: Vec<String>,
}

/// Runs a seed: steps with faults, then calm until all nodes agree, and a while more in which nothing may be told.
pub fn run(plan: Plan) -> Report {
    let mut world = World::new(plan);
    let (converged_ms, fault) = match play(&mut world, plan.steps) {
        Ok(converged_ms) => (converged_ms, None),
        Err(fault) => (0, Some(format!("after {} ms: {fault}", world.now))),
    };
    let counters = world.counters();
    let (seed, events) = (plan.seed, world.events);
    Report { seed, events, converged_ms, counters, fault, trace: world.trace.unwrap_or_default() }
}

fn play(world: &mut World, steps: u32) -> Result<u64, String> {
    for _ in 0..steps {
        let wait = if world.rng.percent(20) { world.rng.below(6_000) } else { world.rng.below(600) };
        world.run(world.now + wait)?;
        world.step();
    }
    world.calm();
    let from = world.now;
    let mut unrest = None;
    while world.now < from + CALM_MAX_MS {
        world.run(world.now + 250)?;
        unrest = world.unrest();
        if unrest.is_none() {
            let took = world.now - from;
            return world.stays_calm().map(|()| took);
        }
    }
    Err(unrest.unwrap_or_default())
}

/// The first seed of some that finds what is wrong, and what it finds.
pub fn catch(wrong: Wrong, mut seeds: std::ops::Range<u64>, steps: u32) -> Option<(u64, String)> {
    seeds.find_map(|seed| {
        let report = run(Plan { seed, steps, wrong: Some(wrong), trace: false });
        report.fault.map(|fault| (seed, fault))
    })
}

impl World {
    /// Nodes that have just begun.
    fn new(plan: Plan) -> Self {
        let mut rng = Rng::new(plan.seed);
        let (nodes, rooms) = (rng.between(2, 4), rng.between(1, 3));
        let room =
            |at: u64| RoomId::parse(&format!("room-{at}")).unwrap_or_else(|_| unreachable!("letters and digits"));
        let store = Store { wrong: plan.wrong, ..Store::default() };
        let mut world = Self {
            now: 0,
            rng,
            wrong: plan.wrong,
            timing: Timing::default(),
            nodes: Vec::new(),
            clients: Vec::new(),
            rooms: (0..rooms).map(room).collect(),
            saved: store.clone(),
            store,
            away_until: 0,
            away_spans: Vec::new(),
            subscribers: BTreeMap::new(),
            agenda: Default::default(),
            slow: 0,
            swallow: 0,
            lose_answers: 0,
            crashed_at: 0,
            rolled_at: 0,
            missed_at: 0,
            signs_lost_at: 0,
            watchers: 0,
            told: 0,
            events: 0,
            trace: plan.trace.then(Vec::new),
            beliefs: BTreeMap::new(),
            signs: BTreeMap::new(),
            is_calm: false,
        };
        for _ in 0..nodes {
            world.start();
        }
        world
    }

    /// Nothing goes wrong any more.
    fn calm(&mut self) {
        self.say(|| "nothing goes wrong any more".into());
        (self.is_calm, self.slow, self.swallow, self.lose_answers) = (true, 0, 0, 0);
        let was_away = self.away_until > self.now;
        self.away_until = self.away_until.min(self.now);
        for at in 0..self.nodes.len() {
            let now = self.now;
            let node = &mut self.nodes[at];
            node.paused_until = node.paused_until.min(now);
            let was_cut = node.is_up && node.link.cut_until > now;
            node.link.cut_until = node.link.cut_until.min(now);
            if was_cut {
                self.reconnect(at);
            }
        }
        if was_away {
            self.break_links();
        }
    }

    /// Nothing is told while nothing happens.
    fn stays_calm(&mut self) -> Result<(), String> {
        let told = self.told;
        self.run(self.now + 60_000)?;
        match self.unrest() {
            Some(unrest) => Err(format!("calm did not last: {unrest}")),
            None if self.told != told => Err("something was told though nothing happened".into()),
            None => Ok(()),
        }
    }

    fn counters(&self) -> BTreeMap<&'static str, u64> {
        let mut sums = BTreeMap::new();
        for node in &self.nodes {
            let counters = node.hub.cluster_counters();
            for (name, value) in [
                ("chain breaks", counters.chain_breaks),
                ("own stamp mismatches", counters.own_stamp_mismatches),
                ("missed news", counters.missed_news),
                ("holds", counters.holds),
                ("holds dropped", counters.holds_dropped),
                ("fenced", counters.fenced),
                ("unknown outcomes", counters.unknown_outcomes),
            ] {
                *sums.entry(name).or_default() += value;
            }
        }
        sums
    }
}

/// How long agreement may take: a client that vanished is noticed after 30 s, a dead node after 12 s, what the store lost
/// and nobody confirms after 30 s, one after the other at worst.
const CALM_MAX_MS: u64 = 90_000;
