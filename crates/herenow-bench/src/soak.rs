//! Hours of everything at once, at a share of what the server can do: does memory grow, do deliveries become slower?
//!
//! Viewers in rooms send messages. In the same rooms others come and go, by `leave` and `join` and by new connections;
//! some sleep through most of each half minute and let the server wait; viewers type, move their pointers, and somebody in
//! each room is shown those. The most that the server can do is measured with all of that going on.
use crate::{
    dialect::Interest,
    flight::{Flight, Pace, Stage, Trip},
    generator::{Generator, Seat},
    proc,
    server::{Server, Setup, Target, deadline},
    sheet::spread,
    work,
};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::{
    rc::Rc,
    time::{Duration, Instant},
};

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct SoakPlan {
    /// Who sends messages.
    pub stage: Stage,
    /// Share of the most that the server can do, above 0 and below 1.
    pub share: f64,
    /// What others do in a second besides: of ten, four move a pointer, three are about typing, two let somebody leave or join,
    /// one opens a connection anew.
    pub acts_per_second: u32,
    /// How long.
    pub duration: Duration,
    /// How often figures are read.
    pub sample: Duration,
}

/// What was found.
#[derive(Debug, Serialize, Deserialize)]
pub struct SoakFigures {
    /// The most messages a second, before.
    pub messages_per_second_most: f64,
    /// Messages a second all along.
    pub messages_per_second: f64,
    /// In the order of time.
    pub samples: Vec<Sample>,
    /// How often others came, by `join` or by a new connection.
    pub comings: u64,
    /// How often the server ended a connection that slept.
    pub sleepers_ended: u64,
    /// Resident memory in the last quarter of the time as a multiple of that in the second: medians.
    pub memory_growth: f64,
    /// The same of the latency that 99 in 100 deliveries stay below.
    pub latency_growth: f64,
}

/// Figures of a part of the time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Sample {
    /// When it ended, minutes since the start.
    pub minutes: f64,
    /// Resident memory of the server at its end, MiB.
    pub rss_mib: f64,
    /// Deliveries to viewers who send, each second.
    pub deliveries_per_second: f64,
    /// From when a message was to leave to its arrival, milliseconds: the middle one.
    pub latency_p50_ms: f64,
    /// The same: slower than 99 in 100.
    pub latency_p99_ms: f64,
    /// Share of one core that the server used.
    pub server_cores: f64,
}

/// Starts herenow, measures the most, and goes on at a share of it.
///
/// # Errors
/// Where the server or a connection fails, a message is lost, or somebody is told what does not follow.
pub fn run(plan: SoakPlan, setup: &Setup, progress: &mut dyn FnMut(&str)) -> Result<SoakFigures> {
    let server = Server::start(&Target::Herenow, setup)?;
    let soaked = soak(plan, &server, setup, progress);
    soaked.with_context(|| format!("soak; the server's last words:\n{}", server.last_words()))
}

fn soak(plan: SoakPlan, server: &Server, setup: &Setup, progress: &mut dyn FnMut(&str)) -> Result<SoakFigures> {
    let stage = plan.stage;
    let mut generator = Generator::new(server.address(setup))?;
    work::fill(&mut generator, stage, Interest::Auto, setup)?;
    let mut bustle = Bustle::begin(&mut generator, plan, setup)?;
    let mut flight = Flight::new(stage);
    let trip = |pace, duration| Trip { pace, duration, limit: setup.limit };
    let most = trip(Pace::Outstanding(stage.connections()), Duration::from_secs(10));
    let begun = Instant::now();
    flight.go(&mut generator, most, &mut |generator| bustle.act(generator))?;
    let per_message = (stage.members - 1) as f64;
    let messages_most = flight.take_latency_ns().total() as f64 / per_message / begun.elapsed().as_secs_f64();
    let rate = messages_most * plan.share;
    progress(&format!("the most is {messages_most:.0} messages a second; going on at {rate:.0}"));
    let begun = Instant::now();
    let mut samples = Vec::new();
    while begun.elapsed() < plan.duration {
        let (from, cpu_before) = (Instant::now(), proc::cpu_ns(server.pid)?);
        flight.go(&mut generator, trip(Pace::PerSecond(rate), plan.sample), &mut |generator| bustle.act(generator))?;
        let seconds = from.elapsed().as_secs_f64();
        let latency_ns = flight.take_latency_ns();
        let sample = Sample {
            minutes: begun.elapsed().as_secs_f64() / 60.0,
            rss_mib: proc::memory(server.pid)?.rss_bytes as f64 / f64::from(1 << 20),
            deliveries_per_second: latency_ns.total() as f64 / seconds,
            latency_p50_ms: latency_ns.quantile(0.5) as f64 / 1e6,
            latency_p99_ms: latency_ns.quantile(0.99) as f64 / 1e6,
            server_cores: (proc::cpu_ns(server.pid)? - cpu_before) as f64 / 1e9 / seconds,
        };
        progress(&format!(
            "minute {:.1}: {:.1} MiB, p99 {:.1} ms, {:.0} deliveries/s, {:.0} % of a core",
            sample.minutes,
            sample.rss_mib,
            sample.latency_p99_ms,
            sample.deliveries_per_second,
            sample.server_cores * 100.0
        ));
        samples.push(sample);
    }
    Ok(SoakFigures {
        messages_per_second_most: messages_most,
        messages_per_second: rate,
        comings: bustle.comings,
        sleepers_ended: bustle.sleepers_ended,
        memory_growth: growth(&samples, |sample| sample.rss_mib),
        latency_growth: growth(&samples, |sample| sample.latency_p99_ms),
        samples,
    })
}

/// The last quarter over the second: in the first one the server comes to its size.
fn growth(samples: &[Sample], figure: impl Fn(&Sample) -> f64) -> f64 {
    let quarter = samples.len() / 4;
    let median = |samples: &[Sample]| spread(&samples.iter().map(&figure).collect::<Vec<_>>()).median;
    median(&samples[samples.len() - quarter.max(1)..]) / median(&samples[quarter..(2 * quarter).max(1)])
}

/// Everybody who is not there to send messages.
struct Bustle {
    stage: Stage,
    rooms: Vec<Rc<str>>,
    /// Come and go by `leave` and `join`; whether each is in its room.
    strollers: Vec<(usize, bool)>,
    /// Come and go with their connections.
    callers: Vec<usize>,
    sleepers: Vec<usize>,
    begun: Instant,
    acts_per_second: f64,
    acts: u64,
    comings: u64,
    sleepers_ended: u64,
}

impl Bustle {
    fn begin(generator: &mut Generator, plan: SoakPlan, setup: &Setup) -> Result<Self> {
        let (stage, acts_per_second) = (plan.stage, f64::from(plan.acts_per_second));
        let rooms: Vec<Rc<str>> = (0..stage.rooms).map(|room| stage.room(room).into()).collect();
        let first = generator.len();
        let others = STROLLERS + CALLERS + SLEEPERS;
        let kinds = [(rooms.len(), Interest::Sessions), (others, Interest::Auto)];
        let kinds = kinds.into_iter().flat_map(|(count, interest)| std::iter::repeat_n(interest, count));
        let seats = kinds.enumerate().map(|(at, interest)| seat(&rooms, at, interest)).map(Some);
        generator.open(seats.collect::<Vec<_>>(), deadline(setup))?;
        let mut next = first + rooms.len()..;
        let mut take = |count| next.by_ref().take(count).collect::<Vec<_>>();
        let strollers = take(STROLLERS).into_iter().map(|connection| (connection, true)).collect();
        let (callers, sleepers) = (take(CALLERS), take(SLEEPERS));
        let (begun, acts, comings, sleepers_ended) = (Instant::now(), 0, 0, 0);
        Ok(Self { stage, rooms, strollers, callers, sleepers, begun, acts_per_second, acts, comings, sleepers_ended })
    }

    /// Does what is due.
    fn act(&mut self, generator: &mut Generator) -> Result<()> {
        let due = (self.begun.elapsed().as_secs_f64() * self.acts_per_second) as u64;
        // Who was kept from it for long does not make up for all of it at once.
        self.acts = self.acts.max(due.saturating_sub(ACTS_AT_ONCE_MAX));
        while self.acts < due {
            self.acts += 1;
            let act = self.acts as usize;
            match act % 10 {
                0..4 => self.point(generator, act)?,
                4..7 => self.type_on(generator, act)?,
                7 | 8 => self.stroll(generator, act / 10)?,
                _ => {
                    self.call(generator, act / 10)?;
                    self.doze(generator, act / 10)?;
                }
            }
        }
        Ok(())
    }

    fn point(&mut self, generator: &mut Generator, act: usize) -> Result<()> {
        let connection = act.wrapping_mul(7919) % self.stage.connections();
        let (room, x) = (&self.rooms[connection % self.rooms.len()], act % 100);
        generator.send(connection, &format!(r#"{{"type":"cursor","room":"{room}","x":0.{x:02},"y":0.5}}"#))
    }

    fn type_on(&mut self, generator: &mut Generator, act: usize) -> Result<()> {
        let connection = act.wrapping_mul(7907) % self.stage.connections();
        let room = &self.rooms[connection % self.rooms.len()];
        let kind = if act % 10 == 6 { "stop_typing" } else { "typing" };
        generator.send(connection, &format!(r#"{{"type":"{kind}","room":"{room}"}}"#))
    }

    fn stroll(&mut self, generator: &mut Generator, act: usize) -> Result<()> {
        let at = act % self.strollers.len();
        let (connection, is_in) = &mut self.strollers[at];
        // The answer to the last join may be under way still.
        if !generator.is_joined(*connection) {
            return Ok(());
        }
        if *is_in {
            let room = generator.room(*connection).context("a stroller without a room")?;
            generator.send(*connection, &format!(r#"{{"type":"leave","room":"{room}"}}"#))?;
        } else {
            generator.join(*connection, seat(&self.rooms, act, Interest::Auto))?;
            self.comings += 1;
        }
        *is_in = !*is_in;
        Ok(())
    }

    fn call(&mut self, generator: &mut Generator, act: usize) -> Result<()> {
        let at = act % self.callers.len();
        if generator.is_joined(self.callers[at]) {
            generator.leave(self.callers[at])?;
            self.callers[at] = generator.begin(Some(seat(&self.rooms, act, Interest::Auto)))?;
            self.comings += 1;
        }
        Ok(())
    }

    /// Each sleeps for most of a while, and is awake for the rest; whom the server ended comes anew.
    fn doze(&mut self, generator: &mut Generator, act: usize) -> Result<()> {
        let at = act % self.sleepers.len();
        let sleeper = &mut self.sleepers[at];
        if generator.is_gone(*sleeper) {
            self.sleepers_ended += 1;
            *sleeper = generator.begin(Some(seat(&self.rooms, at, Interest::Auto)))?;
        }
        let phase = (self.begun.elapsed().as_secs_f64() + at as f64) % NAP.as_secs_f64();
        if generator.is_joined(*sleeper) {
            generator.sleep(*sleeper, phase < SLEEP.as_secs_f64());
        }
        Ok(())
    }
}

fn seat(rooms: &[Rc<str>], at: usize, interest: Interest) -> Seat {
    Seat { room: Rc::clone(&rooms[at % rooms.len()]), interest }
}

const STROLLERS: usize = 100;
const CALLERS: usize = 50;
const SLEEPERS: usize = 20;
const ACTS_AT_ONCE_MAX: u64 = 100;
/// Sleeping and waking together.
const NAP: Duration = Duration::from_secs(25);
/// Shorter than what a server waits for an answer to its ping.
const SLEEP: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::{Sample, growth};

    #[test]
    fn growth_compares_the_last_quarter_with_the_second() {
        let sample = |rss_mib| Sample {
            minutes: 0.0,
            rss_mib,
            deliveries_per_second: 0.0,
            latency_p50_ms: 0.0,
            latency_p99_ms: 1.0,
            server_cores: 0.0,
        };
        let samples = [5.0, 7.0, 10.0, 10.0, 10.0, 11.0, 12.0, 12.0].map(sample);
        assert!((growth(&samples, |sample| sample.rss_mib) - 1.2).abs() < 1e-9);
        assert!((growth(&samples[..1], |sample| sample.rss_mib) - 1.0).abs() < 1e-9);
    }
}
