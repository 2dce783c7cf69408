//! `herenow-sim`: plays one seed with its trace, many seeds, or every planted fault.
use herenow_sim::{
    cluster::{
        run::{Plan as ClusterPlan, Report as ClusterReport, catch as catch_cluster, run as run_cluster},
        wrong::Wrong,
    },
    mutation::Mutation,
    run::{Plan, Report, catch, run},
    world::Trace,
};
use std::{
    fmt::Debug,
    io::{self, Write},
    ops::Range,
    process::ExitCode,
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
};

const USAGE: &str = "usage: herenow-sim --seed N [--steps M] [--trace]
       herenow-sim --seeds A..B [--steps M] [--jobs J]
       herenow-sim --mutants [--seeds A..B] [--steps M]
       herenow-sim --cluster (any of the above)";

/// Failing seeds shown at most.
const SHOWN_MAX: usize = 20;

/// What was asked for.
struct Asked {
    seeds: Range<u64>,
    one: bool,
    steps: u32,
    jobs: u64,
    trace: bool,
    mutants: bool,
    cluster: bool,
}

fn main() -> ExitCode {
    let mut out = io::stdout().lock();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(asked) = read(&arguments) else {
        return said(writeln!(out, "{USAGE}"), false);
    };
    if asked.cluster {
        return cluster(&asked, &mut out);
    }
    if asked.mutants {
        return mutants(&asked, &mut out);
    }
    if asked.one { single(&asked, &mut out) } else { many(&asked, &mut out) }
}

fn read(arguments: &[String]) -> Option<Asked> {
    let mut asked =
        Asked { seeds: 0..100, one: false, steps: 1_000, jobs: 1, trace: false, mutants: false, cluster: false };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--seed" => {
                let seed: u64 = rest.next()?.parse().ok()?;
                (asked.seeds, asked.one) = (seed..seed.checked_add(1)?, true);
            }
            "--seeds" => {
                let (start, end) = rest.next()?.split_once("..")?;
                asked.seeds = start.parse().ok()?..end.parse().ok()?;
            }
            "--steps" => asked.steps = rest.next()?.parse().ok()?,
            "--jobs" => asked.jobs = rest.next()?.parse().ok().filter(|jobs| (1..=64).contains(jobs))?,
            "--trace" => asked.trace = true,
            "--mutants" => asked.mutants = true,
            "--cluster" => asked.cluster = true,
            _ => return None,
        }
    }
    Some(asked)
}

fn single(asked: &Asked, out: &mut impl Write) -> ExitCode {
    let trace = if asked.trace { Trace::Lines(Vec::new()) } else { Trace::Off };
    let report = run(Plan { seed: asked.seeds.start, steps: asked.steps, mutation: None, trace });
    let printed = print(&report, asked.steps, out);
    said(printed, report.fault.is_none())
}

fn print(report: &Report, steps: u32, out: &mut impl Write) -> io::Result<()> {
    if let Trace::Lines(lines) = &report.trace {
        for line in lines {
            writeln!(out, "{line}")?;
        }
    }
    match &report.fault {
        None => {
            for (kind, times) in &report.said {
                writeln!(out, "{times:>7} {kind}")?;
            }
            writeln!(out, "seed {} holds, {} events", report.seed, report.events)
        }
        Some(fault) => {
            writeln!(out, "seed {}: {fault}", report.seed)?;
            writeln!(out, "  replay: herenow-sim --seed {} --steps {steps} --trace", report.seed)
        }
    }
}

fn many(asked: &Asked, out: &mut impl Write) -> ExitCode {
    let next = AtomicU64::new(asked.seeds.start);
    let (sender, receiver) = mpsc::channel();
    let (mut events, mut slowest_ms, mut failed) = (0, 0, Vec::new());
    thread::scope(|scope| {
        for _ in 0..asked.jobs {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= asked.seeds.end {
                        return;
                    }
                    let plan = Plan { seed, steps: asked.steps, mutation: None, trace: Trace::Off };
                    if sender.send(run(plan)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for report in receiver {
            events += report.events;
            slowest_ms = slowest_ms.max(report.converged_ms);
            if report.fault.is_some() {
                failed.push(report);
            }
        }
    });
    failed.sort_by_key(|report| report.seed);
    let shown = failed.iter().take(SHOWN_MAX).try_for_each(|report| print(report, asked.steps, out));
    let summary = writeln!(
        out,
        "sim: {} seeds, {} violations, {:.1}M events, slowest convergence {:.1} virtual s",
        asked.seeds.end.saturating_sub(asked.seeds.start),
        failed.len(),
        events as f64 / 1e6,
        f64::from(u32::try_from(slowest_ms).unwrap_or(u32::MAX)) / 1e3
    );
    said(shown.and(summary), failed.is_empty())
}

fn mutants(asked: &Asked, out: &mut impl Write) -> ExitCode {
    let find = |wrong: Mutation| catch(wrong, asked.seeds.clone(), asked.steps);
    planted(Mutation::ALL, Mutation::claim, find, out)
}

/// Plays several nodes with one store.
fn cluster(asked: &Asked, out: &mut impl Write) -> ExitCode {
    if asked.mutants {
        return cluster_mutants(asked, out);
    }
    let next = AtomicU64::new(asked.seeds.start);
    let (sender, receiver) = mpsc::channel();
    let mut reports = Vec::new();
    thread::scope(|scope| {
        for _ in 0..asked.jobs {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let plan = ClusterPlan { seed, steps: asked.steps, wrong: None, trace: asked.trace };
                    if seed >= asked.seeds.end || sender.send(run_cluster(plan)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        reports.extend(receiver);
    });
    reports.sort_by_key(|report| report.seed);
    let failed: Vec<&ClusterReport> = reports.iter().filter(|report| report.fault.is_some()).collect();
    let printed = print_cluster(asked, &reports, &failed, out);
    said(printed, failed.is_empty())
}

fn print_cluster(
    asked: &Asked,
    reports: &[ClusterReport],
    failed: &[&ClusterReport],
    out: &mut impl Write,
) -> io::Result<()> {
    for line in reports.iter().flat_map(|report| &report.trace) {
        writeln!(out, "{line}")?;
    }
    for report in failed.iter().take(SHOWN_MAX) {
        let (seed, steps) = (report.seed, asked.steps);
        writeln!(out, "seed {seed}: {}", report.fault.as_deref().unwrap_or_default())?;
        writeln!(out, "  replay: herenow-sim --cluster --seed {seed} --steps {steps} --trace")?;
    }
    let mut counters = std::collections::BTreeMap::<&str, u64>::new();
    for (name, value) in reports.iter().flat_map(|report| &report.counters) {
        *counters.entry(name).or_default() += value;
    }
    for (name, value) in counters {
        writeln!(out, "{value:>9} {name}")?;
    }
    let events: u64 = reports.iter().map(|report| report.events).sum();
    let slowest_ms = reports.iter().map(|report| report.converged_ms).max().unwrap_or_default();
    writeln!(
        out,
        "sim --cluster: {} seeds, {} violations, {:.1}M events, slowest convergence {:.1} virtual s",
        reports.len(),
        failed.len(),
        events as f64 / 1e6,
        f64::from(u32::try_from(slowest_ms).unwrap_or(u32::MAX)) / 1e3
    )
}

fn cluster_mutants(asked: &Asked, out: &mut impl Write) -> ExitCode {
    let find = |wrong: Wrong| catch_cluster(wrong, asked.seeds.clone(), asked.steps);
    planted(Wrong::ALL, Wrong::claim, find, out)
}

/// Says of each planted fault whether it is caught, and by which seed.
fn planted<F: Copy + Debug>(
    all: &[F],
    claim: impl Fn(F) -> &'static str,
    find: impl Fn(F) -> Option<(u64, String)>,
    out: &mut impl Write,
) -> ExitCode {
    let mut caught = 0;
    let mut printed = Ok(());
    for fault in all {
        let found = find(*fault);
        caught += usize::from(found.is_some());
        let claim = claim(*fault);
        let line = match found {
            Some((seed, seen)) => format!("seed {seed:>3}  {fault:?}: {claim}\n          {seen}"),
            None => format!("not caught {fault:?}: {claim}"),
        };
        printed = printed.and(writeln!(out, "{line}"));
    }
    printed = printed.and(writeln!(out, "mutants: {caught}/{} caught", all.len()));
    said(printed, caught == all.len())
}

/// Exits well where something could be said and was good.
fn said(printed: io::Result<()>, good: bool) -> ExitCode {
    if printed.is_ok() && good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
