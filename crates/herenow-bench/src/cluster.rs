//! Several nodes on one Redis: what a message costs where the viewers of a room are on different nodes, and how long two need to
//! see each other who join through different ones.
use crate::{
    dialect::Interest,
    flight::{Flight, Pace, Stage, Trip},
    generator::{Generator, Seat},
    histogram::Histogram,
    proc,
    server::{Server, Setup, Target, deadline},
    users::UserSet,
    work,
};
use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// What to measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClusterPlan {
    /// How many nodes.
    pub nodes: usize,
    /// Who is where.
    pub stage: Stage,
    /// Whether all viewers of a room are on one node; otherwise on all nodes in turn.
    pub together: bool,
    /// Messages under way at once.
    pub outstanding: usize,
    /// Pairs that meet at half of the most.
    pub pairs: usize,
    /// How long each measurement takes, after a warm-up of one second.
    pub duration: Duration,
}

/// What came out.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ClusterFigures {
    /// How many nodes.
    pub nodes: usize,
    /// Whether all viewers of a room were on one node.
    pub together: bool,
    /// Rooms.
    pub rooms: usize,
    /// Viewers of each.
    pub members: usize,
    /// Frames that arrived at viewers in a second, as many messages under way as planned.
    pub deliveries_per_second: f64,
    /// CPU time of all nodes for each of them, microseconds.
    pub nodes_cpu_us_per_delivery: f64,
    /// CPU time of Redis for each of them, microseconds.
    pub redis_cpu_us_per_delivery: f64,
    /// At half of that rate, from when a message was to leave to its arrival, microseconds: the middle one of all deliveries.
    pub half_latency_p50_us: f64,
    /// The same: slower than 99 in 100.
    pub half_latency_p99_us: f64,
    /// Pairs that met at half of that rate, on the first node and the last.
    pub pairs: u64,
    /// From the join of the second of a pair until both saw each other, milliseconds: the middle one.
    pub half_meeting_p50_ms: f64,
    /// The same: slower than 99 in 100.
    pub half_meeting_p99_ms: f64,
    /// CPU time of Redis in a second in which nobody does anything, milliseconds.
    pub idle_redis_cpu_ms_per_second: f64,
}

/// A Redis that ends with this value.
struct Redis {
    child: Child,
    port: u16,
}

impl Redis {
    fn start() -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let redis = Self { child: child.context("cannot start redis-server")?, port };
        for _ in 0..100 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(redis);
            }
            thread::sleep(Duration::from_millis(50));
        }
        bail!("redis-server does not listen on port {port}")
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts Redis and nodes, fills the rooms, and measures.
///
/// # Errors
/// Where something does not start, a connection fails, a message is lost, or a phase takes too long.
pub fn run(plan: ClusterPlan, setup: &Setup) -> Result<ClusterFigures> {
    ensure!(plan.nodes >= 1 && plan.stage.members >= 2, "a cluster needs a node, and a room two viewers");
    let redis = Redis::start()?;
    let address = format!("redis://127.0.0.1:{}", redis.port);
    let start = |_| Server::start_with_arguments(&Target::Herenow, setup, &["--redis", &address]);
    let nodes = (0..plan.nodes).map(start).collect::<Result<Vec<_>>>()?;
    let mut hall = Hall::open(plan, (&nodes, redis.child.id()), setup)?;
    let measured = hall.measure();
    let words = || nodes.iter().map(Server::last_words).collect::<Vec<_>>().join("\n");
    measured.with_context(|| format!("{} nodes; their last words:\n{}", plan.nodes, words()))
}

/// Nodes full of viewers.
struct Hall<'a> {
    plan: ClusterPlan,
    setup: &'a Setup,
    pids: Vec<u32>,
    redis: u32,
    generator: Generator,
    flight: Flight,
    meetings: Meetings,
}

impl<'a> Hall<'a> {
    fn open(plan: ClusterPlan, (nodes, redis): (&[Server], u32), setup: &'a Setup) -> Result<Self> {
        let sockets: Vec<SocketAddr> = nodes.iter().map(Server::socket).collect();
        let first = nodes.first().context("no node")?;
        let mut generator = Generator::new(first.address(setup))?;
        let stage = plan.stage;
        for connection in 0..stage.connections() {
            let (room, member) = (connection % stage.rooms, connection / stage.rooms);
            generator.aim(sockets[if plan.together { room } else { member } % sockets.len()]);
            generator.begin(Some(Seat { room: stage.room(connection).into(), interest: Interest::Auto }))?;
            if connection % AT_ONCE == AT_ONCE - 1 {
                generator.open([], deadline(setup))?;
            }
        }
        generator.open([], deadline(setup))?;
        work::settle(&mut generator, stage, setup)?;
        let mut meetings = Meetings::default();
        for pair in 0..plan.pairs {
            let seat = Seat { room: format!("pair-{pair}").into(), interest: Interest::Auto };
            generator.aim(sockets[0]);
            let waits = generator.begin(Some(seat.clone()))?;
            generator.aim(sockets[sockets.len() - 1]);
            let comes = generator.begin(None)?;
            generator.open([], deadline(setup))?;
            meetings.waiting.push(Pair { waits, comes, seat });
        }
        let pids = nodes.iter().map(|node| node.pid).collect();
        Ok(Self { plan, setup, pids, redis, generator, flight: Flight::new(stage), meetings })
    }

    fn measure(&mut self) -> Result<ClusterFigures> {
        let ClusterPlan { nodes, stage, together, outstanding, duration, pairs: _ } = self.plan;
        self.generator.rest(QUIET, deadline(self.setup))?;
        let (idle_from, redis_from) = (Instant::now(), proc::cpu_ns(self.redis)?);
        while idle_from.elapsed() < IDLE {
            self.generator.turn(Duration::from_millis(100), &mut |_| ())?;
        }
        let idle_seconds = idle_from.elapsed().as_secs_f64();
        let idle_ns = proc::cpu_ns(self.redis)? - redis_from;
        let pace = Pace::Outstanding(outstanding);
        self.go(pace, WARM_UP)?;
        self.flight.take_latency_ns();
        let (begun, nodes_from, redis_from) = (Instant::now(), self.nodes_ns()?, proc::cpu_ns(self.redis)?);
        self.go(pace, duration)?;
        let seconds = begun.elapsed().as_secs_f64();
        let (nodes_ns, redis_ns) = (self.nodes_ns()? - nodes_from, proc::cpu_ns(self.redis)? - redis_from);
        let deliveries = self.flight.take_latency_ns().total() as f64;
        let half = deliveries / seconds / (stage.members - 1) as f64 / 2.0;
        self.meetings.step = duration.div_f64(self.meetings.waiting.len().max(1) as f64);
        self.go(Pace::PerSecond(half), duration + WARM_UP)?;
        let latency_ns = self.flight.take_latency_ns();
        self.meetings.finish(&mut self.generator, deadline(self.setup))?;
        let meeting_ns = &self.meetings.took_ns;
        Ok(ClusterFigures {
            nodes,
            together,
            rooms: stage.rooms,
            members: stage.members,
            deliveries_per_second: deliveries / seconds,
            nodes_cpu_us_per_delivery: nodes_ns as f64 / 1e3 / deliveries,
            redis_cpu_us_per_delivery: redis_ns as f64 / 1e3 / deliveries,
            half_latency_p50_us: latency_ns.quantile(0.5) as f64 / 1e3,
            half_latency_p99_us: latency_ns.quantile(0.99) as f64 / 1e3,
            pairs: meeting_ns.total(),
            half_meeting_p50_ms: meeting_ns.quantile(0.5) as f64 / 1e6,
            half_meeting_p99_ms: meeting_ns.quantile(0.99) as f64 / 1e6,
            idle_redis_cpu_ms_per_second: idle_ns as f64 / 1e6 / idle_seconds,
        })
    }

    fn nodes_ns(&self) -> Result<u64> {
        self.pids.iter().map(|pid| proc::cpu_ns(*pid)).sum()
    }

    fn go(&mut self, pace: Pace, duration: Duration) -> Result<()> {
        let trip = Trip { pace, duration, limit: self.setup.limit };
        let meetings = &mut self.meetings;
        let mut aside = |generator: &mut Generator| match pace {
            Pace::PerSecond(_) => meetings.go_on(generator),
            Pace::Outstanding(_) => Ok(()),
        };
        self.flight.go(&mut self.generator, trip, &mut aside)
    }
}

/// Those who meet in rooms of their own, one pair after the other.
#[derive(Default)]
struct Meetings {
    waiting: Vec<Pair>,
    under_way: Vec<(Pair, Instant)>,
    /// How long lies between two.
    step: Duration,
    last: Option<Instant>,
    took_ns: Histogram,
}

struct Pair {
    waits: usize,
    comes: usize,
    seat: Seat,
}

impl Meetings {
    /// Notes who see each other by now, and has the next ones meet where it is time.
    fn go_on(&mut self, generator: &mut Generator) -> Result<()> {
        let now = Instant::now();
        let met = |pair: &Pair| {
            let both: UserSet = [pair.waits, pair.comes].into_iter().collect();
            [pair.waits, pair.comes].iter().all(|connection| generator.view(*connection).users() == Some(&both))
        };
        for (_, since) in self.under_way.extract_if(.., |(pair, _)| met(pair)) {
            self.took_ns.add(u64::try_from(now.duration_since(since).as_nanos()).unwrap_or(u64::MAX));
        }
        if self.last.is_none_or(|last| now.duration_since(last) >= self.step)
            && let Some(pair) = self.waiting.pop()
        {
            generator.join(pair.comes, pair.seat.clone())?;
            self.under_way.push((pair, now));
            self.last = Some(now);
        }
        Ok(())
    }

    fn finish(&mut self, generator: &mut Generator, deadline: Instant) -> Result<()> {
        while !self.under_way.is_empty() || !self.waiting.is_empty() {
            generator.turn(Duration::from_millis(1), &mut |_| ())?;
            self.go_on(generator)?;
            ensure!(Instant::now() < deadline, "{} pairs do not see each other in time", self.under_way.len());
        }
        Ok(())
    }
}

/// Connections that are begun before they are waited for.
const AT_ONCE: usize = 64;
const WARM_UP: Duration = Duration::from_secs(1);
const QUIET: Duration = Duration::from_millis(500);
/// How long nobody does anything.
const IDLE: Duration = Duration::from_secs(10);
