//! What a delivery costs: messages of viewers to their rooms, with a number of them under way, or at a rate.
use crate::{
    dialect::Interest,
    flight::{Flight, Pace, Stage, Trip},
    generator::Generator,
    proc,
    server::{Server, Setup, Target, deadline},
    work,
};
use anyhow::{Context, Result, ensure};
use serde::Serialize;
use std::time::{Duration, Instant};

/// What to measure.
#[derive(Clone, Debug, PartialEq)]
pub struct FanoutPlan {
    /// Who is where.
    pub stage: Stage,
    /// One measurement each.
    pub paces: Vec<Pace>,
    /// How long each measurement takes, after a warm-up of one second.
    pub duration: Duration,
}

/// One measurement.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct FanoutFigures {
    /// Rooms.
    pub rooms: usize,
    /// Viewers of each.
    pub members: usize,
    /// Messages that were under way at once, where that was fixed.
    pub outstanding: Option<usize>,
    /// Messages a second, where that was fixed.
    pub messages_per_second: Option<f64>,
    /// Frames that arrived at viewers.
    pub deliveries: u64,
    /// The same for each second.
    pub deliveries_per_second: f64,
    /// Bytes that came with each, headers of frames included.
    pub bytes_per_delivery: f64,
    /// CPU time of all the server's threads for each of them, microseconds.
    pub cpu_us_per_delivery: f64,
    /// Share of one core that the server used.
    pub server_cores: f64,
    /// From sending a message to its arrival at a viewer, microseconds: the middle one of all deliveries.
    pub latency_p50_us: f64,
    /// The same: slower than 99 in 100.
    pub latency_p99_us: f64,
}

/// Starts a server, fills the rooms, and measures once for each pace.
///
/// # Errors
/// Where the server or a connection fails, a message is lost, or a phase takes too long.
pub fn run(target: &Target, plan: &FanoutPlan, setup: &Setup) -> Result<Vec<FanoutFigures>> {
    ensure!(plan.stage.members >= 2, "a fan-out needs at least 2 members");
    let server = Server::start(target, setup)?;
    let measured = Audience::fill(&server, plan.stage, Interest::Auto, setup).and_then(|mut audience| {
        plan.paces.iter().map(|pace| audience.measure(*pace, plan.duration)).collect::<Result<Vec<_>>>()
    });
    measured.with_context(|| format!("fan-out on {target}; its last words:\n{}", server.last_words()))
}

/// Rooms full of viewers who talk.
#[derive(Debug)]
pub struct Audience<'a> {
    generator: Generator,
    flight: Flight,
    stage: Stage,
    pid: u32,
    setup: &'a Setup,
}

impl<'a> Audience<'a> {
    /// Lets everybody in.
    ///
    /// # Errors
    /// Where a connection fails, or somebody does not know everybody in their room in the end.
    pub fn fill(server: &Server, stage: Stage, interest: Interest, setup: &'a Setup) -> Result<Self> {
        let mut generator = Generator::new(server.address(setup))?;
        work::fill(&mut generator, stage, interest, setup)?;
        Ok(Self { generator, flight: Flight::new(stage), stage, pid: server.pid, setup })
    }

    /// Measures at one pace.
    ///
    /// # Errors
    /// Where a connection fails or a message is lost.
    pub fn measure(&mut self, pace: Pace, duration: Duration) -> Result<FanoutFigures> {
        self.generator.rest(QUIET, deadline(self.setup))?;
        self.go(pace, WARM_UP)?;
        self.flight.take_latency_ns();
        let (begun, cpu_before) = (Instant::now(), proc::cpu_ns(self.pid)?);
        let bytes_before = self.generator.received_bytes();
        self.go(pace, duration)?;
        // All of these include the last messages, which land after the time is up.
        let seconds = begun.elapsed().as_secs_f64();
        let cpu_ns = proc::cpu_ns(self.pid)? - cpu_before;
        let bytes = self.generator.received_bytes() - bytes_before;
        let latency_ns = self.flight.take_latency_ns();
        let deliveries = latency_ns.total();
        let latency_us = |quantile| latency_ns.quantile(quantile) as f64 / 1e3;
        let (outstanding, messages_per_second) = match pace {
            Pace::Outstanding(outstanding) => (Some(outstanding), None),
            Pace::PerSecond(rate) => (None, Some(rate)),
        };
        Ok(FanoutFigures {
            rooms: self.stage.rooms,
            members: self.stage.members,
            outstanding,
            messages_per_second,
            deliveries,
            deliveries_per_second: deliveries as f64 / seconds,
            bytes_per_delivery: bytes as f64 / deliveries as f64,
            cpu_us_per_delivery: cpu_ns as f64 / 1e3 / deliveries as f64,
            server_cores: cpu_ns as f64 / 1e9 / seconds,
            latency_p50_us: latency_us(0.5),
            latency_p99_us: latency_us(0.99),
        })
    }

    /// Everybody, with nothing under way.
    pub fn into_generator(self) -> Generator {
        self.generator
    }

    fn go(&mut self, pace: Pace, duration: Duration) -> Result<()> {
        let trip = Trip { pace, duration, limit: self.setup.limit };
        self.flight.go(&mut self.generator, trip, &mut |_| Ok(()))
    }
}

const WARM_UP: Duration = Duration::from_secs(1);
const QUIET: Duration = Duration::from_millis(500);
