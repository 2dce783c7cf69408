//! All the works in one run, for several servers in alternation, beside what the machine can do at all.
use crate::{
    dialect::Interest,
    fanout::{Audience, FanoutFigures},
    flight::{Pace, Stage},
    idle::{self, IdlePlan, IdleWay},
    limits,
    server::{Server, Setup, Target},
    sheet::{Goal, Kind, Sheet},
    work::{self, JoinPlan, LeavePlan},
};
use anyhow::{Context, Result};
use std::time::Duration;

/// What to run.
#[derive(Clone, Debug)]
pub struct SuitePlan {
    /// Which servers; the first is the one whose goals are judged.
    pub targets: Vec<Target>,
    /// How often each is measured.
    pub rounds: usize,
    /// Which works, by number.
    pub works: Vec<u8>,
    /// How large they are.
    pub sizes: Sizes,
    /// How long deliveries are counted, each time.
    pub duration: Duration,
}

/// How large the works are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Idle connections of W1, in rooms of 10; also those of W3.
    pub connections: usize,
    /// Viewers of the one room of W2, W4 and W5.
    pub members: usize,
    /// Viewers of the larger room of W4.
    pub crowd: usize,
    /// Who stays in W5.
    pub observers: usize,
}

impl Sizes {
    /// Those of the figures in the documentation.
    pub const FULL: Self = Self { connections: 10_000, members: 1000, crowd: 5000, observers: 10 };
    /// To see whether everything works.
    pub const SMALL: Self = Self { connections: 200, members: 50, crowd: 120, observers: 3 };
}

/// Runs it all. Tells `progress` what it is at.
///
/// # Errors
/// Where one measurement fails.
pub fn run(
    plan: &SuitePlan,
    setup: &Setup,
    (machine, pinning): (String, String),
    progress: &mut dyn FnMut(&str),
) -> Result<Sheet> {
    let mut columns: Vec<_> = plan.targets.iter().map(Target::to_string).collect();
    columns.push(LIMIT.to_owned());
    let mut suite = Suite { plan, setup, sheet: Sheet::new(machine, pinning, columns, KINDS), progress };
    for round in 0..plan.rounds {
        // Whoever is measured first after a pause is measured on another machine than the rest.
        let mut order: Vec<_> = plan.targets.iter().enumerate().collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for work in &plan.works {
            for (at, target) in &order {
                (suite.progress)(&format!("round {} of {}: W{work}, {target}", round + 1, plan.rounds));
                let done = suite.work(*work, target, *at == 0);
                done.with_context(|| format!("W{work} of {target}"))?;
            }
        }
    }
    suite.sheet.judge();
    Ok(suite.sheet)
}

struct Suite<'a> {
    plan: &'a SuitePlan,
    setup: &'a Setup,
    sheet: Sheet,
    progress: &'a mut dyn FnMut(&str),
}

impl Suite<'_> {
    fn work(&mut self, work: u8, target: &Target, is_first: bool) -> Result<()> {
        match work {
            1 => self.idle(target),
            2 => self.one_room(target, is_first),
            3 => self.many_rooms(target),
            4 => self.joins(target, is_first),
            5 => self.leaves(target),
            _ => Ok(()),
        }
    }

    fn idle(&mut self, target: &Target) -> Result<()> {
        let connections = self.plan.sizes.connections;
        let figures = idle::run(
            target,
            IdlePlan { connections, rooms: connections / ROOM_SIZE, way: IdleWay::Websocket },
            self.setup,
        )?;
        self.note("w1", target, figures.rss_bytes_per_connection / 1024.0);
        Ok(())
    }

    fn one_room(&mut self, target: &Target, is_first: bool) -> Result<()> {
        let stage = Stage { rooms: 1, members: self.plan.sizes.members, payload_bytes: PAYLOAD_BYTES };
        let server = Server::start(target, self.setup)?;
        let mut audience = Audience::fill(&server, stage, Interest::Auto, self.setup)?;
        let mut best = 0.0_f64;
        let mut frame_bytes = 0.0;
        for (outstanding, rate, cpu) in
            [(1, "w2-1", "w2-1-cpu"), (32, "w2-32", "w2-32-cpu"), (128, "w2-128", "w2-128-cpu")]
        {
            let figures = audience.measure(Pace::Outstanding(outstanding), self.plan.duration)?;
            self.note(rate, target, figures.deliveries_per_second);
            self.note(cpu, target, figures.cpu_us_per_delivery);
            best = best.max(figures.deliveries_per_second);
            frame_bytes = figures.bytes_per_delivery;
        }
        let half = best / 2.0 / (stage.members - 1) as f64;
        let figures = audience.measure(Pace::PerSecond(half), self.plan.duration)?;
        self.note_latency(["w2-half", "w2-p50", "w2-p99"], target, &figures);
        drop((audience, server));
        if is_first {
            for (frames_a_send, rate, cpu) in
                [(1, "w2-1", "w2-1-cpu"), (16, "w2-32", "w2-32-cpu"), (64, "w2-128", "w2-128-cpu")]
            {
                let limit = limits::send(stage.members, frame_bytes.round() as usize, frames_a_send, self.limits())?;
                self.sheet.note(rate, LIMIT, limit.deliveries_per_second);
                self.sheet.note(cpu, LIMIT, limit.cpu_us_per_delivery);
            }
        }
        Ok(())
    }

    fn many_rooms(&mut self, target: &Target) -> Result<()> {
        let rooms = self.plan.sizes.connections / ROOM_SIZE;
        let stage = Stage { rooms, members: ROOM_SIZE, payload_bytes: PAYLOAD_BYTES };
        let server = Server::start(target, self.setup)?;
        let mut audience = Audience::fill(&server, stage, Interest::Auto, self.setup)?;
        let mut best: Option<FanoutFigures> = None;
        for outstanding in [100, 1000] {
            let figures = audience.measure(Pace::Outstanding(outstanding), self.plan.duration)?;
            if best.is_none_or(|best| best.deliveries_per_second < figures.deliveries_per_second) {
                best = Some(figures);
            }
        }
        let Some(best) = best else { return Ok(()) };
        self.note("w3", target, best.deliveries_per_second);
        self.note("w3-cpu", target, best.cpu_us_per_delivery);
        let half = best.deliveries_per_second / 2.0 / (ROOM_SIZE - 1) as f64;
        let figures = audience.measure(Pace::PerSecond(half), self.plan.duration)?;
        self.note_latency(["w3-half", "w3-p50", "w3-p99"], target, &figures);
        Ok(())
    }

    fn joins(&mut self, target: &Target, is_first: bool) -> Result<()> {
        let Sizes { members, crowd, .. } = self.plan.sizes;
        let small = (members, Interest::Auto, ["w4", "w4-mb", "w4-cpu"], true);
        let large = (crowd, Interest::Full, ["w4-5000", "w4-5000-mb", "w4-5000-cpu"], true);
        let faces = (crowd, Interest::Auto, ["w4-faces", "w4-faces-mb", "w4-faces-cpu"], false);
        // Among the others are some that would not come to an end with the large room.
        let works = [small, large, faces];
        for (members, interest, [seconds, megabytes, cpu], list) in works.into_iter().take(if is_first { 3 } else { 1 })
        {
            let figures = work::join(target, JoinPlan { members, interest }, self.setup)?;
            self.note(seconds, target, figures.complete_seconds);
            self.note(megabytes, target, figures.bytes as f64 / 1e6);
            self.note(cpu, target, figures.cpu_seconds);
            if is_first && list {
                let limit = limits::list(members, figures.bytes as usize / members, self.limits())?;
                self.sheet.note(seconds, LIMIT, limit.complete_seconds);
                self.sheet.note(megabytes, LIMIT, (limit.list_bytes * members) as f64 / 1e6);
            }
        }
        Ok(())
    }

    fn leaves(&mut self, target: &Target) -> Result<()> {
        let Sizes { members, observers, .. } = self.plan.sizes;
        let figures = work::leave(target, LeavePlan { members, observers }, self.setup)?;
        self.note("w5", target, figures.complete_seconds);
        self.note("w5-cpu", target, figures.cpu_seconds);
        Ok(())
    }

    fn note(&mut self, key: &str, target: &Target, value: f64) {
        self.sheet.note(key, &target.to_string(), value);
    }

    fn note_latency(&mut self, [rate, p50, p99]: [&str; 3], target: &Target, figures: &FanoutFigures) {
        self.note(rate, target, figures.deliveries_per_second);
        self.note(p50, target, figures.latency_p50_us / 1e3);
        self.note(p99, target, figures.latency_p99_us / 1e3);
    }

    fn limits(&self) -> limits::Plan {
        let Setup { server_core: core, limit, .. } = *self.setup;
        limits::Plan { duration: self.plan.duration.min(LIMIT_DURATION), core, limit }
    }
}

/// The last column.
const LIMIT: &str = "limit";
const ROOM_SIZE: usize = 10;
const PAYLOAD_BYTES: usize = 100;
const LIMIT_DURATION: Duration = Duration::from_secs(3);

const fn row(key: &'static str, name: &'static str, decimals: usize) -> Kind {
    Kind { key, name, decimals, goal: None }
}

const fn goal(key: &'static str, name: &'static str, decimals: usize, goal: Goal) -> Kind {
    Kind { key, name, decimals, goal: Some(goal) }
}

/// The rows, in their order. The limits beside 1, 32 and 128 outstanding are those of 1, 16 and 64 frames a send.
const KINDS: &[Kind] = &[
    goal("w1", "W1: resident KiB per idle joined connection", 2, Goal::AtMost(2.0)),
    goal("w2-1", "W2, 1 outstanding: deliveries/s", 0, Goal::AtLeastLimits(0.65)),
    row("w2-1-cpu", "the same: server CPU µs per delivery", 3),
    goal("w2-32", "W2, 32 outstanding: deliveries/s", 0, Goal::AtLeastLimits(0.70)),
    row("w2-32-cpu", "the same: server CPU µs per delivery", 3),
    goal("w2-128", "W2, 128 outstanding: deliveries/s", 0, Goal::AtLeastRow("w2-32")),
    row("w2-128-cpu", "the same: server CPU µs per delivery", 3),
    row("w2-half", "W2 at half of the most: deliveries/s", 0),
    row("w2-p50", "the same: latency p50, ms", 2),
    row("w2-p99", "the same: latency p99, ms", 2),
    goal("w3", "W3: most deliveries/s", 0, Goal::AtLeastOf("seed", 2.7)),
    row("w3-cpu", "the same: server CPU µs per delivery", 3),
    row("w3-half", "W3 at half of the most: deliveries/s", 0),
    row("w3-p50", "the same: latency p50, ms", 2),
    row("w3-p99", "the same: latency p99, ms", 2),
    goal("w4", "W4, 1,000 join at once: s until all know all", 3, Goal::AtMostLimits(3.0)),
    row("w4-mb", "the same: MB sent", 1),
    row("w4-cpu", "the same: server CPU s", 3),
    goal("w4-5000", "W4, 5,000, interest `full`: s until all know all", 3, Goal::AtMostLimits(3.0)),
    row("w4-5000-mb", "the same: MB sent", 1),
    row("w4-5000-cpu", "the same: server CPU s", 3),
    goal("w4-faces", "W4, 5,000, count and faces: s until all know the count", 3, Goal::AtMost(1.0)),
    row("w4-faces-mb", "the same: MB sent", 1),
    row("w4-faces-cpu", "the same: server CPU s", 3),
    goal("w5", "W5, 1,000 leave at once: s until the last of 10 observers knows", 3, Goal::AtMost(0.05)),
    row("w5-cpu", "the same: server CPU s", 3),
];

#[cfg(test)]
mod tests {
    use super::KINDS;
    use std::collections::BTreeSet;

    #[test]
    fn each_row_has_a_key_of_its_own() {
        let keys: BTreeSet<_> = KINDS.iter().map(|kind| kind.key).collect();
        assert_eq!(keys.len(), KINDS.len());
    }
}
