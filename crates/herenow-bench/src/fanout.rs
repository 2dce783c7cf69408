//! What a delivery costs: messages of viewers to a large room, in a closed loop.
use crate::{
    frame::numbered_data,
    histogram::Histogram,
    load::Load,
    proc,
    server::{Server, Setup, Target, deadline},
};
use anyhow::{Context, Result, ensure};
use serde::Serialize;
use std::time::{Duration, Instant};

/// What to measure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FanoutPlan {
    /// Viewers of the one room. They take turns at sending; what one sends, all others get.
    pub members: usize,
    /// Messages that are under way at once; one measurement for each number.
    pub outstanding: Vec<usize>,
    /// Bytes of JSON that a message carries, at least 40.
    pub payload_bytes: usize,
    /// How long each measurement takes, after a warm-up of one second.
    pub duration: Duration,
}

/// One measurement.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct FanoutFigures {
    /// Viewers of the room.
    pub members: usize,
    /// Messages that were under way at once.
    pub outstanding: usize,
    /// Frames that arrived at viewers.
    pub deliveries: u64,
    /// The same for each second.
    pub deliveries_per_second: f64,
    /// CPU time of all the server's threads for each of them, microseconds.
    pub cpu_us_per_delivery: f64,
    /// Share of one core that the server used.
    pub server_cores: f64,
    /// From sending a message to its arrival at a viewer, microseconds: the middle one of all deliveries.
    pub latency_p50_us: f64,
    /// The same: slower than 99 in 100.
    pub latency_p99_us: f64,
}

/// Starts a server, fills a room, and measures once for each number of outstanding messages.
///
/// # Errors
/// Where the server or a connection fails, a message is lost, or a phase takes too long.
pub fn run(target: &Target, plan: &FanoutPlan, setup: &Setup) -> Result<Vec<FanoutFigures>> {
    ensure!(plan.members >= 2, "a fan-out needs at least 2 members");
    let server = Server::start(target, setup)?;
    let measured = measure_all(&server, plan, setup);
    measured.with_context(|| format!("fan-out on {target}; its last words:\n{}", server.last_words()))
}

fn measure_all(server: &Server, plan: &FanoutPlan, setup: &Setup) -> Result<Vec<FanoutFigures>> {
    let mut load = Load::new(server.address, &setup.secret)?;
    load.open((0..plan.members).map(|_| ROOM.to_owned()), deadline(setup))?;
    let mut flight = Flight::new(plan);
    let mut figures = Vec::new();
    for &outstanding in &plan.outstanding {
        load.rest(QUIET, deadline(setup))?;
        flight.fly(&mut load, outstanding, Instant::now() + WARM_UP, setup)?;
        flight.forget();
        let (begun, cpu_before) = (Instant::now(), proc::cpu_ns(server.pid)?);
        flight.fly(&mut load, outstanding, begun + plan.duration, setup)?;
        // Both include the last messages, which land after the time is up.
        let seconds = begun.elapsed().as_secs_f64();
        let cpu_ns = proc::cpu_ns(server.pid)? - cpu_before;
        let deliveries = flight.latency_ns.total();
        let latency_us = |quantile| flight.latency_ns.quantile(quantile) as f64 / 1e3;
        figures.push(FanoutFigures {
            members: plan.members,
            outstanding,
            deliveries,
            deliveries_per_second: deliveries as f64 / seconds,
            cpu_us_per_delivery: cpu_ns as f64 / 1e3 / deliveries as f64,
            server_cores: cpu_ns as f64 / 1e9 / seconds,
            latency_p50_us: latency_us(0.5),
            latency_p99_us: latency_us(0.99),
        });
    }
    Ok(figures)
}

/// The messages under way.
struct Flight {
    members: usize,
    payload_bytes: usize,
    next: u64,
    under_way: Vec<Message>,
    latency_ns: Histogram,
}

struct Message {
    number: u64,
    sent: Instant,
    /// Viewers that do not have it yet.
    missing: usize,
}

impl Flight {
    fn new(plan: &FanoutPlan) -> Self {
        let (members, payload_bytes) = (plan.members, plan.payload_bytes);
        Self { members, payload_bytes, next: 0, under_way: Vec::new(), latency_ns: Histogram::default() }
    }

    fn forget(&mut self) {
        self.latency_ns = Histogram::default();
    }

    /// Keeps `outstanding` messages under way until a moment, then waits for the last of them to land.
    fn fly(&mut self, load: &mut Load, outstanding: usize, until: Instant, setup: &Setup) -> Result<()> {
        let last = until + setup.limit;
        while Instant::now() < until || !self.under_way.is_empty() {
            while self.under_way.len() < outstanding && Instant::now() < until {
                self.send(load)?;
            }
            load.turn(Duration::from_millis(50), &mut |number, at| self.land(number, at))?;
            let lost = self.under_way.iter().map(|message| message.missing).sum::<usize>();
            ensure!(Instant::now() < last, "{lost} deliveries did not arrive in time");
        }
        Ok(())
    }

    fn send(&mut self, load: &mut Load) -> Result<()> {
        let number = self.next;
        self.next += 1;
        // Everybody in turn, so that no limit on what one client may send is reached.
        let sender = number as usize % self.members;
        let data = numbered_data(number, self.payload_bytes);
        let text = format!(r#"{{"type":"message","room":"{ROOM}","event":"tick","data":{data}}}"#);
        self.under_way.push(Message { number, sent: Instant::now(), missing: self.members - 1 });
        load.send(sender, &text)
    }

    fn land(&mut self, number: u64, at: Instant) {
        let Some(index) = self.under_way.iter().position(|message| message.number == number) else { return };
        let message = &mut self.under_way[index];
        let latency = at.saturating_duration_since(message.sent);
        self.latency_ns.add(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
        message.missing -= 1;
        if message.missing == 0 {
            self.under_way.remove(index);
        }
    }
}

const ROOM: &str = "stage";
const WARM_UP: Duration = Duration::from_secs(1);
const QUIET: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::{FanoutPlan, Flight, Message};
    use std::time::{Duration, Instant};

    #[test]
    fn a_message_lands_once_everybody_else_has_it() {
        let duration = Duration::from_secs(1);
        let plan = FanoutPlan { members: 3, outstanding: vec![1], payload_bytes: 40, duration };
        let mut flight = Flight::new(&plan);
        let sent = Instant::now();
        flight.under_way.push(Message { number: 7, sent, missing: 2 });
        flight.land(8, sent);
        flight.land(7, sent + Duration::from_micros(50));
        assert_eq!((flight.under_way.len(), flight.latency_ns.total()), (1, 1));
        flight.land(7, sent + Duration::from_micros(50));
        assert_eq!((flight.under_way.len(), flight.latency_ns.total()), (0, 2));
        assert!((49_000..=50_000).contains(&flight.latency_ns.quantile(0.5)));
    }
}
