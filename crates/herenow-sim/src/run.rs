//! One seed, or many.
use crate::{
    mutation::Mutation,
    view::Fault,
    world::{Start, Trace, World},
};
use std::{collections::BTreeMap, ops::Range};

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed that all follows from.
    pub seed: u64,
    /// How many steps.
    pub steps: u32,
    /// A planted fault.
    pub mutation: Option<Mutation>,
    /// What to keep of the course.
    pub trace: Trace,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Inputs and frames.
    pub events: u64,
    /// Longest time from the last action to the last change, in virtual milliseconds.
    pub converged_ms: u64,
    /// How often each kind of event was said to somebody.
    pub said: BTreeMap<&'static str, u64>,
    /// What did not hold, first of all.
    pub fault: Option<Fault>,
    /// What was kept of the course.
    pub trace: Trace,
}

/// Runs a seed: half of the steps, a rest, the other half, a rest, and everybody goes.
pub fn run(plan: Plan) -> Report {
    let Plan { seed, steps, mutation, trace } = plan;
    let mut world = World::new(Start { seed, mutation, trace });
    let outcome = play(&mut world, steps);
    let (converged_ms, fault) = match outcome {
        Ok(converged_ms) => (converged_ms, None),
        Err(fault) => (0, Some(fault)),
    };
    Report { seed, events: world.events, converged_ms, said: world.said, fault, trace: world.trace }
}

fn play(world: &mut World, steps: u32) -> Result<u64, Fault> {
    let mut slowest_ms = 0;
    for half in [steps / 2, steps - steps / 2] {
        for _ in 0..half {
            world.step()?;
        }
        slowest_ms = slowest_ms.max(world.rest()?);
    }
    world.empty()?;
    Ok(slowest_ms)
}

/// The first seed that finds a planted fault, and what it finds.
pub fn catch(mutation: Mutation, mut seeds: Range<u64>, steps: u32) -> Option<(u64, Fault)> {
    seeds.find_map(|seed| {
        let report = run(Plan { seed, steps, mutation: Some(mutation), trace: Trace::Off });
        report.fault.map(|fault| (seed, fault))
    })
}
